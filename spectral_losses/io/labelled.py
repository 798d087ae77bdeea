"""NetCDF, HDF5 and Zarr, through xarray."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import needed
from spectral_losses.io.calendars import from_dates
from spectral_losses.io.chunks import Chunks
from spectral_losses.io.classic import check_length
from spectral_losses.io.coordinates import Coordinate
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.stored import Index, StoredArray
from spectral_losses.io.units import seconds
from spectral_losses.io.urls import is_url, open_url

PACKAGES = {"netcdf4": ("netCDF4",), "h5netcdf": ("h5netcdf", "h5py"), "zarr": ("zarr",)}
_KINDS = {"f": "of floats", "fbiu": "of numbers"}
UNNAMED = ("phony_dim_", "dim_")  # what h5netcdf and xarray call dimensions without a name


def open_labelled(
    path: Path, name: str, engine: str, variable: str | None, stack: contextlib.ExitStack, kinds: str = "f"
) -> StoredArray:
    """Open one variable, of those of these kinds; packed integers come out as the floats that they stand for."""
    xarray = needed("xarray", f"reading {path.suffix} files")
    source: Any = path
    if is_url(name):
        engine = "zarr" if engine == "zarr" else "h5netcdf"  # netCDF4 reads no file that is open
        source = name if engine == "zarr" else open_url(name, stack)
    packages = [needed(package, f"reading {path.suffix} files") for package in PACKAGES[engine]]
    options: dict[str, Any] = {"engine": engine, "decode_times": False, "cache": False}
    if engine == "h5netcdf":
        options["phony_dims"] = "sort"  # for files that were not written as NetCDF
        # Where this attribute cannot be read, `h5netcdf.File.close` (seen in 1.8) fails on an object half made, and
        # prints a traceback when that is collected.
        with packages[-1].File(source) as file:
            file.attrs.get("_nc3_strict")
    if engine == "netcdf4":
        check_length(path)
    if engine == "zarr":
        options["consolidated"] = False  # else a store without consolidated metadata is warned about
    group, _, wanted = (variable or "").strip("/").rpartition("/")
    try:
        dataset = stack.enter_context(xarray.open_dataset(source, group=group or None, **options))
    except (OSError, ValueError) as error:
        lost = isinstance(error, OSError) or type(error).__name__ == "GroupNotFoundError"  # of Zarr 2
        if lost and group and (is_url(name) or path.exists()):
            raise FieldFileError(f"{name}: has no group {group!r}, or cannot be read") from error
        raise
    if not wanted:
        wanted = _only(dataset, name, kinds) or _none(xarray, source, name, options, kinds)
    elif wanted not in dataset.variables:
        raise FieldFileError(
            f"{name} has no variable {variable!r}; {_KINDS[kinds]} it has {listed(_floats(dataset, kinds))}"
        )
    stored = stored_of(dataset, wanted, name, group)
    return _watched(stored, str(source), dataset[wanted].encoding) if engine == "zarr" else stored


def _watched(stored: StoredArray, store: str, encoding: Mapping[str, Any]) -> StoredArray:
    """An array of Zarr that takes note of the chunks that are not there."""
    sizes = encoding.get("shards") or encoding.get("chunks")
    if not sizes:
        return stored
    chunks = Chunks(store, stored.variable or "", sizes)

    def load(index: Index) -> NDArray[Any]:
        values = stored.load(index)
        chunks.see(values, index)
        return values

    return replace(stored, load=load, watched=(chunks,))


def _only(dataset: Any, name: str, kinds: str) -> str | None:
    """The one variable of these kinds, None where there is no such."""
    floats = _floats(dataset, kinds)
    if len(floats) > 1:
        bounds = {variable.attrs.get("bounds") for variable in dataset.variables.values()}
        floats = [each for each in floats if dataset[each].ndim > 1 and each not in bounds] or floats
    if len(floats) > 1:
        raise FieldFileError(f"{name} holds several variables, choose one with --variable: {listed(floats)}")
    return floats[0] if floats else None


def _none(xarray: Any, source: Any, name: str, options: dict[str, Any], kinds: str) -> str:
    groups = xarray.open_groups(source, **options)
    try:
        inside = [f"{group.strip('/')}/{each}" for group, data in groups.items() for each in _floats(data, kinds)]
    finally:
        for data in groups.values():
            data.close()
    if inside:
        raise FieldFileError(f"{name} holds groups, choose a variable with --variable: {listed(inside)}")
    raise FieldFileError(f"{name} holds no variable {_KINDS[kinds]}")


def _floats(dataset: Any, kinds: str) -> list[str]:
    return [str(each) for each, variable in dataset.data_vars.items() if variable.dtype.kind in kinds]


def listed(names: list[str]) -> str:
    """Some names, and how many more there are."""
    more = len(names) - 10
    return (", ".join(names[:10]) or "none") + (f" and {more} more" if more > 0 else "")


def stored_of(dataset: Any, wanted: str, name: str, group: str) -> StoredArray:
    """One variable of a dataset of xarray whose times are not decoded."""
    variable = dataset[wanted].variable
    dims = tuple(str(dim) for dim in variable.dims)
    unnamed = all(dim.startswith(UNNAMED) for dim in dims)
    preferred = variable.encoding.get("preferred_chunks")

    def load(index: Index) -> NDArray[Any]:
        return np.asarray(variable[index].values)

    return StoredArray(
        name,
        tuple(variable.shape),
        np.dtype(variable.dtype),
        load,
        None if unnamed else dims,
        tuple(preferred.get(dim, n) for dim, n in zip(dims, variable.shape, strict=True)) if preferred else None,
        {} if unnamed else _coordinates(dataset, dims),
        f"{group}/{wanted}" if group else wanted,
        _text(variable.attrs.get("units")),
    )


def _coordinates(dataset: Any, dims: tuple[str, ...]) -> dict[str, Coordinate]:
    """Positions along dimensions: of the variable that is called as one is; else of its latitudes or longitudes.

    Those of no dimension have one position: that of all values.
    """
    found: dict[str, Coordinate] = {}
    known = {str(name): variable for name, variable in dataset.variables.items() if variable.ndim == 1}
    for name, variable in sorted(known.items(), key=lambda each: each[0] not in dims):
        dim = str(variable.dims[0])
        if dim in dims and dim not in found and (name == dim or _described(name, variable).role is not None):
            found[dim] = _coordinate(name, variable)
    for name in map(str, dataset.coords):
        if dataset[name].ndim == 0 and name not in found:
            found[name] = _coordinate(name, dataset[name].variable.expand_dims("position"))
    return found


def _described(name: str, variable: Any) -> Coordinate:
    """What attributes say of a coordinate, without its values."""
    units, standard_name, axis = (_text(variable.attrs.get(key)) for key in ("units", "standard_name", "axis"))
    return Coordinate(name, np.empty(0), units, standard_name, axis)


def _coordinate(name: str, variable: Any) -> Coordinate:
    described, values = _described(name, variable), np.asarray(variable.values)
    if values.dtype.kind not in "fiu":
        return replace(described, values=values.astype(np.str_))
    largest = float(np.max(np.abs(values), where=np.isfinite(values), initial=0))
    units = described.units or ""
    times = _times(variable) if " since " in units else None
    if times is None:
        calendar = _text(variable.attrs.get("calendar"))
        if " since " in units and calendar is not None:  # the same count is another day
            described = replace(described, units=f"{units} ({calendar})")
        return replace(described, values=values, rounding=largest * float(np.finfo(np.float32).eps))
    exact = float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0
    rounding = max(1.0, exact * largest * (seconds(units.split()[0]) or 1.0))
    return replace(described, values=times[0], units=None, rounding=rounding, calendar=times[1])


def _times(variable: Any) -> tuple[NDArray[Any], str | None] | None:
    """Times, and their calendar where ``datetime64`` does not know it; None where they are none."""
    xarray = needed("xarray", "reading times")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the calendars that datetime64 does not know
        try:
            times = xarray.decode_cf(xarray.Dataset({"times": variable.to_base_variable()}))["times"].values
        except (ValueError, OverflowError, ImportError):  # months, or a calendar that takes cftime
            return None
    if times.dtype.kind == "M":
        return times, None
    return from_dates(times) if all(hasattr(each, "calendar") for each in times) else None


def _text(attribute: Any) -> str | None:
    """An attribute that is text, None where there is none or it is something else."""
    return attribute.strip() if isinstance(attribute, str) else None
