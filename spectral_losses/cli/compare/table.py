"""A comparison as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from spectral_losses.cli.compare.globe import described, words
from spectral_losses.cli.compare.report import Report, Row, chosen
from spectral_losses.cli.ui.columns import tables
from spectral_losses.cli.ui.console import by, console, count, long, short
from spectral_losses.cli.ui.sources import COS_LATITUDE
from spectral_losses.errors import needed

ROOMY = 100  # letters; a terminal that is narrower has no space between columns to waste
LISTED = 6  # so many channels have their effective resolution printed each
SCORES = {"rmse": "RMSE", "bias": "bias", "anomaly_correlation": "anomaly correlation"}

Labelled = tuple[tuple[str, ...], Row]  # a row of a table behind what it is called
Cells = Callable[[Row], list[str]]


def print_table(reports: list[Report]) -> None:
    """Print tables to stdout.

    Of one variable a table of everything, of several a row for each; and, with ``--per``, rows for each index.
    """
    needed("rich", "the table")
    first = reports[0]
    with console() as printer:
        # Soft, because names are to be copied whole.
        printer.print(f"{first.prediction} against {first.truth}", style="bold", soft_wrap=True)
        for line in head(reports):
            printer.print(line, soft_wrap=True)
        if len(reports) == 1:
            for table in _overall(first, printer.width):
                printer.print(table)
            printer.print(resolved(first), soft_wrap=True)
        else:
            rows = [((_name(each),), each.overall) for each in reports]
            for table in _tables(reports, ["variable"], rows, set(), printer.width):
                printer.print(table)
        if first.per:
            several = ["variable"] if len(reports) > 1 else []
            rows, ends = [], set[int]()
            for each in reports:
                before = (_name(each),) if several else ()
                for index, row in enumerate(each.per):
                    rows.append(((*before, *(way.label(index) for way in each.ways)), row))
                ends |= {len(rows) - 1}
            for table in _tables(reports, [*several, *_along(first)], rows, ends, printer.width):
                printer.print(table)


def head(reports: list[Report], options: bool = True) -> Iterator[str]:
    """What was compared, line by line; what differs between variables is said of each."""
    if options and chosen(reports):
        yield chosen(reports)
    yield from _of_each(reports, _counts)
    truth = reports[0].truth
    yield from _of_each(reports, lambda each: each.moved and f"brought into the order of {truth}: {_list(each.moved)}")
    yield from _of_each(
        reports, lambda each: each.repeated and f"the same along {_list(each.repeated)}: one file has no such dimension"
    )
    yield from _of_each(reports, _skipped)
    yield from _of_each(reports, _weighed)
    if len(reports) > 1:
        yield from _of_each(
            reports,
            lambda each: f"{_scale(each)}: " + ", ".join(f"{band.name} {reach(*band.centres)}" for band in each.bands),
        )


def _of_each(reports: list[Report], line: Callable[[Report], Any]) -> Iterator[str]:
    said: dict[str, list[str]] = {}
    for each in reports:
        said.setdefault(line(each) or "", []).append(_name(each))
    for text, names in said.items():
        if text:
            yield text if len(said) == 1 else f"{', '.join(names)}: {text}"


def _skipped(report: Report) -> str:
    if not report.skipped or report.layout.batch is None:
        return ""
    along = report.layout.name(report.layout.batch)
    return f"left out, because not all there is finite: {count(report.skipped, 'position')} along {along}"


def _weighed(report: Report) -> str:
    if COS_LATITUDE not in (report.options.get("mask") or ()) or described(report.grid) is not None:
        return ""
    return (
        "weighed by the cosine of the latitude: means over space (RMSE, field error and the like), not spectra or bands"
    )


def _counts(report: Report) -> str:
    layout = report.layout
    return ", ".join(
        (
            count(layout.frames, "frame"),
            count(layout.channels, "channel"),
            f"grid {by(layout.grid)}{words(report.grid)}",
        )
    )


def _overall(report: Report, width: int) -> Iterator[object]:
    row, rows = report.overall, []
    for name, value in row.scores.items():
        units = f" ({report.units})" if report.units not in (None, "", "1") and name != "anomaly_correlation" else ""
        if value is not None:
            rows.append((f"{SCORES[name]}{units}", "all", short(value)))
    rows.append(("field error", "all", short(row.field_error)))
    whole = reach(report.bands[0].centres[0], report.bands[-1].centres[1])
    rows.append(("spectrum error", whole, short(row.spectrum_error)))
    rows += [(name.replace("_", " "), "", short(value)) for name, value in row.losses.items()]
    ends = {len(rows) - 1}
    cells: list[tuple[str, ...]] = [(*each, "", "", "", "") for each in rows]
    for band, numbers in zip(report.bands, row.bands, strict=True):
        cells.append((f"{band.name} band", reach(*band.centres), *map(short, numbers)))
    headings = ("", _scale(report), "error", "amplitude\npart", "phase\npart", "energy\nratio", "coherence")
    columns = list(zip(headings, *cells, strict=True))
    yield from tables(columns[:2], columns[2:], ends, width, int(width >= ROOMY))


def resolved(report: Report) -> str:
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


def _tables(
    reports: list[Report], keys: Sequence[str], rows: Sequence[Labelled], ends: set[int], width: int
) -> Iterator[object]:
    """Rows in several tables: one would be wider than a terminal."""
    bands, row = reports[0].bands, reports[0].overall

    def of_bands(*kinds: str) -> list[str]:
        return [f"{band.name}\n{kind}" for kind in kinds for band in bands]

    def errors(row: Row) -> list[str]:
        energies = [band.energy_ratio for band in row.bands]
        return [*map(short, (row.field_error, row.spectrum_error, *(band.error for band in row.bands), *energies))]

    yield from _table(
        keys, ["field\nerror", "spectrum\nerror", *of_bands("error", "energy")], rows, errors, ends, width
    )

    def coherences(row: Row) -> list[str]:
        coarsest = row.resolution.coarsest()
        parts = [*(band.coherence for band in row.bands), *(band.phase_part for band in row.bands)]
        return [*map(short, parts), "nothing" if coarsest is None else long(coarsest)]

    units = {each.overall.resolution.unit for each in reports}
    heading = "resolved\nup to k" if units == {"wavenumber"} else "effective\nresolution"
    heading += "\n(coarsest)" if any(len(each.overall.resolution.channels) > 1 for each in reports) else ""
    yield from _table(keys, [*of_bands("coherence"), *of_bands("phase\npart"), heading], rows, coherences, ends, width)

    def others(row: Row) -> list[str]:
        return [*map(short, row.scores.values()), *map(short, row.losses.values())]

    names = [SCORES[name].replace(" ", "\n") for name in row.scores] + [name.replace("_", "\n") for name in row.losses]
    yield from _table(keys, names, rows, others, ends, width)


def _table(
    keys: Sequence[str], headings: Sequence[str], rows: Sequence[Labelled], cells: Cells, ends: set[int], width: int
) -> Iterator[object]:
    named = list(zip(keys, *(labels for labels, _ in rows), strict=True))
    yield from tables(named, list(zip(headings, *(cells(row) for _, row in rows), strict=True)), ends, width)


def _along(report: Report) -> list[str]:
    """The names of the axes that rows lie along, and the units of their coordinates."""
    return [way.name + (f"\n({way.units})" if way.units else "") for way in report.ways]


def _name(report: Report) -> str:
    return report.variable or ""


def _scale(report: Report) -> str:
    return "wavenumbers" if described(report.grid) is None else "degrees"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def reach(low: float, high: float) -> str:
    """The wavenumbers of a band, in words."""
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
