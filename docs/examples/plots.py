"""Three forecasts of one flow that know equally much of it: one call draws how they differ.

Each has the same coherence c(k) with the truth, but for noise. The sharp one has the truth's amplitude at all scales,
the blurred one c(k) times as much, which makes its field error the least that can be had. The noisy one is the sharp
one with white noise::

    python docs/examples/plots.py --output docs/figures/spectra.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import spectral_losses as sl
from spectral_losses import plot

Fields = dict[str, NDArray[np.float64]]
KNOWN = 1 / 8  # of the highest wavenumber: up to there forecasts know something


def forecasts(n: int, frames: int, seed: int = 0) -> Fields:
    """The truth and three forecasts, each ``(frames, 1, n, n)``."""
    rng = np.random.default_rng(seed)
    k = np.hypot(n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n))
    truth, other = (np.fft.rfft2(rng.normal(size=(frames, 1, n, n))) / (2 + k) ** 2 for _ in range(2))
    coherence = 1 / (1 + (k / (KNOWN * n / 2)) ** 2)
    sharp = coherence * truth + np.sqrt(1 - coherence**2) * other
    fields = {name: np.fft.irfft2(modes, s=(n, n)) for name, modes in
              {"truth": truth, "sharp": sharp, "blurred": coherence * sharp}.items()}  # fmt: skip
    scale = fields["truth"].std()
    noise = 0.08 * rng.normal(size=fields["truth"].shape)
    return {name: x / scale for name, x in fields.items()} | {"noisy": fields["sharp"] / scale + noise}


def main(argv: Sequence[str] | None = None) -> Any:
    """Draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=256, help="points along each axis (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=8, help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("spectra.png"), help="default: %(default)s")
    args = parser.parse_args(argv)
    fields = forecasts(args.n, args.frames)
    for name, x in fields.items():
        if name != "truth":
            error, resolved = sl.field_error(x, fields["truth"]), sl.effective_resolution(x, fields["truth"])
            print(f"{name:8}  field error {float(error):.3f}, effective resolution {resolved[0]:.1f} grid points")

    panels = plot.spectra(fields, reference="truth")
    panels.figure.savefig(args.output, dpi=120)
    print(f"wrote {args.output}")
    return panels


if __name__ == "__main__":
    main()
