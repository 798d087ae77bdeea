"""What takes a uniform grid apart: waves of one of two kinds, by the name of their transform."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.cosines import Cosines
from spectral_losses.transforms.fourier import Fourier
from spectral_losses_backends.base import Array, Backend

Floats = NDArray[np.floating[Any]]
TRANSFORMS = ("fft", "dct")


class Waves(Protocol):
    """A complete, orthogonal set of waves on the points of a grid; scaled so that mode 0 is the sum of the field.

    Squares of modes, with their multiplicities, add up to those of the field times the number of points.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each spatial axis."""

    def forward(self, x: Array, backend: Backend) -> Array:
        """Modes ``(..., *stored)`` of fields ``(..., *shape)``."""

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The transpose of `forward`, as a plain sum over all modes."""

    def stored(self) -> tuple[int, ...]:
        """The shape of the modes of a field."""

    def multiplicity(self) -> Any:
        """1 or 2 for each column of stored modes: for how many modes each stands."""

    def sign(self) -> Floats:
        """1 for modes of one half plane, -1 for the other, 0 where a mode is its own mirror image."""

    def numbers(self) -> tuple[Floats, ...]:
        """The wavenumber of stored modes along each axis, in steps."""

    def steps(self, lengths: tuple[float, ...] | None) -> tuple[float, ...]:
        """Wavenumber of the first mode along each axis."""

    def highest(self) -> tuple[float, ...]:
        """The highest wavenumber along each axis, in steps."""

    def points(self, steps: float) -> int:
        """How many points an axis needs for a mode of so many steps."""


def waves_of(transform: str, shape: tuple[int, ...]) -> Waves:
    """The waves of a grid: Fourier modes, or cosines with "dct"."""
    return Cosines(shape) if transform == "dct" else Fourier(shape)


def wavevectors(waves: Waves, lengths: tuple[float, ...] | None) -> list[Floats]:
    """The wavevector of each stored mode, along each axis."""
    each = [step * numbers for step, numbers in zip(waves.steps(lengths), waves.numbers(), strict=True)]
    return [np.array(k) for k in np.meshgrid(*each, indexing="ij")]


def wavenumbers(waves: Waves, lengths: tuple[float, ...] | None) -> Floats:
    """Magnitude of the wavevector of each stored mode."""
    squared = np.zeros(())
    for step, numbers in zip(waves.steps(lengths), waves.numbers(), strict=True):
        squared = squared[..., None] + (step * numbers) ** 2
    magnitude: Floats = np.sqrt(squared)
    return magnitude
