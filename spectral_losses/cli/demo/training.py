"""One training on next-step prediction, with a fixed loss or with one that a scheduler moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from spectral_losses.cli.demo.data import Data
from spectral_losses.cli.demo.operator import FourierOperator
from spectral_losses.cli.demo.setting import Setting
from spectral_losses.composite import CompositeLoss
from spectral_losses.evaluation import evaluate
from spectral_losses.scheduler import Decision, LossScheduler, SchedulerConfig

__all__ = ["Run", "batches", "new_model", "step", "train"]

COMPONENTS = ("field_error", "spectrum_error")


class Run(NamedTuple):
    """A training that is over.

    Attributes
    ----------
    model : FourierOperator
    weights : list of dict
        With which each epoch was trained.
    metrics : list of dict
        Both errors of the validation after each epoch.
    first_losses : list of float
        Totals of the first steps.
    decisions : tuple of Decision
        Of the scheduler, one an epoch; none without one.
    steps : int
    seconds : float
        Of training and validation.
    """

    model: FourierOperator
    weights: list[dict[str, float]]
    metrics: list[dict[str, float]]
    first_losses: list[float]
    decisions: tuple[Decision, ...]
    steps: int
    seconds: float


def train(
    data: Data, setting: Setting, seed: int, scheduler: SchedulerConfig | None, advance: Callable[[int], object]
) -> Run:
    """Train a new network.

    Parameters
    ----------
    data : Data
    setting : Setting
    seed : int
        Of the network's first weights and of the order of the data: the same seed, the same both.
    scheduler : SchedulerConfig or None
        None trains with field error alone.
    advance : callable
        Called with the number of steps just done.
    """
    model = new_model(setting, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.learning_rate)
    per_epoch = len(range(0, _pairs(data.training)[0].shape[0], setting.batch))
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, per_epoch * setting.epochs)
    loss = CompositeLoss({name: name for name in COMPONENTS}, {"field_error": 1.0})
    mover = None if scheduler is None else LossScheduler(scheduler)
    order = torch.Generator().manual_seed(seed)
    weights: list[dict[str, float]] = []
    metrics: list[dict[str, float]] = []
    first_losses: list[float] = []
    started = time.perf_counter()
    for epoch in range(setting.epochs):
        if mover is not None:
            loss.set_weights(mover)
        weights.append(loss.weights)
        for now, following in batches(data.training, setting.batch, order):
            total = step(model, optimizer, loss, now, following)
            rate.step()
            if len(first_losses) < 3:
                first_losses.append(float(total))
            advance(1)
        metrics.append(_validate(model, data.validation))
        if mover is not None:
            mover.step(metrics[-1], epoch)
    seconds = time.perf_counter() - started
    decisions = () if mover is None else mover.history
    return Run(model, weights, metrics, first_losses, decisions, per_epoch * setting.epochs, seconds)


def new_model(setting: Setting, seed: int) -> FourierOperator:
    """A network with weights that follow from the seed; the generator of the process stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FourierOperator(setting.width, setting.modes, setting.layers)


def batches(trajectories: Tensor, size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of a frame and the next one, shuffled: one epoch."""
    now, following = _pairs(trajectories)
    for chosen in torch.split(torch.randperm(now.shape[0], generator=order), size):
        yield now[chosen], following[chosen]


def step(
    model: FourierOperator, optimizer: torch.optim.Optimizer, loss: CompositeLoss, now: Tensor, following: Tensor
) -> Tensor:
    """One step of the optimizer; returns the total loss."""
    optimizer.zero_grad()
    total: Tensor = loss(model(now), following)[0]
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return total.detach()


def _pairs(trajectories: Tensor) -> tuple[Tensor, Tensor]:
    return trajectories[:, :-1].flatten(0, 1), trajectories[:, 1:].flatten(0, 1)


def _validate(model: FourierOperator, trajectories: Tensor) -> dict[str, float]:
    now, following = _pairs(trajectories)
    with torch.no_grad():
        return evaluate(model(now), following)
