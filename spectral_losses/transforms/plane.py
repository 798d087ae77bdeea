"""The plane: waves of a uniform grid, and the shells of wavenumber they belong to; host-side and cached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.fourier import wavenumber_steps
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.transforms.waves import Waves, wavenumbers, waves_of, wavevectors
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Bins = str | int | tuple[str, int] | tuple[float, ...] | Sectors | Cylinders


@plain
class Plane(NamedTuple):
    """A uniform grid and the shells laid over its wavenumbers: a `Basis` for the backends.

    Its bins are a complete partition of all modes: bin 0 is below the first shell (with unit shells the mean mode
    alone), then come the shells, and the last bin is beyond them (the corner modes).

    Attributes
    ----------
    shape : tuple of int
        Points along each spatial axis, the halved axis of ``rfftn`` last.
    lengths : tuple of float or None
        Box length along each axis; None counts wavenumbers in index units.
    shells : "unit", "log", int, ("log", int), tuple of float, Sectors or Cylinders
        How the shells are laid, see `spectral_losses.radial_spectrum`.
    transform : {"fft", "dct"}
        Whether the grid is periodic, or ends at its edges.
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...] | None = None
    shells: Bins = "unit"
    transform: str = "fft"

    @property
    def waves(self) -> Waves:
        """What the grid is taken apart into."""
        return waves_of(self.transform, self.shape)

    @property
    def sums(self) -> str:
        """Of modes by their bin."""
        return "bins"

    @property
    def outside(self) -> tuple[int, int]:
        """One bin below the shells, and one beyond them."""
        return 1, 1

    @property
    def directed(self) -> bool:
        """Whether bins know directions."""
        return isinstance(self.shells, Sectors | Cylinders)

    @property
    def unequal(self) -> bool:
        """Whether a bin that is summed may stand for several that are reported, see `repeats`."""
        return isinstance(self.shells, Sectors)

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("centres", "edges") if self.directed else ()

    def forward(self, x: Array, backend: Backend) -> Array:
        """Modes ``(..., *stored)``, not normalised."""
        return self.waves.forward(x, backend)

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The plain sum over all modes of the full plane."""
        return self.waves.adjoint(modes, backend)

    def bins(self) -> int:
        """Shells, and one bin on either side of them."""
        return len(_partition(self).counts) + 2

    def bin_index(self) -> Integers:
        """The bin of each stored mode."""
        return _partition(self).index

    def multiplicity(self) -> Integers:
        """For each column of stored modes, for how many of the full plane each stands."""
        multiplicity: Integers = self.waves.multiplicity()
        return multiplicity

    def sign(self) -> Floats:
        """Which half of the plane a mode belongs to, see `Waves`."""
        return self.waves.sign()

    def bin_weight(self) -> Floats:
        """``1 / N**2`` for each bin: modes over the number of points, squared."""
        return np.full(self.bins(), float(math.prod(self.shape)) ** -2)

    def edges(self) -> Floats | tuple[Floats, ...]:
        """Shell edges, one more than shells; shell b is ``(edges[b], edges[b + 1]]``. Of a partition, for each kind."""
        return _one_or_all(_partition(self).edges)

    def centres(self) -> Floats | tuple[Floats, ...]:
        """Shell centres ``(lo + hi) / 2``. Of a partition, those of each kind of bin."""
        return _one_or_all(_partition(self).centres)

    def counts(self) -> Floats:
        """Modes of the full plane in each shell, as they are reported."""
        found = _partition(self)
        return np.reshape((found.counts / found.repeats)[found.parent], found.reported)

    def all_counts(self) -> Floats:
        """Modes of the full plane in each bin."""
        return _partition(self).all_counts

    def magnitudes(self) -> Floats:
        """Wavenumber in the middle of each shell that is summed."""
        return _partition(self).magnitudes

    def measure(self) -> Floats:
        """Length, area or volume of each shell in wavenumber space."""
        return _partition(self).measure

    def fill(self) -> Floats:
        """The modes that a shell of its measure would hold on the average, over those that it has."""
        found = _partition(self)
        return found.measure / math.prod(wavenumber_steps(self.shape, self.lengths)) / found.counts

    def scale(self) -> Floats:
        """``N**2 measure / counts``: what turns a shell's share of the mean square into its power."""
        found = _partition(self)
        return float(math.prod(self.shape)) ** 2 * found.measure / found.counts

    def repeats(self) -> Floats:
        """How many bins each shell that is summed is reported as."""
        return _partition(self).repeats

    def parent(self) -> Integers:
        """The shell that is summed for each bin that is reported, in their order."""
        return _partition(self).parent

    def first(self) -> Integers:
        """For each shell that is summed, the first of the bins that it is reported as."""
        return np.unique(_partition(self).parent, return_index=True)[1]

    def reported(self) -> tuple[int, ...]:
        """The shape of the bins that are reported."""
        return _partition(self).reported

    def merged(self) -> tuple[int, ...]:
        """Shells that are merged over angle."""
        return _partition(self).merged


