"""What stands beside the curves: where they leave a panel, down to where fields are resolved, known slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex

from spectral_losses import plot
from spectral_losses.plot.marks import Ratio, ratio_axis, resolved_words
from spectral_losses.plot.panels import new_panels
from spectral_losses.plot.scales import scales, scales_of_degrees
from spectral_losses.plot.style import rounded


def waves(shape: tuple[int, ...]) -> Any:
    n, m = shape[-2:]
    return np.hypot(n * np.fft.fftfreq(n)[:, None], m * np.fft.rfftfreq(m))


def scaled(x: Any, factor: Any) -> Any:
    """A field whose waves are multiplied."""
    return np.fft.irfft2(np.fft.rfft2(x) * factor, s=x.shape[-2:])


def noise(shape: tuple[int, ...] = (6, 1, 32, 32), seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def triangles(ax: Any) -> list[tuple[str, float, float, str]]:
    lines = [line for line in ax.get_lines() if line.get_marker() in ("^", "v") and len(line.get_xdata()) == 1]
    return [(line.get_marker(), *line.get_xydata()[0], to_hex(line.get_color())) for line in lines]


def texts(ax: Any) -> list[str]:
    return [each.get_text() for each in ax.texts]


# Ratios


def test_a_ratio_that_leaves_the_panel_is_marked_where_it_does():
    truth, k = noise(), waves((32, 32))
    fields = {"truth": truth, "up": scaled(truth, np.where(k > 7.5, 5e3, 1)), "down": scaled(truth, 0.5 ** (2 * k))}
    panels = plot.spectra(fields, reference="truth")
    low, high = panels.ratio.get_ylim()
    assert (low, high) == pytest.approx((0.01 / 1.1, 110))
    up, down = triangles(panels.ratio)
    assert up == ("^", 8, high, "#d55e00")
    ratio = next(line for line in panels.ratio.get_lines() if to_hex(line.get_color()) == "#0072b2").get_ydata()
    assert down == ("v", 1 + np.argmax(np.asarray(ratio) < low), low, "#0072b2")
    assert texts(panels.ratio) == ["to 5000", f"to {rounded(np.min(ratio))}"]
    panels.figure.draw_without_rendering()


def test_ratios_that_fit_have_no_marks_and_small_ones_an_octave():
    truth = noise()
    panels = plot.spectra({"truth": truth, "half": 0.5 * truth, "thrice": 3 * truth}, reference="truth")
    assert triangles(panels.ratio) == []
    assert panels.ratio.get_ylim() == pytest.approx((0.45, 3.3))


def test_a_channel_that_leaves_is_marked_though_the_mean_does_not():
    truth = noise((6, 2, 32, 32))
    panels = plot.spectra({"truth": truth, "one": truth * [[[1]], [[1e-3]]]}, reference="truth")
    ((marker, x, _, _),) = triangles(panels.ratio)
    assert (marker, x) == ("v", 1)
    assert "to 0.001" in texts(panels.ratio)


def test_what_is_marked_near_the_right_end_is_said_on_the_left():
    panels = new_panels(1)
    x = np.arange(10.0)
    for place in (0, 9):
        ax = new_panels(1).power
        ax.plot(x, np.ones(10))
        ratio_axis(ax, [Ratio(x, np.where(x == place, 1e4, 1.0)[None], "C0")])
        (words,) = ax.texts
        assert words.get_ha() == ("left" if place == 0 else "right")
    ratio_axis(panels.power, [Ratio(x, np.full((1, 10), np.nan), "C0"), Ratio(x, np.zeros((1, 10)), "C1")])
    assert texts(panels.power) == ["to 0"]


# Effective resolution


@pytest.mark.parametrize(
    ("options", "unit"),
    [
        ({}, "grid points"),
        ({"lengths": 500.0}, "in units of the lengths"),
        ({"lengths": 500.0, "unit": "km"}, "km"),
    ],
)
def test_the_line_is_at_the_effective_resolution(options, unit):
    truth = noise((20, 1, 32, 32))
    blurred = scaled(truth, waves((32, 32)) < 8.5) + 1e-3 * noise((20, 1, 32, 32), 1)
    panels = plot.spectra({"truth": truth, "blurred": blurred}, reference="truth", **options)
    given = {name: value for name, value in options.items() if name != "unit"}
    (expected,) = sl.effective_resolution(blurred, truth, **given)
    around = 2 * np.pi if given else 32
    (line,) = [
        x for x in panels.coherence.get_lines() if to_hex(x.get_color()) == "#d55e00" and len(x.get_xdata()) == 2
    ]
    assert line.get_xdata() == pytest.approx([around / expected] * 2)
    assert f"resolved to {rounded(expected)} {unit}" in texts(panels.coherence)


def test_everything_nothing_and_channels():
    truth = noise((20, 2, 32, 32))
    fields = {
        "truth": truth,
        "same": truth,
        "other": noise((20, 2, 32, 32), 3),
        "two": scaled(truth, waves((32, 32)) < np.array([4.5, 9.5])[:, None, None]) + 1e-3 * noise((20, 2, 32, 32), 1),
    }
    panels = plot.spectra(fields, reference="truth")
    words = texts(panels.coherence)[1:]
    assert words[:2] == ["all resolved", "nothing resolved"]
    coarse, fine = sl.effective_resolution(fields["two"], truth)
    assert words[2] == f"resolved to {rounded(coarse)} to {rounded(fine)} grid points, by channel"
    (span,) = panels.coherence.patches
    reach = span.get_extents().transformed(panels.coherence.transData.inverted())
    assert (reach.x0, reach.x1) == pytest.approx((32 / coarse, 32 / fine))


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ([0, 4.0], "resolved: nothing to $k$ = 4"),
        ([0, np.inf], "resolved: nothing to all"),
        ([4.01, 4.02], "resolved to $k$ = 4"),
        ([4.0, np.inf, np.nan], "resolved: $k$ = 4 to all"),
    ],
)
def test_words_for_channels_of_all_kinds(ends, words):
    assert resolved_words(np.array(ends), scales((16, 20), False)) == words


# Slopes


def test_known_slopes_stand_above_energies_alone():
    velocity = scaled(noise((4, 2, 64, 64)), (1 + waves((64, 64))) ** -1.5)
    panels = plot.spectra(velocity, energy=True)
    assert texts(panels.power) == ["$k^{-5/3}$", "$k^{-3}$"]
    curve, *guides = panels.power.get_lines()
    k, energy = (np.asarray(each, np.float64) for each in curve.get_data())
    for guide, slope in zip(guides, (-5 / 3, -3), strict=True):
        (x1, x2), (y1, y2) = guide.get_data()
        assert np.log(y2 / y1) / np.log(x2 / x1) == pytest.approx(slope)
        inside = (k >= x1) & (k <= x2)
        assert (y1 * (k / x1) ** slope > 1.5 * energy)[inside].all()
        assert y1 < panels.power.get_ylim()[1]
    assert texts(plot.spectra(velocity).power) == []
    assert texts(plot.spectra(velocity[..., :8, :8], energy=True).power) == []  # too few octaves
    assert texts(plot.spectra(0 * velocity, energy=True).power) == []


def test_round_off_does_not_stretch_the_axis():
    truth = scaled(noise(), waves((32, 32)) < 8.5)
    panels = plot.spectra(truth)
    (curve,) = panels.power.get_lines()
    seen = np.asarray(curve.get_ydata())[:8]
    assert panels.power.get_ylim()[0] > 0.5 * seen.min()


# The sphere


LATITUDE, LONGITUDE = np.arange(90, -91, -10.0), np.arange(0, 360, 10.0)
SPHERE = sl.Sphere(LATITUDE)


def globe(seed: int = 0, shape: tuple[int, ...] = (3, 1)) -> Any:
    return np.random.default_rng(seed).normal(size=(*shape, 19, 36))


def above(ax: Any) -> Any:
    (found,) = [child for child in ax.child_axes if child.xaxis.get_label_text()]
    return found


@pytest.mark.parametrize(
    ("options", "words", "around"),
    [
        ({"radius": 6371, "unit": "km"}, "wavelength (km)", 2 * np.pi * 6371),
        ({"radius": 2.0}, "wavelength (units of the radius)", 4 * np.pi),
        ({}, "wavelength (radii of the sphere)", 2 * np.pi),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_degrees_and_wavelengths_on_the_sphere(options, words, around, stored):
    truth = globe()
    given = sl.radial_spectrum(truth, grid=SPHERE) if stored else truth
    panels = plot.spectra(given, **options, **({} if stored else {"grid": SPHERE}))
    assert (panels.power.get_xlabel(), panels.power.get_ylabel()) == (
        "degree $l$",
        "power $P_l$ (field units squared)",
    )
    second = above(panels.power)
    assert second.get_xlabel() == words
    there, back = second._functions
    assert there(3.0) == pytest.approx(around / np.sqrt(12))
    assert back(there(3.0)) == pytest.approx(3.0)
    (line,) = panels.power.get_lines()
    expected = sl.radial_spectrum(truth, grid=SPHERE, pool="frames")
    np.testing.assert_allclose(line.get_ydata(), expected.power[0], rtol=1e-12)  # shares of the mean square as they are
    np.testing.assert_array_equal(line.get_xdata(), expected.wavenumber)


def test_coherence_and_resolution_on_the_sphere():
    truth, other = globe(shape=(8, 1)), globe(1, (8, 1))
    panels = plot.spectra(
        {"truth": truth, "model": truth + 0.5 * other}, reference="truth", grid=SPHERE, radius=6371.0, unit="km"
    )
    cross = sl.cross_spectrum(truth + 0.5 * other, truth, grid=SPHERE, pool="frames")
    curve = next(line for line in panels.coherence.get_lines() if len(line.get_xdata()) > 2)
    np.testing.assert_allclose(curve.get_ydata(), cross.coherence[0], rtol=1e-9)
    assert "all resolved" in texts(panels.coherence)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_winds_on_the_sphere(tmp_path, dtype):
    wind = globe(shape=(3, 2)).astype(dtype)
    panels = plot.spectra({"a": wind, "b": 2 * wind}, reference="a", energy=True, grid=SPHERE)
    assert (panels.ratio.get_xlabel(), panels.power.get_ylabel()) == ("degree $l$", "energy $E_l$ (velocity squared)")
    assert panels.coherence is None  # components of a wind are no scalars
    sl.energy_spectrum(wind, grid=SPHERE, radius=6371.0).save(tmp_path / "wind.npz")
    stored = sl.Spectrum.load(tmp_path / "wind.npz")
    panels = plot.spectra(stored, unit="km")
    assert panels.power.get_xlabel() == "wavenumber $l / R$ (radians per km)"
    assert panels.power.get_ylabel() == "energy $E(k)$ (velocity squared times km)"
    there, back = above(panels.power)._functions
    k = float(stored.wavenumber[2])
    assert there(k) == pytest.approx(2 * np.pi * 6371 / np.sqrt(12), rel=1e-5)
    assert back(there(k)) == pytest.approx(k)


POWER = sl.radial_spectrum(globe(), grid=SPHERE)
WIND = sl.energy_spectrum(globe(shape=(3, 2)), grid=SPHERE, radius=6371.0)
DEGREES = sl.energy_spectrum(globe(shape=(3, 2)), grid=SPHERE)


@pytest.mark.parametrize(
    ("fields", "options", "error", "message"),
    [
        ({"a": POWER}, {"unit": "km"}, ValueError, "unit is that of a radius, and there is none, got 'km'"),
        ({"a": POWER}, {"radius": 0}, ValueError, "radius must be finite and positive, got 0"),
        ({"a": POWER}, {"radius": "km"}, TypeError, "radius"),
        ({"a": noise()}, {"radius": 1.0}, ValueError, "radius is for fields on a sphere"),
        ({"a": WIND}, {"radius": 6000.0}, ValueError, "radius must be that of the spectra, 6371, got 6000"),
        ({"a": POWER, "b": noise()}, {}, ValueError, "of 'a' and 'b' one lies on the sphere and the other in a plane"),
        ({"a": WIND, "b": DEGREES}, {}, ValueError, "of 'a' and 'b' one has another radius than the other"),
        ({"a": globe()}, {"grid": SPHERE, "lengths": 1.0}, ValueError, "lengths"),
    ],
)
def test_what_is_refused(fields, options, error, message):
    with pytest.raises(error, match=message):
        plot.spectra(fields, **options)


# Words


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (0, "0"),
        (0.00066, "0.00066"),
        (5.234, "5.2"),
        (12.6, "13"),
        (736, "736"),
        (28270.4, "28300"),
        (5.4e5, "5.4e+05"),
    ],
)
def test_numbers_beside_curves(x, words):
    assert rounded(x) == words


def test_units_are_no_mathematics():
    assert scales((8, 8), False, units="a$b").power == r"power $P(k)$ (a\$b)"
    assert scales_of_degrees(units="K²").power == "power $P_l$ (K²)"
