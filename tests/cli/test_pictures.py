"""What the pictures of ``compare`` and ``spectrum`` say: units, variables, options, slopes, ratios that leave them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectral_losses.cli import main
from spectral_losses.cli.ui.units import squared

pytest.importorskip("rich")
pytest.importorskip("matplotlib")
xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command and give the words of its picture, and those that are drawn as paths."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str) -> list[str]:
        assert main([*argv, "--json", "--plot", "a.svg"]) == 0
        return re.findall(r"<!-- (.*?) -->", Path("a.svg").read_text())

    return run


def saved(name: str, seed: int, units: dict[str, str | None], where: str = "km", step: float = 2.0) -> None:
    """A file of fields of 16 x 16 points, at 0, 2, 4 ... km."""
    rng, places, dims = np.random.default_rng(seed), step * np.arange(16), ("level", "y", "x")
    coords = {axis: (axis, places, {"units": where}) for axis in ("y", "x")} | {"level": [500.0, 850.0, 1000.0]}
    arrays = {
        each: (dims, rng.normal(size=(3, 16, 16)), {} if of is None else {"units": of}) for each, of in units.items()
    }
    xarray.Dataset(arrays, coords).to_netcdf(name, engine="h5netcdf")


def pair(units: dict[str, str | None], where: str = "km", step: float = 2.0) -> tuple[str, str]:
    for seed, name in enumerate(("t.nc", "p.nc")):
        saved(name, seed, units, where, step)
    return "p.nc", "t.nc"


@pytest.mark.parametrize(
    ("units", "words"),
    [("m/s", "m² s⁻²"), ("1", "dimensionless"), (None, "field units squared")],
)
def test_power_is_in_the_square_of_the_units(drawn, units, words):
    files = pair({"u": units})
    for command in (("compare", *files), ("spectrum", files[1])):
        assert f"power $P(k)$ ({words})" in drawn(*command, "--variable", "u")


@pytest.mark.parametrize(
    ("where", "step", "lengths", "energy", "wavelength", "wavenumber"),
    [
        ("m", 2.0, "32", "m³ s⁻²", "m", "m"),
        ("km", 2.0, "32", "m² km s⁻²", "km", "km"),
        ("km", 2.0, "32000", "m² s⁻² times length", "units of the lengths", "unit length"),  # of metres, it may be
    ],
)
def test_lengths_are_in_the_unit_of_coordinates_that_are_as_long(
    drawn, where, step, lengths, energy, wavelength, wavenumber
):
    files = pair({"u": "m s-1", "v": "m s-1"}, where, step)
    words = drawn("spectrum", files[0], "--variable", "u+v", "--energy", "--lengths", lengths)
    assert f"energy $E(k)$ ({energy})" in words
    assert f"wavelength ({wavelength})" in words
    assert f"wavenumber $k$ (radians per {wavenumber})" in words
    assert {"$k^{-5/3}$", "$k^{-3}$"} <= set(words)
    assert f"wavelength ({wavelength})" in drawn("compare", *files, "--variable", "u", "--lengths", lengths)


def test_without_lengths_energy_has_the_square_of_the_units(drawn):
    assert "energy $E(k)$ (m² s⁻²)" in drawn(
        "spectrum", pair({"u": "m s-1", "v": "m s-1"})[0], "--variable", "u+v", "--energy"
    )


def test_each_of_several_variables_has_its_name_and_units(drawn):
    words = drawn("compare", *pair({"u": "m s-1", "t": None}), "--variable", "u,t")
    assert {"u (m s-1)", "t", "power $P(k)$ (m² s⁻²)", "power $P(k)$ (field units squared)"} <= set(words)


def test_a_spectrum_names_its_variable_its_options_and_its_slope(drawn, capsys):
    files = pair({"u": "m s-1", "t": "K"})
    capsys.readouterr()
    words = drawn("spectrum", files[0], "--variable", "u", "--bins", "log", "--fit", "1,8")
    assert {"p.nc, variable u", "- -bins log, - -fit 1,8"} <= set(words)  # a comment has no two dashes
    (slope,) = json.loads(capsys.readouterr().out)["files"][0]["slope"]
    assert f"slope {slope:.2f}" in words
    assert "mean over 3 frames" in words
    assert "slopes from $k$ = 1 to 8" in words


def test_variables_of_other_units_share_no_ratio(drawn):
    files = pair({"u": "m s-1", "t": "K"})
    words = drawn("spectrum", files[0], "--variable", "u,t")
    assert "power $P(k)$ (square of the units of each)" in words
    assert any(each.startswith("p.nc:u (m s-1), slope") for each in words)
    assert "amplitude ratio" not in words
    assert "amplitude ratio" in drawn("spectrum", *files, "--variable", "u")


def test_a_ratio_that_leaves_the_picture_is_marked_in_both_columns(drawn):
    truth = np.random.default_rng(0).normal(size=(3, 1, 16, 16))
    np.save("t.npy", truth)
    np.save("p.npy", 1e4 * truth)
    words = drawn("compare", "p.npy", "t.npy", "--per", "0")
    assert words.count("to 10000") == 1  # of amplitudes
    assert words.count("to 1.0e+08") == 3  # of energies, in each band
    assert "all resolved" in words


@pytest.mark.parametrize(("number", "names"), [(2, ["axis 1 0", "axis 1 1"]), (5, ["axis 1 0", "to axis 1 4"])])
def test_two_axes_give_a_curve_for_each_position_of_the_second(drawn, number, names):
    rng = np.random.default_rng(0)
    for name in "pt":
        np.save(f"{name}.npy", rng.normal(size=(3, number, 1, 16, 16)))
    words = drawn("compare", "p.npy", "t.npy", "--per", "0,1")
    assert "index along axis 0" in words
    assert [each for each in words if "axis 1" in each] == names


@pytest.mark.parametrize(
    ("units", "length", "words"),
    [
        ("kg kg-1", None, "dimensionless"),
        ("mm/day", None, "mm² day⁻²"),
        ("W m**-2", None, "W² m⁻⁴"),
        ("log(m)", None, "(log(m))²"),
        ("1e-5 s-1", "km", "(1e-5 s-1)² km"),
        ("s-1", "s", "s⁻¹"),
        ("%", None, "%²"),
        (None, "m", None),
    ],
)
def test_units_squared(units, length, words):
    assert squared(units, length) == words
