"""``spectral-losses replay METRICS``: what a loss scheduler would have done on the metrics of a finished run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spectral_losses.cli.ui import options
from spectral_losses.cli.ui.console import tell
from spectral_losses.errors import needed

EPILOG = """\
METRICS is CSV with a header, or JSON lines: one object to a line. A column named epoch is used where there
is one; otherwise rows are epochs 0, 1, 2 and so on. Columns that no configuration monitors may hold anything.
An empty cell, a null and an absent key are a missing metric, which is an error unless the configuration says
missing = "hold", as logs need that have rows of other things than validations. nan and inf are numbers that
are not finite: the scheduler skips them. Files are read row by row, whatever their size.

--json prints one object with the keys
  metrics                       the path
  rows, first_epoch, last_epoch
  configurations                objects, in the order of --config, with
    name                        the preset, the file, or default
    config                      all settings, as SchedulerConfig.to_dict gives them
    adaptations                 objects with epoch, detail (the reason in words), metric, tracked (its average, or
                                itself), and progress and weights from then on
    reasons                     how many rows were answered with each reason, as in Decision.reason
    finished                    the epoch at which the final weights were reached, or null
    final                       progress and weights after the last row

examples:
  spectral-losses replay metrics.csv
  spectral-losses replay metrics.csv --config tra --config iso --config inc --plot replay.png
  spectral-losses replay lightning_logs/version_0/metrics.csv --config scheduler.toml --json
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "replay",
        help="what a loss scheduler would have done on a finished run",
        description="Take the metrics of a finished run through a loss scheduler: when it would have moved the\n"
        "weights, how far and why; for one configuration, or for several side by side.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("metrics", metavar="METRICS", type=Path, help=".csv, or JSON lines: .jsonl, .ndjson, .json")
    add(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help=".toml or .json, or a preset: tra, iso or inc; may be given several times (default: the default settings)",
    )
    add("--plot", type=options.plot_path, metavar="FILE.png", help="draw the metric and the weights over epochs")
    add("--json", action="store_true", help="print JSON in place of the tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, then draw, then print: an error leaves nothing behind."""
    if not args.json:
        needed("rich", "the table")
    if args.plot is not None:
        needed("matplotlib", "--plot")
        from spectral_losses.cli.ui.figures import check_writable

        check_writable(args.plot, inputs=(args.metrics, *args.config))
    from spectral_losses.cli.replay.configs import monitored, named_configs
    from spectral_losses.cli.replay.metrics_log import metrics_size, read_metrics
    from spectral_losses.cli.replay.outcome import replay
    from spectral_losses.cli.replay.report import print_json, print_tables
    from spectral_losses.cli.ui.progress import progress

    size = metrics_size(args.metrics)
    configs, warned = named_configs(args.config)
    wanted = list(dict.fromkeys(name for each in configs for name in monitored(each.config)))
    with progress("replaying", size) as advance:
        rows = read_metrics(args.metrics, wanted, advance)
        found = replay(args.metrics, rows, configs, traced=args.plot is not None)
    if args.plot is not None:
        from spectral_losses.cli.replay.plot import write_replay_plot

        write_replay_plot(args.plot, found)
    for warning in warned:
        tell(f"spectral-losses: warning: {warning}")
    (print_json if args.json else print_tables)(found)
    return 0
