"""The flows of the demo: what is simulated, and how to speak of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.demo import chaos, turbulence

__all__ = ["DecayingTurbulence", "Flow", "KuramotoSivashinsky"]

WORKERS = 2  # the transforms of two flows at a time: they release the interpreter
Advance = Callable[[int], object]


class Flow(Protocol):
    """A periodic flow of one variable on a line or a square."""

    @property
    def title(self) -> str:
        """What it is, and how it is seen, in a few words."""

    @property
    def variable(self) -> str:
        """What is predicted."""

    @property
    def grid(self) -> tuple[int, ...]:
        """Points along each axis."""

    @property
    def spacing(self) -> float:
        """Time between frames."""

    def simulate(self, number: int, frames: int, seed: int, advance: Advance) -> NDArray[np.float64]:
        """Trajectories, (number, frames, *grid); `advance` is called with how many are done."""


class KuramotoSivashinsky(NamedTuple):
    """Chaos in one dimension, with frames so far apart that small scales of the next hardly follow from the last."""

    spacing: float = 12.0

    @property
    def title(self) -> str:
        """What it is, and how it is seen, in a few words."""
        points = f"length {chaos.LENGTH:g}, solved on {chaos.FINE} points, seen on {chaos.SEEN}"
        return f"Kuramoto-Sivashinsky equation, {points}, frames {self.spacing:g} time units apart"

    @property
    def variable(self) -> str:
        """What is predicted."""
        return "u"

    @property
    def grid(self) -> tuple[int, ...]:
        """Points along each axis."""
        return (chaos.SEEN,)

    def simulate(self, number: int, frames: int, seed: int, advance: Advance) -> NDArray[np.float64]:
        """Trajectories, (number, frames, points)."""
        found = chaos.simulate(number, frames, self.spacing, seed)
        advance(number)
        return found


class DecayingTurbulence(NamedTuple):
    """Vorticity that is solved on a finer grid than the network sees: what is cut off acts on what is left."""

    solver_grid: int
    points: int
    viscosity: float
    first: float = 1.0
    """Time of the first frame, when small scales have developed."""
    spacing: float = 0.25

    @property
    def title(self) -> str:
        """What it is, and how it is seen, in a few words."""
        grids = f"solved on {self.solver_grid} x {self.solver_grid}, seen on {self.points} x {self.points}"
        return (
            f"decaying 2-D turbulence, viscosity {self.viscosity:g}, {grids}, frames {self.spacing:g} time units apart"
        )

    @property
    def variable(self) -> str:
        """What is predicted."""
        return "vorticity"

    @property
    def grid(self) -> tuple[int, ...]:
        """Points along each axis."""
        return (self.points, self.points)

    def simulate(self, number: int, frames: int, seed: int, advance: Advance) -> NDArray[np.float64]:
        """Trajectories, (number, frames, points, points)."""
        times = self.first + self.spacing * np.arange(frames)
        seeds = [int(each) for each in np.random.SeedSequence(seed).generate_state(number)]

        def trajectory(own: int) -> NDArray[np.float64]:
            flow = turbulence.simulate(self.solver_grid, times, viscosity=self.viscosity, seed=own)
            return turbulence.resample(flow.vorticity, self.points)

        found = []
        pool = ThreadPoolExecutor(WORKERS)
        try:
            for field in pool.map(trajectory, seeds):
                found.append(field)
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)  # after an interrupt, do not solve the others first
        return np.stack(found)
