"""The five flows, and how much is simulated, trained and judged on each."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FLOWS", "LOOKS", "QUICK", "Setting"]

LOOKS = 50
"""Validations in a training, evenly spread: what schedulers and controllers see."""


class Setting(NamedTuple):
    """One flow and the trainings on it."""

    flow: str
    title: str
    interval: float
    """Time between frames."""
    training: tuple[int, int]
    """Trajectories, and frames of each."""
    validation: tuple[int, int]
    unseen: tuple[int, int]
    leads: tuple[int, ...]
    """Steps of a rollout after which fields are compared."""
    start_every: int
    """Rollouts start from every so many-th unseen frame."""
    rollout: int
    """Steps of a long rollout."""
    steady: bool
    """Whether the flow has statistics that stay, so that long rollouts can be judged by them."""
    goal: float
    """Of the controller, for the pooled log spectral distance; from the pilots."""
    steps: int
    batch: int
    rate: float
    width: dict[str, int]
    """Channels of the first layer, by network."""
    modes: int
    layers: int
    seen: int
    """Points along each side that networks see."""
    solved: int

    @property
    def dimensions(self) -> int:
        """Of space."""
        return 1 if self.flow in ("ks-12", "ks-1", "burgers") else 2

    @property
    def bands(self) -> tuple[range, range, range]:
        """Low, middle and high wavenumbers: thirds of those that the grid resolves."""
        top = self.seen // 2
        cuts = [round(top * third / 3) for third in range(4)]
        return range(1, cuts[1]), range(cuts[1], cuts[2]), range(cuts[2], top)


KS = Setting(
    flow="ks-12",
    title="Kuramoto-Sivashinsky, frames 12 apart",
    interval=12.0,
    training=(64, 65),
    validation=(4, 65),
    unseen=(8, 65),
    leads=(1, 2),
    start_every=16,
    rollout=200,
    steady=True,
    goal=1.0,
    steps=2000,
    batch=32,
    rate=3e-3,
    width={"fno": 24, "unet": 16},
    modes=16,
    layers=4,
    seen=64,
    solved=192,
)
TURBULENCE = Setting(
    flow="decaying",
    title="Decaying 2-D turbulence",
    interval=0.25,
    training=(24, 17),
    validation=(3, 17),
    unseen=(6, 17),
    leads=(1, 4, 8),
    start_every=4,
    rollout=16,
    steady=False,
    goal=0.7,
    steps=960,
    batch=8,
    rate=5e-3,
    width={"fno": 12, "unet": 8},
    modes=12,
    layers=3,
    seen=48,
    solved=80,
)
FLOWS = {
    each.flow: each
    for each in (
        KS,
        KS._replace(
            flow="ks-1",
            title="Kuramoto-Sivashinsky, frames 1 apart",
            interval=1.0,
            unseen=(8, 129),
            leads=(1, 8, 32),
            goal=0.009,
        ),
        TURBULENCE,
        TURBULENCE._replace(
            flow="kolmogorov",
            title="Forced Kolmogorov flow",
            training=(8, 129),
            validation=(2, 33),
            unseen=(4, 81),
            leads=(1, 4, 8),
            start_every=20,
            rollout=200,
            steady=True,
            goal=0.9,
            solved=96,
        ),
        KS._replace(
            flow="burgers",
            title="Viscous Burgers",
            interval=1.0,
            training=(64, 31),
            validation=(4, 31),
            unseen=(8, 31),
            leads=(1, 4, 16),
            start_every=8,
            rollout=24,
            steady=False,
            goal=0.003,
            steps=800,
        ),
    )
}


def quick(full: Setting) -> Setting:
    """The same in seconds, to see that it runs."""
    small = dict.fromkeys(full.width, 8 if full.dimensions == 1 else 4)
    frames = 13
    return full._replace(
        training=(4, frames),
        validation=(2, 5),
        unseen=(2, frames),
        leads=(1, 2),
        start_every=4,
        rollout=min(full.rollout, 8),
        steps=6,
        batch=6,
        width=small,
        modes=4,
        layers=1,
        seen=full.seen if full.dimensions == 1 else 16,
        solved=full.solved if full.dimensions == 1 else 32,
    )


QUICK = {name: quick(full) for name, full in FLOWS.items()}
