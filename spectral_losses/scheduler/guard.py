"""Whether a metric of the source got worse by more than a sharper forecast has to cost: then a move is taken back."""

from __future__ import annotations

import math
import sys
from statistics import median

from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.state import SchedulerState

TRIAL = 10
"""Observations after a move until it is judged."""
LEVEL = 6
"""The latest of them, whose median is the level."""
HALVINGS = 4
"""How often the step is halved before nothing moves any more."""
LEAST = 0.02
"""The least worsening that is held against a move, where none is given."""
SPREAD = 1.2815515655446004 * 1.25 * 1.4826 / math.sqrt(LEVEL)
"""Of a median of so many values, one-sided with 90 %, over the median deviation of these."""


def seen(state: SchedulerState, value: float | None) -> SchedulerState:
    """The state after an observation of the guarded metric.

    What is missing does not count. What is not finite is as bad as can be while a move is on trial, and does not count
    before.
    """
    if value is None or (not math.isfinite(value) and not state.trial):
        return state
    value = value if math.isfinite(value) else sys.float_info.max
    latest = (*state.guarded, math.log(max(value, sys.float_info.min)))[-LEVEL:]
    return state._replace(guarded=latest, trial=max(0, state.trial - 1))


def may_move(c: Settings, state: SchedulerState) -> bool:
    """Whether there is something to compare with."""
    return c.guard is None or bool(state.guarded)


def settled(c: Settings, state: SchedulerState) -> bool:
    """Whether nothing moves any more: steps have become too small, or the way ends here."""
    return c.guard is not None and (state.halved > HALVINGS or state.ceiling <= state.progress < 1)


def begun(state: SchedulerState) -> SchedulerState:
    """The state at the beginning of a trial, just before a move."""
    reference = median(state.guarded) if state.reference is None else state.reference
    return state._replace(reference=reference, before=state.progress, trial=TRIAL)


def accepted(state: SchedulerState) -> SchedulerState:
    """The state after a move that was no mistake."""
    return state._replace(before=None)


def refused(state: SchedulerState) -> SchedulerState:
    """The state before the move that was one; no later move leads beyond, or goes at such a pace."""
    return state._replace(progress=state.before or 0.0, before=None, ceiling=state.progress, halved=state.halved + 1)


def worsening(state: SchedulerState) -> float:
    """By which logarithm the metric is above its level before the first move."""
    return median(state.guarded) - (state.reference or 0.0)


def is_worse(c: Settings, state: SchedulerState) -> bool:
    """Whether that is more than it may be, and more than noise."""
    level = median(state.guarded)
    noise = SPREAD * median(abs(each - level) for each in state.guarded)
    return worsening(state) > allowed(c, state) + noise


def allowed(c: Settings, state: SchedulerState) -> float:
    """Which logarithm it may be above it: the tolerance, or what a full spectrum costs at the least.

    A forecast with the relative squared error e that is least for its coherence with the truth has the error
    ``2 (1 - sqrt(1 - e))`` with the right spectrum and the same coherence.
    """
    if c.tolerance is not None:
        return math.log1p(c.tolerance)
    error = min(math.exp(min(state.reference or 0.0, 0.0)), 1.0)
    return max(math.log(2 / (1 + math.sqrt(1 - error))), math.log1p(LEAST))
