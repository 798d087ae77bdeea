"""Values and gradients by the adjoints: against PyTorch, against finite differences, and where options matter."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from frameworks import Framework
from hypothesis import given, settings
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses import losses
from spectral_losses.testing import Problem, problems

RNG = np.random.default_rng(7)
P, T = RNG.normal(size=(2, 5, 2, 9, 12)), RNG.normal(size=(2, 5, 2, 9, 12))
MASK = RNG.random((9, 12)) * (RNG.random((9, 12)) > 0.4)
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("field_error", {}),
    ("field_error", {"eps": 0.5, "spatial_axes": (-1, 2)}),
    ("field_error", {"mask": MASK}),
    ("field_error", {"mask": MASK.T > 0, "spatial_axes": (-1, -2)}),
    ("spectrum_error", {}),
    ("spectrum_error", {"channels": "sum", "window": "hann", "detrend": "linear"}),
    ("spectrum_error", {"channels": "mean", "window": ("blackman", None), "detrend": "constant", "bins": "log"}),
    ("spectrum_error", {"lengths": (1.8, 2.4), "bins": 3, "eps": 1e-3}),
    ("spectrum_error", {"spatial_axes": -1, "channel_axis": None, "detrend": "linear"}),
    ("spectrum_error", {"spatial_axes": (4, 1), "channel_axis": 0, "channels": "sum"}),
    ("spectrum_error", {"spatial_axes": (4, 3, 1), "channel_axis": 2, "channels": "mean", "window": "hamming"}),
]


def into(framework: Framework, options: dict[str, Any]) -> dict[str, Any]:
    return {k: framework.asarray(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


def cheap(framework: Framework) -> list[str]:
    """All losses but, where each call makes a large program of them, the subbands of wavelets."""
    large = {"wavelet_error"} if framework.name in ("jax", "dask") else set()
    return [name for name in losses.__all__ if name not in large]


def by_torch(loss: Any, prediction: Any) -> Any:
    """The gradient of a loss of NumPy's numbers, by PyTorch's autograd in float64."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.asarray(prediction, dtype=np.float64), requires_grad=True)
    return torch.autograd.grad(loss(x), x)[0].numpy()


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_gradients_are_those_of_autograd(framework: Framework, name: str, options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    p, t, loss = framework.asarray(P), framework.asarray(T), getattr(sl, name)
    value, gradient = sl.value_and_grad(name, **into(framework, options))(p, t)
    assert type(value) is type(gradient) is type(p)
    assert tuple(value.shape) == ()
    assert float(value) == pytest.approx(float(loss(p, t, **into(framework, options))), rel=1e-12)
    tensors = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    expected = by_torch(lambda x: loss(x, torch.tensor(T), **tensors), P)
    np.testing.assert_allclose(framework.to_numpy(gradient), expected, rtol=1e-9, atol=1e-9 * abs(expected).max())
    same = sl.value_and_grad(loss, **into(framework, options))(p, t)[1]  # the loss itself in place of its name
    np.testing.assert_array_equal(framework.to_numpy(same), framework.to_numpy(gradient))


def test_gradients_along_random_directions(framework: Framework) -> None:
    @settings(max_examples=(framework.examples + 1) // 2)
    @given(problems(dtype="float64", silent=False), st.integers(0, 2**32 - 1))
    def check(problem: Problem, seed: int) -> None:
        t, options = framework.asarray(problem.target), problem.options
        direction = np.random.default_rng(seed).normal(size=problem.target.shape)
        size = float(np.std(problem.target))
        x, h = problem.target + 0.3 * size * direction[::-1], 1e-5 * size
        for loss, taken in (("spectrum_error", options), ("field_error", {"spatial_axes": options["spatial_axes"]})):
            both = sl.value_and_grad(loss, **taken)
            slope = np.sum(framework.to_numpy(both(framework.asarray(x), t)[1]) * direction)
            ahead, behind = (float(both(framework.asarray(x + s * h * direction), t)[0]) for s in (1, -1))
            noise = 1e-14 * max(abs(ahead), abs(behind)) / h
            np.testing.assert_allclose(slope, (ahead - behind) / (2 * h), rtol=1e-4, atol=10 * noise + 1e-12)

    check()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_have_the_predictions_dtype(framework: Framework, dtype: str) -> None:
    if framework.name == "strict" and dtype == "float16":
        pytest.skip("the standard has no half precision")
    p, t = P.astype(dtype), T.astype(dtype)
    for name in cheap(framework):
        value, gradient = sl.value_and_grad(name)(framework.asarray(p), framework.asarray(t))
        assert gradient.dtype == framework.asarray(p).dtype
        assert str(value.dtype).endswith("float32")
        exact = sl.value_and_grad(name)(p.astype(np.float64), t.astype(np.float64))[1]
        tolerance = {"float32": 1e-5, "float16": 1e-3}[dtype] * abs(exact).max()
        np.testing.assert_allclose(framework.to_numpy(gradient).astype(np.float64), exact, atol=tolerance, rtol=0)


def test_a_target_of_another_precision(framework: Framework) -> None:
    p, t = framework.asarray(P.astype("float32")), framework.asarray(T)
    for name in cheap(framework):
        value, gradient = sl.value_and_grad(name)(p, t)
        assert value.dtype == t.dtype
        assert gradient.dtype == p.dtype
        exact = sl.value_and_grad(name)(P, T)[1]
        np.testing.assert_allclose(framework.to_numpy(gradient), exact, atol=1e-5 * abs(exact).max(), rtol=0)


def test_a_stored_spectrum(framework: Framework) -> None:
    p, t = framework.asarray(P), framework.asarray(T)
    both = sl.value_and_grad("spectrum_error", channels="sum")
    value, gradient = both(p, sl.radial_spectrum(t, channels="sum"))
    expected = both(p, t)
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-12)
    np.testing.assert_allclose(framework.to_numpy(gradient), framework.to_numpy(expected[1]), rtol=1e-12)


def test_what_a_mask_hides_has_no_gradient(framework: Framework) -> None:
    p, t = P.copy(), T.copy()
    p[..., MASK == 0], t[..., MASK == 0] = np.nan, np.inf
    both = sl.value_and_grad("field_error", mask=framework.asarray(MASK))
    value, gradient = (framework.to_numpy(x) for x in both(framework.asarray(p), framework.asarray(t)))
    clean = both(framework.asarray(P), framework.asarray(T))
    assert float(value) == pytest.approx(float(clean[0]))
    np.testing.assert_array_equal(gradient[..., MASK == 0], 0)
    np.testing.assert_allclose(gradient, framework.to_numpy(clean[1]), rtol=1e-12)


@pytest.mark.parametrize("name", losses.__all__)
@pytest.mark.parametrize("level", [0.0, 3.0])
def test_silent_fields_have_finite_gradients(framework: Framework, name: str, level: float) -> None:
    flat = np.full_like(P, level)
    for p, t in ((flat, T), (P, flat), (flat, flat)):
        value, gradient = sl.value_and_grad(name)(framework.asarray(p), framework.asarray(t))
        assert np.isfinite(float(value))
        assert np.isfinite(framework.to_numpy(gradient)).all()


def test_a_field_without_frames(framework: Framework) -> None:
    p, t = framework.asarray(P[0, 0, 0, 0]), framework.asarray(T[0, 0, 0, 0])
    for name in losses.__all__:
        gradient = sl.value_and_grad(name, spatial_axes=-1)(p, t)[1]
        expected = by_torch(partial(_loss_of_a_line, name), P[0, 0, 0, 0])
        np.testing.assert_allclose(framework.to_numpy(gradient), expected, rtol=1e-9, atol=1e-12)


def _loss_of_a_line(name: str, x: Any) -> Any:
    return getattr(sl, name)(x, x.new_tensor(T[0, 0, 0, 0]), spatial_axes=-1)


# Composite losses.


def composite(**more: Any) -> sl.CompositeLoss:
    components: dict[str, Any] = {
        "first": sl.Component("field_error", frames=0),
        "rest": sl.Component("field_error", frames=slice(1, None)),
        "odd": sl.Component(sl.spectrum_error, frames=slice(1, None, 2), channels="sum"),
        "spectrum": "spectrum_error",
        "again": sl.Component("spectrum_error", eps=1e-6),
        **more,
    }
    return sl.CompositeLoss(components, {"first": 0.5, "rest": 1.0, "odd": 2.0, "spectrum": 0.25, "again": 0.1})


def test_composite(framework: Framework) -> None:
    torch = pytest.importorskip("torch")
    p, t, loss = framework.asarray(P), framework.asarray(T), composite(custom=lambda p, t: None)
    (total, parts), gradient = sl.value_and_grad(loss)(p, t)
    expected_total, expected_parts = loss(p, t)
    assert float(total) == pytest.approx(float(expected_total), rel=1e-12)
    assert {k: float(v) for k, v in parts.items()} == pytest.approx({k: float(v) for k, v in expected_parts.items()})
    expected = by_torch(lambda x: loss(x, torch.tensor(T))[0], P)
    np.testing.assert_allclose(framework.to_numpy(gradient), expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


def test_weights_of_a_composite(framework: Framework) -> None:
    p, t, loss = framework.asarray(P), framework.asarray(T), composite()
    both = sl.value_and_grad(loss)
    none = dict.fromkeys(loss.components, 0.0)
    (total, parts), gradient = both(p, t, weights={**none, "first": 2.0})
    assert set(parts) == {"first"}
    value, alone = sl.value_and_grad("field_error")(p[:, :1, ...], t[:, :1, ...])
    assert float(total) == pytest.approx(2 * float(value))
    found = framework.to_numpy(gradient)
    np.testing.assert_allclose(found[:, :1], 2 * framework.to_numpy(alone), rtol=1e-12)
    np.testing.assert_array_equal(found[:, 1:], 0)
    as_array = both(p, t, weights={**none, "first": framework.asarray(np.float32(2.0))})[1]
    np.testing.assert_allclose(framework.to_numpy(as_array), found, rtol=1e-12)
    assert loss.weights["first"] == 0.5
    loss.set_weights({**none, "first": 2.0})  # after the function was made
    np.testing.assert_array_equal(framework.to_numpy(both(p, t)[1]), found)


def test_a_mask_in_the_call_of_a_composite() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    mask = rng.random((*P.shape[:-3], 1, *P.shape[-2:])) > 0.2
    x, y = (np.where(mask, field, np.nan) for field in (P, T))
    loss = sl.CompositeLoss({"late": sl.Component("field_error", frames=slice(1, None)), "spectrum": "spectrum_error"})
    (total, _), found = sl.value_and_grad(loss)(x, y, mask=mask)
    assert float(total) == pytest.approx(float(loss(x, y, mask=mask)[0]), rel=1e-12)
    assert not found[np.broadcast_to(~mask, found.shape)].any()
    expected = by_torch(lambda z: loss(z, torch.tensor(y), mask=torch.tensor(mask))[0], x)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


def test_the_targets_spectrum_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses_backends.numpy import Backend

    calls = []
    real = Backend.rfftn
    monkeypatch.setattr(Backend, "rfftn", lambda *args: calls.append(1) or real(*args))
    loss = sl.CompositeLoss({"a": "spectrum_error", "b": sl.Component("spectrum_error", eps=1e-6)})
    sl.value_and_grad(loss)(P, T)
    assert len(calls) == 1  # and the prediction with it, because both are small


def test_one_component() -> None:
    component = sl.Component("field_error", frames=slice(1, 3))
    value, gradient = sl.value_and_grad(component)(P, T)
    assert value == sl.field_error(P[:, 1:3], T[:, 1:3])
    np.testing.assert_allclose(gradient[:, 1:3], sl.value_and_grad("field_error")(P[:, 1:3], T[:, 1:3])[1])
    assert not gradient[:, [0, 3, 4]].any()


def test_tensors_that_require_a_gradient_leave_no_graph(autodiff: Framework) -> None:
    p = autodiff.asarray(P)
    if hasattr(p, "requires_grad_"):
        p.requires_grad_()
    value, gradient = sl.value_and_grad("spectrum_error")(p, autodiff.asarray(T))
    assert not getattr(value, "requires_grad", False)
    assert not getattr(gradient, "requires_grad", False)


# Errors.


def test_every_loss_has_a_gradient() -> None:
    for name in losses.__all__:
        assert sl.value_and_grad(name)(P, T)[1].shape == P.shape


def custom(prediction: Any, target: Any) -> Any:
    return np.mean((prediction - target) ** 2)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: sl.value_and_grad("spectral_error"), ValueError, "did you mean 'spectrum_error'"),
        (
            lambda: sl.value_and_grad(custom),
            TypeError,
            r"one of this library \(adjusted_error, amplitude_error, .*, wavelet_error\).*custom",
        ),
        (lambda: sl.value_and_grad("field_error", bins="log"), TypeError, "field_error: option 'bins'"),
        (lambda: sl.value_and_grad(composite(), channels="sum"), TypeError, "belong to the component.*channels"),
        (lambda: sl.value_and_grad(sl.Component(custom)), TypeError, "must be a loss of this library.*custom"),
        (lambda: sl.value_and_grad("field_error")(P, T[:1]), ValueError, "one shape"),
        (lambda: sl.value_and_grad("field_error")(P.tolist(), T), TypeError, "prediction must be an array"),
        (lambda: sl.value_and_grad("spectrum_error", eps=-1)(P, T), ValueError, "eps must be"),
    ],
)
def test_errors(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_an_active_component_without_adjoint_is_named() -> None:
    loss = sl.CompositeLoss({"plain": "field_error", "mine": custom})
    with pytest.raises(TypeError, match=r"component 'mine' must be a loss of this library.*custom"):
        sl.value_and_grad(loss)(P, T)
    loss.set_weights({"mine": 0})
    assert sl.value_and_grad(loss)(P, T)[1].shape == P.shape


def test_a_target_for_each_component(framework: Framework) -> None:
    rng = np.random.default_rng(7)
    p, t = (framework.asarray(rng.normal(size=(2, 3, 2, 8, 6))) for _ in range(2))
    loss = sl.CompositeLoss({"a": "field_error", "b": "spectrum_error"}, {"a": 0.5, "b": 2.0})
    (total, _), gradient = sl.value_and_grad(loss)(p, {"a": t, "b": sl.radial_spectrum(t)})
    (expected, _), whole = sl.value_and_grad(loss)(p, t)
    assert float(total) == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(framework.to_numpy(gradient), framework.to_numpy(whole), rtol=1e-9, atol=1e-15)
