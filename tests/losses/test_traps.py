"""What other libraries get wrong: directions, sizes, quadrants, checkerboards, bands that do not add up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from frameworks import Framework

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses
from spectral_losses.transforms.plane import Plane
from spectral_losses_backends.registry import backend_of

RNG = np.random.default_rng(13)
LOSSES = all_losses()
every_loss = pytest.mark.parametrize("name", LOSSES)


@every_loss
@pytest.mark.parametrize("size", [8, 9])
def test_directions_do_not_matter(name: str, size: int) -> None:
    p, t = RNG.normal(size=(2, 2, 1, size, size))
    expected = float(LOSSES[name](p, t))
    for turned in (
        lambda x: np.rot90(x, axes=(-2, -1)),
        lambda x: x[..., ::-1, :],
        lambda x: x[..., ::-1],
        lambda x: np.swapaxes(x, -2, -1),
    ):
        assert float(LOSSES[name](turned(p), turned(t))) == pytest.approx(expected, rel=1e-10)


@every_loss
def test_waves_of_every_quadrant_are_seen(name: str) -> None:
    """``cos(3x + 4y)`` and ``cos(3x - 4y)``, of which sums over one quadrant see one."""
    x, y = np.meshgrid(*(np.arange(16) * 2 * np.pi / 16,) * 2, indexing="ij")
    t = RNG.normal(size=(1, 1, 16, 16))
    t = (t + t[..., :, (-np.arange(16)) % 16]) / 2  # alike on both sides
    found = [float(LOSSES[name](t + 0.3 * np.cos(3 * x + sign * 4 * y), t)) for sign in (1, -1)]
    assert found[0] == pytest.approx(found[1], rel=1e-10)
    assert found[0] > 1e-4


@pytest.mark.parametrize("shape", [(9,), (10,), (7, 9), (8, 9), (9, 8), (8, 6), (5, 6, 7), (4, 5, 6)])
@pytest.mark.parametrize("bands", [1, 2, (1.5,)])
def test_bands_add_up_to_the_mean_square_error(framework: Framework, shape: tuple[int, ...], bands: Any) -> None:
    p, t = RNG.normal(size=(2, 2, 1, *shape)) + 0.3
    axes = tuple(range(-len(shape), 0))
    grid = Plane(shape)
    x, y = map(framework.asarray, (p - t, t))
    backend = backend_of(x, "x")
    tables = {name: framework.to_numpy(z) for name, z in backend.pair_power(x, y, grid, ("D", "T")).items()}
    np.testing.assert_allclose(tables["D"].sum(axis=-1), np.mean((p - t) ** 2, axis=axes), rtol=1e-10)
    number = bands if isinstance(bands, int) else len(bands) + 1
    shells = len(grid.counts())
    first = shells if number == 1 else 1 if isinstance(bands, tuple) else None
    if first is None:
        middles = np.geomspace(1, shells, number + 1)[1:-1] * (1 + 1e-9)
        first = int(np.searchsorted(np.arange(1, shells + 1), middles[0], side="right"))
    cuts = [0, shells + 2] if number == 1 else [0, first + 1, shells + 2]
    each = [
        tables["D"][..., a:b].sum(axis=-1) / tables["T"][..., max(a, 1) : b].sum(axis=-1) for a, b in pairwise(cuts)
    ]
    found = float(sl.band_error(*map(framework.asarray, (p, t)), spatial_axes=axes, bands=bands))
    assert found == pytest.approx(np.mean(each), rel=1e-9)


def test_a_shell_at_a_cut_belongs_to_the_band_below_it() -> None:
    x = np.arange(16) * 2 * np.pi / 16 + np.zeros((16, 1))
    t = np.sin(x) + np.sin(2 * x) + 2 * np.sin(3 * x)
    without = np.sin(x) + 2 * np.sin(3 * x)
    for bands, expected in (((2.0,), 0.25), ((2.5,), 0.25), ((1.5,), 0.1), ((1.0,), 0.1), ((1.0, 2.0), 1 / 3)):
        assert float(sl.band_error(without, t, bands=bands)) == pytest.approx(expected, rel=1e-6)


def test_power_ratios_to_a_target_of_zeros_are_relative_to_the_prediction() -> None:
    p = RNG.normal(size=(1, 1, 16, 16))
    power = sl.radial_spectrum(p).power[0, 0]
    counts = Plane((16, 16)).scale()  # from shares to powers
    share = power / counts
    expected = np.mean((share / (1e-4 * share.max())) ** 2)
    for unit in (1e-6, 1.0, 1e6):
        found = float(sl.power_ratio_error(unit * p, 0 * p, eps=1e-4))
        assert found == pytest.approx(expected, rel=1e-9)


def test_errors_of_bands() -> None:
    t = RNG.normal(size=(1, 1, 16, 16))
    for bands, error, message in (
        (0, ValueError, "bands must be at least 1, got 0"),
        (9, ValueError, "9 bands take 9 shells: there are 8, shells lie from 1 to 8"),
        ((4.0, 2.0), ValueError, "bands must be a number of bands or the wavenumbers between them, increasing"),
        ((0.5,), ValueError, "bands leave one without a shell: there are 8"),
        ("low", TypeError, "bands must be a number of bands or the wavenumbers between them, got 'low'"),
    ):
        with pytest.raises(error, match=message):
            sl.band_error(t, t, bands=bands)
    with pytest.raises(ValueError, match="bands need shells: bins must not be Sectors"):
        sl.band_error(t, t, bins=sl.Sectors(4))


def test_checkerboards_are_seen(framework: Framework) -> None:
    """To central differences the grid's own wave is flat."""
    t = RNG.normal(size=(1, 1, 16, 16))
    board = (-1.0) ** np.add.outer(np.arange(16), np.arange(16))
    p, target = framework.asarray(t + 0.1 * board), framework.asarray(t)
    modes = np.fft.fft2(t) / 256
    k = np.fft.fftfreq(16, 1 / 16)
    weights = 1 + k[:, None] ** 2 + k**2
    expected = 0.01 * (1 + 8**2 + 8**2) / (weights * abs(modes) ** 2).sum()
    assert float(sl.sobolev_error(p, target)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(9,), (7, 10), (6, 5, 8)])
