"""Our own backends go through the door that is open to third parties, and the door is not always open."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from frameworks import Framework
from hypothesis import Phase, settings

import spectral_losses as sl
from spectral_losses.testing import check_backend, reference_spectrum


@pytest.fixture
def once() -> Iterator[None]:
    """The first example that fails is enough: to look for a smaller one takes most of the time."""
    settings.register_profile("once", settings(), phases=(Phase.explicit, Phase.generate))
    settings.load_profile("once")
    yield
    settings.load_profile("default")


def test_backend_conforms(framework: Framework) -> None:
    check_backend(
        framework.asarray,
        to_numpy=framework.to_numpy,
        gradient=framework.gradient,
        max_examples=framework.examples,
    )


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize(
    ("method", "broken"),
    [
        ("power", lambda right: lambda x, basis: right(x, basis) * 1.001),
        ("adjoint", lambda right: lambda modes, basis: 1.001 * right(modes, basis)),
        ("gather", lambda right: lambda table, basis: 1.001 * right(table, basis)),
        ("matmul", lambda right: lambda a, b, transposed=False: (1.001 if transposed else 1) * right(a, b, transposed)),
        (
            "map_columns",
            lambda right: lambda tables, modes, transposed=False: 1.001 * right(tables, modes, transposed=transposed),
        ),
        ("bin_pair_power", lambda right: lambda e, y, basis, needs: right(1.001 * e, y, basis, needs)),
        ("to_floats", lambda right: lambda values: values),
        ("bin_power", lambda right: lambda modes, basis, keep=True: np.nan_to_num(right(modes, basis, keep))),
    ],
)
def test_a_broken_backend_is_caught(monkeypatch: pytest.MonkeyPatch, method: str, broken: object) -> None:
    from spectral_losses_backends.numpy import backend

    monkeypatch.setattr(backend, method, broken(getattr(backend, method)))  # type: ignore[operator]
    with pytest.raises(AssertionError):
        check_backend(np.asarray)


@pytest.mark.usefixtures("once")
def test_a_wrong_gradient_is_caught() -> None:
    torch = pytest.importorskip("torch")

    def gradient(f: object, x: object) -> object:
        return torch.func.grad(f)(x) * 1.01

    with pytest.raises(AssertionError):
        check_backend(lambda x: torch.tensor(np.asarray(x)), gradient=gradient, max_examples=5)


def test_the_reference_itself_on_one_wave() -> None:
    n, m = 16, 12
    wave = np.cos(2 * np.pi * 3 * np.arange(m) / m) * np.ones((n, 1))
    power = reference_spectrum(wave)
    # Two modes of amplitude n m / 2 in a shell of 2 pi k: |F|^2 summed is (n m)^2 / 2.
    counts = sl.radial_spectrum(wave).counts
    np.testing.assert_allclose(power[2] * counts[2] / (np.pi * (3.5**2 - 2.5**2)), (n * m) ** 2 / 2)
    np.testing.assert_allclose(np.delete(power, 2), 0, atol=1e-20 * (n * m) ** 2)
