"""What cosines cost beside Fourier modes: ``python tests/benchmarks/edges.py``.

`log_spectral_distance` with its gradient, of float32 fields, with ``transform="dct"`` and with the FFT, in PyTorch,
NumPy and JAX (jitted). The two are called in turn within one process, and times are processor time of it: medians with
their quartiles, and the ratio of medians.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from report import Section, Table, machine, text_of
from timing import Timing, interleaved

import spectral_losses as sl

SHAPES = ((24, 256, 256), (8, 64, 64, 64), (1, 1069, 1069))
QUICK = ((2, 16, 18),)
PACKAGES = {"PyTorch": "torch", "NumPy": "numpy", "JAX": "jax"}


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="steps of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="for each, at most (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one small stack")
    parser.add_argument("--markdown", action="store_true", help="print a table of Markdown")
    args = parser.parse_args(argv)
    there = {name: package for name, package in PACKAGES.items() if find_spec(package)}
    header = ["fields", "framework", "dct, ms", "fft, ms", "dct / fft"]
    rows = [
        measure(shape, name, args.rounds, args.seconds) for shape in (QUICK if args.quick else SHAPES) for name in there
    ]
    print(text_of(Section("a loss over cosines", [Table("", header, rows)]), args.markdown))
    print(machine(list(there.values())))


def measure(shape: tuple[int, ...], framework: str, rounds: int, seconds: float) -> list[str]:
    """A row of the table."""
    target, noise = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    options: dict[str, Any] = {"spatial_axes": tuple(range(1 - len(shape), 0)), "channel_axis": None}
    steps = {name: step(framework, target + 0.3 * noise, target, transform=name, **options) for name in ("dct", "fft")}
    timings = interleaved(steps, rounds, seconds, _of_this_process)
    cosine, wave = timings["dct"], timings["fft"]
    if not isinstance(cosine, Timing) or not isinstance(wave, Timing):
        raise RuntimeError(f"{framework}: {cosine}, {wave}")
    times = ["{:.1f} [{:.1f}-{:.1f}]".format(*(1e3 * z for z in (t.median, t.low, t.high))) for t in (cosine, wave)]
    return [" x ".join(map(str, shape)), framework, *times, f"{cosine.median / wave.median:.2f}"]


def step(framework: str, prediction: Any, target: Any, **options: Any) -> Callable[[], object]:
    """Value and gradient in a framework."""
    both = sl.value_and_grad("log_spectral_distance", **options)
    if framework == "PyTorch":
        import torch

        prediction, target = torch.tensor(prediction), torch.tensor(target)
    if framework == "JAX":
        import jax

        compiled, p, t = jax.jit(both), jax.numpy.asarray(prediction), jax.numpy.asarray(target)
        return lambda: jax.block_until_ready(compiled(p, t))
    return lambda: both(prediction, target)


def _of_this_process(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


if __name__ == "__main__":
    main()
