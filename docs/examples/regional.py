"""The spectrum of a region: Fourier transform, Hann window and cosines against the truth of the domain around it.

A field with a steep spectrum on a periodic domain, of which a region is cut out. What is known of the region's spectrum
is the density of the whole domain, which does not depend on where one looks::

    python docs/examples/regional.py --output docs/figures/regional.png
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

Field = NDArray[np.float64]
WAYS: dict[str, dict[str, Any]] = {
    "FFT": {},
    "FFT, Hann window": {"detrend": "constant", "window": "hann"},
    'transform="dct"': {"transform": "dct"},
}


def domain(n: int, frames: int, slope: float, seed: int = 0) -> Field:
    """Fields ``(frames, n, n)`` whose power per unit of wavenumber falls as ``k**-slope`` from k = 4 on."""
    k = np.hypot(n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n))
    noise = np.random.default_rng(seed).normal(size=(frames, n, n))
    amplitude = (1 + (k / 4) ** 2) ** (-(slope + 1) / 4)
    return np.fft.irfft2(np.fft.rfft2(noise) * amplitude, s=(n, n))


def densities(n: int, part: int, frames: int, slope: float) -> dict[str, tuple[Field, Field]]:
    """Wavenumber, and power per unit of it, of the domain and of regions of its n/part by n/part points."""
    whole, size = domain(n, frames, slope), n // part
    regions = whole[:, :size, :size]
    of: dict[str, Any] = {"pool": "frames", "channel_axis": None, "smooth": True}
    found = {"the whole domain": sl.energy_spectrum(whole, lengths=2 * np.pi, **of)}
    for name, options in WAYS.items():
        found[name] = sl.energy_spectrum(regions, lengths=2 * np.pi / part, **of, **options)
    return {name: (spectrum.wavenumber, spectrum.power) for name, spectrum in found.items()}


def against(curves: dict[str, tuple[Field, Field]]) -> dict[str, tuple[Field, Field]]:
    """Ratios to the density of the whole domain, interpolated in logarithms."""
    k, truth = map(np.log, curves["the whole domain"])
    return {
        name: (at, power / np.exp(np.interp(np.log(at), k, truth)))
        for name, (at, power) in curves.items()
        if name in WAYS
    }


def main(argv: Sequence[str] | None = None) -> dict[str, tuple[Field, Field]]:
    """Draw, and return what was drawn below."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--n", type=int, default=1024, help="points along each axis of the domain (default: %(default)s)"
    )
    parser.add_argument("--part", type=int, default=8, help="of its length, for a region (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=20, help="default: %(default)s")
    parser.add_argument("--slope", type=float, default=3.0, help="of the spectrum (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("regional.png"), help="default: %(default)s")
    args = parser.parse_args(argv)
    curves = densities(args.n, args.part, args.frames, args.slope)
    ratios = against(curves)
    figure = Figure(figsize=(6, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    colours = dict(zip(curves, ("black", "tab:red", "tab:orange", "tab:blue"), strict=True))
    for name, (k, power) in curves.items():
        above.loglog(k, power, color=colours[name], lw=1.3, label=name)
    for name, (k, ratio) in ratios.items():
        below.loglog(k, ratio, color=colours[name], lw=1.3)
    below.axhline(1, color="black", lw=1.3)
    below.set(ylim=(0.3, 30), xlabel="wavenumber $k$ (waves across the domain)", ylabel="over the truth")
    above.set(ylabel="power per unit of wavenumber")
    above.legend(frameon=False)
    figure.savefig(args.output, dpi=110)
    print(f"wrote {args.output}")
    for name, (k, ratio) in ratios.items():
        places = [int(np.argmin(abs(k - at))) for at in (args.part, 4 * args.part, args.n / 4)]
        print(name, *(f"{k[i]:.0f}: {ratio[i]:.2f}" for i in places))
    return ratios


if __name__ == "__main__":
    main()
