"""A whole run of the loss scheduler, from the first epoch to the final weights, and its picture.

There is no network here: the validation error comes from a formula that behaves like one. It falls towards a floor,
with noise; the more weight the spectrum has, the lower is the floor, until only a smaller learning rate helps, which
comes at epoch 115. One validation is not finite, and one is far off. The scheduler sees none of this but the error::

    python docs/examples/scheduled_run.py --output docs/figures/scheduled_run.png

prints what it decided, and draws it where there is an output. The picture needs matplotlib
(``pip install 'spectral-losses[cli]'``).
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import spectral_losses as sl

EPOCHS, SEED = 180, 0
NAN, SPIKE, SMALLER_RATE = 32, 58, 115  # epochs
CONFIG = sl.SchedulerConfig(
    warmup_epochs=10,
    patience=5,
    min_delta=0.05,
    cooldown=2,
    transition_step=0.2,
    max_consecutive_adaptations=2,
    ema_beta=0.8,
)
REASONS = {  # in the colours of Okabe and Ito, and grey
    "warmup": "#C8C8C8",
    "improved": "#009E73",
    "waiting": "#56B4E9",
    "adapted": "#D55E00",
    "cooldown": "#F0E442",
    "holding": "#CC79A7",
    "not finite": "#000000",
    "finished": "#0072B2",
}
BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # so that no line runs through a word
ERROR, AVERAGE, BEST, FIELD, SPECTRUM = "#9A9A9A", "#0072B2", "#E69F00", "#56B4E9", "#D55E00"


class Seen(NamedTuple):
    """One epoch of the run."""

    error: float
    best: float  # NaN while there is none
    decision: sl.Decision


def run(epochs: int = EPOCHS, seed: int = SEED) -> list[Seen]:
    """Train the formula, and let the scheduler follow."""
    noise = random.Random(seed)
    scheduler = sl.LossScheduler(CONFIG)
    error, seen = 6.0, []
    for epoch in range(epochs):
        weight = scheduler.weights["spectrum_error"]
        floor = max(1.2 * math.exp(-4 * weight), 0.3 if epoch < SMALLER_RATE else 0.0)
        error = floor + (error - floor) * math.exp(-1 / 3)
        measured = error * math.exp(noise.gauss(0, 0.05))
        measured = {NAN: math.nan, SPIKE: 4 * measured}.get(epoch, measured)
        decision = scheduler.step({"spectrum_error": measured}, epoch)
        best = scheduler.state.best
        seen.append(Seen(measured, math.nan if best is None else best, decision))
    return seen


def report(seen: Sequence[Seen]) -> str:
    """The decisions that are news: all moves, and where any but the everyday reasons begins."""
    lines, before = [], ""
    for _, _, decision in seen:
        if decision or decision.reason not in (before, "improved", "waiting", "cooldown"):
            lines.append(str(decision))
        before = decision.reason
    return "\n".join(lines)


def draw(path: Path, seen: Sequence[Seen]) -> None:
    """The error above, the weights below it, and at the bottom what the scheduler said."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    decisions = [each.decision for each in seen]
    epochs = range(len(seen))
    moves = [epoch for epoch in epochs if decisions[epoch]]
    fig = Figure(figsize=(9.6, 6.4), layout="constrained")
    above, middle, strip = fig.subplots(3, 1, sharex=True, height_ratios=(3, 2, 0.28))

    average = [math.nan if d.tracked is None else d.tracked for d in decisions]
    above.plot(epochs, [each.error for each in seen], color=ERROR, lw=1, marker=".", ms=4, label="spectrum error")
    above.plot(epochs, average, color=AVERAGE, lw=2, label="its moving average")
    above.step(epochs, [each.best for each in seen], color=BEST, lw=1.6, where="post", label="best to be beaten")
    above.set_yscale("log")
    above.set_yticks([0.1, 0.2, 0.5, 1, 2, 5])
    above.yaxis.set_major_formatter("{x:g}")
    above.yaxis.set_minor_formatter("")
    above.set_ylabel("validation error")
    above.legend(loc="lower left", framealpha=1, edgecolor="white")
    for epoch, text, height in (
        (NAN, "not finite", 1.5 * average[NAN - 1]),
        (SPIKE, "one bad validation", 1.05 * seen[SPIKE].error),
        (SMALLER_RATE, "smaller learning rate", 2 * average[SMALLER_RATE]),
    ):
        above.text(epoch, height, text, ha="center", va="bottom", bbox=BLANK)
    above.plot([NAN], [average[NAN - 1]], "x", color="black", ms=7, mew=2)
    foot, head = ((SMALLER_RATE, factor * average[SMALLER_RATE]) for factor in (2, 1.2))
    above.annotate("", head, foot, arrowprops={"arrowstyle": "->"})

    # A decision counts from the next epoch on.
    for name, color, label, side in (
        ("field_error", FIELD, "field error", "top"),
        ("spectrum_error", SPECTRUM, "spectrum error", "bottom"),
    ):
        values = [d.weights[name] for d in decisions]
        middle.step(epochs, values, color=color, lw=2.4, where="post")
        away = 0.06 if side == "bottom" else -0.06
        middle.text(SMALLER_RATE, values[SMALLER_RATE] + away, label, color=color, fontsize=11, ha="center", va=side)
    middle.set_ylim(-0.05, 1.05)
    middle.set_yticks([0, 0.5, 1])
    middle.set_ylabel("weight")

    strip.bar(epochs, 1, width=1, align="center", color=[REASONS[d.reason] for d in decisions])
    strip.set_yticks([])
    strip.set_xlabel("epoch")
    strip.set_xlim(-1, len(seen))
    patches = [Patch(color=color) for color in REASONS.values()]
    fig.legend(patches, list(REASONS), loc="outside lower center", ncols=len(REASONS), frameon=False, handlelength=1.2)
    for ax in (above, middle):
        for epoch in moves:
            ax.axvline(epoch, color=REASONS["adapted"], lw=0.8, ls=(0, (2, 2)), zorder=0)
    for ax in (above, middle, strip):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    strip.spines["left"].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the decisions, and draw the picture if asked for."""
    parser = argparse.ArgumentParser(description="A run of the loss scheduler over a synthetic validation error.")
    parser.add_argument("--output", type=Path, metavar="FILE", help="picture to write: .png, .pdf or .svg")
    args = parser.parse_args(argv)
    seen = run()
    print(report(seen))
    if args.output is not None:
        draw(args.output, seen)
        print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
