"""The settings of a scheduler as data: what its parts read, and what `SchedulerConfig` checks and explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One transition, unchecked; the names and defaults are those of `SchedulerConfig`."""

    enabled: bool = True
    source: str = "field_error"
    target: str = "spectrum_error"
    source_components: Sequence[str] = ()
    target_components: Sequence[str] = ()
    static_components: Mapping[str, float] = field(default_factory=dict)
    initial_weight_source: float = 1.0
    initial_weight_target: float = 0.0
    final_weight_source: float = 0.3
    final_weight_target: float = 0.7
    max_weight_target: float | None = None
    trigger: str | Trigger = "plateau"
    patience: int = 5
    min_delta: float = 0.01
    min_delta_mode: str = "relative"
    milestones: Sequence[int] = ()
    interval: int | None = None
    ramp: tuple[int, int] | None = None
    cooldown: int = 0
    transition_step: float | None = None
    adaptive_step: bool = True
    min_epochs_before_adapt: int = 0
    warmup_epochs: int | None = None
    max_consecutive_adaptations: int | None = None
    monitor: str | None = None
    mode: str = "min"
    use_ema: bool = True
    ema_beta: float = 0.9
    transition_schedule: str = "linear"
    missing: str = "raise"
    guard: str | None = None
    tolerance: float | None = None

    @property
    def warmup(self) -> int:
        """Epochs of the warm-up."""
        return self.min_epochs_before_adapt + (self.warmup_epochs or 0)

    @property
    def averaged(self) -> bool:
        """Whether a moving average of the metric is watched."""
        return self.use_ema and self.trigger != "auto"

    @property
    def needs_metric(self) -> bool:
        """Whether anything depends on the metric."""
        still = self.final_weight_source == self.initial_weight_source
        still = still and self.final_weight_target == self.initial_weight_target
        return not still and (self.trigger != "epoch" or self.ramp is None)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that are looked at."""
        names = (self.monitor if self.needs_metric else None, self.guard)
        return tuple(dict.fromkeys(name for name in names if name))


class Trigger:
    """When to move: the settings of `SchedulerConfig` that a way of deciding it has for itself.

    Its kinds are `Plateau`, `Increase`, `AtEpochs` and `Auto`.
    """

    name: ClassVar[str]
    """The setting's value where it is written as text."""

    def given(self) -> dict[str, Any]:
        """The settings that it was given, by name."""
        held = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]  # dataclasses
        return {name: value for name, value in held.items() if value is not None}


class Stages(Protocol):
    """What a `SchedulerConfig` and a `SchedulerChain` have in common: transitions that follow one another."""

    @property
    def stages(self) -> Sequence[Settings]:
        """One, or several in order."""

    @property
    def enabled(self) -> bool:
        """Whether anything ever changes."""
