"""Points that do not count in ``compare``: left out, filled, or masked, as the library has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks

SHAPE = (6, 2, 16, 20)
LOSSES = "log_spectral_distance,adjusted_error,coherence_error,correlation_error,wavelet_error,sobolev_error"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["compare", *argv, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["compare", *argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("spectral-losses: error: ").rstrip()


def fields(dtype: Any = np.float64) -> tuple[Any, Any]:
    """Of unequal amplitude, with gaps that differ from frame to frame."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(SHAPE) * (1 + np.arange(6)).reshape(6, 1, 1, 1)
    prediction = truth + 0.5 * rng.standard_normal(SHAPE) + 0.1
    prediction[1, 0, 3:7, 4:9] = np.nan
    truth[4, :, 0, :] = np.inf
    return prediction.astype(dtype), truth.astype(dtype)


def saved(p: Any, t: Any) -> tuple[str, str]:
    np.save("p.npy", p)
    np.save("t.npy", t)
    return "p.npy", "t.npy"


def assert_equal(found: Any, p: Any, t: Any, **options: Any) -> None:
    names = [*found["losses"], "field_error", "spectrum_error"]
    expected = sl.evaluate(p, t, losses=names, **options)
    given = {**found, **found["losses"]}
    assert {name: given[name] for name in expected} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET])
@pytest.mark.parametrize("channels", ["separate", "sum"])
def test_filled_points_do_not_count(here, capsys, monkeypatch, channels, budget):
    pytest.importorskip("pywt")
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t = fields()
    mask = np.isfinite(p) & np.isfinite(t)
    argv = (*saved(p, t), "--nan", "fill", "--channels", channels, "--losses", LOSSES, "--per", "0")
    found = compare(capsys, *argv)
    assert_equal(found, p, t, mask=mask, channels=channels)
    for i, row in enumerate(found["per"]["rows"]):
        assert_equal(row, p[i : i + 1], t[i : i + 1], mask=mask[i : i + 1], channels=channels)
    error = np.where(mask, p - t, 0)
    squares = np.sum(error**2, (-2, -1)) / np.sum(mask, (-2, -1))
    squares = squares.sum(1) if channels == "sum" else squares
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(squares)))
    if channels == "separate":
        assert found["bias"] == pytest.approx(np.mean(np.sum(error, (-2, -1)) / np.sum(mask, (-2, -1))))
    power = sl.radial_spectrum(p, mask=mask, channels=channels).power
    number = np.prod(SHAPE[-2:]) ** 2
    power = power.mean(0)[None] if channels == "sum" else power.mean(0)
    np.testing.assert_allclose(found["spectra"]["prediction"], power / number, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_filled_points_of_lower_precision(here, capsys, dtype):
    p, t = fields(dtype)
    found = compare(capsys, *saved(p, t), "--nan", "fill")
    p, t = (x.astype(np.float32) for x in (p, t))
    expected = sl.evaluate(p, t, mask=np.isfinite(p) & np.isfinite(t))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_a_fill_of_nothing_is_nothing(here, capsys):
    p, t = (np.nan_to_num(x, posinf=0) for x in fields())
    plain = compare(capsys, *saved(p, t))
    filled = compare(capsys, *saved(p, t), "--nan", "fill")
    assert filled.pop("options") == {"nan": "fill"}
    assert plain.pop("options") == {}
    assert filled == plain


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET])
def test_frames_with_gaps_are_left_out(here, capsys, monkeypatch, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t = fields()
    argv = (*saved(p, t), "--nan", "skip", "--losses", "adjusted_error")
    found = compare(capsys, *argv, "--per", "1")
    whole = [0, 2, 3, 5]
    assert_equal(found, p[whole], t[whole])
    assert (found["skipped"], found["frames"]) == (2, 4)
    assert len(compare(capsys, *argv, "--per", "0")["per"]["rows"]) == 4
    assert main(["compare", *argv]) == 0
    assert "left out, because not all there is finite: 2 positions along axis 0\n" in capsys.readouterr().out


def test_a_frame_whose_gaps_are_masked_is_not_left_out(here, capsys):
    p, t = fields()
    sea = np.ones(SHAPE[-2:])
    sea[3:7, 4:9] = 0  # as the prediction has it, and the truth has not
    np.save("sea.npy", sea)
    found = compare(capsys, *saved(p, t), "--nan", "skip", "--mask", "sea.npy")
    whole = [0, 1, 2, 3, 5]
    assert_equal(found, p[whole], t[whole], mask=sea)
    assert (found["skipped"], found["frames"]) == (1, 5)


def test_rows_keep_their_positions_where_others_are_left_out(here, capsys):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    p, t = fields()
    for name, each in (("p.nc", p), ("t.nc", t)):
        data = xarray.Dataset({"t": (("time", "channel", "y", "x"), each)}, coords={"time": 6.0 * np.arange(6)})
        data.to_netcdf(name)
    rows = compare(capsys, "p.nc", "t.nc", "--nan", "skip", "--per", "time")["per"]["rows"]
    assert [row["coordinate"] for row in rows] == [0, 12, 18, 30]
    assert [row["index"] for row in rows] == [0, 2, 3, 5]
    assert_equal(rows[1], p[2:3], t[2:3])


def test_rows_without_coordinates_keep_their_numbers_where_others_are_left_out(here, capsys):
    argv = [*saved(*fields()), "--nan", "skip", "--per", "0", "--table", "rows.csv", "--plot", "rows.svg"]
    rows = compare(capsys, *argv)["per"]["rows"]
    assert [row["index"] for row in rows] == [0, 2, 3, 5]
    lines = [line.split(",") for line in Path("rows.csv").read_text().splitlines()]
    assert [line[lines[0].index("axis_0")] for line in lines[1:]] == ["", "0", "2", "3", "5"]
    assert main(["compare", *argv]) == 0
    found = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in found if len(line) == 9 and line[0].isdecimal()] == ["0", "2", "3", "5"]
    assert "<!-- 5 -->" in Path("rows.svg").read_text()


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int8, np.bool_])
def test_a_mask(here, capsys, kind):
    p, t = fields()
    sea = np.ones(SHAPE[-2:], kind)
    sea[0], sea[3:7, 4:9] = 0, 0
    for each in (sea, np.broadcast_to(sea, SHAPE)):
        np.save("sea.npy", each)
        found = compare(capsys, *saved(p, t), "--mask", "sea.npy", "--losses", "adjusted_error")
        assert_equal(found, p, t, mask=sea.astype(np.float64))


