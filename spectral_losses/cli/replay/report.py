"""A replay as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from spectral_losses.cli.replay.configs import monitored
from spectral_losses.cli.replay.outcome import Outcome, Replay, weight_curves
from spectral_losses.cli.ui.console import console, count, write
from spectral_losses.errors import needed
from spectral_losses.scheduler.checkpoint import plain_decision

REASONS = (
    "disabled",
    "warmup",
    "missing",
    "not finite",
    "improved",
    "waiting",
    "cooldown",
    "adapted",
    "holding",
    "finished",
)


def print_tables(found: Replay) -> None:
    """Print tables to stdout: the adaptations of each configuration, and before them a comparison of several."""
    needed("rich", "the table")
    with console() as printer:
        _print(printer, found)


def print_json(found: Replay) -> None:
    """Print one JSON object to stdout; ``spectral-losses replay --help`` documents its keys."""
    document = {
        "metrics": found.path,
        "rows": found.rows,
        "first_epoch": found.first,
        "last_epoch": found.last,
        "configurations": [
            {
                "name": outcome.name,
                "config": outcome.config.to_dict(),
                "adaptations": [
                    {name: move[name] for name in ("epoch", "detail", "metric", "tracked", "progress", "weights")}
                    for move in map(plain_decision, outcome.moves)
                ],
                "reasons": {reason: outcome.reasons[reason] for reason in REASONS if outcome.reasons[reason]},
                "finished": outcome.finished,
                "final": {"progress": outcome.progress, "weights": outcome.weights},
            }
            for outcome in found.outcomes
        ],
    }
    write(json.dumps(document, allow_nan=False) + "\n")


def _print(printer: Any, found: Replay) -> None:
    def line(words: str, style: str = "") -> None:
        printer.print(words, style=style, soft_wrap=True)  # soft, because names are to be copied whole

    names = [outcome.name for outcome in found.outcomes]
    line(f"{found.path} under {', '.join(names)}", "bold")
    line(f"{count(found.rows, 'row')}, {_span(found)}")
    if len(names) > 1:
        printer.print(_comparison(found))
    for outcome in found.outcomes:
        if len(names) > 1:
            line(outcome.name, "bold")
        if outcome.moves:
            printer.print(_adaptations(outcome))
        else:
            line(f"The weights never moved: {_why_not(outcome, found)}.")
        if len(names) == 1:
            line(f"Rows: {', '.join(f'{outcome.reasons[r]} {r}' for r in REASONS if outcome.reasons[r])}.")
            final = ", ".join(f"{name} {_number(weight)}" for name, weight in outcome.weights.items())
            line(f"At the end: progress {_number(outcome.progress)}, {final}.")


def _adaptations(outcome: Outcome) -> Any:
    # Weights that never move are told once, at the end.
    curves = {names: curve for names, curve in weight_curves(outcome).items() if len(set(curve)) > 1}
    stages = outcome.config.stages
    watched = f"average\n{stages[0].monitor}" if stages[0].averaged else stages[0].monitor
    heading = watched if len(stages) == 1 and stages[0].needs_metric else "watched"
    table = _table("epoch", heading, "progress", *(",\n".join(names) for names in curves), "why")
    table.columns[-1].justify = "left"
    for i, move in enumerate(outcome.moves, 1):
        numbers = [move.tracked, move.progress, *(curve[i] for curve in curves.values())]
        why = move.detail.rsplit("; ", 1)[0]  # what follows is the change of weights, which has columns of its own
        table.add_row(str(move.epoch), *map(_number, numbers), why)
    return table


def _comparison(found: Replay) -> Any:
    outcomes = found.outcomes
    table = _table("", *(outcome.name for outcome in outcomes))
    table.columns[0].justify = "left"

    def row(label: str, cells: Iterable[object], last: bool = False) -> None:
        words = ["-" if cell is None or cell == "" else str(cell) for cell in cells]
        table.add_row(label, *words, end_section=last)

    differing = _differing(outcomes)
    row("monitors", (", ".join(monitored(o.config)) for o in outcomes), last=not differing)
    for label, stage, name in differing:
        row(label, (_setting(o, stage, name) for o in outcomes), last=label == differing[-1][0])
    row("adaptations", (len(o.moves) for o in outcomes))
    row("first at epoch", (o.moves[0].epoch if o.moves else None for o in outcomes))
    row("last at epoch", (o.moves[-1].epoch if o.moves else None for o in outcomes))
    row("finished at epoch", (o.finished for o in outcomes), last=True)
    row("final progress", (_number(o.progress) for o in outcomes))
    components = list(dict.fromkeys(name for o in outcomes for name in o.weights))
    for name in components:
        row(f"final {name}", (_number(o.weights.get(name)) for o in outcomes), last=name == components[-1])
    for reason in REASONS:
        if any(o.reasons[reason] for o in outcomes):
            row(f"rows {reason}", (o.reasons[reason] for o in outcomes))
    return table


def _differing(outcomes: Sequence[Outcome]) -> list[tuple[str, int, str]]:
    """Settings in which configurations differ, stage by stage among those that have the stage."""
    found = []
    longest = max(len(outcome.config.stages) for outcome in outcomes)
    for stage in range(longest):
        having = [outcome.config.stages[stage].to_dict() for outcome in outcomes if len(outcome.config.stages) > stage]
        for name, first in having[0].items():
            if any(settings[name] != first for settings in having) and name != "monitor":
                found.append((f"stage {stage + 1} {name}" if longest > 1 else name, stage, name))
    return found


def _setting(outcome: Outcome, stage: int, name: str) -> object:
    if stage >= len(outcome.config.stages):
        return None
    value = outcome.config.stages[stage].to_dict()[name]
    if isinstance(value, dict):
        return ", ".join(f"{key} {weight:g}" for key, weight in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _why_not(outcome: Outcome, found: Replay) -> str:
    """Why a scheduler never moved: by what its rows were answered."""
    c, reasons = outcome.config.stages[0], outcome.reasons
    counted = found.rows - sum(reasons[reason] for reason in ("disabled", "warmup", "missing", "not finite"))
    after = "after the warm-up" if reasons["warmup"] else "in the run"
    if reasons["disabled"]:
        return "the scheduler is disabled"
    if reasons["warmup"] == found.rows:
        return f"the warm-up, until epoch {outcome.warm_ups[0].stop}, outlasted the run"
    if not c.needs_metric and c.ramp is not None:
        return f"the ramp goes from epoch {c.ramp[0]} to {c.ramp[1]}"
    if not counted:
        without = f"{reasons['missing']} have none, {reasons['not finite']} one that is not finite"
        return f"no row {after} has a finite {c.monitor}: {without}"
    if c.trigger == "increase":
        return f"{c.monitor} never got worse by more than {c.min_delta:g} in {count(counted, 'observation')} {after}"
    if c.trigger == "epoch":
        warm = c.warmup
        first = c.milestones[0] if c.interval is None else warm + c.interval
        return f"the first move comes at epoch {first}, and no later row has a finite {c.monitor}"
    if c.trigger == "auto":
        return f"no two looks in a row found a plateau in {count(counted, 'observation')} {after}"
    if not outcome.stalest:
        return f"each of {count(counted, 'observation')} {after} was an improvement"
    return (
        f"at most {outcome.stalest} of {count(counted, 'observation')} {after} in a row came without an improvement, "
        f"and patience is {c.patience}"
    )


def _table(*headings: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
    for heading in headings:
        # What is narrow stays whole; a long name or a long reason makes room first.
        width = min(16, max(map(len, heading.split("\n"))))
        table.add_column(heading, justify="right", overflow="fold", min_width=width)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _span(found: Replay) -> str:
    return f"epoch {found.first}" if found.first == found.last else f"epochs {found.first} to {found.last}"
