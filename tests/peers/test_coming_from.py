"""What docs/coming-from-libraries.md says of other libraries: the functions of the page against those libraries.

A section of the page has functions that compute a library's number with ours. They are taken from there, so that what
is compared is what a reader copies. A library that is not installed is skipped; those that are no packages are compared
with their formulas, which are written here in NumPy.
"""

from __future__ import annotations

import doctest
import math
import re
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from frameworks import needs

import spectral_losses as sl

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming-from-libraries.md"
pytestmark = [
    pytest.mark.skipif(not PAGE.exists(), reason="the pages are not here"),
    pytest.mark.filterwarnings("ignore"),  # what others warn of is not our business
]


@lru_cache
def of_page(heading: str) -> SimpleNamespace:
    """The names that the examples of a section define."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    names: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(re.sub(r"^ *```.*$", "", section, flags=re.M)):
        exec(compile(example.source, heading, "exec"), names)
    return SimpleNamespace(**names)


def imported(module: str) -> Any:
    """A module of a library, which may need more than what is installed."""
    try:
        return import_module(module)
    except ImportError as error:
        pytest.skip(f"{module}: {error}")


def pair(*shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and a target that have something to do with each other, with spectra that are not flat."""
    a, b = np.random.default_rng(seed).normal(size=(2, *shape))
    smooth = 2 * b + np.roll(b, 1, -1)
    return smooth + 0.5 * a, smooth


def tensors(*arrays: np.ndarray) -> Any:
    torch = import_module("torch")
    return tuple([torch.from_numpy(np.array(x)) for x in arrays])


def without_mean(x: np.ndarray) -> np.ndarray:
    return x - x.mean((-2, -1), keepdims=True)


