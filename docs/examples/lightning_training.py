"""Train with Lightning: the criterion in the module, the metrics of torchmetrics, the scheduler in a callback.

The field error keeps its weight; that of the pooled log spectral distance goes along a ramp to 0.01, a tenth into the
training (see docs/evidence.md). It needs Lightning and torchmetrics (``pip install 'spectral-losses[lightning]'``), and
runs on a CPU in seconds::

    python docs/examples/lightning_training.py
"""

from __future__ import annotations

import tempfile
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MetricCollection

import spectral_losses as sl
from spectral_losses.integrations.lightning import LossSchedulerCallback
from spectral_losses.integrations.torch import CompositeCriterion
from spectral_losses.integrations.torchmetrics import FieldError, MeanLoss

EPOCHS, N = 15, 16


class Emulator(pl.LightningModule):
    """One convolution, trained with the field error and the distance of spectra, which are pooled over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular", bias=False)
        distance = sl.Component("log_spectral_distance", pool="frames")
        self.criterion = CompositeCriterion({"field_error": "field_error", "log_spectral_distance": distance})
        self.metrics = MetricCollection(
            {"val_field_error": FieldError(), "val_distance": MeanLoss("log_spectral_distance", bins="log")}
        )

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """The total of a batch."""
        x, y = batch
        return self.criterion(self.model(x), y)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Collect the metrics; Lightning computes them at the end, over all ranks."""
        x, y = batch
        self.metrics.update(self.model(x), y)
        self.log_dict(self.metrics)

    def configure_optimizers(self) -> Any:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.01)


def fields(samples: int, seed: int) -> TensorDataset:
    """Random fields of steep spectra, measured with noise: the least field error blurs what the noise hides."""
    truth, noise = torch.randn(2, samples, 1, N, N, generator=torch.Generator().manual_seed(seed))
    k = torch.hypot(N * torch.fft.fftfreq(N)[:, None], N * torch.fft.rfftfreq(N))
    truth = torch.fft.irfft2(torch.fft.rfft2(truth) / (1 + k / 4) ** 2)
    return TensorDataset(truth + 0.2 * noise, truth)


def main() -> None:
    """Train, print the decisions, the last validation and the weights."""
    pl.seed_everything(0, verbose=False)
    scheduler = sl.LossScheduler(
        sl.SchedulerConfig(
            target="log_spectral_distance",
            trigger="epoch",
            ramp=(1, 3),
            final_weight_source=1.0,
            final_weight_target=0.01,
        )
    )
    emulator = Emulator()
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            devices=1,
            callbacks=[LossSchedulerCallback(scheduler)],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(emulator, DataLoader(fields(64, seed=1), batch_size=8), DataLoader(fields(9, seed=2), batch_size=4))
    for decision in scheduler.history:
        if decision:
            print(decision)
    print({name: round(value.item(), 4) for name, value in trainer.callback_metrics.items()})
    print({name: round(weight, 3) for name, weight in emulator.criterion.weights.items()})


if __name__ == "__main__":
    main()
