"""What a run did, epoch by epoch: rows for files that ``spectral-losses replay`` reads, scalars for TensorBoard.

Needs the standard library alone. No file stays open between two rows, so that there is nothing to close and nothing
to lose when the run is killed.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

__all__ = ["History"]

JSON_LINES = (".jsonl", ".ndjson", ".json")

Row = dict[str, Any]  # an int at "epoch", a str at "scheduler/reason", elsewhere a float or None


class History:
    """Records losses, parts, metrics, weights and decisions of a run.

    Parameters
    ----------
    *to : path, or object with ``add_scalar(tag, value, step)``
        Files, by suffix: ``.csv``, or JSON lines in ``.jsonl``, ``.ndjson`` and ``.json``. One that exists is
        continued; folders are made. Anything with TensorBoard's ``add_scalar`` is handed every number.
    last : int, default 1000
        How many rows `rows` keeps; everything else is in the files.

    Raises
    ------
    ValueError
        Another suffix, a file that is no history, a `last` below 0.
    TypeError
        Something that is neither a path nor has ``add_scalar``.
    OSError
        A file that cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import spectral_losses as sl
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "run.csv")
    >>> history = sl.History(path)
    >>> for epoch, error in enumerate([0.5, 0.25]):
    ...     row = history.record(epoch, losses=2 * error, metrics={"spectrum_error": error}, weights={"a": 1})
    >>> print(path.read_text(), end="")
    epoch,loss,spectrum_error,weight/a
    0,1.0,0.5,1.0
    1,0.5,0.25,1.0
    >>> folder.cleanup()
    """

    def __init__(self, *to: Any, last: int = 1000) -> None:
        if isinstance(last, bool) or not isinstance(last, int) or last < 0:
            raise ValueError(f"last must be a number of rows, got {last!r}")
        self._files: list[_File] = []
        self._writers: list[Any] = []
        for each in to:
            if isinstance(each, str | os.PathLike):
                file = _file(Path(each))
                if any(file.path == other.path for other in self._files):
                    raise ValueError(f"to must name a file once, got {str(each)!r} twice")
                self._files.append(file)
            elif callable(getattr(each, "add_scalar", None)):
                self._writers.append(each)
            else:
                raise TypeError(f"to must be paths or objects with add_scalar(tag, value, step), got {each!r}")
        self._rows: deque[Row] = deque(maxlen=last)
        self._last = max((file.last for file in self._files if file.last is not None), default=None)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The last rows that this object recorded, oldest first."""
        return tuple(self._rows)

    @property
    def epoch(self) -> int | None:
        """The last epoch, be it from a file that is continued; None before the first."""
        return self._last

    def record(
        self,
        epoch: SupportsIndex,
        *,
        losses: Any = None,
        parts: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        weights: Any = None,
        decision: Any = None,
    ) -> Row:
        """Write one row; every argument but the epoch may be left out.

        Numbers are whatever ``float`` takes: Python's, NumPy's, 0-d arrays of any framework. None is a missing one.

        Parameters
        ----------
        epoch : int
            May repeat and skip, and not go back.
        losses : number, or mapping of str to number, optional
            What was trained on: the column ``loss``, or ``loss/NAME`` for each.
        parts : mapping of str to number, optional
            Of a composite loss: ``part/NAME``.
        metrics : mapping of str to number, optional
            Of the validation: ``NAME`` as it is, for a scheduler that replays the file; TensorBoard's tag is
            ``metric/NAME``.
        weights : mapping of str to number, or anything with such ``weights``, optional
            ``weight/NAME``; by default those of the decision.
        decision : Decision, optional
            ``scheduler/reason``, in files only, and ``scheduler/progress``.

        Returns
        -------
        dict
            The row.

        Raises
        ------
        ValueError
            An epoch before the last one (see `rewind`); two columns of one name; a name that is no printable text.
        TypeError
            A value that is no number, a group that is no mapping, an epoch that is no integer. Nothing is written
            then.
        """
        epoch = self._checked(epoch)
        if decision is not None and weights is None:
            weights = decision.weights
        if losses is None or isinstance(losses, Mapping):
            scalars = _group("losses", losses, "loss/")
        else:
            scalars = [("loss", "loss", _float(losses, "losses"))]
        scalars += _group("parts", parts, "part/")
        scalars += _group("metrics", metrics, "", tag="metric/")
        scalars += _group("weights", getattr(weights, "weights", weights), "weight/")
        if decision is not None:
            scalars += _group("decision", {"progress": decision.progress}, "scheduler/")
        row: Row = {"epoch": epoch}
        for column, _, value in scalars:
            if column in row:
                raise ValueError(f"two values for the column {column!r}")
            row[column] = value
        if decision is not None:
            row["scheduler/reason"] = str(decision.reason)
        for file in self._files:
            file.append(row)
        for writer in self._writers:
            for _, tag, value in scalars:
                if value is not None:
                    writer.add_scalar(tag, value, epoch)
        self._rows.append(row)
        self._last = epoch
        return dict(row)

    def rewind(self, epoch: SupportsIndex) -> None:
        """Drop the rows of this epoch and of later ones, to go on from a checkpoint that was saved before them.

        What an ``add_scalar`` was handed stays.

        Parameters
        ----------
        epoch : int
            The next one to be recorded.
        """
        epoch = _epoch(epoch)
        for file in self._files:
            file.rewind(epoch)
        kept = [row for row in self._rows if row["epoch"] < epoch]
        self._rows = deque(kept, maxlen=self._rows.maxlen)
        left = [file.last for file in self._files] or [row["epoch"] for row in kept]
        self._last = max((last for last in left if last is not None), default=None)

    def __repr__(self) -> str:
        said = [*(repr(str(file.path)) for file in self._files), *(type(w).__name__ for w in self._writers)]
        return f"History({', '.join(said)}, epoch={self._last})".replace("(, ", "(")

    def _checked(self, epoch: Any) -> int:
        at = _epoch(epoch)
        if self._last is not None and at < self._last:
            raise ValueError(
                f"epoch must not go back, got {at} after {self._last}; rewind({at}) drops the rows from there on"
            )
        return at


