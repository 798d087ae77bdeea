"""Records of a run: a row for each epoch, in files that ``spectral-losses replay`` reads and for trackers."""

from __future__ import annotations

import os
import threading
import warnings
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsIndex

from spectral_losses.history.columns import Row, checked_epoch, columns_of, to_float
from spectral_losses.history.files import RowFile, open_file
from spectral_losses.history.trackers import hand_over, takes_numbers

__all__ = ["History"]

# One for all histories: a lock in each of them could be neither pickled nor copied.
_LOCK = threading.RLock()


class History:
    """Records losses, parts, metrics, weights and decisions of a run.

    Threads may share one. Two of them must not record to one file, be it in one process or in several: the first to
    find that something else has written to its file raises.

    Parameters
    ----------
    *to : path, or object with ``add_scalar``, ``log_metrics`` or ``log``
        Files, by suffix: ``.csv``, or JSON lines in ``.jsonl``, ``.ndjson`` and ``.json``. One that exists is
        continued; folders are made. Every number is handed to anything that has TensorBoard's ``add_scalar(tag, value,
        step)``, ``log_metrics(numbers, step=)`` as MLflow and Lightning's loggers do, or ``log(numbers, step=)`` as a
        run of Weights & Biases and an ``Accelerator`` do.
    last : int, default 1000
        How many rows `rows` keeps; everything else is in the files.

    Raises
    ------
    ValueError
        Another suffix, a file that is no history, a `last` below 0.
    TypeError
        Something that is neither a path nor has one of these methods.
    OSError
        A file that cannot be written.

    Warns
    -----
    UserWarning
        A last row without a line end was dropped from a file, because a killed run may have left half of it.

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
        self._files: list[RowFile] = []
        self._writers: list[Any] = []
        for each in to:
            if isinstance(each, str | os.PathLike):
                file = open_file(Path(each))
                if any(file.path == other.path for other in self._files):
                    raise ValueError(f"to must name a file once, got {str(each)!r} twice")
                if file.dropped:
                    warnings.warn(file.dropped, UserWarning, stacklevel=2)
                self._files.append(file)
            elif takes_numbers(each):
                self._writers.append(each)
            else:
                raise TypeError(
                    "to must be paths or objects with add_scalar(tag, value, step), log_metrics(numbers, step=) or "
                    f"log(numbers, step=), got {each!r}"
                )
        self._rows: deque[Row] = deque(maxlen=last)
        self._last = max((file.last for file in self._files if file.last is not None), default=None)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The last rows that this object recorded, oldest first."""
        with _LOCK:
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

        Numbers are real ones: Python's, NumPy's, 0-d arrays of any framework. None is a missing one. What an
        ``add_scalar`` and its like raise is passed on, with the row recorded.

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
            Of a scheduler or a controller: ``scheduler/reason``, in files only, and ``scheduler/progress``, of a
            controller the share of its constraints that hold.

        Returns
        -------
        dict
            The row.

        Raises
        ------
        ValueError
            An epoch before the last one (see `rewind`) or above 1e300; two columns of one name; a name that is no
            printable text.
        TypeError
            A value that is no number, a group that is no mapping, an epoch that is no integer.
        RuntimeError
            Something else has written to one of the files. Nothing is written then, nor after the errors above.
        """
        row, scalars = _row(epoch, losses, parts, metrics, weights, decision)
        with _LOCK:
            self._write(row)
            numbers = {tag: value for _, tag, value in scalars if value is not None}
            for writer in self._writers:
                hand_over(writer, numbers, row["epoch"])
        return dict(row)

    def rewind(self, epoch: SupportsIndex) -> None:
        """Drop the rows of this epoch and of later ones, to go on from a checkpoint that was saved before them.

        What an ``add_scalar`` and its like were handed stays.

        Parameters
        ----------
        epoch : int
            The next one to be recorded.

        Raises
        ------
        ValueError, TypeError
            An epoch that is negative, or no integer.
        RuntimeError
            Something else has written to one of the files.
        """
        epoch = checked_epoch(epoch)
        with _LOCK:
            self._check_files()
            for file in self._files:
                file.rewind(epoch)
            kept = [row for row in self._rows if row["epoch"] < epoch]
            self._rows = deque(kept, maxlen=self._rows.maxlen)
            left = [file.last for file in self._files] or [row["epoch"] for row in kept]
            self._last = max((last for last in left if last is not None), default=None)

    def __repr__(self) -> str:
        said = [*(repr(str(file.path)) for file in self._files), *(type(w).__name__ for w in self._writers)]
        return f"History({', '.join(said)}, epoch={self._last})".replace("(, ", "(")

    def _write(self, row: Row) -> None:
        """Write a row to all files, and count it as recorded."""
        epoch = row["epoch"]
        if self._last is not None and epoch < self._last:
            raise ValueError(
                f"epoch must not go back, got {epoch} after {self._last}; rewind({epoch}) drops the rows from there on"
            )
        self._check_files()
        for file in self._files:
            file.append(row)
        self._rows.append(row)
        self._last = epoch

    def _check_files(self) -> None:
        for file in self._files:  # all of them before the first is written
            file.check()


def _row(
    epoch: Any, losses: Any, parts: Any, metrics: Any, weights: Any, decision: Any
) -> tuple[Row, list[tuple[str, str, float | None]]]:
    """The row of `History.record`, and column, tag and value of each number in it."""
    row: Row = {"epoch": checked_epoch(epoch)}
    if decision is not None and weights is None:
        weights = decision.weights
    if losses is None or isinstance(losses, Mapping):
        scalars = columns_of("losses", losses, "loss/")
    else:
        scalars = [("loss", "loss", to_float(losses, "losses"))]
    scalars += columns_of("parts", parts, "part/")
    scalars += columns_of("metrics", metrics, "", tag="metric/")
    scalars += columns_of("weights", getattr(weights, "weights", weights), "weight/")
    if decision is not None:
        scalars += columns_of("decision", {"progress": decision.progress}, "scheduler/")
    for column, _, value in scalars:
        if column in row:
            raise ValueError(f"two values for the column {column!r}")
        row[column] = value
    if decision is not None:
        row["scheduler/reason"] = str(decision.reason)
    return row, scalars
