"""Frames that several processes hold parts of: means over all of them, for which sums are sent and no fields."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from spectral_losses_backends.text import plain

Array = Any
Tables = dict[str, Array]


@plain
class Ranks(NamedTuple):
    """The processes among which one axis of a stack is cut; plain values alone.

    What all of them have in common, such as a mean over all frames, each has as its own result. A gradient is that of
    the sum of these results, as often as there are processes, because those of a model are averaged over them.
    """

    group: str
    """What a backend knows them by."""
    number: int
    axis: int
    """The axis that is cut, counted from the end of those that are not space."""


def pooled(tables: Tables, rows: Any, backend: Any) -> tuple[Tables, Array | None]:
    """Statistics ``(..., bins)`` averaged over the pooled frames of all ranks, if these hold parts of them.

    Along axes that are pooled they have size 1 then, and what `spread` takes follows; else they are as they were, and
    None follows.
    """
    if not rows.shared:
        return tables, None
    first = next(iter(tables.values()))
    xp, axes = backend.namespace(first), tuple([axis - 1 for axis in rows.averaged])
    sums = [xp.sum(table, axis=axes, keepdims=True) for table in tables.values()]
    frames = xp.zeros_like(sums[0][..., :1]) + math.prod([first.shape[axis] for axis in axes])
    total = backend.sum_over_ranks(xp.concat([*sums, frames], axis=-1), rows.ranks)
    number, bins = backend.detach(total[..., -1:]), first.shape[-1]
    means = [total[..., i * bins : (i + 1) * bins] / number for i in range(len(sums))]
    named = zip(tables.items(), means, strict=True)
    return {name: xp.astype(mean, table.dtype) for (name, table), mean in named}, rows.ranks.number / number


def pooled_target(power: Array | None, lead: tuple[int, ...], rows: Any, backend: Any) -> Array | None:
    """The power of a stored target averaged over all ranks likewise; where it is the same on all, that.

    It is pooled already, over frames of the sizes ``lead`` of the prediction's.
    """
    if power is None or not rows.shared:
        return power
    xp, frames = backend.namespace(power), math.prod([lead[axis] for axis in rows.averaged])
    number = xp.zeros_like(power[..., :1]) + frames
    total = backend.sum_over_ranks(xp.concat([power * frames, number], axis=-1), rows.ranks)
    return total[..., :-1] / backend.detach(total[..., -1:])


def spread(slopes: Tables, share: Array | None, lead: tuple[int, ...], backend: Any) -> Tables:
    """The transpose of `pooled`, for statistics of fields with axes of the sizes ``lead`` before those of space."""
    if share is None:
        return slopes
    return {
        name: backend.namespace(slope).broadcast_to(slope * share, (*lead, slope.shape[-1]))
        for name, slope in slopes.items()
    }


def total(value: Array, number: Any, ranks: Ranks, backend: Any) -> tuple[Array, Array]:
    """The sums over all ranks of an array and of a number that belongs to it."""
    xp = backend.namespace(value)
    both = xp.stack([value, xp.zeros_like(value) + number])
    summed = backend.sum_over_ranks(both, ranks)
    return summed[0, ...], backend.detach(summed[1, ...])
