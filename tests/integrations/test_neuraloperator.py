"""The Trainer of the package neuraloperator trains its FNO with our losses."""

from __future__ import annotations

import contextlib
import doctest
import io
import pathlib
import warnings
from pathlib import Path
from typing import Any

import pytest

import spectral_losses as sl

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is not our business
    pytest.importorskip("neuralop")
    from neuralop import Trainer
    from neuralop.models import FNO

from spectral_losses.integrations.torch import CompositeCriterion  # noqa: E402

SAMPLES = 5
PAGE = Path(__file__).resolve().parents[2] / "docs" / "integrations.md"


class Pairs(torch.utils.data.Dataset[Any]):
    def __init__(self, seed: int) -> None:
        self.x, self.y = torch.randn(2, SAMPLES, 1, 16, 16, generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"x": self.x[i], "y": self.y[i]}


def operator() -> Any:
    torch.manual_seed(0)
    return FNO(n_modes=(4, 4), in_channels=1, out_channels=1, hidden_channels=4, n_layers=1, projection_channel_ratio=1)


def halves() -> CompositeCriterion:
    return CompositeCriterion(
        {"field_error": "field_error", "spectrum_error": "spectrum_error"},
        weights={"field_error": 0.5, "spectrum_error": 0.5},
    )


def train(
    model: Any, criterion: Any, kind: Any = Trainer, made: Any = None, epochs: int = 1, **options: Any
) -> tuple[dict[str, float], Any, Any]:
    """Epochs of its Trainer: the errors that it reports, the unseen data, and the Trainer."""
    training, unseen = (torch.utils.data.DataLoader(Pairs(seed), batch_size=2) for seed in (1, 2))  # of 2, 2 and 1
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    precision = options.pop("mixed_precision", False)
    trainer = kind(model=model, n_epochs=epochs, mixed_precision=precision, **(made or {}))
    criterion = criterion or trainer.criterion
    with contextlib.redirect_stdout(io.StringIO()):
        metrics = trainer.train(
            training,
            {"unseen": unseen},
            optimizer,
            torch.optim.lr_scheduler.ConstantLR(optimizer),
            # It passes a batch by name, and divides the sum over all batches by the number of samples.
            training_loss=lambda out, y, **_: len(y) * criterion(out, y),
            eval_losses={
                "field_error": lambda out, y, **_: len(y) * sl.field_error(out, y),
                "spectrum_error": lambda out, y, **_: len(y) * sl.spectrum_error(out, y),
            },
            **options,
        )
    found = {name: float(value) for name, value in metrics.items() if name.startswith("unseen")}
    return found, unseen.dataset, trainer


ignores_y = pytest.mark.filterwarnings("ignore:FNO.forward.. received unexpected keyword arguments:UserWarning")


@ignores_y
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_its_trainer_trains_its_fno(mixed_precision: bool) -> None:
    model, criterion = operator(), halves()
    before = [p.detach().clone() for p in model.parameters()]
    found, unseen, _ = train(model, criterion, mixed_precision=mixed_precision)
    after = list(model.parameters())
    assert all(torch.all(torch.isfinite(p)) for p in after)
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert set(criterion.parts) == {"field_error", "spectrum_error"}
    with torch.no_grad():
        errors = sl.evaluate(model.eval()(unseen.x), unseen.y)
    # Over all samples, in batches of unequal size.
    assert found == pytest.approx({f"unseen_{name}": error for name, error in errors.items()}, rel=1e-4)


def scheduled(epochs: int, **options: Any) -> Any:
    """The Trainer that the page on integrations shows, after so many epochs."""
    names: dict[str, Any] = {"Trainer": Trainer, "torch": torch, "pathlib": pathlib}
    for example in doctest.DocTestParser().get_examples(PAGE.read_text(encoding="utf-8")):
        if example.source.startswith("class ScheduledTrainer"):
            exec(example.source, names)
    config = sl.SchedulerConfig(
        source_components="field_error",
        target_components="spectrum_error",
        monitor="unseen_spectrum_error",
        trigger="epoch",
        interval=1,
        warmup_epochs=0,
        min_epochs_before_adapt=0,
    )
    made = {"criterion": halves(), "loss_scheduler": sl.LossScheduler(config)}
    return train(operator(), None, names["ScheduledTrainer"], made, epochs, **options)


@ignores_y
@pytest.mark.filterwarnings("ignore:Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
def test_scheduled_after_each_validation_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, whole = scheduled(4)
    assert [decision.adapted for decision in whole.loss_scheduler.history] == [False, True, True, True]
    assert whole.criterion.weights == whole.loss_scheduler.weights
    scheduled(2, save_every=1, save_dir=tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # it writes classes, and cannot read them
    _, _, resumed = scheduled(4, resume_from_dir=tmp_path)
    assert [(d.epoch, d.weights) for d in resumed.loss_scheduler.history][-2:] == [
        (d.epoch, d.weights) for d in whole.loss_scheduler.history
    ][-2:]
    assert resumed.loss_scheduler.state == whole.loss_scheduler.state
    assert resumed.criterion.weights == whole.criterion.weights


@pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*")
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:GPU available but not used")
def test_lightnings_trainer_trains_its_fno(tmp_path: Any) -> None:
    pytest.importorskip("lightning.pytorch", exc_type=ImportError)
    pytest.importorskip("torchmetrics")
    import test_lightning as here

    module, callback = here.Emulator(), here.LossSchedulerCallback(here.scheduler())
    module.model = operator()
    data = torch.utils.data.TensorDataset(Pairs(1).x, Pairs(1).y)
    loader = torch.utils.data.DataLoader(data, batch_size=2)
    here.trainer(tmp_path, callback, epochs=3).fit(module, loader, loader)
    assert [decision.reason for decision in callback.scheduler.history] == ["warmup", "improved", "adapted"]
    assert module.criterion.weights == callback.scheduler.weights
    assert module.totals[-1] < module.totals[0]
