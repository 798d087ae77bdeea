"""Waves one by one: every pair k, -k is a bin of its own."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.waves import Waves, waves_of
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain


@plain
class Modes(NamedTuple):
    """A uniform grid whose modes are compared one by one.

    The bins are the modes that are stored. In the first column of a half plane, and the last one of an even size, a
    pair k, -k has two entries with the same statistics: each is half a bin, see `repeats`.
    """

    shape: tuple[int, ...]
    transform: str = "fft"
    kind: str = "modes"
    """Tuples of other classes are equal to this one where their items are; caches must not take one for another."""

    @property
    def waves(self) -> Waves:
        """What the grid is taken apart into."""
        return waves_of(self.transform, self.shape)

    @property
    def sums(self) -> str:
        """Every entry by itself."""
        return "each"

    @property
    def outside(self) -> tuple[int, int]:
        """All of them count, the mean mode too."""
        return 0, 0

    @property
    def unequal(self) -> bool:
        """Some entries are half a bin, see `repeats`."""
        return True

    def forward(self, x: Array, backend: Backend) -> Array:
        """Modes ``(..., *stored)``, not normalised."""
        return self.waves.forward(x, backend)

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The plain sum over all modes of the full plane."""
        return self.waves.adjoint(modes, backend)

    def bins(self) -> int:
        """Stored modes."""
        return math.prod(self.waves.stored())

    def bin_index(self) -> NDArray[Any]:
        """Their numbers."""
        return _numbers(self)

    def multiplicity(self) -> NDArray[Any]:
        """As on the plane."""
        multiplicity: NDArray[Any] = self.waves.multiplicity()
        return multiplicity

    def multiplicities(self) -> NDArray[Any]:
        """The same for each bin."""
        return np.broadcast_to(self.multiplicity(), self.bin_index().shape).ravel()

    def sign(self) -> NDArray[Any]:
        """As on the plane."""
        return self.waves.sign()

    def bin_weight(self) -> NDArray[Any]:
        """``1 / N**2`` for each bin: modes over the number of points, squared."""
        return np.full(self.bins(), float(math.prod(self.shape)) ** -2)

    def repeats(self) -> NDArray[Any]:
        """1 for an entry that stands for a pair or is its own mirror image, 1/2 for one of two entries of a pair."""
        return _repeats(self)


@lru_cache(maxsize=64)
def _numbers(basis: Modes) -> NDArray[Any]:
    return np.arange(basis.bins()).reshape(basis.waves.stored())


@lru_cache(maxsize=64)
def _repeats(basis: Modes) -> NDArray[Any]:
    single = np.broadcast_to(basis.multiplicity() == 1, basis.bin_index().shape)
    return np.where(single & (basis.sign() != 0), 0.5, 1.0).ravel()
