"""Every loss beside `spectrum_error`, the bare transforms and peers: ``python tests/benchmarks/catalogue.py``.

Times are of a forward and backward pass of PyTorch on one thread, of white noise in float32: processor time of that
thread, taken in turn within one process, and printed as ratios of medians, and as medians with their quartiles. Memory
is the peak of such a pass, in predictions, in a process that gives back at once what is freed. PyWavelets has no
gradient: its row is of values alone, in NumPy. ``--write`` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bare
import numpy as np
import peers
import published
from candidates import flat, torch_step
from cases import Case, Problem
from memory import peak
from report import FRAMEWORKS, machine, milliseconds
from timing import Failure, Timing, interleaved, of_this_thread, reason

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses

CASES = (Case(24, (256, 256)), Case(24, (64, 64)), Case(1, (128, 128, 128)))
QUICK = (Case(2, (32, 32)), Case(1, (12, 12, 12)))
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
MARKS = ("<!-- catalogue: begin -->", "<!-- catalogue: end -->")
AMPLITUDE = "amplitude_error(bins='modes')"
WAVELETS = "PyWavelets swtn"
VARIANTS: dict[str, dict[str, Any]] = {
    "amplitude_error": {"bins": "modes"},
    "focal_frequency_error": {"whiten": True},
    "wavelet_error": {"levels": 3},
}
PEERS: dict[str, tuple[str, Callable[[Problem], Callable[[], object]], Callable[[Case], str]]] = {
    "FocalFrequencyLoss": ("focal_frequency_error", peers.focal, flat),
    "neuraloperator H1Loss": ("sobolev_error", lambda p: peers.norm(p, "H1Loss"), lambda case: ""),
    "neuraloperator LpLoss": ("field_error", lambda p: peers.norm(p, "LpLoss"), lambda case: ""),
    "the_well binned_spectral_mse": ("band_error", peers.the_well_loss, lambda case: ""),
    "anemoi-training LogSpectralDistance, by mode": (
        "log_spectral_distance",
        lambda p: peers.anemoi(p, "LogSpectralDistance"),
        flat,
    ),
    "anemoi-training FourierCorrelationLoss": (
        "correlation_error",
        lambda p: peers.anemoi(p, "FourierCorrelationLoss"),
        flat,
    ),
    "as published: AMSE": ("adjusted_error", published.adjusted, published.few_shells),
    "as published: BSP": ("power_ratio_error", published.power_ratio, published.few_shells),
    "as published: log spectral distance": ("log_spectral_distance", published.log_distance, published.few_shells),
    "as published: FACL, amplitudes": (AMPLITUDE, published.amplitude, lambda case: ""),
    "as published: FACL, correlation": ("correlation_error", published.correlation, lambda case: ""),
    "as published: Sobolev norm over modes": ("sobolev_error", published.sobolev, lambda case: ""),
}
"""What is set beside which loss of ours; by name, maker, and why a case is not tried."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small fields, few rounds")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=4.0, help="at most, for each function")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    parser.add_argument("--memory", type=int, metavar="CASE", help="print peaks in bytes as JSON, and nothing else")
    args = parser.parse_args(arguments)
    if args.memory is not None:
        print(json.dumps(peaks(CASES[args.memory])))
        return
    rounds, seconds = (2, 0.1) if args.quick else (args.rounds, args.seconds)
    tables = []
    for i, case in enumerate(QUICK if args.quick else CASES):
        tables.append(table(case, rounds, seconds, peaks(case) if args.quick else peaks_without_reserve(i)))
    said = f"On {machine(FRAMEWORKS)}; PyTorch on one thread, at most {rounds} rounds."
    text = "\n\n".join([said, *tables])
    if args.write:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
        PAGE.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")
    else:
        print(text)


