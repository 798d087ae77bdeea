"""An array in a file, read in pieces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.chunks import Chunks
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
        Positions along the axes that have some, by the names of the axes; and one position of what is no axis, such
        as a level, by its name.
    variable : str or None
        Which array of the file it is, None where a file holds but one without a name.
    units : str or None
        Of the values, as the file has them.
    watched : tuple of Chunks
        What takes note of chunks that were read and are not there.
    finite : bool
        Whether values that are not are refused as they are read.
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
    watched: tuple[Chunks, ...] = field(default=(), repr=False)
    finite: bool = True

    @property
    def precision(self) -> float:
        """Relative spacing of the floats that are computed with; half precision is lifted to float32."""
        return float(min(np.finfo(self.dtype).eps, np.finfo(np.float32).eps))

    def lacking(self) -> str:
        """What the file lacks of what was read, in words; empty where it lacks nothing."""
        return "; ".join(dict.fromkeys(words for each in self.watched if (words := each.words())))

    def read(self, index: Index) -> NDArray[Any]:
        """Read one piece, in this machine's byte order.

        Raises
        ------
        FieldFileError
            The file is damaged or cannot be read, or holds a NaN or an infinity there that is refused.
        """
        with reading(self.name):
            values = self.load(index)
        if self.finite:
            self.check(values, index)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def check(self, values: NDArray[Any], index: Index) -> None:
        """Refuse a NaN or an infinity in what was read."""
        finite = np.isfinite(values)
        if not finite.all():
            first = np.unravel_index(int(np.argmin(finite)), values.shape)
            place = ", ".join(str(i + piece.start) for i, piece in zip(first, index, strict=True))
            with reading(self.name):
                gaps = self.lacking()
            raise FieldFileError(
                f"{self.name} is not finite at [{place}]: {values[first]}; "
                + (gaps or "spectra take whole fields: --nan fill, --nan skip or --mask")
            )

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

    def taken(self, axis: int, places: Sequence[int] | NDArray[np.int64], dims: tuple[str, ...] = ()) -> StoredArray:
        """The positions at some places along an axis, which nothing is read for.

        Parameters
        ----------
        axis : int
        places : array of int
            Its axes take the place of this one: none in the array of a single place.
        dims : tuple of str
            What to call them, unless there is one, which keeps its name.
        """
        table = np.asarray(places, np.int64)
        new = table.ndim
        shape = (*self.shape[:axis], *table.shape, *self.shape[axis + 1 :])

        def load(index: Index) -> NDArray[Any]:
            before, here, behind = index[:axis], index[axis : axis + new], index[axis + new :]
            wanted = table[here]
            found, back = np.unique(wanted, return_inverse=True)
            pieces = []
            for run in _runs(found, 1 if self.chunks is None else self.chunks[axis]):
                part = self.read((*before, slice(int(run[0]), int(run[-1]) + 1), *behind))
                pieces.append(part if part.shape[axis] == len(run) else np.take(part, run - run[0], axis))
            piece = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis)
            if new == 1 and np.array_equal(wanted, found):
                return piece
            return np.take(piece, np.reshape(back, wanted.shape), axis)

        names, coordinates = self.dims, dict(self.coordinates)
        if self.dims is not None:
            kept = coordinates.pop(self.dims[axis], None)
            names = (*self.dims[:axis], *(dims or self.dims[axis : axis + 1] * new), *self.dims[axis + 1 :])
            if kept is not None and new < 2:
                coordinates[self.dims[axis]] = replace(kept, values=np.atleast_1d(kept.values[table]))
        chunks = self.chunks
        if chunks is not None:
            chunks = (*chunks[:axis], *((chunks[axis],) if new == 1 else (1,) * new), *chunks[axis + 1 :])
            chunks = tuple(min(each, n) for each, n in zip(chunks, shape, strict=True))
        return replace(self, shape=shape, load=load, dims=names, chunks=chunks, coordinates=coordinates)

    def picked(self, axes: Sequence[int], tables: Sequence[NDArray[np.int64]], dims: tuple[str, ...]) -> StoredArray:
        """The positions at some places along several axes together, point by point, which nothing is read for.

        Parameters
        ----------
        axes : sequence of int
        tables : sequence of array of int
            Of one shape: places along each of these axes. Their axes are the first ones of what comes out.
        dims : tuple of str
            What to call them.
        """
        # Those with few positions first: along the last one neighbours are read together.
        order = sorted(range(len(axes)), key=lambda i: self.shape[axes[i]])
        axes, tables = [axes[i] for i in order], [tables[i] for i in order]
        new = tables[0].ndim
        rest = [axis for axis in range(len(self.shape)) if axis not in axes]

        def load(index: Index) -> NDArray[Any]:
            piece = _points(self, axes, [table[index[:new]].ravel() for table in tables], index[new:])
            return piece.reshape(*(cut.stop - cut.start for cut in index[:new]), *piece.shape[1:])

        gone = {(self.dims or ())[axis] for axis in axes} if self.dims is not None else set()
        return replace(
            self,
            shape=(*tables[0].shape, *(self.shape[axis] for axis in rest)),
            load=load,
            dims=None if self.dims is None else (*dims, *(self.dims[axis] for axis in rest)),
            chunks=None if self.chunks is None else (*(1,) * new, *(self.chunks[axis] for axis in rest)),
            coordinates={name: each for name, each in self.coordinates.items() if name not in gone},
        )

    def merged(self, axes: Sequence[int], place: int, dim: str) -> StoredArray:
        """Several axes as one, the last of them fastest, which nothing is read for.

        Parameters
        ----------
        axes : sequence of int
        place : int
            Where it is to be among those that are left.
        dim : str
            What to call it.
        """
        tables = [each.ravel() for each in np.indices([self.shape[axis] for axis in axes])]
        found = self.picked(axes, tables, (dim,))
        rest = list(range(1, len(found.shape)))
        return found.transposed((*rest[:place], 0, *rest[place:]))

    def repeated(self, axis: int, number: int, dim: str) -> StoredArray:
        """The same values at all places along a new axis, which nothing is read for."""

        def load(index: Index) -> NDArray[Any]:
            piece = self.read((*index[:axis], *index[axis + 1 :]))
            shape = (*piece.shape[:axis], index[axis].stop - index[axis].start, *piece.shape[axis:])
            return np.broadcast_to(np.expand_dims(piece, axis), shape)

        def put(old: tuple[Any, ...], new: Any) -> tuple[Any, ...]:
            return (*old[:axis], new, *old[axis:])

        return replace(
            self,
            shape=put(self.shape, number),
            load=load,
            dims=None if self.dims is None else put(self.dims, dim),
            chunks=None if self.chunks is None else put(self.chunks, number),
        )


def _points(array: StoredArray, axes: Sequence[int], places: Sequence[NDArray[np.int64]], rest: Index) -> NDArray[Any]:
    """What lies at points along some axes, of the shape (points, rest)."""
    axis, *others = axes
    if not others:
        index = (*rest[:axis], slice(0, len(places[0])), *rest[axis:])
        return np.moveaxis(array.taken(axis, places[0]).read(index), axis, 0)
    wanted = [np.unique(each, return_inverse=True) for each in places]
    if math.prod(len(each) for each, _ in wanted) == len(places[0]):  # all pairs of them: each chunk is read once
        box, cuts = array, iter(rest)
        for each, (found, _) in zip(axes, wanted, strict=True):
            box = box.taken(each, found)
        sizes = {each: len(found) for each, (found, _) in zip(axes, wanted, strict=True)}
        whole = tuple(slice(0, sizes[i]) if i in sizes else next(cuts) for i in range(len(array.shape)))
        piece = np.moveaxis(box.read(whole), axes, range(len(axes)))
        return np.asarray(piece[tuple(np.reshape(back, -1) for _, back in wanted)])
    found = np.empty((len(places[0]), *(cut.stop - cut.start for cut in rest)), array.dtype.newbyteorder("="))
    for place in np.unique(places[0]):
        here = np.flatnonzero(places[0] == place)
        behind = [each - (each > axis) for each in others]
        found[here] = _points(array.taken(axis, place), behind, [each[here] for each in places[1:]], rest)
    return found


def _runs(places: NDArray[np.int64], chunk: int) -> list[NDArray[np.int64]]:
    """Places in increasing order as few runs: of neighbours, or of some that one chunk holds."""
    edges = [0, *(np.flatnonzero(np.diff(places // chunk)) + 1).tolist(), len(places)]
    runs: list[tuple[int, int]] = []
    for first, last in itertools.pairwise(edges):
        start = runs[-1][0] if runs else first
        if runs and places[last - 1] - places[start] == last - 1 - start:
            runs[-1] = start, last
        else:
            runs.append((first, last))
    return [places[first:last] for first, last in runs]
