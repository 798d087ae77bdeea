"""Measured and published fields: the known slopes. Skipped where the data are not on the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference import SHARED

import spectral_losses as sl

DATA = SHARED / "data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the measured data are not on this machine")


def load(name: str) -> Any:
    with np.load(DATA / name, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def slope(k: Any, energy: Any, lo: float, hi: float) -> float:
    inside = (k >= lo) & (k <= hi)
    return float(np.polyfit(np.log(k[inside]), np.log(energy[inside]), 1)[0])


def test_synthetic_turbulence() -> None:
    u = load("turbogen_cbc32.npz")["u"]
    spectrum = sl.radial_spectrum(u, spatial_axes=(-3, -2, -1), channels="sum")
    assert slope(spectrum.wavenumber, spectrum.power, 4, 14) == pytest.approx(-1.0, abs=0.1)


def test_soap_film() -> None:
    piv = load("piv_soapfilm.npz")
    uv = np.stack([piv["u"], piv["v"]], axis=1)[..., 7:55, 7:55]
    spectrum = sl.radial_spectrum(uv, channels="sum", window="hann", lengths=48 * 0.31248)
    dk = 2 * np.pi / (48 * 0.31248)
    found = slope(spectrum.wavenumber, spectrum.power.mean(axis=0), 3.9 * dk, 20.1 * dk)
    assert found == pytest.approx(-1.67, abs=0.02)


def test_winds_along_latitudes() -> None:
    era = load("winds_era5.npz")
    band = (era["era5_lat"] >= 30) & (era["era5_lat"] <= 60)
    for level, expected in ((200, -3.06), (500, -2.46), (850, -2.32)):
        index = list(era["era5_level"]).index(level)
        winds = np.stack([era[name][index][band] for name in ("era5_u", "era5_v")])
        spectrum = sl.radial_spectrum(winds, spatial_axes=(-1,), channel_axis=0, channels="sum")
        found = slope(spectrum.wavenumber, spectrum.power.mean(axis=0), 4, 20)
        assert found == pytest.approx(expected, abs=0.006)


def test_winds_on_a_sphere_cut_open() -> None:
    """Not square, periodic along longitude alone: a window on one axis."""
    era = load("winds_era5.npz")
    winds = np.stack([era["era5_u"], era["era5_v"]], axis=1)
    spectrum = sl.radial_spectrum(winds, channels="sum", window=("hann", None), detrend="constant")
    assert spectrum.power.shape == (37, 16)
    assert slope(spectrum.wavenumber, spectrum.power.mean(axis=0), 4, 16) < -2
    calm = 0.9 * winds
    found = sl.evaluate(calm, winds, channels="sum", window=("hann", None))
    assert found["field_error"] == pytest.approx(0.01, rel=1e-4)
    assert 0 < found["spectrum_error"] < 0.01
