"""A replay as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from spectral_losses.cli.replay.outcome import Replay
from spectral_losses.cli.replay.subject import Subject, number
from spectral_losses.cli.ui.console import console, count, write
from spectral_losses.errors import needed

SHOWN = 20  # moves in a table
CAVEAT = "A replay cannot know how the metrics would have answered to these weights."


def print_tables(found: Replay) -> None:
    """Print tables to stdout: the moves of each configuration, and before them a comparison of several."""
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
                "name": subject.name,
                "config": subject.machine.config.to_dict(),
                "adaptations": subject.adaptations(),
                "reasons": subject.counts(),
                **subject.found(),
                "final": subject.final(),
            }
            for subject in found.subjects
        ],
    }
    write(json.dumps(document, allow_nan=False) + "\n")


def _print(printer: Any, found: Replay) -> None:
    def line(words: str, style: str = "") -> None:
        printer.print(words, style=style, soft_wrap=True)  # soft, because names are to be copied whole

    names = [subject.name for subject in found.subjects]
    line(f"{found.path} under {'; '.join(names)}", "bold")
    line(f"{count(found.rows, 'row')}, {_span(found)}")
    if len(names) > 1:
        printer.print(_comparison(found))
    for subject in found.subjects:
        if len(names) > 1:
            line(subject.name, "bold")
        if subject.moves:
            printer.print(_moves(subject))
        else:
            line(f"The weights never moved: {subject.why_not(found.rows)}.")
        if len(subject.moves) > SHOWN:
            line(f"{SHOWN} of {len(subject.moves)} changes; --json has them all.")
        if len(names) == 1:
            line(f"Rows: {', '.join(f'{n} {reason}' for reason, n in subject.counts().items())}.")
            for words in subject.closing():
                line(words)
    line(CAVEAT)


def _moves(subject: Subject) -> Any:
    columns = subject.columns()
    table = _table("epoch", *(column.heading for column in columns), "why")
    table.columns[-1].justify = "left"
    for i in _some(len(subject.moves)):
        numbers = (number(column.numbers[i]) for column in columns)
        table.add_row(str(subject.moves[i].epoch), *numbers, subject.why(i))
    return table


def _some(n: int) -> list[int]:
    """The first of many, the last, and some evenly between them."""
    return list(range(n)) if n <= SHOWN else [round(i * (n - 1) / (SHOWN - 1)) for i in range(SHOWN)]


def _comparison(found: Replay) -> Any:
    subjects = found.subjects
    table = _table("", *(subject.name for subject in subjects))
    table.columns[0].justify = "left"
    monitors = [", ".join(subject.monitored) for subject in subjects]
    moves = [[move.epoch for move in subject.moves] for subject in subjects]
    weights = [{f"final {name}": number(w) for name, w in s.machine.weights.items()} for s in subjects]
    sections: list[list[tuple[str, list[Any]]]] = [
        [("monitors", monitors), *_differing(subjects)],
        [
            ("adaptations", list(map(len, moves))),
            ("first at epoch", [epochs[0] if epochs else None for epochs in moves]),
            ("last at epoch", [epochs[-1] if epochs else None for epochs in moves]),
        ],
        _rows([subject.facts() for subject in subjects]),
        _rows(weights),
        _answers(subjects),
    ]
    for section in sections:
        for label, cells in section:
            table.add_row(label, *("-" if cell is None or cell == "" else str(cell) for cell in cells))
        table.add_section()
    return table


def _rows(each: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    """One row for each label that there is; a cell is None where a configuration has nothing of that name."""
    return [(label, [cells.get(label) for cells in each]) for label in dict.fromkeys(chain.from_iterable(each))]


def _answers(subjects: Sequence[Subject]) -> list[tuple[str, list[Any]]]:
    """How many rows had each reason; None where a kind knows no such reason."""
    reasons = dict.fromkeys(reason for subject in subjects for reason in (*subject.known_reasons, *subject.reasons))
    return [
        (f"rows {reason}", [s.reasons[reason] if reason in s.known_reasons else None for s in subjects])
        for reason in reasons
        if any(s.reasons[reason] for s in subjects)
    ]


def _differing(subjects: Sequence[Subject]) -> list[tuple[str, list[Any]]]:
    """The settings in which those that have them differ."""
    sections = [subject.settings() for subject in subjects]
    several = {kind for each in sections for kind, n, _ in each if n > 1}
    labelled: list[dict[str, Any]] = []
    for each in sections:
        labelled.append({})
        for kind, n, settings in each:
            which = f"{kind} {n} " if kind in several else ""
            labelled[-1].update((f"{which}{name}", value) for name, value in settings.items())
    differing = []
    for label, cells in _rows(labelled):
        having = [settings[label] for settings in labelled if label in settings]
        if any(value != having[0] for value in having):
            differing.append((label, list(map(_setting, cells))))
    return differing


def _setting(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{key} {weight:g}" for key, weight in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _table(*headings: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
    for heading in headings:
        # What is narrow stays whole; a long name or a long reason makes room first.
        width = min(16, max(map(len, heading.split("\n"))))
        table.add_column(heading, justify="right", overflow="fold", min_width=width)
    return table


def _span(found: Replay) -> str:
    return f"epoch {found.first}" if found.first == found.last else f"epochs {found.first} to {found.last}"
