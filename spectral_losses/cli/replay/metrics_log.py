"""The metrics of a finished run, row by row: CSV or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import reason
from spectral_losses.messages import nearest

JSON_LINES = (".jsonl", ".ndjson", ".json")
SUFFIXES = (".csv", *JSON_LINES)
LISTED = 20  # columns that a message names
STRIDE = 1 << 16  # characters between two signs of progress


class Row(NamedTuple):
    """One row of a log.

    Attributes
    ----------
    number : int
        Of its line, as an editor counts; from 1.
    epoch : int
    metrics : dict of str to float or None
        The wanted columns; None where there is no value.
    columns : collection of str
        The names that there are in this row.
    """

    number: int
    epoch: int
    metrics: dict[str, float | None]
    columns: Collection[str]


class _Record(NamedTuple):
    number: int
    cells: Mapping[str, Any]


def metrics_size(path: Path) -> int:
    """Bytes of a file that `read_metrics` could read.

    Raises
    ------
    CommandError
        It ends in something else, or is not there.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise CommandError(f"{path}: takes a file that ends in {', '.join(SUFFIXES)}")
    try:
        return path.stat().st_size
    except OSError as error:
        raise CommandError(f"{path}: {reason(error)}") from error


def read_metrics(path: Path, wanted: Sequence[str], advance: Callable[[int], object]) -> Iterator[Row]:
    """Read the wanted columns, and the column ``epoch`` where there is one.

    Parameters
    ----------
    path : Path
    wanted : sequence of str
        Other columns may hold anything.
    advance : callable
        Called with the amount that was read since the last call.

    Yields
    ------
    Row

    Raises
    ------
    CommandError
        The file cannot be read, lacks a wanted column or has no rows; a row is malformed, has something else than a
        number in a wanted column, or an epoch that is no integer or goes back.
    """
    records = _json_lines if path.suffix.lower() in JSON_LINES else _csv
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _rows(path, records(path, _counted(file, advance), wanted), wanted)
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: not UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise CommandError(f"{path}: {reason(error)}") from error


def no_column(name: str, columns: Collection[str]) -> str:
    """Say that there is no column of a name, and which there are."""
    hint = nearest(name, columns).removeprefix(", ")
    hint = f"{hint} " if hint else ""
    some = ", ".join(repr(column) for column in list(columns)[:LISTED])
    more = f" and {len(columns) - LISTED} more" if len(columns) > LISTED else ""
    return f"no column {name!r}; {hint}there are {some or 'none'}{more}"


def _rows(path: Path, records: Iterable[_Record], wanted: Sequence[str]) -> Iterator[Row]:
    """Numbers and epochs from records, checked."""
    last: int | None = None
    numbered = False  # whether the file says which epoch a row belongs to: its first row decides
    for number, cells in records:
        where = f"{path}: row {number}"
        metrics = {name: _number(cells.get(name), f"{where}: {name}") for name in wanted}
        column = _epoch_column(cells, where)
        if last is None:
            numbered = column is not None
        if column is not None and not numbered:
            raise CommandError(f"{where}: has {column!r}, which the first row has not")
        epoch = None if column is None else _integer(cells[column], f"{where}: {column}")
        if epoch is None:
            epoch = _epoch_without(last, numbered, metrics, where)
        if epoch < (last or 0):
            after = "" if last is None else f" after {last}"
            raise CommandError(f"{where}: epoch must not be negative or go back, got {epoch}{after}")
        last = epoch
        yield Row(number, epoch, metrics, cells.keys())
    if last is None:
        raise CommandError(f"{path}: has no rows")


def _epoch_without(last: int | None, numbered: bool, metrics: Mapping[str, float | None], where: str) -> int:
    """The epoch of a row that does not tell its own."""
    if not numbered:
        return 0 if last is None else last + 1
    # Loggers write other things than validations too, without an epoch: they belong to the present one.
    if any(value is not None for value in metrics.values()):
        raise CommandError(f"{where}: has no epoch")
    return last or 0


def _epoch_column(cells: Mapping[str, Any], where: str) -> str | None:
    names = [name for name in cells if name.strip().lower() == "epoch"]
    if len(names) > 1:
        raise CommandError(f"{where}: more than one column is called epoch: {', '.join(map(repr, names))}")
    return names[0] if names else None


def _number(value: Any, where: str) -> float | None:
    """A number, not necessarily finite; None where there is nothing."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or "_" in str(value):
            raise ValueError
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return float("inf") if value > 0 else float("-inf")
    except ValueError:
        raise CommandError(f"{where}: must be a number, got {_short(value)}") from None


def _integer(value: Any, where: str) -> int | None:
    number = _number(value, where)
    if number is not None and not number.is_integer():
        raise CommandError(f"{where}: must be an integer, got {_short(value)}")
    return None if number is None else int(number)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# From lines to records.


def _csv(path: Path, lines: Iterator[str], wanted: Sequence[str]) -> Iterator[_Record]:
    header: list[str] = []
    reader = csv.reader(lines, strict=True)
    while True:
        number = reader.line_num + 1  # a quoted cell may go on over several lines
        try:
            with _cells_of_any_length():
                row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise CommandError(f"{path}: row {number}: not CSV: {error}") from error
        if not row or (len(row) == 1 and row[0].isspace()):
            continue
        if not header:
            header = [name.strip() for name in row]
            _check_header(path, header, wanted)
        elif len(row) != len(header):
            raise CommandError(f"{path}: row {number}: the header has {_cells(len(header))}, this row {len(row)}")
        else:
            yield _Record(number, dict(zip(header, row, strict=True)))
    if not header:
        raise CommandError(f"{path}: has no header")


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """The limit of `csv`, 131072 characters, is one for the whole process: others find it as it was."""
    limit = csv.field_size_limit(2**31 - 1)  # the largest C long of some systems
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in (*wanted, "epoch"):
        if header.count(name) > 1:
            raise CommandError(f"{path}: has {header.count(name)} columns {name!r}")
    for name in wanted:
        if name not in header:
            raise CommandError(f"{path}: {no_column(name, header)}")


def _cells(n: int) -> str:
    return f"{n} cell" if n == 1 else f"{n} cells"


def _json_lines(path: Path, lines: Iterator[str], wanted: Sequence[str]) -> Iterator[_Record]:
    seen: dict[str, None] = {}
    found = False
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"{path}: row {number}: not a JSON object on one line: {error}") from error
        if not isinstance(cells, dict):
            raise CommandError(f"{path}: row {number}: must be a JSON object, got {_short(cells)}")
        seen.update(dict.fromkeys(cells))
        found = True
        yield _Record(number, cells)
    for name in wanted:
        if found and name not in seen:
            raise CommandError(f"{path}: {no_column(name, seen)}")


def _counted(lines: Iterable[str], advance: Callable[[int], object]) -> Iterator[str]:
    read = 0
    for line in lines:
        read += len(line)
        if read >= STRIDE:
            advance(read)
            read = 0
        yield line
