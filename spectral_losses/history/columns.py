"""From the arguments of `History.record` to columns of a file, tags of a writer, and floats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spectral_losses.messages import integer, is_real_scalar

Row = dict[str, Any]  # an int at "epoch", a str at "scheduler/reason", elsewhere a float or None


def columns_of(argument: str, values: Any, prefix: str, tag: str | None = None) -> list[tuple[str, str, float | None]]:
    """Column, tag and value of each number of a group, or an error that names the argument."""
    if values is None:
        return []
    if not isinstance(values, Mapping):
        raise TypeError(f"{argument} must map names to numbers, got {type(values).__name__}")
    for name in values:
        if not isinstance(name, str) or not name.isprintable() or name != name.strip() or not name:
            raise ValueError(f"{argument}: a name must be printable text without spaces around it, got {name!r}")
        if not prefix and name.lower() == "epoch":
            raise ValueError(f"{argument}: the name {name!r} is taken")
    tag = prefix if tag is None else tag
    return [(f"{prefix}{name}", f"{tag}{name}", to_float(v, f"{argument}[{name!r}]")) for name, v in values.items()]


def to_float(value: Any, name: str) -> float | None:
    """A real number as a float, None as None; anything else is refused."""
    if value is None:
        return None
    try:
        if not is_real_scalar(value):
            raise TypeError
        # PyTorch warns where a number is made of a tensor that requires a gradient.
        return float(value.detach() if hasattr(value, "detach") else value)
    except OverflowError:  # an integer beyond all floats
        return float("inf") if value > 0 else float("-inf")
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number or a 0-d array, got {value!r}") from None


def checked_epoch(epoch: Any) -> int:
    """An epoch as an int of at least 0."""
    number = integer("epoch", epoch)
    if number < 0:
        raise ValueError(f"epoch must not be negative, got {number}")
    return number
