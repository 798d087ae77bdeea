"""From observations to a step of lambda: a proportional-integral rule on logarithms.

The velocity form, as in nuPI (Sohrabi et al. 2024): each observation asks for a change of log(lambda), and nothing
else is summed up, so that nothing winds up while lambda is at one of its ends. Steps that multiply are those of GECO
(Rezende and Viola 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from spectral_losses.controller.config import ControllerConfig
from spectral_losses.controller.constraint import ConstraintConfig

FAR = 1e4  # a metric further from its limit than by this factor, 0 among it, counts as if it were there
LONGEST = math.log(4)  # of a step


def averaged(c: ConstraintConfig, before: float | None, value: float) -> float:
    """The moving average of log(metric / limit) after a finite value."""
    now = math.log(min(max(value / c.limit, 1 / FAR), FAR))
    return now if before is None else now + c.smoothing * (before - now)  # of a constant it is that constant


def pull(c: ConstraintConfig, before: float | None, now: float) -> float:
    """The change of log(lambda) that a constraint asks for; at its first observation it knows of no change."""
    integral, proportional = c.gains
    error = _error(c, now)
    asked = integral * error
    if before is not None:
        asked += proportional * (error - _error(c, before))
    return asked if c.of == "target" else -asked


def deciding(config: ControllerConfig, pulls: Sequence[float]) -> int:
    """Which constraint decides: the neediest goal, unless the tightest limit allows less."""
    goals = [i for i, c in enumerate(config.each) if c.of == "target"]
    limits = [i for i, c in enumerate(config.each) if c.of == "source"]
    candidates = [max(goals, key=pulls.__getitem__)] if goals else []
    if limits:
        candidates.append(min(limits, key=pulls.__getitem__))
    return min(candidates, key=pulls.__getitem__)


def moved(config: ControllerConfig, ratio: float, step: float) -> float:
    """Lambda after a step, which is cut where it is too long or leads out of the range."""
    factor = math.exp(min(max(step, -LONGEST), LONGEST))
    return min(max(ratio * factor, config.least), config.most)


def _error(c: ConstraintConfig, average: float) -> float:
    return min(max(average / c.scale, -1.0), 1.0)
