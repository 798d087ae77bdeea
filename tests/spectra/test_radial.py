"""Radial spectra: what they are on known waves, Parseval, physical units, windows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from frameworks import Framework
from hypothesis import given, settings
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.testing import fields, problems, reference_spectrum, spatial_shapes

RNG = np.random.default_rng(2)


def test_fields_of_a_spectrum(framework: Framework) -> None:
    x = RNG.normal(size=(3, 2, 16, 24)).astype("float32")
    spectrum = sl.radial_spectrum(framework.asarray(x))
    assert isinstance(spectrum, sl.Spectrum)
    wavenumber, power, edges, counts = spectrum
    like = framework.asarray(x)
    for array in spectrum:
        assert type(array) is type(like)
        assert array.dtype == like.dtype
    assert tuple(power.shape) == (3, 2, 8)
    np.testing.assert_array_equal(framework.to_numpy(wavenumber), np.arange(1, 9))
    np.testing.assert_array_equal(framework.to_numpy(edges), np.arange(9) + 0.5)
    # Gauss's circle problem: 8 modes within (0.5, 1.5], 16 within (1.5, 2.5].
    assert list(framework.to_numpy(counts)[:2]) == [8, 12]


@pytest.mark.parametrize("k", [(3, 4), (0, 5), (5, 0), (-4, 3)])
def test_one_wave_on_a_non_square_grid(framework: Framework, k: tuple[int, int]) -> None:
    n, m = 18, 13
    i, j = np.meshgrid(np.arange(n) / n, np.arange(m) / m, indexing="ij")
    wave = np.cos(2 * np.pi * (k[0] * i + k[1] * j))
    spectrum = sl.radial_spectrum(framework.asarray(wave))
    power = framework.to_numpy(spectrum.power)
    assert np.argmax(power) == 4  # |k| = 5 in every case
    expected = (n * m) ** 2 / 2 / framework.to_numpy(spectrum.counts)[4] * np.pi * (5.5**2 - 4.5**2)
    assert power[4] == pytest.approx(expected)
    assert np.all(np.delete(power, 4) < 1e-20 * expected)


def test_parseval(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(st.data())
    def check(data: Any) -> None:
        shape = data.draw(spatial_shapes())
        x = data.draw(fields(shape, ndim=len(shape), dtype="float64"))
        d, points = len(shape), math.prod(shape)
        axes = tuple(range(d))
        spectrum = sl.radial_spectrum(framework.asarray(x), spatial_axes=axes)
        _, power, edges, counts = (framework.to_numpy(a) for a in spectrum)
        measure = (2, np.pi, 4 / 3 * np.pi)[d - 1] * np.diff(edges**d)
        modes = np.abs(np.fft.fftn(x)) ** 2
        radius = np.sqrt(sum(np.square(a) for a in np.meshgrid(*(np.fft.fftfreq(n) * n for n in shape), indexing="ij")))
        corners = modes[radius > edges[-1]].sum()
        total = np.sum(power / measure * counts) + modes.flat[0] + corners
        np.testing.assert_allclose(total / points**2, np.mean(x**2), rtol=1e-12, atol=1e-300)
        assert counts.sum() + np.sum(radius > edges[-1]) + 1 == points

    check()


@settings(max_examples=60)
@given(problems(dtype="float64"))
def test_against_brute_force(problem: Any) -> None:
    power = reference_spectrum(problem.prediction, **problem.options)
    found = sl.radial_spectrum(problem.prediction, **problem.options).power
    assert found.shape == power.shape
    np.testing.assert_allclose(
        found, power, rtol=1e-9, atol=1e-11 * power.max(initial=0) + _rounding(problem.prediction)
    )


def _rounding(x: Any) -> float:
    """Power that float64 rounding leaves where a trend was removed."""
    return 1e-28 * x.size * float(np.sum(x**2)) + 1e-300


def test_small_scales_of_a_steep_float32_spectrum(framework: Framework) -> None:
    n = 64
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(n) * n, np.fft.fftfreq(n) * n, indexing="ij"))
    modes = np.fft.fft2(RNG.normal(size=(n, n))) * np.maximum(k, 1) ** -3.0
    x = np.fft.ifft2(modes).real.astype("float32")
    exact = reference_spectrum(x)
    found = framework.to_numpy(sl.radial_spectrum(framework.asarray(x)).power)
    assert exact[0] / exact[-1] > 1e6
    # The transform itself rounds relative to the largest mode; summing must not add to that.
    np.testing.assert_allclose(found, exact, rtol=2e-4)
    np.testing.assert_allclose(found[:8], exact[:8], rtol=1e-5)


def test_large_shells_keep_their_digits(framework: Framework) -> None:
    x = RNG.normal(size=(48, 50, 52)).astype("float32")
    exact = reference_spectrum(x, spatial_axes=(0, 1, 2), bins=(0.5, 24.5))
    found = sl.radial_spectrum(framework.asarray(x), spatial_axes=(0, 1, 2), bins=(0.5, 24.5)).power
    np.testing.assert_allclose(framework.to_numpy(found), exact, rtol=2e-6)


def test_channels(framework: Framework) -> None:
    u = RNG.normal(size=(2, 1, 8, 8))
    x = framework.asarray(np.concatenate([u, -u], axis=1))
    separate, total, mean = (
        framework.to_numpy(sl.radial_spectrum(x, channels=c).power) for c in ("separate", "sum", "mean")
    )
    assert separate.shape == (2, 2, 4)
    np.testing.assert_allclose(total, separate.sum(axis=1))
    np.testing.assert_array_equal(mean, np.zeros((2, 4)))
    alone = sl.radial_spectrum(x[0, 0, ...], channels="sum").power  # no channel axis counts as one channel
    np.testing.assert_allclose(framework.to_numpy(alone), separate[0, 0])


def test_physical_units() -> None:
    x = RNG.normal(size=(16, 24))
    plain, box = sl.radial_spectrum(x), sl.radial_spectrum(x, lengths=2 * np.pi)
    np.testing.assert_allclose(box.wavenumber, plain.wavenumber)
    np.testing.assert_allclose(box.power, plain.power)
    cells = sl.radial_spectrum(x, lengths=(1.6, 2.4))  # the short axis is the coarser one
    dk = 2 * np.pi / 1.6
    np.testing.assert_allclose(cells.edges, dk * (np.arange(9) + 0.5))
    assert np.sum(cells.counts) > np.sum(plain.counts)
    long = sl.radial_spectrum(x, lengths=(1.0, 4.0))  # the last axis stops at 12 * 2 pi / 4 = 3 dk
    np.testing.assert_allclose(long.wavenumber, 2 * np.pi * np.arange(1, 4))


def test_bins() -> None:
    x = RNG.normal(size=(4, 32, 32))
    unit = sl.radial_spectrum(x)
    assert sl.radial_spectrum(x, bins=16).power == pytest.approx(unit.power)
    two = sl.radial_spectrum(x, bins=[0.5, 4.5, 8.5])
    total = unit.power / np.pi / np.diff(unit.edges**2) * unit.counts
    np.testing.assert_allclose(
        two.power / np.pi / np.diff(two.edges**2) * two.counts,
        np.stack([total[:, :4].sum(-1), total[:, 4:8].sum(-1)], -1),
    )
    octaves = sl.radial_spectrum(x, bins="log")
    np.testing.assert_allclose(octaves.edges, np.geomspace(0.5, 16.5, 6))
    assert sl.radial_spectrum(x, bins=("log", 3)).power.shape == (4, 3)
    corner = sl.radial_spectrum(x, bins=(0, 30))
    assert corner.counts == 32 * 32 - 1  # everything but the mean
    np.testing.assert_array_equal(sl.radial_spectrum(x, bins=np.array([0.5, 4.5, 8.5])).power, two.power)


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman"])
def test_windows_keep_the_power_of_white_noise(window: str) -> None:
    x = RNG.normal(size=(400, 16, 20))
    plain, tapered = sl.radial_spectrum(x), sl.radial_spectrum(x, window=window)
    np.testing.assert_allclose(tapered.power.mean(0), plain.power.mean(0), rtol=0.1)
    scipy_windows = pytest.importorskip("scipy.signal").windows
    w = np.outer(scipy_windows.get_window(window, 16), scipy_windows.get_window(window, 20))
    by_hand = sl.radial_spectrum(x * w / np.sqrt(np.mean(w**2)))
    np.testing.assert_allclose(tapered.power, by_hand.power)
    one_axis = sl.radial_spectrum(x, window=(window, None))
    w = scipy_windows.get_window(window, 16)[:, None]
    np.testing.assert_allclose(one_axis.power, sl.radial_spectrum(x * w / np.sqrt(np.mean(w**2))).power)


def test_detrending(framework: Framework) -> None:
    i, j = np.meshgrid(np.arange(12.0), np.arange(9.0), indexing="ij")
    noise = RNG.normal(size=(2, 12, 9))
    plane = 5.0 + 3.0 * i - 2.0 * j
    linear = sl.radial_spectrum(framework.asarray(noise + plane), detrend="linear")
    expected = sl.radial_spectrum(framework.asarray(noise), detrend="linear")
    np.testing.assert_allclose(framework.to_numpy(linear.power), framework.to_numpy(expected.power))
    flat = sl.radial_spectrum(framework.asarray(0 * noise + plane), detrend="linear")
    assert np.all(framework.to_numpy(flat.power) < 1e-20 * np.sum(plane**2))
    constant = sl.radial_spectrum(framework.asarray(noise + 7.0), detrend="constant", window="hann")
    expected = sl.radial_spectrum(framework.asarray(noise), detrend="constant", window="hann")
    np.testing.assert_allclose(framework.to_numpy(constant.power), framework.to_numpy(expected.power))
