"""Lightning: a callback that steps a loss scheduler or controller after each validation."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch

from spectral_losses.controller import LossController
from spectral_losses.integrations._schedules import check_scheduler, refuse_later
from spectral_losses.integrations.torch import mean_over_ranks
from spectral_losses.messages import listed, warn_caller
from spectral_losses.scheduler import Decision, LossScheduler

__all__ = ["LossSchedulerCallback"]


def _callback_class() -> Any:
    for package in ("lightning.pytorch", "pytorch_lightning"):
        try:
            return import_module(package).Callback
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != package.split(".")[0]:
                raise  # it is there, and lacks something itself
    message = "this module needs Lightning, which is not installed: pip install lightning"
    raise ModuleNotFoundError(message, name="lightning")


if TYPE_CHECKING:
    from lightning.pytorch import Callback
else:
    Callback = _callback_class()


class LossSchedulerCallback(Callback):
    """Step a `LossScheduler` or a `LossController` after each validation of ``fit``, and set the criterion's weights.

    Parameters
    ----------
    scheduler : LossScheduler or LossController
        Its ``monitored`` metrics are names under which the LightningModule logs something of its validation.
    criterion : str, default "criterion"
        Name of the LightningModule's attribute that is the `CompositeCriterion`, or anything else with
        ``set_weights``; may have dots.
    accept_changes : bool, default False
        Go on from a checkpoint that was saved under other settings, as `LossScheduler.load_state_dict` says.

    Raises
    ------
    TypeError
        A scheduler or a name that is none.

    Notes
    -----
    The weights are set when ``fit`` starts and after each validation but the sanity check; those of a ramp, too, so
    that without validations nothing moves, and a warning says so. A scheduler is for one training, whose epochs go on;
    one that has seen later ones is refused when ``fit`` starts. A metric that one validation does not log is the one
    before's, as it is for Lightning's own callbacks. Loggers get the weights as ``loss_weight/NAME``, and the progress
    as ``loss_progress``; so does ``trainer.callback_metrics``.

    Every rank makes the same decision: each monitored metric is first averaged over ranks. Where the ranks' shares are
    of different sizes, log it so that it is the same on all of them, as a torchmetrics metric is.

    The state is in the Trainer's checkpoints. A checkpoint that was saved under other settings is refused, unless
    ``accept_changes`` says otherwise.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> from spectral_losses.integrations.lightning import LossSchedulerCallback
    >>> callback = LossSchedulerCallback(sl.LossScheduler(sl.SchedulerConfig(monitor="val_spectrum_error")))
    >>> callback.scheduler.progress  # then: Trainer(callbacks=[callback]).fit(module)
    0.0
    """

    def __init__(
        self, scheduler: LossScheduler | LossController, criterion: str = "criterion", *, accept_changes: bool = False
    ) -> None:
        check_scheduler(scheduler)
        if not isinstance(criterion, str):
            raise TypeError(f"criterion must be the name of an attribute, got {type(criterion).__name__}")
        self.scheduler, self.criterion, self.accept_changes = scheduler, criterion, accept_changes

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Set the weights to begin with, which a checkpoint may have brought."""
        if not trainer.enable_validation:
            warn_caller(
                "this Trainer makes no validations, after which the weights of the losses move: it needs a "
                "validation_step and a dataloader for it"
            )
        self._criterion_of(pl_module).set_weights(self.scheduler)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Refuse a scheduler that has seen later epochs, before one is trained whose validation it would refuse."""
        if trainer.enable_validation:
            refuse_later(self.scheduler, trainer.current_epoch)

    # Not on_validation_epoch_end: what the module logs in its own hook of that name is not there before it ends.
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Step, set the weights, log; raises what `LossScheduler.step` raises."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        logged = trainer.callback_metrics
        metrics = {name: logged[name] for name in self.scheduler.monitored if name in logged}
        try:
            decision = self.scheduler.step(mean_over_ranks(metrics), trainer.current_epoch)
        except KeyError as error:
            error.add_note(f"logged were {listed(logged) or 'none'}")
            raise
        self._criterion_of(pl_module).set_weights(decision)
        self._log(trainer, decision)

    def state_dict(self) -> dict[str, Any]:
        """The scheduler's."""
        return self.scheduler.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The scheduler's."""
        self.scheduler.load_state_dict(state_dict, accept_changes=self.accept_changes)

    def _criterion_of(self, module: Any) -> Any:
        try:
            criterion = attrgetter(self.criterion)(module)
        except AttributeError as error:
            raise AttributeError(f"criterion: {type(module).__name__} has no attribute {self.criterion!r}") from error
        if not hasattr(criterion, "set_weights"):
            raise TypeError(
                f"criterion: {self.criterion!r} of {type(module).__name__} must be a CompositeCriterion, "
                f"got {type(criterion).__name__}"
            )
        return criterion

    def _log(self, trainer: Any, decision: Decision) -> None:
        values = {f"loss_weight/{name}": weight for name, weight in decision.weights.items()}
        values["loss_progress"] = decision.progress
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})
        # The step at which Lightning logs the metrics of this validation; optimizer steps where that is unknown.
        step = getattr(trainer.fit_loop.epoch_loop, "_batches_that_stepped", trainer.global_step)
        for logger in trainer.loggers:
            logger.log_metrics(values, step=step)
