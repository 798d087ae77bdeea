"""Two arrays by where their points lie: the same positions in another order are brought into one order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.coordinates import Coordinate, near, role_of, step
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.stored import StoredArray
from spectral_losses.io.units import canonical, seconds

NO_PLACES = {"forecast_period", "forecast_reference_time", "realization"}  # of one forecast, in place of a dimension


class Aligned(NamedTuple):
    """Two arrays of one shape.

    Attributes
    ----------
    array, like : StoredArray
        With the dimensions of the second one.
    moved : tuple of str
        Along which dimensions positions of the first were brought into the order of the second.
    repeated : tuple of str
        Dimensions that one of them lacked, so that its values stand for all positions along them.
    """

    array: StoredArray
    like: StoredArray
    moved: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()


def align(array: StoredArray, like: StoredArray) -> Aligned:
    """An array whose axes and positions are in the order of another one's, as far as files tell; nothing is read.

    Axes of one name, of latitude and of longitude belong together, and the others in their order. Where only one of
    the two has some left, such as members, the other one is repeated along these. Along each axis of which both files
    say where its points lie, these are compared by value; longitudes on the circle. Without names or positions,
    arrays are taken as they are.

    Raises
    ------
    FieldFileError
        Units, shapes or positions that differ.
    """
    moved = []
    repeated: tuple[str, ...] = ()
    if array.dims is not None and like.dims is not None:
        array, like, repeated = _repeat_both(array, like)
        order, *_ = _order(array, like)
        if order != tuple(range(len(order))):
            array = array.transposed(order)
    if array.shape != like.shape:
        raise FieldFileError(
            f"the shapes differ: {array.shape} in {array.name}, {like.shape} in {like.name}{_extents(array, like)}"
        )
    _check_units("units", array.units, like.units, array.name, like.name)
    if array.dims is None or like.dims is None:
        return Aligned(array, like)
    _check_alone(array, like)
    coordinates = {}
    for axis, (mine, wanted) in enumerate(zip(array.dims, like.dims, strict=True)):
        given, asked = array.coordinates.get(mine), like.coordinates.get(wanted)
        if given is not None and asked is not None:
            if _scale(given, asked) is None:
                _check_units(f"units of {wanted}", given.units, asked.units, array.name, like.name)
            order = _positions(given, asked, array.name, like.name)
            if order != tuple(range(len(order))):
                array = array.taken(axis, order)
                moved.append(wanted)
            given = asked
        if given is not None:
            coordinates[wanted] = given
    return Aligned(replace(array, dims=like.dims, coordinates=coordinates), like, tuple(moved), repeated)


def _extents(array: StoredArray, like: StoredArray) -> str:
    """From where to where both reach along the first dimension whose sizes differ, where both files say it."""
    for mine, wanted, size, asked in zip(array.dims or (), like.dims or (), array.shape, like.shape, strict=False):
        if size != asked:
            found = [each.coordinates.get(dim) for each, dim in ((array, mine), (like, wanted))]
            ends = [f"{each.label(0)} to {each.label(-1)}" for each in found if each is not None and each.values.size]
            return f"; {wanted}: {ends[0]}, and {ends[1]} (--sel takes those of both)" if len(ends) == 2 else ""
    return ""


def _check_alone(array: StoredArray, like: StoredArray) -> None:
    """Refuse one position that both have of what is no dimension, such as a level, where it is not the same one."""
    for name, asked in like.coordinates.items():
        given = array.coordinates.get(name)
        if given is None or name in (*(array.dims or ()), *(like.dims or ())):
            continue
        # Text tells things apart that are to be compared, such as models, and so do these.
        if given.kind != asked.kind or given.kind == "text" or {given.standard_name, asked.standard_name} & NO_PLACES:
            continue
        if _scale(given, asked) is None:
            _check_units(f"units of {name}", given.units, asked.units, array.name, like.name)
        try:
            _positions(given, asked, array.name, like.name)
        except FieldFileError as error:
            raise FieldFileError(f"{error}, along no dimension of theirs") from error


def _repeat_both(array: StoredArray, like: StoredArray) -> tuple[StoredArray, StoredArray, tuple[str, ...]]:
    """Both with the dimensions that one of them lacks, and which these are."""
    _, more, less = _order(array, like)
    if len(more) == len(less):
        return array, like, ()
    if more and less:
        dims = " and ".join(", ".join(each.dims or ()) for each in (array, like))
        raise FieldFileError(
            f"the shapes differ: {array.shape} in {array.name}, {like.shape} in {like.name}; dimensions {dims}"
        )
    dims_of = array.dims if more else like.dims
    repeated = tuple((dims_of or ())[axis] for axis in more or less)
    for dim in repeated:
        if more:
            like = _repeat(like, array, dim)
        else:
            array = _repeat(array, like, dim)
    return array, like, repeated


def _repeat(array: StoredArray, like: StoredArray, dim: str) -> StoredArray:
    """An array along a dimension of another one."""
    axis = (like.dims or ()).index(dim)
    asked, given = like.coordinates.get(dim), array.coordinates.get(dim)
    if _role(like, dim) is not None:
        raise FieldFileError(f"{array.name} has no {dim}, which {like.name} has")
    if asked is not None and given is not None:  # it lies at one position, such as a level
        _positions(replace(given, values=np.repeat(given.values, len(asked.values))), asked, array.name, like.name)
    return array.repeated(0, like.shape[axis], dim)


def _order(array: StoredArray, like: StoredArray) -> tuple[tuple[int, ...], list[int], list[int]]:
    """For each dimension wanted, which of the array's it is; and which of both go by their place alone."""
    mine, wanted = ([(dim, _role(each, dim)) for dim in each.dims or ()] for each in (array, like))
    left = list(range(len(mine)))
    order: list[int | None] = [None] * len(wanted)
    for by in (0, 1):  # the name, then the role
        for place, asked in enumerate(wanted):
            found = [axis for axis in left if asked[by] is not None and mine[axis][by] == asked[by]]
            if order[place] is None and found:
                order[place] = found[0]
                left.remove(found[0])
    open_ = [place for place, axis in enumerate(order) if axis is None]
    spare = iter(left)
    return tuple(next(spare, -1) if axis is None else axis for axis in order), left, open_


