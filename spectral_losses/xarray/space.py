"""The space that a field lives in: lengths of a box, or a sphere, as its coordinates say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.messages import items, number, warn_caller
from spectral_losses.spectra import Sphere
from spectral_losses.xarray.names import horizontal, said, spatial
from spectral_losses.xarray.units import units_of

EARTH = 6371.0
"""Mean radius in km."""
NEAR = 0.01
"""Part of a grid's step by which a coordinate may be off: files often hold float32, or a few decimals."""

Floats = NDArray[np.float64]


class Part(NamedTuple):
    """Latitudes and longitudes that are no whole globe, and so are taken for a plane."""

    dims: tuple[Any, ...]
    why: str
    measured: bool
    """Whether lengths are those of its middle."""
    transformed: bool
    """Whether it was more than points that were taken."""


class Space(NamedTuple):
    """The dimensions of space, and what makes wavenumbers of them.

    Attributes
    ----------
    dims : tuple
        On a sphere latitude first.
    grid : Sphere or None
    lengths : float, tuple of float or None
        None on a sphere, and where wavenumbers count waves across the box.
    unit : str or None
        Of the lengths: "1" for angles in radians, None where it is not known.
    around : bool
        Whether space is longitude alone, all around: wavenumbers are zonal.
    part : Part or None
        What `warn_of_parts` has to say.
    """

    dims: tuple[Any, ...]
    grid: Any = None
    lengths: Any = None
    unit: str | None = None
    around: bool = False
    part: Part | None = None


def space_of(
    field: Any, name: str, options: Mapping[str, Any], takes: set[str], owner: str, *, transformed: bool = True
) -> Space:
    """The space of a field.

    Parameters
    ----------
    field : DataArray
    name : str
        What messages call it.
    options : mapping
        ``dims``, ``grid``, ``lengths`` and ``radius``, as users gave them.
    takes : set of str
        The options of the plain function.
    owner : str
        Its name.
    transformed : bool
        Whether it transforms fields, for which coordinates have to be uniform.
    """
    dims = spatial(field, options.get("dims"), name)
    grid, lengths = options.get("grid", "auto"), options.get("lengths")
    radius = number("radius", options.get("radius", EARTH))
    if not 0 < radius < math.inf:
        raise ValueError(f"radius must be finite and positive, got {radius}")
    if not (grid is None or isinstance(grid, Sphere) or (isinstance(grid, str) and grid == "auto")):
        raise TypeError(f"grid must be 'auto', None or a Sphere, got {grid!r}")
    if isinstance(grid, Sphere) and "grid" not in takes:
        raise ValueError(f"grid: {owner} knows no sphere, got {grid}")
    known, part = horizontal(field, dims), None
    if len(known) == len(dims) == 2:
        dims = (known["latitude"], known["longitude"])
        sphere, why = _sphere(field, *dims)
        if isinstance(grid, Sphere):
            if sphere is not None and sphere.grid != grid.grid:
                raise ValueError(f"grid: {dims[0]} has the {sphere.grid!r} latitudes, got {grid}")
            # Coordinates know from which pole they come.
            return Space(dims, grid if sphere is None else Sphere(field[dims[0]].values, degrees=grid.degrees))
        own = lengths is not None and not _is_auto(lengths)
        if sphere is not None and "grid" in takes and grid == "auto" and not own:
            return Space(dims, sphere)
        if sphere is not None:
            _warn_of_the_globe(dims, owner if "grid" not in takes else None)
        elif grid == "auto" and not own:
            measured = "lengths" in takes and _is_auto(lengths)
            weighed = getattr(getattr(options.get("mask"), "dtype", None), "kind", "") == "f"
            part = Part(dims, why, measured, transformed) if transformed or not weighed else None
    elif isinstance(grid, Sphere):
        return Space(dims, grid)
    return _plane(field, dims, known, lengths, takes, transformed, radius)._replace(part=part)


