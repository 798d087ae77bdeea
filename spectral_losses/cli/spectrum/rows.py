"""Spectra as rows of a table, in long format: one for each shell of each channel of each file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectral_losses.cli.spectrum.report import Report

if TYPE_CHECKING:
    from spectral_losses.cli.ui.tables import Cell


def spectrum_rows(report: Report) -> list[dict[str, Cell]]:
    """With the columns file, variable, channel, wavenumber, lower and upper edge, count, and power or energy."""
    found: list[dict[str, Cell]] = []
    for each in report.files:
        edges = np.asarray(each.grid.edges(), np.float64).tolist()
        shells = list(zip(each.wavenumber.tolist(), edges, edges[1:], each.grid.counts().tolist(), strict=False))
        layout = each.layout
        along = None if layout.channel is None else layout.coordinate(layout.channel)
        apart = layout.channel is not None and report.channels == "separate"
        for channel, power in enumerate(each.power.tolist()):
            named: Cell = channel if along is None else along.cell(channel)
            for (wavenumber, low, high, count), value in zip(shells, power, strict=True):
                found.append(
                    {
                        "file": each.file,
                        "variable": each.variable,
                        "channel": named if apart else None,
                        "wavenumber": wavenumber,
                        "lower": low,
                        "upper": high,
                        "count": count,
                        "energy" if report.energy else "power": value,
                    }
                )
    return found
