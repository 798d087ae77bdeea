"""``spectral-losses compare PREDICTION TRUTH``: how far apart two files of fields are, scale by scale."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Any

from spectral_losses.cli.ui import options
from spectral_losses.cli.ui.console import tell
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import needed

if TYPE_CHECKING:
    from spectral_losses.cli.compare.globe import Grid
    from spectral_losses.spectra.bands import Band

EPILOG = """\
Field error and spectrum error are those of spectral_losses.evaluate, and so is what --losses adds. The error
of a band is that of the fields without everything outside the band: the sum of |F(p - t)|^2 over its modes
and all frames, over the same of |F(t)|^2. It is the sum of two parts, of what wrong amplitudes and of what
wrong phases cost in each shell. The energy ratio is the sum of |F(p)|^2 over that of |F(t)|^2, the coherence
a mean of those of the shells. All are means over channels, unless --channels sum adds these up first. The
effective resolution is the wavelength below which the squared coherence stays below 1/2: a length with
--lengths, else in grid points. Files are read a few frames at a time, whatever their size.

Latitudes and longitudes of the whole globe lie on the sphere, unless --grid plane: degrees of spherical
harmonics take the place of wavenumbers, means over space are weighed by area, and the effective resolution
is in km on the earth. Where both files say where their points lie, these are compared by value: the same
ones in another order are brought into the truth's, others are refused.

