"""From influences to weights: pure functions of a state, of plain floats or of 0-d arrays of any framework."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
    plain = all(isinstance(value, Real) for value in influences.values())
    like = np.asarray(1.0) if plain else next(v for v in influences.values() if not isinstance(v, Real))
    values = {name: _like(value, like) for name, value in influences.items()}
    first, *others = shares
    rate = -math.expm1(-math.log(2) / half_life)
    after = BalancerState({}, {}, {})
    for name in others:
        for fields, value in zip(after, _one(values[first], values[name], _of(state, name), rate), strict=True):
            fields[name] = float(value) if plain else value
    return after


def weights(shares: Mapping[str, float], state: BalancerState) -> dict[str, Any]:
    """The weight of every loss: the first has its share, the others theirs in the units of the first."""
    first, *others = shares
    return {first: shares[first], **{name: shares[name] * state.scales[name] for name in others}}


def _one(first: Array, value: Array, before: tuple[Any, Any, Any], rate: float) -> tuple[Array, Array, Array]:
    """Level, seen and scale of a loss after a batch; as they were where one of both influences is 0 or not finite."""
    backend = backend_of(first, "influences")
    xp = backend.namespace(first)
    level, seen, scale = (_like(x, first) for x in before)
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


def _of(state: BalancerState, name: str) -> tuple[Any, Any, Any]:
    return state.levels[name], state.seen[name], state.scales[name]


def _like(x: Any, like: Array) -> Array:
    """A number or a 0-d array, as one of another's framework, dtype and device."""
    backend = backend_of(like, "influences")
    if isinstance(x, Real) or backend_of(x, "state") is not backend or backend.device(x) != backend.device(like):
        return backend.upload(np.asarray(float(x)), like)
    return backend.namespace(like).astype(x, like.dtype, copy=False)
