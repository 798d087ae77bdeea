"""The page's loss and callback for anemoi-training, with its own combined loss in a Lightning module."""

from __future__ import annotations

import doctest
import warnings
from pathlib import Path
from typing import Any

import pytest

import spectral_losses as sl

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is not our business
    pytest.importorskip("anemoi.training.losses.combined", exc_type=ImportError)
    from anemoi.training.losses import MSELoss
    from anemoi.training.losses.combined import CombinedLoss

    try:
        import lightning.pytorch as pl
    except ModuleNotFoundError:
        import pytorch_lightning as pl

PAGE = Path(__file__).resolve().parents[2] / "docs" / "integrations.md"
SHAPE = (12, 16)


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the examples of the page define."""
    text = PAGE.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    section = text[text.index("## anemoi-training") :].split("\n## ")[0]
    for example in doctest.DocTestParser().get_examples(section):
        exec(example.source, names)
    return names


def fields() -> Any:
    """A prediction and a target: batch, time, ensemble, grid, variables."""
    return torch.randn(2, 4, 2, 1, SHAPE[0] * SHAPE[1], 3, generator=torch.Generator().manual_seed(0))


def test_the_loss_of_each_variable(page: dict[str, Any]) -> None:
    prediction, target = fields()
    loss = page["SpectrumLoss"](x_dim=16, y_dim=12)
    found = loss(prediction, target, squash=False)
    for i in range(3):
        p, t = (x[..., i].reshape(4, 2, *SHAPE) for x in (prediction, target))
        rows = sl.log_spectral_distance(p, t, channel_axis=None, reduction="none")
        torch.testing.assert_close(found[i], rows.sum(1).mean())  # it sums over time
    torch.testing.assert_close(loss(prediction, target), found.mean())
    only = loss(prediction[..., 1:2], target[..., 1:2], squash=False)
    torch.testing.assert_close(only, found[1:2])


class Emulator(pl.LightningModule):  # type: ignore[misc]
    def __init__(self, combined: Any) -> None:
        super().__init__()
        self.net = torch.nn.Linear(3, 3)
        self.loss = torch.nn.ModuleDict({"data": combined})
        self.used: list[tuple[float, ...]] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.used.append(tuple(self.loss["data"].loss_weights))
        return self.loss["data"](self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_spectrum", self.loss["data"].losses[1](self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_of_a_combined_loss_move(page: dict[str, Any], tmp_path: Path) -> None:
    combined = CombinedLoss(MSELoss(), page["SpectrumLoss"](16, 12), MSELoss(), loss_weights=(1.0, 0.0, 0.25))
    names = {"source_components": ["mse"], "target_components": ["spectrum"]}
    when = {"trigger": "epoch", "interval": 1, "warmup_epochs": 0}
    scheduler = sl.LossScheduler(sl.SchedulerConfig(monitor="val_spectrum", **names, **when))
    callback = page["CombinedLossScheduler"](scheduler, ["mse", "spectrum", "other"])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*fields()), batch_size=4)
    module = Emulator(combined)
    trainer = pl.Trainer(
        default_root_dir=tmp_path,
        max_epochs=3,
        callbacks=[callback],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(module, loader, loader)
    decided = [(d.weights["mse"], d.weights["spectrum"], 0.25) for d in scheduler.history]
    assert module.used == [(1.0, 0.0, 0.25), *decided[:2]]
    assert combined.loss_weights == decided[2]
    assert [d.adapted for d in scheduler.history] == [False, True, True]
    prediction, target = fields()
    parts = [loss(prediction, target) for loss in combined.losses]
    torch.testing.assert_close(combined(prediction, target), sum(w * p for w, p in zip(decided[2], parts, strict=True)))
