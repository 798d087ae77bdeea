"""What the commands print, and how they count."""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import reason


@contextlib.contextmanager
def console() -> Iterator[Any]:
    """Yield a rich console; what was printed on it is written to stdout at the end.

    Words are taken as they are: square brackets are no markup, and control characters are escaped.
    """
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Any:
            # Every str comes through here, those in the cells of tables, too, before its width is measured.
            return super().render_str(printable(text), **options)

    held: Any = _Held()
    # A notebook would show each line as a block of its own, past the file.
    made = Plain(file=held, highlight=False, markup=False, emoji=False, force_jupyter=False)
    if not made.is_terminal:
        made.width = max(made.width, 120)  # a file or a pipe has no edge to wrap at
    yield made
    write("".join(held.written))


def write(text: str) -> None:
    """Write to stdout, all of it before this returns; what its encoding lacks is escaped.

    Raises
    ------
    BrokenPipeError
        Nobody reads on.
    CommandError
        It cannot be written, as to a full disk.
    """
    if sys.stdout is None:  # closed by whoever started this process
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    with _writing(sys.stdout):
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def tell(message: str) -> None:
    """Write lines to stderr, or do without where that cannot be written to."""
    if sys.stderr is not None:
        with contextlib.suppress(BrokenPipeError, CommandError), _writing(sys.stderr):
            sys.stderr.write(f"{printable(message)}\n")


def printable(text: str) -> str:
    """Text in which control characters are escaped: a file name must not steer a terminal."""
    return "".join(
        each if each == "\n" or unicodedata.category(each) not in ("Cc", "Cs") else ascii(each)[1:-1] for each in text
    )


class _Held:
    """Like stdout to whoever asks, but only holds what is written to it."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)

    def flush(self) -> None:
        """There is nothing to flush."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stdout, name)


def count(n: int, noun: str) -> str:
    """1 frame, 2 frames."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def by(sizes: Iterable[int]) -> str:
    """256 x 128."""
    return " x ".join(map(str, sizes))


def short(value: float | None) -> str:
    """Three digits; a dash where there is no number."""
    if not value:
        return "-" if value is None else "0"
    return f"{value:#.3g}".removesuffix(".")


def long(value: float) -> str:
    """Three digits of a length, without an exponent where it is large."""
    return short(value) if value < 1000 else f"{float(f'{value:.3g}'):.0f}"


def option_words(options: Mapping[str, Any]) -> str:
    """Options as they are written on the command line, between commas."""
    # What is given more than once has a list.
    each = [(name, part) for name, value in options.items() for part in (value if isinstance(value, list) else [value])]
    words = [(f"--{name.replace('_', '-')}", value) for name, value in each]
    return ", ".join(name if value is True else f"{name} {_word(value)}" for name, value in words)


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_word, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def _writing(stream: TextIO) -> Iterator[None]:
    try:
        yield
        stream.flush()
    except OSError as error:
        _give_up(stream)
        if isinstance(error, BrokenPipeError):
            raise
        raise CommandError(f"stdout cannot be written: {reason(error)}") from error


def _give_up(stream: TextIO) -> None:
    """Send what is still in a stream to nowhere: else Python tries again at its end, and complains.

    See https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    with contextlib.suppress(OSError, ValueError):  # a stream that is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
