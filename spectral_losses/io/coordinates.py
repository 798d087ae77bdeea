"""Where points lie along an axis of a file, and what that axis is, by the conventions for climate and forecast (CF)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.calendars import words
from spectral_losses.io.units import canonical, seconds

NAMES = {
    "latitude": ("lat", "latitude", "lats", "latitudes", "nav_lat"),
    "longitude": ("lon", "longitude", "lons", "longitudes", "long", "nav_lon"),
}
AXES = {"latitude": "Y", "longitude": "X"}
PLAIN = ("degrees", "degree", "deg")  # units of both, and of rotated ones
NEAR = 0.01  # of the least step between two positions, and
DECIMALS = 100  # times the rounding of a file, which is about 1e-5 of a number: so far apart two count as one


@dataclass(frozen=True)
class Coordinate:
    """Positions along an axis.

    Attributes
    ----------
    name : str
    values : array, shape (n,)
        Numbers, text, or times, as ``datetime64`` or, of a calendar that this does not know, as seconds since 1970.
    units : str or None
        As the file has them; None of times.
    standard_name, axis : str or None
        Attributes of CF.
    rounding : float
        What rounding in the file may have moved a value by: seconds of times.
    calendar : str or None
        Of times that are seconds, such as ``"noleap"``.
    """

    name: str
    values: NDArray[Any]
    units: str | None = None
    standard_name: str | None = None
    axis: str | None = None
    rounding: float = 0.0
    calendar: str | None = None

    @property
    def role(self) -> str | None:
        """``"latitude"``, ``"longitude"``, or None: by standard name, units, axis or name, in this order."""
        if self.standard_name:
            return self.standard_name if self.standard_name in NAMES else None
        units = None if self.units is None else canonical(self.units)
        for role in NAMES:
            if units == canonical("degrees_north" if role == "latitude" else "degrees_east"):
                return role
        if units not in (None, "", *PLAIN):
            return None
        of_axis = [role for role, axis in AXES.items() if self.axis == axis and units in PLAIN]
        return of_axis[0] if of_axis else role_of(self.name)

    @property
    def kind(self) -> str:
        """``"number"``, ``"time"`` or ``"text"``."""
        if self.calendar is not None or self.values.dtype.kind == "M":
            return "time"
        return "number" if self.values.dtype.kind in "fiu" else "text"

    @property
    def is_lead(self) -> bool:
        """Whether these are times since another time, as lead times are."""
        return self.kind == "number" and seconds(self.units or "") is not None

    def numbers(self) -> NDArray[np.float64]:
        """Positions as numbers, times in seconds."""
        if self.values.dtype.kind != "M":
            return self.values.astype(np.float64)
        return self.values.astype("datetime64[us]").astype(np.float64) / 1e6

    def text(self) -> NDArray[np.str_]:
        """Positions in words, times to the second."""
        if self.calendar is not None:
            return words(self.values, self.calendar)
        values = self.values.astype("datetime64[s]") if self.kind == "time" else self.values
        return values.astype(np.str_)

    def label(self, index: int) -> str:
        """One position as a person writes it."""
        if self.kind == "number":
            return f"{self.values[index]:.7g}"
        text = str(self.text()[index])
        return text.removesuffix("T00:00:00").removesuffix(":00") if re.fullmatch(r"[\d-]+T[\d:]+", text) else text

    def plain(self, index: int) -> str | float | None:
        """One position for JSON: a number where it is one, None where that is not finite."""
        if self.kind != "number":
            return self.label(index)
        value = self.values[index].item()
        return value if np.isfinite(value) else None

    def cell(self, index: int) -> str | float | np.datetime64 | None:
        """One position for a table: as `plain`, but times as such, or to the second where NumPy knows no calendar."""
        if self.kind == "number":
            return self.plain(index)
        return (
            self.values[index].astype("datetime64[s]")
            if self.calendar is None and self.kind == "time"
            else str(self.text()[index])
        )


def role_of(name: str) -> str | None:
    """What the name of an axis says that it is: ``"latitude"``, ``"longitude"`` or None."""
    return next((role for role, names in NAMES.items() if name.lower() in names), None)


def near(values: NDArray[np.float64], rounding: float) -> float:
    """How far apart two positions may be that count as one."""
    least = step(values)
    return rounding if least == math.inf else max(min(NEAR * least, DECIMALS * rounding), min(rounding, least / 4))


def step(values: NDArray[np.float64]) -> float:
    """The least step between two positions."""
    steps = np.diff(np.unique(values[np.isfinite(values)]))
    return float(steps.min()) if len(steps) else math.inf
