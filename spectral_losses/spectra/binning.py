"""Box lengths and shells as users give them, checked as far as that goes without the grid."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from spectral_losses.messages import plain_float
from spectral_losses.transforms.plane import Bins


def check_lengths(lengths: float | Sequence[float] | None, ndim: int) -> tuple[float, ...] | None:
    """Box lengths, one per spatial axis."""
    if lengths is None:
        return None
    given = (lengths,) * ndim if isinstance(lengths, int | float) else tuple(lengths)
    if len(given) != ndim:
        raise ValueError(f"lengths must have one value per spatial axis ({ndim}), got {given}")
    for length in given:
        if not 0 < length < float("inf"):
            raise ValueError(f"lengths must be finite and positive, got {given}")
    return tuple([plain_float(length) for length in given])


def check_bins(bins: str | int | Sequence[float] | tuple[str, int]) -> Bins:
    """Check bins as far as that goes without the grid, and make them hashable."""
    takes = "bins must be 'unit', 'log', a number of shells, ('log', number) or increasing edges"
    if isinstance(bins, str):
        if bins not in ("unit", "log"):
            raise ValueError(f"{takes}, got {bins!r}")
        return bins
    if isinstance(bins, bool):
        raise TypeError(f"{takes}, got {bins!r}")
    if isinstance(bins, int):
        if bins < 1:
            raise ValueError(f"{takes}, got {bins}")
        return operator.index(bins)
    given = tuple(bins)
    if len(given) == 2 and isinstance(given[0], str):
        name, number = given
        if name != "log" or isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"{takes}, got {given!r}")
        return ("log", operator.index(number))
    edges = tuple([plain_float(edge) for edge in given])  # type: ignore[arg-type]
    rising = len(edges) > 1 and all(lo < hi for lo, hi in zip(edges[:-1], edges[1:], strict=True))  # noqa: RUF007
    if not rising or edges[0] < 0 or edges[-1] == float("inf"):
        raise ValueError(f"{takes} (at least two, finite, from 0 up), got {edges}")
    return edges
