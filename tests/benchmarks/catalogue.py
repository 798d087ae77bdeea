"""Every loss beside `spectrum_error`, the bare transforms and peers: ``python tests/benchmarks/catalogue.py``.

Times are of a forward and backward pass of PyTorch on one thread, of white noise in float32, taken in turn within one
process, and printed as ratios of medians; memory is the peak of such a pass, in predictions. ``--write`` puts the table
into docs/performance.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import bare
import peers
from candidates import flat, torch_step
from cases import Case, Problem
from memory import peak
from timing import Failure, Timing, interleaved

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses

CASES = (Case(24, (256, 256)), Case(24, (64, 64)), Case(1, (128, 128, 128)))
QUICK = (Case(2, (32, 32)), Case(1, (12, 12, 12)))
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
MARKS = ("<!-- catalogue: begin -->", "<!-- catalogue: end -->")
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
}
"""What is set beside which loss of ours; by name, maker, and why a case is not tried."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small fields, few rounds")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=4.0, help="at most, for each function")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    args = parser.parse_args(arguments)
    rounds, seconds = (2, 0.1) if args.quick else (args.rounds, args.seconds)
    text = "\n\n".join(table(case, rounds, seconds) for case in (QUICK if args.quick else CASES))
    if args.write:
        page = PAGE.read_text(encoding="utf-8")
        before, after = page.split(MARKS[0])[0], page.split(MARKS[1])[1]
        PAGE.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")
    else:
        print(text)


def table(case: Case, rounds: int, seconds: float) -> str:
    """All losses of one stack, as Markdown."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        problem = case.problem(backward=True)
        functions, missing = {"bare transforms": bare.torch_loss(problem), **dict(ours(problem))}, {}
        for name, (_, make, refuses) in PEERS.items():
            if refuses(case):
                continue
            try:
                functions[name] = make(problem)
            except ModuleNotFoundError as error:
                missing[name] = f"not installed: {error.name}"
        found = interleaved(functions, rounds, seconds)
        held = {name: peak(function) for name, function in functions.items()}
    finally:
        torch.set_num_threads(threads)
    lines = [
        f"**{case.label}**",
        "",
        "| | time / `spectrum_error` | time / bare transforms | peak memory, predictions | peer / ours |",
        "|---|---|---|---|---|",
    ]
    for name, result in found.items():
        lines.append(_row(name, result, found, held[name], problem))
    lines += [f"| {name} | {why} | | | |" for name, why in missing.items()]
    return "\n".join(lines)


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
        return f"| {name} | {result.reason} | | | |"

    def over(other: str) -> str:
        beside = found[other]
        return f"{result.median / beside.median:.2f}" if isinstance(beside, Timing) else ""

    memory = "" if held is None else f"{held / problem.x.nbytes:.1f}"
    peer = over(f"`{PEERS[name][0]}`") if name in PEERS else ""
    return f"| {name} | {over('`spectrum_error`')} | {over('bare transforms')} | {memory} | {peer} |"


if __name__ == "__main__":
    main()
