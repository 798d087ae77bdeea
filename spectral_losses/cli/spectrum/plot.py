"""A picture of spectra: power or energy and, of several files, the ratio of amplitudes to the first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectral_losses.cli.compare.plot import scales_of
from spectral_losses.cli.spectrum.measure import FileSpectrum
from spectral_losses.cli.spectrum.report import Report
from spectral_losses.cli.ui.console import count, option_words
from spectral_losses.cli.ui.figures import save_figure
from spectral_losses.io.units import canonical
from spectral_losses.plot.curves import Compared, Curve, against, draw, round_off
from spectral_losses.plot.panels import new_panels

ROOM = 60  # letters of 12 points as wide as the figure


def write_plot(path: Path, report: Report) -> None:
    """Draw and write a figure; the format follows the suffix.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    first, *others = report.files
    units = {canonical(each.units or "1") for each in report.files}
    names = [_name(report, place, len(units) > 1) for place in range(len(report.files))]
    curves = [_curve(names[0], first)]
    curves += [_curve(name, each, first) for name, each in zip(names[1:], others, strict=True)]
    compared = any(curve.compared is not None for curve in curves)
    panels = new_panels(1 + compared)
    of = scales_of([each.grid for each in report.files], first.layout, first.units, report.energy, len(units) == 1)
    draw(panels, curves, of, title=_means(report, "k" if of.degrees is None else "l"))
    title = _title(report)
    if title:
        size = min(12, 12 * ROOM / max(map(len, title)))
        panels.figure.suptitle("\n".join(title), parse_math=False, fontsize=size)
    save_figure(path, panels.figure)


def _curve(name: str, spectrum: FileSpectrum, first: FileSpectrum | None = None) -> Curve:
    floor = float(np.mean(round_off(spectrum.power, spectrum.precision)))
    curve = Curve(name, spectrum.wavenumber, spectrum.power, floor)
    if first is None or canonical(spectrum.units or "1") != canonical(first.units or "1"):
        return curve
    edges, others = (np.asarray(each.grid.edges(), np.float64) for each in (spectrum, first))
    found = against(edges, spectrum.power, others, first.power, max(spectrum.precision, first.precision))
    if found is None:
        return curve
    return curve._replace(compared=Compared(spectrum.wavenumber[found.mine], found.ratio, None))


def _name(report: Report, place: int, units: bool) -> str:
    """What the legend calls a file: with its units where these differ, and the slope that the table has."""
    each = report.files[place]
    words = [report.names[place]] if len(report.files) > 1 else []
    words += [f"({each.units or 'no units'})"] if units else []
    known = [slope for slope in each.slope if slope is not None]
    words += [f"slope {sum(known) / len(known):.2f}"] if known else []
    return ", ".join(words).replace(", (", " (").replace("$", r"\$")


def _means(report: Report, k: str) -> str:
    """What the curves are means of, and from where to where slopes are fitted."""
    counts = {(each.layout.frames, each.layout.channels) for each in report.files}
    said = []
    if len(counts) == 1:
        kinds = {"separate": "mean over", "sum": "sum of", "mean": "of the mean of"}
        frames, channels = counts.pop()
        said = [f"mean over {frames} frames"] if frames > 1 else []
        said += [f"{kinds[report.channels]} {count(channels, 'channel')}"] if channels > 1 else []
    said = [", ".join(said).replace(", mean over", " and")] if said else []
    if any(slope is not None for each in report.files for slope in each.slope):
        said.append(f"slopes from ${k}$ = {report.fit[0]:.3g} to {report.fit[1]:.3g}")
    return "\n".join(said)


def _title(report: Report) -> list[str]:
    """The file, its variable, and the options."""
    lines = []
    variables = dict.fromkeys(each.variable for each in report.files if each.variable is not None)
    if len(report.files) == 1:
        (variable,) = variables or (None,)
        lines.append(report.names[0] + ("" if variable is None else f", variable {variable}"))
    elif len(variables) == 1:
        lines.append(f"variable {next(iter(variables))}")
    return lines + ([option_words(report.options)] if report.options else [])
