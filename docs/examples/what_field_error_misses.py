r"""What the field error misses: two predictions of one flow with the same field error.

The truth is a frame of decaying two-dimensional turbulence (`turbulence.py`, beside this file). One prediction
is that frame blurred by a Gaussian; the other is that frame, whole, moved a little along x: so far that its
field error is the same. The program prints both errors of both predictions, prints how much kinetic energy
they have at some wavenumbers, relative to the truth, and draws the vorticity and the spectra::

    python docs/examples/what_field_error_misses.py docs/figures

It needs matplotlib (``pip install 'spectral-losses[cli]'``).
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import turbulence
from numpy.typing import NDArray

import spectral_losses as sl

Array = NDArray[np.float64]

PICTURE = "what_field_error_misses.png"
TRUTH, BLURRED, MOVED = "#B0B0B0", "#D55E00", "#0072B2"  # the latter two of Okabe and Ito's colours


class Result(NamedTuple):
    """What the program prints: errors by name for each prediction, and energies by wavenumber."""

    blur: float  # standard deviation, in grid cells
    shift: float  # in grid cells
    blurred: dict[str, float]
    moved: dict[str, float]
    wavenumber: Array  # (shells,)
    blurred_ratio: Array  # kinetic energy over the truth's, (shells,)
    moved_ratio: Array


def compare(n: int, *, time: float = 2.5, blur: float = 3.1, seed: int = 0) -> tuple[Result, Array, Array]:
    """Solve the flow on an n x n grid and compare.

    Returns the numbers, the velocities ``(3, 2, n, n)`` of truth, blurred and moved flow, and their
    kinetic-energy spectra ``(3, shells)``.
    """
    viscosity = 8e-4 * (256 / n) ** 2  # as resolved on any grid
    vorticity = turbulence.simulate(n, [time], viscosity=viscosity, seed=seed).vorticity[0]
    truth = turbulence.velocity(vorticity)

    def filtered(transfer: Array | NDArray[np.complex128]) -> Array:
        return np.fft.irfft2(np.fft.rfft2(truth) * transfer, s=(n, n))

    kx, ky = n * np.fft.rfftfreq(n), n * np.fft.fftfreq(n)[:, None]
    cell = 2 * np.pi / n
    blurred = filtered(np.exp(-((blur * cell) ** 2) * (kx**2 + ky**2) / 2))
    goal = float(sl.field_error(blurred, truth))
    shift = _root(lambda s: float(sl.field_error(filtered(np.exp(-1j * s * cell * kx)), truth)) - goal, 0, n / 16)
    moved = filtered(np.exp(-1j * shift * cell * kx))

    # The shells that the solver resolves; half the power of both components is a kinetic-energy spectrum.
    options = {"channels": "sum", "bins": [m + 0.5 for m in range((n - 1) // 3 + 1)]}
    fields = np.stack((truth, blurred, moved))
    k, power, *_ = sl.radial_spectrum(fields, **options)
    energy = power / 2 / n**4
    errors = [
        sl.evaluate(x, truth, losses="field_error") | sl.evaluate(x, truth, losses="spectrum_error", **options)
        for x in (blurred, moved)
    ]
    return Result(blur, shift, *errors, k, *(energy[1:] / energy[0])), fields, energy


def report(result: Result) -> str:
    """The numbers as a small table."""
    b, m, k = result.blurred, result.moved, result.wavenumber
    marks = [i for i in (3, 7, 15, 31, 63) if i < len(k)]
    lines = [
        f"{'':28}{'blurred':>12}{'moved':>12}",
        f"{'by (grid cells)':28}{result.blur:12.2f}{result.shift:12.2f}",
        f"{'field error':28}{b['field_error']:12.4f}{m['field_error']:12.4f}",
        f"{'spectrum error':28}{b['spectrum_error']:12.4f}{m['spectrum_error']:12.4f}",
    ]
    for i in marks:
        label = f"energy / truth at k = {k[i]:g}"
        lines.append(f"{label:28}{result.blurred_ratio[i]:12.2g}{result.moved_ratio[i]:12.2g}")
    return "\n".join(lines)


def draw(path: Path, result: Result, fields: Array, energy: Array) -> None:
    """Vorticity of the three flows above, their spectra and the ratios below."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(9.6, 6.8), layout="constrained")
    fig.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    above, below = fig.subfigures(2, 1, height_ratios=(1.2, 1))
    names = ("truth", "blurred", "moved")

    vorticity = [_curl(u) for u in fields]
    limit = float(np.quantile(abs(vorticity[0]), 0.99))
    axes = above.subplots(1, 3)
    for ax, w, name, errors in zip(axes, vorticity, names, (None, result.blurred, result.moved), strict=True):
        image = ax.imshow(w, cmap=_diverging(), vmin=-limit, vmax=limit, origin="lower", interpolation="bilinear")
        ax.set_title(name if errors is None else f"{name}: field error {errors['field_error']:.4f}", fontsize=12)
        ax.set_xticks([])
        ax.set_yticks([])
    bar = above.colorbar(image, ax=axes, shrink=0.75, aspect=25, pad=0.015, extend="both")
    bar.set_label("vorticity")

    spectra, ratio = below.subplots(1, 2)
    styles = ((TRUTH, "-", 6.0), (BLURRED, (0, (4, 1.2)), 2.2), (MOVED, "-", 1.6))
    for e, name, (color, dash, width) in zip(energy, names, styles, strict=True):
        style = {"color": color, "ls": dash, "lw": width, "label": name}
        spectra.loglog(result.wavenumber, e, **style)
        ratio.loglog(result.wavenumber, e / energy[0], **style)
    spectra.set_ylabel("kinetic energy $E(k)$")
    spectra.set_ylim(energy[0].min() / 30, energy[0].max() * 3)
    spectra.legend(frameon=False, loc="lower left", fontsize=11)
    ratio.set_ylabel("$E(k)$ / truth's $E(k)$")
    ratio.set_ylim(1e-6, 10)
    for errors, name, color, height in (
        (result.moved, "moved", MOVED, 0.9),
        (result.blurred, "blurred", BLURRED, 0.5),
    ):
        text = f"{name}: spectrum error {errors['spectrum_error']:.2f}"
        ratio.text(0.04, height, text, transform=ratio.transAxes, color=color, fontsize=11)
    for ax in (spectra, ratio):
        ax.set_xlabel("wavenumber $k$ (waves across the box)")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
        ax.set_xlim(0.9, result.wavenumber[-1] * 1.1)
    _save(fig, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the numbers and write the picture."""
    parser = argparse.ArgumentParser(description="Two predictions of a turbulent flow with the same field error.")
    parser.add_argument("out", type=Path, metavar="DIR", help=f"where to write {PICTURE}")
    parser.add_argument("--n", type=int, default=192, help="grid points along each side (default: %(default)s)")
    parser.add_argument("--time", type=float, default=2.5, help="age of the flow (default: %(default)s)")
    parser.add_argument("--blur", type=float, default=3.1, help="in grid cells (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the initial field (default: %(default)s)")
    args = parser.parse_args(argv)
    result, fields, energy = compare(args.n, time=args.time, blur=args.blur, seed=args.seed)
    print(report(result))
    args.out.mkdir(parents=True, exist_ok=True)
    draw(args.out / PICTURE, result, fields, energy)
    print(f"wrote {args.out / PICTURE}")
    return 0


def _root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that rises from below 0 to above 0 crosses it, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return high


def _curl(velocity: Array) -> Array:
    """Vorticity dv/dx - du/dy of a velocity ``(2, n, n)`` on a box of side 2 pi."""
    n = velocity.shape[-1]
    u, v = np.fft.rfft2(velocity)
    kx, ky = n * np.fft.rfftfreq(n), n * np.fft.fftfreq(n)[:, None]
    return np.fft.irfft2(1j * (kx * v - ky * u), s=(n, n))


def _save(fig: Any, path: Path) -> None:
    """Write a picture in 256 colours, which takes half the space: the map's, greys, and tints of the curves'."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    tints = [np.linspace(to_rgb(colour), (1, 1, 1), 21) for colour in ("black", BLURRED, MOVED)]
    colours = np.concatenate([_diverging().colors, *tints])
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(255 * colours).astype(int).ravel().tolist())
    drawn = io.BytesIO()
    fig.savefig(drawn, dpi=110)
    whole = Image.open(drawn).convert("RGB")
    whole.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def _diverging() -> Any:
    """A diverging colour map, blue to orange over white, that is even to the eye.

    Lightness and chroma are straight lines in Oklab (B. Ottosson, 2020), so that equal steps of vorticity look
    like equal steps of colour; blue and orange stay apart for the colour-blind.
    """
    from matplotlib.colors import ListedColormap

    x = np.linspace(-1, 1, 193)
    hue = np.deg2rad(np.where(x < 0, 250, 48))
    lightness, chroma = 0.975 - 0.57 * abs(x), 0.135 * abs(x)
    lab = np.stack((lightness, chroma * np.cos(hue), chroma * np.sin(hue)))
    to_cones = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ (to_cones @ lab) ** 3, 0, 1)
    return ListedColormap(np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).T)


if __name__ == "__main__":
    sys.exit(main())
