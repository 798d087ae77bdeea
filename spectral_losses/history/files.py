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
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from spectral_losses.history.columns import Row, checked_epoch

JSON_LINES = (".jsonl", ".ndjson", ".json")


def open_file(path: Path) -> RowFile:
    """The rows of a file, which is made where there is none; by its suffix CSV or JSON lines."""
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in JSON_LINES:
        raise ValueError(f"{path}: takes a file that ends in .csv, {', '.join(JSON_LINES)}")
    return _Csv(path) if suffix == ".csv" else _JsonLines(path)


class RowFile:
    """The rows of one file, of which a subclass says how a row is read and written as a line.

    Attributes
    ----------
    path : Path
        Of the file itself, links followed.
    last : int or None
        The epoch of its last row.
    dropped : str
        What was cut off its end when it was read, in words; empty where nothing was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("ab").close()  # what cannot be written is refused now, and not after the first epoch
        self.last: int | None = None
        self.dropped = ""
        end, number, line = 0, 1, b"\n"
        for epoch, line in self.lines():
            self.last, end, number = epoch if epoch is not None else self.last, end + len(line), number + 1
        with self.path.open("rb") as file:
            file.seek(end)
            rest = file.read()
        if rest:  # a run was killed while it wrote
            os.truncate(self.path, end)
            text = rest.decode(errors="replace")
            self.dropped = f"{self.path}: row {number} has no line end, may be cut off, and was dropped: {text!r}"
        self._left = self._found()
        if not line.endswith(b"\n"):
            self.write("")

    def lines(self) -> Iterator[tuple[int | None, bytes]]:
        """Each whole line and its epoch, or None where it has none."""
        last = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    if not line.endswith(b"\n"):
                        if number == 1:
                            raise ValueError("its only line has no end")
                        if self.is_half(line):
                            return
                    epoch = None if line.isspace() else self.epoch_of(line.decode("utf-8-sig"))
                    if epoch is not None and epoch < last:
                        raise ValueError(f"epoch must not go back, got {epoch} after {last}")
                except (ValueError, TypeError, RecursionError, csv.Error) as error:
                    why = "nested too deeply" if isinstance(error, RecursionError) else error
                    raise ValueError(f"{self.path}: row {number}: not a row of a history: {why}") from error
                last = last if epoch is None else epoch
                yield epoch, line

    def check(self) -> None:
        """Raise where something else has written to the file since it was read or written here.

        The size and the first line tell. A time of change would raise false alarms: backups and network file
        systems set it where nothing was written.
        """
        if (found := self._found()) != self._left:
            raise RuntimeError(
                f"{self.path}: something else has written to it: it had {self._left[0]} bytes when this history last "
                f"read or wrote it, and has {found[0]}. Let one History record to a file; a new one goes on from "
                "what is there"
            )

    def append(self, row: Row) -> None:
        """Write a row; whatever becomes of this process, it is in the file then."""
        self.write(self.line(row))
        self.last = row["epoch"]

    def write(self, line: str) -> None:
        """Append a line, all of it or nothing."""
        size, head = self._left
        data = f"{line}{self._end}".encode()
        try:
            with self.path.open("ab") as file:
                file.write(data)
            # Not read from the file: what something else wrote meanwhile has to be noticed before the next row.
            self._left = (size + len(data), head or data)
        except BaseException:  # a full disk, an interrupt: no half a row stays in front of the next one
            os.truncate(self.path, size)
            self._left = (size, head)
            raise

    def rewind(self, epoch: int) -> None:
        """Drop the rows of this epoch and of later ones."""
        self.rewrite(line for at, line in self.lines() if at is None or at < epoch)
        self.last = max((at for at, _ in self.lines() if at is not None), default=None)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Other lines in place of those that there are, all of them or none."""
        # In the same folder, because a file is not replaced at once by one of another disk.
        descriptor, name = mkstemp(dir=self.path.parent, prefix=f"{self.path.name}.", suffix=".new")
        new = Path(name)
        try:
            with open(descriptor, "wb") as file:
                file.writelines(lines)
            shutil.copymode(self.path, new)
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)
        self._left = self._found()

    def is_half(self, rest: bytes) -> bool:
        """Whether what follows the last line end may lack more than its own, because a run was killed."""
        return True

    def epoch_of(self, text: str) -> int | None:
        """The epoch of a line, None where it is no row; an error where it is nothing that a history has."""
        raise NotImplementedError

    def line(self, row: Row) -> str:
        """A row as text, without a line end."""
        raise NotImplementedError

    @property
    def _end(self) -> str:
        """The line end of the file: that of its first line."""
        return "\r\n" if self._left[1].endswith(b"\r\n") else "\n"

    def _found(self) -> tuple[int, bytes]:
        """The size of the file and its first line, as they are now."""
        with self.path.open("rb") as file:
            head = file.readline()
            return file.seek(0, os.SEEK_END), head


class _JsonLines(RowFile):
    def is_half(self, rest: bytes) -> bool:
        try:
            json.loads(rest)
        except ValueError:  # no beginning of an object is JSON
            return True
        return False

    def epoch_of(self, text: str) -> int:
        row = json.loads(text)
        if not isinstance(row, dict) or "epoch" not in row:
            raise ValueError("has no epoch")
        return checked_epoch(row["epoch"])

    def line(self, row: Row) -> str:
        # JSON has no numbers that are not finite; as text `replay` reads them, and so does float.
        plain = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)


class _Csv(RowFile):
    def __init__(self, path: Path) -> None:
        self.columns: list[str] = []
        super().__init__(path)

    def epoch_of(self, text: str) -> int | None:
        cells = next(csv.reader([text], strict=True))
        if not self.columns:
            if cells.count("epoch") != 1:
                raise ValueError("the header must have one column epoch")
            if twice := [name for name in cells if cells.count(name) > 1]:
                raise ValueError(f"the header has {cells.count(twice[0])} columns {twice[0]!r}")
            self.columns = cells
        if cells == self.columns:
            return None
        if len(cells) != len(self.columns):
            raise ValueError(f"the header has {len(self.columns)} cells, this row {len(cells)}")
        return checked_epoch(int(cells[self.columns.index("epoch")]))

    def append(self, row: Row) -> None:
        new = [column for column in row if column not in self.columns]
        if new and self.columns:
            self.widen(new)
        elif new:
            self.write(_cells(new))
            self.columns = new
        super().append(row)

    def widen(self, new: list[str]) -> None:
        """Add columns that the rows so far have nothing in: a component without weight is computed from then on."""
        columns, empty = [*self.columns, *new], "," * len(new)
        self.rewrite(f"{text}{self._end}".encode() for text in self._wider(_cells(columns), empty))
        self.columns = columns

    def _wider(self, header: str, empty: str) -> Iterator[str]:
        yield header
        for epoch, line in self.lines():
            if epoch is not None:
                yield line.decode("utf-8-sig").rstrip("\r\n") + empty

    def line(self, row: Row) -> str:
        return _cells([row.get(column) for column in self.columns])


def _cells(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)  # floats as repr writes them, None as nothing
    return text.getvalue().removesuffix("\n")
