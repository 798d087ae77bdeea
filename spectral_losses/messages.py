"""What error messages have in common: checks of single arguments, and the nearest known name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def suggest(name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which one is nearest, and which there are."""
    known = list(known)
    return f"{name!r} is not known{nearest(name, known)}; there are {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """``, did you mean 'this'?``, or nothing."""
    near = get_close_matches(name, list(known), 1)
    return f", did you mean {near[0]!r}?" if near else ""


def listed(names: Iterable[str]) -> str:
    """Names as a message lists them."""
    return ", ".join(repr(name) for name in names)


def check_choice(argument: str, value: Any, choices: Iterable[str]) -> None:
    """Refuse what is not one of the choices."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        hint = nearest(value, choices) if isinstance(value, str) else ""
        raise ValueError(f"{argument} must be one of {', '.join(choices)}, got {value!r}{hint}")


def check_eps(eps: float) -> float:
    """An eps that is a finite number of at least 0; any other is refused."""
    if isinstance(eps, bool) or not isinstance(eps, int | float):
        raise TypeError(f"eps must be a number, got {type(eps).__name__}")
    if not (0 <= eps < math.inf):
        raise ValueError(f"eps must be finite and at least 0, got {eps}")
    return plain_float(eps)


def plain_float(x: float) -> float:
    """A float that is its value, also where torch.compile would keep it symbolic."""
    return float.fromhex(float(x).hex())
