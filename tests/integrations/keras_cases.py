"""What holds with Keras on each backend: `test_keras` runs this file once for each, since a process has but one."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is not our business
    import keras

    from spectral_losses.integrations.keras import CompositeCriterion, LossSchedulerCallback, LossWeights, MeanLoss

JAX = keras.config.backend() == "jax"
AXES: dict[str, Any] = {"spatial_axes": (1, 2), "channel_axis": -1}
X = np.random.default_rng(0).normal(size=(6, 8, 8, 1)).astype("float32")
Y = X[:, ::-1].copy()
BOTH = {"field_error": "field_error", "spectrum_error": "spectrum_error"}

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

whatever_the_backend = pytest.mark.skipif(JAX, reason="the same on PyTorch, which compiles nothing")


class Traced(CompositeCriterion):
    """Counts its calls: on JAX, how often a step is traced."""

    calls = 0

    def call(self, y_true: Any, y_pred: Any) -> Any:
        self.calls += 1
        return super().call(y_true, y_pred)


def scheduler(monitor: str = "val_spectrum_error", **settings: Any) -> sl.LossScheduler:
    default = {"trigger": "epoch", "interval": 1, "warmup_epochs": 0}
    return sl.LossScheduler(sl.SchedulerConfig(monitor=monitor, **{**default, **settings}))


def compiled(criterion: Any, *metrics: Any, **options: Any) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(1, 3, padding="same")])
    found = [MeanLoss("field_error"), MeanLoss("spectrum_error"), *metrics]
    model.compile(keras.optimizers.Adam(0.01), loss=criterion, metrics=found, **options)
    return model


def fitted(model: Any, *callbacks: Any, epochs: int = 3, **options: Any) -> dict[str, list[float]]:
    given = {"validation_data": (X, Y), "batch_size": 3, "shuffle": False, "verbose": 0, **options}
    history: dict[str, list[float]] = model.fit(X, Y, epochs=epochs, callbacks=list(callbacks), **given).history
    return history


@pytest.mark.parametrize("as_inputs", [False, True])
def test_an_epoch_is_trained_and_judged_with_the_weights_of_the_decision_before(as_inputs: bool) -> None:
    criterion = Traced(BOTH)
    callback = LossSchedulerCallback(scheduler(transition_step=0.3))
    model = compiled(criterion, *([LossWeights(criterion)] if as_inputs else []))
    history = fitted(model, callback, epochs=4)
    decisions = callback.scheduler.history
    assert [(d.epoch, d.adapted) for d in decisions] == [(0, False), (1, True), (2, True), (3, True)]
    used = [{"field_error": 1.0, "spectrum_error": 0.0}, *(d.weights for d in decisions)]
    for prefix in ("", "val_"):
        for epoch in range(4):
            parts = {name: history[prefix + name][epoch] for name in BOTH}
            expected = sum(used[epoch][name] * parts[name] for name in BOTH)
            # Metrics of a training batch are of the same prediction as its loss.
            assert history[f"{prefix}loss"][epoch] == pytest.approx(expected, rel=1e-4)
    for name in BOTH:
        assert history[f"loss_weight/{name}"] == [d.weights[name] for d in decisions]
    assert history["loss_progress"] == [d.progress for d in decisions]
    assert not [name for name in history if name.startswith("val_loss_weight")]
    assert criterion.weights == callback.scheduler.weights
    error = float(sl.spectrum_error(model.predict(X, verbose=0), Y, **AXES))
    assert history["val_spectrum_error"][-1] == pytest.approx(error, rel=1e-4)
    if JAX:  # once to build, and the two steps, anew for each of three moves but after the last
        assert criterion.calls == (3 if as_inputs else 3 + 2 * 2)


def test_what_was_compiled_before_with_other_weights_is_not_used() -> None:
    everywhere = sl.Component("field_error", mask=np.ones((8, 8), bool))
    criterion = CompositeCriterion({**BOTH, "field_error": everywhere}, {"spectrum_error": 1e6})
    model, callback = compiled(criterion), LossSchedulerCallback(scheduler(interval=100))
    before = model.evaluate(X, Y, batch_size=3, verbose=0, return_dict=True)
    assert before["loss"] == pytest.approx(1e6 * before["spectrum_error"], rel=1e-4)
    criterion.set_weights(callback.scheduler)
    history = fitted(model, callback, epochs=1)
    assert history["val_loss"] == pytest.approx(history["val_field_error"], rel=1e-4)


@pytest.mark.parametrize("extension", ["keras"] if JAX else ["keras", "weights.h5"])
def test_what_is_saved(tmp_path: Path, extension: str) -> None:
    criterion = CompositeCriterion({**BOTH, "large": sl.Component("spectrum_error", bins=sl.Sectors(4))}, {"large": 2})
    model = compiled(criterion, LossWeights(criterion), MeanLoss("log_spectral_distance", name="d", bins="log"))
    callback = LossSchedulerCallback(scheduler(transition_step=0.3))
    fitted(model, callback, epochs=2)
    path = str(tmp_path / f"model.{extension}")
    if extension == "keras":
        model.save(path)
        again = keras.saving.load_model(path)
        assert again.loss.to_dict() == criterion.to_dict()
        assert again.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)
        assert any(each is again.loss.variable for each in again.metrics_variables)
    else:
        model.save_weights(path)
        again = compiled(CompositeCriterion({**BOTH, "large": "spectrum_error"}))
        again.load_weights(path)
    resumed = LossSchedulerCallback(scheduler(transition_step=0.3))
    fitted(again, resumed, epochs=3, initial_epoch=2)
    assert [d.epoch for d in resumed.scheduler.history] == [0, 1, 2]
    fresh = LossSchedulerCallback(scheduler(transition_step=0.3))
    again.load_weights(path)
    fitted(again, fresh, epochs=1)  # a training from the beginning
    assert [d.epoch for d in fresh.scheduler.history] == [0]
    other = LossSchedulerCallback(scheduler(transition_step=0.5))
    again.load_weights(path)
    with pytest.raises(ValueError, match="transition_step"):
        fitted(again, other, epochs=3, initial_epoch=2)
    other = LossSchedulerCallback(scheduler(transition_step=0.5), accept_changes=True)
    again.load_weights(path)
    fitted(again, other, epochs=3, initial_epoch=2)
    alone = scheduler(transition_step=0.5)
    alone.load_state_dict(callback.state_dict(), accept_changes=True)
    alone.step({"val_spectrum_error": other.scheduler.history[-1].metric}, 2)
    assert other.scheduler.weights == alone.weights
    assert again.loss.weights == {**alone.weights, "large": again.loss.weights["large"]}


class Stop(keras.callbacks.Callback):  # type: ignore[misc]
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise RuntimeError("power cut")


@pytest.mark.parametrize("as_inputs", [True] if JAX else [False, True])
def test_a_run_that_was_cut_goes_on_by_backup_and_restore(tmp_path: Path, as_inputs: bool) -> None:
    def made(*more: Any, last: bool = False) -> tuple[Any, Any, list[Any]]:
        criterion = CompositeCriterion(BOTH)
        callback = LossSchedulerCallback(scheduler(transition_step=0.3))
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        model = compiled(criterion, *([LossWeights(criterion)] if as_inputs else []))
        return model, callback, [callback, backup, *more]

    whole_model, whole, _ = made()
    history = fitted(whole_model, whole, epochs=4)
    model, _, callbacks = made(Stop())
    with pytest.raises(RuntimeError, match="power cut"):
        fitted(model, *callbacks, epochs=4)
    model, resumed, callbacks = made()
    after = fitted(model, *callbacks, epochs=4)
    assert resumed.state_dict() == whole.state_dict()
    for name in ("loss", "val_loss", "val_spectrum_error", "loss_progress"):
        np.testing.assert_allclose(after[name], history[name][2:], rtol=1e-4)
    assert model.loss.weights == whole_model.loss.weights


@whatever_the_backend
def test_a_start_at_a_later_epoch_without_a_state_is_warned_of() -> None:
    callback = LossSchedulerCallback(scheduler())
    with pytest.warns(UserWarning, match="fit starts at epoch 4 with a scheduler that has made no step"):
        fitted(compiled(CompositeCriterion(BOTH)), callback, epochs=5, initial_epoch=4)
    again = LossSchedulerCallback(scheduler())
    again.load_state_dict(json.loads(json.dumps(callback.state_dict())))
    fitted(compiled(CompositeCriterion(BOTH)), again, epochs=6, initial_epoch=5)
    assert [decision.epoch for decision in again.scheduler.history] == [4, 5]


@whatever_the_backend
def test_a_scheduler_of_another_training_is_refused_before_it_trains() -> None:
    model, callback = compiled(CompositeCriterion(BOTH)), LossSchedulerCallback(scheduler())
    fitted(model, callback, epochs=2)
    before = model.get_weights()
    with pytest.raises(
        ValueError, match="scheduler has seen epoch 1, and this fit begins with epoch 0: make a new one"
    ):
        fitted(model, callback, epochs=2)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@whatever_the_backend
def test_epochs_without_validation() -> None:
    model, callback = compiled(CompositeCriterion(BOTH)), LossSchedulerCallback(scheduler())
    with pytest.warns(
        UserWarning, match="epoch 0 had no validation.* validation_data for 'val_spectrum_error'"
    ) as said:
        fitted(model, callback, epochs=2, validation_data=None)
    assert len([each for each in said if "no validation" in str(each.message)]) == 1
    assert not callback.scheduler.history
    with pytest.warns(UserWarning, match="epoch 0 had no validation"):
        fitted(model, callback, epochs=4, validation_freq=2)
    assert [decision.epoch for decision in callback.scheduler.history] == [1, 3]
    of_training = LossSchedulerCallback(scheduler("spectrum_error"))
    fitted(model, of_training, epochs=2, validation_data=None)
    assert [decision.epoch for decision in of_training.scheduler.history] == [0, 1]


@whatever_the_backend
def test_a_controller() -> None:
    goal = sl.ConstraintConfig("val_spectrum_error", 1e-9)
    callback = LossSchedulerCallback(sl.LossController(sl.ControllerConfig(goal, target="spectrum_error")))
    model = compiled(criterion := CompositeCriterion(BOTH))
    fitted(model, callback, epochs=2)
    assert [decision.reason for decision in callback.scheduler.history] == ["raised"] * 2
    assert criterion.weights == pytest.approx({"field_error": 1.0, **callback.scheduler.weights})


@whatever_the_backend
def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="scheduler must be a LossScheduler or a LossController, got SchedulerConfig"):
        LossSchedulerCallback(sl.SchedulerConfig())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="criterion must be a CompositeCriterion, got CompositeLoss"):
        LossSchedulerCallback(scheduler(), sl.CompositeLoss(BOTH))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="criterion must be a CompositeCriterion, got CompositeLoss"):
        LossWeights(sl.CompositeLoss(BOTH))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'spatial_axes' belongs to a component"):
        CompositeCriterion(BOTH, spatial_axes=(1, 2))
    with pytest.raises(TypeError, match="weights must not be given beside a CompositeLoss"):
        CompositeCriterion(sl.CompositeLoss(BOTH), {"field_error": 1})
    with pytest.raises(TypeError, match=r"the loss of model 'sequential.*' must be a CompositeCriterion.* got str"):
        fitted(compiled("mse"), LossSchedulerCallback(scheduler()))
    model = compiled(CompositeCriterion({"field_error": "field_error", "spectrum": "spectrum_error"}))
    with pytest.raises(ValueError, match=r"component 'spectrum_error' is not known.* there are field_error, spectrum"):
        fitted(model, LossSchedulerCallback(scheduler()))
    with pytest.raises(KeyError, match=r"monitored metric 'val_spectrun' is missing, got .*'val_spectrum_error'"):
        fitted(compiled(CompositeCriterion(BOTH)), LossSchedulerCallback(scheduler("val_spectrun")))
    with pytest.raises(ValueError, match="sample_weight: 'both' is a mean over the batch, which takes none, got nda"):
        CompositeCriterion(BOTH, name="both")(Y, X, np.ones(6, "float32"))
    with pytest.raises(ValueError, match="loss 'spectral_eror' is not known, did you mean"):
        MeanLoss("spectral_eror")
    with pytest.raises(ValueError, match="pool: a metric is the mean of all rows of field_error, got 'frames'"):
        MeanLoss("field_error", pool="frames")
    with pytest.raises(TypeError, match="option 'binz' is not known, did you mean 'bins'"):
        MeanLoss("spectrum_error", binz="log")


def test_axes_are_those_of_keras_unless_others_are_given() -> None:
    rng = np.random.default_rng(1)
    p, t = rng.normal(size=(2, 3, 4, 8, 10, 2)).astype("float32")  # batch, time or depth, height, width, channels
    for component, axes in (
        ("spectrum_error", {"spatial_axes": (1, 2, 3), "channel_axis": -1}),
        (sl.Component("spectrum_error", frames=slice(1, None)), {"spatial_axes": (2, 3), "channel_axis": -1}),
        (sl.Component("spectrum_error", spatial_axes=(2, 3)), {"spatial_axes": (2, 3), "channel_axis": -1}),
        (sl.Component("spectrum_error", spatial_axes=(-2, -1)), {"spatial_axes": (-2, -1)}),
        (sl.Component("spectrum_error", spatial_axes=-2, channel_axis=1), {"spatial_axes": -2, "channel_axis": 1}),
    ):
        seen = slice(1, None) if getattr(component, "frames", None) else slice(None)
        expected = float(sl.spectrum_error(p[:, seen], t[:, seen], **axes))
        found = float(CompositeCriterion({"a": component})(t, p))
        assert found == pytest.approx(expected, rel=1e-5)

    def own(prediction: Any, target: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(prediction - target))

    assert float(CompositeCriterion({"own": own})(t, p)) == pytest.approx(np.abs(p - t).mean(), rel=1e-5)


def test_a_metric_is_that_of_all_samples_and_takes_their_weights() -> None:
    rng = np.random.default_rng(2)
    p, t = rng.normal(size=(2, 5, 8, 8, 2)).astype("float32")
    weights = np.asarray([1, 0, 2, 0, 1], "float32")
    mask = rng.random((8, 8)) > 0.2
    losses: dict[str, dict[str, Any]] = {"field_error": {}, "log_spectral_distance": {"bins": "log"}}
    for loss, options in losses.items() if JAX else [*losses.items(), ("spectrum_error", {})]:
        metric = MeanLoss(loss, mask=mask, **options)
        axes = {"spatial_axes": (1, 2)} if loss == "field_error" else AXES
        rows = getattr(sl, loss)(p, t, mask=mask, reduction="none", **axes, **options)
        rows = np.asarray(rows).reshape(5, -1).mean(-1)
        for given in (None, weights):
            metric.reset_state()
            for batch in (slice(0, 3), slice(3, 5)):
                metric.update_state(t[batch], p[batch], None if given is None else given[batch])
            assert float(metric.result()) == pytest.approx(np.average(rows, weights=given), rel=1e-5)
    with pytest.raises(TypeError, match="mask"):
        metric.get_config()


@pytest.mark.parametrize("policy", ["mixed_float16"] if JAX else ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        criterion = CompositeCriterion(BOTH)
        model = compiled(criterion, LossWeights(criterion))
        assert "float16" in str(model(X).dtype)
        history = fitted(model, LossSchedulerCallback(scheduler(transition_step=0.3)))
        assert all(math.isfinite(loss) for loss in history["loss"])
        assert "float32" in str(criterion(Y, model(X)).dtype)
        assert history["val_spectrum_error"][-1] == pytest.approx(
            float(sl.spectrum_error(model.predict(X, verbose=0).astype("float32"), Y, **AXES)), rel=2e-2
        )
    finally:
        keras.config.set_dtype_policy("float32")


@whatever_the_backend
def test_a_criterion_for_each_output() -> None:
    inputs = keras.Input((8, 8, 1))
    outputs = {name: keras.layers.Conv2D(1, 3, padding="same", name=name)(inputs) for name in ("u", "v")}
    model = keras.Model(inputs, outputs)
    losses = {name: CompositeCriterion(BOTH) for name in outputs}
    model.compile("adam", loss=losses, metrics={name: [MeanLoss("spectrum_error")] for name in outputs})
    targets = {"u": Y, "v": X}
    callback = LossSchedulerCallback(scheduler("val_u_spectrum_error", transition_step=0.3), losses["u"])
    model.fit(X, targets, epochs=2, validation_data=(X, targets), callbacks=[callback], verbose=0)
    assert losses["u"].weights == callback.scheduler.weights == pytest.approx(dict(zip(BOTH, (0.7, 0.3), strict=True)))
    assert losses["v"].weights == {"field_error": 1.0, "spectrum_error": 1.0}
    with pytest.raises(TypeError, match=r"or criterion be given, got .*dict"):
        model.fit(X, targets, epochs=1, callbacks=[LossSchedulerCallback(scheduler())], verbose=0)
