"""``compare`` on workers: the bits of one process, its errors, and nothing that distributed has to say itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks, cluster, worker
from spectral_losses.cli.compare.checkpoint import Checkpoint
from spectral_losses.cli.compare.sums import merged
from spectral_losses.io import StoredArray
from spectral_losses.io.errors import FieldFileError

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

FRAMES = 12
SHAPE = (FRAMES, 2, 8, 10)
QUIET = {"dashboard_address": "127.0.0.1:0", "silence_logs": 60, "threads_per_worker": 1, "memory_limit": 0}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster that is there already: two workers in this process, which are talked to as others are."""
    with distributed.LocalCluster(n_workers=2, processes=False, protocol="tcp", **QUIET) as found:
        yield found.scheduler_address


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Two files; each frame is a part, so that the tree has several levels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(blocks, "PART", 1)
    monkeypatch.setattr(blocks, "BUDGET", 1)
    monkeypatch.setattr(cluster, "LOOK", 0.05)
    rng = np.random.default_rng(0)
    t = rng.standard_normal(SHAPE).astype(np.float32) * (1 + np.arange(FRAMES)).reshape(-1, 1, 1, 1)
    p = (t + 0.3 * rng.standard_normal(SHAPE)).astype(np.float32)
    np.save("t.npy", t)
    np.save("p.npy", p)
    np.savez("p.npz", u=p[:, 0], v=p[:, 1])
    np.savez("t.npz", u=t[:, 0], v=t[:, 1])
    np.save("usual.npy", 0.1 * t[0])
    np.save("mask.npy", (rng.random(SHAPE[-2:]) > 0.2).astype(np.uint8))
    p[[0, 5], 1, 2, 3] = np.nan
    np.save("gaps.npy", p)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["compare", *argv, "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["compare", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err.removeprefix("spectral-losses: error: ").rstrip()


@pytest.mark.parametrize(
    "argv",
    [
        ("p.npy", "t.npy"),
        ("p.npy", "t.npy", "--per", "0", "--losses", "adjusted_error,sobolev_error,coherence_error"),
        ("p.npy", "t.npy", "--per", "1", "--climatology", "usual.npy", "--channels", "separate"),
        ("p.npz", "t.npz", "--key", "u,v,u+v", "--channel-axis", "none", "--per", "0"),
        ("gaps.npy", "t.npy", "--nan", "skip", "--per", "0", "--losses", "adjusted_error"),
        ("gaps.npy", "t.npy", "--nan", "fill", "--mask", "mask.npy"),
        ("p.npy", "t.npy", "--grid", "equiangular", "--losses", "adjusted_error"),
        ("p.npy", "t.npy", "--isel", "0=3"),
    ],
)
def test_workers_give_the_bits_of_one_process(capsys, address, argv):
    assert printed(capsys, *argv, "--cluster", address) == printed(capsys, *argv)
    assert nothing_is_open()


def test_workers_and_checkpoints_say_which_chunks_are_not_there(capsys, address, here):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr", minversion="3")  # before, what has no fill value reads as anything
    t, names = np.load("t.npy"), ("time", "level", "y", "x")
    t[[2, 7], 1] = 0
    fields = xarray.Dataset({"u": (names, t), "v": (names, np.load("t.npy"))})
    encoding = {name: {"chunks": (1, 1, 8, 10), "_FillValue": None} for name in ("u", "v")}
    fields.to_zarr("t.zarr", zarr_format=2, consolidated=False, encoding=encoding)
    for place in (2, 7):
        Path(f"t.zarr/u/{place}.1.0.0").unlink(missing_ok=True)  # Zarr by itself may leave it out
    xarray.Dataset({"u": (names, np.load("p.npy")), "v": (names, np.load("p.npy"))}).to_netcdf("p.nc")
    argv = [
        "compare",
        "p.nc",
        "t.zarr",
        "--variable",
        "u,u+v",
        "--per",
        "level",
        "--losses",
        "adjusted_error",
        "--json",
    ]

    def said(*more: str) -> tuple[str, list[str]]:
        assert main([*argv, *more]) == 0
        found = capsys.readouterr()
        return found.out, found.err.splitlines()

    numbers, lines = said()
    told = "2 chunks of u are not in the store, the first from [2, 1, 0, 0] on, and read as the fill value 0"
    assert lines == [f"spectral-losses: warning: t.zarr: {told}"]
    assert said("--cluster", address) == (numbers, lines)
    assert said("--checkpoint", "sums") == (numbers, lines)
    again, (found, *rest) = said("--checkpoint", "sums")
    assert (again, rest) == (numbers, lines)
    assert "48 of 48 parts" in found


def nothing_is_open() -> bool:
    """Once threads that were at work on what was given up are done."""
    deadline = time.monotonic() + 10
    while worker._open and time.monotonic() < deadline:
        time.sleep(0.01)
    return not worker._open


def test_files_are_opened_once_by_each_thread_and_sums_merged_on_workers(capsys, address, monkeypatch):
    opened, merges = [], []
    open_pairs = worker.open_pairs

    def counted(*arguments: Any) -> Any:
        opened.append(threading.get_ident())
        return open_pairs(*arguments)

    submit = distributed.Client.submit

    def submitted(self: Any, function: Any, *arguments: Any, **options: Any) -> Any:
        if function is merged:
            merges.append(len(arguments[0]))
        return submit(self, function, *arguments, **options)

    monkeypatch.setattr(worker, "open_pairs", counted)
    monkeypatch.setattr(distributed.Client, "submit", submitted)
    printed(capsys, "p.npy", "t.npy", "--cluster", address, "--losses", "adjusted_error")
    assert 1 <= len(opened) == len(set(opened)) <= 2
    assert merges == [8, 4, 2] * 2


def test_a_scheduler_file_and_a_page_will_do(capsys, address):
    pytest.importorskip("plotly")
    Path("scheduler.json").write_text(json.dumps({"type": "Scheduler", "id": "x", "address": address}))
    argv = ("p.npy", "t.npy", "--per", "0")
    found = printed(capsys, *argv, "--cluster", "scheduler.json", "--report", "page.html")
    assert found == printed(capsys, *argv)
    assert Path("page.html").stat().st_size > 1000


def test_what_is_done_is_not_done_again(capsys, address, monkeypatch):
    argv = ("p.npy", "t.npy", "--losses", "adjusted_error", "--per", "0")
    whole = printed(capsys, *argv)
    assert printed(capsys, *argv, "--cluster", address, "--checkpoint", "sums") == whole
    names = sorted(path.name for path in Path("sums").glob("*.npz"))
    assert len(names) == 2 * FRAMES
    gone = [name for name in names if "-3-" in name or "-numbers-10-" in name]
    for name in gone:
        Path("sums", name).unlink()
    done = []
    save = Checkpoint.save

    def counted(self: Checkpoint, work: Any, part: Any, sums: Any) -> None:
        done.append(f"{work.which}-{work.round}-{part.start}-{part.stop}.npz")
        save(self, work, part, sums)

    monkeypatch.setattr(Checkpoint, "save", counted)
    # Now in processes of their own.
    assert main(["compare", *argv, "--workers", "2", "--checkpoint", "sums", "--json"]) == 0
    said = capsys.readouterr()
    assert said.out == whole
    assert said.err == f"spectral-losses: {24 - len(gone)} of 24 parts are in sums\n"
    assert sorted(done) == sorted(gone)
    # What workers left is what one process goes on from.
    assert main(["compare", *argv, "--checkpoint", "sums", "--json"]) == 0
    assert capsys.readouterr().out == whole


def test_errors_are_those_of_one_process(capsys, address):
    p = np.load("p.npy")
    p[[4, 9], 1, 2, 3] = np.inf
    np.save("broken.npy", p)
    p[[4, 9]] = 1e30 * np.load("t.npy")[[4, 9]]
    np.save("large.npy", p)
    Path("cut.npy").write_bytes(Path("p.npy").read_bytes()[:-4000])
    for argv in (
        ("broken.npy", "t.npy"),
        ("large.npy", "t.npy"),
        ("gaps.npy", "t.npy", "--nan", "fill", "--mask", "nothing.npy"),
        ("p.npy", "t.npy", "--losses", "no_such_loss"),
        ("cut.npy", "t.npy"),
    ):
        np.save("nothing.npy", np.zeros(SHAPE[-2:]))
        assert refused(capsys, *argv, "--cluster", address) == refused(capsys, *argv)
    assert nothing_is_open()


def test_a_bug_is_no_message(capsys, address, monkeypatch):
    def broken(comparison: Any, work: Any, part: Any) -> Any:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(worker, "sums_of", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["compare", "p.npy", "t.npy", "--cluster", address])


def test_a_worker_that_lacks_a_file_says_so(capsys, address, monkeypatch):
    def lacking(args: Any, stack: Any) -> Any:
        raise FieldFileError(f"{args.truth}: no such file")

    argv = ("p.npy", "t.npy", "--cluster", address)
    with monkeypatch.context() as patch:
        patch.setattr(worker, "open_pairs", lacking)
        said = refused(capsys, *argv)
    assert said.startswith("worker tcp://")
    assert said.endswith(": t.npy: no such file")
    np.save("short.npy", np.load("t.npy")[:3])
    open_pairs = worker.open_pairs

    def other(args: Any, stack: Any) -> Any:
        args.prediction = args.truth = "short.npy"
        return open_pairs(args, stack)

    monkeypatch.setattr(worker, "open_pairs", other)
    assert "sees other files: of shapes ((3, 2, 8, 10),), and not ((12, 2, 8, 10),)" in refused(capsys, *argv)


def test_a_worker_of_another_version_is_refused(capsys, address, monkeypatch):
    monkeypatch.setattr(cluster, "__version__", "7.0")
    said = refused(capsys, "p.npy", "t.npy", "--cluster", address)
    assert said.startswith(f"--cluster {address}: worker tcp://")
    assert said.endswith(f"has version {sl.__version__} of spectral-losses, and this is 7.0")


def test_options_that_lead_nowhere_are_refused(capsys, monkeypatch):
    said = refused(capsys, "p.npy", "t.npy", "--workers", "2", "--cluster", "tcp://here:1")
    assert said == "--workers and --cluster: takes one of them"
    for number in ("0", "-1", "two", "1.5", ""):
        said = refused(capsys, "p.npy", "t.npy", f"--workers={number}")
        assert said == f"argument --workers: takes a whole number of at least 1, got {number!r}"
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    for nowhere in ("tcp://127.0.0.1:9", "no/such/scheduler.json", "what://ever:1"):
        said = refused(capsys, "p.npy", "t.npy", "--cluster", nowhere)
        assert said.startswith(f"--cluster {nowhere}: no scheduler answers there")
    Path("text.json").write_text("no scheduler")
    assert refused(capsys, "p.npy", "t.npy", "--cluster", "text.json").startswith("--cluster text.json: no scheduler")


def test_without_distributed_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = refused(capsys, "p.npy", "t.npy", "--workers", "2")
    assert said.startswith("--workers needs distributed, which is not installed: pip install distributed")


def test_without_workers_it_gives_up(capsys, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    with distributed.LocalCluster(n_workers=0, processes=False, protocol="tcp", **QUIET) as empty:
        said = refused(capsys, "p.npy", "t.npy", "--cluster", empty.scheduler_address)
        assert said == f"--cluster {empty.scheduler_address}: there is no worker"


@pytest.mark.parametrize("gone", ["workers", "scheduler"])
def test_when_all_are_gone_it_gives_up(capsys, monkeypatch, gone):
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    began = threading.Event()
    read = StoredArray.read

    def slow(self: StoredArray, index: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            began.set()
            time.sleep(0.2)  # so that all parts take ten seconds, and one does not keep its worker for long
        return read(self, index)

    monkeypatch.setattr(StoredArray, "read", slow)
    timeout = "distributed.comm.timeouts.connect"
    one = {"n_workers": 1, "processes": False, "protocol": "tcp", **QUIET}
    with dask.config.set({timeout: "30s"}), distributed.LocalCluster(**one) as found:
        address = found.scheduler_address

        def end() -> None:
            began.wait(30)
            dask.config.set({timeout: "1s"})  # from now on, when all are connected
            if gone == "workers":
                found.scale(0)
            else:
                found.sync(found.scheduler.close)

        ending = threading.Thread(target=end)
        ending.start()
        said = refused(capsys, "p.npy", "t.npy", "--cluster", address)
        ending.join()
    problems = {"workers": "no worker is left", "scheduler": "the scheduler is gone"}
    assert said.startswith(f"--cluster {address}: {problems[gone]}")


def test_progress_counts_all_fields(capsys, address, monkeypatch):
    import contextlib

    from spectral_losses.cli.ui import progress

    totals, amounts = [], []

    @contextlib.contextmanager
    def counted(label: str, total: int) -> Iterator[Any]:
        totals.append(total)
        yield amounts.append

    monkeypatch.setattr(progress, "progress", counted)
    argv = ("p.npy", "t.npy", "--losses", "adjusted_error")
    for more in ((), ("--cluster", address), ("--cluster", address, "--checkpoint", "sums")):
        printed(capsys, *argv, *more)
    for more in ((), ("--cluster", address)):
        assert main(["compare", *argv, *more, "--checkpoint", "sums", "--json"]) == 0
    capsys.readouterr()
    assert set(totals) == {2 * 2 * FRAMES}
    assert sum(amounts) == sum(totals)


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing_and_ctrl_c_is_quiet(capsys, here):
    psutil = pytest.importorskip("psutil")
    argv = ("p.npy", "t.npy", "--per", "0")
    whole = printed(capsys, *argv)
    program = here / "program.py"
    program.write_text(PROGRAM)
    for what in ("worker", "interrupt"):
        for mark in here.glob("began-*"):
            mark.unlink()
        words = [sys.executable, str(program), "compare", *argv, "--json", "--workers", "2"]
        command = [*words, "--checkpoint", "sums"] if what == "interrupt" else words
        with subprocess.Popen(command, stdout=-1, stderr=-1, start_new_session=True, text=True) as process:
            while len(marks := list(here.glob("began-*"))) < 2:
                assert process.poll() is None
                time.sleep(0.02)
            if what == "worker":
                psutil.Process(int(marks[0].name.split("-")[1])).kill()
            else:
                os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert err == ""
        assert (process.returncode, out) == ((0, whole) if what == "worker" else (130, ""))


PROGRAM = """
import os, sys, time
from pathlib import Path

from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.io import StoredArray

blocks.PART = blocks.BUDGET = 1
read = StoredArray.read

def slow(self, index):
    Path(f"began-{os.getpid()}").touch()
    time.sleep(0.1)
    return read(self, index)

StoredArray.read = slow

if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.mark.slow
def test_a_worker_without_the_library_is_refused(capsys, here):
    with distributed.LocalCluster(n_workers=0, processes=False, protocol="tcp", **QUIET) as empty:
        lines = [
            "import sys; sys.modules['spectral_losses'] = None",
            "from distributed.cli.dask_worker import main",
            f"main([{empty.scheduler_address!r}, '--no-nanny', '--nthreads', '1', '--no-dashboard'])",
        ]
        lacking = subprocess.Popen([sys.executable, "-c", "\n".join(lines)], stdout=-3, stderr=-3)
        try:
            said = refused(capsys, "p.npy", "t.npy", "--cluster", empty.scheduler_address)
        finally:
            lacking.kill()
            lacking.wait()
    assert said.startswith(f"--cluster {empty.scheduler_address}: worker tcp://")
    assert "cannot import spectral_losses" in said
