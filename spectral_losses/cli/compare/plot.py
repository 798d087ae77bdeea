"""A picture of a comparison: both spectra, ratio and coherence and, along an axis, how the bands fare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.along import Family, families, places
from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.globe import RADIUS, Grid, described
from spectral_losses.cli.compare.report import Report, chosen
from spectral_losses.cli.compare.resolution import THRESHOLD, cross_of
from spectral_losses.cli.ui.figures import save_figure
from spectral_losses.cli.ui.units import squared
from spectral_losses.diagnostics.resolution import resolved_wavenumber
from spectral_losses.errors import needed
from spectral_losses.plot.curves import Compared, Curve, against, draw, round_off
from spectral_losses.plot.marks import Ratio, ratio_axis
from spectral_losses.plot.panels import HEIGHTS, Panels
from spectral_losses.plot.scales import Scales, scales, scales_of_degrees
from spectral_losses.plot.style import BLACK, COLOURS, new_figure, tidy
from spectral_losses.transforms.sphere import Harmonics

BANDS = tuple(zip(COLOURS[1:4], "os^", strict=True))
WIDE, TALL, LOWER = 6.4, 7.8, 6.4  # inches of a column, of one variable, and of each of several
DASHES = ("-", "--", ":", "-.")
NAME = re.compile(r"[A-Za-zµ]+")


def write_plot(path: Path, reports: list[Report]) -> None:
    """Draw and write a figure; the format follows the suffix.

    Parameters
    ----------
    path : Path
    reports : list of Report
        Of each variable. With rows for each index, their errors and energies get a column of their own.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    save_figure(path, _figure(reports))


def scales_of(
    grids: Sequence[Grid], layout: Layout, units: str | None = None, energy: bool = False, same: bool = True
) -> Scales:
    """What the axes say of spectra on these grids, all on the sphere or all in a plane.

    Parameters
    ----------
    grids : sequence of Plane or Harmonics
    layout : Layout
        Of the first one.
    units : str, optional
        Of the values.
    energy : bool
        Whether E(k) is drawn.
    same : bool
        Whether all spectra have these units.
    """
    first, shapes = grids[0], {grid.shape for grid in grids}
    if isinstance(first, Harmonics):
        return scales_of_degrees(RADIUS, "km", energy, squared(units) if same else "square of the units of each")
    unit = unit_of_lengths(layout, first.lengths)
    known = squared(units, unit if energy else None)
    if known is not None and energy and first.lengths is not None and unit is None:
        known += " times length"
    known = known if same else "square of the units of each"
    return scales(shapes.pop() if len(shapes) == 1 else (), first.lengths is not None, unit, energy, known)


def unit_of_lengths(layout: Layout, lengths: Sequence[float] | None) -> str | None:
    """The unit of the lengths of the box, where coordinates say that it is just as long: points times their distance.

    None where the lengths are in another unit, or coordinates are none of lengths.
    """
    found = set()
    for axis, length in zip(layout.spatial, lengths or (), strict=lengths is not None):
        coordinate = layout.coordinate(axis)
        if coordinate is None or coordinate.kind != "number" or coordinate.role:
            return None
        numbers = coordinate.numbers()
        steps = np.abs(np.diff(numbers))
        if not len(steps) or not np.allclose(steps * len(numbers), length, rtol=1e-3, atol=0):
            return None
        found.add(coordinate.units)
    unit = found.pop() if len(found) == 1 else None
    return unit if unit is not None and NAME.fullmatch(unit) else None


def resolved_of(report: Report) -> NDArray[np.float64]:
    """Up to which wavenumber each channel is resolved: 0 where nothing is, infinite where all is."""
    cross = cross_of(report.power, report.grid, report.precision)
    return np.asarray(resolved_wavenumber(cross, THRESHOLD, "coherence"), np.float64)


def names_of(report: Report) -> list[str]:
    """What to call both files in a title: by their whole paths where their names are the same."""
    names = [Path(name).name for name in (report.prediction, report.truth)]
    return [report.prediction, report.truth] if names[0] == names[1] else names


def _figure(reports: list[Report]) -> Any:
    columns, several = 2 if len(reports[0].per) > 1 else 1, len(reports) > 1
    fig = new_figure(WIDE * columns, LOWER * len(reports) + 0.6 if several else TALL)
    parts = fig.subfigures(len(reports), 1) if several else [fig]
    for report, part in zip(reports, parts, strict=True):
        axes = part.subplots(3, columns, squeeze=False, sharex="col", height_ratios=HEIGHTS)
        for ax in axes.flat:
            tidy(ax)
        _spectra(Panels(*axes[:, 0]), report)
        if columns == 2:
            _along(axes[:, 1], report)
        if several:
            units = f" ({report.units})" if report.units not in (None, "", "1") else ""
            part.suptitle(f"{report.variable}{units}", parse_math=False, fontsize="large", fontweight="bold")
    first = reports[0]
    names = names_of(first)
    title = f"{names[0]} against {names[1]}"
    # About as many letters of 12 points as the figure is wide; longer titles get a second line, or smaller.
    room = 60 * columns
    lines = [title] if len(title) <= room else [f"{names[0]} against", names[1]]
    said = chosen(reports)
    lines += [said] if said else []
    fig.suptitle("\n".join(lines), parse_math=False, fontsize=min(12, 12 * room / max(map(len, lines))))
    return fig


