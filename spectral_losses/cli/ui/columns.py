"""Tables as wide as a terminal: a number that is cut is none, and half a name is that of something else."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from spectral_losses.cli.ui.console import printable

LONG = 20  # letters; what is longer is broken where a table is too wide

Column = Sequence[str]  # a heading, and a cell for each row


def tables(
    keys: Sequence[Column], columns: Sequence[Column], ends: Collection[int], width: int, padding: int = 0
) -> Iterator[object]:
    """Make one table, or several with some of the columns each.

    Parameters
    ----------
    keys : sequence of column
        What rows are called, in each of the tables.
    columns : sequence of column
        Numbers.
    ends : collection of int
        The rows below which there is space, or a rule.
    width : int
        Letters of a line.
    padding : int
        More spaces on both sides of a column, where there is room.
    """
    from rich import box
    from rich.table import Table

    if sum(_width(each, padding) for each in (*keys, *columns)) > width - 1:
        padding = 0
    room = width - 1  # a column has a space before it, and the last one behind it as well
    if sum(map(_width, (*keys, *columns))) > room:
        keys = [tuple(map(_broken, each)) for each in keys]
        columns = [(_broken(heading), *cells) for heading, *cells in columns]
        room -= sum(map(_width, keys))
        runs = _runs(columns, room)
    else:
        runs = [columns]
    for run in runs:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, padding), pad_edge=False)
        for i, (heading, *_) in enumerate((*keys, *run)):
            side: Any = "right" if heading else "left"  # what has no heading are words
            table.add_column(heading, justify=side, vertical="bottom", overflow="fold", no_wrap=i >= len(keys))
        for index, row in enumerate(zip(*(each[1:] for each in (*keys, *run)), strict=True)):
            table.add_row(*row, end_section=index in ends)
        yield table


def _runs(columns: Sequence[Column], room: int) -> list[Sequence[Column]]:
    """Columns in as few runs, of about as many each, as there is room for."""
    runs: list[Sequence[Column]] = []
    for number in range(1, len(columns) + 1):
        size = -(-len(columns) // number)
        runs = [columns[i : i + size] for i in range(0, len(columns), size)]
        if all(sum(map(_width, run)) <= room for run in runs):
            break
    return runs


def _width(column: Column, padding: int = 0) -> int:
    from rich.cells import cell_len

    return 1 + 2 * padding + max(cell_len(line) for each in column for line in printable(each).split("\n"))


def _broken(name: str) -> str:
    """A long name on several lines."""
    lines = []
    for line in name.split("\n"):
        lines.append("")
        for piece in re.findall(rf"[^_+/: ]{{0,{LONG - 1}}}[_+/: ]|[^_+/: ]{{1,{LONG}}}", line):
            if lines[-1] and len(lines[-1] + piece) > LONG:
                lines.append("")
            lines[-1] += piece
    return "\n".join(lines)
