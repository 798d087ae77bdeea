"""Errors and spectra summed up block by block: over everything, and for each index along one axis."""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses import field_error, spectrum_error
from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.blocks import Block, Slab
from spectral_losses.cli.compare.scores import moments_of, scores_of
from spectral_losses.cli.compare.sums import Sums
from spectral_losses.losses.logarithmic import SpectrumError
from spectral_losses.transforms.sphere import AreaWeights, Sphere

OBJECTIVE = SpectrumError(signature(spectrum_error).parameters["eps"].default, None, None)


class Numbers(NamedTuple):
    """A comparison of all frames, or of those at one index along an axis.

    Attributes
    ----------
    field_error, spectrum_error : float
        As `spectral_losses.evaluate` gives them.
    power : array, shape (3, channels, shells)
        Power of prediction, truth and their difference, mean over frames; one channel unless there is a
        spectrum for each.
    scores : mapping of str to float or None
        Of `spectral_losses.cli.compare.scores.scores_of`.
    """

    field_error: float
    spectrum_error: float
    power: NDArray[np.float64]
    scores: Mapping[str, float | None]


class Tally:
    """Running sums of one part of a comparison; `numbers_of` makes numbers of those of all parts.

    ``field_error`` is made in the end, of the mean squares of the target and of the error of each field, because its
    guard is relative to all of them. ``spectrum_error`` is a mean over the batch of quotients of means over an element,
    so that it takes the powers of whole elements.
    """

    def __init__(self, layout: Layout, channels: str, shells: int, sphere: Sphere | None, anomalies: bool) -> None:
        self.weights = None if sphere is None else AreaWeights(sphere.grid, layout.grid).weights()
        self.layout = layout
        self.together = channels
        self.channel, self.batch, self.per = _places(layout)
        self.whole_channels = channels != "separate"
        self.alone = layout.per is not None and layout.per == layout.batch  # each element has numbers of its own
        groups = 1 if layout.per is None else layout.shape[layout.per]
        number = 1 if self.whole_channels or layout.per == layout.channel else layout.channels
        self.moments = np.zeros((6 if anomalies else 3, *(layout.shape[axis] for axis in layout.others)))
        self.spectrum = np.zeros(groups)
        self.spectrum_of_all = np.zeros(())
        self.power = np.zeros((groups, 3, number, shells))

    def powers(self, slab: Slab, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Room for the powers of a slab: of prediction, truth and difference, an axis of length 1 where
        the channels are no longer apart.
        """
        sizes = [1 if self.whole_channels and i == self.channel else n for i, n in enumerate(slab.sizes)]
        return np.empty((3, *sizes, self.power.shape[-1]), dtype)

    def place(self, slab: Slab, block: Block) -> tuple[slice, ...]:
        """Where the powers of a block belong among those of its slab."""
        first = [slab.batch.start if i == self.batch else 0 for i in range(len(block))]
        place = [slice(cut.start - start, cut.stop - start) for cut, start in zip(block, first, strict=True)]
        if self.whole_channels and self.channel is not None:
            place[self.channel] = slice(0, 1)
        return tuple(place)

    def add_fields(
        self,
        prediction: NDArray[Any],
        truth: NDArray[Any],
        usual: NDArray[Any] | None,
        block: Block,
        mask: NDArray[Any] | None = None,
    ) -> None:
        """Count the fields of a block, and their anomalies from a climatology where there is one."""
        ends = tuple(range(-len(self.layout.spatial), 0))
        averaged = self.layout.channel if self.together == "mean" else None

        def arranged(x: NDArray[Any]) -> NDArray[Any]:
            x = x if averaged is None else np.mean(x, axis=averaged, keepdims=True)
            return np.moveaxis(x, self.layout.spatial, ends)

        p, t = arranged(prediction), arranged(truth)
        c, w = (None if x is None else arranged(x) for x in (usual, mask))
        if w is not None:  # what does not count may be anything
            p, t = (np.where(w > 0, x, 0) for x in (p, t))
        moments = np.empty((len(self.moments), *p.shape[: -len(ends)]))
        for field in np.ndindex(moments.shape[1:]):  # one at a time: in float64 each is as large as two
            weights = self._weights(None if w is None else w[field])
            moments[(slice(None), *field)] = moments_of(p[field], t[field], None if c is None else c[field], weights)
        self.moments[(slice(None), *block)] = moments

    def add_spectra(self, slab: Slab, powers: NDArray[Any]) -> None:
        """Count the powers of a slab."""
        prediction, truth, _ = powers
        elements = slab.batch.stop - slab.batch.start
        into = slab.batch if self.alone else slice(None)
        self.spectrum_of_all += elements * self._spectrum_error(prediction, truth)
        if self.per is not None:
            errors = [
                self._spectrum_error(_at(i, self.per, prediction), _at(i, self.per, truth))
                for i in range(prediction.shape[self.per])
            ]
            self.spectrum[into] += np.array(errors) * (1 if self.alone else elements)
        frames = tuple(i + 1 for i in range(len(slab.sizes)) if i not in (self.per, self.channel))
        sums = np.sum(powers, axis=frames, dtype=np.float64)
        if self.per is not None and self.channel is not None and self.channel < self.per:
            sums = np.swapaxes(sums, 1, 2)
        room = self.power[into]
        room += np.swapaxes(np.reshape(sums, (3, len(room), *room.shape[2:])), 0, 1)

    def sums(self) -> Sums:
        """What was counted."""
        moments = self.moments[None] if self.batch is None else np.moveaxis(self.moments, self.batch + 1, 0)
        each = {"spectrum": self.spectrum, "power": self.power}
        joined = {"moments": np.ascontiguousarray(moments)} | (each if self.alone else {})
        return Sums({"spectrum_of_all": self.spectrum_of_all} | ({} if self.alone else each), joined)

    def _weights(self, mask: NDArray[Any] | None) -> NDArray[np.float64] | None:
        """Of points in the mean over one field, of mean 1; None of a plain mean."""
        if mask is None:
            return None if self.weights is None else np.asarray(self.weights, np.float64)
        weights = np.asarray(mask, np.float64) if self.weights is None else mask * self.weights
        return np.asarray(weights / np.mean(weights), np.float64)

    def _spectrum_error(self, prediction: NDArray[Any], truth: NDArray[Any]) -> float:
        p, t = (x[None] if self.batch is None else np.moveaxis(x, self.batch, 0) for x in (prediction, truth))
        return float(np.mean(OBJECTIVE.errors(p, t, np)))


def numbers_of(sums: Sums, layout: Layout, channels: str, eps: float) -> tuple[Numbers, list[Numbers]]:
    """Numbers of everything and, along ``layout.per``, of each index.

    Parameters
    ----------
    sums : Sums
        Of all parts.
    layout : Layout
        Of the whole arrays.
    channels : {"separate", "sum", "mean"}
    eps : float
        As in `spectral_losses.field_error`: relative to all frames of a channel.
    """
    channel, batch, per = _places(layout)
    known = {**sums.added, **sums.joined}
    moments = known["moments"][0] if batch is None else np.moveaxis(known["moments"], 0, batch + 1)
    power, spectrum = np.moveaxis(known["power"], 0, 1), known["spectrum"]
    elements = 1 if batch is None else moments.shape[batch + 1]
    groups = power.shape[1]
    fields = math.prod(layout.shape[axis] for axis in layout.others) // groups
    # The powers at one index are of as many frames as there are fields, over the channels summed apart.
    power = power / (fields // (layout.channels if layout.per != layout.channel else 1))
    whole = np.swapaxes(power, 1, 2)[:, 0] if layout.per is not None and per == channel else np.mean(power, axis=1)
    together = channel if channels == "sum" else None

    def numbers(moments: NDArray[np.float64], spectrum: float, power: NDArray[np.float64]) -> Numbers:
        error = _field_error(moments[:2], channel, channels, eps)
        return Numbers(error, spectrum, power, scores_of(moments, together))

    overall = numbers(moments, float(known["spectrum_of_all"]) / elements, whole)
    if per is None:
        return overall, []
    spectrum = spectrum / (1 if per == batch else elements)
    return overall, [numbers(_at(i, per + 1, moments), float(spectrum[i]), power[:, i]) for i in range(groups)]


def _field_error(squares: NDArray[np.float64], channel: int | None, channels: str, eps: float) -> float:
    """`field_error` of fields of which only mean squares are known: of two points that have the same ones."""
    truth, error = np.sqrt(squares)
    fields = np.stack((truth, error), axis=-1), np.stack((truth, np.zeros_like(error)), axis=-1)
    together = "sum" if channels == "sum" else "separate"  # of averaged fields each channel has the same numbers
    return float(field_error(*fields, spatial_axes=-1, channel_axis=channel, channels=together, eps=eps))


def _places(layout: Layout) -> list[int | None]:
    """Where channels, the batch and what rows lie along are among the axes that are not space."""
    wanted = (layout.channel, layout.batch, layout.per)
    return [None if axis is None else layout.others.index(axis) for axis in wanted]


def _at(i: int, axis: int, x: NDArray[Any]) -> NDArray[Any]:
    """Only index i along an axis, which stays."""
    return x[(slice(None),) * axis + (slice(i, i + 1),)]
