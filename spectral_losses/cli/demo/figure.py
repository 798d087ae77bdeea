"""One figure of the demo: a forecast, its spectra and coherence, the bill in field error, and the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spectral_losses.cli.demo.experiment import Outcome
from spectral_losses.cli.demo.judging import Measured, ahead, bands, ratio
from spectral_losses.cli.demo.recipes import ALONE, RECIPES, SCHEDULED
from spectral_losses.cli.ui.figures import save_figure

__all__ = ["write_figure"]

# Of the palette of Okabe and Ito; curves also differ in dash.
TRUTH = "#000000"
STYLES: dict[str, tuple[str, Any]] = {
    "field": ("#0072B2", (0, (5, 1.5))),
    "scheduled": ("#D55E00", "-"),
    "shares": ("#009E73", (0, (1, 1))),
}
SHOWN = (ALONE, SCHEDULED)


def write_figure(path: Path, outcome: Outcome) -> None:
    """Draw and write it; the format follows the suffix.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    fig = Figure(figsize=(12, 9), layout="constrained")
    upper, lower = np.asarray(fig.subfigures(2, 1, height_ratios=(9, 10)))
    (_lines if len(outcome.setting.flow.grid) == 1 else _images)(upper, outcome)
    axes = lower.subplot_mosaic([["spectra", "bill"], ["spectra", "bill"], ["coherence", "weights"]])
    axes["coherence"].sharex(axes["spectra"])
    _spectra(axes["spectra"], outcome)
    _coherence(axes["coherence"], outcome)
    _bill(axes["bill"], outcome)
    _weights(axes["weights"], outcome)
    for ax in axes.values():
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    save_figure(path, fig, "--output")


def _forecasts(outcome: Outcome, lead: int) -> tuple[Any, dict[str, Any]]:
    """The first forecast of the first unseen trajectory: the truth, and each recipe's."""
    found = {r.key: ahead(outcome.runs[r.key].model, outcome.data.test[:1], lead) for r in RECIPES}
    truth = found[ALONE.key][1][0, 0, 0].numpy()
    return truth * outcome.data.unit, {key: p[0, 0, 0].numpy() * outcome.data.unit for key, (p, _) in found.items()}


def _title(outcome: Outcome, lead: int) -> str:
    step = "step" if lead == 1 else "steps"
    return f"An unseen flow, {lead} {step} or {lead * outcome.setting.flow.spacing:g} time units ahead"


def _lines(fig: Any, outcome: Outcome) -> None:
    """Fields on a line, and what of them is small."""
    lead = outcome.setting.leads[0]
    truth, forecasts = _forecasts(outcome, lead)
    least = _least(outcome)
    whole, small = fig.subplots(2, 1, sharex=True)
    for ax, from_wavenumber in ((whole, 0), (small, least)):
        ax.plot(_small(truth, from_wavenumber), color=TRUTH, lw=3, alpha=0.3, label="truth")
        for recipe in SHOWN:
            color, dash = STYLES[recipe.key]
            ax.plot(_small(forecasts[recipe.key], from_wavenumber), color=color, ls=dash, lw=1.5, label=recipe.name)
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0)
    whole.set_ylabel(outcome.setting.flow.variable)
    small.set_ylabel(f"wavenumbers\nfrom {least}")
    small.set_xlabel("point")
    whole.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    whole.set_title(_title(outcome, lead), loc="right", fontsize="medium")


def _images(fig: Any, outcome: Outcome) -> None:
    """Fields on a square."""
    lead = outcome.setting.leads[-1]
    truth, forecasts = _forecasts(outcome, lead)
    fields = {"truth": truth, **{recipe.name: forecasts[recipe.key] for recipe in SHOWN}}
    top = float(np.quantile(abs(truth), 0.998))
    axes = fig.subplots(1, len(fields))
    for ax, (name, field) in zip(axes, fields.items(), strict=True):
        image = ax.imshow(field, origin="lower", cmap="RdBu_r", vmin=-top, vmax=top)
        ax.set_title(name)
        ax.set_xticks([])
        ax.set_yticks([])
    fig.colorbar(image, ax=axes, shrink=0.85, pad=0.01, extend="both").set_label(outcome.setting.flow.variable)
    fig.suptitle(_title(outcome, lead))


