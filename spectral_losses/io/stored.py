"""An array in a file, read in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    coordinates : mapping of str to array
        Positions along the axes that have some.
    variable : str or None
        Which array of the file it is, None where a file holds but one without a name.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[Index], NDArray[Any]] = field(repr=False)
    dims: tuple[str, ...] | None = None
    chunks: tuple[int, ...] | None = None
    coordinates: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    variable: str | None = None

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
            load=lambda index: np.transpose(self.load(tuple(index[axis] for axis in back)), order),
            dims=None if self.dims is None else tuple(self.dims[axis] for axis in order),
            chunks=None if self.chunks is None else tuple(self.chunks[axis] for axis in order),
        )
