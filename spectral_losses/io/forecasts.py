"""A truth at the times for which forecasts are valid: when they begin, and how long after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.coordinates import Coordinate, near
from spectral_losses.io.stored import StoredArray
from spectral_losses.io.units import seconds


def at_valid_times(truth: StoredArray, forecast: StoredArray, init: str, lead: str) -> StoredArray:
    """A truth that has the dimensions of initial time and lead time in place of its time; nothing is read.

    Parameters
    ----------
    truth : StoredArray
        With one dimension of times.
    forecast : StoredArray
    init, lead : str
        Dimensions of the forecast: of times, and of numbers of hours or another unit of time.

    Returns
    -------
    StoredArray
        At (i, j) along these is the truth at the time init[i] + lead[j].

    Raises
    ------
    ValueError
        A dimension that is not there or is none of times; a time that the truth does not have, or more than once; a
        truth that has lead times itself.
    """
    valid = valid_times(forecast, init, lead)
    start, after = (forecast.coordinates[dim] for dim in (init, lead))
    dims = truth.dims or ()
    leads = [dim for dim in dims if dim == lead or (dim in truth.coordinates and truth.coordinates[dim].is_lead)]
    if leads:
        raise ValueError(
            f"the truth takes times alone, and {truth.name} has lead times along {leads[0]}; without these two options "
            "forecasts are compared with others of the same initial and lead times"
        )
    times = [dim for dim in dims if dim in truth.coordinates and truth.coordinates[dim].kind == "time"]
    if len(times) != 1:
        there = f"several: {', '.join(times)}" if times else "none"
        raise ValueError(f"the truth takes one dimension of times, and {truth.name} has {there}")
    known = truth.coordinates[times[0]]
    if known.calendar != start.calendar:
        mine, wanted = (each.calendar or "standard" for each in (start, known))
        raise ValueError(f"calendars differ: {mine} in {forecast.name}, {wanted} in {truth.name}")
    places = _places(valid, known, max(known.rounding, start.rounding), truth.name)
    taken = truth.taken(dims.index(times[0]), places, (init, lead))
    return replace(taken, coordinates={**taken.coordinates, init: start, lead: after})


def valid_times(forecast: StoredArray, init: str, lead: str) -> NDArray[np.float64]:
    """Initial times plus lead times, (initial times, lead times), in seconds since 1970 of the calendar of the former.

    Raises
    ------
    ValueError
        A dimension that is not there or is none of times.
    """
    start, after = (_along(forecast, dim) for dim in (init, lead))
    if start.kind != "time":
        raise ValueError(f"{init} of {forecast.name} holds no times")
    unit = seconds(after.units or "") if after.kind == "number" else None
    if unit is None:
        raise ValueError(f"{lead} of {forecast.name} holds no lead times: its units are {after.units!r}")
    return np.asarray(start.numbers()[:, None] + after.numbers() * unit, np.float64)


def _along(forecast: StoredArray, dim: str) -> Coordinate:
    dims = forecast.dims or ()
    if dim not in dims:
        raise ValueError(f"{forecast.name} has no dimension {dim!r}; it has {', '.join(dims) or 'none with a name'}")
    coordinate = forecast.coordinates.get(dim)
    if coordinate is None:
        raise ValueError(f"{dim} of {forecast.name} has no coordinate")
    return coordinate


def _places(valid: NDArray[np.float64], known: Coordinate, rounding: float, name: str) -> NDArray[np.int64]:
    """Where each valid time is among those of the truth."""
    times = known.numbers()
    order = np.argsort(times, kind="stable")
    nearest = np.searchsorted(times[order], valid)
    low, high = (order[np.clip(each, 0, len(times) - 1)] for each in (nearest - 1, nearest))
    places = np.where(abs(times[low] - valid) < abs(times[high] - valid), low, high)
    there = abs(times[places] - valid) <= near(times, rounding)
    if not there.all():
        first = valid[~there].min()
        when = np.asarray([np.round(first)])
        said = replace(known, values=when if known.calendar else when.astype("datetime64[s]")).label(0)
        lacking = int(np.sum(~there))
        raise ValueError(
            f"{name} lacks {lacking} of {valid.size} valid times, the first {said}; it runs from {known.label(0)} to "
            f"{known.label(len(times) - 1)} (--sel chooses the forecasts that it covers)"
        )
    same = order[1:][times[order][1:] == times[order][:-1]]
    wanted = np.isin(times[same], times[places])
    if wanted.any():
        raise ValueError(f"{name} has {known.label(int(same[wanted][0]))} more than once")
    return places
