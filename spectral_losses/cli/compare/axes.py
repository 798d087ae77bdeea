"""Which axes of two stored arrays are space, channels and frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.options import Axis
from spectral_losses.fields.layout import axes_of
from spectral_losses.fields.pairs import check_field
from spectral_losses.io import Coordinate, StoredArray, role_of

# Dimensions of space by name; those of the first family that occurs are taken, so that a z besides
# latitude and longitude counts levels. What files say to be latitude or longitude comes before names.
SPACE = (
    {
        "lat",
        "latitude",
        "rlat",
        "nlat",
        "grid_latitude",
        "lon",
        "longitude",
        "rlon",
        "nlon",
        "grid_longitude",
    },
    {"projection_x_coordinate", "projection_y_coordinate", "west_east", "south_north"},
    {"x", "y", "z", "nx", "ny", "nz", "xc", "yc", "zc", "x_coordinate", "y_coordinate", "z_coordinate"},
)
CHANNEL = {"channel", "channels", "component", "components", "variable", "variables", "var", "vars", "c"}


class Merged(NamedTuple):
    """Two axes that were made one, for numbers at each pair of positions.

    Attributes
    ----------
    shape : tuple of int
        Before.
    dims : tuple of str or None
    axes : tuple of int
        Of these.
    coordinates : mapping of str to Coordinate
    """

    shape: tuple[int, ...]
    dims: tuple[str, ...] | None
    axes: tuple[int, ...]
    coordinates: Mapping[str, Coordinate]


class Layout(NamedTuple):
    """The axes of a field and what they are, as numbers from 0.

    Attributes
    ----------
    shape : tuple of int
    spatial : tuple of int
    channel : int or None
    batch : int or None
        The first of the frame axes, which are all others.
    per : int or None
        The axis that the user wants numbers along.
    dims : tuple of str or None
        Names of the axes.
    coordinates : mapping of str to Coordinate
        Positions along the axes that have some, by these names.
    merged : Merged or None
        What the axis of `per` was, where it is made of two.
    """

    shape: tuple[int, ...]
    spatial: tuple[int, ...]
    channel: int | None
    batch: int | None
    per: int | None
    dims: tuple[str, ...] | None
    coordinates: Mapping[str, Coordinate] = MappingProxyType({})
    merged: Merged | None = None

    @property
    def others(self) -> tuple[int, ...]:
        """The axes that are not space, in order."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.spatial)

    @property
    def grid(self) -> tuple[int, ...]:
        """Points along each spatial axis."""
        return tuple(self.shape[axis] for axis in self.spatial)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 1 if self.channel is None else self.shape[self.channel]

    @property
    def frames(self) -> int:
        """Number of frames, all frame axes together."""
        return math.prod(self.shape[axis] for axis in self.others) // self.channels

    def name(self, axis: int) -> str:
        """What to call an axis."""
        return f"axis {axis}" if self.dims is None else self.dims[axis]

    def coordinate(self, axis: int) -> Coordinate | None:
        """Where the points along an axis lie, if that is known."""
        return None if self.dims is None else self.coordinates.get(self.dims[axis])

    def role(self, axis: int) -> str | None:
        """Whether an axis is ``"latitude"`` or ``"longitude"``, as far as the file tells."""
        if self.dims is None:
            return None
        coordinate = self.coordinate(axis)
        return role_of(self.dims[axis]) if coordinate is None else coordinate.role


def lay_out(
    prediction: StoredArray,
    truth: StoredArray,
    spatial_axes: Sequence[Axis] | None,
    channel_axis: Axis | None,
    per: Axis | None,
) -> Layout:
    """Resolve the options about axes; see ``--help`` for what they default to.

    Raises
    ------
    CommandError
        An axis that is not there, repeated, or two things at once.
    """
    shape = truth.shape
    dims = truth.dims or prediction.dims
    layout = Layout(shape, (), None, None, None, dims, {**truth.coordinates, **prediction.coordinates})
    spatial = _spatial(layout) if spatial_axes is None else [_number(a, dims, "--spatial-axes") for a in spatial_axes]
    channel: int | str | None = "auto"
    if channel_axis != "auto":
        channel = None if channel_axis is None else _number(channel_axis, dims, "--channel-axis")
    elif dims is not None:
        free = {*range(len(shape))} - {axis % len(shape) for axis in spatial}
        channel = next((axis for axis in sorted(free) if dims[axis].lower() in CHANNEL), None)
    try:
        check_field(np.broadcast_to(np.float32(0), shape), "fields")  # of the same shape, without taking memory
        axes = axes_of(shape, tuple(spatial), channel, "fields")  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise CommandError(f"{error}; choose axes with --spatial-axes and --channel-axis") from error
    layout = layout._replace(spatial=tuple(axis % len(shape) for axis in spatial))
    return layout._replace(
        channel=axes.channel,
        batch=axes.frames[0] if axes.frames else None,
        per=None if per is None else number_of(per, layout),
    )


def _spatial(layout: Layout) -> list[int]:
    on_the_globe = [axis for axis in range(len(layout.shape)) if layout.role(axis) is not None]
    if len(on_the_globe) > 1:
        return on_the_globe
    for family in SPACE:
        found = [axis for axis, dim in enumerate(layout.dims or ()) if dim.lower() in family]
        if found:
            return found
    return [-2, -1]


def _number(axis: Axis, dims: tuple[str, ...] | None, option: str) -> int:
    if isinstance(axis, int):
        return axis
    if dims is None or axis not in dims:
        there = "the axes have no names, give numbers" if dims is None else f"there are {', '.join(dims)}"
        raise CommandError(f"{option}: no dimension {axis!r}; {there}")
    return dims.index(axis)


def number_of(per: Axis, layout: Layout) -> int:
    """The axis of ``--per``, which is none of space.

    Raises
    ------
    CommandError
    """
    axis, ndim = _number(per, layout.dims, "--per"), len(layout.shape)
    if not -ndim <= axis < ndim:
        raise CommandError(f"--per: axis {axis} is out of range for shape {layout.shape}")
    if axis % ndim in layout.spatial:
        raise CommandError(f"--per: {layout.name(axis % ndim)} is space; it takes an axis of frames or channels")
    return axis % ndim
