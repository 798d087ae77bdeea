"""Results with names: coordinates that are left, wavenumbers or degrees, units, and attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from spectral_losses.spectra.plan import Options, plan_of
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.xarray.fields import Taken
from spectral_losses.xarray.units import power_of, times, units_of
from spectral_losses_backends.registry import backend_of

OF_FIELDS = ("standard_name", "cell_methods", "valid_min", "valid_max", "valid_range", "actual_range", "flag_values")
"""Attributes that are true of a field and not of what is made of it."""


def attributes(taken: Taken, quantity: str, units: str | None) -> dict[Any, Any]:
    """Attributes of a result: those that its fields agree on, a long name, and units where these are known."""
    first, *others = [each.attrs for each in taken.fields]
    kept = {
        key: value
        for key, value in first.items()
        if key not in (*OF_FIELDS, "units", "long_name")
        and all(key in other and _alike(value, other[key]) for other in others)
    }
    field = taken.fields[-1]
    called = field.attrs.get("long_name", field.name)
    kept["long_name"] = quantity if called is None else f"{quantity} of {called}"
    return kept if units is None else {**kept, "units": units}


def labelled(taken: Taken, array: Any, dims: tuple[Any, ...], name: str, attrs: Mapping[Any, Any]) -> Any:
    """A result over dimensions that are left of the fields' own, with their coordinates."""
    coords = _coordinates(taken, dims)
    return xr.DataArray(array, dims=dims, coords=coords, name=name, attrs=dict(attrs))


def over_bins(
    taken: Taken, options: Mapping[str, Any], radius: float
) -> tuple[tuple[str, ...], dict[str, Any], str | None]:
    """The dimensions of the bins of a spectrum, their coordinates, and the unit of the wavenumber.

    Those of shells are their centre (``wavenumber``, on the sphere ``degree``), where they begin and end (``lower``,
    ``upper``), the number of their modes (``counts``), and their ``wavelength`` where it has a unit.
    """
    x, space = taken.arrays[0], taken.space
    given = {option: value for option, value in options.items() if option in Options._fields}
    basis = plan_of(x, "field", given, backend_of(x, "field")).basis
    unit, long_name = _of_wavenumber(space)
    said = {} if unit is None else {"units": unit}
    centres, edges = basis.centres(), basis.edges()
    if isinstance(centres, tuple):
        names = ("wavenumber", "angle") if isinstance(basis.shells, Sectors) else ("k_perp", "k_par")
        told: list[dict[str, str]] = [{**said, "long_name": "wavenumber"}, {"units": "rad", "long_name": "direction"}]
        if isinstance(basis.shells, Cylinders):
            axis = space.dims[basis.shells.axis]
            told = [{**said, "long_name": f"wavenumber {where} {axis}"} for where in ("across", "along")]
        coords = {each: (each, np.asarray(k), attrs) for each, k, attrs in zip(names, centres, told, strict=True)}
        return names, {**coords, "counts": (names, basis.counts(), {"long_name": "modes"})}, unit
    name = "wavenumber" if space.grid is None else "degree"
    coords = {
        name: (name, centres, {**said, "long_name": long_name}),
        "lower": (name, edges[:-1], {**said, "long_name": f"{long_name} where a shell begins"}),
        "upper": (name, edges[1:], {**said, "long_name": f"{long_name} where a shell ends"}),
        "counts": (name, basis.counts(), {"long_name": "modes" if space.grid is None else "harmonics"}),
    }
    waves = {"long_name": "period" if space.unit == "s" else "wavelength"}
    if space.grid is not None:
        around = 2 * math.pi * radius / np.sqrt(centres * (centres + 1))
        coords["wavelength"] = (name, around, {**waves, "units": "km"})
    elif space.lengths is not None and not space.around and centres[0] > 0:
        if space.unit is not None:
            waves["units"] = "rad" if space.unit == "1" else space.unit
        coords["wavelength"] = (name, 2 * math.pi / centres, waves)
    return (name,), coords, unit


def squared(taken: Taken) -> str | None:
    """The units of the square of a field."""
    return power_of(units_of(taken.fields[-1]))


def of_power(taken: Taken, unit: str | None) -> str | None:
    """The units of `radial_spectrum`: those of the square, on the plane times what shells measure."""
    if taken.space.grid is not None or unit == "1":
        return squared(taken)
    return times(squared(taken), None if unit is None else power_of(unit, len(taken.space.dims)))


def _of_wavenumber(space: Any) -> tuple[str | None, str]:
    """Its unit, None where it is not known, and what it is called."""
    if space.grid is not None:
        return "1", "degree of spherical harmonics"
    if space.lengths is None:
        return "1", "waves across the domain"
    if space.around:
        return "1", "zonal wavenumber"
    if space.unit in (None, "1"):
        return space.unit, "wavenumber"
    return f"rad/{space.unit}", "angular frequency" if space.unit == "s" else "wavenumber"


def _coordinates(taken: Taken, dims: tuple[Any, ...]) -> Any:
    """Those of the fields over these dimensions; where both have one, the target's."""
    coords = None
    for field in reversed(taken.fields):
        own = field.coords.to_dataset()
        own = own.drop_vars([name for name, each in own.coords.items() if not set(each.dims) <= set(dims)])
        if coords is None:
            coords = own
        else:
            more = [name for name, each in own.coords.items() if name not in coords.coords and name not in own.dims]
            coords = coords.assign_coords({name: own[name].variable for name in more})
    return coords.coords  # type: ignore[union-attr]


def _alike(a: Any, b: Any) -> bool:
    return bool(np.array_equal(np.asarray(a), np.asarray(b)))
