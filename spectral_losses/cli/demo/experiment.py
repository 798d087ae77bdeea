"""The whole demo: data, trainings, forecasts of unseen trajectories, and the time of a step."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch

from spectral_losses.cli.demo.data import Data, make_data, pairs
from spectral_losses.cli.demo.judging import Measured, ahead, measured, roll_out
from spectral_losses.cli.demo.recipes import RECIPES
from spectral_losses.cli.demo.setting import Setting
from spectral_losses.cli.demo.training import Run, new_model, step, train

__all__ = ["Outcome", "run_demo"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]


class Outcome(NamedTuple):
    """What the demo found; dictionaries are by the key of the recipe.

    Attributes
    ----------
    name : str
        Of the flow.
    setting : Setting
    seed : int
    data : Data
    simulated : float
        Seconds that the simulation took.
    runs : dict of str to Run
    forecasts : dict of int to dict of str to Measured
        By the number of steps ahead.
    rollouts : dict of str to Measured
        Of the second half of long rollouts; empty where there are none.
    step_seconds : dict of str to float
        Of the fastest training step.
    """

    name: str
    setting: Setting
    seed: int
    data: Data
    simulated: float
    runs: dict[str, Run]
    forecasts: dict[int, dict[str, Measured]]
    rollouts: dict[str, Measured]
    step_seconds: dict[str, float]


def run_demo(name: str, setting: Setting, seed: int, progress: Progress) -> Outcome:
    """Run it all; `progress` shows a bar, as `spectral_losses.cli.ui.progress.progress` does.

    PyTorch gets one thread: fields are so small that several wait for each other more than they help, above all
    where others use the cores too, and the numbers do not depend on how many there are.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run(name, setting, seed, progress)
    finally:
        torch.set_num_threads(threads)


def _run(name: str, setting: Setting, seed: int, progress: Progress) -> Outcome:
    started = time.perf_counter()
    with progress("simulating", setting.training + setting.validation + setting.test) as advance:
        data = make_data(setting, seed, advance)
    simulated = time.perf_counter() - started
    runs = {}
    for recipe in RECIPES:
        with progress(f"training, {recipe.name}", setting.steps) as advance:
            runs[recipe.key] = train(data, setting, seed, recipe, advance)
    models = {key: run.model for key, run in runs.items()}
    forecasts = {
        lead: {key: measured(*ahead(model, data.test, lead)) for key, model in models.items()} for lead in setting.leads
    }
    rollouts = {}
    if setting.long:
        rollouts = {key: measured(*roll_out(model, data.test, setting.long)) for key, model in models.items()}
    return Outcome(name, setting, seed, data, simulated, runs, forecasts, rollouts, time_steps(data, setting, seed))


def time_steps(data: Data, setting: Setting, seed: int) -> dict[str, float]:
    """Shortest seconds of a training step, with both losses wherever there are two.

    Measured in turns, on networks of their own, many times: what else the machine does can only add to a step.
    Trainings that follow one another do not say as much.
    """
    losses = [recipe.make(setting) for recipe in RECIPES]
    for loss in losses[1:]:
        loss.loss.set_weights({"log_spectral_distance": setting.weight})
    models = [new_model(setting, seed) for _ in losses]
    optimizers = [torch.optim.Adam(model.parameters(), lr=setting.learning_rate) for model in models]
    now, following = (x[: setting.batch] for x in pairs(data.training))
    seconds: list[list[float]] = [[] for _ in losses]
    for turn in range(setting.timed + 2):
        for model, optimizer, loss, taken in zip(models, optimizers, losses, seconds, strict=True):
            started = time.perf_counter()
            step(model, optimizer, loss, now, following)
            if turn >= 2:  # the first ones make tables and memory that stay
                taken.append(time.perf_counter() - started)
    return {recipe.key: min(taken) for recipe, taken in zip(RECIPES, seconds, strict=True)}
