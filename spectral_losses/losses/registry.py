"""The losses by name, and what makes a function one of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec

from spectral_losses.losses.comparison import Comparison
from spectral_losses.messages import check_options, suggest
from spectral_losses.spectra.plan import explicit
from spectral_losses_backends.base import Array

Given = ParamSpec("Given")

_LOSSES: dict[str, Callable[..., Array]] = {}


def loss(function: Callable[Given, Comparison]) -> Callable[Given, Array]:
    """Make a loss of a documented function that says what is compared.

    The loss evaluates the comparison. It is registered under its name, which makes it known to `evaluate`,
    `CompositeLoss` and `value_and_grad`, and subject to the tests that hold for every loss. An option that it does not
    take is refused with the nearest one that it does.
    """
    name = function.__name__
    explicit(function)
    known = options_of(function)

    def compare(prediction: Any, target: Any, **options: Any) -> Comparison:
        check_options(name, options, known)
        return function(prediction, target, **options)

    @wraps(function)
    def evaluated(prediction: Any, target: Any, **options: Any) -> Array:
        return compare(prediction, target, **options).value()

    evaluated.compare = compare  # type: ignore[attr-defined]
    evaluated.__signature__ = inspect.signature(function).replace(return_annotation="Array")  # type: ignore[attr-defined]
    evaluated.__annotations__ = {**function.__annotations__, "return": "Array"}
    _LOSSES[name] = evaluated
    return evaluated  # type: ignore[return-value]


def named_loss(name: Any) -> Callable[..., Array]:
    """The loss of a name, or a ValueError that suggests the nearest one."""
    if not isinstance(name, str):
        hint = f"; its name is {name.__name__!r}" if is_loss(name) else ""
        raise TypeError(f"loss must be a name, got {name!r}{hint}")
    if name not in _LOSSES:
        raise ValueError(f"loss {suggest(name, _LOSSES)}")
    return _LOSSES[name]


def is_loss(function: Any) -> bool:
    """Whether a function is one of the losses."""
    return any(function is each for each in _LOSSES.values())


def all_losses() -> dict[str, Callable[..., Array]]:
    """The losses by name."""
    return dict(_LOSSES)


def comparison_of(
    function: Callable[..., Array], prediction: Array, target: Any, options: Mapping[str, Any], said: str = ""
) -> Comparison:
    """What a loss compares, checked and not yet computed; an error says first whose it is."""
    compare: Callable[..., Comparison] = function.compare  # type: ignore[attr-defined]
    try:
        return compare(prediction, target, **options)
    except (TypeError, ValueError) as error:
        if not said or type(error) not in (TypeError, ValueError):  # JAX's own ones say more by their class
            raise
        raise type(error)(f"{said}{error}").with_traceback(error.__traceback__) from None


def options_of(function: Callable[..., Any]) -> set[str]:
    """Names of the options that a loss takes."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
