"""What ``--mask`` says: files of weights, and the weights that latitudes have."""

from __future__ import annotations

from dataclasses import replace

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.sources import COS_LATITUDE
from spectral_losses.io import Coordinate, StoredArray, align, cos_latitude, product
from spectral_losses.io.errors import FieldFileError
from spectral_losses.transforms.sphere import Sphere

ON_THE_SPHERE = (
    f"--mask {COS_LATITUDE} changes nothing on the sphere, where means over space are weighed by area anyway"
)


def fitted(option: str, array: StoredArray, like: StoredArray) -> StoredArray:
    """An array of another file as it lies beside the fields: what it lacks counts as one.

    Raises
    ------
    CommandError
        Dimensions or positions that differ.
    """
    while array.dims is None and 0 < len(array.shape) < len(like.shape):
        # Without names it has the last dimensions, as arrays of NumPy broadcast.
        array = array.repeated(0, like.shape[-len(array.shape) - 1], "")
    # Whenever it was made, it stands for all times.
    known = {
        name: each for name, each in array.coordinates.items() if name in (array.dims or ()) or each.kind != "time"
    }
    try:
        found = align(replace(array, coordinates=known), like)
    except FieldFileError as error:
        raise CommandError(f"{option}: {error}") from error
    if found.like.shape != like.shape:
        raise CommandError(f"{option}: {array.name} has {', '.join(found.repeated)} and {like.name} has not")
    return found.array


def mask_of(arrays: list[StoredArray], like: StoredArray) -> StoredArray | None:
    """The weights of several files multiplied, beside fields; None where there are none."""
    found = [fitted("--mask", replace(each, units=None, coordinates=_along(each)), like) for each in arrays]
    return product(found) if found else None


def with_latitudes(
    mask: StoredArray | None, like: StoredArray, layout: Layout, sphere: Sphere | None
) -> StoredArray | None:
    """A mask times the cosine of the latitude; on the sphere means are weighed by area without it.

    Raises
    ------
    CommandError
        No latitudes, or such that are not space.
    """
    if sphere is not None:
        return mask
    try:
        weights, axis = cos_latitude(replace(like, coordinates=layout.coordinates))
    except ValueError as error:
        raise CommandError(f"--mask {COS_LATITUDE}: {error}") from error
    if axis not in layout.spatial:
        raise CommandError(
            f"--mask {COS_LATITUDE}: {layout.name(axis)} is none of the spatial axes, over which it weighs"
        )
    return product([weights] if mask is None else [mask, weights])


def _along(array: StoredArray) -> dict[str, Coordinate]:
    """Positions along dimensions alone: a mask holds at any level, whatever its file says."""
    return {name: each for name, each in array.coordinates.items() if name in (array.dims or ())}
