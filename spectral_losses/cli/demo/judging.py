"""Forecasts of unseen trajectories, and how far they are from the truth: with intervals over the trajectories."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectral_losses.cli.demo.operator import FourierOperator
from spectral_losses.spectra import radial_spectrum
from spectral_losses.spectra.bands import Band, BandNumbers, band_numbers, lay_bands
from spectral_losses.transforms.plane import Plane

__all__ = ["Estimate", "Measured", "ahead", "bands", "estimates", "measured", "numbers", "ratio", "roll_out"]

RESAMPLES = 1000
COVERED = (2.5, 97.5)
"""Percentiles of the interval."""


class Estimate(NamedTuple):
    """A number and the interval in which it lies for 95 % of resampled sets of trajectories."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Measured:
    """Means over the frames of each trajectory.

    Attributes
    ----------
    errors : array, shape (trajectories,)
        Field errors.
    power : array, shape (trajectories, 3, shells)
        Of prediction, truth and difference.
    plane : Plane
    """

    errors: NDArray[np.float64]
    power: NDArray[np.float64]
    plane: Plane

    @cached_property
    def samples(self) -> list[dict[str, float]]:
        """The numbers of as many trajectories, drawn with replacement; the same ones for all forecasts of them."""
        draw, count = np.random.default_rng(0), len(self.errors)
        return [numbers(self, draw.integers(0, count, count)) for _ in range(RESAMPLES)]


def ahead(model: FourierOperator, trajectories: Tensor, lead: int) -> tuple[Tensor, Tensor]:
    """Forecasts so many steps ahead from every frame, and the truth: (trajectories, starts, 1, *grid)."""
    starts = trajectories.shape[1] - lead
    now = trajectories[:, :starts].flatten(0, 1)
    with torch.no_grad():
        for _ in range(lead):
            now = model(now)
    return now.reshape(-1, starts, *now.shape[1:]), trajectories[:, lead:]


def roll_out(model: FourierOperator, trajectories: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The second half of a rollout from the first frame of each trajectory, and the truth."""
    found, now = [], trajectories[:, 0]
    with torch.no_grad():
        for _ in range(steps):
            now = model(now)
            found.append(now)
    half = steps // 2
    return torch.stack(found[half:], 1), trajectories[:, half + 1 : steps + 1]


def measured(prediction: Tensor, truth: Tensor) -> Measured:
    """What is kept of forecasts and truth, each (trajectories, starts, 1, *grid)."""
    p, t = (x[:, :, 0].to(torch.float64) for x in (prediction, truth))
    axes = tuple(range(-(p.ndim - 2), 0))
    errors = (p - t).square().mean(axes) / t.square().mean(axes)
    spectrum = radial_spectrum(torch.stack((p, t, p - t), 2), spatial_axes=axes, channel_axis=None)
    power = np.asarray(spectrum.power).mean(axis=1)
    return Measured(np.asarray(errors.mean(1)), power, Plane(tuple(p.shape[2:])))


def numbers(found: Measured, chosen: NDArray[np.intp] | None = None) -> dict[str, float]:
    """All numbers of chosen trajectories, by default of all of them; NaN where there is none.

    Names are ``field_error``, ``log_spectral_distance`` (of the mean spectra) and, of the bands ``low``, ``middle`` and
    ``high``, those of `BandNumbers` behind the band's name and a dot.
    """
    every = slice(None) if chosen is None else chosen
    power = found.power[every].mean(axis=0)
    with np.errstate(all="ignore"):
        distance = float(np.mean(np.log(power[0] / power[1]) ** 2))
    result = {"field_error": float(found.errors[every].mean()), "log_spectral_distance": distance}
    for band in bands(found.plane):
        of_band: BandNumbers = band_numbers(power[:, None], found.plane, band)
        for name, value in of_band._asdict().items():
            result[f"{band.name}.{name}"] = float("nan") if value is None else value
    return result


def bands(plane: Plane) -> tuple[Band, ...]:
    """The low, the middle and the high third of the wavenumbers of a grid."""
    last = float(plane.centres()[-1])
    return lay_bands(plane, (last / 3, 2 * last / 3))


def estimates(found: Measured) -> dict[str, Estimate]:
    """All numbers with their intervals."""
    return {name: _estimate(value, [each[name] for each in found.samples]) for name, value in numbers(found).items()}


def ratio(name: str, found: Measured, beside: Measured) -> Estimate:
    """A number over that of other forecasts of the same trajectories, which are resampled together."""
    pairs = zip(found.samples, beside.samples, strict=True)
    return _estimate(numbers(found)[name] / numbers(beside)[name], [a[name] / b[name] for a, b in pairs])


def _estimate(value: float, samples: list[float]) -> Estimate:
    with np.errstate(invalid="ignore"):  # a rollout that ran away
        low, high = np.percentile(samples, COVERED)
    return Estimate(value, float(low), float(high))
