"""A picture of a replay: what was monitored, and under it the weights of each configuration."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.replay.configs import monitored
from spectral_losses.cli.replay.outcome import Curve, Outcome, Replay, weight_curves
from spectral_losses.cli.ui.figures import save_figure
from spectral_losses.errors import needed

# Weights have the colours, of the palette of Okabe and Ito, and configurations the shapes: neither is mistaken for the
# other, and the colour-blind tell the curves apart by their dashes too.
WEIGHTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
METRIC, NOT_FINITE, MISSING = "0.55", "#D55E00", "0.35"
DOTTED = 200  # up to so many values each is marked: one alone between two gaps would not be seen as a line
DECADES = 20.0  # a metric that spans a larger factor gets a logarithmic axis
LARGEST = 1e200  # that is drawn, and its inverse the smallest on a logarithmic axis: no margin around it overflows
LETTERS = 26  # in a line of a legend
TITLE = 80  # letters as wide as the axes, or nearly


def write_replay_plot(path: Path, found: Replay) -> None:
    """Draw and write a figure; the format follows the suffix.

    Parameters
    ----------
    path : Path
    found : Replay
        With what was traced for a picture.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    # A Figure of its own, not pyplot's: no state is shared, and no display is needed.
    figure = needed("matplotlib.figure", "--plot").Figure
    metrics = list(dict.fromkeys(name for outcome in found.outcomes for name in monitored(outcome.config)))
    least = [3.0] * len(metrics) + [2.0] * len(found.outcomes)
    fig = figure(layout="constrained")
    axes = fig.subplots(len(least), 1, squeeze=False, sharex=True)[:, 0]
    for ax, name in zip(axes, metrics, strict=False):
        _metric(ax, name, found)
    styles = _styles(found.outcomes)
    for ax, outcome in zip(axes[len(metrics) :], found.outcomes, strict=True):
        _weights(ax, outcome, found, styles)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
        # Beside the axes, where no curve is.
        ax.legend(loc="upper left", bbox_to_anchor=(1.005, 1), frameon=False, fontsize="small", borderaxespad=0)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    room = 0.01 * (_end(found) - found.first)
    axes[-1].set_xlim(found.first - room, _end(found) + room)
    heights = [max(inches, _legend_height(ax)) for ax, inches in zip(axes, least, strict=True)]
    axes[0].get_gridspec().set_height_ratios(heights)
    fig.set_size_inches(9.6, sum(heights) + 0.3 * len(heights) + 0.4)
    save_figure(path, fig)


def _metric(ax: Any, name: str, found: Replay) -> None:
    watching = [outcome for outcome in found.outcomes if name in monitored(outcome.config)]
    _title(ax, name)
    curve = found.metrics.get(name, Curve())
    epochs, values = np.asarray(curve.epochs), np.asarray(curve.values)
    finite = np.isfinite(values)
    marker = "." if len(values) <= DOTTED else None
    drawn = np.where(finite, values, np.nan)
    ax.plot(epochs, _clipped(drawn), color=METRIC, lw=0.9, marker=marker, ms=3.5, label=_words(name))
    for outcomes, tracked in _tracked(name, watching):
        dash = DASHES[found.outcomes.index(outcomes[0]) % len(DASHES)]
        names = [outcome.name for outcome in outcomes] if len(watching) > 1 else []
        averaged = any(c.averaged for c in outcomes[0].config.stages if c.monitor == name)
        label = "\n".join(["moving average" if averaged else "as watched", *map(_words, names)])
        ax.plot(tracked.epochs, _clipped(tracked.values), color="black", lw=2, ls=dash, label=label)
    if len(found.outcomes) == 1:
        _warm_ups(ax, watching[0], found, name)
        _moves(ax, watching[0], name)
    else:
        for outcome in watching:
            _marks(ax, name, outcome, found)
    at_bottom = {"transform": ax.get_xaxis_transform(), "ls": "none", "clip_on": False, "zorder": 5}
    broken = np.setdiff1d(epochs[~finite], epochs[finite])
    missing = np.setdiff1d(np.asarray(found.epochs), epochs)
    if len(missing):
        ax.plot(missing, np.zeros(len(missing)), marker="|", color=MISSING, ms=6, label="missing", **at_bottom)
    if len(broken):
        ax.plot(broken, np.zeros(len(broken)), marker="o", color=NOT_FINITE, ms=4, label="not finite", **at_bottom)
    shown = values[finite]
    if len(shown) and shown.min() > 1 / LARGEST and shown.max() / DECADES > shown.min():
        ax.set_yscale("log")


