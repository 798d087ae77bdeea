"""Winds on the sphere: vector harmonics, whose powers are those of vorticity and divergence without a derivative."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from spectral_losses.transforms.legendre import wind_tables
from spectral_losses.transforms.sphere import Floats, Harmonics, Integers
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

PARTS = ("rotational", "divergent")


@plain
class Winds(NamedTuple):
    """Vector harmonics up to a degree, and bins of their degrees: a `Basis` for the backends.

    A field is two components at each point, u eastward and v northward. With a harmonic Y of order m and its
    derivatives, integration by parts makes of the coefficients of vorticity and divergence on the unit sphere

        zeta  = mean of (i m Y / cos(latitude)) v + (dY / dlatitude) u,
        delta = mean of (i m Y / cos(latitude)) u - (dY / dlatitude) v,

    each of them over all points with ``exp(-i m longitude)``. Divided by ``sqrt(l (l + 1))`` they are coefficients of
    vector harmonics of mean square 1. Modes are ``(parts, 1, modes)``, those of a part as `Harmonics` has them.

    Attributes
    ----------
    shape : tuple of int
        The two components, latitudes, longitudes.
    grid, shells, highest
        As in `Harmonics`.
    from_south : bool
        Whether the first latitude is the southernmost.
    part : "rotational", "divergent" or None
        Which of both; None for their sum.
    """

    shape: tuple[int, ...]
    grid: str
    shells: Any
    highest: int
    from_south: bool
    part: str | None

    @property
    def scalars(self) -> Harmonics:
        """The harmonics of each component."""
        return Harmonics(self.shape[1:], self.grid, self.shells, self.highest)

    @property
    def sums(self) -> str:
        """Of modes by their bin."""
        return "bins"

    @property
    def outside(self) -> tuple[int, int]:
        """One bin below the shells, and one beyond them."""
        return 1, 1

    @property
    def unequal(self) -> bool:
        """A bin is reported as it is summed."""
        return False

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("tables",)

    @property
    def together(self) -> int:
        """Values of 4 winds, see `Harmonics.together`."""
        return 4 * math.prod(self.shape)

    def forward(self, x: Array, backend: Backend) -> Array:
        """Coefficients ``(..., parts, 1, modes)``."""
        xp, scalars, found = backend.namespace(x), self.scalars, []
        even, odd = scalars.folded(x, backend)
        for block, table in zip(scalars.blocks(), backend.constant(self, "tables", x), strict=True):
            e, o = (z[..., block.first : block.last] for z in (even, odd))
            same, other = xp.concat((e, o), axis=-1), xp.concat((o, e), axis=-1)
            (u, v), (u_slope, v_slope) = ((z[..., 0, :, :], self._north * z[..., 1, :, :]) for z in (same, other))
            pairs = {"rotational": (v, u_slope), "divergent": (u, -v_slope)}
            asked = [xp.concat((1j * first, second), axis=-2) for first, second in map(pairs.__getitem__, self._parts)]
            modes = backend.map_columns(table, xp.stack(asked, axis=-3))
            found.append(xp.reshape(modes, (*modes.shape[:-2], 1, modes.shape[-2] * modes.shape[-1])))
        return found[0] if len(found) == 1 else xp.concat(found, axis=-1)

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The transpose of `forward`, not its inverse."""
        xp, scalars, place = backend.namespace(modes), self.scalars, 0
        half = (self.shape[1] + 1) // 2
        tables: Any = backend.constant(self, "tables", xp.real(modes))
        even, odd = [], []
        for block, table in zip(scalars.blocks(), tables, strict=True):
            number, columns = block.last - block.first, 2 * (block.last - block.first)
            part = modes[..., place : place + block.rows * columns]
            place += block.rows * columns
            part = xp.reshape(part, (*part.shape[:-2], block.rows, columns))
            pairs = backend.map_columns(table, part, transposed=True)
            along, slopes = -1j * pairs[..., :half, :], pairs[..., half:, :]
            slopes = xp.concat((slopes[..., number:], slopes[..., :number]), axis=-1)
            wind = [xp.zeros_like(along[..., 0, :, :])] * 2
            for i, name in enumerate(self._parts):
                first, second = along[..., i, :, :], slopes[..., i, :, :]
                u, v = (second, first) if name == "rotational" else (first, -second)
                wind = [wind[0] + u, wind[1] + self._north * v]
            both = xp.stack(wind, axis=-3)
            even.append(both[..., :number])
            odd.append(both[..., number:])
        return scalars.unfolded(even, odd, backend)

    def tables(self) -> tuple[Floats, ...]:
        """What takes folded winds to coefficients, for each block of orders."""
        return wind_tables(self.grid, self.shape[1], self.highest, self.scalars.orders)

    def bins(self) -> int:
        """Shells, and one bin on either side of them."""
        return self.scalars.bins()

    def bin_index(self) -> Integers:
        """The bin of each mode."""
        return np.tile(self.scalars.bin_index(), (len(self._parts), 1, 1))

    def multiplicity(self) -> Integers:
        """1 for modes of order 0, 2 for others."""
        return self.scalars.multiplicity()

    def sign(self) -> Floats:
        """1 for the orders that are stored; 0 for order 0, which is its own mirror image."""
        return self.scalars.sign()

    def bin_weight(self) -> Floats:
        """``1 / nlon**2`` for each bin."""
        return self.scalars.bin_weight()

    def edges(self) -> Floats:
        """Shell edges, in degrees."""
        return self.scalars.edges()

    def centres(self) -> Floats:
        """Shell centres."""
        return self.scalars.centres()

    def counts(self) -> Floats:
        """Harmonics of a scalar in each shell."""
        return self.scalars.counts()

    def fill(self) -> Floats:
        """1: shells hold as many harmonics as they should."""
        return self.scalars.fill()

    @property
    def _parts(self) -> tuple[str, ...]:
        return PARTS if self.part is None else (self.part,)

    @property
    def _north(self) -> int:
        """What v is multiplied with: seen in a mirror that exchanges the poles, north winds are south winds."""
        return -1 if self.from_south else 1
