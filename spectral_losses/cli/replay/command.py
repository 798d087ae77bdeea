"""``spectral-losses replay METRICS``: what a scheduler or a controller would have done on a finished run's metrics."""

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
are not finite: they are skipped. Files are read row by row, whatever their size.

A replay cannot know how the metrics would have answered to other weights: it shows what a scheduler or a
controller makes of the metrics that there were.

VALUE of --set is TOML: a number, true or false, a list, a quoted string; anything else is a string as it is.
In a chain each stage is changed. Settings of a controller's constraints stand in its file alone.

--json prints one object with the keys
  metrics                       the path
  rows, first_epoch, last_epoch
  configurations                objects, in the order of --config, with
    name                        the preset, the file, or default; behind it the changes of --set
    config                      all settings, as to_dict of SchedulerConfig, SchedulerChain or ControllerConfig
                                gives them
    adaptations                 changes of the weights: objects with epoch, reason, detail (the reason in words),
                                metric, tracked (its average, or itself), and progress and weights from then on;
                                of a controller also ratio (lambda, the target's weight over the source's)
    reasons                     how many rows were answered with each reason, as in Decision.reason
    finished                    of a scheduler: the epoch at which the final weights were reached, or null
    constraints                 of a controller: objects with metric, of, limit, first_met (an epoch or null), and
                                met and average after the last row; its progress is the share that is met
    final                       progress and weights after the last row; of a controller also ratio

examples:
  spectral-losses replay metrics.csv
  spectral-losses replay metrics.csv --config tra --config iso --config inc --plot replay.png
  spectral-losses replay metrics.csv --config tra --set patience=8 --set min_delta=0.05
  spectral-losses replay metrics.csv --config controller.toml --plot replay.png
  spectral-losses replay lightning_logs/version_0/metrics.csv --config scheduler.toml --json
"""


class Help(argparse.RawDescriptionHelpFormatter):
    """Writes out the presets, which are loaded where somebody asks for the help."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        from spectral_losses.scheduler import PRESETS

        *first, last = PRESETS
        return action.help and action.help.replace("{PRESETS}", f"{', '.join(first)} or {last}")


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "replay",
        help="what a loss scheduler or controller would have done on a finished run",
        description="Take the metrics of a finished run through a loss scheduler or a loss controller: when it would\n"
        "have moved the weights, how far and why; for one configuration, or for several side by side.",
        epilog=EPILOG,
        formatter_class=Help,
    )
    add = parser.add_argument
    add("metrics", metavar="METRICS", type=Path, help=".csv, or JSON lines: .jsonl, .ndjson, .json")
    add(
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help=".toml or .json of a scheduler, a chain or a controller, or a preset: {PRESETS}; may be given several "
        "times (default: the default settings of a scheduler)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a setting of every configuration; may be given several times",
    )
    add("--plot", type=options.plot_path, metavar="FILE.png", help="draw the metrics and the weights over epochs")
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
    from spectral_losses.cli.replay.changes import parse_changes
    from spectral_losses.cli.replay.configs import named_configs
    from spectral_losses.cli.replay.metrics_log import metrics_size, read_metrics
    from spectral_losses.cli.replay.outcome import replay, subject
    from spectral_losses.cli.replay.report import print_json, print_tables
    from spectral_losses.cli.ui.progress import progress

    size = metrics_size(args.metrics)
    configs, warned = named_configs(args.config, parse_changes(args.changes))
    subjects = [subject(named) for named in configs]
    wanted = list(dict.fromkeys(name for each in subjects for name in each.monitored))
    with progress("replaying", size) as advance:
        rows = read_metrics(args.metrics, wanted, advance)
        found = replay(args.metrics, rows, subjects, traced=args.plot is not None)
    if args.plot is not None:
        from spectral_losses.cli.replay.plot import write_replay_plot

        write_replay_plot(args.plot, found)
    for warning in warned:
        tell(f"spectral-losses: warning: {warning}")
    (print_json if args.json else print_tables)(found)
    return 0