--json prints one object with the keys
  prediction, truth             the paths
  variable                      which variable or array of them, or null where a file holds but one without a name
  options                       the options that say what is computed, where they differ from the defaults
  shape, frames, channels, grid shape of the arrays, number of frames and of channels, points along space
  sphere                        null in a plane; on the sphere an object: latitudes ("gauss", "equiangular" or
                                "cells") and highest_degree
  reordered                     dimensions along which the prediction was brought into the truth's order
  field_error, spectrum_error
  losses                        those of --losses by name
  bands                         three objects: name, wavenumbers (of the first and the last shell; degrees on
                                the sphere), edges,
                                error, amplitude_part, phase_part, energy_ratio and coherence (these five
                                null where the truth has no energy)
  effective_resolution          an object: unit ("km" on the sphere, "length" with --lengths, else "grid
                                points", or "wavenumber" where the axes have different sizes), and channels,
                                a list with one number for each (null where nothing is resolved)
  per                           with --per: axis, name (or null), units (of its coordinate, or null) and rows,
                                objects with index, coordinate (a number, or text such as a time; null where
                                there is none), field_error, spectrum_error, losses, bands and
                                effective_resolution

examples:
  spectral-losses compare prediction.npy truth.npy --plot spectra.png
  spectral-losses compare forecast.nc era5.nc --variable t2m --per lead_time
  spectral-losses compare forecast.npy truth.npy --losses adjusted_error,log_spectral_distance
  spectral-losses compare run.h5 run_true.h5 --variable Vx --spatial-axes -2,-1 --channel-axis none --json
"""


# Options that say what is computed; what of which is said by the file names, --key, --variable and --per.
CHOSEN = (
    "grid",
    "spatial_axes",
    "channel_axis",
    "channels",
    "bins",
    "lengths",
    "window",
    "detrend",
    "transform",
    "bands",
    "eps",
)


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "compare",
        help="errors of fields and spectra between two files",
        description="Compare the fields of two files: the relative mean-square error of the fields and\n"
        "of their spectra; errors, amplitudes and phases at low, middle and high wavenumbers;\n"
        "and down to which scale the prediction resolves the truth.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("prediction", metavar="PREDICTION", help=".npy, .npz, NetCDF, HDF5 or Zarr")
    add("truth", metavar="TRUTH", help="likewise, of the same shape")
    options.add_array_options(parser)
    add("--per", type=options.axis, metavar="AXIS", help="the numbers for each index along an axis, too")
    add(
        "--losses",
        type=options.names,
        default=(),
        metavar="NAME[,NAME...]",
        help="other losses of the library, too, by their names in Python",
    )
    add(
        "--plot",
        type=options.plot_path,
        metavar="FILE.png",
        help="draw both spectra, the ratio of their amplitudes and the coherence",
    )
    add("--json", action="store_true", help="print JSON in place of the table")
    options.add_axis_options(parser)
    options.add_spectrum_options(parser)
    options.add_band_option(parser)
    options.add_eps_option(parser)
    parser.set_defaults(run=run, defaults={name: parser.get_default(name) for name in CHOSEN})


def run(args: argparse.Namespace) -> int:
    """Compare, then draw, then print: an error leaves nothing behind."""
    # What can be known to fail is asked first, not after an hour of reading.
    options.check_arrays(args.key, args.variable, (args.prediction, args.truth))
    if not args.json:
        needed("rich", "the table")
    if args.plot is not None:
        needed("matplotlib", "--plot")
        from spectral_losses.cli.compare.plot import write_plot
        from spectral_losses.cli.ui.figures import check_writable

        check_writable(args.plot, inputs=(args.prediction, args.truth))
    from spectral_losses.cli.compare.axes import lay_out
    from spectral_losses.cli.compare.globe import on_the_globe
    from spectral_losses.cli.compare.losses import Losses
    from spectral_losses.cli.compare.measure import grid_of, measure, options_of
    from spectral_losses.cli.compare.report import Report, Row, print_json, print_table
    from spectral_losses.cli.compare.resolution import resolution_of
    from spectral_losses.cli.ui.progress import progress
    from spectral_losses.io import align, open_array
    from spectral_losses.spectra.bands import band_numbers

    with contextlib.ExitStack() as stack:
        prediction, truth = (
            stack.enter_context(open_array(path, key=args.key, variable=args.variable))
            for path in (args.prediction, args.truth)
        )
        prediction, moved = align(prediction, truth)
        layout = lay_out(prediction, truth, args.spatial_axes, args.channel_axis, args.per)
        layout, sphere, warning = on_the_globe(layout, args.grid)
        if layout.per is not None and layout.per == layout.channel and args.channels != "separate":
            raise CommandError(f"--per: with --channels {args.channels} there are no numbers for each channel")
        chosen = options_of(args, layout, args.channels, sphere)
        grid = grid_of(layout, chosen)
        precision = max(prediction.precision, truth.precision)
        bands = _bands(grid, args.bands)
        losses = Losses(args.losses, layout, chosen, args.eps)
        if warning is not None:
            tell(f"spectral-losses: warning: {warning}")
        with progress("comparing", layout.frames * layout.channels) as advance:
            overall, per = measure(prediction, truth, layout, chosen, len(grid.centres()), args.eps, losses, advance)

    rows = [
        Row(
            n.field_error,
            n.spectrum_error,
            n.losses,
            tuple(band_numbers(n.power, grid, band, precision) for band in bands),
            resolution_of(n.power, grid, precision),
        )
        for n in (overall, *per)
    ]
    names = dict.fromkeys(name for name in (prediction.variable, truth.variable) if name is not None)
    report = Report(
        args.prediction,
        args.truth,
        " against ".join(names) or None,
        {name: getattr(args, name) for name, default in args.defaults.items() if getattr(args, name) != default},
        layout,
        grid,
        moved,
        args.channels,
        tuple(dict.fromkeys(args.losses)),
        bands,
        rows[0],
        tuple(rows[1:]),
    )
    if args.plot is not None:
        write_plot(args.plot, report, grid, overall.power, precision)
    (print_json if args.json else print_table)(report)
    return 0


def _bands(grid: Grid, limits: tuple[float, float] | None) -> tuple[Band, ...]:
    from spectral_losses.spectra.bands import lay_bands

    try:
        return lay_bands(grid, limits)
    except ValueError as error:
        raise CommandError(str(error) if limits is None else f"--{error}") from error
