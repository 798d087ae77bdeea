"""E(k) of a synthetic field against the measured curve that it was made from. Skipped without the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference import SHARED

import spectral_losses as sl

DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the measured data are not on this machine")

BOX = 2 * np.pi / 15  # metres, of the program that made the cube from 250 waves: see docs/examples/energy_spectrum.py
OPTIONS: dict[str, Any] = {"spatial_axes": (1, 2, 3), "lengths": BOX}


@pytest.fixture(scope="module")
def velocity() -> Any:
    with np.load(DATA / "turbogen_cbc32.npz", allow_pickle=False) as arrays:
        return arrays["u"]


def curve(k: Any) -> Any:
    """The table of Comte-Bellot and Corrsin in SI units, between its points along straight lines of the logarithms."""
    with np.load(DATA / "ref_spectra_open.npz", allow_pickle=False) as arrays:
        table = arrays["cbc"]
    return np.exp(np.interp(np.log(k), np.log(100 * table[:, 0]), np.log(1e-6 * table[:, 1])))


@pytest.mark.parametrize(("smooth", "most", "rms"), [(True, 0.20, 0.10), (False, 0.25, 0.12)])
def test_on_the_curve(velocity: Any, smooth: bool, most: float, rms: float) -> None:
    """Shells 3 to 15: fields made in this way differ from each other by 10 % in a shell.

    The first two shells hold few waves, and the last one is half empty.
    """
    k, energy, _, _ = sl.energy_spectrum(velocity.astype(np.float64), smooth=smooth, **OPTIONS)
    away = np.log(energy / curve(k))[2:15]
    assert np.abs(away).max() < most
    assert np.sqrt(np.mean(away**2)) < rms
    assert abs(away.mean()) < 0.05


def test_the_energy_is_the_area_below_the_curve(velocity: Any) -> None:
    """Of the waves, from that of the box to the Nyquist wavenumber: no factor is missing, whatever the bins."""
    k = np.linspace(1, 16, 4001) * 2 * np.pi / BOX
    assert np.mean(np.sum(velocity.astype(np.float64) ** 2, axis=0)) / 2 == pytest.approx(
        np.trapezoid(curve(k), k), rel=0.03
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_energy_is_lost(velocity: Any, dtype: Any) -> None:
    u = velocity.astype(dtype)
    spectrum = sl.energy_spectrum(u, **OPTIONS)
    m = np.fft.fftfreq(32, 1 / 32)
    k = np.sqrt(m[:, None, None] ** 2 + m[:, None] ** 2 + m**2)
    share = np.sum(np.abs(np.fft.fftn(u.astype(np.float64), axes=(1, 2, 3))) ** 2, axis=0) / 2 / 32**6
    found = np.sum(spectrum.power * np.diff(spectrum.edges)) + share[0, 0, 0] + np.sum(share[k > 16.5])
    expected = np.mean(np.sum(u.astype(np.float64) ** 2, axis=0)) / 2
    assert found == pytest.approx(expected, rel=1e-6 if dtype == np.float32 else 1e-12)
