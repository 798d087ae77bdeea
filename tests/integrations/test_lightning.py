"""Lightning's Trainer with the callback: steps, logs, checkpoints, and two processes."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import spectral_losses as sl

torch = pytest.importorskip("torch")
pytest.importorskip("torchmetrics")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is not our business
    pl = pytest.importorskip("lightning.pytorch", exc_type=ImportError)
    from lightning.pytorch.loggers import CSVLogger

from spectral_losses.integrations.lightning import LossSchedulerCallback  # noqa: E402
from spectral_losses.integrations.torch import CompositeCriterion  # noqa: E402
from spectral_losses.integrations.torchmetrics import FieldError, SpectrumError  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "lightning_training.py"

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:GPU available but not used"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
]


class Emulator(pl.LightningModule):
    """Logs one metric of torchmetrics in its step, and one number in its epoch's end."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")
        self.criterion = CompositeCriterion({"field_error": "field_error", "spectrum_error": "spectrum_error"})
        self.errors = torch.nn.ModuleDict({"val_field": FieldError(), "val_spectrum": SpectrumError()})
        self.totals: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        total = self.criterion(self.model(batch[0]), batch[1])
        self.totals.append(total.item())
        return total

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        for name, metric in self.errors.items():
            metric.update(self.model(batch[0]), batch[1])
            self.log(name, metric)

    def on_validation_epoch_end(self) -> None:
        self.log("late", 0.5)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.02)


def loader(samples: int = 5, seed: int = 0) -> Any:
    pair = torch.randn(2, samples, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*pair), batch_size=2)


def scheduler(**settings: Any) -> sl.LossScheduler:
    default = {"trigger": "epoch", "interval": 1, "warmup_epochs": 1, "min_epochs_before_adapt": 0}
    names = {"source_components": "field_error", "target_components": "spectrum_error", "monitor": "val_spectrum"}
    return sl.LossScheduler(sl.SchedulerConfig(**{**default, **names, **settings}))


def trainer(folder: Path, *callbacks: Any, epochs: int, **options: Any) -> Any:
    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
    }
    here = {"accelerator": "cpu", "devices": 1, "default_root_dir": folder, "log_every_n_steps": 1}
    return pl.Trainer(max_epochs=epochs, callbacks=list(callbacks), **{**quiet, **here, **options})


def test_it_steps_after_each_validation(tmp_path: Path) -> None:
    callback, module = LossSchedulerCallback(scheduler()), Emulator()
    run = trainer(tmp_path, callback, epochs=4, num_sanity_val_steps=2)
    run.fit(module, loader(), loader(5, seed=1))
    history = callback.scheduler.history
    assert [decision.epoch for decision in history] == [0, 1, 2, 3]  # the sanity check is none of them
    assert [decision.adapted for decision in history] == [False, False, True, True]
    assert module.criterion.weights == callback.scheduler.weights == history[-1].weights
    with torch.no_grad():
        x, y = loader(5, seed=1).dataset.tensors
        expected = float(sl.spectrum_error(module.model(x), y))
    assert history[-1].metric == pytest.approx(expected, rel=1e-6)  # of all samples, in batches of unequal size
    assert float(run.callback_metrics["loss_progress"]) == pytest.approx(callback.scheduler.progress)
    run.validate(module, loader(), verbose=False)
    assert len(callback.scheduler.history) == 4


def test_it_sees_what_is_logged_last_and_starts_with_its_weights(tmp_path: Path) -> None:
    callback, module = LossSchedulerCallback(scheduler(monitor="late", initial_weight_target=0.2)), Emulator()
    seen = []

    class Watch(pl.Callback):
        def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
            seen.append(pl_module.criterion.weights)

    trainer(tmp_path, callback, Watch(), epochs=1).fit(module, loader(), loader())
    assert seen == [{"field_error": 1.0, "spectrum_error": 0.2}]
    assert callback.scheduler.history[0].metric == 0.5


def test_a_second_fit_goes_on_or_is_refused_before_it_trains(tmp_path: Path) -> None:
    callback, module = LossSchedulerCallback(scheduler()), Emulator()
    first = trainer(tmp_path, callback, epochs=2)
    first.fit(module, loader(), loader(seed=1))
    first.fit_loop.max_epochs = 3
    first.fit(module, loader(), loader(seed=1))
    assert [decision.epoch for decision in callback.scheduler.history] == [0, 1, 2]
    steps = len(module.totals)
    with pytest.raises(ValueError, match="scheduler has seen epoch 2, and this fit begins with epoch 0: make a new"):
        trainer(tmp_path, callback, epochs=2).fit(module, loader(), loader(seed=1))
    assert len(module.totals) == steps


def test_several_validations_in_an_epoch(tmp_path: Path) -> None:
    callback = LossSchedulerCallback(scheduler())
    trainer(tmp_path, callback, epochs=2, val_check_interval=0.5).fit(Emulator(), loader(8), loader())
    assert [decision.epoch for decision in callback.scheduler.history] == [0, 0, 1, 1]


