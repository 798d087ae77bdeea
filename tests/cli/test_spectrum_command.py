"""``spectral-losses spectrum``: its numbers against the library, its table and its picture."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.io.stored import StoredArray

pytest.importorskip("rich")
pytest.importorskip("matplotlib")
ERROR = "spectral-losses: error: "


def spectrum(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    assert main(["spectrum", *map(str, argv), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["spectrum", *map(str, argv)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(ERROR)
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix(ERROR).strip()


def text_of(plot: Path) -> str:
    return " ".join(re.findall(r"<!-- (.*?) -->", plot.read_text()))


def saved(path: Path, shape: tuple[int, ...], seed: int = 0, dtype: Any = np.float64) -> Any:
    field = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    np.save(path, field)
    return field


LAYOUTS = {
    "plain": ((2, 3, 2, 12, 18), [], {}),
    "no channels": ((5, 10, 9), ["--channel-axis", "none"], {"channel_axis": None}),
    "one field": ((12, 9), [], {}),
    "one dimension": ((3, 2, 33), ["--spatial-axes", "-1"], {"spatial_axes": -1}),
    "three dimensions": ((2, 2, 8, 10, 9), ["--spatial-axes", "2,3,4"], {"spatial_axes": (2, 3, 4)}),
    "channels last": ((2, 9, 12, 3), ["--spatial-axes=1,2"], {"spatial_axes": (1, 2)}),
    "channels behind frames": ((3, 4, 9, 12), ["--channel-axis=0"], {"channel_axis": 0}),
}


@pytest.mark.parametrize("budget", [1, 3000, blocks.BUDGET], ids=["field by field", "some", "all"])
@pytest.mark.parametrize("channels", ["separate", "sum", "mean"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_streamed_power_is_that_of_the_whole_array(tmp_path, capsys, monkeypatch, layout, channels, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    shape, argv, options = LAYOUTS[layout]
    x = saved(tmp_path / "x.npy", shape)
    found = spectrum(capsys, tmp_path / "x.npy", *argv, "--channels", channels)
    (each,) = found["files"]
    pool = None if len(shape) == 2 else "frames"
    expected = sl.radial_spectrum(x, channels=channels, pool=pool, **options)
    points = np.prod(each["grid"])
    power = np.reshape(expected.power, (-1, len(expected.counts))) / points**2
    assert found["quantity"] == "power"
    np.testing.assert_allclose(each["power"], power, rtol=1e-12)
    for name in ("wavenumber", "edges", "counts"):
        np.testing.assert_allclose(each[name], getattr(expected, name), rtol=1e-12)
    assert each["shape"] == list(shape)
    assert each["frames"] * each["channels"] * points == x.size
    # Parseval: what is in the shells is the mean square without the mean and the corners.
    measure = np.asarray(
        {1: 2, 2: np.pi, 3: 4 / 3 * np.pi}[len(each["grid"])] * np.diff(expected.edges ** len(each["grid"]))
    )
    np.testing.assert_allclose(each["inside"], np.sum(power / measure * expected.counts, axis=-1), rtol=1e-12)


@pytest.mark.parametrize("budget", [1, blocks.BUDGET], ids=["field by field", "all"])
@pytest.mark.parametrize("lengths", [None, (2.0, 3.0, 4.0)])
def test_energy_is_that_of_the_library(tmp_path, capsys, monkeypatch, lengths, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    u = saved(tmp_path / "u.npy", (2, 3, 8, 10, 12))
    argv = [] if lengths is None else ["--lengths", ",".join(map(str, lengths))]
    found = spectrum(capsys, tmp_path / "u.npy", "--spatial-axes", "-3,-2,-1", "--energy", *argv)
    (each,) = found["files"]
    expected = sl.energy_spectrum(u, spatial_axes=(-3, -2, -1), lengths=lengths, pool="frames")
    assert found["quantity"] == "energy"
    np.testing.assert_allclose(each["energy"], [expected.power], rtol=1e-12)
    inside = np.sum(expected.power * np.diff(expected.edges))
    np.testing.assert_allclose(each["inside"], [inside], rtol=1e-12)


@pytest.mark.parametrize("lengths", [[], ["--lengths", "100"]])
@pytest.mark.parametrize("bins", ["unit", "log,6", "12"])
@pytest.mark.parametrize("exponent", [-3.0, -5 / 3])
def test_the_slope_is_that_of_a_power_law(tmp_path, capsys, exponent, bins, lengths):
    n = 96
    k = np.hypot(np.fft.fftfreq(n)[:, None] * n, np.fft.rfftfreq(n) * n)
    phases = np.random.default_rng(0).normal(size=(8, 1, n, n))
    modes = np.fft.rfft2(phases)
    modes /= np.maximum(abs(modes), 1e-9)
    density = np.where(k > 0, np.maximum(k, 1) ** (exponent - 1), 0)  # of each mode: a shell has about 2 pi k of them
    np.save(tmp_path / "x.npy", np.fft.irfft2(modes * np.sqrt(density), s=(n, n)))
    unit = 2 * np.pi / 100 if lengths else 1.0
    for quantity in ([], ["--energy", "--channel-axis", "1"]):
        found = spectrum(
            capsys, tmp_path / "x.npy", "--bins", bins, *lengths, *quantity, "--fit", f"{6 * unit},{40 * unit}"
        )
        assert found["files"][0]["slope"] == [pytest.approx(exponent, abs=0.12)]
        assert found["fit"] == pytest.approx([6 * unit, 40 * unit])
    whole = spectrum(capsys, tmp_path / "x.npy")
    assert whole["fit"] == [4, 13]  # the middle third of 1 to 48, in logarithms


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        (["--bins", "5"], {"bins": 5}),
        (["--bins", "4", "--lengths", "2,3.5"], {"lengths": (2.0, 3.5), "bins": 4}),
        (["--window", "hann,none", "--detrend", "linear"], {"window": ("hann", None), "detrend": "linear"}),
        (["--lengths", "3,4", "--transform", "dct"], {"lengths": (3.0, 4.0), "transform": "dct"}),
    ],
)
def test_options_are_those_of_the_library(tmp_path, capsys, argv, options):
    x = saved(tmp_path / "x.npy", (2, 3, 16, 20))
    found = spectrum(capsys, tmp_path / "x.npy", *argv)
    expected = sl.radial_spectrum(x, pool="frames", **options)
    steps = np.prod([2 * np.pi / a for a in options.get("lengths", (2 * np.pi, 2 * np.pi))])
    np.testing.assert_allclose(found["files"][0]["power"], expected.power / 320**2 / steps, rtol=1e-12)
    assert set(found["options"]) == {word[2:] for word in argv[::2]}
    assert main(["spectrum", str(tmp_path / "x.npy"), *argv]) == 0
    assert ", ".join(f"{a} {b}" for a, b in zip(argv[::2], argv[1::2], strict=True)) in capsys.readouterr().out


def test_files_of_other_kinds(tmp_path, capsys):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    x = np.random.default_rng(0).standard_normal((3, 12, 16)).astype(np.float32)
    data = xarray.Dataset({"t": (("time", "y", "x"), x), "u": (("time", "y", "x"), 2 * x)})
    data.to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    np.savez(tmp_path / "a.npz", t=x, u=2 * x)
    found = spectrum(capsys, tmp_path / "a.nc", "--variable", "u")["files"][0]
    assert found["variable"] == "u"
    other = spectrum(capsys, tmp_path / "a.npz", "--key", "u", "--channel-axis", "none")["files"][0]
    np.testing.assert_allclose(found["power"], other["power"], rtol=1e-6)
    assert main(["spectrum", str(tmp_path / "a.nc"), "--variable", "t"]) == 0
    assert "variable t, 3 frames, 1 channel, grid 12 x 16" in capsys.readouterr().out


# The table


def rows_of(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if re.match(r" +\d", line)]


def test_the_table_has_every_shell_of_a_few(tmp_path, capsys):
    saved(tmp_path / "x.npy", (4, 2, 24, 24))
    found = spectrum(capsys, tmp_path / "x.npy")["files"][0]
    assert main(["spectrum", str(tmp_path / "x.npy")]) == 0
    out = capsys.readouterr().out
    assert "channel 0" in out
    assert "channel 1" in out
    rows = rows_of(out)
    assert len(rows) == 12
    for i, row in enumerate(rows):
        powers = [f"{power[i]:#.3g}" for power in found["power"]]
        assert [x.removesuffix(".") for x in row] == [str(i + 1), f"{24 / (i + 1):#.3g}".removesuffix("."), *powers]
    assert re.search(rf"all shells +{found['inside'][0]:#.3g} +{found['inside'][1]:#.3g}", out)
    assert re.search(rf"slope +3 to 5 +{found['slope'][0]:.2f} +{found['slope'][1]:.2f}", out)


def test_the_table_has_some_of_many_shells_and_fits_a_narrow_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    saved(tmp_path / "truth.npy", (1, 3, 128, 128))
    saved(tmp_path / "prediction.npy", (1, 3, 128, 128), 1)
    assert main(["spectrum", str(tmp_path / "truth.npy"), str(tmp_path / "prediction.npy")]) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    shown = [int(row[0]) for row in rows_of(plain)]
    assert shown[0] == 1
    assert shown[-1] == 64
    assert 12 <= len(shown) <= 19
    assert max(map(len, plain.splitlines()[2:])) <= 80
    assert all(len(row) == 4 for row in rows_of(plain))  # of three channels in two files means


def test_many_files_with_long_names_get_several_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    names = [f"forecast_of_the_experiment_{i}.npy" for i in range(6)]
    for i, name in enumerate(names):
        np.save(tmp_path / name, 10.0 ** (3 * i) * saved(tmp_path / "x.npy", (1, 1, 16, 16)))
    argv = ["spectrum", *(str(tmp_path / name) for name in names)]
    assert main(argv) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, plain.splitlines()[6:])) <= 80
    assert main([*argv, "--json"]) == 0
    powers = [each["power"][0] for each in json.loads(capsys.readouterr().out)["files"]]
    printed = [word for line in plain.splitlines() for word in line.split()]
    for power in powers:
        assert {f"{each:#.3g}".removesuffix(".") for each in power} <= set(printed)
    assert all(f"experiment_{i}.npy" in printed for i in range(6))


def test_files_of_several_grids_side_by_side(tmp_path, capsys):
    t = saved(tmp_path / "fine.npy", (3, 1, 24, 24))
    np.save(tmp_path / "coarse.npy", t[..., ::2, ::2])
    plot = tmp_path / "a.svg"
    files = [str(tmp_path / name) for name in ("fine.npy", "coarse.npy")]
    assert main(["spectrum", *files, "--plot", str(plot)]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [len(row) for row in rows] == [3] * 6 + [2] * 6  # no wavelength, which would be in points of two grids
    assert "fine.npy" in text_of(plot)
    assert "amplitude ratio" in text_of(plot)
    assert "wavelength" not in text_of(plot)


def test_means_of_many_channels(tmp_path, capsys):
    saved(tmp_path / "x.npy", (2, 6, 16, 16))
    found = spectrum(capsys, tmp_path / "x.npy")["files"][0]
    assert main(["spectrum", str(tmp_path / "x.npy")]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[0] == ["1", "16.0", f"{np.mean(found['power'], axis=0)[0]:#.3g}"]


def test_an_empty_field_has_no_slope(tmp_path, capsys):
    np.save(tmp_path / "zero.npy", np.zeros((2, 1, 16, 16)))
    plot = tmp_path / "zero.png"
    assert spectrum(capsys, tmp_path / "zero.npy", "--plot", plot)["files"][0]["slope"] == [None]
    assert plot.stat().st_size > 1000
    assert main(["spectrum", str(tmp_path / "zero.npy")]) == 0
    assert re.search(r"slope +\d to \d +- *\n", capsys.readouterr().out)
    for n, fit in ((4, [1, 2]), (6, [1, 3])):  # no three bands, or bands of one shell, in which nothing can be fitted
        saved(tmp_path / "few.npy", (3, 1, n, n))
        assert spectrum(capsys, tmp_path / "few.npy")["fit"] == fit


# The picture


def test_the_picture_has_names_and_units(tmp_path, capsys):
    plot, name = tmp_path / "a.svg", "$x$_1.npy"
    saved(tmp_path / name, (3, 2, 16, 16))
    files = [str(tmp_path / name)]
    assert main(["spectrum", *files, "--plot", str(plot), "--energy", "--lengths", "3"]) == 0
    text = text_of(plot)
    for words in (name, "energy $E(k)$ (velocity squared times length)", "(radians per unit length)", "wavelength"):
        assert words in text
    assert "amplitude ratio" not in text
    (tmp_path / "other").mkdir()
    np.save(tmp_path / "other" / name, np.ones((1, 2, 16, 16)))
    files.append(str(tmp_path / "other" / name))
    assert main(["spectrum", *files, "--plot", str(plot)]) == 0  # files of one name are told by their folders
    assert str(Path("other") / name) in text_of(plot).replace("\\", "")


def test_pyplot_is_left_alone(tmp_path):
    saved(tmp_path / "x.npy", (2, 1, 16, 16))
    program = (
        "import sys; from spectral_losses.cli import main\n"
        f"main(['spectrum', {str(tmp_path / 'x.npy')!r}, '--plot', {str(tmp_path / 'a.png')!r}])\n"
        "assert not {'matplotlib.pyplot', 'xarray', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


# What is refused


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--energy", "--channels", "sum"], "--channels: --energy sums over the components of a velocity"),
        (["--fit", "3"], "argument --fit: takes two increasing wavenumbers above 0, got '3'"),
        (["--fit", "5,3"], "argument --fit: takes two increasing wavenumbers above 0, got '5,3'"),
        (["--fit", "3.1,3.9"], "--fit takes two shells at least: there are 8, from 1 to 8"),
        (["--bins", "100"], "bins: shell 0"),
        (["--key", "u"], "--key chooses an array of an .npz or .pt, and the file is none"),
        (["--variable", "u"], "--variable chooses one of a NetCDF, HDF5, Zarr or GRIB file, and the file is none"),
        (["--plot", "a.jpg"], "argument --plot: takes a file that ends in .png, .pdf, .svg"),
        (["--spatial-axes", "9"], "spatial_axes: axis 9 is out of range"),
        (["--per", "0"], "unrecognized arguments: --per 0"),
        (["none.npy"], "none.npy: no such file"),
        (["x.npy", "none.npy", "--key", "u"], "--key chooses an array of an .npz or .pt, and none of the files is one"),
    ],
)
@pytest.mark.parametrize("json_too", [False, True])
def test_bad_options(tmp_path, capsys, monkeypatch, argv, message, json_too):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "x.npy", (3, 2, 16, 20))
    plot = [] if "--plot" in argv else ["--plot", "drawn.png"]
    assert message in refused(capsys, "x.npy", *argv, *plot, *["--json"][:json_too])
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_what_is_in_files_is_refused_by_their_names(tmp_path, capsys):
    x = saved(tmp_path / "x.npy", (3, 2, 16, 16), dtype=np.float32)
    x[1, 0, 2, 3] = np.nan
    np.save(tmp_path / "nan.npy", x)
    np.save(tmp_path / "large.npy", np.full((1, 1, 16, 16), 1e38, np.float32) * [[[[1], [-1]] * 8]])
    assert "nan.npy is not finite at [1, 0, 2, 3]" in refused(capsys, tmp_path / "x.npy", tmp_path / "nan.npy")
    np.save(tmp_path / "large.npy", np.load(tmp_path / "large.npy").astype(np.float32))
    assert "large.npy: values too large, their squares overflow in float32" in refused(capsys, tmp_path / "large.npy")
    plot = tmp_path / "a.png"
    plot.symlink_to("x.npy")
    assert "is the same file as" in refused(capsys, tmp_path / "x.npy", "--plot", plot)


def test_without_files(capsys):
    assert refused(capsys) == "the following arguments are required: FILE"
    with pytest.raises(SystemExit):
        main(["spectrum", "--help"])
    assert "spectral-losses spectrum truth.npy prediction.npy --plot spectra.png" in capsys.readouterr().out


def test_no_more_than_a_block_is_read_at_once(tmp_path, capsys, monkeypatch):
    saved(tmp_path / "x.npy", (3, 50, 2, 16, 16), dtype=np.float32)
    sizes, read = [], StoredArray.read

    def record(self, index):
        values = read(self, index)
        sizes.append(values.nbytes)
        return values

    monkeypatch.setattr(StoredArray, "read", record)
    monkeypatch.setattr(blocks, "BUDGET", 10 * 1024)
    spectrum(capsys, tmp_path / "x.npy")
    assert sum(sizes) == 3 * 50 * 2 * 16 * 16 * 4
    assert max(sizes) <= 10 * 1024