def warn_of_parts(spaces: Iterable[Space]) -> None:
    """Say once of what one field was taken for, by one loss or by several, what is not a whole globe."""
    parts = [space.part for space in spaces if space.part is not None]
    if not parts:
        return
    points = not all(part.transformed for part in parts)
    how = ["with lengths that are right in its middle"] if any(part.measured for part in parts) else []
    how += ["all points alike"] if points else []
    what, (latitude, longitude) = ", " + " and ".join(how) if how else "", parts[0].dims
    warn_caller(
        f"{latitude} and {longitude} are taken for a plane{what}, not for a spectral_losses.Sphere: {parts[0].why}; "
        "grid=None says that this is meant"
        + (f"; mask=numpy.cos(numpy.deg2rad({latitude})) weighs points by area" if points else "")
    )


def ascending(field: Any, dims: tuple[Any, ...]) -> Any:
    """A field whose coordinates along these dimensions ascend: directions and phases are told by their order."""
    kinds = horizontal(field, dims)
    for dim in dims:
        if (
            dim in field.coords
            and field.sizes[dim] > 1
            and np.median(_steps(field, dim, kinds.get("longitude") == dim)) < 0
        ):
            field = field.isel({dim: slice(None, None, -1)})
    return field


def _plane(
    field: Any,
    dims: tuple[Any, ...],
    known: Mapping[str, Any],
    lengths: Any,
    takes: set[str],
    transformed: bool,
    radius: float,
) -> Space:
    """A box, with lengths where they are taken and known."""
    steps = {dim: _step(field, dim, known.get("longitude") == dim) for dim in dims} if transformed else {}
    if "lengths" not in takes or lengths is None:
        return Space(dims)
    if not _is_auto(lengths):
        return Space(dims, None, _by_name(lengths, dims))
    there = {dim: step for dim, step in steps.items() if step is not None}
    near = sum(_rounding(field, dim) for dim in there)
    found = {dim: (step * field.sizes[dim], units_of(field[dim])) for dim, step in _commensurate(there, near).items()}
    if not found:
        return Space(dims)
    if len(found) < len(dims):
        lost = [dim for dim in dims if dim not in found]
        raise ValueError(f"lengths: {said(lost)} has no coordinate, while {said(list(found))} has one; give lengths")
    return _measured(field, dims, found, known, radius)


def _is_auto(lengths: Any) -> bool:
    return isinstance(lengths, str) and lengths == "auto"


def _by_name(lengths: Any, dims: tuple[Any, ...]) -> Any:
    """Lengths as the plain functions take them."""
    if isinstance(lengths, Mapping):
        if set(lengths) != set(dims):
            raise ValueError(f"lengths must have one value for each of {said(dims)}, got {said(list(lengths))}")
        return tuple([lengths[dim] for dim in dims])
    if isinstance(lengths, Real):
        return lengths
    return items("lengths", lengths, "'auto', None, a number, or numbers by dimension")


def _measured(
    field: Any,
    dims: tuple[Any, ...],
    found: dict[Any, tuple[float, str | None]],
    known: Mapping[str, Any],
    radius: float,
) -> Space:
    """Lengths in one unit: the coordinates' own; of latitudes and longitudes km, of one of the two alone radians."""
    units: dict[Any, str | None] = {}
    lengths = {dim: length for dim, (length, _) in found.items()}
    for dim, (_, unit) in found.items():
        units[dim] = "s" if field[dim].dtype.kind in "mMO" else unit
    for kind, dim in known.items():
        lengths[dim], units[dim] = math.radians(lengths[dim]), "1"
        if len(known) == 2:
            values = _numbers(field, known["latitude"])
            middle = math.radians(float(values.min() + values.max()) / 2)
            lengths[dim] *= radius * (math.cos(middle) if kind == "longitude" else 1)
            units[dim] = "km"
    told = {unit for unit in units.values() if unit is not None}
    if len(told) > 1:
        each = ", ".join(f"{dim} in {unit!r}" for dim, unit in units.items())
        raise ValueError(f"lengths must be in one unit, got {each}: give lengths")
    unit = told.pop() if None not in units.values() else None
    around = (
        dims == (known.get("longitude"),) and abs(lengths[dims[0]] / (2 * math.pi) - 1) < NEAR / field.sizes[dims[0]]
    )
    if around:
        lengths[dims[0]] = 2 * math.pi
    return Space(dims, None, tuple([lengths[dim] for dim in dims]), unit, around)


