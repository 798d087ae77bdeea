"""Fourier modes of a periodic, uniform grid, of which a real field needs one half."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]


@plain
class Fourier(NamedTuple):
    """Complex exponentials; the half plane of ``rfftn`` is stored.

    Attributes
    ----------
    shape : tuple of int
        Points along each spatial axis, the halved axis of ``rfftn`` last.
    """

    shape: tuple[int, ...]
    kind: str = "fft"
    """Tuples of other classes are equal to this one where their items are; caches must not take one for another."""

    def forward(self, x: Array, backend: Backend) -> Array:
        """Half-plane modes ``(..., *half)``, not normalised."""
        return backend.rfftn(x, len(self.shape))

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The plain sum over all modes of the full plane."""
        return backend.irfftn(modes, self.shape)

    def stored(self) -> tuple[int, ...]:
        """The shape of the modes of a field."""
        return (*self.shape[:-1], self.shape[-1] // 2 + 1)

    def multiplicity(self) -> Integers:
        """2, and 1 on the first and, for an even size, the last column; for each column of the half plane."""
        n = self.shape[-1]
        column = np.full(n // 2 + 1, 2)
        column[0] = 1
        if n % 2 == 0:
            column[-1] = 1
        return column

    def sign(self) -> Floats:
        """1 on the half plane that is stored, -1 for the mirror images that its first and last column hold as well."""
        return _sign(self)

    def numbers(self) -> tuple[Floats, ...]:
        """How many waves a mode has along each axis."""
        *others, n = self.shape
        return (*(np.fft.fftfreq(m, 1 / m) for m in others), np.fft.rfftfreq(n, 1 / n))

    def steps(self, lengths: tuple[float, ...] | None) -> tuple[float, ...]:
        """Wavenumber of the first mode along each axis."""
        return wavenumber_steps(self.shape, lengths)

    def highest(self) -> tuple[float, ...]:
        """The Nyquist wavenumber along each axis, in steps."""
        return tuple([n / 2 for n in self.shape])

    def points(self, steps: float) -> int:
        """How many points an axis needs for a mode of so many steps."""
        return math.ceil(2 * steps - 1e-9)


def wavenumber_steps(shape: tuple[int, ...], lengths: tuple[float, ...] | None) -> tuple[float, ...]:
    """Wavenumber of the first Fourier mode along each axis, which is what a mode takes of wavenumber space."""
    return (1.0,) * len(shape) if lengths is None else tuple(2 * math.pi / a for a in lengths)


@lru_cache(maxsize=64)
def _sign(of: Fourier) -> Floats:
    modes = of.numbers()[:-1]
    others = np.zeros(tuple(n for n in of.shape[:-1]))
    for axis, (n, m) in enumerate(zip(of.shape[:-1], modes, strict=True)):
        own = np.where(2 * np.abs(m) == n, 0.0, np.sign(m))  # the Nyquist mode is its own mirror image
        others = np.where(others == 0, np.reshape(own, (-1, *(1,) * (len(modes) - axis - 1))), others)
    whole = (of.multiplicity() == 2).astype(np.float64)
    return np.where(whole == 1, 1.0, others[..., None])
