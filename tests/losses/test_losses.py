"""The two losses against the reference numbers, by hand on small cases, and where their options matter."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
from frameworks import FRAMEWORKS, Framework
from reference import reference_cases, reference_fields

import spectral_losses as sl
from spectral_losses.testing import reference_field_error, reference_spectrum, reference_spectrum_error

CASES = reference_cases()
RNG = np.random.default_rng(1)
P, T = RNG.normal(size=(2, 3, 2, 12, 10)), RNG.normal(size=(2, 3, 2, 12, 10))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_reference(framework: Framework, case: str, dtype: str, tolerance: float) -> None:
    p, t = (framework.asarray(x.astype(dtype)) for x in reference_fields("losses", case))
    expected = CASES[case]
    found = {**sl.evaluate(p, t, losses="field_error"), **sl.evaluate(p, t, losses="spectrum_error", channels="mean")}
    assert found["field_error"] == pytest.approx(expected["field_error"], rel=tolerance)
    assert found["spectrum_error"] == pytest.approx(expected["spectrum_error"], rel=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_returns_a_0d_array_of_the_same_kind(framework: Framework, dtype: str) -> None:
    p, t = framework.asarray(P.astype(dtype)), framework.asarray(T.astype(dtype))
    for error in (
        sl.field_error(p, t),
        sl.spectrum_error(p, t),
        sl.spectrum_error(p[0, 0, 0, ...], t[0, 0, 0, ...]),
    ):
        assert type(error) is type(p)
        assert tuple(error.shape) == ()
        assert error.dtype == p.dtype


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(framework: Framework, name: str) -> None:
    if framework.name == "strict":
        pytest.skip("the standard has no half precision")
    p, t = (_half(framework, x, name) for x in (P, T))
    for loss in (sl.field_error, sl.spectrum_error):
        error = loss(p, t)
        assert str(error.dtype).endswith("float32")
        exact = loss(*(framework.to_numpy(_single(framework, x)).astype(np.float64) for x in (p, t)))
        assert float(error) == pytest.approx(float(exact), rel=1e-5)
    mixed = sl.spectrum_error(p, framework.asarray(T.astype("float32")))
    assert str(mixed.dtype).endswith("float32")


def test_mixed_precision_follows_promotion(framework: Framework) -> None:
    p, t = framework.asarray(P.astype("float32")), framework.asarray(T)
    for loss in (sl.field_error, sl.spectrum_error):
        assert loss(p, t).dtype == t.dtype
        assert float(loss(p, t)) == pytest.approx(float(loss(P, T)), rel=1e-5)


def test_field_error_by_hand(framework: Framework) -> None:
    t = np.ones((2, 1, 4, 4))
    t[1] = 100.0
    p = t * np.array([1.5, 1.1]).reshape(2, 1, 1, 1)
    found = float(sl.field_error(framework.asarray(p), framework.asarray(t), eps=0))
    assert found == pytest.approx((0.25 + 0.01) / 2)
    zero = framework.asarray(np.zeros((1, 4, 4)))
    assert float(sl.field_error(zero + 1, zero)) == pytest.approx(1e20)
    assert float(sl.field_error(zero, zero)) == 0


def test_spectrum_error_by_hand(framework: Framework) -> None:
    """With an eps that counts inside the logarithm and in the quotient."""
    p, t = 0.01 * P, 0.01 * T
    l_p, l_t = (np.log(reference_spectrum(x) + 1.0) for x in (p, t))
    axes = (1, 2, 3)
    by_hand = np.mean((l_p - l_t) ** 2, axis=axes) / (np.mean(l_t**2, axis=axes) + 1.0)
    found = sl.spectrum_error(framework.asarray(p), framework.asarray(t), eps=1)
    assert float(found) == pytest.approx(by_hand.mean(), rel=1e-10)


def test_spectrum_error_averages_quotients_over_the_batch(framework: Framework) -> None:
    p, t = P * np.array([1.0, 30.0]).reshape(2, 1, 1, 1, 1), T
    whole = float(sl.spectrum_error(framework.asarray(p), framework.asarray(t)))
    each = [
        float(sl.spectrum_error(framework.asarray(a[None]), framework.asarray(b[None])))
        for a, b in zip(p, t, strict=True)
    ]
    assert whole == pytest.approx(np.mean(each))
    assert whole == pytest.approx(reference_spectrum_error(p, t))


@pytest.mark.parametrize("channels", ["separate", "sum", "mean"])
@pytest.mark.parametrize(
    ("order", "axes", "channel"),
    [
        ((0, 1, 2, 3, 4), (-2, -1), "auto"),
        ((0, 1, 3, 4, 2), (2, 3), -1),
        ((2, 0, 1, 3, 4), (3, 4), 0),
        ((4, 3, 1, 0, 2), (1, 0), 4),
    ],
)
def test_any_layout(framework: Framework, channels: str, order: Any, axes: Any, channel: Any) -> None:
    expected = reference_spectrum_error(P, T, channels=channels)
    p, t = framework.asarray(P.transpose(order)), framework.asarray(T.transpose(order))
    if order[-1] == 2 and order[0] == 4:  # batch and time changed places: [W, H, T, B, C]
        expected = reference_spectrum_error(P.swapaxes(0, 1), T.swapaxes(0, 1), channels=channels)
    found = sl.spectrum_error(p, t, spatial_axes=axes, channel_axis=channel, channels=channels)
    assert float(found) == pytest.approx(expected, rel=1e-10)
    assert float(sl.field_error(p, t, spatial_axes=axes)) == pytest.approx(reference_field_error(P, T))


def test_one_and_three_dimensions(framework: Framework) -> None:
    for shape, axes in (((3, 2, 15), (-1,)), ((2, 1, 6, 9, 8), (-3, -2, -1)), ((7,), 0)):
        p, t = RNG.normal(size=shape), RNG.normal(size=shape)
        found = sl.evaluate(framework.asarray(p), framework.asarray(t), spatial_axes=axes)
        axes = axes if isinstance(axes, tuple) else (axes,)
        assert found["spectrum_error"] == pytest.approx(reference_spectrum_error(p, t, spatial_axes=axes), rel=1e-9)
        assert found["field_error"] == pytest.approx(reference_field_error(p, t, spatial_axes=axes), rel=1e-9)


def test_a_stored_spectrum_stands_for_the_target(framework: Framework) -> None:
    p, t = framework.asarray(P), framework.asarray(T)
    options = {"channels": "sum", "bins": 4, "lengths": (1.2, 1.0), "window": "hann"}
    stored = sl.radial_spectrum(t, **options)
    assert float(sl.spectrum_error(p, stored, **options)) == float(sl.spectrum_error(p, t, **options))
    part = dataclasses.replace(stored, power=stored.power[1:, ...])
    assert float(sl.spectrum_error(p[1:, ...], part, **options)) == pytest.approx(
        float(sl.spectrum_error(p[1:, ...], t[1:, ...], **options))
    )
    for other in (
        {"channels": "mean"},
        {"bins": 3},
        {"lengths": None},
        {"window": None},
        {"detrend": "linear"},
    ):
        with pytest.raises(ValueError, match="another grid or with other options"):
            sl.spectrum_error(p, stored, **{**options, **other})
    with pytest.raises(ValueError, match="another grid"):
        sl.spectrum_error(p[..., :8], stored, **options)
    with pytest.raises(ValueError, match="power has shape"):
        sl.spectrum_error(p[1:, ...], stored, **options)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_a_spectrum_stored_in_half_precision_is_lifted(framework: Framework, name: str) -> None:
    if framework.name == "strict":
        pytest.skip("the standard has no half precision")
    p = framework.asarray(P.astype("float32"))
    stored = sl.radial_spectrum(framework.asarray(T.astype("float32")))
    power = _half(framework, framework.to_numpy(stored.power), name)
    found = sl.spectrum_error(p, dataclasses.replace(stored, power=power))
    assert found.dtype == p.dtype
    single = dataclasses.replace(stored, power=_single(framework, power))
    assert float(found) == float(sl.spectrum_error(p, single))


@pytest.mark.parametrize("kind", ["int64", "complex64", "bool"])
def test_a_stored_spectrum_of_other_numbers_is_refused(framework: Framework, kind: str) -> None:
    stored = sl.radial_spectrum(framework.asarray(T))
    power = framework.asarray(framework.to_numpy(stored.power).astype(kind))
    with pytest.raises(TypeError, match=f"target must be real floating.*got {kind}"):
        sl.spectrum_error(framework.asarray(P), dataclasses.replace(stored, power=power))


@pytest.mark.parametrize("kind", [bool, np.int32, np.float32, np.float64])
def test_mask(framework: Framework, kind: type) -> None:
    mask = RNG.random((12, 10)) < 0.6
    weights = (mask * RNG.integers(1, 5, size=mask.shape)).astype(kind)
    spoiled = np.where(mask, P, np.nan)
    found = sl.field_error(framework.asarray(spoiled), framework.asarray(T), mask=framework.asarray(weights))
    assert float(found) == pytest.approx(reference_field_error(P, T, mask=weights), rel=1e-10)
    single = sl.field_error(
        framework.asarray(P.astype("float32")),
        framework.asarray(T.astype("float32")),
        mask=framework.asarray(weights),
    )
    assert str(single.dtype).endswith("float32")
    turned = sl.field_error(
        framework.asarray(P), framework.asarray(T), spatial_axes=(-1, -2), mask=framework.asarray(weights.T)
    )
    assert float(turned) == pytest.approx(float(reference_field_error(P, T, mask=weights)), rel=1e-10)


def test_masked_values_get_a_zero_gradient(autodiff: Framework) -> None:
    mask = RNG.random((12, 10)) < 0.6
    spoiled = autodiff.asarray(np.where(mask, P, np.nan))
    t = autodiff.asarray(np.where(mask, T, np.inf))
    assert autodiff.gradient is not None
    gradient = autodiff.to_numpy(
        autodiff.gradient(lambda p: sl.field_error(p, t, mask=autodiff.asarray(mask)), spoiled)
    )
    assert np.all(gradient[..., ~mask] == 0)
    assert np.all(gradient[..., mask] != 0)
    assert np.all(np.isfinite(gradient))


def test_a_mask_of_zeros_is_refused_or_gives_nan(framework: Framework) -> None:
    p, t, mask = framework.asarray(P), framework.asarray(T), framework.asarray(np.zeros((12, 10), dtype=bool))
    if framework.name in (
        "strict",
        "dask",
        "cupy",
        "torch-cuda",
    ):  # not seen without a transfer or a computation
        with warnings.catch_warnings():  # NumPy's own settings need not reach the threads of Dask
            warnings.filterwarnings("ignore", "invalid value encountered", RuntimeWarning)
            assert np.isnan(float(sl.field_error(p, t, mask=mask)))
    else:
        with pytest.raises(ValueError, match="0 everywhere"):
            sl.field_error(p, t, mask=mask)
        with pytest.raises(ValueError, match="weights >= 0"):
            sl.field_error(p, t, mask=framework.asarray(np.full((12, 10), -1.0)))


@pytest.mark.parametrize("value", [0.0, 2.5])
def test_gradients_are_finite_for_silent_fields(autodiff: Framework, value: float) -> None:
    t = autodiff.asarray(T.astype("float32"))
    x = autodiff.asarray(np.full_like(T, value, dtype="float32"))
    assert autodiff.gradient is not None
    for loss in (sl.field_error, sl.spectrum_error):
        gradient = autodiff.to_numpy(autodiff.gradient(lambda p: loss(p, t), x))  # noqa: B023
        assert np.all(np.isfinite(gradient))


def test_gradients_of_the_frameworks_agree() -> None:
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    FRAMEWORKS["jax"]()  # in double precision
    options = {"channels": "sum", "window": "hann", "detrend": "linear", "bins": "log"}
    for dtype, tolerance in (("float32", 2e-5), ("float64", 1e-11)):
        p, t = P.astype(dtype), T.astype(dtype)
        ours = torch.func.grad(lambda x, y: sl.spectrum_error(x, y, **options))(torch.tensor(p), torch.tensor(t))
        theirs = jax.grad(lambda x, y: sl.spectrum_error(x, y, **options))(jax.numpy.asarray(p), jax.numpy.asarray(t))
        scale = float(np.abs(theirs).max())
        np.testing.assert_allclose(ours.numpy(), np.asarray(theirs), rtol=0, atol=tolerance * scale)


def _half(framework: Framework, x: Any, name: str) -> Any:
    if framework.name.startswith("torch"):
        import torch

        return framework.asarray(x.astype("float32")).to(getattr(torch, name))
    if name == "bfloat16" and framework.name == "cupy":
        pytest.skip("CuPy has no bfloat16")
    if name == "bfloat16":
        return framework.asarray(x.astype(pytest.importorskip("ml_dtypes").bfloat16))
    return framework.asarray(x.astype(name))


def _single(framework: Framework, x: Any) -> Any:
    return x.float() if framework.name.startswith("torch") else x.astype("float32")
