"""Two real processes: gradients, metrics and schedulers of DistributedDataParallel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ranks import RANKS, needs_gloo, on_ranks

import spectral_losses as sl

needs_gloo()

import torch  # noqa: E402

from spectral_losses.integrations.torch import CompositeCriterion, mean_over_ranks  # noqa: E402

BATCH, UNSEEN = 4, 5
DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLE, PAGE = DOCS / "examples" / "ddp.py", DOCS / "mean-statistics.md"


def fields(samples: int, seed: int) -> Any:
    return torch.randn(2, samples, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def recipe(name: str) -> Any:
    """A function as the page on means over a data set has it."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [each for each in blocks if f"def {name}" in each]
    names: dict[str, Any] = {}
    exec("\n".join(line[4:] for line in block.splitlines()), names)  # without the prompts
    return names[name]


def started() -> tuple[Any, Any, sl.LossScheduler]:
    """A model, a criterion and a scheduler, the same wherever they are made."""
    torch.manual_seed(0)
    model = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular").double()
    criterion = CompositeCriterion(
        # The guard is relative to the frames of a batch: without it, ranks agree with one process.
        {"field_error": sl.Component("field_error", eps=0), "spectrum_error": "spectrum_error"}
    )
    config = sl.SchedulerConfig(
        source_components="field_error", target_components="spectrum_error", initial_weight_target=0.2,
        patience=1, min_delta=0.02, use_ema=False, warmup_epochs=1,
    )  # fmt: skip
    return model, criterion, sl.LossScheduler(config)


