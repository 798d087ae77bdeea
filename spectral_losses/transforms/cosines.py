"""Cosines of a uniform grid with edges: the discrete cosine transform (type II) along each axis, and its transpose.

A field is continued by its mirror image, so that it has no jump where it ends (Denis, Cote and Laprise, Mon. Wea. Rev.
130 (2002) 1812). The transform is made of a Fourier transform of as many points in another order (Makhoul, IEEE Trans.
ASSP 28 (1980) 27): first those of even number, then those of odd number backwards. With its modes V,

    C_m = sqrt(2) Re(exp(-i pi m / 2n) V_m),    V_m = exp(i pi m / 2n) (C_m - i C_{n - m}) / sqrt(2)    (C_n = 0)

along an axis of n points, and C_0 = V_0.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


@plain
class Cosines(NamedTuple):
    """Cosines ``cos(pi m (j + 1/2) / n)`` along each axis, m from 0 to n - 1.

    Modes are real, one for each point, and scaled as Fourier modes are: the sum of their squares is that of the field
    times the number of points, and mode 0 is the sum of the field.

    Attributes
    ----------
    shape : tuple of int
        Points along each spatial axis.
    """

    shape: tuple[int, ...]
    kind: str = "dct"
    """Tuples of other classes are equal to this one where their items are; caches must not take one for another."""

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("forth", "back")

    def forward(self, x: Array, backend: Backend) -> Array:
        """Modes ``(..., *shape)``."""
        xp, ndim, n = backend.namespace(x), len(self.shape), self.shape[-1]
        *turns, last = backend.constant(self, "forth", x)
        for axis in range(-ndim, 0):
            x = _reordered(x, axis, xp)
        modes = backend.rfftn(x, ndim)
        for axis, turn in zip(range(-ndim, -1), turns, strict=True):
            # Of complex values, whose real and imaginary parts are taken apart at once: Re becomes a mean of two.
            opposite = _mirrored(modes, axis, _part(modes, axis, slice(1)), xp)
            modes = modes * _complex(turn, modes.dtype, xp) + opposite * _complex(turn, modes.dtype, xp, -1)
        modes = modes * _complex(last, modes.dtype, xp)
        behind = xp.imag(modes)[..., 1 : (n + 1) // 2]
        return xp.concat((xp.real(modes), xp.flip(-behind, axis=-1)), axis=-1)

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The transpose of `forward`, which is its inverse times the number of points."""
        xp, ndim, n = backend.namespace(modes), len(self.shape), self.shape[-1]
        *turns, last = backend.constant(self, "back", modes)
        dtype = xp.result_type(modes.dtype, xp.complex64)
        zero = xp.zeros_like(modes[..., :1])
        opposite = xp.concat((zero, xp.flip(modes[..., (n + 1) // 2 :], axis=-1)), axis=-1)
        modes = xp.astype(modes[..., : n // 2 + 1], dtype) - xp.astype(opposite, dtype) * 1j
        modes = modes * _complex(last, dtype, xp)
        for axis, turn in zip(range(-ndim, -1), turns, strict=True):
            opposite = _mirrored(modes, axis, xp.zeros_like(_part(modes, axis, slice(1))), xp)
            modes = (modes - opposite * 1j) * _complex(turn, dtype, xp)
        x = backend.irfftn(modes, self.shape)
        for axis in range(-ndim, 0):
            x = _restored(x, axis, xp)
        return x

    def forth(self) -> tuple[Floats, ...]:
        """What modes are turned by on the way there, for each axis: real and imaginary part, shaped to broadcast."""
        n = self.shape[-1]
        others = [_turns(m, 0.5, math.sqrt(0.5), -1) for m in self.shape[:-1]]
        return self._shaped([*others, _turns(n, 1.0, math.sqrt(2), -1)[:, : n // 2 + 1]])

    def back(self) -> tuple[Floats, ...]:
        """Likewise, on the way back."""
        *others, last = [_turns(n, 1.0, math.sqrt(0.5), 1) for n in self.shape]
        return self._shaped([*others, last[:, : self.shape[-1] // 2 + 1]])

    def stored(self) -> tuple[int, ...]:
        """The shape of the modes of a field."""
        return self.shape

    def multiplicity(self) -> Integers:
        """1 everywhere, for each column."""
        return np.ones(self.shape[-1], dtype=np.int64)

    def sign(self) -> Floats:
        """0: a cosine is its own mirror image, and cross-spectra of real modes have no imaginary part."""
        return np.zeros(self.shape)

    def numbers(self) -> tuple[Floats, ...]:
        """How many half waves a mode has along each axis."""
        return tuple([np.arange(float(n)) for n in self.shape])

    def steps(self, lengths: tuple[float, ...] | None) -> tuple[float, ...]:
        """Wavenumber of the first mode along each axis, which is half a wave."""
        return (0.5,) * len(self.shape) if lengths is None else tuple(math.pi / a for a in lengths)

    def highest(self) -> tuple[float, ...]:
        """The highest mode along each axis, in steps."""
        return tuple([n - 1.0 for n in self.shape])

    def points(self, steps: float) -> int:
        """How many points an axis needs for a mode of so many steps."""
        return math.ceil(steps - 1e-9) + 1

    def _shaped(self, turns: list[Floats]) -> tuple[Floats, ...]:
        ndim = len(self.shape)
        return tuple(np.reshape(turn, (*turn.shape, *(1,) * (ndim - i - 1))) for i, turn in enumerate(turns))


def _turns(n: int, first: float, others: float, sign: int) -> Floats:
    """``exp(sign i pi m / 2n)`` times a number, another one for m = 0; real and imaginary parts ``(2, n)``."""
    angle = np.arange(n) * (math.pi / (2 * n))
    return np.stack((np.cos(angle), sign * np.sin(angle))) * np.where(np.arange(n) == 0, first, others)


def _complex(turn: Array, dtype: Any, xp: Any, sign: int = 1) -> Array:
    """Parts as a complex array; with the sign -1 the conjugate."""
    return xp.astype(turn[0, ...], dtype) + xp.astype(turn[1, ...], dtype) * (sign * 1j)


def _mirrored(modes: Array, axis: int, first: Array, xp: Any) -> Array:
    """For each mode m the one at n - m, behind the first."""
    return xp.concat((first, xp.flip(_part(modes, axis, slice(1, None)), axis=axis)), axis=axis)


def _reordered(x: Array, axis: int, xp: Any) -> Array:
    """Points of even number, then those of odd number backwards."""
    even, odd = _part(x, axis, slice(None, None, 2)), _part(x, axis, slice(1, None, 2))
    return xp.concat((even, xp.flip(odd, axis=axis)), axis=axis)


def _restored(x: Array, axis: int, xp: Any) -> Array:
    """The transpose of `_reordered`."""
    n, place = x.shape[axis], len(x.shape) + axis
    pairs = n // 2
    even, odd = _part(x, axis, slice(pairs)), xp.flip(_part(x, axis, slice(n - pairs, None)), axis=axis)
    both = xp.reshape(xp.stack((even, odd), axis=place + 1), (*x.shape[:place], 2 * pairs, *x.shape[place + 1 :]))
    return xp.concat((both, _part(x, axis, slice(pairs, pairs + 1))), axis=axis) if n % 2 else both


def _part(x: Array, axis: int, these: slice) -> Array:
    return x[(..., these, *(slice(None),) * (-axis - 1))]