def _weights(ax: Any, outcome: Outcome, found: Replay, styles: dict[str, tuple[str, Any]]) -> None:
    _title(ax, outcome.name)
    at = [found.first, *(move.epoch for move in outcome.moves), _end(found)]
    for names, curve in weight_curves(outcome).items():
        color, dash = styles[names[0]]
        label = ",\n".join(map(_words, names))
        ax.plot(at, [*curve, curve[-1]], color=color, ls=dash, lw=1.8, drawstyle="steps-post", label=label)
    _warm_ups(ax, outcome, found)
    _moves(ax, outcome)
    ax.set_ylabel("weight")


def _styles(outcomes: Iterable[Outcome]) -> dict[str, tuple[str, Any]]:
    """A colour and a dash for each curve, by its first component: the same under every configuration."""
    firsts = dict.fromkeys(names[0] for outcome in outcomes for names in weight_curves(outcome))
    return {name: (WEIGHTS[i % len(WEIGHTS)], DASHES[i % len(DASHES)]) for i, name in enumerate(firsts)}


def _tracked(name: str, outcomes: Sequence[Outcome]) -> list[tuple[list[Outcome], Curve]]:
    """The metric as it was watched; configurations that watched it alike share a curve."""
    shared: list[tuple[list[Outcome], Curve]] = []
    for outcome in outcomes:
        curve = outcome.tracked.get(name)
        if curve is None:
            continue
        for sharing, other in shared:
            if _equal(curve.epochs, other.epochs) and _equal(curve.values, other.values):
                sharing.append(outcome)
                break
        else:
            shared.append(([outcome], curve))
    return shared


def _equal(a: Any, b: Any) -> bool:
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))


def _warm_ups(ax: Any, outcome: Outcome, found: Replay, monitor: str | None = None) -> None:
    """Shade the warm-ups; in a chain, those of stages that watch one metric."""
    label: str | None = "warm-up"
    for warm_up in outcome.warm_ups:
        if monitor in (None, warm_up.monitor):
            start, stop = max(warm_up.start, found.first), min(warm_up.stop, _end(found))
            ax.axvspan(start, stop, color="0.93", lw=0, zorder=0, label=label)
            label = None


def _moves(ax: Any, outcome: Outcome, monitor: str | None = None) -> None:
    """Mark the adaptations; in a chain, those that one metric led to."""
    label: str | None = "adaptation"
    for move, by in zip(outcome.moves, outcome.moved_by, strict=True):
        if monitor in (None, by):
            ax.axvline(move.epoch, color="0.45", lw=0.9, ls=":", zorder=1, label=label)
            label = None


def _marks(ax: Any, name: str, outcome: Outcome, found: Replay) -> None:
    """Adaptations on the curve: the lines of several configurations would be told apart by nothing."""
    number = found.outcomes.index(outcome)
    moves = zip(outcome.moves, outcome.moved_by, strict=True)
    points = [(m.epoch, m.tracked) for m, by in moves if by == name and m.tracked is not None]
    if not points:
        return
    ax.plot(
        [epoch for epoch, _ in points],
        _clipped([value for _, value in points]),
        ls="none",
        marker=MARKERS[number % len(MARKERS)],
        ms=6.5,
        mfc="white" if number % 2 else "black",
        mec="black",
        zorder=4,
        label=f"adaptation,\n{_words(outcome.name)}",
    )


def _legend_height(ax: Any) -> float:
    """Inches, or a little more."""
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    return float(sum(0.08 + 0.15 * (text.count("\n") + 1) for text in texts))


def _clipped(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """What an axis can show."""
    return np.clip(np.asarray(values, dtype=np.float64), -LARGEST, LARGEST)


def _end(found: Replay) -> int:
    """The right edge: a run of one epoch is to be seen, too."""
    return max(found.last, found.first + 1)


def _title(ax: Any, words: str) -> None:
    # As many letters as the axes are wide, or nearly.
    ax.set_title(
        textwrap.shorten(words, 90) if " " in words else _cut(words, 90),
        loc="left",
        fontsize="medium",
        parse_math=False,
    )


def _words(name: str) -> str:
    """A name in a legend: no mathematics, and no more than three lines."""
    text = "\n".join(textwrap.wrap(_cut(name, 3 * LETTERS), LETTERS)).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text  # which matplotlib would leave out


def _cut(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters // 2 - 1]}...{name[-letters // 2 + 2 :]}"
