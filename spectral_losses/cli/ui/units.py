"""Units of files as figures show them: squared, and with raised exponents."""

from __future__ import annotations

import re
from collections.abc import Mapping

from spectral_losses.io.units import canonical

_FACTOR = re.compile(r"([A-Za-zµ°%_]+)(-?\d+)?")
ONE = "dimensionless"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def squared(units: str | None, length: str | None = None) -> str | None:
    """The square of some units, times that of a length where one is given: ``m s-1`` to ``m² s⁻²``.

    None where nothing is known of them. What is no product of powers of names stays as it is, between parentheses.
    """
    if units is None:
        return None
    powers = _powers(units)
    if powers is None:
        return f"({units.strip()})²" + (f" {length}" if length else "")
    powers = {name: 2 * power for name, power in powers.items()}
    for name, power in ({} if length is None else _powers(length) or {}).items():
        powers[name] = powers.get(name, 0) + power
    return _written(powers)


def _powers(units: str) -> dict[str, int] | None:
    """Exponents by name; None where units are something else."""
    found = {}
    for factor in canonical(units).split():
        match = _FACTOR.fullmatch(factor)
        if match is None:
            return None
        found[match[1]] = int(match[2] or 1)
    return found


def _written(powers: Mapping[str, int]) -> str:
    """What is multiplied before what is divided by."""
    factors = [(name, power) for name, power in powers.items() if power]
    factors.sort(key=lambda factor: factor[1] < 0)
    return " ".join(name + ("" if power == 1 else str(power).translate(_RAISED)) for name, power in factors) or ONE
