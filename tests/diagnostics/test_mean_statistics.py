"""Means over a data set: any batches, any order, against brute force and against all frames at once."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs, no_waiting
from hypothesis import given, settings
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.diagnostics import sums
from spectral_losses.losses.registry import all_losses
from spectral_losses_backends.base import Backend

RNG = np.random.default_rng(11)
T = RNG.normal(size=(7, 3, 2, 8, 10)) * RNG.uniform(0.2, 5, size=(7, 1, 1, 1, 1))
P = 0.7 * T + 0.3 * RNG.normal(size=T.shape)
REFUSED = {"sobolev_error", "focal_frequency_error", "wavelet_error", "correlation_error"}
POOLED = sorted(all_losses().keys() - REFUSED)


def seen(p: Any, t: Any = None, cuts: tuple[int, ...] = (3, 4), **options: Any) -> sl.MeanStatistics:
    """The statistics of fields that come in batches, cut here."""
    stats = sl.MeanStatistics(**options)
    for start, stop in zip((0, *cuts), (*cuts, p.shape[0]), strict=True):
        stats.update(p[start:stop, ...], None if t is None else t[start:stop, ...])
    return stats


def merged(first: sl.MeanStatistics, *others: sl.MeanStatistics) -> sl.MeanStatistics:
    """All of them as one."""
    whole = copy.deepcopy(first)
    for other in others:
        whole.merge(other)
    return whole


def brute(p: Any, t: Any) -> dict[str, Any]:
    """Mean sums of ``X conj(Y)`` over unit shells, and how many modes are in each."""
    n0, n1 = p.shape[-2:]
    k = np.hypot(np.fft.fftfreq(n0, 1 / n0)[:, None], np.fft.fftfreq(n1, 1 / n1))
    inside = [(k > m - 0.5) & (k <= m + 0.5) for m in range(1, min(n0, n1) // 2 + 1)]
    x, y = np.fft.fft2(p), np.fft.fft2(t)
    products = {"P": abs(x) ** 2, "T": abs(y) ** 2, "D": abs(x - y) ** 2, "C": (x * y.conj()).real}
    found = {
        name: np.mean(np.stack([each[..., these].sum(axis=-1) for these in inside], axis=-1), axis=(0, 1))
        for name, each in products.items()
    }
    m = np.arange(1, len(inside) + 1)
    found["scale"] = np.pi * ((m + 0.5) ** 2 - (m - 0.5) ** 2) / [these.sum() for these in inside]
    return found


@st.composite
def orders(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """A partition of the frames into batches in any order, and which two neighbours to merge, again and again."""
    frames = draw(st.permutations(range(len(T))))
    cuts = sorted(draw(st.sets(st.integers(1, len(T) - 1))))
    batches = [list(frames[a:b]) for a, b in zip([0, *cuts], [*cuts, len(T)], strict=True)]
    return batches, [draw(st.integers(0, n - 2)) for n in range(len(batches), 1, -1)]


@settings(max_examples=40)
@given(orders(), st.booleans())
def test_any_batches_and_any_tree_of_merges_give_brute_force(order: Any, stored: bool) -> None:
    batches, tree = order
    parts = []
    for batch in batches:
        part = sl.MeanStatistics()
        part.update(P[batch], T[batch])
        if stored:
            plain, part = json.loads(json.dumps(part.state_dict())), sl.MeanStatistics()
            part.load_state_dict(plain)
        parts.append(part)
    for i in tree:
        parts[i].merge(parts.pop(i + 1))
    (whole,) = parts
    expected, cross, spectra = brute(P, T), whole.cross_spectrum(), whole.spectra()
    for found, name in (
        (spectra["prediction"].power, "P"),
        (spectra["target"].power, "T"),
        (spectra["error"].power, "D"),
        (cross.cospectrum, "C"),
    ):
        np.testing.assert_allclose(found, expected[name] * expected["scale"], rtol=1e-12, atol=1e-12)
    coherence = expected["C"] / np.sqrt(expected["P"] * expected["T"])
    np.testing.assert_allclose(cross.coherence, coherence, rtol=1e-9)
    assert whole.frames == 21


def test_merging_is_symmetric_and_nothing_is_neutral() -> None:
    a, b, nothing = seen(P[:3], T[:3], ()), seen(P[3:], T[3:], ()), sl.MeanStatistics()
    one = merged(a, b).state_dict()
    assert merged(b, a).state_dict() == one
    assert merged(a, nothing, b).state_dict() == one
    assert merged(nothing, a, b).state_dict() == one
    assert [b.frames, nothing.frames] == [12, 0]  # others stay as they are


def test_losses_are_those_of_all_frames_at_once(framework: Framework) -> None:
    stats = seen(*map(framework.asarray, (P, T)))
    for name in POOLED:
        expected = getattr(sl, name)(P, T, pool="frames")
        np.testing.assert_allclose(stats.loss(name), expected, rtol=1e-9, err_msg=name)
        assert stats.evaluate([name]) == {name: float(stats.loss(name))}


OPTIONS: dict[str, dict[str, Any]] = {
    "sum": {"channels": "sum"},
    "mean": {"channels": "mean"},
    "lead times apart": {"pool": 0},
    "batch apart": {"pool": 1},
    "logarithmic, with lengths": {"bins": "log", "lengths": (2.0, 3.0)},
    "window": {"window": "hann", "detrend": "linear"},
    "other axes": {"spatial_axes": (4, 3), "channel_axis": 1},
    "sphere": {"grid": sl.Sphere("gauss")},
    "cosines": {"transform": "dct", "detrend": "constant"},
    "sectors": {"bins": sl.Sectors(3, "log")},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_mean_what_they_mean_of_all_frames(options: dict[str, Any], tmp_path: Path) -> None:
    whole = {"pool": "frames", **options}
    # Where the batch is kept apart, all of it comes in each update.
    if options.get("pool") == 1:
        stats = sl.MeanStatistics(**options)
        for i in range(T.shape[1]):
            stats.update(P[:, i : i + 1], T[:, i : i + 1])
    else:
        stats = seen(P, T, **options)
    stats.save(tmp_path / "part")
    for each in (stats, sl.MeanStatistics.load(tmp_path / "part")):
        for name in POOLED:
            point_by_point = name == "field_error" and {"window", "detrend", "grid"} & options.keys()
            bands = name == "band_error" and "bins" in options
            if point_by_point or bands:
                continue
            unknown = {"bins", "lengths", "transform"} if name == "field_error" else set()
            own = {key: value for key, value in whole.items() if key not in unknown}
            np.testing.assert_allclose(each.loss(name), getattr(sl, name)(P, T, **own), rtol=1e-9)
            rows = each.loss(name, reduction="none")
            np.testing.assert_allclose(rows, getattr(sl, name)(P, T, reduction="none", **own), rtol=1e-9)
        spectrum = sl.radial_spectrum(T, **whole)
        found = each.spectra()["target"]
        assert found.layout == spectrum.layout
        for ours, theirs in zip(found, spectrum, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)
        cross, expected = each.cross_spectrum(), sl.cross_spectrum(P, T, **whole)
        for name in ("coherence", "phase", "amplitude_ratio", "amplitude_part", "phase_part", "error", "noise"):
            np.testing.assert_allclose(getattr(cross, name), getattr(expected, name), rtol=1e-9, atol=1e-12)


def test_own_options_of_losses() -> None:
    stats = seen(P, T)
    for options in ({"channel_weights": (1, 3)}, {"shell_weights": 2.0}, {"eps": 1e-3}, {"side": "excess"}):
        expected = sl.log_spectral_distance(P, T, pool="frames", **options)
        np.testing.assert_allclose(stats.loss("log_spectral_distance", **options), expected, rtol=1e-12)
    weighted = sl.spectrum_error(P, T, pool="frames", channel_weights=(1, 3))
    np.testing.assert_allclose(stats.loss("spectrum_error", channel_weights=(1, 3)), weighted, rtol=1e-12)
    np.testing.assert_allclose(stats.loss("band_error", bands=2), sl.band_error(P, T, bands=2, pool="frames"))
    both = stats.evaluate(["field_error", "band_error"], eps=0.1, bands=2)
    assert both == {
        "field_error": pytest.approx(float(sl.field_error(P, T, eps=0.1, pool="frames"))),
        "band_error": pytest.approx(float(sl.band_error(P, T, eps=0.1, bands=2, pool="frames"))),
    }


@pytest.mark.parametrize("of", ["coherence", "power"])
@pytest.mark.parametrize("options", [{"lengths": (2.0, 3.0)}, {"grid": sl.Sphere("cells")}])
def test_effective_resolution(of: str, options: dict[str, Any]) -> None:
    p = P + 2 * RNG.normal(size=P.shape)
    expected = sl.effective_resolution(p, T, of=of, threshold=0.2, **options)
    found = seen(p, T, **options).effective_resolution(of=of, threshold=0.2)
    assert found.shape == (2,)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_one_side_against_a_stored_spectrum(framework: Framework) -> None:
    reference = seen(framework.asarray(T), bins="log").spectra(framework.asarray)["field"]
    stats = seen(framework.asarray(P), bins="log", cuts=(1,))
    for name in ("log_spectral_distance", "spectrum_error", "amplitude_error", "power_ratio_error"):
        expected = getattr(sl, name)(P, T, bins="log", pool="frames")
        np.testing.assert_allclose(stats.loss(name, target=reference), expected, rtol=1e-9)
    # It may be a target of a training loop, too.
    direct = sl.log_spectral_distance(framework.asarray(P), reference, bins="log", pool="frames")
    np.testing.assert_allclose(float(direct), stats.loss("log_spectral_distance", target=reference), rtol=1e-9)


def test_single_frames() -> None:
    stats = sl.MeanStatistics(channel_axis=0)
    for i in range(7):
        stats.update(P[i, 0], T[i, 0])
    np.testing.assert_allclose(
        stats.loss("coherence_error"), sl.coherence_error(P[:, 0], T[:, 0], pool="frames"), rtol=1e-9
    )
    with pytest.raises(
        ValueError, match=r"channel_axis: prediction of shape \(2, 8, 10\) has no frame axis, axis 0 is"
    ):
        sl.MeanStatistics().update(P[0, 0])
    batch = sl.MeanStatistics(spatial_axes=-1, channel_axis=None)
    batch.update(P[:, 0, 0, 0])
    assert batch.frames == 7


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_is_lifted(framework: Framework, name: str) -> None:
    if name not in framework.halves:
        pytest.skip(f"{framework.name} has no {name}")
    p, t = (framework.cast(framework.asarray(x), name) for x in (P, T))
    rounded = [framework.to_numpy(x).astype(np.float64) for x in (p, t)]
    stats = seen(p, t)
    assert stats.loss("coherence_error").dtype == np.float32
    np.testing.assert_allclose(
        stats.loss("coherence_error"), sl.coherence_error(*rounded, pool="frames"), rtol=1e-3, atol=1e-6
    )


def test_guards_are_those_of_the_precision_of_the_fields() -> None:
    """Fields that differ by rounding are coherent: in float64 their noise would count."""
    t = T.astype(np.float32)
    p = np.float32(3) * (t / np.float32(3))
    stats = seen(p, t)
    assert abs(stats.loss("coherence_error")) < 1e-6
    np.testing.assert_allclose(stats.cross_spectrum().noise, sl.cross_spectrum(p, t, pool="frames").noise, rtol=1e-5)
    mixed = merged(seen(p, t), seen(P, T))
    assert mixed.loss("coherence_error").dtype == np.float32


def test_many_small_batches_lose_no_digits() -> None:
    """In float32 a sum of so many would be off by some 1e-5."""
    field = np.float32(0.1) + 0 * T[:1, :1].astype(np.float32)
    field[..., 0] = 1
    stats, once = sl.MeanStatistics(), sl.MeanStatistics()
    once.update(field)
    for _ in range(3000):
        stats.update(field)
    np.testing.assert_allclose(stats.spectra()["field"].power, once.spectra()["field"].power, rtol=1e-12)


@pytest.mark.parametrize("name", [pytest.param("strict", marks=needs("array_api_strict"))])
def test_updates_wait_on_a_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an array whose values may be anywhere, one transfer brings many updates over."""
    import array_api_strict as xp

    monkeypatch.setattr(sums, "WAITING", 3)
    transfers: list[tuple[int, ...]] = []
    bring = Backend.to_numpy
    monkeypatch.setattr(Backend, "to_numpy", lambda self, x: transfers.append(x.shape) or bring(self, x))
    stats = sl.MeanStatistics()
    for i in range(7):
        if i == 5:  # of another precision: those before are not stacked with it
            stats.update(*(xp.asarray(x[i : i + 1], dtype=xp.float32) for x in (P, T)))
        else:
            stats.update(*(xp.asarray(x[i : i + 1]) for x in (P, T)))
    assert [shape[0] for shape in transfers] == [3, 2, 1]
    stats.update(P[:1], T[:1])  # of another framework
    copied = copy.copy(stats)
    assert [shape[0] for shape in transfers] == [3, 2, 1, 1]
    other = copy.copy(copied)  # of which nothing waits
    other.update(*(xp.asarray(x) for x in (T, T)))
    p, t = (np.concatenate((x, x[:1])) for x in (P, T))
    expected = sl.log_spectral_distance(p, t, pool="frames")
    for each in (stats, copied):
        np.testing.assert_allclose(each.loss("log_spectral_distance"), expected, rtol=1e-5)
    assert stats.frames == 24


