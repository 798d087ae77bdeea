"""The pictures of `docs/evidence.md`, from the stored runs.

python -m tests.evidence.figures --output docs/figures
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spectral_losses as sl

from . import RESULTS, ROOT
from .arms import ALONE, STATIC
from .networks import NETWORKS
from .outcome import Outcome, outcome
from .setting import FLOWS
from .tables import NETWORK, TITLES

__all__ = ["asked", "fronts", "main", "parts"]

GREY, LINE = "0.55", "0.25"
COLORS = {
    "controller": "#c1272d",
    "shares": "#e08214",
    "unrolled": "#01665e",
    "unrolled .01": "#5ab4ac",
    "adjusted": "#4d4dff",
    "adjusted late": "#9ecae1",
    "scheduler": "#762a83",
    "auto": "#c2a5cf",
    "half": "#8c510a",
    "unpooled .01": "#000000",
    "excess .01": "#7fbf7b",
    "excess .1": "#1b7837",
    "coherent .01": "#d6409f",
    "ramp .01": "#fdbf11",
    "ramp .03": "#b58900",
}
UNROLLED = ("unrolled", "unrolled .01")
WIDEST, FARTHEST, FARTHEST_PAID = 40.0, 200.0, 20.0
"""Per cent that bars, the points of the fronts and those of the controller are drawn to."""
ERROR = ("leads", "1", "field_error")
MARKERS = dict(zip(COLORS, "osDdv^<>PX*hp8H", strict=True))


def fronts(all_found: Sequence[Outcome]) -> Any:
    """Field error, over that of the field error alone, against distance; without the arms that unroll.

    The static weights are a line through the means over the seeds, every seed is a point.
    """
    fig, axes = _grid(len(all_found), 4.4, 3.7)
    used: dict[str, Any] = {}
    for ax, found in zip(axes, all_found, strict=True):
        points = {arm: _points(found, arm) for arm in found.arms if arm not in UNROLLED}
        far = [arm for arm, each in points.items() if each and _middle(each)[0] > FARTHEST]
        static = [arm for arm in sorted(STATIC, key=STATIC.__getitem__) if arm in points and arm not in far]
        middle = {arm: _middle(points[arm]) for arm in (ALONE, *static)}
        (used["static weights"],) = ax.plot(*zip(*middle.values(), strict=True), color=LINE, lw=1.6, zorder=2)
        for arm, at in middle.items():
            ax.plot(*zip(*points[arm], strict=True), ".", color=GREY, ms=5, zorder=1)
            said = f"{STATIC.get(arm, 0):g}"
            ax.annotate(said, at, xytext=(5, 4), textcoords="offset points", fontsize=8, color=LINE)
        for arm, each in points.items():
            if arm in COLORS and arm not in far and each:
                style = {"color": COLORS[arm], "marker": MARKERS[arm], "ms": 5, "ls": "", "alpha": 0.85}
                (used[TITLES[arm]],) = ax.plot(*zip(*each, strict=True), zorder=3, **style)
        if far:
            said = "\n".join(f"{TITLES[arm].replace('`', '')}: {_middle(points[arm])[0]:+.0f} %" for arm in far)
            ax.text(0.98, 0.98, said, transform=ax.transAxes, fontsize=8, ha="right", va="top", color=LINE)
        least = [sl.price_of_sharpness(min(1, error)) for error in found.values(ALONE, *ERROR).values()]
        style = {"color": LINE, "lw": 1, "ls": (0, (4, 3)), "zorder": 0}
        used["least price of a full spectrum"] = ax.axvline(100 * sum(least) / len(least), **style)
        ax.set(yscale="log", xlabel="field error paid, %", ylabel="log spectral distance D")
        ax.set_title(_title(found), fontsize=10)
        _ticks(ax.yaxis)
    fig.legend(used.values(), used.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return fig


def parts(all_found: Sequence[Outcome]) -> Any:
    """What the error beyond that of the field error alone is made of: amplitude and decorrelation."""
    fig, axes = _grid(len(all_found), 4.6, 3.9)
    for ax, found in zip(axes, all_found, strict=True):
        arms = [arm for arm in found.arms if arm not in (ALONE, *UNROLLED)]
        for place, arm in enumerate(reversed(arms)):
            at = {"amplitude": 0.0, "phase": 0.0}
            for what in at:
                alone, own = (found.values(each, "leads", "1", what) for each in (ALONE, arm))
                both = sorted(alone.keys() & own.keys())
                whole = {seed: sum(found.values(ALONE, "leads", "1", each)[seed] for each in at) for seed in both}
                at[what] = 100 * sum((own[seed] - alone[seed]) / whole[seed] for seed in both) / max(1, len(both))
            ends = {1: 0.0, -1: 0.0}
            for (what, extra), color in zip(at.items(), ("#e08214", "#35618f"), strict=True):
                side = 1 if extra >= 0 else -1
                label = {"amplitude": "amplitude", "phase": "decorrelation"}[what] if place == 0 else None
                ax.barh(place, extra, left=ends[side], color=color, height=0.7, label=label)
                ends[side] += extra
            if max(ends.values()) > WIDEST:
                whole_change = f"{sum(at.values()):+.0f} "
                ax.text(WIDEST, place, whole_change, color="white", fontsize=8, ha="right", va="center")
        ax.axvline(0, color="black", lw=0.8)
        ax.set_yticks(range(len(arms)), [TITLES[arm].replace("`", "") for arm in reversed(arms)], fontsize=8)
        ends = ax.get_xlim()
        ax.set_xlim(max(-WIDEST, ends[0]), min(WIDEST, ends[1]))
        ax.set_xlabel("% of the error of field error alone", fontsize=9)
        ax.set_title(_title(found), fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return fig


def asked(all_found: Sequence[Outcome]) -> Any:
    """The distance that the controller was asked for and the one that it reached on unseen flows; and what was paid."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(9.2, 1.6 + 0.45 * len(all_found)), layout="constrained")
    left, right = fig.subplots(1, 2)
    names = [_title(found) for found in all_found]
    for place, found in enumerate(all_found):
        goal = FLOWS[found.flow].goal
        for arm, color, shift in ((ALONE, GREY, -0.15), ("controller", COLORS["controller"], 0.15)):
            for value in found.values(arm, "leads", "1", "distance").values():
                left.plot(value / goal, place + shift, "o", color=color, ms=5, alpha=0.8)
        paid = found.ratio("controller", "leads", "1", "field_error")
        if paid is not None:
            changes = [100 * (value - 1) for value in paid.each]
            near = [min(change, FARTHEST_PAID) for change in changes]
            right.plot(near, [place] * len(near), "o", color=COLORS["controller"], ms=5, alpha=0.8)
            if max(changes) > FARTHEST_PAID:
                said = f"{max(changes):+.0f} %  "
                right.text(FARTHEST_PAID, place, said, fontsize=8, ha="right", va="center", color=LINE)
            if len(near) > 1 and max(changes) <= FARTHEST_PAID:
                right.plot([100 * (paid.low - 1), 100 * (paid.high - 1)], [place - 0.2] * 2, color=LINE, lw=2)
    left.axvline(1, color="black", lw=1.2, ls=(0, (4, 3)))
    left.set(xscale="log", xlabel="D over the goal")
    left.set_title("reached: alone (grey), controller (red)", fontsize=10)
    _ticks(left.xaxis)
    left.set_yticks(range(len(names)), names, fontsize=8)
    right.axvline(0, color="black", lw=1.2, ls=(0, (4, 3)))
    right.set_xlabel("change of the field error, %")
    right.set_title("paid by the controller, and interval", fontsize=10)
    right.set_yticks(range(len(names)), [""] * len(names))
    for ax in (left, right):
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    return fig


