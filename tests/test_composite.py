"""Weighted sums of losses: what is computed, on which frames, with which weights, in every framework."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from frameworks import Framework

import spectral_losses as sl

NAMES = ("recFieldError", "predFieldError", "spectrumError")


def original(**weights: float) -> sl.CompositeLoss:
    return sl.CompositeLoss(
        {
            "recFieldError": sl.Component("field_error", frames=0),
            "predFieldError": sl.Component("field_error", frames=slice(1, None)),
            "spectrumError": sl.Component("spectrum_error", channels="sum"),
        },
        weights or None,
    )


def fields(shape: tuple[int, ...] = (2, 3, 2, 8, 12), dtype: str = "float32") -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    target = rng.normal(size=shape)
    return (target + 0.3 * rng.normal(size=shape)).astype(dtype), target.astype(dtype)


def expected(p: Any, t: Any) -> dict[str, float]:
    return {
        "recFieldError": float(sl.field_error(p[:, :1], t[:, :1])),
        "predFieldError": float(sl.field_error(p[:, 1:], t[:, 1:])),
        "spectrumError": float(sl.spectrum_error(p, t, channels="sum")),
    }


def test_total_and_parts(framework: Framework) -> None:
    p, t = fields()
    weights = {"recFieldError": 0.5, "predFieldError": 0.25, "spectrumError": 2.0}
    total, parts = original(**weights)(framework.asarray(p), framework.asarray(t))
    assert tuple(total.shape) == ()
    assert total.dtype == framework.asarray(p).dtype
    wanted = expected(p, t)
    assert list(parts) == list(NAMES)
    for name, part in parts.items():
        assert float(framework.to_numpy(part)) == pytest.approx(wanted[name], rel=1e-5)
    assert float(framework.to_numpy(total)) == pytest.approx(sum(weights[n] * wanted[n] for n in NAMES), rel=1e-5)


def test_gradient_is_the_weighted_sum(autodiff: Framework) -> None:
    p, t = fields(dtype="float64")
    x, y = autodiff.asarray(p), autodiff.asarray(t)
    loss = original(recFieldError=0.5, spectrumError=2.0)
    assert autodiff.gradient is not None
    found = autodiff.to_numpy(autodiff.gradient(lambda z: loss(z, y)[0], x))
    by_hand = autodiff.gradient(
        lambda z: 0.5 * sl.field_error(z[:, :1], y[:, :1]) + 2.0 * sl.spectrum_error(z, y, channels="sum"), x
    )
    np.testing.assert_allclose(found, autodiff.to_numpy(by_hand), rtol=1e-12)


def test_a_weight_of_zero_is_not_computed() -> None:
    p, t = fields()

    def never(prediction: Any, target: Any) -> Any:
        raise AssertionError("computed")

    loss = sl.CompositeLoss({"a": "field_error", "b": never}, {"a": 1.0})
    total, parts = loss(p, t)
    assert list(parts) == ["a"]
    assert float(total) == float(sl.field_error(p, t))
    with pytest.raises(AssertionError, match="computed"):
        loss(p, t, weights={"b": 1.0})


def test_fields_are_transformed_once_for_all_components(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses_backends.numpy import Backend

    calls = []
    real = Backend.rfftn
    monkeypatch.setattr(Backend, "rfftn", lambda self, x, ndim: calls.append(x.size) or real(self, x, ndim))
    p, t = fields()
    loss = sl.CompositeLoss(
        {
            "a": "spectrum_error",
            "b": sl.Component("spectrum_error", eps=1e-3),
            "c": sl.Component("spectrum_error", channels="sum"),  # of the same modes
            "d": sl.Component("spectrum_error", frames=slice(1, None)),  # of other frames
            "e": sl.Component("spectrum_error", frames=slice(1, None), eps=1e-3),
            "f": "field_error",
        }
    )
    _, parts = loss(p, t)
    # Prediction and target once for a, b and c, and once for d and e.
    assert sum(calls) == 2 * p.size + 2 * p[:, 1:].size
    assert float(parts["b"]) == pytest.approx(float(sl.spectrum_error(p, t, eps=1e-3)), rel=1e-6)
    assert float(parts["e"]) == pytest.approx(float(sl.spectrum_error(p[:, 1:], t[:, 1:], eps=1e-3)), rel=1e-6)
    calls.clear()
    loss.set_weights(dict.fromkeys("bde", 0.0))
    loss(p, t)
    assert sum(calls) == 2 * p.size
    assert float(parts["c"]) == pytest.approx(float(sl.spectrum_error(p, t, channels="sum")), rel=1e-6)


def test_weights_from_a_scheduler() -> None:
    config = sl.SchedulerConfig(patience=0, warmup_epochs=0, source_components=NAMES[:2], target_components=NAMES[2:])
    scheduler, loss = sl.LossScheduler(config), original(recFieldError=1.0)
    loss.set_weights(scheduler)
    assert loss.weights == scheduler.weights
    loss.set_weights(scheduler.step({"spectrum_error": 0.5}))
    assert loss.weights == scheduler.weights == pytest.approx(dict(zip(NAMES, (0.9, 0.9, 0.1), strict=True)))
    loss.set_weights({"spectrumError": 0.5})
    assert loss.weights["recFieldError"] == pytest.approx(0.9)
    p, t = fields()
    assert float(loss(p, t, weights=scheduler)[0]) == float(loss(p, t, weights=scheduler.weights)[0])


def test_weights_begin_at_one_and_left_out_ones_at_zero() -> None:
    assert original().weights == dict.fromkeys(NAMES, 1.0)
    assert original(spectrumError=2).weights == {"recFieldError": 0.0, "predFieldError": 0.0, "spectrumError": 2.0}
    loss = original()
    loss.weights["spectrumError"] = 5.0  # a copy
    assert loss.weights["spectrumError"] == 1.0


@pytest.mark.parametrize(
    ("frames", "taken"),
    [
        (0, slice(0, 1)),
        (-1, slice(2, 3)),
        (2, slice(2, 3)),
        (slice(None, None, 2), slice(0, 3, 2)),
        (None, slice(0, 3)),
    ],
)
def test_frames(frames: Any, taken: slice) -> None:
    p, t = fields()
    _, parts = sl.CompositeLoss({"a": sl.Component("field_error", frames=frames)})(p, t)
    assert float(parts["a"]) == float(sl.field_error(p[:, taken], t[:, taken]))
    q, u = np.moveaxis(p, 1, 0), np.moveaxis(t, 1, 0)
    _, parts = sl.CompositeLoss({"a": sl.Component("field_error", frames=frames, time_axis=0)})(q, u)
    assert float(parts["a"]) == pytest.approx(float(sl.field_error(q[taken], u[taken])), rel=1e-6)


def test_a_time_axis_may_be_counted_from_the_end() -> None:
    p, t = fields()
    _, parts = sl.CompositeLoss({"a": sl.Component("field_error", frames=0, time_axis=-4)})(p, t)
    assert float(parts["a"]) == float(sl.field_error(p[:, :1], t[:, :1]))


def test_dtype_of_weights_is_of_no_consequence(framework: Framework) -> None:
    p, t = (framework.asarray(x) for x in fields())
    double = framework.asarray(np.asarray(0.5, dtype="float64"))
    for weight in (1, 0.5, np.float64(0.5), np.float32(0.5), double):
        total, _ = original(recFieldError=1.0)(p, t, weights={"spectrumError": weight})
        assert total.dtype == p.dtype


def test_half_precision_is_summed_in_single() -> None:
    torch = pytest.importorskip("torch")
    p, t = (torch.tensor(x).to(torch.bfloat16) for x in fields())
    assert original()(p, t)[0].dtype == torch.float32


def test_jit_does_not_compile_anew() -> None:
    jax = pytest.importorskip("jax")
    p, t = (jax.numpy.asarray(x) for x in fields())
    loss, traced = original(), []

    @jax.jit
    def step(p: Any, t: Any, weights: Any) -> Any:
        traced.append(True)
        return jax.value_and_grad(lambda p: loss(p, t, weights=weights), has_aux=True)(p)

    for w in (0.0, 0.5, 1.0):
        (total, parts), _ = step(p, t, {"recFieldError": 1.0 - w, "predFieldError": 0.0, "spectrumError": w})
        wanted = (1 - w) * float(parts["recFieldError"]) + w * float(parts["spectrumError"])
        assert float(total) == pytest.approx(wanted, rel=1e-6)
    assert len(traced) == 1


@pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_torch_compile_does_not_compile_anew() -> None:
    torch = pytest.importorskip("torch")
    from torch._dynamo.testing import CompileCounterWithBackend

    p, t = (torch.tensor(x) for x in fields())
    p.requires_grad_()
    loss, counter = original(), CompileCounterWithBackend("aot_eager")
    loss(p, t)  # what is met while compiling is compiled twice
    torch.compiler.reset()
    step = torch.compile(lambda p, t, w: loss(p, t, weights=w)[0], backend=counter, fullgraph=True)
    for w in (0.0, 0.5, 1.0):
        weights = {name: torch.tensor(value) for name, value in zip(NAMES, (1 - w, 0.0, w), strict=True)}
        total = step(p, t, weights)
        total.backward()
        assert total.item() == pytest.approx(loss(p, t, weights=weights)[0].item(), rel=1e-6)
    assert counter.frame_count == 1


def test_copies_and_pickles() -> None:
    p, t = fields()
    loss = original(recFieldError=0.25, spectrumError=1.0)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert float(twin(p, t)[0]) == float(loss(p, t)[0])
    assert repr(sl.Component("field_error", frames=0, time_axis=0)) == (
        "Component('field_error', frames=slice(0, 1, None), time_axis=0)"
    )
    assert repr(loss).startswith("CompositeLoss({'recFieldError': Component('field_error', frames=slice(0, 1, None))")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: sl.CompositeLoss([]), TypeError, "components must map names to losses, got list"),
        (lambda: sl.CompositeLoss({}), ValueError, "components must hold at least one loss, got none"),
        (lambda: sl.CompositeLoss({"a": 3}), TypeError, "component 'a': loss must be a name or a callable, got 3"),
        (
            lambda: sl.CompositeLoss({"a": {"loss": "field_error"}}),
            TypeError,
            "component 'a': loss must be a name or a callable, got {'loss': 'field_error'}, a table such as from_dict",
        ),
        (lambda: sl.CompositeLoss({"a": dict}), TypeError, "got the class dict; is dict"),
        (lambda: sl.CompositeLoss({1: "field_error"}), TypeError, "components must have names, got 1 of type int"),
        (lambda: sl.Component("field_error", time_axis="1"), TypeError, "time_axis must be an integer, got '1'"),
        (lambda: sl.CompositeLoss({"a": "field_eror"}), ValueError, "did you mean 'field_error'"),
        (lambda: sl.Component("field_error", bins=3), TypeError, "field_error: option 'bins' is not known"),
        (
            lambda: sl.Component("field_error", frames="all"),
            TypeError,
            "frames must be a slice, an int or None, got 'all'",
        ),
        (
            lambda: original(spectrumErorr=1.0),
            ValueError,
            "component 'spectrumErorr' is not known, did you mean 'spectrumError'",
        ),
        (lambda: original(spectrumError=float("nan")), ValueError, "weight 'spectrumError' must be finite, got nan"),
        (
            lambda: original().set_weights({"spectrumError": "1"}),
            TypeError,
            "weight 'spectrumError' must be a number, got '1'",
        ),
        (lambda: original().set_weights(3), TypeError, "weights must map names to numbers, got int"),
        (lambda: original(spectrumError=10**400), ValueError, "weight 'spectrumError' must be finite"),
        (
            lambda: sl.CompositeLoss({"a": "field_error"}, spatial_axes=(1, 2)),
            TypeError,
            r"option 'spatial_axes' belongs to a component: Component\(loss, spatial_axes=",
        ),
        (
            lambda: sl.Component(sl.field_error, axes=1),
            TypeError,
            "field_error: option 'axes' is not known, did you mean 'spatial_axes'",
        ),
    ],
)
def test_errors_at_construction(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("component", "error", "message"),
    [
        (lambda p, t: 0.5, TypeError, "component 'a' must return a 0-d array, got float"),
        (
            lambda p, t: (p - t).mean(axis=-1),
            ValueError,
            r"component 'a' must return a 0-d array, got shape \(2, 3, 2, 8\)",
        ),
        (
            sl.Component("field_error", frames=slice(3, None)),
            ValueError,
            "frames must leave a frame of target, got slice",
        ),
        (sl.Component("field_error", frames=7), ValueError, "frames must leave a frame"),
        (sl.Component("field_error", eps="1e-3"), TypeError, "component 'a': eps must be a number, got str"),
        (sl.Component("field_error", frames=0, time_axis=5), ValueError, "time_axis must be an axis of target"),
    ],
)
def test_errors_at_the_call(component: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sl.CompositeLoss({"a": component})(*fields())


def test_nothing_left() -> None:
    with pytest.raises(ValueError, match="every weight is 0, of recFieldError, predFieldError, spectrumError"):
        original(spectrumError=0)(*fields())
    with pytest.raises(TypeError, match="weight 'spectrumError' must be a number or a 0-d array"):
        original()(*fields(), weights={"spectrumError": np.ones(2)})


def test_a_stored_spectrum_may_stand_for_the_target() -> None:
    p, t = fields()
    stored, later = sl.radial_spectrum(t), sl.radial_spectrum(t[:, 1:])
    loss = sl.CompositeLoss({"a": "spectrum_error", "b": sl.Component("spectrum_error", eps=1e-6)})
    assert float(loss(p, stored)[0]) == pytest.approx(float(loss(p, t)[0]), rel=1e-6)
    loss = sl.CompositeLoss({"a": sl.Component("spectrum_error", frames=slice(1, None))})
    assert float(loss(p, later)[0]) == pytest.approx(float(loss(p, t)[0]), rel=1e-6)


def test_a_target_for_each_component(framework: Framework) -> None:
    p, t = (framework.asarray(x) for x in fields())
    loss = original()
    targets = {"recFieldError": t, "predFieldError": t, "spectrumError": sl.radial_spectrum(t, channels="sum")}
    total, parts = loss(p, targets)
    expected, each = loss(p, t)
    assert float(total) == pytest.approx(float(expected), rel=1e-6)
    assert {name: float(part) for name, part in parts.items()} == pytest.approx(
        {name: float(part) for name, part in each.items()}, rel=1e-6
    )
    without = {name: target for name, target in targets.items() if name != "predFieldError"}
    assert float(loss(p, without, weights={"predFieldError": 0})[0]) < float(expected)  # is not computed
    with pytest.raises(ValueError, match="component 'predFieldError' is missing, got recFieldError, spectrumError"):
        loss(p, without)
    with pytest.raises(ValueError, match="component 'spectrumEror' is not known, did you mean 'spectrumError'"):
        loss(p, {**targets, "spectrumEror": t})


def test_a_stored_spectrum_where_the_field_is_needed() -> None:
    p, t = fields()
    stored = sl.radial_spectrum(t)
    for name in ("field_error", "adjusted_error"):
        loss = sl.CompositeLoss({"blur": "spectrum_error", "size": name})
        with pytest.raises(TypeError, match="component 'size': target must be a field, got a Spectrum"):
            loss(p, stored)
        assert float(loss(p, stored, weights={"size": 0})[0]) == pytest.approx(float(sl.spectrum_error(p, t)), rel=1e-6)
    with pytest.raises(ValueError, match="component 'a': target: this spectrum was computed on another grid"):
        sl.CompositeLoss({"a": sl.Component("spectrum_error", bins=2)})(p, stored)


def test_components_with_stored_spectra_share_the_transform_of_the_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses_backends.numpy import Backend

    p, t = fields()
    targets = {"a": sl.radial_spectrum(t), "b": sl.radial_spectrum(2 * t), "c": t}
    calls = []
    real = Backend.rfftn
    monkeypatch.setattr(Backend, "rfftn", lambda self, x, ndim: calls.append(x.size) or real(self, x, ndim))
    _, parts = sl.CompositeLoss(dict.fromkeys("ab", "spectrum_error") | {"c": "field_error"})(p, targets)
    assert sum(calls) == p.size
    assert float(parts["b"]) == pytest.approx(float(sl.spectrum_error(p, 2 * t)), rel=1e-6)


def masked_batch() -> tuple[Any, Any, Any]:
    """Fields that are unknown where the mask of their frame is 0."""
    p, t = fields()
    mask = np.random.default_rng(1).random((2, 3, 1, 8, 12)) > 0.2
    p, t = (np.where(mask, x, np.nan).astype(x.dtype) for x in (p, t))
    return p, t, mask


def test_a_mask_in_the_call(framework: Framework) -> None:
    p, t, mask = masked_batch()
    loss = original()
    whole = framework.compiled(lambda x, y, m: loss(x, y, mask=m))
    for x, y, m in ((p, t, mask), (p[::-1].copy(), t[::-1].copy(), mask[::-1].copy())):  # another batch, another mask
        total, parts = whole(*(framework.asarray(z) for z in (x, y, m)))
        wanted = {
            "recFieldError": sl.field_error(x[:, :1], y[:, :1], mask=m[:, :1]),
            "predFieldError": sl.field_error(x[:, 1:], y[:, 1:], mask=m[:, 1:]),
            "spectrumError": sl.spectrum_error(x, y, mask=m, channels="sum"),
        }
        found = {name: float(framework.to_numpy(part)) for name, part in parts.items()}
        assert found == pytest.approx({name: float(value) for name, value in wanted.items()}, rel=1e-5)
        assert float(framework.to_numpy(total)) == pytest.approx(sum(found.values()), rel=1e-5)


@pytest.mark.parametrize("shape", [(8, 12), (3, 1, 8, 12), (2, 1, 1, 8, 12), (2, 3, 1, 8, 12)])
def test_frames_of_a_mask_are_those_of_the_component(shape: tuple[int, ...]) -> None:
    p, t = fields(dtype="float64")
    mask = np.random.default_rng(1).random(shape)
    loss = sl.CompositeLoss({"late": sl.Component("field_error", frames=slice(1, None))})
    whole = np.broadcast_to(mask, (2, 3, 1, 8, 12))[:, 1:]
    assert float(loss(p, t, mask=mask)[0]) == pytest.approx(float(sl.field_error(p[:, 1:], t[:, 1:], mask=whole)))
    back = sl.CompositeLoss({"late": sl.Component("field_error", frames=slice(1, None), time_axis=-4)})
    assert float(back(p, t, mask=mask)[0]) == float(loss(p, t, mask=mask)[0])


def test_a_mask_of_space_with_as_many_rows_as_there_are_frames() -> None:
    p, t = fields((2, 8, 1, 8, 12), "float64")
    mask = np.random.default_rng(1).random((8, 12))
    loss = sl.CompositeLoss({"late": sl.Component("field_error", frames=slice(1, None))})
    assert float(loss(p, t, mask=mask)[0]) == pytest.approx(float(sl.field_error(p[:, 1:], t[:, 1:], mask=mask)))


def test_components_with_a_mask_share_their_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses_backends.numpy import Backend

    p, t, mask = masked_batch()
    calls = []
    real = Backend.rfftn
    monkeypatch.setattr(Backend, "rfftn", lambda self, x, ndim: calls.append(x.size) or real(self, x, ndim))
    sl.CompositeLoss({"a": "spectrum_error", "b": "log_spectral_distance"})(p, t, mask=mask)
    assert sum(calls) == 2 * p.size


def test_a_loss_of_ones_own_takes_the_mask_by_its_name() -> None:
    p, t, mask = masked_batch()

    def own(prediction: Any, target: Any, mask: Any = None) -> Any:
        return np.sum(np.where(mask, prediction - target, 0) ** 2)

    class Module:  # as PyTorch's: what is called says nothing of its arguments
        def forward(self, prediction: Any, target: Any, mask: Any = None) -> Any:
            return own(prediction, target, mask)

        def __call__(self, *args: Any, **options: Any) -> Any:
            return self.forward(*args, **options)

    for loss in (own, Module()):
        _, parts = sl.CompositeLoss({"field": "field_error", "own": loss})(p, t, mask=mask)
        assert parts["own"] == np.nansum((p - t) ** 2)


def test_a_mask_that_a_component_cannot_take_is_refused_whatever_its_weight() -> None:
    p, t, mask = masked_batch()
    for foreign in (lambda p, t: np.mean((p - t) ** 2), lambda p, t, **options: np.mean(p), max):
        loss = sl.CompositeLoss({"field": "field_error", "mse": foreign}, {"field": 1.0})
        with pytest.raises(TypeError, match="mask: component 'mse' takes none, got one for Component"):
            loss(p, t, mask=mask)
    loss = sl.CompositeLoss({"field": "field_error", "land": sl.Component("field_error", mask=mask[0, 0, 0])})
    with pytest.raises(TypeError, match="mask: component 'land' has one of its own, got another in the call"):
        loss(p, t, mask=mask)
    with pytest.raises(ValueError, match="mask must have the spatial shape"):
        original()(p, t, mask=mask[..., :5])


def test_bins_that_print_alike_are_not_shared() -> None:
    p, t = fields(dtype="float64")
    edges = np.array([0.5, 2.0, 3.5])
    bins = {"a": edges, "b": edges + 1e-10, "c": edges.copy()}
    _, parts = sl.CompositeLoss({name: sl.Component("spectrum_error", bins=b) for name, b in bins.items()})(p, t)
    assert float(parts["a"]) == float(parts["c"]) == float(sl.spectrum_error(p, t, bins=edges))


def test_weights_at_the_call_are_checked_too() -> None:
    with pytest.raises(ValueError, match="weight 'spectrumError' must be finite, got nan"):
        original()(*fields(), weights={"spectrumError": float("nan")})
    torch = pytest.importorskip("torch")
    p, t = fields()
    total, _ = original(recFieldError=1.0)(p, t, weights={"recFieldError": torch.tensor(0.5)})
    assert float(total) == pytest.approx(0.5 * float(sl.field_error(p[:, :1], t[:, :1])), rel=1e-6)


def test_frames_go_forward() -> None:
    with pytest.raises(ValueError, match="frames must go forward, got a step of -1"):
        sl.Component("field_error", frames=slice(None, None, -1))
    assert sl.Component("field_error", frames=np.int64(1)).frames == slice(1, 2)  # type: ignore[arg-type]
