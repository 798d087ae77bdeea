"""Numbers at each pair of positions along two axes: these become one, so that what makes numbers knows of one alone."""

from __future__ import annotations

import numpy as np

from spectral_losses.cli.compare.axes import Layout, Merged
from spectral_losses.cli.compare.pairs import Pair
from spectral_losses.io import Coordinate


def merged(pair: Pair, layout: Layout, axes: tuple[int, ...]) -> tuple[Pair, Layout]:
    """Arrays with two axes as one, in the place of the later one, along which numbers are wanted; nothing is read."""
    rest = [axis for axis in range(len(layout.shape)) if axis not in axes]
    place = sum(axis < max(axes) for axis in rest)
    name = ", ".join(layout.name(axis) for axis in axes)
    known = {layout.name(axis): each for axis in axes if (each := layout.coordinate(axis)) is not None}
    labels = [
        ", ".join(
            str(i) if (each := layout.coordinate(axis)) is None else each.label(i)
            for axis, i in zip(axes, places, strict=True)
        )
        for places in np.ndindex(*(layout.shape[axis] for axis in axes))
    ]
    arrays = {
        each: array.merged(axes, place, name)
        for each in ("prediction", "truth", "climatology", "mask")
        if (array := getattr(pair, each)) is not None
    }
    order = [*rest[:place], None, *rest[place:]]

    def now(axis: int | None) -> int | None:
        return None if axis is None else order.index(None if axis in axes else axis)

    return pair._replace(**arrays), layout._replace(
        shape=arrays["truth"].shape,
        spatial=tuple(order.index(axis) for axis in layout.spatial),
        channel=now(layout.channel),
        batch=now(layout.batch),
        per=place,
        dims=tuple(name if axis is None else layout.name(axis) for axis in order),
        coordinates={**layout.coordinates, name: Coordinate(name, np.asarray(labels, np.str_))},
        merged=Merged(layout.shape, layout.dims, axes, known),
    )
