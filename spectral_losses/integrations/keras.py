"""Keras 3 on PyTorch and JAX: a criterion, its weights as inputs of compiled steps, a callback, and a metric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

try:
    import keras
except ModuleNotFoundError as error:
    if error.name == "keras":
        message = "this module needs Keras 3, which is not installed: pip install keras"
    elif error.name in ("tensorflow", "torch", "jax", "openvino"):
        message = (
            f"Keras is set to {error.name}, which is not installed: set KERAS_BACKEND to torch or jax before the first "
            "import of keras"
        )
    else:
        raise  # it is there, and lacks something itself
    raise ModuleNotFoundError(message, name=error.name) from error

from spectral_losses.composite import Component, CompositeLoss, Loss, refuse_options
from spectral_losses.controller import LossController
from spectral_losses.integrations._schedules import check_scheduler, refuse_later
from spectral_losses.losses.registry import is_loss, named_loss, options_of
from spectral_losses.messages import warn_caller
from spectral_losses.scheduler import LossScheduler

__all__ = ["CompositeCriterion", "LossSchedulerCallback", "LossWeights", "MeanLoss"]


class CompositeCriterion(keras.losses.Loss):  # type: ignore[misc]
    """`CompositeLoss` as a loss of Keras, for ``compile``, which is saved with the model.

    Parameters
    ----------
    components : mapping of str to Component, str or callable, or CompositeLoss
        As `CompositeLoss` takes them, or one of those, whose weights it starts with. Fields are ``[B, H, W, C]``: where
        a loss of this library is not told its axes, those between the first and the last are space, but for the
        ``time_axis`` of a component with ``frames``, and the last one is of channels.
    weights : mapping of str to float, optional
        By default 1 for each component. Those that are left out are 0.
    name : str, optional
        As Keras has it.

    Raises
    ------
    ValueError, TypeError
        As `CompositeLoss`; weights beside a CompositeLoss. When called: a ``sample_weight``, which means nothing to a
        mean over the batch.
    RuntimeError
        Another backend of Keras than ``torch`` and ``jax``.

    Notes
    -----
    A component whose weight is 0 is not computed. What JAX has compiled keeps the weights that it was compiled with:
    `LossSchedulerCallback` has it compile anew, and with `LossWeights` among the metrics nothing needs to be.

    `get_config` has the weights as they are, so that a model that is loaded has them, too; it raises what
    `CompositeLoss.to_dict` raises. Import this module before a model is loaded.

    Examples
    --------
    >>> import keras, numpy as np, spectral_losses as sl
    >>> from spectral_losses.integrations.keras import CompositeCriterion
    >>> criterion = CompositeCriterion(
    ...     {"field": "field_error", "spectrum": sl.Component("spectrum_error", channels="sum")}, weights={"field": 1})
    >>> target = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    >>> round(float(criterion(target, 1.1 * target)), 5)
    0.01
    >>> criterion.set_weights({"field": 0.3, "spectrum": 0.7})
    >>> CompositeCriterion.from_config(criterion.get_config()).weights
    {'field': 0.3, 'spectrum': 0.7}
    """

    def __init__(
        self,
        components: Mapping[str, Component | str | Loss] | CompositeLoss,
        weights: Mapping[str, float] | None = None,
        *,
        name: str | None = None,
        **options: Any,
    ) -> None:
        _check_backend()
        super().__init__(name=name)
        refuse_options(options)
        if isinstance(components, CompositeLoss):
            if weights is not None:
                raise TypeError("weights must not be given beside a CompositeLoss, which has its own")
            weights, components = components.weights, components.components
        self._loss = CompositeLoss(components, weights)
        # In the order of the components. Keras takes no slash in a name.
        self.variable = keras.Variable(
            list(self.weights.values()), trainable=False, dtype="float32", name=f"{self.name}_weights".replace("/", ">")
        )
        self.as_inputs = False  # whether LossWeights hands them to what is compiled
        self.scheduler_state: Mapping[str, Any] | None = None  # of the callback, for what Keras writes

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read plain data, as `CompositeLoss.from_dict` does, and raise what that raises."""
        return cls(CompositeLoss.from_dict(settings))

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, with the weights as they are; raises what `CompositeLoss.to_dict` raises."""
        return self._loss.to_dict()

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each component."""
        return self._loss.weights

    def set_weights(self, weights: Any) -> None:
        """Set weights by name, between epochs; those that are not named stay.

        Takes and raises what `CompositeLoss.set_weights` takes and raises.
        """
        self._loss.set_weights(weights)
        self.variable.assign(list(self.weights.values()))

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The total of one batch, 0-d."""
        if sample_weight is not None:
            raise ValueError(
                f"sample_weight: {self.name!r} is a mean over the batch, which takes none, got "
                f"{type(sample_weight).__name__}"
            )
        return super().__call__(y_true, y_pred)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The total of one batch, 0-d; raises what the components raise."""
        components = {name: _laid_out(each, len(y_pred.shape)) for name, each in self._loss.components.items()}
        # Only what comes from the variable is an input of a compiled step, where Keras has put its tracer.
        weights: Any = self.weights
        if self.as_inputs:
            values = self.variable.value
            weights = {name: values[i] for i, name in enumerate(weights)}
        return CompositeLoss(components)(y_pred, y_true, weights=weights)[0]

    def get_config(self) -> dict[str, Any]:
        """What `from_config` reads."""
        return {"name": self.name, "settings": self.to_dict()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The criterion of a saved model."""
        return cls(CompositeLoss.from_dict(config["settings"]), name=config["name"])

    def save_own_variables(self, store: Any) -> None:
        """Add the scheduler's state to the weights that Keras writes."""
        if self.scheduler_state is not None:
            text = json.dumps(self.scheduler_state).encode()
            store["scheduler"] = keras.ops.convert_to_numpy(keras.ops.array(list(text), dtype="uint8"))

    def load_own_variables(self, store: Any) -> None:
        """Keep the scheduler's state for the callback; a file may have none."""
        if "scheduler" in store.keys():  # noqa: SIM118  # some of Keras's stores cannot be asked otherwise
            self.scheduler_state = json.loads(bytes(store["scheduler"][...]))


class LossWeights(keras.metrics.Metric):  # type: ignore[misc]
    """Among the metrics of ``compile``: makes the weights of a criterion inputs of the compiled steps.

    A new weight then compiles nothing, on JAX, and on PyTorch with ``jit_compile=True``. It measures nothing, and
    nothing of it is logged.

    Parameters
    ----------
    criterion : CompositeCriterion
        The loss of the same ``compile``.
    name : str, default "loss_weights"
        As Keras has it.

    Raises
    ------
    TypeError
        Something else than a CompositeCriterion.

    Notes
    -----
    Every component is computed, whatever its weight: one that is NaN makes the total NaN with a weight of 0, too, and
    with nothing but zeros the total is 0 and no error.

    Examples
    --------
    >>> import keras
    >>> from spectral_losses.integrations.keras import CompositeCriterion, LossWeights
    >>> criterion = CompositeCriterion({"field": "field_error", "spectrum": "spectrum_error"})
    >>> model = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Conv2D(1, 3, padding="same")])
    >>> model.compile("adam", loss=criterion, metrics=[LossWeights(criterion)])
    """

    def __init__(self, criterion: CompositeCriterion, *, name: str = "loss_weights") -> None:
        super().__init__(name=name)
        if not isinstance(criterion, CompositeCriterion):
            raise TypeError(f"criterion must be a CompositeCriterion, got {type(criterion).__name__}")
        self.criterion, criterion.as_inputs = criterion, True
        self.variable = criterion.variable  # Keras hands what is an attribute of a metric to its compiled steps

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Do nothing."""

    def reset_state(self) -> None:
        """Leave the weights as they are."""

    def result(self) -> dict[str, Any]:
        """Nothing to log."""
        return {}

    def get_config(self) -> dict[str, Any]:
        """What `from_config` reads; Keras makes one object of the criterion in it and the loss."""
        return {"name": self.name, "criterion": keras.saving.serialize_keras_object(self.criterion)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """That of a saved model."""
        return cls(keras.saving.deserialize_keras_object(config["criterion"]), name=config["name"])


class LossSchedulerCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Step a `LossScheduler` or a `LossController` after each epoch of ``fit``, and set the weights of the loss.

    Parameters
    ----------
    scheduler : LossScheduler or LossController
        Its ``monitored`` metrics are names in the logs, which begin with ``val_`` for validation data.
    criterion : CompositeCriterion, optional
        By default the model's loss; needed where that has one for each output, or where the model's own
        ``compute_loss`` calls it.
    accept_changes : bool, default False
        Go on from a state that was saved under other settings, as `LossScheduler.load_state_dict` says.

    Raises
    ------
    TypeError
        A scheduler or a criterion that is none; in ``fit``, a model whose loss is no CompositeCriterion.
    ValueError
        In ``fit``: a component of the scheduler that the criterion does not have; a scheduler that has seen later
        epochs, as it is for one training.
    KeyError
        In ``fit``: a monitored metric that is not in the logs.

    Notes
    -----
    The weights are set when ``fit`` starts and after each epoch. An epoch without validation, as ``validation_freq``
    makes them, is no step where the metrics are those of one, and a warning says so the first time. The logs get the
    new weights as ``loss_weight/NAME``, and the progress as ``loss_progress``.

    On JAX a weight that changed has the steps compiled anew, unless `LossWeights` is among the metrics.

    The state goes with the loss into what Keras writes: ``BackupAndRestore``, ``ModelCheckpoint`` and ``save_weights``;
    list the callback before those that write. It is taken up where ``fit`` starts at a later epoch than 0, be it by
    ``BackupAndRestore`` or by ``initial_epoch``. `state_dict` and `load_state_dict` are for all else.

    Examples
    --------
    >>> import keras, spectral_losses as sl
    >>> from spectral_losses.integrations.keras import LossSchedulerCallback
    >>> callback = LossSchedulerCallback(sl.LossScheduler(sl.SchedulerConfig(monitor="val_spectrum_error")))
    >>> callback.scheduler.progress  # then: model.fit(x, y, validation_data=(x2, y2), callbacks=[callback])
    0.0
    """

    def __init__(
        self,
        scheduler: LossScheduler | LossController,
        criterion: CompositeCriterion | None = None,
        *,
        accept_changes: bool = False,
    ) -> None:
        super().__init__()
        check_scheduler(scheduler)
        if criterion is not None and not isinstance(criterion, CompositeCriterion):
            raise TypeError(f"criterion must be a CompositeCriterion, got {type(criterion).__name__}")
        self.scheduler, self.criterion, self.accept_changes = scheduler, criterion, accept_changes
        self._own_state: Any = None  # what it gave to the criterion: anything else was loaded
        self._started = self._warned = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Set the weights to begin with."""
        self._started = self._warned = False
        self._set_weights(self.scheduler, anew=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before the first epoch, take up a state that was loaded with the model; refuse one of later epochs."""
        if self._started:  # not in on_train_begin, where other callbacks restore what they saved
            return
        self._started = True
        loaded = self._criterion.scheduler_state
        if epoch and loaded is not None and loaded is not self._own_state:
            self.load_state_dict(loaded)
            self._set_weights(self.scheduler)
        elif epoch and not self.scheduler.history:
            warn_caller(
                f"fit starts at epoch {epoch} with a scheduler that has made no step, and the weights that were loaded "
                "have no state of one: load_state_dict brings it back"
            )
        refuse_later(self.scheduler, epoch)
        self._keep_state()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Step, set the weights, log; raises what `LossScheduler.step` raises."""
        logs = {} if logs is None else logs
        missing = [name for name in self.scheduler.monitored if name not in logs]
        if any(name.startswith("val_") for name in missing) and not any(name.startswith("val_") for name in logs):
            if not self._warned:
                warn_caller(
                    f"epoch {epoch} had no validation, after which the weights of the losses move: fit needs "
                    f"validation_data for {missing[0]!r}"
                )
            self._warned = True
            return
        decision = self.scheduler.step(logs, epoch)
        self._set_weights(decision)
        self._keep_state()
        logs.update({f"loss_weight/{name}": weight for name, weight in decision.weights.items()})
        logs["loss_progress"] = decision.progress

    def state_dict(self) -> dict[str, Any]:
        """The scheduler's."""
        return self.scheduler.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The scheduler's."""
        self.scheduler.load_state_dict(state_dict, accept_changes=self.accept_changes)

    @property
    def _criterion(self) -> CompositeCriterion:
        found = self.model.loss if self.criterion is None else self.criterion
        if not isinstance(found, CompositeCriterion):
            raise TypeError(
                f"the loss of model {self.model.name!r} must be a CompositeCriterion, or criterion be given, "
                f"got {type(found).__name__}"
            )
        return found

    def _set_weights(self, given: Any, *, anew: bool = False) -> None:
        model, criterion = self.model, self._criterion
        before = criterion.weights
        criterion.set_weights(given)
        # JAX's steps hold floats for good; PyTorch looks whether they changed. Whoever set weights between two
        # fits may not have compiled anew.
        as_inputs = any(each is criterion.variable for each in model.metrics_variables)
        if keras.config.backend() == "jax" and not as_inputs and (anew or criterion.weights != before):
            model.make_train_function(force=True)
            model.make_test_function(force=True)

    def _keep_state(self) -> None:
        self._own_state = self._criterion.scheduler_state = self.state_dict()


class MeanLoss(keras.metrics.Mean):  # type: ignore[misc]
    """Any loss of this library, by name, as a metric: its mean over all samples, in batches of any sizes.

    Parameters
    ----------
    loss : str
        Its name, such as "log_spectral_distance".
    name : str, optional
        By default the loss's; the logs have it, with ``val_`` before it for validation data.
    dtype : str, optional
        In which fields are compared, and sums kept: by default ``keras.config.floatx()``.
    **options
        Of the loss but for ``pool`` and ``reduction``. Axes are as in `CompositeCriterion` where they are not given.

    Raises
    ------
    ValueError
        A loss that is not known; ``pool``, because a pooled loss is no mean over batches.
    TypeError
        An option that the loss does not take.
    RuntimeError
        Another backend of Keras than ``torch`` and ``jax``.

    Notes
    -----
    Among ``weighted_metrics`` it is weighted by ``sample_weight``.

    Examples
    --------
    >>> import keras, numpy as np, spectral_losses as sl
    >>> from spectral_losses.integrations.keras import MeanLoss
    >>> p, t = np.random.default_rng(0).normal(size=(2, 5, 16, 16, 3)).astype("float32")
    >>> metric = MeanLoss("log_spectral_distance", bins="log")
    >>> for batch in (slice(0, 3), slice(3, 5)):
    ...     metric.update_state(t[batch], p[batch])
    >>> together = sl.log_spectral_distance(p, t, bins="log", spatial_axes=(1, 2), channel_axis=-1)
    >>> round(float(metric.result() / together), 5)
    1.0
    """

    def __init__(self, loss: str, *, name: str | None = None, dtype: Any = None, **options: Any) -> None:
        _check_backend()
        named_loss(loss)
        for option in ("pool", "reduction"):
            if options.get(option) is not None:
                raise ValueError(f"{option}: a metric is the mean of all rows of {loss}, got {options[option]!r}")
        super().__init__(name=loss if name is None else name, dtype=dtype)
        self._component = Component(loss, **options)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; raises what the loss raises."""
        prediction, target = (
            keras.ops.stop_gradient(keras.ops.convert_to_tensor(each, dtype=self.dtype)) for each in (y_pred, y_true)
        )
        laid_out = _laid_out(self._component, len(prediction.shape))
        rows = laid_out.function(prediction, target, **{**laid_out.options, "reduction": "none"})
        super().update_state(rows, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` reads; raises what `Component.to_dict` raises."""
        return {**super().get_config(), "settings": self._component.to_dict()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The metric of a saved model."""
        component = Component.from_dict(config["settings"])
        return cls(component.function.__name__, name=config["name"], dtype=config["dtype"], **component.options)


def _check_backend() -> None:
    """Refuse backends whose arrays are none that the losses know, or that train nothing."""
    if keras.config.backend() not in ("torch", "jax"):
        raise RuntimeError(
            f"the backend of Keras must be torch or jax, got {keras.config.backend()}: set KERAS_BACKEND before the "
            "first import of keras"
        )


def _laid_out(component: Component, axes: int) -> Component:
    """A component for fields of so many axes, with those of Keras where it has none, and a mask of any framework."""
    if not is_loss(component.function):
        return component
    time = component.time_axis % axes if component.frames is not None else None
    options = {"spatial_axes": tuple(axis for axis in range(1, axes - 1) if axis != time), **component.options}
    space = options["spatial_axes"]
    if "channel_axis" in options_of(component.function) and axes - 1 not in (
        axis % axes for axis in ([space] if isinstance(space, int) else space)
    ):
        options.setdefault("channel_axis", -1)
    if options.get("mask") is not None:  # in each call, as Keras builds models of PyTorch on a device without memory
        options["mask"] = keras.ops.convert_to_tensor(options["mask"])
    return Component(component.loss, frames=component.frames, time_axis=component.time_axis, **options)


for _each in (CompositeCriterion, LossWeights, MeanLoss):  # the names by which Keras finds the classes of a saved model
    keras.saving.register_keras_serializable("spectral_losses")(_each)