def _spectra(panels: Panels, report: Report) -> None:
    grid, power, precision = report.grid, report.power, report.precision
    k = np.asarray(grid.centres(), np.float64)
    prediction, truth, _ = report.shares
    edges = np.asarray(grid.edges(), np.float64)
    found = against(edges, prediction, edges, truth, precision)
    assert found is not None  # shells are like themselves
    coherence = np.where(found.some, cross_of(power, grid, precision).coherence, np.nan)
    lowest = float(np.mean(round_off(truth, precision)))
    curves = [
        Curve("truth", k, truth, lowest),
        Curve("prediction", k, prediction, lowest, Compared(k, found.ratio, coherence, resolved_of(report))),
    ]
    draw(panels, curves, scales_of([grid], report.layout, report.units), title=means(report))
    between = panels.shown[1]
    for band in report.bands:
        middle = np.sqrt(max(band.edges[0], k[0]) * min(band.edges[1], k[-1]))
        above: Any = {"ha": "center", "color": "0.35", "fontsize": "small"}
        between.annotate(band.name, (middle, 1), (0, 2), ("data", "axes fraction"), "offset points", **above)
        if band is not report.bands[0]:
            for ax in panels.shown:
                ax.axvline(band.edges[0], color="0.6", lw=0.8, ls=":")


def _along(axes: Any, report: Report) -> None:
    top, middle, bottom = axes
    index, said = places(report)
    curves, ratios = families(report), []
    every = max(1, len(index) // 12)
    for family, dash in zip(curves, dashes(len(curves)), strict=True):
        rows = [report.per[row] for row in family.rows]
        first = family is curves[0]
        error = _positive([row.field_error for row in rows])
        top.plot(index, error, color=BLACK, lw=1.8, label="all" if first else None, **dash)
        for i, (band, (color, marker)) in enumerate(zip(report.bands, BANDS, strict=True)):
            style = {"color": color, "marker": marker, "ms": 4, "lw": 1.4, "markevery": every, **dash}
            numbers = [row.bands[i] for row in rows]
            top.plot(index, _positive([n.error for n in numbers]), label=band.name if first else None, **style)
            ratio = np.array([np.nan if n.energy_ratio is None else n.energy_ratio for n in numbers])
            middle.plot(index, ratio, **style)
            ratios.append(Ratio(index, ratio[None], color))
            bottom.plot(index, [np.nan if n.coherence is None else n.coherence for n in numbers], **style)
    top.set_yscale("log")
    top.set_ylabel("relative error")
    of = "wavenumbers" if described(report.grid) is None else "degrees"
    style = {"title": of, "alignment": "left", "ncols": 4, "columnspacing": 1.4}
    top.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, **style)
    middle.axhline(1, color=BLACK, lw=0.8, zorder=1)
    ratio_axis(middle, ratios)
    middle.set_ylabel("energy ratio")
    bottom.set_ylabel("coherence")
    _name_families(bottom, curves)
    bottom.set_ylim(min(0.0, bottom.get_ylim()[0]), 1.05)
    bottom.set_xlabel(said, parse_math=False)
    if index.dtype.kind == "i":
        bottom.xaxis.get_major_locator().set_params(integer=True)
    elif index.dtype.kind == "M":
        dates = needed("matplotlib.dates", "--plot")
        bottom.xaxis.set_major_formatter(dates.ConciseDateFormatter(bottom.xaxis.get_major_locator()))


def dashes(number: int) -> list[dict[str, Any]]:
    """How the lines of each of some curves are drawn: dashed in their own way, and paler one by one where many are."""
    if number <= len(DASHES):
        return [{"linestyle": dash} for dash in DASHES[:number]]
    return [{"alpha": float(alpha)} for alpha in np.linspace(1, 0.25, number)]


def _name_families(ax: Any, curves: list[Family]) -> None:
    """Say which curve is which: all of a few, the first and the last of many."""
    if len(curves) == 1:
        return
    lines = needed("matplotlib.lines", "--plot")
    styles = dashes(len(curves))
    shown = range(len(curves)) if len(curves) <= len(DASHES) else (0, len(curves) - 1)
    between = "to " if len(curves) > len(DASHES) else ""
    handles = [
        lines.Line2D([], [], color="0.3", lw=1.4, label=(between if i else "") + curves[i].name, **styles[i])
        for i in shown
    ]
    legend = ax.legend(handles=handles, frameon=False, loc="lower left", fontsize="small", ncols=2, handlelength=2.6)
    for text in legend.get_texts():
        text.set_parse_math(False)


def means(report: Report) -> str:
    """What the curves are sums and means of."""
    frames, channels = report.layout.frames, report.layout.channels
    parts = [f"mean over {frames} frames"] if frames > 1 else []
    if channels > 1:
        kind = {"separate": "mean over", "sum": "sum of", "mean": "of the mean of"}[report.channels]
        parts.append(f"{kind} {channels} channels")
    return ", ".join(parts).replace(", mean over", " and")


def _positive(values: list[float] | list[float | None]) -> NDArray[np.float64]:
    """What a logarithmic axis can show; the rest leaves a gap."""
    return np.array([value if value else np.nan for value in values], dtype=np.float64)
