"""``--mask cos-latitude``: means over a region by area, and no other number."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main

xarray = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")

DIMS = ("time", "latitude", "longitude")
LATITUDES = np.linspace(70, 30, 17)


def compare(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["compare", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main([*argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("spectral-losses: error: ").rstrip()


@pytest.fixture
def region(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    t = rng.standard_normal((4, 17, 20)) * np.linspace(1, 3, 17)[:, None]
    p = t + 0.3 * rng.standard_normal(t.shape) * np.linspace(3, 1, 17)[:, None]
    where = {"latitude": LATITUDES, "longitude": np.arange(20.0)}
    for name, each in (("p", p), ("t", t), ("c", t.mean(0, keepdims=True)), ("m", (rng.random((1, 17, 20)) > 0.2) * 1)):
        data = xarray.Dataset({"u": (DIMS, each)}, coords=where)
        (data if len(each) > 1 else data.isel(time=0)).to_netcdf(f"{name}.nc")
    return p, t, t.mean(0)


ARGV = ("p.nc", "t.nc", "--grid", "plane", "--climatology", "c.nc", "--losses", "correlation_error,coherence_error")


def test_means_over_space_are_weighed_and_spectra_are_not(region, capsys):
    p, t, c = region
    found = compare(capsys, *ARGV, "--per", "time", "--mask", "cos-latitude")
    plain = compare(capsys, *ARGV)
    weights = np.broadcast_to(np.cos(np.radians(LATITUDES))[:, None], (17, 20))
    assert found["field_error"] == pytest.approx(float(sl.field_error(p, t, channel_axis=None, mask=weights)))
    assert found["losses"]["correlation_error"] == pytest.approx(
        float(sl.correlation_error(p, t, channel_axis=None, mask=weights))
    )
    error, a, b = p - t, p - c, t - c

    def mean(x):
        return np.average(x, axis=(-2, -1), weights=np.broadcast_to(weights, x.shape))

    assert found["rmse"] == pytest.approx(np.sqrt(mean(error**2).mean()))
    assert found["bias"] == pytest.approx(mean(error).mean())
    assert found["anomaly_correlation"] == pytest.approx((mean(a * b) / np.sqrt(mean(a * a) * mean(b * b))).mean())
    assert found["per"]["rows"][2]["rmse"] == pytest.approx(np.sqrt(mean(error[2] ** 2)))
    for name in ("rmse", "field_error", "bias", "anomaly_correlation"):
        assert abs(found[name] / plain[name] - 1) > 1e-3  # it makes a difference
    for name in ("spectra", "bands", "spectrum_error", "effective_resolution"):
        assert found[name] == plain[name]
    assert found["losses"]["coherence_error"] == plain["losses"]["coherence_error"]


def test_the_table_says_what_is_weighed(region, capsys):
    assert main(["compare", *ARGV, "--mask", "cos-latitude"]) == 0
    said = (
        "weighed by the cosine of the latitude: means over space (RMSE, field error and the like), not spectra or bands"
    )
    assert said in capsys.readouterr().out
    assert main(["compare", *ARGV]) == 0
    assert "weighed" not in capsys.readouterr().out


def test_weights_of_two_masks_are_multiplied(region, capsys):
    p, t, _ = region
    found = compare(capsys, *ARGV, "--mask", "m.nc", "--mask", "cos-latitude")
    with xarray.open_dataset("m.nc") as data:
        weights = data["u"].values * np.cos(np.radians(LATITUDES))[:, None]
    assert found["options"]["mask"] == ["m.nc", "cos-latitude"]
    assert found["field_error"] == pytest.approx(float(sl.field_error(p, t, channel_axis=None, mask=weights)))
    assert found["spectrum_error"] == pytest.approx(float(sl.spectrum_error(p, t, channel_axis=None, mask=weights > 0)))


def test_products_of_bytes_do_not_overflow(region, capsys):
    p, t, _ = region
    weights = np.where(np.arange(20) % 2, 16, 1).astype(np.uint8) * np.ones((17, 1), np.uint8)
    np.save("w.npy", weights)
    found = compare(capsys, *ARGV, "--mask", "w.npy", "--mask", "w.npy")
    expected = float(sl.field_error(p, t, channel_axis=None, mask=weights.astype(float) ** 2))
    assert found["field_error"] == pytest.approx(expected)


def test_latitudes_of_a_rotated_grid(region, capsys):
    for name in ("p", "t"):
        with xarray.open_dataset(f"{name}.nc") as data:
            turned = data.rename(latitude="rlat", longitude="rlon")
            turned.rlat.attrs |= {"standard_name": "grid_latitude", "units": "degrees"}
            turned.to_netcdf(f"r{name}.nc")
    weighed = compare(capsys, "p.nc", "t.nc", "--grid", "plane", "--mask", "cos-latitude")
    assert compare(capsys, "rp.nc", "rt.nc", "--mask", "cos-latitude")["rmse"] == weighed["rmse"]


def test_where_there_are_no_latitudes(region, capsys):
    np.save("a.npy", region[0])
    with xarray.open_dataset("t.nc") as data:
        data.drop_vars("latitude").to_netcdf("n.nc")
        data.assign_coords(latitude=10 * np.arange(17.0)).to_netcdf("x.nc")
    for files, told in (
        ("a.npy", "takes one dimension of latitudes with its coordinate; a.npy has no dimension with a name"),
        ("n.nc", "takes one dimension of latitudes with its coordinate; n.nc has time, latitude, longitude"),
        ("x.nc", "x.nc has latitudes that are none: 0 to 160"),
    ):
        argv = ("compare", files, files, "--grid", "plane", "--mask", "cos-latitude")
        assert refused(capsys, *argv) == f"--mask cos-latitude: {told}"
    told = "--mask: takes a file of weights, or cos-latitude, got 'cos-lat'"
    assert refused(capsys, "compare", "p.nc", "t.nc", "--mask", "cos-lat") == told
    twice = ("compare", "p.nc", "t.nc", "--mask", "cos-latitude", "--mask", "cos-latitude")
    assert refused(capsys, *twice) == "--mask: takes cos-latitude once"
    argv = ("compare", "p.nc", "t.nc", "--spatial-axes", "longitude", "--per", "latitude", "--mask", "cos-latitude")
    assert refused(capsys, *argv).startswith("--mask cos-latitude: latitude is none of the spatial axes")
    assert refused(capsys, "spectrum", "p.nc", "--mask", "cos-latitude").startswith(
        "--mask cos-latitude: a spectrum has"
    )


def test_the_sphere_is_weighed_anyway(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    p, t = np.random.default_rng(0).standard_normal((2, 3, 19, 36))
    where = {"latitude": np.linspace(90, -90, 19), "longitude": np.arange(0, 360, 10.0)}
    for name, each in (("p", p), ("t", t)):
        xarray.Dataset({"u": (DIMS, each)}, coords=where).to_netcdf(f"{name}.nc")
    assert main(["compare", "p.nc", "t.nc", "--mask", "cos-latitude", "--json"]) == 0
    printed = capsys.readouterr()
    assert "--mask cos-latitude changes nothing on the sphere" in printed.err
    assert json.loads(printed.out)["rmse"] == compare(capsys, "p.nc", "t.nc")["rmse"]
    # In a plane the poles count for next to nothing, and are no gaps.
    found = compare(capsys, "p.nc", "t.nc", "--grid", "plane", "--mask", "cos-latitude")
    assert found["spectra"] == compare(capsys, "p.nc", "t.nc", "--grid", "plane")["spectra"]
