"""Times of functions that are called in turn."""

from __future__ import annotations

import gc
import random
import re
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

LEAST = 2


@dataclass(frozen=True)
class Timing:
    """Median and quartiles in seconds, of ``calls`` calls."""

    median: float
    low: float
    high: float
    calls: int


class Failure(NamedTuple):
    """Why there is no time."""

    reason: str


Result = Timing | Failure


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    rounds: int,
    seconds: float,
    timed: Callable[[Callable[[], object]], float] | None = None,
) -> dict[str, Result]:
    """Time each function in each of `rounds`, in another order every time; what raises is left out from then on.

    ``timed`` returns the seconds of one call; by default it is `clock`.

    One that takes more than `seconds` in all is called in fewer rounds, evenly spread, and at least `LEAST` times.
    """
    samples: dict[str, list[float]] = {name: [] for name in functions}
    failed: dict[str, Result] = {}
    order, shuffled = list(functions), random.Random(0)
    turns = chain([None], range(rounds), [rounds] * LEAST)  # None: to compile, load code, build constants
    gc.collect()
    gc.disable()
    try:
        for turn in turns:
            shuffled.shuffle(order)
            for name in order:
                if name in failed or (turn is not None and not due(samples[name], turn, rounds, seconds)):
                    continue
                try:
                    took = (timed or clock)(functions[name])
                except Exception as error:
                    failed[name] = Failure(reason(error))
                    continue
                if turn is not None:
                    samples[name].append(took)
    finally:
        gc.enable()
    return {name: failed[name] if name in failed else summary(samples[name]) for name in functions}


def due(samples: list[float], turn: int, rounds: int, seconds: float) -> bool:
    """Whether what it took so far leaves time for a call now; after the last round, whether it has too few."""
    return len(samples) < LEAST if turn == rounds else sum(samples) <= seconds * turn / rounds


def clock(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def of_this_thread(function: Callable[[], object]) -> float:
    """Seconds that this thread has worked in one call: what others do on the machine hardly changes them."""
    start = time.thread_time()
    function()
    return time.thread_time() - start


def summary(seconds: list[float]) -> Timing:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high, len(seconds))


def reason(error: BaseException) -> str:
    """What went wrong, in one short line."""
    if isinstance(error, ModuleNotFoundError):
        return f"not installed: {error.name}"
    lines = re.sub(r"(?:/[\w.+-]+){2,}", "...", str(error)).strip().splitlines()  # no paths of one machine
    said = " ".join(lines[0].split()) if lines else ""
    said = said if len(said) <= 60 else said[:57].rstrip() + "..."
    return f"raises {type(error).__name__}" + (f": {said}" if said else "")
