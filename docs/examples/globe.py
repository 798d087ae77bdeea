"""Two global files for ``spectral-losses compare``: fields on the sphere, and forecasts that lose them scale by scale.

A field is a sum of plane waves in space, seen on the unit sphere: it looks alike everywhere and in every direction.
The forecasts know its phases the less, the shorter the wave and the longer the lead time, and damp short waves. They
are stored from south and from 180 degrees west, the truth from north and from Greenwich.

    python docs/examples/globe.py [--latitudes 91] [--out .]
    spectral-losses compare forecast.nc truth.nc --per lead_time --plot globe.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

HOURS = np.array([24, 72, 120, 168])
STARTS = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(24, "h")
WAVES = 400


def fields(latitudes: int) -> tuple[Any, Any, Any, Any]:
    """Latitude from north, longitude, and truth and forecast ``(time, lead_time, latitude, longitude)``."""
    rng = np.random.default_rng(0)
    latitude, longitude = np.linspace(90, -90, latitudes), np.arange(2 * (latitudes - 1)) * 180 / (latitudes - 1)
    north, east = np.meshgrid(np.radians(latitude), np.radians(longitude), indexing="ij")
    place = np.stack((np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)), axis=-1)
    truth = np.empty((len(STARTS), len(HOURS), latitudes, len(longitude)), np.float32)
    forecast = np.empty_like(truth)
    for start, lead in np.ndindex(truth.shape[:2]):
        k = np.geomspace(1, latitudes / 2, WAVES)
        way = rng.normal(size=(WAVES, 3))
        waves = k * (way / np.linalg.norm(way, axis=1, keepdims=True)).T
        phase = rng.uniform(0, 2 * np.pi, WAVES)
        lost = HOURS[lead] / 168 * (k / 8) ** 1.5  # the share of a phase that is not known any more
        for into, shift, damped in ((truth, 0.0, 1.0), (forecast, np.sqrt(lost), np.exp(-0.3 * lost))):
            phases = place @ waves + (phase + shift * rng.normal(size=WAVES))
            into[start, lead] = np.cos(phases) @ (k**-1.0 * damped)
    return latitude, longitude, truth, forecast


def main(argv: list[str] | None = None) -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latitudes", type=int, default=91)
    parser.add_argument("--out", type=Path, default=Path())
    args = parser.parse_args(argv)
    import xarray

    latitude, longitude, truth, forecast = fields(args.latitudes)
    dims = ("time", "lead_time", "latitude", "longitude")
    coordinates = {
        "time": STARTS,
        "lead_time": ("lead_time", HOURS, {"units": "hours"}),
        "latitude": ("latitude", latitude, {"units": "degrees_north"}),
        "longitude": ("longitude", longitude, {"units": "degrees_east"}),
    }
    for name, field in (("truth.nc", truth), ("forecast.nc", forecast)):
        stored = xarray.Dataset({"u": (dims, field, {"units": "m s-1"})}, coords=coordinates)
        if name == "forecast.nc":
            west = stored.longitude.where(stored.longitude < 180, stored.longitude - 360)
            stored = stored.assign_coords(longitude=west).sortby(["latitude", "longitude"])
        stored.to_netcdf(args.out / name)


if __name__ == "__main__":
    main()
