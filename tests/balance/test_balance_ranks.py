"""Two real processes: the weights of all ranks are the same, and those of all of their samples."""

from __future__ import annotations

from typing import Any

import pytest
from ranks import RANKS, needs_gloo, on_ranks

import spectral_losses as sl
from spectral_losses.balance import influences

needs_gloo()

import torch  # noqa: E402

from spectral_losses.integrations.balance import BalancedCriterion  # noqa: E402

SAMPLES, STEPS = 5, 3
SHARES = {"field_error": 1.0, "spectrum_error": 0.1}


def batch(step: int, rank: int) -> Any:
    """Three samples for one rank and two for the other, and another spectrum for each."""
    p, t = torch.randn(2, SAMPLES, 1, 8, 8, generator=torch.Generator().manual_seed(step))[:, rank::RANKS]
    return (1 + rank) * p, t


def work(rank: int) -> dict[str, Any]:
    """What one process finds."""
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"))
    criterion = BalancedCriterion({name: name for name in SHARES}, SHARES)
    weights = []
    for step in range(STEPS):
        x, y = batch(step, rank)
        criterion(model(x), y).backward()
        weights.append(criterion.balancer.weights)
    gradient = next(model.parameters()).grad
    return {"weights": weights, "gradient": gradient}


def test_all_ranks_have_the_weights_of_all_samples(tmp_path: Any) -> None:
    found = on_ranks(work, tmp_path)
    assert found[0]["weights"] == found[1]["weights"]  # the same floats
    assert torch.equal(found[0]["gradient"], found[1]["gradient"])
    # The first step by hand: the mean of squares of all five differences.
    torch.manual_seed(0)
    model = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")
    squares = dict.fromkeys(SHARES, 0.0)
    for rank in range(RANKS):
        x, y = batch(0, rank)
        p = model(x)
        for name in SHARES:
            (g,) = torch.autograd.grad(getattr(sl, name)(p, y), p, retain_graph=True)
            squares[name] += len(x) * float(influences({name: g}, p)[name]) ** 2
    wanted = 0.1 * (squares["field_error"] / squares["spectrum_error"]) ** 0.5
    assert found[0]["weights"][0]["spectrum_error"] == pytest.approx(wanted, rel=1e-5)
