"""The options of spectra and the shells of a grid, as the command line has them."""

from __future__ import annotations

import argparse
from inspect import signature
from typing import Any

import numpy as np

from spectral_losses import radial_spectrum
from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.globe import Grid, refuse_on_the_sphere
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.spectra.plan import Options
from spectral_losses.transforms.plane import Plane
from spectral_losses.transforms.sphere import Harmonics, Sphere


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
