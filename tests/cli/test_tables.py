"""Rows for other programs: the numbers and the spectra of the JSON, whole or not at all."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectral_losses.cli import main
from spectral_losses.cli.ui.tables import save_table

pandas = pytest.importorskip("pandas")
xarray = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")

TIMES = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(18, "h")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Winds on levels at three times."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    dims, coords = ("time", "channel", "y", "x"), {"time": TIMES, "channel": ["up", "down"]}
    for name in ("p", "t"):
        data = {each: (dims, rng.standard_normal((3, 2, 8, 8)), {"units": "m s-1"}) for each in "uv"}
        xarray.Dataset(data, coords=coords).to_netcdf(f"{name}.nc")


def ran(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def read(name: str) -> Any:
    return pandas.read_csv(name) if name.endswith("csv") else pandas.read_parquet(name)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_numbers_and_spectra(here, capsys, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    names = f"rows.{kind}", f"shells.{kind}"
    argv = ["compare", "p.nc", "t.nc", "--variable", "u,v", "--per", "time", "--losses", "adjusted_error"]
    found = ran(capsys, *argv, "--table", names[0], "--spectra", names[1])
    rows, shells = map(read, names)
    rows["time"] = pandas.to_datetime(rows["time"])
    assert rows["variable"].tolist() == ["u"] * 4 + ["v"] * 4
    assert rows["time"].isna().tolist() == [True, False, False, False] * 2
    assert rows["time"][1:4].tolist() == list(pandas.DatetimeIndex(TIMES))
    for of_variable, part in zip(found["variables"], (rows[:4], rows[4:]), strict=True):
        for number, row in zip([of_variable, *of_variable["per"]["rows"]], part.itertuples(), strict=True):
            assert row.rmse == pytest.approx(number["rmse"])
            assert row.adjusted_error == pytest.approx(number["losses"]["adjusted_error"])
            assert row.high_coherence == pytest.approx(number["bands"][2]["coherence"])
            assert row.units == "m s-1"
    whole = shells[shells["time"].isna() & (shells["variable"] == "v")]
    assert len(shells) == 2 * 4 * 2 * 4
    spectra = found["variables"][1]["spectra"]
    for channel, named in enumerate(["up", "down"]):
        part = whole[whole["channel"] == named]
        for name in ("prediction", "truth", "difference", "energy_ratio", "coherence"):
            np.testing.assert_allclose(part[name], spectra[name][channel])
        np.testing.assert_allclose(part["wavenumber"], spectra["wavenumber"])
        np.testing.assert_allclose(np.append(part["lower"], part["upper"].iloc[-1]), spectra["edges"])
        np.testing.assert_array_equal(part["count"], spectra["counts"])
    # Those of each index are those of a comparison of it alone.
    alone = ran(capsys, "compare", "p.nc", "t.nc", "--variable", "v", "--isel", "time=1")["spectra"]
    part = shells[(shells["variable"] == "v") & (pandas.to_datetime(shells["time"]) == TIMES[1])]
    np.testing.assert_allclose(part["difference"], np.ravel(alone["difference"]))
    np.testing.assert_allclose(part["coherence"], np.ravel(alone["coherence"]))


def test_names_and_places_of_rows(here, capsys):
    ran(capsys, "compare", "p.nc:u", "t.nc:u", "--per", "channel", "--table", "a.csv", "--spectra", "b.csv")
    assert read("a.csv")["per_channel"].tolist()[1:] == ["up", "down"]
    shells = read("b.csv")
    assert shells["per_channel"].isna().sum() == shells["channel"].notna().sum() == 8
    np.testing.assert_allclose(shells["truth"][:8], shells["truth"][8:])
    rng = np.random.default_rng(0)
    np.save("p.npy", rng.standard_normal((3, 8, 8)))
    np.save("t.npy", rng.standard_normal((3, 8, 8)))
    argv = ["compare", "p.npy", "t.npy", "--channel-axis", "none", "--per", "0"]
    ran(capsys, *argv, "--spectra", "c.csv", "--table", "d.csv")
    assert read("c.csv")["axis_0"].tolist()[4:] == [0.0] * 4 + [1.0] * 4 + [2.0] * 4
    assert read("c.csv")["channel"].isna().all()
    assert Path("d.csv").read_text().startswith("variable,units,axis_0,field_error,spectrum_error,rmse,bias,low_error,")


def test_spectra_of_files(here, capsys):
    (u, v) = ran(capsys, "spectrum", "p.nc:u", "t.nc:v", "--table", "s.csv")["files"]
    rows = read("s.csv")
    assert rows["file"].tolist() == ["p.nc"] * 8 + ["t.nc"] * 8
    np.testing.assert_allclose(rows["power"], np.ravel([u["power"], v["power"]]))
    assert rows["channel"].tolist() == (["up"] * 4 + ["down"] * 4) * 2
    found = ran(capsys, "spectrum", "p.nc:u+v", "--energy", "--table", "e.csv", "--sel", "channel=up")
    np.testing.assert_allclose(read("e.csv")["energy"], found["files"][0]["energy"][0])


@pytest.mark.parametrize("option", ["--table", "--spectra"])
def test_whole_or_not_at_all(here, capsys, option):
    def refused(*argv: str) -> str:
        assert main(["compare", "p.nc", "t.nc", "--variable", "u", *argv]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        return printed.err.removeprefix("spectral-losses: error: ").rstrip()

    Path("rows.csv").write_text("before")
    os.link("t.nc", "t.csv")
    with xarray.open_dataset("t.nc") as data:
        data.where(data.u < 2).to_netcdf("bad.nc")
    assert main(["compare", "p.nc:u", "bad.nc:u", option, "rows.csv"]) == 2
    assert capsys.readouterr().err.startswith("spectral-losses: error: bad.nc is not finite at")
    assert Path("rows.csv").read_text() == "before"
    assert refused(option, "t.csv") == f"{option}: t.csv: is the same file as t.nc, which is to be read"
    assert refused(option, "none/rows.csv") == f"{option}: none/rows.csv: No such file or directory"
    assert "takes a file that ends in .csv or .parquet, got 'rows.xlsx'" in refused(option, "rows.xlsx")
    assert refused("--table", "x.csv", "--spectra", "./x.csv") == "--spectra: x.csv: is the file of --table"
    assert not Path("x.csv").exists()


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_without_packages(here, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["compare", "p.nc", "t.nc", "--variable", "u", "--table", "a.parquet"]) == 2
    assert f"--table a.parquet needs {package}, which is not installed: pip install" in capsys.readouterr().err
    assert not Path("a.parquet").exists()


def test_positions_of_two_kinds_in_one_column(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    save_table(path, [{"level": None}, {"level": 5.0}, {"level": "top"}], "--table")
    assert pandas.read_parquet(path)["level"].tolist()[1:] == ["5.0", "top"]


@pytest.mark.parametrize(("shape", "coarsest"), [((32, 32), max), ((24, 32), min)], ids=["wavelengths", "wavenumbers"])
def test_the_effective_resolution_of_several_channels_is_the_coarsest(tmp_path, capsys, monkeypatch, shape, coarsest):
    monkeypatch.chdir(tmp_path)
    noise, t = np.random.default_rng(0).standard_normal((2, 3, 2, *shape))
    spectrum = np.fft.rfft2(noise)
    k = np.hypot(shape[0] * np.fft.fftfreq(shape[0])[:, None], np.arange(shape[1] // 2 + 1))
    for channel, lost in enumerate((9, 5)):  # from these wavenumbers on
        spectrum[:, channel] *= 10 * (k > lost)
    np.save("t.npy", t)
    np.save("p.npy", t + np.fft.irfft2(spectrum, s=shape))
    found = ran(capsys, "compare", "p.npy", "t.npy", "--table", "rows.csv")["effective_resolution"]["channels"]
    assert coarsest(found) == found[1] != found[0]
    assert read("rows.csv")["effective_resolution"].tolist() == pytest.approx([found[1]])
