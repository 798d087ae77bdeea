"""Whether fields lie on the sphere: what files say of latitude and longitude, and what ``--grid`` says."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.io import Coordinate
from spectral_losses.transforms.plane import Plane
from spectral_losses.transforms.quadrature import GRIDS
from spectral_losses.transforms.sphere import Harmonics, Sphere

Grid = Plane | Harmonics
RADIUS = 6371.0
"""Mean radius of the earth in km."""
NEAR = 0.02  # of a step between two longitudes, by which these may be off
_SAY = f"--grid {', '.join(GRIDS[:-1])} or {GRIDS[-1]} says which latitudes"
MEANT = (
    "In a plane a degree of longitude is everywhere as long as one of latitude, and fields go on beyond one edge at "
    "the other (--grid plane: without this warning)"
)


def on_the_globe(layout: Layout, wanted: str) -> tuple[Layout, Sphere | None, str | None]:
    """The grid of the sphere that fields lie on.

    Parameters
    ----------
    layout : Layout
    wanted : {"auto", "plane", "sphere", "gauss", "equiangular", "cells"}
        "auto": the sphere where latitudes and longitudes are those of the whole of it. "sphere": nothing else. The last
        three are latitudes, of files that do not say where theirs lie.

    Returns
    -------
    layout : Layout
        On the sphere with latitude before longitude.
    sphere : Sphere or None
        None where fields lie in a plane.
    warning : str or None
        Why latitudes and longitudes are taken for a plane all the same.

    Raises
    ------
    CommandError
        Fields that cannot be on the sphere that is wanted.
    """
    if wanted == "plane":
        return layout, None, None
    roles = [layout.role(axis) for axis in layout.spatial]
    if sorted(map(str, roles)) == ["latitude", "longitude"]:
        north, east = (layout.spatial[roles.index(role)] for role in ("latitude", "longitude"))
    elif wanted == "auto":
        return layout, None, None
    elif len(roles) != 2 or (wanted == "sphere" or any(roles)):
        said = ", ".join(layout.name(axis) for axis in layout.spatial)
        hint = f"; {_SAY} an array without names has" if layout.dims is None and len(roles) == 2 else ""
        raise CommandError(
            f"--grid {wanted}: the sphere takes latitude and longitude for space, and here space is {said}{hint}"
        )
    else:
        north, east = layout.spatial
    try:
        sphere = _sphere(layout, north, east, wanted)
        around = layout._replace(spatial=(north, east))
        sphere.check(around.grid)
        sphere.basis(around.grid, "unit")
    except ValueError as error:
        problem = str(error).removeprefix("grid: ")
        if wanted != "auto":
            raise CommandError(f"--grid {wanted}: {problem}") from error
        return layout, None, f"latitude and longitude are taken for a plane, because {problem}. {MEANT}"
    return around, sphere, None


def refuse_on_the_sphere(what: str) -> NoReturn:
    """Refuse what is for the plane alone."""
    raise CommandError(f"{what}: has no meaning on the sphere; --grid plane takes latitude and longitude for a plane")


def described(grid: Grid) -> dict[str, object] | None:
    """A grid of the sphere for JSON, None of one in a plane."""
    return {"latitudes": grid.grid, "highest_degree": grid.highest} if isinstance(grid, Harmonics) else None


def words(grid: Grid) -> str:
    """What to say behind the size of a grid."""
    return f" on the sphere, {grid.grid} latitudes" if isinstance(grid, Harmonics) else ""


def _sphere(layout: Layout, north: int, east: int, wanted: str) -> Sphere:
    """The grid, or a ValueError that says why there is none."""
    latitude, longitude = layout.coordinate(north), layout.coordinate(east)
    if longitude is not None:
        _check_longitudes(longitude)
    if latitude is None:
        if wanted in GRIDS:
            return Sphere(wanted)
        names = f"{layout.name(north)} and {layout.name(east)}"
        raise ValueError(f"{names} have no coordinates ({_SAY} they have)")
    _check_latitudes(latitude)
    sphere = Sphere(latitude.numbers())
    if wanted in GRIDS and sphere.grid != wanted:
        raise ValueError(f"{latitude.name} is {sphere.grid}")
    if longitude is None:
        raise ValueError(f"{layout.name(east)} has no coordinate, so that it may not go all around")
    return sphere


def _check_latitudes(latitude: Coordinate) -> None:
    """Name what latitudes lack, where that is more than being on another grid."""
    values = latitude.numbers() if latitude.kind == "number" else np.array([np.nan])
    if not np.isfinite(values).all():
        raise ValueError(f"{latitude.name} holds what is no number of degrees")
    steps = np.diff(values)
    if not len(steps) or not (steps * steps[0] > 0).all():
        raise ValueError(f"{latitude.name} does not run from one pole to the other")
    reach = f"{latitude.name} runs from {latitude.label(0)} to {latitude.label(-1)}"
    low, high, step = values.min(), values.max(), abs(steps).max()
    gaps = low + 90, 90 - high
    if max(gaps) > 1.5 * step:
        raise ValueError(f"{reach}, a region of the sphere")
    if min(gaps) < 0.1 * step and max(gaps) > 0.9 * step:
        pole = "south" if gaps[0] > gaps[1] else "north"
        raise ValueError(f"{reach}, without the {pole} pole, so that no weights make sums over its {len(values)} exact")


def _check_longitudes(longitude: Coordinate) -> None:
    """Refuse what is not equally spaced all around."""
    values = longitude.numbers() if longitude.kind == "number" else np.array([np.nan])
    if not np.isfinite(values).all():
        raise ValueError(f"{longitude.name} holds what is no number of degrees")
    number, reach = len(values), f"{longitude.name} runs from {longitude.label(0)} to {longitude.label(-1)}"
    if _goes_around(values, number):
        return
    if number > 2 and _goes_around(values[:-1], number - 1) and np.isclose((values[-1] - values[0]) % 360, 0):
        raise ValueError(f"{reach}, which is one meridian twice: leave one of them out")
    steps = np.diff(values)
    if number > 2 and (abs(steps - steps[0]) <= NEAR * abs(steps[0])).all():
        raise ValueError(f"{reach}, not all around")
    raise ValueError(f"{reach} in steps that are not equal")


def _goes_around(longitudes: NDArray[np.float64], number: int) -> bool:
    """Whether longitudes are equally spaced all around, eastward or westward."""
    step = 360 / number
    for way in (1, -1):
        away = longitudes - longitudes[0] - way * step * np.arange(number)
        if (abs(np.mod(away + 180, 360) - 180) <= NEAR * step).all():
            return True
    return False
