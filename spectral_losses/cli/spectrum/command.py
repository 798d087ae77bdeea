"""``spectral-losses spectrum FILE...``: power or energy of the fields of files, shell by shell."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

from spectral_losses.cli.ui import options
from spectral_losses.cli.ui.console import tell
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.figures import check_writable
from spectral_losses.cli.ui.sources import COS_LATITUDE, mask_sources, open_source, sources_of, tell_lacks
from spectral_losses.cli.ui.tables import check_table, save_table
from spectral_losses.errors import needed

EPILOG = """\
The power of a shell is what it holds of the mean square of the fields, averaged over frames: that of
spectral_losses.radial_spectrum, divided by the square of the number of points (and, with --lengths, by the
wavenumber step of each axis), so that grids of different sizes can be compared. With --energy it is the
kinetic energy per unit of wavenumber, E(k), of spectral_losses.energy_spectrum. Latitudes and longitudes of
the whole globe lie on the sphere, unless --grid plane: degrees take the place of wavenumbers, and the power
of a degree is what it holds of the mean square over the sphere.

The slope is that of a power law in k, fitted by least squares in logarithms, every octave counting alike, to
the power per unit of wavenumber. By default it is fitted over the middle third of the range in logarithms, or
over all shells where they are few.

Of several files the first is the reference: the others are drawn against it. A long table has a choice of
the shells; --json has all of them. Files are read a few frames at a time, whatever their size.

--json prints one object with the keys
  options                       the options that say what is computed, where they differ from the defaults
  quantity                      "power" or "energy"
  fit                           first and last wavenumber of the slope
  files                         an object for each file: file, variable (or null), shape, frames, channels,
                                skipped (positions that --nan skip left out), grid, sphere (null in a plane,
                                else an object: latitudes and highest_degree),
                                wavenumber (degree on the sphere), edges, counts (modes of the full plane),
                                and, lists with one entry for each channel that is kept apart: power or energy
                                (a list over shells), inside (the mean square or the kinetic energy in all shells
                                together) and slope (null where it cannot be fitted)

--table has the columns file, variable, channel, wavenumber, lower and upper (the edges of the shell), count, and
power or energy.

examples:
  spectral-losses spectrum truth.npy prediction.npy --plot spectra.png
  spectral-losses spectrum u.h5 --variable Vx --spatial-axes -2,-1 --channel-axis none
  spectral-losses spectrum wind.nc --variable u+v --energy
  spectral-losses spectrum model.nc:ua era5.nc:u --sel level=500
  spectral-losses spectrum sst.nc --mask lsm.nc:ocean --nan skip
  spectral-losses spectrum velocity.npy --spatial-axes -3,-2,-1 --energy --lengths 6.2832 --fit 4,20
