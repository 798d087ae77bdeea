"""One figure of the demo: last frames, their spectra, and how the scheduled training went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spectral_losses.cli.demo.experiment import NAMES, Outcome
from spectral_losses.cli.demo.rollout import bands_of
from spectral_losses.cli.ui.figures import save_figure
from spectral_losses.spectra import radial_spectrum

__all__ = ["write_figure"]

# Of the palette of Okabe and Ito; curves also differ in dash.
TRUTH, FIELD, SCHEDULED = "#000000", "#0072B2", "#D55E00"
STYLES = ((FIELD, (0, (5, 1.5))), (SCHEDULED, "-"))


def write_figure(path: Path, outcome: Outcome) -> None:
    """Draw and write it; the format follows the suffix.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    fig = Figure(figsize=(12, 8.4), layout="constrained")
    upper, lower = np.asarray(fig.subfigures(2, 1, height_ratios=(10, 9)))
    _vorticity(upper, outcome)
    axes = lower.subplot_mosaic([["spectra", "metric"], ["spectra", "weights"]], height_ratios=(3, 2))
    axes["weights"].sharex(axes["metric"])
    _spectra(axes["spectra"], outcome)
    _metric(axes["metric"], outcome)
    _weights(axes["weights"], outcome)
    for ax in axes.values():
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    save_figure(path, fig, "--output")


def _vorticity(fig: Any, outcome: Outcome) -> None:
    last = outcome.setting.long
    unit, time = outcome.data.unit, outcome.data.times[last]
    fields = [x[0, last, 0].numpy() * unit for x in (outcome.data.test, *outcome.rollouts)]
    # The truth's range: a rollout that runs away is to be seen as such, and not to make the others pale.
    top = float(np.quantile(abs(fields[0]), 0.998))
    axes = fig.subplots(1, 3)
    for ax, field, name in zip(axes, fields, ("truth", *NAMES), strict=True):
        edges = (0, 2 * np.pi) * 2
        image = ax.imshow(field, origin="lower", cmap="RdBu_r", vmin=-top, vmax=top, extent=edges)
        ax.set_title(name)
        ax.set_xticks([])
        ax.set_yticks([])
    bar = fig.colorbar(image, ax=axes, shrink=0.85, pad=0.01, extend="both")
    bar.set_label("vorticity")
    ahead = last * outcome.setting.interval
    fig.suptitle(f"An unseen flow at time {time:g}, {last} steps or {ahead:g} time units after the only frame given")


def _spectra(ax: Any, outcome: Outcome) -> None:
    last = outcome.setting.long
    for x, name, (color, dash) in zip(
        (outcome.data.test, *outcome.rollouts), ("truth", *NAMES), ((TRUTH, "-"), *STYLES), strict=True
    ):
        spectrum = radial_spectrum(x[:, last])
        power = np.asarray(spectrum.power).mean(axis=(0, 1))
        ax.loglog(np.asarray(spectrum.wavenumber), power, color=color, ls=dash, lw=1.8, label=name)
    for band in bands_of(outcome.setting.grid):
        middle = np.sqrt(max(band.edges[0], 1) * band.centres[1])
        above = {"ha": "center", "color": "0.35", "fontsize": "small"}
        ax.annotate(band.name, (middle, 1), (0, 2), ("data", "axes fraction"), "offset points", **above)
        if band.name != "low":
            ax.axvline(band.edges[0], color="0.6", lw=0.8, ls=":")
    ax.set_xlabel("wavenumber $k$ (waves across the box)")
    ax.set_ylabel("power of the vorticity")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.legend(frameon=False, loc="lower left", title=f"after {last} steps, mean of {len(outcome.data.test)} flows")


def _metric(ax: Any, outcome: Outcome) -> None:
    for run, name, (color, dash) in zip(outcome.runs, NAMES, STYLES, strict=True):
        errors = [metrics["spectrum_error"] for metrics in run.metrics]
        ax.plot(errors, color=color, ls=dash, lw=1.8, label=name)
    ax.set_yscale("log")
    ax.set_ylabel("spectrum error\nof the validation")
    ax.tick_params(labelbottom=False)
    _moves(ax, outcome)
    ax.legend(frameon=False, fontsize="small")


def _weights(ax: Any, outcome: Outcome) -> None:
    weights = outcome.runs[1].weights
    for name, (color, dash) in zip(weights[0], STYLES, strict=True):
        ax.step(range(len(weights)), [each[name] for each in weights], where="mid", color=color, ls=dash, lw=1.8)
        ax.annotate(
            name.replace("_", " "), (len(weights) - 1, weights[-1][name]), (6, 0), textcoords="offset points",
            color=color, va="center", annotation_clip=False,
        )  # fmt: skip
    _moves(ax, outcome)
    ax.set_ylabel("weight")
    ax.set_xlabel("epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)


def _moves(ax: Any, outcome: Outcome) -> None:
    label: str | None = "adaptation"
    for decision in outcome.runs[1].decisions:
        if decision:
            ax.axvline(decision.epoch, color="0.45", lw=0.9, ls=":", zorder=1, label=label)
            label = None
