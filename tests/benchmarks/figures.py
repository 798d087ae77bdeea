"""Charts of what was measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from candidates import Candidate
from measure import Measured

if TYPE_CHECKING:
    from scaling import Point

OURS, PEERS, BARE, LOOP = "#c2410c", "#6b7280", "#1d4ed8", "#a16207"
COLOURS = {"ours": OURS, "stored": OURS, "field": OURS, "bare": BARE, "mse": BARE, "loop": LOOP}
AGAINST = {
    "field size": "points along a side of a field",
    "batch": "fields in the stack",
    "bins": "shells",
}


def relative_times(path: Path, panels: Mapping[str, Sequence[Measured]], wrong: Collection[str] = ()) -> None:
    """Time over that of the bare transforms in the same framework: one row per candidate, one dot per stack."""
    from matplotlib.figure import Figure

    ratios = {title: ratios_of(groups) for title, groups in panels.items()}
    candidates = in_order([c for found in ratios.values() for c in found], ratios)
    figure = Figure(figsize=(4.2 + 3.4 * len(panels), 1.3 + 0.27 * len(candidates)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for ax, (title, found) in zip(axes, ratios.items(), strict=True):
        for row, candidate in enumerate(candidates):
            draw_row(ax, row, found.get(candidate, []), COLOURS.get(candidate.role, PEERS))
        ax.axvline(1, color=BARE, linewidth=1)
        ax.set(title=title, xscale="log", xlabel="time / bare transforms in the same framework")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(axis="x", which="both", color="#e5e7eb", linewidth=0.6)
        ax.set_axisbelow(True)
    axes[0].set_yticks(range(len(candidates)), [c.label + (" †" if c.label in wrong else "") for c in candidates])
    axes[0].invert_yaxis()
    for tick, candidate in zip(axes[0].get_yticklabels(), candidates, strict=True):
        tick.set_color(COLOURS.get(candidate.role, PEERS))
    figure.supxlabel(
        f"dots: single stacks, filled: 2-D, open: 3-D; bar: median{'; †: wrong numbers' if wrong else ''}", fontsize=8
    )
    figure.savefig(path, dpi=160)


def curves(path: Path, points: Sequence[Point]) -> None:
    """Time per field over extra memory, against each thing that was varied."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(point.curve for point in points))
    figure = Figure(figsize=(1 + 3.3 * len(names), 5.6), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False, sharex="col")
    for (upper, lower), name in zip(axes.T, names, strict=True):
        curve = [point for point in points if point.curve == name]
        x = [point.x for point in curve]
        for label, colour, timings in (
            ("spectrum_error", OURS, [point.ours for point in curve]),
            ("bare transforms", BARE, [point.bare for point in curve]),
        ):
            upper.fill_between(
                x, [1e3 * t.low for t in timings], [1e3 * t.high for t in timings], color=colour, alpha=0.2
            )
            upper.plot(x, [1e3 * t.median for t in timings], "o-", color=colour, markersize=4, label=label)
        upper.set(title=f"{curve[0].stack}" if name == "bins" else name, xscale="log", yscale="log")
        lower.plot(x, [np.nan if p.memory is None else p.memory for p in curve], "o-", color=OURS, markersize=4)
        lower.set(xlabel=AGAINST[name], ylim=(0, None))
        lower.set_xscale("log", base=2)
        lower.set_xticks(x, [str(value) for value in x], minor=False)
        lower.minorticks_off()
        for ax in (upper, lower):
            ax.grid(color="#e5e7eb", linewidth=0.6)
    axes[0, 0].set_ylabel("forward and backward, ms per field")
    axes[1, 0].set_ylabel("extra peak memory / prediction")
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=160)


def ratios_of(groups: Sequence[Measured]) -> dict[Candidate, list[tuple[int, float]]]:
    """Dimensions of the stack and time over bare, of every candidate that has one."""
    found: dict[Candidate, list[tuple[int, float]]] = {}
    for group in groups:
        for candidate in group.candidates:
            ratio = group.relative(candidate, "bare")
            if candidate.role != "bare" and ratio is not None:
                found.setdefault(candidate, []).append((len(group.case.grid), ratio))
    return found


def in_order(candidates: Sequence[Candidate], ratios: Mapping[str, Any]) -> list[Candidate]:
    """From fast to slow, as far as the last panel tells."""
    *_, last = ratios.values()
    key = {c: float(np.median([ratio for _, ratio in last[c]])) if c in last else np.inf for c in candidates}
    return sorted(key, key=lambda c: key[c])


def draw_row(ax: Any, row: int, found: Sequence[tuple[int, float]], colour: str) -> None:
    """All stacks of one candidate."""
    if not found:
        return
    for dimensions, ratio in found:
        ax.plot(ratio, row, "o", markersize=4, color=colour, markerfacecolor=colour if dimensions == 2 else "white")
    ratios = [ratio for _, ratio in found]
    ax.plot([min(ratios), max(ratios)], [row, row], color=colour, linewidth=0.8, alpha=0.5)
    ax.plot(np.median(ratios), row, "|", markersize=11, markeredgewidth=2, color=colour)
