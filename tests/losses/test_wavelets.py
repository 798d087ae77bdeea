"""The stationary wavelets of `wavelet_error`, against PyWavelets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs

import spectral_losses as sl
from spectral_losses.transforms import filters
from spectral_losses.transforms.wavelets import Wavelets
from spectral_losses_backends.numpy import backend

RNG = np.random.default_rng(11)
SHAPES = {1: (48,), 2: (16, 24), 3: (8, 16, 8)}


def subbands(x: Any, wavelet: str, levels: int, ndim: int) -> list[Any]:
    """Of PyWavelets: the details of each orientation and level, and the last approximation."""
    import pywt

    axes = tuple(range(-ndim, 0))
    if ndim == 1:
        found = pywt.swt(x, wavelet, levels, axis=-1)
        return [details for _, details in found] + [found[0][0]]
    if ndim == 2:
        found = pywt.swt2(x, wavelet, levels, axes=axes)
        return [each for _, details in found for each in details] + [found[0][0]]
    found = pywt.swtn(x, wavelet, levels, axes=axes)
    coarsest = "a" * ndim
    return [level[key] for level in found for key in level if key != coarsest] + [found[0][coarsest]]


@needs("pywt")
@pytest.mark.parametrize("ndim", SHAPES)
@pytest.mark.parametrize(("wavelet", "levels"), [("haar", 3), ("db2", 2), ("sym4", 1), ("bior2.2", 1)])
@pytest.mark.parametrize("order", [1, 2])
def test_equal_to_pywavelets(ndim: int, wavelet: str, levels: int, order: int) -> None:
    p, t = RNG.normal(size=(2, 3, 1, *SHAPES[ndim]))
    axes = tuple(range(-ndim, 0))
    terms = []
    for error, target in zip(subbands(p - t, wavelet, levels, ndim), subbands(t, wavelet, levels, ndim), strict=True):
        means = [np.mean(abs(z) ** order, axis=axes) for z in (error, target)]
        terms.append(means[0] / (means[1] + 1e-8 * means[1].mean()))
    assert len(terms) == levels * (2**ndim - 1) + 1
    found = sl.wavelet_error(p, t, spatial_axes=axes, wavelet=wavelet, levels=levels, order=order)
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-12)


@pytest.mark.parametrize("shape", [(9,), (7, 10), (5, 6, 4)])
@pytest.mark.parametrize("wavelet", ["haar", pytest.param("db2", marks=needs("pywt"))])
def test_the_gradient_is_the_transpose_at_any_size(shape: tuple[int, ...], wavelet: str) -> None:
    """Of order 2, of which statistics are quadratic: half of the gradient times the field is the statistic."""
    basis, x = Wavelets(shape, wavelet, 1, 2), RNG.normal(size=(2, *shape))
    slope = RNG.normal(size=(2, basis.bins()))
    power = basis.bin_power(x, backend)
    gradient = basis.power_gradient(x, slope, backend)
    axes = tuple(range(1, 1 + len(shape)))
    np.testing.assert_allclose((gradient * x).sum(axis=axes) / 2, (power * slope).sum(axis=-1), rtol=1e-10)


def test_a_shift_changes_nothing(framework: Framework) -> None:
    p, t = RNG.normal(size=(2, 2, 1, 9, 12))
    found = [
        float(sl.wavelet_error(*(framework.asarray(np.roll(x, shift, axis=(-2, -1))) for x in (p, t))))
        for shift in (0, 1, 5)
    ]
    assert found == pytest.approx(found[:1] * 3, rel=1e-12)


def test_levels_by_default_leave_more_than_the_mean() -> None:
    """Fields without a mean have an approximation that an error can be relative to."""
    p, t = RNG.normal(size=(2, 1, 1, 16, 16))
    p, t = p - p.mean() + 0.01, t - t.mean()
    assert float(sl.wavelet_error(p, t)) < 10
    assert float(sl.wavelet_error(p, t)) == float(sl.wavelet_error(p, t, levels=3))
    assert float(sl.wavelet_error(p, t, levels=4)) > 1e10
    constant = np.ones((1, 1, 4, 2))
    assert float(sl.wavelet_error(constant, constant)) == 0


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    t = RNG.normal(size=(1, 1, 8, 8))
    for levels in (0, 4):
        message = f"levels must be from 1 to 3 for filters of length 2 on 8x8 points, got {levels}"
        with pytest.raises(ValueError, match=message):
            sl.wavelet_error(t, t, levels=levels)
    with pytest.raises(TypeError, match=r"levels must be an integer, got 1\.5"):
        sl.wavelet_error(t, t, levels=1.5)
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        sl.wavelet_error(t, t, order=3)
    with pytest.raises(TypeError, match="wavelet must be a name, got 2"):
        sl.wavelet_error(t, t, wavelet=2)
    monkeypatch.setitem(__import__("sys").modules, "pywt", None)
    filters._others.cache_clear()
    with pytest.raises(ImportError, match="wavelet 'db3' needs PyWavelets, which is not installed: pip install PyWav"):
        sl.wavelet_error(t, t, wavelet="db3")


@needs("pywt")
def test_a_wavelet_that_is_not_known() -> None:
    t = RNG.normal(size=(1, 1, 8, 8))
    with pytest.raises(ValueError, match="wavelet 'db03' is not known, did you mean 'db"):
        sl.wavelet_error(t, t, wavelet="db03")


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(("shape", "levels"), [((13,), 2), ((14, 9), 2), ((12, 5, 6), 1)])
@pytest.mark.parametrize("wavelet", ["haar", pytest.param("db2", marks=needs("pywt"))])
def test_a_large_field_is_taken_apart_slab_by_slab(
    wavelet: str, shape: tuple[int, ...], levels: int, size: int, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    basis, x = Wavelets(shape, wavelet, levels, order), RNG.normal(size=(2, *shape))
    x.setflags(write=False)
    slope = RNG.normal(size=(2, basis.bins()))
    power, gradient = basis.bin_power(x, backend), basis.power_gradient(x, slope, backend)
    rows = 2 * x.size // shape[0]  # a slab is half as large as a chunk
    monkeypatch.setattr(type(backend), "chunk_size", lambda self, x: size * rows)
    assert next(slab.stop - slab.start for slab in backend.slabs(x, -len(shape))) == size
    np.testing.assert_allclose(basis.bin_power(x, backend), power, rtol=1e-13)
    np.testing.assert_allclose(basis.power_gradient(x, slope, backend), gradient, rtol=1e-12, atol=1e-15)
