"""A comparison as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.globe import Grid, described, words
from spectral_losses.cli.compare.resolution import Resolution
from spectral_losses.cli.ui.console import by, console, count, long, option_words, short, write
from spectral_losses.errors import needed
from spectral_losses.io import Coordinate
from spectral_losses.spectra.bands import Band, BandNumbers

ROOMY = 100  # letters; a terminal that is narrower has no space between columns to waste
LISTED = 6  # so many channels have their effective resolution printed each


class Row(NamedTuple):
    """The numbers of one comparison, band by band."""

    field_error: float
    spectrum_error: float
    losses: Mapping[str, float]  # what else was asked for
    bands: tuple[BandNumbers, ...]
    resolution: Resolution


class Report(NamedTuple):
    """What there is to say about two files."""

    prediction: str
    truth: str
    variable: str | None  # which one of the files
    options: Mapping[str, Any]  # by which they were compared, where they differ from the defaults
    layout: Layout
    grid: Grid
    moved: tuple[str, ...]  # which dimensions of the prediction were brought into the truth's order
    channels: str  # separate, sum or mean
    losses: tuple[str, ...]  # what was asked for, in that order
    bands: tuple[Band, ...]
    overall: Row
    per: tuple[Row, ...]  # for each index along layout.per

    @property
    def chosen(self) -> str:
        """The variable and the options, on one line; empty where there is nothing to say."""
        said = [] if self.variable is None else [f"variable {self.variable}"]
        return ", ".join(said + ([option_words(self.options)] if self.options else []))

    def label(self, row: int) -> str:
        """What to call a row of the numbers along an axis: by its coordinate, else by its number."""
        return str(row) if self.along is None else self.along.label(row)

    @property
    def along(self) -> Coordinate | None:
        """The coordinate of the axis that rows lie along, if it has one."""
        return None if self.layout.per is None else self.layout.coordinate(self.layout.per)

    @property
    def units_along(self) -> str | None:
        """Its units, where it has some."""
        return None if self.along is None or self.along.units in ("", "1") else self.along.units


def print_table(report: Report) -> None:
    """Print tables to stdout: one of everything and, with ``--per``, one with a row for each index."""
    needed("rich", "the table")
    layout = report.layout
    counts = (
        count(layout.frames, "frame"),
        count(layout.channels, "channel"),
        f"grid {by(layout.grid)}{words(report.grid)}",
    )
    with console() as printer:
        # Soft, because names are to be copied whole.
        printer.print(f"{report.prediction} against {report.truth}", style="bold", soft_wrap=True)
        if report.chosen:
            printer.print(report.chosen, soft_wrap=True)
        printer.print(", ".join(counts))
        if report.moved:
            printer.print(f"brought into the order of {report.truth}: {', '.join(report.moved)}", soft_wrap=True)
        printer.print(_overall(report, printer.width))
        printer.print(_resolved(report), soft_wrap=True)
        if report.per:
            printer.print(_per(report))
            printer.print(_per_coherence(report))
            if report.overall.losses:
                printer.print(_per_loss(report))


def print_json(report: Report) -> None:
    """Print one JSON object to stdout; ``spectral-losses compare --help`` documents its keys."""
    layout = report.layout
    document: dict[str, object] = {
        "prediction": report.prediction,
        "truth": report.truth,
        "variable": report.variable,
        "options": report.options,
        "shape": layout.shape,
        "frames": layout.frames,
        "channels": layout.channels,
        "grid": layout.grid,
        "sphere": described(report.grid),
        "reordered": report.moved,
        **_numbers(report, report.overall, [{"wavenumbers": b.centres, "edges": b.edges} for b in report.bands]),
    }
    if layout.per is not None:
        along = report.along
        document["per"] = {
            "axis": layout.per,
            "name": None if layout.dims is None else layout.name(layout.per),
            "units": None if along is None else along.units,
            "rows": [
                {"index": index, "coordinate": None if along is None else along.plain(index), **_numbers(report, row)}
                for index, row in enumerate(report.per)
            ],
        }
    write(json.dumps(document, allow_nan=False) + "\n")


def _numbers(report: Report, row: Row, of_bands: Sequence[Mapping[str, object]] = ({},) * 3) -> dict[str, object]:
    """One comparison, for JSON; ``of_bands`` is what else there is to say about each band."""
    return {
        "field_error": row.field_error,
        "spectrum_error": row.spectrum_error,
        "losses": _losses(report, row),
        "bands": [
            {"name": band.name, **more, **numbers._asdict()}
            for band, more, numbers in zip(report.bands, of_bands, row.bands, strict=True)
        ],
        "effective_resolution": row.resolution._asdict(),
    }


def _losses(report: Report, row: Row) -> dict[str, float]:
    """Those that were asked for, in that order."""
    known = {"field_error": row.field_error, "spectrum_error": row.spectrum_error, **row.losses}
    return {name: known[name] for name in report.losses}


def _overall(report: Report, width: int) -> object:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, int(width >= ROOMY)), pad_edge=False)
    table.add_column("")
    scales = "wavenumbers" if described(report.grid) is None else "degrees"
    for heading in (scales, "error", "amplitude\npart", "phase\npart", "energy\nratio", "coherence"):
        table.add_column(heading, justify="right", vertical="bottom")
    table.add_row("field error", "all", short(report.overall.field_error))
    reach = _range(report.bands[0].centres[0], report.bands[-1].centres[1])
    last = not report.overall.losses
    table.add_row("spectrum error", reach, short(report.overall.spectrum_error), end_section=last)
    for i, (name, value) in enumerate(report.overall.losses.items(), 1):
        table.add_row(_words(name), "", short(value), end_section=i == len(report.overall.losses))
    for band, numbers in zip(report.bands, report.overall.bands, strict=True):
        table.add_row(f"{band.name} band", _range(*band.centres), *map(short, numbers))
    return table


def _resolved(report: Report) -> str:
    """The effective resolution in words."""
    unit, found = report.overall.resolution
    known = [each for each in found if each is not None]
    if not known:
        return "effective resolution: nothing is resolved"
    before = "up to wavenumber " if unit == "wavenumber" else ""
    behind = {"grid points": " grid points", "km": " km", "length": ", in the unit of the lengths,"}.get(unit, "")
    if len(found) > LISTED:
        nothing = len(found) - len(known)
        more = f", nothing in {count(nothing, 'channel')}" if nothing else ""
        numbers = f"{long(min(known))} to {long(max(known))}"
        return f"effective resolution: {before}{numbers}{behind} in {count(len(known), 'channel')}{more}"
    numbers = ", ".join("nothing" if each is None else long(each) for each in found)
    last = len(found) - 1
    where = "" if not last else f" in channels {'0 and 1' if last == 1 else f'0 to {last}'}"
    return f"effective resolution: {before}{numbers}{behind}{where}".removesuffix(",")


def _per(report: Report) -> object:
    table = _table_per(report, ["field\nerror", "spectrum\nerror", *_of_bands(report, "error", "energy")])
    for index, row in enumerate(report.per):
        cells: list[float | None] = [row.field_error, row.spectrum_error]
        cells += [band.error for band in row.bands] + [band.energy_ratio for band in row.bands]
        table.add_row(report.label(index), *map(short, cells))
    return table


def _per_coherence(report: Report) -> object:
    """The second table: the first is as wide as a terminal."""
    headings = [*_of_bands(report, "coherence"), *_of_bands(report, "phase\npart")]
    unit, found = report.overall.resolution
    heading = "resolved\nup to k" if unit == "wavenumber" else "effective\nresolution"
    table = _table_per(report, [*headings, f"{heading}\n(coarsest)" if len(found) > 1 else heading])
    for index, row in enumerate(report.per):
        cells = [short(band.coherence) for band in row.bands] + [short(band.phase_part) for band in row.bands]
        coarsest = row.resolution.coarsest()
        table.add_row(report.label(index), *cells, "nothing" if coarsest is None else long(coarsest))
    return table


def _per_loss(report: Report) -> object:
    table = _table_per(report, [name.replace("_", "\n") for name in report.overall.losses])
    for index, row in enumerate(report.per):
        table.add_row(report.label(index), *map(short, row.losses.values()))
    return table


def _table_per(report: Report, headings: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
    for heading in (_along(report), *headings):
        table.add_column(heading, justify="right", vertical="bottom")
    return table


def _along(report: Report) -> str:
    """The name of the axis that rows lie along, and the units of its coordinate."""
    if report.layout.per is None:
        return ""
    return report.layout.name(report.layout.per) + (f"\n({units})" if (units := report.units_along) else "")


def _of_bands(report: Report, *kinds: str) -> list[str]:
    return [f"{band.name}\n{kind}" for kind in kinds for band in report.bands]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _range(low: float, high: float) -> str:
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
