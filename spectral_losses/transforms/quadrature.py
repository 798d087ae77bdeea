"""Latitudes at which sums over the sphere are exact, and their weights; which of them an array holds."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRIDS = ("gauss", "equiangular", "cells")
NEAR = 1e-4
"""Degrees by which a latitude may be off: files often hold float32, or a few decimals."""


def grid_of(latitudes: Any) -> tuple[str, int]:
    """Which grid an array of latitudes in degrees is, from north or from south, and how many it has.

    Raises
    ------
    TypeError
        Not an array of numbers.
    ValueError
        Latitudes of no grid whose weights are known.
    """
    try:
        given = np.asarray(latitudes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"latitudes must be numbers in degrees or one of {_said()}, got {latitudes!r}") from error
    if given.ndim != 1 or len(given) < 2:
        raise ValueError(f"latitudes must be one axis of at least 2, got shape {given.shape}")
    from_north = given if given[0] > given[-1] else given[::-1]
    away = {grid: float(np.abs(latitudes_of(grid, len(given)) - from_north).max()) for grid in GRIDS}
    nearest = min(away, key=lambda grid: away[grid])
    if not away[nearest] <= NEAR:  # NaN is not
        gap = max(90 - from_north[0], from_north[-1] + 90)
        instead = (
            f"They leave out {gap:.3g} degrees at a pole: take degrees, not radians, and for a region the plane, with "
            "lengths in place of grid"
            if gap > 360 / len(given)
            else "Interpolate the fields to one of them"
        )
        raise ValueError(
            f"latitudes must be those of a grid on which sums are exact, to {NEAR:g} degrees: Gaussian, equally spaced "
            f"from pole to pole, or the centres of equal cells. Of {len(given)} from {given[0]:.6g} to "
            f"{given[-1]:.6g} none is; the nearest is {nearest!r}, {away[nearest]:.3g} degrees off. {instead}"
        )
    return nearest, len(given)


def latitudes_of(grid: str, number: int) -> Floats:
    """Latitudes of a grid in degrees, from north to south."""
    found: Floats = 90 - np.degrees(colatitudes(grid, number))
    return found


def colatitudes(grid: str, number: int) -> Floats:
    """Angles from the north pole, in radians."""
    if grid == "gauss":
        found: Floats = np.arccos(_gauss(number)[0])
        return found
    places = np.arange(number)
    steps = places / max(number - 1, 1) if grid == "equiangular" else (places + 0.5) / number
    return np.asarray(np.pi * steps, dtype=np.float64)


@lru_cache(maxsize=64)
def area_weights(grid: str, number: int) -> Floats:
    """The share of each latitude in a mean over the sphere.

    With them sums over ``x = sin(latitude)`` of polynomials up to degree ``number - 1`` are their means exactly, on
    Gaussian latitudes up to ``2 number - 1``. From north and from south they are the same.
    """
    if grid == "gauss":
        return _gauss(number)[1] / 2
    angle = colatitudes(grid, number)
    # Means of cos(2 k angle) over the sphere are -1 / (4 k^2 - 1): the interpolating cosines are integrated one by one.
    n = number - 1 if grid == "equiangular" else number
    k = np.arange(1, n // 2 + 1)
    share = np.where(2 * k == n, 1.0, 2.0) if grid == "equiangular" else np.full(len(k), 2.0)
    weights = (1 - np.cos(2 * np.outer(angle, k)) @ (share / (4.0 * k**2 - 1))) / n
    if grid == "equiangular":
        weights[[0, -1]] /= 2
    return np.asarray((weights + weights[::-1]) / 2, dtype=np.float64)


@lru_cache(maxsize=16)
def _gauss(number: int) -> tuple[Floats, Floats]:
    """Sines of Gaussian latitudes from north, and weights that sum up to 2; exactly symmetric."""
    x, w = np.polynomial.legendre.leggauss(number)
    return (x[::-1] - x) / 2, (w + w[::-1]) / 2


def _said() -> str:
    return ", ".join(map(repr, GRIDS))
