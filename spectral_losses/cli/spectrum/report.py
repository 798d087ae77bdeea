"""Spectra as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spectral_losses.cli.compare.globe import RADIUS, described, words
from spectral_losses.cli.spectrum.measure import FileSpectrum
from spectral_losses.cli.ui.columns import tables
from spectral_losses.cli.ui.console import by, console, count, long, option_words, short, write
from spectral_losses.errors import needed
from spectral_losses.transforms.sphere import Harmonics

SHOWN = 30  # so many shells are all printed
PER_OCTAVE = 3  # of more than that
APART = 4  # so many channels of one file get a column each


class Report(NamedTuple):
    """What there is to say about some files."""

    files: tuple[FileSpectrum, ...]
    options: Mapping[str, Any]  # where they differ from the defaults
    energy: bool
    channels: str  # separate, sum or mean
    fit: tuple[float, float]

    @property
    def names(self) -> list[str]:
        """What to call the files: by their last part, where that tells them apart."""
        names = [Path(each.file).name for each in self.files]
        for longer in ([each.file for each in self.files], [f"{each.file}:{each.variable}" for each in self.files]):
            names = names if len(set(names)) == len(names) else longer
        return names


def print_table(report: Report) -> None:
    """Print a table to stdout: a row for each shell, or for some of many, and the slopes."""
    needed("rich", "the table")
    with console() as printer:
        for each in report.files:
            layout = each.layout
            counts = (
                count(layout.frames, "frame"),
                count(layout.channels, "channel"),
                f"grid {by(layout.grid)}{words(each.grid)}",
            )
            variable = "" if each.variable is None else f" variable {each.variable},"
            printer.print(f"{each.file}:{variable} {', '.join(counts)}", soft_wrap=True)
            if each.skipped:
                along = layout.name(layout.batch or 0)
                left = count(each.skipped, "position")
                printer.print(f"left out, because not all there is finite: {left} along {along}", soft_wrap=True)
        if report.options:
            printer.print(option_words(report.options), soft_wrap=True)
        for table in _tables(report, printer.width):
            printer.print(table)


def print_json(report: Report) -> None:
    """Print one JSON object to stdout; ``spectral-losses spectrum --help`` documents its keys."""
    quantity = "energy" if report.energy else "power"
    document: dict[str, object] = {
        "options": report.options,
        "quantity": quantity,
        "fit": report.fit,
        "files": [
            {
                "file": each.file,
                "variable": each.variable,
                "shape": each.layout.shape,
                "frames": each.layout.frames,
                "channels": each.layout.channels,
                "skipped": each.skipped,
                "grid": each.layout.grid,
                "sphere": described(each.grid),
                "wavenumber": each.wavenumber.tolist(),
                "edges": np.asarray(each.grid.edges()).tolist(),
                "counts": each.grid.counts().tolist(),
                quantity: each.power.tolist(),
                "inside": each.inside.tolist(),
                "slope": each.slope,
            }
            for each in report.files
        ],
    }
    write(json.dumps(document, allow_nan=False) + "\n")


def _tables(report: Report, width: int) -> Iterator[object]:
    first = report.files[0]
    around, waves = _wavelength(report)
    columns = _columns(report)
    on_the_sphere = isinstance(first.grid, Harmonics)
    rows = [("degree" if on_the_sphere else "wavenumber", *([waves] if around else []), *columns)]
    shown = _some(first)
    for i in shown:
        k = first.wavenumber[i]
        waves_across = math.sqrt(k * (k + 1)) if on_the_sphere else k
        cells = [f"{k:.4g}", *([long(around / waves_across)] if around else [])]
        for spectrum, channels in columns.values():
            place = _same_shell(spectrum, first, i)
            cells.append("" if place is None else short(float(np.mean(spectrum.power[channels, place]))))
        rows.append(tuple(cells))
    empty = [""] if around else []
    insides = [short(float(np.mean(spectrum.inside[channels]))) for spectrum, channels in columns.values()]
    rows.append(("all shells", *empty, *insides))
    slopes = [_mean_slope(spectrum.slope[channels]) for spectrum, channels in columns.values()]
    fit = f"{report.fit[0]:.4g} to {report.fit[1]:.4g}"
    rows.append(("slope", fit, *slopes) if empty else (f"slope {fit}", *slopes))
    found = list(zip(*rows, strict=True))
    yield from tables(found[: -len(columns)], found[-len(columns) :], {len(shown) - 1}, width, 1)


def _columns(report: Report) -> dict[str, tuple[FileSpectrum, slice]]:
    """Headings, each with a file and the channels that its column is the mean of."""
    kind = "E(k)" if report.energy else "power"
    first = report.files[0]
    number = len(first.power)
    if len(report.files) == 1 and 1 < number <= APART:
        return {f"{kind}\nchannel {i}": (first, slice(i, i + 1)) for i in range(number)}
    return {
        f"{kind}\n{name}" if len(report.files) > 1 else kind: (each, slice(None))
        for name, each in zip(report.names, report.files, strict=True)
    }


def _mean_slope(slopes: tuple[float | None, ...]) -> str:
    known = [slope for slope in slopes if slope is not None]
    return f"{sum(known) / len(known):.2f}" if known else "-"


def _wavelength(report: Report) -> tuple[float | None, str]:
    """Wavelength times wavenumber, where it has one unit for all, and what to call it."""
    grid = report.files[0].grid
    if isinstance(grid, Harmonics):
        return 2 * math.pi * RADIUS, "wavelength\n(km)"
    if grid.lengths is not None:
        return 2 * math.pi, "wavelength"
    sizes = {size for each in report.files for size in each.grid.shape}
    return float(sizes.pop()) if len(sizes) == 1 else None, "wavelength\n(grid points)"


def _some(spectrum: FileSpectrum) -> list[int]:
    """The shells that are printed."""
    k = spectrum.wavenumber
    if len(k) <= SHOWN:
        return list(range(len(k)))
    steps = round(PER_OCTAVE * math.log2(k[-1] / k[0])) + 1
    wanted = np.geomspace(k[0], k[-1], steps)
    return sorted({int(np.argmin(abs(k - each))) for each in wanted})


def _same_shell(spectrum: FileSpectrum, first: FileSpectrum, shell: int) -> int | None:
    """Which shell of a file is that one of the first file, if any."""
    edges, wanted = np.asarray(spectrum.grid.edges()), np.asarray(first.grid.edges())[shell : shell + 2]
    place = int(np.argmin(abs(edges[:-1] - wanted[0])))
    return place if np.allclose(edges[place : place + 2], wanted, rtol=1e-6, atol=0) else None
