"""A picture of a replay: what was monitored, and under it the weights of each configuration."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.replay.outcome import Replay
from spectral_losses.cli.replay.subject import Curve, Subject, Watched
from spectral_losses.cli.ui.figures import save_figure
from spectral_losses.errors import needed

# Weights have the colours, of the palette of Okabe and Ito, and configurations the shapes: neither is mistaken for the
# other, and the colour-blind tell the curves apart by their dashes too.
WEIGHTS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
LIMIT_DASHES = ((0, (7, 4)), (0, (2, 3)), (0, (7, 3, 2, 3)), (0, (12, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
METRIC, LIMIT, NOT_FINITE, MISSING = "0.55", "#CC3311", "#D55E00", "0.35"
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
    metrics = list(dict.fromkeys(name for subject in found.subjects for name in subject.monitored))
    least = [3.0] * len(metrics) + [2.0] * len(found.subjects)
    fig = figure(layout="constrained")
    axes = fig.subplots(len(least), 1, squeeze=False, sharex=True)[:, 0]
    for ax, name in zip(axes, metrics, strict=False):
        _metric(ax, name, found)
    styles = _styles(found.subjects)
    for ax, subject in zip(axes[len(metrics) :], found.subjects, strict=True):
        _weights(ax, subject, found, styles)
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
    watching = [subject for subject in found.subjects if name in subject.monitored]
    _title(ax, name)
    curve = found.metrics.get(name, Curve())
    epochs, values = np.asarray(curve.epochs), np.asarray(curve.values)
    finite = np.isfinite(values)
    marker = "." if len(values) <= DOTTED else None
    drawn = np.where(finite, values, np.nan)
    ax.plot(epochs, _clipped(drawn), color=METRIC, lw=0.9, marker=marker, ms=3.5, label=_words(name))
    for subjects, watched in _watched(name, watching):
        dash = DASHES[found.subjects.index(subjects[0]) % len(DASHES)]
        names = [subject.name for subject in subjects] if len(watching) > 1 else []
        label = "\n".join(["moving average" if watched.averaged else "as watched", *map(_words, names)])
        ax.plot(watched.curve.epochs, _clipped(watched.curve.values), color="black", lw=2, ls=dash, label=label)
    limits = _limits(name, watching)
    for (value, words), subjects in limits.items():
        names = [subject.name for subject in subjects] if len(watching) > 1 else []
        label = ",\n".join([words, *map(_words, names)])
        dash = LIMIT_DASHES[found.subjects.index(subjects[0]) % len(LIMIT_DASHES)]
        ax.axhline(_clipped([value])[0], color=LIMIT, lw=1.2, ls=dash, zorder=1.5, label=label)
    if len(found.subjects) == 1:
        _spans(ax, watching[0], found, name)
        _events(ax, watching[0], name)
    else:
        for subject in watching:
            _marks(ax, name, subject, found)
    at_bottom = {"transform": ax.get_xaxis_transform(), "ls": "none", "clip_on": False, "zorder": 5}
    broken = np.setdiff1d(epochs[~finite], epochs[finite])
    missing = np.setdiff1d(np.asarray(found.epochs), epochs)
    if len(missing):
        ax.plot(missing, np.zeros(len(missing)), marker="|", color=MISSING, ms=6, label="missing", **at_bottom)
    if len(broken):
        ax.plot(broken, np.zeros(len(broken)), marker="o", color=NOT_FINITE, ms=4, label="not finite", **at_bottom)
    shown = np.append(values[finite], [value for value, _ in limits])
    if finite.any() and shown.min() > 1 / LARGEST and shown.max() / DECADES > shown.min():
        ax.set_yscale("log")


def _weights(ax: Any, subject: Subject, found: Replay, styles: dict[str, tuple[str, Any]]) -> None:
    _title(ax, subject.name)
    at = [found.first, *(move.epoch for move in subject.moves), _end(found)]
    for names, curve in subject.weight_curves().items():
        color, dash = styles[names[0]]
        label = ",\n".join(map(_words, names))
        drawn = [*curve, curve[-1]]
        if subject.decades and not any(curve):  # a logarithmic axis has no 0
            label, drawn = f"{label} (0)", [np.nan] * len(drawn)
        ax.plot(at, drawn, color=color, ls=dash, lw=1.8, drawstyle="steps-post", label=label)
    _spans(ax, subject, found)
    _events(ax, subject)
    ax.set_ylabel("weight")
    if subject.decades:
        ax.set_yscale("log")


def _styles(subjects: Iterable[Subject]) -> dict[str, tuple[str, Any]]:
    """A colour and a dash for each curve, by its first component: the same under every configuration."""
    firsts = dict.fromkeys(names[0] for subject in subjects for names in subject.weight_curves())
    return {name: (WEIGHTS[i % len(WEIGHTS)], DASHES[i % len(DASHES)]) for i, name in enumerate(firsts)}


def _watched(name: str, subjects: Sequence[Subject]) -> list[tuple[list[Subject], Watched]]:
    """The metric as it was watched; configurations that watched it alike share a curve."""
    shared: list[tuple[list[Subject], Watched]] = []
    for subject in subjects:
        for watched in subject.watched:
            if watched.metric != name or not watched.curve.epochs:
                continue
            for sharing, other in shared:
                if _equal(watched, other):
                    sharing.extend([subject][: subject not in sharing])
                    break
            else:
                shared.append(([subject], watched))
    return shared


def _limits(name: str, subjects: Sequence[Subject]) -> dict[tuple[float, str], list[Subject]]:
    """What a metric is held against, by value and words, and by whom."""
    limits: dict[tuple[float, str], list[Subject]] = {}
    for subject in subjects:
        for limit in subject.limits():
            if limit.metric == name:
                limits.setdefault((limit.value, limit.label), []).append(subject)
    return limits


def _equal(a: Watched, b: Watched) -> bool:
    if a.averaged != b.averaged or not np.array_equal(np.asarray(a.curve.epochs), np.asarray(b.curve.epochs)):
        return False
    # But for the rounding of a controller, whose averages are of logarithms.
    return np.allclose(np.asarray(a.curve.values), np.asarray(b.curve.values), rtol=1e-9, atol=0, equal_nan=True)


def _spans(ax: Any, subject: Subject, found: Replay, metric: str | None = None) -> None:
    """Shade the warm-ups; in a chain, those of stages that watch one metric."""
    label: str | None = subject.spans_are
    for span in subject.spans():
        if metric in (None, span.metric):
            start, stop = max(span.start, found.first), min(span.stop, _end(found))
            ax.axvspan(start, stop, color="0.93", lw=0, zorder=0, label=label)
            label = None


def _events(ax: Any, subject: Subject, metric: str | None = None) -> None:
    """Mark what happened at an epoch; for a metric, what it led to."""
    label: str | None = subject.event
    for event in subject.events():
        if metric in (None, event.metric):
            ax.axvline(event.epoch, color="0.45", lw=0.9, ls=":", zorder=1, label=label)
            label = None


def _marks(ax: Any, name: str, subject: Subject, found: Replay) -> None:
    """The same on the curve: the lines of several configurations would be told apart by nothing."""
    index = found.subjects.index(subject)
    points = [(event.epoch, event.value) for event in subject.events() if event.metric == name]
    shown = [(epoch, value) for epoch, value in points if value is not None]
    if not shown:
        return
    ax.plot(
        [epoch for epoch, _ in shown],
        _clipped([value for _, value in shown]),
        ls="none",
        marker=MARKERS[index % len(MARKERS)],
        ms=6.5,
        mfc="white" if index % 2 else "black",
        mec="black",
        zorder=4,
        label=f"{subject.event},\n{_words(subject.name)}",
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
