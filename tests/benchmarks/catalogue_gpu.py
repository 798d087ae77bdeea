"""Every loss on a graphics card: ``python tests/benchmarks/catalogue_gpu.py``.

As `catalogue`, on CUDA, in PyTorch (eager, and captured in a CUDA graph), JAX (jitted) and CuPy: times of a forward and
backward pass of white noise in float32, until the card is done; taken in turn within one framework, and printed as
medians with their quartiles and as ratios of medians. Of PyTorch's passes it says besides for how long the card works,
how many kernels it is given, and the peak memory, in predictions. ``--write`` puts the tables into docs/performance.md.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import bare
import catalogue
from candidates import jax_step, torch_arrays
from cases import Case, Problem
from measure import progress
from memory import peak
from report import FRAMEWORKS, NONE, Section, Table, digits, machine, milliseconds, text_of, write
from timing import Failure, Result, Timing, interleaved

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses

Functions = dict[str, Callable[[], object]]

SPECTRUM, BARE = "`spectrum_error`", "bare transforms"
PACKAGES = [*FRAMEWORKS, "cupy-cuda13x", "neuraloperator", "focal-frequency-loss"]


class Work(NamedTuple):
    """What one call asks of the card: bytes, seconds that it works, and kernels; None where that cannot be known."""

    held: float | None
    seconds: float | None
    kernels: int | None


NOTHING = Work(None, None, None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print tables, or write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small fields, few rounds")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--seconds", type=float, default=0.5, help="at most, for each function")
    parser.add_argument("--frameworks", nargs="+", choices=MAKERS, default=list(MAKERS), metavar="NAME")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: only to see that it runs")
    parser.add_argument("--write", action="store_true", help=f"into {catalogue.PAGE.name}")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not has_a_card():
        parser.error("PyTorch finds no CUDA device; --device cpu shows that all runs")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or JAX would take most of the card for itself
    rounds, seconds = (2, 0.1) if args.quick else (args.rounds, args.seconds)
    cases = catalogue.QUICK if args.quick else catalogue.CASES
    times = [measured(case, args.device, args.frameworks, rounds, seconds) for case in cases]
    # Afterwards, because calls may be slower once a profiler has been there.
    works = [watched(case, args.device) if "PyTorch" in args.frameworks else {} for case in cases]
    tables = [table(*given) for given in zip(cases, times, works, strict=True)]
    said = f"On {machine(PACKAGES)}; at most {rounds} rounds."
    text = f"{said}\n\n{text_of(Section('catalogue-gpu', tables), markdown=True)}"
    if args.write:
        write(catalogue.PAGE, "catalogue-gpu", text)
    else:
        print(text)


def has_a_card() -> bool:
    """Whether PyTorch finds one."""
    import torch

    return torch.cuda.is_available()


def measured(
    case: Case, device: str, frameworks: Sequence[str], rounds: int, seconds: float
) -> dict[str, dict[str, Result]]:
    """Times by framework and name; a framework that is not here, or not for this device, is left out."""
    problem, found = case.problem(True, device), {}
    for framework in frameworks:
        with progress(f"{framework}, {case.label}, {device}"):
            try:
                functions = MAKERS[framework](problem)
            except ModuleNotFoundError:
                continue
            if functions:
                found[framework] = interleaved(functions, rounds, seconds)
    return found


def watched(case: Case, device: str) -> dict[str, Work]:
    """What PyTorch's passes ask of the card."""
    functions = in_torch(case.problem(True, device))
    with progress(f"memory and kernels, {case.label}, {device}"):
        return {name: work_of(function, device) for name, function in functions.items()}


def work_of(function: Callable[[], object], device: str) -> Work:
    """What one call asks of it; nothing of one that raises, for times say why."""
    try:
        held = peak(function, device, 1)
        return Work(held, *(kernels(function) if device == "cuda" else (None, None)))
    except Exception:
        return NOTHING


