"""Wavenumbers, shells and multiplicities of a periodic grid: host-side, pure, cached per grid.

The backends see a `Grid` and ask it for the constant that suits them (`slots` to scatter, `rows` to gather);
what they upload they cache per device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Bins = str | int | tuple[str, int] | tuple[float, ...]

LANES = 4  # partial sums per shell and multiplicity, see `Grid.slots`
ROW = 64  # modes per row of the gather tables, see `Grid.rows`


class Grid(NamedTuple):
    """A periodic, uniform grid and the shells laid over its wavenumbers.

    Attributes
    ----------
    shape : tuple of int
        Points along each spatial axis, the halved axis of ``rfftn`` last.
    lengths : tuple of float or None
        Box length along each axis; None counts wavenumbers in index units.
    bins : "unit", "log", int, ("log", int) or tuple of float
        How the shells are laid, see `spectral_losses.radial_spectrum`.
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...] | None = None
    bins: Bins = "unit"

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("rows",)

    def edges(self) -> Floats:
        """Shell edges, one more than shells; shell b is ``(edges[b], edges[b + 1]]``."""
        return _shells(self).edges

    def centres(self) -> Floats:
        """Shell centres ``(lo + hi) / 2``."""
        edges = self.edges()
        return (edges[:-1] + edges[1:]) / 2

    def counts(self) -> Floats:
        """Modes of the full plane in each shell."""
        return _shells(self).counts

    def measure(self) -> Floats:
        """Length, area or volume of each shell in wavenumber space."""
        d, edges = len(self.shape), self.edges()
        return (2.0, math.pi, 4 / 3 * math.pi)[d - 1] * np.diff(edges**d)

    def scale(self) -> Floats:
        """``measure / counts``: what turns a shell's sum of ``|F|^2`` into its power."""
        return self.measure() / self.counts()

    def slots(self) -> Integers:
        """For each mode of the half plane (flat) the slot that it is added to, to scatter.

        There are ``2 * LANES`` lanes of ``shells + 1`` slots each: the first half for modes that stand for
        two of the full plane, the second for those that stand for themselves; the last slot of a lane takes
        the modes outside every shell. Neighbours go to different lanes: adding to one address over and over
        makes a CPU wait for its own stores, and several partial sums lose fewer digits than one.
        """
        shells = _shells(self)
        lane = np.arange(shells.shell.size) % LANES + LANES * (shells.multiplicity == 1)
        slots: Integers = shells.shell + (len(shells.counts) + 1) * lane
        return slots

    def folded_order(self) -> Integers:
        """The modes inside the shells, sorted by shell, of the half plane folded onto wavenumbers >= 0 (flat)."""
        return _folded(self)[0]

    def folded_starts(self) -> Integers:
        """Where each shell starts in `folded_order`."""
        return _folded(self)[1]

    def rows(self) -> tuple[Integers, ...]:
        """Index tables that sum shells by gathering: row by row, level by level, until a row is a shell.

        A table of shape (rows, width) picks from the values of the level below, with one zero appended as
        padding. Rows of the first table hold modes of one multiplicity (`row_weights`). Sums of sums round
        like a tree, and their order never changes.
        """
        return _gather_rows(self)[0]

    def row_weights(self) -> Floats:
        """Multiplicity, 1 or 2, of the modes in each row of the first table of `rows`."""
        return _gather_rows(self)[1]


@dataclass(frozen=True)
class _Shells:
    edges: Floats
    shell: Integers  # of each mode of the half plane, flat; the number of shells where it is in none
    multiplicity: Integers  # 2, and 1 on the first and, for an even size, the last column
    counts: Floats


