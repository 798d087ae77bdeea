"""Hugging Face Trainer: a callback that steps a loss scheduler or controller after each evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

try:
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState
except ModuleNotFoundError as error:
    if error.name != "transformers":
        raise  # it is there, and lacks something itself
    message = "this module needs transformers, which is not installed: pip install 'transformers[torch]'"
    raise ModuleNotFoundError(message, name=error.name) from error

from spectral_losses.configs import kind_of
from spectral_losses.controller import ControllerConfig, LossController
from spectral_losses.integrations._schedules import check_scheduler, refuse_later
from spectral_losses.integrations.torch import mean_over_ranks
from spectral_losses.messages import listed, warn_caller
from spectral_losses.scheduler import LossScheduler

__all__ = ["LossSchedulerCallback"]


class LossSchedulerCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Step a `LossScheduler` or a `LossController` after each evaluation of ``train``, and set the criterion's weights.

    Parameters
    ----------
    scheduler : LossScheduler, LossController, or mapping
        Its ``monitored`` metrics are names that the Trainer gives them, which begin with ``eval_``. A mapping is the
        ``to_dict()`` of its settings: what the Trainer finds in its checkpoints.
    criterion : str, default "criterion"
        Name of the model's attribute that is the `CompositeCriterion`, or anything else with ``set_weights``; may have
        dots.
    accept_changes : bool, default False
        Go on from a checkpoint that was saved under other settings, as `LossScheduler.load_state_dict` says.

    Raises
    ------
    TypeError
        A scheduler or a name that is none.

    Notes
    -----
    The weights are set when the training starts and after each evaluation but that of ``eval_on_start``; those of a
    ramp, too, so that with the Trainer's default, ``eval_strategy="no"``, nothing moves, and a warning says so. The
    Trainer's ``log_history`` gets them as ``loss_weight/NAME``, and the progress as ``loss_progress``. Metrics of
    several data sets come one after the other; the step is made when all that are monitored are there.

    The state is in the Trainer's checkpoints, and read from them whether or not
    ``restore_callback_states_from_checkpoint`` is set. With it the Trainer makes the callback anew, of the checkpoint's
    settings: the one in use is in ``trainer.callback_handler.callbacks``.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> from spectral_losses.integrations.transformers import LossSchedulerCallback
    >>> callback = LossSchedulerCallback(sl.LossScheduler(sl.SchedulerConfig(monitor="eval_spectrum_error")))
    >>> callback.scheduler.progress  # then: Trainer(model=model, callbacks=[callback], ...).train()
    0.0
    """

    def __init__(
        self,
        scheduler: LossScheduler | LossController | Mapping[str, Any],
        criterion: str = "criterion",
        accept_changes: bool = False,
    ) -> None:
        if isinstance(scheduler, Mapping):
            config = kind_of(scheduler).from_dict(scheduler)
            scheduler = LossController(config) if isinstance(config, ControllerConfig) else LossScheduler(config)
        check_scheduler(scheduler)
        if not isinstance(criterion, str):
            raise TypeError(f"criterion must be the name of an attribute, got {type(criterion).__name__}")
        self.scheduler, self.criterion, self.accept_changes = scheduler, criterion, accept_changes
        self._training = False
        self._found: dict[str, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Set the weights to begin with, which a checkpoint may have brought; refuse a scheduler of later epochs."""
        saved = state.stateful_callbacks.get(type(self).__name__) if state.global_step else None
        if isinstance(saved, Mapping):
            self.load_state_dict(saved["attributes"]["saved"])
        if args.eval_strategy == "no":
            warn_caller(
                "eval_strategy='no' of TrainingArguments: the weights of the losses move after evaluations, and there "
                "are none"
            )
        else:
            refuse_later(self.scheduler, _epoch_of(state), "training")
        self._training, self._found = True, {}
        self._criterion_of(model).set_weights(self.scheduler)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, model: Any = None, **kwargs: Any
    ) -> None:
        """Step, set the weights, log; raises what `LossScheduler.step` raises."""
        if not self._training or not state.global_step:
            return
        self._found.update(metrics)
        if any(name not in self._found for name in self.scheduler.monitored):
            return  # it may be another data set's
        found = {name: self._found[name] for name in self.scheduler.monitored}
        self._found = {}
        decision = self.scheduler.step(mean_over_ranks(found), _epoch_of(state))
        self._criterion_of(model).set_weights(decision)
        values = {f"loss_weight/{name}": weight for name, weight in decision.weights.items()}
        values["loss_progress"] = decision.progress
        state.log_history.append({**values, "epoch": state.epoch, "step": state.global_step})

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Refuse to go on from an evaluation that had no such metric."""
        if self._found:
            missing = [name for name in self.scheduler.monitored if name not in self._found]
            raise KeyError(f"{listed(missing)} was not among the metrics, which were {listed(self._found)}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Step no more; refuse what `on_step_begin` refuses."""
        self._training = False
        self.on_step_begin(args, state, control)

    def state(self) -> dict[str, Any]:
        """What the Trainer stores as JSON, and makes the callback of again."""
        args = {
            "scheduler": self.scheduler.config.to_dict(),
            "criterion": self.criterion,
            "accept_changes": self.accept_changes,
        }
        return {"args": args, "attributes": {"saved": self.scheduler.state_dict()}}

    @property
    def saved(self) -> dict[str, Any]:
        """The scheduler's state, which the Trainer sets."""
        return self.scheduler.state_dict()

    @saved.setter
    def saved(self, state: Mapping[str, Any]) -> None:
        self.load_state_dict(state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The scheduler's."""
        self.scheduler.load_state_dict(state, accept_changes=self.accept_changes)

    def _criterion_of(self, model: Any) -> Any:
        try:
            criterion = attrgetter(self.criterion)(model)
        except AttributeError as error:
            raise AttributeError(f"criterion: {type(model).__name__} has no attribute {self.criterion!r}") from error
        if not hasattr(criterion, "set_weights"):
            raise TypeError(
                f"criterion: {self.criterion!r} of {type(model).__name__} must be a CompositeCriterion, "
                f"got {type(criterion).__name__}"
            )
        return criterion


def _epoch_of(state: Any) -> int:
    """The epoch that ends here, or is under way."""
    return max(math.ceil((state.epoch or 0) - 1e-6) - 1, 0)
