"""Ratios of medians, all measured in one process and interleaved: ``python tests/benchmarks/ratios.py``.

Against the bare transforms that any spectral loss must do (``rfftn`` of both fields and, for a gradient, one
inverse), and against the formula that this library replaces: a loop over bins with masks over the full plane.
Then the extra peak memory of a training step, the time of ``import spectral_losses``, and what a step of the scheduler
costs and leaves behind, and a whole step of training under each loss. ``--quick`` takes fewer repetitions and sizes;
``--markdown`` prints tables for docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import spectral_losses as sl

SHAPES = [(24, 64, 64), (24, 128, 128), (24, 256, 256), (8, 512, 512), (1, 64, 64, 64)]
QUICK = [(24, 64, 64), (24, 256, 256)]


def main() -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and sizes")
    parser.add_argument("--markdown", action="store_true", help="tables for docs/performance.md")
    parser.add_argument(
        "--only", choices=["torch", "numpy", "jax", "memory", "import", "scheduler", "training"], help="one part alone"
    )
    args = parser.parse_args()
    rounds, shapes = (5, QUICK) if args.quick else (31, SHAPES)
    print(describe_machine(), end="\n\n")
    parts: dict[str, Callable[[], list[list[str]]]] = {
        "torch": lambda: torch_ratios(shapes, rounds),
        "numpy": lambda: numpy_ratios(shapes, rounds),
        "jax": lambda: jax_ratios(shapes, rounds),
        "memory": memory,
        "import": lambda: import_time(rounds),
        "training": lambda: training_overhead(rounds),
        "scheduler": lambda: scheduler_cost(20_000 if args.quick else 1_000_000),
    }
    for name, part in parts.items():
        if args.only in (None, name):
            table(part(), args.markdown)


def torch_ratios(shapes: list[tuple[int, ...]], rounds: int) -> list[list[str]]:
    """Forward and backward of both losses in PyTorch on the CPU."""
    import torch

    rows = [
        [
            "PyTorch, forward and backward",
            "bare, ms",
            "spectrum_error / bare",
            "loop over bins / spectrum_error",
            "field_error / mse_loss",
        ]
    ]
    for shape in shapes:
        axes = axes_of(shape)
        x, y = torch.randn(shape, requires_grad=True), torch.randn(shape)
        data = x.detach()

        def bare() -> None:
            torch.fft.rfftn(data, dim=axes)  # noqa: B023
            modes = torch.fft.rfftn(y, dim=axes)  # noqa: B023
            torch.fft.irfftn(modes, s=y.shape[1:], dim=axes)  # noqa: B023

        def step(loss: Callable[[Any, Any], Any]) -> Callable[[], None]:
            def run() -> None:
                x.grad = None  # noqa: B023
                loss(x, y).backward()  # noqa: B023

            return run

        times = interleaved(
            [
                bare,
                step(lambda x, y: sl.spectrum_error(x, y, spatial_axes=axes, channel_axis=None)),  # noqa: B023
                step(lambda x, y: sl.field_error(x, y, spatial_axes=axes)),  # noqa: B023
                step(torch.nn.functional.mse_loss),
            ],
            rounds,
        )
        slow = interleaved([step(lambda x, y: loop_over_bins(torch, x, y, axes))], max(2, rounds // 10))[0]  # noqa: B023
        ratios = [f"{times[1] / times[0]:.2f}", f"{slow / times[1]:.1f}", f"{times[2] / times[3]:.2f}"]
        rows.append([by(shape), f"{1e3 * times[0]:.2f}", *ratios])
    return rows


def numpy_ratios(shapes: list[tuple[int, ...]], rounds: int) -> list[list[str]]:
    """radial_spectrum in NumPy against SciPy's bare transform."""
    import scipy.fft

    rows = [["NumPy, float32", "bare rfftn, ms", "radial_spectrum / bare", "loop over bins / radial_spectrum"]]
    for shape in shapes:
        axes = axes_of(shape)
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        bare, ours = interleaved(
            [
                lambda: scipy.fft.rfftn(x, axes=axes),  # noqa: B023
                lambda: sl.radial_spectrum(x, spatial_axes=axes, channel_axis=None),  # noqa: B023
            ],
            rounds,
        )
        slow = interleaved([lambda: loop_spectrum(np, x, axes)], max(2, rounds // 10))[0]  # noqa: B023
        rows.append([by(shape), f"{1e3 * bare:.2f}", f"{ours / bare:.2f}", f"{slow / ours:.1f}"])
    return rows


def jax_ratios(shapes: list[tuple[int, ...]], rounds: int) -> list[list[str]]:
    """Jitted value and gradient in JAX."""
    import jax
    import jax.numpy as jnp

    rows = [
        [
            "JAX on the CPU, jitted value and gradient",
            "bare, ms",
            "spectrum_error / bare",
            "loop over bins / spectrum_error",
        ]
    ]
    for shape in shapes:
        axes = axes_of(shape)
        rng = np.random.default_rng(0)
        x, y = (jnp.asarray(rng.normal(size=shape).astype("float32")) for _ in range(2))

        @jax.jit
        def bare(x: Any, y: Any) -> Any:
            f, g = jnp.fft.rfftn(x, axes=axes), jnp.fft.rfftn(y, axes=axes)  # noqa: B023
            return f, jnp.fft.irfftn(g, s=x.shape[1:], axes=axes)  # noqa: B023

        def step(loss: Callable[[Any, Any], Any]) -> Callable[[], None]:
            compiled = jax.jit(jax.value_and_grad(loss))
            return lambda: jax.block_until_ready(compiled(x, y))  # noqa: B023

        ours = step(lambda x, y: sl.spectrum_error(x, y, spatial_axes=axes, channel_axis=None))  # noqa: B023
        times = interleaved([lambda: jax.block_until_ready(bare(x, y)), ours], rounds)  # noqa: B023
        slow = interleaved([step(lambda x, y: loop_over_bins(jnp, x, y, axes))], max(2, rounds // 10))[0]  # noqa: B023
        rows.append([by(shape), f"{1e3 * times[0]:.2f}", f"{times[1] / times[0]:.2f}", f"{slow / times[1]:.1f}"])
    return rows


MEMORY = """
import ctypes, re, torch, spectral_losses as sl
def status(key): return int(re.search(key + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
x, y = torch.randn({shape}, requires_grad=True), torch.randn({shape})
for _ in range(2):  # the first time loads code, builds constants and starts threads
    x.grad = None
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
    before = status("VmRSS")
    sl.{loss}(x, y, spatial_axes={axes}, **{options}).backward()
    extra = status("VmHWM") - before
print(extra / (x.numel() * x.element_size()))
"""


def memory() -> list[list[str]]:
    """Peak memory of a step beyond what held prediction and target, in sizes of the prediction (Linux)."""
    rows = [["PyTorch, extra peak memory / prediction", "field_error", "spectrum_error"]]
    if not Path("/proc/self/clear_refs").exists():
        return rows
    for shape in ((24, 256, 256), (8, 512, 512), (4, 128, 128, 128)):
        found = []
        for loss in ("field_error", "spectrum_error"):
            options = {"channel_axis": None} if loss == "spectrum_error" else {}
            code = MEMORY.format(shape=shape, axes=axes_of(shape), loss=loss, options=options)
            found.append(
                subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
            )
        rows.append([by(shape), *(f"{float(ratio):.2f}" for ratio in found)])
    return rows


def import_time(rounds: int) -> list[list[str]]:
    """``import spectral_losses`` against bare Python, whole processes in turn."""

    def process(code: str) -> Callable[[], None]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True) and None

    bare, ours = interleaved([process("pass"), process("import spectral_losses")], max(5, rounds // 2))
    return [
        ["import", "bare Python, ms", "added by spectral_losses, ms"],
        ["", f"{1e3 * bare:.1f}", f"{1e3 * (ours - bare):.1f}"],
    ]


def training_overhead(rounds: int) -> list[list[str]]:
    """A whole step of the demo's model (forward, loss, backward, Adam) under four losses."""
    import torch

    from spectral_losses.demo.operator import FourierOperator

    rows = [
        [
            "training step of the demo's model",
            "mse_loss, ms",
            "field_error / mse",
            "mix / field_error",
            "spectrum / field",
        ]
    ]
    for n in (64, 128):
        torch.manual_seed(0)
        x, y = torch.randn(8, 1, n, n), torch.randn(8, 1, n, n)
        mix = sl.CompositeLoss({"field_error": "field_error", "spectrum_error": "spectrum_error"})
        mix.set_weights({"field_error": 0.3, "spectrum_error": 0.7})
        losses: list[Callable[[Any, Any], Any]] = [
            torch.nn.functional.mse_loss,
            sl.field_error,
            lambda p, t: mix(p, t)[0],  # noqa: B023
            sl.spectrum_error,
        ]
        model = FourierOperator(width=16, modes=12, layers=4)
        optimizer = torch.optim.Adam(model.parameters())

        def step(loss: Callable[[Any, Any], Any]) -> Callable[[], None]:
            def run() -> None:
                optimizer.zero_grad()  # noqa: B023
                loss(model(x), y).backward()  # noqa: B023
                optimizer.step()  # noqa: B023

            return run

        mse, field, mixed, spectrum = interleaved([step(loss) for loss in losses], rounds)
        rows.append(
            [
                f"8 x {n} x {n}",
                f"{1e3 * mse:.1f}",
                f"{field / mse:.3f}",
                f"{mixed / field:.3f}",
                f"{spectrum / field:.3f}",
            ]
        )
    return rows


STEPS = """
import itertools, re, statistics, time, spectral_losses as sl
def resident(): return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])
second = dict(source="spectrum_error", target="gradient_error", initial_weight_source=0.7, final_weight_target=0.4)
config = {config}
scheduler, values = sl.LossScheduler(config), itertools.cycle([0.5, 0.4, 0.45, 0.44, 0.43, 0.6])
def run(steps):
    start = time.perf_counter()
    for _ in range(steps):
        scheduler.step({{"spectrum_error": next(values), "field_error": 0.1}})
    return (time.perf_counter() - start) / steps
run(2000)
before = resident()
times = [run({steps} // 100) for _ in range(100)]
print(1e6 * statistics.median(times), resident() - before)
"""


def scheduler_cost(steps: int) -> list[list[str]]:
    """Time of `LossScheduler.step`, and the growth of the process over many of them (Linux)."""
    rows = [["LossScheduler.step", "median, microseconds", f"memory grown over {steps} steps, KiB"]]
    if not Path("/proc/self/status").exists():
        return rows
    for name, config in {
        "plateau": "sl.SchedulerConfig()",
        "increase": "sl.SchedulerConfig(trigger='increase', transition_step=1e-6, adaptive_step=False)",
        "epoch": "sl.SchedulerConfig(trigger='epoch', interval=10, transition_step=1e-6, adaptive_step=False)",
        "chain": "sl.SchedulerChain([sl.SchedulerConfig(), sl.SchedulerConfig(**second)])",
    }.items():
        code = STEPS.format(config=config, steps=steps)
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        rows.append([name, f"{float(found[0]):.1f}", found[1]])
    return rows


def loop_spectrum(xp: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The formula that this library replaces: full transform, one mask per bin."""
    shape = x.shape[1:]
    power = xp.abs(xp.fft.fftn(x, **{"dim" if xp.__name__ == "torch" else "axes": axes})) ** 2
    k = np.sqrt(sum(np.square(i) for i in np.meshgrid(*(np.fft.fftfreq(n) * n for n in shape), indexing="ij")))
    sums = []
    for b in range(1, min(shape) // 2 + 1):
        inside = (k > b - 0.5) & (k <= b + 0.5)
        mask = xp.asarray(inside.astype("float32"))
        measure = (
            np.pi * ((b + 0.5) ** 2 - (b - 0.5) ** 2)
            if len(shape) == 2
            else 4 / 3 * np.pi * ((b + 0.5) ** 3 - (b - 0.5) ** 3)
        )
        sums.append((power * mask).sum(axes) / float(inside.sum()) * float(measure))
    return xp.stack(sums, -1)


def loop_over_bins(xp: Any, x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """spectrum_error on top of `loop_spectrum`."""
    log_x, log_y = (xp.log(loop_spectrum(xp, field, axes) + 1e-10) for field in (x, y))
    return (((log_x - log_y) ** 2).mean(-1) / ((log_y**2).mean(-1) + 1e-10)).mean()


def interleaved(functions: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each function, called in turn after two calls to warm up."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
        function()
    for _ in range(rounds):
        for function, seconds in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in times]


def axes_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """All axes but the first."""
    return tuple(range(1 - len(shape), 0))


def by(shape: tuple[int, ...]) -> str:
    """24 x 256 x 256."""
    return " x ".join(map(str, shape))


def describe_machine() -> str:
    """Processor and versions, for the record."""
    from importlib.metadata import PackageNotFoundError, version

    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    versions = []
    for name in ("numpy", "scipy", "torch", "jax"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} missing")
    processor = model[1] if model else platform.processor()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(versions)}"


def table(rows: list[list[str]], markdown: bool) -> None:
    """Print a table, its first row as the header."""
    if markdown:
        rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
        print(*("| " + " | ".join(row) + " |" for row in rows), sep="\n", end="\n\n", flush=True)
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )
    print(flush=True)


if __name__ == "__main__":
    main()
