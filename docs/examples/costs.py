"""What each loss costs beside a field error: forward and backward in PyTorch, ratios of medians.

Losses are called in turn, in another order in each round, so that a change of the machine's pace meets all of them::

    python docs/examples/costs.py                              # print the table
    python docs/examples/costs.py --write docs/which-loss.md   # and put it between the marks in this page

It times the library's losses against one another, on white noise in float32 and on one core; `tests/benchmarks` holds
them against bare transforms and other libraries. It needs PyTorch (``pip install 'spectral-losses[torch]'``), and takes
about a minute.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from minimisers import catalogue, filled

import spectral_losses as sl

GRIDS = {"1024 x 1024": (1024, 1024), "16 x 256²": (16, 256, 256), "4 x 64³": (4, 64, 64, 64)}
"""Frames, and points along each side of them: a million points in one, two and three dimensions."""
CHANNELS = 16
"""Of the convolution, 3 points wide."""
ENOUGH = 3.0
"""Seconds after which a loss has been timed often enough."""
QUICK = {"4 x 64": (4, 64), "2 x 16²": (2, 16, 16)}


def steps(shape: tuple[int, ...]) -> dict[str, Callable[[], None]]:
    """A value and its gradient by each loss, by the label of its row."""
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(2, *shape, generator=generator)
    prediction.requires_grad_()
    options: dict[str, Any] = {"spatial_axes": tuple(range(1 - len(shape), 0)), "channel_axis": None}
    stored = sl.radial_spectrum(target, **options)

    def step(loss: Callable[..., Any], to: Any, given: Any) -> Callable[[], None]:
        def call() -> None:
            prediction.grad = None
            loss(prediction, to, **options, **given).backward()

        return call

    found = {loss.label: step(loss.function, target, loss.options) for loss in catalogue()}
    found["`log_spectral_distance`, stored target"] = step(sl.log_spectral_distance, stored, {})
    found["a convolution, for scale"] = convolution(shape)
    return found


def convolution(shape: tuple[int, ...]) -> Callable[[], None]:
    """One layer of a network on the same points, forward and backward."""
    ndim = len(shape) - 1
    layer = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[ndim - 1](CHANNELS, CHANNELS, 3, padding=1)
    features = torch.randn(
        shape[0], CHANNELS, *shape[1:], generator=torch.Generator().manual_seed(0), requires_grad=True
    )

    def call() -> None:
        features.grad = None
        layer.zero_grad()
        layer(features).mean().backward()

    return call


def medians(functions: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds of each, the median over rounds in which all of them are called in some order; the slow in fewer."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    order, shuffled = list(functions), random.Random(0)
    for turn in range(rounds + 1):
        shuffled.shuffle(order)
        for name in order:
            if turn > 3 and sum(seconds[name]) > ENOUGH:
                continue
            start = time.perf_counter()
            functions[name]()
            if turn:  # the first round builds constants
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def table(grids: dict[str, tuple[int, ...]], rounds: int) -> str:
    """Times over that of the field error, as a Markdown table."""
    unit, times = "`field_error`", [medians(steps(shape), rounds) for shape in grids.values()]
    names = sorted(times[0], key=lambda name: times[min(1, len(times) - 1)][name])
    lines = [["loss", *grids], ["---"] * (1 + len(grids))]
    lines += [[name, *(f"{float(f'{each[name] / each[unit]:.2g}'):g}" for each in times)] for name in names]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """The processor's name, as far as it is known."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.machine()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it into pages."""
    parser = argparse.ArgumentParser(
        description="Times of each loss over that of field_error, with gradients, in PyTorch."
    )
    parser.add_argument("--quick", action="store_true", help="on small fields, to see that it runs")
    parser.add_argument("--rounds", type=int, help="default: 21, with --quick 1")
    parser.add_argument("--write", type=Path, nargs="+", default=[], metavar="PAGE", help="pages to put the table into")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    found = table(QUICK if args.quick else GRIDS, args.rounds or (1 if args.quick else 21))
    text = f"{found}\n\nOn one core of an {machine()}, PyTorch {torch.__version__}."
    print(text)
    for page in args.write:
        page.write_text(filled(page.read_text(encoding="utf-8"), "costs", lambda _: text), encoding="utf-8")
        print(f"wrote {page}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
