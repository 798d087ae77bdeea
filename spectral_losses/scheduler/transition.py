"""How far a scheduler has come, and which weights that means."""

from __future__ import annotations

import math
import sys
from typing import Any

from spectral_losses.scheduler import guard
from spectral_losses.scheduler.settings import Settings, Stages
from spectral_losses.scheduler.state import SchedulerState

TINY = sys.float_info.min
ALMOST = 1 - 1e-9  # ten steps of 0.1 add up to a little less than 1 in floating point: from here on it is 1
STEP = 0.1  # of a way of 0.7, where no step is given
LEAST_STEP = 0.05  # of adaptive steps, which shrink with what is left to go and would never arrive
USUAL = 0.7
DECAY = 3.0  # of the schedule "exponential"
FAINT = 1e-3  # of the other end: what stands for a weight of 0 on the way of the schedule "geometric"
ANEW: dict[str, Any] = {name: SchedulerState._field_defaults[name] for name in ("observed", "look", "flat", "latest")}


# From a progress to the weights.


def weights(config: Stages, state: SchedulerState) -> dict[str, float]:
    """The weight of every component.

    Parameters
    ----------
    config : SchedulerConfig or SchedulerChain
    state : SchedulerState

    Returns
    -------
    dict of str to float
        Those of the stages in order, then the static ones.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> from spectral_losses.scheduler import SchedulerState, weights
    >>> weights(sl.SchedulerConfig(static_components={"divergence": 0.1}), SchedulerState(progress=0.5))
    {'field_error': 0.65, 'spectrum_error': 0.35, 'divergence': 0.1}
    """
    result: dict[str, float] = {}
    for number, c in enumerate(config.stages):
        reached = state.progress if number == state.stage else float(number < state.stage)
        source, target = side_weights(c, reached)
        for names, weight in ((c.source_components, source), (c.target_components, target)):
            for name in names:
                if number <= state.stage or name not in result:  # what a later stage will move is where this one has it
                    result[name] = weight
    for c in config.stages:
        result.update(c.static_components)
    return result


def side_weights(c: Settings, progress: float) -> tuple[float, float]:
    """Weights of source and target at a progress; what ``max_weight_target`` cuts off one is added to the other."""
    source = along(c.transition_schedule, c.initial_weight_source, c.final_weight_source, progress)
    target = along(c.transition_schedule, c.initial_weight_target, c.final_weight_target, progress)
    if c.max_weight_target is not None and target > c.max_weight_target:
        # `check_weights` made sure that this stays in the source's range, but for rounding.
        top = max(c.initial_weight_source, c.final_weight_source)
        source, target = min(source + (target - c.max_weight_target), top), c.max_weight_target
    return source, target


def along(schedule: str, initial: float, final: float, progress: float) -> float:
    """The weight at a progress between two ends."""
    if schedule != "geometric":
        return _between(initial, final, shape(schedule, progress))
    if progress in (0, 1) or initial == final:
        return final if progress else initial
    low, high = (weight or max(FAINT * other, TINY) for weight, other in ((initial, final), (final, initial)))
    weight = math.exp((1 - progress) * math.log(low) + progress * math.log(high))
    return min(max(weight, min(initial, final)), max(initial, final))


def shape(schedule: str, progress: float) -> float:
    """The share of the way from initial to final weights: rises from 0 to 1 with the progress, exact at both ends.

    Not of "geometric", whose weights rise and fall by a factor at a time, see `along`.
    """
    if schedule == "cosine":
        return (1 - math.cos(math.pi * progress)) / 2
    if schedule == "exponential":
        return math.expm1(-DECAY * progress) / math.expm1(-DECAY)
    return progress


def _between(a: float, b: float, s: float) -> float:
    return b if s == 1 else min(max(a + (b - a) * s, min(a, b)), max(a, b))


# From one progress to the next.


def progress(config: Stages, state: SchedulerState) -> float:
    """How far a scheduler has come, from 0 to 1 over all its stages."""
    return (state.stage + state.progress) / len(config.stages)


def advance(c: Settings, progress: float) -> float:
    """The progress after one move."""
    if not distance(c):
        return 1.0
    step, least, way = steps(c)
    if c.adaptive_step:
        step = max(step * (1 - progress), least)
    progress += step / way
    return progress if progress < ALMOST else 1.0


def steps(c: Settings) -> tuple[float, float, float]:
    """The step, the least one that an adaptive step shrinks to, and the way on which they lie."""
    if c.transition_step is None:
        return STEP, LEAST_STEP, USUAL
    return c.transition_step, min(LEAST_STEP, c.transition_step), distance(c)


def distance(c: Settings) -> float:
    """The way of the target's weight from initial to final; where that is 0, the way of the source's."""
    return abs(c.final_weight_target - c.initial_weight_target) or abs(c.final_weight_source - c.initial_weight_source)


def move(config: Stages, state: SchedulerState) -> SchedulerState:
    """The state after a move, perhaps in the next stage: the present value is the one to improve on from now on."""
    c = config.stages[state.stage]
    reached = advance(c, state.progress)
    if c.guard is not None:
        reached = state.progress + (reached - state.progress) / 2**state.halved
        reached = reached if reached < ALMOST * state.ceiling else state.ceiling
        state = guard.begun(state)
    return next_stage(config, _anew(c, state._replace(progress=reached, consecutive=state.consecutive + 1)))


def step_back(config: Stages, state: SchedulerState) -> SchedulerState:
    """The state after a move has been taken back."""
    return _anew(config.stages[state.stage], guard.refused(state))


def _anew(c: Settings, state: SchedulerState) -> SchedulerState:
    """The state with nothing counted since weights have changed."""
    return state._replace(best=state.tracked, stale=0, cooldown=c.cooldown, moves=state.moves + 1, **ANEW)


def lifted(config: Stages, state: SchedulerState) -> SchedulerState:
    """The state at an epoch, not behind the ramp of its stage, if that has one; perhaps in the next stage."""
    c = config.stages[state.stage]
    if c.ramp is None or state.epoch is None:
        return state
    begin, end = c.ramp
    reached = min((state.epoch - state.started - begin) / (end - begin), 1.0)
    if reached <= state.progress:
        return state
    return next_stage(config, state._replace(progress=reached, moves=state.moves + 1))


def next_stage(config: Stages, state: SchedulerState) -> SchedulerState:
    """The beginning of the next stage where this one is finished and there is one; otherwise the state itself.

    A stage whose final weights are its initial ones is finished from the start.
    """
    if config.enabled and state.progress < 1 and not distance(config.stages[state.stage]):
        state = state._replace(progress=1.0, ceiling=1.0, before=None, trial=0)
    if state.progress < 1 or state.stage + 1 >= len(config.stages):
        return state
    begun = 0 if state.epoch is None else state.epoch + 1
    return next_stage(config, SchedulerState(state.epoch, state.stage + 1, begun))