@pytest.mark.parametrize("options", [{"s": 2.0}, {"s": -1.0, "seminorm": True}, {"s": 0.0, "seminorm": True}])
def test_sobolev_norms_by_brute_force(framework: Framework, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    p, t = RNG.normal(size=(2, 2, 1, *shape))
    ndim = len(shape)
    lengths = (1.5, 2.0, 3.0)[:ndim]
    axes = tuple(range(-ndim, 0))
    each = [2 * np.pi / a * np.fft.fftfreq(n, 1 / n) for n, a in zip(shape, lengths, strict=True)]
    k2 = sum(z**2 for z in np.meshgrid(*each, indexing="ij"))
    if options.get("seminorm"):
        weights = np.where(k2 > 0, np.where(k2 > 0, k2, 1.0) ** options["s"], 0.0)
    else:
        weights = (1 + k2) ** options["s"]
    error, power = ((weights * abs(np.fft.fftn(x, axes=axes)) ** 2).sum(axis=axes) for x in (p - t, t))
    found = sl.sobolev_error(*map(framework.asarray, (p, t)), spatial_axes=axes, lengths=lengths, eps=0, **options)
    assert float(found) == pytest.approx(np.mean(error / power), rel=1e-10)


def test_sobolev_of_order_0_is_the_field_error(framework: Framework) -> None:
    p, t = (framework.asarray(x) for x in RNG.normal(size=(2, 3, 2, 8, 9)))
    assert float(sl.sobolev_error(p, t, s=0)) == pytest.approx(float(sl.field_error(p, t)), rel=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 0.5, 2.0])
@pytest.mark.parametrize("shape", [(9,), (7, 10), (5, 4, 6)])
def test_focal_weights_by_brute_force(framework: Framework, shape: tuple[int, ...], alpha: float) -> None:
    """Value, and a gradient that takes the weights for constants."""
    p, t = RNG.normal(size=(2, 2, 1, *shape))
    axes = tuple(range(-len(shape), 0))
    modes = np.fft.fftn(p - t, axes=axes) / np.prod(shape)
    weights = (abs(modes) / abs(modes).max(axis=axes, keepdims=True)) ** alpha
    expected = (weights * abs(modes) ** 2).sum(axis=axes)
    x, y = map(framework.asarray, (p, t))
    options = {"spatial_axes": axes, "alpha": alpha}
    rows = sl.focal_frequency_error(x, y, reduction="none", **options)
    np.testing.assert_allclose(framework.to_numpy(rows), expected, rtol=1e-10)
    gradient = np.fft.ifftn(weights * modes, axes=axes).real * 2 / expected.size
    found = sl.value_and_grad("focal_frequency_error", **options)(x, y)[1]
    np.testing.assert_allclose(framework.to_numpy(found), gradient, rtol=1e-9, atol=1e-12)
    if framework.gradient is not None:
        by_framework = framework.gradient(lambda x: sl.focal_frequency_error(x, y, **options), x)
        np.testing.assert_allclose(framework.to_numpy(by_framework), gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(9,), (8, 10), (5, 4, 6)])
