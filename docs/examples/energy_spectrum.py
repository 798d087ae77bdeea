r"""Whether E(k) of a field is the curve that the field was made from.

The field is a cube of synthetic turbulence that the authors of TurboGenPY (https://github.com/saadgroup/TurboGenPY, MIT
licence) made from the spectrum that Comte-Bellot and Corrsin measured behind a grid (J. Fluid Mech. 48 (1971) 273,
table 3, at tU0/M = 42): ``uvw_32.mat`` of its history, of commit 220628d. It needs two files of NumPy:

- PATH, with the velocity ``u`` of shape (3, n, n, n), in m/s;
- ``ref_spectra_open.npz`` beside it, or ``--curve``, with the table ``cbc``: wavenumber in 1/cm, and E in cm^3/s^2.

It prints how near the shells are to the curve and that no energy is lost, and draws both::

    python docs/examples/energy_spectrum.py turbogen_cbc32.npz --output docs/figures/energy_spectrum.png

The cube is a sum of 250 or so waves in random directions, with wavenumbers from that of the box up to n / 2 times as
much. It is not periodic, so that some of each wave is found in the shells beside its own, and the last shell is half
empty.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import spectral_losses as sl

Floats = NDArray[np.float64]

BOX = 2 * np.pi / 15  # in metres, as the program that wrote the cube has it
FROM, TO = 2, 15  # shells that are compared with the curve: but for the first two and the last one


class Result(NamedTuple):
    """Spectra, the curve at their wavenumbers, and where the kinetic energy is."""

    plain: sl.Spectrum
    smooth: sl.Spectrum
    curve: Floats  # (shells,)
    energy: float  # half the mean square of the velocity
    shells: float  # sum E dk
    mean: float
    corners: float
    expected: float  # the area below the curve, over the wavenumbers of the waves

    @property
    def lost(self) -> float:
        """What is missing from the energy, relative to it."""
        return abs(self.shells + self.mean + self.corners - self.energy) / self.energy


def curve_at(k: Floats, table: Floats) -> Floats:
    """The table's E in m^3/s^2 at wavenumbers in 1/m; logarithms are interpolated."""
    return np.exp(np.interp(np.log(k), np.log(100 * table[:, 0]), np.log(1e-6 * table[:, 1])))


def compare(u: Floats, table: Floats, box: float = BOX) -> Result:
    """Spectra of a velocity ``(3, n, n, n)`` and where its energy is."""
    options = {"spatial_axes": (1, 2, 3), "lengths": box}
    plain, smooth = (sl.energy_spectrum(u, smooth=smooth, **options) for smooth in (False, True))
    n = u.shape[-1]
    m = np.fft.fftfreq(n, 1 / n)
    waves = np.sqrt(m[:, None, None] ** 2 + m[:, None] ** 2 + m**2)
    share = np.sum(np.abs(np.fft.fftn(u, axes=(1, 2, 3))) ** 2, axis=0) / 2 / n**6  # of the energy, for each mode
    k = np.linspace(1, n // 2, 4001) * 2 * np.pi / box
    return Result(
        plain,
        smooth,
        curve_at(plain.wavenumber, table),
        float(np.mean(np.sum(u**2, axis=0)) / 2),
        float(np.sum(plain.power * np.diff(plain.edges))),
        float(share[0, 0, 0]),
        float(np.sum(share[waves > n // 2 + 0.5])),
        float(np.trapezoid(curve_at(k, table), k)),
    )


def report(result: Result) -> str:
    """The numbers, as text."""
    lines = [
        f"kinetic energy             {result.energy:.7f} m^2/s^2",
        f"sum E dk                   {result.shells:.7f}",
        f"+ mean + corners           {result.mean:.7f} + {result.corners:.7f}: relative difference {result.lost:.0e}",
        f"area below the curve       {result.expected:.7f}",
    ]
    for name, spectrum in (("smooth=True", result.smooth), ("plain sums", result.plain)):
        ratio = spectrum.power / result.curve
        among = ratio[FROM:TO]
        away = np.sqrt(np.mean(np.log(among) ** 2))
        lines.append(
            f"{name:12} over curve    shells {FROM + 1} to {TO}: {among.min():.2f} to {among.max():.2f}, "
            f"{100 * away:.0f} % away; others {', '.join(f'{x:.2f}' for x in np.delete(ratio, slice(FROM, TO)))}"
        )
    return "\n".join(lines)


def draw(result: Result, table: Floats, output: Path) -> None:
    """Spectra over the curve, and their ratio to it."""
    from matplotlib.figure import Figure

    from spectral_losses import plot

    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    looks = {
        "smooth=True": {"color": "#0072B2", "ls": "", "marker": "o", "ms": 6},
        "plain sums": {"color": "#D55E00", "ls": "", "marker": "x", "ms": 6, "mew": 1.6},
    }
    spectra = {"smooth=True": result.smooth, "plain sums": result.plain}
    plot.spectra(spectra, unit="m", axes=above, styles=looks)
    k = result.plain.wavenumber
    fine = np.geomspace(k[0], k[-1], 200)
    above.plot(fine, curve_at(fine, table), color="black", lw=1.5, zorder=1, label="Comte-Bellot and Corrsin")
    above.set(xlabel="", ylabel="energy $E(k)$ (m$^3$/s$^2$)")
    above.legend(edgecolor="none")
    below.axhline(1, color="black", lw=1.5, zorder=1)
    below.axvspan(*result.plain.edges[[FROM, TO]], color="0.94", zorder=0)
    for name, spectrum in spectra.items():
        below.plot(k, spectrum.power / result.curve, **looks[name])
    below.set(yscale="log", ylim=(0.5, 2.6), xlabel="wavenumber $k$ (radians per m)", ylabel="over the curve")
    below.set_yticks([0.5, 1, 2], ["0.5", "1", "2"])
    below.set_yticks([], minor=True)
    figure.savefig(output, dpi=120)


def main(argv: Sequence[str] | None = None) -> int:
    """Print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", metavar="PATH", help="an .npz file with the velocity u")
    parser.add_argument("--curve", type=Path, help="an .npz file with cbc (default: ref_spectra_open.npz beside PATH)")
    parser.add_argument("--length", type=float, default=BOX, help="of the box, in m (default: %(default).4f)")
    parser.add_argument("--output", type=Path, default=Path("energy_spectrum.png"), help="default: %(default)s")
    args = parser.parse_args(argv)
    arrays = []
    curve = args.curve or (args.path and args.path.with_name("ref_spectra_open.npz"))
    for path, name, what in (
        (args.path, "u", "the velocity u of shape (3, n, n, n), in m/s: PATH"),
        (curve, "cbc", "the table cbc, wavenumbers in 1/cm and E in cm^3/s^2: --curve"),
    ):
        try:
            with np.load(path or "PATH", allow_pickle=False) as file:
                arrays.append(np.asarray(file[name], np.float64))
        except (OSError, KeyError, ValueError) as error:
            print(f"needs an .npz file with {what}; got {path or 'none'} ({error})", file=sys.stderr)
            return 2
    u, table = arrays
    result = compare(u, table[:, :2], args.length)
    print(report(result))
    draw(result, table, args.output)
    print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
