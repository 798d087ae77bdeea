"""``spectral-losses compare PREDICTION TRUTH``: how far apart two files of fields are, scale by scale."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectral_losses.cli.ui import options
from spectral_losses.cli.ui.console import count, tell
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.figures import check_writable, refuse_one_place, save_text
from spectral_losses.cli.ui.sources import mask_sources, sources_of, tell_lacks
from spectral_losses.cli.ui.tables import check_table, save_table

if TYPE_CHECKING:
    from spectral_losses.cli.compare.checkpoint import Checkpoint
    from spectral_losses.cli.compare.comparison import Comparison
    from spectral_losses.cli.compare.measure import Advance
    from spectral_losses.cli.compare.rounds import Total
from spectral_losses.errors import needed

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
ones in another order are brought into the truth's, others are refused. A dimension that one file lacks, such
as members, is one along which it stays the same.

RMSE and bias are in the units of the fields: the root of the mean square error over everything, and the mean of
prediction less truth (null of a vector). With --climatology the anomaly correlation is the mean over fields of
sum (p - c)(t - c) / sqrt(sum (p - c)^2 sum (t - c)^2). A climatology may go by dayofyear, hour and month, and
is taken at the valid time of each field.

--mask takes files of weights, or cos-latitude: then means over space, such as RMSE and field error, are weighed by
area in a region, and spectra and bands are not.

FILE:NAME, --variable and --key choose arrays, several between commas; u+v are the components of a vector, whose
squares are summed as with --channels sum. With --init-time and --lead-time the prediction has both dimensions,
as WeatherBench 2 has them, and the truth is taken at the time that each of its fields is valid for.

With --workers N or --cluster ADDRESS the work is done by processes of dask.distributed, in parts: runs of
positions along the first axis of frames, of some 128 MiB. With --checkpoint FOLDER the sums of each part are kept
there, and the same command goes on from them after it was stopped, with workers or without. The numbers are the same
to the last bit. A folder that belongs to another comparison, or to files that have changed since, is refused.

--json prints one object with the keys
  version                       of spectral-losses
  prediction, truth             the paths, as given
  variable                      which variable or array of them, or null where a file holds but one without a name
  units                         of its values, or null
  options                       the options that say what is computed, where they differ from the defaults
  shape, dims                   of the arrays; dims is null where axes have no names
  frames, channels, grid        number of frames and of channels, points along space
  sphere                        null in a plane; on the sphere an object: latitudes ("gauss", "equiangular" or
                                "cells") and highest_degree
  reordered                     dimensions along which the prediction was brought into the truth's order
  repeated                      dimensions that one of the files lacks
  field_error, spectrum_error
  rmse, bias                    and anomaly_correlation with --climatology (null where there are no anomalies)
  losses                        those of --losses by name
  bands                         three objects: name, wavenumbers (of the first and the last shell; degrees on
                                the sphere), edges,
                                error, amplitude_part, phase_part, energy_ratio and coherence (these five
                                null where the truth has no energy)
  effective_resolution          an object: unit ("km" on the sphere, "length" with --lengths, else "grid
                                points", or "wavenumber" where the axes have different sizes), and channels,
                                a list with one number for each (null where nothing is resolved)
  spectra                       an object: wavenumber (degree on the sphere), edges, counts (modes of the full
                                plane), and, lists over channels of lists over shells: prediction, truth and
                                difference (what each shell holds of the mean square, as in spectral-losses
                                spectrum), energy_ratio and coherence (null where the truth has no energy)
  per                           with --per: axis, name (or null), units (of its coordinate, or null) and rows,
                                objects with index, coordinate (a number, or text such as a time; null where
                                there is none), and the numbers above from field_error to
                                effective_resolution; of two axes axis, name, units, index and coordinate are
                                lists of two
  variables                     of several variables, in place of the keys that differ between these: a list of
                                objects with those keys, one for each

--table has the same numbers without the spectra: a row of everything for each variable and, with --per, one for
each index, in columns that are called as the axes. Bands are columns such as low_error. --spectra has the spectra in
long format, also those of each index: variable, units, the axis, channel, wavenumber, lower and upper (the edges of
the shell), count, prediction, truth, difference, energy_ratio and coherence.

examples:
  spectral-losses compare prediction.npy truth.npy --plot spectra.png
  spectral-losses compare prediction.npy truth.npy --per 0 --report comparison.html
  spectral-losses compare forecast.nc era5.nc --variable t2m --per lead_time
  spectral-losses compare forecast.nc:u_pred era5.nc:u --sel level=500 --sel time=2020-01-01:2020-01-31
  spectral-losses compare forecast.zarr era5.zarr --variable temperature,u+v --init-time time
      --lead-time prediction_timedelta --per prediction_timedelta,level --climatology usual.nc --table skill.csv
  spectral-losses compare forecast.grib:isobaricInhPa/t analysis.grib:t --init-time time --lead-time step
  spectral-losses compare forecast.zarr era5.zarr --variable t2m --workers 8 --checkpoint sums
  spectral-losses compare forecast.npy truth.npy --losses adjusted_error,log_spectral_distance
  spectral-losses compare run.h5 run_true.h5 --variable Vx --spatial-axes -2,-1 --channel-axis none --json
"""


