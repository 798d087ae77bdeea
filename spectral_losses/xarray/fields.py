"""DataArrays as the plain functions take them: arrays, and options by the places of axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from spectral_losses.transforms.partitions import Sectors
from spectral_losses.xarray.alignment import aligned, placed
from spectral_losses.xarray.names import several
from spectral_losses.xarray.space import Space, ascending, space_of, warn_of_parts

FRONT = {"dims", "channel_dim", "pool", "grid", "lengths", "radius", "mask"}
"""Options that mean something else here than in the plain functions, or nothing there."""


class Taken(NamedTuple):
    """One field, or a prediction and its target."""

    arrays: tuple[Any, ...]
    """As the DataArrays hold them, their axes in one order."""
    options: dict[str, Any]
    """Of the plain function."""
    space: Space
    fields: tuple[Any, ...]
    """The DataArrays; the last one says what results are labelled with."""
    channel: Any
    pooled: tuple[Any, ...]

    @property
    def dims(self) -> tuple[Any, ...]:
        """The names of the axes."""
        return tuple(self.fields[-1].dims)

    @property
    def left(self) -> tuple[Any, ...]:
        """The dimensions that statistics of each frame and channel have."""
        gone = {*self.space.dims, *self.pooled}
        if self.options.get("channels", "separate") != "separate":
            gone.add(self.channel)
        return tuple([dim for dim in self.dims if dim not in gone])

    @property
    def frames(self) -> tuple[Any, ...]:
        """The dimensions that are neither space nor channel nor pooled."""
        return tuple([dim for dim in self.left if dim != self.channel])


def take(
    fields: Sequence[Any],
    options: Mapping[str, Any],
    takes: set[str],
    owner: str,
    *,
    transformed: bool = True,
    directed: bool = False,
    quiet: bool = False,
) -> Taken:
    """Check and align DataArrays, and translate names.

    Parameters
    ----------
    fields
        One DataArray, or a prediction and its target.
    options
        As users gave them, those that are not given with the defaults of this room.
    takes
        The options of the plain function.
    owner
        What messages call it.
    transformed
        Whether it transforms fields.
    directed
        Whether it tells directions.
    quiet
        Whether the caller warns of parts of the globe, once for several.
    """
    name = "field"
    if len(fields) > 1:
        name = "target"
        fields = (aligned(*fields), fields[1])
    field = fields[-1]
    space = space_of(field, name, options, takes, owner, transformed=transformed)
    if not quiet:
        warn_of_parts([space])
    if directed or isinstance(options.get("bins"), Sectors):
        # A sphere knows from which pole its latitudes come.
        fields = [ascending(each, space.dims if space.grid is None else space.dims[1:]) for each in fields]
        field = fields[-1]
    dims = field.dims
    channel = options.get("channel_dim")
    if channel is not None:
        several("channel_dim", (channel,), dims, name)
        if channel in space.dims:
            raise ValueError(f"channel_dim {channel!r} is one of the dimensions of space {space.dims}")
    elif options.get("channels", "separate") != "separate":
        raise ValueError(f"channels={options['channels']!r} needs a dimension of components: give channel_dim")
    frames = tuple([dim for dim in dims if dim not in space.dims and dim != channel])
    pool = options.get("pool")
    pooled = frames if isinstance(pool, str) and pool == "frames" and pool not in dims else None
    if pooled is None:
        pooled = () if pool is None else several("pool", pool, dims, name)
        if set(pooled) - set(frames):
            raise ValueError(f"pool must name dimensions that are neither space nor channel, got {pool!r}")
    given = {option: value for option, value in options.items() if option not in FRONT}
    given["spatial_axes"] = tuple([dims.index(dim) for dim in space.dims])
    given["channel_axis"] = None if channel is None else dims.index(channel)
    if pooled:
        given["pool"] = tuple([dims.index(dim) for dim in pooled])
    elif pool is not None and "pool" in takes and not frames:
        given["pool"] = "frames"  # which is refused where it says why
    if space.grid is not None:
        given["grid"] = space.grid
    if space.lengths is not None:
        given["lengths"] = space.lengths
    arrays = _of_one_kind([each.data for each in fields])
    if options.get("mask") is not None:
        given["mask"] = _mask(options["mask"], field, space, arrays[0])
    return Taken(tuple(arrays), given, space, tuple(fields), channel, pooled)


def _mask(mask: Any, field: Any, space: Space, like: Any) -> Any:
    """A mask as the plain functions take it: of the shape of space, or with an axis for each of the field's."""
    if not (hasattr(mask, "dims") and hasattr(mask, "coords") and hasattr(mask, "data")):
        raise TypeError(f"mask must be a DataArray, whose dimensions have names, got {type(mask).__name__}")
    mask = placed(mask, field)
    if set(mask.dims) == set(space.dims):
        mask = mask.transpose(*space.dims)
    else:
        lost = [dim for dim in field.dims if dim not in mask.dims]
        mask = mask.expand_dims(lost).transpose(*field.dims)
    return _of_one_kind([like, mask.data])[1]


def _of_one_kind(arrays: list[Any]) -> list[Any]:
    """NumPy arrays beside those of Dask as one block of Dask."""
    of_dask = [type(x).__module__.split(".")[0] == "dask" for x in arrays]
    if all(of_dask) or not any(of_dask):
        return arrays
    from dask.array import from_array

    blocks: Any = from_array

    return [
        x if lazy or type(x).__module__.split(".")[0] != "numpy" else blocks(x, chunks=-1)
        for x, lazy in zip(arrays, of_dask, strict=True)
    ]
