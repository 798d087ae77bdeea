"""Spectra on the sphere beside other libraries, where these are installed; the factors are those of docs/sphere.md."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

# What others warn of is not our business.
pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(5)
# The name of each grid here, in torch-harmonics, and sizes.
GRIDS = (("gauss", "legendre-gauss", (16, 32)), ("equiangular", "equiangular", (17, 32)))


def imported(module: str) -> Any:
    """A module of a library, which may need more than what is installed."""
    try:
        return import_module(module)
    except ImportError as error:
        pytest.skip(f"{module}: {error}")


def summed(coefficients: Any) -> Any:
    """Sums over orders of both signs, of coefficients ``(..., degrees, orders)`` of orders from 0 on."""
    twice = np.where(np.arange(coefficients.shape[-1]) == 0, 1, 2)
    return (twice * np.abs(coefficients) ** 2).sum(-1)


@pytest.mark.parametrize(("grid", "theirs", "shape"), GRIDS)
def test_torch_harmonics(grid: str, theirs: str, shape: tuple[int, int]) -> None:
    torch, harmonics = imported("torch"), imported("torch_harmonics")
    degrees = sl.Sphere(grid).basis(shape, "unit").highest + 1
    x = RNG.normal(size=(3, *shape))
    transform = harmonics.RealSHT(*shape, lmax=degrees, mmax=degrees, grid=theirs).double()
    power = summed(transform(torch.tensor(x)).numpy()) / (4 * np.pi)
    np.testing.assert_allclose(sl.radial_spectrum(x, grid=sl.Sphere(grid)).power, power[:, 1:], rtol=1e-11)


@pytest.mark.parametrize(("grid", "theirs", "shape"), GRIDS)
def test_winds_of_torch_harmonics(grid: str, theirs: str, shape: tuple[int, int]) -> None:
    """Their components are southward and eastward, their coefficients those of gradients of harmonics."""
    torch, harmonics = imported("torch"), imported("torch_harmonics")
    degrees = sl.Sphere(grid).basis(shape, "unit").highest + 1
    u, v = wind = RNG.normal(size=(2, *shape))
    transform = harmonics.RealVectorSHT(*shape, lmax=degrees, mmax=degrees, grid=theirs).double()
    found = transform(torch.tensor(np.stack([-v, u]))).numpy()
    each = np.arange(degrees) * np.arange(1, degrees + 1)
    spheroidal, toroidal = each * summed(found) / (8 * np.pi)
    for part, expected in (("divergent", spheroidal), ("rotational", toroidal), (None, spheroidal + toroidal)):
        energy = sl.energy_spectrum(wind, grid=sl.Sphere(grid), part=part).power
        np.testing.assert_allclose(energy, expected[1:], rtol=5e-7)  # theirs are multiplied by factors of float32


def test_pyshtools_on_gaussian_latitudes() -> None:
    """The same sums, so that any field will do; power per degree is that of the mean square in every normalisation."""
    tools = imported("pyshtools")
    highest = 11
    grid = tools.SHGrid.from_array(RNG.normal(size=(highest + 1, 2 * highest + 1)), grid="GLQ")
    power = sl.radial_spectrum(grid.to_array(), grid=sl.Sphere(grid.lats())).power
    for normalization in ("4pi", "ortho"):
        theirs = grid.expand(normalization=normalization)
        np.testing.assert_allclose(power, theirs.spectrum(unit="per_l")[1:], rtol=1e-11)
        per_harmonic = theirs.spectrum(unit="per_lm")[1:]
        np.testing.assert_allclose(power, per_harmonic * (2 * np.arange(1, highest + 1) + 1), rtol=1e-11)


def test_pyshtools_from_pole_to_pole() -> None:
    """Their "DH" grids end before the south pole, with other weights: of the degrees of both grids sums are exact."""
    tools = imported("pyshtools")
    highest = 11
    coefficients = tools.SHCoeffs.from_random(np.ones(highest + 1), seed=1)
    grid = coefficients.expand(grid="DH2", extend=True)
    field, latitudes = grid.to_array()[:, :-1], grid.lats()  # the last longitude is the first
    power = sl.radial_spectrum(field, grid=sl.Sphere(latitudes)).power
    assert power.shape == (highest + 1,)
    np.testing.assert_allclose(power[:highest], coefficients.spectrum(unit="per_l")[1:], rtol=1e-11)
    assert power[highest] < 1e-20
