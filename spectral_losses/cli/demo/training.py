"""One training on next-step prediction, with a fixed loss or with weights that move."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from spectral_losses.cli.demo.data import Data, pairs
from spectral_losses.cli.demo.operator import FourierOperator
from spectral_losses.cli.demo.recipes import Alone, Recipe, options
from spectral_losses.cli.demo.setting import Setting
from spectral_losses.evaluation import evaluate
from spectral_losses.scheduler import Decision

__all__ = ["Look", "Run", "new_model", "step", "train"]


class Look(NamedTuple):
    """A validation in a training.

    Attributes
    ----------
    step : int
        How many steps were done.
    weights : dict of str to float
        With which the training went on.
    metrics : dict of str to float
        Field error and pooled log spectral distance.
    decision : Decision or None
        Of the scheduler, where there is one.
    """

    step: int
    weights: dict[str, float]
    metrics: dict[str, float]
    decision: Decision | None


class Run(NamedTuple):
    """A training that is over.

    Attributes
    ----------
    model : FourierOperator
    looks : list of Look
    first_losses : list of float
        Totals of the first steps.
    seconds : float
        Of training and validation.
    """

    model: FourierOperator
    looks: list[Look]
    first_losses: list[float]
    seconds: float


def train(data: Data, setting: Setting, seed: int, recipe: Recipe, advance: Callable[[int], object]) -> Run:
    """Train a new network.

    Parameters
    ----------
    data : Data
    setting : Setting
    seed : int
        Of the network's first weights and of the order of the data: the same seed, the same both.
    recipe : Recipe
    advance : callable
        Called with the number of steps just done.
    """
    model = new_model(setting, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.learning_rate)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    loss = recipe.make(setting)
    order = torch.Generator().manual_seed(seed)
    now, following = pairs(data.training)
    looks: list[Look] = []
    first_losses: list[float] = []
    started = time.perf_counter()
    for number in range(1, setting.steps + 1):
        chosen = torch.randint(len(now), (setting.batch,), generator=order)
        total = step(model, optimizer, loss, now[chosen], following[chosen])
        rate.step()
        if number <= 3:
            first_losses.append(float(total))
        if number % (setting.steps // setting.looks) == 0:
            metrics = validate(model, data.validation, setting)
            decision = loss.look(metrics)
            looks.append(Look(number, loss.weights, metrics, decision))
        advance(1)
    return Run(model, looks, first_losses, time.perf_counter() - started)


def new_model(setting: Setting, seed: int) -> FourierOperator:
    """A network with weights that follow from the seed; the generator of the process stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dimensions = len(setting.flow.grid)
        return FourierOperator(dimensions, setting.width, setting.modes, setting.layers, change=setting.change)


def step(
    model: FourierOperator, optimizer: torch.optim.Optimizer, loss: Alone, now: Tensor, following: Tensor
) -> Tensor:
    """One step of the optimizer; returns the total loss."""
    optimizer.zero_grad()
    total = loss(model(now), following)
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return total.detach()


def validate(model: FourierOperator, trajectories: Tensor, setting: Setting) -> dict[str, float]:
    """Field error and pooled log spectral distance, one step ahead."""
    now, following = pairs(trajectories)
    with torch.no_grad():
        prediction = model(now)
    given = options(setting)
    return {
        **evaluate(prediction, following, losses=["field_error"], **given),
        **evaluate(prediction, following, losses=["log_spectral_distance"], pool="frames", **given),
    }