def test_whitening_divides_by_the_amplitude_of_the_shell(framework: Framework, shape: tuple[int, ...]) -> None:
    p, t = RNG.normal(size=(2, 2, 1, *shape))
    axes = tuple(range(-len(shape), 0))
    error, target = (np.fft.fftn(x, axes=axes) / np.prod(shape) for x in (p - t, t))
    k = np.sqrt(sum(z**2 for z in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij")))
    place = np.searchsorted(np.arange(min(shape) // 2 + 1) + 0.5, k)
    power = np.zeros(t.shape)
    for b in range(place.max() + 1):
        power[..., place == b] = np.mean(abs(target[..., place == b]) ** 2, axis=-1, keepdims=True)
    white = abs(error) / np.sqrt(power)
    expected = (white**3 / white.max(axis=axes, keepdims=True)).sum(axis=axes).mean()
    found = sl.focal_frequency_error(*map(framework.asarray, (p, t)), spatial_axes=axes, whiten=True)
    assert float(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("centred", [True, False])
def test_correlation_by_brute_force(framework: Framework, masked: bool, centred: bool) -> None:
    p, t = RNG.normal(size=(2, 3, 2, 8, 9)) + 0.5
    weights = (RNG.random((8, 9)) + 0.1) * (RNG.random((8, 9)) < 0.6) if masked else np.ones((8, 9))

    def mean(z: Any) -> Any:
        return np.average(z, weights=np.broadcast_to(weights, z.shape), axis=(-2, -1))

    def product(a: Any, b: Any) -> Any:
        return mean(a * b) - (mean(a) * mean(b) if centred else 0)

    expected = 1 - product(p, t) / np.sqrt(product(p, p) * product(t, t))
    x, y = map(framework.asarray, (p, t))
    options = {"mask": framework.asarray(weights), "centred": centred} if masked else {"centred": centred}
    found = sl.correlation_error(x, y, reduction="none", **options)
    np.testing.assert_allclose(framework.to_numpy(found), expected, rtol=1e-10)
    along, h = RNG.normal(size=p.shape), 1e-6
    ahead, behind = (float(sl.correlation_error(framework.asarray(p + s * h * along), y, **options)) for s in (1, -1))
    gradient = framework.to_numpy(sl.value_and_grad("correlation_error", **options)(x, y)[1])
    assert (gradient * along).sum() == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_correlation_of_constant_fields(framework: Framework, dtype: str, size: float) -> None:
    """0 of two, whatever they are; 1 of one, however large it is."""
    constants = [np.full((1, 1, 7, 9), size * value).astype(dtype) for value in (0.1, 1 / 3, -0.7)]
    noise = (size * RNG.normal(size=(1, 1, 7, 9))).astype(dtype)
    for a in constants:
        for b in constants:
            assert float(sl.correlation_error(framework.asarray(a), framework.asarray(b))) == 0
        for pair in ((a, noise), (noise, a)):
            assert float(sl.correlation_error(*map(framework.asarray, pair))) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["log_spectral_distance", "power_ratio_error", "coherence_error", "amplitude_error"])
@pytest.mark.parametrize("shape", [(9,), (8,), (7, 10), (8, 6), (5, 4, 6)])
def test_modes_one_by_one(framework: Framework, name: str, shape: tuple[int, ...]) -> None:
    """Every pair k, -k counts once, and a mode that is its own mirror image too."""
    p, t = RNG.normal(size=(2, 2, 1, *shape))
    axes = tuple(range(-len(shape), 0))
    x, y = (np.fft.fftn(z, axes=axes) / np.prod(shape) for z in (p, t))
    # Each pair is met twice on the full plane, with half the weight; what is its own image is met once.
    places = np.indices(shape)
    mirror = np.stack([(-places[i]) % n for i, n in enumerate(shape)])
    alone = (places == mirror).all(axis=0)
    weights = np.where(alone, 1.0, 0.5)
    power, target, product = abs(x) ** 2, abs(y) ** 2, (x * y.conj()).real
    each = {
        "log_spectral_distance": (np.log(power) - np.log(target)) ** 2,
        "power_ratio_error": (1 - power / target) ** 2,
        "coherence_error": 1 - product / np.sqrt(power * target),
    }
    if name == "amplitude_error":
        expected = ((np.sqrt(power) - np.sqrt(target)) ** 2).sum(axis=axes) / target.sum(axis=axes)
    else:
        expected = (weights * each[name]).sum(axis=axes) / weights.sum()
    found = LOSSES[name](*map(framework.asarray, (p, t)), spatial_axes=axes, bins="modes", reduction="none")
    np.testing.assert_allclose(framework.to_numpy(found), expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"shell_weights are for (shells|means over shells)"):
        LOSSES[name](p, t, spatial_axes=axes, bins="modes", shell_weights=1)


@pytest.mark.parametrize("name", ["spectrum_error", "band_error"])
def test_modes_are_no_shells(name: str) -> None:
    t = RNG.normal(size=(1, 1, 8, 8))
    for function in (LOSSES[name], lambda p, t, bins: sl.radial_spectrum(t, bins=bins)):
        with pytest.raises(ValueError, match=r"bins must be .*'unit'.*got 'modes'"):
            function(t, t, bins="modes")
