"""What a part of a comparison leaves behind: sums, which are put together in one order, whoever made them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

FAN_IN = 8  # how many sums are merged at once

T = TypeVar("T")
R = TypeVar("R")


class Sums(NamedTuple):
    """Sums over some neighbouring positions along the first axis of frames.

    Attributes
    ----------
    added : mapping of str to array
        Sums over these positions.
    joined : mapping of str to array
        What each position has for itself, along the first axis.
    absent : mapping of str to array
        Chunks that were not there, as `spectral_losses.io.noted` has them.
    """

    added: Mapping[str, NDArray[Any]]
    joined: Mapping[str, NDArray[Any]]
    absent: Mapping[str, NDArray[Any]] = {}


def merged(sums: Sequence[Sums]) -> Sums:
    """The sums over positions that follow each other, of those over each group of them, in order."""
    first, *rest = sums
    if not rest:
        return first
    added = {name: value.copy() for name, value in first.added.items()}
    for each in rest:
        for name, value in each.added.items():
            added[name] += value
    joined = {name: np.concatenate([each.joined[name] for each in sums]) for name in first.joined}
    lacks = dict.fromkeys(name for each in sums for name in each.absent)
    absent = {name: np.concatenate([each.absent[name] for each in sums if name in each.absent]) for name in lacks}
    return Sums(added, joined, absent)


def folded(items: Sequence[T], leaf: Callable[[T], R], merge: Callable[[list[R]], R]) -> R:
    """Merge what is made of each item in a tree, whose branches depend on nothing but the number of items.

    Rounding is not associative: with the same branches every run gets the same bits, on however many workers.
    """
    if len(items) == 1:
        return leaf(items[0])
    size = 1
    while size * FAN_IN < len(items):
        size *= FAN_IN
    return merge([folded(items[i : i + size], leaf, merge) for i in range(0, len(items), size)])


def packed(sums: Sums) -> bytes:
    """Sums as the bytes of an ``.npz``, with its check sums."""
    arrays = {f"{kind}.{name}": array for kind, each in sums._asdict().items() for name, array in each.items()}
    into = io.BytesIO()
    np.savez(into, **arrays)
    return into.getvalue()


def unpacked(content: bytes) -> Sums:
    """Sums from such bytes; damaged ones make NumPy and zipfile raise almost anything."""
    found: dict[str, dict[str, NDArray[Any]]] = {"added": {}, "joined": {}, "absent": {}}
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for each in arrays.files:
            kind, _, name = each.partition(".")
            found[kind][name] = arrays[each]
    return Sums(**found)
