"""One observation as a pure function of settings and state: `LossScheduler.step` without the object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spectral_losses.messages import integer
from spectral_losses.scheduler.monitor import monitored, observe, warm_until
from spectral_losses.scheduler.settings import Settings, Stages
from spectral_losses.scheduler.state import Decision, SchedulerState
from spectral_losses.scheduler.transition import lifted, move, progress, side_weights, weights
from spectral_losses.scheduler.triggers import explain, fires, may_move, remembered


def update(
    config: Stages,
    state: SchedulerState,
    metrics: Mapping[str, Any],
    epoch: int | None = None,
) -> tuple[SchedulerState, Decision]:
    """One observation as a pure function: `LossScheduler.step` without the object.

    Parameters
    ----------
    config : SchedulerConfig or SchedulerChain
    state : SchedulerState
        ``SchedulerState()`` to begin with.
    metrics, epoch
        As in `LossScheduler.step`, which also says what is raised.

    Returns
    -------
    state : SchedulerState
    decision : Decision

    Examples
    --------
    >>> import spectral_losses as sl
    >>> from spectral_losses.scheduler import SchedulerState, update
    >>> config = sl.SchedulerConfig(trigger="epoch", interval=10)
    >>> state, decision = update(config, SchedulerState(), {"spectrum_error": 0.5}, epoch=25)
    >>> decision.adapted, decision.progress, state.epoch
    (True, 0.14285714285714288, 25)
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must map names to numbers, got {type(metrics).__name__} (step takes metrics, epoch)")
    if not config.enabled:
        epoch = None if epoch is None else checked_epoch(epoch, None)
        return state, _decide(config, state, epoch, "disabled", "weights stay as they are")
    c = config.stages[state.stage]
    epoch = checked_epoch(epoch, state.epoch)
    value = monitored(config.stages[state.stage :], metrics)
    before, (state, decision) = state, _observed(config, c, state._replace(epoch=epoch), state, value)
    risen = lifted(config, state)
    if risen is state:
        return state, decision
    facts = f"{_ramp(c, before)}; {_change(config, before, risen)}"
    on_ramp = _decide(config, risen, epoch, "adapted", facts, decision.metric, decision.tracked)
    return risen, on_ramp


def _observed(
    config: Stages, c: Settings, state: SchedulerState, before: SchedulerState, value: float | None
) -> tuple[SchedulerState, Decision]:
    """What the trigger of the present stage makes of a metric."""
    epoch = state.epoch or 0
    if not c.needs_metric:
        if state.progress >= 1:
            return state, _decide(config, state, epoch, "finished", "at the final weights")
        return state, _decide(config, state, epoch, "waiting", _ramp(c, state))
    if epoch < warm_until(c, state):
        return state, _decide(config, state, epoch, "warmup", f"until epoch {warm_until(c, state)}", value)
    if value is None:
        return state, _decide(config, state, epoch, "missing", f"{c.monitor} was not passed")
    if not math.isfinite(value):
        return state, _decide(config, state, epoch, "not finite", f"{c.monitor} is {value}", value)
    state, improved = observe(c, state, value)
    if not before.cooldown:
        state = remembered(c, state, value)
    tracked, facts = state.tracked, explain(c, before, state, improved)
    fired = fires(c, before, state)
    if state.progress >= 1:
        reason, facts = "finished", "at the final weights"
    elif fired and may_move(c, state):
        moved = move(config, state)
        reason, facts = "adapted", f"{facts}; {_change(config, state, moved)}"
        state = moved
    elif fired:
        reason = "holding"
        facts = f"{facts}; moves since the last improvement: {state.consecutive}, none until the next"
    elif improved:
        reason = "improved"
    elif before.cooldown:
        reason, facts = "cooldown", f"{facts}; {state.cooldown} more to cool down"
    else:
        reason = "waiting"
    return state, _decide(config, state, epoch, reason, facts, value, tracked)


def checked_epoch(epoch: Any, last: int | None) -> int:
    """The epoch of an observation as an int that a checkpoint can hold; by default the one after the last."""
    if epoch is None:
        epoch = 0 if last is None else last + 1
    number = integer("epoch", epoch)
    if number < (last or 0):
        after = "" if last is None else f" after {last}"
        raise ValueError(f"epoch must not be negative or go back, got {number}{after}")
    return number


def _decide(
    config: Stages,
    state: SchedulerState,
    epoch: int | None,
    reason: str,
    detail: str,
    metric: float | None = None,
    tracked: float | None = None,
) -> Decision:
    adapted = reason == "adapted"
    return Decision(adapted, reason, weights(config, state), progress(config, state), epoch, detail, metric, tracked)


def _ramp(c: Settings, state: SchedulerState) -> str:
    begin, end = c.ramp or (0, 0)
    return f"the ramp goes from epoch {state.started + begin} to {state.started + end}"


def _change(config: Stages, before: SchedulerState, after: SchedulerState) -> str:
    """What a move does, in words."""
    c = config.stages[before.stage]
    reached = 1.0 if after.stage > before.stage else after.progress
    (a, b), (x, y) = side_weights(c, before.progress), side_weights(c, reached)
    change = f"{c.source} {a:.4g} to {x:.4g}, {c.target} {b:.4g} to {y:.4g}"
    if after.stage > before.stage:
        change += f"; stage {after.stage + 1} of {len(config.stages)} begins"
    return change
