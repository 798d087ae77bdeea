"""How far a scheduler has come, and which weights that means."""

from __future__ import annotations

import math

from spectral_losses.scheduler.settings import Settings, Stages
from spectral_losses.scheduler.state import SchedulerState

ALMOST = 1 - 1e-9  # ten steps of 0.1 add up to a little less than 1 in floating point: from here on it is 1
LEAST_STEP = 0.05  # an adaptive step does not become smaller, or the last part of the way would take forever
DECAY = 3.0  # of the schedule "exponential"


# The weights: what a progress means.


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
    {'recFieldError': 0.65, 'predFieldError': 0.65, 'spectrumError': 0.35, 'divergence': 0.1}
    """
    result: dict[str, float] = {}
    for number, c in enumerate(config.stages):
        reached = state.progress if number == state.stage else float(number < state.stage)
        source, target = side_weights(c, reached)
        for names, weight in ((c.source_components, source), (c.target_components, target)):
            for name in names:
                if number <= state.stage or name not in result:  # a later stage has not moved it yet
                    result[name] = weight
    for c in config.stages:
        result.update(c.static_components)
    return result


def side_weights(c: Settings, progress: float) -> tuple[float, float]:
    """Weights of source and target at a progress: their sum is kept where the cap cuts the target's."""
    s = shape(c.transition_schedule, progress)
    source = _between(c.initial_weight_source, c.final_weight_source, s)
    target = _between(c.initial_weight_target, c.final_weight_target, s)
    if target > c.max_weight_target:
        # The configuration was checked for this to stay in the source's range, up to rounding.
        top = max(c.initial_weight_source, c.final_weight_source)
        source, target = min(source + (target - c.max_weight_target), top), c.max_weight_target
    return source, target


def shape(schedule: str, progress: float) -> float:
    """From 0 to 1 with the progress, monotonically."""
    if schedule == "cosine":
        return (1 - math.cos(math.pi * progress)) / 2
    if schedule == "exponential":
        return math.expm1(-DECAY * progress) / math.expm1(-DECAY)
    return progress


def _between(a: float, b: float, s: float) -> float:
    return b if s == 1 else min(max(a + (b - a) * s, min(a, b)), max(a, b))


# The progress: how far, and how it goes on.


def progress(config: Stages, state: SchedulerState) -> float:
    """How far a scheduler has come, from 0 to 1 over all its stages."""
    return (state.stage + state.progress) / len(config.stages)


def advance(c: Settings, progress: float) -> float:
    """The progress after one move."""
    step = c.transition_step
    if c.adaptive_step:
        step = max(step * (1 - progress), min(LEAST_STEP, step))
    progress += step / distance(c)
    return progress if progress < ALMOST else 1.0


def distance(c: Settings) -> float:
    """How far the target's weight goes in all; where it stays, how far the source's does."""
    return abs(c.final_weight_target - c.initial_weight_target) or abs(c.final_weight_source - c.initial_weight_source)


def move(config: Stages, state: SchedulerState) -> SchedulerState:
    """The state after a move: further on, judged by the present value, perhaps in the next stage."""
    c = config.stages[state.stage]
    moved = state._replace(
        progress=advance(c, state.progress),
        best=state.tracked,
        stale=0,
        consecutive=state.consecutive + 1,
        cooldown=c.cooldown,
        moves=state.moves + 1,
    )
    return next_stage(config, moved)


def next_stage(config: Stages, state: SchedulerState) -> SchedulerState:
    """The beginning of the next stage where this one is finished and there is one; otherwise the state itself."""
    if state.progress < 1 or state.stage + 1 >= len(config.stages):
        return state
    begun = 0 if state.epoch is None else state.epoch + 1
    return SchedulerState(state.epoch, state.stage + 1, begun)
