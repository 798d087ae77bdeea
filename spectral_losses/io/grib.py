"""GRIB, through cfgrib: every variable on its kind of level is an array, and no index is left beside the file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from spectral_losses.errors import needed
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.labelled import listed, stored_of
from spectral_losses.io.stored import StoredArray

KINDS = ("stepType", "dataType", "gridType", "stepUnits")  # what fields of one name may differ in, beside their level


def open_grib(path: Path, name: str, variable: str | None) -> StoredArray:
    """Open one variable: ``t``, or ``isobaricInhPa/t`` where there are several of one name; raises what cfgrib raises.

    Times are initial times, beside a dimension ``step`` of lead times, unless all of these are 0, as in analyses.
    """
    store = needed("cfgrib.xarray_store", f"reading {path.suffix} files", "grib")
    level, _, wanted = (variable or "").rpartition("/")
    of_level = {"typeOfLevel": level} if level else {}
    for names in [{"cfVarName": wanted}, {"shortName": wanted}] if wanted else [{}]:  # t2m is 2t to others
        cubes = _cubes(store, path, {**of_level, **names})
        if cubes:
            break
    if not cubes:
        raise FieldFileError(f"{name} has no variable {variable!r}; it has {listed(_names(_cubes(store, path, {})))}")
    if len(cubes) > 1:
        if not wanted:
            raise FieldFileError(f"{name} holds several variables, choose one with --variable: {listed(_names(cubes))}")
        if len({each.attrs["GRIB_typeOfLevel"] for each in cubes}) == len(cubes):
            raise FieldFileError(
                f"{name} holds {wanted} on several kinds of level, choose one with --variable: {listed(_names(cubes))}"
            )
        known = {key: dict.fromkeys(str(each.attrs.get(f"GRIB_{key}")) for each in cubes) for key in KINDS}
        apart = "; ".join(f"{key} {', '.join(values)}" for key, values in known.items() if len(values) > 1)
        raise FieldFileError(
            f"{name} holds {variable} {len(cubes)} times, which differ in {apart or 'their grids or times'}: make a "
            "file of one of them, as with grib_copy -w"
        )
    (cube,) = cubes
    if "values" in cube.dims:
        raise FieldFileError(
            f"{name}: {cube.name} is on a grid of the type {cube.attrs.get('GRIB_gridType')}, which has no latitudes "
            "and longitudes as axes: interpolate it to one that has"
        )
    return stored_of(_laid_out(cube.to_dataset(), cube.attrs["GRIB_typeOfLevel"]), str(cube.name), name, "")


def _cubes(store: Any, path: Path, keys: dict[str, str]) -> list[Any]:
    """The arrays of a file, those with these keys."""
    options = {"indexpath": "", "errors": "raise", "squeeze": False, "filter_by_keys": keys}
    try:
        found = store.open_variable_datasets(str(path), options, decode_times=False, cache=False)
    except KeyError as error:
        if error.args != ("paramId",):
            raise
        return []  # no message has them
    return [array for each in found for array in each.data_vars.values()]


def _names(cubes: list[Any]) -> list[str]:
    number = Counter(str(each.name) for each in cubes)
    names = [
        f"{each.attrs['GRIB_typeOfLevel']}/{each.name}" if number[str(each.name)] > 1 else each.name for each in cubes
    ]
    return list(dict.fromkeys(names))


def _laid_out(data: Any, level: str) -> Any:
    """Without dimensions of one member or one level, and of steps of 0, which analyses have."""
    analyses = "step" not in data.coords or not np.any(data["step"].values)
    alone = [dim for dim in ("number", level, "step") if data.sizes.get(dim) == 1 and (dim != "step" or analyses)]
    data = data.squeeze(alone).drop_vars("valid_time", errors="ignore")
    if analyses and "time" in data.coords:
        data["time"].attrs["standard_name"] = "time"
    return data
