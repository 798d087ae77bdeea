"""From validation metrics to loss weights: a state machine of plain floats, which needs the standard library alone.

Three parts, each of which can be read and tested alone: the *monitor* says when to move (`observe`, `fires`), the
*progress* how far (`advance`), the *weights* what that means (`side_weights`, `weights`). `update` joins them without
side effects; `LossScheduler` remembers the state between calls.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from spectral_losses.config import SchedulerChain, SchedulerConfig

__all__ = ["Decision", "LossScheduler", "SchedulerState", "progress", "update", "weights"]

FORMAT, VERSION = "spectral_losses.LossScheduler", 1
ALMOST = 1 - 1e-9  # what rounding leaves of a way that was gone in equal steps
LEAST_STEP = 0.05
DECAY = 3.0  # of the schedule "exponential"


class SchedulerState(NamedTuple):
    """All that a scheduler remembers; immutable, plain numbers and None. ``SchedulerState()`` is the beginning.

    Attributes
    ----------
    epoch : int or None
        The last one seen.
    stage, started : int
        Which transition of a chain it is in, and that one's first epoch.
    progress : float
        Of this stage, in [0, 1].
    seen : int or None
        Epoch of the last observation that counted: out of the warm-up, there and finite.
    tracked, best : float or None
        The metric as it is watched (its moving average, or itself) and the best of it.
    stale, consecutive, cooldown, moves : int
        Observations since the best; moves since the last improvement; observations left to cool down; moves in this
        stage.
    """

    epoch: int | None = None
    stage: int = 0
    started: int = 0
    progress: float = 0.0
    seen: int | None = None
    tracked: float | None = None
    best: float | None = None
    stale: int = 0
    consecutive: int = 0
    cooldown: int = 0
    moves: int = 0


class Decision(NamedTuple):
    """The answer to one observation. It is true where the scheduler moved on, and prints as a line for a log.

    Attributes
    ----------
    adapted : bool
        Whether it moved on towards the final weights.
    reason : str
        ``"disabled"``, ``"warmup"``, ``"missing"``, ``"not finite"``, ``"improved"``, ``"waiting"``, ``"cooldown"``,
        ``"adapted"``, ``"holding"`` (too many moves without an improvement) or ``"finished"``.
    weights : dict of str to float
        Of every component, from now on.
    progress : float
        From 0 to 1, over all stages.
    epoch : int or None
        The epoch of the observation; None from a scheduler that is disabled and was given none.
    detail : str
        The reason in words.
    metric, tracked : float or None
        What was observed, and what was made of it: its moving average, or itself.
    """

    adapted: bool
    reason: str
    weights: dict[str, float]
    progress: float
    epoch: int | None
    detail: str
    metric: float | None = None
    tracked: float | None = None

    def __bool__(self) -> bool:
        return self.adapted

    def __str__(self) -> str:
        when = "" if self.epoch is None else f"epoch {self.epoch}: "
        return f"{when}{self.reason}: {self.detail}"


class LossScheduler:
    """Moves a training from one loss to another when the validation says so.

    Parameters
    ----------
    config : SchedulerConfig or SchedulerChain
        One transition, or several that follow one another.
    history : int, default 1000
        How many decisions to remember for `history`.

    Raises
    ------
    TypeError, ValueError
        A config that is neither; a history that is not a number of decisions.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> config = sl.SchedulerConfig(patience=2, min_epochs_before_adapt=0, warmup_epochs=1)
    >>> scheduler = sl.LossScheduler(config)
    >>> for error in (0.9, 0.5, 0.5, 0.5):
    ...     print(scheduler.step({"spectrum_error": error}))
    epoch 0: warmup: until epoch 1
    epoch 1: improved: average spectrum_error 0.5 is the first
    epoch 2: waiting: average spectrum_error 0.5 is not more than 0.001 better than 0.5, 1 of 2
    epoch 3: adapted: average spectrum_error 0.5 is not more than 0.001 better than 0.5, 2 of 2; ...
    >>> scheduler.weights
    {'recFieldError': 0.9, 'predFieldError': 0.9, 'spectrumError': 0.1}
    """

    def __init__(self, config: SchedulerConfig | SchedulerChain, *, history: int = 1000) -> None:
        if not hasattr(config, "stages"):
            raise TypeError(f"config must be a SchedulerConfig or a SchedulerChain, got {type(config).__name__}")
        if isinstance(history, bool) or not isinstance(history, int) or history < 0:
            raise ValueError(f"history must be a number of decisions, got {history!r}")
        self._config = config
        self._state = SchedulerState()
        self._history: deque[Decision] = deque(maxlen=history)

    @property
    def config(self) -> SchedulerConfig | SchedulerChain:
        """The settings."""
        return self._config

    @property
    def state(self) -> SchedulerState:
        """The state, an immutable value."""
        return self._state

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every component, now."""
        return weights(self._config, self._state)

    @property
    def progress(self) -> float:
        """From 0 to 1, over all stages."""
        return progress(self._config, self._state)

    @property
    def history(self) -> tuple[Decision, ...]:
        """The last decisions, oldest first; as many as were asked for when it was made."""
        return tuple(self._history)

    def step(self, metrics: Mapping[str, Any], epoch: int | None = None) -> Decision:
        """Take one observation, usually after each validation.

        Parameters
        ----------
        metrics : mapping of str to float
            Plain numbers, or whatever ``float`` takes (a 0-d array); others than the monitored one are ignored.
        epoch : int, optional
            By default the one after the last; may repeat and skip.

        Returns
        -------
        Decision

        Raises
        ------
        KeyError
            The monitored metric is missing, be it that of a later stage, and the config does not say to hold then.
        ValueError
            An epoch before the last one, or a negative one.
        TypeError
            Metrics that are no mapping, a metric that is no number, an epoch that is no integer.
        """
        self._state, decision = update(self._config, self._state, metrics, epoch)
        self._history.append(decision._replace(weights=dict(decision.weights)))  # the caller may change his own
        return decision

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, in plain types: for JSON, and for ``torch.load(..., weights_only=True)``."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "config": self._config.to_dict(),
            "state": self._state._asdict(),
            "history": [_plain(decision) for decision in self._history],
        }

    def load_state_dict(self, state: Mapping[str, Any], *, accept_changes: bool = False) -> None:
        """Go on from a saved state; where it is refused, nothing changes.

        Parameters
        ----------
        state : mapping
            What `state_dict` returned, or the saved state of the ``FlexibleLossScheduler`` of earlier code.
        accept_changes : bool, default False
            Load a state that was saved under other settings, and go on under those of this scheduler. The progress
            stays, so that other initial or final weights show at once; where the monitored metric, its mode or its
            averaging differ, monitoring begins anew.

        Raises
        ------
        ValueError
            Other settings (the message says which); a newer version; anything that no scheduler would save.
        TypeError
            Not a mapping.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be what state_dict returns, got {type(state).__name__}")
        loaded, past, changes = self._config.restored(state)
        if changes and not accept_changes:
            raise ValueError(
                f"state was saved under other settings: {'; '.join(changes)}. "
                "With accept_changes=True it goes on under the present ones"
            )
        self._state = loaded
        self._history.clear()
        self._history.extend(past)

    def __repr__(self) -> str:
        names = [self._config.stages[0].source, *(stage.target for stage in self._config.stages)]
        return f"LossScheduler({' -> '.join(names)}, epoch={self._state.epoch}, progress={self.progress:.3g})"


def update(
    config: SchedulerConfig | SchedulerChain,
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
        epoch = None if epoch is None else _checked_epoch(epoch, None)
        return state, _decide(config, state, epoch, "disabled", "weights stay as they are")
    c = config.stages[state.stage]
    epoch = _checked_epoch(epoch, state.epoch)
    value = _monitored(config.stages[state.stage :], metrics)
    before, state = state, state._replace(epoch=epoch)
    if epoch < warm_until(c, state):
        return state, _decide(config, state, epoch, "warmup", f"until epoch {warm_until(c, state)}", value)
    if value is None:
        return state, _decide(config, state, epoch, "missing", f"{c.monitor} was not passed")
    if not math.isfinite(value):
        return state, _decide(config, state, epoch, "not finite", f"{c.monitor} is {value}", value)
    state, improved = observe(c, state, value)
    tracked, facts = state.tracked, _facts(c, before, state, improved)
    fired = fires(c, before, state)
    if state.progress >= 1:
        reason, facts = "finished", "at the final weights"
    elif fired and state.consecutive < c.max_consecutive_adaptations:
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


# The monitor: when to move.


def warm_until(c: SchedulerConfig, state: SchedulerState) -> int:
    """The first epoch of this stage that counts."""
    return state.started + c.min_epochs_before_adapt + c.warmup_epochs


def observe(c: SchedulerConfig, state: SchedulerState, value: float) -> tuple[SchedulerState, bool]:
    """Learn from a finite value after the warm-up; also says whether it is an improvement."""
    tracked = value
    if c.use_ema and state.tracked is not None:
        tracked = c.ema_beta * state.tracked + (1 - c.ema_beta) * value
        # Rounding must not lead out of what was observed, nor to infinity.
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


def better(c: SchedulerConfig, value: float, than: float) -> bool:
    """Whether a value is better than another by more than ``min_delta``."""
    return value < than - _margin(c, than) if c.mode == "min" else value > than + _margin(c, than)


def worse(c: SchedulerConfig, value: float, than: float) -> bool:
    """Whether a value is worse than another by more than ``min_delta``."""
    return value > than + _margin(c, than) if c.mode == "min" else value < than - _margin(c, than)


def _margin(c: SchedulerConfig, than: float) -> float:
    return c.min_delta * abs(than) if c.min_delta_mode == "relative" else c.min_delta


def fires(c: SchedulerConfig, before: SchedulerState, now: SchedulerState) -> bool:
    """Whether an observation, which led from one state to the other, asks for a move."""
    if before.cooldown:
        return False
    if c.trigger == "plateau":
        return now.stale >= c.patience
    if c.trigger == "increase":
        return before.tracked is not None and now.tracked is not None and worse(c, now.tracked, before.tracked)
    return _next_epoch(c, before) <= (now.epoch or 0)


def _next_epoch(c: SchedulerConfig, state: SchedulerState) -> float:
    """The epoch from which the trigger "epoch" fires: one that has passed where a move is due."""
    if c.interval is None:
        # A milestone that was held or not observed stays due: none is lost.
        return state.started + c.milestones[state.moves] if state.moves < len(c.milestones) else math.inf
    warm = warm_until(c, state)
    since = warm if state.seen is None else max(warm, state.seen)
    return warm + c.interval * ((since - warm) // c.interval + 1)


# The progress: how far.


def progress(config: SchedulerConfig | SchedulerChain, state: SchedulerState) -> float:
    """How far a scheduler has come, from 0 to 1 over all its stages."""
    return (state.stage + state.progress) / len(config.stages)


def advance(c: SchedulerConfig, progress: float) -> float:
    """The progress after one move."""
    step = c.transition_step
    if c.adaptive_step:
        step = max(step * (1 - progress), min(LEAST_STEP, step))
    progress += step / distance(c)
    return progress if progress < ALMOST else 1.0


def distance(c: SchedulerConfig) -> float:
    """How far the target's weight goes in all; where it stays, how far the source's does."""
    return abs(c.final_weight_target - c.initial_weight_target) or abs(c.final_weight_source - c.initial_weight_source)


def move(config: SchedulerConfig | SchedulerChain, state: SchedulerState) -> SchedulerState:
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


def next_stage(config: SchedulerConfig | SchedulerChain, state: SchedulerState) -> SchedulerState:
    """The beginning of the next stage where this one is finished and there is one; otherwise the state itself."""
    if state.progress < 1 or state.stage + 1 >= len(config.stages):
        return state
    begun = 0 if state.epoch is None else state.epoch + 1
    return SchedulerState(state.epoch, state.stage + 1, begun)


# The weights: what that means.


def weights(config: SchedulerConfig | SchedulerChain, state: SchedulerState) -> dict[str, float]:
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


def side_weights(c: SchedulerConfig, progress: float) -> tuple[float, float]:
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


# Arguments in, answers out.


def _checked_epoch(epoch: Any, last: int | None) -> int:
    if epoch is None:
        return 0 if last is None else last + 1
    try:
        if isinstance(epoch, bool):
            raise TypeError
        number = index(epoch)
    except TypeError:
        raise TypeError(f"epoch must be an integer, got {epoch!r}") from None
    if number < (last or 0):
        after = "" if last is None else f" after {last}"
        raise ValueError(f"epoch must not be negative or go back, got {number}{after}")
    return number


def _monitored(stages: Sequence[SchedulerConfig], metrics: Mapping[str, Any]) -> float | None:
    """The metric that the first stage monitors, as a float; None where it is missing and that is no error."""
    for c in stages:  # what a later stage will need is missed now, not in the third night of the run
        if c.missing == "raise" and metrics.get(c.monitor) is None:
            passed = ", ".join(repr(name) for name in metrics) or "none"
            raise KeyError(f"monitored metric {c.monitor!r} is missing, got {passed} (missing='hold' waits for it)")
    c = stages[0]
    value = metrics.get(c.monitor)
    if value is None:
        return None
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"metric {c.monitor!r} must be a number, got {value!r}") from None


def _decide(
    config: SchedulerConfig | SchedulerChain,
    state: SchedulerState,
    epoch: int | None,
    reason: str,
    detail: str,
    metric: float | None = None,
    tracked: float | None = None,
) -> Decision:
    adapted = reason == "adapted"
    return Decision(adapted, reason, weights(config, state), progress(config, state), epoch, detail, metric, tracked)


def _facts(c: SchedulerConfig, before: SchedulerState, now: SchedulerState, improved: bool) -> str:
    """What was observed, in words."""
    value = f"{'average ' if c.use_ema else ''}{c.monitor} {now.tracked:.6g}"
    if c.trigger == "epoch":
        due = _next_epoch(c, before)
        if fires(c, before, now):
            return f"{value}, due since epoch {due}" if due != now.epoch else f"{value}, due at this epoch"
        return f"{value}, next move at epoch {due}" if due < math.inf else f"{value}, no milestone is left"
    if before.best is None:
        return f"{value} is the first"
    if improved:
        return f"{value} from {before.best:.6g} at best"
    size = f"{100 * c.min_delta:g} %" if c.min_delta_mode == "relative" else f"{c.min_delta:g}"
    by = f"more than {size} " if c.min_delta else ""
    if c.trigger == "increase":
        return f"{value} is {'' if fires(c, before, now) else 'not '}{by}worse than {before.tracked:.6g}"
    count = f", {now.stale} of {c.patience}" if now.stale <= c.patience else f", {now.stale} times"
    return f"{value} is not {by}better than {before.best:.6g}{count}"


def _change(config: SchedulerConfig | SchedulerChain, before: SchedulerState, after: SchedulerState) -> str:
    """What a move does, in words."""
    c = config.stages[before.stage]
    (a, b), (x, y) = side_weights(c, before.progress), side_weights(c, advance(c, before.progress))
    change = f"{c.source} {a:.4g} to {x:.4g}, {c.target} {b:.4g} to {y:.4g}"
    if after.stage > before.stage:
        change += f"; stage {after.stage + 1} of {len(config.stages)} begins"
    return change


def _plain(decision: Decision) -> dict[str, Any]:
    metric = decision.metric
    finite = None if metric is None or not math.isfinite(metric) else metric  # JSON has no other numbers
    return {**decision._asdict(), "weights": dict(decision.weights), "metric": finite}
