"""Hugging Face's Trainer moves the weights, and its checkpoints hold the scheduler; so do those of accelerate."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what they import is not our business
    pytest.importorskip("transformers", exc_type=ImportError)
    pytest.importorskip("accelerate", exc_type=ImportError)
    from transformers import Trainer, TrainingArguments

from spectral_losses.integrations.torch import CompositeCriterion  # noqa: E402
from spectral_losses.integrations.transformers import LossSchedulerCallback  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
    pytest.mark.filterwarnings("ignore::FutureWarning:transformers"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

FIELDS = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
DATA = [{"x": x, "labels": x.roll(1, -1)} for x in FIELDS]


class Emulator(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")
        self.criterion = CompositeCriterion({"field_error": "field_error", "spectrum_error": "spectrum_error"})

    def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:
        out = self.net(x)
        return {"logits": out} if labels is None else {"loss": self.criterion(out, labels), "logits": out}


def scheduler(monitor: str = "eval_spectrum_error", **settings: Any) -> sl.LossScheduler:
    return sl.LossScheduler(
        sl.SchedulerConfig(monitor=monitor, trigger="epoch", interval=1, warmup_epochs=0, **settings)
    )


def judged(prediction: Any) -> dict[str, float]:
    return dict(sl.evaluate(prediction.predictions, prediction.label_ids))


def trainer(folder: Path, callback: Any, epochs: int = 4, data: Any = DATA, unseen: Any = DATA, **options: Any) -> Any:
    arguments: dict[str, Any] = {
        "per_device_train_batch_size": 4,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "lr_scheduler_type": "constant",
        "logging_strategy": "no",
        "seed": 1,
        **options,
    }
    return Trainer(
        model=Emulator(),
        args=TrainingArguments(str(folder), num_train_epochs=epochs, **arguments),
        train_dataset=data,
        eval_dataset=unseen,
        compute_metrics=judged,
        callbacks=[callback],
    )


def decided(callback: Any) -> list[tuple[int | None, bool, dict[str, float]]]:
    return [(d.epoch, d.adapted, dict(d.weights)) for d in callback.scheduler.history]


def test_each_evaluation_is_a_step(tmp_path: Path) -> None:
    callback = LossSchedulerCallback(scheduler())
    made = trainer(tmp_path, callback, eval_on_start=True)
    assert made.evaluate()["eval_spectrum_error"] > 0  # outside of a training: no step
    made.train()
    assert [(epoch, adapted) for epoch, adapted, _ in decided(callback)] == [
        (0, False),
        (1, True),
        (2, True),
        (3, True),
    ]
    assert made.model.criterion.weights == callback.scheduler.weights
    logged = [row["loss_progress"] for row in made.state.log_history if "loss_progress" in row]
    assert logged == [decision.progress for decision in callback.scheduler.history]
    made.evaluate()
    assert len(callback.scheduler.history) == 4


@pytest.mark.parametrize("restored_by_trainer", [False, True])
def test_resumed(tmp_path: Path, restored_by_trainer: bool) -> None:
    whole = LossSchedulerCallback(scheduler())
    trainer(tmp_path / "whole", whole).train()
    trainer(tmp_path / "half", LossSchedulerCallback(scheduler()), epochs=2).train()
    again = trainer(
        tmp_path / "half",
        LossSchedulerCallback(scheduler()),
        restore_callback_states_from_checkpoint=restored_by_trainer,
    )
    again.train(resume_from_checkpoint=True)
    (used,) = (c for c in again.callback_handler.callbacks if isinstance(c, LossSchedulerCallback))
    assert decided(used) == decided(whole)[-len(decided(used)) :]
    assert used.scheduler.state == whole.scheduler.state
    assert again.model.criterion.weights == whole.scheduler.weights


def test_a_scheduler_of_another_training_is_refused_before_it_trains(tmp_path: Path) -> None:
    callback = LossSchedulerCallback(scheduler())
    trainer(tmp_path, callback, epochs=2).train()
    again = trainer(tmp_path, callback, epochs=2)
    with pytest.raises(ValueError, match="scheduler has seen epoch 1, and this training begins with epoch 0: make a"):
        again.train()
    assert not again.state.global_step


def test_other_settings_are_refused_unless_accepted(tmp_path: Path) -> None:
    trainer(tmp_path, LossSchedulerCallback(scheduler()), epochs=1).train()
    with pytest.raises(ValueError, match="transition_step"):
        trainer(tmp_path, LossSchedulerCallback(scheduler(transition_step=0.5))).train(resume_from_checkpoint=True)
    changed = LossSchedulerCallback(scheduler(transition_step=0.5), accept_changes=True)
    trainer(tmp_path, changed, epochs=2).train(resume_from_checkpoint=True)
    assert changed.scheduler.weights == pytest.approx({"field_error": 0.5, "spectrum_error": 0.5})


def test_evaluations_by_steps_and_metrics_of_several_data_sets(tmp_path: Path) -> None:
    callback = LossSchedulerCallback(scheduler("eval_late_spectrum_error"))
    options = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "no"}
    trainer(tmp_path, callback, epochs=2, unseen={"early": DATA[:4], "late": DATA[4:]}, **options).train()
    assert [epoch for epoch, _, _ in decided(callback)] == [0, 0, 1, 1]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_metric_that_is_not_there(tmp_path: Path, epochs: int) -> None:
    callback = LossSchedulerCallback(scheduler("spectrum_error"))
    with pytest.raises(KeyError, match=r"'spectrum_error' was not among the metrics, which were .*eval_spectrum_error"):
        trainer(tmp_path, callback, epochs=epochs, save_strategy="no").train()


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    found = []
    for size, steps in ((8, 1), (4, 2)):
        options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps, "max_grad_norm": 0.0}
        made = trainer(
            tmp_path,
            LossSchedulerCallback(scheduler()),
            epochs=1,
            optim="sgd",
            learning_rate=0.1,
            weight_decay=0.0,
            save_strategy="no",
            **options,
        )
        made.train()
        found.append(made.model.net.weight.detach())
    torch.testing.assert_close(*found)


def test_what_a_controller_is_stored_as_is_json() -> None:
    config = sl.ControllerConfig(sl.ConstraintConfig("eval_log_spectral_distance", 1.0), start=0.003)
    callback = LossSchedulerCallback(sl.LossController(config), "losses.criterion")
    callback.scheduler.step({"eval_log_spectral_distance": 2.0}, 0)
    stored = json.loads(json.dumps(callback.state(), sort_keys=True))
    again = LossSchedulerCallback.from_state(stored)
    assert again.scheduler.config == config
    assert again.scheduler.state_dict() == callback.scheduler.state_dict() == again.saved
    assert again.criterion == "losses.criterion"


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="scheduler must be a LossScheduler or a LossController, got SchedulerConfig"):
        LossSchedulerCallback(sl.SchedulerConfig())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="criterion must be the name of an attribute, got CompositeCriterion"):
        LossSchedulerCallback(scheduler(), CompositeCriterion({"a": "field_error"}))  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="criterion: Emulator has no attribute 'loss'"):
        trainer(tmp_path, LossSchedulerCallback(scheduler(), "loss")).train()
    with pytest.raises(TypeError, match="'net' of Emulator must be a CompositeCriterion, got Conv2d"):
        trainer(tmp_path, LossSchedulerCallback(scheduler(), "net")).train()
    with pytest.warns(
        UserWarning, match="eval_strategy='no' of TrainingArguments: the weights of the losses move after"
    ):
        trainer(tmp_path, LossSchedulerCallback(scheduler()), epochs=1, eval_strategy="no", save_strategy="no").train()


def test_accelerate_stores_scheduler_and_criterion(tmp_path: Path) -> None:
    from accelerate import Accelerator

    def made() -> tuple[Any, Any, Any]:
        accelerator, own, model = Accelerator(cpu=True), scheduler("spectrum_error"), Emulator()
        model = accelerator.prepare(model)
        accelerator.register_for_checkpointing(own, model.criterion)
        return accelerator, own, model

    accelerator, own, model = made()
    for epoch in range(3):
        model.criterion.set_weights(own.step({"spectrum_error": np.float32(0.5)}, epoch))
    accelerator.save_state(str(tmp_path))
    again, other, empty = made()
    again.load_state(str(tmp_path))
    assert other.state == own.state
    assert empty.criterion.weights == model.criterion.weights == own.weights
