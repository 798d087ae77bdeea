"""The discrete cosine transform against SciPy's and sums by hand, and the shells over its wavenumbers."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs
from hypothesis import given
from hypothesis import strategies as st

from spectral_losses.testing import spatial_shapes
from spectral_losses.transforms.cosines import Cosines
from spectral_losses.transforms.modes import Modes
from spectral_losses.transforms.partitions import Sectors
from spectral_losses.transforms.plane import Plane
from spectral_losses.transforms.weighed import Weighed
from spectral_losses_backends.layouts import Folding, Gathering, Scattering
from spectral_losses_backends.numpy import backend as numpy_backend
from spectral_losses_backends.registry import backend_of

SHAPES = [(9,), (7, 6), (4, 3, 5)]  # sizes of all kinds are tested in NumPy


def by_hand(x: Any, ndim: int) -> Any:
    """Sums over cosines, axis by axis."""
    for axis in range(-ndim, 0):
        n = x.shape[axis]
        waves = np.cos(np.pi * np.outer(np.arange(n), np.arange(n) + 0.5) / n) * np.sqrt(2)
        waves[0] = 1
        x = np.moveaxis(np.tensordot(waves, np.moveaxis(x, axis, 0), axes=1), 0, axis)
    return x


@pytest.mark.parametrize("shape", SHAPES)
def test_modes_are_sums_over_cosines_everywhere(framework: Framework, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(3, *shape))
    cosines, expected = Cosines(shape), by_hand(x, len(shape))
    given = framework.asarray(x)
    backend = backend_of(given, "x")
    forward = framework.compiled(lambda x: cosines.forward(x, backend))
    adjoint = framework.compiled(lambda x: cosines.adjoint(x, backend))
    modes = forward(given)
    np.testing.assert_allclose(framework.to_numpy(modes), expected, rtol=0, atol=1e-12 * abs(expected).max())
    # An orthogonal transform goes back by its transpose.
    back = adjoint(framework.asarray(expected))
    np.testing.assert_allclose(framework.to_numpy(back), x * math.prod(shape), rtol=0, atol=1e-11 * math.prod(shape))
    single = forward(framework.cast(given, "float32"))
    assert single.dtype == framework.cast(given, "float32").dtype
    np.testing.assert_allclose(framework.to_numpy(single), expected, rtol=0, atol=1e-6 * abs(expected).max())


@needs("scipy")
@given(spatial_shapes(), st.integers(0, 2**32 - 1))
def test_modes_are_those_of_scipy(shape: tuple[int, ...], seed: int) -> None:
    from scipy.fft import dctn

    x = np.random.default_rng(seed).normal(size=(2, *shape))
    expected = dctn(x, type=2, norm="ortho", axes=tuple(range(-len(shape), 0))) * math.sqrt(math.prod(shape))
    found = Cosines(shape).forward(x, numpy_backend)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * abs(expected).max())
    back = Cosines(shape).adjoint(found, numpy_backend) / math.prod(shape)
    np.testing.assert_allclose(back, x, rtol=0, atol=1e-12 * abs(x).max())


@given(spatial_shapes())
def test_unit_shells_in_exact_arithmetic(shape: tuple[int, ...]) -> None:
    """Mode m has the wavenumber m / 2; a shell around each, (m - 1/2, m + 1/2] halves, up to the shortest axis's."""
    plane = Plane(shape, transform="dct")
    squares = [sum(m * m for m in mode) for mode in itertools.product(*map(range, shape))]
    edges = [Fraction(2 * m + 1, 2) for m in range(min(shape))]
    expected = [sum(lo**2 < k2 <= hi**2 for k2 in squares) for lo, hi in itertools.pairwise(edges)]
    assert list(plane.counts()) == expected
    assert list(plane.centres()) == [m / 2 for m in range(1, min(shape))]
    assert plane.all_counts()[0] == 1  # the mean
    assert plane.all_counts().sum() == math.prod(shape)


def test_shells_in_physical_units() -> None:
    """Those of the coarsest step pi / L, up to where the axis that ends first does."""
    plane = Plane((8, 20), (1.0, 4.0), transform="dct")
    np.testing.assert_allclose(plane.centres(), np.pi * np.arange(1, 5))  # 19 / 4 steps along the second axis
    np.testing.assert_allclose(plane.edges(), np.pi * (np.arange(5) + 0.5))
    with pytest.raises(ValueError, match=r"spatial axis 1 of 2 has 4 points, too few .* it takes at least 5"):
        Plane((8, 4), (1.0, 4.0), transform="dct").counts()
    assert list(Plane((8, 5), (1.0, 4.0), transform="dct").counts()) == [7]  # 3 and 4 quarters, and 1 beside 0 to 4


@pytest.mark.parametrize("shape", [(64,), (32, 48), (12, 16, 14)])
def test_shells_hold_as_many_modes_as_they_should(shape: tuple[int, ...]) -> None:
    """As with Fourier modes there is one for each cell of wavenumber space, so that densities can be compared."""
    lengths = tuple(0.5 * n for n in shape)
    for shells in ("unit", "log"):
        cosines, fourier = (Plane(shape, lengths, shells, transform) for transform in ("dct", "fft"))
        for plane in (cosines, fourier):
            # The orthant has its faces whole, which counts while shells are small; a thin one holds few.
            inside = np.sum(plane.counts()) / np.sum(plane.counts() * plane.fill())
            assert inside == pytest.approx(1, abs=0.25)
        assert cosines.scale() == pytest.approx(math.prod(shape) ** 2 * cosines.measure() / cosines.counts())


def test_bins_that_know_directions() -> None:
    with pytest.raises(ValueError, match='Sectors need directions, which the cosines of transform="dct" have not'):
        Plane((8, 8), None, Sectors(4), "dct").counts()


@given(spatial_shapes(largest=12), st.integers(0, 2**32 - 1))
def test_all_ways_to_sum_over_bins_sum_the_same_modes(shape: tuple[int, ...], seed: int) -> None:
    plane = Plane(shape, transform="dct")
    values, index = np.random.default_rng(seed).random(shape), plane.bin_index()
    expected = np.bincount(index.ravel(), values.ravel(), minlength=plane.bins())
    np.testing.assert_allclose(numpy_backend.bin_sum(values.copy(), plane), expected, rtol=1e-12, atol=1e-13)
    sums = np.bincount(Scattering(plane).scatter_index(), values.ravel(), minlength=8 * plane.bins())
    np.testing.assert_allclose(sums.reshape(8, -1).sum(0), expected, rtol=1e-12, atol=1e-13)
    assert not sums.reshape(8, -1)[:4].any()  # none counts twice
    assert (Gathering(plane).multiplicity() == 1).all()
    assert sorted(Folding(plane).order().tolist()) == list(range(Folding(plane).order().size))


def test_bases_of_two_transforms_are_told_apart() -> None:
    shape = (4, 6)
    for kind in (Plane, Modes):
        assert kind(shape) != kind(shape, transform="dct")
    assert Weighed(shape, None) != Weighed(shape, None, "dct")
    assert Cosines(shape) != Plane(shape).waves
    assert (Modes(shape, "dct").repeats() == 1).all()
    assert not Modes(shape, "dct").sign().any()
    assert Modes(shape, "dct").bins() == 24
