"""Pairs aligned by their coordinates: the same places in the same order, or a refusal that says where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.units import canonical
from spectral_losses.xarray.names import horizontal, kind_of, said
from spectral_losses.xarray.units import units_of

NEAR = 0.01
ROUNDED = 1e-5
"""Parts of the smallest step, and of the largest value, by which floats may differ: float32, or a few decimals."""
LEAD = {"forecast_period", "forecast_reference_time"}  # CF's standard names of when a forecast was made


def aligned(prediction: Any, target: Any) -> Any:
    """The prediction with its dimensions, and the points along them, in the order of the target's.

    Raises
    ------
    ValueError
        Other dimensions; other values of a coordinate, those without a dimension included; a coordinate of one of them
        alone; other units.
    """
    mine, wanted = horizontal(prediction), horizontal(target)
    names = {mine[kind]: wanted[kind] for kind in mine.keys() & wanted.keys() if mine[kind] != wanted[kind]}
    prediction = prediction.rename(names) if names else prediction
    if set(prediction.dims) != set(target.dims):
        raise ValueError(
            f"prediction and target must have the same dimensions, got {said(prediction.dims)} and {said(target.dims)}"
            "; expand_dims or broadcast_like adds one, where each of its values is to be compared with the same field"
        )
    prediction = prediction.transpose(*target.dims)
    for dim in target.dims:
        places = _places(prediction, target, dim)
        prediction = prediction if places is None else prediction.isel({dim: places})
    _check_other_coordinates(prediction, target)
    _check_units(prediction, target, "prediction and target")
    return prediction


def placed(mask: Any, field: Any) -> Any:
    """A mask with its points in the order of a field's, as far as it has the dimensions of that."""
    mine, wanted = horizontal(mask), horizontal(field)
    mask = mask.rename({mine[kind]: wanted[kind] for kind in mine.keys() & wanted.keys() if mine[kind] != wanted[kind]})
    unknown = [dim for dim in mask.dims if dim not in field.dims]
    if unknown:
        raise ValueError(f"mask has dimensions that the fields lack: {said(unknown)}; they have {said(field.dims)}")
    for dim in mask.dims:
        places = _places(mask, field, dim, "mask")
        mask = mask if places is None else mask.isel({dim: places})
    return mask


def _places(x: Any, target: Any, dim: Any, name: str = "prediction") -> NDArray[np.intp] | slice | None:
    """Where along a dimension the target's points are in x; None where they are in place."""
    mine, wanted = dim in x.coords, dim in target.coords
    if mine != wanted:
        lacks, has = ("target", name) if mine else (name, "target")
        raise ValueError(
            f"{dim} has a coordinate in the {has} alone, and is not compared by position: where the {lacks} is "
            f"the same, say so with {lacks}.assign_coords({dim}={has}.{dim})"
        )
    if not mine:
        if x.sizes[dim] != target.sizes[dim]:
            raise ValueError(f"{dim} has {x.sizes[dim]} points in the {name}, {target.sizes[dim]} in the target")
        return None
    _check_units(x[dim], target[dim], f"{dim} of {name} and target")
    a, b = np.asarray(x[dim].values), np.asarray(target[dim].values)
    circular = kind_of(dim, target[dim].attrs) == "longitude"
    if a.dtype.kind in "fiu" and b.dtype.kind in "fiu":
        exact = a.dtype.kind != "f" and b.dtype.kind != "f"
        found = _nearest(a.astype(np.float64), b.astype(np.float64), circular, exact, dim, name)
    else:
        found = _equal(x.indexes[dim], target.indexes[dim], dim, name)
    n = len(b)
    lost, more = np.flatnonzero(found < 0), np.setdiff1d(np.arange(len(a)), found)
    if len(lost) or len(more):
        raise ValueError(
            f"{dim}: {name} and target must have the same values; {_some(b[lost])} of the target's {n} are not in the "
            f"{name}, {_some(a[more])} of the {name}'s {len(a)} not in the target. Select those of both, as "
            'xarray.align(prediction, target, join="inner") does, or interpolate'
        )
    if (found == np.arange(n)).all():
        return None
    return slice(None, None, -1) if (found == np.arange(n)[::-1]).all() else found  # a slice copies nothing