@pytest.mark.gpu("torch")
def test_nothing_waits_for_a_cuda_device() -> None:
    import torch

    p, t = (torch.tensor(x, device="cuda") for x in (P, T))
    stats = sl.MeanStatistics()
    stats.update(p[:2], t[:2])  # constants are uploaded once
    with no_waiting():
        for i in range(2, 7):
            stats.update(p[i : i + 1], t[i : i + 1])
    expected = sl.log_spectral_distance(P, T, pool="frames")
    np.testing.assert_allclose(stats.loss("log_spectral_distance"), expected, rtol=1e-9)


@needs("torch")
def test_no_gradient_is_recorded_and_pytorch_stores_it(tmp_path: Path) -> None:
    import torch

    p = torch.tensor(P, requires_grad=True)
    stats = seen(p, torch.tensor(T))
    assert p.grad is None
    state = stats.state_dict()
    torch.save(state, tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True) == state


def test_copies_go_their_own_ways() -> None:
    stats = seen(P, T)
    before = stats.state_dict()
    for made in (copy.copy(stats), copy.deepcopy(stats), pickle.loads(pickle.dumps(stats))):
        assert made.state_dict() == before
        made.update(P, T)
        assert made.frames == 2 * stats.frames
    stats.merge(stats)
    assert stats.frames == 42
    np.testing.assert_allclose(stats.loss("band_error"), sl.band_error(P, T, pool="frames"), rtol=1e-9)


