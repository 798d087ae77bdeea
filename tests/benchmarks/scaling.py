"""Forward and backward of spectrum_error against the size of the fields, their number, and the number of bins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import bare
import figures
import memory
from candidates import Candidate, torch_step
from cases import Case, Problem
from measure import group
from parts import Setting
from report import Section, Table, digits
from tables import spread
from timing import Timing

import spectral_losses as sl


class Point(NamedTuple):
    """One point of a curve: times per field in seconds, extra memory in sizes of the prediction."""

    curve: str
    x: int
    stack: str
    ours: Timing
    bare: Timing
    memory: float | None


def scaling(setting: Setting) -> Section:
    """Three curves, each with that of the bare transforms."""
    import torch  # noqa: F401, says so where it is missing

    points = [*by_size(setting), *by_batch(setting), *by_bins(setting)]
    header = [
        "varied",
        "",
        "stack",
        "spectrum_error per field, ms",
        "bare per field, ms",
        "ratio",
        "extra memory / prediction",
    ]
    rows = [
        [
            p.curve,
            str(p.x),
            p.stack,
            spread(p.ours),
            spread(p.bare),
            digits(p.ours.median / p.bare.median),
            digits(p.memory),
        ]
        for p in points
    ]
    table = Table(f"Forward and backward in PyTorch{setting.where}", header, rows)
    data = [
        {"curve": p.curve, "x": p.x, "ours": p.ours.median, "bare": p.bare.median, "memory": p.memory} for p in points
    ]
    return Section(f"scaling{setting.where}", [table], data, lambda path: figures.curves(path, points))


def by_size(setting: Setting) -> list[Point]:
    """Fields of many sizes, as many points in each stack."""
    total = 2**16 if setting.quick else 2**20
    sizes = (32, 64) if setting.quick else (64, 128, 256, 512, 1024)
    return [point("field size", n, Case(total // n**2, (n, n)), setting) for n in sizes]


def by_batch(setting: Setting) -> list[Point]:
    """Stacks of many sizes."""
    n, batches = (32, (1, 4)) if setting.quick else (128, (1, 2, 4, 8, 16, 32, 64))
    return [point("batch", batch, Case(batch, (n, n)), setting) for batch in batches]


def by_bins(setting: Setting) -> list[Point]:
    """Few and many shells of the same stack, all in turn."""
    case = Case(8, (64, 64)) if setting.quick else Case(8, (256, 256))
    counts = (4, 16) if setting.quick else (4, 8, 16, 32, 64, 128)
    return measure("bins", dict.fromkeys(counts, case), case, setting)


def point(curve: str, x: int, case: Case, setting: Setting) -> Point:
    """One stack with the usual shells."""
    return measure(curve, {x: case}, case, setting)[0]


def measure(curve: str, xs: dict[int, Case], case: Case, setting: Setting) -> list[Point]:
    """Time and memory of spectrum_error beside the bare transforms, on one stack."""
    problem = case.problem(backward=True, device=setting.device)
    ours = {
        x: Candidate(f"{curve} {x}", "PyTorch", "ours", spectrum_error(x if curve == "bins" else "unit")) for x in xs
    }
    candidates = [Candidate("bare", "PyTorch", "bare", bare.torch_loss), *ours.values()]
    results = group(candidates, problem, setting.effort).results
    base = results[candidates[0].label]
    points = []
    for x, candidate in ours.items():
        found = results[candidate.label]
        if not isinstance(found, Timing) or not isinstance(base, Timing):
            continue
        extra = memory.peak(candidate.make(problem), setting.device)
        share = None if extra is None else extra / problem.x.nbytes
        points.append(Point(curve, x, case.label, each(found, case), each(base, case), share))
    return points


def spectrum_error(bins: Any) -> Callable[[Problem], Callable[[], object]]:
    """A step with these bins."""

    def make(problem: Problem) -> Callable[[], object]:
        axes = problem.case.axes
        return torch_step(
            problem, lambda x, y: sl.spectrum_error(x, y, spatial_axes=axes, channel_axis=None, bins=bins)
        )

    return make


def each(timing: Timing, case: Case) -> Timing:
    """Per field."""
    n = case.batch
    return Timing(timing.median / n, timing.low / n, timing.high / n, timing.calls)
