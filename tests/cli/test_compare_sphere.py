"""``compare`` and ``spectrum`` on the sphere: which files lie on it, their numbers, and what is said."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
import spectral_losses.losses
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.transforms.quadrature import latitudes_of

xarray = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")

NLAT, NLON = 19, 36
NORTH, EAST = np.linspace(90, -90, NLAT), np.arange(0, 360, 10.0)
DIMS = ("time", "level", "latitude", "longitude")
SHAPE = (3, 2, NLAT, NLON)
ON_THE_SPHERE = sorted(set(sl.losses.__all__) - {"focal_frequency_error", "wavelet_error"})


def fields(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> tuple[Any, Any]:
    """Fields whose small scales are weaker than their large ones, with frames of unequal amplitude."""
    rng = np.random.default_rng(seed)
    t = rng.standard_normal(shape)
    for axis in (-2, -1):
        t = t + np.roll(t, 1, axis)
    t = t * (1 + np.arange(shape[0])).reshape(-1, *[1] * (len(shape) - 1))
    return t + 0.4 * rng.standard_normal(shape), t


def dataset(field: Any, north: Any = NORTH, east: Any = EAST, dims: tuple[str, ...] = DIMS) -> Any:
    return xarray.Dataset({"t": (dims, field)}, coords={dims[-2]: north, dims[-1]: east})


@pytest.fixture
def files(tmp_path, monkeypatch) -> tuple[str, str]:
    monkeypatch.chdir(tmp_path)
    for name, field in zip(("p.nc", "t.nc"), fields(), strict=True):
        dataset(field).to_netcdf(name)
    return "p.nc", "t.nc"


def run(capsys: pytest.CaptureFixture[str], command: str, *argv: object) -> Any:
    assert main([command, *map(str, argv), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def warned(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[Any, str]:
    assert main(["compare", *map(str, argv), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("spectral-losses: warning: latitude and longitude are taken for a plane, because ")
    assert printed.err.count("\n") == 1
    return json.loads(printed.out), printed.err


def refused(capsys: pytest.CaptureFixture[str], command: str, *argv: object) -> str:
    assert main([command, *map(str, argv)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix("spectral-losses: error: ").rstrip()


# Numbers


@pytest.mark.parametrize("budget", [1, 20_000, blocks.BUDGET], ids=["field by field", "some", "all"])
@pytest.mark.parametrize("channels", ["separate", "sum", "mean"])
@pytest.mark.parametrize("grid", ["gauss", "equiangular", "cells"])
def test_numbers_are_those_of_the_library_on_the_sphere(tmp_path, capsys, monkeypatch, grid, channels, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    p, t = fields()
    for name, field in zip(("p.nc", "t.nc"), (p, t), strict=True):
        dataset(field, latitudes_of(grid, NLAT)).to_netcdf(tmp_path / name)
    argv = ["--channels", channels, "--channel-axis", "level", "--losses", ",".join(ON_THE_SPHERE), "--per", "time"]
    found = run(capsys, "compare", tmp_path / "p.nc", tmp_path / "t.nc", *argv)
    given: dict[str, Any] = {"grid": sl.Sphere(grid), "channels": channels}
    highest = 17 if grid == "gauss" else 9
    assert found["sphere"] == {"latitudes": grid, "highest_degree": highest}
    rows = [(found, p, t), *((row, p[i : i + 1], t[i : i + 1]) for i, row in enumerate(found["per"]["rows"]))]
    for row, x, y in rows:
        expected = {name: sl.evaluate(x, y, losses=name, **_known(name, given))[name] for name in ON_THE_SPHERE}
        assert row["losses"] == pytest.approx(expected, rel=1e-9)
        assert row["field_error"] == pytest.approx(expected["field_error"], rel=1e-12)
        assert row["spectrum_error"] == pytest.approx(expected["spectrum_error"], rel=1e-12)
        resolved = np.ravel(sl.effective_resolution(x, y, **given)) * 6371
        assert row["effective_resolution"]["unit"] == "km"
        got = [np.inf if each is None else each for each in row["effective_resolution"]["channels"]]
        np.testing.assert_allclose(got, resolved, rtol=1e-9)
    assert found["field_error"] != pytest.approx(float(sl.field_error(p, t, channels=channels)), rel=1e-4)
    cross = sl.cross_spectrum(p, t, pool="frames", **given)
    assert found["bands"][-1]["wavenumbers"][1] == highest
    for band in found["bands"]:
        inside = (cross.wavenumber >= band["wavenumbers"][0]) & (cross.wavenumber <= band["wavenumbers"][1])
        of = [
            np.reshape(x, (-1, highest))[:, inside].sum(-1)
            for x in (cross.power, cross.target_power, cross.error_power)
        ]
        assert band["energy_ratio"] == pytest.approx(np.mean(of[0] / of[1]), rel=1e-9)
        assert band["error"] == pytest.approx(np.mean(of[2] / of[1]), rel=1e-9)


def _known(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key in inspect.signature(getattr(sl, name)).parameters}


def test_one_degree_is_in_its_band_wherever_it_is(tmp_path, capsys):
    """Ripples of degree 8 around a pole: on the plane they are spread over all wavenumbers."""
    a, b = np.radians(NORTH)[:, None], np.radians(EAST)
    near = np.polynomial.legendre.Legendre.basis(8)
    waves = np.stack([near(np.sin(a) * np.ones_like(b)), near(np.cos(a) * np.cos(b))])
    for name, field in (("p.nc", 0.5 * waves), ("t.nc", waves)):
        dataset(field, dims=("time", "lat", "lon")).to_netcdf(tmp_path / name)
    found = run(capsys, "spectrum", tmp_path / "t.nc")["files"][0]
    assert found["wavenumber"] == list(range(1, 10))
    assert found["sphere"] == {"latitudes": "equiangular", "highest_degree": 9}
    np.testing.assert_allclose(found["power"], [[0] * 7 + [1 / 17, 0]], atol=1e-12)
    assert found["inside"] == [pytest.approx(1 / 17)]
    bands = run(capsys, "compare", tmp_path / "p.nc", tmp_path / "t.nc", "--bands", "7,8")["bands"]
    assert bands[1]["edges"] == [7.5, 8.5]
    assert (bands[1]["error"], bands[1]["energy_ratio"]) == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize("budget", [1, blocks.BUDGET])
@pytest.mark.parametrize("bins", ["unit", "log,4", "0.5,3.5,9.5"])
def test_spectra_are_those_of_the_library_on_the_sphere(files, capsys, monkeypatch, bins, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    found = run(capsys, "spectrum", *files, "--bins", bins, "--channel-axis", "level")
    given = {"unit": "unit", "log,4": ("log", 4)}.get(bins, (0.5, 3.5, 9.5))
    for each, field in zip(found["files"], fields(), strict=True):
        expected = sl.radial_spectrum(field, grid=sl.Sphere("equiangular"), pool="frames", bins=given)
        np.testing.assert_allclose(each["power"], expected.power, rtol=1e-12)
        for name in ("wavenumber", "edges", "counts"):
            np.testing.assert_allclose(each[name], getattr(expected, name), rtol=1e-12)


def test_another_order_and_other_sides_change_nothing(files, capsys):
    expected = run(capsys, "compare", *files)
    stored = xarray.open_dataset("p.nc").load()
    stored = stored.isel(latitude=slice(None, None, -1)).roll(longitude=7, roll_coords=True)
    stored["longitude"] = (stored["longitude"] + 180) % 360 - 180
    stored.rename(latitude="lat", longitude="lon").transpose("lon", "time", "lat", "level").to_netcdf("turned.nc")
    found = run(capsys, "compare", "turned.nc", "t.nc")
    assert found["reordered"] == ["latitude", "longitude"]
    assert found["sphere"] == expected["sphere"]
    for name in ("field_error", "spectrum_error"):
        assert found[name] == pytest.approx(expected[name], rel=1e-12)
    turned = run(capsys, "compare", "t.nc", "turned.nc")  # a truth with longitude first
    assert turned["grid"] == [NLAT, NLON]
    backwards = run(capsys, "compare", "t.nc", "p.nc")
    assert turned["field_error"] == pytest.approx(backwards["field_error"], rel=1e-12)
    assert turned["spectrum_error"] == pytest.approx(backwards["spectrum_error"], rel=1e-9)
    given = run(capsys, "compare", *files, "--spatial-axes", "longitude,latitude")
    assert given["field_error"] == pytest.approx(expected["field_error"], rel=1e-12)


# Which files lie on the sphere


@pytest.mark.parametrize(
    ("names", "north", "east"),
    [
        (("lat", "lon"), {}, {}),
        (("Latitude", "Longitude"), {}, {}),
        (("nav_lat", "nav_lon"), {"units": "degrees"}, {"units": "degrees"}),
        (("j", "i"), {"units": "degrees_north"}, {"units": "degreeE"}),
        (("j", "i"), {"standard_name": "latitude"}, {"standard_name": "longitude", "units": "degrees"}),
        (("j", "i"), {"axis": "Y", "units": "degrees"}, {"axis": "X", "units": "degree"}),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_latitude_and_longitude_are_known_by_the_conventions(tmp_path, capsys, names, north, east, beside):
    dims = ("time", "level", "n", "m") if beside else ("time", "level", *names)
    coordinates = {names[0]: (dims[2], NORTH, north), names[1]: (dims[3], EAST, east)}
    p, t = fields()
    for name, field in (("p.nc", p), ("t.nc", t)):
        xarray.Dataset({"t": (dims, field)}, coords=coordinates).to_netcdf(tmp_path / name)
    found = run(capsys, "compare", tmp_path / "p.nc", tmp_path / "t.nc")
    expected = float(sl.field_error(p, t, grid=sl.Sphere("equiangular"), channel_axis=None))
    assert found["field_error"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("names", "north", "east"),
    [
        (("rlat", "rlon"), {"standard_name": "grid_latitude", "units": "degrees"}, {"standard_name": "grid_longitude"}),
        (("lat", "lon"), {"standard_name": "grid_latitude", "units": "degrees"}, {"standard_name": "grid_longitude"}),
        (("y", "x"), {"axis": "Y", "units": "m"}, {"axis": "X", "units": "m"}),
        (("y", "x"), {}, {}),
    ],
)
def test_other_axes_are_those_of_a_plane(tmp_path, capsys, names, north, east):
    for name, field in zip(("p.nc", "t.nc"), fields(), strict=True):
        coordinates = {names[0]: (names[0], NORTH, north), names[1]: (names[1], EAST, east)}
        xarray.Dataset({"t": (("time", "level", *names), field)}, coords=coordinates).to_netcdf(tmp_path / name)
    assert run(capsys, "compare", tmp_path / "p.nc", tmp_path / "t.nc")["sphere"] is None
    message = refused(capsys, "compare", tmp_path / "p.nc", tmp_path / "t.nc", "--grid", "sphere")
    assert f"the sphere takes latitude and longitude for space, and here space is {names[0]}, {names[1]}" in message


@pytest.mark.parametrize("first", [-180.0, 0.0, 5.0, -17.5])
@pytest.mark.parametrize("way", [1, -1])
def test_longitudes_go_all_around_from_anywhere(tmp_path, capsys, first, way):
    east = first + way * EAST
    for values in (east, np.mod(east, 360), np.mod(east + 180, 360) - 180, east.astype(np.float32)):
        dataset(fields()[1], NORTH[::way], values).to_netcdf(tmp_path / "t.nc")
        assert run(capsys, "spectrum", tmp_path / "t.nc")["files"][0]["sphere"]["latitudes"] == "equiangular"


ELSEWHERE = {
    "region": (np.arange(60, 30, -1.0), EAST, "latitude runs from 60 to 31, a region of the sphere"),
    "northern half": (np.arange(90, -1, -5.0), EAST, "latitude runs from 90 to 0, a region of the sphere"),
    "720 latitudes": (
        np.linspace(90, -80, 18),
        EAST,
        "latitude runs from 90 to -80, without the south pole, so that no",
    ),
    "no north pole": (
        np.linspace(-90, 80, 18),
        EAST,
        "latitude runs from -90 to 80, without the north pole, so that no",
    ),
    "no pole": (np.linspace(80, -80, 17), EAST, "Interpolate the fields to one of them"),
    "other latitudes": (
        90 - 180 * np.linspace(0, 1, 19) ** 1.1,
        EAST,
        "latitudes must be those of a grid on which sums",
    ),
    "latitudes in no order": (NORTH[[1, 0, *range(2, 19)]], EAST, "latitude does not run from one pole to the other"),
    "latitudes with a gap": (np.where(NORTH == 0, np.nan, NORTH), EAST, "latitude holds what is no number of degrees"),
    "half around": (NORTH, EAST / 2, "longitude runs from 0 to 175, not all around"),
    "a repeated meridian": (
        NORTH,
        np.linspace(0, 360, 37),
        "longitude runs from 0 to 360, which is one meridian twice",
    ),
    "another repeated one": (
        NORTH,
        np.linspace(-180, 180, 37),
        "longitude runs from -180 to 180, which is one meridian",
    ),
    "longitudes in no order": (
        NORTH,
        EAST[[1, 0, *range(2, 36)]],
        "longitude runs from 10 to 350 in steps that are not",
    ),
    "longitudes closer here": (NORTH, EAST + 3 * np.sin(np.radians(EAST)), "in steps that are not equal"),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_is_not_all_of_the_sphere_stays_a_plane_with_a_warning(tmp_path, capsys, case):
    north, east, said = ELSEWHERE[case]
    p, t = fields((3, 2, len(north), len(east)))
    for name, field in (("p.nc", p), ("t.nc", t)):
        dataset(field, north, east).to_netcdf(tmp_path / name)
    paths = tmp_path / "p.nc", tmp_path / "t.nc"
    found, words = warned(capsys, *paths)
    assert said in words
    assert "In a plane a degree of longitude is everywhere as long as one of latitude" in words
    assert found["sphere"] is None
    expected = sl.evaluate(p, t, channel_axis=None)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    plane = run(capsys, "compare", *paths, "--grid", "plane")  # without a word
    assert plane["options"] == {"grid": "plane"}
    assert plane["field_error"] == found["field_error"]
    assert said in refused(capsys, "compare", *paths, "--grid", "sphere")
    assert main(["spectrum", str(paths[0])]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith(f"spectral-losses: warning: {paths[0]}: latitude and longitude are taken for a plane")
    assert printed.err.count("\n") == 1


def test_names_alone_say_nothing_of_where_latitudes_lie(tmp_path, capsys):
    for name, field in zip(("p.nc", "t.nc"), fields(), strict=True):
        xarray.Dataset({"t": (DIMS, field)}).to_netcdf(tmp_path / name)
    paths = tmp_path / "p.nc", tmp_path / "t.nc"
    _, words = warned(capsys, *paths)
    assert "latitude and longitude have no coordinates (--grid gauss, equiangular or cells says which" in words
    assert run(capsys, "compare", *paths, "--grid", "cells")["sphere"]["latitudes"] == "cells"
    assert "have no coordinates" in refused(capsys, "compare", *paths, "--grid", "sphere")


@pytest.mark.parametrize("grid", ["gauss", "equiangular", "cells"])
def test_latitudes_of_arrays_without_names_are_given(tmp_path, capsys, monkeypatch, grid):
    monkeypatch.chdir(tmp_path)
    p, t = fields()
    for name, field in (("p.npy", p), ("t.npy", t)):
        np.save(name, field)
    found = run(capsys, "compare", "p.npy", "t.npy", "--grid", grid)
    expected = sl.evaluate(p, t, grid=sl.Sphere(grid))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert found["options"] == {"grid": grid}
    assert run(capsys, "compare", "p.npy", "t.npy")["sphere"] is None
    message = refused(capsys, "compare", "p.npy", "t.npy", "--grid", "sphere")
    assert "--grid gauss, equiangular or cells says which latitudes an array without names has" in message
    assert "space is axis 3" in refused(capsys, "compare", "p.npy", "t.npy", "--grid", grid, "--spatial-axes", "3")


def test_given_latitudes_are_held_against_those_of_the_file(files, capsys):
    assert refused(capsys, "compare", *files, "--grid", "gauss") == "--grid gauss: latitude is equiangular"
    assert run(capsys, "compare", *files, "--grid", "equiangular")["sphere"] == run(capsys, "compare", *files)["sphere"]
    assert run(capsys, "compare", *files, "--grid", "sphere")["sphere"] is not None


def test_other_axes_of_a_global_file_are_no_sphere(files, capsys):
    p, t = fields()
    found = run(capsys, "compare", *files, "--spatial-axes", "longitude", "--per", "latitude")
    assert found["sphere"] is None
    assert found["spectrum_error"] == pytest.approx(
        float(sl.spectrum_error(p, t, spatial_axes=-1, channel_axis=None)), rel=1e-12
    )
    assert [row["coordinate"] for row in found["per"]["rows"]] == NORTH.tolist()
    message = refused(capsys, "compare", *files, "--spatial-axes", "level,longitude", "--grid", "sphere")
    assert message.endswith("here space is level, longitude")


# What has no meaning there


@pytest.mark.parametrize(
    ("argv", "what"),
    [
        (["--window", "hann,none"], "--window"),
        (["--detrend", "linear"], "--detrend"),
        (["--lengths", "1"], "--lengths"),
        (["--losses", "field_error,wavelet_error"], "--losses: wavelet_error"),
        (["--losses", "focal_frequency_error"], "--losses: focal_frequency_error"),
    ],
)
def test_options_of_the_plane_are_refused(files, capsys, argv, what):
    words = "has no meaning on the sphere; --grid plane takes latitude and longitude for a plane"
    assert refused(capsys, "compare", *files, *argv) == f"{what}: {words}"
    assert run(capsys, "compare", *files, *argv, "--grid", "plane")["sphere"] is None
    if "--losses" not in argv:
        assert refused(capsys, "spectrum", files[0], *argv) == f"{what}: {words}"
    assert refused(capsys, "spectrum", files[0], "--energy", "--channel-axis", "level") == f"--energy: {words}"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--grid", "globe"], "argument --grid: invalid choice: 'globe'"),
        (["--bands", "3,9"], "--bands leave one without a shell: there are 9, shells lie from 1 to 9"),
        (["--bins", "12"], "bins: 12 shells cannot be made of 9 degrees"),
        (["--grid", "plane", "--grid", "plane"], "--grid: given more than once"),
    ],
)
def test_bad_options(files, capsys, argv, message):
    assert message in refused(capsys, "compare", *files, *argv)


def test_files_on_the_sphere_and_in_a_plane_have_no_axis_together(files, capsys):
    xarray.open_dataset("t.nc").isel(latitude=slice(3, 14)).to_netcdf("region.nc")
    message = refused(capsys, "spectrum", "t.nc", "region.nc")
    assert message.startswith("t.nc on the sphere and region.nc in a plane have no axis together; --grid plane")
    assert len(run(capsys, "spectrum", "t.nc", "region.nc", "--grid", "plane")["files"]) == 2


# What is printed and drawn


def text_of(plot: str) -> str:
    return " ".join(re.findall(r"<!-- (.*?) -->", Path(plot).read_text()))


def test_the_table_and_the_picture_say_so(files, capsys):
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib")
    resolved = run(capsys, "compare", *files)["effective_resolution"]["channels"][0]
    assert main(["compare", *files, "--plot", "drawn.svg", "--per", "time"]) == 0
    out = capsys.readouterr().out
    assert "6 frames, 1 channel, grid 19 x 36 on the sphere, equiangular latitudes\n" in out
    assert re.search(r"^ +degrees +error", out, re.MULTILINE)
    assert "wavenumber" not in out
    assert f"effective resolution: {float(f'{resolved:.3g}'):.0f} km\n" in out
    for words in ("degree $l$", "wavelength (km)", "power $P_l$ (field units squared)", "degrees"):
        assert words in text_of("drawn.svg")
    assert "wavenumber" not in text_of("drawn.svg")


def test_the_table_of_a_spectrum_has_degrees_and_kilometres(files, capsys):
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib")
    assert main(["spectrum", *files, "--plot", "drawn.svg"]) == 0
    out = capsys.readouterr().out
    assert "t.nc: variable t, 6 frames, 1 channel, grid 19 x 36 on the sphere, equiangular latitudes\n" in out
    rows = [line.split() for line in out.splitlines() if re.match(r" +\d", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 10))
    degree = np.arange(1, 10)
    np.testing.assert_allclose(
        [float(row[1]) for row in rows], 2 * np.pi * 6371 / np.sqrt(degree * (degree + 1)), rtol=5e-3
    )
    assert all("e" not in row[1] for row in rows)
    for words in ("degree $l$", "wavelength (km)"):
        assert words in text_of("drawn.svg")


@pytest.mark.parametrize("degree", [1.0, 3.0, 40.0, 360.0])
def test_the_scale_above_is_the_wavelength_of_a_degree(degree):
    pytest.importorskip("matplotlib")
    from spectral_losses.plot.curves import Curve, draw
    from spectral_losses.plot.panels import new_panels
    from spectral_losses.plot.scales import scales_of_degrees

    k = np.arange(1.0, 400.0)
    panels = new_panels(1)
    draw(panels, [Curve("", k, k[None])], scales_of_degrees(6371.0, "km"))
    (above,) = panels.power.child_axes
    there, back = above._functions
    assert there(degree) == pytest.approx(2 * np.pi * 6371 / np.sqrt(degree * (degree + 1)))
    assert back(there(degree)) == pytest.approx(degree)