def _nearest(
    a: NDArray[np.float64], b: NDArray[np.float64], circular: bool, exact: bool, dim: Any, name: str
) -> NDArray[np.intp]:
    """The place in a of each value of b; -1 where it has none."""
    near = 0.0 if exact else _tolerance(b, circular)
    if len(a) == len(b) and (np.abs(a - b) <= near).all():
        return np.arange(len(b))
    if circular:
        first = b.min() - near
        a, b = (a - first) % 360, (b - first) % 360
    order = np.argsort(a, kind="stable")
    for values, of in ((a[order], name), (np.sort(b), "target")):
        if (np.diff(values) <= near).any():
            raise ValueError(f"{dim} repeats values in the {of}, so that pairs cannot be told")
    place = np.minimum(np.searchsorted(a[order], b - near), len(a) - 1)
    found = order[place]
    return np.where(np.abs(a[found] - b) <= near, found, -1)


def _equal(a: Any, b: Any, dim: Any, name: str) -> NDArray[np.intp]:
    if a.equals(b):
        return np.arange(len(b))
    for index, of in ((a, name), (b, "target")):
        if not index.is_unique:
            raise ValueError(f"{dim} repeats values in the {of}, so that pairs cannot be told")
    return np.asarray(a.get_indexer(b))


def _tolerance(values: NDArray[np.float64], circular: bool) -> float:
    steps = np.diff(np.sort(values % 360 if circular else values))
    steps = steps[steps > 0]
    return min(ROUNDED * float(np.abs(values).max()), NEAR * float(steps.min(initial=np.inf)))


def _some(values: Any) -> str:
    """How many values, and the first of them."""
    if not len(values):
        return "none"
    return f"{len(values)} ({', '.join(str(value) for value in values[:3])}{', ...' if len(values) > 3 else ''})"


def _check_other_coordinates(prediction: Any, target: Any) -> None:
    """Refuse coordinates that are no dimension and differ: a level, a valid time, or places of curved grids."""
    shared = [name for name in target.coords if name in prediction.coords and name not in target.dims]
    other = [name for name in shared if not _agree(prediction.coords[name], target.coords[name])]
    names = {name: target.coords[name].attrs.get("standard_name") for name in shared}
    valid = [name for name in shared if name not in other and (name == "valid_time" or names[name] == "time")]
    refused = [name for name in other if not (valid and names[name] in LEAD)]
    if refused:
        each = ", ".join(
            f"{name} ({_shown(prediction.coords[name])} and {_shown(target.coords[name])})" for name in refused
        )
        raise ValueError(
            f"prediction and target differ in coordinates: {each}. Where they are comparable all the same, drop these: "
            f"prediction.drop_vars({list(map(str, refused))})"
        )


def _agree(a: Any, b: Any) -> bool:
    if set(a.dims) != set(b.dims):
        return False
    a, b = a.transpose(*b.dims), b
    x, y = np.asarray(a.values), np.asarray(b.values)
    if x.dtype.kind in "fiu" and y.dtype.kind in "fiu":
        x, y = x.astype(np.float64), y.astype(np.float64)
        if kind_of(b.name, b.attrs) == "longitude":
            x = y + (x - y + 180) % 360 - 180
        rounded = "f" in (a.dtype.kind, b.dtype.kind)
        near = ROUNDED * float(np.max(np.abs(y), initial=0, where=np.isfinite(y))) if rounded else 0.0
        return bool(np.allclose(x, y, rtol=0, atol=near, equal_nan=True))
    same_values = np.asarray(x == y)
    missing = np.asarray((x != x) & (y != y))
    return bool((same_values | missing).all())


def _shown(coordinate: Any) -> str:
    return str(coordinate.values) if coordinate.ndim == 0 else f"{coordinate.size} values"


def _check_units(a: Any, b: Any, what: str) -> None:
    x, y = units_of(a), units_of(b)
    kinds = {kind_of(each.name, each.attrs) for each in (a, b)}
    if x is None or y is None or canonical(x) == canonical(y) or (len(kinds) == 1 and None not in kinds):
        return
    raise ValueError(f"{what} have other units, {x!r} and {y!r}: convert one of them")
