"""One observation as a pure function of settings and state: `LossScheduler.step` without the object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from spectral_losses.messages import integer
from spectral_losses.scheduler import guard
from spectral_losses.scheduler.monitor import monitored, number, observe, warm_until
from spectral_losses.scheduler.settings import Settings, Stages
from spectral_losses.scheduler.state import Decision, SchedulerState
from spectral_losses.scheduler.transition import lifted, move, next_stage, progress, side_weights, step_back, weights
from spectral_losses.scheduler.triggers import explain, fires, may_move, remembered

FAR = 50.0
"""A logarithm of which no percentage is told."""


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
    state = next_stage(config, state)  # of a transition that has nothing to do
    c = config.stages[state.stage]
    epoch = checked_epoch(epoch, state.epoch)
    value, guarded = monitored(config.stages[state.stage :], metrics), number(c.guard, metrics)
    before, (state, decision) = state, _observed(config, c, state._replace(epoch=epoch), state, value, guarded)
    risen = lifted(config, state)
    if risen is state:
        return state, decision
    facts = f"{_ramp(c, before)}; {_change(config, before, risen)}"
    on_ramp = _decide(config, risen, epoch, "adapted", facts, decision.metric, decision.tracked)
    return risen, on_ramp


def _observed(
    config: Stages,
    c: Settings,
    state: SchedulerState,
    before: SchedulerState,
    value: float | None,
    guarded: float | None,
) -> tuple[SchedulerState, Decision]:
    """What the trigger of the present stage makes of a metric, and the guard of another."""
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
    state = guard.seen(state, guarded) if c.guard is not None else state
    tracked, facts = state.tracked, explain(c, before, state, improved)
    fired = fires(c, before, state)
    trial = _judged(c, state)
    if trial and not state.trial:
        if guard.is_worse(c, state):
            back = step_back(config, state)
            facts = f"{trial}; {_change(config, state, back)}"
            return back, _decide(config, back, epoch, "stepped back", facts, value, tracked)
        state = guard.accepted(state)
        facts = f"{facts}; {trial}"
    if trial and state.trial:
        reason, facts = "on trial", f"{facts}; {trial}"
    elif state.progress >= 1:
        reason, facts = "finished", "at the final weights"
    elif guard.settled(c, state):
        reason, facts = "settled", f"{facts}; no move is left that {c.guard} would allow"
    elif fired and may_move(c, state) and guard.may_move(c, state):
        moved = move(config, state)
        reason, facts = "adapted", f"{facts}; {_change(config, state, moved)}"
        state = moved
    elif fired and may_move(c, state):
        reason, facts = "waiting", f"{facts}; {c.guard} has not been seen yet"
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


def _judged(c: Settings, state: SchedulerState) -> str:
    """What a guard says of the last move, in words; nothing where none is on trial."""
    if state.before is None:
        return ""
    if state.trial:
        return f"the move is judged by {c.guard} in {state.trial}"
    worse, most = guard.worsening(state), 100 * math.expm1(guard.allowed(c, state))
    if worse > FAR:
        return f"{c.guard} is not finite, or as good as that"
    change = 100 * math.expm1(worse)
    return (
        f"{c.guard} is {abs(change):.3g} % {'worse' if change > 0 else 'better'} than before, {most:.3g} % are allowed"
    )


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
    adapted = reason in ("adapted", "stepped back")
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