def test_a_mask_of_weights_and_of_its_own_dimensions(here, capsys):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    p, t = fields()
    weights = np.random.default_rng(1).uniform(0.5, 2, SHAPE[-2:])
    weights[0] = np.nan  # as over land
    dims = ("time", "channel", "y", "x")
    for name, each in (("p.nc", p), ("t.nc", t)):
        xarray.Dataset({"t": (dims, each, {"units": "K"})}).to_netcdf(name)
    mask = xarray.Dataset({"lsm": (dims[2:], weights, {"units": "1"}), "other": (dims[2:], weights)})
    mask.transpose("x", "y").to_netcdf("mask.nc")
    both = compare(capsys, "p.nc", "t.nc", "--mask", "mask.nc:lsm", "--nan", "fill")
    counts = np.where(np.isfinite(p) & np.isfinite(t), np.nan_to_num(weights), 0)
    assert_equal(both, p, t, mask=counts)
    assert "p.nc is not finite at [1, 0, 3, 4]" in refused(capsys, "p.nc", "t.nc", "--mask", "mask.nc:lsm")


def test_the_sphere_weighs_what_a_mask_leaves(here, capsys):
    rng = np.random.default_rng(2)
    p, t = rng.standard_normal((2, 3, 1, 19, 36))
    p[1, 0, 5:9, 3:30] = np.nan
    found = compare(capsys, *saved(p, t), "--nan", "fill", "--grid", "equiangular")
    assert_equal(found, p, t, mask=np.isfinite(p), grid=sl.Sphere("equiangular"))


def test_gaps_that_leave_nothing(here, capsys):
    p, t = fields()
    files = saved(p, t)
    assert refused(capsys, *files).startswith("p.npy is not finite at [1, 0, 3, 4]: nan; spectra take whole fields")
    p[2, 1] = np.nan
    saved(p, t)
    assert "a field has no point that counts" in refused(capsys, *files, "--nan", "fill")
    p[:, 0, 2, 2] = np.nan
    saved(p, t)
    assert refused(capsys, *files, "--nan", "skip", "--table", "rows.csv").startswith("--nan skip: all along axis 0")
    assert not Path("rows.csv").exists()
    np.save("p.npy", p[0, 0])
    np.save("t.npy", t[0, 0])
    assert refused(capsys, *files, "--nan", "skip") == "--nan skip: leaves out frames, and there is but one"
    assert refused(capsys, *files, "--nan", "some").startswith("argument --nan: invalid choice: 'some'")


def test_masks_that_do_not_fit(here, capsys):
    files = saved(*(np.nan_to_num(x, posinf=0) for x in fields()))
    np.save("mask.npy", np.ones((16, 21)))
    assert refused(capsys, *files, "--mask", "mask.npy").startswith(
        "--mask: the shapes differ: (6, 2, 16, 21) in mask.npy"
    )
    np.save("mask.npy", np.full(SHAPE, -1.0))
    assert refused(capsys, *files, "--mask", "mask.npy") == "--mask: mask.npy holds weights below 0"
    np.save("mask.npy", np.ones(SHAPE))
    assert refused(capsys, *files, "--mask", "mask.npy", "--channels", "mean").startswith("--mask: --channels mean")
    np.save("mask.npy", np.ones(SHAPE, complex))
    assert refused(capsys, *files, "--mask", "mask.npy").startswith("mask.npy holds complex128")
