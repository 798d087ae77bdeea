"""Sectors and cylinders: bins that know directions, by brute force, as spectra, in losses and in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs

import spectral_losses as sl

RNG = np.random.default_rng(19)
P, T = RNG.normal(size=(2, 3, 2, 12, 16))
LENGTHS = (1.0, 1.5)


def plane(shape: tuple[int, ...], lengths: tuple[float, ...] | None = None) -> list[Any]:
    """The wavevector of each mode of the full plane."""
    steps = [1.0] * len(shape) if lengths is None else [2 * np.pi / a for a in lengths]
    return list(np.meshgrid(*(s * np.fft.fftfreq(n, 1 / n) for s, n in zip(steps, shape, strict=True)), indexing="ij"))


def sectors(x: Any, n: int, lengths: tuple[float, ...] | None) -> tuple[Any, Any, list[int]]:
    """Power and counts by brute force, of unit shells, and which of these are merged."""
    k0, k1 = plane(x.shape[-2:], lengths)
    k, angle = np.hypot(k0, k1), np.arctan2(k0, k1)
    step = 1.0 if lengths is None else max(2 * np.pi / a for a in lengths)
    top = int(min(s * m / 2 for s, m in zip(np.abs([k0[1, 0], k1[0, 1]]), x.shape[-2:], strict=True)) / step + 1e-9)
    modes = abs(np.fft.fft2(x)) ** 2
    power, counts, merged = np.zeros((*x.shape[:-2], top, n)), np.zeros((top, n)), []
    for b in range(top):
        lo, hi = (b + 0.5) * step, (b + 1.5) * step
        shell = (k > lo) & (k <= hi * (1 + 1e-12))
        place = np.floor(angle * n / np.pi + 0.5 + 1e-9).astype(int) % n
        inside = [shell & (place == j) for j in range(n)]
        area = np.pi * (hi**2 - lo**2) / n
        if not all(each.any() for each in inside):
            merged.append(b)
            inside = [shell] * n
        for j, each in enumerate(inside):
            power[..., b, j] = area * modes[..., each].mean(axis=-1)
            counts[b, j] = each.sum() / (n if b in merged else 1)
    return power, counts, merged


@pytest.mark.parametrize("n", [1, 3, 4, 8])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_sectors_by_brute_force(framework: Framework, n: int, lengths: Any) -> None:
    x = T[..., 1:, 1:]  # of odd sizes: at the Nyquist wavenumber of even ones a direction is ambiguous
    spectrum = sl.radial_spectrum(framework.asarray(x), bins=sl.Sectors(n), lengths=lengths)
    power, counts, merged = sectors(x, n, lengths)
    (k, angle), found, (edges, angles), number = spectrum
    np.testing.assert_allclose(framework.to_numpy(found), power, rtol=1e-10)
    np.testing.assert_allclose(framework.to_numpy(number), counts)
    np.testing.assert_allclose(framework.to_numpy(angle), np.arange(n) * np.pi / n)
    assert spectrum.merged == tuple(merged)
    assert (*edges.shape, *angles.shape) == (k.shape[0] + 1, n + 1)


@pytest.mark.parametrize("shape", [(11, 15), (12, 16), (16, 12)])
def test_sectors_add_up_to_shells(framework: Framework, shape: tuple[int, ...]) -> None:
    x = framework.asarray(RNG.normal(size=(2, *shape)))
    shells, sectors = sl.radial_spectrum(x), sl.radial_spectrum(x, bins=sl.Sectors(4))
    power, counts = (framework.to_numpy(z) for z in (sectors.power, sectors.counts))
    np.testing.assert_allclose(counts.sum(axis=-1), framework.to_numpy(shells.counts))
    mean = (power * 4 * counts).sum(axis=-1) / counts.sum(axis=-1)
    np.testing.assert_allclose(mean, framework.to_numpy(shells.power), rtol=1e-10)


@pytest.mark.parametrize(("shape", "axis"), [((9, 10), -1), ((9, 10), 0), ((6, 7, 8), -1), ((6, 7, 8), 1)])
def test_cylinders_by_brute_force(framework: Framework, shape: tuple[int, ...], axis: int) -> None:
    x = RNG.normal(size=(2, 1, *shape)) + 0.3
    axes = tuple(range(-len(shape), 0))
    spectrum = sl.radial_spectrum(framework.asarray(x), spatial_axes=axes, bins=sl.Cylinders(axis))
    (across, along), power, edges, counts = spectrum
    each = plane(shape)
    parallel = abs(each.pop(axis))
    perpendicular = np.sqrt(sum(k**2 for k in each))
    modes = abs(np.fft.fftn(x, axes=axes)) ** 2
    bins = (across.shape[0], along.shape[0])
    expected, number = np.zeros((2, 1, *bins)), np.zeros(bins)
    halves = [[0.0, *(np.arange(n) + 0.5)] for n in bins]
    for i in range(bins[0]):
        for j in range(bins[1]):
            inside = (parallel <= halves[1][j + 1]) & (perpendicular <= halves[0][i + 1])
            inside &= ((parallel > halves[1][j]) | (j == 0)) & ((perpendicular > halves[0][i]) | (i == 0))
            flat = len(shape) - 1
            measure = (2.0, np.pi)[flat - 1] * (halves[0][i + 1] ** flat - halves[0][i] ** flat)
            measure *= 2 * (halves[1][j + 1] - halves[1][j])
            expected[..., i, j] = measure * modes[..., inside].mean(axis=-1)
            number[i, j] = inside.sum()
    np.testing.assert_allclose(framework.to_numpy(power), expected, rtol=1e-9)
    np.testing.assert_allclose(framework.to_numpy(counts), number)
    for found, of in zip(edges, halves, strict=True):
        np.testing.assert_allclose(framework.to_numpy(found), of)
    if len(shape) == 2:  # nothing is beyond: Parseval
        total = (framework.to_numpy(power) / _measures(halves) * number).sum(axis=(-2, -1))
        np.testing.assert_allclose(total, np.prod(shape) ** 2 * np.mean(x**2, axis=(-2, -1)), rtol=1e-10)


def _measures(edges: list[Any]) -> Any:
    return np.outer(*(2 * np.diff(each) for each in edges))


def bins_of(x: Any, bins: Any, **options: Any) -> Any:
    """Powers of a spectrum in NumPy."""
    return np.asarray(sl.radial_spectrum(x, bins=bins, **options).power)


@pytest.mark.parametrize("bins", [sl.Sectors(4), sl.Sectors(8, shells=3), sl.Cylinders(), sl.Cylinders(0, 2, "log")])
def test_losses_over_partitions_count_every_bin_that_is_reported(framework: Framework, bins: Any) -> None:
    """Where shells are merged as well."""
    p, t = map(framework.asarray, (P, T))
    a, b = bins_of(P, bins), bins_of(T, bins)
    found = float(sl.log_spectral_distance(p, t, bins=bins))
    assert found == pytest.approx(np.mean((np.log(a) - np.log(b)) ** 2), rel=1e-6)
    found = float(sl.power_ratio_error(p, t, bins=bins))
    assert found == pytest.approx(np.mean((1 - a / b) ** 2), rel=1e-5)
    flat = (-2, -1)
    logs = [np.log(z + 1e-10) for z in (a, b)]
    each = np.mean((logs[0] - logs[1]) ** 2, axis=(1, *flat)) / (np.mean(logs[1] ** 2, axis=(1, *flat)) + 1e-10)
    assert float(sl.spectrum_error(p, t, bins=bins)) == pytest.approx(np.mean(each), rel=1e-9)
    cross = sl.cross_spectrum(p, t, bins=bins)
    coherence = framework.to_numpy(cross.coherence)
    assert coherence.shape == a.shape
    assert float(sl.coherence_error(p, t, bins=bins)) == pytest.approx(np.mean(1 - coherence), rel=1e-9)
    stored = sl.radial_spectrum(t, bins=bins)
    for name in ("log_spectral_distance", "power_ratio_error", "spectrum_error", "amplitude_error"):
        loss = getattr(sl, name)
        assert float(loss(p, stored, bins=bins)) == pytest.approx(float(loss(p, t, bins=bins)), rel=1e-10)
        assert float(loss(t, stored, bins=bins)) <= 1e-28
    along, h = RNG.normal(size=P.shape), 1e-6
    for name in ("log_spectral_distance", "adjusted_error", "amplitude_error"):
        ahead, behind = (float(getattr(sl, name)(P + s * h * along, T, bins=bins)) for s in (1, -1))
        gradient = framework.to_numpy(sl.value_and_grad(name, bins=bins)(p, t)[1])
        assert (gradient * along).sum() == pytest.approx((ahead - behind) / (2 * h), rel=1e-5)


def test_the_whole_error_is_in_the_bins(framework: Framework) -> None:
    """`adjusted_error` sums over complete partitions: of coherent fields it is the field error, whatever the bins."""
    p, t = framework.asarray(1.3 * T), framework.asarray(T)
    for bins in (sl.Sectors(4), sl.Cylinders()):
        found, expected = float(sl.adjusted_error(p, t, bins=bins)), float(sl.field_error(p, t))
        assert found == pytest.approx(expected, rel=1e-9)


def test_weights_of_partitions() -> None:
    found = [float(sl.log_spectral_distance(P, T, bins=sl.Sectors(4), shell_weights=g)) for g in (None, 0, 1.5)]
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    a, b = bins_of(P, sl.Sectors(4)), bins_of(T, sl.Sectors(4))
    weights = np.broadcast_to((np.arange(6) + 1.0)[:, None] ** 1.5, (6, 4))
    expected = np.average((np.log(a) - np.log(b)) ** 2, axis=(-2, -1), weights=np.broadcast_to(weights, a.shape)).mean()
    assert found[2] == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ValueError, match="shell_weights, one per shell, need shells: bins must not be Sectors"):
        sl.log_spectral_distance(P, T, bins=sl.Sectors(4), shell_weights=[1.0] * 6)


@pytest.mark.parametrize("bins", [sl.Sectors(4), sl.Cylinders()])
def test_records_go_through_files_and_batches(bins: Any, tmp_path: Path) -> None:
    spectrum = sl.radial_spectrum(T, bins=bins)
    spectrum.save(tmp_path / "t.npz")
    loaded = sl.Spectrum.load(tmp_path / "t.npz")
    assert loaded.layout == spectrum.layout
    assert repr(loaded) == repr(spectrum)
    assert type(bins).__name__.lower() in repr(spectrum)
    assert float(sl.log_spectral_distance(T, loaded, bins=bins)) == 0
    batch = sl.Spectrum.stack([sl.radial_spectrum(x, bins=bins, channel_axis=0) for x in T])
    np.testing.assert_allclose(batch.power, spectrum.power)


@needs("jax")
def test_records_go_through_jax() -> None:
    import jax

    spectrum = jax.jit(lambda x: sl.radial_spectrum(x, bins=sl.Sectors(4)))(jax.numpy.asarray(T))
    assert isinstance(spectrum.wavenumber, tuple)
    np.testing.assert_allclose(spectrum.power, bins_of(T, sl.Sectors(4)), rtol=1e-4)


@needs("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
@pytest.mark.parametrize("bins", [sl.Sectors(4), sl.Cylinders(0)])
def test_compiled_by_pytorch(bins: Any) -> None:
    import torch

    torch._dynamo.reset()
    p, t = torch.tensor(P, requires_grad=True), torch.tensor(T)

    def value(p: Any, t: Any) -> Any:
        return sl.log_spectral_distance(p, t, bins=bins) + sl.radial_spectrum(p, bins=bins).power.log().mean()

    found = torch.compile(value, fullgraph=True, backend="aot_eager")(p, t)
    expected = value(p, t)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(each, p)[0] for each in (found, expected)))


@pytest.mark.parametrize(
    ("bins", "error", "message"),
    [
        (sl.Sectors(0), ValueError, "bins: Sectors must be at least 1, got 0"),
        (sl.Sectors(2.5), TypeError, r"bins: n of Sectors must be an integer, got 2\.5"),
        (sl.Sectors(4, shells=sl.Sectors(2)), ValueError, "bins: Sectors cannot be nested"),
        (sl.Sectors(4, shells="units"), ValueError, "bins must be 'unit', 'log'"),
        (sl.Cylinders(2), ValueError, "bins: axis of Cylinders must be a place in spatial_axes, got 2 of 2"),
        (
            sl.Cylinders(parallel=[0.1, 0.2, 0.9]),
            ValueError,
            "the bin of wavenumbers .* holds no mode of the 12x16 grid",
        ),
    ],
)
def test_errors(bins: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sl.radial_spectrum(T, bins=bins)


def test_dimensions_that_have_no_directions() -> None:
    with pytest.raises(ValueError, match="bins: Sectors are for two spatial axes, got 1"):
        sl.radial_spectrum(T, spatial_axes=-1, bins=sl.Sectors(4))
    with pytest.raises(ValueError, match="bins: Cylinders are for two or three spatial axes, got 1"):
        sl.radial_spectrum(T, spatial_axes=-1, bins=sl.Cylinders())
