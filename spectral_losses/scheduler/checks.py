"""Checks of a scheduler's settings: each value by itself, then those that have to agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from numbers import Integral, Real
from typing import Any

from spectral_losses.messages import integer, listed, nearest
from spectral_losses.scheduler.legacy import renamed
from spectral_losses.scheduler.settings import Settings, Trigger
from spectral_losses.scheduler.transition import advance, side_weights, steps
from spectral_losses.scheduler.triggers import TRIGGERS, rule

CHOICES = {
    "trigger": tuple(TRIGGERS),
    "min_delta_mode": ("absolute", "relative"),
    "mode": ("min", "max"),
    "transition_schedule": ("linear", "cosine", "exponential", "geometric"),
    "missing": ("raise", "hold"),
}


class FrozenWeights(Mapping[str, float]):
    """A mapping that cannot change, so that what holds it can be hashed."""

    def __init__(self, items: Mapping[str, float]) -> None:
        self._items = dict(items)

    def __getitem__(self, name: str) -> float:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


# One value at a time: each check returns it as it is stored.


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}")
    if not value:
        raise ValueError(f"{name} must be a name, got an empty string")
    if any("\ud800" <= character <= "\udfff" for character in value):  # a lone surrogate, which UTF-8 has none of
        raise ValueError(f"{name} must be text that can be written to a file, got {value!r}")
    return str.__str__(value)  # of an enumeration or of NumPy, too: a safe checkpoint holds plain strings alone


def _trigger(name: str, value: Any) -> str:
    if isinstance(value, type) and issubclass(value, Trigger):
        raise TypeError(f"{name} must be a trigger, got the class {value.__name__}: call it, as {value.__name__}()")
    if isinstance(value, str) and value in ("ramp", *CHOICES["transition_schedule"]):
        raise ValueError(
            f"{name} must be one of {listed(CHOICES[name])}, got {value!r}: weights that go evenly from one epoch to "
            "another are trigger='epoch', ramp=(first, last)"
        )
    return _choice(name, value)


def _choice(name: str, value: Any) -> str:
    chosen = _text(name, value)
    if chosen not in CHOICES[name]:
        hint = nearest(chosen, CHOICES[name])
        raise ValueError(f"{name} must be one of {listed(CHOICES[name])}, got {value!r}{hint}")
    return chosen


def _count(name: str, value: Any, least: int = 0) -> int:
    if not isinstance(value, Integral):  # an array is no setting, though one of integers has an index
        raise TypeError(f"{name} must be an integer, got {value!r}")
    count = integer(name, value)
    if count < least:
        raise ValueError(f"{name} must be at least {least}, got {count}")
    return count


def _ramp(name: str, value: Any) -> tuple[int, int]:
    ends = _epochs(name, value)
    if len(ends) != 2:
        raise ValueError(f"{name} must be the epochs at which it begins and ends, got {list(ends)}")
    return ends[0], ends[1]


def _positive_count(name: str, value: Any) -> int:
    return _count(name, value, 1)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(f"{name} must be finite and at least 0, got a number beyond all floats") from error
    if not 0 <= number < math.inf:
        raise ValueError(f"{name} must be finite and at least 0, got {value}")
    return number


def _positive(name: str, value: Any) -> float:
    number = _number(name, value)
    if not number:
        raise ValueError(f"{name} must be above 0, got {value}")
    return number


def _factor(name: str, value: Any) -> float:
    number = _number(name, value)
    if number >= 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value}")
    return number


def _names(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    if isinstance(value, Mapping):  # formerly {name: whether it is used}
        used = [key for key, used in value.items() if _bool(f"{name}[{key!r}]", used)]
        if value and not used:
            raise ValueError(f"{name} must use a component, got {dict(value)}")
        value = used
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a sequence of names, got {value!r}")
    names = [renamed(_text(name, each)) for each in value]
    # A set has another order in each process, and the settings would not be those of the checkpoint.
    return tuple(dict.fromkeys(sorted(names) if isinstance(value, Set) else names))


def _fixed_weights(name: str, value: Any) -> FrozenWeights:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must map names to weights, got {value!r}")
    weights: dict[str, float] = {}
    for key, weight in value.items():
        component = renamed(_text(name, key))
        if component in weights:
            raise ValueError(f"{name} holds {component!r} under two names")
        weights[component] = _number(f"{name}[{key!r}]", weight)
    return FrozenWeights(weights)


def _epochs(name: str, value: Any) -> tuple[int, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a sequence of epochs, got {value!r}")
    epochs = tuple(_count(name, each) for each in (sorted(value) if isinstance(value, Set) else value))
    if list(epochs) != sorted(set(epochs)):
        raise ValueError(f"{name} must increase, got {list(epochs)}")
    return epochs


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "enabled": _bool,
    "source": _text,
    "target": _text,
    "source_components": _names,
    "target_components": _names,
    "static_components": _fixed_weights,
    "initial_weight_source": _number,
    "initial_weight_target": _number,
    "final_weight_source": _number,
    "final_weight_target": _number,
    "max_weight_target": _positive,
    "trigger": _trigger,
    "patience": _count,
    "min_delta": _number,
    "min_delta_mode": _choice,
    "milestones": _epochs,
    "interval": _positive_count,
    "ramp": _ramp,
    "cooldown": _count,
    "transition_step": _positive,
    "adaptive_step": _bool,
    "min_epochs_before_adapt": _count,
    "warmup_epochs": _count,
    "max_consecutive_adaptations": _positive_count,
    "monitor": _text,
    "mode": _choice,
    "use_ema": _bool,
    "ema_beta": _factor,
    "transition_schedule": _choice,
    "missing": _choice,
    "guard": _text,
    "tolerance": _positive,
}
OPTIONAL = frozenset(name for name in CHECKS if getattr(Settings, name, ()) is None)
"""Settings that may be None."""


# Settings that contradict each other.


def check_weights(c: Settings) -> None:
    """Raise where initial or final weights contradict the cap, or a step would be lost."""
    if c.max_weight_target is not None:
        _check_cap(c, c.max_weight_target)
    step, least, way = steps(c)
    if c.enabled and min(step, least) < 1e-9 * way:
        raise ValueError(
            f"a step must be at least 1e-9 of the way of {way:.6g}, got transition_step {c.transition_step} "
            "(which is in weights; left out, it is a share of the way)"
        )


def _check_cap(c: Settings, cap: float) -> None:
    if c.initial_weight_target > cap:
        raise ValueError(
            f"initial_weight_target must not exceed max_weight_target, got {c.initial_weight_target} and {cap}"
        )
    # What the cap cuts off the target goes to the source, which must not rise above both of its ends by that.
    cut = max(0.0, c.final_weight_target - cap)
    top = max(c.initial_weight_source, c.final_weight_source)
    if c.final_weight_source + cut > top + 1e-9 * max(top, c.final_weight_target):
        raise ValueError(
            f"final_weight_target must not exceed max_weight_target by more than the source can take, got "
            f"{c.final_weight_target} and {cap}: the {cut:.6g} cut off would lift the source above both its initial "
            f"weight {c.initial_weight_source} and its final weight {c.final_weight_source}"
        )


def check_components(c: Settings) -> None:
    """Raise where a component would get its weight from two sides, or source and target are one loss."""
    if c.source == c.target:
        raise ValueError(f"source and target must be two losses, got {c.source!r} for both")
    for a, b in (
        ("source_components", "target_components"),
        ("static_components", "source_components"),
        ("static_components", "target_components"),
    ):
        both = [name for name in getattr(c, a) if name in getattr(c, b)]
        if both:
            raise ValueError(f"{a} and {b} must not share a name, got {both[0]!r} in both")


def check_trigger(c: Settings) -> None:
    """Raise where the trigger is given settings that it ignores, or that contradict each other under it."""
    rule(c).check(c)
    if c.guard is not None and c.ramp is not None:
        raise ValueError(f"guard must not stand beside a ramp, which moves whatever it says, got {c.guard!r}")
    if c.guard is None and c.tolerance is not None:
        raise ValueError(f"tolerance is of a guard, and there is none, got {c.tolerance}")


def check_chain(stages: tuple[Settings, ...]) -> None:
    """Raise where stages do not go on from each other, or one could never end."""
    reached: dict[str, float] = {}
    static: dict[str, float] = {}
    for number, c in enumerate(stages, 1):
        for component, weight in c.static_components.items():
            if static.setdefault(component, weight) != weight:
                raise ValueError(
                    f"static component {component!r} must have one weight in all stages, got {static[component]} "
                    f"and in stage {number} {weight}"
                )
        for side, final in zip(("source", "target"), side_weights(c, 1.0), strict=True):
            initial = getattr(c, f"initial_weight_{side}")
            for component in getattr(c, f"{side}_components"):
                before = reached.get(component, initial)
                if not math.isclose(before, initial, rel_tol=1e-9, abs_tol=1e-12):
                    raise ValueError(
                        f"stage {number} must go on from the weights that earlier stages reach: {component!r} is left "
                        f"at {before:.6g}, got initial_weight_{side} {initial}"
                    )
                reached[component] = final
    for component in static:
        if component in reached:
            raise ValueError(f"static component {component!r} is scheduled by a stage of the chain, too")
    for number, c in enumerate(stages[:-1], 1):
        if c.guard is not None:
            raise ValueError(
                f"stage {number} must have no guard, got {c.guard!r}: it could end on the way, and stage {number + 1} "
                "would never begin"
            )
        gone = 0.0
        for _ in c.milestones:
            gone = advance(c, gone)
        if c.milestones and gone < 1:
            raise ValueError(
                f"stage {number} has gone {gone:.0%} of its way after its {len(c.milestones)} milestones, "
                f"so that stage {number + 1} would never begin"
            )
