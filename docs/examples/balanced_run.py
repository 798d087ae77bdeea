"""A training whose losses are given shares of influence by a balancer, and its picture.

The network and the flow of `one_mode_per_shell`, in small: the next frame of a chaotic flow in one dimension is learned
from the last. Beside the field error there are two losses in other units, the pooled `log_spectral_distance` and the
mean square error of slopes. They are to pull a tenth and three tenths as hard as the field error does. At each step the
influences are measured, and the share that a loss has reached is its weight times its influence, over the influence of
the field error::

    python docs/examples/balanced_run.py --output docs/figures/balanced_run.png

prints what was asked for and what was reached, and draws it where there is an output. It takes about 10 seconds on one
core and needs PyTorch (``pip install 'spectral-losses[torch]'``), for the picture matplotlib too
(``pip install 'spectral-losses[cli]'``).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from one_mode_per_shell import OPTIONS, QUICK, Operator, Setting, flows, pairs_of
from torch import Tensor

import spectral_losses as sl

SMALL = Setting(trajectories=16, steps=600, batch=32)
SHARES = {"field error": 1.0, "slope error": 0.3, "log-spectral distance": 0.1}
COLOURS = {"field error": "#56B4E9", "slope error": "#009E73", "log-spectral distance": "#D55E00"}  # Okabe and Ito
BESIDE = 10
"""Batches before and after one, of which the picture has the geometric mean."""


class Seen(NamedTuple):
    """One step of the training, by the name of the loss."""

    weights: dict[str, float]
    shares: dict[str, float]


def slope_error(prediction: Tensor, target: Tensor) -> Tensor:
    """A loss of one's own, in the square of a velocity over a length."""
    return torch.mean((torch.diff(prediction) - torch.diff(target)) ** 2)


def run(setting: Setting = SMALL, half_life: float = 100) -> list[Seen]:
    """Train a network, and balance its losses."""
    first, then = pairs_of(flows(setting.trajectories, setting, seed=100))
    torch.manual_seed(0)
    model = Operator(setting.width, setting.modes, setting.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    loss = sl.CompositeLoss(
        {
            "field error": sl.Component("field_error", **OPTIONS),
            "slope error": slope_error,
            "log-spectral distance": sl.Component("log_spectral_distance", pool="frames", **OPTIONS),
        }
    )
    balancer = sl.Balancer(SHARES, half_life=half_life)
    order, seen = torch.Generator().manual_seed(0), []
    for _ in range(setting.steps):
        chosen = torch.randint(len(first), (setting.batch,), generator=order)
        prediction = model(first[chosen])
        # A BalancedCriterion does this by itself; here the influences are wanted for the picture.
        leaf = prediction.detach().requires_grad_()
        _, parts = loss(leaf, then[chosen])
        gradients = {name: torch.autograd.grad(part, leaf, retain_graph=True)[0] for name, part in parts.items()}
        influences = {name: float(value) for name, value in sl.influences(gradients, leaf).items()}
        weights = balancer.step(influences)
        optimizer.zero_grad()
        prediction.backward(sum(weights[name] * gradient for name, gradient in gradients.items()))
        optimizer.step()
        schedule.step()
        pulls = {name: weights[name] * influence for name, influence in influences.items()}
        seen.append(Seen(weights, {name: pull / pulls["field error"] for name, pull in pulls.items()}))
    return seen


def report(seen: Sequence[Seen]) -> str:
    """What was asked for, what was reached, and the weights that it took."""
    line = "{:<22} {:>6} {:>9} {:>18} {:>16}".format
    lines = [line("", "asked", "reached", "weight at first", "weight at last")]
    later = seen[len(seen) // 2 :]
    for name, share in SHARES.items():
        reached = statistics.geometric_mean([each.shares[name] for each in later])
        weights = [f"{seen[place].weights[name]:.3g}" for place in (0, -1)]
        lines.append(line(name, f"{share:g}", f"{reached:.3g}", *weights))
    return "\n".join([*lines, "reached: geometric mean over the second half of the training"])


def draw(path: Path, seen: Sequence[Seen]) -> None:
    """The weights above, the shares of influence below them."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    fig = Figure(figsize=(9.6, 6.4), layout="constrained")
    above, below = fig.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    steps = range(1, len(seen) + 1)
    for name, share in SHARES.items():
        color = COLOURS[name]
        above.plot(steps, [each.weights[name] for each in seen], color=color, lw=2.4, label=name)
        below.axhline(share, color=color, lw=1.4, ls=(0, (5, 3)))
        if name == next(iter(SHARES)):
            continue  # the others are measured by it
        shares = [each.shares[name] for each in seen]
        below.plot(steps, shares, color=color, lw=0.8, alpha=0.45)
        below.plot(steps, moving(shares), color=color, lw=2.4)
    above.set_ylabel("weight")
    below.set_ylabel("share of influence")
    for ax in (above, below):
        ax.set_yscale("log")
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(which="both", direction="in")
    below.set_yticks([0.01, 0.03, 0.1, 0.3, 1])
    below.yaxis.set_major_formatter("{x:g}")
    below.yaxis.set_minor_formatter("")
    below.set_xlabel("step of the training")
    below.set_xlim(0, len(seen) + 1)
    above.legend(loc="lower right", framealpha=1, edgecolor="white")
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("asked", {"lw": 1.4, "ls": (0, (5, 3))}),
        ("reached", {"lw": 2.4}),
        ("reached in each batch", {"lw": 0.8, "alpha": 0.45}),
    ]
    lines = [Line2D([], [], color="black", **style) for _, style in kinds]
    below.legend(lines, [name for name, _ in kinds], loc="lower right", framealpha=1, edgecolor="white")
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)


def moving(values: Sequence[float]) -> list[float]:
    """Geometric mean of each value and those beside it."""
    return [statistics.geometric_mean(values[max(0, n - BESIDE) : n + BESIDE + 1]) for n in range(len(values))]


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was reached, and draw the picture if asked for."""
    parser = argparse.ArgumentParser(description="A small training whose losses are given shares of influence.")
    parser.add_argument("--output", type=Path, metavar="FILE", help="picture to write: .png, .pdf or .svg")
    parser.add_argument("--half-life", type=float, default=100, metavar="BATCHES", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="a few steps on a few flows, to see that it runs")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # so small a network gains nothing by more
    seen = run(QUICK if args.quick else SMALL, args.half_life)
    print(report(seen))
    if args.output is not None:
        draw(args.output, seen)
        print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
