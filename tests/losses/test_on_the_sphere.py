"""Losses and spectra on the sphere, on every framework: reference numbers, gradients, symmetries and refusals."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs, on
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import reference_cases, reference_fields

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses
from spectral_losses.transforms.quadrature import GRIDS, area_weights, latitudes_of

CASES = reference_cases("sphere")
NUMBERS = ("field_error", "log_spectral_distance", "coherence_error", "adjusted_error")
LOSSES = {name: loss for name, loss in all_losses().items() if "grid" in inspect.signature(loss).parameters}
POINTS = ("field_error", "correlation_error")
OPTIONS: dict[str, dict[str, Any]] = {"band_error": {"bands": 2}}
# One shape throughout: JAX compiles a loss once for it.
RNG = np.random.default_rng(11)
P, T, ALONG = RNG.normal(size=(3, 3, 2, 2, 9, 14))
SPHERE = sl.Sphere("equiangular", degrees=6)


def options_of(name: str, **others: Any) -> dict[str, Any]:
    return {"grid": SPHERE, **OPTIONS.get(name, {}), **others}


def composite(**others: Any) -> sl.CompositeLoss:
    """All losses at once: for a framework that compiles, one program."""
    components = {name: sl.Component(name, **options_of(name, **others)) for name in LOSSES}
    return sl.CompositeLoss(components, {name: 0.2 + i for i, name in enumerate(LOSSES)})


@cache
def exact(**others: Any) -> tuple[dict[str, float], Any]:
    """Values and the gradient of `composite`, by NumPy."""
    (_, parts), gradient = sl.value_and_grad(composite(**others))(P, T)
    return {name: float(part) for name, part in parts.items()}, gradient


def test_the_losses_that_know_the_sphere() -> None:
    assert set(all_losses()) - set(LOSSES) == {"focal_frequency_error", "wavelet_error"}


# Numbers.


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_reference(framework: Framework, case: str, dtype: str) -> None:
    known = CASES[case]
    p, t = (framework.asarray(x.astype(dtype)) for x in reference_fields("sphere", case))
    sphere = sl.Sphere(known["latitudes"], degrees=known["lmax"])

    def all_of_them(p: Any, t: Any) -> list[Any]:
        powers = [sl.radial_spectrum(x, grid=sphere, channel_axis=None).power for x in (p, t)]
        return [*powers, *(LOSSES[name](p, t, grid=sphere, channel_axis=None) for name in NUMBERS)]

    power_p, power_t, *values = framework.compiled(all_of_them)(p, t)
    for power, name in ((power_p, "degree_power_prediction"), (power_t, "degree_power_target")):
        expected = np.array(known[name])[:, 1:]
        assert tuple(power.shape) == expected.shape == (2, known["lmax"])
        rtol = 1e-12 if dtype == "float64" else 3e-5
        np.testing.assert_allclose(framework.to_numpy(power), expected, rtol=rtol)
    for name, value in zip(NUMBERS, values, strict=True):
        tolerance = 1e-10 if dtype == "float64" else 3e-5 if name in POINTS else 3e-4
        assert float(value) == pytest.approx(known[name], rel=tolerance), name


def test_a_spectrum() -> None:
    spectrum = sl.radial_spectrum(T, grid=SPHERE)
    np.testing.assert_array_equal(spectrum.wavenumber, np.arange(1, 7))
    np.testing.assert_array_equal(spectrum.counts, 2 * spectrum.wavenumber + 1)
    np.testing.assert_array_equal(spectrum.edges, np.arange(7) + 0.5)
    assert repr(spectrum) == "Spectrum(6 shells, power of shape (3, 2, 2, 6), float64, numpy)"
    assert spectrum.merged == ()
    grouped = sl.radial_spectrum(T, grid=SPHERE, bins=(0.5, 2.5, 5.5))
    first, second = spectrum.power[..., :2].sum(-1), spectrum.power[..., 2:5].sum(-1)
    np.testing.assert_allclose(grouped.power, np.stack([first, second], axis=-1), rtol=1e-13)
    np.testing.assert_array_equal(grouped.counts, [8, 27])


# Gradients.


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("shape", [(9, 14), (8, 13)])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_differences(name: str, grid: str, shape: tuple[int, int]) -> None:
    rng, h = np.random.default_rng(5), 1e-6
    p, t, along = rng.normal(size=(3, 2, 1, *shape))
    for others in ({}, {"pool": "frames", "channels": "sum"}):
        options = {"grid": sl.Sphere(grid), **OPTIONS.get(name, {}), **others}
        gradient = sl.value_and_grad(name, **options)(p, t)[1]
        ahead, behind = (float(LOSSES[name](p + s * h * along, t, **options)) for s in (1, -1))
        assert np.sum(gradient * along) == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-8)


def test_values_and_gradients_are_the_same_everywhere(framework: Framework) -> None:
    differentiate = framework.gradient
    options: list[dict[str, Any]] = [{}, {"pool": 1, "channels": "sum"}]
    for others in options[: 1 if framework.name == "jax" else 2]:  # compiled again it would show nothing more
        loss, (values, gradient) = composite(**others), exact(**others)
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


@pytest.mark.parametrize("framework", on("numpy", "torch", "jax", "dask", "cupy", "torch-cuda"), indirect=True)
def test_half_precision_and_precisions_that_differ(framework: Framework) -> None:
    names = ("log_spectral_distance", "field_error", "adjusted_error")

    def all_of_them(p: Any, t: Any) -> list[Any]:
        return [x for name in names for x in sl.value_and_grad(name, grid=SPHERE)(p, t)]

    for dtypes in [*((half, half) for half in framework.halves), ("float32", "float64")]:
        p, t = (framework.cast(framework.asarray(x), dtype) for x, dtype in zip((P, T), dtypes, strict=True))
        rounded = [framework.to_numpy(x).astype("float64") for x in (p, t)]
        found = framework.compiled(all_of_them)(p, t)
        for i, name in enumerate(names):
            value, gradient = sl.value_and_grad(name, grid=SPHERE)(*rounded)
            assert float(found[2 * i]) == pytest.approx(float(value), rel=1e-5)
            assert found[2 * i + 1].dtype == p.dtype
            atol = {"float16": 1e-3, "bfloat16": 1e-2}.get(dtypes[0], 1e-5) * abs(gradient).max()
            np.testing.assert_allclose(framework.to_numpy(found[2 * i + 1]).astype(float), gradient, rtol=0, atol=atol)


@needs("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
@pytest.mark.parametrize("name", ["log_spectral_distance", "adjusted_error", "field_error", "sobolev_error"])
def test_transformations_of_pytorch(name: str) -> None:
    """Compiled for any batch, mapped, forward mode, second derivatives, and under autocast."""
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
    single = p.float().requires_grad_(), t.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = loss(*single, **options), torch.func.grad(lambda p: loss(p, single[1], **options))(single[0].detach())
    torch.testing.assert_close(values[0], loss(*single, **options), rtol=1e-6, atol=0)
    np.testing.assert_allclose(values[1], gradient(P, T)[1], rtol=0, atol=1e-5 * abs(gradient(P, T)[1]).max())


# Layouts, stored spectra, and losses together.


# Axes are moved before anything is compiled.
@pytest.mark.parametrize("framework", on("numpy", "strict", "torch", "dask", "cupy", "torch-cuda"), indirect=True)
def test_axes_may_lie_anywhere(framework: Framework) -> None:
    values, gradient = exact()
    for order, axes in (
        ((4, 0, 1, 3, 2), {"spatial_axes": (-2, 0), "channel_axis": 4}),
        ((0, 1, 3, 4, 2), {"spatial_axes": (2, 3)}),
    ):
        p, t = (framework.asarray(np.ascontiguousarray(x.transpose(order))) for x in (P, T))
        (_, parts), found = sl.value_and_grad(composite(**axes))(p, t)
        assert {name: float(part) for name, part in parts.items()} == pytest.approx(values, rel=1e-11)
        atol = 1e-11 * abs(gradient).max()
        np.testing.assert_allclose(framework.to_numpy(found), gradient.transpose(order), rtol=1e-9, atol=atol)


@pytest.mark.parametrize("name", ["log_spectral_distance", "power_ratio_error", "amplitude_error", "spectrum_error"])
@pytest.mark.parametrize("others", [{}, {"pool": 0, "channels": "sum", "bins": "log"}])
def test_a_stored_spectrum_stands_for_the_target(name: str, others: dict[str, Any], tmp_path: Any) -> None:
    options = {"grid": SPHERE, **others}
    stored = sl.radial_spectrum(T, **options)
    stored.save(tmp_path / "target.npz")
    for target in (stored, sl.Spectrum.load(tmp_path / "target.npz")):
        found, expected = (sl.value_and_grad(name, **options)(P, t) for t in (target, T))
        assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-12)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-13)
        for other in ({**options, "grid": sl.Sphere("cells", degrees=4)}, {**others, "bins": "unit"}):
            with pytest.raises(ValueError, match="on another grid or with other options"):
                LOSSES[name](P, target, **other)


def test_evaluated_and_in_a_sum() -> None:
    found = sl.evaluate(P, T, losses=list(LOSSES), grid=SPHERE, bands=2)
    assert found == pytest.approx(exact()[0], rel=1e-12)
    one = sl.CompositeLoss({"on the sphere": sl.Component("field_error", grid=SPHERE), "plain": "field_error"})(P, T)[1]
    assert float(one["plain"]) == pytest.approx(float(sl.field_error(P, T)), rel=1e-13)
    assert float(one["on the sphere"]) == pytest.approx(exact()[0]["field_error"], rel=1e-13)
    assert float(one["plain"]) != pytest.approx(float(one["on the sphere"]), rel=1e-3)


def test_cross_spectra() -> None:
    cross = sl.cross_spectrum(P, T, grid=SPHERE, pool="frames")
    np.testing.assert_allclose(cross.target_power, sl.radial_spectrum(T, grid=SPHERE, pool="frames").power, rtol=1e-13)
    np.testing.assert_allclose(1 - cross.coherence.mean(), sl.coherence_error(P, T, grid=SPHERE, pool="frames"))
    turned = sl.cross_spectrum(np.roll(T, 1, axis=-1), T, grid=SPHERE)
    assert (turned.quadrature != 0).all()  # a turn of every order has one sign


def test_effective_resolution() -> None:
    shape, sphere, rng = (16, 32), sl.Sphere("gauss", degrees=12), np.random.default_rng(4)
    known, target = np.zeros((2, 30, *shape))
    for degree in range(1, 13):
        for order in range(degree + 1):
            wave = harmonic(degree, order, "gauss", shape, rng.uniform(0, 6))
            part = rng.normal(size=(30, 1, 1)) * wave / wave.std()
            target += part
            if degree <= 7:
                known += part
    known += 1e-3 * rng.normal(size=target.shape)

    def found(prediction: Any, **options: Any) -> float:
        return float(sl.effective_resolution(prediction, target, channel_axis=None, **{"grid": sphere, **options}))

    assert 2 * np.pi / np.sqrt(8 * 9) <= found(known) <= 2 * np.pi / np.sqrt(7 * 8)
    highest = sphere.basis(target.shape[-2:], "unit").highest
    assert found(target) == pytest.approx(2 * np.pi / np.sqrt(highest * (highest + 1)))  # there is nothing finer
    assert found(known, radius=6371) == pytest.approx(6371 * found(known))
    with pytest.raises(ValueError, match=r"radius is for fields on a sphere, with grid=Sphere\(latitudes"):
        found(known, radius=6371, grid=None, lengths=(1.0, 2.0))
    assert found(-target) == np.inf
    with pytest.raises(ValueError, match="lengths must be None with grid=Sphere"):
        found(target, lengths=1.0)
    with pytest.raises(TypeError, match="grid must be None or a Sphere"):
        found(target, grid="gauss")


# What points weigh.


def test_means_over_the_sphere(framework: Framework) -> None:
    mask = np.random.default_rng(2).random((9, 14)) * (np.arange(14) > 2)
    weights = area_weights("equiangular", 9)[:, None] * np.ones((9, 14))
    p, t = framework.asarray(P), framework.asarray(T)
    for given_mask, whole in ((None, weights), (mask, weights * mask), (mask > 0.3, weights * (mask > 0.3))):
        mean = lambda x: np.average(x, weights=np.broadcast_to(whole, x.shape), axis=(-2, -1))  # noqa: B023, E731
        options = {"grid": SPHERE, "mask": None if given_mask is None else framework.asarray(given_mask)}
        field = float(sl.field_error(p, t, eps=0, **options))
        assert field == pytest.approx(np.mean(mean((P - T) ** 2) / mean(T**2)), rel=1e-12)
        x, y = (z - mean(z)[..., None, None] for z in (P, T))
        correlation = mean(x * y) / np.sqrt(mean(x**2) * mean(y**2))
        assert float(sl.correlation_error(p, t, **options)) == pytest.approx(np.mean(1 - correlation), rel=1e-11)


def test_the_guard_of_the_adjusted_error_is_that_of_all_degrees() -> None:
    rows = sl.adjusted_error(P, T, grid=SPHERE, reduction="none", eps=0.5)
    plain = sl.adjusted_error(P, T, grid=SPHERE, reduction="none", eps=0)
    mean = sl.radial_spectrum(np.ones((9, 14)), grid=SPHERE)
    assert (mean.power < 1e-28).all()
    # Degree 0 apart, the power of the target is the sum of its spectrum.
    average = np.average(T, weights=np.broadcast_to(area_weights("equiangular", 9)[:, None], T.shape), axis=(-2, -1))
    power = sl.radial_spectrum(T, grid=SPHERE).power.sum(-1) + average**2
    np.testing.assert_allclose(rows, plain * power / (power + 0.5 * power.mean((0, 1))), rtol=1e-12)


# Properties.


def harmonic(degree: int, order: int, grid: str, shape: tuple[int, int], phase: float = 0.3) -> Any:
    """A real spherical harmonic, by a derivative of a Legendre polynomial."""
    angle = np.radians(90 - latitudes_of(grid, shape[0]))
    polynomial = np.polynomial.legendre.Legendre.basis(degree)
    along = (polynomial.deriv(order) if order else polynomial)(np.cos(angle)) * np.sin(angle) ** order
    return along[:, None] * np.cos(order * np.arange(shape[1]) * 2 * np.pi / shape[1] + phase)


def band_limited(grid: str, shape: tuple[int, int], seed: int) -> Any:
    """A field of all degrees to which sums are exact."""
    rng = np.random.default_rng(seed)
    highest = sl.Sphere(grid).basis(shape, "unit").highest
    return sum(
        rng.normal() * unit / np.abs(unit).max()
        for degree in range(highest + 1)
        for order in range(degree + 1)
        for unit in [harmonic(degree, order, grid, shape, rng.uniform(0, 6))]
    )


GRID_AND_SHAPE = st.tuples(st.sampled_from(GRIDS), st.sampled_from([(8, 16), (9, 16), (13, 9), (7, 20)]))


@settings(max_examples=15, deadline=None)
@given(GRID_AND_SHAPE, st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_symmetries_leave_powers_as_they_are(chosen: tuple[str, tuple[int, int]], seed: int, places: int) -> None:
    grid, shape = chosen
    x = np.random.default_rng(seed).normal(size=(2, *shape))
    sphere = sl.Sphere(latitudes_of(grid, shape[0]))
    power = sl.radial_spectrum(x, grid=sphere).power
    for other in (np.roll(x, places, axis=-1), x[..., ::-1, :], x[..., ::-1], -x):
        np.testing.assert_allclose(sl.radial_spectrum(other, grid=sphere).power, power, rtol=1e-10, atol=1e-14)
    from_south = sl.Sphere(latitudes_of(grid, shape[0])[::-1])
    np.testing.assert_array_equal(sl.radial_spectrum(x, grid=from_south).power, power)


@settings(max_examples=15, deadline=None)
@given(GRID_AND_SHAPE, st.integers(0, 2**32 - 1))
def test_parseval(chosen: tuple[str, tuple[int, int]], seed: int) -> None:
    """Of a field of the degrees that a grid resolves, powers add up to the mean square over the sphere."""
    grid, shape = chosen
    x = band_limited(grid, shape, seed)
    weights = area_weights(grid, shape[0])[:, None] / shape[1]
    mean = np.sum(weights * x)
    power = sl.radial_spectrum(x, grid=sl.Sphere(grid)).power
    # Sums over latitudes are exact up to degree nlat - 1, and x^2 is of twice that of x.
    assert power.sum() + mean**2 == pytest.approx(np.sum(weights * x**2), rel=1e-11)


@settings(max_examples=25, deadline=None)
@given(GRID_AND_SHAPE, st.data())
def test_a_harmonic_has_all_its_power_in_its_degree(chosen: tuple[str, tuple[int, int]], data: Any) -> None:
    grid, shape = chosen
    sphere = sl.Sphere(grid)
    degree = data.draw(st.integers(1, sphere.basis(shape, "unit").highest))
    order = data.draw(st.integers(0, degree))
    x = harmonic(degree, order, grid, shape)
    power = sl.radial_spectrum(x, grid=sphere).power
    weights = area_weights(grid, shape[0])[:, None] / shape[1]
    expected = np.zeros_like(power)
    expected[degree - 1] = np.sum(weights * x**2)
    np.testing.assert_allclose(power, expected, rtol=1e-11, atol=1e-12 * expected.max())


def test_derivatives_of_harmonics() -> None:
    """On the sphere the mean square of the gradient is ``l (l + 1)`` times that of the field."""
    wave, other = harmonic(3, 2, "gauss", (9, 14)), harmonic(5, 1, "gauss", (9, 14))
    power = [float(sl.radial_spectrum(x, grid=sl.Sphere("gauss")).power.sum()) for x in (wave, other)]
    for s in (1.0, -0.5):
        both = {"s": s, "grid": sl.Sphere("gauss"), "eps": 0}
        found = float(sl.sobolev_error(wave + other, wave, **both))
        assert found == pytest.approx((31 / 13) ** s * power[1] / power[0], rel=1e-11)
        found = float(sl.sobolev_error(wave + other + 7, wave, seminorm=True, **both))
        assert found == pytest.approx((30 / 12) ** s * power[1] / power[0], rel=1e-11)
    error, power = (sl.radial_spectrum(x, grid=SPHERE).power.sum(-1) for x in (P - T, T))
    weights = np.broadcast_to(area_weights("equiangular", 9)[:, None], T.shape)
    error, power = (z + np.average(x, weights=weights, axis=(-2, -1)) ** 2 for z, x in ((error, P - T), (power, T)))
    assert float(sl.sobolev_error(P, T, s=0, eps=0, grid=SPHERE)) == pytest.approx(np.mean(error / power), rel=1e-12)


# What is refused.


@pytest.mark.parametrize(
    ("name", "options", "error", "said"),
    [
        ("log_spectral_distance", {"bins": "modes"}, ValueError, 'bins="modes" is for the plane'),
        ("coherence_error", {"window": "hann"}, ValueError, "window must be None with grid=Sphere"),
        ("spectrum_error", {"detrend": "linear"}, ValueError, "detrend must be None with grid=Sphere"),
        ("band_error", {"lengths": 2.0}, ValueError, "lengths must be None with grid=Sphere"),
        ("sobolev_error", {"lengths": 2.0}, ValueError, "lengths must be None with grid=Sphere"),
        ("sobolev_error", {"window": "hann"}, ValueError, "window must be None with grid=Sphere"),
        ("amplitude_error", {"bins": sl.Sectors(4)}, ValueError, "degrees of Sphere.* bins must not be Sectors"),
        ("spectrum_error", {"bins": sl.Cylinders()}, ValueError, "degrees of Sphere.* bins must not be Cylinders"),
        ("adjusted_error", {"spatial_axes": -1}, ValueError, "has two spatial axes, latitude and longitude, got 1"),
        ("field_error", {"spatial_axes": (2, 3, 4)}, ValueError, "has two spatial axes, latitude and longitude, got 3"),
        (
            "field_error",
            {"grid": sl.Sphere(np.linspace(90, -90, 14))},
            ValueError,
            "14 latitudes, the first spatial axis 9",
        ),
        ("correlation_error", {"grid": "gauss"}, TypeError, "grid must be None or a Sphere, got 'gauss'"),
        ("spectrum_error", {"grid": (90.0, 0.0, -90.0)}, TypeError, "grid must be None or a Sphere"),
        ("log_spectral_distance", {"shell_weights": (1.0, 2.0)}, ValueError, r"one weight per shell \(6\), got 2"),
        ("wavelet_error", {}, TypeError, "option 'grid' is not known"),
        ("focal_frequency_error", {}, TypeError, "option 'grid' is not known"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        all_losses()[name](P, T, **{"grid": SPHERE, **options})


def test_a_degree_weighs_by_its_power() -> None:
    by_number = sl.log_spectral_distance(P, T, grid=SPHERE, shell_weights=2)
    by_hand = sl.log_spectral_distance(P, T, grid=SPHERE, shell_weights=tuple(float(k**2) for k in range(1, 7)))
    assert float(by_number) == pytest.approx(float(by_hand), rel=1e-12)
    assert float(by_number) != pytest.approx(float(sl.log_spectral_distance(P, T, grid=SPHERE)), rel=1e-4)
