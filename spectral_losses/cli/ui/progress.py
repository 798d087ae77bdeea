"""A progress bar on stderr, where somebody watches and it takes long enough."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0  # seconds before a bar appears


@contextlib.contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yield a function to be called with the amount of work just done.

    Nothing is shown unless stderr is a terminal and rich is installed.
    """
    if not sys.stderr.isatty():
        yield lambda amount: None
        return
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ModuleNotFoundError:
        yield lambda amount: None
        return
    started = time.monotonic()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=total)

    def advance(amount: int) -> None:
        bar.advance(task, amount)
        if time.monotonic() - started > PATIENCE:
            bar.start()  # which does nothing the second time

    try:
        yield advance
    finally:
        bar.stop()
