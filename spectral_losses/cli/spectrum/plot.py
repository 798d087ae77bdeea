"""A picture of spectra: power or energy and, of several files, the ratio of amplitudes to the first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spectral_losses.cli.compare.plot import scales_of
from spectral_losses.cli.spectrum.measure import FileSpectrum
from spectral_losses.cli.spectrum.report import Report
from spectral_losses.cli.ui.figures import save_figure
from spectral_losses.plot.curves import Compared, Curve, against, draw
from spectral_losses.plot.panels import new_panels


def write_plot(path: Path, report: Report) -> None:
    """Draw and write a figure; the format follows the suffix.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    first, *others = report.files
    names = [name.replace("$", r"\$") for name in report.names]
    several = len(report.files) > 1
    curves = [_curve(names[0] if several else "", first)]
    curves += [_curve(name, each, first) for name, each in zip(names[1:], others, strict=True)]
    compared = any(curve.compared is not None for curve in curves)
    panels = new_panels(1 + compared)
    draw(panels, curves, scales_of([each.grid for each in report.files], report.energy))
    if not several:
        panels.power.set_title(report.names[0], parse_math=False)
    save_figure(path, panels.figure)


def _curve(name: str, spectrum: FileSpectrum, first: FileSpectrum | None = None) -> Curve:
    floor = np.max(spectrum.power, axis=-1) * spectrum.precision**2
    curve = Curve(name, spectrum.wavenumber, spectrum.power, float(np.mean(floor)))
    if first is None:
        return curve
    edges, others = (np.asarray(each.grid.edges(), np.float64) for each in (spectrum, first))
    found = against(edges, spectrum.power, others, first.power, max(spectrum.precision, first.precision))
    if found is None:
        return curve
    return curve._replace(compared=Compared(spectrum.wavenumber[found.mine], found.ratio, None))
