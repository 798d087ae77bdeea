"""What a loss scheduler is told: validated, immutable settings of one transition, or of several in a chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from spectral_losses.messages import listed
from spectral_losses.scheduler.checks import CHECKS, check_chain, check_components, check_trigger, check_weights
from spectral_losses.scheduler.legacy import FIELDS as LEGACY
from spectral_losses.scheduler.legacy import monitored
from spectral_losses.scheduler.serialization import (
    Serializable,
    as_table,
    plain,
    read_table,
    refusing_depth,
    unknown_key,
)
from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.triggers import TRIGGERS

__all__ = ["PRESETS", "SchedulerChain", "SchedulerConfig", "load_config"]

# Final weights, cap and patience for three data sets of turbulence: transitional and isotropic
# (where small scales are lost soonest and less soon), and incompressible flow.
PRESETS: Mapping[str, Mapping[str, float]] = {
    "tra": {"final_weight_source": 0.2, "final_weight_target": 0.8, "max_weight_target": 0.9, "patience": 3},
    "iso": {"final_weight_source": 0.3, "final_weight_target": 0.7, "max_weight_target": 0.8, "patience": 5},
    "inc": {"final_weight_source": 0.5, "final_weight_target": 0.5, "max_weight_target": 0.6, "patience": 8},
}
WARMUP = {"min_epochs_before_adapt": 10, "warmup_epochs": 5}
COMPONENTS = {"field_error": ("recFieldError", "predFieldError"), "spectrum_error": ("spectrumError",)}


@dataclass(frozen=True, kw_only=True)
class SchedulerConfig(Settings, Serializable):
    """Settings of a transition from one loss to another.

    Immutable, hashable, and checked when made. The defaults are conservative. `to_dict` gives it in plain types, for
    logs and files. ``dataclasses.replace`` keeps what it is not given, the components of both sides and the warm-up
    among it.

    Parameters
    ----------
    enabled : bool, default True
        If False, every step answers "disabled" and nothing ever changes.
    source, target : str
        Names of the losses to move from and to.
    source_components, target_components : sequence of str
        The weights that follow each side. By default ``recFieldError`` and ``predFieldError`` for
        ``"field_error"``, ``spectrumError`` for ``"spectrum_error"``, and for any other loss its own name.
    static_components : mapping of str to float
        Weights that stay as they are.
    initial_weight_source, initial_weight_target : float, default 1.0 and 0.0
        Weights at progress 0.
    final_weight_source, final_weight_target : float, default 0.3 and 0.7
        Weights at progress 1.
    max_weight_target : float, default 0.8
        Never exceeded by the target's weight; what is cut off goes to the source, so that the sum is kept.
    trigger : {"plateau", "increase", "epoch", "auto"}
        When to move: after `patience` observations without an improvement; when the metric gets worse; at
        given epochs; when the slope of its latest values says that there is a plateau, with nothing else to choose.
    patience : int, default 5
        Observations without an improvement before a plateau is called one; 0 moves at every observation.
    min_delta : float, default 1e-3
        An improvement has to be larger than this; so does what "increase" takes for a worsening.
    min_delta_mode : {"absolute", "relative"}
        Whether `min_delta` is in the metric's units or a fraction of the value compared with.
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
    transition_step : float, default 0.1
        How far the target's weight moves at a time (with a schedule other than "linear", on average).
    adaptive_step : bool, default True
        Shrink the step to ``transition_step * (1 - progress)``, though not under 0.05 (or under
        `transition_step`, where that is smaller).
    min_epochs_before_adapt, warmup_epochs : int, default 10 and 5, and 0 with the trigger "auto"
        The warm-up lasts for the sum of both; nothing is learned from it.
    max_consecutive_adaptations : int, default 10
        After so many moves with no improvement in between, hold until the metric improves.
    monitor : str, default "spectrum_error"
        Name of the metric to watch, whatever it is called.
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
        What a step without the monitored metric does: raise a KeyError, or hold.

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
    >>> sl.SchedulerConfig.preset("inc", mode="min").patience
    8
    >>> sl.SchedulerConfig(initial_weight_target=0.9)
    Traceback (most recent call last):
    ...
    ValueError: initial_weight_target must not exceed max_weight_target, got 0.9 and 0.8
    """

    def __post_init__(self) -> None:
        for name, usual in WARMUP.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, 0 if self.trigger == "auto" else usual)
        for name, check in CHECKS.items():
            with refusing_depth(name):
                object.__setattr__(self, name, check(name, getattr(self, name)))
        for side in ("source", "target"):
            if not getattr(self, f"{side}_components"):
                loss = getattr(self, side)
                object.__setattr__(self, f"{side}_components", COMPONENTS.get(loss, (loss,)))
        check_weights(self)
        check_components(self)
        check_trigger(self)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The settings named in `PRESETS`, with changes.

        ``"tra"`` moves soon and far, ``"iso"`` is the default, ``"inc"`` moves late and half-way.
        """
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {listed(PRESETS)}, got {name!r}")
        trigger = TRIGGERS.get(changes.get("trigger", cls.trigger))
        unused = () if trigger is None else trigger.unused
        known = {key: value for key, value in PRESETS[name].items() if key not in unused}
        return cls(**{**known, **changes})

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read settings by name; those that are absent have their defaults.

        Also reads the ``SchedulerParams`` dictionaries of earlier code (``source_loss``, ``target_loss``,
        ``adaptation_trigger``, ``monitor_metric``, components as ``{name: True}``).

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
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain strings, numbers, lists and dictionaries."""
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}

    @property
    def stages(self) -> tuple[SchedulerConfig, ...]:
        """Itself alone: a chain of one."""
        return (self,)


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
    ...     source="spectrum_error", target="gradient_error", monitor="gradient_error",
    ...     initial_weight_source=0.7, final_weight_source=0.4, final_weight_target=0.3, min_epochs_before_adapt=0)
    >>> chain = sl.SchedulerChain([first, second])
    >>> sl.LossScheduler(chain).weights
    {'recFieldError': 1.0, 'predFieldError': 1.0, 'spectrumError': 0.0, 'gradient_error': 0.0}
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


def load_config(path: str | Path) -> SchedulerConfig | SchedulerChain:
    """Read a `SchedulerConfig`, or a `SchedulerChain` where there are ``stages``, from a TOML or JSON file.

    Raises
    ------
    ValueError
        Neither TOML nor JSON by its suffix, or not readable as such; whatever ``from_dict`` refuses.
    OSError
        The file cannot be read.
    """
    settings = read_table(Path(path))
    return (SchedulerChain if "stages" in settings else SchedulerConfig).from_dict(settings)
