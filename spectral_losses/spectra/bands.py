"""Low, middle and high wavenumbers, and the errors within them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.messages import integer, items, number
from spectral_losses.spectra.binning import check_radial
from spectral_losses.transforms.plane import Plane
from spectral_losses.transforms.sphere import Harmonics

NAMES = ("low", "middle", "high")


class Band(NamedTuple):
    """A run of shells.

    Attributes
    ----------
    name : str
    shells : slice
    centres : tuple of float
        Wavenumber of the first and of the last shell.
    edges : tuple of float
        Where the first begins and the last ends.
    """

    name: str
    shells: slice
    centres: tuple[float, float]
    edges: tuple[float, float]


class BandNumbers(NamedTuple):
    """How two fields compare within one band; None where the truth has no energy in it.

    Attributes
    ----------
    error : float or None
        ``sum |F(p - t)|^2 / sum |F(t)|^2`` over the modes of the band and all frames: the relative error of
        the fields without everything outside the band. Mean over channels.
    amplitude_part, phase_part : float or None
        What wrong amplitudes and wrong phases make of the error, which is their sum: shell by shell, as
        `spectral_losses.cross_spectrum` takes it apart with all frames pooled.
    energy_ratio : float or None
        ``sum |F(p)|^2 / sum |F(t)|^2`` as the error.
    coherence : float or None
        Mean of the shells' coherences, weighted with the product of their amplitudes: what it lacks of 1 makes the
        phase part.
    """

    error: float | None
    amplitude_part: float | None
    phase_part: float | None
    energy_ratio: float | None
    coherence: float | None


def lay_bands(grid: Plane | Harmonics, limits: tuple[float, float] | None) -> tuple[Band, ...]:
    """Three bands of shells, up to each of the limits and above.

    By default they are the thirds of the range of shells, in logarithms: ``K^(1/3)`` and ``K^(2/3)`` for
    shells at 1 to K.

    Raises
    ------
    ValueError
        A band without a shell.
    """
    centres: Any = grid.centres()
    edges: Any = grid.edges()
    starts = band_starts(grid, len(NAMES) if limits is None else limits)
    stops = (*starts[1:], len(centres))
    return tuple(
        Band(
            name,
            slice(int(start), int(stop)),
            (float(centres[start]), float(centres[stop - 1])),
            (float(edges[start]), float(edges[stop])),
        )
        for name, start, stop in zip(NAMES, starts, stops, strict=True)
    )


def band_starts(grid: Plane | Harmonics, bands: int | Sequence[float]) -> tuple[int, ...]:
    """The first shell of each band: of so many bands of equal ratios of wavenumber, or cut at these wavenumbers.

    Raises
    ------
    TypeError
        Neither a number nor numbers.
    ValueError
        A band without a shell; cuts that do not increase.
    """
    check_radial(grid.shells, "bands")
    centres: Any = grid.centres()
    if isinstance(bands, Integral):
        number_of_bands, said = integer("bands", bands), f"{bands} bands take {bands} shells"
        if number_of_bands < 1:
            raise ValueError(f"bands must be at least 1, got {bands}")
        inner = np.geomspace(centres[0], centres[-1], number_of_bands + 1)[1:-1]
    else:
        takes = "a number of bands or the wavenumbers between them"
        inner = np.asarray([number("bands: a cut", cut) for cut in items("bands", bands, takes)])
        said = "bands leave one without a shell"
        if not (np.diff(inner) > 0).all():
            raise ValueError(f"bands must be {takes}, increasing, got {tuple(inner.tolist())}")
    # 8^(1/3) is 2, but for rounding.
    cuts = [int(cut) for cut in np.searchsorted(centres, inner * (1 + 1e-9), side="right")]
    if not all(a < b for a, b in pairwise([0, *cuts, len(centres)])):
        reach = f"shells lie from {centres[0]:.6g} to {centres[-1]:.6g}"
        raise ValueError(f"{said}: there are {len(centres)}, {reach}")
    return (0, *cuts)


def band_numbers(
    power: NDArray[np.float64],
    grid: Plane | Harmonics,
    band: Band,
    precision: float = float(np.finfo(np.float32).eps),
) -> BandNumbers:
    """Compare the powers of prediction, truth and difference, of shape (3, channels, shells), in a band.

    Parameters
    ----------
    power : array
        Mean over frames.
    grid, band
    precision : float
        Relative spacing of the floats that the fields are made of: weaker shells, next to all others, are round-off.
    """
    # power = mean of |F|^2 times measure: the sum over a shell's modes is the power over measure / counts.
    share = power / grid.scale()
    noise = np.sum(share[:2], axis=(0, -1))[:, None] * precision**2
    p, t, d = share[..., band.shells]
    # The guards of the losses, see `losses.split`: amplitudes of empty shells are alike.
    guard = 1e-12 * t + 16 * noise
    a, b = np.sqrt(p + guard), np.sqrt(t + guard)
    amplitude = np.minimum(np.square(a - b), d)
    phase, product = d - amplitude, np.sum(a * b, axis=-1)
    prediction, truth, difference, amplitude, phase = (np.sum(x, axis=-1) for x in (p, t, d, amplitude, phase))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = [_finite(np.mean(x / truth)) for x in (difference, amplitude, phase, prediction)]
        coherence = None if found[0] is None else _finite(np.mean(1 - phase / (2 * product)))
    return BandNumbers(found[0], found[1], found[2], found[3], coherence)


def _finite(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
