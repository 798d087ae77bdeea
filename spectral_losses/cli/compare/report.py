"""A comparison as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.ui.console import console, count, write
from spectral_losses.errors import needed
from spectral_losses.spectra.bands import Band, BandNumbers


class Row(NamedTuple):
    """The numbers of one comparison, band by band."""

    field_error: float
    spectrum_error: float
    bands: tuple[BandNumbers, ...]


class Report(NamedTuple):
    """What there is to say about two files."""

    prediction: str
    truth: str
    variable: str | None  # which one of the files
    options: Mapping[str, Any]  # by which they were compared, where they differ from the defaults
    layout: Layout
    channels: str  # separate, sum or mean
    bands: tuple[Band, ...]
    overall: Row
    per: tuple[Row, ...]  # for each index along layout.per

    @property
    def chosen(self) -> str:
        """The variable and the options, on one line; empty where there is nothing to say."""
        words = [f"--{name.replace('_', '-')} {_word(value)}" for name, value in self.options.items()]
        return ", ".join(([] if self.variable is None else [f"variable {self.variable}"]) + words)


def print_table(report: Report) -> None:
    """Print tables to stdout: one of everything and, with ``--per``, one with a row for each index."""
    needed("rich", "the table")
    layout = report.layout
    counts = count(layout.frames, "frame"), count(layout.channels, "channel"), f"grid {_by(layout.grid)}"
    with console() as printer:
        # Soft, because names are to be copied whole.
        printer.print(f"{report.prediction} against {report.truth}", style="bold", soft_wrap=True)
        if report.chosen:
            printer.print(report.chosen, soft_wrap=True)
        printer.print(", ".join(counts))
        printer.print(_overall(report))
        if report.per:
            printer.print(_per(report))


def print_json(report: Report) -> None:
    """Print one JSON object to stdout; ``spectral-losses compare --help`` documents its keys."""
    layout, overall = report.layout, report.overall
    document: dict[str, object] = {
        "prediction": report.prediction,
        "truth": report.truth,
        "variable": report.variable,
        "options": report.options,
        "shape": layout.shape,
        "frames": layout.frames,
        "channels": layout.channels,
        "grid": layout.grid,
        "field_error": overall.field_error,
        "spectrum_error": overall.spectrum_error,
        "bands": [
            {"name": band.name, "wavenumbers": band.centres, "edges": band.edges, **numbers._asdict()}
            for band, numbers in zip(report.bands, overall.bands, strict=True)
        ],
    }
    if layout.per is not None:
        document["per"] = {
            "axis": layout.per,
            "name": None if layout.dims is None else layout.name(layout.per),
            "rows": [
                {
                    "index": index,
                    "field_error": row.field_error,
                    "spectrum_error": row.spectrum_error,
                    "bands": [
                        {"name": band.name, **numbers._asdict()}
                        for band, numbers in zip(report.bands, row.bands, strict=True)
                    ],
                }
                for index, row in enumerate(report.per)
            ],
        }
    write(json.dumps(document, allow_nan=False) + "\n")


def _overall(report: Report) -> object:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for heading in ("wavenumbers", "error", "energy ratio"):
        table.add_column(heading, justify="right")
    table.add_row("field error", "all", _number(report.overall.field_error), "")
    reach = _range(report.bands[0].centres[0], report.bands[-1].centres[1])
    table.add_row("spectrum error", reach, _number(report.overall.spectrum_error), "", end_section=True)
    for band, numbers in zip(report.bands, report.overall.bands, strict=True):
        cells = _number(numbers.error), _number(numbers.energy_ratio)
        table.add_row(f"{band.name} band", _range(*band.centres), *cells)
    return table


def _per(report: Report) -> object:
    from rich import box
    from rich.table import Table

    layout = report.layout
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
    name = "" if layout.per is None else layout.name(layout.per)
    headings = [name, "field\nerror", "spectrum\nerror"]
    headings += [f"{band.name}\nerror" for band in report.bands] + [f"{band.name}\nenergy" for band in report.bands]
    for heading in headings:
        table.add_column(heading, justify="right")
    for index, row in enumerate(report.per):
        cells: list[float | None] = [row.field_error, row.spectrum_error]
        cells += [band.error for band in row.bands] + [band.energy_ratio for band in row.bands]
        table.add_row(str(index), *map(_number, cells))
    return table


def _word(value: Any) -> str:
    """The value of an option, as it is written on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(_word, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    if not value:
        return "-" if value is None else "0"
    return f"{value:#.3g}".removesuffix(".")


def _range(low: float, high: float) -> str:
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _by(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
