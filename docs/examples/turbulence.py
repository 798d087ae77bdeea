"""Two-dimensional turbulence on a fine and on a coarse grid: two files to compare.

It solves one flow on both grids and writes both velocities::

    python docs/examples/turbulence.py
    spectral-losses compare prediction.npy truth.npy --plot spectra.png

The solver is `spectral_losses.cli.demo.turbulence`, that of ``spectral-losses demo``; its functions are here, too.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectral_losses.cli.demo.turbulence import (
    dissipation_length,
    energy_spectrum,
    kolmogorov_forcing,
    random_vorticity,
    resample,
    simulate,
    velocity,
)

__all__ = [
    "dissipation_length",
    "energy_spectrum",
    "kolmogorov_forcing",
    "main",
    "random_vorticity",
    "resample",
    "simulate",
    "velocity",
]

Array = NDArray[np.float64]


class _Case(NamedTuple):
    """A flow of `main`: frames from the first to the last time, after a spin-up on the coarse grid."""

    viscosity: float  # at n = 256
    drag: float
    amplitude: float
    spin_up: float
    first: float
    last: float


_CASES = {
    "decaying": _Case(viscosity=5e-4, drag=0.0, amplitude=0.0, spin_up=0.0, first=1.0, last=2.5),
    "forced": _Case(viscosity=8e-4, drag=0.1, amplitude=1.0, spin_up=30.0, first=0.5, last=1.5),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Write ``truth.npy`` and ``prediction.npy``: one flow as velocities ``(frames, 2, n, n)``, float32."""
    parser = argparse.ArgumentParser(description="Solve a 2-D turbulent flow on a fine and on a coarse grid.")
    add = parser.add_argument
    add("--out", type=Path, default=Path(), metavar="DIR", help="where to write (default: here)")
    add("--kind", choices=list(_CASES), default="decaying", help="default: %(default)s")
    add("--n", type=int, default=256, help="fine grid; viscosity goes with 1 / n^2 (default: %(default)s)")
    add("--coarse", type=int, default=64, help="grid of the prediction (default: %(default)s)")
    add("--frames", type=int, default=8, help="default: %(default)s")
    add("--seed", type=int, default=0, help="of the initial field (default: %(default)s)")
    args = parser.parse_args(argv)
    if not 16 <= args.coarse < args.n:
        parser.error(f"--coarse must be 16 or more and less than --n, got {args.coarse} and {args.n}")
    if args.frames < 1 or args.seed < 0:
        parser.error(f"--frames must be 1 or more and --seed 0 or more, got {args.frames} and {args.seed}")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out: {error}")

    case = _CASES[args.kind]
    viscosity = case.viscosity * (256 / args.n) ** 2  # as resolved on any grid as on the default one
    forcing = kolmogorov_forcing(args.n, amplitude=case.amplitude)

    def solve(label: str, n: int, times: ArrayLike, initial: Array) -> Array:
        with _progress(f"{label}, {n} x {n}", np.max(times)) as show:
            given = {"viscosity": viscosity, "drag": case.drag}
            return simulate(n, times, **given, forcing=forcing, initial=initial, on_step=show).vorticity

    initial = random_vorticity(args.n, seed=args.seed)
    if case.spin_up:
        initial = solve("spin-up", args.coarse, [case.spin_up], initial)[-1]
    times = np.linspace(case.last, case.first, args.frames)[::-1]
    truth = solve("truth", args.n, times, initial)
    prediction = resample(solve("prediction", args.coarse, times, initial), args.n)

    resolution = (args.n - 1) // 3 * dissipation_length(truth, viscosity)
    print(f"{args.kind} turbulence, viscosity {viscosity:.3g}, k_max * dissipation length {resolution:.2f}")
    paths = args.out / "prediction.npy", args.out / "truth.npy"
    for path, vorticity in zip(paths, (prediction, truth), strict=True):
        np.save(path, velocity(vorticity).astype(np.float32))
        print(f"wrote {path}: velocity {(args.frames, 2, args.n, args.n)}, float32")
    print(f"next: spectral-losses compare {shlex.join(map(str, paths))} --plot spectra.png")
    return 0


@contextlib.contextmanager
def _progress(label: str, end: float) -> Iterator[Callable[[float], object]]:
    """Show the time reached on a terminal (and only there): a bar if rich is installed, else a percentage."""
    if not sys.stderr.isatty():
        yield lambda time: None
    elif importlib.util.find_spec("rich"):
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task(label, total=end)
            yield lambda time: bar.update(task, completed=time)
    else:
        yield lambda time: print(f"\r{label}: {time / end:.0%}", end="", file=sys.stderr)
        print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
