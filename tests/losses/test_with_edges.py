"""Losses and spectra over cosines, of domains with edges, on every framework: numbers, gradients and refusals."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs, on
from hypothesis import given, settings
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses
from spectral_losses.testing import spatial_shapes
from spectral_losses.transforms.plane import Plane
from spectral_losses_backends.registry import backend_of

LOSSES = {name: loss for name, loss in all_losses().items() if "transform" in inspect.signature(loss).parameters}
OPTIONS: dict[str, dict[str, Any]] = {"band_error": {"bands": 2}}
# One shape throughout: JAX compiles a loss once for it.
P, T, ALONG = np.random.default_rng(11).normal(size=(3, 3, 2, 2, 7, 10))
EDGES: dict[str, Any] = {"transform": "dct"}
TYPICAL = ("spectrum_error", "adjusted_error", "amplitudes", "sobolev_error")
"""One of each way through a backend, for those to which every loss costs seconds."""
OTHERS = {
    "amplitudes": sl.Component("amplitude_error", bins="modes", **EDGES),
    "focus": sl.Component("focal_frequency_error", whiten=True, **EDGES),
    "scaled": sl.Component("sobolev_error", s=-0.5, seminorm=True, lengths=(1.0, 2.0), **EDGES),
    "weighed": sl.Component("log_spectral_distance", shell_weights=1.5, detrend="linear", **EDGES),
    "cylinders": sl.Component("spectrum_error", bins=sl.Cylinders(0, "log", 2), **EDGES),
}


def options_of(name: str, **others: Any) -> dict[str, Any]:
    taken = inspect.signature(LOSSES[name]).parameters
    return {k: v for k, v in {**EDGES, **OPTIONS.get(name, {}), **others}.items() if k in taken}


def composite(names: tuple[str, ...] = (*LOSSES, *OTHERS), **others: Any) -> sl.CompositeLoss:
    """Several losses at once: for a framework that compiles, one program."""
    components = {
        name: OTHERS[name] if name in OTHERS else sl.Component(name, **options_of(name, **others)) for name in names
    }
    return sl.CompositeLoss(components, {name: 0.2 + i for i, name in enumerate(names)})


@cache
def exact(names: tuple[str, ...] = (*LOSSES, *OTHERS), **others: Any) -> tuple[dict[str, float], Any]:
    """Values and the gradient of `composite`, by NumPy."""
    (_, parts), gradient = sl.value_and_grad(composite(names, **others))(P, T)
    return {name: float(part) for name, part in parts.items()}, gradient


def cosines(x: Any) -> Any:
    """Orthonormal cosine coefficients of the last two axes, by sums."""
    for axis in (-2, -1):
        n = x.shape[axis]
        waves = np.cos(np.pi * np.outer(np.arange(n), np.arange(n) + 0.5) / n) * np.sqrt(2 / n)
        waves[0] /= np.sqrt(2)
        x = np.moveaxis(np.tensordot(waves, np.moveaxis(x, axis, 0), axes=1), 0, axis)
    return x


K = np.hypot(*np.meshgrid(np.arange(7) / 2, np.arange(10) / 2, indexing="ij"))
SHELL = np.ceil(2 * K - 0.5 - 1e-9).astype(int)  # 0 for the mean, 1 to 6, and behind these the corner


def shares(x: Any) -> Any:
    """Of the mean square, in each shell; that below and that beyond them included."""
    squares = cosines(x) ** 2 / 70
    return np.stack([np.sum(squares, axis=(-2, -1), where=np.minimum(SHELL, 7) == b) for b in range(8)], axis=-1)


def test_the_losses_that_know_edges() -> None:
    assert set(all_losses()) - set(LOSSES) == {"field_error", "correlation_error", "wavelet_error"}


# Numbers.


def test_a_spectrum_by_brute_force() -> None:
    spectrum = sl.radial_spectrum(T, **EDGES)
    np.testing.assert_array_equal(spectrum.wavenumber, np.arange(1, 7) / 2)
    np.testing.assert_array_equal(spectrum.edges, (np.arange(7) + 0.5) / 2)
    counts = np.array([np.sum(b == SHELL) for b in range(1, 7)])
    np.testing.assert_array_equal(spectrum.counts, counts)
    measure = np.pi * np.diff(spectrum.edges**2)
    np.testing.assert_allclose(spectrum.power, shares(T)[..., 1:-1] * 70**2 * measure / counts, rtol=1e-12)
    with_lengths = sl.radial_spectrum(T, lengths=(7.0, 7.0), **EDGES)
    np.testing.assert_allclose(with_lengths.wavenumber, np.pi * np.arange(1, 7) / 7, rtol=1e-15)
    np.testing.assert_array_equal(with_lengths.counts, counts)
    across = sl.radial_spectrum(T, bins=sl.Cylinders(0), **EDGES)  # all modes by themselves, along each axis
    squares = np.swapaxes(cosines(T) ** 2, -1, -2) * 70
    np.testing.assert_array_equal(across.counts, np.ones((10, 7)))
    area = np.diff(across.edges[0])[:, None] * np.diff(across.edges[1]) * 4
    np.testing.assert_allclose(across.power, squares * area, rtol=1e-11)


def test_losses_by_brute_force() -> None:
    error, power, of = shares(P - T), shares(T), shares(P)
    value = {name: float(loss(P, T, **options_of(name))) for name, loss in LOSSES.items()}
    inside = slice(1, 7)
    ratio = of[..., inside] / power[..., inside]
    assert value["log_spectral_distance"] == pytest.approx(np.mean(np.log(ratio) ** 2), rel=1e-9)
    assert value["power_ratio_error"] == pytest.approx(np.mean((1 - ratio) ** 2), rel=1e-9)
    apart = (np.sqrt(of) - np.sqrt(power)) ** 2
    decoherence = (error - apart) / (2 * np.sqrt(of * power))
    assert value["coherence_error"] == pytest.approx(np.mean(decoherence[..., inside]), rel=1e-9)
    larger = 2 * np.maximum(np.sqrt(of), np.sqrt(power)) * np.abs(np.sqrt(of) - np.sqrt(power)) * decoherence
    adjusted = (error.sum(-1) + larger[..., 1:].sum(-1)) / power.sum(-1)
    assert value["adjusted_error"] == pytest.approx(np.mean(adjusted), rel=1e-6)
    assert np.mean(error.sum(-1) / power.sum(-1)) == pytest.approx(
        np.mean(np.mean((P - T) ** 2, (-2, -1)) / np.mean(T**2, (-2, -1))), rel=1e-12
    )
    x, y = cosines(P), cosines(T)
    weights = 1 + K**2
    sobolev = np.sum(weights * (x - y) ** 2, (-2, -1)) / np.sum(weights * y**2, (-2, -1))
    assert value["sobolev_error"] == pytest.approx(np.mean(sobolev), rel=1e-6)
    each = np.sum((abs(x) - abs(y)) ** 2, (-2, -1)) / np.sum(y**2, (-2, -1))
    assert float(sl.amplitude_error(P, T, bins="modes", **EDGES)) == pytest.approx(np.mean(each), rel=1e-6)
    largest = np.max(abs(x - y), axis=(-2, -1), keepdims=True)
    focal = np.sum(abs(x - y) ** 3 / largest, axis=(-2, -1)) / 70
    assert value["focal_frequency_error"] == pytest.approx(np.mean(focal), rel=1e-9)


def test_values_and_gradients_are_the_same_everywhere(framework: Framework) -> None:
    differentiate = framework.gradient
    costly = framework.name in ("jax", "dask")
    options: list[tuple[Any, dict[str, Any]]] = [(TYPICAL, {})]
    if not costly:
        options = [((*LOSSES, *OTHERS), {}), (tuple(LOSSES), {"pool": 1, "channels": "sum"})]
    for names, others in options:
        loss, (values, gradient) = composite(names, **others), exact(names, **others)
        p, t = framework.asarray(P), framework.asarray(T)
        both = framework.compiled(lambda p, t, loss=loss: sl.value_and_grad(loss)(p, t))
        (_, parts), found = both(p, t)
        assert {name: float(part) for name, part in parts.items()} == pytest.approx(values, rel=1e-11)
        assert type(found) is type(p)
        atol = 1e-11 * abs(gradient).max()
        np.testing.assert_allclose(framework.to_numpy(found), gradient, rtol=1e-9, atol=atol)
        if differentiate is not None:
            own = framework.compiled(lambda p, t, loss=loss: differentiate(lambda p: loss(p, t)[0], p))
            np.testing.assert_allclose(framework.to_numpy(own(p, t)), gradient, rtol=1e-9, atol=atol)


@pytest.mark.parametrize("shape", [(9,), (7, 10), (4, 5, 6)])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_differences(name: str, shape: tuple[int, ...]) -> None:
    rng, h = np.random.default_rng(5), 1e-6
    p, t, along = rng.normal(size=(3, 2, 1, *shape))
    for others in ({}, {"pool": "frames", "channels": "sum", "detrend": "linear"}):
        # Weights that are not differentiated stay out of it.
        options = options_of(name, spatial_axes=tuple(range(-len(shape), 0)), alpha=0, **others)
        gradient = sl.value_and_grad(name, **options)(p, t)[1]
        ahead, behind = (float(LOSSES[name](p + s * h * along, t, **options)) for s in (1, -1))
        assert np.sum(gradient * along) == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("framework", on("numpy", "torch", "jax", "dask", "cupy", "torch-cuda"), indirect=True)
def test_half_precision(framework: Framework) -> None:
    def both(p: Any, t: Any) -> Any:
        return sl.value_and_grad("log_spectral_distance", **EDGES)(p, t)

    for half in framework.halves:
        p, t = (framework.cast(framework.asarray(x), half) for x in (P, T))
        value, gradient = both(*(framework.to_numpy(x).astype("float64") for x in (p, t)))
        found = framework.compiled(both)(p, t)
        assert float(found[0]) == pytest.approx(float(value), rel=1e-5)
        assert found[1].dtype == p.dtype
        atol = {"float16": 1e-3, "bfloat16": 1e-2}[half] * abs(gradient).max()
        np.testing.assert_allclose(framework.to_numpy(found[1]).astype(float), gradient, rtol=0, atol=atol)


@needs("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
@pytest.mark.parametrize("name", ["adjusted_error", "sobolev_error"])
def test_transformations_of_pytorch(name: str) -> None:
    """Compiled for any batch, mapped, forward mode, second derivatives, without values, and under autocast."""
    import torch

    loss, options = LOSSES[name], options_of(name)
    p, t, along = map(torch.tensor, (P, T, ALONG))
    torch._dynamo.reset()
    compiled = torch.compile(lambda p, t: loss(p, t, **options), fullgraph=True, backend="aot_eager", dynamic=True)
    for batch in (3, 2):
        x, y = p[:batch].clone().requires_grad_(), t[:batch]
        values = compiled(x, y), loss(x, y, **options)
        torch.testing.assert_close(*values)
        torch.testing.assert_close(*(torch.autograd.grad(value, x)[0] for value in values))
    gradient = sl.value_and_grad(name, **options)
    mapped = torch.func.vmap(torch.func.grad(lambda p, t: loss(p, t, **options)))(p, t)
    for i in range(3):
        np.testing.assert_allclose(mapped[i], gradient(P[i], T[i])[1], rtol=1e-8, atol=1e-12)
    _, tangent = torch.func.jvp(lambda p: loss(p, t, **options), (p,), (along,))
    assert float(tangent) == pytest.approx(np.sum(gradient(P, T)[1] * ALONG), rel=1e-9)
    small = p[:1, :1].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda p: loss(p, t[:1, :1], **options), small, fast_mode=True, nondet_tol=1e-10
    )
    meta = torch.empty(P.shape, device="meta").requires_grad_()
    value = loss(meta, torch.empty(P.shape, device="meta"), **options)
    assert value.shape == ()
    assert torch.autograd.grad(value, meta)[0].shape == P.shape
    single = p.float().requires_grad_(), t.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lowered = loss(*single, **options)
    torch.testing.assert_close(lowered, loss(*single, **options), rtol=1e-6, atol=0)


@needs("torch")
def test_gradients_of_the_target_too() -> None:
    import torch

    p, t = (torch.tensor(x[:1, :, 0]).requires_grad_() for x in (P, T))
    assert torch.autograd.gradcheck(lambda p, t: sl.coherence_error(p, t, **EDGES), (p, t), fast_mode=True)
    assert torch.autograd.gradcheck(lambda x: sl.radial_spectrum(x, bins="log", **EDGES).power, (p,), fast_mode=True)

    def cross(p: Any, t: Any) -> Any:  # the quadrature spectrum, which is 0, has a slope of 0
        found = sl.cross_spectrum(p, t, **EDGES)
        return found.cospectrum + 3 * found.quadrature

    assert torch.autograd.gradcheck(cross, (p, t), fast_mode=True)


@needs("jax")
def test_transformations_of_jax() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    mapped = jax.jit(jax.vmap(jax.grad(lambda p, t: sl.log_spectral_distance(p, t, **EDGES))))(P, T)
    gradient = sl.value_and_grad("log_spectral_distance", **EDGES)
    for i in range(3):
        np.testing.assert_allclose(mapped[i], gradient(P[i], T[i])[1], rtol=1e-8, atol=1e-12)


@needs("dask")
def test_dask_stays_lazy() -> None:
    import dask
    import dask.array as da

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("something was computed")

    p, t = (da.from_array(x, chunks=(2, 2, 2, 7, 5)) for x in (P, T))
    with dask.config.set(scheduler=forbidden):
        value, gradient = sl.value_and_grad("adjusted_error", **EDGES)(p, t)
        power = sl.radial_spectrum(t, **EDGES).power
    assert float(value) == pytest.approx(float(sl.adjusted_error(P, T, **EDGES)), rel=1e-12)
    expected = sl.value_and_grad("adjusted_error", **EDGES)(P, T)[1]
    np.testing.assert_allclose(gradient.compute(), expected, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(power.compute(), sl.radial_spectrum(T, **EDGES).power, rtol=1e-12)


# Layouts, stored spectra, diagnostics, and losses together.


def test_axes_may_lie_anywhere() -> None:
    names = tuple(LOSSES)
    values, gradient = exact(names)
    for order, axes in (
        ((4, 0, 1, 3, 2), {"spatial_axes": (3, 0), "channel_axis": 4}),
        ((0, 1, 3, 4, 2), {"spatial_axes": (2, 3)}),
    ):
        p, t = (np.ascontiguousarray(x.transpose(order)) for x in (P, T))
        (_, parts), found = sl.value_and_grad(composite(names, **axes))(p, t)
        assert {name: float(part) for name, part in parts.items()} == pytest.approx(values, rel=1e-11)
        np.testing.assert_allclose(found, gradient.transpose(order), rtol=1e-9, atol=1e-11 * abs(gradient).max())


@pytest.mark.parametrize("name", ["log_spectral_distance", "power_ratio_error", "amplitude_error", "spectrum_error"])
@pytest.mark.parametrize("others", [{}, {"pool": 0, "channels": "sum", "bins": "log"}])
def test_a_stored_spectrum_stands_for_the_target(name: str, others: dict[str, Any], tmp_path: Any) -> None:
    options = {**EDGES, **others}
    stored = sl.radial_spectrum(T, **options)
    stored.save(tmp_path / "target.npz")
    for target in (stored, sl.Spectrum.load(tmp_path / "target.npz")):
        found, expected = (sl.value_and_grad(name, **options)(P, t) for t in (target, T))
        assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-12)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-13)
        for other in ({**others, "transform": "fft"}, others, {**options, "detrend": "constant"}):
            with pytest.raises(ValueError, match="on another grid or with other options"):
                LOSSES[name](P, target, **other)
    # With edges in common, too, a spectrum of the other transform is another one.
    edges = {**others, "bins": (0.5, 1.5, 2.5)}
    with pytest.raises(ValueError, match="on another grid or with other options"):
        LOSSES[name](P, sl.radial_spectrum(T, **edges), **edges, **EDGES)


def test_evaluated_and_in_a_sum() -> None:
    found = sl.evaluate(P, T, losses=[*LOSSES, "field_error"], bands=2, **EDGES)
    assert found.pop("field_error") == pytest.approx(float(sl.field_error(P, T)), rel=1e-12)
    assert found == pytest.approx({name: exact()[0][name] for name in LOSSES}, rel=1e-12)
    both = sl.CompositeLoss({"edges": sl.Component("adjusted_error", **EDGES), "periodic": "adjusted_error"})(P, T)[1]
    assert float(both["edges"]) == pytest.approx(exact()[0]["adjusted_error"], rel=1e-13)
    assert float(both["periodic"]) == pytest.approx(float(sl.adjusted_error(P, T)), rel=1e-13)
    assert float(both["periodic"]) != pytest.approx(float(both["edges"]), rel=1e-4)


def test_cross_spectra_are_real(framework: Framework) -> None:
    p, t = framework.asarray(P), framework.asarray(T)
    cross = framework.compiled(lambda p, t: sl.cross_spectrum(p, t, pool="frames", **EDGES))(p, t)
    assert not framework.to_numpy(cross.quadrature).any()
    phase = framework.to_numpy(cross.phase)
    assert np.isin(phase, [0, np.pi]).all()
    x, y = cosines(P), cosines(T)
    expected = np.stack([np.sum(x * y, axis=(-2, -1), where=b == SHELL) for b in range(1, 7)], axis=-1) / 70
    found = framework.to_numpy(cross.cospectrum)
    spectrum = sl.radial_spectrum(T, **EDGES)
    scale = 70**2 * np.pi * np.diff(spectrum.edges**2) / spectrum.counts
    np.testing.assert_allclose(found, expected.mean((0, 1)) * scale, rtol=1e-9, atol=1e-10)


def test_a_slope_of_phases_goes_nowhere(framework: Framework) -> None:
    """Real modes stay real on the way back, also where the standard refuses to mix them with complex numbers."""
    plane = Plane((7, 10), transform="dct")
    error, target = framework.asarray(P - T), framework.asarray(T)
    backend = backend_of(target, "target")
    modes = backend.forward(error, plane), backend.forward(target, plane)
    slope = framework.asarray(np.ones((3, 2, 2, plane.bins())))
    gradient = framework.to_numpy(backend.pair_gradient(*modes, {"Q": slope}, plane))
    assert gradient.shape == P.shape
    assert gradient.dtype == np.float64
    assert not gradient.any()


def test_diagnostics() -> None:
    # A prediction right up to k = 2, of 7 x 7 points: shells are half a wave apart, and the crossing lies between two.
    truth = P[..., :7]
    waves = cosines(np.eye(49).reshape(49, 7, 7)).reshape(49, 7, 7)  # of each point; transposed, the inverse
    kept = cosines(truth) * (K[:, :7] <= 2.25)
    blurred = np.einsum("...kl,ikl->...i", kept, waves).reshape(truth.shape)
    found = sl.effective_resolution(blurred, truth, of="power", **EDGES)
    np.testing.assert_array_less(7 / 2.5, found)
    np.testing.assert_array_less(found, 7 / 2)
    np.testing.assert_allclose(sl.effective_resolution(truth, truth, **EDGES), 2.0)
    scaled = sl.effective_resolution(blurred, truth, of="power", lengths=14.0, **EDGES)
    np.testing.assert_allclose(scaled, 2 * found, rtol=1e-12)
    velocity = T
    energy = sl.energy_spectrum(velocity, lengths=(3.0, 4.0), **EDGES)
    share = sl.energy_spectrum(velocity, lengths=(3.0, 4.0), bins=(0.0, *energy.edges[1:], 50.0), **EDGES)
    total = np.sum(share.power * np.diff(share.edges), axis=-1) + np.sum(velocity.mean((-2, -1)) ** 2, axis=-1) / 2
    np.testing.assert_allclose(total, np.sum(np.mean(velocity**2, (-2, -1)), -1) / 2, rtol=1e-12)


# Properties.


@settings(max_examples=40, deadline=None)
@given(spatial_shapes(), st.integers(0, 2**32 - 1))
def test_parseval_and_mirror_images(shape: tuple[int, ...], seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=shape)
    axes, n = tuple(range(len(shape))), x.size
    spectrum = sl.radial_spectrum(x, spatial_axes=axes, bins=(0.0, 1e3), channel_axis=None, **EDGES)
    measure = {1: 2, 2: np.pi, 3: 4 / 3 * np.pi}[len(shape)] * np.diff(spectrum.edges ** len(shape))
    total = np.sum(spectrum.power / measure * spectrum.counts) + n**2 * x.mean() ** 2
    assert total == pytest.approx(n**2 * np.mean(x**2), rel=1e-11)
    power = sl.radial_spectrum(x, spatial_axes=axes, channel_axis=None, **EDGES).power
    for axis in axes:
        flipped = sl.radial_spectrum(np.flip(x, axis), spatial_axes=axes, channel_axis=None, **EDGES).power
        np.testing.assert_allclose(flipped, power, rtol=1e-9, atol=1e-12 * power.max())


@settings(max_examples=40, deadline=None)
@given(spatial_shapes(), st.data())
def test_a_cosine_has_all_its_power_in_one_shell(shape: tuple[int, ...], data: Any) -> None:
    m = [data.draw(st.integers(0, min(shape) - 1)) for _ in shape]
    size = float(np.sqrt(np.sum(np.square(m))))
    if not 0.5 < size <= min(shape) - 0.5:
        m, size = [1, *(0 for _ in shape[1:])], 1.0
    x = np.ones(())
    for number, n in zip(m, shape, strict=True):
        x = x[..., None] * np.cos(np.pi * number * (np.arange(n) + 0.5) / n)
    spectrum = sl.radial_spectrum(x, spatial_axes=tuple(range(len(shape))), channel_axis=None, **EDGES)
    shell = int(np.argmax(spectrum.power))
    assert spectrum.edges[shell] < size / 2 <= spectrum.edges[shell + 1] * (1 + 1e-12)
    assert (np.delete(spectrum.power, shell) <= 1e-24 * spectrum.power[shell]).all()


def test_a_slope_has_a_weak_tail() -> None:
    """Amplitudes of its cosines fall as 1 / k^2, those of waves around a jump as 1 / k."""
    ramp = np.linspace(0, 1, 256)[:, None] + np.zeros(256)
    edges = tuple(np.arange(0.75, 120, 1.0))
    cosine, wave = (sl.radial_spectrum(ramp, bins=edges, transform=name).power for name in ("dct", "fft"))
    assert cosine[100] / cosine[0] < 1e-3 * wave[100] / wave[0]


def test_white_noise_is_as_strong_in_both_transforms() -> None:
    noise = np.random.default_rng(3).normal(size=(50, 32, 32))
    edges = tuple(np.arange(2, 15, 2.0))
    options: dict[str, Any] = {"bins": edges, "pool": "frames", "channel_axis": None}
    cosine, wave = (sl.radial_spectrum(noise, transform=name, **options).power for name in ("dct", "fft"))
    np.testing.assert_allclose(cosine, wave, rtol=0.1)


# What is refused.


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("spectrum_error", {"transform": "dst"}, ValueError, "transform must be one of fft, dct, got 'dst'"),
        ("spectrum_error", {"transform": None}, ValueError, "transform must be one of fft, dct, got None"),
        ("spectrum_error", {"grid": sl.Sphere("gauss")}, ValueError, 'transform must be "fft" with grid=Sphere'),
        ("sobolev_error", {"grid": sl.Sphere("gauss")}, ValueError, 'transform must be "fft" with grid=Sphere'),
        ("coherence_error", {"window": "hann"}, ValueError, 'window must be None with transform="dct"'),
        ("sobolev_error", {"window": ("hann", None)}, ValueError, 'window must be None with transform="dct"'),
        ("adjusted_error", {"bins": sl.Sectors(4)}, ValueError, "Sectors need directions"),
        ("band_error", {"bins": sl.Cylinders()}, ValueError, "bands need shells"),
        ("spectrum_error", {"bins": "modes"}, ValueError, "bins must be"),
        ("wavelet_error", {}, TypeError, "option 'transform' is not known"),
        ("field_error", {}, TypeError, "option 'transform' is not known"),
        ("log_spectral_distance", {"shell_weights": (1.0, 2.0)}, ValueError, r"one weight per shell \(6\), got 2"),
        ("spectrum_error", {"bins": (0.55, 0.65)}, ValueError, "holds no mode of the 7x10 grid"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        all_losses()[name](P, T, **{**EDGES, **options})
