"""Cross spectra, effective resolution, energy spectra and the price of sharpness, in every framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import Framework

import spectral_losses as sl

RNG = np.random.default_rng(5)
P, T = RNG.normal(size=(2, 3, 2, 2, 8, 10))


def shells(x: Any, y: Any) -> tuple[Any, Any]:
    """Sums of ``X conj(Y)`` over unit shells, by brute force, and the modes in each."""
    n0, n1 = x.shape[-2:]
    k = np.hypot(np.fft.fftfreq(n0, 1 / n0)[:, None], np.fft.fftfreq(n1, 1 / n1))
    product = np.fft.fft2(x) * np.fft.fft2(y).conj()
    inside = [(k > m - 0.5) & (k <= m + 0.5) for m in range(1, min(n0, n1) // 2 + 1)]
    return np.stack([product[..., these].sum(axis=-1) for these in inside], axis=-1), [i.sum() for i in inside]


@pytest.mark.parametrize("pool", [None, "frames", 1])
def test_cross_spectrum_is_that_of_sums_over_shells(framework: Framework, pool: Any) -> None:
    p, t = map(framework.asarray, (P, T))
    cross = sl.cross_spectrum(p, t, pool=pool)
    axes = {None: (), "frames": (0, 1), 1: (1,)}[pool]
    sums = {
        name: np.mean(shells(*pair)[0], axis=axes) for name, pair in {"P": (P, P), "T": (T, T), "C": (P, T)}.items()
    }
    error = np.mean(shells(P - T, P - T)[0], axis=axes).real
    power, target, product = sums["P"].real, sums["T"].real, sums["C"].real
    assert type(cross.coherence) is type(p)
    coherence = product / np.sqrt(power * target)
    for found, expected in (
        (cross.coherence, coherence),
        (cross.amplitude_ratio, np.sqrt(power / target)),
        (cross.error, error / target),
        (cross.amplitude_part, (np.sqrt(power) - np.sqrt(target)) ** 2 / target),
        (cross.phase_part, 2 * np.sqrt(power * target) * (1 - coherence) / target),
        (cross.power, framework.to_numpy(sl.radial_spectrum(p, pool=pool).power)),
    ):
        np.testing.assert_allclose(framework.to_numpy(found), expected, rtol=1e-9, atol=1e-12)
    parts = framework.to_numpy(cross.amplitude_part) + framework.to_numpy(cross.phase_part)
    np.testing.assert_allclose(parts, framework.to_numpy(cross.error), rtol=1e-12)


def test_a_shift_is_a_phase(framework: Framework) -> None:
    """Of one wave that is moved along the halved axis; the quadrature does not cancel."""
    x = np.arange(16) * 2 * np.pi / 16
    t, p = (np.cos(3 * (x - shift)) * np.ones((16, 1)) for shift in (0, 0.1))
    cross = sl.cross_spectrum(framework.asarray(p), framework.asarray(t))
    assert float(cross.phase[2]) == pytest.approx(-0.3, abs=1e-9)
    assert float(cross.coherence[2]) == pytest.approx(np.cos(0.3), rel=1e-9)
    assert float(cross.amplitude_part[2]) == pytest.approx(0, abs=1e-12)
    assert float(cross.phase_part[2]) == pytest.approx(2 - 2 * np.cos(0.3), rel=1e-9)


def test_empty_shells_are_coherent_and_have_no_ratio(framework: Framework) -> None:
    wave = np.cos(2 * np.pi * np.arange(10) / 10) * np.ones((8, 1))
    for dtype in ("float32", "float64"):
        t = framework.asarray(wave.astype(dtype))
        cross = sl.cross_spectrum(t, t)
        np.testing.assert_allclose(framework.to_numpy(cross.coherence), 1)
        zero = framework.asarray(np.zeros((8, 10), dtype=dtype))
        nothing = sl.cross_spectrum(zero, zero)
        np.testing.assert_allclose(framework.to_numpy(nothing.coherence), 1)
        assert np.isnan(framework.to_numpy(nothing.error)).all()


def _cut(size: int, k: float, seed: int = 0, noise: float = 1e-3) -> tuple[Any, Any]:
    """White fields, and the same without wavenumbers above k, but for some noise."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(8, 1, size, size))
    modes = np.fft.rfft2(target)
    magnitude = np.hypot(np.fft.fftfreq(size, 1 / size)[:, None], np.fft.rfftfreq(size, 1 / size))
    return np.fft.irfft2(modes * (magnitude <= k), s=(size, size)) + noise * rng.normal(size=target.shape), target


