"""Positions of two files are compared by value: what lies elsewhere is moved there, or refused, and never ignored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks

xarray = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")

DIMS = ("time", "level", "y", "x")
TIMES = np.datetime64("2020-01-01T00:00:00", "ns") + np.arange(5) * np.timedelta64(6, "h")
LEVELS = np.array([1000.0, 850.0, 500.0])
SHAPE = (5, 3, 12, 16)


def fields() -> tuple[Any, Any]:
    """Frames of different amplitude, so that none can stand for another."""
    rng = np.random.default_rng(4)
    truth = rng.standard_normal(SHAPE) * (1 + np.arange(15.0)).reshape(5, 3, 1, 1)
    return truth + 0.3 * rng.standard_normal(SHAPE), truth


def dataset(field: Any, dims: tuple[str, ...] = DIMS, units: str = "K", **coordinates: Any) -> Any:
    given = {"time": TIMES, "level": ("level", LEVELS, {"units": "hPa"}), **coordinates}
    known = {name: each for name, each in given.items() if name in dims or isinstance(each, tuple)}
    return xarray.Dataset({"t": (dims, field, {"units": units})}, coords=known)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a prediction and a truth; the working directory is theirs."""
    monkeypatch.chdir(tmp_path)

    def write(prediction: Any, truth: Any, **encoding: Any) -> tuple[str, str]:
        for name, each in (("p.nc", prediction), ("t.nc", truth)):
            each.to_netcdf(name, engine="netcdf4", encoding=encoding)
        return "p.nc", "t.nc"

    return write


