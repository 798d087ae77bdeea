"""One training: the same first weights, frames, order, steps and learning rates for all arms of a seed."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .arms import Arm, metrics_of
from .flows import Data
from .setting import LOOKS, Setting

__all__ = ["Trained", "train"]


class Trained(NamedTuple):
    """How a training went."""

    step_seconds: float
    """Of the processor, the median of all steps."""
    weights: dict[str, float]
    """Those of the end."""
    looks: list[dict[str, float]]
    """Validations, where anything looks at them."""


def train(network: nn.Module, arm: Arm, data: Data, setting: Setting, seed: int) -> Trained:
    """Train a network to predict the next frame, or as many as the arm unrolls.

    An arm that unrolls has batches of as many predicted frames as the others, and so of fewer trajectories.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=setting.rate)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    order = torch.Generator().manual_seed(seed)
    windows = data.training.unfold(1, arm.unrolled + 1, 1).movedim(-1, 2).flatten(0, 1)  # (windows, frames, 1, *grid)
    size, every = -(-setting.batch // arm.unrolled), max(1, setting.steps // LOOKS)
    seconds, looks = [], []
    for step in range(setting.steps):
        chosen = torch.randint(len(windows), (size,), generator=order)
        started = time.process_time()
        arm.begin(step / setting.steps)
        total = unrolled_loss(network, arm, windows[chosen])
        optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        rate.step()
        seconds.append(time.process_time() - started)
        if arm.looks and (step + 1) % every == 0:
            looks.append(validation(network, data.validation, setting))
            arm.look(looks[-1], len(looks) - 1)
    return Trained(statistics.median(seconds), arm.weights, looks)


def unrolled_loss(network: nn.Module, arm: Arm, frames: Tensor) -> Tensor:
    """The mean over leads: each is compared, and pooled, by itself."""
    now, total = frames[:, 0], torch.zeros(())
    for lead in range(1, frames.shape[1]):
        now = network(now)
        total = total + arm(now, frames[:, lead])
    return total / (frames.shape[1] - 1)


def validation(network: nn.Module, frames: Tensor, setting: Setting) -> dict[str, float]:
    """One step ahead."""
    with torch.no_grad():
        prediction = network(frames[:, :-1].flatten(0, 1))
    return metrics_of(prediction, frames[:, 1:].flatten(0, 1), setting)
