"""The sizes of the demo: of the flow, the network, the training and the scheduler."""

from __future__ import annotations

from typing import NamedTuple

from spectral_losses.scheduler import SchedulerConfig

__all__ = ["FULL", "QUICK", "Setting"]


class Setting(NamedTuple):
    """All that the demo is run with, but for its seed.

    Attributes
    ----------
    solver_grid, grid : int
        Points along each side: of the solver, and of the truncated fields that the network sees.
    viscosity : float
    first, interval : float
        Time of the first frame, when small scales have developed, and between two frames.
    frames : int
        In each trajectory.
    training, validation, test : int
        How many trajectories.
    width, modes, layers : int
        Of the network: channels, wavenumbers kept along each axis, blocks.
    batch, epochs : int
    learning_rate : float
    short, long : int
        Steps of the rollout after which it is judged.
    timed : int
        Steps to measure the time of, with each loss, after the training.
    scheduler : SchedulerConfig
    """

    solver_grid: int
    grid: int
    viscosity: float
    first: float
    interval: float
    frames: int
    training: int
    validation: int
    test: int
    width: int
    modes: int
    layers: int
    batch: int
    epochs: int
    learning_rate: float
    short: int
    long: int
    timed: int
    scheduler: SchedulerConfig


# For so few epochs: a short warm-up, one epoch's patience, no average, equal steps; and improvements that are relative,
# for the default of 0.001 is as large as the error itself.
SCHEDULER = SchedulerConfig(
    monitor="spectrum_error",
    warmup_epochs=3,
    patience=1,
    min_delta=0.1,
    use_ema=False,
    transition_step=0.2,
    adaptive_step=False,
)


FULL = Setting(
    solver_grid=80,
    grid=48,
    viscosity=1.5e-3,
    first=1.0,
    interval=0.25,
    frames=17,
    training=24,
    validation=3,
    test=6,
    width=16,
    modes=12,
    layers=4,
    batch=8,
    epochs=20,
    learning_rate=5e-3,
    short=4,
    long=16,
    timed=40,
    scheduler=SCHEDULER,
)

QUICK = FULL._replace(
    solver_grid=48,
    grid=32,
    viscosity=4e-3,
    frames=9,
    training=10,
    validation=2,
    test=3,
    width=8,
    modes=8,
    layers=3,
    epochs=12,
    short=2,
    long=8,
    timed=20,
)
