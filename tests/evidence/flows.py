"""Frames of each flow: to train with, to validate with, and unseen ones to judge by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spectral_losses.cli.demo import chaos
from spectral_losses.cli.demo.turbulence import Flow, kolmogorov_forcing, resample, simulate

from .examples import one_mode_per_shell as ks
from .setting import FLOWS, QUICK, Setting

__all__ = ["Data", "data_of"]

TRAINING, VALIDATION, UNSEEN = 100, 150, 200
"""Seeds of the flows: the same for all seeds of networks."""
VISCOSITY, BURGERS_STEP, DEVELOPED = 0.5, 0.05, 4.0
"""Of Burgers' equation, its time step, and the time of its first frame, when fronts have formed."""
SPIN_UP, DRAG, FORCED_AT, FORCED_VISCOSITY = 20.0, 0.1, 4, 2e-3
"""Of the Kolmogorov flow."""
DECAYING_VISCOSITY, DEVELOPED_EDDIES = 1.5e-3, 1.0
"""Of decaying turbulence, and the time of its first frame, when small scales have developed."""


class Data(NamedTuple):
    """Each ``(trajectories, frames, 1, *grid)``, single precision."""

    training: Tensor
    validation: Tensor
    unseen: Tensor


@lru_cache(maxsize=2)
def data_of(flow: str, quick: bool = False, kept: Path | None = None) -> Data:
    """Simulate, or read what a former call left in a directory."""
    setting = (QUICK if quick else FLOWS)[flow]
    file = None if kept is None else kept / f"{setting.flow}-{_name(setting)}.npz"
    if file is not None and file.exists():
        with np.load(file) as stored:
            return Data(*(torch.from_numpy(stored[part]) for part in Data._fields))
    data = SOLVERS[setting.flow](setting)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **{part: each.numpy() for part, each in data._asdict().items()})
    return data


def _name(setting: Setting) -> str:
    """Of all that the frames depend on."""
    what = (setting.interval, setting.training, setting.validation, setting.unseen, setting.seen, setting.solved)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:12]


def _kuramoto_sivashinsky(setting: Setting) -> Data:
    """As the example has it."""
    parts = (setting.training, setting.validation, setting.unseen)

    def part(size: tuple[int, int], seed: int) -> Tensor:
        number, count = size
        frames: Tensor = ks.flows(number, ks.Setting(spacing=setting.interval, frames=count), seed=seed)
        return frames[:, :, None]

    return Data(*(part(size, seed) for size, seed in zip(parts, (TRAINING, VALIDATION, UNSEEN), strict=True)))


def _burgers(setting: Setting) -> Data:
    """``u_t = -u u_x + viscosity u_xx`` from eight random waves, with the example's steps."""
    k = 2 * np.pi / chaos.LENGTH * np.arange(chaos.FINE // 2 + 1)
    shorter = BURGERS_STEP / chaos.TIME_STEP  # the example's steps have a fixed length: slow the equation down instead
    advance = chaos.stepper(-shorter * VISCOSITY * k**2, -0.5j * shorter * k)
    x = chaos.LENGTH * np.arange(chaos.FINE) / chaos.FINE

    def part(size: tuple[int, int], seed: int) -> Tensor:
        (number, count), rng = size, np.random.default_rng(seed)
        u = np.zeros((number, chaos.FINE))
        for m in range(1, 9):
            amplitude, phase = rng.normal(size=(number, 1)), rng.uniform(0, 2 * np.pi, (number, 1))
            u += amplitude * np.cos(2 * np.pi * m * x / chaos.LENGTH + phase)
        v = np.fft.rfft(u / np.sqrt(np.mean(u**2, axis=-1, keepdims=True)))
        v = _advanced(v, advance, round(DEVELOPED / BURGERS_STEP))
        frames = []
        for _ in range(count):
            frames.append(np.fft.irfft(v, chaos.FINE)[:, :: chaos.FINE // setting.seen])
            v = _advanced(v, advance, round(setting.interval / BURGERS_STEP))
        return torch.from_numpy(np.stack(frames, axis=1)[:, :, None]).float()

    parts = (setting.training, setting.validation, setting.unseen)
    return Data(*(part(size, seed) for size, seed in zip(parts, (TRAINING, VALIDATION, UNSEEN), strict=True)))


def _advanced(v: NDArray[np.complex128], advance: Callable[..., NDArray[np.complex128]], steps: int) -> NDArray[Any]:
    for _ in range(steps):
        v = advance(v)
    return v


def _decaying(setting: Setting) -> Data:
    """Each trajectory from a random vorticity of its own, in units of the training's root mean square."""
    viscosity = DECAYING_VISCOSITY if setting.solved > 48 else 4e-3

    def one(times: NDArray[np.float64], seed: int) -> Flow:
        return simulate(setting.solved, DEVELOPED_EDDIES + times, viscosity=viscosity, seed=seed)

    return _two_dimensional(setting, one)


def _kolmogorov(setting: Setting) -> Data:
    """Each trajectory from a random start of its own, after it has forgotten it; in units of the training's rms."""
    forcing = kolmogorov_forcing(setting.solved, wavenumber=FORCED_AT)
    spin_up = SPIN_UP if setting.solved > 48 else 2.0

    def one(times: NDArray[np.float64], seed: int) -> Flow:
        times = spin_up + times
        return simulate(setting.solved, times, viscosity=FORCED_VISCOSITY, drag=DRAG, forcing=forcing, seed=seed)

    return _two_dimensional(setting, one)


def _two_dimensional(setting: Setting, solve: Callable[[NDArray[np.float64], int], Flow]) -> Data:
    """What is cut off acts on what is left: the next frame does not follow from the last alone."""

    def part(size: tuple[int, int], first: int) -> NDArray[np.float64]:
        times = setting.interval * np.arange(size[1], dtype=np.float64)
        flows = (solve(times, first + each) for each in range(size[0]))
        return np.stack([resample(flow.vorticity, setting.seen) for flow in flows])[:, :, None]

    sizes = zip((setting.training, setting.validation, setting.unseen), (TRAINING, VALIDATION, UNSEEN), strict=True)
    parts = [part(size, seed) for size, seed in sizes]
    unit = float(np.sqrt(np.mean(parts[0] ** 2)))
    return Data(*(torch.from_numpy((each / unit).astype(np.float32)) for each in parts))


SOLVERS: dict[str, Callable[[Setting], Data]] = {
    "ks-12": _kuramoto_sivashinsky,
    "ks-1": _kuramoto_sivashinsky,
    "decaying": _decaying,
    "kolmogorov": _kolmogorov,
    "burgers": _burgers,
}
