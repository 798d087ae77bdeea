"""What runs on a worker: parts of a comparison, of files that it opens itself."""

from __future__ import annotations

import argparse
import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from spectral_losses.cli.compare.comparison import Comparison, prepare
from spectral_losses.cli.compare.measure import Part, Work, sums_of
from spectral_losses.cli.compare.pairs import open_pairs
from spectral_losses.cli.compare.sums import Sums
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import UserError


class Job(NamedTuple):
    """What all parts have in common.

    Attributes
    ----------
    run : str
        The same for all of one run of the command.
    args : Namespace
        Of the command, with whole paths.
    shapes : tuple of tuple of int
        Of all arrays, as the command sees them.
    work : Work
    """

    run: str
    args: argparse.Namespace
    shapes: tuple[tuple[int, ...], ...]
    work: Work


def part_of(job: Job, part: Part) -> Sums:
    """The sums of one part.

    Raises
    ------
    CommandError, FieldFileError
        As in one process; and a file that this worker cannot open.
    """
    with _opened(job) as comparisons:
        return sums_of(comparisons[job.work.which], job.work, part)


def job_of(job: Job) -> Job:
    """The job as a result, which workers hand to each other, and which is made again where one that has it dies."""
    return job


def close_files(run: str) -> None:
    """Close the files of a run that is over; a thread that is still at work closes its own."""
    with _lock:
        _over.add(run)
        idle = [key for key, each in _open.items() if key[0] == run and not each.busy]
        closed = [_open.pop(key) for key in idle]
    for each in closed:
        each.stack.close()


class _Files:
    """The files of a run that one thread has open."""

    def __init__(self, stack: contextlib.ExitStack, comparisons: list[Comparison]) -> None:
        self.stack, self.comparisons, self.busy = stack, comparisons, True


_open: dict[tuple[str, int], _Files] = {}
_over: set[str] = set()
_lock, _opening = threading.Lock(), threading.Lock()


@contextlib.contextmanager
def _opened(job: Job) -> Iterator[list[Comparison]]:
    """The comparisons of a run. Each thread opens the files once: readers of some formats are for one thread alone."""
    key = job.run, threading.get_ident()
    with _lock:
        found = _open.get(key)
        if found is not None:
            found.busy = True
    if found is None:
        found = _files(job)
        with _lock:
            _open[key] = found
    try:
        yield found.comparisons
    finally:
        with _lock:
            found.busy = False
            over = job.run in _over
            if over:
                del _open[key]
        if over:
            found.stack.close()


def _files(job: Job) -> _Files:
    # One thread at a time: headers take Python's parser, which two threads cannot use at once in Python 3.11.
    with _opening, contextlib.ExitStack() as stack:
        try:
            comparisons = [each for pair in open_pairs(job.args, stack) for each in prepare(job.args, pair)]
        except UserError as error:
            raise CommandError(f"worker {_address()}: {error}") from error
        shapes = tuple(each.layout.shape for each in comparisons)
        if shapes != job.shapes:
            raise CommandError(f"worker {_address()} sees other files: of shapes {shapes}, and not {job.shapes}")
        return _Files(stack.pop_all(), comparisons)


def _address() -> Any:
    from distributed import get_worker

    return get_worker().address
