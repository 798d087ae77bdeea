"""``spectral-losses compare`` on an archive: ``python tests/benchmarks/archive.py --folder /tmp/archive``.

Makes two Zarr stores of float32 fields and compares them as whole processes: in one process, and with two workers, in
turn; then with a worker that is killed in the middle; and with a command that is stopped in the middle, by SIGINT and
by SIGKILL, and run once more. What is printed is the time of each run by the clock and on processors, the memory
(Linux: resident, the largest of one process and the sum over all processes at one time, in which what they share
counts for each), and the largest relative difference between any two numbers of the JSON and those of the first run.
It takes minutes, and space for both stores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from report import Section, Table, machine, text_of

COMMAND = [sys.executable, "-c", "import sys; from spectral_losses.cli import main; sys.exit(main())", "compare"]
EDGE = 512  # points along each axis
CHUNK = 8  # times
ASKED = ["--per", "level", "--losses", "adjusted_error,coherence_error", "--json"]


class Run(NamedTuple):
    """One process, from its start to its end."""

    seconds: float
    busy: float  # seconds of processors, of all processes
    code: int
    said: str
    numbers: list[float]
    largest: int  # bytes of one process
    together: int


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, help="where the stores are made, and found again (default: a temporary one)"
    )
    parser.add_argument("--gib", type=float, default=4.0, help="of both stores together, before compression")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="of one process and of workers, in turn")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell has ignored by what it runs behind it
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, args.gib)
        print(machine(["zarr", "xarray", "distributed"]))
        print(f"processors: {os.cpu_count()}; others keep them busy: load {os.getloadavg()[0]:.1f} at the start")
        print(text_of(measure(folder, args.workers, args.rounds), markdown=True))


def make(folder: Path, gib: float) -> None:
    """Two stores of fields with a red spectrum; a prediction that is off, most at small scales."""
    import zarr

    times = max(CHUNK, round(gib * 2**30 / (2 * 2 * EDGE**2 * 4) / CHUNK) * CHUNK)
    done = folder / f"made-{times}"
    if done.exists():
        return
    if shutil.disk_usage(folder).free < 1.2 * gib * 2**30:
        sys.exit(f"{folder} has no space for {gib} GiB")
    names, rng = ("time", "level", "y", "x"), np.random.default_rng(0)
    stores = []
    for name in ("prediction", "truth"):
        group = zarr.open_group(folder / f"{name}.zarr", mode="w")
        shape, chunks = (times, 2, EDGE, EDGE), (CHUNK, 1, EDGE, EDGE)
        stores.append(group.create_array("u", shape=shape, chunks=chunks, dtype="f4", dimension_names=names))
    k = np.hypot(np.fft.fftfreq(EDGE)[:, None], np.fft.rfftfreq(EDGE)) * EDGE
    slope = np.maximum(k, 1) ** -2.5
    for start in range(0, times, CHUNK):
        noise = rng.standard_normal((2, CHUNK, 2, EDGE, EDGE), np.float32)
        modes = np.fft.rfft2(noise)
        truth = np.fft.irfft2(modes[0] * slope, s=(EDGE, EDGE))
        stores[0][start : start + CHUNK] = truth + np.fft.irfft2(0.02 * modes[1] * slope * k**0.8, s=(EDGE, EDGE))
        stores[1][start : start + CHUNK] = truth
    done.touch()


def measure(folder: Path, workers: int, rounds: int) -> Section:
    """All runs, in a table."""
    files = [str(folder / f"{name}.zarr") for name in ("prediction", "truth")]
    cluster = ["--workers", str(workers)]
    rows, first = [], None
    for number in range(rounds):
        alone = run([*files, *ASKED])
        first = first or alone
        spread = run([*files, *ASKED, *cluster])
        for name, each in ((f"one process, {number + 1}", alone), (f"{workers} workers, {number + 1}", spread)):
            rows.append(row(name, each, first, f"{each.seconds / alone.seconds:.2f}"))
    assert first is not None
    stops: list[tuple[str, list[str], Callable[[psutil.Process], None]]] = [
        ("a worker is killed", cluster, lambda process: worker_of(process).kill()),
        ("one process, SIGINT", [], lambda process: process.send_signal(signal.SIGINT)),
        ("one process, SIGKILL", [], lambda process: process.kill()),
        (f"{workers} workers, SIGINT", cluster, lambda process: process.send_signal(signal.SIGINT)),
        (f"{workers} workers, SIGKILL", cluster, lambda process: process.kill()),
    ]
    for name, more, stop in stops:
        with tempfile.TemporaryDirectory(dir=folder) as sums:
            words = [*files, *ASKED, *more, "--checkpoint", sums]
            stopped = run(words, stop, Path(sums))
            rows.append(row(f"{name} in the middle", stopped, first, ""))
            if stopped.code:
                again = run(words)
                rows.append(row(f"{name}: once more", again, first, ""))
    header = [
        "run",
        "s",
        "ratio",
        "processors, s",
        "exit",
        "largest process, MiB",
        "all together, MiB",
        "largest difference",
        "said",
    ]
    return Section("archive", [Table("", header, rows)], {})


def row(name: str, found: Run, first: Run, ratio: str) -> list[str]:
    """One run beside the first one."""
    difference = "" if found.code else f"{apart(found.numbers, first.numbers):.1e}"
    memory = [f"{each / 2**20:.0f}" for each in (found.largest, found.together)]
    print(
        f"  {name}: {found.seconds:.1f} s, {found.busy:.1f} s of processors, load {os.getloadavg()[0]:.1f}",
        file=sys.stderr,
        flush=True,
    )
    return [
        name,
        f"{found.seconds:.1f}",
        ratio,
        f"{found.busy:.1f}",
        str(found.code),
        *memory,
        difference,
        found.said.strip(),
    ]


def run(words: list[str], stop: Callable[[psutil.Process], None] | None = None, sums: Path | None = None) -> Run:
    """Run the command; with ``stop``, call that once half of the parts are in the folder of sums."""
    started, largest, together, busy = time.perf_counter(), 0, 0, dict[int, float]()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = psutil.Popen([*COMMAND, *words], stdout=out, stderr=err)
        while process.poll() is None:
            sizes = resident(process, busy)
            largest, together = max([largest, *sizes]), max(together, sum(sizes))
            if stop is not None and sums is not None and half_done(sums):
                stop(process)
                stop = None
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        text, said = out.read(), err.read()
    return Run(
        seconds,
        sum(busy.values()),
        process.returncode,
        said,
        leaves(json.loads(text)) if text else [],
        largest,
        together,
    )


def half_done(sums: Path) -> bool:
    """Whether there are sums of half of all parts, of both rounds."""
    there = sums / "comparison.json"
    if not there.exists():
        return False
    parts = 2 * len(json.loads(there.read_text())["arrays"][0]["parts"])
    return 2 * len(list(sums.glob("*.npz"))) >= parts


def worker_of(process: psutil.Process) -> psutil.Process:
    """The process below this one that computes most."""
    return max(process.children(recursive=True), key=lambda each: each.cpu_times().user)


def resident(process: psutil.Process, busy: dict[int, float]) -> list[int]:
    """Bytes of a process and of all that it has started; how long each has computed is noted."""
    found = []
    for each in [process, *process.children(recursive=True)]:
        try:
            found.append(each.memory_info().rss)
            busy[each.pid] = each.cpu_times().user + each.cpu_times().system
        except psutil.Error:
            continue
    return found


def leaves(document: Any) -> list[float]:
    """All numbers of a JSON."""
    if isinstance(document, dict):
        return [leaf for each in document.values() for leaf in leaves(each)]
    if isinstance(document, list):
        return [leaf for each in document for leaf in leaves(each)]
    return [float(document)] if isinstance(document, int | float) else []


def apart(found: list[float], first: list[float]) -> float:
    """The largest relative difference."""
    return max((abs(a - b) / max(abs(a), abs(b)) for a, b in zip(found, first, strict=True) if a != b), default=0.0)


if __name__ == "__main__":
    main()