# From arguments to columns, tags and values.


def _group(argument: str, values: Any, prefix: str, tag: str | None = None) -> list[tuple[str, str, float | None]]:
    if values is None:
        return []
    if not isinstance(values, Mapping):
        raise TypeError(f"{argument} must map names to numbers, got {type(values).__name__}")
    for name in values:
        if not isinstance(name, str) or not name.isprintable() or name != name.strip() or not name:
            raise ValueError(f"{argument}: a name must be printable text without spaces around it, got {name!r}")
        if not prefix and name.lower() == "epoch":
            raise ValueError(f"{argument}: the name {name!r} is taken")
    tag = prefix if tag is None else tag
    return [(f"{prefix}{name}", f"{tag}{name}", _float(v, f"{argument}[{name!r}]")) for name, v in values.items()]


def _float(value: Any, name: str) -> float | None:
    if value is None:
        return None
    try:
        if isinstance(value, bool | str | bytes) or tuple(getattr(value, "shape", ())):
            raise TypeError
        # PyTorch warns where a number is made of a tensor that requires a gradient.
        return float(value.detach() if hasattr(value, "detach") else value)
    except OverflowError:  # an integer beyond all floats
        return float("inf") if value > 0 else float("-inf")
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number or a 0-d array, got {value!r}") from None


def _epoch(epoch: Any) -> int:
    try:
        if isinstance(epoch, bool):
            raise TypeError
        number = index(epoch)
    except TypeError:
        raise TypeError(f"epoch must be an integer, got {epoch!r}") from None
    if number < 0:
        raise ValueError(f"epoch must not be negative, got {number}")
    return number


# The files. Rows are read and written one by one, whatever the length of the run.


def _file(path: Path) -> _File:
    suffix = path.suffix.lower()
    if suffix != ".csv" and suffix not in JSON_LINES:
        raise ValueError(f"{path}: takes a file that ends in .csv, {', '.join(JSON_LINES)}")
    return _Csv(path) if suffix == ".csv" else _JsonLines(path)


class _File:
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
        raise NotImplementedError

    def line(self, row: Row) -> str:
        raise NotImplementedError


class _JsonLines(_File):
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


class _Csv(_File):
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
