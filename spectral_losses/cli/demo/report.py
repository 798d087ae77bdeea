"""The outcome of the demo as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from spectral_losses.cli.demo.experiment import NAMES, Outcome
from spectral_losses.cli.demo.rollout import Score, bands_of
from spectral_losses.cli.demo.setting import Setting
from spectral_losses.cli.ui.console import console, write
from spectral_losses.scheduler import Decision

__all__ = ["document", "print_json", "print_tables"]

KEYS = ("field", "scheduled")
SHOWN = (
    "monitor",
    "warmup_epochs",
    "min_epochs_before_adapt",
    "patience",
    "min_delta",
    "min_delta_mode",
    "use_ema",
    "transition_step",
    "adaptive_step",
    "final_weight_source",
    "final_weight_target",
)


def print_tables(outcome: Outcome, figure: Path) -> None:
    """Print what was run, both trainings side by side, and what the scheduler did."""
    weights = ", ".join(f"{name} {weight:.3g}" for name, weight in _final_weights(outcome).items())
    with console() as printer:
        for text in _settings(outcome.setting, outcome.seed):
            printer.print(text, soft_wrap=True)
        printer.print(_scores(outcome))
        printer.print(_times(outcome))
        for text in (
            "scheduler, on the error of the validation after each epoch",
            *([f"  {decision}" for decision in _adaptations(outcome)] or ["  the weights never moved"]),
            f"  at the end: {weights}",
            "",
            f"wrote {figure}",
        ):
            printer.print(text, soft_wrap=True)


def print_json(outcome: Outcome, figure: Path) -> None:
    """Print `document` on one line."""
    write(json.dumps(document(outcome, figure), allow_nan=False) + "\n")


def document(outcome: Outcome, figure: Path) -> dict[str, Any]:
    """Everything in plain types; ``spectral-losses demo --help`` documents the keys."""
    setting = outcome.setting
    return {
        "seed": outcome.seed,
        "setting": {**setting._asdict(), "scheduler": setting.scheduler.to_dict()},
        "machine": {"processor": platform.machine(), "python": platform.python_version(), "torch": _torch_version()},
        "rollout": [
            {
                "steps": at,
                "time": at * setting.interval,
                **{key: _plain(score, setting.grid) for key, score in zip(KEYS, pair, strict=True)},
            }
            for at, pair in outcome.scores.items()
        ],
        "training": {
            key: {
                "steps": run.steps,
                "seconds": run.seconds,
                "first_losses": run.first_losses,
                "weights": run.weights,
                "validation": run.metrics,
            }
            for key, run in zip(KEYS, outcome.runs, strict=True)
        },
        "adaptations": [
            {"epoch": decision.epoch, "detail": decision.detail, "weights": decision.weights}
            for decision in _adaptations(outcome)
        ],
        "simulation_seconds": outcome.simulated,
        "step_seconds": {"field": outcome.step_seconds[0], "both": outcome.step_seconds[1]},
        "step_overhead": _overhead(outcome),
        "figure": str(figure),
    }


def _settings(setting: Setting, seed: int) -> list[str]:
    s = setting
    scheduler = s.scheduler.to_dict()
    return [
        f"decaying 2-D turbulence, seed {seed}: solved on {s.solver_grid} x {s.solver_grid}, seen on "
        f"{s.grid} x {s.grid}, viscosity {s.viscosity:g}, {s.frames} frames {s.interval:g} apart",
        f"trajectories: {s.training} for training, {s.validation} for validation, {s.test} unseen for the rollouts",
        f"Fourier neural operator: {s.layers} layers, width {s.width}, {s.modes} modes; next-step prediction, "
        f"{s.epochs} epochs, batches of {s.batch}, Adam at {s.learning_rate:g} with cosine decay",
        f"scheduler: {', '.join(f'{name} {scheduler[name]}' for name in SHOWN)}",
    ]


def _scores(outcome: Outcome) -> object:
    from rich import box
    from rich.table import Table

    setting = outcome.setting
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rollouts of unseen trajectories")
    for at in outcome.scores:
        after = f"{at} steps, time {at * setting.interval:g}"
        table.add_column(f"{after}\n{NAMES[0]}", justify="right")
        table.add_column(f"\n{NAMES[1]}", justify="right")
    pairs = list(outcome.scores.values())

    def row(label: str, values: list[float | None], *, last: bool = False) -> None:
        table.add_row(label, *map(_number, values), end_section=last)

    row("field error", [score.field_error for pair in pairs for score in pair])
    row("spectrum error", [score.spectrum_error for pair in pairs for score in pair], last=True)
    for kind, label in (("error", "error"), ("energy_ratio", "energy ratio")):
        for i, band in enumerate(bands_of(setting.grid)):
            values = [getattr(score.bands[i], kind) for pair in pairs for score in pair]
            name = f"{label}, {band.name} band ({band.centres[0]:g} to {band.centres[1]:g})"
            row(name, values, last=band.name == "high")
    return table


def _times(outcome: Outcome) -> object:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(f"time (simulation {outcome.simulated:.0f} s)")
    for name in NAMES:
        table.add_column(name, justify="right")
    table.add_row("training and validation", *(f"{run.seconds:.1f} s" for run in outcome.runs))
    table.add_row("steps", *(str(run.steps) for run in outcome.runs))
    overhead = f"{100 * _overhead(outcome):+.1f} %"
    field, both = (f"{1000 * seconds:.1f} ms" for seconds in outcome.step_seconds)
    table.add_row("fastest step: field error alone, both losses", field, f"{both} ({overhead})")
    return table


def _overhead(outcome: Outcome) -> float:
    field, both = outcome.step_seconds
    return both / field - 1


def _adaptations(outcome: Outcome) -> list[Decision]:
    return [decision for decision in outcome.runs[1].decisions if decision]


def _final_weights(outcome: Outcome) -> dict[str, float]:
    return outcome.runs[1].decisions[-1].weights


def _plain(score: Score, n: int) -> dict[str, Any]:
    names = [band.name for band in bands_of(n)]
    bands = [{"name": name, **numbers._asdict()} for name, numbers in zip(names, score.bands, strict=True)]
    return {"field_error": score.field_error, "spectrum_error": score.spectrum_error, "bands": bands}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:#.3g}".removesuffix(".")


def _torch_version() -> str:
    import torch

    return str(torch.__version__)
