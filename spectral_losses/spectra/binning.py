"""Box lengths and shells as users give them, checked as far as that goes without the grid."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from operator import index
from typing import Any

from spectral_losses.messages import integer, items, number
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.transforms.plane import Bins

_FARTHEST = 1e100  # its cube, the volume of a shell, is still a float


def check_lengths(lengths: float | Sequence[float] | None, ndim: int) -> tuple[float, ...] | None:
    """Box lengths, one per spatial axis."""
    if lengths is None:
        return None
    takes = "a number or a sequence with one per spatial axis"
    given = (lengths,) * ndim if isinstance(lengths, Real) else items("lengths", lengths, takes)
    if len(given) != ndim:
        raise ValueError(f"lengths must have one value per spatial axis ({ndim}), got {given}")
    floats = tuple([number("lengths", length) for length in given])
    for length in floats:
        if not 0 < length < float("inf"):
            raise ValueError(f"lengths must be finite and positive, got {floats}")
    return floats


def check_bins(bins: str | int | Sequence[float] | tuple[str, int] | Sectors | Cylinders) -> Bins:
    """Check bins as far as that goes without the grid, and make them hashable."""
    if isinstance(bins, Sectors):
        n = integer("bins: n of Sectors", bins.n)
        if n < 1:
            raise ValueError(f"bins: Sectors must be at least 1, got {n}")
        return Sectors(n, _shells(bins.shells))
    if isinstance(bins, Cylinders):
        axis = integer("bins: axis of Cylinders", bins.axis)
        return Cylinders(axis, _shells(bins.perpendicular), _shells(bins.parallel))
    takes = "'unit', 'log', a number of shells, ('log', number) or increasing edges"
    if isinstance(bins, str):
        if bins not in ("unit", "log"):
            raise ValueError(f"bins must be {takes}, got {bins!r}")
        return bins
    if _whole(bins):
        if bins < 1:  # type: ignore[operator]
            raise ValueError(f"bins must be {takes}, got {bins}")
        return index(bins)  # type: ignore[arg-type]
    given = items("bins", bins, takes)
    if len(given) == 2 and isinstance(given[0], str):
        name, shells = given
        if name != "log" or not _whole(shells) or shells < 1:
            raise ValueError(f"bins must be {takes}, got {given!r}")
        return ("log", index(shells))
    edges = tuple([number("bins: an edge", edge) for edge in given])
    rising = len(edges) > 1 and all(lo < hi for lo, hi in zip(edges[:-1], edges[1:], strict=True))  # noqa: RUF007
    if not rising or edges[0] < 0 or edges[-1] > _FARTHEST:
        raise ValueError(f"bins must be {takes} (at least two, finite, from 0 up to {_FARTHEST:g}), got {edges}")
    return edges


def check_radial(bins: Any, what: str) -> None:
    """Refuse bins that are no shells, for what needs shells in a row."""
    if isinstance(bins, Sectors | Cylinders):
        raise ValueError(f"{what} need shells: bins must not be {type(bins).__name__}, got {bins}")


def _shells(bins: Any) -> Bins:
    if isinstance(bins, Sectors | Cylinders):
        raise ValueError(f"bins: {type(bins).__name__} cannot be nested")
    return check_bins(bins)


def _whole(x: Any) -> bool:
    return isinstance(x, Integral) and not isinstance(x, bool)
