"""Spectra of DataArrays and Datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

import spectral_losses.diagnostics as plain_diagnostics
import spectral_losses.spectra as plain_spectra
from spectral_losses.io.units import canonical
from spectral_losses.losses.registry import options_of
from spectral_losses.messages import items
from spectral_losses.xarray.fields import take
from spectral_losses.xarray.front import named
from spectral_losses.xarray.labels import attributes, labelled, of_power, over_bins, squared
from spectral_losses.xarray.space import EARTH
from spectral_losses.xarray.units import times, units_of

__all__ = ["energy_spectrum", "radial_spectrum"]


@named(plain_spectra.radial_spectrum)
def radial_spectrum(field: Any, *, radius: float = EARTH, **options: Any) -> Any:
    """Power spectrum over shells of the wavenumber, or over degrees of the sphere, of a DataArray.

    That of `spectral_losses.radial_spectrum`, with names; of a Dataset, of each variable of floats that has the
    dimensions of space.

    Parameters
    ----------
    field : DataArray or Dataset
    dims : str or sequence of str, optional
        The dimensions of space; by default latitude and longitude, where there are two dimensions that are known to be
        these, by the CF conventions or by name. One of them gives spectra along it: ``dims="longitude"``, zonal ones.
    channel_dim : str, optional
        The dimension of components; by default there is none.
    pool : str or sequence of str, optional
        Dimensions over which the power is averaged; "frames" are all that are neither space nor channel.
    lengths : "auto", None, float, sequence or mapping of str to float
        Of the box along each dimension of space. "auto": as the coordinates say, in their unit, the number of points
        times their distance, which must be uniform. Times are in seconds; latitude and longitude are in km, at the
        middle latitude; one of them alone is an angle in radians, so that zonal wavenumbers count waves around the
        globe. Without coordinates, or with None, wavenumbers count waves across the box.
    grid : "auto", None or Sphere
        "auto": a `spectral_losses.Sphere` where latitudes and longitudes are those of one, else a plane. None: a plane.
    channels, bins, window, detrend
        As in `spectral_losses.radial_spectrum`; on a sphere window and detrend have to stay None.
    radius : float
        Of the planet in km.

    Returns
    -------
    DataArray or Dataset
        ``power``, or what the variables are called, over the dimensions that are left and ``wavenumber``; on a sphere
        ``degree``. Coordinates: ``wavelength`` (on a sphere in km), ``lower`` and ``upper`` of each shell, and
        ``counts`` of its modes. Of `Sectors` over ``wavenumber`` and ``angle``, of `Cylinders` over ``k_perp`` and
        ``k_par``. Lazy where the field is.

    Raises
    ------
    TypeError
        Neither a DataArray nor a Dataset; an option that is not known.
    ValueError
        Names that are no dimensions; coordinates that are not uniform, or in different units; whatever
        `spectral_losses.radial_spectrum` refuses.

    Warns
    -----
    UserWarning
        Where latitude and longitude are taken for a plane: of those that cover the globe always, of a part of it unless
        ``grid=None`` or ``lengths`` say that this is meant.

    Examples
    --------
    >>> import numpy as np, xarray as xr, spectral_losses.xarray as slx
    >>> x = np.arange(32) * 0.5  # km
    >>> wave = xr.DataArray(
    ...     np.cos(2 * np.pi * x / 4) * np.ones((2, 32, 1)), dims=("time", "y", "x"), attrs={"units": "K"},
    ...     coords={name: (name, x, {"units": "km"}) for name in ("y", "x")},
    ... )
    >>> power = slx.radial_spectrum(wave, dims=("y", "x"))
    >>> power.sizes, float(power.wavelength[power.isel(time=0).argmax("wavenumber")]), power.wavenumber.units
    (Frozen({'time': 2, 'wavenumber': 16}), 4.0, 'rad/km')
    """
    plain = plain_spectra.radial_spectrum
    taken = take((field,), {**options, "radius": radius}, options_of(plain), "radial_spectrum")
    spectrum = plain(taken.arrays[0], **taken.options)
    names, coords, unit = over_bins(taken, taken.options, radius)
    attrs = attributes(taken, "power", of_power(taken, unit))
    return labelled(taken, spectrum.power, (*taken.left, *names), "power", attrs).assign_coords(coords)


@named(plain_diagnostics.energy_spectrum, by_variable=False)
def energy_spectrum(
    velocity: Any, *, components: Sequence[str] | None = None, radius: float = EARTH, **options: Any
) -> Any:
    """Kinetic energy per unit of wavenumber, E(k), of a velocity.

    That of `spectral_losses.energy_spectrum`, with names, and with the coordinates of `radial_spectrum`.

    Parameters
    ----------
    velocity : DataArray or Dataset
    components : sequence of str
        The variables of a Dataset that are the components, of a wind the one eastward first; a DataArray has them along
        ``channel_dim``.
    dims, channel_dim, pool, lengths, grid, radius
        As in `radial_spectrum`.
    bins, window, detrend, smooth
        As in `spectral_losses.energy_spectrum`.

    Returns
    -------
    DataArray
        ``energy`` over the dimensions that are left and ``wavenumber``, with the coordinates of `radial_spectrum`.

    Raises
    ------
    TypeError
        Neither a DataArray nor a Dataset; an option that is not known.
    ValueError
        Components that are no variables, or in different units; whatever `radial_spectrum` refuses.

    Warns
    -----
    UserWarning
        As `radial_spectrum`.

    Examples
    --------
    >>> import numpy as np, xarray as xr, spectral_losses.xarray as slx
    >>> u, v = np.random.default_rng(0).normal(size=(2, 32, 32))
    >>> wind = xr.Dataset({"u": (("y", "x"), u), "v": (("y", "x"), v)})
    >>> energy = slx.energy_spectrum(wind, components=("u", "v"), dims=("y", "x"))
    >>> energy.dims, bool(energy.sum() < (wind.u**2 + wind.v**2).mean() / 2)  # corner modes lie beyond the last shell
    (('wavenumber',), True)
    """
    velocity, channel = _components(velocity, components, options.pop("channel_dim"))
    plain = plain_diagnostics.energy_spectrum
    given = {**options, "channel_dim": channel, "radius": radius}
    taken = take((velocity,), given, options_of(plain), "energy_spectrum", directed=True)
    spectrum = plain(taken.arrays[0], **taken.options)
    taken = taken._replace(options={**taken.options, "channels": "sum"})
    names, coords, _ = over_bins(taken, taken.options, radius)
    units = squared(taken)
    if taken.space.lengths is not None:
        units = times(units, taken.space.unit)
    attrs = attributes(taken, "kinetic energy", units)
    return labelled(taken, spectrum.power, (*taken.left, *names), "energy", attrs).assign_coords(coords)


def _components(velocity: Any, components: Any, channel: Any) -> tuple[Any, Any]:
    """A DataArray and the dimension of its components."""
    if isinstance(velocity, xr.DataArray):
        if components is not None:
            raise ValueError("components are variables of a Dataset; a DataArray has them along channel_dim")
        return velocity, channel
    if not isinstance(velocity, xr.Dataset):
        raise TypeError(f"velocity must be a DataArray or a Dataset, got {type(velocity).__name__}")
    if components is None or channel is not None:
        raise ValueError("components must name the variables of a Dataset that are the velocity, without a channel_dim")
    names = items("components", components, "names of variables")
    for name in names:
        if name not in velocity.data_vars:
            raise ValueError(
                f"components: there is no variable {name!r}, but {', '.join(map(str, velocity.data_vars))}"
            )
        if velocity[name].sizes != velocity[names[0]].sizes:
            raise ValueError(f"components must have the same dimensions, {name} has {dict(velocity[name].sizes)}")
    units = {name: units_of(velocity[name]) for name in names}
    said = [unit for unit in units.values() if unit is not None]
    if len(set(map(canonical, said))) > 1:
        raise ValueError(f"components must have the same units, got {units}")
    stacked = velocity[list(names)].to_dataarray("component", name="velocity")
    stacked.attrs = {"units": said[0]} if said else {}
    return stacked, "component"
