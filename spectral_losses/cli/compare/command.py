"""``spectral-losses compare PREDICTION TRUTH``: how far apart two files of fields are, scale by scale."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectral_losses.cli.ui import options
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import needed

if TYPE_CHECKING:
    from spectral_losses.spectra.bands import Band
    from spectral_losses.spectra.plan import Options
    from spectral_losses.transforms.plane import Plane

EPILOG = """\
Field error and spectrum error are those of spectral_losses.evaluate. The error of a band is that of the
fields without everything outside the band: the sum of |F(p - t)|^2 over its modes and all frames, over the
same of |F(t)|^2; the energy ratio is that of |F(p)|^2 to |F(t)|^2. Both are means over channels, unless
--channels sum adds these up first. Files are read a few frames at a time, whatever their size.

A window is for axes that are not periodic: hann,none is for latitude and longitude of the whole globe.

--json prints one object with the keys
  prediction, truth             the paths
  variable                      which variable or array of them, or null where a file holds but one without a name
  options                       the options that say what is computed, where they differ from the defaults
  shape, frames, channels, grid shape of the arrays, number of frames and of channels, points along space
  field_error, spectrum_error
  bands                         three objects: name, wavenumbers (of the first and the last shell), edges,
                                error, energy_ratio (these two null where the truth has no energy)
  per                           with --per: axis, name (or null), and rows, objects with index, field_error,
                                spectrum_error and bands

examples:
  spectral-losses compare prediction.npy truth.npy --plot spectra.png
  spectral-losses compare forecast.nc era5.nc --variable t2m --window hann,none --per lead_time
  spectral-losses compare run.h5 run_true.h5 --variable Vx --spatial-axes -2,-1 --channel-axis none --json
"""


# Options that say what is computed; what of which is said by the file names, --key, --variable and --per.
CHOSEN = ("spatial_axes", "channel_axis", "channels", "bins", "lengths", "window", "detrend", "bands", "eps")


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "compare",
        help="errors of fields and spectra between two files",
        description="Compare the fields of two files: the relative mean-square error of the fields and\n"
        "of their spectra, and errors and energies at low, middle and high wavenumbers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("prediction", metavar="PREDICTION", help=".npy, .npz, NetCDF, HDF5 or Zarr")
    add("truth", metavar="TRUTH", help="likewise, of the same shape")
    add("--key", help="which array of an .npz")
    add(
        "--variable",
        metavar="NAME",
        help="which variable of a NetCDF, HDF5 or Zarr; GROUP/NAME inside groups",
    )
    add("--per", type=options.axis, metavar="AXIS", help="the numbers for each index along an axis, too")
    add("--plot", type=options.plot_path, metavar="FILE.png", help="draw both spectra and their ratio")
    add("--json", action="store_true", help="print JSON in place of the table")
    options.add_axis_options(parser)
    options.add_spectrum_options(parser)
    options.add_band_option(parser)
    options.add_eps_option(parser)
    parser.set_defaults(run=run, defaults={name: parser.get_default(name) for name in CHOSEN})


def run(args: argparse.Namespace) -> int:
    """Compare, then draw, then print: an error leaves nothing behind."""
    # What can be known to fail is asked first, not after an hour of reading.
    _check_files(args)
    if not args.json:
        needed("rich", "the table")
    if args.plot is not None:
        needed("matplotlib", "--plot")
        from spectral_losses.cli.compare.plot import write_plot
        from spectral_losses.cli.ui.figures import check_writable

        check_writable(args.plot, inputs=(args.prediction, args.truth))
    from spectral_losses.cli.compare.axes import aligned, lay_out
    from spectral_losses.cli.compare.measure import grid_of, measure
    from spectral_losses.cli.compare.report import Report, Row, print_json, print_table
    from spectral_losses.cli.ui.progress import progress
    from spectral_losses.io import open_array
    from spectral_losses.spectra.bands import band_numbers

    with contextlib.ExitStack() as stack:
        prediction, truth = (
            stack.enter_context(open_array(path, key=args.key, variable=args.variable))
            for path in (args.prediction, args.truth)
        )
        prediction = aligned(prediction, truth)
        layout = lay_out(prediction, truth, args.spatial_axes, args.channel_axis, args.per)
        if layout.per is not None and layout.per == layout.channel and args.channels != "separate":
            raise CommandError(f"--per: with --channels {args.channels} there are no numbers for each channel")
        chosen = _spectrum_options(args, layout.spatial, layout.channel)
        grid = grid_of(layout, chosen)
        precision = max(prediction.precision, truth.precision)
        bands = _bands(grid, args.bands)
        with progress("comparing", layout.frames * layout.channels) as advance:
            overall, per = measure(prediction, truth, layout, chosen, len(grid.centres()), args.eps, advance)

    rows = [
        Row(n.field_error, n.spectrum_error, tuple(band_numbers(n.power, grid, band) for band in bands))
        for n in (overall, *per)
    ]
    names = dict.fromkeys(name for name in (prediction.variable, truth.variable) if name is not None)
    report = Report(
        args.prediction,
        args.truth,
        " against ".join(names) or None,
        {name: getattr(args, name) for name, default in args.defaults.items() if getattr(args, name) != default},
        layout,
        args.channels,
        bands,
        rows[0],
        tuple(rows[1:]),
    )
    if args.plot is not None:
        write_plot(args.plot, report, grid, overall.power, precision)
    (print_json if args.json else print_table)(report)
    return 0


def _spectrum_options(args: argparse.Namespace, spatial: tuple[int, ...], channel: int | None) -> Options:
    from spectral_losses.spectra.plan import Options

    lengths = args.lengths if args.lengths is None or len(args.lengths) > 1 else args.lengths[0]
    return Options(spatial, channel, args.channels, args.bins, lengths, args.window, args.detrend)


def _bands(grid: Plane, limits: tuple[float, float] | None) -> tuple[Band, ...]:
    from spectral_losses.spectra.bands import lay_bands

    try:
        return lay_bands(grid, limits)
    except ValueError as error:
        raise CommandError(str(error) if limits is None else f"--{error}") from error


def _check_files(args: argparse.Namespace) -> None:
    """Refuse ``--key`` and ``--variable`` where they would choose nothing."""
    suffixes = {Path(path).suffix.lower() for path in (args.prediction, args.truth)}
    if args.key is not None and ".npz" not in suffixes:
        raise CommandError("--key chooses an array of an .npz, and neither file is one")
    if args.variable is not None and suffixes <= {".npy", ".npz"}:
        raise CommandError("--variable chooses one of a NetCDF, HDF5 or Zarr file, and neither file is one")
