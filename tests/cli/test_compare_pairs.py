"""Skill by lead time, level and variable of forecasts in the layout of WeatherBench 2, in one command."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.transforms.sphere import AreaWeights

xarray = pytest.importorskip("xarray")
pandas = pytest.importorskip("pandas")
pytest.importorskip("zarr")
pytest.importorskip("netCDF4")

SPHERE = sl.Sphere("equiangular")
LATITUDES, LONGITUDES = np.linspace(-90, 90, 19), np.arange(0, 360, 10.0)
LEVELS, LEADS = np.array([850, 500]), np.array([0, 12, 36])
TIMES = np.datetime64("2020-01-01", "ns") + np.arange(12) * np.timedelta64(12, "h")
NUMBERS = ("field_error", "spectrum_error")


def flow(times: Any, level: float) -> tuple[Any, Any]:
    """A temperature and a zonal wind of waves that drift around the earth, faster with height: an exact solution."""
    days = ((times - TIMES[0]) / np.timedelta64(1, "D"))[..., None, None]
    north, east = np.radians(LATITUDES)[:, None], np.radians(LONGITUDES)
    wave = sum(np.cos(north) ** m * np.cos(m * (east - 0.2 * days * 500 / level) + m) for m in (1, 2, 5))
    return 250 + level / 50 + 8 * np.cos(2 * north) + wave, 10 * np.cos(north) * np.sin(north) + 2 * wave * np.cos(
        north
    )


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Analyses by time, and forecasts by initial and lead time that drift too slowly and lose their smallest wave."""
    monkeypatch.chdir(tmp_path)
    space = {"level": LEVELS, "latitude": LATITUDES, "longitude": LONGITUDES}
    inits = TIMES[:8:2]
    valid = inits[:, None] + LEADS * np.timedelta64(1, "h")
    late = inits[:, None] + 0.8 * LEADS * np.timedelta64(1, "h")
    truth, prediction = {}, {}
    for i, name in enumerate(("temperature", "u_component_of_wind")):
        truth[name] = np.stack([flow(TIMES, level)[i] for level in LEVELS], 1)
        prediction[name] = np.stack([flow(late, level)[i] for level in LEVELS], 2)
    dims = ("time", *space)
    coords = {"time": TIMES, **space}
    xarray.Dataset({name: (dims, x) for name, x in truth.items()}, coords=coords).to_zarr(
        "era5.zarr", consolidated=False
    )
    dims = ("time", "prediction_timedelta", *space)
    coords = {"time": inits, "prediction_timedelta": ("prediction_timedelta", LEADS, {"units": "hours"}), **space}
    forecast = xarray.Dataset({name: (dims, x) for name, x in prediction.items()}, coords=coords)
    forecast.to_zarr("forecast.zarr", consolidated=False)
    hours = {"hour": np.arange(0, 24, 12), "dayofyear": np.arange(1, 8), **space}
    mean = {name: (tuple(hours), np.broadcast_to(x.mean(0), (2, 7, *x.shape[1:]))) for name, x in truth.items()}
    xarray.Dataset(mean, coords=hours).to_netcdf("usual.nc")
    places = np.searchsorted(TIMES, valid)
    return prediction, {name: x[places] for name, x in truth.items()}, {name: x.mean(0) for name, x in truth.items()}


