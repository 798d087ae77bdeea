"""In what pieces two arrays are read: as much as a small budget allows, whole fields always."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.io import StoredArray

BUDGET = 1 << 23  # bytes of one array in one block, where a field is not larger than that
CHUNK_BUDGET = 4 * BUDGET  # the same where the file's own chunks are larger, to unpack each only once
PART = 1 << 27  # bytes of one array in one part, where a batch element is not larger than that
CHUNKS_OF_PART = 8  # times this, where the file's own chunks are larger, so that no two parts unpack one chunk

Block = tuple[slice, ...]  # along the axes that are not space


class Slab(NamedTuple):
    """Some whole batch elements, and the blocks that make them up.

    Attributes
    ----------
    batch : slice
        Which ones; of length 1 where there is no batch axis.
    sizes : tuple of int
        Sizes of the axes that are not space.
    blocks : list of Block
    """

    batch: slice
    sizes: tuple[int, ...]
    blocks: list[Block]


def slabs(layout: Layout, arrays: tuple[StoredArray, ...], whole_channels: bool) -> Iterator[Slab]:
    """Cut an array into slabs and blocks, in the order in which it is stored.

    A block holds one field at least, or one frame with ``whole_channels``, and no more than fits the budget.
    It never reaches over two slabs.
    """
    sizes = tuple(layout.shape[axis] for axis in layout.others)
    extents = _extents(layout, arrays, whole_channels)
    ranges = [_cuts(n, extent) for n, extent in zip(sizes, extents, strict=True)]
    if layout.batch is None:
        yield Slab(slice(0, 1), sizes, list(itertools.product(*ranges)))
        return
    place = layout.others.index(layout.batch)
    for batch in ranges[place]:
        inside = [*ranges[:place], [batch], *ranges[place + 1 :]]
        lengths = (*sizes[:place], batch.stop - batch.start, *sizes[place + 1 :])
        yield Slab(batch, lengths, list(itertools.product(*inside)))


def parts(layout: Layout, arrays: tuple[StoredArray, ...], whole_channels: bool) -> list[slice]:
    """Cut the first axis of frames into runs of whole slabs: what is computed, saved and tried again as one.

    They depend on nothing but the arrays, so that sums of one run fit another one's. Without such an axis there is one.
    """
    if layout.batch is None:
        return [slice(0, 1)]
    number, place = layout.shape[layout.batch], layout.others.index(layout.batch)
    slab = _extents(layout, arrays, whole_channels)[place]
    element = math.prod(layout.shape) // number * max(4, *(array.dtype.itemsize for array in arrays))
    extent = max(1, PART // (element * slab)) * slab
    chunk = max([1] + [array.chunks[layout.batch] for array in arrays if array.chunks is not None])
    if extent > chunk:
        extent -= extent % chunk
    elif chunk * element <= CHUNKS_OF_PART * PART:
        extent = chunk
    return _cuts(number, extent)


def index_of(layout: Layout, block: Block) -> Block:
    """A block, with the whole of space."""
    cuts = dict(zip(layout.others, block, strict=True))
    return tuple(cuts.get(axis, slice(0, n)) for axis, n in enumerate(layout.shape))


def _extents(layout: Layout, arrays: tuple[StoredArray, ...], whole_channels: bool) -> list[int]:
    room = max(1, _room(layout, arrays) // (layout.channels if whole_channels else 1))
    extents = []
    for axis in reversed(layout.others):
        n = layout.shape[axis]
        if whole_channels and axis == layout.channel:
            extents.append(n)
            continue
        extent = min(n, room)
        if 1 < extent < n:
            chunk = max([1] + [array.chunks[axis] for array in arrays if array.chunks is not None])
            extent -= extent % chunk if chunk < extent else 0
        room = max(1, room // extent)
        extents.append(extent)
    return extents[::-1]


def _room(layout: Layout, arrays: tuple[StoredArray, ...]) -> int:
    """Fields in a block."""
    field = math.prod(layout.grid) * max(4, *(array.dtype.itemsize for array in arrays))
    room = max(1, BUDGET // field)
    for array in arrays:
        if array.chunks is not None:
            chunk = math.prod(array.chunks[axis] for axis in layout.others)
            room = max(room, chunk if chunk * field <= CHUNK_BUDGET else 1)
    return room


def _cuts(n: int, extent: int) -> list[slice]:
    return [slice(start, min(start + extent, n)) for start in range(0, n, extent)]
