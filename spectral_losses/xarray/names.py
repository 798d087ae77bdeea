"""Dimensions by their names: which are latitude and longitude, and which are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spectral_losses.messages import items, nearest

UNITS = {
    "latitude": {"degrees_north", "degree_north", "degrees_N", "degree_N", "degreesN", "degreeN"},
    "longitude": {"degrees_east", "degree_east", "degrees_E", "degree_E", "degreesE", "degreeE"},
}
STANDARD = {"latitude": {"latitude", "grid_latitude"}, "longitude": {"longitude", "grid_longitude"}}
COMMON = {
    "latitude": {"lat", "latitude", "rlat", "grid_latitude"},
    "longitude": {"lon", "long", "longitude", "rlon", "grid_longitude"},
}
DEGREES = {"degree", "degrees", "deg"}  # of rotated grids, and of files that know no better


def kind_of(name: Any, attributes: Mapping[Any, Any]) -> str | None:
    """What a coordinate is, "latitude", "longitude" or None: by CF conventions, then by name, and in degrees alone."""
    units = attributes.get("units")
    for kind, north in UNITS.items():
        if units in north:
            return kind
    if units is None or units in DEGREES:
        for kind, known in COMMON.items():
            if attributes.get("standard_name") in STANDARD[kind] or str(name).lower() in known:
                return kind
    return None


def horizontal(field: Any, dims: Sequence[Any] | None = None) -> dict[str, Any]:
    """Those of a DataArray's dimensions, or of the given ones, that are latitude and longitude, by what they are.

    Raises
    ------
    ValueError
        Two that are the same.
    """
    found: dict[str, Any] = {}
    for dim in field.dims if dims is None else dims:
        kind = kind_of(dim, field.coords[dim].attrs if dim in field.coords else {})
        if kind in found:
            raise ValueError(f"dims: {found[kind]!r} and {dim!r} are both a {kind}; say which are space")
        if kind is not None:
            found[kind] = dim
    return found


def spatial(field: Any, dims: Any, name: str) -> tuple[Any, ...]:
    """The dimensions of space, by default latitude and longitude.

    Raises
    ------
    ValueError
        Names that the field does not have; no two such dimensions where none are named.
    """
    if dims is None:
        found = horizontal(field)
        if len(found) < 2:
            raise ValueError(
                f"dims must name the dimensions of space: {name} has {said(field.dims)}, of which no two are known to "
                "be latitude and longitude"
            )
        return found["latitude"], found["longitude"]
    named = several("dims", dims, field.dims, name)
    if not 1 <= len(named) <= 3:
        raise ValueError(f"dims must name one, two or three dimensions, got {named}")
    return named


def several(argument: str, names: Any, dims: Sequence[Any], of: str) -> tuple[Any, ...]:
    """One name or several, each of them a dimension and none of them twice."""
    given = (names,) if isinstance(names, str) else items(argument, names, "names of dimensions")
    for each in given:
        if each not in dims:
            raise ValueError(
                f"{argument}: {of} has no dimension {each!r}{nearest(str(each), map(str, dims))} (it has {said(dims)})"
            )
    if len(set(given)) < len(given):
        raise ValueError(f"{argument} must not repeat a dimension, got {given}")
    return given


def said(dims: Sequence[Any]) -> str:
    """Dimensions as a message lists them."""
    return ", ".join(map(str, dims)) or "none"
