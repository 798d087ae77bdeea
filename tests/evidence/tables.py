"""The tables of `docs/evidence.md`, from the stored runs.

python -m tests.evidence.tables                           # print them
python -m tests.evidence.tables --write docs/evidence.md  # put them between the marks of this page
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from . import RESULTS
from .arms import ALONE, STATIC
from .networks import NETWORKS
from .outcome import Outcome, outcome
from .paired import Interval
from .setting import FLOWS

__all__ = ["main", "report"]

GLANCE = ("static .01", "controller", "shares", "excess .01", "coherent .01", "ramp .01")
TITLES = {
    ALONE: "field error alone",
    **{arm: f"+ {weight:g} D" for arm, weight in STATIC.items()},
    "controller": "controller, a goal for D",
    "shares": "shares 1 and 0.1",
    "unrolled": "three steps unrolled, field error alone",
    "unrolled .01": "three steps unrolled, + 0.01 D",
    "adjusted": "`adjusted_error`",
    "scheduler": "scheduler, defaults",
    "auto": "scheduler, auto, to 0.1 D",
    "half": "half `spectrum_error`",
    "unpooled .01": "+ 0.01 D, not pooled",
    "excess .01": "+ 0.01 excess of D",
    "excess .1": "+ 0.1 excess of D",
    "coherent .01": "+ 0.01 D, deficit by coherence",
    "adjusted late": "`adjusted_error` in the last fifth",
    "ramp .01": "+ 0.01 D after a ramp",
    "ramp .03": "+ 0.03 D after a ramp",
}
NETWORK = {"fno": "FNO", "unet": "U-Net"}


LEAST, MOST = 0.2, 3.0
"""Ratios between them are said in per cent."""
BASE = {"unrolled .01": "unrolled"}
"""What an arm is compared with, where it is not the field error alone."""


def report(results: Path) -> str:
    """All tables, of the flows that have results."""
    parts = []
    for flow in FLOWS:
        for network in NETWORKS:
            found = outcome(results, flow, network)
            if found.seeds:
                parts.append(section(found))
    return "\n\n".join(parts)


def glance(results: Path) -> str:
    """One step ahead: what the arms that are run everywhere paid and reached, a row for each flow and network."""
    rows = []
    for network in NETWORKS:
        for flow in FLOWS:
            found = outcome(results, flow, network)
            if not found.seeds:
                continue
            row = [f"{FLOWS[flow].title}, {NETWORK[network]}", str(len(found.seeds))]
            alone = (_mean(found.values(ALONE, "leads", "1", what), 2) for what in ("field_error", "distance"))
            row.append(", ".join(alone))
            for arm in GLANCE:
                paid = _change(found, arm, "leads", "1", "field_error").partition(" (")[0]
                row.append(f"{paid}, {_mean(found.values(arm, 'leads', '1', 'distance'), 2)}" if paid else "")
            rows.append(row)
    return _table(["field error paid, D", "seeds", "alone: field error, D", *(TITLES[arm] for arm in GLANCE)], rows)


def section(found: Outcome) -> str:
    """One flow and network."""
    setting = FLOWS[found.flow]
    return "\n\n".join(
        (
            f"### {setting.title}, {NETWORK[found.network]}",
            f"{setting.steps} steps of {setting.batch}. Goal of the controller: {setting.goal:g}.",
            ahead_table(found),
            bands_table(found),
            later_table(found),
        )
    )


def ahead_table(found: Outcome) -> str:
    """One step ahead."""
    rows = []
    for arm in found.arms:
        beyond = None if arm.startswith("unrolled") else found.beyond(arm)
        rows.append(
            [
                TITLES[arm],
                str(len(found.found[arm])),
                _change(found, arm, "leads", "1", "field_error"),
                _mean(found.values(arm, "leads", "1", "field_error")),
                _mean(found.values(arm, "leads", "1", "distance")),
                _mean(found.values(arm, "leads", "1", "top_energy")),
                "" if beyond is None else f"{_signed(beyond[0])}; {beyond[1]} of {len(beyond[0].each)}",
                f"{statistics.fmean(found.values(arm, 'step_ms').values()):.0f}",
            ]
        )
    head = [
        "one step ahead",
        "seeds",
        "field error paid",
        "field error",
        "D",
        "energy, top third",
        "off the front; inside",
        "ms",
    ]
    return _table(head, rows)


def bands_table(found: Outcome) -> str:
    """Coherence, amplitude ratio and parts of the error, of thirds of the wavenumbers."""
    rows = []
    for arm in found.arms:
        row = [TITLES[arm]]
        for what in ("coherence", "amplitude_ratio", "amplitude", "phase"):
            values = [_mean(found.values(arm, "leads", "1", "bands", str(band), what), 3) for band in range(3)]
            row.append(" ".join(values))
        rows.append(row)
    return _table(["low, middle, high third", "coherence", "amplitude ratio", "error: amplitude", "error: phase"], rows)


def later_table(found: Outcome) -> str:
    """Later leads, where fields are still compared, and long rollouts, where they are not."""
    setting = FLOWS[found.flow]
    leads = [str(lead) for lead in setting.leads[1:]]
    statistics_kept = ("stable_steps", "energy", "climate") if setting.steady else ()
    rows = []
    for arm in found.arms:
        row = [TITLES[arm]]
        for lead in leads:
            row.append(_change(found, arm, "leads", lead, "field_error"))
            row += [_mean(found.values(arm, "leads", lead, what)) for what in ("field_error", "distance")]
        row += [_change(found, arm, "long", "correlation_time"), _mean(found.values(arm, "long", "correlation_time"))]
        row += [_mean(found.values(arm, "long", what)) for what in statistics_kept]
        rows.append(row)
    head = [f"{lead} steps: {what}" for lead in leads for what in ("paid", "field error", "D")]
    head += ["correlation time: change", "time"]
    head += ["200 steps: stable", "energy", "D of the mean spectrum"] if setting.steady else []
    return _table(["rollouts", *head], rows)


def _mean(values: dict[int, float], digits: int = 3) -> str:
    """The geometric mean where all are positive, and otherwise the mean."""
    each = list(values.values())
    if not each:
        return "not finite"
    mean = statistics.geometric_mean(each) if min(each) > 0 else statistics.fmean(each)
    return f"{mean:.{digits}g}" if abs(mean) < 1000 else f"{mean:.1e}"


def _change(found: Outcome, arm: str, *path: str) -> str:
    """In per cent of what the arm is compared with."""
    change = None if arm == ALONE else found.ratio(arm, *path, to=BASE.get(arm, ALONE))
    if change is None:
        return ""
    mean, low, high = change[:3]
    percent = LEAST < mean < MOST
    said = [f"{100 * (value - 1):+.1f}" if percent else f"{value:.2g}" for value in (mean, low, high)]
    unit = f"{said[0]} %" if percent else f"x {said[0]}"
    return unit + (f" ({said[1]} to {said[2]})" if len(change.each) > 1 else "")


def _signed(value: Interval) -> str:
    return f"{value.mean:+.2f}" + (f" ({value.low:+.2f} to {value.high:+.2f})" if len(value.each) > 1 else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(each)} |" for each in (head, ["---"] * len(head), *rows))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.evidence.tables", description="Tables of the stored runs.")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIRECTORY", help="default: %(default)s")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="page with the marks to put them between")
    args = parser.parse_args(argv)
    texts = {"evidence at a glance": glance(args.results), "evidence": report(args.results)}
    if args.write is None:
        print("\n\n".join(texts.values()))
        return 0
    page = args.write.read_text(encoding="utf-8")
    for name, text in texts.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if begin not in page or end not in page:
            parser.error(f"--write needs a page with {begin} and {end}, got {args.write}")
        page = page[: page.index(begin)] + f"{begin}\n\n{text}\n\n" + page[page.index(end) :]
    args.write.write_text(page, encoding="utf-8")
    print(f"wrote {args.write}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