def test_weights_and_progress_are_logged(tmp_path: Path) -> None:
    callback = LossSchedulerCallback(scheduler())
    logger = CSVLogger(tmp_path, name="run", version=0)
    trainer(tmp_path, callback, epochs=3, logger=logger).fit(Emulator(), loader(), loader())
    lines = (tmp_path / "run" / "version_0" / "metrics.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    logged = [row for row in rows if row["loss_progress"]]
    assert [float(row["loss_progress"]) for row in logged] == [d.progress for d in callback.scheduler.history]
    for name in ("field_error", "spectrum_error"):
        found = [float(row[f"loss_weight/{name}"]) for row in logged]
        assert found == [d.weights[name] for d in callback.scheduler.history]
    assert [int(row["step"]) for row in logged] == [2, 5, 8]
    assert [row["step"] for row in rows if row["val_spectrum"]] == [row["step"] for row in logged]


def test_a_checkpoint_resumes_to_the_same_weights_and_losses(tmp_path: Path) -> None:
    def fit(epochs: int, resume: Path | None = None) -> tuple[Any, Any, Any]:
        callback, module = LossSchedulerCallback(scheduler()), Emulator()
        run = trainer(tmp_path, callback, epochs=epochs)
        # Lightning asks for plain types alone, unless it is told to trust the file; older versions trust all.
        asks = resume and "weights_only" in inspect.signature(run.fit).parameters
        run.fit(module, loader(), loader(), ckpt_path=resume, **({"weights_only": True} if asks else {}))
        return callback, module, run

    callback, module, _ = fit(6)
    _, first, half = fit(3)
    half.save_checkpoint(tmp_path / "half.ckpt")
    resumed_callback, resumed, _ = fit(6, tmp_path / "half.ckpt")
    assert first.totals + resumed.totals == module.totals
    assert resumed.criterion.weights == module.criterion.weights
    assert resumed_callback.scheduler.state_dict() == callback.scheduler.state_dict()
    for a, b in zip(resumed.parameters(), module.parameters(), strict=True):
        assert torch.equal(a, b)
    other = LossSchedulerCallback(scheduler(interval=2))
    with pytest.raises(ValueError, match=r"state was saved under other settings: .*interval"):
        trainer(tmp_path, other, epochs=6).fit(Emulator(), loader(), loader(), ckpt_path=tmp_path / "half.ckpt")


def test_model_checkpoints_hold_the_decision_of_their_epoch(tmp_path: Path) -> None:
    checkpoint = pl.callbacks.ModelCheckpoint(tmp_path, "{epoch}", monitor="val_field", save_top_k=-1)
    callback = LossSchedulerCallback(scheduler())
    # Also where it is listed after the callback that saves.
    trainer(tmp_path, checkpoint, callback, epochs=3, enable_checkpointing=True).fit(Emulator(), loader(), loader())
    for epoch in range(3):
        saved = torch.load(tmp_path / f"epoch={epoch}.ckpt", weights_only=True)
        state = saved["callbacks"]["LossSchedulerCallback"]["state"]
        assert state["epoch"] == epoch
        weight = saved["state_dict"]["criterion.weight.spectrum_error"].item()
        assert weight == callback.scheduler.history[epoch].weights["spectrum_error"]


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="scheduler must be a LossScheduler or a LossController, got SchedulerConfig"):
        LossSchedulerCallback(sl.SchedulerConfig())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="criterion must be the name of an attribute, got CompositeCriterion"):
        LossSchedulerCallback(scheduler(), CompositeCriterion({"a": "field_error"}))  # type: ignore[arg-type]
    for name, error, message in (
        ("loss", AttributeError, "criterion: Emulator has no attribute 'loss'"),
        ("model", TypeError, "criterion: 'model' of Emulator must be a CompositeCriterion, got Conv2d"),
    ):
        with pytest.raises(error, match=message):
            trainer(tmp_path, LossSchedulerCallback(scheduler(), name), epochs=1).fit(Emulator(), loader(), loader())
    run = trainer(tmp_path, LossSchedulerCallback(scheduler()), epochs=1, limit_val_batches=0)
    with pytest.warns(UserWarning, match="makes no validations, after which the weights of the losses move"):
        run.fit(Emulator(), loader(), loader())
    missing = LossSchedulerCallback(scheduler(monitor="val_spectrun"))
    with pytest.raises(KeyError, match="monitored metric 'val_spectrun' is missing") as refusal:
        trainer(tmp_path, missing, epochs=1).fit(Emulator(), loader(), loader())
    assert "'val_spectrum'" in refusal.value.__notes__[-1].removeprefix("logged were ")