@dataclass(frozen=True)
class _Partition:
    """Bins as they are summed, and as they are reported."""

    index: Integers  # the bin of each stored mode: 0 below the first shell, the last one beyond
    all_counts: Floats
    measure: Floats
    magnitudes: Floats
    edges: tuple[Floats, ...]
    centres: tuple[Floats, ...]
    reported: tuple[int, ...]
    parent: Integers
    merged: tuple[int, ...] = ()

    @property
    def counts(self) -> Floats:
        return self.all_counts[1:-1]

    @property
    def repeats(self) -> Floats:
        return np.bincount(self.parent, minlength=len(self.counts)).astype(np.float64)


def _one_or_all(arrays: tuple[Floats, ...]) -> Floats | tuple[Floats, ...]:
    return arrays if len(arrays) > 1 else arrays[0]


@lru_cache(maxsize=64)
def _partition(grid: Plane) -> _Partition:
    if isinstance(grid.shells, Sectors):
        return _sectors(grid, grid.shells)
    if isinstance(grid.shells, Cylinders):
        return _cylinders(grid, grid.shells)
    edges = _edges(grid)
    index = places_of(wavenumbers(grid.waves, grid.lengths), edges)
    all_counts = _counts(index, len(edges) + 1, grid)
    counts = all_counts[1:-1]
    if not counts.all():
        b = int(np.argmin(counts))
        raise ValueError(
            f"bins: shell {b}, wavenumbers ({edges[b]:.6g}, {edges[b + 1]:.6g}], holds no mode of the "
            f"{_grid(grid)} grid; use fewer or wider shells"
        )
    centres = _middles(edges)
    measure, parent = _measure(edges, len(grid.shape)), np.arange(len(centres))
    return _Partition(index, all_counts, measure, centres, (edges,), (centres,), (len(centres),), parent)


def _sectors(grid: Plane, of: Sectors) -> _Partition:
    if len(grid.shape) != 2:
        raise ValueError(f"bins: Sectors are for two spatial axes, got {len(grid.shape)}")
    if grid.transform == "dct":  # its modes are sums of both diagonals
        raise ValueError(f'bins: Sectors need directions, which the cosines of transform="dct" have not, got {of}')
    radial, n = _partition(grid._replace(shells=of.shells)), of.n
    shells = len(radial.counts)
    k = wavevectors(grid.waves, grid.lengths)
    if grid.shape[1] % 2 == 0:
        k[1][:, -1] *= -1  # the full plane has this wavenumber with a minus
    angle = np.arctan2(k[0], k[1]) * (n / math.pi)  # in sectors
    sector = np.floor(angle + 0.5 + 1e-9).astype(np.int64) % n
    inside = (radial.index > 0) & (radial.index <= shells)
    product = np.where(inside, (radial.index - 1) * n + sector, shells * n)
    filled = _counts(product, shells * n + 1, grid)[:-1].reshape(shells, n)
    merged = (filled == 0).any(axis=1)
    # A merged shell is one bin, any other one is n.
    parent = np.cumsum(np.where(merged, 1, n)) - np.where(merged, 1, n)
    parent = parent[:, None] + np.where(merged[:, None], 0, np.arange(n))
    bins = int(parent.max()) + 1
    beyond = np.where(radial.index == 0, -1, bins)
    index = np.where(inside, np.append(parent.ravel(), 0)[product], beyond) + 1
    flat = parent.ravel()
    first = np.unique(flat, return_index=True)[1]  # a bin's shell
    measure, centres = np.repeat(radial.measure / n, n)[first], np.repeat(radial.magnitudes, n)[first]
    angles = np.arange(n) * math.pi / n
    return _Partition(
        index,
        _counts(index, bins + 2, grid),
        measure,
        centres,
        (radial.edges[0], (np.arange(n + 1) - 0.5) * math.pi / n),
        (radial.centres[0], angles),
        (shells, n),
        flat,
        tuple(int(b) for b in np.flatnonzero(merged)),
    )


