"""One goal or limit of a metric: validated and immutable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Self

from spectral_losses.messages import check_choice
from spectral_losses.scheduler.checks import CHECKS
from spectral_losses.scheduler.serialization import Serializable, as_table, unknown_key

__all__ = ["ConstraintConfig"]

# A check for each kind of value is that of a setting of the scheduler.
_text, _positive, _number, _factor = (CHECKS[name] for name in ("monitor", "transition_step", "min_delta", "ema_beta"))

# Integral and proportional gain; chosen on simulated trainings of 20 to 60 observations (see the tests). The error of
# a limit grows at least as fast as the weight once it is spent, that of a goal falls more slowly.
GAINS = {"target": (0.4, 1.0), "source": (0.2, 0.5)}
NO_YARDSTICK = {
    "best": "the best so far sinks with the learning rate whatever the weight does, and a budget of 5 % over it was "
    "measured to pay 36 to 42 %",
    "first": "the first value is that of a network that has not been trained, and limits nothing",
}
DECIBEL = math.log(10) / 10


@dataclass(frozen=True)
class ConstraintConfig(Serializable):
    """A goal for the target loss, or a limit for the source loss.

    Immutable, hashable, and checked when made.

    Parameters
    ----------
    metric : str
        Name of the metric; less of it is better.
    at_most : float
        What it may be at most, in its own units, in decibels, or as a factor of `relative_to`.
    of : {"target", "source"}
        A goal for the target loss: its weight grows while the metric is above. Or a limit for the source loss, which
        needs `relative_to` and more than 1 as `at_most`: the target's weight shrinks while the metric is above.
    relative_to : float, optional
        The number that `at_most` is a factor of, such as the error that a finished training without the target loss
        ended with.
    unit : {"value", "dB"}
        With ``"dB"`` the metric is a `log_spectral_distance` of powers, and its root is at most so many decibels.
    integral : float, optional
        How fast the logarithm of the weight moves, by the error at each observation. By default 0.4 for a goal, 0.2
        for a limit.
    proportional : float, optional
        How much it answers to a change of the error. By default 1 for a goal, 0.5 for a limit.
    smoothing : float, default 0.5
        Weight of the past in the moving average of the metric's logarithm, in [0, 1).

    Raises
    ------
    ValueError
        A value that is not allowed, or settings that contradict each other.
    TypeError
        A value of the wrong type.

    Examples
    --------
    >>> from spectral_losses.controller import ConstraintConfig
    >>> ConstraintConfig("log_spectral_distance", 2, unit="dB").limit
    0.2120...
    >>> ConstraintConfig("field_error", 1.05, of="source", relative_to=0.04).limit
    0.042
    """

    metric: str
    at_most: float
    of: str = field(default="target", kw_only=True)
    relative_to: float | None = field(default=None, kw_only=True)
    unit: str = field(default="value", kw_only=True)
    integral: float | None = field(default=None, kw_only=True)
    proportional: float | None = field(default=None, kw_only=True)
    smoothing: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        check_choice("of", self.of, GAINS)
        check_choice("unit", self.unit, ("value", "dB"))
        _check_yardstick(self.relative_to)
        checked = {
            "metric": _text("metric", self.metric),
            "at_most": _positive("at_most", self.at_most),
            "of": str.__str__(self.of),
            "relative_to": None if self.relative_to is None else _positive("relative_to", self.relative_to),
            "unit": str.__str__(self.unit),
            "integral": None if self.integral is None else _positive("integral", self.integral),
            "proportional": None if self.proportional is None else _number("proportional", self.proportional),
            "smoothing": _factor("smoothing", self.smoothing),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        _check_agreement(self)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read settings by name; those that are absent have their defaults.

        Raises
        ------
        ValueError
            An unknown or a missing key, or a value that is not allowed.
        TypeError
            A value of the wrong type.
        """
        known = [f.name for f in fields(cls)]
        for key in as_table(settings, "settings"):
            if key not in known:
                raise ValueError(unknown_key(key, known))
        for key in ("metric", "at_most"):
            if key not in settings:
                raise ValueError(f"settings must hold {key!r}, got {dict(settings)}")
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain strings and numbers."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def limit(self) -> float:
        """What the metric may be at most, in its own units."""
        if self.unit == "dB":
            return (self.at_most * DECIBEL) * (self.at_most * DECIBEL)
        return self.at_most if self.relative_to is None else self.relative_to * self.at_most

    @cached_property
    def scale(self) -> float:
        """The distance from the limit, of logarithms, that counts as an error of 1: of a limit the whole allowance."""
        return 1.0 if self.of == "target" else math.log(self.at_most)

    @cached_property
    def gains(self) -> tuple[float, float]:
        """Integral and proportional gain."""
        integral, proportional = GAINS[self.of]
        return (
            integral if self.integral is None else self.integral,
            proportional if self.proportional is None else self.proportional,
        )


def _check_yardstick(value: Any) -> None:
    if isinstance(value, str) and value in NO_YARDSTICK:
        raise ValueError(
            f"relative_to must be the number that a finished training without the target loss ended with, "
            f"got {value!r}: {NO_YARDSTICK[value]}"
        )


def _check_agreement(c: ConstraintConfig) -> None:
    if c.of == "source" and c.relative_to is None:
        raise ValueError(
            "a limit of the source needs relative_to, the number that a finished training without the target loss "
            "ended with, got None"
        )
    if c.unit == "dB" and (c.of == "source" or c.relative_to is not None):
        raise ValueError(f"unit 'dB' is for a goal without relative_to, got of {c.of!r}, relative_to {c.relative_to}")
    if c.of == "source" and c.at_most <= 1:
        raise ValueError(f"at_most of a limit of the source must be above 1, got {c.at_most}")
    if not 1e-300 <= c.limit <= 1e300:
        raise ValueError(f"at_most must allow between 1e-300 and 1e300 of the metric, got {c.limit}")
