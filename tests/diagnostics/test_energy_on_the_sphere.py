"""Energy spectra of winds on the sphere: rotation and divergence, poles, symmetries, every framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs
from hypothesis import given, settings
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.transforms.quadrature import GRIDS, area_weights, latitudes_of

# One shape throughout: JAX compiles for it once.
RNG = np.random.default_rng(3)
WIND, ALONG = RNG.normal(size=(2, 3, 2, 9, 14))
SPHERE = sl.Sphere("equiangular")
GRID_AND_SHAPE = st.tuples(st.sampled_from(GRIDS), st.sampled_from([(8, 16), (9, 16), (13, 9), (7, 20)]))


def winds(degree: int, order: int, grid: str, shape: tuple[int, int], phase: float = 0.3) -> tuple[Any, Any]:
    """Of one harmonic as a streamfunction, and as a velocity potential: u and v, by derivatives of polynomials."""
    angle, m = np.radians(90 - latitudes_of(grid, shape[0])), order
    x, sine = np.cos(angle), np.sin(angle)
    polynomial = np.polynomial.legendre.Legendre.basis(degree).deriv(order)
    turn = order * np.arange(shape[1]) * 2 * np.pi / shape[1] + phase
    ratio = m * sine ** (m - 1) * polynomial(x) if m else 0 * x  # nothing is divided by a cosine, which is 0 at poles
    slope = sine ** (m + 1) * polynomial.deriv()(x) - (m * sine ** (m - 1) * x * polynomial(x) if m else 0)
    east, north = -ratio[:, None] * np.sin(turn), slope[:, None] * np.cos(turn)
    size = np.abs(np.stack([east, north])).max()
    return np.stack([-north, east]) / size, np.stack([east, north]) / size


def energy_of(wind: Any, grid: str) -> Any:
    """Half the mean square over the sphere."""
    weights = area_weights(grid, wind.shape[-2])[:, None] / wind.shape[-1]
    return np.sum(weights * wind**2, axis=(-3, -2, -1)) / 2


def parts_of(wind: Any, grid: sl.Sphere, **options: Any) -> tuple[Any, Any, Any]:
    return tuple(
        [sl.energy_spectrum(wind, grid=grid, part=p, **options).power for p in ("rotational", "divergent", None)]
    )


@pytest.mark.parametrize("grid", GRIDS)
def test_a_solid_rotation_is_of_degree_one(grid: str) -> None:
    latitude = latitudes_of(grid, 12)
    u = 20 * np.cos(np.radians(latitude))[:, None] * np.ones((12, 24))
    rotational, divergent, _ = parts_of(np.stack([u, 0 * u]), sl.Sphere(latitude))
    assert rotational[0] == pytest.approx(20**2 / 3, rel=1e-13)  # half the mean of (20 cos)^2
    assert max(rotational[1:].max(), divergent.max()) < 1e-26
    # About an axis through the equator, it blows across the poles.
    longitude = np.radians(np.arange(24) * 15.0)
    turned = np.stack(
        [-np.sin(np.radians(latitude))[:, None] * np.cos(longitude), np.sin(longitude) * np.ones((12, 1))]
    )
    rotational, divergent, _ = parts_of(20 * turned, sl.Sphere(latitude))
    assert rotational[0] == pytest.approx(20**2 / 3, rel=1e-13)
    assert max(rotational[1:].max(), divergent.max()) < 1e-26


@settings(max_examples=25, deadline=None)
@given(GRID_AND_SHAPE, st.booleans(), st.data())
def test_a_harmonic_has_all_its_energy_in_its_degree(
    chosen: tuple[str, tuple[int, int]], from_south: bool, data: Any
) -> None:
    grid, shape = chosen
    latitudes = latitudes_of(grid, shape[0])
    sphere = sl.Sphere(latitudes[::-1] if from_south else latitudes)
    degree = data.draw(st.integers(1, sphere.basis(shape, "unit").highest))
    for i, wind in enumerate(winds(degree, data.draw(st.integers(0, degree)), grid, shape)):
        found = parts_of(wind[:, ::-1] if from_south else wind, sphere)
        expected = np.zeros_like(found[0])
        expected[degree - 1] = energy_of(wind, grid)
        for power in (found[i], found[2]):
            np.testing.assert_allclose(power, expected, rtol=1e-11, atol=1e-13)
        assert found[1 - i].max() < 1e-13


@settings(max_examples=12, deadline=None)
@given(GRID_AND_SHAPE, st.integers(0, 2**32 - 1))
def test_energies_add_up(chosen: tuple[str, tuple[int, int]], seed: int) -> None:
    """Of winds of all degrees that a grid resolves; of any wind, both parts to their sum."""
    (grid, shape), rng = chosen, np.random.default_rng(seed)
    sphere = sl.Sphere(grid)
    highest = sphere.basis(shape, "unit").highest
    each = [
        winds(degree, order, grid, shape, rng.uniform(0, 6))
        for degree in range(1, highest + 1)
        for order in range(degree + 1)
    ]
    turning, spreading = (sum(rng.normal() * pair[i] for pair in each) for i in (0, 1))
    rotational, divergent, both = parts_of(turning + spreading, sphere)
    assert both.sum() == pytest.approx(energy_of(turning + spreading, grid), rel=1e-11)
    assert rotational.sum() == pytest.approx(energy_of(turning, grid), rel=1e-11)
    assert divergent.sum() == pytest.approx(energy_of(spreading, grid), rel=1e-11)
    rotational, divergent, both = parts_of(rng.normal(size=(4, 2, *shape)), sphere)
    np.testing.assert_allclose(rotational + divergent, both, rtol=1e-12)


@settings(max_examples=12, deadline=None)
@given(GRID_AND_SHAPE, st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_symmetries_leave_energies_as_they_are(chosen: tuple[str, tuple[int, int]], seed: int, places: int) -> None:
    """Turned about the axis; seen in a mirror that exchanges the poles, or east and west; from south."""
    grid, shape = chosen
    latitudes = latitudes_of(grid, shape[0])
    north, south = sl.Sphere(latitudes), sl.Sphere(latitudes[::-1])
    u, v = x = np.random.default_rng(seed).normal(size=(2, *shape))
    expected = parts_of(x, north)
    others = [
        (np.roll(x, places, axis=-1), north),
        (np.stack([u[::-1], -v[::-1]]), north),
        (np.stack([-u[:, ::-1], v[:, ::-1]]), north),
        (-x, north),
        (x[:, ::-1], south),
    ]
    for wind, sphere in others:
        for found, of in zip(parts_of(wind, sphere), expected, strict=True):
            np.testing.assert_allclose(found, of, rtol=1e-10, atol=1e-14)
    # Turned by a right angle at each point, rotation is divergence.
    rotational, divergent, _ = parts_of(np.stack([-v, u]), north)
    np.testing.assert_allclose(rotational, expected[1], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(divergent, expected[0], rtol=1e-10, atol=1e-14)


def test_every_framework(framework: Framework) -> None:
    options: dict[str, Any] = {"grid": SPHERE, "radius": 2.0, "pool": "frames"}
    for part in (None, "divergent") if framework.name != "jax" else (None,):
        function = framework.compiled(lambda x, part=part: sl.energy_spectrum(x, part=part, **options).power)
        x = framework.asarray(WIND)
        found, expected = function(x), sl.energy_spectrum(WIND, part=part, **options).power
        assert type(found) is type(x)  # of Dask: not computed yet
        np.testing.assert_allclose(framework.to_numpy(found), expected, rtol=1e-11)
        if framework.gradient is not None:
            weights = framework.asarray(np.arange(1.0, 5.0))
            loss = lambda x, function=function, weights=weights: (function(x) * weights).sum()  # noqa: E731
            gradient = framework.to_numpy(framework.gradient(loss, x))
            ahead, behind = (
                np.sum(sl.energy_spectrum(WIND + s * 1e-6 * ALONG, part=part, **options).power * np.arange(1, 5))
                for s in (1, -1)
            )
            assert np.sum(gradient * ALONG) == pytest.approx((ahead - behind) / 2e-6, rel=1e-7)
    for half in framework.halves:
        x = framework.cast(framework.asarray(WIND), half)
        expected = sl.energy_spectrum(framework.to_numpy(x).astype("float64"), grid=SPHERE).power
        found = framework.to_numpy(framework.compiled(lambda x: sl.energy_spectrum(x, grid=SPHERE).power)(x))
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, expected, rtol=2e-6)


@needs("torch")
def test_under_torch_compile() -> None:
    import torch

    torch._dynamo.reset()
    x = torch.tensor(WIND)
    compiled = torch.compile(lambda x: sl.energy_spectrum(x, grid=SPHERE).power, fullgraph=True, backend="aot_eager")
    np.testing.assert_allclose(compiled(x), sl.energy_spectrum(WIND, grid=SPHERE).power, rtol=1e-12)


def test_layouts_bins_and_units() -> None:
    spectrum = sl.energy_spectrum(WIND, grid=SPHERE)
    np.testing.assert_array_equal(spectrum.wavenumber, np.arange(1, 5))
    np.testing.assert_array_equal(spectrum.counts, [3, 5, 7, 9])
    assert spectrum.power.shape == (3, 4)
    moved = np.moveaxis(WIND, 1, -1)
    found = sl.energy_spectrum(moved, grid=SPHERE, spatial_axes=(-3, -2)).power
    np.testing.assert_allclose(found, spectrum.power, rtol=1e-13)
    turned = np.transpose(WIND, (3, 1, 0, 2))  # longitude, component, frame, latitude
    found = sl.energy_spectrum(turned, grid=SPHERE, spatial_axes=(-1, 0), channel_axis=1, pool=2).power
    np.testing.assert_allclose(found, spectrum.power.mean(0), rtol=1e-13)
    grouped = sl.energy_spectrum(WIND, grid=SPHERE, bins=(0.5, 1.5, 4.5))
    np.testing.assert_allclose(grouped.power[:, 1], spectrum.power[:, 1:].mean(-1), rtol=1e-13)  # per degree
    physical = sl.energy_spectrum(WIND, grid=SPHERE, radius=6371.0)
    np.testing.assert_allclose(physical.wavenumber, spectrum.wavenumber / 6371)
    sums = (np.sum(each.power * np.diff(each.edges), axis=-1) for each in (physical, spectrum))
    np.testing.assert_allclose(*sums, rtol=1e-13)
    np.testing.assert_array_equal(sl.energy_spectrum(WIND, grid=SPHERE, smooth=True).power, spectrum.power)


def test_more_degrees_than_are_exact() -> None:
    """Also more than there are orders: what is missing is energy alone."""
    sphere = sl.Sphere("gauss", degrees=8)
    power = sl.energy_spectrum(WIND, grid=sphere).power
    assert power.shape == (3, 8)
    np.testing.assert_allclose(power[:, :6], sl.energy_spectrum(WIND, grid=sl.Sphere("gauss")).power, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"grid": "gauss"}, TypeError, "grid must be None or a Sphere, got 'gauss'"),
        ({"grid": sl.Sphere(np.linspace(90, -90, 14))}, ValueError, "14 latitudes, the first spatial axis 9 points"),
        ({"channel_axis": None}, ValueError, "channel_axis must be an axis of 2 .* got none of shape"),
        ({"channel_axis": 0}, ValueError, "eastward and the wind northward, got axis 0 of size 3 of shape"),
        ({"spatial_axes": -1}, ValueError, "two spatial axes, latitude and longitude, got 1"),
        ({"spatial_axes": (1, 2)}, ValueError, "got axis 3 of size 14"),
        ({"lengths": 1.0}, ValueError, "lengths must be None with grid=Sphere"),
        ({"transform": "dct"}, ValueError, 'transform must be "fft" with grid=Sphere'),
        ({"mask": np.ones((9, 18), bool)}, ValueError, "mask must be None for winds"),
        ({"window": "hann"}, ValueError, "window must be None with grid=Sphere"),
        ({"bins": sl.Sectors(4)}, ValueError, "degrees of Sphere.* bins must not be Sectors"),
        ({"part": "potential"}, ValueError, "part must be one of rotational, divergent, got 'potential'"),
        ({"radius": 0}, ValueError, "radius must be finite and positive, got 0"),
        ({"radius": "6371 km"}, TypeError, "radius must be a number, got str"),
        ({"grid": None, "radius": 6371.0}, ValueError, r"radius is for winds on a sphere, with grid=Sphere\(latitudes"),
        ({"grid": None, "part": "divergent"}, ValueError, "part is for winds on a sphere"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        sl.energy_spectrum(WIND, **{"grid": SPHERE, **options})


def test_an_energy_spectrum_stands_for_no_target(tmp_path: Any) -> None:
    spectrum = sl.energy_spectrum(WIND, grid=SPHERE)
    spectrum.save(tmp_path / "energy.npz")
    assert sl.Spectrum.load(tmp_path / "energy.npz").layout == spectrum.layout
    assert spectrum.layout != sl.energy_spectrum(WIND, grid=SPHERE, part="divergent").layout
    with pytest.raises(ValueError, match="on another grid or with other options"):
        sl.spectrum_error(WIND, spectrum, grid=SPHERE)
