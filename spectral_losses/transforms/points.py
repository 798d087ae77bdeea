"""The points themselves, all in one bin: the basis of losses without a transform."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain


@plain
class Points(NamedTuple):
    """A grid whose modes are its points: statistics are means over space."""

    shape: tuple[int, ...]
    kind: str = "points"
    """Tuples of other classes are equal to this one where their items are; caches must not take one for another."""

    @property
    def sums(self) -> str:
        """Modes are points."""
        return "points"

    @property
    def outside(self) -> tuple[int, int]:
        """The one bin is all there is."""
        return 0, 0

    def forward(self, x: Array, backend: Backend) -> Array:
        """The field."""
        return x

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The field."""
        return modes

    def bins(self) -> int:
        """One."""
        return 1

    def bin_index(self) -> NDArray[Any]:
        """0 everywhere."""
        return np.zeros(self.shape, dtype=np.int64)

    def multiplicity(self) -> NDArray[Any]:
        """1 everywhere."""
        return np.ones(self.shape[-1], dtype=np.int64)

    def sign(self) -> NDArray[Any]:
        """A point has no mirror image."""
        return np.zeros(self.shape)

    def bin_weight(self) -> NDArray[Any]:
        """``1 / N``: sums become means."""
        return np.full(1, 1 / math.prod(self.shape))
