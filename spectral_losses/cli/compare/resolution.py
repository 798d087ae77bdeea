"""The effective resolution of a prediction, of powers that are averaged over frames already."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.globe import RADIUS, Grid
from spectral_losses.diagnostics import CrossSpectrum
from spectral_losses.diagnostics.resolution import resolved_wavenumber, wavelength, wavelength_of_degree
from spectral_losses.transforms.sphere import Harmonics

THRESHOLD = 0.5
"""Of the squared coherence, as in `spectral_losses.effective_resolution`."""


def cross_of(power: NDArray[np.float64], grid: Grid, precision: float) -> CrossSpectrum:
    """What powers of prediction, truth and difference, of shape (3, channels, shells), say of their coherence."""
    p, t, d = power
    share = np.sum((p + t) / grid.scale(), axis=-1, keepdims=True)
    noise = share * precision**2 * grid.scale() + np.finfo(np.float64).smallest_normal
    arrays = np.asarray(grid.centres()), p, t, d, (p + t - d) / 2, np.zeros_like(p), np.asarray(grid.edges())
    return CrossSpectrum(*arrays, grid.counts(), noise)


class Resolution(NamedTuple):
    """Down to which scale a prediction means something.

    Attributes
    ----------
    unit : str
        "km" of a wavelength on the sphere, "length" of one in the units of the lengths, "grid points" of one without
        these. Where the axes have different sizes, these are no unit either, and it is the "wavenumber".
    channels : tuple of float or None
        For each; None where nothing is resolved.
    """

    unit: str
    channels: tuple[float | None, ...]

    def coarsest(self) -> float | None:
        """Of all channels."""
        if None in self.channels:
            return None
        of = min if self.unit == "wavenumber" else max
        return of(each for each in self.channels if each is not None)


def resolution_of(power: NDArray[np.float64], grid: Grid, precision: float) -> Resolution:
    """The effective resolution of each channel, as `spectral_losses.effective_resolution` has it."""
    cross = cross_of(power, grid, precision)
    k = np.asarray(resolved_wavenumber(cross, THRESHOLD, "coherence"))
    if isinstance(grid, Harmonics):
        return Resolution("km", _known(RADIUS * wavelength_of_degree(k, grid.highest)))
    if grid.lengths is None and len(set(grid.shape)) > 1:
        return Resolution("wavenumber", _known(np.where(k > 0, np.minimum(k, cross.wavenumber[-1]), np.inf)))
    if grid.lengths is None:
        return Resolution("grid points", _known(wavelength(k, float(grid.shape[0]), 2.0)))
    spacing = max(a / n for a, n in zip(grid.lengths, grid.shape, strict=True))
    return Resolution("length", _known(wavelength(k, 2 * math.pi, 2 * spacing)))


def _known(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(float(each) if math.isfinite(each) else None for each in values)
