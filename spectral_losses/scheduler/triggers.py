"""When to move: a class for each trigger, which checks its settings, fires or not, and explains that in words."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from spectral_losses.scheduler import slope
from spectral_losses.scheduler.monitor import warm_until, worse
from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.state import SchedulerState


def fires(c: Settings, before: SchedulerState, now: SchedulerState) -> bool:
    """Whether an observation asks for a move, from the states before it and after it; none does in a cooldown."""
    return not before.cooldown and TRIGGERS[c.trigger](c).fires(before, now)


def may_move(c: Settings, state: SchedulerState) -> bool:
    """Whether there were not too many moves since the last improvement."""
    return not TRIGGERS[c.trigger].limited or state.consecutive < c.max_consecutive_adaptations


def remembered(c: Settings, state: SchedulerState, value: float) -> SchedulerState:
    """The state with what the trigger keeps of an observation for itself."""
    return TRIGGERS[c.trigger](c).remembered(state, value)


def explain(c: Settings, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
    """The watched value and what the trigger makes of it, as a line for a log."""
    value = f"{'average ' if c.averaged else ''}{c.monitor} {now.tracked:.6g}"
    return f"{value}{TRIGGERS[c.trigger](c).explain(before, now, improved)}"


class Trigger(ABC):
    """Judges one observation under the settings of the present stage; its name in `TRIGGERS` is the setting's value."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    unused: Sequence[str] = ()
    """Settings of which it makes nothing."""
    limited = True
    """Whether `max_consecutive_adaptations` holds."""

    def check(self) -> None:
        """Raise where settings are given that this trigger ignores, or that contradict each other under it."""
        for name in self.unused:
            if getattr(self.settings, name) != getattr(Settings, name):
                raise ValueError(
                    f"{name} has no use with trigger {self.settings.trigger!r}, got {getattr(self.settings, name)!r}"
                )
        for name in ("milestones", "interval"):
            if getattr(self.settings, name):
                raise ValueError(f"{name} is for trigger 'epoch', got trigger {self.settings.trigger!r}")

    @abstractmethod
    def fires(self, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether an observation asks for a move, from the states before it and after it; cooldowns are no matter."""

    def remembered(self, state: SchedulerState, value: float) -> SchedulerState:
        """The state with what is kept of an observation, beside what all triggers share."""
        return state

    @abstractmethod
    def explain(self, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """The rest of the sentence that begins with the watched value, with the space or comma in front."""

    def _than(self) -> str:
        """``min_delta`` in the words of a comparison, with a space behind; nothing where it is 0."""
        c = self.settings
        size = f"{100 * c.min_delta:g} %" if c.min_delta_mode == "relative" else f"{c.min_delta:g}"
        return f"more than {size} " if c.min_delta else ""


class Plateau(Trigger):
    """Fires after ``patience`` observations without an improvement."""

    def fires(self, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether as many observations in a row were no improvement."""
        return now.stale >= self.settings.patience

    def explain(self, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """The best so far, and how many observations in a row did not improve on it."""
        if before.best is None or improved:
            return _improvement(before)
        patience = self.settings.patience
        count = f", {now.stale} of {patience}" if now.stale <= patience else f", {now.stale} times"
        return f" is not {self._than()}better than {before.best:.6g}{count}"


class Increase(Trigger):
    """Fires when the metric has become worse than it was at the observation before."""

    def fires(self, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether the value is worse than the one before it."""
        if before.tracked is None or now.tracked is None:
            return False
        return worse(self.settings, now.tracked, before.tracked)

    def explain(self, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """How the value compares with the one before it."""
        if before.best is None or improved:
            return _improvement(before)
        fired = not before.cooldown and self.fires(before, now)
        return f" is {'' if fired else 'not '}{self._than()}worse than {before.tracked:.6g}"


class Epoch(Trigger):
    """Fires once for each milestone, or each interval after the warm-up, at the first observation at or after it."""

    def check(self) -> None:
        """Raise unless there is either a milestone or an interval, and none lies where nothing can move."""
        c = self.settings
        given = [name for name in ("milestones", "interval", "ramp") if getattr(c, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"trigger 'epoch' takes one of milestones, interval and ramp, got {found}")
        if c.cooldown:
            raise ValueError(f"cooldown has no use with trigger 'epoch', got {c.cooldown}")
        warm = c.warmup
        if c.milestones and c.milestones[0] < warm:
            raise ValueError(
                f"milestones must not lie in the warm-up, got {c.milestones[0]} and a warm-up of {warm} epochs "
                "(min_epochs_before_adapt and warmup_epochs)"
            )

    def fires(self, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether the epoch of the next move has been reached."""
        return self._due(before) <= (now.epoch or 0)

    def explain(self, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """When the move was, or will be."""
        due = self._due(before)
        if not before.cooldown and self.fires(before, now):
            return f", due since epoch {due}" if due != now.epoch else ", due at this epoch"
        return f", next move at epoch {due}" if due < math.inf else ", no milestone is left"

    def _due(self, state: SchedulerState) -> float:
        """The epoch of the next move, in the past where that was put off; infinity where there is none."""
        c = self.settings
        if c.interval is None:
            # Counted by the moves made, not by the epochs seen: a milestone that fell on a missing metric, on a NaN or
            # into a hold stays due.
            return state.started + c.milestones[state.moves] if state.moves < len(c.milestones) else math.inf
        warm = warm_until(c, state)
        since = warm if state.seen is None else max(warm, state.seen)
        return warm + c.interval * ((since - warm) // c.interval + 1)


class Auto(Trigger):
    """Fires when the latest values, looked at twice, no longer improve by what counts: see `slope`."""

    unused = ("patience", "min_delta", "min_delta_mode", "use_ema", "ema_beta", "max_consecutive_adaptations")
    limited = False

    def remembered(self, state: SchedulerState, value: float) -> SchedulerState:
        """The latest values, and after a look at them how often in a row they were flat, and when to look again."""
        values, count = (*state.latest, value)[-slope.MOST :], state.observed + 1
        state = state._replace(latest=values, observed=count)
        if count < state.look:
            return state
        size = slope.window(count)
        found = slope.look(values[-size:], self.settings.mode)
        return state._replace(look=count + slope.spacing(size), flat=state.flat + 1 if found.flat else 0)

    def fires(self, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether the last two looks found no improvement that counts."""
        return now.flat >= LOOKS

    def explain(self, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """What was seen at a look, or when the next one is."""
        if before.cooldown or now.observed < before.look:
            return f", a look at the slope in {now.look - now.observed}"
        size = slope.window(now.observed)
        change = slope.look(now.latest[-size:], self.settings.mode).change
        said = f"{'improved' if change > 0 else 'got worse'} by {100 * abs(change):.3g} %" if change else "stayed"
        return f" {said} over {size} observations, {f'a plateau {now.flat} of {LOOKS}' if now.flat else 'no plateau'}"


TRIGGERS: Mapping[str, type[Trigger]] = {"plateau": Plateau, "increase": Increase, "epoch": Epoch, "auto": Auto}
LOOKS = 2
"""How many looks in a row have to find a plateau."""


def _improvement(before: SchedulerState) -> str:
    return " is the first" if before.best is None else f" from {before.best:.6g} at best"
