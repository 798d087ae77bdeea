"""Let a network predict from its own predictions, and judge what comes out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spectral_losses.cli.demo.operator import FourierOperator
from spectral_losses.evaluation import evaluate
from spectral_losses.spectra import radial_spectrum
from spectral_losses.spectra.bands import Band, BandNumbers, band_numbers, lay_bands
from spectral_losses.transforms.plane import Plane

__all__ = ["Score", "bands_of", "roll_out", "score"]


class Score(NamedTuple):
    """Errors at one time of a rollout, over all trajectories; None where they are not finite.

    Attributes
    ----------
    field_error, spectrum_error : float or None
        As `spectral_losses.evaluate` has them.
    bands : tuple of BandNumbers
        Error and energy ratio of the low, the middle and the high band.
    """

    field_error: float | None
    spectrum_error: float | None
    bands: tuple[BandNumbers, ...]


def roll_out(model: FourierOperator, truth: Tensor) -> Tensor:
    """As many frames as the truth has, of which only the first is given: (trajectories, frames, 1, n, n)."""
    frames = [truth[:, 0]]
    with torch.no_grad():
        for _ in range(truth.shape[1] - 1):
            frames.append(model(frames[-1]))
    return torch.stack(frames, 1)


def bands_of(n: int) -> tuple[Band, ...]:
    """Low, middle and high wavenumbers of an n x n grid, as ``spectral-losses compare`` lays them."""
    return lay_bands(Plane((n, n)), None)


def score(prediction: Tensor, truth: Tensor) -> Score:
    """Judge frames of one time, each (trajectories, 1, n, n)."""
    errors = evaluate(prediction, truth)
    fields = torch.stack((prediction, truth, prediction - truth), 1).to(torch.float64)
    power = np.asarray(radial_spectrum(fields).power).mean(axis=0)  # (3, 1, shells)
    grid = Plane((truth.shape[-2], truth.shape[-1]))
    found = tuple(band_numbers(power, grid, band) for band in bands_of(truth.shape[-1]))
    return Score(_finite(errors["field_error"]), _finite(errors["spectrum_error"]), found)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
