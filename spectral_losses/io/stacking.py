"""Components of a vector that are variables of their own, as channels of one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.io.alignment import align
from spectral_losses.io.coordinates import Coordinate
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.stored import Index, StoredArray

DIM = "component"


def stacked(components: Sequence[StoredArray]) -> StoredArray:
    """Arrays of one shape with a new first axis, along which they lie; nothing is read.

    Raises
    ------
    FieldFileError
        Dimensions, units or positions that differ, or a dimension of components that there is already.
    """
    first = components[0]
    if DIM in (first.dims or ()):
        raise FieldFileError(f"{first.name}: {first.variable} has a dimension {DIM!r} already")
    together = [first]
    for each in components[1:]:
        aligned = align(each, first)
        if aligned.repeated:
            raise FieldFileError(f"{first.name}: {first.variable} and {each.variable} have other dimensions")
        together.append(aligned.array)

    def load(index: Index) -> NDArray[Any]:
        return np.stack([each.read(index[1:]) for each in together[index[0]]])

    names = [str(each.variable) for each in together]
    named = {} if first.dims is None else {DIM: Coordinate(DIM, np.asarray(names, np.str_))}
    return replace(
        first,
        shape=(len(together), *first.shape),
        dtype=np.result_type(*(each.dtype for each in together)),
        load=load,
        dims=None if first.dims is None else (DIM, *first.dims),
        chunks=None if first.chunks is None else (1, *first.chunks),
        coordinates={**first.coordinates, **named},
        variable="+".join(names),
        watched=tuple(chunks for each in together for chunks in each.watched),
    )
