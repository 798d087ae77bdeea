"""What the command line prints, draws and refuses."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.cli.ui.console import short

pytest.importorskip("rich")
pytest.importorskip("matplotlib")
ROOT = Path(__file__).parents[2]
ERROR = "spectral-losses: error: "


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    rng = np.random.default_rng(5)
    truth = rng.standard_normal((4, 2, 24, 30))
    paths = str(tmp_path / "prediction.npy"), str(tmp_path / "truth.npy")
    for path, field in zip(paths, (truth + 0.5 * rng.standard_normal(truth.shape), truth), strict=True):
        np.save(path, field)
    return paths


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main([str(word) for word in argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(ERROR)
    assert printed.err.count("\n") == 1
    assert printed.err.endswith("\n")
    return printed.err.removeprefix(ERROR).strip()


def pixels(path: Path) -> np.ndarray:
    from matplotlib.image import imread

    return np.asarray(imread(path))[..., :3]


def has_colour(picture: np.ndarray, colour: str) -> int:
    """How many pixels are of a colour."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int(np.sum(np.abs(picture - rgb).max(-1) < 0.02))


# The table


def test_the_table_has_the_numbers(files, capsys):
    assert main(["compare", *files]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    expected = sl.evaluate(*(np.load(file) for file in files))
    rows = {line[:16].strip(): line[16:].split() for line in printed.out.splitlines()}
    assert rows["field error"] == ["all", f"{expected['field_error']:#.3g}"]
    assert rows["spectrum error"] == ["1", "to", "12", f"{expected['spectrum_error']:#.3g}"]
    assert main(["compare", *files, "--json"]) == 0
    for band in json.loads(capsys.readouterr().out)["bands"]:
        low, high = band["wavenumbers"]
        numbers = [band[name] for name in ("error", "amplitude_part", "phase_part", "energy_ratio", "coherence")]
        assert rows[f"{band['name']} band"] == [f"{low:g}", "to", f"{high:g}", *(f"{x:#.3g}" for x in numbers)]
    assert "prediction.npy against" in printed.out
    assert "4 frames, 2 channels, grid 24 x 30" in printed.out


def test_the_table_has_a_row_for_each_index(files, capsys):
    assert main(["compare", *files, "--per", "0", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["per"]["rows"]
    assert main(["compare", *files, "--per", "0"]) == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed[printed.index("axis 0") :].splitlines()]
    for i, row in enumerate(rows):
        numbers = [row["field_error"], row["spectrum_error"]]
        numbers += [band[name] for name in ("error", "energy_ratio") for band in row["bands"]]
        assert [str(i), *(f"{x:#.3g}" for x in numbers)] in lines
        numbers = [band[name] for name in ("coherence", "phase_part") for band in row["bands"]]
        numbers.append(min(row["effective_resolution"]["channels"]))  # wavenumbers: the axes have different sizes
        assert [str(i), *(f"{x:#.3g}".removesuffix(".") for x in numbers)] in lines


def test_the_table_has_the_losses_that_are_asked_for(files, capsys):
    names = ["coherence_error", "field_error", "wavelet_error"]
    assert main(["compare", *files, "--per", "1", "--losses", ",".join(names), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["losses"]) == names
    assert main(["compare", *files, "--per", "1", "--losses", ",".join(names)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for name in ("coherence_error", "wavelet_error"):
        assert [*name.split("_"), f"{found['losses'][name]:#.3g}"] in lines
    assert sum(line[:2] == ["field", "error"] for line in lines) == 1  # it is there anyway
    for i, row in enumerate(found["per"]["rows"]):
        numbers = (row["rmse"], row["bias"], *(row["losses"][name] for name in ("coherence_error", "wavelet_error")))
        assert [str(i), *(f"{number:#.3g}".removesuffix(".") for number in numbers)] in lines


@pytest.mark.parametrize(
    ("options", "channels", "said"),
    [
        ([], 1, "{:#.3g} grid points"),
        ([], 2, "{:#.3g}, {:#.3g} grid points in channels 0 and 1"),
        (["--lengths", "500"], 3, "{:#.3g}, {:#.3g}, {:#.3g}, in the unit of the lengths, in channels 0 to 2"),
        (["--lengths", "500", "--channels", "sum"], 3, "{:#.3g}, in the unit of the lengths"),
        ([], 8, "{:#.3g} to {:#.3g} grid points in 7 channels, nothing in 1 channel"),
    ],
)
def test_the_effective_resolution_in_words(tmp_path, capsys, options, channels, said):
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((20, channels, 32, 32))
    k = np.hypot(np.fft.fftfreq(32)[:, None] * 32, np.fft.rfftfreq(32) * 32)
    cut = 6 + np.arange(channels)[:, None, None]
    prediction = np.fft.irfft2(np.where(k < cut, np.fft.rfft2(truth), 0), s=(32, 32))
    if channels == 8:
        prediction[:, 0] = rng.standard_normal((20, 32, 32))
    for name, field in (("p.npy", prediction), ("t.npy", truth)):
        np.save(tmp_path / name, field)
    argv = ["compare", str(tmp_path / "p.npy"), str(tmp_path / "t.npy"), *options]
    assert main([*argv, "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)["effective_resolution"]["channels"]
    assert (None in numbers) == (channels == 8)
    known = [each for each in numbers if each is not None]
    if len(known) > 6:
        known = [min(known), max(known)]
    assert main(argv) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("effective"))
    assert line == f"effective resolution: {said.format(*known)}"
    assert main([*argv, "--per", "0"]) == 0
    assert "resolution" in capsys.readouterr().out.split("effective", 2)[2]


def test_nothing_is_resolved(tmp_path, capsys):
    for name in ("p.npy", "t.npy"):
        np.save(tmp_path / name, np.random.default_rng(len(name) + ord(name[0])).standard_normal((30, 1, 16, 16)))
    argv = ["compare", str(tmp_path / "p.npy"), str(tmp_path / "t.npy"), "--per", "1"]
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert "effective resolution: nothing is resolved\n" in out
    assert re.search(r"^ +0 .* nothing *$", out, re.MULTILINE)
    assert main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["effective_resolution"] == {"unit": "grid points", "channels": [None]}


def test_the_table_fits_a_narrow_terminal(files, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    prediction = np.load(files[0])
    np.save(files[0], np.load(files[1]) + 1e-5 * prediction)
    assert main(["compare", *files, "--per", "0", "--losses", "log_spectral_distance,focal_frequency_error"]) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    rows = [line.split() for line in plain.splitlines() if re.match(r"\s+[0-3] ", line)]
    assert [len(row) for row in rows] == [9] * 4 + [8] * 4 + [5] * 4
    assert "e-" in rows[0][1]
    assert max(map(len, plain.splitlines()[1:])) <= 80  # the names of the files come first
    (middle,) = (line.split() for line in plain.splitlines() if line.startswith(" middle band"))
    assert len(middle) == 10  # nothing is cut off
    assert "…" not in plain


def test_long_names_on_a_narrow_terminal_cut_no_number_and_no_name(tmp_path, capsys, monkeypatch):
    xarray = pytest.importorskip("xarray")
    monkeypatch.chdir(tmp_path)
    rng, names = np.random.default_rng(0), ["total_precipitation_6hr", "total_precipitation_24hr"]
    dims = ("prediction_timedelta", "level", "y", "x")
    at = {"prediction_timedelta": [6, 12], "level": [500, 850]}
    for file in ("p.nc", "t.nc"):
        fields = {name: (dims, 1 + 1e-4 * rng.standard_normal((2, 2, 8, 8))) for name in names}
        xarray.Dataset(fields, at).to_netcdf(file)
    argv = ["compare", "p.nc", "t.nc", "--variable", ",".join(names), "--per", "prediction_timedelta,level"]
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["variables"]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    assert main(argv) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    lines = [line.split() for line in plain.splitlines()]
    assert "…" not in plain
    assert max(map(len, plain.splitlines()[5:])) <= 80  # above are names that are to be copied
    assert ["total_precipitation_"] in lines

    def is_of(line: list[str], name: str, row: dict[str, Any]) -> bool:
        return len(line) > 3 and line[0].endswith(name) and line[1:3] == list(map(str, row["coordinate"]))

    for name, each in zip(("6hr", "24hr"), found, strict=True):
        for row in each["per"]["rows"]:
            said = [word for line in lines if is_of(line, name, row) for word in line[3:]]
            numbers = [row["field_error"], row["rmse"], row["bands"][2]["phase_part"], row["bands"][1]["energy_ratio"]]
            assert {short(number) for number in numbers} <= set(said)


OPTIONS = {
    "--channel-axis none": {"channel_axis": None},
    "--spatial-axes -1,2 --channels sum": {"spatial_axes": [-1, 2], "channels": "sum"},
    "--bins log,3 --lengths 2,3.5": {"bins": ["log", 3], "lengths": [2.0, 3.5]},
    "--window hann,none --detrend linear": {"window": ["hann", None], "detrend": "linear"},
    "--bands 2,4 --eps 0.001": {"bands": [2.0, 4.0], "eps": 0.001},
}


@pytest.mark.parametrize("written", OPTIONS)
def test_options_other_than_the_defaults_are_told(files, tmp_path, capsys, written):
    plot = tmp_path / "spectra.svg"
    assert main(["compare", *files, *written.split(), "--json", "--plot", str(plot)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["variable"], found["options"]) == (None, OPTIONS[written])
    assert main(["compare", *files, *written.split()]) == 0
    line = written.replace(" --", ", --")
    assert line in capsys.readouterr().out.splitlines()
    drawn = re.findall(r"<!-- (.*?) -->", plot.read_text())
    assert line.replace("--", "- -") in drawn  # a comment has no two dashes


def test_defaults_are_not_told(files, tmp_path, capsys):
    given = ["--channels", "separate", "--bins", "unit", "--eps", "1e-8", "--channel-axis", "auto", "--per", "0"]
    assert main(["compare", *files, *given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"] == {}
    assert main(["compare", *files, *given]) == 0
    assert "--" not in capsys.readouterr().out


def test_undefined_numbers_are_dashes(tmp_path, capsys):
    path = str(tmp_path / "zero[red].npy")
    np.save(path, np.zeros((2, 1, 16, 16)))
    assert main(["compare", path, path]) == 0
    out = capsys.readouterr().out
    assert re.search(r"low band +1 to 2( +-){5} *\n", out), out
    assert "effective resolution: nothing is resolved" in out
    assert f"{path} against {path}\n" in out


# The picture


def test_the_picture_shows_both_curves(files, tmp_path, capsys):
    plot = tmp_path / "spectra.png"
    assert main(["compare", *files, "--plot", str(plot)]) == 0
    picture = pixels(plot)
    height, width = picture.shape[:2]
    assert height > 500
    assert width > 500
    truth, prediction = "#000000", "#D55E00"
    assert has_colour(picture[: height // 2], prediction) > 200
    assert has_colour(picture[height * 6 // 10 :], prediction) > 200
    assert has_colour(picture, truth) > 2000
    assert has_colour(picture, "#0072B2") == 0
    assert main(["compare", *files, "--plot", str(plot), "--per", "0"]) == 0
    wide = pixels(plot)
    assert wide.shape[1] == 2 * width
    for colour in ("#0072B2", "#009E73", "#CC79A7"):
        assert has_colour(wide[:, width:], colour) > 200
        assert has_colour(wide[:, :width], colour) == 0
    assert not capsys.readouterr().err


def test_the_picture_has_labels_units_and_names(files, tmp_path, capsys):
    plot = tmp_path / "spectra.svg"

    def text() -> str:
        # Words are drawn as paths, each with its text in a comment.
        return " ".join(re.findall(r"<!-- (.*?) -->", plot.read_text()))

    assert main(["compare", *files, "--plot", str(plot)]) == 0
    for words in (
        "prediction.npy against truth.npy",
        "(waves across the box)",
        "(field units squared)",
        "amplitude ratio",
        "coherence",
        "wavenumber $k$",
        "mean over 4 frames and 2 channels",
        "low",
        "middle",
        "high",
    ):
        assert words in text()
    assert "wavelength" not in text()  # of axes of different sizes it has no unit
    argv = ["--lengths", "1", "--channels", "sum", "--per", "0"]
    assert main(["compare", *files, "--plot", str(plot), *argv]) == 0
    for words in (
        "(radians per unit length)",
        "wavelength (units of the lengths)",
        "sum of 2 channels",
        "index along axis 0",
        "relative error",
        "energy ratio",
    ):
        assert words in text()


def test_files_of_one_name_are_told_apart_in_the_title(tmp_path, capsys):
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(str(tmp_path / folder / "run_$a$_b.npy"))
        np.save(paths[-1], np.random.default_rng(0).standard_normal((2, 1, 16, 16)))
    assert main(["compare", *paths, "--plot", str(tmp_path / "a.svg")]) == 0
    # Neither is mathematics taken for granted in a name.
    drawn = "".join(re.findall(r"<!-- (.*?) -->", (tmp_path / "a.svg").read_text(), re.DOTALL)).replace("\n", "")
    for path in paths:
        assert path in drawn


def test_pyplot_is_left_alone(files, tmp_path):
    program = (
        "import sys; from spectral_losses.cli import main\n"
        "heavy = {'numpy', 'rich', 'matplotlib', 'xarray', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"main(['compare', *{files!r}, '--plot', {str(tmp_path / 'a.png')!r}])\n"
        "assert 'matplotlib' in sys.modules\n"
        "assert not {'matplotlib.pyplot', 'xarray', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


# What is refused


def test_help_and_version(capsys):
    for argv, words in (
        (["--version"], f"spectral-losses {sl.__version__}\n"),
        (["--help"], "compare"),
        (["compare", "--help"], "spectral-losses compare prediction.npy truth.npy --plot spectra.png"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == 0
        printed = capsys.readouterr()
        assert words in printed.out
        assert printed.err == ""


def test_without_arguments_the_help_is_printed(capsys):
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    for words in ("usage: spectral-losses", "compare", "replay", "demo"):
        assert words in printed.err


@pytest.mark.parametrize("again", ["{option} {value}", "{option}={value}"])
@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("compare", "--key", "u"),
        ("compare", "--variable", "u"),
        ("compare", "--per", "0"),
        ("compare", "--plot", "drawn.png"),
        ("compare", "--spatial-axes", "-2,-1"),
        ("compare", "--channel-axis", "none"),
        ("compare", "--channels", "sum"),
        ("compare", "--bins", "unit"),
        ("compare", "--lengths", "1"),
        ("compare", "--window", "hann"),
        ("compare", "--detrend", "linear"),
        ("compare", "--bands", "2,4"),
        ("compare", "--losses", "field_error"),
        ("compare", "--eps", "0"),
        ("replay", "--plot", "drawn.png"),
        ("demo", "--seed", "1"),
        ("demo", "--output", "drawn.png"),
    ],
)
def test_an_option_that_is_given_twice(capsys, command, option, value, again):
    operands = {"compare": ["a.npy", "b.npy"], "replay": ["a.csv"], "demo": []}[command]
    twice = [option, value, *again.format(option=option, value=value).split()]
    assert refused(capsys, command, *operands, *twice) == f"{option}: given more than once"


@pytest.mark.parametrize("argv", [["compare", "a.npy", "b.npy"], ["replay", "a.csv"], ["demo"]])
def test_a_flag_that_is_given_twice(capsys, argv):
    assert refused(capsys, *argv, "--json", "--json") == "--json: given more than once"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--"], "the following arguments are required: COMMAND"),
        (["compete"], "invalid choice: 'compete'"),
        (["compare"], "the following arguments are required: PREDICTION, TRUTH"),
        (["compare", "a.npy"], "the following arguments are required: TRUTH"),
        (["compare", "a.npy", "b.npy", "--chan", "sum"], "unrecognized arguments: --chan sum"),
    ],
)
def test_bad_command_lines(capsys, argv, message):
    assert message in refused(capsys, *argv)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--channels", "product"], "argument --channels: invalid choice: 'product'"),
        (["--bins", "many"], "bins must be 'unit', 'log', a number of shells"),
        (["--bins", "0"], "bins must be 'unit', 'log', a number of shells"),
        (["--bins", "log,0"], "bins must be"),
        (["--bins", "3,2,1"], "bins must be"),
        (["--bins", "100"], "bins: shell 0, wavenumbers (0.5, 0.62], holds no mode of the 24x30 grid"),
        (["--bins", "2"], "3 bands take 3 shells: there are 2"),
        (["--bins", "0.5,x"], "argument --bins: takes numbers, got '0.5,x'"),
        (["--lengths", "long"], "argument --lengths: takes numbers, got 'long'"),
        (["--lengths", "1,2,3"], "lengths must have one value per spatial axis (2)"),
        (["--lengths", "0"], "lengths must be finite and positive"),
        (["--lengths", "nan"], "lengths must be finite and positive"),
        (["--window", "door"], "window must be one of hann, hamming, blackman or None, got 'door'"),
        (["--window", "hann,none,none"], "window must name one window or one per spatial axis (2)"),
        (["--detrend", "cubic"], "argument --detrend: invalid choice: 'cubic'"),
        (["--bands", "3"], "argument --bands: takes two increasing wavenumbers above 0, got '3'"),
        (["--bands", "4,3"], "argument --bands: takes two increasing wavenumbers above 0, got '4,3'"),
        (["--bands", "0,3"], "argument --bands: takes two increasing wavenumbers above 0"),
        (["--bands", "3,x"], "argument --bands: takes numbers, got '3,x'"),
        (["--bands", "3,12"], "--bands leave one without a shell: there are 12, shells lie from 1 to 12"),
        (["--bands", "3.1,3.9"], "--bands leave one without a shell"),
        (["--bands", "0.5,3"], "--bands leave one without a shell"),
        (["--eps", "-1"], "argument --eps: takes a finite number of at least 0, got '-1'"),
        (["--eps", "nan"], "argument --eps: takes a finite number of at least 0, got 'nan'"),
        (["--eps", "little"], "argument --eps: takes a finite number of at least 0, got 'little'"),
        (["--losses", "adjustd_error"], "--losses: loss 'adjustd_error' is not known, did you mean 'adjusted_error'?"),
        (["--losses", "coherence_error,,field_error"], "argument --losses: takes names, got 'coherence_error,,field"),
        (["--spatial-axes", "2,3,4,5"], "argument --spatial-axes: takes one, two or three axes"),
        (["--spatial-axes", "2,"], "argument --spatial-axes: takes one, two or three axes"),
        (["--spatial-axes", "2,2"], "spatial_axes must not repeat an axis"),
        (["--spatial-axes", "2,-2"], "spatial_axes must not repeat an axis"),
        (["--spatial-axes", "4"], "spatial_axes: axis 4 is out of range for fields of shape (4, 2, 24, 30)"),
        (["--spatial-axes", "x,y"], "--spatial-axes: no dimension 'x'; the axes have no names, give numbers"),
        (["--channel-axis", "9"], "channel_axis: axis 9 is out of range"),
        (["--channel-axis", "3"], "channel_axis 3 is also one of the spatial axes"),
        (["--channel-axis", "u"], "--channel-axis: no dimension 'u'; the axes have no names, give numbers"),
        (["--per", "4"], "--per: axis 4 is out of range for shape (4, 2, 24, 30)"),
        (["--per", "-1"], "--per: axis 3 is space; it takes an axis of frames or channels"),
        (["--per", "time"], "--per: no dimension 'time'; the axes have no names, give numbers"),
        (
            ["--per", "1", "--channels", "sum"],
            "--per: with --channels sum there are no numbers for each channel",
        ),
        (["--key", "u"], "--key chooses an array of an .npz or .pt, and neither file is one"),
        (
            ["--variable", "u"],
            "--variable chooses one of a NetCDF, HDF5, Zarr or GRIB file, and neither file is one",
        ),
        (["--plot", "spectra"], "argument --plot: takes a file that ends in .png, .pdf, .svg, got 'spectra'"),
        (["--plot", "spectra.jpg"], "argument --plot: takes a file that ends in .png, .pdf, .svg"),
    ],
)
@pytest.mark.parametrize("json_too", [False, True])
def test_bad_options(files, tmp_path, capsys, monkeypatch, argv, message, json_too):
    monkeypatch.chdir(tmp_path)
    plot = [] if "--plot" in argv else ["--plot", "drawn.png"]
    assert message in refused(capsys, "compare", *files, *argv, *plot, *["--json"][:json_too])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prediction.npy", "truth.npy"]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("missing/a.png", "No such file or directory"),
        ("folder.png", "Is a directory"),
        ("a.npy/b.png", "Not a directory"),
    ],
)
def test_a_plot_that_cannot_be_written(files, tmp_path, capsys, monkeypatch, place, message):
    (tmp_path / "folder.png").mkdir()
    np.save(tmp_path / "a.npy", np.ones(3))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("spectral_losses.io.stored.StoredArray.read", lambda *_: pytest.fail("too late"))
    assert refused(capsys, "compare", *files, "--plot", tmp_path / place).startswith("--plot: ")
    assert message in refused(capsys, "compare", *files, "--plot", tmp_path / place)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("older", [None, b"older"])
def test_a_disk_that_is_full(files, tmp_path, capsys, monkeypatch, older):
    before = sorted(tmp_path.iterdir())
    if older is not None:
        (tmp_path / "a.png").write_bytes(older)

    def full(self, data):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    message = refused(capsys, "compare", *files, "--plot", tmp_path / "a.png", "--json")
    assert message == f"--plot: {tmp_path / 'a.png'}: No space left on device"
    if older is not None:
        assert (tmp_path / "a.png").read_bytes() == older
        (tmp_path / "a.png").unlink()
    assert sorted(tmp_path.iterdir()) == before


def test_a_picture_takes_the_place_of_an_older_one(files, tmp_path):
    plot, link = tmp_path / "a.png", tmp_path / "link.png"
    plot.write_bytes(b"older")
    plot.chmod(0o640)
    link.symlink_to("a.png")
    before = sorted(tmp_path.iterdir())
    assert main(["compare", *files, "--plot", str(link), "--json"]) == 0
    assert link.is_symlink()
    assert pixels(plot).std() > 0.01
    assert plot.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == before


def test_a_link_to_nothing_leads_to_the_picture(files, tmp_path, capsys):
    link = tmp_path / "link.png"
    link.symlink_to("target.png")
    before = sorted(tmp_path.iterdir())
    refused(capsys, "compare", *files, "--plot", link, "--bands", "1,99")
    assert sorted(tmp_path.iterdir()) == before
    assert link.is_symlink()
    assert main(["compare", *files, "--plot", str(link), "--json"]) == 0
    assert pixels(tmp_path / "target.png").std() > 0.01
    assert link.is_symlink()


def test_a_link_to_itself(files, tmp_path, capsys):
    (tmp_path / "link.png").symlink_to("link.png")
    assert refused(capsys, "compare", *files, "--plot", tmp_path / "link.png").startswith("--plot: ")
    assert (tmp_path / "link.png").is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_no_place_for_a_picture(files, tmp_path, capsys):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert refused(capsys, "compare", *files, "--plot", pipe) == f"--plot: {pipe}: not a regular file"
    assert pipe.is_fifo()


@pytest.mark.parametrize("link", ["hardlink_to", "symlink_to"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_picture_of_a_comparison_takes_no_place_of_an_input(files, tmp_path, capsys, monkeypatch, link, which):
    monkeypatch.setattr("spectral_losses.io.stored.StoredArray.read", lambda *_: pytest.fail("too late"))
    plot = tmp_path / "a.png"
    getattr(plot, link)(files[which])
    content = Path(files[which]).read_bytes()
    message = refused(capsys, "compare", *files, "--plot", plot)
    assert message == f"--plot: {plot}: is the same file as {files[which]}, which is to be read"
    assert Path(files[which]).read_bytes() == content


@pytest.mark.parametrize("name", ["metrics.csv", "scheduler.toml"])
def test_a_picture_of_a_replay_takes_no_place_of_an_input(tmp_path, capsys, name):
    metrics, config, plot = (tmp_path / each for each in ("metrics.csv", "scheduler.toml", "a.png"))
    metrics.write_text("spectrum_error\n1\n")
    config.write_text("patience = 3\n")
    plot.symlink_to(name)
    message = refused(capsys, "replay", metrics, "--config", config, "--plot", plot)
    assert message == f"--plot: {plot}: is the same file as {tmp_path / name}, which is to be read"


def test_an_error_leaves_an_older_plot_alone(files, tmp_path, capsys):
    plot = tmp_path / "a.png"
    plot.write_bytes(b"older")
    refused(capsys, "compare", *files, "--plot", plot, "--bands", "1,99")
    assert plot.read_bytes() == b"older"


def test_missing_packages(files, tmp_path, capsys, monkeypatch):
    install = "which is not installed: pip install {} (the extra 'cli' of spectral-losses has all that is needed)"
    monkeypatch.setitem(sys.modules, "rich", None)
    assert refused(capsys, "compare", *files) == f"the table needs rich, {install.format('rich')}"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plot = tmp_path / "a.png"
    assert (
        refused(capsys, "compare", *files, "--plot", plot, "--json")
        == f"--plot needs matplotlib, {install.format('matplotlib')}"
    )
    assert not plot.exists()
    assert main(["compare", *files, "--json"]) == 0  # takes neither
    json.loads(capsys.readouterr().out)


def test_other_exceptions_are_not_hidden(files, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("spectral_losses.cli.compare.alone.sums_of", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["compare", *files])


def test_an_interrupt_is_quiet(files, capsys, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spectral_losses.io.stored.StoredArray.read", interrupted)
    assert main(["compare", *files]) == 130
    assert capsys.readouterr() == ("", "")


# Progress


@pytest.mark.parametrize("patience", [0.0, 100.0])
def test_progress_is_shown_on_a_terminal_after_a_while(files, capsys, monkeypatch, patience):
    monkeypatch.setattr("spectral_losses.cli.ui.progress.PATIENCE", patience)
    monkeypatch.setattr(blocks, "BUDGET", 1)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["compare", *files, "--json"]) == 0
    printed = capsys.readouterr()
    json.loads(printed.out)
    assert ("comparing" in printed.err) == (patience == 0)


def test_progress_needs_no_rich(files, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(["compare", *files, "--json"]) == 0
    assert capsys.readouterr().err == ""


# For real


def test_the_installed_command(files, tmp_path):
    command = [sys.executable, "-c", "import sys; from spectral_losses.cli import main; sys.exit(main())"]
    done = subprocess.run([*command, "compare", *files, "--json"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    expected = sl.evaluate(*(np.load(file) for file in files))
    assert json.loads(done.stdout)["spectrum_error"] == pytest.approx(expected["spectrum_error"], rel=1e-12)
    done = subprocess.run([*command, "compare", files[0], "none.npy"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{ERROR}none.npy: no such file\n")


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "spectral_losses"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"spectral-losses {sl.__version__}\n", "")
    done = subprocess.run([*command, "compare", "none.npy", "none.npy"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{ERROR}none.npy: no such file\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupted_process(tmp_path):
    path = tmp_path / "long.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (40_000, 1, 128, 128))  # sparse
    program = (
        # A script that was started in the background ignores SIGINT, and so do its children unless they are told.
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from spectral_losses.cli import main; from spectral_losses.cli.compare import alone\n"
        "inner = alone.sums_of\n"
        "def shown(*args):\n    print('reading', flush=True)\n    return inner(*args)\n"
        "alone.sums_of = shown\n"
        "sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "compare", str(path), str(path), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


def test_two_flows_of_the_example(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("turbulence", ROOT / "docs" / "examples" / "turbulence.py")
    assert spec is not None
    assert spec.loader is not None
    turbulence = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(turbulence)
    turbulence.main(["--n", "48", "--coarse", "16", "--frames", "3", "--out", str(tmp_path)])
    capsys.readouterr()
    files = [str(tmp_path / f"{name}.npy") for name in ("prediction", "truth")]
    assert main(["compare", *files, "--json", "--per", "0", "--plot", str(tmp_path / "spectra.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["channels"], found["grid"]) == (3, 2, [48, 48])
    low, middle, high = found["bands"]
    assert low["error"] < middle["error"]
    assert high["error"] == pytest.approx(1, abs=1e-3)  # the coarse grid has nothing there
    assert high["energy_ratio"] < 1e-3
    errors = [row["field_error"] for row in found["per"]["rows"]]
    assert errors == sorted(errors)
    assert pixels(tmp_path / "spectra.png").std() > 0.01
    assert (tmp_path / "spectra.png").read_bytes().startswith(b"\x89PNG")
