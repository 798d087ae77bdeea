"""Files of fields: one opener for every format, and reading that never takes more than it is asked for.

``npy.py`` and ``npz.py`` need NumPy alone, ``labelled.py`` reads NetCDF, HDF5 and Zarr through xarray, ``grib.py``
GRIB through cfgrib, ``tensors.py`` what PyTorch saved.
``coordinates.py`` says what files know of their axes, ``calendars.py`` what dates are, ``selection.py`` takes some
positions along one, ``forecasts.py`` the valid times of forecasts, ``climatology.py`` what is usual then,
``stacking.py`` components of a vector, ``alignment.py`` brings one array into another one's order,
``weights.py`` says what latitudes weigh.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spectral_losses.io.alignment import Aligned, align
from spectral_losses.io.chunks import Chunks, note, noted
from spectral_losses.io.climatology import at_usual_times
from spectral_losses.io.coordinates import Coordinate, role_of
from spectral_losses.io.errors import FieldFileError, reading
from spectral_losses.io.forecasts import at_valid_times
from spectral_losses.io.selection import select, select_places
from spectral_losses.io.stacking import stacked
from spectral_losses.io.stored import StoredArray
from spectral_losses.io.urls import is_url
from spectral_losses.io.weights import cos_latitude, product

__all__ = [
    "Aligned",
    "Chunks",
    "Coordinate",
    "StoredArray",
    "align",
    "at_usual_times",
    "at_valid_times",
    "cos_latitude",
    "note",
    "noted",
    "open_array",
    "product",
    "role_of",
    "select",
    "select_places",
    "stacked",
]

LABELLED = {
    ".nc": "netcdf4",
    ".nc4": "netcdf4",
    ".cdf": "netcdf4",
    ".h5": "h5netcdf",
    ".hdf5": "h5netcdf",
    ".zarr": "zarr",
}  # suffix -> xarray's engine
GRIB = (".grib", ".grib2", ".grb", ".grb2")


@contextlib.contextmanager
def open_array(
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    variable: str | None = None,
    finite: bool = True,
    kinds: str = "f",
) -> Iterator[StoredArray]:
    """Open one array of real floats; nothing but its description is read.

    Parameters
    ----------
    path : path
        ``.npy``, ``.npz``, NetCDF (``.nc``, ``.nc4``, ``.cdf``), HDF5 (``.h5``, ``.hdf5``), ``.zarr``, GRIB (``.grib``,
        ``.grib2``, ``.grb``, ``.grb2``), or tensors (``.pt``, ``.pth``). Links of HDF5 into other files are followed,
        as h5py follows them. NetCDF 4, HDF5 and Zarr may be URLs that fsspec opens.
    key : str, optional
        Which array of an ``.npz`` or ``.pt``; needed where it holds several.
    variable : str, optional
        Which variable of the others, ``group/name`` inside groups, of GRIB ``kind of level/name``; needed unless there
        is only one of floats (one-dimensional ones, and bounds of coordinates, do not count where there are others).
    finite : bool
        Whether values that are not are refused as they are read.
    kinds : str
        Of dtypes that may be stored: ``"f"`` of fields, ``"fbiu"`` of masks.

    Yields
    ------
    StoredArray
        Valid inside the ``with`` statement.

    Raises
    ------
    FieldFileError
        The file is missing, damaged or cannot be read; no such array, or several to choose from; not an array
        of real floats, or an empty one. `StoredArray.read` raises it for what is damaged further on.
    MissingPackageError
        The format needs a package that is not installed.
    """
    name, path = os.fspath(path), Path(path)
    suffix = path.suffix.lower()
    known = (".npy", ".npz", *LABELLED, *GRIB, ".pt", ".pth")
    if suffix not in known:
        raise FieldFileError(f"{name}: a file of fields ends in {', '.join(known)}")
    if is_url(name):
        if suffix not in LABELLED:
            raise FieldFileError(f"{name}: of URLs, {', '.join(LABELLED)} can be read")
    elif not path.exists():
        raise FieldFileError(f"{name}: no such file")
    with contextlib.ExitStack() as stack:
        with reading(name):
            stored = _open(path, name, suffix, key, variable, stack, kinds)
        _check(stored, kinds)
        yield replace(stored, finite=finite)


def _open(
    path: Path, name: str, suffix: str, key: str | None, variable: str | None, stack: contextlib.ExitStack, kinds: str
) -> StoredArray:
    if suffix == ".npy":
        from spectral_losses.io.npy import open_npy

        return open_npy(path, name)
    if suffix == ".npz":
        from spectral_losses.io.npz import open_npz

        return open_npz(path, name, key, stack)
    if suffix in (".pt", ".pth"):
        from spectral_losses.io.tensors import open_pt

        return open_pt(path, name, key)
    if suffix in GRIB:
        from spectral_losses.io.grib import open_grib

        return open_grib(path, name, variable)
    from spectral_losses.io.labelled import open_labelled

    return open_labelled(path, name, LABELLED[suffix], variable, stack, kinds)


def _check(stored: StoredArray, kinds: str) -> None:
    if stored.dtype.kind not in kinds or stored.dtype.itemsize > 8:
        raise FieldFileError(
            f"{stored.name} holds {stored.dtype.name}; spectra take real floats: float16, float32 or float64"
        )
    if 0 in stored.shape:
        raise FieldFileError(f"{stored.name} is empty: its shape is {stored.shape}")
