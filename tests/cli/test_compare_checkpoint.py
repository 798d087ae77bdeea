"""``compare --checkpoint``: a run that was stopped goes on, and nothing of another comparison is mixed in."""

from __future__ import annotations

import errno
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import alone as one_process
from spectral_losses.cli.compare import blocks, checkpoint, command
from spectral_losses.cli.compare.sums import unpacked
from spectral_losses.cli.ui import figures
from spectral_losses.io import StoredArray

FRAMES = 6
ARGV = ("compare", "p.npy", "t.npy", "--losses", "adjusted_error", "--per", "0", "--checkpoint", "sums")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Two files; each frame is a part."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(blocks, "PART", 1)
    monkeypatch.setattr(blocks, "BUDGET", 1)
    rng = np.random.default_rng(0)
    t = rng.standard_normal((FRAMES, 2, 8, 10)).astype(np.float32)
    np.save("t.npy", t)
    np.save("p.npy", t + 0.3 * rng.standard_normal(t.shape).astype(np.float32))
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, str]:
    assert main([*argv, "--json"]) == 0
    said = capsys.readouterr()
    return said.out, said.err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main([*argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("spectral-losses: error: ").rstrip()


@pytest.fixture
def reads(monkeypatch) -> list[tuple[str, int]]:
    """File and frame of each piece that is read."""
    found: list[tuple[str, int]] = []
    read = StoredArray.read

    def counted(self: StoredArray, index: Any) -> Any:
        if self.shape[0] == FRAMES:
            found.append((self.name, index[0].start))
        return read(self, index)

    monkeypatch.setattr(StoredArray, "read", counted)
    return found


def stopped_after(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until so many parts are done, as with Ctrl-C."""
    done = []

    def sums_of(*arguments: Any) -> Any:
        if len(done) == parts:
            raise KeyboardInterrupt
        done.append(arguments)
        return one_process_sums(*arguments)

    one_process_sums = one_process.sums_of
    with monkeypatch.context() as patch:
        patch.setattr(one_process, "sums_of", sums_of)
        assert main([*ARGV]) == 130


@pytest.mark.parametrize("parts", [0, 2, FRAMES, FRAMES + 3])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(capsys, monkeypatch, reads, parts):
    whole, said = printed(capsys, *ARGV[:-2])
    assert said == ""
    stopped_after(parts, monkeypatch)
    assert capsys.readouterr() == ("", "")
    assert len(list(Path("sums").glob("*.npz"))) == parts
    reads.clear()
    again, said = printed(capsys, *ARGV)
    assert again == whole
    assert said == ("" if parts == 0 else f"spectral-losses: {parts} of 12 parts are in sums\n")
    # The first round is over the truth alone; each field of a frame is a block.
    levels = {("t.npy", i) for i in range(parts, FRAMES)}
    assert set(reads) == levels | {(name, i) for name in ("p.npy", "t.npy") for i in range(max(parts - 6, 0), FRAMES)}
    assert len(reads) == 2 * (max(FRAMES - parts, 0) + 2 * (FRAMES - max(parts - 6, 0)))


def test_a_finished_comparison_reads_nothing_anew(capsys, reads):
    whole, _ = printed(capsys, *ARGV)
    reads.clear()
    assert printed(capsys, *ARGV) == (whole, "spectral-losses: 12 of 12 parts are in sums\n")
    assert reads == []
    # What says how numbers are shown may change.
    other = json.loads(printed(capsys, *ARGV, "--bands", "2,3", "--table", "rows.csv")[0])
    assert other["field_error"] == json.loads(whole)["field_error"]
    assert other["bands"] != json.loads(whole)["bands"]
    assert Path("rows.csv").exists()
    assert reads == []


def test_several_variables_and_rounds_share_a_folder(capsys, monkeypatch):
    p, t = np.load("p.npy"), np.load("t.npy")
    p[3, 0, 2, 2] = np.nan
    np.savez("p.npz", u=p[:, 0], v=p[:, 1])
    np.savez("t.npz", u=t[:, 0], v=t[:, 1])
    argv = ("compare", "p.npz", "t.npz", "--key", "u,v,u+v", "--nan", "skip", "--channel-axis", "none", "--per", "0")
    argv = (*argv, "--losses", "sobolev_error")
    whole, _ = printed(capsys, *argv)
    assert printed(capsys, *argv, "--checkpoint", "sums") == (whole, "")
    names = {path.name for path in Path("sums").glob("*.npz")}
    assert len(names) == 3 * 3 * FRAMES - 2 * 2  # u and u+v lack a frame in two rounds
    for name in sorted(names)[::3]:
        Path("sums", name).unlink()
    again, said = printed(capsys, *argv, "--checkpoint", "sums")
    assert again == whole
    assert said.endswith("of 54 parts are in sums\n")


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (("--bins", "log"), "--bins was 'unit' there, and is 'log'"),
        (("--per", "1"), "--per was [0] there, and is [1]"),
        (("--losses", "sobolev_error"), "--losses was ['adjusted_error'] there, and is ['sobolev_error']"),
        (("--eps", "0.5"), "--eps was 1e-08 there, and is 0.5"),
        (("--isel", "0=0:3"), "--isel was None there, and is ['0=0:3']"),
        (("--mask", "m.npy"), f"--mask was None there, and is '{os.sep}"),
        (("--nan", "fill"), "--nan was 'error' there, and is 'fill'"),
    ],
)
def test_another_comparison_is_refused(capsys, argv, problem):
    np.save("m.npy", np.ones((8, 10)))
    printed(capsys, *ARGV)
    before = {path.name: path.read_bytes() for path in Path("sums").iterdir()}
    kept = [word for word in ARGV if word != argv[0]]
    if len(kept) < len(ARGV):
        del kept[ARGV.index(argv[0])]
    said = refused(capsys, *kept, *argv)
    assert said.startswith(f"--checkpoint: sums holds sums of another comparison: {problem}")
    assert {path.name: path.read_bytes() for path in Path("sums").iterdir()} == before


def test_a_file_that_changed_is_refused(capsys, monkeypatch):
    printed(capsys, *ARGV)
    stat = os.stat("t.npy")
    os.utime("t.npy", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    said = refused(capsys, *ARGV)
    assert said == "--checkpoint: sums holds sums of another comparison: the file of the truth has changed since"


def test_a_chunk_that_changed_is_refused(capsys):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    for name in ("p", "t"):
        data = xarray.Dataset({"u": (("time", "level", "y", "x"), np.load(f"{name}.npy"))})
        data.to_zarr(f"{name}.zarr", consolidated=False)
    argv = ("compare", "p.zarr", "t.zarr", "--checkpoint", "sums")
    printed(capsys, *argv)
    chunk = max(Path("p.zarr").rglob("*"), key=lambda path: (path.is_file() and path.stat().st_size, str(path)))
    stat = chunk.stat()
    os.utime(chunk, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    assert "the file of the prediction has changed since" in refused(capsys, *argv)


def test_files_of_another_shape_or_cut_are_refused(capsys, monkeypatch):
    printed(capsys, *ARGV)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "PART", 1 << 20)
        assert "the arrays have other shapes, positions or chunks" in refused(capsys, *ARGV)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "__version__", "0.0.1")
        said = f"it is of version {sl.__version__} of spectral-losses, and this is 0.0.1"
        assert said in refused(capsys, *ARGV)
    np.save("p.npy", np.load("p.npy")[:5])
    np.save("t.npy", np.load("t.npy")[:5])
    assert "holds sums of another comparison" in refused(capsys, *ARGV)


def test_all_that_says_what_is_computed_tells_comparisons_apart():
    # Bands are made of the sums.
    assert {*command.CHOSEN} & {*checkpoint.APART} == {"bands"}


def test_other_positions_are_refused(capsys):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")

    def write(levels: list[float]) -> None:
        for name in ("p", "t"):
            data = xarray.Dataset({"u": (("time", "level", "y", "x"), np.load(f"{name}.npy"))})
            data.assign_coords(level=levels).to_netcdf(f"{name}.nc")
            os.utime(f"{name}.nc", ns=(0, 0))  # as stores that tell no times

    argv = ("compare", "p.nc", "t.nc", "--per", "level", "--checkpoint", "sums")
    write([500.0, 850.0])
    whole, _ = printed(capsys, *argv)
    write([500.0, 850.0])
    assert printed(capsys, *argv)[0] == whole
    write([500.0, 700.0])
    assert "the arrays have other shapes, positions or chunks" in refused(capsys, *argv)


def test_each_variable_has_guards_of_its_own(capsys):
    p, t = np.load("p.npy"), np.load("t.npy")
    np.savez("p.npz", u=p, v=100 * p)
    np.savez("t.npz", u=t, v=100 * t)
    argv = ("compare", "p.npz", "t.npz", "--key", "u,v", "--losses", "adjusted_error", "--eps", "0.5")
    u, v = json.loads(printed(capsys, *argv)[0])["variables"]
    assert v["losses"] == pytest.approx(u["losses"], rel=1e-5)


def test_paths_may_be_written_otherwise(capsys, here):
    whole, _ = printed(capsys, *ARGV)
    again, said = printed(capsys, "compare", str(here / "p.npy"), "./t.npy", *ARGV[3:])
    assert json.loads(again)["spectra"] == json.loads(whole)["spectra"]
    assert said == "spectral-losses: 12 of 12 parts are in sums\n"


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "another part", "no archive"])
def test_a_damaged_part_is_computed_again(capsys, damage):
    whole, _ = printed(capsys, *ARGV)
    path = Path("sums", "0-numbers-2-3.npz")
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        middle = archive.getinfo("joined.moments.npy").header_offset + 200
    flipped = bytearray(content)
    flipped[middle] ^= 1
    wide = Path("sums", "wide.npz")
    np.savez(wide, **{"joined.moments": np.zeros((2, 3, 2))})
    damaged = {
        "cut": content[:-100],
        "flipped": bytes(flipped),
        "empty": b"",
        "text": b"not an archive",
        "another part": wide.read_bytes(),
        "no archive": b"PK\x03\x04",
    }
    path.write_bytes(damaged[damage])
    again, said = printed(capsys, *ARGV)
    assert again == whole
    path = Path("sums", "0-numbers-2-3.npz")
    assert said.splitlines() == [
        "spectral-losses: 12 of 12 parts are in sums",
        f"spectral-losses: warning: {path} is damaged; its part is computed again",
    ]
    assert list(unpacked(path.read_bytes()).joined) == list(unpacked(content).joined)


def test_a_folder_of_something_else_is_refused(capsys):
    Path("sums").mkdir()
    Path("sums", "notes.txt").write_text("mine")
    assert refused(capsys, *ARGV) == "--checkpoint: sums: is not empty, and holds no sums of a comparison"
    assert [path.name for path in Path("sums").iterdir()] == ["notes.txt"]
    for text in ("{", "[]", "{}", "null"):
        Path("sums", "comparison.json").write_text(text)
        said = refused(capsys, *ARGV)
        assert said == f"--checkpoint: {Path('sums', 'comparison.json')}: is damaged, or none of a comparison"
    argv = (*ARGV[:-1], "t.npy")
    assert refused(capsys, *argv) == "--checkpoint: t.npy: takes a folder, and this is none"


def test_a_full_disk_is_one_line(capsys, monkeypatch):
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    stopped_after(2, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert main([*ARGV]) == 2
    told, error = capsys.readouterr().err.splitlines()
    assert told == "spectral-losses: 2 of 12 parts are in sums"
    path = Path("sums", "0-levels-2-3.npz")
    assert error == f"spectral-losses: error: --checkpoint: {path}: No space left on device"
    assert len(list(Path("sums").iterdir())) == 3  # nothing half written
    assert figures.Path is Path


def test_an_error_keeps_what_was_done(capsys):
    p = np.load("p.npy")
    p[4, 1, 2, 3] = np.inf
    np.save("p.npy", p)
    argv = ("compare", "p.npy", "t.npy", "--checkpoint", "sums")
    assert "p.npy is not finite at [4, 1, 2, 3]" in refused(capsys, *argv)
    assert len(list(Path("sums").glob("*.npz"))) == 4
    assert main(list(argv)) == 2
    assert "4 of 6 parts are in sums" in capsys.readouterr().err
