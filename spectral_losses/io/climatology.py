"""What is usual at the hour, the day of the year or the month of each time, as WeatherBench 2 stores it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.calendars import parts
from spectral_losses.io.coordinates import Coordinate
from spectral_losses.io.forecasts import valid_times
from spectral_losses.io.stored import StoredArray

PARTS = ("month", "dayofyear", "hour")


def at_usual_times(usual: StoredArray, like: StoredArray, forecast: tuple[str, ...] = ()) -> StoredArray:
    """A climatology at the times of an array, in place of its months, days of the year and hours; nothing is read.

    Parameters
    ----------
    usual : StoredArray
        Any of the dimensions ``month``, ``dayofyear`` and ``hour``, whose numbers are those of xarray, such as the 60th
        day for the 1st of March, and the 61st in a leap year.
    like : StoredArray
        With times, as a dimension or as one position. What it has of these dimensions itself is left as it is.
    forecast : tuple of str
        Its dimensions of initial time and lead time, whose sums are the times; empty where it has but one of times.

    Raises
    ------
    ValueError
        No times, or such that the climatology has nothing for.
    """
    chosen = [dim for dim in usual.dims or () if dim in PARTS and dim not in (like.dims or ())]
    if not chosen:
        return usual
    times, calendar, dims = _times(like, forecast, f"{usual.name} goes by {' and '.join(chosen)}")
    wanted = parts(times, calendar)
    tables = [_places(usual, dim, wanted[dim], times, calendar) for dim in chosen]
    found = usual.picked([(usual.dims or ()).index(dim) for dim in chosen], tables, dims)
    known = {dim: like.coordinates[dim] for dim in dims}
    return replace(found, coordinates={**found.coordinates, **known})


def _times(
    like: StoredArray, forecast: tuple[str, ...], why: str
) -> tuple[NDArray[np.float64], str | None, tuple[str, ...]]:
    """The times of an array, their calendar, and the dimensions along which they lie."""
    if forecast:
        times = valid_times(like, *forecast)
        return times, like.coordinates[forecast[0]].calendar, forecast
    dims, known = like.dims or (), like.coordinates
    leads = [dim for dim in dims if dim in known and known[dim].is_lead]
    if leads:
        raise ValueError(
            f"{why}, and {like.name} has {leads[0]}, which are lead times: name both dimensions with --init-time and "
            "--lead-time"
        )
    found = [dim for dim in dims if dim in known and known[dim].kind == "time"]
    along = tuple(found)
    if not found:  # or one time for all
        found = [name for name, each in known.items() if name not in dims and each.kind == "time"]
        found = [name for name in found if known[name].standard_name != "forecast_reference_time"]
    if len(found) != 1:
        raise ValueError(f"{why}, and {like.name} has {'several: ' + ', '.join(found) if found else 'no times'}")
    coordinate = known[found[0]]
    times = coordinate.numbers() if along else coordinate.numbers()[0]
    return np.asarray(times), coordinate.calendar, along


def _places(
    usual: StoredArray, dim: str, wanted: NDArray[np.int64], times: NDArray[np.float64], calendar: str | None
) -> NDArray[np.int64]:
    coordinate = usual.coordinates.get(dim)
    if coordinate is None or coordinate.kind != "number":
        raise ValueError(f"{dim} of {usual.name} has no coordinate of numbers")
    numbers = coordinate.numbers()
    order = np.argsort(numbers, kind="stable")
    places = order[np.minimum(np.searchsorted(numbers[order], wanted), len(numbers) - 1)]
    lacking = numbers[places] != wanted
    if lacking.any():
        first = np.argmax(lacking)
        when = np.atleast_1d(times.ravel()[first])
        time = Coordinate("time", when if calendar else np.round(when).astype("datetime64[s]"), calendar=calendar)
        raise ValueError(f"{usual.name} has no {dim} {wanted.ravel()[first]}, that of {time.label(0)}")
    return np.asarray(places, np.int64)
