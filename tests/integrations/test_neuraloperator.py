"""The Trainer of the package neuraloperator trains its FNO with our losses."""

from __future__ import annotations

import contextlib
import io
import warnings
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


def train(model: Any, criterion: Any, **options: Any) -> tuple[dict[str, float], Any]:
    """An epoch of its Trainer: the errors that it reports, and the unseen data."""
    training, unseen = (torch.utils.data.DataLoader(Pairs(seed), batch_size=2) for seed in (1, 2))  # of 2, 2 and 1
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with contextlib.redirect_stdout(io.StringIO()):
        metrics = Trainer(model=model, n_epochs=1, **options).train(
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
        )
    return {name: float(value) for name, value in metrics.items() if name.startswith("unseen")}, unseen.dataset


ignores_y = pytest.mark.filterwarnings("ignore:FNO.forward.. received unexpected keyword arguments:UserWarning")


@ignores_y
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_its_trainer_trains_its_fno(mixed_precision: bool) -> None:
    model, criterion = operator(), halves()
    before = [p.detach().clone() for p in model.parameters()]
    found, unseen = train(model, criterion, mixed_precision=mixed_precision)
    after = list(model.parameters())
    assert all(torch.all(torch.isfinite(p)) for p in after)
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert set(criterion.parts) == {"field_error", "spectrum_error"}
    with torch.no_grad():
        errors = sl.evaluate(model.eval()(unseen.x), unseen.y)
    # Over all samples, in batches of unequal size.
    assert found == pytest.approx({f"unseen_{name}": error for name, error in errors.items()}, rel=1e-4)


@ignores_y
def test_an_epoch_at_a_time_with_the_scheduler() -> None:
    model, criterion = operator(), halves()
    names = {"source_components": "field_error", "target_components": "spectrum_error"}
    when = {"trigger": "epoch", "interval": 1, "warmup_epochs": 0, "min_epochs_before_adapt": 0}
    scheduler = sl.LossScheduler(sl.SchedulerConfig(monitor="unseen_spectrum_error", **names, **when))
    for epoch in range(3):
        criterion.set_weights(scheduler)
        scheduler.step(train(model, criterion)[0], epoch)
    assert [decision.adapted for decision in scheduler.history] == [False, True, True]
    assert criterion.weights == scheduler.history[1].weights


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
