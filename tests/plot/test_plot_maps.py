"""Maps of sectors and cylinders: what is drawn, where, and what is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

pytest.importorskip("matplotlib")
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from spectral_losses import plot
from spectral_losses.errors import MissingPackageError


def noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def polar(number: int = 1) -> Any:
    return Figure().subplots(1, number, squeeze=False, subplot_kw={"projection": "polar"})[0]


def modes(x: Any, ndim: int = 2) -> Any:
    """The mean square that each Fourier mode has, averaged over all other axes."""
    axes = tuple(range(-ndim, 0))
    power = np.abs(np.fft.fftn(x, axes=axes)) ** 2 / np.prod(x.shape[-ndim:]) ** 2
    return power.reshape(-1, *power.shape[-ndim:]).mean(axis=0)


def components(*sizes: int) -> Any:
    return np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in sizes), indexing="ij")


def colour_at(drawn: Any, angle: float, k: float) -> float:
    """What a disc shows in a direction, read off the mesh."""
    corners = drawn.mesh.get_coordinates()
    around, shells = corners[0, :, 0], corners[:, 0, 1]
    turned = around[0] + (angle - around[0]) % (2 * np.pi)
    return float(drawn.mesh.get_array()[np.searchsorted(shells, k) - 1, np.searchsorted(around, turned) - 1])


# What is drawn


def test_sectors_show_the_mean_power_of_a_mode_by_direction():
    x = noise(3, 2, 24, 24)
    drawn = plot.sectors(x, bins=sl.Sectors(4))
    power, (ky, kx) = modes(x), components(24, 24)
    k = np.hypot(kx, ky)
    for shell in (5, 8, 12):
        for angle in np.arange(8) * np.pi / 4:
            ahead = np.cos(np.arctan2(ky, kx) - angle)
            near = np.abs(np.arctan2(ky, kx) - angle + 1e-9)
            near = np.minimum(near % np.pi, np.pi - near % np.pi)
            inside = (np.abs(k - shell) < 0.5) & (near < np.pi / 8) & (np.abs(ahead) > 0)
            assert colour_at(drawn, angle, shell) == pytest.approx(power[inside].mean(), rel=1e-6)


def test_a_wave_is_where_its_wavevector_points_and_opposite():
    y, x = np.meshgrid(*(np.arange(32) * 2 * np.pi / 32,) * 2, indexing="ij")
    for m_y, m_x, angle in ((6, 6, 45), (-6, 6, 135), (0, 7, 0), (7, 0, 90)):
        wave = np.cos(m_x * x + m_y * y)
        drawn = plot.sectors(wave + 1e-3 * noise(32, 32), bins=sl.Sectors(4))
        k = np.hypot(m_x, m_y)
        shown = [colour_at(drawn, np.deg2rad(degrees), k) for degrees in range(0, 360, 45)]
        expected = {angle % 360, (angle + 180) % 360}
        assert {45 * i for i, each in enumerate(shown) if each > 1e3 * min(shown)} == expected


def test_the_circle_is_full_whatever_the_number_of_sectors():
    for n in (1, 3, 5, 12, 200):
        drawn = plot.sectors(noise(32, 32), bins=sl.Sectors(n))
        corners = drawn.mesh.get_coordinates()[0, :, 0]
        assert corners[-1] - corners[0] == pytest.approx(2 * np.pi)
        assert len(corners) > 120  # so that arcs are round
        values = np.asarray(drawn.mesh.get_array())
        half = values.shape[1] // 2
        np.testing.assert_array_equal(values[:, :half], values[:, half:])


def test_merged_shells_are_inside_the_dotted_circle():
    x = noise(4, 1, 32, 32)
    drawn = plot.sectors(x, bins=sl.Sectors(8))
    merged = sl.radial_spectrum(x, bins=sl.Sectors(8)).merged
    (circle,) = drawn.axes.get_lines()
    assert merged
    assert set(circle.get_ydata()) == {max(merged) + 1.5}
    values = np.asarray(drawn.mesh.get_array())
    np.testing.assert_allclose(np.ptp(values[list(merged)], axis=1), 0, atol=1e-18)
    assert "inside the dotted circle merged over angle" in drawn.axes.get_xlabel()
    whole = plot.sectors(x, bins=sl.Sectors(1))
    assert not whole.axes.get_lines()
    assert "dotted" not in whole.axes.get_xlabel()


@pytest.mark.parametrize(("shape", "axis"), [((3, 12, 16, 20), 0), ((3, 12, 16, 20), -1), ((2, 3, 16, 24), 0)])
def test_cylinders_show_the_mean_power_of_a_mode(shape, axis):
    ndim = 3 if shape[0] == 3 else 2
    x = noise(*shape)
    space = tuple(range(-ndim, 0))
    drawn = plot.cylinders(x, spatial_axes=space, bins=sl.Cylinders(axis))
    values = np.asarray(drawn.mesh.get_array())  # (k_par, k_perp)
    k, power = components(*shape[-ndim:]), modes(x, ndim)
    along = np.abs(k[axis])
    across = np.sqrt(sum(each**2 for i, each in enumerate(k) if i != axis % ndim))
    for j, i in ((0, 0), (0, 3), (2, 0), (3, 4), (values.shape[0] - 1, values.shape[1] - 1)):
        bounds = [(b - 0.5, b + 0.5) if b else (-1, 0.5) for b in (i, j)]
        inside = (across > bounds[0][0]) & (across <= bounds[0][1]) & (along > bounds[1][0]) & (along <= bounds[1][1])
        assert values[j, i] == pytest.approx(power[inside].mean(), rel=1e-9)
    assert drawn.axes.get_aspect() == 1


@pytest.mark.parametrize("lengths", [None, 5.0, (3.0, 4.0)])
@pytest.mark.parametrize("n", [24, 48])
def test_white_noise_has_one_colour_in_any_units_and_bins(lengths, n):
    x = noise(60, 1, n, n)
    for drawn in (
        plot.sectors(x, bins=sl.Sectors(4), lengths=lengths),
        plot.sectors(x, bins=sl.Sectors(4, "log"), lengths=lengths),
        plot.cylinders(x, lengths=lengths),
        plot.cylinders(x, lengths=lengths, bins=sl.Cylinders(0, "log", 5)),
    ):
        np.testing.assert_allclose(np.asarray(drawn.mesh.get_array()), 1 / n**2, rtol=0.7)
        assert np.mean(np.asarray(drawn.mesh.get_array())) == pytest.approx(1 / n**2, rel=0.05)


@pytest.mark.parametrize("function", [plot.sectors, plot.cylinders])
def test_a_ratio_is_that_of_amplitudes(function):
    t = noise(4, 2, 24, 24)
    drawn = function(0.5 * t, reference=t)
    np.testing.assert_allclose(np.asarray(drawn.mesh.get_array()), 0.5, rtol=1e-9)
    assert (drawn.mesh.norm.vmin, drawn.mesh.norm.vmax) == pytest.approx((0.5, 2))
    assert drawn.mesh.get_cmap().name == "RdBu_r"
    assert drawn.bar.extend == "neither"
    channels = np.array([0.1, 2.0])[:, None, None]
    drawn = function(channels * t, reference=t)
    expected = np.sqrt(np.mean(channels**2))  # as means of the ratios of power of each channel
    np.testing.assert_allclose(np.asarray(drawn.mesh.get_array()), expected, rtol=1e-9)
    drawn = function(1e4 * t, reference=t)
    assert (drawn.mesh.norm.vmax, drawn.bar.extend) == (100, "max")
    assert function(1e-4 * t, reference=t).bar.extend == "min"


def test_where_the_reference_is_empty_there_is_no_ratio():
    x = np.cos(5 * np.arange(24) * 2 * np.pi / 24) * np.ones((24, 1))
    for function in (plot.sectors, plot.cylinders):
        values = np.ma.filled(function(noise(24, 24), reference=x).mesh.get_array(), np.nan)
        assert np.isnan(values).any()
        assert np.isfinite(values).any()


def test_spectra_stand_for_fields():
    x, t = noise(3, 2, 24, 24), noise(5, 2, 24, 24, seed=1)
    for function, bins in ((plot.sectors, sl.Sectors(12)), (plot.cylinders, sl.Cylinders())):
        spectrum = sl.radial_spectrum(x, bins=bins)
        expected = np.asarray(function(x).mesh.get_array())
        np.testing.assert_allclose(np.asarray(function(spectrum).mesh.get_array()), expected, rtol=1e-12)
        ratio = function(spectrum, reference=t)
        expected = np.sqrt(expected / np.asarray(function(t).mesh.get_array()))
        np.testing.assert_allclose(np.asarray(ratio.mesh.get_array()), expected, rtol=1e-9)


def test_every_framework_draws_the_same(framework):
    if framework.name == "dask":
        pytest.importorskip("dask")
    x = noise(2, 2, 8, 8)
    for function, bins in ((plot.sectors, sl.Sectors(2)), (plot.cylinders, sl.Cylinders())):
        expected = np.asarray(function(x, bins=bins).mesh.get_array())
        drawn = function(framework.asarray(x), bins=bins)
        np.testing.assert_allclose(np.asarray(drawn.mesh.get_array()), expected, rtol=1e-9)


FEW = {plot.sectors: sl.Sectors(4), plot.cylinders: sl.Cylinders(-1, 3, 3)}


@pytest.mark.parametrize("function", [plot.sectors, plot.cylinders])
def test_fields_of_zeros_and_of_nothing_but_nan_are_drawn_without_a_warning(function):
    x = noise(2, 1, 16, 16)
    for field in (0 * x, x - x.mean() + np.nan, np.ones_like(x)):
        for reference in (None, x, 0 * x):
            function(field, reference=reference, bins=FEW[function]).figure.draw_without_rendering()
    assert isinstance(function(0 * x).mesh.norm, Normalize)
    assert isinstance(function(x).mesh.norm, LogNorm)


def test_what_rounding_left_is_not_told_apart():
    x = np.cos(5 * np.arange(32) * 2 * np.pi / 32) * np.ones((32, 1)) + 1e-5 * noise(32, 32)
    drawn = plot.cylinders((1e3 * x).astype(np.float32).astype(np.float64))
    assert drawn.mesh.norm.vmin > 0
    pure = plot.cylinders(np.cos(5 * np.arange(32) * 2 * np.pi / 32) * np.ones((32, 1)))
    assert pure.mesh.norm.vmin > pure.mesh.norm.vmax * 1e-31
    assert pure.bar.extend == "min"


# How


def test_labels_have_units():
    x = noise(2, 1, 24, 24)
    assert plot.sectors(x).axes.get_xlabel().startswith("radius: wavenumber $k$ (waves across the box)")
    named = plot.cylinders(x, lengths=2.0, unit="km")
    assert named.axes.get_xlabel() == r"across the axis, $k_\perp$ (radians per km)"
    assert named.axes.get_ylabel() == r"along the axis, $k_\parallel$ (radians per km)"
    assert "(radians per unit length)" in plot.sectors(x, lengths=2.0).axes.get_xlabel()
    assert named.bar.ax.get_ylabel() == "mean power of a mode (field units squared)"


def test_logarithmic_bins_have_logarithmic_axes():
    x = noise(2, 1, 64, 64)
    drawn = plot.sectors(x, bins=sl.Sectors(4, "log"))
    assert drawn.axes.get_yscale() == "log"
    assert drawn.axes.get_ylim() == pytest.approx((0.5, 32.5))
    drawn = plot.cylinders(x, bins=sl.Cylinders(-1, "log", "log"))
    assert (drawn.axes.get_xscale(), drawn.axes.get_yscale()) == ("log", "log")
    edges = drawn.mesh.get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges[1:] / edges[:-1], edges[1] / edges[0])
    drawn.figure.savefig(io.BytesIO(), format="svg")
    assert plot.cylinders(x, bins=sl.Cylinders(-1, "log", "unit")).axes.get_xscale() == "linear"
    for plain in (plot.sectors(x), plot.cylinders(x)):
        assert plain.axes.get_yscale() == "linear"


def test_axes_go_in_and_come_out():
    x = noise(2, 1, 16, 16)
    (mine,) = polar()
    drawn = plot.sectors(x, axes=mine, bar=False)
    assert (drawn.axes, drawn.bar) == (mine, None)
    assert mine.figure.axes == [mine]
    flat = Figure().subplots()
    drawn = plot.cylinders(x, axes=flat)
    assert drawn.axes is flat
    assert drawn.figure.axes == [flat, drawn.bar.ax]
    sub = Figure().subfigures(1, 2)
    inside = plot.cylinders(x, axes=sub[0].subplots())
    assert inside._repr_png_().startswith(b"\x89PNG")


def test_no_state_of_matplotlib_is_touched():
    program = """
