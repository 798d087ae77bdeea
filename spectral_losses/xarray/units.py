"""Units as attributes say them, and what powers and products of them are called."""

from __future__ import annotations

from typing import Any

ONE = {"", "1", "dimensionless", "unitless", "none"}


def units_of(x: Any) -> str | None:
    """The units of a DataArray, None where it has none."""
    units = x.attrs.get("units")
    return None if units is None else str(units).strip()


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
