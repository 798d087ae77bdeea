"""Shells of a grid against exact arithmetic, and the two ways to sum over them."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_losses.testing import spatial_shapes
from spectral_losses.transforms.plane import Plane
from spectral_losses_backends.layouts import ACCUMULATORS, Gathering, Scattering


def _modes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Signed mode numbers of the full plane, in the order of fftn."""
    axes = [[i if i <= (n - 1) // 2 else i - n for i in range(n)] for n in shape]
    return list(itertools.product(*axes))


@given(spatial_shapes())
def test_unit_shells_in_exact_arithmetic(shape: tuple[int, ...]) -> None:
    grid = Plane(shape)
    expected = Counter(
        next(b for b in itertools.count() if Fraction(2 * b + 1, 2) ** 2 >= sum(i * i for i in mode)) - 1
        for mode in _modes(shape)
    )
    top = min(shape) // 2
    assert list(grid.counts()) == [expected[b] for b in range(top)]
    assert list(grid.centres()) == list(range(1, top + 1))


@given(spatial_shapes(), st.lists(st.integers(1, 4), min_size=3, max_size=3), st.floats(0.01, 100))
def test_ties_in_physical_units_go_to_the_lower_shell(shape: tuple[int, ...], ratios: list[int], unit: float) -> None:
    """Boxes in whole ratios put modes exactly on edges, (lo, hi], whatever the rounding of 2 pi / L."""
    ratio = ratios[: len(shape)]
    grid = Plane(shape, tuple(unit * r for r in ratio))
    least = min(ratio)
    steps = [Fraction(least, r) for r in ratio]  # in units of the widest step
    top = min(math.floor(Fraction(n, 2) * s) for n, s in zip(shape, steps, strict=True))
    if top < 1:
        return
    squares = [sum((s * i) ** 2 for s, i in zip(steps, mode, strict=True)) for mode in _modes(shape)]
    edges = [Fraction(2 * m + 1, 2) for m in range(top + 1)]
    expected = [sum(lo**2 < k2 <= hi**2 for k2 in squares) for lo, hi in itertools.pairwise(edges)]
    assert list(grid.counts()) == expected


@given(spatial_shapes(largest=20))
def test_scattering_and_gathering_sum_the_same_modes(shape: tuple[int, ...]) -> None:
    plane = Plane(shape)
    bins = plane.bins()
    half = (*shape[:-1], shape[-1] // 2 + 1)
    values = np.random.default_rng(0).random(math.prod(half))
    index = Scattering(plane).scatter_index()
    sums = np.bincount(index, values, 2 * ACCUMULATORS * bins).reshape(2, ACCUMULATORS, bins).sum(1)
    scattered = 2 * sums[0] + sums[1]
    layout = Gathering(plane)
    tables = layout.tables()
    level = values
    for height, table in enumerate(tables):
        level = np.append(level, 0.0)[table].sum(-1) * (layout.multiplicity() if height == 0 else 1)
    np.testing.assert_allclose(level, scattered, atol=1e-15)
    picked = tables[0][tables[0] < values.size]
    assert len(np.unique(picked)) == len(picked) == values.size  # a complete partition
    # No table is larger than what it sums by more than a row per bin and multiplicity.
    assert tables[0].size <= values.size + 2 * bins * tables[0].shape[1]


def test_many_levels() -> None:
    layout = Gathering(Plane((64, 64, 64), None, (0.5, 31.5)))
    assert len(layout.tables()) == 3
    assert layout.tables()[-1].shape[0] == 3


def test_the_least_nyquist_wavenumber_has_a_shell_in_spite_of_rounding() -> None:
    assert len(Plane((79, 48), (0.1, 0.1)).counts()) == 24


@pytest.mark.parametrize("shells", [10**9, ("log", 10**9), 10**30])
def test_more_shells_than_modes_take_no_memory(shells: Any) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bins: one of 10+ shells at least holds no mode of the 8x6 grid.* 48 modes"):
        Plane((8, 6), None, shells).counts()
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_edges_on_whole_numbers_take_their_upper_end() -> None:
    assert list(Plane((8, 8), None, (0.0, 1.0, 2.0)).counts()) == [4, 8]
