"""The whole demo: data, two trainings, rollouts on unseen trajectories, and the time of a step."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch

from spectral_losses.cli.demo.data import Data, make_data
from spectral_losses.cli.demo.rollout import Score, roll_out, score
from spectral_losses.cli.demo.setting import Setting
from spectral_losses.cli.demo.training import COMPONENTS, Run, batches, new_model, step, train
from spectral_losses.composite import CompositeLoss

__all__ = ["NAMES", "Outcome", "run_demo"]

NAMES = ("field error alone", "scheduled")
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]


class Outcome(NamedTuple):
    """What the demo found. Pairs are of the training with field error alone and of the scheduled one.

    Attributes
    ----------
    setting : Setting
    seed : int
    data : Data
    simulated : float
        Seconds that the simulation took.
    runs : pair of Run
    rollouts : pair of Tensor
        Of the test trajectories, from their first frames.
    scores : dict of int to pair of Score
        By the number of steps.
    step_seconds : pair of float
        Of the fastest training step: with field error alone, and with both losses.
    """

    setting: Setting
    seed: int
    data: Data
    simulated: float
    runs: tuple[Run, Run]
    rollouts: tuple[torch.Tensor, torch.Tensor]
    scores: dict[int, tuple[Score, Score]]
    step_seconds: tuple[float, float]


def run_demo(setting: Setting, seed: int, progress: Progress) -> Outcome:
    """Run it all; `progress` shows a bar, as `spectral_losses.cli.ui.progress.progress` does.

    PyTorch gets one thread: fields are so small that several wait for each other more than they help, above all
    where others use the cores too, and the numbers do not depend on how many there are.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run(setting, seed, progress)
    finally:
        torch.set_num_threads(threads)


def _run(setting: Setting, seed: int, progress: Progress) -> Outcome:
    started = time.perf_counter()
    with progress("simulating turbulence", setting.training + setting.validation + setting.test) as advance:
        data = make_data(setting, seed, advance)
    simulated = time.perf_counter() - started
    pairs = setting.training * (setting.frames - 1)
    steps = setting.epochs * len(range(0, pairs, setting.batch))
    with progress(f"training, {NAMES[0]}", steps) as advance:
        field = train(data, setting, seed, None, advance)
    with progress(f"training, {NAMES[1]}", steps) as advance:
        scheduled = train(data, setting, seed, setting.scheduler, advance)
    rollouts = roll_out(field.model, data.test), roll_out(scheduled.model, data.test)
    scores = {
        at: (score(rollouts[0][:, at], data.test[:, at]), score(rollouts[1][:, at], data.test[:, at]))
        for at in (setting.short, setting.long)
    }
    return Outcome(
        setting, seed, data, simulated, (field, scheduled), rollouts, scores, time_steps(data, setting, seed)
    )


def time_steps(data: Data, setting: Setting, seed: int) -> tuple[float, float]:
    """Shortest seconds of a training step with field error alone and with both losses.

    Measured in turns, on two networks, many times: what else the machine does can only add to a step. Two trainings
    that follow one another do not say as much.
    """
    weights = {COMPONENTS[0]: 1.0}, dict.fromkeys(COMPONENTS, 0.5)
    losses = [CompositeLoss({name: name for name in COMPONENTS}, each) for each in weights]
    models = [new_model(setting, seed) for _ in losses]
    optimizers = [torch.optim.Adam(model.parameters(), lr=setting.learning_rate) for model in models]
    now, following = next(batches(data.training, setting.batch, torch.Generator().manual_seed(seed)))
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(setting.timed + 2):
        for model, optimizer, loss, taken in zip(models, optimizers, losses, seconds, strict=True):
            started = time.perf_counter()
            step(model, optimizer, loss, now, following)
            if turn >= 2:  # the first ones make tables and memory that stay
                taken.append(time.perf_counter() - started)
    return min(seconds[0]), min(seconds[1])
