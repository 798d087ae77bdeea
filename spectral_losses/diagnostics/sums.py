"""Sums over frames: statistics of a batch are added in float64 on the host, those on a device once many wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.diagnostics.cross import pair_statistics
from spectral_losses.fields.layout import axes_of
from spectral_losses.fields.pairs import check_pair, dtype_name
from spectral_losses.spectra.plan import Plan, plan_of
from spectral_losses_backends.base import Array, Backend

PAIR = ("P", "T", "D", "Q")
"""Statistics of prediction and target, in their order along the first axis of the sums."""
ONE = ("P",)
"""Those of one side alone."""
WAITING = 64
"""So many updates wait on a device at most: to bring each over at once would hold a training loop up."""


class Batch(NamedTuple):
    """Fields of one update, checked and planned."""

    fields: tuple[Array, ...]
    plan: Plan
    backend: Backend
    statistics: tuple[str, ...]
    shape: tuple[int, ...]
    """Of the fields, with size 1 along what is pooled."""
    frames: int
    """How many are pooled."""


def batch_of(prediction: Array, target: Array | None, options: Mapping[str, Any]) -> Batch:
    """A batch, or an error as `MeanStatistics.update` says; ``options`` are all of those of `radial_spectrum`."""
    backend = check_pair(prediction, prediction if target is None else target)
    given = tuple(prediction.shape)
    plan = plan_of(prediction, "prediction", with_axes(options, given), backend)
    pooled = plan.layout.pooled
    shape = tuple([1 if axis in pooled else index(n) for axis, n in enumerate(given)])
    fields = tuple([backend.detach(field) for field in (prediction, target) if field is not None])
    frames = math.prod([index(given[axis]) for axis in pooled])
    return Batch(fields, plan, backend, ONE if target is None else PAIR, shape, frames)


def with_axes(options: Mapping[str, Any], shape: tuple[int, ...]) -> Mapping[str, Any]:
    """The options for fields of a shape: what is pooled as axes, none where there is but one frame."""
    if options["pool"] != "frames":
        return options
    axes = axes_of(shape, options["spatial_axes"], options["channel_axis"], "prediction")
    if not axes.frames and axes.channel is not None and options["channel_axis"] == "auto":
        raise ValueError(
            f"channel_axis: prediction of shape {shape} has no frame axis, axis {axes.channel} is taken for channels; "
            f"pass channel_axis={axes.channel} where it is one frame of them, channel_axis=None where that axis is one "
            "of frames"
        )
    return {**options, "pool": axes.frames}


def statistics_of(batch: Batch) -> tuple[Array, str]:
    """Means over the frames that are pooled, ``(statistics, *rows, bins)``, and the dtype they were computed in.

    They are NumPy arrays of float64 where that costs no transfer.
    """
    fields, plan, backend = batch[:3]
    if len(fields) == 2:
        tables = pair_statistics(*fields, plan, backend)
        each = [tables[name] for name in PAIR]
    else:
        each = [backend.power(plan.prepare(fields[0], backend), plan.basis)]
    dtype, rows = dtype_name(each[0]), plan.layout.rows
    seen = [backend.to_numpy_if_free(table) for table in each]
    if any(table is None for table in seen):
        xp = backend.namespace(each[0])
        return xp.stack([rows.collect(table, xp) for table in each], axis=0), dtype
    return np.stack([rows.collect(np.asarray(table, np.float64), np) for table in seen]), dtype


class Sums:
    """Running sums ``(statistics, *rows, bins)``, and the number of frames behind them.

    Attributes
    ----------
    frames : int
    dtype : {"float64", "float32"}
        The lowest precision that statistics were computed in.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.dtype = "float64"
        self._total: NDArray[np.float64] | None = None
        self._waiting: list[tuple[Array, int]] = []
        self._backend: Backend | None = None

    def add(self, batch: Batch) -> None:
        """Add a batch."""
        means, dtype = statistics_of(batch)
        self.frames += batch.frames
        self.note(dtype)
        if isinstance(means, np.ndarray):
            self._include(means * batch.frames)
            return
        if self._waiting and not self._alike(means, batch.backend):
            self._settle()
        self._waiting.append((means, batch.frames))
        self._backend = batch.backend
        # What is lazy would keep its fields until then.
        if len(self._waiting) >= WAITING or batch.backend.name == "dask":
            self._settle()

    def note(self, dtype: str) -> None:
        """Remember the dtype of fields."""
        if dtype == "float32":
            self.dtype = dtype

    def merge(self, total: NDArray[np.float64], frames: int, dtype: str) -> None:
        """Add sums."""
        self._include(total)
        self.frames += frames
        self.note(dtype)

    def total(self) -> NDArray[np.float64]:
        """The sums, not to be written to."""
        self._settle()
        if self._total is None:
            raise ValueError("nothing was summed yet: call update first")
        return self._total

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: nothing waits on a device then."""
        self._settle()
        return {**vars(self), "_waiting": [], "_backend": None}

    def _alike(self, means: Array, backend: Backend) -> bool:
        last = self._waiting[-1][0]
        same = self._backend is backend and last.dtype == means.dtype
        return same and backend.device(last) == backend.device(means)

    def _settle(self) -> None:
        if not self._waiting or self._backend is None:
            return
        xp = self._backend.namespace(self._waiting[0][0])
        found = self._backend.to_numpy(xp.stack([means for means, _ in self._waiting], axis=0))
        numbers = [number for _, number in self._waiting]
        self._waiting = []
        self._include(np.tensordot(np.asarray(numbers, np.float64), found.astype(np.float64), axes=1))

    def _include(self, more: NDArray[np.float64]) -> None:
        self._total = more.copy() if self._total is None else self._total + more