import sys
import numpy as np
from spectral_losses import plot
assert "matplotlib" not in sys.modules
import matplotlib
before = matplotlib.rcParams.copy()
x = np.random.default_rng(0).normal(size=(2, 1, 16, 16))
for function in (plot.sectors, plot.cylinders):
    assert function(x, reference=2 * x)._repr_png_().startswith(bytes([137]))
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


# What is refused


X = np.ones((2, 1, 8, 8))
SHELLS = sl.radial_spectrum(X)
SECTORS = sl.radial_spectrum(noise(1, 8, 8), bins=sl.Sectors(12))
CYLINDERS = sl.radial_spectrum(noise(1, 8, 8), bins=sl.Cylinders())


@pytest.mark.parametrize(
    ("function", "field", "options", "error", "message"),
    [
        (plot.sectors, [[1.0]], {}, TypeError, "field"),
        (plot.sectors, X.astype(int), {}, TypeError, "field"),
        (plot.sectors, SHELLS, {}, ValueError, r"field must have a spectrum over Sectors, got Spectrum\(4 shells"),
        (plot.sectors, CYLINDERS, {}, ValueError, "field must have a spectrum over Sectors, got Spectrum.*cylinders"),
        (plot.cylinders, SECTORS, {}, ValueError, "field must have a spectrum over Cylinders, got Spectrum.*sectors"),
        (plot.cylinders, sl.energy_spectrum(X), {}, ValueError, "field must have a spectrum over Cylinders"),
        (plot.sectors, replace(SECTORS, layout=()), {}, ValueError, "got a Spectrum without a layout"),
        (plot.sectors, X, {"bins": "unit"}, ValueError, "bins must be Sectors, got 'unit'"),
        (plot.sectors, X, {"bins": sl.Cylinders()}, ValueError, "bins must be Sectors, got Cylinders"),
        (plot.cylinders, X, {"bins": sl.Sectors(2)}, ValueError, "bins must be Cylinders, got Sectors"),
        (plot.sectors, X, {"reference": SHELLS}, ValueError, "reference must have a spectrum over Sectors"),
        (plot.sectors, X, {"reference": X[..., :4, :4]}, ValueError, "reference must have the bins of the field"),
        (plot.cylinders, X, {"reference": noise(16, 16)}, ValueError, "reference must have the bins of the field"),
        (plot.cylinders, X, {"reference": CYLINDERS, "lengths": 2.0}, ValueError, "one has lengths and the other has"),
        (plot.sectors, X, {"reference": [1.0]}, TypeError, "reference"),
        (plot.sectors, noise(8, 8, 8), {"spatial_axes": (0, 1, 2)}, ValueError, "field: bins: Sectors are for two"),
        (plot.cylinders, noise(8), {"spatial_axes": 0}, ValueError, "field: bins: Cylinders are for two or three"),
        (plot.sectors, X, {"unit": "km"}, ValueError, "unit is that of lengths, and there are none, got 'km'"),
        (plot.sectors, X, {"bin": 3}, TypeError, "option 'bin' is not known, did you mean 'bins'"),
        (plot.cylinders, X, {"pool": 0}, TypeError, "option 'pool' is not known"),
        (plot.sectors, X, {"axes": "top"}, TypeError, "axes must be Axes of matplotlib, got 'top'"),
        (plot.sectors, X, {"axes": Figure().subplots()}, ValueError, "axes must be polar, subplot_kw"),
        (plot.cylinders, X, {"axes": polar()[0]}, ValueError, "axes must not be polar"),
    ],
)
def test_what_is_refused(function, field, options, error, message):
    with pytest.raises(error, match=message):
        function(field, **options)


def test_dimensions_of_a_reference():
    flat, deep = noise(1, 8, 8), noise(8, 8, 8)
    three = sl.radial_spectrum(deep, spatial_axes=(0, 1, 2), bins=sl.Cylinders(-1, [0.5, 1.5], [0.5, 1.5]))
    with pytest.raises(ValueError, match="reference must have as many dimensions as the field, 2, got 3"):
        plot.cylinders(flat, reference=three, bins=sl.Cylinders(-1, [0.5, 1.5], [0.5, 1.5]))


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for function in (plot.sectors, plot.cylinders):
        with pytest.raises(MissingPackageError, match=r"needs matplotlib.*pip install matplotlib \(the extra 'plot'"):
            function(noise(8, 8))


def test_help_names_the_options():
    import inspect

    for function in (plot.sectors, plot.cylinders):
        names = list(inspect.signature(function).parameters)
        assert names[0] == "field"
        assert {"reference", "axes", "lengths", "bins", "window"} <= set(names)
        assert "pool" not in names
