"""What there is to say about a comparison, whoever says it: a table, JSON, CSV or a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.globe import Grid
from spectral_losses.cli.compare.resolution import Resolution
from spectral_losses.cli.ui.console import option_words
from spectral_losses.io import Coordinate
from spectral_losses.spectra.bands import Band, BandNumbers


class Row(NamedTuple):
    """The numbers of one comparison, band by band."""

    field_error: float
    spectrum_error: float
    scores: Mapping[str, float | None]  # those of forecasts, in the units of the fields
    losses: Mapping[str, float]  # what else was asked for
    bands: tuple[BandNumbers, ...]
    resolution: Resolution
    power: NDArray[np.float64]  # of prediction, truth and difference, for each channel and shell


class Way(NamedTuple):
    """An axis that rows lie along.

    Attributes
    ----------
    axis : int
        Of the arrays.
    name : str
    coordinate : Coordinate or None
    places : tuple of int
        Of each row, among those that were compared.
    indices : tuple of int
        The same among all of the arrays, some of which ``--nan skip`` may have left out.
    """

    axis: int
    name: str
    coordinate: Coordinate | None
    places: tuple[int, ...]
    indices: tuple[int, ...]

    @property
    def units(self) -> str | None:
        """Of its coordinate, where that has some."""
        return None if self.coordinate is None or self.coordinate.units in ("", "1") else self.coordinate.units

    def label(self, row: int) -> str:
        """What to call a row: by its coordinate, else by its number."""
        return str(self.indices[row]) if self.coordinate is None else self.coordinate.label(self.places[row])


class Report(NamedTuple):
    """What there is to say about one variable of two files."""

    prediction: str
    truth: str
    variable: str | None  # which one of the files
    units: str | None  # of its values
    options: Mapping[str, Any]  # by which they were compared, where they differ from the defaults
    layout: Layout
    grid: Grid
    moved: tuple[str, ...]  # which dimensions of the prediction were brought into the truth's order
    repeated: tuple[str, ...]  # which dimensions one of the files lacks
    skipped: int  # positions along the first axis of frames, which are not finite
    channels: str  # separate, sum or mean
    losses: tuple[str, ...]  # what was asked for, in that order
    bands: tuple[Band, ...]
    overall: Row
    per: tuple[Row, ...]  # for each index along layout.per
    precision: float  # relative spacing of the floats that fields are made of
    kept: tuple[int, ...] | None = None  # which positions along the first axis of frames were compared; None: all

    @property
    def along(self) -> Coordinate | None:
        """The coordinate of the axis that rows lie along, if it has one."""
        return None if self.layout.per is None else self.layout.coordinate(self.layout.per)

    @property
    def ways(self) -> tuple[Way, ...]:
        """The axes that rows lie along: none, one or two."""
        layout = self.layout
        if layout.per is None:
            return ()
        if layout.merged is None:
            places = tuple(range(layout.shape[layout.per]))
            indices = places if self.kept is None or layout.per != layout.batch else self.kept
            return (Way(layout.per, layout.name(layout.per), self.along, places, indices),)
        shape, dims, axes, coordinates = layout.merged
        pairs = zip(*np.ndindex(*(shape[axis] for axis in axes)), strict=True)
        names = [f"axis {axis}" if dims is None else dims[axis] for axis in axes]
        return tuple(
            Way(axis, name, coordinates.get(name), tuple(places), tuple(places))
            for axis, name, places in zip(axes, names, pairs, strict=True)
        )

    @property
    def power(self) -> NDArray[np.float64]:
        """That of all frames together."""
        return self.overall.power

    @property
    def shares(self) -> NDArray[np.float64]:
        """What shells hold of the mean squares of prediction, truth and difference, as ``spectrum`` prints it."""
        return shares_of(self, self.overall)


def shares_of(report: Report, row: Row) -> NDArray[np.float64]:
    """The same of one row."""
    return np.asarray(row.power / report.grid.scale() * report.grid.fill(), np.float64)


def losses_of(report: Report, row: Row) -> dict[str, float]:
    """Those of ``--losses``, in that order."""
    known = {"field_error": row.field_error, "spectrum_error": row.spectrum_error, **row.losses}
    return {name: known[name] for name in report.losses}


def chosen(reports: list[Report]) -> str:
    """Variables and options, on one line; empty where there is nothing to say."""
    names = [each.variable for each in reports if each.variable is not None]
    said = [f"{'variable' if len(names) == 1 else 'variables'} {', '.join(names)}"] if names else []
    options = reports[0].options
    return ", ".join(said + ([option_words(options)] if options else []))
