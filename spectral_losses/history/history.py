"""Records of a run: a row for each epoch, in files that ``spectral-losses replay`` reads and as TensorBoard scalars."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsIndex

from spectral_losses.history.columns import Row, checked_epoch, columns_of, to_float
from spectral_losses.history.files import RowFile, open_file

__all__ = ["History"]


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
        self._files: list[RowFile] = []
        self._writers: list[Any] = []
        for each in to:
            if isinstance(each, str | os.PathLike):
                file = open_file(Path(each))
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
            scalars = columns_of("losses", losses, "loss/")
        else:
            scalars = [("loss", "loss", to_float(losses, "losses"))]
        scalars += columns_of("parts", parts, "part/")
        scalars += columns_of("metrics", metrics, "", tag="metric/")
        scalars += columns_of("weights", getattr(weights, "weights", weights), "weight/")
        if decision is not None:
            scalars += columns_of("decision", {"progress": decision.progress}, "scheduler/")
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
        epoch = checked_epoch(epoch)
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
        at = checked_epoch(epoch)
        if self._last is not None and at < self._last:
            raise ValueError(
                f"epoch must not go back, got {at} after {self._last}; rewind({at}) drops the rows from there on"
            )
        return at