def _role(array: StoredArray, dim: str) -> str | None:
    coordinate = array.coordinates.get(dim)
    return role_of(dim) if coordinate is None else coordinate.role


def _scale(given: Coordinate, asked: Coordinate) -> float | None:
    """What turns positions into the units asked for; None where other words for units may be other units."""
    if given.role is not None and given.role == asked.role:
        return 1.0
    mine, wanted = seconds(given.units or ""), seconds(asked.units or "")
    return None if mine is None or wanted is None else mine / wanted


def _check_units(what: str, mine: str | None, wanted: str | None, name: str, other: str) -> None:
    if mine and wanted and canonical(mine) != canonical(wanted):
        raise FieldFileError(f"{what} differ: {mine!r} in {name}, {wanted!r} in {other}")


def _positions(given: Coordinate, asked: Coordinate, name: str, other: str) -> tuple[int, ...]:
    """For each position asked for, the index at which it is given."""
    kinds = {given.kind, asked.kind}
    mine: NDArray[Any]
    wanted: NDArray[Any]
    within: float | None = None
    if len(kinds) == 1 and "text" not in kinds and given.calendar == asked.calendar:
        scale = _scale(given, asked) or 1.0
        mine, wanted = given.numbers() * scale, asked.numbers()
        if given.role == asked.role == "longitude":
            # From half a step before the first one, so that rounding carries none over the seam.
            seam = np.min(wanted, where=np.isfinite(wanted), initial=360) - min(step(wanted), 360) / 2
            mine, wanted = np.mod(mine - seam, 360), np.mod(wanted - seam, 360)
        within = near(wanted, max(given.rounding * scale, asked.rounding))
    else:
        mine, wanted = given.text(), asked.text()
    in_place = _same(mine, wanted, within)
    if in_place.all():
        return tuple(range(len(mine)))
    at, to = (np.argsort(each, kind="stable") for each in (mine, wanted))
    same = _same(mine[at], wanted[to], within)
    if not same.all():
        if asked.role == "longitude":  # a circle has no first one
            same, at, to = in_place, np.arange(len(mine)), np.arange(len(mine))
        first = int(np.argmin(same))
        values = [given.label(int(at[first])), asked.label(int(to[first]))]
        if given.units and asked.units and given.units != asked.units:  # 1 days and 6 hours
            values = [f"{value} {each.units}" for value, each in zip(values, (given, asked), strict=True)]
        raise FieldFileError(f"{asked.name} differs: {values[0]} in {name}, {values[1]} in {other}")
    twice = mine[at][1:] == mine[at][:-1]
    if twice.any():  # which of them belongs to which, nobody knows
        value = given.label(int(at[1:][twice][0]))
        raise FieldFileError(
            f"{asked.name} has {value} more than once, and is in another order in {name} than in {other}"
        )
    order = np.empty(len(at), np.int64)
    order[to] = at
    return tuple(order.tolist())


def _same(mine: NDArray[Any], wanted: NDArray[Any], within: float | None) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = mine == wanted
    return same if within is None else np.isclose(mine, wanted, rtol=0, atol=within, equal_nan=True)
