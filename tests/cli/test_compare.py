"""The numbers of ``compare`` against `evaluate` and against brute force, and what it holds in memory."""

from __future__ import annotations

import inspect
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.losses import Losses
from spectral_losses.errors import UserError
from spectral_losses.io.stored import StoredArray
from spectral_losses.spectra.plan import Options


def compare(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    assert main(["compare", *map(str, argv), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Fields whose small scales are weaker than their large ones, so that bands differ."""
    x = rng.standard_normal(shape)
    for axis in range(len(shape)):
        x = x + np.roll(x, 1, axis)
    return x + 0.1 * rng.standard_normal(shape)


def pair(tmp_path: Path, shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> tuple[Any, Any, Path, Path]:
    rng = np.random.default_rng(seed)
    truth = smooth(rng, shape)
    prediction = truth + 0.3 * rng.standard_normal(shape)
    # Frames of unequal amplitude: a mean of quotients is not a quotient of means.
    scale = (1 + np.arange(shape[0])).reshape(-1, *[1] * (len(shape) - 1))
    files = tmp_path / "prediction.npy", tmp_path / "truth.npy"
    fields = (prediction * scale).astype(dtype), (truth * scale).astype(dtype)
    for file, field in zip(files, fields, strict=True):
        np.save(file, field)
    return *fields, *files


def brute_bands(
    prediction: Any, truth: Any, spatial: tuple[int, ...], channel: int | None, channels: str = "separate"
) -> list[tuple[float, float]]:
    """Error and energy ratio of each band from all modes of the full transform, in index units."""
    ndim = len(spatial)
    p, t = (np.moveaxis(np.asarray(x, np.float64), spatial, range(-ndim, 0)) for x in (prediction, truth))
    if channel is None:
        p, t = p[None], t[None]
    else:
        place = sum(axis not in spatial for axis in range(channel))
        p, t = np.moveaxis(p, place, 0), np.moveaxis(t, place, 0)
    if channels == "mean":
        p, t = p.mean(0, keepdims=True), t.mean(0, keepdims=True)
    sizes = t.shape[-ndim:]
    k = np.sqrt(sum(np.square(m) for m in np.meshgrid(*(np.fft.fftfreq(n) * n for n in sizes), indexing="ij")))
    top = min(sizes) // 2
    limits = [0, top ** (1 / 3) + 1e-9, top ** (2 / 3) + 1e-9, top]
    shell = np.ceil(k - 0.5)
    energy = [
        np.sum(abs(np.fft.fftn(x, axes=range(-ndim, 0))) ** 2, axis=tuple(range(1, x.ndim - ndim)))
        for x in (p, t, p - t)
    ]
    if channels == "sum":
        energy = [e.sum(0, keepdims=True) for e in energy]
    found = []
    for low, high in itertools.pairwise(limits):
        in_p, in_t, in_d = (e[:, (shell > low) & (shell <= high)].sum(-1) for e in energy)
        found.append((float(np.mean(in_d / in_t)), float(np.mean(in_p / in_t))))
    return found


def assert_bands(found: Any, expected: Any, rel: float = 1e-9) -> None:
    assert [band["name"] for band in found] == ["low", "middle", "high"]
    got = [(band["error"], band["energy_ratio"]) for band in found]
    np.testing.assert_allclose(got, expected, rtol=rel)


LAYOUTS = {
    "plain": ((2, 3, 2, 12, 18), [], (3, 4), 2),
    "frames": ((5, 10, 9), [], (1, 2), 0),
    "frames, no channels": ((5, 10, 9), ["--channel-axis", "none"], (1, 2), None),
    "one field": ((12, 9), [], (0, 1), None),
    "one dimension": ((3, 2, 33), ["--spatial-axes", "-1"], (2,), 1),
    "three dimensions": ((2, 2, 8, 10, 9), ["--spatial-axes", "2,3,4"], (2, 3, 4), 1),
    "channels last": ((2, 9, 12, 3), ["--spatial-axes", "-3,-2", "--channel-axis", "-1"], (1, 2), 3),
    "channels first": ((3, 4, 9, 12), ["--channel-axis=0"], (2, 3), 0),
    "space first": ((9, 12, 5, 2), ["--spatial-axes=0,1", "--channel-axis", "3"], (0, 1), 3),
    "space in another order": ((4, 9, 2, 12), ["--spatial-axes", "3,1", "--channel-axis", "2"], (3, 1), 2),
}


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET], ids=["field by field", "some", "all"])
@pytest.mark.parametrize("channels", ["separate", "sum", "mean"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_streamed_numbers_are_those_of_the_whole_arrays(tmp_path, capsys, monkeypatch, layout, channels, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    shape, options, spatial, channel = LAYOUTS[layout]
    p, t, *files = pair(tmp_path, shape)
    found = compare(capsys, *files, *options, "--channels", channels)
    expected = sl.evaluate(p, t, spatial_axes=spatial, channel_axis=channel, channels=channels)
    assert found["field_error"] == pytest.approx(expected["field_error"], rel=1e-12)
    assert found["spectrum_error"] == pytest.approx(expected["spectrum_error"], rel=1e-12)
    assert found["shape"] == list(shape)
    assert found["grid"] == [shape[axis] for axis in spatial]
    assert found["channels"] == (1 if channel is None else shape[channel])
    assert found["frames"] * found["channels"] * np.prod(found["grid"]) == t.size
    assert_bands(found["bands"], brute_bands(p, t, spatial, channel, channels))


def test_bands_differ_and_are_where_they_are_said_to_be(tmp_path, capsys):
    shape = (2, 1, 32, 40)
    _, t, *files = pair(tmp_path, shape)
    k = np.hypot(np.fft.fftfreq(32)[:, None] * 32, np.fft.rfftfreq(40) * 40)
    modes = np.fft.rfft2(t)
    # Without its modes of 3.5 < |k| <= 6.5, the middle band of 16 shells, the energy of that band is gone.
    np.save(files[0], np.fft.irfft2(np.where((k > 2.5) & (k <= 6.5), 0, modes), s=shape[-2:]))
    found = compare(capsys, *files)["bands"]
    assert [band["wavenumbers"] for band in found] == [[1, 2], [3, 6], [7, 16]]
    assert [band["edges"] for band in found] == [[0.5, 2.5], [2.5, 6.5], [6.5, 16.5]]
    np.testing.assert_allclose([band["error"] for band in found], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose([band["energy_ratio"] for band in found], [1, 0, 1], atol=1e-12)


@pytest.mark.parametrize("root", [2, 5, 6])  # with 5 and 6 the cube root is rounded down
def test_a_cube_of_shells_is_cut_at_its_roots(tmp_path, capsys, root):
    *_, p, t = pair(tmp_path, (2, 1, 2 * root**3))
    found = compare(capsys, p, t, "--spatial-axes=-1")["bands"]
    cuts = [1, root, root + 1, root**2, root**2 + 1, root**3]
    assert [k for band in found for k in band["wavenumbers"]] == cuts


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (["--bins", "5"], {"bins": 5}),
        (["--bins", "log"], {"bins": "log"}),
        (["--bins", "log,3"], {"bins": ("log", 3)}),
        (["--bins", "0.5,2,3.5,7"], {"bins": (0.5, 2, 3.5, 7)}),
        (["--lengths", "2"], {"lengths": 2.0}),
        (["--lengths", "2,3.5", "--bins", "4"], {"lengths": (2.0, 3.5), "bins": 4}),
        (["--window", "hann"], {"window": "hann"}),
        (["--transform", "dct", "--detrend", "linear"], {"transform": "dct", "detrend": "linear"}),
        (["--window", "blackman,none"], {"window": ("blackman", None)}),
        (["--detrend", "linear", "--window", "hamming"], {"detrend": "linear", "window": "hamming"}),
    ],
)
def test_options_are_those_of_the_library(tmp_path, capsys, argv, options):
    p, t, *files = pair(tmp_path, (2, 3, 2, 16, 20))
    found = compare(capsys, *files, *argv)
    assert found["spectrum_error"] == pytest.approx(sl.spectrum_error(p, t, **options), rel=1e-12)
    spectra = [sl.radial_spectrum(x, **options) for x in (p, t, p - t)]
    k, edges = spectra[0].wavenumber, spectra[0].edges
    area = np.pi * (edges[1:] ** 2 - edges[:-1] ** 2)
    in_p, in_t, in_d = ((s.power / area * s.counts).sum((0, 1)) for s in spectra)
    for band in found["bands"]:
        low, high = band["wavenumbers"]
        inside = (k >= low * (1 - 1e-9)) & (k <= high * (1 + 1e-9))
        error = np.mean(in_d[:, inside].sum(-1) / in_t[:, inside].sum(-1))
        ratio = np.mean(in_p[:, inside].sum(-1) / in_t[:, inside].sum(-1))
        assert (band["error"], band["energy_ratio"]) == pytest.approx((error, ratio), rel=1e-9)
    assert found["bands"][0]["wavenumbers"][0] == pytest.approx(k[0])
    assert found["bands"][-1]["wavenumbers"][1] == pytest.approx(k[-1])


def test_bands_are_cut_where_asked(tmp_path, capsys):
    *_, p, t = pair(tmp_path, (2, 1, 32, 32))
    found = compare(capsys, p, t, "--bands", "3,9.5")["bands"]
    assert [band["wavenumbers"] for band in found] == [[1, 3], [4, 9], [10, 16]]
    found = compare(capsys, p, t, "--bands", "6,12", "--lengths", str(np.pi))["bands"]
    assert [band["wavenumbers"] for band in found] == [[2, 6], [8, 12], [14, 32]]


@pytest.mark.parametrize(
    ("dtype", "rel"),
    [("<f2", 1e-5), (">f2", 1e-5), ("<f4", 1e-5), (">f4", 1e-5), (">f8", 1e-12), ("<f8", 1e-12)],
)
def test_every_float_is_read_in_any_byte_order(tmp_path, capsys, dtype, rel):
    p, t, *files = pair(tmp_path, (3, 2, 12, 14), dtype)
    found = compare(capsys, *files)
    native = [x.astype(x.dtype.newbyteorder("=")) for x in (p, t)]
    expected = sl.evaluate(*native)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=rel)
    # The difference of halves is taken in float32: rounded to halves it would be off by 1e-4.
    assert_bands(found["bands"], brute_bands(*native, (2, 3), 1), rel=20 * rel)


def test_the_difference_of_halves_is_one_of_floats(tmp_path, capsys):
    t = 4e4 * np.random.default_rng(0).choice([-1.0, 1.0], (2, 1, 16, 18)).astype(np.float16)
    for name, field in (("p.npy", -t), ("t.npy", t)):  # a difference of 8e4 is infinite in half precision
        np.save(tmp_path / name, field)
    found = compare(capsys, tmp_path / "p.npy", tmp_path / "t.npy")
    np.testing.assert_allclose([band["error"] for band in found["bands"]], 4, rtol=1e-5)


def test_two_precisions(tmp_path, capsys):
    p, t, *files = pair(tmp_path, (3, 2, 12, 14))
    np.save(files[0], p.astype(np.float32))
    found = compare(capsys, *files)
    expected = sl.evaluate(p.astype(np.float32), t)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-5)


PER = [
    ((3, 4, 2, 10, 12), 0, []),
    ((3, 4, 2, 10, 12), 1, []),
    ((3, 4, 2, 10, 12), -3, []),
    ((3, 4, 2, 10, 12), 0, ["--channels", "sum"]),
    ((3, 4, 2, 10, 12), 1, ["--channels", "mean"]),
    ((2, 3, 4, 10, 12), 1, ["--channel-axis", "0"]),
    ((2, 3, 4, 10, 12), 2, ["--channel-axis", "0"]),
    ((2, 3, 4, 10, 12), 0, ["--channel-axis", "0"]),
    ((4, 10, 12), 0, ["--channel-axis", "none"]),
    ((4, 10, 12), 0, []),
]


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET])
@pytest.mark.parametrize(("shape", "axis", "options"), PER)
def test_per_gives_the_numbers_of_each_index_alone(tmp_path, capsys, monkeypatch, shape, axis, options, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t, *files = pair(tmp_path, shape)
    found = compare(capsys, *files, *options, f"--per={axis}")
    without = compare(capsys, *files, *options)
    per = found.pop("per")
    for name in ("field_error", "spectrum_error"):
        assert found[name] == pytest.approx(without[name], rel=1e-14)
    assert_bands(found["bands"], [(band["error"], band["energy_ratio"]) for band in without["bands"]], 1e-14)
    assert (per["axis"], per["name"]) == (axis % len(shape), None)
    assert [row["index"] for row in per["rows"]] == list(range(shape[axis]))

    channel = {"--channel-axis": {"0": 0, "none": None}}.get(options[0] if options else "", {}).get(
        options[-1] if options else "", len(shape) - 3
    )
    channels = options[1] if options[:1] == ["--channels"] else "separate"
    for i, row in enumerate(per["rows"]):
        one = [np.take(x, [i], axis=axis) for x in (p, t)]
        expected = sl.evaluate(*one, channel_axis=channel, channels=channels)
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-12)
        space = len(shape) - 2, len(shape) - 1
        assert_bands(row["bands"], brute_bands(*one, space, channel, channels))


def test_rows_of_the_batch_average_to_the_whole(tmp_path, capsys):
    *_, p, t = pair(tmp_path, (5, 3, 10, 12))
    found = compare(capsys, p, t, "--per", "0")
    for name in ("field_error", "spectrum_error"):
        rows = [row[name] for row in found["per"]["rows"]]
        assert max(rows) > 1.001 * min(rows)
        # The guard of the field error is relative to the frames at hand: to those of a row, or to all.
        assert np.mean(rows) == pytest.approx(found[name], rel=1e-12 if name == "spectrum_error" else 1e-7)


@pytest.mark.parametrize("eps", [0, 1e-8, 1e-3, 0.5])
@pytest.mark.parametrize("channels", ["separate", "sum", "mean"])
@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET])
def test_the_guard_of_the_field_error_is_relative_to_all_frames(tmp_path, capsys, monkeypatch, eps, channels, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t, *files = pair(tmp_path, (6, 3, 2, 12, 14))
    t *= 1e-5 * np.array([1, 300])[:, None, None]  # the units of a channel do not matter
    p *= 1e-5 * np.array([1, 300])[:, None, None]
    t[4] *= 1e-3  # nor does the block in which an almost empty frame is read
    for file, field in zip(files, (p, t), strict=True):
        np.save(file, field)
    found = compare(capsys, *files, "--eps", eps, "--channels", channels, "--per", "0")
    expected = float(sl.field_error(p, t, eps=eps, channels=channels))
    assert found["field_error"] == pytest.approx(expected, rel=1e-12)
    assert expected != pytest.approx(float(sl.field_error(p, t, eps=2 * eps + 1e-6, channels=channels)), rel=1e-3)
    for row, x, y in zip(found["per"]["rows"], p, t, strict=True):
        alone = float(sl.field_error(x[None], y[None], eps=eps, channels=channels))
        assert row["field_error"] == pytest.approx(alone, rel=1e-12)


# Amplitudes and phases


@pytest.mark.parametrize("budget", [1, blocks.BUDGET], ids=["field by field", "all"])
@pytest.mark.parametrize("channels", ["separate", "sum", "mean"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_parts_of_a_band_are_those_of_its_shells(tmp_path, capsys, monkeypatch, layout, channels, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    shape, options, spatial, channel = LAYOUTS[layout]
    p, t, *files = pair(tmp_path, shape)
    found = compare(capsys, *files, *options, "--channels", channels)
    given = {"spatial_axes": spatial, "channel_axis": channel, "channels": channels}
    pool = "frames" if len(shape) > len(spatial) + (channel is not None) else None
    cross = sl.cross_spectrum(p, t, pool=pool, **given)
    measure = np.diff(cross.edges ** len(spatial)) / cross.counts  # of a mode
    power, target, error, amplitude, phase = (
        np.reshape(x / measure, (-1, len(measure)))
        for x in (
            cross.power,
            cross.target_power,
            cross.error_power,
            cross.amplitude_part * cross.target_power,
            cross.phase_part * cross.target_power,
        )
    )
    for band in found["bands"]:
        low, high = band["wavenumbers"]
        inside = (cross.wavenumber >= low) & (cross.wavenumber <= high)
        p_, t_, d_, a_, f_ = (x[:, inside] for x in (power, target, error, amplitude, phase))
        of_target = t_.sum(-1)
        expected = [np.mean(x.sum(-1) / of_target) for x in (d_, a_, f_, p_)]
        expected.append(np.mean(1 - f_.sum(-1) / (2 * np.sqrt(p_ * t_).sum(-1))))
        names = ("error", "amplitude_part", "phase_part", "energy_ratio", "coherence")
        np.testing.assert_allclose([band[name] for name in names], expected, rtol=1e-9)
        assert band["amplitude_part"] + band["phase_part"] == pytest.approx(band["error"], rel=1e-12)


def test_what_is_amplitude_and_what_is_phase(tmp_path, capsys):
    t = np.random.default_rng(0).standard_normal((4, 1, 32, 32))
    np.save(tmp_path / "t.npy", t)
    for name, field in (("faded", 0.8 * t), ("moved", np.roll(t, 1, axis=-1))):
        np.save(tmp_path / f"{name}.npy", field)
        for band in compare(capsys, tmp_path / f"{name}.npy", tmp_path / "t.npy")["bands"]:
            other, own = ("phase_part", "amplitude_part") if name == "faded" else ("amplitude_part", "phase_part")
            assert band[other] == pytest.approx(0, abs=1e-12)
            assert band[own] == pytest.approx(band["error"], rel=1e-9)
            assert band["coherence"] == pytest.approx(1 if name == "faded" else 1 - band["error"] / 2, rel=1e-9)
    assert compare(capsys, tmp_path / "faded.npy", tmp_path / "t.npy")["bands"][0]["error"] == pytest.approx(0.04)


@pytest.mark.parametrize("budget", [1, blocks.BUDGET], ids=["field by field", "all"])
@pytest.mark.parametrize("options", [[], ["--lengths", "300"], ["--channels", "sum"], ["--window", "hann"]])
def test_the_effective_resolution_is_that_of_the_library(tmp_path, capsys, monkeypatch, options, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    rng = np.random.default_rng(0)
    t = rng.standard_normal((12, 3, 2, 32, 32))
    k = np.hypot(np.fft.fftfreq(32)[:, None] * 32, np.fft.rfftfreq(32) * 32)
    cut = np.array([5, 9])[:, None, None]
    p = np.fft.irfft2(np.where(k < cut, np.fft.rfft2(t), 0), s=(32, 32)) + 1e-3 * rng.standard_normal(t.shape)
    for name, field in (("p.npy", p), ("t.npy", t)):
        np.save(tmp_path / name, field)
    found = compare(capsys, tmp_path / "p.npy", tmp_path / "t.npy", "--per", "1", *options)
    given = {"--lengths": {"lengths": 300.0}, "--channels": {"channels": "sum"}, "--window": {"window": "hann"}}
    given = given[options[0]] if options else {}
    for row, x, y in zip(
        [found, *found["per"]["rows"]], [p, *np.moveaxis(p, 1, 0)], [t, *np.moveaxis(t, 1, 0)], strict=True
    ):
        resolution = row["effective_resolution"]
        assert resolution["unit"] == ("length" if "lengths" in given else "grid points")
        expected = np.ravel(sl.effective_resolution(x, y, **given))
        assert len(expected) == (1 if given.get("channels") else 2)
        np.testing.assert_allclose(resolution["channels"], expected, rtol=1e-9)
    assert len({round(each, 3) for each in found["effective_resolution"]["channels"]}) == len(expected)


def test_without_a_unit_the_resolution_is_a_wavenumber(tmp_path, capsys):
    t = np.random.default_rng(0).standard_normal((40, 1, 24, 36))
    k = np.hypot(np.fft.fftfreq(24)[:, None] * 24, np.fft.rfftfreq(36) * 36)
    p = np.fft.irfft2(np.where(k < 6.5, np.fft.rfft2(t), 0), s=t.shape[-2:])
    for name, field in (("p.npy", p), ("t.npy", t), ("u.npy", np.roll(t, 1, 0))):
        np.save(tmp_path / name, field)
    found = compare(capsys, tmp_path / "p.npy", tmp_path / "t.npy")["effective_resolution"]
    assert found["unit"] == "wavenumber"
    assert 6 <= found["channels"][0] <= 7
    waves = sl.effective_resolution(p, t, lengths=(2 * np.pi, 2 * np.pi))  # of which wavenumbers are the same
    assert found["channels"][0] == pytest.approx(2 * np.pi / float(waves[0]), rel=1e-9)
    assert compare(capsys, tmp_path / "t.npy", tmp_path / "t.npy")["effective_resolution"]["channels"] == [12]
    assert compare(capsys, tmp_path / "u.npy", tmp_path / "t.npy")["effective_resolution"]["channels"] == [None]


# Other losses


OTHERS = sorted(set(sl.losses.__all__) - {"field_error", "spectrum_error"})
RELATIVE = {"adjusted_error", "amplitude_error", "sobolev_error", "wavelet_error"}  # their guards, to all frames


def evaluated(p: Any, t: Any, names: list[str] = OTHERS, **options: Any) -> dict[str, float]:
    """As the library has them, each with the options that it takes."""
    found = {}
    for name in names:
        loss = getattr(sl, name)
        taken = inspect.signature(loss).parameters
        given = {key: value for key, value in options.items() if key in taken}
        if name not in RELATIVE:
            given.pop("eps", None)
        found[name] = float(loss(p, t, **given))
    return found


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET], ids=["field by field", "some", "all"])
@pytest.mark.parametrize("channels", ["separate", "sum", "mean"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_loss_is_that_of_the_whole_arrays(tmp_path, capsys, monkeypatch, layout, channels, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    shape, options, spatial, channel = LAYOUTS[layout]
    p, t, *files = pair(tmp_path, shape)
    found = compare(capsys, *files, *options, "--channels", channels, "--losses", ",".join(OTHERS))
    expected = evaluated(p, t, spatial_axes=spatial, channel_axis=channel, channels=channels)
    assert list(found["losses"]) == OTHERS
    assert found["losses"] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET], ids=["field by field", "some", "all"])
@pytest.mark.parametrize(("shape", "axis", "options"), PER)
def test_per_gives_the_losses_of_each_index_alone(tmp_path, capsys, monkeypatch, shape, axis, options, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t, *files = pair(tmp_path, shape)
    # A frame that is almost empty: what guards are relative to decides its errors.
    for x, file in zip((p, t), files, strict=True):
        x[(0,) * (len(shape) - 2)] *= 1e-3
        np.save(file, x)
    eps = 1e-2
    given: dict[str, Any] = {"eps": eps}
    for option, value in zip(options[::2], options[1::2], strict=True):
        given[option[2:].replace("-", "_")] = {"none": None, "0": 0}.get(value, value)
    given.setdefault("channel_axis", len(shape) - 3)
    found = compare(capsys, *files, *options, f"--per={axis}", "--losses", ",".join(OTHERS), "--eps", eps)
    assert found["losses"] == pytest.approx(evaluated(p, t, **given), rel=1e-10)
    differs = set()
    for i, row in enumerate(found["per"]["rows"]):
        one = [np.take(x, [i], axis=axis) for x in (p, t)]
        expected = evaluated(*one, **given)
        assert row["losses"] == pytest.approx(expected, rel=1e-10)
        plain = evaluated(*one, **{**given, "eps": 2 * eps})
        differs |= {name for name in OTHERS if plain[name] != pytest.approx(expected[name], rel=1e-6)}
    assert differs == RELATIVE


@pytest.mark.parametrize(("argv", "options"), [
    (["--bins", "5"], {"bins": 5}),
    (["--lengths", "2,3.5"], {"lengths": (2.0, 3.5)}),
    (["--window", "hann", "--detrend", "linear"], {"window": "hann", "detrend": "linear"}),
    (["--transform", "dct"], {"transform": "dct"}),
])  # fmt: skip
def test_losses_take_the_options_that_they_know(tmp_path, capsys, argv, options):
    p, t, *files = pair(tmp_path, (3, 2, 16, 20))
    found = compare(capsys, *files, *argv, "--losses", ",".join(OTHERS))["losses"]
    assert found == pytest.approx(evaluated(p, t, **options), rel=1e-10)


def test_losses_of_floats_of_any_kind(tmp_path, capsys):
    p, t, *files = pair(tmp_path, (3, 2, 12, 14), np.float16)
    found = compare(capsys, *files, "--losses", ",".join(OTHERS))["losses"]
    assert found == pytest.approx(evaluated(p, t), rel=1e-4)
    np.save(files[1], t.astype(np.float64))
    found = compare(capsys, *files, "--losses", ",".join(OTHERS))["losses"]
    assert found == pytest.approx(evaluated(p.astype(np.float32), t.astype(np.float64)), rel=1e-4)


def test_the_truth_alone_is_read_twice_and_only_for_guards(tmp_path, capsys, monkeypatch):
    *_, p, t = pair(tmp_path, (3, 5, 2, 16, 16), np.float32)
    read, seen = StoredArray.read, []
    monkeypatch.setattr(StoredArray, "read", lambda self, index: seen.append(Path(self.name).name) or read(self, index))
    for names, times in (("coherence_error,log_spectral_distance", 1), ("coherence_error,sobolev_error", 2)):
        for budget in (1, 1 << 20):
            monkeypatch.setattr(blocks, "BUDGET", budget)
            seen.clear()
            compare(capsys, p, t, "--losses", names)
            assert seen.count("truth.npy") == times * seen.count("prediction.npy")


def test_a_loss_that_refuses_the_grid_says_so_before_anything_is_read():
    layout = Layout((3, 1, 4, 4), (2, 3), 1, 0, None, None)
    with pytest.raises(UserError, match="--losses: band_error: 3 bands take 3 shells: there are 2"):
        Losses(["band_error"], layout, Options((2, 3), 1), 1e-8)


def test_the_guard_is_that_of_the_library(tmp_path, capsys):
    p, t, *files = pair(tmp_path, (4, 2, 12, 14))
    t[2] = 0
    np.save(files[1], t)
    expected = float(sl.field_error(p, t))
    assert compare(capsys, *files)["field_error"] == pytest.approx(expected, rel=1e-12)
    assert compare(capsys, *files, "--eps", "1e-8")["field_error"] == pytest.approx(expected, rel=1e-12)
    assert compare(capsys, *files, "--eps", "1e-7")["field_error"] == pytest.approx(expected / 10, rel=1e-3)


def test_a_band_without_energy_has_no_number(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    x = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    np.save(tmp_path / "zero.npy", np.zeros((2, 1, 16, 16)))
    np.save(tmp_path / "wave.npy", np.cos(x) * np.ones((2, 1, 16, 1)))
    found = compare(capsys, tmp_path / "wave.npy", tmp_path / "zero.npy", "--plot", tmp_path / "zero.png")
    assert [(band["error"], band["energy_ratio"]) for band in found["bands"]] == [(None, None)] * 3
    assert found["field_error"] == pytest.approx(1e20)
    assert (tmp_path / "zero.png").stat().st_size > 1000
    same = compare(capsys, tmp_path / "wave.npy", tmp_path / "wave.npy", "--plot", tmp_path / "same.png", "--per=0")
    assert same["field_error"] == same["spectrum_error"] == same["bands"][0]["error"] == 0
    assert same["bands"][0]["energy_ratio"] == 1


# What is held in memory


def test_no_more_than_a_block_is_read_at_once(tmp_path, capsys, monkeypatch):
    *_, p, t = pair(tmp_path, (3, 50, 2, 16, 16), np.float32)
    sizes = []
    read = StoredArray.read

    def record(self, index):
        values = read(self, index)
        sizes.append(values.nbytes)
        return values

    monkeypatch.setattr(StoredArray, "read", record)
    for budget in (1, 10 * 1024, 1 << 20):
        monkeypatch.setattr(blocks, "BUDGET", budget)
        sizes.clear()
        compare(capsys, p, t)
        assert sum(sizes) == 2 * 3 * 50 * 2 * 16 * 16 * 4
        assert max(sizes) <= max(budget, 16 * 16 * 4)
        assert len(sizes) == {1: 2 * 300, 10 * 1024: 2 * 3 * 10, 1 << 20: 2}[budget]


@pytest.mark.parametrize("room", [1, 2, 5, 7, 24, 1000])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("channel", [None, 0, 1, 2])
def test_blocks_cover_everything_once_in_whole_batch_elements(monkeypatch, room, whole, channel):
    monkeypatch.setattr(blocks, "BUDGET", room * 8 * 9 * 4)
    batch = 1 if channel == 0 else 0
    layout = Layout((6, 4, 3, 8, 9), (3, 4), channel, batch, None, None)
    array = StoredArray("a", layout.shape, np.dtype(np.float32), np.zeros)
    seen = np.zeros((6, 4, 3), int)
    found = list(blocks.slabs(layout, (array, array), whole))
    for slab in found:
        inside = np.zeros_like(seen)
        for block in slab.blocks:
            inside[block] += 1
            fields = inside[block].size
            frame = layout.channels if whole else 1
            assert fields <= max(room, frame)
            assert not whole or channel is None or block[channel] == slice(0, layout.channels)
        elements = np.moveaxis(inside, batch, 0)
        assert (elements[slab.batch] == 1).all()
        assert elements.sum() == elements[slab.batch].size
        assert elements[slab.batch].shape[0] == slab.sizes[batch]
        seen += inside
    assert (seen == 1).all()
    assert len(found) == (1 if room == 1000 else len(found))


@pytest.mark.parametrize(
    ("chunks", "room", "extents"),
    [
        ((4, 2, 8, 9), 5, (1, 8)),  # as many fields as a chunk holds, cut where a chunk ends
        ((4, 2, 8, 9), 70, (4, 10)),  # 7 elements fit, 4 of them lie in one chunk
        ((4, 10, 8, 9), 5, (4, 10)),  # a chunk larger than the budget is unpacked once
        ((12, 10, 8, 9), 5, (1, 5)),  # but not a very large one
        (None, 70, (7, 10)),
    ],
)
def test_blocks_are_made_of_chunks(monkeypatch, chunks, room, extents):
    field = 8 * 9 * 4
    monkeypatch.setattr(blocks, "BUDGET", room * field)
    monkeypatch.setattr(blocks, "CHUNK_BUDGET", 50 * field)
    layout = Layout((24, 10, 8, 9), (2, 3), None, 0, None, None)
    array = StoredArray("a", layout.shape, np.dtype(np.float32), np.zeros, None, chunks)
    first = next(blocks.slabs(layout, (array, array), False)).blocks[0]
    assert tuple(cut.stop for cut in first) == extents


MEASURE = """
import sys
from spectral_losses.cli import main

code = main(sys.argv[1:])
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
print(code, int(peak.split()[1]) // 1024)
"""


def peak_memory(*argv: object) -> int:
    """MiB that a process needs at most, pages of mapped files included."""
    command = [sys.executable, "-c", MEASURE, "compare", *map(str, argv), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, peak = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    return int(peak)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("kind", ["npy", "npz", "compressed npz", "nc"])
def test_a_large_file_takes_little_memory(tmp_path, kind):
    shape = (24, 1, 1024, 1024)  # 96 MiB, in frames of 4
    suffix = kind.split()[-1]
    small, large = (tmp_path / f"{name}.{suffix}" for name in ("small", "large"))
    for file, frames in ((small, 1), (large, shape[0])):
        if kind == "npy":  # sparse: a hole reads as zeros
            np.lib.format.open_memmap(file, "w+", np.float32, (frames, *shape[1:]))
        elif suffix == "npz":
            save = np.savez if kind == "npz" else np.savez_compressed
            save(file, field=np.zeros((frames, *shape[1:]), np.float32))
        else:
            xarray = pytest.importorskip("xarray")
            field = xarray.DataArray(np.zeros((frames, *shape[1:]), np.float32), dims=("time", "channel", "y", "x"))
            field.to_netcdf(file, engine="netcdf4")
    assert peak_memory(large, large) - peak_memory(small, small) < 40
