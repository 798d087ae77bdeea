"""``spectral-losses demo``: what a spectral loss does for a neural operator of a chaotic or turbulent flow."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spectral_losses.cli.ui import options
from spectral_losses.cli.ui.figures import check_writable
from spectral_losses.errors import needed

NAMES = ("chaos", "turbulence")
EPILOG = """\
All networks start from the same weights and see the same data in the same order for as many steps. One is
trained with field error alone. For the others the log spectral distance of a batch's mean spectra stands beside
it: a LossScheduler gives it weight along a ramp, and a Balancer as much as gives it a share of the pull. Each is
then given frames of flows that it has not seen. The tables say what came out, be it better or worse, with the
interval in which 95 % of resampled sets of flows lie. The same seed gives the same numbers on the same machine,
times excepted.

--json prints one object with the keys
  flow, seed, setting, machine  what was run, and where
  forecasts                     objects with steps, time and, for field, scheduled and shares: field_error and
                                log_spectral_distance, and by band what compare has of it; each as value, low, high
                                (null where not finite)
  rollouts                      the same of the second half of long rollouts; null where there are none
  training                      for each: seconds, first_losses, and looks with step, weights, validation, decision
  simulation_seconds
  step_seconds                  of the fastest step of each
  figure                        the path

examples:
  spectral-losses demo
  spectral-losses demo --flow turbulence
  spectral-losses demo --quick --output quick.png
  spectral-losses demo --seed 1 --json
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "demo",
        help="train a neural operator with and without a spectral loss",
        description="Simulate a flow and train a small neural operator on it with field error alone, with a\n"
        "scheduler and with shares of influence; compare their forecasts of unseen flows.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--flow",
        choices=NAMES,
        default=NAMES[0],
        help="the Kuramoto-Sivashinsky equation, or decaying 2-D turbulence (default: %(default)s)",
    )
    add("--quick", action="store_true", help="a few seconds' worth of it, for a look; minutes otherwise")
    add("--seed", type=_seed, default=0, help="of flows, networks and the order of the data (default: %(default)s)")
    add(
        "--output",
        type=options.plot_path,
        default=Path("demo.png"),
        metavar="FILE.png",
        help="where to draw (default: %(default)s)",
    )
    add("--json", action="store_true", help="print JSON in place of the tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run, then draw, then print."""
    # What can be known to fail is asked first, not after minutes of training.
    for module in ("torch", "matplotlib", *(() if args.json else ("rich",))):
        needed(module, "demo", extra="demo")
    check_writable(args.output, "--output")
    from spectral_losses.cli.demo.experiment import run_demo
    from spectral_losses.cli.demo.figure import write_figure
    from spectral_losses.cli.demo.report import print_json, print_tables
    from spectral_losses.cli.demo.setting import FLOWS
    from spectral_losses.cli.ui.progress import progress

    full, quick = FLOWS[args.flow]
    outcome = run_demo(args.flow, quick if args.quick else full, args.seed, progress)
    write_figure(args.output, outcome)
    (print_json if args.json else print_tables)(outcome, args.output)
    return 0


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"takes a whole number, 0 or more, got {text!r}")
    return int(text)
