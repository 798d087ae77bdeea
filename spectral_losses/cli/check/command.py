"""``spectral-losses check``: whether the losses give the right numbers on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from spectral_losses.cli.ui.errors import CommandError

NAMES = ("numpy", "torch", "jax", "cupy", "dask", "array_api_strict")
EPILOG = """\
Small fields of random numbers go through spectra, every loss and its gradient, in each dtype that a device has,
and once more through torch.compile; JAX runs all of it under jit. Results are compared with those of NumPy in
float64 from the same rounded fields, NumPy's own spectra with sums over the modes of a full transform and its
gradients with finite differences. Nothing is written and nothing is sent anywhere.

The table is Markdown: a row for each framework, device and dtype with how many results were compared, the one
that is furthest off for what is allowed, how far that is relative to the largest number of the result, and the
difference that is allowed, 2048 times the machine epsilon of what is computed in. Below it stands what failed, with
the number that came out and the one that was expected.

--json prints one object with the keys
  machine       versions of spectral_losses and python, and platform
  passed        whether everything did
  rows          an object for each row: framework, version, device, dtype, compared (how many results of each
                kind), furthest and failures (what, got, expected, difference, allowed, error, passed; null where
                there is no number), note (what could not be checked and why, or null), seconds, passed
  unsupported   dtypes that devices do not have

The exit code is 0 where everything passed, 1 where something failed, and 2 where nothing could be checked.

examples:
  spectral-losses check
  spectral-losses check --framework torch --device mps
  spectral-losses check --framework torch --framework jax --device cuda:1 --json
"""


def add_parser(commands: Any) -> None:
    """Add the subcommand to those of the parser."""
    parser = commands.add_parser(
        "check",
        help="whether the losses give the right numbers on this machine",
        description="Hold spectra, losses and gradients of every framework that is installed, on the CPU and on\n"
        "the accelerator that it finds, against NumPy in double precision.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--framework",
        choices=NAMES,
        action="append",
        help="check this one; may be given several times (default: all that are installed)",
    )
    add("--device", metavar="D", help="check this one alone, as PyTorch or JAX calls it, such as cuda:1, mps or xpu")
    add("--json", action="store_true", help="print JSON in place of the table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Find what there is, check it, then print."""
    from spectral_losses.cli.check.measure import checked, steps, supports
    from spectral_losses.cli.check.places import places_of
    from spectral_losses.cli.check.report import print_json, print_table
    from spectral_losses.cli.ui.progress import progress

    places = places_of(list(dict.fromkeys(args.framework or ())) or None, args.device)
    asked, unsupported = [], []
    for place in places:
        for dtype in place.dtypes:
            if supports(place, dtype):
                asked.append((place, dtype))
            else:
                unsupported.append(f"{place.framework} {place.version}, {place.device}: no {dtype}")
    if not asked:
        raise CommandError(f"nothing can be checked: {'; '.join(unsupported)}")
    with progress("checking", sum(steps(dtype) for _, dtype in asked)) as advance:
        rows = [checked(place, dtype, advance) for place, dtype in asked]
    (print_json if args.json else print_table)(rows, unsupported)
    return int(any(row.failures for row in rows))
