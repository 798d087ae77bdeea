"""Trajectories of decaying turbulence for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from spectral_losses.cli.demo.setting import Setting
from spectral_losses.cli.demo.turbulence import resample, simulate

__all__ = ["Data", "make_data"]

WORKERS = 2  # the transforms of two flows at a time: they release the interpreter


class Data(NamedTuple):
    """Vorticity, single precision, in units of the training trajectories' root mean square.

    Attributes
    ----------
    times : array, shape (frames,)
    unit : float
        What a 1 stands for, in 1 / time.
    training, validation, test : Tensor, shape (trajectories, frames, 1, n, n)
    """

    times: NDArray[np.float64]
    unit: float
    training: torch.Tensor
    validation: torch.Tensor
    test: torch.Tensor


def make_data(setting: Setting, seed: int, advance: Callable[[int], object]) -> Data:
    """Solve the flows on the solver's grid and truncate them to the network's.

    What is cut off acts on what is left, so that the network's next frame does not follow from its last alone, as
    with measurements and with models that are coarser than nature.

    Parameters
    ----------
    setting : Setting
    seed : int
        Each trajectory starts from a random vorticity of its own.
    advance : callable
        Called with the number of trajectories just done.
    """
    times = np.asarray(setting.first + setting.interval * np.arange(setting.frames), np.float64)
    counts = setting.training, setting.validation, setting.test
    seeds = [int(each) for each in np.random.SeedSequence(seed).generate_state(sum(counts))]

    def trajectory(own: int) -> NDArray[np.float64]:
        flow = simulate(setting.solver_grid, times, viscosity=setting.viscosity, seed=own)
        return resample(flow.vorticity, setting.grid)

    fields = []
    pool = ThreadPoolExecutor(WORKERS)
    try:
        for field in pool.map(trajectory, seeds):
            fields.append(field)
            advance(1)
    finally:
        pool.shutdown(cancel_futures=True)  # after an interrupt, do not solve the others first
    vorticity = np.stack(fields)[:, :, None]
    unit = float(np.sqrt(np.mean(vorticity[: setting.training] ** 2)))
    parts = torch.split(torch.from_numpy((vorticity / unit).astype(np.float32)), list(counts))
    return Data(times, unit, *parts)
