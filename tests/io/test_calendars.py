"""Times of any calendar, and positions that belong to no dimension: compared by value, and refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spectral_losses.io import align, open_array, select
from spectral_losses.io.calendars import from_dates, parts, span, words
from spectral_losses.io.errors import FieldFileError

xarray = pytest.importorskip("xarray")
cftime = pytest.importorskip("cftime")
pytest.importorskip("netCDF4")

DAYS = np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]")
FIELD = np.random.default_rng(0).standard_normal((6, 3, 4))


def saved(name: str, **coordinates: Any) -> str:
    data = xarray.Dataset({"t": (("time", "y", "x"), FIELD)}, coords=coordinates)
    data.to_netcdf(name)
    return name


def months(calendar: str) -> Any:
    return xarray.date_range("2000-01-30", periods=6, freq="6h", calendar=calendar, use_cftime=True)


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "all_leap", "julian"])
def test_dates_and_their_parts(calendar):
    dates = np.asarray([cftime.datetime(1850, 1, 1, calendar=calendar) + i * cftime_step(i) for i in range(60)])
    times, name = from_dates(dates)
    assert name == calendar
    assert words(times, calendar).tolist() == [each.isoformat() for each in dates]
    found = parts(times.reshape(6, 10), calendar)
    for part, of in (("month", "month"), ("dayofyear", "dayofyr"), ("hour", "hour")):
        np.testing.assert_array_equal(found[part].ravel(), [getattr(each, of) for each in dates])


def cftime_step(i: int) -> Any:
    from datetime import timedelta

    return timedelta(days=7 * i + 1, hours=5)


def test_parts_are_those_of_xarray():
    times = np.datetime64("1899-12-30T23:59:59", "s") + np.arange(900) * np.timedelta64(987654, "s")
    found = parts(times.astype(float), None)
    of = xarray.DataArray(times.astype("datetime64[ns]")).dt
    for part in ("month", "dayofyear", "hour"):
        np.testing.assert_array_equal(found[part], getattr(of, part))
    # A time that a few decimals put before the hour, before 1970 and after it.
    for hour in (times[0].astype(float) + 1, 6 * 3600.0):
        for calendar in (None, "noleap"):
            assert parts(np.array([hour - 1e-4]), calendar)["hour"] == [hour // 3600 % 24]


@pytest.mark.parametrize("calendar", ["noleap", "360_day", None])
@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2001", "2002-01-01"),
        ("2001-12", "2002-01-01"),
        ("2001-02", "2001-03-01"),
        ("2001-02-28T06", "2001-02-28T07:00"),
        ("2001-02-28T06:30", "2001-02-28T06:31"),
        ("2001-02-28T06:30:15", "2001-02-28T06:30:15"),
    ],
)
def test_what_a_date_stands_for(calendar, text, end):
    first, last = span(text, calendar)
    assert last == span(end, calendar)[0]
    if calendar is None:
        assert first == (np.datetime64(text) - np.datetime64(0, "s")).astype("timedelta64[s]").astype(float)
    days = {"noleap": 365, "360_day": 360, None: 365}[calendar]
    assert np.subtract(*span("2001", calendar)) == -days * 86400
    assert span("2001-02-28T06:30:15.5", calendar)[0] == span("2001-02-28T06:30:15", calendar)[0] + 0.5


def test_dates_that_a_calendar_lacks():
    assert span("2001-02-30", "360_day")[1] == span("2001-03-01", "360_day")[0]
    with pytest.raises(ValueError, match=r"'2004-02-29' is no date of the calendar noleap"):
        span("2004-02-29", "noleap")
    with pytest.raises(ValueError, match=r"'2001-02-29' is no date$"):
        span("2001-02-29", None)


def test_alignment_and_selection_by_date(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for calendar in ("noleap", "360_day"):
        saved("a.nc", time=months(calendar))
        saved("b.nc", time=months(calendar)[::-1])
        saved("c.nc", time=months(calendar).shift(1, "6h"))
        data = xarray.Dataset({"t": (("time", "y", "x"), FIELD)}, coords={"time": months(calendar)})
        data.time.encoding |= {"units": "days since 1999-12-01", "dtype": "f4"}
        data.to_netcdf("d.nc")
        with open_array("a.nc") as a, open_array("b.nc") as b, open_array("c.nc") as c, open_array("d.nc") as d:
            whole = tuple(slice(0, n) for n in FIELD.shape)
            np.testing.assert_array_equal(align(b, a).array.read(whole), FIELD[::-1])
            assert align(d, a).moved == ()  # whatever it is counted from
            with pytest.raises(FieldFileError, match=r"time differs: 2000-01-30T06:00 in c.nc, 2000-01-30 in a.nc"):
                align(c, a)
            found = select(a, "time", "2000-01-30")
            assert found is not None
            assert found.shape == (4, 3, 4)
            assert found.coordinates["time"].label(3) == "2000-01-30T18:00"
    saved("s.nc", time=months("standard"))
    with open_array(saved("n.nc", time=months("noleap"))) as n, open_array("s.nc") as s:
        assert align(n, s).moved == ()  # the same dates
        with open_array("a.nc") as a, pytest.raises(FieldFileError, match=r"time differs: 2000-02-01 in a.nc"):
            align(a, s)


def test_without_cftime_calendars_are_units(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved("a.nc", time=months("noleap"))
    saved("b.nc", time=months("360_day"))
    monkeypatch.setattr("spectral_losses.io.labelled._times", lambda variable: None)
    with open_array("a.nc") as a, open_array("b.nc") as b:
        told = r"units of time differ: .* \(360_day\)' in b.nc, .* \(noleap\)' in a.nc"
        with pytest.raises(FieldFileError, match=told):
            align(b, a)
        assert align(a, a).moved == ()


@pytest.mark.parametrize(
    ("mine", "wanted", "told"),
    [
        ({"level": 500.0}, {"level": 850.0}, "level differs: 500 in a.nc, 850 in b.nc, along no dimension of theirs"),
        ({"level": 500.0}, {"level": np.float32(500)}, None),
        ({"level": ((), 500.0, {"units": "hPa"})}, {"level": ((), 500.0, {"units": "Pa"})}, "units of level differ"),
        ({"level": 500.0}, {"height": 2.0}, None),
        ({"day": DAYS[0]}, {"day": DAYS[1]}, "day differs: 2020-01-01 in a.nc, 2020-01-02 in b.nc"),
        ({"model": "one"}, {"model": "another"}, None),
        ({"step": ((), 6, {"standard_name": "forecast_period"})}, {"step": ((), 0)}, None),
    ],
)
def test_positions_of_no_dimension(tmp_path, monkeypatch, mine, wanted, told):
    monkeypatch.chdir(tmp_path)
    with open_array(saved("a.nc", **mine)) as a, open_array(saved("b.nc", **wanted)) as b:
        if told is None:
            assert align(a, b).moved == ()
            return
        with pytest.raises(FieldFileError, match=told):
            align(a, b)


def test_times_that_are_counted_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    times = np.datetime64("2020-02-27T00", "ns") + np.arange(6) * np.timedelta64(12, "h")
    for name, units in (
        ("h", "hours since 1900-01-01"),
        ("d", "days since 2020-01-01 06:00"),
        ("s", "seconds since 1970-01-01"),
    ):
        data = xarray.Dataset({"t": (("time", "y", "x"), FIELD)}, coords={"time": times})
        data.time.encoding |= {"units": units, "dtype": "f8"}
        (data if name == "h" else data.isel(time=slice(None, None, -1))).to_netcdf(f"{name}.nc")
    with open_array("h.nc") as h:
        for name in ("d.nc", "s.nc"):
            with open_array(name) as other:
                assert align(other, h).moved == ("time",)
