"""Metrics that are no Python numbers: 0-d arrays of any framework are taken, what else `float` would take is not."""

from __future__ import annotations

from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="the scheduler itself needs none")

from frameworks import Framework  # noqa: E402
from test_scheduler import bare, run  # noqa: E402

import spectral_losses as sl  # noqa: E402
from spectral_losses.scheduler import SchedulerState  # noqa: E402


@pytest.mark.parametrize(
    "value",
    [
        np.True_,
        np.array(True),
        np.complex64(0.5),
        np.array("0.5"),
        np.array("0.5", dtype=object),
        np.ones(1),
        np.ones((1, 1)),
    ],
)
def test_metrics_that_float_takes_and_that_are_no_real_scalars(value: Any) -> None:
    scheduler = sl.LossScheduler(bare())
    with pytest.raises(TypeError, match="metric 'spectrum_error' must be a number, got "):
        scheduler.step({"spectrum_error": value})
    assert scheduler.state == SchedulerState()


def test_scalars_of_any_framework(framework: Framework) -> None:
    assert run(bare(), [framework.asarray(np.asarray(0.5, dtype="float32"))])[0].metric == 0.5
    scheduler = sl.LossScheduler(bare())
    for value in (np.ones((1, 1), dtype="float32"), np.asarray(True)):
        with pytest.raises(TypeError, match="metric 'spectrum_error' must be a number, got "):
            scheduler.step({"spectrum_error": framework.asarray(value)})


def test_scalars_of_jax_and_torch() -> None:
    jnp = pytest.importorskip("jax.numpy")
    torch = pytest.importorskip("torch")
    # Names of dtypes tell the kinds apart; a warning here would be an error.
    for value in (torch.tensor(0.5, requires_grad=True) * 1, torch.tensor(0.5, dtype=torch.bfloat16)):
        assert run(bare(), [value])[0].metric == 0.5
    assert run(bare(), [jnp.asarray(0.5, dtype="bfloat16")])[0].metric == 0.5
    for value in (torch.tensor(True), torch.tensor(1 + 0j), torch.ones(1, 1), jnp.asarray(True), jnp.asarray(1 + 0j)):
        with pytest.raises(TypeError, match="must be a number, got "):
            run(bare(), [value])
