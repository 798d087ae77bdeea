"""A comparison as rows of tables: the numbers of everything and of each index, and their spectra shell by shell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from spectral_losses.cli.compare.document import curves_of, numbers_of
from spectral_losses.cli.compare.report import Report, Row, Way, losses_of
from spectral_losses.cli.ui.tables import column

if TYPE_CHECKING:
    from spectral_losses.cli.ui.tables import Cell

NUMBERS = ("prediction", "truth", "difference", "energy_ratio", "coherence")


def number_rows(reports: list[Report]) -> list[dict[str, Cell]]:
    """A row for all of each variable and, with ``--per``, one for each index."""
    return [found for each in reports for found in _numbers(each)]


def spectrum_rows(reports: list[Report]) -> list[dict[str, Cell]]:
    """The same in long format: a row for each shell of each channel that has a spectrum of its own."""
    return [found for each in reports for found in _shells(each)]


def _numbers(report: Report) -> Iterator[dict[str, Cell]]:
    for place, row in _each(report):
        numbers = numbers_of(report, row)
        found: dict[str, Cell] = {"variable": report.variable, "units": report.units, **place}
        found |= {name: value for name, value in numbers.items() if value is None or isinstance(value, float)}
        found |= losses_of(report, row)
        for band, of_band in zip(report.bands, row.bands, strict=True):
            found |= {f"{band.name}_{name}": value for name, value in of_band._asdict().items()}
        yield {**found, "effective_resolution": row.resolution.coarsest(), "resolution_unit": row.resolution.unit}


def _shells(report: Report) -> Iterator[dict[str, Cell]]:
    grid, layout = report.grid, report.layout
    edges = np.asarray(grid.edges(), np.float64).tolist()
    shells = list(zip(np.asarray(grid.centres()).tolist(), edges, edges[1:], grid.counts().tolist(), strict=False))
    along = None if layout.channel is None else layout.coordinate(layout.channel)
    for place, row in _each(report):
        curves = curves_of(report, row)
        apart = report.channels == "separate" and layout.channel is not None
        apart = apart and (row is report.overall or layout.per != layout.channel)
        for channel in range(len(curves["truth"])):
            named: Cell = channel if along is None else along.cell(channel)
            for shell, (wavenumber, low, high, count) in enumerate(shells):
                yield {
                    "variable": report.variable,
                    "units": report.units,
                    **place,
                    "channel": named if apart else None,
                    "wavenumber": wavenumber,
                    "lower": low,
                    "upper": high,
                    "count": count,
                    **{name: curves[name][channel][shell] for name in NUMBERS},
                }


def _each(report: Report) -> Iterator[tuple[dict[str, Cell], Row]]:
    """Rows, and where they lie: in columns with the names of the axes, which are empty for all of it together."""
    ways = {column(way.name): way for way in report.ways}
    yield dict.fromkeys(ways), report.overall
    for index, row in enumerate(report.per):
        yield {name: _cell(way, index) for name, way in ways.items()}, row


def _cell(way: Way, row: int) -> Cell:
    return way.indices[row] if way.coordinate is None else way.coordinate.cell(way.places[row])
