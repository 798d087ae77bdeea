"""The sums of a comparison on the workers of a cluster of dask.distributed."""

from __future__ import annotations

import argparse
import contextlib
import copy
import logging
import os
import queue
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from secrets import token_hex
from typing import Any

from spectral_losses import __version__
from spectral_losses.cli.compare.checkpoint import FILES, Checkpoint
from spectral_losses.cli.compare.comparison import Comparison
from spectral_losses.cli.compare.measure import Advance, Part, Work
from spectral_losses.cli.compare.rounds import Total
from spectral_losses.cli.compare.sums import Sums, folded, merged
from spectral_losses.cli.compare.worker import Job, close_files, job_of, part_of
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.sources import absolute
from spectral_losses.errors import UserError, needed, reason

PATIENCE = 60.0  # seconds without any worker before this gives up
CONNECT = 10.0  # seconds to find the scheduler in
LOOK = 1.0  # seconds between two looks at the workers, where nothing happens

# One thread each. What distributed sets besides makes malloc give every array back at once, which takes time.
THREADS = {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}
VERSION = "__import__('spectral_losses').__version__"


@contextlib.contextmanager
def on_cluster(
    args: argparse.Namespace,
    comparisons: Sequence[Comparison],
    checkpoint: Checkpoint | None,
    advance: Advance,
) -> Iterator[Total]:
    """What computes sums of parts on ``--workers`` of this machine, or on those of ``--cluster``.

    Parameters
    ----------
    args : Namespace
    comparisons : sequence of Comparison
        One for each variable.
    checkpoint : Checkpoint or None
        Where parts may be done already, and are written by this process once they are.
    advance : callable
        Called with the number of fields done.

    Raises
    ------
    CommandError
        No scheduler, or no worker; one that lacks this library or a file; workers that die again and again. What
        `sums_of` raises comes as it does in one process.
    """
    distributed: Any = needed("distributed", "--workers" if args.cluster is None else "--cluster", "cluster")
    with _quiet(), _client(distributed, args) as client:
        run = _Run(client, distributed, args, comparisons, checkpoint, advance)
        run.check_workers()
        try:
            yield run.total
        finally:
            with contextlib.suppress(Exception):  # workers that are gone have nothing open
                client.run(close_files, run.name, on_error="ignore")


