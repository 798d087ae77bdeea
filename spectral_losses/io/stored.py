"""An array in a file, read in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.coordinates import Coordinate
from spectral_losses.io.errors import FieldFileError, reading

Index = tuple[slice, ...]  # one slice with start and stop for each axis


@dataclass(frozen=True)
class StoredArray:
    """An array of floats in a file.

    Attributes
    ----------
    name : str
        The path, as the user wrote it.
    shape : tuple of int
    dtype : dtype
        As stored, in any byte order.
    load : callable
        Reads one piece of the file.
    dims : tuple of str or None
        Names of the axes, where the file has some.
    chunks : tuple of int or None
        What the file is stored in, where reading less would be no faster.
    coordinates : mapping of str to Coordinate
        Positions along the axes that have some, by the names of the axes.
    variable : str or None
        Which array of the file it is, None where a file holds but one without a name.
    units : str or None
        Of the values, as the file has them.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[Index], NDArray[Any]] = field(repr=False)
    dims: tuple[str, ...] | None = None
    chunks: tuple[int, ...] | None = None
    coordinates: Mapping[str, Coordinate] = field(default_factory=dict, repr=False)
    variable: str | None = None
    units: str | None = None

    @property
    def precision(self) -> float:
        """Relative spacing of the floats that are computed with; half precision is lifted to float32."""
        return float(min(np.finfo(self.dtype).eps, np.finfo(np.float32).eps))

    def read(self, index: Index) -> NDArray[Any]:
        """Read one piece, in this machine's byte order.

        Raises
        ------
        FieldFileError
            The file is damaged or cannot be read, or holds a NaN or an infinity there.
        """
        with reading(self.name):
            values = self.load(index)
        finite = np.isfinite(values)
        if not finite.all():
            first = np.unravel_index(int(np.argmin(finite)), values.shape)
            place = ", ".join(str(i + piece.start) for i, piece in zip(first, index, strict=True))
            raise FieldFileError(
                f"{self.name} is not finite at [{place}]: {values[first]}; spectra take whole fields, so "
                "fill or cut off such points (from Python, every loss and radial_spectrum take a mask)"
            )
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def transposed(self, order: tuple[int, ...]) -> StoredArray:
        """The same array with its axes in another order, which nothing is read for."""
        back = tuple(int(axis) for axis in np.argsort(order))
        return replace(
            self,
            shape=tuple(self.shape[axis] for axis in order),
            # By `read`, which says where in the file a value is that is not finite.
            load=lambda index: np.transpose(self.read(tuple(index[axis] for axis in back)), order),
            dims=None if self.dims is None else tuple(self.dims[axis] for axis in order),
            chunks=None if self.chunks is None else tuple(self.chunks[axis] for axis in order),
        )

    def taken(self, axis: int, order: Sequence[int]) -> StoredArray:
        """The same array with the positions along an axis in another order, which nothing is read for."""

        def load(index: Index) -> NDArray[Any]:
            pieces = []
            for start, stop, step in _runs(order[index[axis]]):
                piece = self.read((*index[:axis], slice(start, stop), *index[axis + 1 :]))
                pieces.append(np.flip(piece, axis) if step < 0 else piece)
            return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis)

        return replace(self, load=load)


def _runs(places: Sequence[int]) -> list[tuple[int, int, int]]:
    """Places as few runs of neighbours, forward or backward: where each starts and stops in the file, and its step."""
    runs: list[tuple[int, int, int]] = []
    for place in places:
        if runs:
            start, stop, step = runs[-1]
            if place == stop and (step > 0 or stop - start == 1):
                runs[-1] = start, stop + 1, 1
                continue
            if place == start - 1 and (step < 0 or stop - start == 1):
                runs[-1] = start - 1, stop, -1
                continue
        runs.append((place, place + 1, 1))
    return runs
