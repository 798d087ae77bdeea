"""The numbers of a comparison, computed while two files are read piece by piece."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from spectral_losses import radial_spectrum
from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.blocks import index_of, slabs
from spectral_losses.cli.compare.gaps import Gaps, lifted
from spectral_losses.cli.compare.globe import Grid, refuse_on_the_sphere
from spectral_losses.cli.compare.losses import Losses
from spectral_losses.cli.compare.tally import Numbers, Tally
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.io import StoredArray
from spectral_losses.spectra.plan import Options
from spectral_losses.transforms.plane import Plane
from spectral_losses.transforms.sphere import Harmonics, Sphere


def measure(
    prediction: StoredArray,
    truth: StoredArray,
    layout: Layout,
    options: Options,
    shells: int,
    eps: float,
    losses: Losses,
    gaps: Gaps,
    climatology: StoredArray | None = None,
    advance: Callable[[int], object] = lambda fields: None,
) -> tuple[Numbers, list[Numbers]]:
    """Compare two arrays, holding no more than one block of each and the spectra of a few batch elements.

    Parameters
    ----------
    prediction, truth : StoredArray
        Of one shape, their axes as in the layout.
    layout : Layout
    options : Options
        Accepted by `grid_of`, with the axes of the layout.
    shells : int
        How many shells that has.
    eps : float
        As in `spectral_losses.field_error`: relative to all frames of a channel, whatever a block holds.
    losses : Losses
        Those that are asked for beside field and spectrum error. Where their guards are relative to all frames, the
        truth is read twice.
    gaps : Gaps
        Which points count.
    climatology : StoredArray or None
        Of the same shape, for the anomaly correlation.
    advance : callable
        Called with the number of fields done after each block.

    Returns
    -------
    overall : Numbers
    per : list of Numbers
        For each index along ``layout.per``, as if there were only this index; empty where that is None.

    Raises
    ------
    CommandError
        A file that cannot be read or is not finite; values whose squares overflow.
    """
    dtype = np.result_type(prediction.dtype, truth.dtype, np.float32)
    whole_channels = options.channels != "separate"
    tally = Tally(layout, options.channels, shells, eps, options.grid, climatology is not None)
    if losses.relative:
        for slab in slabs(layout, (prediction, truth), whole_channels):
            for block in slab.blocks:
                t, mask = gaps.read_truth(prediction, truth, layout, block)
                losses.add_level(t, block, mask)
    for slab in slabs(layout, (prediction, truth), whole_channels):
        powers = tally.powers(slab, dtype)
        for block in slab.blocks:
            index = index_of(layout, block)
            p, t, mask = gaps.read(prediction, truth, layout, block)
            with np.errstate(over="ignore", invalid="ignore"):  # reported below
                tally.add_fields(p, t, None if climatology is None else lifted(climatology.read(index)), block, mask)
                losses.add(p, t, block, mask)
                for into, field in zip(powers, (p, t, p - t), strict=True):
                    part = into[tally.place(slab, block)]
                    part[...] = radial_spectrum(field, **spectral(options._replace(mask=mask))).power.reshape(
                        part.shape
                    )
            advance(p.size // int(np.prod(layout.grid)))
        if not (np.isfinite(powers).all() and np.isfinite(tally.moments).all()):
            raise CommandError(
                f"{prediction.name} or {truth.name}: values too large, their squares overflow in {dtype.name}"
            )
        tally.add_spectra(slab, powers)
    overall, per = tally.result()
    values, of_each = losses.result()
    return overall._replace(losses=values), [
        numbers._replace(losses=each) for numbers, each in zip(per, of_each, strict=True)
    ]


def grid_of(layout: Layout, options: Options) -> Grid:
    """The shells of a grid, from the spectrum of a field of zeros: before anything is read.

    Raises
    ------
    CommandError
        Options that the library refuses for this grid.
    """
    alone = options._replace(spatial_axes=tuple(range(len(layout.grid))), channel_axis=None)
    try:
        spectrum = radial_spectrum(np.zeros(layout.grid, np.float32), **spectral(alone))
    except (TypeError, ValueError) as error:
        raise CommandError(str(error).removeprefix("field: ")) from error
    recorded: Any = spectrum.layout
    return Plane(*recorded[:4]) if options.grid is None else Harmonics(*recorded[:4])


def options_of(args: argparse.Namespace, layout: Layout, channels: str, sphere: Sphere | None) -> Options:
    """The options of a spectrum, of those of the command line.

    Raises
    ------
    CommandError
        An option of the plane, on the sphere.
    """
    lengths = args.lengths if args.lengths is None or len(args.lengths) > 1 else args.lengths[0]
    if sphere is not None:
        for name, default in (("lengths", None), ("window", None), ("detrend", None), ("transform", "fft")):
            if getattr(args, name) != default:
                refuse_on_the_sphere(f"--{name}")
    options = Options(layout.spatial, layout.channel, channels, args.bins, lengths, args.window, args.detrend)
    return options._replace(transform=args.transform, grid=sphere)


def spectral(options: Options) -> dict[str, Any]:
    """The options of `radial_spectrum` among those of losses."""
    return {name: value for name, value in options._asdict().items() if name in signature(radial_spectrum).parameters}
