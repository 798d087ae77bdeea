"""Chunks of a Zarr array that are not in the store, and read as its fill value."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import needed

Place = tuple[int, ...]


class Chunks:
    """Which of the chunks that were read are not there.

    A chunk that holds but one value may be one of them, and the store is asked about such a one alone: a list of all
    chunks takes minutes where they are many and far away. A file of several chunks (a shard) counts as one.

    Parameters
    ----------
    store : str
        Of the array.
    path : str
        The array in it.
    sizes : sequence of int
        Of a chunk.
    """

    def __init__(self, store: str, path: str, sizes: Sequence[int]) -> None:
        self.store, self.path, self.sizes = store, path, tuple(sizes)
        self.there: dict[Place, bool] = {}
        self.absent: dict[Place, Any] = {}  # with the value that it reads as
        self.array: Any = None

    def see(self, values: NDArray[Any], index: tuple[slice, ...]) -> None:
        """Look at a piece that was read."""
        reach = [range(cut.start // n, -(-cut.stop // n)) for cut, n in zip(index, self.sizes, strict=True)]
        for place in itertools.product(*reach):
            corners = [
                slice(max(i * n, cut.start) - cut.start, min((i + 1) * n, cut.stop) - cut.start)
                for i, n, cut in zip(place, self.sizes, index, strict=True)
            ]
            part = values[tuple(corners)]
            if part.size and _is_constant(part) and not self._is_there(place):
                self.absent[place] = part.flat[0]

    def words(self) -> str:
        """What was not there, empty where all was."""
        if not self.absent:
            return ""
        first = min(self.absent)
        at = ", ".join(str(i * n) for i, n in zip(first, self.sizes, strict=True))
        number = len(self.absent)
        said = "1 chunk" if number == 1 else f"{number} chunks"
        said += f" of {self.path} {'is' if number == 1 else 'are'} not in the store, "
        said += f"{'that' if number == 1 else 'the first'} from [{at}] on"
        return f"{said}, and {'reads' if number == 1 else 'read'} as the fill value {self.absent[first]:.6g}"

    def _is_there(self, place: Place) -> bool:
        if place not in self.there:
            if self.array is None:
                self.array = needed("zarr", "reading .zarr files").open_array(self.store, path=self.path, mode="r")
            self.there[place] = _is_stored(self.array, place)
        return self.there[place]


@contextlib.contextmanager
def noted(chunks: Sequence[Chunks]) -> Iterator[dict[str, NDArray[np.float64]]]:
    """What is noted inside, for `note`: rows of the place of an absent chunk and its value, by the number of its array.

    It is there once the block has ended, and is noted nowhere else: another process, or a file, is to have it.
    """
    before = [each.absent for each in chunks]
    for each in chunks:
        each.absent = {}
    found: dict[str, NDArray[np.float64]] = {}
    try:
        yield found
        for number, each in enumerate(chunks):
            if each.absent:
                found[str(number)] = np.array([(*place, value) for place, value in each.absent.items()], np.float64)
    finally:
        for each, kept in zip(chunks, before, strict=True):
            each.absent = kept


def note(chunks: Sequence[Chunks], absent: Mapping[str, NDArray[np.float64]]) -> None:
    """Take note of what was noted elsewhere."""
    for number, rows in absent.items():
        for *place, value in rows.tolist():
            chunks[int(number)].absent[tuple(map(int, place))] = value


def _is_constant(part: NDArray[Any]) -> bool:
    first, last = part.flat[0], part.flat[-1]
    if first != last and not (first != first and last != last):  # as nearly all are, and a NaN is not itself
        return False
    return bool(np.all(part == first) if first == first else np.all(part != part))


def _is_stored(array: Any, place: Place) -> bool:
    if not hasattr(array, "store_path"):  # Zarr 2
        return array._chunk_key(place) in array.chunk_store
    sync = needed("zarr.core.sync", "reading .zarr files").sync
    return bool(sync((array.store_path / array.metadata.encode_chunk_key(place)).exists()))
