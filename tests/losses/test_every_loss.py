"""What holds for every loss: reference numbers, rows, pooling, weights, units, equal and empty fields."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from frameworks import Framework
from reference import reference_cases, reference_fields

import spectral_losses as sl
from spectral_losses import losses
from spectral_losses.losses.registry import all_losses

RNG = np.random.default_rng(3)
P, T = RNG.normal(size=(2, 3, 2, 2, 8, 10))
LOSSES = losses.__all__
SPECTRAL = [name for name in LOSSES if "bins" in inspect.signature(getattr(sl, name)).parameters]
STORED = ["spectrum_error", "log_spectral_distance"]
CASES = reference_cases("catalogue")


def test_the_list_is_the_registry() -> None:
    assert sorted(all_losses()) == sorted(LOSSES)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reference(framework: Framework, case: str, dtype: str) -> None:
    p, t = (framework.asarray(x.astype(dtype)) for x in reference_fields("catalogue", case))
    expected = CASES[case]
    axes = tuple(range(3 - len(expected["shape"]), 0))
    for name in set(LOSSES) & set(expected):
        loose = 3e-4 if name == "log_spectral_distance" else 2e-5
        tolerance = 1e-10 if dtype == "float64" else loose
        found = float(getattr(sl, name)(p, t, spatial_axes=axes))
        assert found == pytest.approx(expected[name], rel=tolerance), name
        pooled = float(getattr(sl, name)(p, t, spatial_axes=axes, pool=(0, 1)))
        assert pooled == pytest.approx(expected["pool over batch and time"][name], rel=tolerance), name


@pytest.mark.parametrize("name", LOSSES)
def test_rows(framework: Framework, name: str) -> None:
    p, t, loss = framework.asarray(P), framework.asarray(T), getattr(sl, name)
    # The guards of pointwise denominators are relative to all frames at hand.
    exact = {"eps": 0} if name in ("field_error", "adjusted_error") else {}
    rows = framework.to_numpy(loss(p, t, reduction="none", **exact))
    assert rows.shape == ((3,) if name == "spectrum_error" else (3, 2, 2))
    assert float(loss(p, t, **exact)) == pytest.approx(rows.mean(), rel=1e-12)
    for index in np.ndindex(rows.shape):
        one = tuple(slice(i, i + 1) for i in index)
        assert float(loss(framework.asarray(P[one]), framework.asarray(T[one]), **exact)) == pytest.approx(rows[index])
    weighted = float(loss(p, t, channel_weights=[1, 3], **exact))
    if name == "spectrum_error":  # inside both means
        assert weighted != pytest.approx(rows.mean())
        assert float(loss(p, t, channel_weights=[2, 2])) == pytest.approx(rows.mean(), rel=1e-12)
    else:
        assert weighted == pytest.approx(np.average(rows, axis=-1, weights=[1, 3]).mean(), rel=1e-12)
    last = framework.to_numpy(loss(framework.asarray(np.moveaxis(P, 2, 0)), framework.asarray(np.moveaxis(T, 2, 0)),
                                   channel_axis=0, reduction="none", **exact))  # fmt: skip
    np.testing.assert_allclose(last, rows if name == "spectrum_error" else np.moveaxis(rows, 2, 0), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_pooling(framework: Framework, name: str) -> None:
    p, t, loss = framework.asarray(P), framework.asarray(T), getattr(sl, name)
    shapes = {None: (3, 2, 2), 0: (2, 2), (0, 1): (2,), "frames": (2,), -4: (3, 2)}
    for pool, shape in shapes.items():
        rows = loss(p, t, pool=pool, reduction="none")
        coupled = () if pool in (0, (0, 1), "frames") else (3,)
        assert tuple(rows.shape) == (coupled if name == "spectrum_error" else shape), pool
    frames = float(loss(p, t, pool="frames"))
    assert frames == pytest.approx(float(loss(p, t, pool=(1, 0))), rel=1e-12)
    assert frames != pytest.approx(float(loss(p, t)), rel=1e-4)
    # Frames that are all alike have the statistics of one.
    same = [framework.asarray(np.broadcast_to(x[:1, :1], x.shape).copy()) for x in (P, T)]
    assert float(loss(*same, pool="frames")) == pytest.approx(float(loss(*same)), rel=1e-10)
    # With channels summed there is one row; its pooled statistics are those of all fields.
    one = loss(p, t, pool="frames", channels="sum", reduction="none")
    assert tuple(one.shape) == ()


@pytest.mark.parametrize("name", LOSSES)
def test_errors_of_rows_and_pools(name: str) -> None:
    loss = getattr(sl, name)
    with pytest.raises(ValueError, match=r'pool .*axis 2 is the channel axis \(channels="sum".*channel_axis=None'):
        loss(P, T, pool=2)
    with pytest.raises(ValueError, match=r"pool .*axis 4 is a spatial axis"):
        loss(P, T, pool=(0, -1))
    with pytest.raises(ValueError, match=r"pool.*\(2, 8, 10\) has no frame axis.*channel_axis=None"):
        loss(P[0, 0], T[0, 0], pool="frames")
    with pytest.raises(ValueError, match=r"pool must be None, an axis, several or 'frames', got 'batch'"):
        loss(P, T, pool="batch")
    with pytest.raises(ValueError, match="reduction must be one of mean, none, got 'non', did you mean 'none'"):
        loss(P, T, reduction="non")
    for others in ({"channels": "sum"}, {"channels": "mean"}, {"reduction": "none"}, {"channel_axis": None}):
        with pytest.raises(ValueError, match="channel_weights"):
            loss(P, T, channel_weights=(1, 2), spatial_axes=(2, 3, 4) if "channel_axis" in others else (3, 4), **others)
    with pytest.raises(ValueError, match=r"one weight per channel \(2\), got 3"):
        loss(P, T, channel_weights=(1, 2, 3))
    with pytest.raises(ValueError, match="at least 0 and not all 0"):
        loss(P, T, channel_weights=(0, 0))
    with pytest.raises(TypeError, match="'reductoin' is not known, did you mean 'reduction'"):
        loss(P, T, reductoin="none")
    with pytest.raises(ValueError, match="reduction of a component must be 'mean', got 'none'"):
        sl.Component(name, reduction="none")


@pytest.mark.parametrize("name", STORED)
def test_shell_weights(framework: Framework, name: str) -> None:
    p, t, loss = framework.asarray(P), framework.asarray(T), getattr(sl, name)
    plain = float(loss(p, t))
    assert float(loss(p, t, shell_weights=0)) == pytest.approx(plain, rel=1e-12)
    assert float(loss(p, t, shell_weights=[7.0] * 4)) == pytest.approx(plain, rel=1e-12)
    powers = [1.0, 4.0, 9.0, 16.0]
    squared = float(loss(p, t, shell_weights=2))
    assert squared == pytest.approx(float(loss(p, t, shell_weights=powers)), rel=1e-12)
    each = [float(loss(p, t, shell_weights=np.eye(4)[b])) for b in range(4)]
    if name == "log_spectral_distance":
        assert plain == pytest.approx(np.mean(each), rel=1e-12)
        assert squared == pytest.approx(np.average(each, weights=powers), rel=1e-12)
    for bad, error, message in (
        ([1.0] * 3, ValueError, r"one weight per shell \(4\), got 3"),
        (True, TypeError, "shell_weights must be None, a number"),
        ([-1.0, 1, 1, 1], ValueError, "shell_weights must be finite, at least 0"),
    ):
        with pytest.raises(error, match=message):
            loss(p, t, shell_weights=bad)


def test_a_loss_that_is_no_mean_over_shells_takes_no_weights_of_them() -> None:
    with pytest.raises(ValueError, match="shell_weights are for means over shells, got 1"):
        sl.adjusted_error(P, T, shell_weights=1)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"spectrum_error"}))
@pytest.mark.parametrize("size", [1e-10, 1e10])
def test_units_do_not_matter(framework: Framework, name: str, size: float) -> None:
    """But for `spectrum_error`, whose eps is absolute because published numbers are."""
    p, t, loss = P.astype("float32"), T.astype("float32"), getattr(sl, name)
    scaled = [framework.asarray((size * x.astype(float)).astype("float32")) for x in (p, t)]
    expected = float(loss(framework.asarray(p), framework.asarray(t)))
    assert float(loss(*scaled)) == pytest.approx(expected, rel=1e-5)
    gradient = framework.to_numpy(sl.value_and_grad(name)(*scaled)[1]).astype(float)
    exact = sl.value_and_grad(name)(P, T)[1]
    np.testing.assert_allclose(size * gradient, exact, atol=1e-4 * abs(exact).max())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1e-6, 1.0])
def test_equal_fields_give_exactly_nothing(framework: Framework, name: str, size: float) -> None:
    for dtype in ("float32", "float64"):
        t = framework.asarray((size * T).astype(dtype))
        value, gradient = sl.value_and_grad(name)(t, t)
        assert float(value) == 0
        assert not framework.to_numpy(gradient).any()
        if framework.gradient is not None:
            assert not framework.to_numpy(framework.gradient(lambda p: getattr(sl, name)(p, t), t)).any()  # noqa: B023


@pytest.mark.parametrize("name", LOSSES)
def test_empty_shells_zeros_and_constants(framework: Framework, name: str) -> None:
    wave = np.cos(2 * np.pi * np.arange(10) / 10) * np.ones((3, 2, 2, 8, 1))
    fields = {"zero": np.zeros_like(P), "one": np.ones_like(P), "wave": wave, "noise": P}
    for dtype in ("float32", "float64"):
        for p in fields.values():
            for t in fields.values():
                x, y = framework.asarray(p.astype(dtype)), framework.asarray(t.astype(dtype))
                value, gradient = sl.value_and_grad(name)(x, y)
                assert np.isfinite(float(value))
                assert np.isfinite(framework.to_numpy(gradient)).all()
                if framework.gradient is not None and framework.name != "jax":
                    found = framework.gradient(lambda p: getattr(sl, name)(p, y), x)  # noqa: B023
                    assert np.isfinite(framework.to_numpy(found)).all()


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("options", [{}, {"pool": 0}, {"channels": "sum", "pool": "frames"}, {"channels": "mean"}])
def test_a_stored_spectrum_stands_for_the_target(framework: Framework, name: str, options: dict[str, Any]) -> None:
    p, t, loss = framework.asarray(P), framework.asarray(T), getattr(sl, name)
    stored = sl.radial_spectrum(t, **options)
    assert float(loss(p, stored, **options)) == pytest.approx(float(loss(p, t, **options)), rel=1e-12)
    assert float(loss(t, stored, **options)) == pytest.approx(0, abs=1e-24)
    if options:
        with pytest.raises(ValueError, match="on another grid or with other options"):
            loss(p, stored)


def test_a_loss_of_more_than_powers_takes_no_stored_spectrum() -> None:
    with pytest.raises(TypeError, match="target must be a field: AdjustedError needs more than powers"):
        sl.adjusted_error(P, sl.radial_spectrum(T))


def test_adjusted_error_is_field_error_where_nothing_was_lost(framework: Framework) -> None:
    t = framework.asarray(T)
    turned = framework.asarray(np.roll(T, 1, axis=-1))  # the same spectrum
    grown = framework.asarray(1.3 * T)  # coherent
    for p in (turned, grown):
        assert float(sl.adjusted_error(p, t)) == pytest.approx(float(sl.field_error(p, t)), rel=1e-9)
    assert float(sl.adjusted_error(framework.asarray(0.5 * P), t)) > float(
        sl.field_error(framework.asarray(0.5 * P), t)
    )


def test_sides_of_the_log_spectral_distance(framework: Framework) -> None:
    p, t = framework.asarray(P), framework.asarray(T)
    both, excess, deficit = (float(sl.log_spectral_distance(p, t, side=s)) for s in ("both", "excess", "deficit"))
    assert both == pytest.approx(excess + deficit, rel=1e-12)
    assert min(excess, deficit) > 0
    assert float(sl.log_spectral_distance(framework.asarray(2 * T), t, side="deficit")) == 0
    assert float(sl.log_spectral_distance(framework.asarray(2 * T), t)) == pytest.approx(np.log(4) ** 2)
    with pytest.raises(
        ValueError, match="side must be one of both, excess, deficit, got 'exces', did you mean 'excess'"
    ):
        sl.log_spectral_distance(p, t, side="exces")


def test_masks_may_differ_from_frame_to_frame(framework: Framework) -> None:
    for shape in ((3, 2, 2, 8, 10), (3, 1, 1, 8, 10), (2, 1, 1, 1), (8, 1), (10,)):
        mask = RNG.random(shape) + 0.1
        if len(shape) == 5:
            mask *= RNG.random(shape) < 0.7
        whole = np.broadcast_to(mask, P.shape)
        error, power = (np.average(x**2, weights=whole, axis=(-2, -1)) for x in (P - T, T))
        found = float(sl.field_error(framework.asarray(P), framework.asarray(T), mask=framework.asarray(mask), eps=0))
        assert found == pytest.approx(np.mean(error / power), rel=1e-12)
    mask = np.ones((3, 1, 1, 8, 10))
    mask[1] = 0
    with pytest.raises(ValueError, match="0 everywhere in some frame"):
        sl.field_error(P, T, mask=mask)


def test_the_guard_is_relative_to_frames_that_are_finite(framework: Framework) -> None:
    p, t = P.copy(), T.copy()
    t[0, 0, 0, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        rows = framework.to_numpy(sl.field_error(framework.asarray(p), framework.asarray(t), reduction="none", eps=0.1))
    power = np.mean(T**2, axis=(-2, -1))
    mean = [np.mean(np.delete(power[..., 0].ravel(), 0)), np.mean(power[..., 1])]
    expected = np.mean((P - T) ** 2, axis=(-2, -1)) / (power + 0.1 * np.array(mean))
    assert not np.isfinite(rows[0, 0, 0])
    np.testing.assert_allclose(rows.ravel()[1:], expected.ravel()[1:], rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_channels_behind_space_are_found(framework: Framework, name: str) -> None:
    p, t, loss = (np.moveaxis(x, 2, -1) for x in (P, T)), None, getattr(sl, name)
    p, t = p
    found = loss(framework.asarray(p), framework.asarray(t), spatial_axes=(2, 3))
    assert float(found) == pytest.approx(float(loss(P, T)), rel=1e-12)


def test_components_share_transforms_and_sum_up(framework: Framework) -> None:
    loss = sl.CompositeLoss({name: name for name in LOSSES}, {name: 0.1 + i for i, name in enumerate(LOSSES)})
    p, t = framework.asarray(P), framework.asarray(T)
    total, parts = loss(p, t)
    expected = {name: float(getattr(sl, name)(p, t)) for name in LOSSES}
    assert {name: float(part) for name, part in parts.items()} == pytest.approx(expected, rel=1e-10)
    assert float(total) == pytest.approx(sum(loss.weights[name] * expected[name] for name in LOSSES), rel=1e-10)
    (_, _), gradient = sl.value_and_grad(loss)(p, t)
    each = sum(loss.weights[name] * sl.value_and_grad(name)(P, T)[1] for name in LOSSES)
    np.testing.assert_allclose(framework.to_numpy(gradient), each, rtol=1e-9, atol=1e-12)
    if framework.gradient is not None:
        found = framework.gradient(lambda p: loss(p, t)[0], p)
        np.testing.assert_allclose(framework.to_numpy(found), each, rtol=1e-9, atol=1e-12)
        found = framework.gradient(lambda p: loss(p, t)[1]["adjusted_error"], p)  # of one part
        alone = sl.value_and_grad("adjusted_error")(P, T)[1]
        np.testing.assert_allclose(framework.to_numpy(found), alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_signatures_spell_out_the_options(name: str) -> None:
    signature = inspect.signature(getattr(sl, name))
    assert {"spatial_axes", "channel_axis", "channels", "pool", "channel_weights", "reduction"} <= set(
        signature.parameters
    )
    assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    assert signature.return_annotation == "Array"


@pytest.mark.parametrize("name", LOSSES)
def test_transformations_of_frameworks(autodiff: Framework, name: str) -> None:
    """A mapped loss is that of each element, and a mapped gradient too."""
    loss, p, t = getattr(sl, name), autodiff.asarray(P), autodiff.asarray(T)
    if autodiff.name == "jax":
        jax = pytest.importorskip("jax")
        vmap, grad, stack = jax.jit(jax.vmap(loss)), jax.vmap(jax.grad(loss)), jax.numpy.stack
    else:
        torch = pytest.importorskip("torch")
        vmap, grad, stack = torch.vmap(loss), torch.vmap(torch.func.grad(loss)), torch.stack
    expected = stack([loss(a, b) for a, b in zip(p, t, strict=True)])
    np.testing.assert_allclose(autodiff.to_numpy(vmap(p, t)), autodiff.to_numpy(expected), rtol=1e-10)
    by_hand = (jax if autodiff.name == "jax" else torch).vmap(sl.value_and_grad(name))(p, t)[1]
    for found in (grad(p, t), by_hand):
        for i, gradient in enumerate(autodiff.to_numpy(found)):
            exact = sl.value_and_grad(name)(P[i], T[i])[1]
            np.testing.assert_allclose(gradient, exact, rtol=1e-8, atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
@pytest.mark.parametrize("name", LOSSES)
def test_compiled_by_pytorch(name: str) -> None:
    """Value and gradient, for batches of any size once compiled for them; of several losses together as well."""
    torch = pytest.importorskip("torch")
    torch._dynamo.reset()
    loss = getattr(sl, name)
    for function in (
        loss,
        lambda p, t: loss(p, t, pool=1, channel_weights=(1, 2)) + loss(p, t, reduction="none").sum(),
    ):
        compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=True)
        for batch in (3, 2):
            x, y = (torch.tensor(z[:batch]) for z in (P, T))
            x.requires_grad_()
            found, expected = compiled(x, y), function(x, y)
            torch.testing.assert_close(found, expected)
            torch.testing.assert_close(*(torch.autograd.grad(value, x)[0] for value in (found, expected)))
