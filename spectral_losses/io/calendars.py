"""Times as seconds since 1970, of the calendar that NumPy knows and, through cftime, of those that it does not."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import needed

EPOCH = "seconds since 1970-01-01"
KNOWN = ("standard", "gregorian", "proleptic_gregorian")  # to NumPy
MICROSECONDS = 1e6
STEPS = {3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1)}  # by the numbers of a date

Floats = NDArray[np.float64]


def from_dates(dates: NDArray[Any]) -> tuple[NDArray[Any], str | None]:
    """Dates of cftime as they are kept: ``datetime64`` where that knows their calendar, else seconds of it."""
    calendar = str(dates.flat[0].calendar)
    if calendar in KNOWN:
        return np.asarray([each.isoformat() for each in dates], "datetime64[us]"), None
    found = needed("cftime", "reading times").date2num(dates, EPOCH, calendar=calendar)
    return np.asarray(found, np.float64), calendar


def words(times: NDArray[Any], calendar: str) -> NDArray[np.str_]:
    """Seconds of a calendar as dates, to the second."""
    return np.asarray([each.isoformat() for each in _dates(times, calendar)], np.str_)


def parts(times: Floats, calendar: str | None) -> dict[str, NDArray[np.int64]]:
    """The ``month``, the ``dayofyear`` and the ``hour`` of times, as xarray counts them."""
    if calendar is not None:
        dates = _dates(times.ravel(), calendar)
        of = {"month": "month", "dayofyear": "dayofyr", "hour": "hour"}
        return {
            name: np.asarray([getattr(each, part) for each in dates], np.int64).reshape(times.shape)
            for name, part in of.items()
        }
    moments = np.round(times).astype("datetime64[s]")
    months, days = moments.astype("datetime64[M]"), moments.astype("datetime64[D]")
    return {
        "month": months.astype(np.int64) % 12 + 1,
        "dayofyear": (days - moments.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) + 1,
        "hour": (moments - days).astype(np.int64) // 3600,
    }


def span(text: str, calendar: str | None) -> tuple[float, float]:
    """The first time that a date stands for and the one behind the last: a year, month, day, hour, minute or moment.

    Raises
    ------
    ValueError
        What is no date of this calendar.
    """
    if calendar is None:
        try:
            date = np.datetime64(text.removesuffix("Z").replace(" ", "T"))
        except ValueError:
            raise ValueError(f"{text!r} is no date") from None
        unit: Any = np.datetime_data(date.dtype)[0]
        ends = (date, date + np.timedelta64(1, unit)) if unit in ("Y", "M", "D", "h", "m") else (date, date)
        first, last = (float(each.astype("datetime64[us]").astype(np.int64)) / MICROSECONDS for each in ends)
        return first, last
    found = [int(each) for each in re.findall(r"\d+", text.partition(".")[0])]
    year, month, *rest = [*found, *(1, 1)[len(found) - 1 :]] if len(found) < 3 else found
    cftime = needed("cftime", "reading times")
    try:
        begin = cftime.datetime(year, month, *rest, calendar=calendar)
    except ValueError:
        raise ValueError(f"{text!r} is no date of the calendar {calendar}") from None
    if len(found) > 5:
        end = begin
    elif len(found) > 2:
        end = begin + STEPS[len(found)]
    else:
        end = cftime.datetime(
            *((year + 1, 1) if len(found) == 1 or month == 12 else (year, month + 1)), 1, calendar=calendar
        )
    fraction = float(f"0.{text.partition('.')[2].removesuffix('Z') or 0}")
    first, last = (float(cftime.date2num(each, EPOCH, calendar=calendar)) + fraction for each in (begin, end))
    return first, last


def _dates(times: NDArray[Any], calendar: str) -> list[Any]:
    found = needed("cftime", "reading times").num2date(np.round(times), EPOCH, calendar=calendar)
    return list(np.atleast_1d(found))