@lru_cache(maxsize=64)
def _shells(grid: Grid) -> _Shells:
    edges = _edges(grid)
    k = _wavenumbers(grid)
    # (lo, hi] with k = hi up to rounding still inside: 2 pi m / L and (m + 1/2) dk round differently.
    shell = np.searchsorted(edges * (1 + 1e-12), k, side="left").astype(np.int64).ravel() - 1
    shells = len(edges) - 1
    shell[(shell < 0) | (shell >= shells)] = shells
    n = grid.shape[-1]
    column = np.full(n // 2 + 1, 2)
    column[0] = 1
    if n % 2 == 0:
        column[-1] = 1
    multiplicity = np.broadcast_to(column, k.shape).ravel()
    counts = np.bincount(shell, weights=multiplicity, minlength=shells + 1)[:shells].astype(np.float64)
    if not counts.all():
        b = int(np.argmin(counts))
        raise ValueError(
            f"bins: shell {b}, wavenumbers ({edges[b]:.6g}, {edges[b + 1]:.6g}], holds no mode of the "
            f"{'x'.join(map(str, grid.shape))} grid; use fewer or wider shells"
        )
    return _Shells(edges, shell, multiplicity, counts)


def _wavenumbers(grid: Grid) -> Floats:
    """Magnitude of the wavevector of each mode of the half plane."""
    squared = np.zeros(())
    steps = _steps(grid)
    for axis, (n, step) in enumerate(zip(grid.shape, steps, strict=True)):
        last = axis == len(grid.shape) - 1
        index = np.fft.rfftfreq(n, 1 / n) if last else np.fft.fftfreq(n, 1 / n)
        squared = squared[..., None] + (step * index) ** 2
    magnitude: Floats = np.sqrt(squared)
    return magnitude


def _steps(grid: Grid) -> tuple[float, ...]:
    """Wavenumber of the first mode along each axis."""
    return (1.0,) * len(grid.shape) if grid.lengths is None else tuple(2 * math.pi / a for a in grid.lengths)


def _edges(grid: Grid) -> Floats:
    if isinstance(grid.bins, tuple) and not isinstance(grid.bins[0], str):
        return np.asarray(grid.bins, dtype=np.float64)
    steps = _steps(grid)
    width = max(steps)
    # Unit shells have centres m * width up to the least Nyquist wavenumber; 1e-9 forgives its rounding.
    reach = [math.floor(n * step / (2 * width) + 1e-9) for n, step in zip(grid.shape, steps, strict=True)]
    top = min(reach)
    if top < 1:
        axis = reach.index(top)
        least = math.ceil(2 * width / steps[axis] - 1e-9)
        raise ValueError(
            f"spatial axis {axis} of {len(steps)} has {grid.shape[axis]} points, too few to hold one shell "
            f"of width {width:.6g}; it takes at least {least}"
        )
    low, high = width / 2, (top + 0.5) * width
    if grid.bins == "unit":
        return width * (np.arange(top + 1) + 0.5)
    if isinstance(grid.bins, int):
        return np.linspace(low, high, grid.bins + 1)
    # Shells at least an octave wide always hold a mode: that is how many "log" makes unless told.
    number = int(math.log2(high / low)) if isinstance(grid.bins, str) else int(grid.bins[1])
    return np.asarray(np.geomspace(low, high, number + 1), dtype=np.float64)


@lru_cache(maxsize=64)
def _folded(grid: Grid) -> tuple[Integers, Integers]:
    shells = _shells(grid)
    shell = shells.shell.reshape(*grid.shape[:-1], -1)
    shell = shell[tuple(slice(n // 2 + 1) for n in grid.shape[:-1])].ravel()
    order = np.argsort(shell, kind="stable")
    starts = np.searchsorted(shell[order], np.arange(len(shells.counts) + 1))
    return order[: starts[-1]], starts[:-1]


@lru_cache(maxsize=64)
def _gather_rows(grid: Grid) -> tuple[tuple[Integers, ...], Floats]:
    shells = _shells(grid)
    number = len(shells.counts)
    inside = np.flatnonzero(shells.shell < number)
    # Groups 2b and 2b + 1: the modes of shell b that count twice and those that count once.
    group = 2 * shells.shell[inside] + (shells.multiplicity[inside] == 1)
    table, group = _pack(inside, group, padding=shells.shell.size)
    weights = np.where(group % 2 == 0, 2.0, 1.0)
    tables, group = [table], group // 2
    while len(group) > number or len(tables) < 2:
        table, group = _pack(np.arange(len(group)), group, padding=len(group))
        tables.append(table)
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
