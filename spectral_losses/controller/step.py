"""One observation as a pure function of settings and state: `LossController.step` without the object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spectral_losses.controller.config import ControllerConfig
from spectral_losses.controller.constraint import DECIBEL, ConstraintConfig
from spectral_losses.controller.rule import averaged, deciding, moved, pull
from spectral_losses.controller.state import ControllerState, progress, ratio, weights
from spectral_losses.scheduler.monitor import monitored
from spectral_losses.scheduler.state import Decision
from spectral_losses.scheduler.step import checked_epoch


def update(
    config: ControllerConfig,
    state: ControllerState,
    metrics: Mapping[str, Any],
    epoch: int | None = None,
) -> tuple[ControllerState, Decision]:
    """One observation as a pure function: `LossController.step` without the object.

    Parameters
    ----------
    config : ControllerConfig
    state : ControllerState
        ``ControllerState()`` to begin with.
    metrics, epoch
        As in `LossController.step`, which also says what is raised.

    Returns
    -------
    state : ControllerState
    decision : Decision

    Examples
    --------
    >>> from spectral_losses.controller import ConstraintConfig, ControllerConfig, ControllerState, update
    >>> config = ControllerConfig(ConstraintConfig("log_spectral_distance", 1.0))
    >>> state, decision = update(config, ControllerState(), {"log_spectral_distance": 5.0}, epoch=25)
    >>> print(decision)
    epoch 25: raised: average log_spectral_distance 5 is above its goal 1; lambda 0.001 to 0.001492
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must map names to numbers, got {type(metrics).__name__} (step takes metrics, epoch)")
    epoch = checked_epoch(epoch, state.epoch)
    values = [monitored((each,), metrics) for each in config.watched]
    state = state._replace(epoch=epoch)
    finite: list[float] = []
    for c, value in zip(config.each, values, strict=True):
        if value is None:
            return state, _decide(config, state, "missing", f"{c.metric} was not passed")
        finite.append(value)
    for c, value in zip(config.each, finite, strict=True):
        if not math.isfinite(value):
            return state, _decide(config, state, "not finite", f"{c.metric} is {value}", value)
    before = state.averages or (None,) * len(config.each)
    averages = tuple(map(averaged, config.each, before, finite))
    pulls = list(map(pull, config.each, before, averages))
    chosen = deciding(config, pulls)
    old = ratio(config, state)
    new = moved(config, old, pulls[chosen])
    state = ControllerState(epoch, new, averages)
    reason, change = _change(config, old, new, pulls[chosen])
    facts = ", ".join(map(_standing, config.each, before, averages))
    tracked = config.each[chosen].limit * math.exp(averages[chosen])
    return state, _decide(config, state, reason, f"{facts}; lambda {change}", finite[chosen], tracked)


def _decide(
    config: ControllerConfig,
    state: ControllerState,
    reason: str,
    detail: str,
    metric: float | None = None,
    tracked: float | None = None,
) -> Decision:
    adapted = reason in ("raised", "lowered")
    now, hold = weights(config, state), progress(config, state)
    return Decision(adapted, reason, now, hold, state.epoch, detail, metric, tracked)


def _change(config: ControllerConfig, old: float, new: float, step: float) -> tuple[str, str]:
    """The reason, and what a step does to lambda, in words."""
    if new != old:
        return "raised" if new > old else "lowered", f"{old:.4g} to {new:.4g}"
    if step > 0 and new == config.most:
        return "at the bound", f"stays at {new:.4g}, its most"
    if step < 0 and new == config.least:
        return "at the bound", f"stays at {new:.4g}, its least"
    return "resting", f"stays at {new:.4g}"


def _standing(c: ConstraintConfig, before: float | None, average: float) -> str:
    """Where a metric stands and which way it goes, in words."""
    value, limit, unit = c.limit * math.exp(average), c.limit, ""
    if c.unit == "dB":
        value, limit, unit = math.sqrt(value) / DECIBEL, c.at_most, " dB"
    name = f"average {c.metric}" if c.smoothing else c.metric
    side = "above" if average > 0 else "under" if average < 0 else "at"
    what = "goal" if c.of == "target" else "limit"
    course = "" if before is None or before == average else " and rises" if before < average else " and falls"
    return f"{name} {value:.6g}{unit} is {side} its {what} {limit:.6g}{unit}{course}"
