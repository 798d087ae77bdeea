"""A training whose spectrum is kept at a goal by a loss controller, and its picture.

The network and the flow of `one_mode_per_shell`, in small: the next frame of a chaotic flow in one dimension is learned
from the last. It is trained twice, with the field error alone, and with the pooled `log_spectral_distance` beside it,
for which a controller has the goal "at most 1". After every tenth step it is shown the errors on flows that are not
trained; one of these validations is handed on as NaN, as if it had failed::

    python docs/examples/controlled_run.py --output docs/figures/controlled_run.png

prints what it decided, and draws it where there is an output. It takes about 20 seconds on one core and needs PyTorch
(``pip install 'spectral-losses[torch]'``), for the picture matplotlib too (``pip install 'spectral-losses[cli]'``).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from one_mode_per_shell import OPTIONS, QUICK, Operator, Pairs, Setting, flows, judge, pairs_of

import spectral_losses as sl

SMALL = Setting(trajectories=16, steps=600, batch=32)
EVERY, NAN = 10, 31  # steps from one validation to the next, and the number of the one that failed
GOAL = sl.ConstraintConfig("log_spectral_distance", 1.0)
LOSS = {
    "field_error": sl.Component("field_error", **OPTIONS),
    "log_spectral_distance": sl.Component("log_spectral_distance", pool="frames", **OPTIONS),
}
REASONS = {"raised": "#D55E00", "lowered": "#0072B2", "not finite": "#000000"}  # in the colours of Okabe and Ito
BLANK = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # so that no line runs through a word
ALONE, MEASURED, AVERAGE, LAMBDA = "#9A9A9A", "#56B4E9", "#0072B2", "#D55E00"


class Seen(NamedTuple):
    """One validation, and what the controller made of it; None where there is none."""

    step: int
    field: float
    distance: float
    decision: sl.Decision | None


def train(training: Pairs, validation: Pairs, setting: Setting, controller: sl.LossController | None) -> list[Seen]:
    """Train a network, with the field error alone where there is no controller."""
    torch.manual_seed(0)
    model = Operator(setting.width, setting.modes, setting.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    alone = {"field_error": 1.0, "log_spectral_distance": 0.0}
    loss = sl.CompositeLoss(LOSS, weights=alone if controller is None else controller.weights)
    order = torch.Generator().manual_seed(0)
    (first, then), seen = training, []
    for step in range(1, setting.steps + 1):
        chosen = torch.randint(len(first), (setting.batch,), generator=order)
        total, _ = loss(model(first[chosen]), then[chosen])
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        schedule.step()
        if step % EVERY == 0:
            errors = judge(model, validation)
            field, distance = errors["field error"], errors["distance of mean spectra"]
            decision = None
            if controller is not None:
                shown = math.nan if step == NAN * EVERY else distance
                decision = controller.step({"log_spectral_distance": shown}, step)
                loss.set_weights(decision)
            seen.append(Seen(step, field, distance, decision))
    return seen


def run(setting: Setting = SMALL) -> tuple[list[Seen], list[Seen]]:
    """Both trainings: with the field error alone, and with the controller."""
    training, validation = (
        pairs_of(flows(n, setting, seed=seed)) for n, seed in ((setting.trajectories, 100), (4, 150))
    )
    return train(training, validation, setting, None), train(training, validation, setting, sl.LossController(GOAL))


def report(alone: Sequence[Seen], kept: Sequence[Seen]) -> str:
    """The decisions, and both ends."""
    lines = [str(each.decision) for each in kept]
    for name, seen in (("field error alone", alone), ("with the goal", kept)):
        lines.append(f"{name}: distance {seen[-1].distance:.3g}, field error {seen[-1].field:.3g}")
    return "\n".join(lines)


def draw(path: Path, alone: Sequence[Seen], kept: Sequence[Seen]) -> None:
    """The distance and its goal above, lambda and the field error below it, at the bottom what the controller said."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    steps = [each.step for each in kept]
    decisions = [each.decision for each in kept if each.decision is not None]
    fig = Figure(figsize=(9.6, 7.2), layout="constrained")
    above, middle, below, strip = fig.subplots(4, 1, sharex=True, height_ratios=(3, 1.8, 1.8, 0.28))

    shown = [math.nan if d.reason == "not finite" else each.distance for each, d in zip(kept, decisions, strict=True)]
    average = [math.nan if d.tracked is None else d.tracked for d in decisions]
    above.plot(steps, [each.distance for each in alone], color=ALONE, lw=2, label="field error alone")
    above.plot(steps, shown, color=MEASURED, lw=1, marker=".", ms=5, label="with the controller")
    above.plot(steps, average, color=AVERAGE, lw=2, label="its moving average")
    above.axhline(GOAL.limit, color="black", lw=1.4, ls=(0, (5, 3)), label="goal")
    if len(kept) >= NAN:
        above.plot(steps[NAN - 1], kept[NAN - 1].distance, "x", color="black", ms=7, mew=2)
        above.text(
            steps[NAN - 1], 1.25 * kept[NAN - 1].distance, "handed on as NaN", ha="center", va="bottom", bbox=BLANK
        )
    above.set_ylabel("log-spectral distance")
    above.set_yscale("log")
    above.set_yticks([1, 2, 5, 10])
    above.legend(loc="center right", bbox_to_anchor=(1, 0.38), framealpha=1, edgecolor="white")

    # A decision counts from the next step on.
    middle.step(steps, [d.weights["log_spectral_distance"] for d in decisions], color=LAMBDA, lw=2.4, where="post")
    middle.set_ylabel("lambda")
    middle.set_yscale("log")
    middle.set_yticks([0.001, 0.003, 0.01, 0.03])

    below.plot(steps, [each.field for each in alone], color=ALONE, lw=2)
    below.plot(steps, [each.field for each in kept], color=AVERAGE, lw=2)
    for seen, text, color, side in (
        (alone, "field error alone", ALONE, "top"),
        (kept, "with the controller", AVERAGE, "bottom"),
    ):
        step, field = seen[len(seen) // 6][:2]
        ha, factor = ("right", 0.9) if side == "top" else ("left", 1.1)
        below.text(step, factor * field, text, color=color, fontsize=11, ha=ha, va=side)
    below.set_ylabel("field error")
    below.set_yscale("log")
    below.set_yticks([0.1, 0.2, 0.5, 1])
    for ax in (above, middle, below):
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")

    strip.bar(steps, 1, width=EVERY, align="center", color=[REASONS[d.reason] for d in decisions])
    strip.set_yticks([])
    strip.set_xlabel("step of the training")
    strip.set_xlim(0, steps[-1] + EVERY)
    patches = [Patch(color=color) for color in REASONS.values()]
    fig.legend(patches, list(REASONS), loc="outside lower center", ncols=len(REASONS), frameon=False, handlelength=1.2)
    for ax in (above, middle, below, strip):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    strip.spines["left"].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the decisions, and draw the picture if asked for."""
    parser = argparse.ArgumentParser(description="A small training whose spectrum is kept at a goal.")
    parser.add_argument("--output", type=Path, metavar="FILE", help="picture to write: .png, .pdf or .svg")
    parser.add_argument("--quick", action="store_true", help="a few steps on a few flows, to see that it runs")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # so small a network gains nothing by more
    alone, kept = run(QUICK if args.quick else SMALL)
    print(report(alone, kept))
    if args.output is not None:
        draw(args.output, alone, kept)
        print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
