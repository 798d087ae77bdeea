"""The command line: ``spectral-losses compare ...``, ``spectral-losses replay ...`` and ``spectral-losses demo``.

`main` is all there is to import. Each subcommand is a module with ``add_parser``; what it computes with is
imported when it runs, so that ``--help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from spectral_losses import __version__
from spectral_losses.cli import compare, demo, replay
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.options import join_negative_axes
from spectral_losses.errors import UserError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; by default those of this process.

    Returns
    -------
    int
        The exit code: 0, 2 after an error that the user can put right (one line on stderr says what it is),
        130 after an interrupt.

    Raises
    ------
    SystemExit
        With code 0, after ``--help`` and ``--version``.
    """
    try:
        args = _parser().parse_args(join_negative_axes(sys.argv[1:] if argv is None else argv))
        code: int = args.run(args)
    except UserError as error:
        print(f"spectral-losses: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print the usage as well, and exit by itself.
        raise CommandError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="spectral-losses",
        description="Compare fields by their errors and their spectra; replay a loss scheduler on a finished run; "
        "see both at work on turbulence.",
        epilog="spectral-losses COMMAND --help explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"spectral-losses {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    compare.add_parser(commands)
    replay.add_parser(commands)
    demo.add_parser(commands)
    return parser