# Options that say what is computed; what of which is said by the file names, --key, --variable and --per.
CHOSEN = (
    "climatology",
    "nan",
    "mask",
    "sel",
    "isel",
    "init_time",
    "lead_time",
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
    add("prediction", metavar="PREDICTION", help=".npy, .npz, NetCDF, HDF5, Zarr, GRIB or .pt")
    add("truth", metavar="TRUTH", help="likewise, of the same shape")
    options.add_array_options(parser)
    options.add_selection_options(parser)
    add(
        "--init-time",
        metavar="DIM",
        help="the dimension of the prediction's initial times; with --lead-time the truth is taken at their sum",
    )
    add("--lead-time", metavar="DIM", help="the dimension of its lead times, as in --init-time time --lead-time step")
    add(
        "--per",
        type=options.one_or_two,
        metavar="AXIS[,AXIS]",
        help="the numbers for each index along an axis, or for each pair of indices along two, too",
    )
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
    add(
        "--report",
        type=options.page_path,
        metavar="FILE.html",
        help="write a page that needs nothing else: the tables, spectra to point at, and maps of the first frame",
    )
    add(
        "--climatology",
        metavar="FILE",
        help="what is usual, for the correlation of anomalies from it: by dayofyear, hour or month of each time, where "
        "it has these dimensions; others that it lacks count as one",
    )
    add(
        "--table",
        type=options.table_path,
        metavar="FILE.csv",
        help="write the numbers as rows, of everything and of each index: .csv, or .parquet where pandas is",
    )
    add(
        "--spectra",
        type=options.table_path,
        metavar="FILE.csv",
        help="write the spectra as rows, of each shell of each channel, likewise",
    )
    add("--json", action="store_true", help="print JSON in place of the table")
    add(
        "--workers",
        type=options.whole,
        metavar="N",
        help="read and compute in N processes of this machine, through dask.distributed",
    )
    add(
        "--cluster",
        metavar="ADDRESS",
        help="on the workers of a cluster of dask.distributed: its scheduler, such as tcp://host:8786, or its "
        "scheduler file; the library and the files have to be there",
    )
    add(
        "--checkpoint",
        type=Path,
        metavar="FOLDER",
        help="keep the sums of all parts that are done in this folder, and go on from those that are there",
    )
    options.add_axis_options(parser)
    options.add_spectrum_options(parser)
    options.add_band_option(parser)
    options.add_eps_option(parser)
    options.add_gap_options(parser)
    parser.set_defaults(run=run, defaults={name: parser.get_default(name) for name in CHOSEN})


def run(args: argparse.Namespace) -> int:
    """Compare, then draw, then print: an error leaves nothing behind."""
    # What can be known to fail is asked first, not after an hour of reading.
    files = [args.prediction, args.truth] + ([] if args.climatology is None else [args.climatology])
    inputs = [each[0].path for each in sources_of(files, args.key, args.variable)]
    inputs += [each.path for each in mask_sources(args.mask)]
    if (args.init_time is None) != (args.lead_time is None):
        raise CommandError("--init-time and --lead-time: one is of no use without the other")
    if not args.json:
        needed("rich", "the table")
    if args.plot is not None:
        needed("matplotlib", "--plot")
        from spectral_losses.cli.compare.plot import write_plot

        check_writable(args.plot, inputs=inputs)
    if args.report is not None:
        needed("plotly", "--report", "report")
        check_writable(args.report, "--report", inputs)
    tables = {"--table": args.table, "--spectra": args.spectra}
    for option, path in tables.items():
        if path is not None:
            check_table(path, option, inputs)
    refuse_one_place({"--plot": args.plot, "--report": args.report, **tables})
    if args.workers is not None and args.cluster is not None:
        raise CommandError("--workers and --cluster: takes one of them")
    if args.workers is not None or args.cluster is not None:
        needed("distributed", "--workers" if args.cluster is None else "--cluster", "cluster")
    from spectral_losses.cli.compare.comparison import prepare
    from spectral_losses.cli.compare.document import print_json
    from spectral_losses.cli.compare.maps import first_frame
    from spectral_losses.cli.compare.page import page_of
    from spectral_losses.cli.compare.pairs import open_pairs
    from spectral_losses.cli.compare.rounds import compare, rounds_of, together
    from spectral_losses.cli.compare.rows import number_rows, spectrum_rows
    from spectral_losses.cli.compare.table import print_table
    from spectral_losses.cli.ui.progress import progress

    with contextlib.ExitStack() as stack:
        comparisons = [each for pair in open_pairs(args, stack) for each in prepare(args, pair)]
        for warning in dict.fromkeys(warning for each in comparisons for warning in each.warnings):
            tell(f"spectral-losses: warning: {warning}")
        checkpoint = _checkpoint(args, comparisons)
        fields = sum(each.fields * len(rounds_of(each)) for each in comparisons)
        with progress("comparing", fields) as advance, _summing(args, comparisons, checkpoint, advance) as total:
            reports = together([compare(each, i, total) for i, each in enumerate(comparisons)])
        if args.report is not None:
            with_rows = [each for each in comparisons if each.layout.merged is not None] or comparisons
            page = page_of(reports, [first_frame(*each) for each in zip(with_rows, reports, strict=True)])
        tell_lacks(array for each in comparisons for array in each.pair.arrays)
    if args.plot is not None:
        write_plot(args.plot, reports)
    if args.report is not None:
        save_text(args.report, page, "--report")
    for (option, path), rows_of in zip(tables.items(), (number_rows, spectrum_rows), strict=True):
        if path is not None:
            save_table(path, rows_of(reports), option)
    (print_json if args.json else print_table)(reports)
    return 0


def _checkpoint(args: argparse.Namespace, comparisons: list[Comparison]) -> Checkpoint | None:
    """The sums that are kept, where they are."""
    from spectral_losses.cli.compare.checkpoint import Checkpoint

    if args.checkpoint is None:
        return None
    checkpoint = Checkpoint(args.checkpoint, args, comparisons)
    if checkpoint.found:
        tell(f"spectral-losses: {checkpoint.found} of {count(checkpoint.parts, 'part')} are in {args.checkpoint}")
    return checkpoint


def _summing(
    args: argparse.Namespace, comparisons: list[Comparison], checkpoint: Checkpoint | None, advance: Advance
) -> contextlib.AbstractContextManager[Total]:
    """What computes sums: this process, or workers."""
    if args.workers is None and args.cluster is None:
        from spectral_losses.cli.compare.alone import alone

        return contextlib.nullcontext(alone(comparisons, checkpoint, advance))
    from spectral_losses.cli.compare.cluster import on_cluster

    return on_cluster(args, comparisons, checkpoint, advance)