def kernels(function: Callable[[], object]) -> tuple[float | None, int | None]:
    """The seconds that the kernels and copies of one call take, and how many there are."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as found:
        function()
    spans = [event.time_range.elapsed_us() for event in found.events() if event.device_type.name == "CUDA"]
    return (1e-6 * sum(spans), len(spans)) if spans else (None, None)


def table(case: Case, times: Mapping[str, Mapping[str, Result]], works: Mapping[str, Work]) -> Table:
    """All losses of one stack."""
    header, rows = [""], []
    for framework in times:
        header += [f"{framework}, ms", f"/ {SPECTRUM}", "/ bare"]
        header += ["card works, ms", "kernels", "memory, predictions", "peer / ours"] if framework == "PyTorch" else []
    for name in dict.fromkeys(name for results in times.values() for name in results):
        row = [name]
        for framework, results in times.items():
            row += [spread(results.get(name)), over(results, name, SPECTRUM), over(results, name, BARE)]
            if framework == "PyTorch":
                held, seconds, number = works.get(name, NOTHING)
                predictions = NONE if held is None else f"{held / (4 * math.prod(case.shape)):.1f}"
                ours = f"`{catalogue.PEERS[name][0]}`" if name in catalogue.PEERS else ""
                beside = over(results, name, ours) if ours else ""
                row += [milliseconds(seconds), NONE if number is None else str(number), predictions, beside]
        rows.append(row)
    return Table(case.label, header, rows)


def over(results: Mapping[str, Result], name: str, other: str) -> str:
    """The ratio of two medians, where there are both."""
    one, two = results.get(name), results.get(other)
    return digits(one.median / two.median) if isinstance(one, Timing) and isinstance(two, Timing) else NONE


def spread(result: Result | None) -> str:
    """Median and quartiles, or why there are none."""
    if result is None:
        return NONE
    if isinstance(result, Failure):
        return result.reason
    low, median, high = (milliseconds(seconds) for seconds in (result.low, result.median, result.high))
    return f"{median} [{low}-{high}]"


def ours() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Label, name and options of each loss, and of variants of some."""
    for name in sorted(all_losses()):
        for options in ({}, catalogue.VARIANTS.get(name)):
            if options is not None:
                said = ", ".join(f"{key}={value!r}" for key, value in options.items())
                yield (f"`{name}({said})`" if said else f"`{name}`"), name, options


def in_torch(problem: Problem) -> Functions:
    """Bare transforms, the losses, and peers that are installed."""
    return catalogue.everything(problem)[0]


def in_graphs(problem: Problem) -> Functions:
    """The losses, and their gradients, in PyTorch, recorded once and replayed."""
    if problem.device == "cpu":
        return {}
    import torch

    x, y = torch_arrays(problem)
    x.requires_grad_()
    axes, functions = problem.case.axes, {}

    def transforms() -> object:
        torch.fft.rfftn(x.detach(), dim=axes)
        return torch.fft.irfftn(torch.fft.rfftn(y, dim=axes), s=problem.case.grid, dim=axes)

    functions[BARE] = captured(transforms)
    for label, name, options in ours():
        loss = partial(getattr(sl, name), spatial_axes=axes, channel_axis=None, **options)
        functions[label] = captured(lambda loss=loss: torch.autograd.grad(loss(x, y), x))  # type: ignore[misc]
    return functions


def captured(step: Callable[[], object]) -> Callable[[], object]:
    """The kernels of a step, recorded by the first call."""
    import torch

    graph = torch.cuda.CUDAGraph()
    results: list[object] = []

    def run() -> object:
        if not results:
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            with torch.cuda.stream(aside):
                step()
                step()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph):
                results.append(step())
        graph.replay()
        torch.cuda.synchronize()
        return results[0]

    return run


def in_jax(problem: Problem) -> Functions:
    """Bare transforms and the losses, each compiled as a whole."""
    functions = {BARE: bare.jax_loss(problem)}
    where = {"spatial_axes": problem.case.axes, "channel_axis": None}
    for label, name, options in ours():
        functions[label] = jax_step(problem, partial(getattr(sl, name), **where, **options))
    return functions


def in_cupy(problem: Problem) -> Functions:
    """Bare transforms, and `value_and_grad` of the losses."""
    if problem.device == "cpu":
        return {}
    import cupy

    axes = problem.case.axes
    x, y = cupy.asarray(problem.x), cupy.asarray(problem.y)

    def transforms(x: Any, y: Any) -> Any:
        cupy.fft.rfftn(x, axes=axes)
        return cupy.fft.irfftn(cupy.fft.rfftn(y, axes=axes), s=problem.case.grid, axes=axes)

    def finished(function: Callable[[Any, Any], Any]) -> Callable[[], object]:
        def run() -> object:
            result = function(x, y)
            cupy.cuda.get_current_stream().synchronize()
            return result

        return run

    functions = {BARE: finished(transforms)}
    for label, name, options in ours():
        functions[label] = finished(sl.value_and_grad(name, spatial_axes=axes, channel_axis=None, **options))
    return functions


MAKERS: dict[str, Callable[[Problem], Functions]] = {
    "PyTorch": in_torch,
    "CUDA graph": in_graphs,
    "JAX": in_jax,
    "CuPy": in_cupy,
}


if __name__ == "__main__":
    main()
