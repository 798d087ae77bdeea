"""The metric as it is watched: what an observation counts for, and whether it is an improvement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from spectral_losses.messages import is_real_scalar
from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.state import SchedulerState


def warm_until(c: Settings, state: SchedulerState) -> int:
    """The first epoch of this stage that counts."""
    return state.started + c.warmup


def observe(c: Settings, state: SchedulerState, value: float) -> tuple[SchedulerState, bool]:
    """The state after a finite value that came after the warm-up, and whether that value is an improvement."""
    tracked = value
    if c.averaged and state.tracked is not None:
        tracked = c.ema_beta * state.tracked + (1 - c.ema_beta) * value
        # Rounding could put the average outside the two values that it lies between: a constant metric must not move
        # it, and values near the largest float must not make it infinite.
        tracked = min(max(tracked, min(state.tracked, value)), max(state.tracked, value))
    improved = state.best is None or better(c, tracked, state.best)
    state = state._replace(
        seen=state.epoch,
        tracked=tracked,
        best=tracked if improved else state.best,
        stale=0 if improved else state.stale + (not state.cooldown),
        consecutive=0 if improved else state.consecutive,
        cooldown=max(0, state.cooldown - 1),
    )
    return state, improved


def better(c: Settings, value: float, than: float) -> bool:
    """Whether a value is better than another by more than ``min_delta``."""
    return value < than - _margin(c, than) if c.mode == "min" else value > than + _margin(c, than)


def worse(c: Settings, value: float, than: float) -> bool:
    """Whether a value is worse than another by more than ``min_delta``."""
    return value > than + _margin(c, than) if c.mode == "min" else value < than - _margin(c, than)


def _margin(c: Settings, than: float) -> float:
    if c.trigger == "auto":  # which judges by itself
        return 0.0
    return c.min_delta * abs(than) if c.min_delta_mode == "relative" else c.min_delta


def monitored(stages: Sequence[Settings], metrics: Mapping[str, Any]) -> float | None:
    """The metric that the first stage monitors, as a float; None where it is missing and that is no error."""
    for c in stages:  # later ones too: a mistyped name must show at the first call, not when that stage begins
        for name in c.metrics if c.missing == "raise" else ():
            if metrics.get(name) is None:
                passed = ", ".join(repr(each) for each in metrics) or "none"
                raise KeyError(f"monitored metric {name!r} is missing, got {passed} (missing='hold' waits for it)")
    return number(stages[0].monitor, metrics) if stages[0].needs_metric else None


def number(name: str | None, metrics: Mapping[str, Any]) -> float | None:
    """A metric as a float; None where it is missing."""
    value = None if name is None else metrics.get(name)
    if value is None:
        return None
    try:
        if not is_real_scalar(value):
            raise TypeError
        # PyTorch warns where a number is made of a tensor that requires a gradient.
        return float(value.detach() if hasattr(value, "detach") else value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"metric {name!r} must be a number, got {value!r}") from None
