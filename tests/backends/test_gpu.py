"""Every loss, and the balancer, on a CUDA device in PyTorch, CuPy and JAX, beside NumPy in double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from frameworks import FRAMEWORKS, Framework, no_waiting

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses, options_of

GRIDS = {"plane": ((3, 2, 2, 48, 40), (-2, -1)), "space": ((2, 1, 16, 12, 20), (-3, -2, -1))}
SHARES = {"field_error": 1.0, "spectrum_error": 0.1, "log_spectral_distance": 0.1}
CONSTANT = {"float64": 1e-10, "float32": 2e-4}
VARIANTS: dict[str, dict[str, Any]] = {
    "amplitude_error": {"bins": "modes"},
    "focal_frequency_error": {"whiten": True},
    "wavelet_error": {"levels": 2},
}
CALLS = [(name, options) for name in all_losses() for options in ({}, VARIANTS.get(name)) if options is not None]

every_call = pytest.mark.parametrize(
    ("name", "options"), CALLS, ids=[" ".join([name, *map(str, options.values())]) for name, options in CALLS]
)


def _jax_on_the_device() -> Framework:
    import jax

    on_host = FRAMEWORKS["jax"]()
    device = jax.devices("gpu")[0]
    return replace(on_host, name="jax-gpu", asarray=lambda x: jax.device_put(np.asarray(x), device))


PLACES: dict[str, tuple[str, Callable[[], Framework]]] = {
    "torch-cuda": ("torch", FRAMEWORKS["torch-cuda"]),
    "cupy": ("cupy", FRAMEWORKS["cupy"]),
    "jax-gpu": ("jax", _jax_on_the_device),
}


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.gpu(of[0])) for name, of in PLACES.items()]
)
def place(request: pytest.FixtureRequest) -> Framework:
    """Each framework on the device, in turn."""
    return PLACES[request.param][1]()


def fields(grid: str) -> tuple[Any, Any, dict[str, Any]]:
    """Prediction and target, of which some is predicted, and the options that say what lies where."""
    shape, axes = GRIDS[grid]
    rng = np.random.default_rng(5)
    target, noise = rng.normal(size=(2, *shape))
    options = {"spatial_axes": axes, "channel_axis": 2 if grid == "plane" else 1}
    return 0.8 * target + 0.5 * noise, target, options


def home(x: Any) -> str:
    """Where an array is."""
    if hasattr(x, "devices"):
        return str(next(iter(x.devices())).platform)
    device = x.device
    return str(getattr(device, "type", "cuda"))  # CuPy has no other


@every_call
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("dtype", CONSTANT)
def test_values_and_gradients_are_those_of_numpy(
    place: Framework, name: str, options: dict[str, Any], grid: str, dtype: str
) -> None:
    p, t, where = fields(grid)
    both, loss = sl.value_and_grad(name, **where, **options), getattr(sl, name)
    value, gradient = both(p, t)
    differentiate = place.gradient

    def found(p: Any, t: Any) -> list[Any]:
        arrays = [loss(p, t, **where, **options), *both(p, t)]
        if differentiate is not None:
            arrays.append(differentiate(lambda p: loss(p, t, **where, **options), p))
        return arrays

    x, y = (place.asarray(z.astype(dtype)) for z in (p, t))
    arrays = place.compiled(found)(x, y)
    assert {home(array) for array in arrays} == {home(x)} != {"cpu"}
    tolerance, size = CONSTANT[dtype], abs(gradient).max()
    for array, expected in zip(arrays, (value, value, gradient, gradient), strict=False):
        scale = size if np.ndim(expected) else abs(expected)
        np.testing.assert_allclose(place.to_numpy(array), expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("name", all_losses())
def test_rows_pools_and_masks_are_those_of_numpy(place: Framework, name: str) -> None:
    p, t, where = fields("plane")
    loss = all_losses()[name]
    mask = (np.random.default_rng(6).random(p.shape[-2:]) < 0.8).astype(float)

    def found(p: Any, t: Any, mask: Any) -> list[Any]:
        calls = {"reduction": "none"}, {"pool": "frames", "channel_weights": (1, 3)}, {"mask": mask}
        return [loss(p, t, **where, **options) for options in calls if options_of(loss) >= set(options)]

    arrays = place.compiled(found)(*map(place.asarray, (p, t, mask)))
    for array, expected in zip(arrays, found(p, t, mask), strict=True):
        np.testing.assert_allclose(place.to_numpy(array), expected, rtol=1e-9)


@pytest.mark.gpu("torch")
@every_call
def test_no_loss_waits_for_the_device(name: str, options: dict[str, Any]) -> None:
    """Once the tables of the grid are uploaded."""
    place = FRAMEWORKS["torch-cuda"]()
    p, t, where = fields("plane")
    x, y = map(place.asarray, (p, t))
    x.requires_grad_()

    def step() -> None:
        getattr(sl, name)(x, y, **where, **options).backward()

    step()
    with no_waiting():
        step()


@pytest.mark.gpu("torch")
@every_call
def test_every_loss_can_be_captured_in_a_graph(name: str, options: dict[str, Any]) -> None:
    """And replayed for other numbers."""
    import torch

    place = FRAMEWORKS["torch-cuda"]()
    p, t, where = fields("plane")
    x, y = map(place.asarray, (p, t))
    x.requires_grad_()

    def step() -> Any:
        value = getattr(sl, name)(x, y, **where, **options)
        return value.detach(), torch.autograd.grad(value, x)[0]

    with torch.cuda.stream(torch.cuda.Stream()):
        step()  # the tables of the grid are uploaded
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()
    with torch.no_grad():
        x += 0.3 * y.flip(0)
    graph.replay()
    for ours, expected in zip(found, step(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.gpu("torch")
def test_a_balanced_criterion_on_the_device() -> None:
    """Weights and gradients of a few steps are those of NumPy, and no step waits."""
    from spectral_losses.integrations.balance import BalancedCriterion

    place = FRAMEWORKS["torch-cuda"]()
    criterion, by_hand = BalancedCriterion({name: name for name in SHARES}, SHARES), sl.Balancer(SHARES)
    both = by_hand.value_and_grad(sl.CompositeLoss({name: name for name in SHARES}))
    for step in range(4):
        p, t, _ = fields("plane")
        p *= 1 + 0.5 * step
        x, y = map(place.asarray, (p, t))
        x.requires_grad_()
        if step < 2:  # the second is the first one with an average
            total = criterion(x, y)
            total.backward()
        else:
            with no_waiting():
                total = criterion(x, y)
                total.backward()
        (value, _), gradient = both(p, t)
        assert total.item() == pytest.approx(float(value), rel=1e-9)
        np.testing.assert_allclose(place.to_numpy(x.grad), gradient, rtol=0, atol=1e-9 * abs(gradient).max())
    assert criterion.balancer.weights == pytest.approx(by_hand.weights, rel=1e-9)


@pytest.mark.gpu("cupy")
def test_a_balancer_in_cupy() -> None:
    place = FRAMEWORKS["cupy"]()
    losses = sl.CompositeLoss({name: name for name in SHARES})
    balancers = sl.Balancer(SHARES), sl.Balancer(SHARES)
    on_host, on_device = (balancer.value_and_grad(losses) for balancer in balancers)
    for step in range(3):
        p, t, _ = fields("plane")
        p *= 1 + 0.5 * step
        (total, _), gradient = on_device(*map(place.asarray, (p, t)))
        (value, _), expected = on_host(p, t)
        assert float(total) == pytest.approx(float(value), rel=1e-9)
        np.testing.assert_allclose(place.to_numpy(gradient), expected, rtol=0, atol=1e-9 * abs(expected).max())
    assert balancers[0].weights == pytest.approx(balancers[1].weights, rel=1e-9)


@pytest.mark.gpu("jax")
def test_a_balancer_in_jax() -> None:
    """Inside ``jit``, with the state on the device."""
    import jax

    place = _jax_on_the_device()
    balancer, expected = sl.Balancer(SHARES), sl.Balancer(SHARES)
    losses = {name: getattr(sl, name) for name in SHARES}

    @jax.jit
    def step(state: Any, p: Any, t: Any) -> Any:
        gradients = {name: jax.grad(loss)(p, t) for name, loss in losses.items()}
        return balancer.update(state, sl.influences(gradients, p))

    state = jax.tree.map(place.asarray, balancer.state)
    for i in range(3):
        p, t, _ = fields("plane")
        p *= 1 + 0.5 * i
        state, weights = step(state, *map(place.asarray, (p, t)))
        gradients = {name: sl.value_and_grad(name)(p, t)[1] for name in losses}
        wanted = expected.step({name: float(x) for name, x in sl.influences(gradients, p).items()})
        assert {name: float(x) for name, x in weights.items()} == pytest.approx(wanted, rel=1e-9)
    assert {home(leaf) for leaf in jax.tree.leaves(state)} == {"gpu"}
