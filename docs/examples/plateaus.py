"""How often a scheduler takes an improvement for a plateau, and how late it sees one, on simulated validations.

Curves of several shapes under several kinds of noise, each drawn so many times; one move is waited for, by
``trigger="auto"`` and by rules with a patience::

    python docs/examples/plateaus.py                             # print the table
    python docs/examples/plateaus.py --write docs/scheduler.md   # and put it between the marks in this page

A move is false where more than 15 % of the metric is still to be gained within the run. The delay of one that is not is
counted from where no more than that is left. It needs nothing but this library, and takes some minutes.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minimisers import filled

import spectral_losses as sl

LENGTH, LEFT = 240, 0.15
CURVES: dict[str, Callable[[int], float]] = {
    "stretched": lambda n: 0.02 + math.exp(-math.sqrt(n / 4)),
    "logistic": lambda n: 0.05 + 1 / (1 + math.exp((n - 60) / 12)),
    "two stairs": lambda n: 0.1 + 0.3 / (1 + math.exp((n - 90) / 6)) + 0.6 * math.exp(-n / 8),
    "fast": lambda n: 0.3 + 0.7 * math.exp(-n / 12),
    "flat": lambda n: 0.5,
}
RESTING = ("logistic", "two stairs")
"""Curves that lie still for a while before they go on: what comes is not to be known then."""
RULES: dict[str, dict[str, Any]] = {
    '`trigger="auto"`': {"trigger": "auto"},
    "the defaults": {"warmup_epochs": 0},
    'the preset `"original"`': {"warmup_epochs": 0, "min_delta": 1e-3, "min_delta_mode": "absolute"},
    "patience 10 on the raw metric, 0.01 %": {
        "warmup_epochs": 0,
        "patience": 10,
        "use_ema": False,
        "min_delta": 1e-4,
    },
    "patience 20 on the raw metric, 1 %": {"warmup_epochs": 0, "patience": 20, "use_ema": False},
}


class Kind(NamedTuple):
    """Noise of a validation: factors around 1."""

    size: float
    correlation: float = 0.0
    wild: float = 0.0
    """Share of the observations that are two and a half times too large."""

    def factors(self, draw: random.Random) -> list[float]:
        """One for each observation of a run."""
        found, rest = [], 0.0
        for _ in range(LENGTH):
            fresh = math.sqrt(1 - self.correlation**2) * draw.gauss(0, 1)
            rest = self.correlation * rest + fresh
            found.append(math.exp(self.size * rest) * (2.5 if draw.random() < self.wild else 1))
        return found


NOISES = {
    "2 %": Kind(0.02),
    "10 %": Kind(0.1),
    "30 %": Kind(0.3),
    "8 %, correlated": Kind(0.08, correlation=0.5),
    "3 %, spikes": Kind(0.03, wild=0.08),
}


class Tally(NamedTuple):
    """What a rule did with one curve and one kind of noise."""

    false: float
    """Share of the runs in which it moved too soon."""
    delay: float | None
    """Median over the others."""
    never: float


def first_move(rule: dict[str, Any], values: Sequence[float]) -> int | None:
    """After how many observations a scheduler moves."""
    scheduler = sl.LossScheduler(sl.SchedulerConfig(**rule), history=0)
    for number, value in enumerate(values):
        if scheduler.step({"spectrum_error": value}):
            return number
    return None


def tally(rule: dict[str, Any], curve: str, noise: Kind, runs: int) -> Tally:
    """Count false moves, and delays of the others."""
    clean = [CURVES[curve](n) for n in range(LENGTH)]
    settled = next(n for n, value in enumerate(clean) if value <= (1 + LEFT) * clean[-1] * (1 + 1e-12))
    false, delays = 0, []
    for run in range(runs):
        factors = noise.factors(random.Random(f"{curve} {noise} {run}"))
        found = first_move(rule, [value * factor for value, factor in zip(clean, factors, strict=True)])
        if found is not None and found < settled:
            false += 1
        elif found is not None:
            delays.append(found - settled)
    delay = statistics.median(delays) if delays else None
    return Tally(false / runs, delay, (runs - false - len(delays)) / runs)


def table(runs: int) -> str:
    """False moves by noise, and delays, of every rule; as Markdown."""
    header = ["rule", "false moves", *NOISES, "false, resting", "delay, falling", "delay, flat", "never"]
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for name, rule in RULES.items():
        found = {(curve, kind): tally(rule, curve, noise, runs) for curve in CURVES for kind, noise in NOISES.items()}
        steady = [curve for curve in CURVES if curve not in RESTING]
        by_noise = [statistics.mean(found[curve, kind].false for curve in steady) for kind in NOISES]
        resting = statistics.mean(t.false for (curve, _), t in found.items() if curve in RESTING)
        delays = [
            [t.delay for (curve, _), t in found.items() if (curve == "flat") is flat and t.delay is not None]
            for flat in (False, True)
        ]
        cells = [f"{100 * share:.0f} %" for share in (statistics.mean(by_noise), *by_noise, resting)]
        cells += [f"{statistics.mean(each):.0f}" if each else "" for each in delays]
        cells.append(f"{100 * statistics.mean(t.never for t in found.values()):.1f} %")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, print the table, and write it into pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60, help="of each curve with each noise")
    parser.add_argument("--write", type=Path, nargs="+", default=[], metavar="PAGE", help="pages to put the table into")
    args = parser.parse_args(arguments)
    said = (
        f"Simulated validations: {len(CURVES)} shapes ({', '.join(CURVES)}) with {len(NOISES)} kinds of noise, "
        f"{args.runs} runs of {LENGTH} observations each. A move is false where more than {100 * LEFT:.0f} % is still "
        f"to be gained: the first columns are of curves that fall or lie still throughout, in all and by noise; "
        f"resting are {' and '.join(RESTING)}, which lie still and then go on; delays are medians in "
        "observations after that, averaged. Made by `python docs/examples/plateaus.py --write docs/scheduler.md`."
    )
    text = f"{said}\n\n{table(args.runs)}"
    print(text)
    for page in args.write:
        page.write_text(filled(page.read_text(encoding="utf-8"), "plateaus", lambda _: text), encoding="utf-8")
        print(f"wrote {page}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
