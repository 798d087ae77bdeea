"""Latitudes whose weights integrate polynomials exactly, and which of them an array is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import reference_cases

from spectral_losses.transforms.quadrature import GRIDS, area_weights, colatitudes, grid_of, latitudes_of

LATITUDES: dict[str, Any] = {
    "gauss": lambda n: np.degrees(np.arcsin(np.polynomial.legendre.leggauss(n)[0]))[::-1],
    "equiangular": lambda n: np.linspace(90, -90, n),
    "cells": lambda n: 90 - 180 * (np.arange(n) + 0.5) / n,
}


@given(st.sampled_from(GRIDS), st.integers(2, 40))
def test_weights_integrate_polynomials_in_the_sine_of_latitude(grid: str, number: int) -> None:
    weights, x = area_weights(grid, number), np.cos(colatitudes(grid, number))
    assert weights.shape == (number,)
    assert (weights > 0).all()
    assert (weights == weights[::-1]).all()
    for power in range(2 * number if grid == "gauss" else number):
        mean = 0 if power % 2 else 1 / (power + 1)  # of x^power over [-1, 1]
        assert np.sum(weights * x**power) == pytest.approx(mean, abs=1e-14)


@pytest.mark.parametrize("grid", GRIDS)
def test_many_latitudes(grid: str) -> None:
    weights, x = area_weights(grid, 721), np.cos(colatitudes(grid, 721))
    assert weights.sum() == pytest.approx(1, rel=1e-14)
    for degree in (1, 2, 100, 359, 720):  # means of Legendre polynomials vanish
        values = np.polynomial.legendre.Legendre.basis(degree)(x)
        assert np.sum(weights * values) == pytest.approx(0, abs=1e-13)


@given(st.sampled_from(GRIDS), st.integers(2, 40), st.booleans(), st.sampled_from(["float64", "float32"]))
def test_latitudes_are_recognised(grid: str, number: int, from_south: bool, dtype: str) -> None:
    latitudes = LATITUDES[grid](number)
    np.testing.assert_allclose(latitudes_of(grid, number), latitudes, atol=1e-12)
    given = latitudes.round(4).astype(dtype)
    assert grid_of(given[::-1] if from_south else given) == (grid, number)


def test_latitudes_of_the_reference() -> None:
    named = {"gauss": "gauss", "equiangular": "equiangular", "cell": "cells"}
    for case in reference_cases("sphere").values():
        assert grid_of(case["latitudes"]) == (named[case["grid"]], case["nlat"])


@pytest.mark.parametrize(
    ("latitudes", "error", "said"),
    [
        (np.linspace(90, -89.75, 720), ValueError, "Of 720 from 90 to -89.75 none is; the nearest is 'cells', 0.125"),
        (np.linspace(90, -89, 25), ValueError, "1 degrees off. Interpolate the fields"),
        (
            np.linspace(60, -60, 25),
            ValueError,
            "leave out 30 degrees at a pole: .* for a region the plane, with lengths",
        ),
        (np.linspace(30, 90, 25), ValueError, "leave out 120 degrees at a pole"),
        (np.linspace(np.pi / 2, -np.pi / 2, 25), ValueError, "leave out 88.4 degrees at a pole: take degrees, not rad"),
        (np.linspace(90, -90, 25) + 2e-4, ValueError, "0.0002 degrees off"),
        ([90.0, np.nan, -90.0], ValueError, "none is"),
        ([90.0, 45.0, 0.0, -90.0, -45.0], ValueError, "none is"),
        ([0.0], ValueError, r"one axis of at least 2, got shape \(1,\)"),
        (np.zeros((3, 4)), ValueError, r"got shape \(3, 4\)"),
        (45.0, ValueError, r"got shape \(\)"),
        (["north", "south"], TypeError, "numbers in degrees or one of 'gauss', 'equiangular', 'cells'"),
    ],
)
def test_other_latitudes_are_refused(latitudes: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        grid_of(latitudes)
