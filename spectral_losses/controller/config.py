"""What a loss controller is told: validated, immutable settings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Self

from spectral_losses.controller.constraint import ConstraintConfig
from spectral_losses.scheduler.checks import CHECKS, check_components
from spectral_losses.scheduler.serialization import Serializable, as_table, plain, refusing_depth, unknown_key
from spectral_losses.scheduler.settings import Settings

__all__ = ["ControllerConfig"]

NAMES = ("source", "target", "source_components", "target_components", "static_components", "missing")
NUMBERS = ("weight", "start", "least", "most")


@dataclass(frozen=True)
class ControllerConfig(Serializable):
    """Settings of a controller: constraints, the losses that they are about, and the range of the weight.

    Immutable, hashable, and checked when made. The losses and their components are named as in `SchedulerConfig`.
    The ratio of the target's weight to the source's is called lambda.

    Parameters
    ----------
    constraints : ConstraintConfig or sequence of ConstraintConfig
        Goals and limits, at least one. Lambda moves as far as the neediest goal asks for, and no further than the
        tightest limit allows.
    source, target : str
        Names of the loss whose weight stays and of the one whose weight moves.
    source_components, target_components : sequence of str
        The weights that follow each side; by default called as the loss is.
    static_components : mapping of str to float
        Further weights, which stay as they are.
    weight : float, default 1.0
        Of the source.
    start : float, default 1e-3
        Lambda at first.
    least, most : float, default 1e-4 and 1
        Where lambda ends. By default no loss that is moved ever has more weight than the one that stays.
    missing : {"raise", "hold"}
        What a step without one of the metrics does: raise a KeyError, or hold.

    Raises
    ------
    ValueError
        A value that is not allowed, or settings that contradict each other.
    TypeError
        A value of the wrong type.

    Examples
    --------
    >>> from spectral_losses.controller import ConstraintConfig, ControllerConfig
    >>> config = ControllerConfig(ConstraintConfig("log_spectral_distance", 1.0), start=0.003)
    >>> ControllerConfig.from_toml(config.to_toml()) == config
    True
    """

    constraints: ConstraintConfig | Sequence[ConstraintConfig]
    source: str = field(default="field_error", kw_only=True)
    target: str = field(default="log_spectral_distance", kw_only=True)
    source_components: Sequence[str] = field(default=(), kw_only=True)
    target_components: Sequence[str] = field(default=(), kw_only=True)
    static_components: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    weight: float = field(default=1.0, kw_only=True)
    start: float = field(default=1e-3, kw_only=True)
    least: float = field(default=1e-4, kw_only=True)
    most: float = field(default=1.0, kw_only=True)
    missing: str = field(default="raise", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "constraints", _checked_constraints(self.constraints))
        for name in NAMES:
            object.__setattr__(self, name, CHECKS[name](name, getattr(self, name)))
        for name in NUMBERS:
            object.__setattr__(self, name, CHECKS["transition_step"](name, getattr(self, name)))
        for side in ("source", "target"):
            if not getattr(self, f"{side}_components"):
                object.__setattr__(self, f"{side}_components", (getattr(self, side),))
        check_components(Settings(**{name: getattr(self, name) for name in NAMES}))
        if not self.least <= self.start <= self.most:
            raise ValueError(f"start must lie from least to most, got {self.start}, not in {self.least} to {self.most}")
        if not 0 < self.weight * self.least <= self.weight * self.most < math.inf:
            raise ValueError(
                f"weight times least and times most must be positive and finite, got {self.weight}, {self.least} and "
                f"{self.most}"
            )

    @classmethod
    @refusing_depth("settings")
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read settings by name; those that are absent have their defaults. Constraints are tables.

        Raises
        ------
        ValueError
            An unknown key, no constraint, or a value that is not allowed; with the number of the constraint.
        TypeError
            A value of the wrong type.
        """
        known = [f.name for f in fields(cls)]
        for key in as_table(settings, "settings"):
            if key not in known:
                raise ValueError(unknown_key(key, known))
        given, constraints = settings.get("constraints", ()), []
        if not isinstance(given, list | tuple):
            raise TypeError(f"constraints must be a list of tables, got {given!r}")
        for number, table in enumerate(given, 1):
            try:
                constraints.append(ConstraintConfig.from_dict(table))
            except (TypeError, ValueError) as error:
                raise type(error)(f"constraint {number}: {error}") from error
        return cls(**{**settings, "constraints": constraints})

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain strings, numbers, lists and dictionaries."""
        settings = {f.name: plain(getattr(self, f.name)) for f in fields(self)}
        return {**settings, "constraints": [c.to_dict() for c in self.each]}

    @property
    def each(self) -> tuple[ConstraintConfig, ...]:
        """The constraints, one of them too."""
        return self.constraints  # type: ignore[return-value]  # since it was made

    @cached_property
    def watched(self) -> tuple[Settings, ...]:
        """The metrics as the scheduler's monitor reads them."""
        return tuple(Settings(monitor=c.metric, missing=self.missing) for c in self.each)


def _checked_constraints(value: Any) -> tuple[ConstraintConfig, ...]:
    if isinstance(value, ConstraintConfig):
        value = (value,)
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"constraints must be a ConstraintConfig or a sequence of them, got {value!r}")
    constraints = tuple(value)
    if not constraints:
        raise ValueError("constraints must hold at least one ConstraintConfig, got none")
    seen = set()
    for number, c in enumerate(constraints, 1):
        if not isinstance(c, ConstraintConfig):
            raise TypeError(f"constraint {number} must be a ConstraintConfig, got {type(c).__name__}")
        if (c.metric, c.of) in seen:
            raise ValueError(
                f"constraints must not hold {c.metric!r} of the {c.of} twice, got it as number {number} too"
            )
        seen.add((c.metric, c.of))
    return constraints
