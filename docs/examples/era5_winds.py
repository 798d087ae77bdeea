r"""Winds of one moment of ERA5, scale by scale: around the globe, along parallels, and one level against another.

PATH is an .npz file with ``era5_u`` and ``era5_v`` in m/s, of shape (level, latitude, longitude), and the coordinates
``era5_lat``, ``era5_lon`` in degrees and ``era5_level`` in hPa. What the page on xarray shows was made of the winds of
1959-01-02 00 UTC on 37 levels and 32 x 64 points that cover the globe, which came with neuralgcm
(https://github.com/google-research/neuralgcm, Apache-2.0; the data are Copernicus ERA5)::

    python docs/examples/era5_winds.py winds_era5.npz --output docs/figures/era5_winds.png

It needs xarray and matplotlib. So coarse a grid holds 31 degrees, and one moment has noisy spectra: this is an example
of the calls, and not of the atmosphere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import spectral_losses.xarray as slx

LEVELS = (200, 850)  # hPa
BAND = slice(30, 60)  # degrees north
ALONG = slice(4, 20)  # zonal wavenumbers of the slope


class Result(NamedTuple):
    """Spectra with names, over the levels."""

    by_degree: Any  # energy by degree, (level, degree)
    divergent: Any  # what of it belongs to the divergence
    zonal: Any  # energy along parallels, (level, wavenumber)
    coherence: Any  # of one level with the other along parallels, (wavenumber,)

    @property
    def slopes(self) -> Any:
        """Of the zonal energy in logarithms, (level,)."""
        part = np.log(self.zonal.sel(wavenumber=ALONG))
        return part.assign_coords(wavenumber=np.log(part.wavenumber)).polyfit("wavenumber", 1).polyfit_coefficients[0]


def read(path: Path) -> Any:
    """The winds as a Dataset whose coordinates say what they are."""
    with np.load(path, allow_pickle=False) as file:
        dims = ("level", "latitude", "longitude")
        wind = {name: (dims, file[f"era5_{name}"], {"units": "m s-1"}) for name in ("u", "v")}
        units = {"level": "hPa", "latitude": "degrees_north", "longitude": "degrees_east"}
        keys = {"level": "era5_level", "latitude": "era5_lat", "longitude": "era5_lon"}
        return xr.Dataset(wind, {dim: (dim, file[keys[dim]], {"units": units[dim]}) for dim in dims})


# begin
def spectra(wind: Any) -> Result:
    """All that is drawn."""
    wind = wind.sel(level=list(LEVELS))
    # The latitudes are those of a grid that covers the globe: degrees of spherical harmonics.
    energy = slx.energy_spectrum(wind, components=("u", "v"))
    divergent = slx.energy_spectrum(wind, components=("u", "v"), part="divergent")
    # Along parallels, of which the mean is taken.
    north = wind.sortby("latitude").sel(latitude=BAND)
    zonal = slx.energy_spectrum(north, components=("u", "v"), dims="longitude", pool="latitude")
    # Levels that differ are refused, unless they are dropped.
    upper, lower = (north.sel(level=level, drop=True) for level in LEVELS)
    cross = slx.cross_spectrum(upper, lower, dims="longitude", pool="latitude", bins="log")
    return Result(energy, divergent, zonal, (cross["u"].coherence + cross["v"].coherence) / 2)


# end


def report(result: Result) -> str:
    """The numbers, as text."""
    rms = np.sqrt(2 * result.by_degree.sum("degree"))
    lines = [f"{result.by_degree.sizes['degree']} degrees, to {float(result.by_degree.wavelength[-1]):.0f} km"]
    lines += [
        f"{level} hPa: {float(rms.sel(level=level)):5.1f} m/s, largest in degree "
        f"{int(result.by_degree.sel(level=level).idxmax('degree'))}; zonal slope between 30 and 60 N, wavenumbers "
        f"{ALONG.start} to {ALONG.stop}: {float(result.slopes.sel(level=level)):.2f}"
        for level in LEVELS
    ]
    share = (result.divergent / result.by_degree).sel(degree=slice(None, 20)).mean("degree")
    lines += [f"{level} hPa: {100 * float(share.sel(level=level)):.1f} % divergent up to degree 20" for level in LEVELS]
    octaves = ", ".join(f"{float(value):.2f}" for value in result.coherence)
    lines.append(f"coherence of both, octave by octave: {octaves}")
    return "\n".join(lines)


def draw(result: Result, output: Path) -> None:
    """Three panels in a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.5), layout="constrained")
    globe, zonal, both = figure.subplots(1, 3)
    looks = [{"color": "#0072B2", "ls": "-"}, {"color": "#D55E00", "ls": "--"}]
    for level, look in zip(LEVELS, looks, strict=True):
        for ax, spectrum in ((globe, result.by_degree), (zonal, result.zonal)):
            spectrum.sel(level=level).plot(ax=ax, xscale="log", yscale="log", lw=1.8, label=f"{level} hPa", **look)
        result.divergent.sel(level=level).plot(ax=globe, lw=1, label="divergent", **look)
    for ax, spectrum, said in ((globe, result.by_degree, "$l^{-3}$"), (zonal, result.zonal, "$k^{-3}$")):
        along = spectrum[spectrum.dims[-1]][5:]
        height = 4 * float(spectrum.isel(level=0)[5])
        ax.plot(along, height * (along / along[0]) ** -3.0, color="0.5", lw=1, label=said)
        ax.legend(frameon=False, fontsize="small", loc="lower left", ncols=2)
        ax.set_ylim(bottom=1e-3 if ax is globe else 5e-3)
    result.coherence.plot(ax=both, color="black", lw=1.8, marker="o")
    both.axhline(0, color="0.7", lw=0.8, zorder=0)
    both.set(xscale="log", ylim=(-1, 1), ylabel="coherence")
    globe.set(title="around the globe", xlabel="degree $l$", ylabel="energy (m$^2$ s$^{-2}$)")
    zonal.set(title="along parallels, 30 to 60 N", xlabel="zonal wavenumber $k$", ylabel="energy (m$^2$ s$^{-2}$)")
    both.set(title=f"{LEVELS[0]} against {LEVELS[1]} hPa", xlabel="zonal wavenumber $k$")
    figure.savefig(output, dpi=110)


def main(argv: Sequence[str] | None = None) -> int:
    """Print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", metavar="PATH", help="an .npz file with the winds")
    parser.add_argument("--output", type=Path, default=Path("era5_winds.png"), help="default: %(default)s")
    args = parser.parse_args(argv)
    try:
        wind = read(args.path or Path("PATH"))
    except (OSError, KeyError, ValueError) as error:
        print(
            f"needs an .npz file with era5_u, era5_v and their coordinates; got {args.path or 'none'} ({error})",
            file=sys.stderr,
        )
        return 2
    result = spectra(wind)
    print(report(result))
    draw(result, args.output)
    print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
