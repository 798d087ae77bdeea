"""Figures of spectra: what is drawn, where, and what is left alone."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

pytest.importorskip("matplotlib")
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from spectral_losses import plot
from spectral_losses.errors import MissingPackageError


def flow(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Fields with a steep spectrum."""
    n, m = shape[-2:]
    k = np.hypot(n * np.fft.fftfreq(n)[:, None], m * np.fft.rfftfreq(m))
    return np.fft.irfft2(np.fft.rfft2(np.random.default_rng(seed).normal(size=shape)) / (1 + k) ** 1.5, s=(n, m))


def pair(shape: tuple[int, ...] = (3, 2, 2, 24, 24)) -> tuple[Any, Any]:
    truth = flow(shape)
    return 0.8 * truth + 0.1 * truth.std() * flow(shape, 1), truth


def curves(ax: Any) -> list[Any]:
    """The curves that are drawn over shells: no straight lines across, no thin ones of channels."""
    return [line for line in ax.get_lines() if len(line.get_xdata()) > 2 and line.get_linewidth() > 1]


def drawn(ax: Any, place: int = 0) -> Any:
    return np.asarray(curves(ax)[place].get_ydata(), np.float64)


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


# What is drawn


def test_curves_are_those_of_the_library_in_every_framework(framework):
    if framework.name == "dask":
        pytest.importorskip("dask")
    shape = (3, 2, 2, 8, 8)
    p, t = pair(shape)
    panels = plot.spectra({"model": framework.asarray(p), "truth": framework.asarray(t)}, reference="truth", bins=3)
    assert legend(panels.power) == ["truth", "model"]  # the reference comes first
    options: dict[str, Any] = {"pool": "frames", "bins": 3}
    spectra = [sl.radial_spectrum(x, **options) for x in (t, p)]
    for place, spectrum in enumerate(spectra):
        assert curves(panels.power)[place].get_xdata().tolist() == pytest.approx(spectrum.wavenumber.tolist())
        np.testing.assert_allclose(drawn(panels.power, place), spectrum.power.mean(axis=0) / 64**2, rtol=1e-9)
    cross = sl.cross_spectrum(p, t, **options)
    ratio = np.sqrt(np.mean(cross.amplitude_ratio**2, axis=0))
    np.testing.assert_allclose(drawn(panels.ratio), ratio, rtol=1e-9)
    np.testing.assert_allclose(drawn(panels.coherence), cross.coherence.mean(axis=0), rtol=1e-9)


def test_single_precision_and_gradients_of_torch():
    torch = pytest.importorskip("torch")
    p, t = (torch.tensor(x, dtype=torch.float32, requires_grad=True) for x in pair())
    panels = plot.spectra({"truth": t, "model": p}, reference="truth")
    cross = sl.cross_spectrum(*(x.detach().double() for x in (p, t)), pool="frames")
    np.testing.assert_allclose(drawn(panels.coherence), cross.coherence.mean(dim=0), rtol=1e-4)


def test_each_channel_is_thin_below():
    p, t = pair()
    panels = plot.spectra({"truth": t, "model": p}, reference="truth")
    cross = sl.cross_spectrum(p, t, pool="frames")
    for ax, of in ((panels.ratio, cross.amplitude_ratio), (panels.coherence, cross.coherence)):
        thin = [np.asarray(line.get_ydata()) for line in ax.get_lines() if line.get_linewidth() == 0.7]
        np.testing.assert_allclose(thin, of, rtol=1e-9)
    assert "thin: each channel" in [text.get_text() for text in panels.ratio.texts]
    one = plot.spectra({"truth": t, "model": p}, reference="truth", channels="sum")
    assert [line.get_linewidth() for line in one.coherence.get_lines()] == [0.8, 1.8]
    assert not one.ratio.texts


