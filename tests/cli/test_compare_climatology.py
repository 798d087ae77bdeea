"""Anomalies from what is usual at the hour, day or month of each time, against brute force."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks

xarray = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")
cftime = pytest.importorskip("cftime")

TIMES = np.datetime64("2019-12-30", "ns") + np.arange(0, 24 * 64, 6) * np.timedelta64(1, "h")
DIMS = ("time", "y", "x")
USUAL = {"hour": np.arange(0, 24, 6), "dayofyear": np.arange(366) + 1}


def compare(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["compare", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["compare", *argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("spectral-losses: error: --climatology: ").rstrip()


def correlation(p: Any, t: Any, c: Any) -> float:
    p, t = p - c, t - c
    product, *squares = (np.mean(each, axis=(-2, -1)) for each in (p * t, p * p, t * t))
    return float(np.mean(product / np.sqrt(squares[0] * squares[1])))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Analyses, forecasts from some of their times, and climatologies by hour and day, by month, and of one season."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    truth = xarray.DataArray(rng.standard_normal((len(TIMES), 6, 8)), dims=DIMS, coords={"time": TIMES}, name="t")
    usual = xarray.DataArray(rng.standard_normal((4, 366, 6, 8)), dims=(*USUAL, "y", "x"), coords=USUAL, name="t")
    usual.transpose("y", "dayofyear", "x", "hour").to_netcdf("daily.nc")  # in any order
    usual.mean("hour").isel(dayofyear=slice(None, None, -1)).to_netcdf("days.nc")
    monthly = xarray.DataArray(
        rng.standard_normal((12, 6, 8)), dims=("month", "y", "x"), coords={"month": range(1, 13)}
    )
    monthly.rename("t").to_netcdf("monthly.nc")
    usual.isel(dayofyear=slice(0, 365)).to_netcdf("short.nc")
    truth.to_netcdf("t.nc")
    (truth + 0.5 * rng.standard_normal(truth.shape)).to_netcdf("p.nc")
    leads = {"time": TIMES[2:200:7], "step": np.array([0, 6, 30, 54])}
    forecast = xarray.DataArray(rng.standard_normal((29, 4, 6, 8)), dims=(*leads, "y", "x"), coords=leads, name="t")
    forecast.step.attrs["units"] = "hours"
    forecast.to_netcdf("f.nc")
    return truth.values, usual, monthly, forecast


def of(usual: Any, times: Any) -> Any:
    """By xarray, as anybody would write it."""
    times = xarray.DataArray(times)
    by = {name: getattr(times.dt, name) for name in ("hour", "dayofyear", "month") if name in usual.dims}
    return usual.sel(by).transpose(..., "y", "x").values


@pytest.mark.parametrize("budget", [1, 4000, blocks.BUDGET])
def test_each_time_has_its_own_usual_field(here, capsys, monkeypatch, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    t, usual, monthly, _ = here
    with xarray.open_dataset("p.nc") as data:
        p = data["t"].values
    for name, field in (("daily", usual), ("days", usual.mean("hour")), ("monthly", monthly)):
        found = compare(capsys, "p.nc", "t.nc", "--climatology", f"{name}.nc")
        assert found["anomaly_correlation"] == pytest.approx(correlation(p, t, of(field, TIMES)))
    # One time, which is no dimension any more, and others.
    at = TIMES[246]  # the 29th of February
    found = compare(capsys, "p.nc", "t.nc", "--climatology", "daily.nc", "--sel", f"time={at.astype('datetime64[h]')}")
    assert found["anomaly_correlation"] == pytest.approx(correlation(p[246], t[246], of(usual, at)))


def test_forecasts_go_by_the_time_that_they_are_valid_for(here, capsys):
    t, usual, monthly, forecast = here
    assert "f.nc has lead times along step, and t.nc has not: --init-time" in refused(capsys, "f.nc", "t.nc")
    valid = forecast.time.values[:, None] + forecast.step.values * np.timedelta64(1, "h")
    truth = t[np.searchsorted(TIMES, valid)]
    for name, field in (("daily", usual), ("monthly", monthly)):
        argv = ["--init-time", "time", "--lead-time", "step", "--per", "step", "--climatology", f"{name}.nc"]
        found = compare(capsys, "f.nc", "t.nc", *argv)
        for i, row in enumerate(found["per"]["rows"]):
            expected = correlation(forecast.values[:, i], truth[:, i], of(field, valid[:, i]))
            assert row["anomaly_correlation"] == pytest.approx(expected)


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "all_leap"])
def test_other_calendars(tmp_path, capsys, monkeypatch, calendar):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    times = xarray.date_range("2000-02-27", periods=20, freq="12h", calendar=calendar, use_cftime=True)
    t = xarray.DataArray(rng.standard_normal((20, 6, 8)), dims=DIMS, coords={"time": times}, name="t")
    leads = {"time": times[1:12], "step": ("step", [0.0, 1.5], {"units": "days"})}
    f = xarray.DataArray(rng.standard_normal((11, 2, 6, 8)), dims=("time", "step", "y", "x"), coords=leads, name="t")
    usual = xarray.DataArray(
        rng.standard_normal((2, 366, 6, 8)),
        dims=("hour", "dayofyear", "y", "x"),
        coords={"hour": [0, 12], "dayofyear": np.arange(366) + 1},
        name="t",
    )
    for name, each in (("t", t), ("f", f), ("c", usual)):
        each.to_netcdf(f"{name}.nc")
    argv = ["--init-time", "time", "--lead-time", "step", "--per", "time", "--climatology", "c.nc"]
    found = compare(capsys, "f.nc", "t.nc", *argv)
    places = np.arange(1, 12)[:, None] + np.array([0, 3])
    c = np.stack([of(usual, times[row]) for row in places])
    assert found["anomaly_correlation"] == pytest.approx(correlation(f.values, t.values[places], c))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((f.values - t.values[places]) ** 2)))
    assert [row["coordinate"] for row in found["per"]["rows"]] == [
        each.isoformat().removesuffix(":00").removesuffix("T00:00") for each in times[1:12]
    ]
    # Days of one calendar are none of another one.
    t.assign_coords(time=xarray.date_range("2000-02-27", periods=20, freq="12h")).to_netcdf("s.nc")
    told = f"--init-time time, --lead-time step: calendars differ: {calendar} in f.nc, standard in s.nc"
    assert told in refused(capsys, "f.nc", "s.nc", *argv)


def test_times_that_have_nothing_usual(here, capsys):
    with xarray.open_dataset("t.nc") as data:
        data.drop_vars("time").to_netcdf("n.nc")
        odd = data.isel(time=slice(0, 4)).assign_coords(time=TIMES[:4] + np.timedelta64(90, "m"))
        odd.to_netcdf("odd.nc")
    with xarray.open_dataset("f.nc") as data:
        data.to_netcdf("leads.nc")
    with xarray.open_dataset("monthly.nc") as data:
        data.drop_vars("month").to_netcdf("bare.nc")
    for field, usual, told in (
        ("n.nc", "daily.nc", "daily.nc goes by dayofyear and hour, and n.nc has no times"),
        ("odd.nc", "daily.nc", "daily.nc has no hour 1, that of 2019-12-30T01:30"),
        ("t.nc", "bare.nc", "month of bare.nc has no coordinate of numbers"),
        (
            "leads.nc",
            "days.nc",
            "days.nc goes by dayofyear, and leads.nc has step, which are lead times: name both",
        ),
    ):
        assert refused(capsys, field, field, "--climatology", usual).startswith(told)
    with xarray.open_dataset("t.nc") as data:
        data.isel(time=slice(0, 12)).assign_coords(time=TIMES[:12] + np.timedelta64(366, "D")).to_netcdf("leap.nc")
    told = "short.nc has no dayofyear 366, that of 2020-12-31"
    assert refused(capsys, "leap.nc", "leap.nc", "--climatology", "short.nc") == told