def _grid(number: int, width: float, height: float) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    columns = min(number, 2)
    rows = -(-number // columns)
    fig = Figure(figsize=(max(6.4, width * columns + 0.6), height * rows + 1.2), layout="constrained")
    axes = list(fig.subplots(rows, columns, squeeze=False).flat)
    for ax in axes[number:]:
        ax.remove()
    for ax in axes[:number]:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    return fig, axes[:number]


def _ticks(axis: Any) -> None:
    """Of a logarithmic axis that may span less than a decade."""
    from matplotlib.ticker import LogLocator

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def _points(found: Outcome, arm: str) -> list[tuple[float, float]]:
    """Of each seed the field error paid, in per cent, and the distance."""
    alone = found.values(ALONE, *ERROR)
    points = ((seed, found.point(arm, seed)) for seed in alone)
    return [(100 * (point[0] / alone[seed] - 1), point[1]) for seed, point in points if point is not None]


def _middle(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The mean of what was paid, the geometric mean of the distances."""
    paid, distances = zip(*points, strict=True)
    return sum(paid) / len(paid), math.exp(sum(map(math.log, distances)) / len(distances))


def _title(found: Outcome) -> str:
    return f"{FLOWS[found.flow].title}, {NETWORK[found.network]}"


def main(argv: Sequence[str] | None = None) -> int:
    """Draw all three."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.evidence.figures", description="Pictures of the stored runs."
    )
    add = parser.add_argument
    add("--results", type=Path, default=RESULTS, metavar="DIRECTORY", help="default: %(default)s")
    add("--output", type=Path, default=ROOT / "docs" / "figures", metavar="DIRECTORY", help="default: %(default)s")
    args = parser.parse_args(argv)
    there = [outcome(args.results, flow, network) for network in NETWORKS for flow in FLOWS]
    there = [found for found in there if found.seeds and len(found.arms) > 1]
    if not there:
        parser.error(f"--results must hold runs, got none in {args.results}")
    args.output.mkdir(parents=True, exist_ok=True)
    for name, draw in (("front", fronts), ("parts", parts), ("asked", asked)):
        path = args.output / f"evidence-{name}.png"
        draw(there).savefig(path, dpi=110)
        print(f"wrote {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
