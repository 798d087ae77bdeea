"""Which arrays and which positions ``compare`` takes: names, several variables, vectors, selections and forecasts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.cli.ui.sources import split_name

xarray = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")

TIMES = np.datetime64("2020-01-01", "ns") + np.arange(10) * np.timedelta64(6, "h")
LEVELS = np.array([1000.0, 850.0, 500.0])
SHAPE = (10, 3, 8, 12)
DIMS = ("time", "level", "y", "x")


def field(seed: int, shape: tuple[int, ...] = SHAPE) -> Any:
    """Frames of different amplitude, so that none can stand for another."""
    amplitude = 1 + np.arange(np.prod(shape[:-2])).reshape(*shape[:-2], 1, 1)
    return np.random.default_rng(seed).standard_normal(shape) * amplitude


def dataset(dims: tuple[str, ...] = DIMS, **variables: Any) -> Any:
    given = {"time": TIMES, "level": ("level", LEVELS, {"units": "hPa"})}
    fields = {name: (dims, each, {"units": "m s-1"}) for name, each in variables.items()}
    return xarray.Dataset(fields, coords={name: each for name, each in given.items() if name in dims})


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


def assert_equal(found: Any, p: Any, t: Any, **options: Any) -> None:
    expected = sl.evaluate(p, t, **{"channel_axis": None, **options})
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-10)


# Names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.nc", ("a.nc", None)),
        ("a.nc:u", ("a.nc", "u")),
        ("a.nc:group/u", ("a.nc", "group/u")),
        ("a.NPZ:u+v", ("a.NPZ", "u+v")),
        ("a.nc:x:y", ("a.nc", "x:y")),
        (r"C:\data\a.nc", (r"C:\data\a.nc", None)),
        (r"C:\data\a.nc:u", (r"C:\data\a.nc", "u")),
        ("s3://bucket/era5.zarr", ("s3://bucket/era5.zarr", None)),
        ("https://host:8080/era5.zarr:t2m", ("https://host:8080/era5.zarr", "t2m")),
        ("a.nc:", ("a.nc:", None)),
        ("a.txt:u", ("a.txt:u", None)),
    ],
)
def test_where_a_name_begins(text, found):
    assert split_name(text) == found


def test_a_file_whose_own_name_has_a_colon(here):
    Path("a.nc:u").touch()
    assert split_name("a.nc:u") == ("a.nc:u", None)


def test_two_variables_of_one_file_and_other_names_in_two(here, capsys):
    u, p = field(0), field(1)
    dataset(u=u, u_pred=p).to_netcdf("both.nc")
    found = compare(capsys, "both.nc:u_pred", "both.nc:u")
    assert_equal(found, p, u)
    assert (found["prediction"], found["truth"]) == ("both.nc:u_pred", "both.nc:u")
    assert found["variable"] == "u_pred against u"
    dataset(ua=p, va=u).to_netcdf("model.nc")
    assert_equal(compare(capsys, "model.nc:ua", "both.nc", "--variable", "u"), p, u)
    np.savez("a.npz", mine=p, u=u)
    assert_equal(compare(capsys, "a.npz:mine", "both.nc:u"), p, u)
    assert_equal(compare(capsys, "a.npz:mine", "a.npz", "--key", "u", "--channel-axis", "none"), p, u)


def test_names_that_choose_nothing(here, capsys):
    np.save("a.npy", field(0))
    np.savez("a.npz", u=field(0))
    dataset(u=field(0), v=field(1)).to_netcdf("a.nc")
    assert "a .npy holds one array" in refused(capsys, "a.npy:u", "a.npy")
    assert refused(capsys, "a.nc:u", "a.nc:u", "--variable", "v").startswith("--variable chooses one of a NetCDF")
    assert refused(capsys, "a.npz:u", "a.npz:u", "--key", "u").startswith("--key chooses an array of an .npz or .pt")
    assert "a.nc has no variable 'w'; of floats it has u, v" in refused(capsys, "a.nc:w", "a.nc:u")
    assert "choose one with --variable: u, v" in refused(capsys, "a.nc", "a.nc")
    assert refused(capsys, "a.nc", "a.nc", "--variable", "u,").startswith("--variable: takes names between commas")
    assert refused(capsys, "a.nc:u,v", "a.nc:u") == "a.nc:u,v has 2 variables to compare and a.nc:u has 1"
    assert "different numbers of components" in refused(capsys, "a.nc:u+v", "a.nc:u")
    assert refused(capsys, "a.nc", "a.nc", "--variable", "u", "--variable", "v") == "--variable: given more than once"


# Several variables, and vectors


def test_a_row_for_each_variable(here, capsys):
    u, v, p, q = map(field, range(4))
    dataset(u=u, v=v).to_netcdf("t.nc")
    dataset(u=p, v=q).to_netcdf("p.nc")
    found = compare(capsys, "p.nc", "t.nc", "--variable", "v,u", "--per", "level", "--table", "rows.csv")
    assert [each["variable"] for each in found["variables"]] == ["v", "u"]
    alone = compare(capsys, "p.nc", "t.nc", "--variable", "v", "--per", "level")
    for name in ("field_error", "bands", "per", "spectra", "units"):
        assert found["variables"][0][name] == alone[name]
    assert_equal(found["variables"][1], p, u)
    rows = list(csv.DictReader(Path("rows.csv").read_text().splitlines()))
    assert [(row["variable"], row["level"]) for row in rows] == [
        (name, place) for name in "vu" for place in ("", "1000.0", "850.0", "500.0")
    ]
    for row, expected in zip(rows[5:], np.moveaxis(np.stack([p, u]), 2, 0), strict=True):
        assert float(row["field_error"]) == pytest.approx(float(sl.field_error(*expected, channel_axis=None)))
    assert main(["compare", "p.nc", "t.nc", "--variable", "v,u", "--per", "level", "--plot", "both.png"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["variables", "v,", "u,", "--per", "level"] or lines[1] == ["variables", "v,", "u"]
    assert sum(line[:1] == ["u"] for line in lines) == 3 + 3 * 3
    assert sum(line[:2] == ["v", "850"] for line in lines) == 3
    assert Path("both.png").stat().st_size > 10000


@pytest.mark.parametrize("kind", ["nc", "npz"])
def test_a_vector_is_one_energy(here, capsys, kind):
    u, v, p, q = map(field, range(4))
    for name, each in (("t", {"u": u, "v": v}), ("p", {"u": p, "v": q})):
        dataset(**each).to_netcdf(f"{name}.nc") if kind == "nc" else np.savez(f"{name}.npz", **each)
    option = "--variable" if kind == "nc" else "--key"
    both = np.stack([p, q]), np.stack([u, v])
    found = compare(capsys, f"p.{kind}", f"t.{kind}", option, "u+v", "--per", "level" if kind == "nc" else "1")
    assert found["variable"] == "u+v"
    assert_equal(found, *both, channel_axis=0, channels="sum")
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((p - u) ** 2 + (q - v) ** 2)))
    assert found["bias"] is None
    for i, row in enumerate(found["per"]["rows"]):
        assert_equal(row, *(x[:, :, i] for x in both), channel_axis=0, channels="sum")
    apart = compare(capsys, f"p.{kind}", f"t.{kind}", option, "u+v", "--channels", "separate")
    assert_equal(apart, *both, channel_axis=0)
    # Axes by number are those of the file.
    turned = compare(capsys, f"p.{kind}", f"t.{kind}", option, "u+v", "--spatial-axes", "0,3")
    assert_equal(turned, *both, channel_axis=0, channels="sum", spatial_axes=(1, 4))
    early = compare(capsys, f"p.{kind}", f"t.{kind}", option, "u+v", "--isel", "0=:4")
    assert_equal(early, *(x[:, :4] for x in both), channel_axis=0, channels="sum")


def test_components_with_their_dimensions_in_other_orders(here, capsys):
    u, v, p, q = map(field, range(4))
    dataset(u=u, v=v).to_netcdf("t.nc")
    mixed = dataset(u=p, v=q)
    mixed["v"] = mixed["v"].transpose("x", "time", "y", "level")
    mixed.to_netcdf("p.nc")
    found = compare(capsys, "p.nc", "t.nc", "--variable", "u+v")
    assert_equal(found, np.stack([p, q]), np.stack([u, v]), channel_axis=0, channels="sum")


def test_a_vector_takes_components_of_one_kind(here, capsys):
    mixed = dataset(u=field(0), v=field(1))
    mixed["v"].attrs["units"] = "knots"
    mixed["w"] = mixed["u"].isel(level=0)
    mixed.to_netcdf("a.nc")
    assert "units differ" in refused(capsys, "a.nc", "a.nc", "--variable", "u+v")
    assert "other dimensions" in refused(capsys, "a.nc", "a.nc", "--variable", "u+w")


def test_spectra_of_vectors_and_of_several_variables(here, capsys):
    u, v = field(0), field(1)
    dataset(u=u, v=v).to_netcdf("a.nc")
    assert main(["spectrum", "a.nc", "--variable", "u+v", "--energy", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["files"]
    expected = sl.energy_spectrum(np.stack([u, v], 1), channel_axis=1).power
    np.testing.assert_allclose(found["energy"][0], np.mean(np.reshape(expected, (-1, expected.shape[-1])), 0))
    assert main(["spectrum", "a.nc:u", "a.nc:v"]) == 0
    assert {"a.nc:u", "a.nc:v"} <= set(capsys.readouterr().out.split())
    assert main(["spectrum", "a.nc:u", "--sel", "level=850", "--isel", "time=2:4", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["files"]
    expected = sl.radial_spectrum(u[2:4, 1], channel_axis=None).power.mean(0) / (8 * 12) ** 2
    np.testing.assert_allclose(found["power"], expected[None])
    assert main(["spectrum", "a.nc:u", "--sel", "level=1"]) == 2
    assert capsys.readouterr().err.startswith("spectral-losses: error: --sel level=1: a.nc has nothing there")


# Positions


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET])
@pytest.mark.parametrize(
    ("chosen", "part"),
    [
        (["level=500"], np.s_[:, 2]),
        (["level=500hPa"], np.s_[:, 2]),
        (["level=500,1000"], np.s_[:, [2, 0]]),
        (["level=900:400"], np.s_[:, 1:]),
        (["time=2020-01-02"], np.s_[4:8]),
        (["time=2020-01-02T06"], np.s_[5]),
        (["time=2020-01-01T18:00:2020-01-02T06:00"], np.s_[3:6]),
        (["time=2020-01-03:"], np.s_[8:]),
        (["time=:2020-01-01T06,2020-01-03T06:00:00"], np.s_[[0, 1, 9]]),
        (["time=2020-01-02", "level=850"], np.s_[4:8, 1]),
    ],
)
def test_positions_by_value(here, capsys, monkeypatch, chosen, part, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    u, p = field(0), field(1)
    dataset(u=u).to_netcdf("t.nc")
    dataset(u=p).isel(level=[1, 2, 0]).to_netcdf("p.nc")
    found = compare(capsys, "p.nc", "t.nc", *(word for each in chosen for word in ("--sel", each)))
    assert_equal(found, p[part], u[part])
    assert found["options"]["sel"] == chosen


def test_positions_by_index(here, capsys):
    u, p = field(0), field(1)
    np.save("t.npy", u)
    np.save("p.npy", p)
    found = compare(capsys, "p.npy", "t.npy", "--isel", "0=2:8:2", "--isel", "1=-1,0")
    assert_equal(found, p[2:8:2][:, [-1, 0]], u[2:8:2][:, [-1, 0]], channel_axis=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sel", "level=501"], "--sel level=501: p.nc has nothing there; level has 1000, 850, 500 hPa"),
        (["--sel", "level=6h"], "--sel level=6h: level is in hPa, got '6h'"),
        (["--sel", "level=high"], "--sel level=high: level takes numbers and ranges such as 500 or 30:60, got 'high'"),
        (["--sel", "time=2021"], "--sel time=2021: p.nc has nothing there; time has 2020-01-01, 2020-01-01T06:00"),
        (["--sel", "time=2020-13-01"], "--sel time=2020-13-01: '2020-13-01' is no date"),
        (["--sel", "time=noon"], "--sel time=noon: time takes dates such as"),
        (["--sel", "number=1"], "--sel number=1: no dimension 'number'; there are time, level, y, x"),
        (["--sel", "x=1"], "--sel x=1: x of p.nc has no coordinate, which --isel does without"),
        (["--sel", "level"], "argument --sel: takes NAME=VALUES, got 'level'"),
        (["--isel", "level=3"], "--isel level=3: p.nc has 3 positions along level, got 3"),
        (["--isel", "level=0.5"], "--isel level=0.5: takes indices and ranges such as 0,2 or 3:10, got '0.5'"),
        (["--isel", "level=2:2"], "--isel level=2:2: nothing of the 3 positions along level in p.nc"),
    ],
)
def test_positions_that_are_not_there(here, capsys, words, told):
    dataset(u=field(0)).to_netcdf("t.nc")
    dataset(u=field(1)).to_netcdf("p.nc")
    assert refused(capsys, "p.nc", "t.nc", *words).startswith(told)


def test_a_region_over_the_meridian(here, capsys):
    u, p = field(0, (2, 37, 72)), field(1, (2, 37, 72))
    given = {"latitude": np.arange(90, -91, -5.0), "longitude": np.arange(0, 360, 5.0)}
    xarray.Dataset({"u": (("time", *given), u)}, coords=given).to_netcdf("t.nc")
    turned = {"lat": given["latitude"], "lon": np.arange(-180, 180, 5.0)}
    xarray.Dataset({"u": (("time", *turned), np.roll(p, 36, 2))}, coords=turned).to_netcdf("p.nc")
    assert main(["compare", "p.nc", "t.nc", "--sel", "latitude=30:60", "--sel=longitude=-20:30", "--json"]) == 0
    printed = capsys.readouterr()
    assert "longitude runs from -20 to 30, not all around" in printed.err
    part = np.ix_(range(2), range(6, 13), [68, 69, 70, 71, *range(7)])
    assert_equal(json.loads(printed.out), p[part], u[part])


# Dimensions that one file lacks, and forecasts


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET])
def test_members_against_one_truth(here, capsys, monkeypatch, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    u, p = field(0), field(1, (10, 4, 3, 8, 12))
    dataset(u=u).to_netcdf("t.nc")
    dataset(("time", "member", "level", "y", "x"), u=p).to_netcdf("p.nc")
    found = compare(capsys, "p.nc", "t.nc", "--per", "member")
    assert found["repeated"] == ["member"]
    whole = np.broadcast_to(u[:, None], p.shape)
    # The member comes first, as the batch does that is averaged within.
    assert_equal(found, np.moveaxis(p, 1, 0), np.moveaxis(whole, 1, 0))
    for i, row in enumerate(found["per"]["rows"]):
        assert row["field_error"] == pytest.approx(float(sl.field_error(p[:, i], u, channel_axis=None)))
    assert main(["compare", "p.nc", "t.nc"]) == 0
    assert "the same along member: one file has no such dimension" in capsys.readouterr().out


def test_what_may_not_be_lacking(here, capsys):
    u = dataset(u=field(0))
    u.to_netcdf("t.nc")
    u.isel(y=0).to_netcdf("line.nc")
    assert refused(capsys, "line.nc", "t.nc").startswith("y is space, and only one of line.nc and t.nc has it")
    u.sel(level=850).to_netcdf("level.nc")
    assert refused(capsys, "level.nc", "t.nc") == "level differs: 850 in level.nc, 500 in t.nc"
    assert compare(capsys, "level.nc", "t.nc", "--sel", "level=850")["field_error"] == 0
    assert refused(capsys, "level.nc", "t.nc", "--sel", "level=500").startswith(
        "--sel level=500: level.nc has nothing there; level has 850"
    )


INIT, LEAD = TIMES[:4], np.array([0, 12, 36])


def forecast(*, units: str = "hours", scale: float = 1, **variables: Any) -> Any:
    """In the layout of WeatherBench 2."""
    return xarray.Dataset(
        {name: (("time", "prediction_timedelta", *DIMS[1:]), each) for name, each in variables.items()},
        coords={
            "time": INIT,
            "prediction_timedelta": ("prediction_timedelta", LEAD * scale, {"units": units}),
            "level": ("level", LEVELS, {"units": "hPa"}),
        },
    )


PLACES = np.arange(4)[:, None] + np.array([0, 2, 6])
WEATHERBENCH = ("--init-time", "time", "--lead-time", "prediction_timedelta")


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET])
@pytest.mark.parametrize("scale", [("hours", 1), ("days", 1 / 24), ("nanoseconds", 3600e9)])
def test_skill_by_lead_time_level_and_variable(here, capsys, monkeypatch, budget, scale):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    u, v = field(0), field(1)
    p, q = field(2, (4, 3, *SHAPE[1:])), field(3, (4, 3, *SHAPE[1:]))
    dataset(u=u, v=v).isel(time=slice(None, None, -1)).to_netcdf("t.nc")
    forecast(u=p, v=q, units=scale[0], scale=scale[1]).to_netcdf("p.nc")
    argv = ("p.nc", "t.nc", *WEATHERBENCH, "--variable", "u,v", "--sel", "level=500,850", "--per")
    found = compare(capsys, *argv, "prediction_timedelta")["variables"]
    for each, x, y in zip(found, (p, q), (u, v), strict=True):
        x, y = x[:, :, [2, 1]], y[PLACES][:, :, [2, 1]]
        assert_equal(each, x, y)
        for j, row in enumerate(each["per"]["rows"]):
            assert row["rmse"] == pytest.approx(np.sqrt(np.mean((x[:, j] - y[:, j]) ** 2)))
            assert row["bias"] == pytest.approx(np.mean(x[:, j] - y[:, j]))
            assert_equal(row, x[:, j], y[:, j])
        assert [row["coordinate"] for row in each["per"]["rows"]] == pytest.approx(list(LEAD * scale[1]))
    found = compare(capsys, *argv, "level", "--sel", "prediction_timedelta=36h")["variables"][0]
    for row, level in zip(found["per"]["rows"], (2, 1), strict=True):
        assert_equal(row, p[:, 2, level], u[PLACES][:, 2, level])


def test_forecasts_that_the_truth_does_not_cover(here, capsys):
    dataset(u=field(0)).isel(time=slice(0, 8)).to_netcdf("t.nc")
    forecast(u=field(1, (4, 3, *SHAPE[1:]))).to_netcdf("p.nc")
    told = refused(capsys, "p.nc", "t.nc", *WEATHERBENCH)
    assert told.startswith(
        "--init-time time, --lead-time prediction_timedelta: t.nc lacks 2 of 12 valid times, the first 2020-01-03; "
        "it runs from 2020-01-01 to 2020-01-02T18:00"
    )
    # Initial times that are chosen are those of the forecast, and the truth goes on.
    found = compare(capsys, "p.nc", "t.nc", *WEATHERBENCH, "--sel", "time=:2020-01-01T06")
    assert found["frames"] == 2 * 3 * 3
    told = "the truth takes times alone, and p.nc has lead times along prediction_timedelta; without these two options"
    assert told in refused(capsys, "p.nc", "p.nc", *WEATHERBENCH, "--isel", "prediction_timedelta=0:2")
    dataset(u=field(0)).isel(time=[0, 1, 2, 3, 4, 5, 5]).to_netcdf("twice.nc")
    told = "--init-time time, --lead-time prediction_timedelta: twice.nc has 2020-01-02T06:00 more than once"
    argv = ("p.nc", "twice.nc", *WEATHERBENCH, "--isel", "prediction_timedelta=0:2", "--isel")
    assert refused(capsys, *argv, "time=3") == told
    assert compare(capsys, *argv, "time=0")["frames"] == 2 * 3
    assert refused(capsys, "p.nc", "t.nc", *WEATHERBENCH[:2]).startswith(
        "--init-time and --lead-time: one is of no use"
    )
    assert "p.nc has no dimension 'step'" in refused(
        capsys, "p.nc", "t.nc", "--init-time", "time", "--lead-time", "step"
    )
    assert "level of p.nc holds no lead times: its units are 'hPa'" in refused(
        capsys, "p.nc", "t.nc", "--init-time", "time", "--lead-time", "level"
    )
    assert "level of p.nc holds no times" in refused(
        capsys, "p.nc", "t.nc", "--init-time", "level", "--lead-time", "prediction_timedelta"
    )
    xarray.Dataset({"u": (DIMS[1:], field(0)[0])}).to_netcdf("no_time.nc")
    assert "takes one dimension of times, and no_time.nc has none" in refused(
        capsys, "p.nc", "no_time.nc", *WEATHERBENCH
    )
