"""The command line: ``spectral-losses compare ...``, ``spectrum ...``, ``replay ...``, ``demo`` and ``check``.

`main` is all there is to import. Each subcommand is a module with ``add_parser``; what it computes with is
imported when it runs, so that ``--help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from spectral_losses import __version__
from spectral_losses.cli import check, compare, demo, replay, spectrum
from spectral_losses.cli.ui.console import tell
from spectral_losses.cli.ui.options import Parser, join_negative_axes
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
        The exit code: 0, 1 where a check fails, 2 after an error that the user can put right (one line on stderr says
        what it is), 130 after an interrupt, 141 where nobody reads stdout on. Without any arguments the help goes to
        stderr, and the code is 2.

    Raises
    ------
    SystemExit
        With code 0, after ``--help`` and ``--version``.
    """
    words = join_negative_axes(sys.argv[1:] if argv is None else argv)
    try:
        if not words:
            tell(_parser().format_help().rstrip())
            return 2
        args = _parser().parse_args(words)
        code: int = args.run(args)
    except UserError as error:
        tell(f"spectral-losses: error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 128 + 13  # as a process that SIGPIPE ends
    return code


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="spectral-losses",
        description="Compare fields by their errors and their spectra; print and draw spectra; replay a loss "
        "scheduler on a finished run; "
        "see both at work on a chaotic flow; check the losses on this machine.",
        epilog="spectral-losses COMMAND --help explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"spectral-losses {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    compare.add_parser(commands)
    spectrum.add_parser(commands)
    replay.add_parser(commands)
    demo.add_parser(commands)
    check.add_parser(commands)
    return parser