def _warn_of_the_globe(dims: tuple[Any, ...], owner: str | None) -> None:
    """Say what would be right; of a function that does not know it, by its name."""
    cure = 'leave out grid and lengths, or pass grid="auto", for the degrees of spectral_losses.Sphere'
    if owner is not None:
        cure = f"{owner} knows no other; most others take spectral_losses.Sphere"
    warn_caller(f"{dims[0]} and {dims[1]} cover the globe and are taken for a plane, which is wrong near poles: {cure}")


def _sphere(field: Any, latitude: Any, longitude: Any) -> tuple[Sphere | None, str]:
    """The sphere that a grid covers, or why it covers none.

    Raises
    ------
    ValueError
        A meridian that is there twice, which no transform takes.
    """
    for dim in (latitude, longitude):
        if dim not in field.coords or field.sizes[dim] < 2:
            return None, f"{dim} has no coordinate" if dim not in field.coords else f"{dim} has one point"
    east, n = _numbers(field, longitude), field.sizes[longitude]
    if n > 2 and abs(abs(float(east[-1] - east[0])) - 360) < NEAR * 360 / (n - 1):
        raise ValueError(
            f"{longitude} has its first meridian twice, {east[0]:g} and {east[-1]:g}: leave one out, as with "
            f".isel({longitude}=slice(None, -1))"
        )
    step = _step(field, longitude, True)
    if step is None or abs(abs(step) * n - 360) > NEAR * abs(step):
        return None, f"{longitude} from {east[0]:g} to {east[-1]:g} does not go all around"
    north = _numbers(field, latitude)
    try:
        return Sphere(north), ""
    except ValueError:
        return None, (
            f"{latitude}, {len(north)} from {north[0]:g} to {north[-1]:g}, is none of the grids on which sums are exact"
        )


def _step(field: Any, dim: Any, circular: bool) -> float | None:
    """The distance of two points, at least 0; None where there is no coordinate or one point.

    Raises
    ------
    ValueError
        A coordinate that is not uniform, or holds no numbers.
    """
    if dim not in field.coords or field.sizes[dim] < 2:
        return None
    steps = _steps(field, dim, circular)
    usual = float(np.median(steps))
    wrong = ~(np.abs(steps - usual) <= NEAR * abs(usual))
    if wrong.any() or usual == 0:
        at = int(np.argmax(wrong))
        a, b = field[dim].values[at : at + 2]
        raise ValueError(
            f"{dim} must be uniform for a spectrum along it: the step from {a} to {b}, at index {at}, is "
            f"{steps[at]:.6g}, most are {usual:.6g}. Interpolate, or take other dimensions"
        )
    return abs(float(steps.mean()))


def _rounding(field: Any, dim: Any) -> float:
    """How far off the step of a coordinate may be, relative to it, because floats are rounded."""
    values = np.asarray(field[dim].values)
    if values.dtype.kind != "f":
        return 0.0
    return float(2 * np.finfo(values.dtype).eps * np.abs(values).max() / abs(values[-1] - values[0]))


def _commensurate(steps: dict[Any, float], near: float) -> dict[Any, float]:
    """Steps in the simplest ratios that they can have but for rounding.

    A square box has one shell less where one of its sides seems to be longer than the other.
    """
    if not steps or near < 1e-12:
        return steps
    first = next(iter(steps.values()))
    return {dim: first * _simplest(step / first * (1 - near), step / first * (1 + near)) for dim, step in steps.items()}


def _simplest(low: float, high: float) -> float:
    """The fraction between two positive numbers that has the least denominator."""
    whole = math.ceil(low)
    return float(whole) if whole <= high else whole - 1 + 1 / _simplest(1 / (high - whole + 1), 1 / (low - whole + 1))


def _steps(field: Any, dim: Any, circular: bool) -> Floats:
    steps = np.diff(_numbers(field, dim))
    return (steps + 180) % 360 - 180 if circular else steps


def _numbers(field: Any, dim: Any) -> Floats:
    """A coordinate as floats; times in seconds since the first one."""
    values = np.asarray(field[dim].values)
    if values.dtype.kind in "mM":
        return np.asarray((values - values[0]) / np.timedelta64(1, "s"), np.float64)
    try:
        if values.dtype.kind == "O" and hasattr(values[0] - values[0], "total_seconds"):  # calendars of cftime
            return np.asarray([(value - values[0]).total_seconds() for value in values], np.float64)
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{dim} holds no numbers, got {values[0]}: drop the coordinate, or take other dimensions"
        ) from error
