"""When to move: a class for each trigger, with the settings of its own, which fires or not and says so in words."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from spectral_losses.messages import listed
from spectral_losses.scheduler import slope
from spectral_losses.scheduler.monitor import warm_until, worse
from spectral_losses.scheduler.settings import Settings, Trigger
from spectral_losses.scheduler.state import SchedulerState

__all__ = ["AtEpochs", "Auto", "Increase", "Plateau"]


def rule(c: Settings) -> type[Rule]:
    """The trigger of a stage, by the name that its settings have for it."""
    return TRIGGERS[c.trigger if isinstance(c.trigger, str) else c.trigger.name]


def fires(c: Settings, before: SchedulerState, now: SchedulerState) -> bool:
    """Whether an observation asks for a move, from the states before it and after it; none does in a cooldown."""
    return not before.cooldown and rule(c).fires(c, before, now)


def may_move(c: Settings, state: SchedulerState) -> bool:
    """Whether there were not too many moves since the last improvement."""
    most = c.max_consecutive_adaptations
    return most is None or state.consecutive < most


def remembered(c: Settings, state: SchedulerState, value: float) -> SchedulerState:
    """The state with what the trigger keeps of an observation for itself."""
    return rule(c).remembered(c, state, value)


def explain(c: Settings, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
    """The watched value and what the trigger makes of it, as a line for a log."""
    value = f"{'average ' if c.averaged else ''}{c.monitor} {now.tracked:.6g}"
    return f"{value}{rule(c).explain(c, before, now, improved)}"


class Rule(Trigger):
    """Judges one observation under the settings of the present stage."""

    @classmethod
    def unused(cls, c: Settings) -> Sequence[str]:
        """Settings of which it makes nothing."""
        return ("milestones", "interval")

    @classmethod
    def check(cls, c: Settings) -> None:
        """Raise where settings are given that this trigger ignores, or that contradict each other under it."""
        for name in cls.unused(c):
            given = getattr(c, name)
            if given != getattr(Settings, name) and (name != "warmup_epochs" or given):  # it follows to be 0
                use = listed(each.name for each in TRIGGERS.values() if hasattr(each, name))
                hint = f" (it is for {use})" if use else ""
                alone = cls is AtEpochs and c.ramp is not None
                beside = "a ramp alone" if alone else f"trigger {cls.name!r}"
                raise ValueError(f"{name} has no use with {beside}, got {given!r}{'' if alone else hint}")

    @classmethod
    @abstractmethod
    def fires(cls, c: Settings, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether an observation asks for a move, from the states before it and after it; cooldowns are no matter."""

    @classmethod
    def remembered(cls, c: Settings, state: SchedulerState, value: float) -> SchedulerState:
        """The state with what is kept of an observation, beside what all triggers share."""
        return state

    @classmethod
    @abstractmethod
    def explain(cls, c: Settings, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """The rest of the sentence that begins with the watched value, with the space or comma in front."""


@dataclass(frozen=True)
class Plateau(Rule):
    """Moves after ``patience`` observations without an improvement.

    Parameters
    ----------
    patience, min_delta, min_delta_mode, use_ema, ema_beta
        As in `SchedulerConfig`, and as there where they are left out.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> sl.SchedulerConfig(trigger=sl.Plateau(3)) == sl.SchedulerConfig(trigger="plateau", patience=3)
    True
    """

    name: ClassVar[str] = "plateau"
    patience: int | None = None
    _: KW_ONLY
    min_delta: float | None = None
    min_delta_mode: str | None = None
    use_ema: bool | None = None
    ema_beta: float | None = None

    @classmethod
    def fires(cls, c: Settings, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether as many observations in a row were no improvement."""
        return now.stale >= c.patience

    @classmethod
    def explain(cls, c: Settings, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """The best so far, and how many observations in a row did not improve on it."""
        if before.best is None or improved:
            return _improvement(before)
        count = f", {now.stale} of {c.patience}" if now.stale <= c.patience else f", {now.stale} times"
        return f" is not {_than(c)}better than {before.best:.6g}{count}"


@dataclass(frozen=True, kw_only=True)
class Increase(Rule):
    """Moves when the metric has become worse than it was at the observation before.

    Parameters
    ----------
    min_delta, min_delta_mode, use_ema, ema_beta
        As in `SchedulerConfig`, and as there where they are left out.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> sl.SchedulerConfig(trigger=sl.Increase(min_delta=0.05)).min_delta
    0.05
    """

    name: ClassVar[str] = "increase"
    min_delta: float | None = None
    min_delta_mode: str | None = None
    use_ema: bool | None = None
    ema_beta: float | None = None

    @classmethod
    def unused(cls, c: Settings) -> Sequence[str]:
        """Settings of which it makes nothing."""
        return (*super().unused(c), "patience")

    @classmethod
    def fires(cls, c: Settings, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether the value is worse than the one before it."""
        if before.tracked is None or now.tracked is None:
            return False
        return worse(c, now.tracked, before.tracked)

    @classmethod
    def explain(cls, c: Settings, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """How the value compares with the one before it."""
        if before.best is None or improved:
            return _improvement(before)
        fired = not before.cooldown and cls.fires(c, before, now)
        return f" is {'' if fired else 'not '}{_than(c)}worse than {before.tracked:.6g}"


@dataclass(frozen=True)
class AtEpochs(Rule):
    """Moves at given epochs: once for each milestone, or each interval after the warm-up, or evenly along a ramp.

    Parameters
    ----------
    milestones, interval, ramp
        As in `SchedulerConfig`: one of them.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> sl.SchedulerConfig(trigger=sl.AtEpochs([30, 60])).milestones
    (30, 60)
    >>> sl.SchedulerConfig(trigger=sl.AtEpochs(ramp=(10, 40))) == sl.SchedulerConfig(trigger="epoch", ramp=(10, 40))
    True
    """

    name: ClassVar[str] = "epoch"
    milestones: Sequence[int] | None = None
    _: KW_ONLY
    interval: int | None = None
    ramp: Sequence[int] | None = None

    def __post_init__(self) -> None:
        for name in ("milestones", "ramp"):
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))

    @classmethod
    def unused(cls, c: Settings) -> Sequence[str]:
        """Settings of which it makes nothing: on a ramp all that concern a metric or a step."""
        usual = ("patience", "cooldown", "guard", "tolerance")
        if c.ramp is None:
            return usual
        metric = ("min_delta", "min_delta_mode", "use_ema", "ema_beta", "max_consecutive_adaptations")
        return (*usual, *metric, "warmup_epochs", "min_epochs_before_adapt", "transition_step", "adaptive_step")

    @classmethod
    def check(cls, c: Settings) -> None:
        """Raise unless there is one of milestones, interval and ramp, and no milestone lies where nothing can move."""
        given = [name for name in ("milestones", "interval", "ramp") if getattr(c, name)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"trigger 'epoch' takes one of milestones, interval and ramp, got {found}")
        super().check(c)
        warm = c.warmup
        if c.milestones and c.milestones[0] < warm:
            raise ValueError(
                f"milestones must not lie in the warm-up, got {c.milestones[0]} and a warm-up of {warm} epochs "
                "(min_epochs_before_adapt and warmup_epochs)"
            )

    @classmethod
    def fires(cls, c: Settings, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether the epoch of the next move has been reached."""
        return cls._due(c, before) <= (now.epoch or 0)

    @classmethod
    def explain(cls, c: Settings, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """When the move was, or will be."""
        due = cls._due(c, before)
        if not before.cooldown and cls.fires(c, before, now):
            return f", due since epoch {due}" if due != now.epoch else ", due at this epoch"
        return f", next move at epoch {due}" if due < math.inf else ", no milestone is left"

    @classmethod
    def _due(cls, c: Settings, state: SchedulerState) -> float:
        """The epoch of the next move, in the past where that was put off; infinity where there is none."""
        if c.interval is None:
            # Counted by the moves made, not by the epochs seen: a milestone that fell on a missing metric, on a NaN or
            # into a hold stays due.
            return state.started + c.milestones[state.moves] if state.moves < len(c.milestones) else math.inf
        warm = warm_until(c, state)
        since = warm if state.seen is None else max(warm, state.seen)
        return warm + c.interval * ((since - warm) // c.interval + 1)


@dataclass(frozen=True)
class Auto(Rule):
    """Moves when the latest values, looked at twice, no longer improve by what counts: nothing is to be chosen.

    The slope of the latest values is that of Theil and Sen, of logarithms, with Kendall's bounds.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> sl.SchedulerConfig(trigger=sl.Auto()).warmup_epochs
    0
    """

    name: ClassVar[str] = "auto"

    @classmethod
    def unused(cls, c: Settings) -> Sequence[str]:
        """Settings of which it makes nothing."""
        own = ("patience", "min_delta", "min_delta_mode", "use_ema", "ema_beta", "max_consecutive_adaptations")
        return (*super().unused(c), *own)

    @classmethod
    def remembered(cls, c: Settings, state: SchedulerState, value: float) -> SchedulerState:
        """The latest values, and after a look at them how often in a row they were flat, and when to look again."""
        values, count = (*state.latest, value)[-slope.MOST :], state.observed + 1
        state = state._replace(latest=values, observed=count)
        if count < state.look:
            return state
        size = slope.window(count)
        found = slope.look(values[-size:], c.mode)
        return state._replace(look=count + slope.spacing(size), flat=state.flat + 1 if found.flat else 0)

    @classmethod
    def fires(cls, c: Settings, before: SchedulerState, now: SchedulerState) -> bool:
        """Whether the last two looks found no improvement that counts."""
        return now.flat >= LOOKS

    @classmethod
    def explain(cls, c: Settings, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
        """What was seen at a look, or when the next one is."""
        if before.cooldown or now.observed < before.look:
            return f", a look at the slope in {now.look - now.observed}"
        size = slope.window(now.observed)
        change = slope.look(now.latest[-size:], c.mode).change
        said = f"{'improved' if change > 0 else 'got worse'} by {100 * abs(change):.3g} %" if change else "stayed"
        return f" {said} over {size} observations, {f'a plateau {now.flat} of {LOOKS}' if now.flat else 'no plateau'}"


TRIGGERS: Mapping[str, type[Rule]] = {each.name: each for each in (Plateau, Increase, AtEpochs, Auto)}
LOOKS = 2
"""How many looks in a row have to find a plateau."""


def _improvement(before: SchedulerState) -> str:
    return " is the first" if before.best is None else f" from {before.best:.6g} at best"


def _than(c: Settings) -> str:
    """``min_delta`` in the words of a comparison, with a space behind; nothing where it is 0."""
    size = f"{100 * c.min_delta:g} %" if c.min_delta_mode == "relative" else f"{c.min_delta:g}"
    return f"more than {size} " if c.min_delta else ""
