"""Spherical harmonics of a grid against their definition, the transpose, and the bins of degrees."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_losses.transforms.legendre import _by_degree, analysis_tables, blocks_of
from spectral_losses.transforms.quadrature import GRIDS, area_weights, colatitudes
from spectral_losses.transforms.sphere import Harmonics, Sphere
from spectral_losses_backends.base import backend as standard
from spectral_losses_backends.numpy import backend as numpy_backend

SHAPES = st.tuples(st.integers(4, 24), st.integers(4, 30))
SPHERES = st.builds(Sphere, st.sampled_from(GRIDS))


def legendre(degree: int, order: int, angle: Any) -> Any:
    """The function of mean square 1, as textbooks have it: a derivative of a Legendre polynomial."""
    x = np.cos(angle)
    polynomial = np.polynomial.legendre.Legendre.basis(degree)
    values = (polynomial.deriv(order) if order else polynomial)(x) * np.sin(angle) ** order
    size = (2 * degree + 1) * math.factorial(degree - order) / math.factorial(degree + order)
    return math.sqrt(size) * values


def coefficients(x: Any, basis: Harmonics) -> dict[tuple[int, int], Any]:
    """By their definition: a weighted sum over points for each degree and order."""
    latitudes, longitudes = basis.shape
    weights, angle = area_weights(basis.grid, latitudes), colatitudes(basis.grid, latitudes)
    around = np.arange(longitudes) * 2 * np.pi / longitudes
    return {
        (degree, m): np.einsum("j,...jk,k", weights * legendre(degree, m, angle), x, np.exp(-1j * m * around))
        / longitudes
        for degree in range(basis.highest + 1)
        for m in range(min(degree, (longitudes - 1) // 2) + 1)
    }


@settings(max_examples=20, deadline=None)
@given(SPHERES, SHAPES, st.integers(0, 2**32 - 1))
def test_powers_and_the_transpose_by_their_definition(sphere: Sphere, shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, basis = rng.normal(size=(2, *shape)), sphere.basis(shape, "unit")
    expected = np.zeros((2, basis.bins()))
    for (degree, m), c in coefficients(x, basis).items():
        expected[:, degree] += (2 if m else 1) * np.abs(c) ** 2
    np.testing.assert_allclose(numpy_backend.power(x, basis), expected, rtol=1e-11, atol=1e-13)
    modes = numpy_backend.forward(x, basis)
    assert modes.shape == (2, 1, basis.bin_index().shape[-1])
    other = rng.normal(size=modes.shape) + 1j * rng.normal(size=modes.shape)
    product = np.sum(basis.multiplicity() * (modes * other.conj()).real)
    assert np.sum(x * numpy_backend.adjoint(other.copy(), basis)) == pytest.approx(product, rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(standard.forward(x, basis), modes, rtol=0, atol=1e-12)
    np.testing.assert_allclose(standard.adjoint(other, basis), numpy_backend.adjoint(other, basis), rtol=0, atol=1e-11)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("latitudes", [90, 91])
def test_functions_are_orthonormal(grid: str, latitudes: int) -> None:
    """In several blocks of orders, and up to the degree to which sums are exact."""
    highest = latitudes - 1 if grid == "gauss" else (latitudes - 1) // 2
    tables = analysis_tables(grid, latitudes, highest, highest + 1)
    weights = area_weights(grid, latitudes)[: (latitudes + 1) // 2]
    blocks = blocks_of(highest, highest + 1)
    assert len(blocks) > 3
    seen = 0
    for block, table in zip(blocks, tables, strict=True):
        functions = table / weights  # half as large at an equator
        degrees = block.degrees()
        for column in range(table.shape[0]):
            real = degrees[:, column] <= highest
            seen += real.sum()
            assert not table[column, ~real].any()
            products = 2 * functions[column] @ table[column].T
            if latitudes % 2:  # where half a value squared is a quarter of what half a weight would make
                products += 2 * np.outer(functions[column][:, -1], table[column][:, -1])
            np.testing.assert_allclose(products[np.ix_(real, real)], np.eye(real.sum()), rtol=0, atol=1e-12)
    assert seen == (highest + 1) * (highest + 2) // 2


def test_the_recursion_is_stable() -> None:
    """The sum of squares over all orders is ``2 l + 1`` everywhere, next to a pole too."""
    angle = np.radians([0.0, 0.01, 0.25, 1.0, 30.0, 60.0, 89.9, 90.0])
    for degree, functions in enumerate(_by_degree(angle, 720, 721)):
        if degree in (1, 10, 360, 719, 720):
            squares = np.sum(np.where(np.arange(721) == 0, 1, 2)[:, None] * functions**2, axis=0)
            np.testing.assert_allclose(squares, 2 * degree + 1, rtol=1e-10)


@settings(max_examples=20, deadline=None)
@given(SPHERES, SHAPES, st.sampled_from(["unit", "log", 2, ("log", 2), (0.5, 1.5), (0.0, 1.0, 2.5)]))
def test_degrees_and_their_bins(sphere: Sphere, shape: tuple[int, int], shells: Any) -> None:
    highest = sphere.basis(shape, "unit").highest
    if highest < 3:
        return
    basis = sphere.basis(shape, shells)
    edges, counts = basis.edges(), np.zeros(basis.bins())
    for degree in range(highest + 1):
        inside = np.flatnonzero((edges[:-1] < degree) & (degree <= edges[1:]))
        counts[inside[0] + 1 if inside.size else 0 if degree <= edges[0] else -1] += 2 * degree + 1
    np.testing.assert_array_equal(basis.all_counts(), counts)
    np.testing.assert_array_equal(basis.counts(), counts[1:-1])
    assert basis.reported() == basis.magnitudes().shape == basis.scale().shape == (basis.bins() - 2,)
    if shells == "unit":
        np.testing.assert_array_equal(basis.centres(), np.arange(1, highest + 1))
        np.testing.assert_array_equal(basis.counts(), 2 * basis.centres() + 1)


@pytest.mark.parametrize(
    ("sphere", "shape", "highest"),
    [
        (Sphere("gauss"), (16, 64), 15),
        (Sphere("gauss"), (16, 24), 11),
        (Sphere("equiangular"), (25, 48), 12),
        (Sphere("equiangular"), (721, 1440), 360),
        (Sphere("cells"), (24, 48), 11),
        (Sphere("cells"), (24, 11), 5),
        (Sphere("cells", degrees=23), (24, 48), 23),
        (Sphere("cells", degrees=20), (24, 24), 20),
    ],
)
def test_the_highest_degree(sphere: Sphere, shape: tuple[int, int], highest: int) -> None:
    basis = sphere.basis(shape, "unit")
    assert basis.highest == highest
    assert basis.orders == min(highest, (shape[1] - 1) // 2) + 1


def test_a_sphere_is_a_plain_value() -> None:
    given, from_south = (Sphere(np.linspace(end, -end, 13), degrees=4) for end in (90, -90))
    assert given == Sphere(np.linspace(90, -90, 13).astype("float32"), degrees=4)
    assert given not in (from_south, Sphere("equiangular", degrees=4))
    assert repr(given) == "Sphere(<13 equiangular latitudes>, degrees=4)"
    assert repr(from_south) == "Sphere(<13 equiangular latitudes from south>, degrees=4)"
    assert (given.from_south, from_south.from_south, Sphere([-90, 0, 90]).from_south) == (False, True, True)
    assert repr(Sphere("gauss")) == "Sphere('gauss')"
    assert repr(Sphere("gauss", degrees=3, from_south=True)) == "Sphere('gauss', degrees=3, from_south=True)"
    assert Sphere([-90, 0, 90], from_south=True) == Sphere([-90, 0, 90])
    with pytest.raises(TypeError, match="from_south must be as the latitudes are, True, got False"):
        Sphere([-90, 0, 90], from_south=False)
    assert {given: 1}[copy.deepcopy(given)] == {given: 1}[pickle.loads(pickle.dumps(given))] == 1


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Sphere("gaus"), ValueError, "latitudes must be 'gauss', 'equiangular', 'cells' or an array .* 'gaus'"),
        (lambda: Sphere("gauss", degrees=0), ValueError, "degrees must be at least 1, got 0"),
        (lambda: Sphere("gauss", degrees=1.5), TypeError, "degrees"),
        (lambda: Sphere("gauss").check((4,)), ValueError, "has two spatial axes, latitude and longitude, got 1"),
        (lambda: Sphere(np.linspace(90, -90, 9)).check((16, 9)), ValueError, "9 latitudes, the first spatial axis 16"),
        (lambda: Sphere("gauss", degrees=9).basis((9, 20), "unit"), ValueError, "degrees must be at most 8 on a grid"),
        (lambda: Sphere("cells").basis((2, 20), "unit"), ValueError, "2 latitudes and 20 longitudes is too small"),
        (lambda: Sphere("gauss").basis((4, 2), "unit"), ValueError, "4 latitudes and 2 longitudes is too small"),
        (lambda: Sphere("gauss").basis((2000, 4000), "unit"), ValueError, "at most 1900, got 1999 .* ask for fewer"),
        (lambda: Sphere("gauss").basis((9, 20), 9).bins(), ValueError, "9 shells cannot be made of 8 degrees"),
        (lambda: Sphere("gauss").basis((9, 20), ("log", 9)).bins(), ValueError, "9 shells cannot be made"),
        (lambda: Sphere("gauss").basis((9, 20), (1.0, 1.5, 3.0)).bins(), ValueError, r"shell 0, degrees \(1, 1.5\]"),
        (
            lambda: Sphere("gauss").basis((9, 20), (1.0, 8.0, 9.0)).bins(),
            ValueError,
            "holds none of the degrees 1 to 8",
        ),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()
