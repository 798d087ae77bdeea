"""Where the rows of ``--per`` lie in a picture: along its first axis, a curve for each position of the second one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.report import Report, Way


class Family(NamedTuple):
    """The rows of one curve.

    Attributes
    ----------
    name : str
        Of the position along the second axis; empty where there is one axis alone.
    rows : array of int
        In the order of the first axis.
    """

    name: str
    rows: NDArray[np.int64]


def places(report: Report) -> tuple[NDArray[np.generic], str]:
    """Where rows lie along the first axis, and what that says: coordinates in order, or else indices.

    Returns
    -------
    places : array
        One for each position along the axis: numbers, or times to the second.
    label : str
    """
    way = report.ways[0]
    coordinate, number = way.coordinate, _number(way)
    if coordinate is not None and coordinate.kind != "text" and coordinate.calendar is None:
        steps = np.diff(coordinate.numbers())
        if np.isfinite(steps).all() and ((steps > 0).all() or (steps < 0).all()):
            found = coordinate.numbers() if coordinate.kind == "number" else coordinate.values.astype("datetime64[s]")
            return found, way.name + (f" ({way.units})" if way.units else "")
    indices = way.indices if len(report.ways) == 1 else range(number)
    return np.asarray(indices), f"index along {way.name}"


def families(report: Report) -> list[Family]:
    """The curves: one, or one for each position along the second axis."""
    first, *others = report.ways
    if not others:
        return [Family("", np.arange(len(first.places)))]
    (second,) = others
    table = np.empty((_number(first), _number(second)), np.int64)
    table[list(first.places), list(second.places)] = np.arange(len(first.places))
    units = f" {second.units}" if second.units else ""
    return [Family(f"{second.name} {second.label(int(rows[0]))}{units}", rows) for rows in table.T]


def _number(way: Way) -> int:
    return max(way.places) + 1