def _spectra(ax: Any, outcome: Outcome) -> None:
    """Mean power over wavenumbers: of rollouts where there are long ones."""
    lead = outcome.setting.leads[-1]
    long = outcome.rollouts
    found = long or outcome.forecasts[lead]
    any_of_them = found[ALONE.key]
    centres = _centres(any_of_them)
    ax.loglog(centres, any_of_them.power.mean(0)[1], color=TRUTH, lw=3, alpha=0.3, label="truth")
    for recipe in RECIPES:
        color, dash = STYLES[recipe.key]
        power = found[recipe.key].power.mean(0)[0]
        ax.loglog(centres, power, color=color, ls=dash, lw=1.8, label=recipe.name)
    steps = (
        f"rollouts, steps {outcome.setting.long // 2 + 1} to {outcome.setting.long}" if long else f"{lead} steps ahead"
    )
    ax.set_ylabel(f"power of {outcome.setting.flow.variable}")
    ax.tick_params(labelbottom=False)
    ax.set_title(f"{steps}, mean of {len(any_of_them.errors)} flows", loc="left", fontsize="medium")
    ax.legend(frameon=False, loc="best")


def _coherence(ax: Any, outcome: Outcome) -> None:
    """How far phases agree, over wavenumbers, at the first lead."""
    lead = outcome.setting.leads[0]
    for recipe in RECIPES:
        color, dash = STYLES[recipe.key]
        p, t, d = outcome.forecasts[lead][recipe.key].power.mean(0)
        with np.errstate(all="ignore"):
            ax.plot(
                _centres(outcome.forecasts[lead][recipe.key]), (p + t - d) / (2 * np.sqrt(p * t)), color=color, ls=dash
            )
    ax.set_xscale("log")
    ax.set_ylim(0, 1.03)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("wavenumber (waves across the box)")
    ax.set_ylabel(f"coherence,\n{lead} step ahead")


def _bill(ax: Any, outcome: Outcome) -> None:
    """Change of the field error at each lead, with its interval."""
    leads = outcome.setting.leads
    for i, recipe in enumerate(RECIPES[1:]):
        color, _ = STYLES[recipe.key]
        each = [outcome.forecasts[lead] for lead in leads]
        found = 100 * (np.asarray([ratio("field_error", of[recipe.key], of[ALONE.key]) for of in each]) - 1)
        value, low, high = found.T
        at = np.arange(len(leads)) + 0.36 * (i - 0.5)
        spread = (value - low, high - value)
        ax.bar(at, value, 0.32, yerr=spread, color=color, label=recipe.name, error_kw={"lw": 1, "capsize": 3})
        for x, change, top in zip(at, value, np.maximum(high, 0), strict=True):
            ax.annotate(f"{change:+.1f} %", (x, top), (0, 3), textcoords="offset points", ha="center", fontsize="small")
    ax.axhline(0, color=STYLES[ALONE.key][0], ls=STYLES[ALONE.key][1], lw=1.5)
    ax.set_xticks(range(len(leads)), [f"{lead} step{'s' if lead > 1 else ''} ahead" for lead in leads])
    ax.set_ylabel("the bill: field error over\nthat of field error alone, %")
    ax.margins(y=0.2)
    ax.legend(frameon=False, loc="best")


def _weights(ax: Any, outcome: Outcome) -> None:
    """The weight of the spectrum in each training that has one."""
    for recipe in RECIPES[1:]:
        color, dash = STYLES[recipe.key]
        looks = outcome.runs[recipe.key].looks
        weights = [look.weights["log_spectral_distance"] or np.nan for look in looks]
        ax.plot([look.step for look in looks], weights, color=color, ls=dash, lw=1.8)
    ax.set_yscale("log")
    ax.set_ylabel("weight of\nthe spectrum")
    ax.set_xlabel("step of the training")


def _centres(found: Measured) -> Any:
    return np.asarray(found.plane.centres())


def _least(outcome: Outcome) -> int:
    """The first wavenumber of the highest band, as `lay_bands` has it."""
    return round(bands(outcome.forecasts[outcome.setting.leads[0]][ALONE.key].plane)[-1].centres[0])


def _small(field: Any, least: int) -> Any:
    modes = np.fft.rfft(field)
    modes[:least] = 0
    return np.fft.irfft(modes, len(field))