def waves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Phases along the last axis and the one before it."""
    s = 2 * np.pi * np.arange(n) / n
    return s[None, :], s[:, None]


def close(found: Any, wanted: Any, rtol: float = 1e-9) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=rtol, atol=1e-14)


# neuraloperator


@needs("neuralop", "torch")
@pytest.mark.parametrize("shape", [(4, 3, 24, 32), (2, 1, 15, 15)])
def test_lp_loss(shape: tuple[int, ...]) -> None:
    losses = imported("neuralop.losses")
    p, t = pair(*shape)
    mine = of_page("neuraloperator").lp_loss(p, t)
    close(losses.LpLoss(d=2)(*tensors(p, t)), mine, 1e-8)
    close(losses.LpLoss(d=2, reduction="mean")(*tensors(p, t)), mine / math.prod(shape[:2]), 1e-8)


def central(p: np.ndarray, t: np.ndarray, measure: tuple[float, float] = (1.0, 1.0)) -> Any:
    """The root of sobolev_error of each field with sin(k h) / h in the place of k."""
    shape = p.shape[-2:]
    squared = np.zeros(shape)
    for axis, (n, length) in enumerate(zip(shape, measure, strict=True)):
        seen = np.sin(2 * np.pi * np.fft.fftfreq(n)) / (length / n)
        squared = squared + np.reshape(seen**2, (-1, 1) if axis == 0 else (1, -1))
    error, power = (np.sum((1 + squared) * abs(np.fft.fft2(x)) ** 2, axis=(-2, -1)) for x in (p - t, t))
    return np.sqrt(error / power)


@needs("neuralop", "torch")
@pytest.mark.parametrize("measure", [(1.0, 1.0), (2.0, 0.5)])
def test_h1_loss_is_the_sobolev_error_of_central_differences(measure: tuple[float, float]) -> None:
    losses = imported("neuralop.losses")
    loss = losses.H1Loss(d=2, measure=list(measure))
    p, t = pair(4, 3, 24, 32)
    close(loss(*tensors(p, t)), central(p, t, measure).sum(), 1e-8)
    assert of_page("neuraloperator").h1_loss(p, t, measure) > 1.05 * float(loss(*tensors(p, t)))  # of noise
    # Both agree as the grid gets finer than the fields.
    apart = []
    for n in (32, 64, 128):
        x, y = waves(n)
        smooth = np.sin(2 * x) * np.cos(y)
        other = smooth + 0.1 * np.cos(4 * x - 3 * y)
        theirs = float(loss(*tensors(other[None, None], smooth[None, None])))
        apart.append(
            abs(theirs / of_page("neuraloperator").h1_loss(other[None, None], smooth[None, None], measure) - 1)
        )
    assert apart[2] < 1e-2
    assert apart[0] / apart[1] == pytest.approx(4, rel=0.1)
    assert apart[1] / apart[2] == pytest.approx(4, rel=0.1)


@needs("neuralop", "torch")
def test_h1_loss_does_not_see_a_checkerboard() -> None:
    losses = imported("neuralop.losses")
    n = 32
    seen = []
    for wave in (n // 8, n // 4, 3 * n // 8, n // 2):
        x, y = waves(n)
        (error,) = tensors(np.cos(wave * x) + 0 * y)
        derivative = import_module("neuralop.losses.differentiation").FiniteDiff(dim=1, h=1 / n).dx(error)
        seen.append(float(derivative.norm() / (2 * np.pi * wave * error.norm())))
    close(np.round(seen, 2), [0.9, 0.64, 0.3, 0.0])
    x, y = waves(n)
    target = np.sin(x) + 0 * y
    rippled = (target + 0.1 * (-1.0) ** np.add(*np.indices((n, n))))[None, None]
    target = target[None, None]
    theirs, ours = (
        float(losses.H1Loss(d=2)(*tensors(rippled, target))),
        of_page("neuraloperator").h1_loss(rippled, target),
    )
    assert theirs < 0.03
    assert ours > 2


@needs("neuralop", "torch")
def test_spectrum_2d_sees_one_quadrant_and_whole_wavenumbers() -> None:
    spectrum = imported("neuralop.utils").spectrum_2d
    n = 32
    x, y = waves(n)

    def theirs(field: np.ndarray) -> np.ndarray:
        return np.asarray(spectrum(tensors(field[None])[0], n))

    def shell(field: np.ndarray) -> np.ndarray:
        _, power, edges, counts = sl.radial_spectrum(field)
        return power * counts / (np.pi * np.diff(edges**2)) / n**2

    for field, share in (
        (np.cos(3 * x + 4 * y), 0.5),
        (np.cos(4 * x) + 0 * y, 0.5),
        (np.cos(3 * x - 4 * y), 0.0),
        (np.cos(x + y), 0.0),
    ):
        close(shell(field).sum(), n**2 / 2)
        np.testing.assert_allclose(theirs(field).sum(), share * shell(field).sum(), rtol=1e-6, atol=1e-9)


# physicsnemo


@needs("physicsnemo", "torch")
@pytest.mark.parametrize("shape", [(3, 32, 48), (2, 3, 33, 32), (40, 40)])
def test_physicsnemo_power_spectrum(shape: tuple[int, ...]) -> None:
    power_spectrum = imported("physicsnemo.metrics.general.power_spectrum").power_spectrum
    x = pair(*shape)[0]
    k, power = (np.asarray(each) for each in power_spectrum(tensors(x if len(shape) > 2 else x[None])[0]))
    mine_k, mine = of_page("physicsnemo").power_spectrum(x)
    close(k, mine_k, 1e-6)
    close(np.squeeze(power)[..., 1:], mine[..., 1:], 2e-5)  # theirs is of float32


@needs("physicsnemo", "torch")
def test_physicsnemo_power_spectrum_spreads_a_wave_over_shells_on_odd_widths() -> None:
    power_spectrum = imported("physicsnemo.metrics.general.power_spectrum").power_spectrum
    for n, shells in ((32, 1), (33, 2)):
        power = power_spectrum(tensors(np.cos(waves(n)[0] * 6 + 0 * waves(n)[1])[None])[1 - 1])[1][0]
        counted = int((power > 1e-3 * power.max()).sum())
        assert counted == shells, (n, power)


@needs("physicsnemo", "pyvista")
def test_physicsnemo_tke_spectrum_counts_half_of_a_wave_elsewhere() -> None:
    theirs = imported("physicsnemo.metrics.cae.cfd").compute_tke_spectrum
    n = 12
    x = np.cos(2 * 2 * np.pi * np.arange(n) / n)
    velocity = np.stack([np.broadcast_to(x[:, None, None], (n, n, n)), np.zeros((n, n, n)), np.zeros((n, n, n))])
    spectrum = theirs(velocity)[3]
    mine_k, mine = of_page("physicsnemo").energy_spectrum(velocity)
    close(mine[mine_k == 2], np.mean(velocity**2) * 3 / 2)
    close(spectrum[2], mine[mine_k == 2] / 2)
    close(spectrum[n - 2], mine[mine_k == 2] / 2)
    with pytest.raises(UnboundLocalError):
        theirs(velocity, length=1.0)


def test_the_energy_spectrum_of_the_page_is_the_kinetic_energy() -> None:
    velocity = np.random.default_rng(0).normal(size=(3, 12, 15, 16))
    modes = sum(abs(np.fft.fftn(u) / u.size) ** 2 for u in velocity)
    k = np.sqrt(sum(np.meshgrid(*((n * np.fft.fftfreq(n)) ** 2 for n in velocity.shape[1:]), indexing="ij")))
    centres, energy = of_page("physicsnemo").energy_spectrum(velocity)
    close(energy.sum(), modes[(k > 0.5) & (k <= centres[-1] + 0.5)].sum() / 2)


# the_well


def meta() -> Any:
    return SimpleNamespace(n_spatial_dims=2)


@needs("the_well", "torch")
@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 1, 24, 33)])
def test_the_well_power_spectrum(shape: tuple[int, ...]) -> None:
    spectral = imported("the_well.benchmark.metrics.spectral")
    x = pair(*shape)[0]
    (last,) = tensors(np.moveaxis(x, 1, -1))
    for given in (None, tensors(2 * np.pi / 32 * np.asarray([0, *(np.arange(10) + 0.5)]))[0].float()):
        edges, power, _ = spectral.power_spectrum(last, meta(), bins=given)
        edges = np.asarray(edges, dtype=np.float64)[1:]  # without the first bin, which has the mean in it there
        close(np.moveaxis(np.asarray(power), -1, 1)[..., 1:], of_page("the_well").power_spectrum(x, edges), 1e-6)


@needs("the_well", "torch")
@pytest.mark.parametrize("size", [(40, 40), (24, 33)])
def test_the_well_binned_spectral_mse(size: tuple[int, int]) -> None:
    metric = imported("the_well.benchmark.metrics.spectral").binned_spectral_mse
    p, t = pair(2, 3, *size)
    t = without_mean(t)
    parts = metric.eval(*tensors(*(np.moveaxis(x, 1, -1) for x in (p, t))), meta())
    relative = [np.asarray(value) for name, value in parts.items() if "_nmse_" in name]
    absolute = [np.asarray(value) for name, value in parts.items() if "_mse_" in name]
    assert len(relative) == len(absolute) == 3
    close(np.mean(relative), of_page("the_well").binned_spectral_nmse(p, t), 1e-5)
    close(np.sum(absolute, axis=0), ((p - t) ** 2).mean((-2, -1)), 1e-6)


@needs("the_well", "torch")
def test_the_well_binned_spectral_mse_hardly_counts_faint_bands() -> None:
    metric = imported("the_well.benchmark.metrics.spectral").binned_spectral_mse
    p, t = (1e-4 * without_mean(x) for x in pair(1, 1, 40, 40))
    parts = metric.eval(*tensors(*(np.moveaxis(x, 1, -1) for x in (p, t))), meta())
    theirs = np.mean([np.asarray(value) for name, value in parts.items() if "_nmse_" in name])
    assert theirs < 0.2 * of_page("the_well").binned_spectral_nmse(p, t)


@needs("the_well", "torch")
def test_the_well_nmse_and_pearson_r() -> None:
    spatial = imported("the_well.benchmark.metrics.spatial")
    p, t = pair(2, 3, 24, 32)
    last = tensors(*(np.moveaxis(x, 1, -1) for x in (p, t)))
    close(spatial.NMSE.eval(*last, meta()), of_page("the_well").nmse(p, t), 1e-6)
    close(spatial.PearsonR.eval(*last, meta()), of_page("the_well").pearson_r(p, t), 1e-6)
    close(spatial.PearsonR.eval(last[1], last[1], meta()), np.full((2, 3), 1 - 1 / (24 * 32)), 1e-6)


# xrft


def labelled(x: np.ndarray, spacing: float) -> Any:
    xarray = imported("xarray")
    dims = ("stack", "y", "x")[-x.ndim :]
    return xarray.DataArray(
        x, dims=dims, coords={d: spacing * np.arange(n) for d, n in zip(dims, x.shape, strict=True)}
    )


@needs("xrft", "numpy_groupies")
@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({}, {}),
        ({"nfactor": 2}, {"nfactor": 2}),
        ({"window": "hann"}, {"window": "hann", "window_correction": True}),
        ({"detrend": "constant"}, {"detrend": "constant"}),
        ({"detrend": "linear", "window": "hann"}, {"detrend": "linear", "window": "hann", "window_correction": True}),
    ],
)
@pytest.mark.parametrize("shape", [(32, 48), (33, 40)])
def test_xrft_isotropic_power_spectrum(shape: tuple[int, int], options: Any, theirs: Any) -> None:
    xrft = imported("xrft")
    x, spacing = pair(*shape)[0] + 0.1 * np.arange(shape[1]), 0.5
    found = xrft.isotropic_power_spectrum(labelled(x, spacing), dim=["y", "x"], truncate=False, **theirs)
    mine = of_page("xrft").isotropic_density(x, spacing, **options)
    close((found / found.freq_r)[1:], mine[1:], 1e-9)


@needs("xrft")
@pytest.mark.parametrize("n", [48, 45])
def test_xrft_power_spectrum_in_one_dimension(n: int) -> None:
    xrft = imported("xrft")
    x, spacing = pair(n)[0], 0.5
    found = np.asarray(xrft.power_spectrum(labelled(x, spacing), dim="x", real_dim="x"))
    mine = of_page("xrft").power_spectrum(x, spacing)
    last = -1 if n % 2 == 0 else None
    close(found[1:last], mine[:last])
    if last:
        close(2 * found[-1], mine[-1])


@needs("xrft", "numpy_groupies")
@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({}, {}),
        ({"window": "hann"}, {"window": "hann", "window_correction": True}),
        ({"detrend": "linear"}, {"detrend": "linear"}),
    ],
)
@pytest.mark.parametrize("shape", [(32, 48), (33, 40)])
def test_xrft_isotropic_cross_spectrum(shape: tuple[int, int], options: Any, theirs: Any) -> None:
    xrft = imported("xrft")
    spacing = 0.5
    a, b = (x + 0.1 * np.arange(shape[1]) for x in pair(*shape))
    labels = (labelled(x, spacing) for x in (a, b))
    found = xrft.isotropic_cross_spectrum(*labels, dim=["y", "x"], truncate=False, **theirs)
    density = np.asarray(found / found.freq_r)[1:]
    close(density.real, of_page("xrft").isotropic_cross_density(a, b, spacing, **options)[1:])
    assert abs(density.imag).max() < 1e-12 * abs(density.real).max()


@needs("xrft")
@pytest.mark.parametrize("n", [48, 45])
def test_xrft_cross_phase_in_one_dimension(n: int) -> None:
    xrft = imported("xrft")
    a, b = pair(n)
    found = np.asarray(xrft.cross_phase(*(labelled(x, 0.5) for x in (a, b)), dim="x", real_dim="x"))[1:]
    mine = of_page("xrft").cross_phase(a, b)
    close(np.exp(1j * found), np.exp(1j * mine))
    assert len(np.unique(np.round(mine, 3))) > 10


# pysteps


@needs("pysteps")
@pytest.mark.parametrize("shape", [(32, 32), (33, 33), (32, 48), (45, 32)])
def test_pysteps_rapsd(shape: tuple[int, int]) -> None:
    rapsd = imported("pysteps.utils.spectral").rapsd
    x = pair(*shape)[0]
    mine = of_page("pysteps").rapsd(x)
    theirs = rapsd(x, fft_method=np.fft)[1:]
    whole = (min(shape) - 1) // 2  # shells that the shorter side does not cut off
    close(theirs[:whole], mine[:whole])
    assert len(theirs) == (max(shape) - 1) // 2


# focal-frequency-loss


@needs("focal_frequency_loss", "torch")
@pytest.mark.parametrize("options", [{}, {"alpha": 0.5}, {"alpha": 2.0}, {"patch_factor": 2}])
def test_focal_frequency_loss(options: dict[str, Any]) -> None:
    loss = imported("focal_frequency_loss").FocalFrequencyLoss
    p, t = pair(4, 3, 16, 24)
    close(loss(**options)(*tensors(p, t)), of_page("focal-frequency-loss").focal_frequency_loss(p, t, **options))


@needs("focal_frequency_loss", "torch")
def test_focal_frequency_loss_of_the_average_spectrum() -> None:
    loss = imported("focal_frequency_loss").FocalFrequencyLoss
    p, t = pair(4, 3, 16, 24)
    close(
        loss(ave_spectrum=True, loss_weight=2.0)(*tensors(p, t)),
        2 * of_page("focal-frequency-loss").average_spectrum(p, t),
    )


# FACL, by its formulas


@pytest.mark.parametrize("size", [(16, 24), (15, 21)])
def test_facl(size: tuple[int, int]) -> None:
    p, t = pair(2, 4, 1, *size)
    f_p, f_t = (np.fft.fft2(x, norm="ortho") for x in (p, t))
    fal = np.mean((abs(f_p) - abs(f_t)) ** 2)
    fcl = 1 - np.sum(np.conj(f_p) * f_t).real / np.sqrt(np.sum(abs(f_t) ** 2) * np.sum(abs(f_p) ** 2))
    close(of_page("FACL").fal(p, t), fal, 1e-6)
    close(of_page("FACL").fcl(p, t), fcl)
    close(fcl, 1 - np.sum(p * t) / np.sqrt(np.sum(p**2) * np.sum(t**2)))  # no transform is needed


def test_facl_cos_loss() -> None:
    p, t = (x + 1.0 for x in pair(2, 4, 1, 15, 21))  # means of one sign are in step
    f_p, f_t = (np.fft.fft2(x, norm="ortho") for x in (p, t))
    close(of_page("FACL").cos_loss(p, t), np.mean(1 - (f_p * f_t.conj()).real / (abs(f_p) * abs(f_t))), 1e-6)


def test_facl_of_dry_frames_is_finite_here() -> None:
    dry = np.zeros((2, 1, 1, 8, 8))
    assert float(of_page("FACL").fcl(dry, dry)) == 0


# PDEBench, by its formulas


def test_pdebench_nrmse() -> None:
    p, t = pair(4, 3, 16, 24)
    wanted = np.mean(np.sqrt(((p - t) ** 2).mean((-2, -1))) / np.sqrt((t**2).mean((-2, -1))))
    close(of_page("PDEBench").nrmse(p, t), wanted)


@pytest.mark.parametrize("n", [64, 63])
def test_pdebench_frmse_in_one_dimension(n: int) -> None:
    p, t = pair(8, n)
    length = 2.5
    error = np.sqrt(np.mean(abs(np.fft.rfft(p - t)) ** 2, axis=0)) / n * length
    close(of_page("PDEBench").frmse(p, t, length), (error[4:12].mean(), error[12:].mean()))


def quadrant(error: np.ndarray) -> np.ndarray:
    """Its errors of whole wavenumbers in two dimensions, before the bands."""
    n = error.shape[-1]
    squared, found = abs(np.fft.fft2(error)) ** 2, np.zeros(n // 2)
    for i in range(n // 2):
        for j in range(n // 2):
            if (radius := math.isqrt(i * i + j * j)) < n // 2:
                found[radius] += squared[i, j]
    return np.sqrt(found) / n**2


def test_pdebench_frmse_sees_one_quadrant() -> None:
    n = 32
    x, y = waves(n)
    target = sum(np.cos(k * x) + np.cos(k * y) for k in range(1, 16))
    errors = [np.cos(3 * x + 4 * y), np.cos(3 * x - 4 * y)]
    theirs = [quadrant(error).max() for error in errors]
    close(theirs[0], 0.5)
    assert theirs[1] < 1e-12
    ours = [float(of_page("PDEBench").bands(target + error, target)) for error in errors]
    assert ours[0] > 0.01
    assert ours[0] == pytest.approx(ours[1], rel=1e-9)


# makani, by its formulas, over shells of a plane in the place of degrees of the sphere


def by_shell(p: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Powers of both and their cross-spectrum, the mean first, the shells, and all modes beyond them."""
    h, w = p.shape[-2:]
    radius = np.rint(np.hypot(h * np.fft.fftfreq(h)[:, None], w * np.fft.fftfreq(w))).astype(int)
    bins = np.minimum(radius, min(h, w) // 2 + 1).ravel()
    f_p, f_t = (np.fft.fft2(x).reshape(*x.shape[:-2], -1) / (h * w) for x in (p, t))

    def summed(x: np.ndarray) -> np.ndarray:
        return np.stack([x[..., bins == b].sum(-1) for b in range(bins.max() + 1)], axis=-1)

    return summed(abs(f_p) ** 2), summed(abs(f_t) ** 2), summed((f_p * f_t.conj()).real)


def amse(p: np.ndarray, t: np.ndarray, c: np.ndarray, eps: float) -> np.ndarray:
    coherence = c / np.sqrt(p * t + eps)
    return np.sum((np.sqrt(p) - np.sqrt(t)) ** 2 + 2 * np.maximum(p, t) * (1 - coherence), axis=-1)


@pytest.mark.parametrize("size", [(16, 24), (15, 21)])
def test_makani_amse(size: tuple[int, int]) -> None:
    p, t = (x + 0.3 for x in pair(4, 3, *size))  # means of one sign, of which theirs is the plain square
    p *= 1.3
    close(of_page("makani").amse(p, t), amse(*by_shell(p, t), eps=0.0), 1e-8)


def test_makani_amse_charges_a_perfect_forecast() -> None:
    power = np.asarray([1e-3, 1e-4, 1e-5])
    coherence = power / np.sqrt(power**2 + 1e-6)
    close(np.round(coherence, 2), [0.71, 0.1, 0.01])
    t = pair(1, 1, 32, 32)[1]
    t *= 0.01
    of_target, eps = by_shell(t, t), 1e-6
    assert amse(*of_target, eps=eps)[0, 0] > 1.5 * np.mean(t**2)
    assert of_page("makani").amse(t, t).max() == 0


def test_makani_norms() -> None:
    p, t = pair(4, 3, 17, 24)
    page = of_page("makani")
    latitudes = np.linspace(60, 30, 17)
    area = np.cos(np.deg2rad(latitudes))[:, None] / np.cos(np.deg2rad(latitudes)).sum() / 24
    quadrature = [np.sum(area * x**2, axis=(-2, -1)) for x in (p - t, t)]
    close(page.geometric_lp(p, t, latitudes), quadrature[0] / quadrature[1])
    # In the spectrum: squares of modes, then with their wavenumbers, over those of the target.
    squared = (17 * np.fft.fftfreq(17)[:, None]) ** 2 + (24 * np.fft.fftfreq(24)) ** 2
    error, power = (abs(np.fft.fft2(x)) ** 2 for x in (p - t, t))
    close(sl.field_error(p, t, eps=0, reduction="none"), error.sum((-2, -1)) / power.sum((-2, -1)))
    close(page.spectral_h1(p, t), (squared * error).sum((-2, -1)) / (squared * power).sum((-2, -1)))


def test_makani_coherence() -> None:
    p, t = pair(4, 3, 17, 24)
    power, of_target, cross = by_shell(p, t)
    wanted = np.mean((1 - cross / np.sqrt(power * of_target))[..., 3:7], axis=-1)
    close(of_page("makani").coherence(p, t, 3, 6), wanted, 1e-8)


# anemoi


def flat(x: np.ndarray) -> Any:
    """``[B, C, H, W]`` as ``[batch, time, ensemble, grid, variables]``."""
    (found,) = tensors(np.moveaxis(x.reshape(*x.shape[:2], -1), 1, -1)[:, None, None])
    return found


def anemoi_loss(name: str, size: tuple[int, int], **options: Any) -> Any:
    return getattr(imported("anemoi.training.losses.spectral"), name)("fft2d", y_dim=size[0], x_dim=size[1], **options)


def self_mirrored(x: np.ndarray) -> np.ndarray:
    """The modes that are their own mirror image."""
    h, w = x.shape[-2:]
    modes = np.fft.fft2(x)
    return modes[..., :: h // 2 if h % 2 == 0 else h, :: w // 2 if w % 2 == 0 else w]


@needs("anemoi", "torch")
@pytest.mark.parametrize("size", [(15, 21), (16, 21), (16, 24)])
def test_anemoi_log_spectral_distance(size: tuple[int, int]) -> None:
    loss = anemoi_loss("LogSpectralDistance", size)
    p, t = pair(4, 3, *size)
    p += t.mean((-2, -1), keepdims=True) - p.mean((-2, -1), keepdims=True)
    theirs, mine = float(loss(flat(p), flat(t))) ** 2, of_page("anemoi").log_spectral_distance(p, t) ** 2
    if size == (15, 21):
        close(theirs, mine, 1e-8)
        return
    # As many pairs as half of the modes and of their own mirror images; these count once in theirs.
    single = (np.log(abs(self_mirrored(p)) ** 2) - np.log(abs(self_mirrored(t)) ** 2)) ** 2
    points, singles = math.prod(size), single[0, 0].size
    mine *= (points + singles) / (points + 1)
    close(theirs, mine - np.mean(single.sum((-2, -1))), 1e-6)
    assert theirs == pytest.approx(mine, rel=0.05)


@needs("anemoi", "torch")
def test_anemoi_fourier_correlation() -> None:
    size = (15, 21)
    p, t = (x + 1.0 for x in pair(4, 3, *size))  # means of one sign are in step
    close(
        anemoi_loss("FourierCorrelationLoss", size)(flat(p), flat(t)), of_page("anemoi").fourier_correlation(p, t), 1e-6
    )
    masked = anemoi_loss("FourierCorrelationLoss", (40, 40), apply_filter=True)
    t = pair(1, 1, 40, 40)[1]
    assert float(masked(flat(t), flat(t))) / 1600 == pytest.approx(0.215, abs=0.02)
    assert float(of_page("anemoi").fourier_correlation(t, t)) == 0


@needs("anemoi", "torch", "scipy")
def test_anemoi_counts_orders_beyond_zero_once() -> None:
    transforms = imported("anemoi.models.layers.spectral_transforms")
    special = imported("scipy.special")
    latitudes, degree = 16, 5
    sht = transforms.OctahedralSHT(latitudes)
    sines = np.polynomial.legendre.leggauss(latitudes)[0]
    powers = []
    for m in (0, 3):
        # Of mean square 1 over the sphere, whatever the order.
        norm = math.sqrt((2 * degree + 1) * (2 if m else 1) * math.factorial(degree - m) / math.factorial(degree + m))
        rings = [
            norm * special.lpmv(m, degree, sine) * np.cos(m * 2 * np.pi * np.arange(points) / points)
            for sine, points in zip(sines, sht.lons_per_lat, strict=True)
        ]
        coefficients = sht(tensors(np.concatenate(rings).reshape(1, 1, 1, -1, 1))[0])
        powers.append(np.asarray(sht.power_spectral_density(coefficients)).ravel())
    assert powers[0].argmax() == powers[1].argmax() == degree
    close(powers[1][degree] / powers[0][degree], 0.5, 1e-5)


def test_the_distance_of_independent_samples_mode_by_mode_and_by_shell() -> None:
    p, t = np.random.default_rng(0).normal(size=(2, 40, 1, 31, 31))
    per_mode = of_page("anemoi").log_spectral_distance(p, t) ** 2 / (31**2 + 1)
    assert per_mode == pytest.approx(np.pi**2 / 3, rel=0.03)
    pairs = np.asarray(sl.radial_spectrum(p).counts)[5:] / 2
    shells = sl.log_spectral_distance(p, t, bins=[*(np.arange(5, 16) + 0.5)])
    assert float(shells) == pytest.approx(np.mean(2 / pairs), rel=0.15)


# The page


def test_every_function_of_the_page_is_compared() -> None:
    page, here = PAGE.read_text(encoding="utf-8"), Path(__file__).read_text(encoding="utf-8")
    defined = [
        (heading, name)
        for heading, section in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.M | re.S)
        for name in re.findall(r"^>>> def (\w+)", section, re.M)
    ]
    assert len(defined) > 20
    # Where a test takes several of a section, it calls the section `page`.
    ways = [(name, (f'of_page("{heading}").{name}(', f"page.{name}(")) for heading, name in defined]
    assert [name for name, calls in ways if not any(call in here for call in calls)] == []
