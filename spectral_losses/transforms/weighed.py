"""Waves, all in one bin, each with a weight of its own: the basis of losses that are one weighted sum."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.waves import Waves, waves_of
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain


@plain
class Weighed(NamedTuple):
    """A uniform grid whose modes make one sum.

    Attributes
    ----------
    shape : tuple of int
        Points along each spatial axis.
    source : named tuple
        What has the weights of the modes that are stored, as its method ``weights``.
    transform : {"fft", "dct"}
    """

    shape: tuple[int, ...]
    source: Any
    transform: str = "fft"
    kind: str = "weighed"

    @property
    def waves(self) -> Waves:
        """What the grid is taken apart into."""
        return waves_of(self.transform, self.shape)

    @property
    def sums(self) -> str:
        """One, over all modes."""
        return "weighed"

    @property
    def outside(self) -> tuple[int, int]:
        """All modes count."""
        return 0, 0

    @property
    def unequal(self) -> bool:
        """There is one bin."""
        return False

    def forward(self, x: Array, backend: Backend) -> Array:
        """Modes ``(..., *stored)``, not normalised."""
        return self.waves.forward(x, backend)

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The plain sum over all modes of the full plane."""
        return self.waves.adjoint(modes, backend)

    def bins(self) -> int:
        """One."""
        return 1

    def bin_index(self) -> NDArray[Any]:
        """0 everywhere."""
        return np.zeros(self.waves.stored(), dtype=np.int64)

    def multiplicity(self) -> NDArray[Any]:
        """As on the plane."""
        multiplicity: NDArray[Any] = self.waves.multiplicity()
        return multiplicity

    def sign(self) -> NDArray[Any]:
        """As on the plane."""
        return self.waves.sign()

    def bin_weight(self) -> NDArray[Any]:
        """``1 / N**2``: modes over the number of points, squared."""
        return np.full(1, float(math.prod(self.shape)) ** -2)

    def mode_weights(self) -> NDArray[Any]:
        """The weight of each mode."""
        return np.reshape(self.source.weights(), self.waves.stored())

    def entry_weights(self) -> NDArray[Any]:
        """That of each entry of a mode array, which may stand for two modes."""
        weights: NDArray[Any] = self.mode_weights() * self.multiplicity()
        return weights

    def real_weights(self) -> NDArray[Any]:
        """That of each real number of a mode array: both parts of an entry, or the entry itself."""
        return np.repeat(self.entry_weights().ravel(), 1 if self.transform == "dct" else 2)
