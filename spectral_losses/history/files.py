"""Files of rows. They are read and written one by one, whatever the length of the run.

No file stays open between two rows, so that there is nothing to close and nothing to lose when the run is killed.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from spectral_losses.history.columns import Row

JSON_LINES = (".jsonl", ".ndjson", ".json")


def open_file(path: Path) -> RowFile:
    """The rows of a file, which is made where there is none; by its suffix CSV or JSON lines."""
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in JSON_LINES:
        raise ValueError(f"{path}: takes a file that ends in .csv, {', '.join(JSON_LINES)}")
    return _Csv(path) if suffix == ".csv" else _JsonLines(path)


class RowFile:
    """JSON lines, or with other ways to read and write a line something else."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("ab").close()  # what cannot be written is refused now, and not after the first epoch
        self.last: int | None = None
        end = 0
        for epoch, line in self.lines():
            self.last, end = epoch if epoch is not None else self.last, end + len(line)
        with self.path.open("rb") as file:
            file.seek(end)
            rest = file.read()
        if rest and self.is_whole(rest):
            self.last = self.epoch_of(rest.decode())
            self.write("\n")
        elif rest:  # a run was killed while it wrote
            os.truncate(self.path, end)

    def lines(self) -> Iterator[tuple[int | None, bytes]]:
        """Each whole line and its epoch, or None where it has none."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    if line.endswith(b"\n"):
                        yield (None if line.isspace() else self.epoch_of(line.decode("utf-8-sig"))), line
                    elif number == 1:
                        raise ValueError("its only line has no end")
                except (ValueError, csv.Error) as error:
                    raise ValueError(f"{self.path}: row {number}: not a row of a history: {error}") from error

    def append(self, row: Row) -> None:
        """Write a row; whatever becomes of this process, it is in the file then."""
        self.write(self.line(row))
        self.last = row["epoch"]

    def write(self, text: str) -> None:
        """Append text, all of it or nothing."""
        end = self.path.stat().st_size
        try:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        except BaseException:  # a full disk, an interrupt: no half a row stays in front of the next one
            os.truncate(self.path, end)
            raise

    def rewind(self, epoch: int) -> None:
        """Drop the rows of this epoch and of later ones."""
        self.rewrite(line for at, line in self.lines() if at is None or at < epoch)
        self.last = max((at for at, _ in self.lines() if at is not None), default=None)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Other lines in place of those that there are, all of them or none."""
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            with new.open("wb") as file:
                file.writelines(lines)
            shutil.copymode(self.path, new)
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)

    def is_whole(self, rest: bytes) -> bool:
        """Whether what follows the last line end is a row that lacks nothing but its own."""
        return False

    def epoch_of(self, text: str) -> int | None:
        """The epoch of a line, None where it is no row; a ValueError where it is nothing that a history has."""
        raise NotImplementedError

    def line(self, row: Row) -> str:
        """A row as text, with its line end."""
        raise NotImplementedError


class _JsonLines(RowFile):
    def is_whole(self, rest: bytes) -> bool:
        try:
            self.epoch_of(rest.decode())
        except ValueError:
            return False
        return True

    def epoch_of(self, text: str) -> int:
        row = json.loads(text)
        if not isinstance(row, dict) or not isinstance(row.get("epoch"), int):
            raise ValueError("has no epoch")
        return int(row["epoch"])

    def line(self, row: Row) -> str:
        # JSON has no numbers that are not finite; as text `replay` reads them, and so does float.
        plain = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        return json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"


class _Csv(RowFile):
    def __init__(self, path: Path) -> None:
        self.columns: list[str] = []
        super().__init__(path)

    def epoch_of(self, text: str) -> int | None:
        cells = next(csv.reader([text], strict=True))
        if not self.columns:
            if cells.count("epoch") != 1:
                raise ValueError("the header must have one column epoch")
            self.columns = cells
        if cells == self.columns:
            return None
        if len(cells) != len(self.columns):
            raise ValueError(f"the header has {len(self.columns)} cells, this row {len(cells)}")
        return int(cells[self.columns.index("epoch")])

    def append(self, row: Row) -> None:
        new = [column for column in row if column not in self.columns]
        if new and self.columns:
            self.widen(new)
        elif new:
            self.columns = new
            self.write(_cells(new))
        super().append(row)

    def widen(self, new: list[str]) -> None:
        """Add columns that the rows so far have nothing in: a component without weight is computed from then on."""
        columns = [*self.columns, *new]
        empty = "," * len(new)
        old = (line.decode("utf-8-sig").rstrip("\r\n") for at, line in self.lines() if at is not None)
        self.rewrite(text.encode() for text in chain([_cells(columns)], (f"{line}{empty}\n" for line in old)))
        self.columns = columns

    def line(self, row: Row) -> str:
        return _cells([row.get(column) for column in self.columns])


def _cells(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)  # floats as repr writes them, None as nothing
    return text.getvalue()
