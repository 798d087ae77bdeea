"""What error messages have in common: checks of single arguments, and the nearest known name."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from numbers import Rational, Real
from operator import index
from typing import Any

_NO_NUMBERS = ("bool", "complex", "str", "bytes", "object", "time")  # dtypes that `float` takes all the same, by name
_LARGEST = sys.float_info.max
_LARGEST_INTEGER = 10**300


def suggest(name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which one is nearest, and which there are."""
    known = list(known)
    return f"{name!r} is not known{nearest(name, known)}; there are {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """``, did you mean 'this'?``, or nothing."""
    known = list(known)
    near = get_close_matches(name, known, 1) or [each for each in known if each.endswith(f"_{name}")]
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


def check_options(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse options that a function does not take, by the nearest one that it does."""
    for option in given:
        if option not in known:
            raise TypeError(f"{owner}: option {suggest(option, sorted(known))}")


def check_eps(eps: float) -> float:
    """An eps that is a finite number of at least 0; any other is refused."""
    value = number("eps", eps)
    if not (0 <= value < math.inf):
        raise ValueError(f"eps must be finite and at least 0, got {eps}")
    return value


def number(argument: str, x: Any) -> float:
    """A real number as a float, those of NumPy and fractions included; infinity and NaN stay what they are."""
    if isinstance(x, float):  # by far the most common; the abstract classes take longer
        return plain_float(x)
    if isinstance(x, bool) or not isinstance(x, Real):
        raise TypeError(f"{argument} must be a number, got {type(x).__name__}")
    if isinstance(x, int | Rational) and not -_LARGEST <= x <= _LARGEST:  # type: ignore[operator]
        raise ValueError(f"{argument} must be finite: no float is as large as the {type(x).__name__} that it got")
    return plain_float(float(x))


def integer(argument: str, x: Any) -> int:
    """An integer of any kind as an int that floats, JSON and TOML can hold, and what is added to it in a run."""
    try:
        if isinstance(x, bool):
            raise TypeError
        whole = index(x)
    except TypeError:
        raise TypeError(f"{argument} must be an integer, got {x!r}") from None
    if abs(whole) > _LARGEST_INTEGER:  # not shown: Python does not write out integers of more than 4300 digits
        bits = whole.bit_length()
        raise ValueError(f"{argument} must be at most {_LARGEST_INTEGER:.0e}, got an integer of {bits} bits")
    return whole


def is_real_scalar(value: Any) -> bool:
    """Whether a value is one real number, of Python or of any framework: `float` takes more than these."""
    if isinstance(value, int | float):
        return not isinstance(value, bool)
    if not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        return False  # what has neither, `float` would read as text: strings, and every buffer of bytes
    dtype = getattr(value, "dtype", None)
    kind = str(getattr(dtype, "name", dtype)).rpartition(".")[2]  # PyTorch's have no name, and read "torch.bool"
    return not tuple(getattr(value, "shape", ())) and not any(word in kind for word in _NO_NUMBERS)


def items(argument: str, x: Any, takes: str) -> tuple[Any, ...]:
    """What a sequence or an array holds; sets and mappings have no order that could be meant."""
    if isinstance(x, list | tuple):
        return tuple(x)
    if hasattr(x, "tolist"):
        x = x.tolist()
    if isinstance(x, str | bytes) or not isinstance(x, Sequence):
        raise TypeError(f"{argument} must be {takes}, got {x!r}")
    return tuple(x)


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called the library."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("spectral_losses"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def plain_float(x: float) -> float:
    """A float that is its value, also where torch.compile would keep it symbolic."""
    return float.fromhex(float(x).hex())
