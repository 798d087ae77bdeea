"""Index layouts: the arrays with which a backend sums modes over bins, made of a basis's bin index and multiplicity.

A sum over bins goes through memory in no natural order, and what is fast differs: `Scattering` for PyTorch on a CPU,
`Folding` for NumPy, `Gathering` for all else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses_backends.text import plain

Integers = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]

ACCUMULATORS = 4  # partial sums per bin and multiplicity, see `Scattering.scatter_index`
ROW = 64  # modes per row of the gather tables, see `Gathering.tables`


@plain
class Scattering(NamedTuple):
    """To add each mode to its bin, one after the other: fast on a CPU that can write to its arrays."""

    basis: Any

    def scatter_index(self) -> Integers:
        """For each mode (flat) the accumulator that it is added to.

        There are ``2 * ACCUMULATORS`` of them for each bin: the first half for modes that stand for two of the full
        plane, the second for those that stand for themselves. Neighbours go to different ones: adding to one address
        over and over makes a CPU wait for its own stores, and several partial sums lose fewer digits than one.
        """
        index, multiplicity = _flat(self.basis)
        accumulator = np.arange(index.size) % ACCUMULATORS + ACCUMULATORS * (multiplicity == 1)
        slots: Integers = index + self.basis.bins() * accumulator
        return slots


@plain
class Gathering(NamedTuple):
    """To pick the modes of each bin, row by row: parallel, and the same sum in every run."""

    basis: Any

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("tables",)

    def tables(self) -> tuple[Integers, ...]:
        """Index tables that sum bins by gathering: row by row, level by level, until a row is a bin.

        A table of shape (rows, width) picks from the values of the level below, with one zero appended as
        padding. Rows of the first table hold modes of one multiplicity. Sums of sums round like a tree, and their
        order never changes.
        """
        return _gather_tables(self.basis)[0]

    def multiplicity(self) -> Floats:
        """Multiplicity, 1 or 2, of the modes in each row of the first table."""
        return _gather_tables(self.basis)[1]


@plain
class Folding(NamedTuple):
    """To bring modes into the order of their bins and sum segments, mirror images added up before.

    Where a mode array's bins do not change when an axis is mirrored, as those of shells do not, half of that axis is
    added to the other half, which leaves less to sort.
    """

    basis: Any

    def axes(self) -> tuple[int, ...]:
        """The axes, counted from the end, that are folded; the last one never is."""
        return _folded(self.basis)[0]

    def order(self) -> Integers:
        """The folded modes (flat) sorted by bin."""
        return _folded(self.basis)[1]

    def starts(self) -> Integers:
        """Where each bin that holds a mode starts in `order`."""
        return _folded(self.basis)[2]

    def present(self) -> Integers:
        """The bins that hold a mode."""
        return _folded(self.basis)[3]


def _flat(basis: Any) -> tuple[Integers, Integers]:
    index = np.asarray(basis.bin_index())
    return index.ravel(), np.broadcast_to(basis.multiplicity(), index.shape).ravel()


@lru_cache(maxsize=64)
def _gather_tables(basis: Any) -> tuple[tuple[Integers, ...], Floats]:
    index, multiplicity = _flat(basis)
    # Groups 2b and 2b + 1: the modes of bin b that count twice and those that count once.
    group = 2 * index + (multiplicity == 1)
    table, group = _pack(np.arange(index.size), group, padding=index.size)
    weights = np.where(group % 2 == 0, 2.0, 1.0)
    tables, group = [table], group // 2
    bins = basis.bins()
    while len(group) > len(np.unique(group)):
        table, group = _pack(np.arange(len(group)), group, padding=len(group))
        tables.append(table)
    # A last level puts each sum in its bin's place, and zeros into bins without modes.
    last = np.full((bins, 1), len(group), dtype=np.int64)
    last[group, 0] = np.arange(len(group))
    if len(group) < bins:
        tables.append(last)
    return tuple(tables), weights


def _pack(items: Integers, group: Integers, padding: int) -> tuple[Integers, Integers]:
    """Lay items of one group into rows of at most ROW; return the table and the group of each row."""
    order = np.argsort(group, kind="stable")
    present, start, size = np.unique(group[order], return_index=True, return_counts=True)
    width = int(min(ROW, size.max()))
    rows = -(-size // width)
    first_row = np.cumsum(rows) - rows
    place = np.arange(len(items)) - np.repeat(start, size)
    row = np.repeat(first_row, size) + place // width
    table = np.full((int(rows.sum()), width), padding, dtype=np.int64)
    table[row, place % width] = items[order]
    return table, np.repeat(present, rows)


@lru_cache(maxsize=64)
def _folded(basis: Any) -> tuple[tuple[int, ...], Integers, Integers, Integers]:
    index = np.asarray(basis.bin_index())
    axes = []
    for axis, n in enumerate(index.shape[:-1], start=-index.ndim):
        forth, back = halves(axis, n)
        if np.array_equal(index[forth], index[back]):
            axes.append(axis)
            index = index[kept(axis, n)]
    order = np.argsort(index, axis=None, kind="stable")
    present, starts = np.unique(index.ravel()[order], return_index=True)
    return tuple(axes), order, starts, present


def halves(axis: int, n: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Of an axis of n modes, those of positive wavenumber and those of the opposite one, in the same order."""
    after = (slice(None),) * (-axis - 1)
    return (..., slice(1, (n + 1) // 2), *after), (..., slice(None, n // 2, -1), *after)


def kept(axis: int, n: int) -> tuple[Any, ...]:
    """What is left of the axis once it was folded."""
    return (..., slice(n // 2 + 1), *(slice(None),) * (-axis - 1))
