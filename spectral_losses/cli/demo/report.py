"""The outcome of the demo as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path
from typing import Any

from spectral_losses.cli.demo.experiment import Outcome
from spectral_losses.cli.demo.judging import Estimate, Measured, bands, estimates, ratio
from spectral_losses.cli.demo.recipes import ALONE, RECIPES, SCHEDULED, SHARED
from spectral_losses.cli.ui.console import console, write

__all__ = ["document", "print_json", "print_tables"]

PAGES = (
    ("which loss for which target", "docs/which-loss.md"),
    ("a scheduler, a goal or shares", "docs/weights.md"),
    ("what this demo shows, and what it does not", "docs/demo.md"),
)


def print_tables(outcome: Outcome, figure: Path) -> None:
    """Print what was run, how the forecasts compare, what it cost, and where to read on."""
    with console() as printer:
        for text in _settings(outcome):
            printer.print(text, soft_wrap=True)
        printer.print(_forecasts(outcome))
        printer.print(_times(outcome))
        for text in (
            *_verdict(outcome),
            "",
            f"wrote {figure}",
            *(f"{what}: {page}" for what, page in PAGES),
        ):
            printer.print(text, soft_wrap=True)


def print_json(outcome: Outcome, figure: Path) -> None:
    """Print `document` on one line."""
    write(json.dumps(document(outcome, figure), allow_nan=False) + "\n")


def document(outcome: Outcome, figure: Path) -> dict[str, Any]:
    """Everything in plain types; ``spectral-losses demo --help`` documents the keys."""
    s = outcome.setting
    leads = [
        {"steps": lead, "time": lead * s.flow.spacing, **{key: _plain(found) for key, found in each.items()}}
        for lead, each in outcome.forecasts.items()
    ]
    rollouts = {key: _plain(found) for key, found in outcome.rollouts.items()}
    return {
        "flow": outcome.name,
        "seed": outcome.seed,
        "setting": {**s._asdict(), "flow": s.flow.title, "leads": list(s.leads)},
        "machine": {"processor": platform.machine(), "python": platform.python_version(), "torch": _torch_version()},
        "forecasts": leads,
        "rollouts": rollouts or None,
        "training": {
            key: {
                "seconds": run.seconds,
                "first_losses": run.first_losses,
                "looks": [
                    {
                        "step": look.step,
                        "weights": look.weights,
                        "validation": {name: _finite(value) for name, value in look.metrics.items()},
                        "decision": None if look.decision is None else str(look.decision),
                    }
                    for look in run.looks
                ],
            }
            for key, run in outcome.runs.items()
        },
        "simulation_seconds": outcome.simulated,
        "step_seconds": outcome.step_seconds,
        "figure": str(figure),
    }


def _settings(outcome: Outcome) -> list[str]:
    s = outcome.setting
    return [
        f"{s.flow.title}, seed {outcome.seed}",
        f"trajectories of {s.frames} frames: {s.training} for training, {s.validation} for validation, {s.test} unseen",
        f"Fourier neural operator: {s.layers} layers, width {s.width}, {s.modes} modes; next-step prediction, "
        f"{s.steps} steps, batches of {s.batch}, Adam at {s.learning_rate:g} with cosine decay",
        f"{SCHEDULED.name}: the log spectral distance gets weight along a ramp over the first tenth, to {s.weight:g}; "
        f"{SHARED.name}: as much as gives it {s.share:g} of the field error's pull",
    ]


def _forecasts(outcome: Outcome) -> object:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("unseen flows [95 % of resampled flows]")
    for recipe in RECIPES:
        table.add_column(recipe.name, justify="right")

    def rows(found: dict[str, Measured], names: dict[str, str]) -> None:
        each = [estimates(found[recipe.key]) for recipe in RECIPES]
        for i, (name, label) in enumerate(names.items()):
            table.add_row(f"  {label}", *(_said(e[name]) for e in each), end_section=i == len(names) - 1)

    few = {
        "field_error": "field error",
        "log_spectral_distance": "log spectral distance",
    }
    laid = bands(next(iter(outcome.forecasts[outcome.setting.leads[0]].values())).plane)
    many = dict(few)
    for what, label in (("energy_ratio", "energy / truth"), ("coherence", "coherence")):
        many |= {f"{b.name}.{what}": f"{label}, {b.name} ({b.centres[0]:g} to {b.centres[1]:g})" for b in laid}
    for i, (lead, found) in enumerate(outcome.forecasts.items()):
        steps = "step" if lead == 1 else "steps"
        table.add_row(f"{lead} {steps} ahead, time {lead * outcome.setting.flow.spacing:g}")
        rows(found, few if i else many)
    if outcome.rollouts:
        long = outcome.setting.long
        table.add_row(f"rollouts, mean of steps {long // 2 + 1} to {long}")
        small = f"{laid[-1].name}.energy_ratio"
        rows(outcome.rollouts, {"log_spectral_distance": few["log_spectral_distance"], small: many[small]})
    return table


def _times(outcome: Outcome) -> object:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"time (simulation {outcome.simulated:.0f} s)")
    for recipe in RECIPES:
        table.add_column(recipe.name, justify="right")
    table.add_row("training and validation", *(f"{outcome.runs[r.key].seconds:.1f} s" for r in RECIPES))
    table.add_row("fastest step", *(_step(outcome, recipe.key) for recipe in RECIPES))
    return table


def _step(outcome: Outcome, key: str) -> str:
    own, alone = outcome.step_seconds[key], outcome.step_seconds[ALONE.key]
    return f"{1000 * own:.1f} ms" + (f" ({100 * (own / alone - 1):+.0f} %)" if key != ALONE.key else "")


def _verdict(outcome: Outcome) -> list[str]:
    """What was bought and what was paid for it, in words."""
    lead = outcome.setting.leads[0]
    found, lines = outcome.forecasts[lead], []
    for recipe in RECIPES[1:]:
        lines.append(f"{recipe.name} over {ALONE.name}, {lead} step ahead:")
        for name, label in (("log_spectral_distance", "log spectral distance"), ("field_error", "field error")):
            lines.append(f"  {label} x {_said(ratio(name, found[recipe.key], found[ALONE.key]))}")
    return lines


def _said(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "-"
    return f"{_digits(estimate.value)} [{_digits(estimate.low)}, {_digits(estimate.high)}]"


def _digits(value: float) -> str:
    return f"{value:#.3g}".removesuffix(".")


def _plain(found: Measured) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, estimate in estimates(found).items():
        band, dot, what = name.rpartition(".")
        place = result.setdefault(band, {}) if dot else result
        place[what] = None if not math.isfinite(estimate.value) else [_finite(each) for each in estimate]
    return result


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _torch_version() -> str:
    import torch

    return str(torch.__version__)
