"""Points that do not count: what a mask says, and what is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.blocks import Block, index_of, slabs
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.io import StoredArray


class Gaps(NamedTuple):
    """How two arrays are read that may have gaps.

    Attributes
    ----------
    policy : {"error", "skip", "fill"}
        What becomes of values that are not finite where the mask counts.
    mask : StoredArray or None
        Weights of points, of the shape of both arrays; 0, or what is not finite, for those that do not count.
    """

    policy: str
    mask: StoredArray | None

    @property
    def whole(self) -> bool:
        """Whether all points count."""
        return self.policy != "fill" and self.mask is None

    def read(
        self, prediction: StoredArray, truth: StoredArray, layout: Layout, block: Block
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """A block of both, and the weights of its points: None where all count alike.

        Raises
        ------
        CommandError
            Values that are not finite, unless they are to be filled; a field without a point that counts.
        """
        (p, t), weights = self.read_all((prediction, truth), layout, block)
        return p, t, weights

    def read_all(
        self, arrays: Sequence[StoredArray], layout: Layout, block: Block
    ) -> tuple[list[NDArray[Any]], NDArray[Any] | None]:
        """A block of several arrays, or of one, as `read` has it."""
        index = index_of(layout, block)
        fields = [lifted(each.read(index)) for each in arrays]
        if self.whole:
            return fields, None
        weights = self._weights(index, fields[0])
        for array, values in zip(arrays, fields, strict=True):
            if self.policy == "fill":
                weights = np.where(np.isfinite(values), weights, 0)
            else:
                array.check(np.where(weights > 0, values, 0), index)
        if not np.any(weights > 0, axis=layout.spatial).all():
            names = " against ".join(each.name for each in arrays)
            raise CommandError(
                f"{names}: a field has no point that counts; --sel chooses others, and --nan skip leaves out what is "
                "not finite"
            )
        return fields, None if np.all(weights == 1) else weights

    def read_truth(
        self, prediction: StoredArray, truth: StoredArray, layout: Layout, block: Block
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """A block of the truth and its weights; the prediction is read where these depend on it."""
        if self.whole:
            return lifted(truth.read(index_of(layout, block))), None
        return self.read(prediction, truth, layout, block)[1:]

    def finite(self, arrays: Sequence[StoredArray], layout: Layout) -> NDArray[np.bool_]:
        """For each position along the first axis of frames, whether all that counts there is finite."""
        if layout.batch is None:
            raise CommandError("--nan skip: leaves out frames, and there is but one")
        place = layout.others.index(layout.batch)
        found = np.ones(layout.shape[layout.batch], np.bool_)
        for slab in slabs(layout, tuple(arrays), False):
            for block in slab.blocks:
                index = index_of(layout, block)
                finite = np.logical_and.reduce([np.isfinite(each.read(index)) for each in arrays])
                finite |= self._weights(index, finite) == 0
                found[block[place]] &= np.all(finite, axis=tuple(set(range(finite.ndim)) - {layout.batch}))
        return found

    def _weights(self, index: Block, like: NDArray[Any]) -> NDArray[Any]:
        dtype = like.dtype if like.dtype.kind == "f" else np.dtype(np.float32)
        if self.mask is None:
            return np.ones(like.shape, dtype)
        weights = np.nan_to_num(self.mask.read(index).astype(dtype), nan=0, posinf=0, neginf=0)
        if np.any(weights < 0):
            raise CommandError(f"--mask: {self.mask.name} holds weights below 0")
        return weights


def refuse_gaps_of_means(policy: str, mask: StoredArray | None, channels: str) -> None:
    """Refuse gaps where channels are averaged before anything else."""
    if channels == "mean" and (policy == "fill" or mask is not None):
        option = "--mask" if mask is not None else "--nan fill"
        raise CommandError(f"{option}: --channels mean takes a mean of channels that may lack different points")


def some_finite(whole: NDArray[np.bool_], arrays: Sequence[StoredArray], layout: Layout) -> NDArray[np.bool_]:
    """What `Gaps.finite` found everywhere, unless nothing of it is finite."""
    if not whole.any():
        names = " or ".join(each.name for each in arrays)
        raise CommandError(
            f"--nan skip: all along {layout.name(layout.batch or 0)}, {names} has points that are not finite: "
            "--nan fill keeps the others, and --mask says which do not count"
        )
    return whole


def lifted(x: NDArray[Any]) -> NDArray[Any]:
    """Half precision as float32, before a difference is taken, which it would round."""
    return x.astype(np.result_type(x, np.float32), copy=False)
