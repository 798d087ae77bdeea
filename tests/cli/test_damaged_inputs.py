"""Damaged inputs of every format: one line, exit 2, and no output left behind."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectral_losses.cli import main

FIELD = np.random.default_rng(0).standard_normal((3, 1, 16, 16))
OUTPUTS = {
    "compare": {"--plot": "a.png", "--report": "a.html", "--table": "a.csv", "--spectra": "b.csv"},
    "spectrum": {"--plot": "a.png", "--table": "a.csv"},
}


def save(path: Path) -> None:
    kind = path.suffix
    if kind == ".npy":
        np.save(path, FIELD)
    elif kind == ".npz":
        np.savez_compressed(path, wind=FIELD)
    elif kind == ".pt":
        torch = pytest.importorskip("torch")
        torch.save(torch.asarray(FIELD), path)
    elif kind == ".grib":
        write_grib(path)
    else:
        xarray = pytest.importorskip("xarray")
        data = xarray.Dataset({"wind": (("time", "channel", "y", "x"), FIELD)})
        if kind == ".zarr":
            pytest.importorskip("zarr")
            data.to_zarr(path, consolidated=False, encoding={"wind": {"chunks": (1, 1, 16, 16)}})
        else:
            pytest.importorskip("h5netcdf" if kind == ".h5" else "netCDF4")
            options: dict[str, Any] = {".nc": {"format": "NETCDF4"}, ".cdf": {"format": "NETCDF3_64BIT"}, ".h5": {}}[
                kind
            ]
            data.to_netcdf(path, engine="h5netcdf" if kind == ".h5" else "netcdf4", **options)


def write_grib(path: Path) -> None:
    eccodes = pytest.importorskip("eccodes")
    pytest.importorskip("cfgrib")
    with path.open("wb") as file:
        for day in (1, 2, 3):
            handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
            eccodes.codes_set(handle, "dataDate", 20200100 + day)
            number = eccodes.codes_get(handle, "numberOfValues")
            eccodes.codes_set_values(handle, np.random.default_rng(day).standard_normal(number))
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)


@pytest.mark.parametrize("kind", ["npy", "npz", "cdf", "nc", "h5", "zarr", "pt", "grib"])
@pytest.mark.parametrize("command", OUTPUTS)
def test_a_truncated_file_leaves_nothing(tmp_path, capsys, monkeypatch, command, kind):
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotly")
    monkeypatch.chdir(tmp_path)
    whole, bad, drawn = Path(f"whole.{kind}"), Path(f"bad.{kind}"), random.Random(0)
    save(whole)
    before = {each.name for each in tmp_path.iterdir()}
    for _ in range(4):
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, bad)
        chunks = [each for each in bad.rglob("*") if each.is_file() and "." not in each.name] if bad.is_dir() else [bad]
        cut = drawn.choice(sorted(chunks))
        content = cut.read_bytes()
        cut.write_bytes(content[: drawn.randrange(len(content) // 4, 3 * len(content) // 4)])
        files = [str(whole), str(bad)]
        drawn.shuffle(files)
        outputs = [each for pair in OUTPUTS[command].items() for each in pair]
        assert main([command, *files, "--grid", "plane", *outputs]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith(f"spectral-losses: error: {bad}")
        assert printed.err.count("\n") == 1
        shutil.rmtree(bad) if bad.is_dir() else bad.unlink()
        assert {each.name for each in tmp_path.iterdir()} == before