def test_a_controller_steps_and_resumes_with_other_settings_where_that_is_said(tmp_path: Path) -> None:
    def controlled(at_most: float, **options: Any) -> LossSchedulerCallback:
        goal = sl.ConstraintConfig("val_spectrum", at_most)
        return LossSchedulerCallback(sl.LossController(sl.ControllerConfig(goal, target="spectrum_error")), **options)

    checkpoint = pl.callbacks.ModelCheckpoint(tmp_path, "last")
    callback, module = controlled(1e-9), Emulator()
    assert callback.scheduler.monitored == ("val_spectrum",)
    trainer(tmp_path, checkpoint, callback, epochs=3, enable_checkpointing=True).fit(module, loader(), loader())
    assert [decision.reason for decision in callback.scheduler.history] == ["raised"] * 3
    assert module.criterion.weights == pytest.approx(callback.scheduler.weights)
    path = str(tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="constraint 1 at_most was 1e-09, is 2e-09"):
        trainer(tmp_path, checkpoint, controlled(2e-9), epochs=4, enable_checkpointing=True).fit(
            Emulator(), loader(), loader(), ckpt_path=path
        )
    resumed = controlled(2e-9, accept_changes=True)
    trainer(tmp_path, checkpoint, resumed, epochs=4, enable_checkpointing=True).fit(
        Emulator(), loader(), loader(), ckpt_path=path
    )
    assert [decision.epoch for decision in resumed.scheduler.history] == [0, 1, 2, 3]


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_precisions(tmp_path: Path, precision: str) -> None:
    callback, module = LossSchedulerCallback(scheduler()), Emulator()
    options = {"precision": precision, "accumulate_grad_batches": 2}
    trainer(tmp_path, callback, epochs=3, **options).fit(module, loader(), loader())
    assert all(math.isfinite(total) for total in module.totals)
    state = {name: value for name, value in module.state_dict().items() if name.startswith("criterion")}
    assert {name.rsplit(".")[-1]: value.item() for name, value in state.items()} == callback.scheduler.weights


def test_a_criterion_deeper_in_the_module(tmp_path: Path) -> None:
    module = Emulator()
    module.holder = torch.nn.Module()
    module.holder.inner = torch.compile(module.criterion, backend="eager")  # its attributes show through
    callback = LossSchedulerCallback(scheduler(), "holder.inner")
    trainer(tmp_path, callback, epochs=3).fit(module, loader(), loader())
    assert module.criterion.weights == callback.scheduler.weights


def test_the_package_of_the_older_name() -> None:
    if not importlib.util.find_spec("pytorch_lightning"):
        pytest.skip("it is not here")
    code = """
import sys
sys.modules["lightning"] = None
from spectral_losses.integrations.lightning import LossSchedulerCallback
print(LossSchedulerCallback.__mro__[1].__module__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pytorch_lightning.")


def test_without_lightning_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["lightning"] = sys.modules["pytorch_lightning"] = None
try:
    import spectral_losses.integrations.lightning
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lightning this module needs Lightning, which is not installed: pip install")


TWO_RANKS = """
import json, os, sys, torch
sys.path.insert(0, {tests!r})
from test_lightning import Emulator, LossSchedulerCallback, loader, pl, scheduler

class Own(Emulator):
    def validation_step(self, batch, batch_idx):
        self.log("own", float(self.global_rank), sync_dist=False)  # differs from rank to rank
        super().validation_step(batch, batch_idx)

callback, module = LossSchedulerCallback(scheduler(monitor="own")), Own()
trainer = pl.Trainer(
    max_epochs=3, accelerator="cpu", devices=2, strategy="ddp", default_root_dir={folder!r}, logger=False,
    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, callbacks=[callback],
)
trainer.fit(module, loader(6), loader(6, seed=1))
found = [callback.scheduler.state_dict(), module.criterion.weights, sum(p.sum().item() for p in module.parameters())]
with open({folder!r} + f"/{{trainer.global_rank}}.json", "w") as file:
    file.write(json.dumps(found))
os._exit(0)  # gloo's threads abort a process now and then while it is taken down, after all is done
"""


def test_two_ranks_decide_alike(tmp_path: Path) -> None:
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this PyTorch has no gloo")
    program = tmp_path / "program.py"
    program.write_text(TWO_RANKS.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*torchrun, str(program)], env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first == second
    assert [decision["metric"] for decision in first[0]["history"]] == [0.5, 0.5, 0.5]  # of ranks 0 and 1


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not here")
def test_the_example() -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(EXAMPLE)], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *decisions, metrics, weights = done.stdout.splitlines()
    assert len(decisions) == 2
    assert all(": adapted: " in line for line in decisions)
    assert ast.literal_eval(weights) == {"field_error": 1.0, "log_spectral_distance": 0.01}
    assert ast.literal_eval(metrics)["val_distance"] < 0.4  # 0.43 with field error alone, and as much field error
