"""Low, middle and high wavenumbers, and the errors within them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.plane import Plane

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
    energy_ratio : float or None
        ``sum |F(p)|^2 / sum |F(t)|^2`` likewise.
    """

    error: float | None
    energy_ratio: float | None


def lay_bands(grid: Plane, limits: tuple[float, float] | None) -> tuple[Band, ...]:
    """Three bands of shells, up to each of the limits and above.

    By default they are the thirds of the range of shells, in logarithms: ``K^(1/3)`` and ``K^(2/3)`` for
    shells at 1 to K.

    Raises
    ------
    ValueError
        A band without a shell.
    """
    centres, edges = grid.centres(), grid.edges()
    inner = np.geomspace(centres[0], centres[-1], 4)[1:3] if limits is None else np.asarray(limits)
    # 8^(1/3) is 2, but for rounding.
    cuts = np.searchsorted(centres, inner * (1 + 1e-9), side="right")
    starts, stops = (0, *cuts), (*cuts, len(centres))
    if not all(start < stop for start, stop in zip(starts, stops, strict=True)):
        reach = f"shells lie from {centres[0]:.6g} to {centres[-1]:.6g}"
        problem = "three bands take three shells" if limits is None else "bands leave one without a shell"
        raise ValueError(f"{problem}: there are {len(centres)}, {reach}")
    return tuple(
        Band(
            name,
            slice(int(start), int(stop)),
            (float(centres[start]), float(centres[stop - 1])),
            (float(edges[start]), float(edges[stop])),
        )
        for name, start, stop in zip(NAMES, starts, stops, strict=True)
    )


def band_numbers(power: NDArray[np.float64], grid: Plane, band: Band) -> BandNumbers:
    """Compare the powers of prediction, truth and difference, of shape (3, channels, shells), in a band."""
    # power = mean of |F|^2 times measure: the sum over a shell's modes is the power over measure / counts.
    prediction, truth, difference = np.sum((power / grid.scale())[..., band.shells], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return BandNumbers(_finite(np.mean(difference / truth)), _finite(np.mean(prediction / truth)))


def _finite(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
