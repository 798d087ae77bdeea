"""From influences to weights: pure functions of a state, of plain floats or of 0-d arrays of any framework."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

LARGEST = 1e30
"""Influences that are further apart than this count as this far apart: it and its inverse are floats in float32."""

STEP = 2.0
"""How much one batch can change a weight, as a factor."""


class BalancerState(NamedTuple):
    """All that a balancer remembers of each loss but the first, by name; of plain floats it can be saved as it is.

    Nothing in it depends on the shares.

    Attributes
    ----------
    levels : dict of str to float
        Average logarithm of the loss's influence over that of the first loss.
    seen : dict of str to float
        How much of a full average that is: 0 at the start, 1 in the long run.
    scales : dict of str to float
        The weight for a share of 1 beside a first loss with a share of 1; 0 until it has been seen.
    """

    levels: dict[str, Any]
    seen: dict[str, Any]
    scales: dict[str, Any]


def beginning(shares: Mapping[str, float]) -> BalancerState:
    """The state before the first batch."""
    _, *others = shares
    return BalancerState(*(dict.fromkeys(others, 0.0) for _ in range(3)))


def updated(
    shares: Mapping[str, float], half_life: float, state: BalancerState, influences: Mapping[str, Any]
) -> BalancerState:
    """The state after one batch, in floats if the influences are numbers, else in arrays like them."""
    arrays = [value for value in influences.values() if not isinstance(value, Real)]
    xp: Any = _Floats
    as_these: Callable[[Any], Any] = float
    if arrays:
        xp = backend_of(arrays[0], "influences").namespace(arrays[0])
        as_these = partial(_like, like=arrays[0])
    values = {name: as_these(value) for name, value in influences.items()}
    first, *others = shares
    rate = -math.expm1(-math.log(2) / half_life)
    after = BalancerState({}, {}, {})
    for name in others:
        before = [as_these(fields[name]) for fields in state]
        for fields, value in zip(after, _one(values[first], values[name], before, rate, xp), strict=True):
            fields[name] = value
    return after


def weights(shares: Mapping[str, float], state: BalancerState) -> dict[str, Any]:
    """The weight of every loss: the first has its share, the others theirs in the units of the first."""
    first, *others = shares
    return {first: shares[first], **{name: shares[name] * state.scales[name] for name in others}}


class _Floats:
    """As much of the array API standard as `_one` takes, for plain floats: a tenth of what 0-d arrays of NumPy cost."""

    isfinite, log, exp, minimum, maximum = math.isfinite, math.log, math.exp, min, max

    @staticmethod
    def ones_like(x: float) -> float:
        return 1.0

    @staticmethod
    def where(condition: bool, x: float, y: float) -> float:
        return x if condition else y


def _one(first: Array, value: Array, before: Sequence[Array], rate: float, xp: Any) -> tuple[Array, Array, Array]:
    """Level, seen and scale of a loss after a batch; as they were where one of both influences is 0 or not finite."""
    level, seen, scale = before
    one = xp.ones_like(first)
    says = xp.isfinite(first) & xp.isfinite(value) & (first > 0) & (value > 0)
    ratio = xp.where(says, value, one) / xp.where(says, first, one)
    ratio = xp.minimum(xp.maximum(ratio, one / LARGEST), one * LARGEST)
    # The average with its bias corrected, as one that is moved: the first batch counts fully, as rate / rate is 1.
    grown = seen + rate * (1 - seen)
    moved = level + rate / grown * (xp.log(ratio) - level)
    wanted = xp.exp(-moved)
    near = xp.minimum(xp.maximum(wanted, scale / STEP), scale * STEP)
    return (
        xp.where(says, moved, level),
        xp.where(says, grown, seen),
        xp.where(says, xp.where(seen > 0, near, wanted), scale),
    )


def _like(x: Any, like: Array) -> Array:
    """A number or a 0-d array, as one of another's framework, dtype and device."""
    backend = backend_of(like, "influences")
    if isinstance(x, Real) or backend_of(x, "state") is not backend or backend.device(x) != backend.device(like):
        return backend.upload(np.asarray(float(x)), like)
    return backend.namespace(like).astype(x, like.dtype, copy=False)