"""

# Options that say what is computed.
CHOSEN = (
    "sel",
    "isel",
    "nan",
    "mask",
    "energy",
    "grid",
    "spatial_axes",
    "channel_axis",
    "channels",
    "bins",
    "lengths",
    "window",
    "detrend",
    "transform",
    "fit",
)


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "spectrum",
        help="spectra of one or several files",
        description="Print the power spectrum of the fields of a file, or of several beside each other, or the\n"
        "energy spectrum E(k) of velocities, with the slope between two wavenumbers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", metavar="FILE", nargs="+", help=".npy, .npz, NetCDF, HDF5, Zarr, GRIB or .pt")
    options.add_array_options(parser)
    options.add_selection_options(parser)
    add("--energy", action="store_true", help="E(k) of velocities, whose components are the channels")
    add(
        "--fit",
        type=options.fit,
        metavar="K1,K2",
        help="the wavenumbers between which the slope is fitted (default: the middle third of the logarithms)",
    )
    add("--plot", type=options.plot_path, metavar="FILE.png", help="draw the spectra, and their ratio to the first")
    add(
        "--table",
        type=options.table_path,
        metavar="FILE.csv",
        help="write the spectra as rows, of each shell of each channel: .csv, or .parquet where pandas is",
    )
    add("--json", action="store_true", help="print JSON in place of the table")
    options.add_axis_options(parser)
    options.add_spectrum_options(parser)
    options.add_gap_options(parser)
    parser.set_defaults(run=run, defaults={name: parser.get_default(name) for name in CHOSEN})


def run(args: argparse.Namespace) -> int:
    """Read, then draw, then print: an error leaves nothing behind."""
    sources = [each for of_file in sources_of(args.files, args.key, args.variable) for each in of_file]
    masks = mask_sources(args.mask)
    if args.energy and "channels" in args.given:
        raise CommandError("--channels: --energy sums over the components of a velocity")
    if COS_LATITUDE in (args.mask or ()):
        raise CommandError(
            f"--mask {COS_LATITUDE}: a spectrum has no weights of points; on the sphere it goes by area anyway"
        )
    if not args.json:
        needed("rich", "the table")
    inputs = [each.path for each in [*sources, *masks]]
    if args.plot is not None:
        needed("matplotlib", "--plot")
        check_writable(args.plot, inputs=inputs)
    if args.table is not None:
        check_table(args.table, "--table", inputs)
    from spectral_losses.cli.compare.axes import lay_out
    from spectral_losses.cli.compare.gaps import Gaps, refuse_gaps_of_means
    from spectral_losses.cli.compare.globe import on_the_globe, refuse_on_the_sphere
    from spectral_losses.cli.compare.masks import mask_of
    from spectral_losses.cli.compare.pairs import axes_of, selected
    from spectral_losses.cli.compare.spectral import grid_of, options_of
    from spectral_losses.cli.spectrum.measure import fit_range, read_spectrum
    from spectral_losses.cli.spectrum.report import Report, print_json, print_table
    from spectral_losses.cli.spectrum.rows import spectrum_rows
    from spectral_losses.cli.ui.progress import progress

    with contextlib.ExitStack() as stack:
        opened, warnings = [], []
        for source in sources:
            arrays = [stack.enter_context(open_source(source, finite=args.nan == "error" and not masks))]
            arrays += [stack.enter_context(open_source(each, finite=False, kinds="fbiu")) for each in masks]
            selected(args, arrays, source.vector)
            stored, mask = arrays[0], mask_of(arrays[1:], arrays[0])
            axes = axes_of(args, source.vector)
            layout = lay_out(stored, stored, axes.spatial, axes.channel, None)
            layout, sphere, warning = on_the_globe(layout, args.grid)
            if sphere is not None and args.energy:
                refuse_on_the_sphere("--energy")
            if warning is not None:
                warnings.append(f"spectral-losses: warning: {source.path}: {warning}")
            chosen = options_of(args, layout, "sum" if args.energy else axes.channels, sphere)
            refuse_gaps_of_means(args.nan, mask, chosen.channels)
            opened.append((stored, layout, chosen, grid_of(layout, chosen), Gaps(args.nan, mask)))
        on_spheres = [stored.name for stored, _, chosen, *_ in opened if chosen.grid is not None]
        if 0 < len(on_spheres) < len(opened):
            in_planes = ", ".join(stored.name for stored, *_ in opened if stored.name not in on_spheres)
            raise CommandError(
                f"{', '.join(on_spheres)} on the sphere and {in_planes} in a plane have no axis together; --grid plane "
                "takes all of them for planes"
            )
        for each in warnings:
            tell(each)
        fit = fit_range([grid for *_, grid, _ in opened], args.fit)
        with progress("reading", sum(layout.frames * layout.channels for _, layout, *_ in opened)) as advance:
            found = [read_spectrum(*each, advance, args.energy, fit) for each in opened]
        tell_lacks(array for stored, *_, gaps in opened for array in (stored, gaps.mask) if array is not None)
    given = {name: getattr(args, name) for name, default in args.defaults.items() if getattr(args, name) != default}
    report = Report(tuple(found), given, args.energy, "sum" if args.energy else args.channels, fit)
    if args.plot is not None:
        from spectral_losses.cli.spectrum.plot import write_plot

        write_plot(args.plot, report)
    if args.table is not None:
        save_table(args.table, spectrum_rows(report), "--table")
    (print_json if args.json else print_table)(report)
    return 0
