"""An array in a file, read in pieces."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import reason
from spectral_losses.io.errors import FieldFileError

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
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[Index], NDArray[Any]] = field(repr=False)
    dims: tuple[str, ...] | None = None
    chunks: tuple[int, ...] | None = None
    coordinates: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    @property
    def precision(self) -> float:
        """Relative spacing of the floats that are computed with; half precision is lifted to float32."""
        return float(min(np.finfo(self.dtype).eps, np.finfo(np.float32).eps))

    def read(self, index: Index) -> NDArray[Any]:
        """Read one piece, in this machine's byte order.

        Raises
        ------
        FieldFileError
            The file cannot be read, or holds a NaN or an infinity there.
        """
        try:
            values = self.load(index)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise FieldFileError(f"{self.name}: cannot be read: {reason(error)}") from error
        finite = np.isfinite(values)
        if not finite.all():
            first = np.unravel_index(int(np.argmin(finite)), values.shape)
            place = ", ".join(str(i + piece.start) for i, piece in zip(first, index, strict=True))
            raise FieldFileError(
                f"{self.name} is not finite at [{place}]: {values[first]}; spectra take whole fields, so "
                "fill or cut off such points (from Python, spectral_losses.field_error takes a mask)"
            )
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def transposed(self, order: tuple[int, ...]) -> StoredArray:
        """The same array with its axes in another order, which nothing is read for."""
        back = tuple(int(axis) for axis in np.argsort(order))
        return StoredArray(
            self.name,
            tuple(self.shape[axis] for axis in order),
            self.dtype,
            lambda index: np.transpose(self.load(tuple(index[axis] for axis in back)), order),
            None if self.dims is None else tuple(self.dims[axis] for axis in order),
            None if self.chunks is None else tuple(self.chunks[axis] for axis in order),
            self.coordinates,
        )
