"""A picture of a comparison: both spectra, their ratio and, along an axis, how the bands fare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.report import Report
from spectral_losses.cli.ui.figures import save_figure
from spectral_losses.errors import needed
from spectral_losses.transforms.plane import Plane

# Of the palette of Okabe and Ito, which the colour-blind tell apart; curves also differ in dash or marker.
TRUTH, PREDICTION = "#000000", "#D55E00"
BANDS = (("#0072B2", "o"), ("#009E73", "s"), ("#CC79A7", "^"))
SHOWN = 3.0  # a ratio above this leaves the picture


def write_plot(path: Path, report: Report, grid: Plane, power: NDArray[np.float64], precision: float) -> None:
    """Draw and write a figure; the format follows the suffix.

    Parameters
    ----------
    path : Path
    report : Report
        With rows for each index, their errors and energies get a column of their own.
    grid : Plane
        The shells.
    power : array, shape (2 or more, channels, shells)
        Power of prediction and truth, mean over frames.
    precision : float
        Relative spacing of the floats that the fields are made of: what is weaker than that, next to the
        strongest shell of the truth, is round-off and not shown.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    save_figure(path, _figure(report, grid, power, precision))


def _figure(report: Report, grid: Plane, power: NDArray[np.float64], precision: float) -> Any:
    # A Figure of its own, not pyplot's: no state is shared, and no display is needed.
    figure = needed("matplotlib.figure", "--plot").Figure
    columns = 2 if len(report.per) > 1 else 1
    fig = figure(figsize=(6.4 * columns, 5.8), layout="constrained")
    axes = fig.subplots(2, columns, squeeze=False, sharex="col", height_ratios=(5, 3))
    _spectra(axes[:, 0], report, grid, power, precision)
    if columns == 2:
        _along(axes[:, 1], report)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    names = [Path(name).name for name in (report.prediction, report.truth)]
    if names[0] == names[1]:
        names = [report.prediction, report.truth]
    title = f"{names[0]} against {names[1]}"
    # About as many letters of 12 points as the figure is wide; longer titles get a second line, or smaller.
    room = 60 * columns
    lines = [title] if len(title) <= room else [f"{names[0]} against", names[1]]
    lines += [report.chosen] if report.chosen else []
    fig.suptitle("\n".join(lines), parse_math=False, fontsize=min(12, 12 * room / max(map(len, lines))))
    return fig


def _spectra(axes: Any, report: Report, grid: Plane, power: NDArray[np.float64], precision: float) -> None:
    top, bottom = axes
    k = grid.centres()
    floor = power[1].max(axis=-1, keepdims=True) * precision**2  # of each channel
    prediction, truth = np.mean(power[:2], axis=1)
    top.loglog(k, truth, color=TRUTH, lw=2.2, label="truth")
    top.loglog(k, prediction, color=PREDICTION, lw=1.8, ls=(0, (4, 1.5)), label="prediction")
    top.set_ylim(bottom=max(top.get_ylim()[0], float(np.mean(floor))))
    top.set_ylabel("power $P(k)$ (field units squared)")
    top.legend(edgecolor="none", framealpha=1, title=_means(report), title_fontsize="small", alignment="left")

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        each = np.where(power[1] > floor, power[0] / power[1], np.nan)
    if len(each) > 1:
        bottom.plot(k, each.T, color=PREDICTION, lw=0.7, alpha=0.35)
        below = {"color": "0.35", "fontsize": "small"}
        bottom.annotate("thin: each channel", (0, 0), (8, 6), "axes fraction", "offset points", **below)
    bottom.plot(k, np.mean(each, axis=0), color=PREDICTION, lw=1.8)
    bottom.set_ylabel("prediction / truth")
    _ratio_axis(bottom, each)
    unit = "waves across the box" if grid.lengths is None else "radians per unit length"
    bottom.set_xlabel(f"wavenumber $k$ ({unit})")
    bottom.xaxis.set_major_formatter("{x:g}")
    for band in report.bands:
        middle = np.sqrt(max(band.edges[0], k[0]) * min(band.edges[1], k[-1]))
        above = {"ha": "center", "color": "0.35", "fontsize": "small"}
        top.annotate(band.name, (middle, 1), (0, 2), ("data", "axes fraction"), "offset points", **above)
        if band is not report.bands[0]:
            for ax in axes:
                ax.axvline(band.edges[0], color="0.6", lw=0.8, ls=":")


def _along(axes: Any, report: Report) -> None:
    top, bottom = axes
    index = np.arange(len(report.per))
    top.plot(index, _positive([row.field_error for row in report.per]), color=TRUTH, lw=1.8, label="all")
    ratios = np.full((len(report.bands), len(index)), np.nan)
    for i, (band, (color, marker)) in enumerate(zip(report.bands, BANDS, strict=True)):
        style = {"color": color, "marker": marker, "ms": 4, "lw": 1.4, "markevery": max(1, len(index) // 12)}
        numbers = [row.bands[i] for row in report.per]
        top.plot(index, _positive([n.error for n in numbers]), label=f"{band.name}", **style)
        ratios[i] = [np.nan if n.energy_ratio is None else n.energy_ratio for n in numbers]
        bottom.plot(index, ratios[i], **style)
    top.set_yscale("log")
    top.set_ylabel("relative error")
    top.legend(frameon=False, title="wavenumbers", ncols=2)
    bottom.set_ylabel("energy, prediction / truth")
    _ratio_axis(bottom, ratios)
    bottom.set_xlabel(f"index along {report.layout.name(report.layout.per or 0)}", parse_math=False)
    bottom.xaxis.get_major_locator().set_params(integer=True)


def _ratio_axis(ax: Any, ratios: NDArray[np.float64]) -> None:
    ax.axhline(1, color=TRUTH, lw=0.8, zorder=1)
    ax.set_ylim(0, min(SHOWN, 1.1 * ratios[np.isfinite(ratios)].max(initial=1.2)))


def _means(report: Report) -> str:
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
