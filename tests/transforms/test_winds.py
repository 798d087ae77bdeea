"""Vector harmonics of winds against their definition, and the transpose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_losses.transforms.legendre import _vectors_by_degree
from spectral_losses.transforms.quadrature import GRIDS, area_weights, colatitudes
from spectral_losses.transforms.sphere import Sphere
from spectral_losses.transforms.winds import Winds
from spectral_losses_backends.base import backend as standard
from spectral_losses_backends.numpy import backend as numpy_backend

SHAPES = st.tuples(st.integers(4, 20), st.integers(4, 26))


def vectors(degree: int, order: int, angle: Any) -> tuple[Any, Any]:
    """``m P / sin`` and the derivative of P northward, of mean square 1 with P / sqrt(l (l + 1)) of the harmonic."""
    x, sine, m = np.cos(angle), np.sin(angle), order
    polynomial = np.polynomial.legendre.Legendre.basis(degree).deriv(order)
    size = (2 * degree + 1) * math.factorial(degree - order) / math.factorial(degree + order)
    size = math.sqrt(size / (degree * (degree + 1)))
    ratio = m * sine ** (m - 1) * polynomial(x) if m else 0 * x
    slope = sine ** (m + 1) * polynomial.deriv()(x) - (m * sine ** (m - 1) * x * polynomial(x) if m else 0)
    return size * ratio, size * slope


def powers(x: Any, sphere: Sphere) -> Any:
    """By their definition: weighted sums over points for each degree and order; ``(2, ..., degrees)``."""
    latitudes, longitudes = shape = x.shape[-2:]
    basis = sphere.basis(shape, "unit")
    weights, angle = area_weights(basis.grid, latitudes), colatitudes(basis.grid, latitudes)
    around = np.arange(longitudes) * 2 * np.pi / longitudes
    u, v = np.moveaxis(x if not sphere.from_south else x[..., ::-1, :], -3, 0)
    found = np.zeros((2, *x.shape[:-3], basis.highest + 1))
    for degree in range(1, basis.highest + 1):
        for m in range(min(degree, (longitudes - 1) // 2) + 1):
            ratio, slope = (weights * z for z in vectors(degree, m, angle))
            turn = np.exp(-1j * m * around) / longitudes
            first, second = (
                1j * np.einsum("j,...jk,k", ratio, a, turn) + sign * np.einsum("j,...jk,k", slope, b, turn)
                for a, b, sign in ((v, u, 1), (u, v, -1))
            )
            found[..., degree] += (2 if m else 1) * np.abs([first, second]) ** 2
    return found


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(GRIDS), SHAPES, st.booleans(), st.integers(0, 2**32 - 1))
def test_powers_and_the_transpose_by_their_definition(
    grid: str, shape: tuple[int, int], from_south: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sphere, x = Sphere(grid), rng.normal(size=(3, 2, *shape))
    object.__setattr__(sphere, "from_south", from_south)
    expected = powers(x, sphere)
    for part, power in ((None, expected.sum(0)), ("rotational", expected[0]), ("divergent", expected[1])):
        highest = sphere.basis(shape, "unit").highest
        basis = Winds((2, *shape), grid, "unit", highest, from_south, part)
        found = numpy_backend.power(x, basis)
        np.testing.assert_allclose(found[..., :-1], power, rtol=1e-11, atol=1e-13)
        assert not found[..., -1].any()  # nothing is beyond the last degree
        modes = numpy_backend.forward(x, basis)
        assert modes.shape == (3, *basis.bin_index().shape)
        other = rng.normal(size=modes.shape) + 1j * rng.normal(size=modes.shape)
        product = np.sum(basis.multiplicity() * (modes * other.conj()).real)
        assert np.sum(x * numpy_backend.adjoint(other.copy(), basis)) == pytest.approx(product, rel=1e-10, abs=1e-10)
        np.testing.assert_allclose(standard.forward(x, basis), modes, rtol=0, atol=1e-12)
        mirrored = standard.adjoint(other, basis)
        np.testing.assert_allclose(mirrored, numpy_backend.adjoint(other, basis), rtol=0, atol=1e-11)


def test_the_functions_are_stable() -> None:
    """Sums of squares over all orders are the same everywhere, at a pole too."""
    angle = np.radians([0.0, 0.01, 0.25, 1.0, 30.0, 60.0, 89.9, 90.0])
    for degree, functions in enumerate(_vectors_by_degree(angle, 720, 721)):
        if degree in (1, 10, 360, 719, 720):
            twice = np.where(np.arange(degree + 1) == 0, 1, 2)[:, None]
            ratio, slope = (np.sum(twice * z**2, axis=0) for z in np.split(functions, 2, axis=1))
            np.testing.assert_allclose(ratio + slope, 2 * degree + 1, rtol=1e-10)
            np.testing.assert_allclose(slope, (2 * degree + 1) / 2, rtol=1e-10)
