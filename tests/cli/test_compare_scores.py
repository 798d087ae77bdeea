"""RMSE, bias and anomaly correlation against brute force, and everything of a picture in JSON."""

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
pytest.importorskip("netCDF4")

TIMES = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(1, "D")


def compare(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["compare", *argv, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def fields(shape: tuple[int, ...], spatial: int = 2) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    usual = 280 + rng.standard_normal(shape[-spatial:])
    truth = usual + rng.standard_normal(shape) * (1 + np.arange(shape[0])).reshape(-1, *[1] * (len(shape) - 1))
    return truth + 0.5 * rng.standard_normal(shape) + 0.1, truth, usual


def correlation(p: Any, t: Any, c: Any, weights: Any, axes: tuple[int, ...] = (-2, -1)) -> float:
    p, t = p - c, t - c
    top, *below = (np.sum(weights * each, axis=axes) for each in (p * t, p * p, t * t))
    return float(np.mean(top / np.sqrt(below[0] * below[1])))


@pytest.fixture
def globe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    p, t, c = fields((5, 2, 19, 36))
    space = {"latitude": np.linspace(-90, 90, 19), "longitude": np.arange(0, 360, 10.0)}
    rest = {"time": TIMES, "level": [850.0, 500.0]}
    for name, each in (("p", p), ("t", t)):
        data = xarray.Dataset({"t": ((*rest, *space), each, {"units": "K"})}, coords={**rest, **space})
        data.to_netcdf(f"{name}.nc")
    xarray.Dataset({"t": (tuple(space), c, {"units": "K"})}, coords=space).isel(
        latitude=slice(None, None, -1)
    ).to_netcdf("c.nc")
    return p, t, c


@pytest.mark.parametrize("budget", [1, blocks.BUDGET])
@pytest.mark.parametrize("grid", ["sphere", "plane"])
def test_scores_are_those_of_brute_force(globe, capsys, monkeypatch, grid, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t, c = globe
    found = compare(capsys, "p.nc", "t.nc", "--climatology", "c.nc", "--per", "level", "--grid", grid)
    weights = np.ones((19, 36)) / (19 * 36)
    if grid == "sphere":
        weights = np.broadcast_to(AreaWeights("equiangular", (19, 36)).weights(), (19, 36)) / (19 * 36)
        # Near to the cosine of the latitude, as any verification has it.
        cosine = np.cos(np.radians(np.linspace(-90, 90, 19)))
        np.testing.assert_allclose(weights[:, 0] / weights.sum(0)[0], cosine / cosine.sum(), atol=5e-3)
    for row, x, y in [(found, p, t), *((found["per"]["rows"][i], p[:, i], t[:, i]) for i in range(2))]:
        error = x - y
        assert row["rmse"] == pytest.approx(np.sqrt(np.mean(np.sum(weights * error**2, axis=(-2, -1)))))
        assert row["bias"] == pytest.approx(np.mean(np.sum(weights * error, axis=(-2, -1))))
        assert row["anomaly_correlation"] == pytest.approx(correlation(x, y, c, weights))
    assert found["units"] == "K"


def test_scores_in_the_table(globe, capsys):
    assert main(["compare", "p.nc", "t.nc", "--climatology", "c.nc", "--per", "level"]) == 0
    printed = capsys.readouterr().out
    assert "RMSE (K)" in printed
    assert "bias (K)" in printed
    assert " anomaly correlation " in printed
    assert [line.split()[-3:] for line in printed.splitlines() if "correlation" in line][-1][-1] == "correlation"
    assert main(["compare", "p.nc", "t.nc"]) == 0
    assert "anomaly" not in capsys.readouterr().out


def test_no_anomaly_has_no_correlation(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    p, t, _ = fields((5, 1, 8, 8))
    for name, each in (("p", p), ("t", t)):
        np.save(name, each)
    np.save("c.npy", np.broadcast_to(t, t.shape))
    found = compare(capsys, "p.npy", "t.npy", "--climatology", "c.npy")
    assert found["anomaly_correlation"] is None
    np.save("c.npy", np.concatenate([t[:4], t[4:] - 1]))
    found = compare(capsys, "p.npy", "t.npy", "--climatology", "c.npy")
    assert found["anomaly_correlation"] == pytest.approx(correlation(p[4:], t[4:], t[4:] - 1, 1))


def test_a_climatology_that_does_not_fit(globe, capsys):
    with xarray.open_dataset("c.nc") as usual, xarray.open_dataset("t.nc") as truth:
        usual.expand_dims(season=12).to_netcdf("m.nc")
        truth.expand_dims(season=12).to_netcdf("n.nc")
    for words, told in (
        (["none.nc"], "none.nc: no such file"),
        (["p.nc:u"], "p.nc has no variable 'u'"),
        (
            ["m.nc"],
            "--climatology: the shapes differ: (12, 19, 36) in m.nc, (5, 2, 19, 36) in t.nc; dimensions season,",
        ),
        (["n.nc"], "--climatology: n.nc has season and t.nc has not"),
    ):
        assert main(["compare", "p.nc", "t.nc", "--climatology", *words]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert told in printed.err


@pytest.mark.parametrize("lengths", [None, (2.0, 3.0)])
def test_the_json_has_the_spectra(tmp_path, capsys, monkeypatch, lengths):
    monkeypatch.chdir(tmp_path)
    p, t, _ = fields((5, 2, 16, 12))
    np.save("p.npy", p)
    np.save("t.npy", t)
    found = compare(capsys, "p.npy", "t.npy", *(() if lengths is None else ("--lengths", "2,3")))
    spectra = found["spectra"]
    expected = sl.cross_spectrum(p, t, lengths=lengths)
    shares = np.prod([1 if lengths is None else 2 * np.pi / n for n in lengths or (1,)]) * (16 * 12) ** 2
    for name, power in (("prediction", "power"), ("truth", "target_power"), ("difference", "error_power")):
        np.testing.assert_allclose(spectra[name], getattr(expected, power).mean(0) / shares, rtol=1e-9)
    for name in ("wavenumber", "edges", "counts"):
        np.testing.assert_allclose(spectra[name], getattr(expected, name), rtol=1e-12)
    np.testing.assert_allclose(spectra["energy_ratio"], np.divide(spectra["prediction"], spectra["truth"]))
    coherence = expected.cospectrum.mean(0) / np.sqrt(expected.power.mean(0) * expected.target_power.mean(0))
    np.testing.assert_allclose(spectra["coherence"], coherence, rtol=1e-6)
    assert found["version"] == sl.__version__
    assert main(["spectrum", "p.npy", "--json", *(() if lengths is None else ("--lengths", "2,3"))]) == 0
    (of_file,) = json.loads(capsys.readouterr().out)["files"]
    np.testing.assert_allclose(of_file["power"], spectra["prediction"], rtol=1e-12)


def test_shells_without_energy_have_no_ratio(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.cos(2 * np.pi * 3 * np.arange(16) / 16)
    np.save("t.npy", np.broadcast_to(x, (16, 16)))
    np.save("p.npy", np.broadcast_to(2 * x, (16, 16)))
    spectra = compare(capsys, "p.npy", "t.npy")["spectra"]
    ratio = [None] * 8
    ratio[2] = pytest.approx(4)
    assert spectra["energy_ratio"] == [ratio]
    assert [each is None for each in spectra["coherence"][0]] == [each is None for each in ratio]
