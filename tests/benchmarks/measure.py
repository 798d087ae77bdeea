"""A group of candidates on one problem."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from candidates import COMPILED, Candidate
from cases import Case, Problem
from timing import Failure, Result, Timing, interleaved, reason


class Effort(NamedTuple):
    """How often each candidate is called at most, and for how many seconds in one group."""

    rounds: int
    seconds: float


class Measured(NamedTuple):
    """Results of one group by the candidates' labels; the list holds the candidates in their order."""

    case: Case
    candidates: list[Candidate]
    results: dict[str, Result]

    def time(self, role: str, framework: str) -> float | None:
        """Median seconds of the first candidate of a role, if it has any."""
        for candidate in self.candidates:
            result = self.results[candidate.label]
            if (candidate.role, candidate.framework) == (role, framework) and isinstance(result, Timing):
                return result.median
        return None

    def relative(self, candidate: Candidate, role: str) -> float | None:
        """Its time over that of a role in the same framework."""
        # What is compiled does the same transforms as what is not.
        framework = "PyTorch" if role == "bare" and candidate.framework == COMPILED else candidate.framework
        result, other = self.results[candidate.label], self.time(role, framework)
        return result.median / other if isinstance(result, Timing) and other else None


def group(candidates: Sequence[Candidate], problem: Problem, effort: Effort) -> Measured:
    """Make all candidates and time those of each framework in turn; what cannot be made is listed with the reason.

    The frameworks follow one another: each has its own threads, which wait busily for a while after their work, and
    would take cores from the next.
    """
    with progress(f"{problem.case.label}{', with gradient' if problem.backward else ''}, {problem.device}"):
        candidates = [c for c in candidates if c.runs_on(problem.device)]
        if problem.case.compiled and "torch" in sys.modules:
            sys.modules["torch"].compiler.reset()  # or the shapes before count towards a limit
        results: dict[str, Result] = {}
        for framework in dict.fromkeys(threads_of(c) for c in candidates):
            results |= in_turn([c for c in candidates if threads_of(c) == framework], problem, effort)
        return Measured(problem.case, candidates, {c.label: results[c.label] for c in candidates})


def threads_of(candidate: Candidate) -> str:
    """Whose threads it works with; what is compiled is set against what is not, and so timed beside it."""
    return candidate.framework.removesuffix(", compiled")


def in_turn(candidates: Sequence[Candidate], problem: Problem, effort: Effort) -> dict[str, Result]:
    """Make and time the candidates of one framework."""
    functions: dict[str, Callable[[], object]] = {}
    failed: dict[str, Result] = {}
    for candidate in candidates:
        try:
            if refused := candidate.refuses(problem.case):
                failed[candidate.label] = Failure(refused)
            else:
                functions[candidate.label] = candidate.make(problem)
        except Exception as error:
            failed[candidate.label] = Failure(reason(error))
    return failed | interleaved(functions, effort.rounds, effort.seconds)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """A line on stderr for what takes long."""
    print(f"{what} ...", end=" ", file=sys.stderr, flush=True)
    start = time.perf_counter()
    yield
    print(f"{time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
