"""Where the time of `spectrum_error` goes, in PyTorch on the CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import ours
from cases import Case
from measure import progress
from parts import Setting
from report import Section, Table, digits

CASES = [Case(24, (64, 64)), Case(24, (256, 256)), Case(8, (512, 512)), Case(1, (128, 128, 128))]
STAGES = ["transforms", "shell sums", "errors and slope", "gather and product", "all else"]


def profile(setting: Setting) -> Section:
    """Medians of each stage of a value with its gradient; what a stage calls of another counts there."""
    import torch  # noqa: F401, says so where it is missing

    rows, data = [], {}
    for case in CASES[:1] if setting.quick else CASES:
        with progress(f"stages of spectrum_error, {case.label}"):
            times = stages(case, setting.effort.rounds)
        total = sum(times.values())
        rows.append([case.label, digits(1e3 * total), *(f"{100 * times[stage] / total:.0f} %" for stage in STAGES)])
        data[case.label] = times
    title = "Where the time of spectrum_error goes, forward and backward, PyTorch"
    return Section("profile", [Table(title, ["", "ms", *STAGES], rows)], data)


def stages(case: Case, rounds: int) -> dict[str, float]:
    """Median seconds of each stage in a call."""
    problem = case.problem(backward=True)
    step = next(c for c in ours.losses() if c.framework == "PyTorch" and c.name == "spectrum_error").make(problem)
    step()
    step()
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with watched() as clock:
        for _ in range(rounds):
            clock.clear()
            start = time.perf_counter()
            step()
            clock["all else"] = time.perf_counter() - start - sum(clock.values())
            for stage in STAGES:
                found[stage].append(clock.get(stage, 0.0))
    return {stage: statistics.median(seconds) for stage, seconds in found.items()}


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Watch the kernels: seconds of each stage since the clock was cleared."""
    import torch

    from spectral_losses_backends.torch.kernels import Kernels

    clock: dict[str, float] = {}
    inner = [0.0]  # seconds spent in stages that the one at work has called

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            outside, inner[0] = inner[0], 0.0
            start = time.perf_counter()
            result = function(*args, **options)
            took = time.perf_counter() - start
            clock[stage] = clock.get(stage, 0.0) + took - inner[0]
            inner[0] = outside + took
            return result

        return call

    with ExitStack() as stack:
        for name in ("rfftn", "ifftn", "irfft"):
            stack.enter_context(patch.object(torch.fft, name, timed("transforms", getattr(torch.fft, name))))
        for name, stage in (("bin_power", 1), ("rows_and_slopes", 2), ("power_gradient", 3)):
            stack.enter_context(patch.object(Kernels, name, timed(STAGES[stage], getattr(Kernels, name))))
        yield clock
