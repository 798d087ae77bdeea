"""The losses of DataArrays and Datasets, all of them from one mechanism."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import spectral_losses.losses  # noqa: F401  registers them
from spectral_losses.losses.registry import all_losses, options_of
from spectral_losses.xarray.fields import Taken, take
from spectral_losses.xarray.front import named
from spectral_losses.xarray.labels import attributes, labelled

DOCUMENTED = """{head}

Of DataArrays, and of all variables that two Datasets have in common: `spectral_losses.{name}` by names.

Parameters
----------
prediction, target : DataArray or Dataset
    They are aligned by their coordinates: dimensions and points in another order are put in order, other values are
    refused, and other units.
dims : str or sequence of str, optional
    The dimensions of space; by default latitude and longitude, where two dimensions are known to be these.
channel_dim : str, optional
    The dimension of components; by default there is none.
{options}
Returns
-------
DataArray or Dataset
    With ``reduction="none"`` over the dimensions that are left, with their coordinates. Lazy where the fields are.

Raises
------
TypeError, ValueError
    Coordinates or units that differ; names that are no dimensions; whatever `spectral_losses.{name}` raises.

Warns
-----
UserWarning
    Where latitude and longitude are taken for a plane.

Examples
--------
>>> import numpy as np, xarray as xr, spectral_losses.xarray as slx
>>> target = xr.DataArray(np.random.default_rng(0).normal(size=(3, 16, 16)), dims=("time", "y", "x"), name="t2m")
>>> errors = slx.{name}(1.1 * target, target, dims=("y", "x"), reduction="none")
>>> errors.name, errors.dims
('{name}', ('time',))
"""
POOL = """pool : str or sequence of str, optional
    Dimensions over which statistics are averaged first; "frames" are all that are neither space nor channel.
"""
LENGTHS = """lengths : {auto}float, sequence or mapping of str to float, optional
    Of the box along each dimension of space. {default}
"""
AUTO = """"auto": as uniform coordinates say,
    in their unit; of a part of the globe in km, right in its middle. Without coordinates, or with None, wavenumbers
    count waves across the box."""
MASK = """mask : DataArray, optional
    Of some of the dimensions, aligned as the fields are.
"""
GRID = """grid : "auto", None or Sphere
    "auto": a sphere where latitudes and longitudes cover one. None: a plane.
"""


def by_name(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A loss of DataArrays and Datasets."""
    name, takes = plain.__name__, options_of(plain)

    def loss(prediction: Any, target: Any, **options: Any) -> Any:
        taken = take((prediction, target), options, takes, name, transformed=is_transformed(takes))
        return result(taken, plain(*taken.arrays, **taken.options), name)

    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = _documentation(plain)
    return named(plain)(loss)


def result(taken: Taken, value: Any, name: str) -> Any:
    """What a loss returns, with names."""
    dims = taken.left if value.ndim == len(taken.left) else taken.frames[: value.ndim]
    return labelled(taken, value, dims, name, attributes(taken, name.replace("_", " "), None))


def is_transformed(takes: set[str]) -> bool:
    """Whether a loss with these options transforms fields: those of points alone know areas, and no windows."""
    return "grid" not in takes or "window" in takes


def _documentation(plain: Callable[..., Any]) -> str:
    head = dedent("    " + (plain.__doc__ or "")).partition("\nParameters\n")[0].strip()
    takes = inspect.signature(plain).parameters
    said = ""
    if "pool" in takes:
        said += POOL
    if "lengths" in takes:
        auto = '"auto", ' if "bins" in takes else ""
        said += LENGTHS.format(auto=auto, default=AUTO if auto else "As in the plain function.")
    if "mask" in takes:
        said += MASK
    said += GRID
    others = [n for n in takes if n in options_of(plain) and n not in (*_NAMED, "spatial_axes", "channel_axis")]
    said += f"{', '.join(others)}\n    As in `spectral_losses.{plain.__name__}`.\n"
    return DOCUMENTED.format(head=head, name=plain.__name__, options=said)


_NAMED = ("pool", "lengths", "mask", "grid")
_LOSSES = {name: by_name(loss) for name, loss in all_losses().items()}
__all__ = sorted(_LOSSES)
globals().update(_LOSSES)