def compare(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["compare", *argv, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


FORECAST = ["forecast.zarr", "era5.zarr", "--init-time", "time", "--lead-time", "prediction_timedelta"]


@pytest.mark.parametrize("budget", [1, blocks.BUDGET])
def test_skill_by_lead_time_level_and_variable(archive, capsys, monkeypatch, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    prediction, truth, usual = archive
    argv = [*FORECAST, "--variable", "temperature,u_component_of_wind", "--climatology", "usual.nc"]
    argv += ["--per", "prediction_timedelta,level", "--table", "skill.csv"]
    found = compare(capsys, *argv)
    skill = pandas.read_csv("skill.csv").dropna(subset="level").set_index(["variable", "prediction_timedelta", "level"])
    weights = np.broadcast_to(AreaWeights("equiangular", (19, 36)).weights() / (19 * 36), (19, 36))

    def mean(x):
        return np.sum(x * weights, axis=(-2, -1))

    assert len(skill) == 2 * 3 * 2
    for of_variable in found["variables"]:
        name = of_variable["variable"]
        assert of_variable["per"]["name"] == ["prediction_timedelta", "level"]
        assert of_variable["dims"] == ["time", "prediction_timedelta", "level", "latitude", "longitude"]
        rows = iter(of_variable["per"]["rows"])
        for i, lead in enumerate(LEADS):
            for j, level in enumerate(LEVELS):
                p, t, c = prediction[name][:, i, j], truth[name][:, i, j], usual[name][j]
                row = next(rows)
                assert (row["index"], row["coordinate"]) == ([i, j], [lead, level])
                expected = sl.evaluate(p, t, channel_axis=None, grid=SPHERE)
                assert {key: row[key] for key in NUMBERS} == pytest.approx(
                    {key: expected[key] for key in NUMBERS}, abs=1e-12
                )
                rmse = np.sqrt(mean((p - t) ** 2).mean())
                a, b = p - c, t - c
                correlation = (mean(a * b) / np.sqrt(mean(a * a) * mean(b * b))).mean()
                for got in (row, skill.loc[name, lead, level]):
                    assert got["rmse"] == pytest.approx(rmse, abs=1e-12)
                    assert got["bias"] == pytest.approx(mean(p - t).mean(), abs=1e-12)
                    assert got["anomaly_correlation"] == pytest.approx(correlation)
    # All of it together is what it is without rows.
    plain = compare(capsys, *argv[:-4])
    for with_rows, without in zip(found["variables"], plain["variables"], strict=True):
        for key in ("rmse", "bias", "anomaly_correlation", *NUMBERS):
            assert with_rows[key] == pytest.approx(without[key])
        np.testing.assert_allclose(with_rows["spectra"]["truth"], without["spectra"]["truth"], atol=1e-12)


def test_rows_of_two_axes_everywhere(archive, capsys):
    pytest.importorskip("rich")
    pytest.importorskip("plotly")
    argv = [*FORECAST, "--variable", "temperature", "--per", "level,prediction_timedelta"]
    assert main(["compare", *argv, "--plot", "a.png", "--report", "a.html", "--spectra", "s.csv"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert sum(line[:2] == ["500", "36"] for line in lines) == 3
    spectra = pandas.read_csv("s.csv")
    assert spectra.groupby(["level", "prediction_timedelta"]).size().tolist() == [9] * 6
    one = compare(
        capsys, *FORECAST, "--variable", "temperature", "--sel", "level=500", "--isel", "prediction_timedelta=2"
    )
    part = spectra[(spectra["level"] == 500) & (spectra["prediction_timedelta"] == 36)]
    np.testing.assert_allclose(part["difference"], one["spectra"]["difference"][0], atol=1e-12)


@pytest.mark.parametrize("losses", ["adjusted_error", "log_spectral_distance"])
@pytest.mark.parametrize("per", [(0, 1), (1, 0), (1, 2), (0, 2)])
def test_axes_without_names(tmp_path, capsys, monkeypatch, per, losses):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    t = rng.standard_normal((3, 2, 4, 2, 8, 10)) * np.arange(1, 4).reshape(3, 1, 1, 1, 1, 1)
    p = t + 0.5 * rng.standard_normal(t.shape)
    np.save("p.npy", p)
    np.save("t.npy", t)
    found = compare(capsys, "p.npy", "t.npy", "--per", ",".join(map(str, per)), "--losses", losses)
    plain = compare(capsys, "p.npy", "t.npy", "--losses", losses)
    for name in (*NUMBERS, "rmse", "bias"):
        assert found[name] == pytest.approx(plain[name])
    assert found["losses"] == pytest.approx(plain["losses"])
    behind = ",".join(str(axis - t.ndim) for axis in per)
    assert compare(capsys, "p.npy", "t.npy", "--per", behind, "--losses", losses) == found
    assert (found["per"]["axis"], found["per"]["name"], found["shape"]) == (list(per), [None, None], list(t.shape))
    rows = found["per"]["rows"]
    assert len(rows) == t.shape[per[0]] * t.shape[per[1]]
    for row in rows:
        at = dict(zip(per, row["index"], strict=True))
        part = tuple(slice(at[axis], at[axis] + 1) if axis in at else slice(None) for axis in range(6))
        expected = sl.evaluate(p[part], t[part], losses=[*NUMBERS, losses])
        assert {**{name: row[name] for name in NUMBERS}, **row["losses"]} == pytest.approx(expected)


def test_pairs_of_axes_that_are_refused(archive, capsys):
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.standard_normal((3, 2, 8, 8)))
    for argv, told in (
        (["x.npy", "x.npy", "--per", "0,1"], "--per: axis 1 is the axis of channels, and goes alone"),
        (["x.npy", "x.npy", "--per", "0,0"], "--per: axis 0 twice"),
        (["x.npy", "x.npy", "--per", "0,2"], "--per: axis 2 is space"),
        (["x.npy", "x.npy", "--per", "0,1,2"], "argument --per: takes one or two axes, got '0,1,2'"),
        (
            ["x.npy", "x.npy", "--channel-axis", "none", "--per", "0,1", "--nan", "skip"],
            "--nan skip: leaves out positions",
        ),
        ([*FORECAST, "--variable", "temperature", "--per", "level,lead"], "--per: no dimension 'lead'; there are "),
    ):
        assert main(["compare", *argv]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        assert told in printed.err