def test_energy_is_that_of_the_library():
    p, t = pair((4, 2, 16, 20))
    panels = plot.spectra({"truth": t, "model": p}, reference="truth", energy=True, lengths=(3.0, 4.0), unit="m")
    for place, x in enumerate((t, p)):
        expected = sl.energy_spectrum(x, lengths=(3.0, 4.0), pool="frames").power
        np.testing.assert_allclose(drawn(panels.power, place), expected, rtol=1e-12)
    cross = sl.cross_spectrum(p, t, channels="sum", lengths=(3.0, 4.0), pool="frames")
    np.testing.assert_allclose(drawn(panels.ratio), cross.amplitude_ratio, rtol=1e-9)
    np.testing.assert_allclose(drawn(panels.coherence), cross.coherence, rtol=1e-9)
    assert panels.power.get_ylabel() == "energy $E(k)$ (velocity squared times m)"


@pytest.mark.parametrize("lengths", [None, 5.0])
def test_power_is_a_share_of_the_mean_square_on_any_grid(lengths):
    x = 2 * np.pi * np.arange(16) / 16
    wave = np.sin(3 * x) * np.ones((16, 1))
    fine = np.sin(3 * 2 * np.pi * np.arange(48) / 48) * np.ones((48, 1))
    panels = plot.spectra({"coarse": wave, "fine": fine}, reference="fine", lengths=lengths)
    power = [drawn(panels.power, place) for place in (0, 1)]
    assert power[0][2] == pytest.approx(power[1][2], rel=1e-12)
    spectrum = sl.radial_spectrum(wave, lengths=lengths)
    fill = np.pi * np.diff(spectrum.edges**2) / (2 * np.pi / (lengths or 2 * np.pi)) ** 2 / spectrum.counts
    assert power[1][2] == pytest.approx(0.5 * fill[2], rel=1e-12)  # half is the mean square of a sine
    (ratio,) = curves(panels.ratio)
    assert len(ratio.get_xdata()) == 8  # the shells that both have
    assert ratio.get_ydata()[2] == pytest.approx(1)
    assert np.isnan(np.delete(ratio.get_ydata(), 2)).all()  # where the reference has nothing but round-off
    assert panels.coherence is None


def test_spectra_of_files_stand_for_fields(tmp_path):
    p, t = pair()
    stored = sl.radial_spectrum(p)
    stored.save(tmp_path / "p.npz")
    panels = plot.spectra({"truth": t, "stored": sl.Spectrum.load(tmp_path / "p.npz")}, reference="truth")
    expected = stored.power.mean(axis=(0, 1, 2)) / 24**4
    np.testing.assert_allclose(drawn(panels.power, 1), expected, rtol=1e-12)
    target = sl.radial_spectrum(t).power.mean(axis=(0, 1, 2)) / 24**4
    np.testing.assert_allclose(drawn(panels.ratio), np.sqrt(expected / target), rtol=1e-9)
    assert panels.coherence is None
    assert len(panels.shown) == 2
    whose = sl.Spectrum(stored.wavenumber, stored.power, stored.edges, stored.counts)  # of a grid that it does not know
    np.testing.assert_allclose(drawn(plot.spectra(whose).power), expected * 24**4, rtol=1e-12)
    energy = sl.energy_spectrum(t, lengths=2.0)
    panels = plot.spectra({"truth": energy, "model": p}, reference="truth", energy=True, lengths=2.0)
    np.testing.assert_allclose(drawn(panels.power), energy.power.mean(axis=(0, 1)), rtol=1e-12)


def test_fields_of_other_frames_have_a_ratio_and_no_coherence():
    p, t = pair()
    panels = plot.spectra({"truth": t, "other": p[:2], "same": p}, reference="truth")
    assert len(curves(panels.ratio)) == 2
    assert len(curves(panels.coherence)) == 1


def test_one_field_alone_and_one_shell_alone():
    panels = plot.spectra(flow((16, 16)))
    assert panels.power.get_legend() is None
    assert panels[1:] == (None, None)
    (line,) = plot.spectra(flow((4, 1, 2, 2))).power.get_lines()
    assert line.get_marker() == "o"


