"""The sphere: spherical harmonics of latitude-longitude grids, and the degrees they belong to."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.messages import integer
from spectral_losses.transforms.legendre import HIGHEST, Block, analysis_tables, blocks_of
from spectral_losses.transforms.plane import places_of, shell_edges
from spectral_losses.transforms.quadrature import GRIDS, area_weights, grid_of
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


@dataclass(frozen=True, init=False, repr=False)
class Sphere:
    """A latitude-longitude grid on the sphere; an argument for ``grid``.

    Spectra and losses are then those of spherical harmonics: the degree l takes the place of the wavenumber. The two
    spatial axes are latitude and longitude, in this order; longitudes are equally spaced all around, from anywhere.

    Parameters
    ----------
    latitudes : "gauss", "equiangular", "cells", or array of degrees
        Gaussian latitudes; equally spaced ones from pole to pole; the centres of equal cells. An array, such as the
        coordinate of a file, from north or from south, has to be one of these to 1e-4 degrees: on other latitudes sums
        are not exact.
    degrees : int, optional
        The highest degree. By default ``nlat - 1`` on Gaussian latitudes and ``(nlat - 1) // 2`` on the others, up to
        which all sums are exact, and never more than ``(nlon - 1) // 2``. Up to ``nlat - 1`` may be asked for; above
        the default one, powers are those of sums that are not exact.
    from_south : bool, optional
        Whether latitudes are from south to north, where they are given by name; by default they are from north. An
        array tells by itself.

    Attributes
    ----------
    grid : {"gauss", "equiangular", "cells"}
    size : int or None
        How many latitudes, where they were given.
    degrees : int or None
    from_south : bool
        To a spectrum of a scalar that makes no difference; to `energy_spectrum` it tells where north is.

    Raises
    ------
    TypeError
        Latitudes that are no numbers, degrees that are no integer, or ``from_south`` beside an array that is not.
    ValueError
        Latitudes of no such grid; degrees below 1.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> latitude, longitude = np.radians(np.arange(90, -91, -10)), np.radians(np.arange(0, 360, 10))
    >>> wave = np.cos(latitude[:, None]) ** 2 * np.cos(2 * longitude)  # a spherical harmonic of degree 2
    >>> degree, power, *_ = sl.radial_spectrum(wave, grid=sl.Sphere(np.degrees(latitude)))
    >>> degree[:3], power[:3].round(6)
    (array([1., 2., 3.]), array([0.      , 0.266667, 0.      ]))
    """

    grid: str
    size: int | None
    degrees: int | None
    from_south: bool

    def __init__(self, latitudes: Any, *, degrees: int | None = None, from_south: bool | None = None) -> None:
        if isinstance(latitudes, str):
            if latitudes not in GRIDS:
                known = ", ".join(map(repr, GRIDS))
                raise ValueError(f"latitudes must be {known} or an array of degrees, got {latitudes!r}")
            grid, size, rising = latitudes, None, bool(from_south)
        else:
            grid, size = grid_of(latitudes)
            given = np.asarray(latitudes)
            rising = bool(given[0] < given[-1])
            if from_south not in (None, rising):
                raise TypeError(f"from_south must be as the latitudes are, {rising}, got {from_south!r}")
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "degrees", _whole(degrees))
        object.__setattr__(self, "from_south", rising)

    def __repr__(self) -> str:
        where = " from south" if self.from_south else ""
        said = [repr(self.grid) if self.size is None else f"<{self.size} {self.grid} latitudes{where}>"]
        if self.degrees is not None:
            said.append(f"degrees={self.degrees}")
        if self.size is None and self.from_south:
            said.append("from_south=True")
        return f"Sphere({', '.join(said)})"

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse fields of another spatial shape."""
        if len(shape) != 2:
            raise ValueError(f"grid: a Sphere has two spatial axes, latitude and longitude, got {len(shape)}")
        if self.size is not None and shape[0] != self.size:
            raise ValueError(
                f"grid: the Sphere has {self.size} latitudes, the first spatial axis {shape[0]} points (spatial axes "
                f"of {shape[0]} x {shape[1]}; spatial_axes names latitude first)"
            )

    def basis(self, shape: tuple[int, ...], shells: Any) -> Harmonics:
        """The harmonics of fields of this shape, and the bins of their degrees."""
        self.check(shape)
        latitudes, around = shape[0], (shape[1] - 1) // 2
        exact = min(latitudes - 1 if self.grid == "gauss" else (latitudes - 1) // 2, around)
        # operator.index makes a plain int of what torch.compile would keep symbolic.
        highest = exact if self.degrees is None else operator.index(self.degrees)
        size = f"a grid of {latitudes} latitudes and {shape[1]} longitudes"
        if highest < 1:
            raise ValueError(f"grid: {size} is too small to hold one degree")
        if highest > latitudes - 1:
            raise ValueError(f"grid: degrees must be at most {latitudes - 1} on {size}, got {highest}")
        if highest > HIGHEST:
            raise ValueError(f"grid: degrees must be at most {HIGHEST}, got {highest} on {size}: ask for fewer")
        return Harmonics(shape, self.grid, shells, highest)


@plain
class Harmonics(NamedTuple):
    """Spherical harmonics up to a degree, and bins of their degrees: a `Basis` for the backends.

    Bin 0 is below the first shell (with unit shells degree 0, the mean, alone), then come the shells. The last bin, for
    degrees beyond the last edge, is empty unless edges end before the highest degree.

    Modes are coefficients of functions of mean square 1 over the sphere, of orders ``m >= 0``: those of ``-m`` are
    their mirror images. A mode array is one row of them, block by block of orders, see `legendre.Block`.

    Attributes
    ----------
    shape : tuple of int
        Latitudes and longitudes.
    grid : {"gauss", "equiangular", "cells"}
        The latitudes; whether they come from north or from south makes no difference to a sum over orders.
    shells : "unit", "log", int, ("log", int) or tuple of float
        How degrees are grouped.
    highest : int
        The highest degree.
    """

    shape: tuple[int, ...]
    grid: str
    shells: Any
    highest: int

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
        """Degrees know no direction."""
        return False

    @property
    def unequal(self) -> bool:
        """A bin is reported as it is summed."""
        return False

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("tables",)

    @property
    def orders(self) -> int:
        """How many orders: not the one that a grid of an even number of longitudes cannot tell from its negative."""
        return min(self.highest, (self.shape[1] - 1) // 2) + 1

    @property
    def together(self) -> int:
        """Values of 8 fields: products of matrices have 16 columns then, and with fewer take longer for each."""
        return 8 * math.prod(self.shape)

    def forward(self, x: Array, backend: Backend) -> Array:
        """Coefficients ``(..., 1, modes)``."""
        xp, parts = backend.namespace(x), []
        even, odd = self.folded(x, backend)
        tables = backend.constant(self, "tables", x)
        for block, table in zip(self.blocks(), tables, strict=True):
            these = slice(block.first, block.last)
            folded = xp.concat((even[..., these], odd[..., these]), axis=-1)
            found = backend.map_columns(table, folded)
            row = xp.reshape(found, (*found.shape[:-2], found.shape[-2] * found.shape[-1]))
            parts.append(xp.expand_dims(row, axis=-2))  # not in one step, which JAX refuses of a sharded array
        return parts[0] if len(parts) == 1 else xp.concat(parts, axis=-1)

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The transpose of `forward`, not its inverse."""
        xp, place = backend.namespace(modes), 0
        tables: Any = backend.constant(self, "tables", xp.real(modes))
        even, odd = [], []
        for block, table in zip(self.blocks(), tables, strict=True):
            number, columns = block.last - block.first, 2 * (block.last - block.first)
            part = modes[..., 0, place : place + block.rows * columns]
            place += block.rows * columns
            part = xp.reshape(part, (*part.shape[:-1], block.rows, columns))
            folded = backend.map_columns(table, part, transposed=True)
            even.append(folded[..., :number])
            odd.append(folded[..., number:])
        return self.unfolded(even, odd, backend)

    def folded(self, x: Array, backend: Backend) -> tuple[Array, Array]:
        """Orders of fields, a latitude and its mirror image added up and subtracted: ``(..., half, orders)`` each."""
        xp, half = backend.namespace(x), self.shape[0] // 2
        modes = backend.rfftn(x, 1)[..., : self.orders]
        above, below = modes[..., : self.shape[0] - half, :], xp.flip(modes[..., half:, :], axis=-2)
        return above + below, above - below

    def unfolded(self, even: list[Array], odd: list[Array], backend: Backend) -> Array:
        """The transpose of `folded`, of the blocks of orders of both."""
        xp, half = backend.namespace(even[0]), self.shape[0] // 2
        symmetric, antisymmetric = (each[0] if len(each) == 1 else xp.concat(each, axis=-1) for each in (even, odd))
        above, below = symmetric + antisymmetric, symmetric - antisymmetric
        rows = [above[..., :half, :], xp.flip(below[..., :half, :], axis=-2)]
        if self.shape[0] % 2:  # the equator was folded onto itself
            rows.insert(1, above[..., half:, :] + below[..., half:, :])
        return backend.irfftn(xp.concat(rows, axis=-2), self.shape[1:])

    def blocks(self) -> tuple[Block, ...]:
        """How orders are cut."""
        return blocks_of(self.highest, self.orders)

    def tables(self) -> tuple[Floats, ...]:
        """What takes folded latitudes to coefficients, for each block of orders."""
        return analysis_tables(self.grid, self.shape[0], self.highest, self.orders)

    def bins(self) -> int:
        """Shells, and one bin on either side of them."""
        return len(_partition(self).counts) + 2

    def bin_index(self) -> Integers:
        """The bin of each mode."""
        return _partition(self).index

    def multiplicity(self) -> Integers:
        """1 for modes of order 0, 2 for others."""
        return np.where(_orders(self) == 0, 1, 2)

    def sign(self) -> Floats:
        """1 for the orders that are stored; 0 for order 0, which is its own mirror image."""
        return np.where(_orders(self) == 0, 0.0, 1.0)[None]

    def bin_weight(self) -> Floats:
        """``1 / nlon**2`` for each bin: the transform along longitude is a sum, that along latitude a mean."""
        return np.full(self.bins(), float(self.shape[1]) ** -2)

    def edges(self) -> Floats:
        """Shell edges, one more than shells; shell b is ``(edges[b], edges[b + 1]]``."""
        return _partition(self).edges

    def centres(self) -> Floats:
        """Shell centres ``(lo + hi) / 2``: with unit shells the degrees."""
        edges = self.edges()
        return (edges[:-1] + edges[1:]) / 2

    def counts(self) -> Floats:
        """Harmonics in each shell, ``2 l + 1`` of degree l."""
        return _partition(self).counts

    def all_counts(self) -> Floats:
        """Harmonics in each bin."""
        return _partition(self).all_counts

    def magnitudes(self) -> Floats:
        """Degree in the middle of each shell."""
        return self.centres()

    def degrees(self) -> Floats:
        """The middle of each bin: 0 below the shells, the highest degree beyond them."""
        return np.concatenate(([0.0], self.centres(), [float(self.highest)]))

    def measure(self) -> Floats:
        """The number of harmonics: power is their sum."""
        return self.counts()

    def fill(self) -> Floats:
        """1: shells hold as many harmonics as they should."""
        return np.ones(len(self.counts()))

    def scale(self) -> Floats:
        """1: the power of a shell is its share of the mean square."""
        return np.ones(len(self.counts()))

    def repeats(self) -> Floats:
        """Each shell is reported once."""
        return np.ones(len(self.counts()))

    def reported(self) -> tuple[int, ...]:
        """The shape of the bins that are reported."""
        return (len(self.counts()),)

    def merged(self) -> tuple[int, ...]:
        """No shell is."""
        return ()


@plain
class AreaWeights(NamedTuple):
    """The weight of each point in a mean over the sphere."""

    grid: str
    shape: tuple[int, ...]

    def weights(self) -> Floats:
        """One for each latitude, ``(nlat, 1)``, of mean 1."""
        return (area_weights(self.grid, self.shape[0]) * self.shape[0])[:, None]


@dataclass(frozen=True)
class _Partition:
    index: Integers  # (1, modes)
    all_counts: Floats
    edges: Floats

    @property
    def counts(self) -> Floats:
        return self.all_counts[1:-1]


@lru_cache(maxsize=64)
def _partition(basis: Harmonics) -> _Partition:
    top, shells = basis.highest, basis.shells
    asked = shells[1] if isinstance(shells, tuple) and isinstance(shells[0], str) else shells
    if isinstance(asked, int) and asked > top:
        raise ValueError(f"bins: {asked} shells cannot be made of {top} degrees")
    given = isinstance(shells, tuple) and not isinstance(shells[0], str)
    edges = np.asarray(shells, dtype=np.float64) if given else shell_edges(shells, 1.0, top)
    degrees = np.arange(top + 1.0)
    bins = np.where(degrees == 0, 0, places_of(degrees, edges))
    counts = np.bincount(bins, 2 * np.minimum(degrees, basis.orders - 1) + 1, len(edges) + 1).astype(np.float64)
    if not counts[1:-1].all():
        b = int(np.argmin(counts[1:-1]))
        raise ValueError(
            f"bins: shell {b}, degrees ({edges[b]:.6g}, {edges[b + 1]:.6g}], holds none of the degrees 1 to {top}; use "
            "fewer or wider shells"
        )
    of_degree = np.append(bins, np.full(top + 1, len(edges)))  # entries above the highest degree are 0
    index = np.concatenate([of_degree[block.degrees()].ravel() for block in basis.blocks()])
    return _Partition(index[None], counts, edges)


@lru_cache(maxsize=64)
def _orders(basis: Harmonics) -> Integers:
    each = [np.tile(block.orders(), block.rows) for block in basis.blocks()]
    return np.concatenate(each)


def _whole(degrees: Any) -> int | None:
    if degrees is None:
        return None
    highest = integer("degrees", degrees)
    if highest < 1:
        raise ValueError(f"degrees must be at least 1, got {degrees}")
    return highest
