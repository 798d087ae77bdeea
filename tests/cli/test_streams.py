"""Where the command line prints to: pipes that close, disks that are full, narrow encodings, hostile names."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectral_losses.cli import main
from spectral_losses.cli.ui.console import printable

pytest.importorskip("rich")
ERROR = "spectral-losses: error: "
COMMAND = [sys.executable, "-c", "import sys; from spectral_losses.cli import main; sys.exit(main())"]
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("streams")
    truth = np.random.default_rng(0).standard_normal((200, 1, 8, 8))
    np.save(made / "p.npy", truth + 0.1)
    np.save(made / "t.npy", truth)
    rows = [f"{epoch},{1 / (epoch + 1)}" for epoch in range(60)]
    (made / "metrics.csv").write_text("\n".join(["epoch,spectrum_error", *rows, ""]))
    return made


COMPARE = ["compare", "p.npy", "t.npy", "--per", "0"]
REPLAY = ["replay", "metrics.csv"]
PRINTING = [COMPARE, [*COMPARE, "--json"], REPLAY, [*REPLAY, "--json"], ["compare", "--help"], ["--version"]]


def run(folder: Path, argv: list[str], stdout: Any, **variables: str) -> tuple[int, str]:
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [*COMMAND, *argv], stdout=stdout, stderr=subprocess.PIPE, cwd=folder, env=environment, encoding="utf-8"
    )
    return done.returncode, done.stderr


def test_a_notebook_gets_text(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no HTML, a block for each line."""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert main(["compare", str(folder / "p.npy"), str(folder / "t.npy")]) == 0
    printed = capsys.readouterr().out
    assert "field error" in printed
    assert "low band" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes that break")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argv", PRINTING, ids=" ".join)
def test_a_pipe_that_nobody_reads_is_left_quietly(folder, argv, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert run(folder, argv, writing, PYTHONUNBUFFERED=unbuffered) == (141, "")
    finally:
        os.close(writing)


@pytest.mark.skipif(not FULL.exists(), reason="needs a disk that is full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argv", PRINTING, ids=" ".join)
def test_a_full_disk_is_told_on_one_line(folder, argv, unbuffered):
    with FULL.open("w") as full:
        code, told = run(folder, argv, full, PYTHONUNBUFFERED=unbuffered)
    assert (code, told) == (2, f"{ERROR}stdout cannot be written: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs pipes that break")
@pytest.mark.parametrize("argv", [[], ["compare"], ["compare", "none.npy", "t.npy"]])
def test_nobody_has_to_read_errors(folder, argv):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*COMMAND, *argv], stdout=subprocess.PIPE, stderr=writing, cwd=folder)
    finally:
        os.close(writing)
    assert (done.returncode, done.stdout) == (2, b"")