@pytest.mark.parametrize("of", ["coherence", "power"])
def test_effective_resolution(framework: Framework, of: str) -> None:
    p, t = map(framework.asarray, _cut(24, 6.5))
    found = sl.effective_resolution(p, t, of=of)
    assert type(found) is type(p)
    assert found.shape == (1,)
    # Shell 6 is whole and shell 7 is gone: half of its logarithm between them, at 1/2.
    assert float(found[0]) == pytest.approx(24 / np.sqrt(6 * 7), rel=0.01)
    physical = sl.effective_resolution(p, t, of=of, lengths=4800.0)
    assert float(physical[0]) == pytest.approx(4800 / 24 * float(found[0]), rel=1e-6)
    sharper = sl.effective_resolution(p, t, of=of, threshold=0.9)
    assert float(sharper[0]) > float(found[0])


def test_the_ends_of_effective_resolution(framework: Framework) -> None:
    target, other = (np.random.default_rng(seed).normal(size=(4, 2, 16, 16)) for seed in (0, 1))
    t, o = map(framework.asarray, (target, other))
    np.testing.assert_allclose(framework.to_numpy(sl.effective_resolution(t, t)), 2)  # two spacings
    assert np.isinf(framework.to_numpy(sl.effective_resolution(framework.asarray(-target), t))).all()
    assert np.isinf(framework.to_numpy(sl.effective_resolution(o, t))).all()
    zero = framework.asarray(0 * target)
    assert np.isinf(framework.to_numpy(sl.effective_resolution(t, zero))).all()
    assert np.isinf(framework.to_numpy(sl.effective_resolution(zero, zero))).all()
    assert sl.effective_resolution(t[0, 0, ...], t[0, 0, ...], channel_axis=None).shape == ()
    # What the target does not have has no say.
    smooth, _ = _cut(16, 4.5, noise=0)
    np.testing.assert_allclose(
        framework.to_numpy(sl.effective_resolution(framework.asarray(smooth), framework.asarray(smooth))), 2
    )
    wide = framework.asarray(np.ones((4, 1, 8, 16)) * target[:, :1, :8])
    np.testing.assert_allclose(framework.to_numpy(sl.effective_resolution(wide, wide, lengths=(1.0, 4.0))), 0.5)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fields_that_are_not_finite_have_no_resolution(framework: Framework, bad: float) -> None:
    prediction, target = np.random.default_rng(2).normal(size=(2, 3, 2, 8, 8))
    for spoiled in (prediction, target):
        kept, spoiled[0, 0, 3, 3] = spoiled[0, 0, 3, 3], bad
        for of in ("coherence", "power"):
            found = framework.to_numpy(sl.effective_resolution(*map(framework.asarray, (prediction, target)), of=of))
            assert np.isnan(found[0])
            assert not np.isnan(found[1])
        spoiled[0, 0, 3, 3] = kept