def test_a_field_of_zeros_is_drawn_without_a_warning():
    t = flow((2, 1, 16, 16))
    for fields in ({"zero": 0 * t, "truth": t}, {"truth": t, "zero": 0 * t}, {"zero": 0 * t}):
        for reference in fields:
            plot.spectra(fields, reference=reference).figure.savefig(io.BytesIO(), format="svg")


# How


def test_names_are_told_apart_without_colours():
    t = flow((2, 1, 16, 16))
    panels = plot.spectra({f"_{i}": (1 + i) * t for i in range(7)})
    lines = panels.power.get_lines()
    assert to_hex(lines[0].get_color()) == "#000000"
    assert len({line.get_color() for line in lines}) == 7
    neighbours = [line._unscaled_dash_pattern for line in lines]
    assert len({str(each) for each in neighbours[:6]}) == 6
    assert [text.strip() for text in legend(panels.power)] == [f"_{i}" for i in range(7)]


def test_styles_are_those_of_lines():
    p, t = pair()
    panels = plot.spectra({"truth": t, "model": p}, reference="truth", styles={"model": {"color": "C2", "lw": 4}})
    for ax in panels.shown:
        assert curves(ax)[-1].get_linewidth() == 4
        assert curves(ax)[-1].get_color() == "C2"
    assert to_hex(curves(panels.power)[0].get_color()) == "#000000"


def above(ax: Any) -> list[Any]:
    return [child for child in ax.child_axes if child.xaxis.get_label_text()]


@pytest.mark.parametrize(
    ("shape", "options", "wavenumber", "wavelength", "at_the_first"),
    [
        ((16, 16), {}, "wavenumber $k$ (waves across the box)", "wavelength (grid points)", 16),
        ((16, 20), {}, "wavenumber $k$ (waves across the box)", None, None),
        ((16, 16), {"wavelength": False}, "wavenumber $k$ (waves across the box)", None, None),
        (
            (16, 20),
            {"lengths": 300.0},
            "wavenumber $k$ (radians per unit length)",
            "wavelength (units of the lengths)",
            300,
        ),
        ((16, 20), {"lengths": (3.0, 3.0), "unit": "km"}, "wavenumber $k$ (radians per km)", "wavelength (km)", 3),
    ],
)
def test_axes_have_units(shape, options, wavenumber, wavelength, at_the_first):
    panels = plot.spectra(flow(shape), **options)
    assert panels.power.get_xlabel() == wavenumber
    assert panels.power.get_ylabel() == "power $P(k)$ (field units squared)"
    assert [each.get_xlabel() for each in above(panels.power)] == ([] if wavelength is None else [wavelength])
    panels.figure.draw_without_rendering()
    if wavelength is not None:
        (second,) = above(panels.power)
        first = curves(panels.power)[0].get_xdata()[0]
        assert second._functions[0](first) == pytest.approx(at_the_first)
        ticks = [float(tick.get_text()) for tick in second.get_xticklabels() if tick.get_text()]
        assert set(ticks) <= {a * 10.0**b for a in (1, 2, 5) for b in range(-3, 5)}


def test_grids_of_two_sizes_have_no_wavelength_in_points():
    panels = plot.spectra({"a": flow((16, 16)), "b": flow((24, 24))})
    assert above(panels.power) == []


def test_axes_go_in_and_come_out():
    p, t = pair()
    for number in (1, 2, 3):
        figure = Figure()
        mine = figure.subplots(1, number, squeeze=False)[0]
        panels = plot.spectra({"truth": t, "model": p}, reference="truth", axes=mine)
        assert list(panels.shown) == list(mine)
        assert panels.figure is figure
        for ax in mine:
            assert curves(ax)
            assert ax.get_xlabel() == "wavenumber $k$ (waves across the box)"
    alone = Figure().subplots()
    assert plot.spectra({"truth": t, "model": p}, reference="truth", axes=alone).power is alone
    for shape in ((3, 1), (1, 3)):
        shared = Figure().subplots(*shape, sharex=True)
        panels = plot.spectra({"truth": t, "model": p}, reference="truth", axes=shared)
        labels = [bool(ax.get_xlabel()) for ax in panels.shown]
        assert labels == ([False, False, True] if shape == (3, 1) else [True, True, True])


