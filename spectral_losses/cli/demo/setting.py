"""The sizes of the demo: of the data, the network and the training, for each flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from spectral_losses.cli.demo.flows import DecayingTurbulence, Flow, KuramotoSivashinsky

__all__ = ["FLOWS", "Setting"]


class Setting(NamedTuple):
    """All that the demo is run with, but for its seed.

    Attributes
    ----------
    flow : Flow
    frames : int
        In each trajectory.
    training, validation, test : int
        How many trajectories.
    width, modes, layers : int
        Of the network: channels, wavenumbers kept along each axis, blocks.
    change : bool
        Whether the network predicts the change from one frame to the next, or the next frame.
    batch, steps : int
    learning_rate : float
    looks : int
        Validations in a training.
    weight : float
        Which the scheduler moves to.
    share : float
        Of the log spectral distance, where that of the field error is 1.
    leads : pair of int
        Steps ahead at which forecasts are judged: where fields are still comparable.
    long : int
        Steps of a rollout of which the second half is judged by its mean spectrum; 0 where there is none.
    timed : int
        Steps to measure the time of, with each loss, after the training.
    """

    flow: Flow
    frames: int
    training: int
    validation: int
    test: int
    width: int
    modes: int
    layers: int
    change: bool
    batch: int
    steps: int
    learning_rate: float
    looks: int
    weight: float
    share: float
    leads: tuple[int, int]
    long: int
    timed: int


CHAOS = Setting(
    flow=KuramotoSivashinsky(),
    frames=65,
    training=64,
    validation=4,
    test=16,
    width=24,
    modes=16,
    layers=4,
    change=False,
    batch=64,
    steps=1000,
    learning_rate=3e-3,
    looks=50,
    weight=0.01,
    share=0.1,
    leads=(1, 2),
    long=64,
    timed=100,
)

TURBULENCE = Setting(
    flow=DecayingTurbulence(solver_grid=80, points=48, viscosity=1.5e-3),
    frames=9,
    training=40,
    validation=4,
    test=12,
    width=16,
    modes=12,
    layers=4,
    change=True,
    batch=8,
    steps=700,
    learning_rate=5e-3,
    looks=35,
    weight=0.003,
    share=0.1,
    leads=(1, 4),
    long=0,
    timed=40,
)

FLOWS: Mapping[str, tuple[Setting, Setting]] = {
    "chaos": (
        CHAOS,
        CHAOS._replace(
            frames=13, training=12, validation=2, test=4, width=8, layers=2, batch=16, steps=60, looks=20, long=12,
            timed=5,
        ),
    ),
    "turbulence": (
        TURBULENCE,
        TURBULENCE._replace(
            flow=DecayingTurbulence(solver_grid=48, points=32, viscosity=4e-3),
            frames=6, training=8, validation=2, test=3, width=8, modes=8, layers=2, steps=40, looks=20, timed=5,
        ),
    ),
}  # fmt: skip
"""By name: in full, and a few seconds' worth of it."""