class _Run:
    """One run of the command on a cluster."""

    def __init__(
        self,
        client: Any,
        distributed: Any,
        args: argparse.Namespace,
        comparisons: Sequence[Comparison],
        checkpoint: Checkpoint | None,
        advance: Advance,
    ) -> None:
        self.client, self.distributed = client, distributed
        self.name = token_hex(16)
        self.comparisons, self.checkpoint, self.advance = comparisons, checkpoint, advance
        self.option = f"--workers {args.workers}" if args.cluster is None else f"--cluster {args.cluster}"
        given = {name: value for name in FILES if (value := getattr(args, name)) is not None}
        texts = [text for value in given.values() for text in (value if isinstance(value, list) else [value])]
        self.paths = {absolute(text): text for text in texts}
        self.args = copy.copy(args)
        for name, value in given.items():
            whole = [absolute(text) for text in value] if isinstance(value, list) else absolute(value)
            setattr(self.args, name, whole)
        del self.args.run

    def check_workers(self) -> None:
        """Wait for a worker, and refuse those that lack the library or have another version of it."""
        lonely = time.monotonic()
        while not self._workers():
            if time.monotonic() - lonely > PATIENCE:
                raise CommandError(f"{self.option}: there is no worker")
            time.sleep(LOOK / 10)
        # By an expression, because a function of this library could not be read where that is not installed.
        for worker, version in self.client.run(eval, VERSION, on_error="return").items():
            if isinstance(version, Exception):
                raise CommandError(f"{self.option}: worker {worker} cannot import spectral_losses: {version}")
            if version != __version__:
                raise CommandError(
                    f"{self.option}: worker {worker} has version {version} of spectral-losses, and this is "
                    f"{__version__}"
                )

    def total(self, work: Work, parts: Sequence[Part]) -> Sums:
        """Sums of parts, merged on the workers; only what is at the root of the tree comes here."""
        comparison = self.comparisons[work.which]
        shapes = tuple(each.layout.shape for each in self.comparisons)
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        waiting: dict[str, tuple[int, Any]] = {}
        job = self._submit(
            job_of, Job(self.name, self.args, shapes, work), key=f"job-{self.name}-{work.which}-{work.round}"
        )

        def leaf(item: tuple[int, Part]) -> Any:
            number, part = item
            found = None if self.checkpoint is None else self.checkpoint.load(work, part)
            if found is not None:
                self.advance(part.elements * comparison.fields_of_element)
                return found
            # The scheduler takes what has the same words at its beginning for tasks of one kind, and spreads these.
            key = f"part-{self.name}-{work.which}-{work.round}-{part.start}"
            future = self._submit(part_of, job, part, key=key)
            waiting[key] = number, future
            future.add_done_callback(done.put)
            return future

        def merge(children: list[Any]) -> Any:
            if all(isinstance(each, Sums) for each in children):
                return merged(children)
            # Before parts that have not begun, so that few sums wait for their neighbours.
            return self._submit(merged, children, key=f"merged-{token_hex(16)}", priority=1)

        root = folded(list(enumerate(parts)), leaf, merge)
        if isinstance(root, Sums):
            return root
        failed: list[tuple[int, BaseException]] = []
        while waiting:
            future = self._next(done)
            number, _ = waiting.pop(future.key, (-1, None))
            if number < 0:
                continue  # one that was given up
            if future.status != "finished":
                failed.append((number, self._problem(future)))
                # Those before it may fail as well, and the first one is what one process would have met.
                waiting = {key: each for key, each in waiting.items() if each[0] < number}
            elif not failed:
                if self.checkpoint is not None:
                    self.checkpoint.save(work, parts[number], self._result(future, done))
                self.advance(parts[number].elements * comparison.fields_of_element)
        if failed:
            raise min(failed, key=lambda each: each[0])[1]
        return self._result(root, done)

    def _submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return self.client.submit(function, *arguments, pure=False, **options)

    def _result(self, future: Any, done: queue.SimpleQueue[Any]) -> Sums:
        """What a future holds; a worker that had it may have died, and another one make it again."""
        future.add_done_callback(done.put)
        kept = []
        while not future.done():
            each = self._next(done)
            kept += [each] if each.key != future.key else []
        for each in kept:
            done.put(each)
        try:
            found: Sums = future.result(timeout=PATIENCE)
        except Exception as error:
            raise self._said(error) from error
        return found

    def _next(self, done: queue.SimpleQueue[Any]) -> Any:
        """The next future that is done, as long as there is a worker."""
        lonely = None
        while True:
            with contextlib.suppress(queue.Empty):
                return done.get(timeout=LOOK)
            if self._workers():
                lonely = None
            elif lonely is None:
                lonely = time.monotonic()
            elif time.monotonic() - lonely > PATIENCE:
                raise CommandError(f"{self.option}: no worker is left")

    def _workers(self) -> int:
        try:
            return len(self.client.nthreads())
        except Exception as error:
            raise CommandError(f"{self.option}: the scheduler is gone: {reason(error)}") from error

    def _problem(self, future: Any) -> BaseException:
        if future.status != "error":
            return CommandError(f"{self.option}: the scheduler is gone, or has given up parts")
        return self._said(future.exception())

    def _said(self, error: BaseException) -> BaseException:
        """An error of a worker as this process would have it."""
        if isinstance(error, UserError):
            text = str(error)
            for path, given in self.paths.items():
                text = text.replace(path, given)
            return type(error)(text)
        if isinstance(error, self.distributed.KilledWorker):
            return CommandError(
                f"{self.option}: {error.allowed_failures + 1} workers died one after another of the same part, perhaps "
                f"for lack of memory; the last one was {error.last_worker.address}"
            )
        if isinstance(error, ModuleNotFoundError):
            return CommandError(f"{self.option}: a worker lacks a package: {error}")
        if isinstance(error, OSError | TimeoutError | self.distributed.CancelledError):
            return CommandError(f"{self.option}: {reason(error) if isinstance(error, Exception) else error}")
        return error


@contextlib.contextmanager
def _client(distributed: Any, args: argparse.Namespace) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:
        if args.cluster is None:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="spectral-losses-", ignore_cleanup_errors=True)
            )
            with (
                _deaf(),
                needed("dask", "--workers", "cluster").config.set({"distributed.nanny.pre-spawn-environ": THREADS}),
            ):
                cluster = distributed.LocalCluster(
                    n_workers=args.workers,
                    threads_per_worker=1,
                    memory_limit=0,  # as in one process; limits would stop workers and kill them
                    dashboard_address="127.0.0.1:0",  # any port, and no page on it
                    scheduler_kwargs={"dashboard": False},
                    local_directory=folder,
                    silence_logs=logging.CRITICAL,
                )
            where = {"address": stack.enter_context(cluster)}
        elif os.path.exists(args.cluster):
            where = {"scheduler_file": args.cluster}
        else:
            where = {"address": args.cluster}
        try:
            client = distributed.Client(**where, timeout=CONNECT, set_as_default=False)
        except Exception as error:  # as many as there are protocols
            raise CommandError(f"--cluster {args.cluster}: no scheduler answers there: {reason(error)}") from error
        yield stack.enter_context(client)


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Threads and processes that are started here, and by these later on, hear nothing of Ctrl-C.

    A terminal sends it to all processes; this one ends the workers, which would die with a traceback each.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which unblocks the signal where it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what distributed logs and warns of: what matters of that is raised here, in one line."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(distributed|tornado|dask)\b")
            yield
    finally:
        logging.disable(before)
