"""What callbacks of all frameworks ask of a scheduler; needs none of them."""

from __future__ import annotations

from typing import Any

from spectral_losses.controller import LossController
from spectral_losses.scheduler import LossScheduler


def check_scheduler(scheduler: Any) -> None:
    """Raise a TypeError of what is neither a LossScheduler nor a LossController."""
    if not isinstance(scheduler, LossScheduler | LossController):
        raise TypeError(f"scheduler must be a LossScheduler or a LossController, got {type(scheduler).__name__}")


def refuse_later(scheduler: LossScheduler | LossController, epoch: int, run: str = "fit") -> None:
    """Raise a ValueError of one that has seen later epochs than a run begins with, before one is trained in vain."""
    seen = scheduler.state.epoch
    if seen is not None and epoch < seen:
        raise ValueError(f"scheduler has seen epoch {seen}, and this {run} begins with epoch {epoch}: make a new one")
