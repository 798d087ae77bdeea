"""The stacks of fields that are measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

RAISED = str.maketrans("23", "²³")


@dataclass(frozen=True)
class Case:
    """A stack of ``batch`` fields on ``grid``; ``compiled`` where torch.compile is measured as well (it takes long)."""

    batch: int
    grid: tuple[int, ...]
    compiled: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stack."""
        return (self.batch, *self.grid)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of space: all but the first."""
        return tuple(range(-len(self.grid), 0))

    @property
    def label(self) -> str:
        """24 x 256², or 1 x 32 x 48 where the sides differ."""
        if len(set(self.grid)) == 1 and len(self.grid) in (2, 3):
            return f"{self.batch} x {self.grid[0]}{str(len(self.grid)).translate(RAISED)}"
        return " x ".join(map(str, self.shape))

    def problem(self, backward: bool = False, device: str = "cpu", dtype: str = "float32") -> Problem:
        """White noise for prediction and target, the same for all candidates."""
        rng = np.random.default_rng(0)
        x, y = (rng.standard_normal(self.shape, dtype=np.float32) for _ in range(2))
        return Problem(self, x, y, backward, device, dtype)


@dataclass(frozen=True)
class Problem:
    """What a candidate is given: two float32 stacks, and how to work on them."""

    case: Case
    x: Any = field(repr=False)
    y: Any = field(repr=False)
    backward: bool = False
    device: str = "cpu"
    dtype: str = "float32"


FULL = [
    Case(1, (64, 64)),
    Case(24, (64, 64), compiled=True),
    Case(64, (64, 64)),
    Case(24, (128, 128), compiled=True),
    Case(1, (256, 256)),
    Case(24, (256, 256), compiled=True),
    Case(8, (512, 512)),
    Case(1, (1024, 1024)),
    Case(4, (1024, 1024)),
    Case(1, (64, 64, 64)),
    Case(4, (64, 64, 64), compiled=True),
    Case(1, (128, 128, 128)),
]
QUICK = [Case(8, (64, 64), compiled=True), Case(1, (32, 32, 32))]
