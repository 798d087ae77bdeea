"""Some of the positions along an axis: by value, as ``500``, ``6h``, ``2020-01-01`` or ``30:60``, or by index."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.calendars import span
from spectral_losses.io.coordinates import Coordinate, role_of, step
from spectral_losses.io.stored import StoredArray
from spectral_losses.io.units import canonical, seconds

DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([T ]\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?)?)?)?Z?")
NUMBER = re.compile(r"(?P<number>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)\s*(?P<unit>[^\d\s.:,][^:,]*)?", re.IGNORECASE)
LISTED = 10  # so many positions an error lists

Span = tuple[float, float]  # the first and the last position that text stands for


def select(array: StoredArray, name: str, text: str, keep: bool = False) -> StoredArray | None:
    """The positions along a dimension that text names, by value; nothing is read and nothing is near.

    Parameters
    ----------
    array : StoredArray
    name : str
        Of a dimension or of its coordinate; latitude and longitude go by any of their names.
    text : str
        Values and ranges ``A:B`` between commas. A range has both its ends in it, and either may be left out. A date
        stands for all times in it, ``6h`` for a lead time in any unit of time, and longitudes are on the circle.
    keep : bool
        Whether a single position leaves its dimension where it is, which it takes away otherwise.

    Returns
    -------
    StoredArray or None
        None where there is no such dimension.

    Raises
    ------
    ValueError
        A position that is not there, or that cannot be one along this dimension.
    """
    axis = _axis(array, name)
    if axis is None:
        alone = array.coordinates.get(name)
        if alone is not None and len(alone.values) == 1 and name not in (array.dims or ()):
            _places(alone, text, array.name)  # it is there, or refused
            return array
        return None
    dim = (array.dims or ())[axis]
    coordinate = array.coordinates.get(dim)
    if coordinate is None:
        raise ValueError(f"{dim} of {array.name} has no coordinate, which --isel does without")
    places, single = _places(coordinate, text, array.name)
    taken = array.taken(axis, places[0] if single and not keep else places)
    if coordinate.role == "longitude" and not single and ":" in text:
        # A region over the seam goes on where the circle begins anew.
        values = np.unwrap(taken.coordinates[dim].numbers(), period=360)
        low = (_range(text.split(",")[0].strip()) or ("",))[0]
        if low:
            values += 360 * np.round((float(low) - np.min(values)) / 360)
        taken = replace(taken, coordinates={**taken.coordinates, dim: replace(coordinate, values=values)})
    return taken


def select_places(array: StoredArray, name: str, text: str, keep: bool = False) -> StoredArray | None:
    """The positions along a dimension by index: numbers and ``A:B`` or ``A:B:STEP`` as in Python, between commas.

    Raises
    ------
    ValueError
        What is no index of this dimension.
    """
    axis = _axis(array, name)
    if axis is None and re.fullmatch(r"-?\d+", name):
        axis = int(name) + (len(array.shape) if int(name) < 0 else 0)
    if axis is None or not 0 <= axis < len(array.shape):
        return None
    n = array.shape[axis]
    chosen: list[int] = []
    for part in text.split(","):
        if re.fullmatch(r"-?\d+", part.strip()):
            index = int(part)
            if not -n <= index < n:
                raise ValueError(f"{array.name} has {n} positions along {name}, got {part}")
            chosen.append(index % n)
        elif re.fullmatch(r"(-?\d+)?:(-?\d+)?(:-?\d+)?", part.strip()) and not part.strip().endswith(":0"):
            cut = slice(*(int(each) if each else None for each in part.strip().split(":")))
            chosen += range(n)[cut]
        else:
            raise ValueError(f"takes indices and ranges such as 0,2 or 3:10, got {text!r}")
    if not chosen:
        raise ValueError(f"nothing of the {n} positions along {name} in {array.name}")
    several = keep or "," in text or ":" in text
    return array.taken(axis, np.asarray(chosen if several else chosen[0]))


def _axis(array: StoredArray, name: str) -> int | None:
    """Which axis is meant: by its name, that of its coordinate, or what it is."""
    dims = array.dims or ()
    if name in dims:
        return dims.index(name)
    known = [array.coordinates.get(dim) for dim in dims]
    for axis, coordinate in enumerate(known):
        if coordinate is not None and coordinate.name == name:
            return axis
    role = role_of(name)
    for axis, (dim, coordinate) in enumerate(zip(dims, known, strict=True)):
        if role is not None and role == (role_of(dim) if coordinate is None else coordinate.role):
            return axis
    return None


def _places(coordinate: Coordinate, text: str, name: str) -> tuple[NDArray[np.int64], bool]:
    """Where positions are, and whether text names but one."""
    chosen: list[int] = []
    parts = [part.strip() for part in text.split(",")]
    if coordinate.kind == "text" and text in coordinate.text():
        parts = [text]
    for part in parts:
        found = _found(coordinate, part)
        if not len(found):
            raise ValueError(f"{name} has nothing there{_hint(coordinate)}")
        chosen += [place for place in found.tolist() if place not in chosen]
    single = len(parts) == 1 and len(chosen) == 1 and _range(parts[0], coordinate.kind) is None
    return np.asarray(chosen, np.int64), single


def _found(coordinate: Coordinate, part: str) -> NDArray[np.int64]:
    """The places of one value or of one range, in the order of the file."""
    if coordinate.kind == "text":
        return np.flatnonzero(coordinate.text() == part)
    values = coordinate.numbers()
    within = min(coordinate.rounding, step(values) / 4)  # rounding in the file, and nothing else
    ends = _range(part, coordinate.kind)
    if ends is None:
        low, high = _span(coordinate, part, within)
    else:
        first, last = (_span(coordinate, end, within) if end else None for end in ends)
        low = -np.inf if first is None else first[0]
        high = np.inf if last is None else last[1]
        if first is not None and last is not None and low > high and coordinate.role != "longitude":
            low, high = last[0], first[1]  # as pressure goes
    if coordinate.role == "longitude" and np.isfinite([low, high]).all():
        away = np.mod(values - low + within, 360) - within  # rounding carries none over the seam
        reach = high - low if low <= high else np.mod(high - low, 360)
        places = np.flatnonzero(away <= reach + within)
        if ends is not None:
            places = places[np.argsort(away[places], kind="stable")]
            places = places[::-1] if np.all(np.diff(values) < 0) else places  # westward, as the file goes
        return places
    return np.flatnonzero((values >= low - within) & (values <= high + within))


def _range(part: str, kind: str = "number") -> tuple[str, str] | None:
    """Both ends of a range, empty where one is left out; None of a single value."""
    if kind == "text":
        return None
    whole = DATE if kind == "time" else NUMBER
    if whole.fullmatch(part):
        return None
    for place in (match.start() for match in re.finditer(":", part)):
        first, last = part[:place].strip(), part[place + 1 :].strip()
        if all(not end or whole.fullmatch(end) for end in (first, last)):
            return first, last
    return None


def _span(coordinate: Coordinate, text: str, within: float) -> Span:
    if coordinate.kind == "time":
        if not DATE.fullmatch(text):
            raise ValueError(f"{coordinate.name} takes dates such as 2020-01-31 or 2020-01-31T06, got {text!r}")
        first, behind = span(text, coordinate.calendar)
        return first, max(first, behind - 2 * within)
    found = NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"{coordinate.name} takes numbers and ranges such as 500 or 30:60, got {text!r}")
    number = float(found["number"])
    if found["unit"]:
        mine, wanted = seconds(found["unit"]), seconds(coordinate.units or "")
        if mine is not None and wanted is not None:
            number *= mine / wanted
        elif canonical(found["unit"]) != canonical(coordinate.units or "1"):
            there = f"in {coordinate.units}" if coordinate.units else "without units"
            raise ValueError(f"{coordinate.name} is {there}, got {text!r}")
    return number, number


def _hint(coordinate: Coordinate) -> str:
    n = len(coordinate.values)
    units = f" {coordinate.units}" if coordinate.units and coordinate.units != "1" else ""
    if n <= LISTED:
        return f"; {coordinate.name} has {', '.join(coordinate.label(i) for i in range(n))}{units}"
    return f"; {coordinate.name} runs from {coordinate.label(0)} to {coordinate.label(n - 1)}{units}, {n} positions"