def compare(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    assert main(["compare", *map(str, argv), "--json", "--grid", "plane"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["compare", *map(str, argv), "--grid", "plane"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("spectral-losses: error: ").rstrip()


def assert_right(found: Any, reordered: list[str], wrong: Any = None) -> None:
    """The numbers of fields that are where they should be, and not those of fields as they are stored."""
    p, t = fields()
    expected = sl.evaluate(p, t, channel_axis=None)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert found["reordered"] == reordered
    if wrong is not None:
        assert sl.evaluate(wrong, t, channel_axis=None) != pytest.approx(expected, rel=0.1)


# The same positions in another order


@pytest.mark.parametrize("budget", [1, 5000, blocks.BUDGET])
@pytest.mark.parametrize(
    ("dim", "order"),
    [
        ("level", [2, 1, 0]),
        ("time", [4, 3, 2, 1, 0]),
        ("time", [1, 2, 0, 4, 3]),
        ("y", list(range(12))[::-1]),
        ("x", [*range(5, 16), *range(5)]),
    ],
)
def test_another_order_is_brought_into_that_of_the_truth(written, capsys, monkeypatch, dim, order, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t = fields()
    given = {"y": np.arange(12.0), "x": np.arange(16.0)}
    stored = dataset(p, **given).isel({dim: order})
    files = written(stored, dataset(t, **given))
    assert_right(compare(capsys, *files), [dim], stored["t"].values)
    found = compare(capsys, *files, "--per", "level")["per"]["rows"]
    for row, x, y in zip(found, np.moveaxis(p, 1, 0), np.moveaxis(t, 1, 0), strict=True):
        assert row["field_error"] == pytest.approx(float(sl.field_error(x, y, channel_axis=None)), rel=1e-12)


def test_a_position_that_is_there_twice_stays_where_it_is(written, capsys):
    p, t = fields()
    times = TIMES[[0, 1, 1, 3, 4]]
    assert_right(compare(capsys, *written(dataset(p, time=times), dataset(t, time=times))), [])
    files = written(dataset(p, time=times).isel(time=[1, 0, 2, 3, 4]), dataset(t, time=times))
    told = "time has 2020-01-01T06:00 more than once, and is in another order in p.nc than in t.nc"
    assert refused(capsys, *files) == told


def test_members_and_channels_by_name(written, capsys):
    p, t = fields()
    dims, names = ("member", "channel", "y", "x"), {"member": np.arange(5), "channel": ["u", "v", "w"]}
    stored = dataset(p, dims, **names).isel(member=[3, 1, 4, 0, 2], channel=[2, 0, 1])
    found = compare(capsys, *written(stored, dataset(t, dims, **names)), "--per", "channel")
    assert found["reordered"] == ["member", "channel"]
    assert found["field_error"] == pytest.approx(float(sl.field_error(p, t)), rel=1e-12)
    assert [row["coordinate"] for row in found["per"]["rows"]] == ["u", "v", "w"]


def test_what_was_moved_is_said(written, capsys):
    p, t = fields()
    files = written(dataset(p).isel(level=[2, 1, 0], time=[4, 3, 2, 1, 0]), dataset(t))
    assert main(["compare", *files]) == 0
    assert "brought into the order of t.nc: time, level\n" in capsys.readouterr().out
    assert main(["compare", files[1], files[1]]) == 0
    assert "brought into" not in capsys.readouterr().out


def test_latitude_that_runs_the_other_way_under_another_name(written, capsys):
    p, t = fields()
    north = {"latitude": np.linspace(20, 42, 12), "longitude": np.linspace(3, 18, 16)}
    stored = dataset(p, ("time", "level", "latitude", "longitude"), **north).isel(latitude=slice(None, None, -1))
    stored = stored.rename(latitude="lat", longitude="lon")
    files = written(stored, dataset(t, ("time", "level", "latitude", "longitude"), **north))
    assert_right(compare(capsys, *files), ["latitude"], stored["t"].values)


def test_longitude_and_latitude_of_a_square_grid_under_other_names(written, capsys):
    rng = np.random.default_rng(0)
    t = rng.standard_normal((2, 12, 12))
    p = t + 0.1 * rng.standard_normal(t.shape)
    north = np.linspace(20, 42, 12)
    truth = xarray.Dataset({"t": (("time", "latitude", "longitude"), t)}, {"latitude": north, "longitude": north})
    stored = xarray.Dataset({"t": (("time", "lat", "lon"), p)}, {"lat": north, "lon": north})
    found = compare(capsys, *written(stored.transpose("lon", "time", "lat"), truth))
    assert found["field_error"] == pytest.approx(float(sl.field_error(p, t, channel_axis=None)), rel=1e-12)


@pytest.mark.parametrize("rounding", [0, 1e-5, -1e-5])
@pytest.mark.parametrize("first", [-180, -170, 0])
def test_longitudes_from_the_other_side(written, capsys, first, rounding):
    p, t = fields()
    dims, east = ("time", "level", "lat", "lon"), np.arange(0, 360, 22.5)
    turn = int(np.argmin(abs(np.mod(east - first, 360))))
    mine = np.mod(np.roll(east, -turn) - first + 1e-9, 360) + first + rounding
    stored = dataset(np.roll(p, -turn, -1), dims, lon=mine.astype(np.float32))
    found = compare(capsys, *written(stored, dataset(t, dims, lon=east)))
    assert_right(found, ["lon"] if turn else [], stored["t"].values if turn else None)


# Other positions


@pytest.mark.parametrize(
    ("dim", "mine", "wanted", "said"),
    [
        ("time", TIMES + np.timedelta64(6, "h"), TIMES, "time differs: 2020-01-01T06:00 in p.nc, 2020-01-01 in t.nc"),
        ("time", TIMES + np.timedelta64(10, "m"), TIMES, "time differs: 2020-01-01T00:10 in p.nc"),
        ("level", [1000.0, 850.0, 700.0], LEVELS, "level differs: 700 in p.nc, 500 in t.nc"),
        ("level", [1000.0, 850.0, 500.004], LEVELS[::-1], None),  # what a few decimals lose is no difference
        ("y", np.arange(12.0) + 0.5, np.arange(12.0), "y differs: 0.5 in p.nc, 0 in t.nc"),
        ("y", np.arange(12.0) + 1, np.arange(12.0)[::-1], "y differs: 1 in p.nc, 0 in t.nc"),
        ("member", [0, 1, 2, 3, 5], [0, 1, 2, 3, 4], "member differs: 5 in p.nc, 4 in t.nc"),
        ("model", ["a", "b", "c", "d", "e"], ["a", "b", "d", "e", "f"], "model differs: c in p.nc, d in t.nc"),
        ("model", [0, 1, 2, 3, 4], ["0", "1", "2", "3", "x"], "model differs: 4 in p.nc, x in t.nc"),
        ("lon", np.arange(0, 360, 22.5) + 11.25, np.arange(0, 360, 22.5), "lon differs: 11.25 in p.nc, 0 in t.nc"),
        ("lon", np.arange(16.0), np.arange(16.0) + 180, "lon differs: 0 in p.nc, 180 in t.nc"),
        ("lon", [np.nan, *range(1, 16)], range(16), "lon differs: nan in p.nc"),
        ("lon", range(16), [np.nan, *range(1, 16)], "lon differs: "),
    ],
)
def test_other_positions_are_refused_by_the_first_that_differs(written, capsys, dim, mine, wanted, said):
    p, t = fields()
    instead = {"member": "time", "model": "time", "lon": "x"}.get(dim)
    dims = tuple(dim if each == instead else each for each in DIMS)
    given = [{dim: (dim, np.asarray(each), {"units": "hPa"} if dim == "level" else {})} for each in (mine, wanted)]
    files = written(dataset(p, dims, **given[0]), dataset(t, dims, **given[1]))
    if said is None:
        assert compare(capsys, *files)["reordered"] == [dim]
    else:
        assert said in refused(capsys, *files)


def leads(hours: Any, units: str, dtype: Any = np.float64) -> Any:
    return {"lead_time": ("lead_time", np.asarray(hours, dtype), {"units": units})}


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (leads([6, 12, 18, 24, 30], "hours"), None),
        (leads([0.25, 0.5, 0.75, 1, 1.25], "days"), None),
        (leads([360, 720, 1080, 1440, 1800], "minutes", np.int32), None),
        (leads(np.arange(1, 6) * 21_600 * 10**9, "nanoseconds", np.int64), None),
        (leads([0, 6, 12, 18, 24], "hours"), "lead_time differs: 0 in p.nc, 6 in t.nc"),
        (leads([6, 12, 18, 24, 30], "days"), "lead_time differs: 6 days in p.nc, 6 hours in t.nc"),
        (leads(np.arange(1, 6) * 21_601_000 * 10**6 + 10**12, "nanoseconds", np.int64), "lead_time differs: "),
    ],
)
def test_a_lead_time_that_is_shifted(written, capsys, mine, said):
    p, t = fields()
    dims, wanted = ("lead_time", *DIMS[1:]), leads([6, 12, 18, 24, 30], "hours")
    files = written(dataset(p, dims, **mine), dataset(t, dims, **wanted))
    if said is None:
        found = compare(capsys, *files, "--per", "lead_time")
        assert_right(found, [])
        assert found["per"]["units"] == "hours"
        assert [row["coordinate"] for row in found["per"]["rows"]] == [6, 12, 18, 24, 30]
    else:
        assert said in refused(capsys, *files)


@pytest.mark.parametrize("units", ["hours since 1900-01-01", "days since 2019-12-31 12:00"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_times_from_another_origin(written, capsys, units, dtype):
    p, t = fields()
    mine, truth = dataset(p).isel(time=[4, 3, 2, 1, 0]), dataset(t)
    mine["time"].encoding = {"units": units, "dtype": dtype}
    truth["time"].encoding = {"units": "seconds since 1970-01-01", "dtype": "int64"}
    assert_right(compare(capsys, *written(mine, truth)), ["time"])
    mine = mine.assign_coords(time=mine["time"] + np.timedelta64(6, "h"))
    mine["time"].encoding = {"units": units, "dtype": dtype}
    assert "time differs: 2020-01-01T06:00 in p.nc, 2020-01-01 in t.nc" in refused(capsys, *written(mine, truth))


def test_rounding_of_hours_in_single_precision(written, capsys):
    p, t = fields()
    hourly = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "h")
    mine, truth = dataset(p, time=hourly), dataset(t, time=hourly)
    mine["time"].encoding = {"units": "days since 1900-01-01", "dtype": "float32"}  # three minutes off
    assert_right(compare(capsys, *written(mine, truth)), [])


def test_a_calendar_without_leap_days(written, capsys):
    pytest.importorskip("cftime")
    p, t = fields()
    given = {"time": ("time", np.arange(57.0, 62.0), {"units": "days since 2020-01-01", "calendar": "noleap"})}
    files = written(dataset(p, **given).isel(time=[1, 0, 2, 3, 4]), dataset(t, **given))
    found = compare(capsys, *files, "--per", "time")
    assert_right(found, ["time"])
    assert [row["coordinate"] for row in found["per"]["rows"]][1:3] == ["2020-02-28", "2020-03-01"]
    files = written(
        dataset(p, time=("time", np.arange(57.0, 62.0), {"units": "days since 2020-01-01"})), dataset(t, **given)
    )
    assert "time differs: 2020-02-29 in p.nc, 2020-03-01 in t.nc" in refused(capsys, *files)


@pytest.mark.parametrize("place", [0, 5, -1, slice(None)])
def test_positions_with_gaps_equal_themselves(written, capsys, place):
    p, t = fields()
    east, dims = np.arange(0, 360, 22.5), (*DIMS[:2], "latitude", "longitude")
    east[place] = np.nan
    assert_right(compare(capsys, *written(dataset(p, dims, longitude=east), dataset(t, dims, longitude=east))), [])


def test_single_precision_is_no_difference(written, capsys):
    p, t = fields()
    dims = ("time", "sigma", "y", "x")
    given = {"sigma": [0.995, 0.7001, 0.7], "y": np.arange(12) / 3, "x": 1e6 + np.arange(16.0)}
    single = {name: np.asarray(each, np.float32) for name, each in given.items()}
    assert_right(compare(capsys, *written(dataset(p, dims, **single), dataset(t, dims, **given))), [])
    single["sigma"] = np.asarray([0.995, 0.7001, 0.6999], np.float32)
    assert "sigma differs: 0.6999 in p.nc, 0.7 in t.nc" in refused(
        capsys, *written(dataset(p, dims, **single), dataset(t, dims, **given))
    )


# Units


@pytest.mark.parametrize(
    ("mine", "wanted", "same"),
    [
        ("m s**-1", "m s-1", True),
        ("m/s", "m s^-1", True),
        ("kelvin", "K", True),
        ("kg kg**-1", "1", True),
        ("", "K", True),
        ("knots", "m s-1", False),
        ("degC", "K", False),
        ("mm", "Mm", False),
        ("hours", "days", False),
    ],
)
def test_other_units_are_refused(written, capsys, mine, wanted, same):
    p, t = fields()
    files = written(dataset(p, units=mine), dataset(t, units=wanted))
    if same:
        assert_right(compare(capsys, *files), [])
    else:
        assert refused(capsys, *files) == f"units differ: {mine!r} in p.nc, {wanted!r} in t.nc"


@pytest.mark.parametrize(("units", "same"), [("millibars", True), ("Pa", False), ("m", False), ("", True)])
def test_other_units_of_positions_are_refused(written, capsys, units, same):
    p, t = fields()
    files = written(dataset(p, level=("level", LEVELS, {"units": units})), dataset(t))
    if same:
        assert_right(compare(capsys, *files), [])
    else:
        assert refused(capsys, *files) == f"units of level differ: {units!r} in p.nc, 'hPa' in t.nc"


# Without positions, and of rows


def test_without_positions_files_are_compared_as_they_are(written, capsys):
    p, t = fields()
    plain = xarray.Dataset({"t": (DIMS, p)})
    assert_right(compare(capsys, *written(plain, dataset(t))), [])
    assert_right(compare(capsys, *written(dataset(p), xarray.Dataset({"t": (DIMS, t)}))), [])
    np.save("p.npy", p)
    assert_right(compare(capsys, "p.npy", "t.nc"), [])


def test_a_value_that_is_not_finite_is_named_where_it_is_stored(written, capsys):
    p, t = fields()
    p[1, 0, 2, 3] = np.nan
    stored = dataset(p).isel(time=[4, 3, 2, 1, 0], level=[2, 1, 0])
    assert "p.nc is not finite at [3, 2, 2, 3]" in refused(capsys, *written(stored, dataset(t)))
    turned = stored.transpose("x", "y", "level", "time")
    assert "p.nc is not finite at [3, 2, 2, 3]" in refused(capsys, *written(turned, dataset(t)))


@pytest.mark.parametrize(
    ("per", "labels", "values", "units", "words"),
    [
        ("level", ["1000", "850", "500"], [1000, 850, 500], "hPa", "level (hPa)"),
        (
            "time",
            ["2020-01-01", "2020-01-01T06:00", "2020-01-01T12:00", "2020-01-01T18:00", "2020-01-02"],
            None,
            None,
            "time",
        ),
    ],
)
@pytest.mark.parametrize("which", ["both", "prediction"])
def test_rows_are_called_by_their_positions(written, capsys, per, labels, values, units, words, which):
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib")
    p, t = fields()
    files = written(dataset(p), dataset(t) if which == "both" else xarray.Dataset({"t": (DIMS, t)}))
    found = compare(capsys, *files, "--per", per)["per"]
    assert [row["index"] for row in found["rows"]] == list(range(len(labels)))
    assert [row["coordinate"] for row in found["rows"]] == (values or labels)
    assert found["units"] == units
    drawn = ["--plot", "drawn.svg"] if which == "both" else []
    assert main(["compare", *files, "--per", per, *drawn]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    for label in labels:
        assert sum(row[:1] == [label] for row in rows) == 3  # in all tables
    if drawn:
        assert words in Path("drawn.svg").read_text()
        assert "index along" not in Path("drawn.svg").read_text()


def test_rows_whose_positions_are_in_no_order_are_drawn_by_index(written, capsys):
    pytest.importorskip("matplotlib")
    p, t = fields()
    jumbled = {"level": ("level", LEVELS[[1, 0, 2]])}
    files = written(dataset(p, **jumbled), dataset(t, **jumbled))
    found = compare(capsys, *files, "--per", "level", "--plot", "drawn.svg")
    assert [row["coordinate"] for row in found["per"]["rows"]] == [850, 1000, 500]
    assert "index along level" in Path("drawn.svg").read_text()
