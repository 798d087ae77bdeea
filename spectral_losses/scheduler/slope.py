"""Whether a metric has stopped getting better: the slope of its latest values, with bounds, and nothing to choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import NamedTuple

LEAST, MOST = 8, 32
"""How many of the latest observations are looked at: a third of all, and so many at least and at most."""
COUNTS = 0.05
"""An improvement of this share of the metric, over the observations looked at, is one that counts."""
CONFIDENCE = 1.2815515655446004
"""Normal deviate of 90 %, one-sided."""
WILD = 1e6


class Look(NamedTuple):
    """What the latest values say.

    Attributes
    ----------
    flat : bool
        Whether they do not, with 90 % confidence, improve by as much as counts, or by as much as their own noise.
    gain : float
        By how much they improve over as many observations, in logarithms; negative where they get worse.
    change : float
        The same as a share of the metric.
    """

    flat: bool
    gain: float
    change: float


def window(number: int) -> int:
    """How many of the latest values to look at after so many observations."""
    return min(MOST, max(LEAST, math.ceil(number / 3)))


def spacing(size: int) -> int:
    """How many observations later to look again: many looks in a row would find a plateau by chance."""
    return math.ceil(size / 8)


def look(values: Sequence[float], mode: str = "min") -> Look:
    """Look at the latest values of a metric.

    The slope is the median of those between all pairs (Theil and Sen), of the logarithms of the values, so that no unit
    matters. Its bounds are those of Kendall's statistic, wider where residuals are correlated. Where values are
    not of one sign, values relative to their usual size take the place of logarithms.

    Parameters
    ----------
    values : sequence of float
        Finite, in order, at least two.
    mode : {"min", "max"}
        Whether less or more is better.

    Returns
    -------
    Look

    References
    ----------
    Sen, P. K., Estimates of the regression coefficient based on Kendall's tau, J. Am. Stat. Assoc. 63, 1968
    (doi:10.1080/01621459.1968.10480934).

    Examples
    --------
    >>> from spectral_losses.scheduler.slope import look
    >>> look([0.5, 0.4, 0.33, 0.27, 0.22, 0.18, 0.15, 0.12]).flat, look([0.5] * 8).flat
    (False, True)
    """
    return _looked(tuple(values), mode)


@lru_cache(maxsize=4)  # a look is decided by, and then told
def _looked(values: tuple[float, ...], mode: str) -> Look:
    z, n = _relative(values), len(values)
    if mode == "max":
        z = [-each for each in z]
    slopes = sorted([(later - z[i]) / (j - i) for j, later in enumerate(z) for i in range(j)])
    slope = median(slopes)
    level = median(each - slope * i for i, each in enumerate(z))
    rest = [each - slope * i - level for i, each in enumerate(z)]
    noise = 1.4826 * median(map(abs, rest))
    half = CONFIDENCE * math.sqrt(n * (n - 1) * (2 * n + 5) / 18 * _lengthened(rest))
    first, last = math.floor((len(slopes) - half) / 2) - 1, math.ceil((len(slopes) + half) / 2)
    steepest = slopes[first] if first >= 0 else -math.inf
    least = slopes[last] if last < len(slopes) else math.inf
    gain, bar = -n * slope, max(COUNTS, noise)
    # A long look that cannot tell is flat, too, where no improvement is seen.
    unclear = n == MOST and -n * least <= 0 and gain < bar
    return Look(-n * steepest < bar or unclear, gain, _share(gain, values, mode))


def _relative(values: Sequence[float]) -> list[float]:
    """Values of which differences are relative ones."""
    if min(values) > 0:
        return [math.log(value) for value in values]
    if max(values) < 0:
        return [-math.log(-value) for value in values]
    size = median(map(abs, values)) or max(map(abs, values)) or 1.0
    return [min(max(value / size, -WILD), WILD) for value in values]


def _share(gain: float, values: Sequence[float], mode: str) -> float:
    """A gain as a share of the metric."""
    if min(values) <= 0 <= max(values):
        return gain
    grows = (mode == "max") == (values[0] > 0)  # what improves is further from 0
    return math.expm1(min(gain, 700.0)) if grows else -math.expm1(min(-gain, 700.0))


def _lengthened(rest: Sequence[float]) -> float:
    """How much wider bounds are where each residual is like the one before it."""
    squares = sum(r * r for r in rest)
    alike = sum(a * b for a, b in pairwise(rest)) / squares if squares else 0.0
    alike = min(0.8, max(0.0, alike))
    return (1 + alike) / (1 - alike)
