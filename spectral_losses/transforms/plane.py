"""The plane: Fourier modes of a periodic grid, and the shells of wavenumber they belong to; host-side and cached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Bins = str | int | tuple[str, int] | tuple[float, ...]


@plain
class Plane(NamedTuple):
    """A periodic, uniform grid and the shells laid over its wavenumbers: a `Basis` for the backends.

    Its bins are a complete partition of all modes: bin 0 is below the first shell (with unit shells the mean mode
    alone), then come the shells, and the last bin is beyond them (the corner modes).

    Attributes
    ----------
    shape : tuple of int
        Points along each spatial axis, the halved axis of ``rfftn`` last.
    lengths : tuple of float or None
        Box length along each axis; None counts wavenumbers in index units.
    shells : "unit", "log", int, ("log", int) or tuple of float
        How the shells are laid, see `spectral_losses.radial_spectrum`.
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...] | None = None
    shells: Bins = "unit"

    @property
    def sums(self) -> str:
        """Of modes by their bin."""
        return "bins"

    @property
    def outside(self) -> tuple[int, int]:
        """One bin below the shells, and one beyond them."""
        return 1, 1

    def forward(self, x: Array, backend: Backend) -> Array:
        """Half-plane modes ``(..., *half)``, not normalised."""
        return backend.rfftn(x, len(self.shape))

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The plain sum over all modes of the full plane."""
        return backend.irfftn(modes, self.shape)

    def bins(self) -> int:
        """Shells, and one bin on either side of them."""
        return len(_shells(self).counts) + 2

    def bin_index(self) -> Integers:
        """The bin of each mode of the half plane."""
        return _shells(self).index

    def multiplicity(self) -> Integers:
        """2, and 1 on the first and, for an even size, the last column; for each column of the half plane."""
        return multiplicity(self.shape[-1])

    def sign(self) -> Floats:
        """1 on the half plane that is stored, -1 for the mirror images that its first and last column hold as well."""
        return _sign(self)

    def bin_weight(self) -> Floats:
        """``1 / N**2`` for each bin: modes over the number of points, squared."""
        return np.full(self.bins(), float(math.prod(self.shape)) ** -2)

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

    def all_counts(self) -> Floats:
        """Modes of the full plane in each bin."""
        return _shells(self).all_counts

    def measure(self) -> Floats:
        """Length, area or volume of each shell in wavenumber space."""
        d, edges = len(self.shape), self.edges()
        return (2.0, math.pi, 4 / 3 * math.pi)[d - 1] * np.diff(edges**d)

    def fill(self) -> Floats:
        """The modes that a shell of its measure would hold on the average, over those that it has."""
        return self.measure() / math.prod(wavenumber_steps(self.shape, self.lengths)) / self.counts()

    def scale(self) -> Floats:
        """``N**2 measure / counts``: what turns a shell's share of the mean square into its power."""
        return float(math.prod(self.shape)) ** 2 * self.measure() / self.counts()


@dataclass(frozen=True)
class _Shells:
    edges: Floats
    index: Integers  # the bin of each mode of the half plane: 0 below the first shell, the last one beyond
    all_counts: Floats

    @property
    def counts(self) -> Floats:
        return self.all_counts[1:-1]


@lru_cache(maxsize=64)
def _shells(grid: Plane) -> _Shells:
    edges = _edges(grid)
    k = wavenumbers(grid.shape, grid.lengths)
    # (lo, hi] with k = hi up to rounding still inside: 2 pi m / L and (m + 1/2) dk round differently.
    index = np.searchsorted(edges * (1 + 1e-12), k, side="left").astype(np.int64)
    weights = np.broadcast_to(multiplicity(grid.shape[-1]), k.shape).ravel()
    all_counts = np.bincount(index.ravel(), weights=weights, minlength=len(edges) + 1).astype(np.float64)
    counts = all_counts[1:-1]
    if not counts.all():
        b = int(np.argmin(counts))
        raise ValueError(
            f"bins: shell {b}, wavenumbers ({edges[b]:.6g}, {edges[b + 1]:.6g}], holds no mode of the "
            f"{_grid(grid)} grid; use fewer or wider shells"
        )
    return _Shells(edges, index, all_counts)


def _grid(grid: Plane) -> str:
    return "x".join(map(str, grid.shape))


def multiplicity(n: int) -> Integers:
    """2, and 1 on the first and, for an even size, the last column of a half plane."""
    column = np.full(n // 2 + 1, 2)
    column[0] = 1
    if n % 2 == 0:
        column[-1] = 1
    return column


@lru_cache(maxsize=64)
def _sign(grid: Plane) -> Floats:
    modes = [np.fft.fftfreq(n, 1 / n) for n in grid.shape[:-1]]
    others = np.zeros(tuple(n for n in grid.shape[:-1]))
    for axis, (n, m) in enumerate(zip(grid.shape[:-1], modes, strict=True)):
        own = np.where(2 * np.abs(m) == n, 0.0, np.sign(m))  # the Nyquist mode is its own mirror image
        others = np.where(others == 0, np.reshape(own, (-1, *(1,) * (len(modes) - axis - 1))), others)
    whole = (multiplicity(grid.shape[-1]) == 2).astype(np.float64)
    return np.where(whole == 1, 1.0, others[..., None])


def wavenumbers(shape: tuple[int, ...], lengths: tuple[float, ...] | None) -> Floats:
    """Magnitude of the wavevector of each mode of the half plane."""
    squared = np.zeros(())
    for axis, (n, step) in enumerate(zip(shape, wavenumber_steps(shape, lengths), strict=True)):
        last = axis == len(shape) - 1
        index = np.fft.rfftfreq(n, 1 / n) if last else np.fft.fftfreq(n, 1 / n)
        squared = squared[..., None] + (step * index) ** 2
    magnitude: Floats = np.sqrt(squared)
    return magnitude


def wavenumber_steps(shape: tuple[int, ...], lengths: tuple[float, ...] | None) -> tuple[float, ...]:
    """Wavenumber of the first mode along each axis."""
    return (1.0,) * len(shape) if lengths is None else tuple(2 * math.pi / a for a in lengths)


def _edges(grid: Plane) -> Floats:
    if isinstance(grid.shells, tuple) and not isinstance(grid.shells[0], str):
        return np.asarray(grid.shells, dtype=np.float64)
    steps = wavenumber_steps(grid.shape, grid.lengths)
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
    modes = math.prod(grid.shape)
    asked = grid.shells[1] if isinstance(grid.shells, tuple) else grid.shells
    if isinstance(asked, int) and asked > modes:  # before memory is taken for them
        raise ValueError(
            f"bins: one of {asked} shells at least holds no mode of the {_grid(grid)} grid, which has {modes} modes; "
            "use fewer shells"
        )
    low, high = width / 2, (top + 0.5) * width
    if grid.shells == "unit":
        return width * (np.arange(top + 1) + 0.5)
    if isinstance(grid.shells, int):
        return np.linspace(low, high, grid.shells + 1)
    # Shells at least an octave wide always hold a mode: that is how many "log" makes unless told.
    number = int(math.log2(high / low)) if isinstance(grid.shells, str) else int(grid.shells[1])
    return np.asarray(np.geomspace(low, high, number + 1), dtype=np.float64)
