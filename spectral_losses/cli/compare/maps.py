"""One frame of both files, as it can be drawn: the first one, with few points."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.comparison import Comparison
from spectral_losses.cli.compare.gaps import Gaps
from spectral_losses.cli.compare.report import Report

POINTS = 1 << 16  # that a map has at most

Floats = NDArray[np.float64]


class Side(NamedTuple):
    """One of the two axes of a map.

    Attributes
    ----------
    name : str
    places : array, shape (n,)
        Coordinates, or else indices.
    known : bool
        Whether these are coordinates.
    """

    name: str
    places: Floats
    known: bool


class Frame(NamedTuple):
    """One field of both files and their difference, each of shape (rows, columns).

    Attributes
    ----------
    prediction, truth, difference : array
        NaN where nothing counts. The difference is that of the fields, whose means over `block` by `block` points
        these are.
    down, across : Side
    where : tuple of str
        Which frame and which channel it is.
    block : int
    """

    prediction: Floats
    truth: Floats
    difference: Floats
    down: Side
    across: Side
    where: tuple[str, ...]
    block: int


def first_frame(comparison: Comparison, report: Report) -> Frame | None:
    """Read the first field that was compared; None where fields are not two-dimensional.

    Raises
    ------
    CommandError
        A file that cannot be read.
    """
    layout, pair = comparison.layout, comparison.pair
    if len(layout.spatial) != 2:
        return None
    first = {axis: report.kept[0] if report.kept and axis == layout.batch else 0 for axis in layout.others}
    cuts = tuple(slice(first[axis], first[axis] + 1) for axis in layout.others)
    p, t, mask = Gaps(comparison.args.nan, pair.mask).read(pair.prediction, pair.truth, layout, cuts)
    down, across = _sides(layout)

    def arranged(x: NDArray[Any]) -> Floats:
        return np.moveaxis(x, (down, across), (-2, -1)).reshape(layout.shape[down], layout.shape[across])

    p, t = (arranged(x).astype(np.float64) for x in (p, t))
    if mask is not None:
        nothing = arranged(mask) == 0
        p, t = (np.where(nothing, np.nan, x) for x in (p, t))
    block = math.ceil(math.sqrt(p.size / POINTS))
    p, t, d = (_means(_means(x, 0, block), 1, block) for x in (p, t, p - t))
    where = tuple(_position(layout, axis, index) for axis, index in first.items() if layout.shape[axis] > 1)
    return Frame(p, t, d, _side(layout, down, block), _side(layout, across, block), where, block)


def _sides(layout: Layout) -> tuple[int, int]:
    """Which axis runs down and which across: x and longitude do."""
    down, across = sorted(layout.spatial)
    named = [layout.role(axis) == "longitude" or layout.name(axis).lower().startswith("x") for axis in (down, across)]
    return (across, down) if named == [True, False] else (down, across)


def _side(layout: Layout, axis: int, block: int) -> Side:
    coordinate, places, known = layout.coordinate(axis), np.arange(layout.shape[axis], dtype=np.float64), False
    if coordinate is not None and coordinate.kind == "number":
        numbers = coordinate.numbers()
        steps = np.diff(numbers)
        known = bool(np.isfinite(numbers).all() and len(steps) and ((steps > 0).all() or (steps < 0).all()))
        places = numbers if known else places
    units = None if coordinate is None or not known else "°" if coordinate.role else coordinate.units
    name = layout.name(axis) + (f" ({units})" if units not in (None, "", "1") else "")
    return Side(name, _means(places, 0, block), known)


def _position(layout: Layout, axis: int, index: int) -> str:
    coordinate = layout.coordinate(axis)
    place = str(index) if coordinate is None else coordinate.label(index)
    if axis == layout.channel and layout.dims is None:
        return f"channel {place}"
    return f"{layout.name(axis)} = {place}"


def _means(x: Floats, axis: int, block: int) -> Floats:
    """Means of so many points each along an axis, of those that are not NaN."""
    if block == 1:
        return x
    starts = np.arange(0, x.shape[axis], block)
    seen = ~np.isnan(x)
    total = np.add.reduceat(np.where(seen, x, 0), starts, axis=axis)
    number = np.add.reduceat(seen, starts, axis=axis, dtype=np.int64)
    return np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0)
