"""Weights of points: those that latitudes have, and products of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.coordinates import Coordinate
from spectral_losses.io.stored import Index, StoredArray

BEYOND = 1e-3  # degrees, by which rounding may carry a latitude over a pole
POLE = 1e-6  # so small a weight is none, and yet no gap


def cos_latitude(like: StoredArray) -> tuple[StoredArray, int]:
    """The cosine of the latitude at each point of an array, and the axis along which that changes.

    Of a rotated grid it is the cosine of its own latitude, which is what the area of a cell goes by there.

    Raises
    ------
    ValueError
        An array without an axis of latitudes.
    """
    found = [axis for axis, dim in enumerate(like.dims or ()) if _is_latitude(like.coordinates.get(dim))]
    if len(found) != 1:
        names = ", ".join(like.dims or ()) or "no dimension with a name"
        raise ValueError(f"takes one dimension of latitudes with its coordinate; {like.name} has {names}")
    (axis,) = found
    latitudes = like.coordinates[(like.dims or ())[axis]].numbers()
    if not (np.abs(latitudes) <= 90 + BEYOND).all():
        raise ValueError(f"{like.name} has latitudes that are none: {latitudes.min():g} to {latitudes.max():g}")
    weights = np.maximum(np.cos(np.radians(latitudes)), POLE)

    def load(index: Index) -> NDArray[Any]:
        shape = [piece.stop - piece.start if i == axis else 1 for i, piece in enumerate(index)]
        whole = [piece.stop - piece.start for piece in index]
        return np.broadcast_to(weights[index[axis]].reshape(shape), whole)

    return replace(like, dtype=weights.dtype, load=load, watched=(), finite=False, units=None), axis


def product(arrays: Sequence[StoredArray]) -> StoredArray:
    """Arrays of one shape multiplied point by point; nothing is read."""
    if len(arrays) == 1:
        return arrays[0]

    def load(index: Index) -> NDArray[Any]:
        # Not in the dtype of the files: products of bytes overflow.
        return reduce(np.multiply, (each.read(index).astype(np.float64) for each in arrays))

    names = ", ".join(dict.fromkeys(each.name for each in arrays))
    watched = tuple(chunks for each in arrays for chunks in each.watched)
    return replace(arrays[0], name=names, dtype=np.dtype(np.float64), load=load, finite=False, watched=watched)


def _is_latitude(coordinate: Coordinate | None) -> bool:
    if coordinate is None or coordinate.kind != "number":
        return False
    rotated = coordinate.standard_name == "grid_latitude" or coordinate.name in ("rlat", "grid_latitude")
    return rotated or coordinate.role == "latitude"
