"""Statistics: ratios to the field error alone, paired by seed, and the distance from the front of static weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Interval", "beyond_front", "front", "interval", "ratio"]

DRAWS, LEVEL = 10_000, 0.95

Point = tuple[float, float]
"""Field error and log spectral distance."""


class Interval(NamedTuple):
    """A mean over seeds and what a bootstrap over seeds makes of it."""

    mean: float
    low: float
    high: float
    each: tuple[float, ...]
    """The seeds."""


def ratio(arm: Mapping[int, float], alone: Mapping[int, float]) -> Interval | None:
    """Geometric mean of the ratios of seeds that both have; None for no seed, or where one is not positive.

    Examples
    --------
    >>> ratio({0: 2.0, 1: 8.0, 2: 5.0}, {0: 1.0, 1: 1.0}).mean
    4.0
    """
    seeds = sorted(arm.keys() & alone.keys())
    if not seeds or not all(arm[seed] > 0 and alone[seed] > 0 for seed in seeds):
        return None
    return interval([arm[seed] / alone[seed] for seed in seeds], logarithmic=True)


def interval(values: Sequence[float], *, logarithmic: bool = False) -> Interval:
    """Mean and percentile interval of a bootstrap over seeds; of logarithms, and back, for ratios.

    The draws are the same in each call: intervals of the same values are the same.
    """
    scale, back = _scales(logarithmic)
    each = np.array([scale(value) for value in values])
    drawn = np.random.default_rng(0).integers(len(each), size=(DRAWS, len(each)))
    low, high = np.quantile(each[drawn].mean(axis=1), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(back(each.mean()), back(low), back(high), tuple(values))


def _scales(logarithmic: bool) -> tuple[Callable[[float], float], Callable[[float], float]]:
    if logarithmic:
        return math.log, lambda value: math.exp(value)
    return float, float


def front(points: Sequence[Point]) -> list[Point]:
    """Of static weights, those that no other one beats in both, in the order of their field errors.

    Examples
    --------
    >>> front([(1.0, 8.0), (1.1, 4.0), (1.2, 5.0), (2.0, 1.0)])
    [(1.0, 8.0), (1.1, 4.0), (2.0, 1.0)]
    """
    best: list[Point] = []
    for point in sorted(points):
        if not best or point[1] < best[-1][1]:
            best.append(point)
    return best


def beyond_front(point: Point, points: Sequence[Point]) -> tuple[float, bool]:
    """``ln d - ln d_front`` at the point's field error, and whether the front reaches so far.

    The front is straight between its points in logarithms of both. Outside it is the nearer end: a field error less
    than any of the front is held against the least, one that is larger against the sharpest. Less than 0 is better
    than every static weight.

    Examples
    --------
    >>> beyond_front((4.0, 2.0), [(1.0, 16.0), (16.0, 1.0)])
    (-0.69..., True)
    >>> beyond_front((0.5, 8.0), [(1.0, 16.0), (16.0, 1.0)])
    (-0.69..., False)
    """
    along = front(points)
    errors, distances = ([math.log(each[i]) for each in along] for i in (0, 1))
    at = math.log(point[0])
    inside = bool(errors[0] <= at <= errors[-1])
    return math.log(point[1]) - float(np.interp(at, errors, distances)), inside
