"""Units as attributes say them: whether two are the same, and what powers of them are called."""

from __future__ import annotations

import re
from typing import Any

ONE = {"", "1", "dimensionless", "unitless", "none"}
_FACTOR = re.compile(r"([^\W\d_%]+|[%µ°]\w*|\w+_\w+)(?:\*\*|\^)?([+-]?\d+)?|(1)")


def units_of(x: Any) -> str | None:
    """The units of a DataArray, None where it has none."""
    units = x.attrs.get("units")
    return None if units is None else str(units).strip()


def same(a: str, b: str) -> bool:
    """Whether two units are, but for how powers and quotients are written: ``m/s`` is ``m s**-1``."""
    return a == b or _parsed(a) == _parsed(b)


def power_of(units: str | None, n: int = 2) -> str | None:
    """A unit to a power."""
    if units is None or n == 1:
        return units
    if units.lower() in ONE:
        return "1"
    return f"{units}^{n}" if units.isalpha() else f"({units})^{n}"


def times(*units: str | None) -> str | None:
    """A product; None where one is not known."""
    if None in units:
        return None
    return " ".join(unit for unit in units if unit and unit not in ONE) or "1"


def _parsed(units: str) -> Any:
    """Exponents by name, or the text where it is not understood."""
    if units.lower() in ONE:
        return {}
    powers: dict[str, int] = {}
    for place, part in enumerate(units.split("/")):
        for factor in re.split(r"[\s.]+|(?<!\*)\*(?!\*)", part.strip()):
            match = _FACTOR.fullmatch(factor)
            if match is None:
                return units
            if match[3]:
                continue
            # What stands behind a slash divides, but for what follows it: "m/s kg" is read either way by programs.
            exponent = int(match[2] or 1) * (-1 if place else 1)
            powers[match[1]] = powers.get(match[1], 0) + exponent
    return {name: exponent for name, exponent in powers.items() if exponent}
