"""NetCDF, HDF5 and Zarr, through xarray."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import needed
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.stored import Index, StoredArray

PACKAGES = {"netcdf4": ("netCDF4",), "h5netcdf": ("h5netcdf", "h5py"), "zarr": ("zarr",)}
UNNAMED = ("phony_dim_", "dim_")  # what h5netcdf and xarray call dimensions without a name


def open_labelled(path: Path, name: str, engine: str, variable: str | None, stack: contextlib.ExitStack) -> StoredArray:
    """Open one variable; packed integers come out as the floats that they stand for."""
    xarray = needed("xarray", f"reading {path.suffix} files")
    packages = [needed(package, f"reading {path.suffix} files") for package in PACKAGES[engine]]
    options: dict[str, Any] = {"engine": engine, "decode_times": False, "cache": False}
    if engine == "h5netcdf":
        options["phony_dims"] = "sort"  # for files that were not written as NetCDF
        # Where this attribute cannot be read, `h5netcdf.File.close` (seen in 1.8) fails on an object half made, and
        # prints a traceback when that is collected.
        with packages[-1].File(path) as file:
            file.attrs.get("_nc3_strict")
    if engine == "zarr":
        options["consolidated"] = False  # else a store without consolidated metadata is warned about
    group, _, wanted = (variable or "").strip("/").rpartition("/")
    try:
        dataset = stack.enter_context(xarray.open_dataset(path, group=group or None, **options))
    except OSError as error:
        if group and Path(path).exists():
            raise FieldFileError(f"{name}: has no group {group!r}, or cannot be read") from error
        raise
    if not wanted:
        wanted = _only(dataset, name) or _none(xarray, path, name, options)
    elif wanted not in dataset.variables:
        raise FieldFileError(f"{name} has no variable {variable!r}; of floats it has {_list(_floats(dataset))}")
    return _stored(dataset, wanted, name, group)


def _only(dataset: Any, name: str) -> str | None:
    """The one variable of floats, None where there is no such."""
    floats = _floats(dataset)
    if len(floats) > 1:
        bounds = {variable.attrs.get("bounds") for variable in dataset.variables.values()}
        floats = [each for each in floats if dataset[each].ndim > 1 and each not in bounds] or floats
    if len(floats) > 1:
        raise FieldFileError(f"{name} holds several variables, choose one with --variable: {_list(floats)}")
    return floats[0] if floats else None


def _none(xarray: Any, path: Path, name: str, options: dict[str, Any]) -> str:
    groups = xarray.open_groups(path, **options)
    try:
        inside = [f"{group.strip('/')}/{each}" for group, data in groups.items() for each in _floats(data)]
    finally:
        for data in groups.values():
            data.close()
    if inside:
        raise FieldFileError(f"{name} holds groups, choose a variable with --variable: {_list(inside)}")
    raise FieldFileError(f"{name} holds no variable of floats")


def _floats(dataset: Any) -> list[str]:
    return [str(each) for each, variable in dataset.data_vars.items() if variable.dtype.kind == "f"]


def _list(names: list[str]) -> str:
    more = len(names) - 10
    return (", ".join(names[:10]) or "none") + (f" and {more} more" if more > 0 else "")


def _stored(dataset: Any, wanted: str, name: str, group: str) -> StoredArray:
    variable = dataset[wanted].variable
    dims = tuple(str(dim) for dim in variable.dims)
    preferred = variable.encoding.get("preferred_chunks")

    def load(index: Index) -> NDArray[Any]:
        return np.asarray(variable[index].values)

    return StoredArray(
        name,
        tuple(variable.shape),
        np.dtype(variable.dtype),
        load,
        None if all(dim.startswith(UNNAMED) for dim in dims) else dims,
        tuple(preferred.get(dim, n) for dim, n in zip(dims, variable.shape, strict=True)) if preferred else None,
        {dim: dataset[dim].values for dim in dims if dim in dataset.coords and dataset[dim].dtype.kind in "fiu"},
        f"{group}/{wanted}" if group else wanted,
    )
