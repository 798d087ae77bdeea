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
}
UNROLLED = ("unrolled", "unrolled .01")
WIDEST, FARTHEST = 80.0, 2.5
"""Per cent that bars are drawn to, and by which factor of the least field error points may be off."""
MARKERS = dict(zip(COLORS, "osDdv^<>PX*hp", strict=True))


def fronts(all_found: Sequence[Outcome]) -> Any:
    """Field error against distance: the static weights as a line, every seed a point; without the arms that unroll."""
    fig, axes = _grid(len(all_found), 4.4, 3.9)
    used: dict[str, Any] = {}
    for ax, found in zip(axes, all_found, strict=True):
        static = [arm for arm in (ALONE, *STATIC) if arm in found.found]
        static.sort(key=lambda arm: STATIC.get(arm, 0.0))
        middle = [_middle(found, arm) for arm in static]
        (used["static weights"],) = ax.plot(*zip(*middle, strict=True), color=LINE, lw=1.6, zorder=2)
        for arm, at in zip(static, middle, strict=True):
            for seed in found.seeds:
                if (point := found.point(arm, seed)) is not None:
                    ax.plot(*point, ".", color=GREY, ms=4, zorder=1)
            ax.annotate(
                f"{STATIC.get(arm, 0):g}", at, xytext=(4, 4), textcoords="offset points", fontsize=8, color=LINE
            )
        alone = list(found.values(ALONE, "leads", "1", "field_error").values())
        best = math.exp(sum(map(math.log, alone)) / len(alone))
        shown = [arm for arm in found.arms if arm in COLORS and arm not in UNROLLED]
        far = [arm for arm in shown if _middle(found, arm)[0] > FARTHEST * best]
        for arm in shown:
            for seed in found.seeds if arm not in far else []:
                if (point := found.point(arm, seed)) is not None:
                    style = {"color": COLORS[arm], "marker": MARKERS[arm], "ms": 5, "ls": "", "alpha": 0.85}
                    (used[TITLES[arm]],) = ax.plot(*point, zorder=3, **style)
        if far:
            said = "\n".join(f"{TITLES[arm].replace('`', '')}: {_middle(found, arm)[0]:.2g}" for arm in far)
            said = f"field errors farther right:\n{said}"
            ax.text(0.98, 0.98, said, transform=ax.transAxes, fontsize=8, ha="right", va="top", color=LINE)
        if best < 1:
            sharp = best * (1 + sl.price_of_sharpness(best))
            used["least price of a full spectrum"] = ax.axvline(sharp, color=LINE, lw=1, ls=(0, (4, 3)), zorder=0)
        ax.set(xscale="log", yscale="log", xlabel="field error", ylabel="log spectral distance D")
        ax.set_title(_title(found), fontsize=10)
        for axis in (ax.xaxis, ax.yaxis):
            _ticks(axis)
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
            if ends[1] > WIDEST:
                ax.text(WIDEST, place, f"{ends[1]:+.0f} ", color="white", fontsize=8, ha="right", va="center")
        ax.axvline(0, color="black", lw=0.8)
        ax.set_yticks(range(len(arms)), [TITLES[arm].replace("`", "") for arm in reversed(arms)], fontsize=8)
        ax.set_xlim(right=min(WIDEST, ax.get_xlim()[1]))
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
            right.plot(changes, [place] * len(changes), "o", color=COLORS["controller"], ms=5, alpha=0.8)
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

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def _middle(found: Outcome, arm: str) -> tuple[float, float]:
    """The geometric means of the seeds."""
    points = [point for seed in found.seeds if (point := found.point(arm, seed)) is not None]
    x, y = (math.exp(sum(math.log(point[i]) for point in points) / len(points)) for i in (0, 1))
    return x, y


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
    there = [found for found in there if found.seeds]
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
