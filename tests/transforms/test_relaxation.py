"""The fill of masked points: against itself written with loops, what it keeps, and what it comes near to."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_losses.transforms.quadrature import colatitudes
from spectral_losses.transforms.relaxation import SWEEPS, Relaxation
from spectral_losses_backends.numpy import backend


def by_loops(x: Any, valid: Any, edges: bool) -> Any:
    """Point by point; a grid that is periodic, or ends."""
    shape = x.shape
    if max(shape) == 1:
        return x.copy()
    small = tuple((n + 1) // 2 for n in shape)
    means, some = np.zeros(small), np.zeros(small, dtype=bool)
    for cell in np.ndindex(*small):
        inside = [range(2 * i, min(2 * i + 2, n)) for i, n in zip(cell, shape, strict=True)]
        points = [point for point in itertools.product(*inside) if valid[point]]
        some[cell] = bool(points)
        means[cell] = np.mean([x[point] for point in points]) if points else 0.0

    def beside(i: int, n: int) -> int:
        return min(max(i, 0), n - 1) if edges else i % n

    coarse = by_loops(means, some, edges)
    filled = x.copy()
    for point in np.ndindex(*shape):
        if not valid[point]:
            filled[point] = coarse[tuple(i // 2 for i in point)]
    for _ in range(SWEEPS):
        before = filled.copy()
        for point in np.ndindex(*shape):
            if not valid[point]:
                around = [
                    before[(*point[:axis], beside(point[axis] + step, n), *point[axis + 1 :])]
                    for axis, n in enumerate(shape)
                    if n > 1
                    for step in (1, -1)
                ]
                filled[point] = np.mean(around)
    return filled


@st.composite
def masked_fields(draw: Any) -> tuple[Any, Any]:
    shape = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3).filter(lambda s: max(s) > 1 and np.prod(s) < 200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    valid = rng.random(shape) < draw(st.sampled_from([0.05, 0.3, 0.7, 1.0]))
    valid.flat[rng.integers(valid.size)] = True
    return rng.normal(size=shape), valid


@given(masked_fields(), st.booleans())
def test_it_is_that_of_loops_and_linear_between_the_valid_points(problem: tuple[Any, Any], edges: bool) -> None:
    x, valid = problem
    fill = Relaxation(x.shape, edges=edges)

    def filled(z: Any) -> Any:
        return fill.apply(backend, np.where(valid, z, 0.0), valid)

    found = filled(x)
    np.testing.assert_allclose(found, by_loops(np.where(valid, x, 0.0), valid, edges), rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found[valid], x[valid])
    assert found.min() >= x[valid].min() - 1e-12
    assert found.max() <= x[valid].max() + 1e-12
    other = np.sin(x) + 3
    np.testing.assert_allclose(filled(2 * x - other), 2 * found - filled(other), rtol=1e-12, atol=1e-11)


def test_it_comes_near_the_harmonic_fill() -> None:
    """Of a hole in a smooth field, of which relaxation to the end is the solution of Laplace's equation."""
    n, x = 48, 2 * np.pi * np.arange(48) / 48
    field = np.sin(x)[:, None] + np.cos(x + 1)
    valid = np.hypot(np.arange(n)[:, None] - 20, np.arange(n) - 25) > 10
    seen = np.where(valid, field, 0.0)
    found = Relaxation((n, n)).apply(backend, seen, valid)
    exact = found
    for _ in range(2000):
        exact = np.where(valid, field, sum(np.roll(exact, s, a) for s in (1, -1) for a in (0, 1)) / 4)
    mean = np.full_like(field, field[valid].mean())
    far, near = (np.sqrt(np.mean((z - exact)[~valid] ** 2)) for z in (mean, found))
    assert near < 0.1 * far


@pytest.mark.parametrize("grid", ["gauss", "equiangular", "cells"])
@pytest.mark.parametrize("order", [0, 1, 3])
def test_on_the_sphere_harmonic_functions_are_the_mean_of_their_neighbours(grid: str, order: int) -> None:
    """But for the poles, ``tan(theta / 2)**m cos(m phi)`` solves Laplace's equation; for m = 0 its logarithm does."""

    def residual(rows: int) -> float:
        angle, around = colatitudes(grid, rows)[:, None], 2 * np.pi * np.arange(2 * rows) / (2 * rows)
        tangent = np.tan(np.clip(angle, 1e-3, np.pi - 1e-3) / 2)
        field = tangent**order * np.cos(order * around) if order else np.log(tangent) + 0 * around
        mean = Relaxation((rows, 2 * rows), grid, rows)._around(field, [-2, -1], backend)
        middle = (angle[:, 0] > 0.8) & (angle[:, 0] < 2.2)
        return float(abs(mean - field)[middle].max() / abs(field)[middle].max())

    coarse, fine = residual(24), residual(48)
    assert coarse < 2e-2
    assert fine < coarse / 6  # fourth order: the square of the spacing, twice


@pytest.mark.parametrize("grid", ["gauss", "equiangular", "cells"])
def test_on_the_sphere_it_keeps_the_range_on_every_level(grid: str) -> None:
    rng = np.random.default_rng(0)
    for shape in ((2, 4), (7, 13), (16, 32)):
        x, valid = rng.random((3, *shape)) + 1, rng.random((3, *shape)) < 0.2
        valid[:, 0, 0] = True
        found = Relaxation(shape, grid, shape[0]).apply(backend, np.where(valid, x, 0.0), valid)
        np.testing.assert_array_equal(found[valid], x[valid])
        for each, inside, of in zip(found, valid, x, strict=True):
            assert of[inside].min() - 1e-12 <= each.min() <= each.max() <= of[inside].max() + 1e-12
    # The one before the first latitude is across the pole: nothing of it counts.
    south = np.zeros((8, 16))
    south[-1] = 1.0
    assert not Relaxation((8, 16), grid, 8)._around(south, [-2, -1], backend)[0].any()
