"""Flows that know directions: power by direction and wavenumber, and across an axis and along it.

Left a flow whose structures are drawn out along one direction. In the middle a forecast of it, smoothed along the last
axis alone, over the truth. Right a layered volume, which varies faster along its last axis than across it::

    python docs/examples/directions.py --output docs/figures/directions.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import spectral_losses as sl
from spectral_losses import plot

Field = NDArray[np.float64]
TILT = np.pi / 6  # of the flow's wavevectors


def flow(n: int, frames: int, seed: int = 0) -> Field:
    """A flow ``(frames, 1, n, n)`` with the same power at k along `TILT` and at 0.4 k across it."""
    ky, kx = n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n)
    along, across = kx * np.cos(TILT) + ky * np.sin(TILT), ky * np.cos(TILT) - kx * np.sin(TILT)
    noise = np.random.default_rng(seed).normal(size=(frames, 1, n, n))
    return np.fft.irfft2(np.fft.rfft2(noise) / (3 + np.hypot(along, across / 0.4)) ** 2, s=(n, n))


def smoothed(x: Field) -> Field:
    """A field without its small scales along the last axis: half of the amplitude is left at a quarter of Nyquist."""
    transfer = 1 / (1 + (8 * np.fft.rfftfreq(x.shape[-1])) ** 2)
    return np.fft.irfft(np.fft.rfft(x) * transfer, n=x.shape[-1])


def layers(n: int, seed: int = 0) -> Field:
    """A volume ``(n, n, n)`` with the same power at k along the last axis and at k / 3 across it."""
    k = [n * np.fft.fftfreq(n)[:, None, None], n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n)]
    noise = np.random.default_rng(seed).normal(size=(n, n, n))
    steep = (2 + np.sqrt(9 * k[0] ** 2 + 9 * k[1] ** 2 + k[2] ** 2)) ** 2
    return np.fft.irfftn(np.fft.rfftn(noise) / steep, s=noise.shape, axes=(0, 1, 2))


def main(argv: Sequence[str] | None = None) -> tuple[Any, Any, Any]:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=96, help="points along each axis (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("directions.png"), help="default: %(default)s")
    args = parser.parse_args(argv)
    truth = flow(args.n, args.frames)
    figure = Figure(figsize=(13, 3.9), layout="constrained")
    polar = [figure.add_subplot(1, 3, place, projection="polar") for place in (1, 2)]
    left = plot.sectors(truth, axes=polar[0])
    middle = plot.sectors(smoothed(truth), reference=truth, axes=polar[1])
    volume = layers(args.n // 2)
    right = plot.cylinders(volume, spatial_axes=(0, 1, 2), bins=sl.Cylinders(-1), axes=figure.add_subplot(1, 3, 3))
    figure.savefig(args.output, dpi=110)
    print(f"wrote {args.output}")
    return left, middle, right


if __name__ == "__main__":
    main()