def test_the_figure_shows_itself_unless_pyplot_does():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = plot.spectra(flow((16, 16)))
    assert panels._repr_png_().startswith(b"\x89PNG")
    sub = Figure().subfigures(1, 2)
    assert plot.spectra(flow((16, 16)), axes=sub[0].subplots())._repr_png_().startswith(b"\x89PNG")
    figure, ax = pyplot.subplots()
    try:
        assert plot.spectra(flow((16, 16)), axes=ax)._repr_png_() is None
        assert pyplot.get_fignums() == [figure.number]
    finally:
        pyplot.close(figure)


def test_no_state_of_matplotlib_is_touched(tmp_path):
    program = """
import sys
import numpy as np
from spectral_losses import plot
assert "matplotlib" not in sys.modules
import matplotlib
before = matplotlib.rcParams.copy()
x = np.random.default_rng(0).normal(size=(2, 1, 16, 16))
plot.spectra({"a": x, "b": 2 * x}, reference="a").figure.savefig(sys.argv[1])
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        program,
        str(tmp_path / "a.png"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# What is refused


X = np.ones((2, 1, 8, 8))


@pytest.mark.parametrize(
    ("fields", "options", "error", "message"),
    [
        ({}, {}, ValueError, "fields must hold at least one, got none"),
        ({"a": X}, {"reference": "b"}, ValueError, "reference must name one of 'a', got 'b'"),
        ({"truth": X}, {"reference": "thruth"}, ValueError, "did you mean 'truth'"),
        ({"a": [1.0]}, {}, TypeError, r"fields\['a'\]"),
        ([[1.0]], {}, TypeError, "fields"),
        ({"a": X.astype(int)}, {}, TypeError, r"fields\['a'\]"),
        ({"a": X}, {"bin": 3}, TypeError, "option 'bin' is not known, did you mean 'bins'"),
        ({"a": X}, {"pool": 0}, TypeError, "option 'pool' is not known"),
        ({"a": X}, {"bins": 100}, ValueError, r"fields\['a'\]: bins"),
        ({"a": X}, {"energy": True, "channels": "sum"}, TypeError, "'channels' is not known"),
        (
            {"a": sl.radial_spectrum(X, bins=sl.Sectors(2))},
            {},
            ValueError,
            r"fields\['a'\] must have a spectrum over shells",
        ),
        ({"a": X}, {"bins": sl.Sectors(2)}, ValueError, "over shells"),
        ({"a": X, "b": sl.energy_spectrum(X)}, {}, ValueError, "'a' and 'b' are power and energy"),
        ({"a": X, "b": sl.radial_spectrum(X, lengths=1.0)}, {}, ValueError, "one has lengths and the other has none"),
        ({"a": X}, {"unit": "km"}, ValueError, "unit is that of lengths, and there are none, got 'km'"),
        ({"a": X}, {"axes": "top"}, TypeError, "axes must be one to three Axes of matplotlib"),
        ({"a": X}, {"axes": [None]}, TypeError, "axes must be one to three Axes of matplotlib"),
        ({"a": X}, {"axes": Figure().subplots(2)}, ValueError, "nothing to draw in the last of 2"),
        (
            {"a": X, "b": sl.radial_spectrum(X)},
            {"reference": "a", "axes": Figure().subplots(3)},
            ValueError,
            "last of 3",
        ),
        ({"a": X}, {"styles": {"b": {}}}, ValueError, "styles must name one of 'a', got 'b'"),
    ],
)
def test_what_is_refused(fields, options, error, message):
    with pytest.raises(error, match=message):
        plot.spectra(fields, **options)


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPackageError, match=r"needs matplotlib.*pip install matplotlib \(the extra 'plot'"):
        plot.spectra(X)


def test_help_names_the_options():
    import inspect

    names = list(inspect.signature(plot.spectra).parameters)
    assert names[0] == "fields"
    assert {"reference", "axes", "lengths", "bins", "window"} <= set(names)
    assert "pool" not in names
