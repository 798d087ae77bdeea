"""Diagnostics of DataArrays and Datasets."""

from __future__ import annotations

import math
from typing import Any

import xarray as xr

import spectral_losses.diagnostics as plain_diagnostics
from spectral_losses.losses.registry import options_of
from spectral_losses.xarray.fields import take
from spectral_losses.xarray.front import named
from spectral_losses.xarray.labels import attributes, labelled, of_power, over_bins
from spectral_losses.xarray.space import EARTH

__all__ = ["cross_spectrum", "effective_resolution", "price_of_sharpness"]

POWERS = ("power", "target_power", "error_power", "cospectrum", "quadrature")
RATIOS = ("coherence", "phase", "amplitude_ratio", "error", "amplitude_part", "phase_part")


@named(plain_diagnostics.cross_spectrum)
def cross_spectrum(prediction: Any, target: Any, *, radius: float = EARTH, **options: Any) -> Any:
    """Compare two fields in each shell of the wavenumber, or in each degree: powers, coherence, phase, error.

    What `spectral_losses.cross_spectrum` returns, and what follows from it, with names.

    Parameters
    ----------
    prediction, target : DataArray or Dataset
        They are aligned by their coordinates: dimensions and points in another order are put in order, other values are
        refused, and other units.
    dims, channel_dim, pool, lengths, grid, radius
        As in `radial_spectrum`.
    channels, bins, window, detrend
        As in `spectral_losses.radial_spectrum`.

    Returns
    -------
    Dataset, or mapping of str to Dataset
        ``power``, ``target_power``, ``error_power``, ``cospectrum``, ``quadrature``, ``coherence``, ``phase``,
        ``amplitude_ratio``, ``error``, ``amplitude_part`` and ``phase_part``, over the dimensions that are left and
        ``wavenumber``, with the coordinates of `radial_spectrum`. Of Datasets one for each variable in common. Lazy
        where the fields are.

    Raises
    ------
    TypeError
        Neither DataArrays nor Datasets; an option that is not known.
    ValueError
        Coordinates or units that differ; whatever `radial_spectrum` refuses.

    Warns
    -----
    UserWarning
        As `radial_spectrum`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, spectral_losses.xarray as slx
    >>> target = xr.DataArray(np.random.default_rng(0).normal(size=(4, 16, 24)), dims=("time", "y", "x"))
    >>> cross = slx.cross_spectrum(0.5 * target, target, dims=("y", "x"), pool="time")
    >>> cross.coherence.dims, float(cross.amplitude_part.mean().round(6))
    (('wavenumber',), 0.25)
    """
    plain = plain_diagnostics.cross_spectrum
    given = {**options, "radius": radius}
    taken = take((prediction, target), given, options_of(plain), "cross_spectrum", directed=True)
    cross = plain(*taken.arrays, **taken.options)
    names, coords, unit = over_bins(taken, taken.options, radius)
    units = {**dict.fromkeys(POWERS, of_power(taken, unit)), **dict.fromkeys(RATIOS, "1"), "phase": "rad"}
    arrays = {}
    for name in (*POWERS, *RATIOS):
        attrs = attributes(taken, name.replace("_", " "), units[name])
        arrays[name] = labelled(taken, getattr(cross, name), (*taken.left, *names), name, attrs)
    return xr.Dataset(arrays).assign_coords(coords)


