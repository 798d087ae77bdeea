"""Losses of the mean squares of error and target in space: values and gradient in one pass over the fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from spectral_losses_backends.problem import Arrays, Problem

Array = Any

BLOCK = 1 << 21
"""Values of each field at a time, at least: 8 MiB of float32.

Nothing is made of them but the error, which is written once: it has to be in the cache that the cores share when it is
multiplied, not in that of one core, and a call for fewer values would cost more than that saves.
"""


def is_of_squares(problem: Problem, arrays: Arrays) -> bool:
    """Whether a problem is one of mean squares of error and target, of fields as they are."""
    plainly = problem.basis.sums == "points" and problem.needs == ("D", "T") and not problem.differenced
    alone = problem.rows.ranks is None
    return plainly and alone and arrays.y is not None and arrays.x.dtype == arrays.y.dtype


def evaluate(
    backend: Any, sums_backend: Any, problem: Problem, arrays: Arrays, weights: Sequence[float] | None = None
) -> tuple[list[Array], Array | None]:
    """The losses of a problem and, with weights, the gradient of their weighted sum, on a `blockwise.Backend`.

    ``sums_backend`` is the backend of what its `squares` returns, on which the losses are worked out.
    """
    points = math.prod(problem.basis.shape)
    x, y = arrays.x.reshape(-1, points), arrays.y.reshape(-1, points)  # type: ignore[union-attr]
    step = max(1, max(BLOCK, backend.chunk_size(x)) // points)
    gradient = None if weights is None else backend.empty_like(x)
    lead = backend.lead(problem, arrays.x)
    if step >= x.shape[0]:
        sums, guess = backend.squares(x, y, gradient), None
    else:
        sums, guess = _by_blocks(backend, x, y, gradient, step, _one_share(backend, problem, x, lead, weights))
    sums /= points
    means = sums.reshape(2, *lead, 1)
    tables = {"D": means[0], "T": means[1]}
    shares = None if weights is None else sums_backend.shares(problem, lead, means, weights)
    floors = sums_backend.floors(problem, arrays, tables)
    rows, slopes = sums_backend.rows_and_slopes(problem, tables, arrays.target_power, floors, shares)
    if gradient is not None:
        _finish(backend, x, y, gradient, slopes["D"].reshape(-1) * (2 / points), guess)
        gradient = gradient.reshape(arrays.x.shape)
    return sums_backend.reduced(problem, arrays, rows), gradient


def _by_blocks(
    backend: Any, x: Array, y: Array, gradient: Array | None, step: int, share: float | None
) -> tuple[Array, Array | None]:
    """Sums of squares, and what the errors in the gradient are multiplied with already, if they are.

    The gradient of a frame is its error times a number, which is known only after the last frame: a guard may be
    relative to all of them. While a frame is in the cache its error is multiplied with what the number of a relative
    error without a guard would be.
    """
    sums, guesses = [], []
    for start in range(0, x.shape[0], step):
        these = slice(start, start + step)
        part = None if gradient is None else gradient[these]
        sums.append(backend.squares(x[these], y[these], part))
        power = sums[-1][1]
        if share is not None and isinstance(power, np.ndarray):
            guesses.append(2 * share / np.maximum(power, 1e-30))  # of zeros it would be wrong anyway
            backend.stretch(part, guesses[-1])
    return backend.namespace(sums[0]).concat(sums, axis=1), np.concatenate(guesses) if guesses else None


def _finish(backend: Any, x: Array, y: Array, gradient: Array, factors: Array, guess: Array | None) -> None:
    """Multiply errors with their factors; those that were multiplied with something else are made anew."""
    if guess is None:
        backend.stretch(gradient, factors)
        return
    right = np.abs(factors - guess) <= 4 * np.finfo(guess.dtype).eps * np.abs(factors)
    if not right.all():  # NaN is wrong, too
        wrong = np.flatnonzero(~right)
        anew = x[wrong] - y[wrong]
        backend.stretch(anew, factors[wrong])
        gradient[wrong] = anew


def _one_share(
    backend: Any, problem: Problem, x: Array, lead: tuple[int, ...], weights: Sequence[float] | None
) -> float | None:
    """What each row counts, if a guess can be right: one loss, all rows alike, and a guard that rounding hides."""
    (objective, rows), precision = problem.terms[0], backend.namespace(x).finfo(x.dtype).eps
    if weights is None or len(weights) > 1 or rows.weights or rows.averaged or rows.summed:
        return None
    hidden = objective.floor is not None and objective.floor <= precision
    return rows.shares(lead, x, backend, weights[0]) if hidden else None