def _cylinders(grid: Plane, of: Cylinders) -> _Partition:
    ndim = len(grid.shape)
    if ndim < 2:
        raise ValueError("bins: Cylinders are for two or three spatial axes, got 1")
    if not -ndim <= of.axis < ndim:
        raise ValueError(f"bins: axis of Cylinders must be a place in spatial_axes, got {of.axis} of {ndim}")
    axis = of.axis % ndim
    others = tuple(i for i in range(ndim) if i != axis)
    k = np.abs(wavevectors(grid.waves, grid.lengths))
    edges, places, measures = [], [], []
    for axes, shells in ((others, of.perpendicular), ((axis,), of.parallel)):
        part = Plane(
            tuple(grid.shape[i] for i in axes),
            None if grid.lengths is None else tuple(grid.lengths[i] for i in axes),
            shells,
            grid.transform,
        )
        found = _edges(part)
        found = found if found[0] == 0 else np.insert(found, 0, 0.0)
        # From 0 on, and 0 itself is in the first bin.
        place = np.maximum(places_of(np.sqrt(sum(k[i] ** 2 for i in axes)), found), 1)
        edges.append(found)
        places.append(place)
        measures.append(_measure(found, len(axes)))
    shape = tuple(len(each) - 1 for each in edges)
    outside = (places[0] > shape[0]) | (places[1] > shape[1])
    bins = math.prod(shape)
    index = np.where(outside, bins, (places[0] - 1) * shape[1] + places[1] - 1) + 1
    all_counts = _counts(index, bins + 2, grid)
    if not all_counts[1:-1].all():
        b = np.unravel_index(int(np.argmin(all_counts[1:-1])), shape)
        (a, c), (d, e) = ((edge[i], edge[i + 1]) for edge, i in zip(edges, b, strict=True))
        raise ValueError(
            f"bins: the bin of wavenumbers ({a:.6g}, {c:.6g}] across and ({d:.6g}, {e:.6g}] along the axis holds no "
            f"mode of the {_grid(grid)} grid; use fewer or wider bins"
        )
    centres = [_middles(each) for each in edges]
    magnitudes = np.hypot(*np.meshgrid(*centres, indexing="ij")).ravel()
    measure = np.outer(*measures).ravel()
    parent = np.arange(bins)
    return _Partition(index, all_counts, measure, magnitudes, tuple(edges), tuple(centres), shape, parent)


def places_of(k: Floats, edges: Floats) -> Integers:
    """The bin of each wavenumber: 0 up to the first edge, one more behind each."""
    # (lo, hi] with k = hi up to rounding still inside: 2 pi m / L and (m + 1/2) dk round differently.
    return np.searchsorted(edges * (1 + 1e-12), k, side="left").astype(np.int64)


def _counts(index: Integers, bins: int, grid: Plane) -> Floats:
    """Modes of the full plane in each bin."""
    weights = np.broadcast_to(grid.multiplicity(), index.shape).ravel()
    return np.bincount(index.ravel(), weights=weights, minlength=bins).astype(np.float64)


def _measure(edges: Floats, ndim: int) -> Floats:
    return (2.0, math.pi, 4 / 3 * math.pi)[ndim - 1] * np.diff(edges**ndim)


def _middles(edges: Floats) -> Floats:
    return (edges[:-1] + edges[1:]) / 2


def _grid(grid: Plane) -> str:
    return "x".join(map(str, grid.shape))


def _edges(grid: Plane) -> Floats:
    if isinstance(grid.shells, tuple) and not isinstance(grid.shells[0], str):
        return np.asarray(grid.shells, dtype=np.float64)
    waves = grid.waves
    steps = waves.steps(grid.lengths)
    width = max(steps)
    # Unit shells have centres m * width up to the least of the highest wavenumbers; 1e-9 forgives its rounding.
    reach = [math.floor(high * step / width + 1e-9) for high, step in zip(waves.highest(), steps, strict=True)]
    top = min(reach)
    if top < 1:
        axis = reach.index(top)
        least = waves.points(width / steps[axis])
        raise ValueError(
            f"spatial axis {axis} of {len(steps)} has {grid.shape[axis]} points, too few to hold one shell "
            f"of width {width:.6g}; it takes at least {least}"
        )
    modes = math.prod(grid.shape)
    asked = grid.shells[1] if isinstance(grid.shells, tuple) else grid.shells
    if isinstance(asked, int) and asked > modes:  # before memory is taken for them
        raise ValueError(
            f"bins: one of {asked} shells at least holds no mode of the {_grid(grid)} grid, which has {modes} modes; "
            "use fewer shells"
        )
    return shell_edges(grid.shells, width, top)


def shell_edges(shells: Any, width: float, top: int) -> Floats:
    """Edges of shells around ``width, 2 width, ... top width``, or of others over that range, see `Plane.shells`."""
    low, high = width / 2, (top + 0.5) * width
    if shells == "unit":
        return width * (np.arange(top + 1) + 0.5)
    if isinstance(shells, int):
        return np.linspace(low, high, shells + 1)
    # Shells at least an octave wide always hold a mode: that is how many "log" makes unless told.
    number = int(math.log2(high / low)) if isinstance(shells, str) else int(shells[1])
    return np.asarray(np.geomspace(low, high, number + 1), dtype=np.float64)
