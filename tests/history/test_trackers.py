"""Numbers of a history that are handed to trackers, the real ones where they are installed."""

from __future__ import annotations

import logging
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest

import spectral_losses as sl

NUMBERS = {"loss": 0.5, "part/a": 2.0, "metric/spectrum_error": 0.25, "weight/a": 1.0, "scheduler/progress": 0.0}


def record(history: sl.History, epoch: int = 0) -> dict[str, Any]:
    decision = sl.LossScheduler(sl.SchedulerConfig()).step({"spectrum_error": 0.25})
    metrics = {"spectrum_error": 0.25, "none": None}
    return history.record(epoch, losses=0.5, parts={"a": 2}, metrics=metrics, weights={"a": 1}, decision=decision)


class Metrics:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.calls.append((metrics, step))


class Run:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def log(self, data: dict[str, float], *, step: int) -> None:
        self.calls.append((data, step))


class Both(Metrics, Run):
    """As a Lightning logger that has more to log."""


class Board:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.calls.append((tag, value, step))

    def log(self, data: dict[str, float], step: int) -> None:
        raise AssertionError("called")


@pytest.mark.parametrize("kind", [Metrics, Run, Both])
def test_all_numbers_of_a_row_at_once(kind: type[Any]) -> None:
    tracker = kind()
    history = sl.History(tracker)
    record(history, 0)
    record(history, 3)
    assert tracker.calls == [(NUMBERS, 0), (NUMBERS, 3)]
    history.record(4)
    assert len(tracker.calls) == 2  # nothing to hand over
    assert len(pickle.loads(pickle.dumps(history)).rows) == 3


def test_add_scalar_comes_first() -> None:
    board = Board()
    record(sl.History(board), 2)
    assert board.calls == [(tag, value, 2) for tag, value in NUMBERS.items()]


def test_each_tracker_has_numbers_of_its_own() -> None:
    class Greedy(Run):
        def log(self, data: dict[str, float], *, step: int) -> None:
            data.clear()

    second = Run()
    record(sl.History(Greedy(), second))
    assert second.calls == [(NUMBERS, 0)]


@pytest.mark.parametrize("other", [logging.getLogger("a"), math, 3, object(), {"log": 1}])
def test_what_is_no_tracker(other: Any) -> None:
    with pytest.raises(TypeError, match=r"add_scalar\(tag, value, step\), log_metrics\(numbers, step=\) or log\("):
        sl.History(other)


def test_what_a_tracker_raises_is_passed_on_with_the_row_recorded(tmp_path: Path) -> None:
    class Broken(Run):
        def log(self, data: dict[str, float], *, step: int) -> None:
            raise ConnectionError("no network")

    history = sl.History(tmp_path / "a.csv", Broken())
    with pytest.raises(ConnectionError, match="no network"):
        record(history)
    assert sl.History(tmp_path / "a.csv").epoch == 0


def test_weights_and_biases_offline(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is not our business
        wandb = pytest.importorskip("wandb")
        run = wandb.init(mode="offline", dir=str(tmp_path), settings=wandb.Settings(silent=True))
        history = sl.History(run)
        for epoch in (0, 5):
            record(history, epoch)
        found = {tag: run.summary[tag] for tag in NUMBERS}
        assert run.step == 5
        run.finish()
    assert found == NUMBERS
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow = pytest.importorskip("mlflow")
        mlflow.set_tracking_uri(tmp_path.as_uri())
        mlflow.set_experiment("fields")
        with mlflow.start_run() as run:
            history = sl.History(mlflow)
            for epoch in (0, 5):
                record(history, epoch)
        client = mlflow.MlflowClient()
        assert client.get_run(run.info.run_id).data.metrics == NUMBERS
        for tag in NUMBERS:
            assert [each.step for each in client.get_metric_history(run.info.run_id, tag)] == [0, 5]


def test_accelerate(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        accelerate = pytest.importorskip("accelerate", exc_type=ImportError)
        from accelerate.tracking import GeneralTracker

        class Tracker(GeneralTracker):  # type: ignore[misc]
            name, requires_logging_directory, calls = "own", False, []

            @property
            def tracker(self) -> Any:
                return self

            def log(self, values: dict[str, float], step: int | None = None, **kwargs: Any) -> None:
                self.calls.append((values, step))

        accelerator = accelerate.Accelerator(cpu=True, log_with=Tracker())
        accelerator.init_trackers("run")
        record(sl.History(accelerator), 7)
    assert Tracker.calls == [(NUMBERS, 7)]