def test_what_is_not_finite_stays_so(framework: Framework) -> None:
    p = P.copy()
    p[2, 1, 1, 3, 3] = np.nan
    with np.errstate(invalid="ignore"):
        stats = seen(framework.asarray(p), framework.asarray(T))
        rows = stats.loss("log_spectral_distance", reduction="none")
        assert np.isfinite(rows).tolist() == [True, False]
        assert np.isnan(stats.spectra()["error"].power[1]).all()
        restored = sl.MeanStatistics()
        restored.load_state_dict(json.loads(json.dumps(stats.state_dict())))
        np.testing.assert_array_equal(restored.spectra()["prediction"].power, stats.spectra()["prediction"].power)


def test_nothing_yet() -> None:
    stats = sl.MeanStatistics()
    assert repr(stats) == "MeanStatistics(nothing yet)"
    calls: list[Callable[[], Any]] = [
        stats.spectra,
        stats.cross_spectrum,
        stats.effective_resolution,
        lambda: stats.evaluate("band_error"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="nothing was summed yet: call update first"):
            call()
    stats.load_state_dict(stats.state_dict())
    assert stats.frames == 0


@pytest.mark.parametrize(
    ("kind", "message", "call"),
    [
        (ValueError, "pool must be 'frames'", lambda: sl.MeanStatistics(pool=None)),  # type: ignore[arg-type]
        (ValueError, "channels must be one of", lambda: sl.MeanStatistics(channels="all")),
        (ValueError, "bins must be", lambda: sl.MeanStatistics(bins="octave")),
        (TypeError, "grid must be None or a Sphere", lambda: sl.MeanStatistics(grid="gauss")),  # type: ignore[arg-type]
        (ValueError, r"pool must name frame axes, got -1", lambda: seen(P, T, pool=-1)),
        (ValueError, "the grid and the channels of those before", lambda: seen(P).update(P[..., :6])),
        (ValueError, "the grid and the channels of those before", lambda: seen(P, channels="sum").update(P[:, :, :1])),
        (ValueError, "must be of one side alone as those before", lambda: seen(P).update(P, T)),
        (ValueError, "must be of prediction and target as those", lambda: seen(P, T).merge(seen(P))),
        (ValueError, "other must have the same options, got bins='log'", lambda: seen(P).merge(seen(P, bins="log"))),
        (ValueError, "got bins='log'", lambda: seen(P).merge(sl.MeanStatistics(bins="log"))),
        (TypeError, "other must be a MeanStatistics, got dict", lambda: seen(P).merge({})),  # type: ignore[arg-type]
        (ValueError, "a cross spectrum takes prediction and target", lambda: seen(P).cross_spectrum()),
        (ValueError, "without a Spectrum as its target", lambda: seen(P).loss("spectrum_error")),
        (ValueError, "target must be None", lambda: seen(P, T).loss("spectrum_error", target=sl.radial_spectrum(T))),
        (TypeError, "target must be a Spectrum, got ndarray", lambda: seen(P).loss("spectrum_error", target=T)),  # type: ignore[arg-type]
        (ValueError, "computed on another grid", lambda: seen(P).loss("spectrum_error", target=sl.radial_spectrum(T))),
        (ValueError, "'spectrum' is not known", lambda: seen(P, T).loss("spectrum")),
        (TypeError, "option 'bins' is that of the statistics", lambda: seen(P, T).loss("spectrum_error", bins="log")),
        (TypeError, "option 'bands' is not known", lambda: seen(P, T).loss("spectrum_error", bands=2)),
        (TypeError, "option 'sides' is not known", lambda: seen(P, T).evaluate("log_spectral_distance", sides="both")),
        (ValueError, "reduction must be 'mean'", lambda: seen(P, T).evaluate("band_error", reduction="none")),
        (ValueError, "must name at least one loss", lambda: seen(P, T).evaluate([])),
        (TypeError, "point by point.*: window", lambda: seen(P, T, window="hann").loss("field_error")),
        (TypeError, "point by point.*: grid", lambda: seen(P, T, grid=sl.Sphere("gauss")).loss("field_error")),
        (TypeError, "point by point.*: a mask", lambda: seen(P, T).loss("field_error", mask=np.ones((8, 10), bool))),
        (ValueError, "lengths are needed", lambda: seen(P, T).effective_resolution()),
        (ValueError, "threshold must be", lambda: seen(P, T).effective_resolution(threshold=0)),
        (ValueError, "need shells", lambda: seen(P, T, bins=sl.Sectors(2)).effective_resolution()),
    ],
)
def test_what_is_refused(kind: type[Exception], message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_losses_that_take_more(name: str) -> None:
    more = "point by point" if name == "correlation_error" else "more than sums over shells"
    with pytest.raises((TypeError, ValueError), match=more):
        seen(P, T).loss(name)


def test_what_a_refused_update_leaves() -> None:
    stats = seen(P, T)
    before = stats.state_dict()
    for wrong in ((P[..., :6], T[..., :6]), (P, T[:2]), (P[:, :, 0], T[:, :, 0])):
        with pytest.raises(ValueError, match="must have"):
            stats.update(*wrong)
    assert stats.state_dict() == before


def test_files(tmp_path: Path) -> None:
    stats, path = seen(P, T, lengths=2.0, channels="sum"), tmp_path / "part.npz"
    stats.save(path)
    found = sl.MeanStatistics.load(path)
    assert found.state_dict() == stats.state_dict()
    assert merged(found, stats).frames == 42
    assert path.stat().st_size < 4000
    sl.MeanStatistics(bins=("log", 3)).save(path)
    assert sl.MeanStatistics.load(path).options == sl.MeanStatistics(bins=("log", 3)).options
    sl.radial_spectrum(T).save(path)
    with pytest.raises(ValueError, match=r"part.npz must be a file that MeanStatistics.save wrote"):
        sl.MeanStatistics.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="must be a file that"):
        sl.MeanStatistics.load(path)
    with pytest.raises(FileNotFoundError):
        sl.MeanStatistics.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2 is not known, this library reads 1"),
        ({"format": "spectrum"}, "its format is not 'spectral_losses.MeanStatistics'"),
        ({"sums": [1.0]}, r"sums must be of shape \(4, 2, 6\), got \(1,\)"),
        ({"statistics": ["P", "T"]}, "are not known"),
        ({"dtype": "int8"}, "are not known"),
        ({"frames": None}, "state lacks frames"),
        ({"options": {"bins": "unit"}}, "has unknown ones"),
    ],
)
def test_states_that_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    stats = seen(P, T)
    before = stats.state_dict()
    with pytest.raises(ValueError, match=message):
        stats.load_state_dict({**before, **change})
    assert stats.state_dict() == before
    other = sl.MeanStatistics(bins="log")
    with pytest.raises(ValueError, match="state must have the same options, got bins='unit', here 'log'"):
        other.load_state_dict(before)


def test_a_grid_is_the_same_however_it_was_given() -> None:
    latitudes = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(8)[0]))
    one, other = seen(P, T, grid=sl.Sphere("gauss")), seen(P, T, grid=sl.Sphere(latitudes))
    assert other.options["grid"].from_south
    assert merged(other, one).frames == 42
    one.load_state_dict(other.state_dict())
    assert other.state_dict()["options"]["grid"] == {"Sphere": ["gauss", None, True]}


@needs("dask")
def test_dask_is_computed_at_once() -> None:
    import dask.array as da

    calls = []

    def block(x: Any) -> Any:
        calls.append(1)
        return x

    fields = da.from_array(T, chunks=(2, 3, 2, 8, 10)).map_blocks(block, dtype=T.dtype, meta=T[:0])
    stats = sl.MeanStatistics()
    stats.update(fields)
    assert len(calls) == 4
    with pytest.raises(ValueError, match="must have known sizes"):
        stats.update(fields[fields[:, 0, 0, 0, 0] > 0])
    np.testing.assert_allclose(stats.spectra()["field"].power, sl.radial_spectrum(T, pool="frames").power, rtol=1e-12)
    assert len(calls) == 4