@named(plain_diagnostics.effective_resolution)
def effective_resolution(
    prediction: Any, target: Any, *, pool: Any = "frames", radius: float = EARTH, **options: Any
) -> Any:
    """The wavelength down to which a prediction resolves the target, in km on the sphere.

    That of `spectral_losses.effective_resolution`, with names.

    Parameters
    ----------
    prediction, target : DataArray or Dataset
        They are aligned by their coordinates.
    dims, channel_dim, lengths, grid, radius
        As in `radial_spectrum`.
    pool : str or sequence of str
        Dimensions whose frames are pooled; others are left, such as lead times and levels. "frames" are all of them.
    channels, bins, window, detrend, threshold, of
        As in `spectral_losses.effective_resolution`.

    Returns
    -------
    DataArray or Dataset
        ``effective_resolution`` over the dimensions that are left, in km on the sphere, else in the unit of the
        coordinates; without coordinates in grid points. Lazy where the fields are.

    Raises
    ------
    TypeError
        Neither DataArrays nor Datasets; an option that is not known.
    ValueError
        Coordinates or units that differ; whatever `spectral_losses.effective_resolution` refuses.

    Warns
    -----
    UserWarning
        As `radial_spectrum`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, spectral_losses.xarray as slx
    >>> rng = np.random.default_rng(0)
    >>> x = 25.0 * np.arange(32)
    >>> target = xr.DataArray(
    ...     rng.normal(size=(20, 2, 32, 32)), dims=("time", "level", "y", "x"),
    ...     coords={"level": [500, 850], "y": ("y", x, {"units": "km"}), "x": ("x", x, {"units": "km"})},
    ... )
    >>> blurred = target.rolling(x=5, center=True, min_periods=1).mean().rolling(y=5, center=True, min_periods=1).mean()
    >>> found = slx.effective_resolution(blurred, target, dims=("y", "x"), pool="time", of="power")
    >>> found.dims, found.units, bool((found > 100).all())
    (('level',), 'km', True)
    """
    plain = plain_diagnostics.effective_resolution
    given = {**options, "pool": pool, "radius": radius}
    taken = take((prediction, target), given, options_of(plain), "effective_resolution")
    own = {name: value for name, value in taken.options.items() if name not in ("pool", "spatial_axes", "channel_axis")}
    # The plain function pools all frames and keeps channels: what is left here stands in one axis of channels.
    kept = taken.left
    summed = taken.channel if taken.channel is not None and taken.channel not in kept else None
    order = (*kept, *taken.pooled, *([] if summed is None else [summed]), *taken.space.dims)
    arrays = [_in_one(field, order, len(kept), array) for field, array in zip(taken.fields, taken.arrays, strict=True)]
    sizes = tuple([taken.fields[-1].sizes[dim] for dim in kept])
    own["spatial_axes"] = tuple(range(-len(taken.space.dims), 0))
    found = plain(*arrays, channel_axis=0, **own) if summed is None else _one_by_one(plain, arrays, own)
    value = found.reshape(sizes)
    unit = taken.space.unit
    if taken.space.grid is not None:
        value, unit = value * radius, "km"
    elif taken.space.lengths is None:
        unit = "1"
    elif unit == "1":
        unit = "rad"
    attrs = attributes(taken, "effective resolution", unit)
    return labelled(taken, value, kept, "effective_resolution", attrs)


def _in_one(field: Any, order: tuple[Any, ...], kept: int, array: Any) -> Any:
    """An array with its axes in this order, the first ones as one."""
    x = xr.DataArray(array, dims=field.dims).transpose(*order).data
    return x.reshape((math.prod(x.shape[:kept]), *x.shape[kept:]))


def _one_by_one(plain: Any, arrays: list[Any], options: dict[str, Any]) -> Any:
    """Where channels are summed, which leaves no axis to keep what is left in."""
    p, t = arrays
    axis = -len(options["spatial_axes"]) - 1
    found = [plain(p[i], t[i], channel_axis=axis, **options) for i in range(len(p))]
    return xr.concat([xr.DataArray(each) for each in found], "left").data


def price_of_sharpness(field_error: Any) -> Any:
    """The least relative increase of a field error that a full spectrum costs, of each of a DataArray or a Dataset.

    Parameters
    ----------
    field_error : DataArray or Dataset
        As `field_error` returns it, with ``reduction="none"`` for several.

    Returns
    -------
    DataArray or Dataset
        See `spectral_losses.price_of_sharpness`.

    Examples
    --------
    >>> import xarray as xr, spectral_losses.xarray as slx
    >>> slx.price_of_sharpness(xr.DataArray([0.02, 0.1], dims="lead_time")).values.round(3)
    array([0.005, 0.026])
    """
    if isinstance(field_error, xr.Dataset):
        return field_error.map(price_of_sharpness)
    if not isinstance(field_error, xr.DataArray):
        raise TypeError(f"field_error must be a DataArray or a Dataset, got {type(field_error).__name__}")
    found = field_error.copy(data=plain_diagnostics.price_of_sharpness(field_error.data))
    found.attrs = {}
    return found.rename("price_of_sharpness")