class Broken(io.StringIO):
    """A stdout that raises."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 141), (errno.ENOSPC, 2), (errno.EIO, 2)])
@pytest.mark.parametrize("json_too", [False, True])
def test_the_demo_prints_as_the_others_do(monkeypatch, tmp_path, capsys, number, code, json_too):
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    from spectral_losses.cli.demo import experiment, figure, report

    monkeypatch.setattr(experiment, "run_demo", lambda *_: None)
    monkeypatch.setattr(figure, "write_figure", lambda *_: None)
    monkeypatch.setattr(report, "document", lambda *_: {})
    for name in ("_settings", "_verdict"):
        monkeypatch.setattr(report, name, lambda *_: [])
    for name in ("_forecasts", "_times"):
        monkeypatch.setattr(report, name, lambda *_: "a table")
    outcome = type("Outcome", (), {"setting": None, "seed": 0})
    monkeypatch.setattr(experiment, "run_demo", lambda *_: outcome)
    monkeypatch.setattr(sys, "stdout", Broken(number))
    assert main(["demo", "--output", str(tmp_path / "a.png"), *["--json"][:json_too]]) == code
    told = capsys.readouterr().err
    assert told == ("" if code == 141 else f"{ERROR}stdout cannot be written: {os.strerror(number)}\n")


# Names


NAMES = {"\x1b[31mred": r"\x1b[31mred", "bell\x07\x9b2J": r"bell\x07\x9b2J", "[bold]:smile:": "[bold]:smile:"}


def test_what_is_printable():
    assert printable("two\nlines, é, 中, [b]") == "two\nlines, é, 中, [b]"
    assert printable("\x00\t\r\x1b\x7f\x85\x9b\udcff") == r"\x00\t\r\x1b\x7f\x85\x9b\udcff"


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_do_not_steer_a_terminal(tmp_path, capsys, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    monkeypatch.setenv("TERM", "xterm")
    np.save(f"{name}.npy", np.random.default_rng(0).standard_normal((3, 1, 16, 16)))
    assert main(["compare", f"{name}.npy", f"{name}.npy"]) == 0
    out = capsys.readouterr().out
    told = NAMES[name]
    assert f"\x1b[1m{told}.npy against {told}.npy\x1b[0m\n" in out
    for argv in (["compare", f"{name}.npy", f"{name}"], ["compare", f"{name}.npy", f"no{name}.npy"], [name]):
        assert main(argv) == 2
        err = capsys.readouterr().err
        assert "\x1b" not in err
        assert "\x07" not in err
        assert err.count("\n") == 1
        assert told in err or argv == [name]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_files_do_not_steer_a_terminal(tmp_path, capsys, monkeypatch, name):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    dims = (name, "channel", "y", "x")
    field = np.random.default_rng(0).standard_normal((3, 1, 16, 16))
    xarray.Dataset({"u": (dims, field)}).to_zarr(path, consolidated=False)
    assert main(["compare", str(path), str(path), "--per", name]) == 0
    out = capsys.readouterr().out
    assert NAMES[name] in out
    assert not set("\x07\x9b") & set(out)
    assert "\x1b[31m" not in out
    metrics, config = tmp_path / "metrics.csv", tmp_path / "scheduler.json"
    metrics.write_text(f"{name}\n" + "1\n" * 30)
    config.write_text(json.dumps({"monitor": name, "warmup_epochs": 1, "min_epochs_before_adapt": 1, "patience": 2}))
    assert main(["replay", str(metrics), "--config", str(config), "--config", "iso"]) == 2
    assert not set("\x1b\x07\x9b") & set(capsys.readouterr().err)
    assert main(["replay", str(metrics), "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert NAMES[name][:8] in out  # as wide as a column has to be
    assert not set("\x07\x9b") & set(out)
    assert "\x1b[31m" not in out


def test_a_table_is_as_wide_as_what_it_prints(tmp_path, capsys):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    field = np.random.default_rng(0).standard_normal((3, 1, 16, 16))
    lines = []
    for name in ("\x1b", "abcd"):  # of which the first is printed as four letters
        path = tmp_path / "a.zarr"
        xarray.Dataset({"u": ((name, "channel", "y", "x"), field)}).to_zarr(path, consolidated=False, mode="w")
        assert main(["compare", str(path), str(path), "--per", name]) == 0
        lines.append(capsys.readouterr().out.splitlines())
    assert [line.replace("\\x1b", "abcd") for line in lines[0]] == lines[1]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_narrow_encodings(folder, encoding):
    name = "größe 中.npy"
    np.save(folder / name, np.load(folder / "t.npy"))
    written = name.encode(encoding, "backslashreplace")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for argv in (["compare", name, "t.npy"], ["compare", name, name, "--per", "0"]):
        done = subprocess.run([*COMMAND, *argv], capture_output=True, cwd=folder, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        assert written in done.stdout
    done = subprocess.run([*COMMAND, "compare", f"no{name}", name], capture_output=True, cwd=folder, env=environment)
    assert (done.returncode, done.stdout) == (2, b"")
    assert written in done.stderr


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs names of any bytes")
def test_names_of_any_bytes(folder):
    name = os.fsdecode(b"\xff\xfe.npy")
    np.save(folder / name, np.load(folder / "t.npy"))
    done = subprocess.run([*COMMAND, "compare", name, name], capture_output=True, cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\udcff\udcfe.npy against" in done.stdout
