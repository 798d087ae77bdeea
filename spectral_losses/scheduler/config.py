"""What a loss scheduler is told: validated, immutable settings of one transition, or of several in a chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from spectral_losses.messages import listed
from spectral_losses.scheduler.checks import (
    CHECKS,
    OPTIONAL,
    check_chain,
    check_components,
    check_trigger,
    check_weights,
)
from spectral_losses.scheduler.legacy import FIELDS as LEGACY
from spectral_losses.scheduler.legacy import ORIGINAL, SHARED, is_former, monitored, original
from spectral_losses.scheduler.serialization import (
    Serializable,
    as_table,
    plain,
    refusing_depth,
    unknown_key,
)
from spectral_losses.scheduler.settings import Settings, Trigger
from spectral_losses.scheduler.triggers import TRIGGERS

__all__ = ["PRESETS", "SchedulerChain", "SchedulerConfig"]

# What the presets set: final weights, cap and patience for three data sets of turbulence, transitional and isotropic
# (where small scales are lost soonest and less soon) and incompressible flow; and all that the scheduler had from which
# this one grew.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "tra": {"final_weight_source": 0.2, "final_weight_target": 0.8, "max_weight_target": 0.9, "patience": 3},
    "iso": {"final_weight_source": 0.3, "final_weight_target": 0.7, "max_weight_target": 0.8, "patience": 5},
    "inc": {"final_weight_source": 0.5, "final_weight_target": 0.5, "max_weight_target": 0.6, "patience": 8},
    "original": ORIGINAL,
}
WARMUP = 15


@dataclass(frozen=True, kw_only=True)
class SchedulerConfig(Settings, Serializable):
    """Settings of a transition from one loss to another.

    Immutable, hashable, and checked when made. `to_dict` gives it in plain types, for logs and files.
    ``dataclasses.replace`` keeps what it is not given: components, monitor and warm-up among it, which follow from
    other settings where they are left out here.

    Parameters
    ----------
    enabled : bool, default True
        If False, every step answers "disabled" and nothing ever changes.
    source, target : str
        Names of the losses to move from and to.
    source_components, target_components : sequence of str
        The weights that follow each side; by default one, called as the loss is.
    static_components : mapping of str to float
        Weights that stay as they are.
    initial_weight_source, initial_weight_target : float, default 1.0 and 0.0
        Weights at progress 0.
    final_weight_source, final_weight_target : float, default 0.3 and 0.7
        Weights at progress 1. Where they are the initial ones, the scheduler is finished from the start.
    max_weight_target : float, optional
        Never exceeded by the target's weight; what is cut off goes to the source, so that the sum is kept.
    trigger : {"plateau", "increase", "epoch", "auto"}, or Plateau, Increase, AtEpochs or Auto
        When to move: after `patience` observations without an improvement; when the metric gets worse; at
        given epochs; when the slope of its latest values says that there is a plateau, with nothing else to choose.
        The classes hold those of the settings below that belong to one trigger. They are another way to write them:
        the configuration has each by its own name, and the trigger as text.
    patience : int, default 5
        Trigger "plateau": observations without an improvement before a plateau is called one; 0 moves at every
        observation.
    min_delta : float, default 0.01
        An improvement has to be larger than this; so does what "increase" takes for a worsening.
    min_delta_mode : {"relative", "absolute"}
        Whether `min_delta` is a fraction of the value compared with, or in the metric's units.
    milestones : sequence of int
        Trigger "epoch": move once for each of these epochs, at the first observation at or after it.
    interval : int, optional
        Trigger "epoch": the same every so many epochs after the warm-up.
    ramp : (int, int), optional
        Epochs between which the progress goes evenly from 0 to 1, counted from the beginning of the stage. The trigger
        "epoch" needs nothing else then, and no metric; beside another trigger it is what the progress never stays
        behind, so that the way is over in time.
    cooldown : int, default 0
        Observations after each move during which nothing counts as stale and nothing moves.
    transition_step : float, optional
        How far the target's weight moves at a time (with a schedule other than "linear", on average); by default a
        seventh of its way, which is 0.1 of 0.7.
    adaptive_step : bool, default True
        Shrink the step to ``transition_step * (1 - progress)``, though not under 0.05 (or under
        `transition_step`, where that is smaller; or under a fourteenth of the way, where there is none).
    warmup_epochs : int, default 15, and 0 with the trigger "auto" and for a ramp alone
        Epochs from which nothing is learned.
    min_epochs_before_adapt : int, default 0
        Is added to them.
    max_consecutive_adaptations : int, optional
        After so many moves with no improvement in between, hold until the metric improves.
    monitor : str, optional
        Name of the metric to watch, whatever it is called; by default the target's name.
    mode : {"min", "max"}
        Whether less or more of the metric is better.
    use_ema : bool, default True
        Watch the metric's exponential moving average, which starts at the first observation.
    ema_beta : float, default 0.9
        Weight of the past in the average, in [0, 1).
    transition_schedule : {"linear", "cosine", "exponential", "geometric"}
        Shape of the way s from initial (0) to final (1) weights over progress p: ``p``, ``(1 - cos(pi p)) / 2``,
        ``(1 - exp(-3 p)) / (1 - exp(-3))``; "geometric" is evenly in the logarithm of each weight, where 1/1000 of the
        other end stands for a weight of 0.
    missing : {"raise", "hold"}
        What a step without the monitored metric does: raise a KeyError, or hold. The same of a guarded one, but that
        the scheduler goes on without it: until it is there no move is made or judged.
    guard : str, optional
        Name of a second metric, an error of the source of which less is better. Ten observations after each move it is
        compared with what it was before the first one, and the move is taken back where it is worse by more than
        `tolerance` and noise; then steps are half as large. Not for the trigger "epoch", nor beside a ramp.
    tolerance : float, optional
        By which fraction the guarded metric may get worse. By default what a full spectrum costs a relative squared
        error e at the least, ``2 (1 - sqrt(1 - e)) / e - 1``, and no less than 0.02.

    Raises
    ------
    ValueError
        A value that is not allowed, or settings that contradict each other.
    TypeError
        A value of the wrong type.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> config = sl.SchedulerConfig(patience=3, static_components={"divergence": 0.1})
    >>> sl.SchedulerConfig.from_json(config.to_json()) == config
    True
    >>> sl.SchedulerConfig(trigger=sl.Plateau(3), cooldown=2).patience
    3
    >>> sl.SchedulerConfig.preset("inc", mode="min").patience
    8
    >>> sl.SchedulerConfig(initial_weight_target=0.9, max_weight_target=0.8)
    Traceback (most recent call last):
    ...
    ValueError: initial_weight_target must not exceed max_weight_target, got 0.9 and 0.8
    """

    def __post_init__(self) -> None:
        if isinstance(self.trigger, Trigger):
            self._spread(self.trigger)
        alone = self.trigger == "epoch" and self.ramp is not None
        follow = {"warmup_epochs": 0 if alone or self.trigger == "auto" else WARMUP, "monitor": self.target}
        for name, check in CHECKS.items():
            value = getattr(self, name)
            value = follow.get(name) if value is None else value
            with refusing_depth(name):
                object.__setattr__(self, name, value if value is None and name in OPTIONAL else check(name, value))
        for side in ("source", "target"):
            if not getattr(self, f"{side}_components"):
                object.__setattr__(self, f"{side}_components", (getattr(self, side),))
        check_weights(self)
        check_components(self)
        check_trigger(self)

    def _spread(self, trigger: Trigger) -> None:
        """Take the settings that a trigger holds for those of their names."""
        for name, held in trigger.given().items():
            given = getattr(self, name)
            if given not in (getattr(Settings, name), held):
                raise ValueError(f"{name} is given twice, as {given!r} and in trigger {trigger!r}")
            object.__setattr__(self, name, held)
        object.__setattr__(self, "trigger", trigger.name)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The settings named in `PRESETS`, with changes.

        ``"tra"`` moves soon and far, ``"iso"`` is the default with a cap, ``"inc"`` moves late and half-way. What they
        do not set is as in ``SchedulerConfig()``. ``"original"`` has all defaults of the scheduler from which this one
        grew: other names of components, an absolute `min_delta`, and a limit of consecutive moves.
        """
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {listed(PRESETS)}, got {name!r}")
        return cls(**_over(original(changes) if name == "original" else PRESETS[name], changes))

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read settings by name; those that are absent have their defaults.

        Also reads the ``SchedulerParams`` dictionaries of earlier code (``source_loss``, ``target_loss``,
        ``adaptation_trigger``, ``monitor_metric``, components as ``{name: True}``): with one of these in it, what is
        absent is as in the preset ``"original"``.

        Raises
        ------
        ValueError
            An unknown key (the message suggests the nearest known one), or a value that is not allowed.
        TypeError
            A value of the wrong type.
        """
        known = [f.name for f in fields(cls)]
        given: dict[str, Any] = {}
        for key, value in as_table(settings, "settings").items():
            name = LEGACY.get(key, key)
            if name not in known:
                raise ValueError(unknown_key(key, [*known, *LEGACY]))
            if name in given:
                raise ValueError(f"{name} is given twice, as {key!r} too")
            if value is not None or name not in ("source_components", "target_components", "static_components"):
                given[name] = value
        if "monitor_metric" in settings:
            given["monitor"] = monitored(settings, {"source": cls.source, "target": cls.target, **given})
        return cls(**_over(original(given), given, former=True) if is_former(settings) else given)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain strings, numbers, lists and dictionaries."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}

    @property
    def stages(self) -> tuple[SchedulerConfig, ...]:
        """Itself alone: a chain of one."""
        return (self,)


def _over(settings: Mapping[str, Any], changes: Mapping[str, Any], former: bool = False) -> dict[str, Any]:
    """Settings with changes, without those of which the trigger makes nothing; of former ones also given ones."""
    trigger, merged = changes.get("trigger", Settings.trigger), {**settings, **changes}
    held = trigger.given() if isinstance(trigger, Trigger) else {}
    name = getattr(trigger, "name", trigger)
    kind = TRIGGERS.get(name) if isinstance(name, str) else None
    unused = () if kind is None else kind.unused(Settings(ramp=held.get("ramp", merged.get("ramp"))))
    drop = {*held, *unused}
    kept = {name for name in changes if not former or name not in SHARED}
    return {name: value for name, value in merged.items() if name not in drop or name in kept}


@dataclass(frozen=True)
class SchedulerChain(Serializable):
    """Transitions that follow one another: field error to spectrum error to a third loss, and so on.

    A stage begins when the one before it has reached its final weights. It learns anew, with its own monitor and
    settings; its warm-up, milestones and interval count from its beginning. The weights that earlier stages have
    reached stay, and a component goes on from where it was left.

    Parameters
    ----------
    stages : sequence of SchedulerConfig
        In order, at least one.

    Raises
    ------
    ValueError
        A component whose initial weight is not the one at which an earlier stage leaves it; a static one that
        is scheduled or has two values; a stage that could never end; stages of which only some are enabled.
    TypeError
        Something that is not a SchedulerConfig.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> first = sl.SchedulerConfig()  # ends with field error 0.3, spectrum error 0.7
    >>> second = sl.SchedulerConfig(
    ...     source="spectrum_error", target="gradient_error",
    ...     initial_weight_source=0.7, final_weight_source=0.4, final_weight_target=0.3, warmup_epochs=0)
    >>> chain = sl.SchedulerChain([first, second])
    >>> sl.LossScheduler(chain).weights
    {'field_error': 1.0, 'spectrum_error': 0.0, 'gradient_error': 0.0}
    """

    stages: Sequence[SchedulerConfig]

    def __post_init__(self) -> None:
        if isinstance(self.stages, SchedulerConfig | str) or not isinstance(self.stages, Iterable):
            raise TypeError(f"stages must be a sequence of SchedulerConfig, got {self.stages!r}")
        stages = tuple(self.stages)
        object.__setattr__(self, "stages", stages)
        if not stages:
            raise ValueError("stages must hold at least one SchedulerConfig, got none")
        for number, stage in enumerate(stages, 1):
            if not isinstance(stage, SchedulerConfig):
                raise TypeError(f"stage {number} must be a SchedulerConfig, got {type(stage).__name__}")
        if len({stage.enabled for stage in stages}) > 1:
            raise ValueError("enabled must be the same in all stages of a chain")
        check_chain(stages)

    @classmethod
    @refusing_depth("settings")
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read ``{"stages": [...]}``, each of them as `SchedulerConfig.from_dict` does.

        Raises
        ------
        ValueError, TypeError
            As there, with the number of the stage; a key other than ``stages``.
        """
        for key in as_table(settings, "settings"):
            if key != "stages":
                raise ValueError(unknown_key(key, ["stages"]))
        given, stages = settings.get("stages", ()), []
        if not isinstance(given, list | tuple):
            raise TypeError(f"stages must be a list of tables, got {given!r}")
        for number, stage in enumerate(given, 1):
            try:
                stages.append(SchedulerConfig.from_dict(stage))
            except (TypeError, ValueError) as error:
                raise type(error)(f"stage {number}: {error}") from error
        return cls(stages)

    def to_dict(self) -> dict[str, Any]:
        """``{"stages": [...]}``, each as `SchedulerConfig.to_dict` writes it."""
        return {"stages": [stage.to_dict() for stage in self.stages]}

    @property
    def enabled(self) -> bool:
        """Whether its stages are enabled."""
        return self.stages[0].enabled
