"""Units as files write them, one for all the ways in which they may be written."""

from __future__ import annotations

import re

ALIKE = {
    "degrees_north": ("degree_north", "degree_n", "degrees_n", "degreen", "degreesn"),
    "degrees_east": ("degree_east", "degree_e", "degrees_e", "degreee", "degreese"),
    "hPa": ("hpa", "mb", "mbar", "mbars", "millibar", "millibars"),
    "K": ("kelvin", "degk", "deg_k", "degree_k", "degrees_k"),
    "degC": ("degc", "deg_c", "celsius", "degree_celsius", "degrees_celsius", "degree_c", "degrees_c"),
    "m": ("meter", "meters", "metre", "metres"),
    "s": ("sec", "second", "seconds"),
    "1": ("", "dimensionless", "none", "unitless"),
}
SECONDS = {
    86400.0: ("days", "day", "d"),
    3600.0: ("hours", "hour", "hr", "hrs", "h"),
    60.0: ("minutes", "minute", "min", "mins"),
    1.0: ("seconds", "second", "sec", "s"),
    1e-3: ("milliseconds", "millisecond", "ms"),
    1e-6: ("microseconds", "microsecond", "us"),
    1e-9: ("nanoseconds", "nanosecond", "ns"),
}
_KNOWN = {each: unit for unit, others in ALIKE.items() for each in (unit.lower(), *others) if len(each) != 1}
_FACTOR = re.compile(r"(?P<unit>.*?[^\d^+-])?\^?(?P<power>[+-]?\d+)?$")


def canonical(units: str) -> str:
    """One way to write units: ``m s**-1``, ``m/s`` and ``m s-1`` are the same.

    Factors are sorted; what is no product of powers of units is left as it is.
    """
    powers: dict[str, int] = {}
    over, *under = units.strip().replace("**", "^").split("/")
    for sign, part in ((1, over), *((-1, part) for part in under)):
        for factor in re.split(r"[\s.*·]+", part.strip()):
            found = _FACTOR.match(factor)
            if found is None or not (found["unit"] or factor in ("", "1")):
                return units.strip()
            unit = _KNOWN.get((found["unit"] or "").lower(), found["unit"] or "")
            powers[unit] = powers.get(unit, 0) + sign * int(found["power"] or 1)
    powers.pop("1", None)
    return " ".join(unit if power == 1 else f"{unit}{power}" for unit, power in sorted(powers.items()) if power)


def seconds(units: str) -> float | None:
    """How many seconds a unit of time has, None of other units."""
    return next((number for number, names in SECONDS.items() if units.strip().lower() in names), None)