def test_errors_of_effective_resolution() -> None:
    with pytest.raises(ValueError, match=r"lengths are needed where axes have unequal sizes, \(8, 10\)"):
        sl.effective_resolution(P, T)
    with pytest.raises(ValueError, match="threshold must be finite and positive, got 0"):
        sl.effective_resolution(P, T, threshold=0)
    with pytest.raises(ValueError, match="of must be one of coherence, power, got 'powr', did you mean 'power'"):
        sl.effective_resolution(P, T, of="powr")
    with pytest.raises(TypeError, match="'pool' is not known"):
        sl.effective_resolution(P, T, pool=0)
    with pytest.raises(ValueError, match="effective resolutions need shells: bins must not be Sectors"):
        sl.effective_resolution(P, T, bins=sl.Sectors(4), lengths=1.0)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_energy_adds_up(framework: Framework, ndim: int) -> None:
    """The sum of E dk, with the shares of the mean and the corners, is the kinetic energy."""
    shape = (9, 10, 8)[:ndim]
    u = np.random.default_rng(ndim).normal(size=(2, ndim, *shape)) + 0.3
    axes = tuple(range(-ndim, 0))
    lengths = (2.0, 2.5, 2.2)[:ndim]
    spectrum = sl.energy_spectrum(framework.asarray(u), spatial_axes=axes, lengths=lengths)
    _, energy, edges, _ = map(framework.to_numpy, spectrum)
    modes = np.fft.fftn(u, axes=axes) / np.prod(shape)
    steps = [2 * np.pi / a for a in lengths]
    each = np.meshgrid(*(s * np.fft.fftfreq(n, 1 / n) for s, n in zip(steps, shape, strict=True)), indexing="ij")
    magnitude = np.sqrt(sum(z**2 for z in each))
    outside = (magnitude <= edges[0]) | (magnitude > edges[-1] * (1 + 1e-9))
    beyond = (abs(modes) ** 2 * outside).sum(axis=(1, *axes)) / 2
    kinetic = (u**2).sum(axis=1).mean(axis=axes) / 2
    np.testing.assert_allclose((energy * np.diff(edges)).sum(axis=-1) + beyond, kinetic, rtol=1e-10)
    smooth = framework.to_numpy(
        sl.energy_spectrum(framework.asarray(u), spatial_axes=axes, lengths=lengths, smooth=True).power
    )
    power = framework.to_numpy(
        sl.radial_spectrum(framework.asarray(u), spatial_axes=axes, lengths=lengths, channels="sum").power
    )
    cell = np.prod(steps)
    np.testing.assert_allclose(smooth, power / np.prod(shape) ** 2 / (2 * np.diff(edges) * cell), rtol=1e-10)
    assert np.allclose(smooth, energy) == (ndim == 1)  # where every shell has the two modes that it should


def test_an_energy_spectrum_stands_for_no_target() -> None:
    spectrum = sl.energy_spectrum(T)
    with pytest.raises(ValueError, match="on another grid or with other options"):
        sl.spectrum_error(P, spectrum)
    with pytest.raises(TypeError, match="'channels' is not known"):
        sl.energy_spectrum(T, channels="sum")
    with pytest.raises(TypeError, match="smooth must be True or False, got 1"):
        sl.energy_spectrum(T, smooth=1)
    with pytest.raises(ValueError, match="energy spectra need shells: bins must not be Cylinders"):
        sl.energy_spectrum(T, bins=sl.Cylinders())


def test_the_price_of_sharpness(framework: Framework) -> None:
    errors = np.array([0.0, 0.02, 0.1, 0.5, 1.0])
    found = framework.to_numpy(sl.price_of_sharpness(framework.asarray(errors)))
    with np.errstate(invalid="ignore"):
        expected = 2 * (1 - np.sqrt(1 - errors)) / errors - 1
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-9)
    assert found[0] == 0
    assert [sl.price_of_sharpness(e) for e in errors] == pytest.approx(found.tolist())
    # A forecast of coherence c, at the amplitude that makes its error least, and at the full one.
    c = 0.8
    blurred, sharp = (1 + a**2 - 2 * a * c for a in (c, 1))
    assert sl.price_of_sharpness(blurred) == pytest.approx(sharp / blurred - 1)
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="field_error must be between 0 and 1"):
            sl.price_of_sharpness(bad)
