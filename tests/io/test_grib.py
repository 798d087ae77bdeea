"""GRIB through cfgrib: several kinds of level in one file, forecasts and analyses, damage, and no index beside it."""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectral_losses.cli import main
from spectral_losses.io import open_array
from spectral_losses.io.errors import FieldFileError

eccodes = pytest.importorskip("eccodes")
pytest.importorskip("cfgrib")

GRID = {
    "Ni": 36,
    "Nj": 19,
    "latitudeOfFirstGridPointInDegrees": 90,
    "latitudeOfLastGridPointInDegrees": -90,
    "longitudeOfFirstGridPointInDegrees": 0,
    "longitudeOfLastGridPointInDegrees": 350,
    "iDirectionIncrementInDegrees": 10,
    "jDirectionIncrementInDegrees": 10,
    "bitsPerValue": 24,
}
LEVELS, DAYS, STEPS = (850, 500), (20200101, 20200102), (0, 24)


def write(path: Path, *messages: tuple[dict[str, Any], Any], sample: str = "regular_ll_pl_grib2") -> None:
    with path.open("wb") as file:
        for keys, values in messages:
            handle = eccodes.codes_grib_new_from_samples(sample)
            for key, value in (GRID | {"dataTime": 0, **keys}).items() if "_ll_" in sample else keys.items():
                eccodes.codes_set(handle, key, value)
            if values is not None:
                eccodes.codes_set_values(handle, values.ravel())
            eccodes.codes_write(handle, file)
            eccodes.codes_release(handle)


def on_levels(name: str, fields: Any, days: Any = DAYS, steps: Any = STEPS) -> list[tuple[dict[str, Any], Any]]:
    """Messages of the fields (days, steps, levels, latitude, longitude), in the order of their keys."""
    keys = ("dataDate", "stepRange", "level")
    places = product(days, steps, LEVELS)
    flat = fields.reshape(-1, 19, 36)
    kind = {"shortName": name, "typeOfLevel": "isobaricInhPa"}
    return [({**kind, **dict(zip(keys, each, strict=True))}, x) for each, x in zip(places, flat, strict=True)]


def alone(name: str, level: str, at: int, field: Any, **keys: Any) -> tuple[dict[str, Any], Any]:
    return {"shortName": name, "typeOfLevel": level, "level": at, "dataDate": DAYS[0], "stepRange": 0, **keys}, field


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Forecasts with three kinds of level, and analyses, all of one flow that the forecasts see with an error."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    fields = rng.standard_normal((2, 2, 2, 19, 36)) + 280
    others = rng.standard_normal((3, 19, 36)) + 280
    messages = on_levels("t", fields) + on_levels("u", fields - 280)
    messages += [alone("2t", "heightAboveGround", 2, others[0]), alone("t", "surface", 0, others[1])]
    messages.append(alone("10u", "heightAboveGround", 10, others[2]))
    random.Random(0).shuffle(messages)
    write(tmp_path / "f.grib", *messages)
    analyses = rng.standard_normal((3, 1, 2, 19, 36)) + 280
    write(tmp_path / "a.grb2", *on_levels("t", analyses, (*DAYS, 20200103), (0,)))
    yield fields, others, analyses
    assert sorted(each.name for each in tmp_path.iterdir() if "idx" in each.name) == []


def read(path: str, name: str | None = None) -> tuple[Any, Any]:
    with open_array(path, variable=name) as stored:
        return stored, stored.read(tuple(slice(0, n) for n in stored.shape))


def test_variables_and_kinds_of_level(here):
    fields, others, analyses = here
    for name, dims, expected in (
        ("isobaricInhPa/t", ("time", "step", "isobaricInhPa", "latitude", "longitude"), fields),
        ("u", ("time", "step", "isobaricInhPa", "latitude", "longitude"), fields - 280),
        ("t2m", ("time", "latitude", "longitude"), others[:1]),
        ("2t", ("time", "latitude", "longitude"), others[:1]),
        ("surface/t", ("time", "latitude", "longitude"), others[1:2]),
    ):
        stored, found = read("f.grib", name)
        assert stored.dims == dims
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert stored.coordinates["surface"].values.tolist() == [0]
    stored, found = read("a.grb2")
    np.testing.assert_allclose(found, analyses[:, 0], atol=1e-5)
    assert stored.dims == ("time", "isobaricInhPa", "latitude", "longitude")
    assert (stored.variable, stored.units) == ("t", "K")
    assert stored.coordinates["time"].label(2) == "2020-01-03"
    with open_array("f.grib", variable="u") as stored:
        piece = (slice(1, 2), slice(0, 2), slice(0, 1), slice(3, 5), slice(0, 36))
        np.testing.assert_allclose(stored.read(piece), (fields - 280)[piece], atol=1e-5)


def test_what_cannot_be_told_apart(here, tmp_path):
    field = here[1][0]
    write(
        tmp_path / "twice.grib", *(alone("2t", "heightAboveGround", 2, field, dataType=kind) for kind in ("an", "fc"))
    )
    write(tmp_path / "spectral.grib", ({}, None), sample="sh_pl_grib2")
    for path, name, told in (
        ("f.grib", None, "holds several variables, choose one with --variable: "),
        (
            "f.grib",
            "t",
            "on several kinds of level, choose one with --variable: .*isobaricInhPa/t, surface/t|surface/t, iso",
        ),
        ("f.grib", "q", "has no variable 'q'; it has .*t2m"),
        ("f.grib", "surface/u", "has no variable 'surface/u'; it has "),
        ("twice.grib", None, "holds several variables|dataType an, fc"),
        ("twice.grib", "t2m", "holds t2m 2 times, which differ in dataType an, fc: make a file"),
        ("spectral.grib", None, "on a grid of the type sh, which has no latitudes"),
    ):
        with pytest.raises(FieldFileError, match=told):
            read(path, name)


def test_forecasts_against_analyses(here, capsys):
    fields, _, analyses = here
    argv = ["compare", "f.grib:isobaricInhPa/t", "a.grb2", "--json"]
    assert main([*argv, "--init-time", "time", "--lead-time", "step", "--per", "step"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sphere"]["latitudes"] == "equiangular"
    valid = analyses[np.arange(2)[:, None] + np.arange(2), 0]
    weights = np.cos(np.radians(np.linspace(90, -90, 19)))[:, None] * np.ones(36)
    for i, row in enumerate(found["per"]["rows"]):
        error = (fields - valid)[:, i]
        expected = np.sqrt(np.mean(np.average(error**2, axis=(-2, -1), weights=np.broadcast_to(weights, error.shape))))
        assert row["rmse"] == pytest.approx(expected, rel=0.02)  # weights of cells are nearly cosines
        assert row["coordinate"] == STEPS[i]
    assert main([*argv, "--sel", "isobaricInhPa=500", "--isel", "time=0"]) == 2
    assert "step" in capsys.readouterr().err


def test_damaged_files(here, tmp_path):
    content, path, drawn = (tmp_path / "a.grb2").read_bytes(), tmp_path / "bad.grib", random.Random(0)
    refusals = 0
    for _ in range(40):
        bad = bytearray(content)
        if drawn.random() < 0.5:
            del bad[drawn.randrange(len(bad)) :]
        else:
            bad[drawn.randrange(len(bad))] ^= 1 << drawn.randrange(8)
        path.write_bytes(bad)
        told = refusal(str(path))
        if told is not None:
            refusals += 1
            assert told.startswith(str(path))
            assert "\n" not in told
    assert refusals > 15


def refusal(path: str) -> str | None:
    try:
        read(path)
    except FieldFileError as error:
        return str(error)
    return None
