"""Checkpoints of physicsnemo hold the scheduler, and a run goes on from them as if it had not stopped."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import spectral_losses as sl

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports is not our business
    pytest.importorskip("physicsnemo", exc_type=ImportError)
    utils = pytest.importorskip("physicsnemo.utils", exc_type=ImportError)
    fno = pytest.importorskip("physicsnemo.models.fno", exc_type=ImportError)

from spectral_losses.integrations.torch import CompositeCriterion  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
X = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
Y = X.roll(1, -1)


class Run:
    """A network of theirs, trained with weights that move after each epoch."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = fno.FNO(
            1, 1, decoder_layer_size=8, dimension=2, latent_channels=4, num_fno_layers=1, num_fno_modes=4
        )
        self.criterion = CompositeCriterion({"field_error": "field_error", "spectrum_error": "spectrum_error"})
        self.loss_scheduler = sl.LossScheduler(sl.SchedulerConfig(trigger="epoch", interval=2, warmup_epochs=0))
        self.criterion.set_weights(self.loss_scheduler)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.rates = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.9)

    def epoch(self, number: int) -> float:
        self.optimizer.zero_grad()
        prediction = self.model(X)
        total = self.criterion(prediction, Y)
        total.backward()
        self.optimizer.step()
        self.rates.step()
        self.criterion.set_weights(self.loss_scheduler.step(sl.evaluate(prediction, Y), number))
        return float(total.detach())


def as_a_scheduler(folder: Path) -> tuple[Any, Any]:
    def save(run: Run, epoch: int) -> None:
        utils.save_checkpoint(folder, [run.model, run.criterion], run.optimizer, run.loss_scheduler, epoch=epoch)

    def load(run: Run) -> int:
        return utils.load_checkpoint(folder, [run.model, run.criterion], run.optimizer, run.loss_scheduler)

    return save, load


def as_metadata(folder: Path) -> tuple[Any, Any]:
    """Where the learning rate has the place of the scheduler."""

    def save(run: Run, epoch: int) -> None:
        state = {"loss_scheduler": run.loss_scheduler.state_dict()}
        utils.save_checkpoint(folder, run.model, run.optimizer, run.rates, epoch=epoch, metadata=state)

    def load(run: Run) -> int:
        found: dict[str, Any] = {}
        epoch = utils.load_checkpoint(folder, run.model, run.optimizer, run.rates, metadata_dict=found)
        run.loss_scheduler.load_state_dict(found["loss_scheduler"])
        run.criterion.set_weights(run.loss_scheduler)
        return int(epoch)

    return save, load


@pytest.mark.parametrize("way", [as_a_scheduler, as_metadata])
def test_a_run_goes_on_from_a_checkpoint(way: Any, tmp_path: Path) -> None:
    save, load = way(tmp_path)
    run, losses = Run(), []
    for epoch in range(1, 9):
        losses.append(run.epoch(epoch))
        if epoch == 5:
            weights = run.criterion.weights
            save(run, epoch)
    again = Run()
    assert load(again) == 5
    assert again.criterion.weights == again.loss_scheduler.weights == weights
    assert 0 < weights["spectrum_error"] < 1
    if way is as_a_scheduler:  # the learning rate is another state to keep
        again.rates.load_state_dict({**again.rates.state_dict(), "last_epoch": 5, "_step_count": 6})
        again.optimizer.param_groups[0]["lr"] = 0.01 * 0.9**5
    assert [again.epoch(epoch) for epoch in range(6, 9)] == pytest.approx(losses[5:], rel=1e-6)
    assert again.loss_scheduler.state == run.loss_scheduler.state
    assert run.criterion.weights["spectrum_error"] > weights["spectrum_error"]