def train(model: Any, criterion: Any, scheduler: sl.LossScheduler, data: Any, unseen: Any) -> dict[str, Any]:
    """A few epochs; what came of it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    gradients, metrics = [], []
    for epoch in range(10):
        criterion.set_weights(scheduler)
        optimizer.zero_grad()
        criterion(model(data[0].double()), data[1].double()).backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
        optimizer.step()
        with torch.no_grad():
            own = sl.evaluate(model(unseen[0].double()), unseen[1].double())
        metrics.append(mean_over_ranks(own, count=unseen.shape[1]))
        scheduler.step(metrics[-1], epoch)
    return {
        "gradients": gradients,
        "metrics": metrics,
        "scheduler": scheduler.state_dict(),
        "model": [p.detach() for p in model.parameters()],
    }


def work(rank: int) -> dict[str, Any]:
    """What one process finds."""
    model, criterion, scheduler = started()
    model = torch.nn.parallel.DistributedDataParallel(model)
    share, unseen = fields(BATCH, 1)[:, rank::RANKS], fields(UNSEEN, 2)[:, rank::RANKS]
    found = train(model, criterion, scheduler, share, unseen)
    names = ["a", "b"] if rank else ["b", "a"]  # each rank in its own order
    found["ordered"] = mean_over_ranks({name: float(rank) + 10 * (name == "b") for name in names}, count=1 + rank)
    found["empty"] = mean_over_ranks({"a": float("nan") if rank else 0.1}, count=0 if rank else 3)
    try:
        mean_over_ranks({"a": 1.0}, count=0)
    except ValueError as error:
        found["refused"] = str(error)
    # What one rank alone does wrong is an error on all of them: none is left waiting.
    for key, wrong in (("names", {"ba"[rank]: 1.0}), ("fewer", {"a": 1.0} if rank else {"a": 1.0, "b": 1.0})):
        try:
            mean_over_ranks(wrong)
        except ValueError as error:
            found[key] = str(error)
    for key, wrong, count in (("failed", {"a": "much"}, 1), ("nothing", None, 1), ("no count", {"a": 1.0}, -1)):
        try:
            mean_over_ranks(*((wrong, count) if rank else ({"a": 1.0}, 1)))
        except Exception as error:
            found[key] = f"{type(error).__name__}: {error}"
    try:
        import torchmetrics  # noqa: F401

        from spectral_losses.integrations.torchmetrics import FieldError, PooledLoss, SpectrumError
    except ModuleNotFoundError:
        pass
    else:
        for metric in (FieldError(), SpectrumError()):
            for i in range(unseen.shape[1]):
                metric.update(unseen[0, i : i + 1], unseen[1, i : i + 1])
            found[type(metric).__name__] = metric.compute()
        for key, own in (("PooledLoss", unseen), ("PooledLoss of one", unseen if rank else unseen[:, :0])):
            pooled = PooledLoss("log_spectral_distance", bins="log")
            for i in range(own.shape[1]):
                pooled.update(own[0, i : i + 1], own[1, i : i + 1])
            found[key] = pooled.compute()
    if PAGE.exists():
        for key, own in (("whole", unseen), ("one", unseen if rank else unseen[:, :0])):
            stats = sl.MeanStatistics(bins="log")
            for i in range(own.shape[1]):
                stats.update(own[0, i : i + 1].double(), own[1, i : i + 1].double())
            found[f"{key} merged"] = recipe("merged_over_ranks")(stats).state_dict()
            if key == "whole":
                recipe("reduced_over_ranks")(stats)
                found["whole reduced"] = stats.state_dict()
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank found."""
    return on_ranks(work, tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    """What one process finds, with all of the data."""
    return train(*started(), fields(BATCH, 1), fields(UNSEEN, 2))


def test_gradients_are_those_of_the_whole_batch(found: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for rank in found:
        torch.testing.assert_close(rank["gradients"], alone["gradients"], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(rank["model"], alone["model"], rtol=1e-9, atol=1e-12)


def test_metrics_are_weighted_by_the_size_of_each_share(found: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    assert found[0]["metrics"] == found[1]["metrics"]  # the same floats
    for metrics, expected in zip(found[0]["metrics"], alone["metrics"], strict=True):
        assert metrics == pytest.approx(expected, rel=1e-9)


def test_schedulers_are_identical_and_have_moved(found: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    assert found[0]["scheduler"] == found[1]["scheduler"]
    history = found[0]["scheduler"]["history"]
    assert [each["reason"] for each in history] == [each["reason"] for each in alone["scheduler"]["history"]]
    assert any(each["adapted"] for each in history)


def test_means_over_ranks(found: list[dict[str, Any]]) -> None:
    for rank, names in zip(found, (["b", "a"], ["a", "b"]), strict=True):
        assert list(rank["ordered"]) == names
        assert rank["ordered"] == pytest.approx({"a": 2 / 3, "b": 10 + 2 / 3})
        assert rank["empty"] == {"a": pytest.approx(0.1)}
        assert rank["refused"] == "count must be positive on some rank, got 0 on all"


def test_what_one_rank_does_wrong_is_an_error_on_all(found: list[dict[str, Any]]) -> None:
    for rank in found:
        assert rank["names"].startswith("metrics must have the same names on every rank, got ")
        assert rank["fewer"].startswith("metrics must have the same names on every rank, got a")
    for key in ("failed", "nothing", "no count"):
        assert found[0][key] == "RuntimeError: metrics or count are refused on another rank"
    assert found[1]["failed"].startswith("ValueError: could not convert string to float")


def test_metrics_of_torchmetrics_are_those_of_all_data(found: list[dict[str, Any]]) -> None:
    pytest.importorskip("torchmetrics")
    p, t = fields(UNSEEN, 2)
    for name, loss in (("FieldError", sl.field_error), ("SpectrumError", sl.spectrum_error)):
        for rank in found:
            torch.testing.assert_close(rank[name].float(), loss(p, t))
        assert torch.equal(found[0][name], found[1][name])
    for name, frames in (("PooledLoss", slice(None)), ("PooledLoss of one", slice(1, None, 2))):
        expected = sl.log_spectral_distance(p[frames], t[frames], bins="log", pool="frames")
        for rank in found:
            torch.testing.assert_close(rank[name].float(), expected)


@pytest.mark.skipif(not PAGE.exists(), reason="the pages are not here")
def test_mean_statistics_are_those_of_all_data(found: list[dict[str, Any]]) -> None:
    p, t = fields(UNSEEN, 2).double()
    for key, frames in (
        ("whole merged", slice(None)),
        ("whole reduced", slice(None)),
        ("one merged", slice(1, None, 2)),
    ):
        assert found[0][key] == found[1][key]  # the same floats
        stats = sl.MeanStatistics(bins="log")
        stats.load_state_dict(found[0][key])
        assert stats.frames == len(p[frames])
        expected = sl.log_spectral_distance(p[frames], t[frames], bins="log", pool="frames")
        assert float(stats.loss("log_spectral_distance")) == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not here")
def test_the_example(tmp_path: Path) -> None:
    # gloo's threads abort a process now and then while it is taken down, after all is done.
    program = tmp_path / "program.py"
    program.write_text(
        "import os, runpy, sys\n"
        f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')\n"
        "sys.stdout.flush()\n"
        "os._exit(0)\n"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*torchrun, str(program)], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *decisions, agreed, weights = done.stdout.splitlines()
    assert any(" adapted: " in line for line in decisions)
    assert agreed == "2 ranks, one scheduler: True"
    assert "'field_error': 1.0" not in weights
