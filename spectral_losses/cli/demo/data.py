"""Trajectories for training, validation and test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spectral_losses.cli.demo.setting import Setting

__all__ = ["Data", "make_data", "pairs"]


class Data(NamedTuple):
    """Fields in single precision, in units of the training trajectories' root mean square.

    Attributes
    ----------
    unit : float
        What a 1 stands for.
    training, validation, test : Tensor, shape (trajectories, frames, 1, *grid)
    """

    unit: float
    training: Tensor
    validation: Tensor
    test: Tensor


def make_data(setting: Setting, seed: int, advance: Callable[[int], object]) -> Data:
    """Simulate the flow.

    Parameters
    ----------
    setting : Setting
    seed : int
        Each trajectory starts from a state of its own.
    advance : callable
        Called with the number of trajectories just done.
    """
    counts = [setting.training, setting.validation, setting.test]
    fields = setting.flow.simulate(sum(counts), setting.frames, seed, advance)[:, :, None]
    unit = float(np.sqrt(np.mean(fields[: setting.training] ** 2)))
    return Data(unit, *torch.split(torch.from_numpy((fields / unit).astype(np.float32)), counts))


def pairs(trajectories: Tensor) -> tuple[Tensor, Tensor]:
    """Frames and those that follow them, each (pairs, 1, *grid)."""
    return trajectories[:, :-1].flatten(0, 1), trajectories[:, 1:].flatten(0, 1)
