"""``spectral-losses demo``: what the spectrum error and the scheduler do for a neural operator of turbulence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spectral_losses.cli.ui import options
from spectral_losses.cli.ui.figures import check_writable
from spectral_losses.errors import needed

EPILOG = """\
Both networks start from the same weights and see the same data in the same order for as many steps. One is
trained with field error alone; for the other a LossScheduler moves weight from field error to spectrum error
when the spectrum error of the validation does not improve. Each is then given the first frame of trajectories
that it has not seen, and predicts on from its own predictions. The tables say what came out, be it better or
worse. The same seed gives the same numbers on the same machine, times excepted.

--json prints one object with the keys
  seed, setting, machine        what was run, and where
  rollout                       objects with steps, time and, for field and scheduled: field_error, spectrum_error
                                and bands, as compare has them (null where not finite)
  training                      for field and scheduled: steps, seconds, first_losses, and by epoch weights and
                                validation
  adaptations                   objects with epoch, detail and weights from then on
  simulation_seconds
  step_seconds                  of the fastest step with field error alone (field) and with both losses (both)
  step_overhead                 both / field - 1
  figure                        the path

examples:
  spectral-losses demo
  spectral-losses demo --quick --output quick.png
  spectral-losses demo --seed 1 --json
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "demo",
        help="train a neural operator of turbulence with and without the scheduler",
        description="Simulate 2-D turbulence and train a small neural operator on it twice, with field error\n"
        "alone and with a scheduler that moves to the spectrum error; compare their rollouts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
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
    from spectral_losses.cli.demo.setting import FULL, QUICK
    from spectral_losses.cli.ui.progress import progress

    outcome = run_demo(QUICK if args.quick else FULL, args.seed, progress)
    write_figure(args.output, outcome)
    (print_json if args.json else print_tables)(outcome, args.output)
    return 0


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"takes a whole number, 0 or more, got {text!r}")
    return int(text)