def table(case: Case, rounds: int, seconds: float, held: Mapping[str, float | None]) -> str:
    """All losses of one stack, as Markdown."""
    problem = case.problem(backward=True)
    with one_thread():
        functions, missing = everything(problem)
        found = interleaved(functions, rounds, seconds, of_this_thread)
        beside = values_of_wavelets(case, rounds, seconds)
    lines = [
        f"**{case.label}**",
        "",
        "| | time / `spectrum_error` | time / bare transforms | peak memory, predictions | peer / ours | ms |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in found.items():
        lines.append(_row(name, result, found, held.get(name), problem))
    lines += [f"| {name} | {why} | | | | |" for name, why in missing.items() if why != flat(case)]
    return "\n".join([*lines, *beside])


def everything(problem: Problem) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """What is measured, by name, and why some is not."""
    functions, missing = {"bare transforms": bare.torch_loss(problem), **dict(ours(problem))}, {}
    for name, (_, make, refuses) in PEERS.items():
        if why := refuses(problem.case):
            missing[name] = why
            continue
        try:
            functions[name] = make(problem)
        except ModuleNotFoundError as error:
            missing[name] = reason(error)
    return functions, missing


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def peaks(case: Case) -> dict[str, float | None]:
    """Peak memory of each, in bytes."""
    gc.collect()
    gc.freeze()  # or what the process holds already would be gone through again for each
    with one_thread():
        return {name: peak(function) for name, function in everything(case.problem(backward=True))[0].items()}


def peaks_without_reserve(case: int) -> dict[str, float | None]:
    """The same in a process in which glibc maps large arrays one by one: what is freed is not held in reserve."""
    command = [sys.executable, __file__, "--memory", str(case)]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    held: dict[str, float | None] = json.loads(found.splitlines()[-1])
    return held


def values_of_wavelets(case: Case, rounds: int, seconds: float) -> list[str]:
    """A row for PyWavelets, beside the value alone of ours over the same subbands, both in NumPy."""
    problem = case.problem()
    levels = int(np.log2(min(case.grid))) - 1
    if any(n % 2**levels for n in case.grid):
        return []
    given = {"spatial_axes": case.axes, "channel_axis": None, "levels": levels}
    try:
        functions = {WAVELETS: peers.wavelets(problem), "ours": lambda: sl.wavelet_error(problem.x, problem.y, **given)}
    except ModuleNotFoundError as error:
        return [f"| {WAVELETS} | {reason(error)} | | | | |"]
    found = interleaved(functions, rounds, seconds, of_this_thread)
    theirs, ours = found[WAVELETS], found["ours"]
    if not isinstance(theirs, Timing) or not isinstance(ours, Timing):
        return []
    return [f"| {WAVELETS}, value alone, NumPy | | | | {theirs.median / ours.median:.2f} | {_spread(theirs)} |"]


def ours(problem: Problem) -> Iterator[tuple[str, Callable[[], object]]]:
    """Each loss, and variants of some."""
    for name in sorted(all_losses()):
        for options in ({}, VARIANTS.get(name)):
            if options is None:
                continue
            given = {"spatial_axes": problem.case.axes, "channel_axis": None, **options}
            said = ", ".join(f"{key}={value!r}" for key, value in options.items())
            loss = getattr(sl, name)
            step = torch_step(problem, lambda x, y, loss=loss, given=given: loss(x, y, **given))
            yield f"`{name}({said})`" if said else f"`{name}`", step


def _row(name: str, result: Timing | Failure, found: Any, held: float | None, problem: Problem) -> str:
    if isinstance(result, Failure):
        return f"| {name} | {result.reason} | | | | |"

    def over(other: str) -> str:
        beside = found[other]
        return f"{result.median / beside.median:.2f}" if isinstance(beside, Timing) else ""

    memory = "" if held is None else f"{held / problem.x.nbytes:.1f}"
    peer = over(f"`{PEERS[name][0]}`") if name in PEERS else ""
    spent = _spread(result)
    return f"| {name} | {over('`spectrum_error`')} | {over('bare transforms')} | {memory} | {peer} | {spent} |"


def _spread(timing: Timing) -> str:
    low, median, high = (milliseconds(seconds) for seconds in (timing.low, timing.median, timing.high))
    return f"{median} [{low}-{high}]"


if __name__ == "__main__":
    main()
