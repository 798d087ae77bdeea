"""One comparison, laid out before anything is read."""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.axes import Layout, lay_out, number_of
from spectral_losses.cli.compare.gaps import refuse_gaps_of_means
from spectral_losses.cli.compare.globe import Grid, on_the_globe
from spectral_losses.cli.compare.losses import Losses
from spectral_losses.cli.compare.masks import ON_THE_SPHERE, with_latitudes
from spectral_losses.cli.compare.pairings import merged
from spectral_losses.cli.compare.pairs import Pair, axes_of
from spectral_losses.cli.compare.spectral import grid_of, options_of
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.options import Axis
from spectral_losses.cli.ui.sources import COS_LATITUDE
from spectral_losses.spectra.bands import Band, lay_bands
from spectral_losses.spectra.plan import Options


class Comparison(NamedTuple):
    """Two arrays and all that is asked about them.

    Attributes
    ----------
    pair : Pair
    layout : Layout
    options : Options
    grid : Grid
    bands : tuple of Band
    losses : Losses
    warnings : tuple of str
        What the user should know beforehand.
    args : Namespace
    """

    pair: Pair
    layout: Layout
    options: Options
    grid: Grid
    bands: tuple[Band, ...]
    losses: Losses
    warnings: tuple[str, ...]
    args: argparse.Namespace

    @property
    def fields(self) -> int:
        """How many there are to read of each file."""
        return self.layout.frames * self.layout.channels

    @property
    def fields_of_element(self) -> int:
        """How many of them are at each position along the first axis of frames."""
        batch = self.layout.batch
        return self.fields // (1 if batch is None else self.layout.shape[batch])

    def at(self, places: NDArray[np.int64]) -> Comparison:
        """Only some positions along the first axis of frames; nothing is read."""
        layout, pair, axis = self.layout, self.pair, self.layout.batch
        if axis is None:
            return self
        names = ("prediction", "truth", "climatology", "mask")
        arrays = {name: array.taken(axis, places) for name in names if (array := getattr(pair, name)) is not None}
        truth = arrays["truth"]
        coordinates = {**truth.coordinates, **arrays["prediction"].coordinates}
        layout = layout._replace(shape=truth.shape, coordinates=coordinates)
        return self._replace(pair=pair._replace(**arrays), layout=layout, losses=self.losses.over(layout))


def prepare(args: argparse.Namespace, pair: Pair) -> list[Comparison]:
    """Lay out a comparison; nothing is read.

    Where numbers are wanted along two axes, of which one is that of the elements of a batch, those of everything are
    made by a comparison of its own, the second one, which `together` puts in place.

    Raises
    ------
    CommandError
        Options that do not fit the arrays.
    """
    axes = axes_of(args, pair.vector)
    first = axes.per[0] if len(axes.per) == 1 else None
    layout = lay_out(pair.prediction, pair.truth, axes.spatial, axes.channel, first)
    for dim in pair.repeated:
        axis = (layout.dims or ()).index(dim)
        if axis in layout.spatial or axis == layout.channel:
            what = "space" if axis in layout.spatial else "channels"
            raise CommandError(
                f"{dim} is {what}, and only one of {pair.prediction.name} and {pair.truth.name} has it; choose axes "
                "with --spatial-axes and --channel-axis, or one position with --sel"
            )
    layout, sphere, warning = on_the_globe(layout, args.grid)
    if layout.per is not None and layout.per == layout.channel and axes.channels != "separate":
        raise CommandError(f"--per: with --channels {axes.channels} there are no numbers for each channel")
    warnings = [] if warning is None else [warning]
    if COS_LATITUDE in (args.mask or ()):
        pair = pair._replace(mask=with_latitudes(pair.mask, pair.truth, layout, sphere))
        warnings += [] if sphere is None else [ON_THE_SPHERE]
    options = options_of(args, layout, axes.channels, sphere)
    grid = grid_of(layout, options)
    refuse_gaps_of_means(args.nan, pair.mask, options.channels)
    bands = _bands(grid, args.bands)

    def made(pair: Pair, layout: Layout, options: Options) -> Comparison:
        losses = Losses(args.losses, layout, options, args.eps)
        return Comparison(pair, layout, options, grid, bands, losses, tuple(warnings), args)

    if len(axes.per) < 2:
        return [made(pair, layout, options)]
    along = _both(axes.per, layout)
    rows, laid = merged(pair, layout, along)
    found = [made(rows, laid, options._replace(spatial_axes=laid.spatial, channel_axis=laid.channel))]
    if layout.batch not in along:
        return found
    if args.nan == "skip":
        name = layout.name(layout.batch)
        raise CommandError(f"--nan skip: leaves out positions along {name}, which --per goes by beside another axis")
    return [*found, made(pair, layout, options)]


def _both(per: tuple[Axis, ...], layout: Layout) -> tuple[int, ...]:
    """Two axes of frames."""
    axes = tuple(number_of(each, layout) for each in per)
    if len(set(axes)) < len(axes):
        raise CommandError(f"--per: {layout.name(axes[0])} twice")
    if layout.channel in axes:
        raise CommandError(f"--per: {layout.name(layout.channel)} is the axis of channels, and goes alone")
    return axes


def _bands(grid: Grid, limits: tuple[float, float] | None) -> tuple[Band, ...]:
    try:
        return lay_bands(grid, limits)
    except ValueError as error:
        raise CommandError(str(error) if limits is None else f"--{error}") from error
