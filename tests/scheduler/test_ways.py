"""Ramps, and weights on a logarithmic way."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.scheduler import side_weights
from spectral_losses.scheduler.transition import FAINT, along

KEPT = {"initial_weight_source": 1.0, "final_weight_source": 1.0, "final_weight_target": 0.1}


def ramp(begin: int, end: int, **settings: Any) -> sl.SchedulerConfig:
    return sl.SchedulerConfig(trigger="epoch", ramp=(begin, end), **settings)


def test_a_ramp_needs_no_metric() -> None:
    scheduler = sl.LossScheduler(ramp(2, 6, target_components="spectrum_error", source_components="field_error"))
    decisions = [scheduler.step({}) for _ in range(9)]
    assert [d.progress for d in decisions] == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    assert [d.reason for d in decisions] == ["waiting"] * 3 + ["adapted"] * 4 + ["finished"] * 2
    assert scheduler.weights == {"field_error": 0.3, "spectrum_error": 0.7}
    assert str(decisions[4]) == (
        "epoch 4: adapted: the ramp goes from epoch 2 to 6; field_error 0.825 to 0.65, spectrum_error 0.175 to 0.35"
    )
    assert not scheduler.step({"spectrum_error": "no number"})  # nobody looks


def test_a_ramp_may_count_steps_and_skip_some() -> None:
    scheduler = sl.LossScheduler(ramp(1000, 3000))
    assert [scheduler.step({}, epoch).progress for epoch in (0, 1500, 1500, 2000, 9000)] == [0, 0.25, 0.25, 0.5, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ramp": (5,)}, "ramp must be the epochs at which it begins and ends, got .5."),
        ({"ramp": (5, 5)}, "ramp must increase, got .5, 5."),
        ({"ramp": (1, 2), "interval": 2}, "one of milestones, interval and ramp, got interval and ramp"),
    ],
)
def test_errors_of_ramps(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sl.SchedulerConfig(trigger="epoch", **settings)


@pytest.mark.parametrize("trigger", ["plateau", "auto"])
def test_beside_another_trigger_the_progress_never_stays_behind_the_ramp(trigger: str) -> None:
    scheduler = sl.LossScheduler(sl.SchedulerConfig(trigger=trigger, ramp=(40, 64)))
    for epoch in range(80):
        decision = scheduler.step({"spectrum_error": 0.9**epoch}, epoch)  # never a plateau
        assert decision.progress >= min(max((epoch - 40) / 24, 0), 1)
        if epoch <= 40 and trigger == "auto":
            assert decision.progress == 0
    assert decision.reason == "finished"
    # A missing metric or a NaN is no reason to be late.
    scheduler = sl.LossScheduler(sl.SchedulerConfig(trigger=trigger, ramp=(2, 4), missing="hold"))
    assert [scheduler.step(m).progress for m in ({}, {}, {}, {"spectrum_error": math.nan}, {})] == [0, 0, 0, 0.5, 1]


def test_a_plateau_before_the_ramp_moves_as_ever() -> None:
    scheduler = sl.LossScheduler(sl.SchedulerConfig(trigger="auto", ramp=(15, 100)))
    decisions = [scheduler.step({"spectrum_error": 0.5}) for _ in range(12)]
    assert [d.epoch for d in decisions if d] == [8]


def test_a_trigger_may_run_ahead_of_a_ramp() -> None:
    scheduler = sl.LossScheduler(sl.SchedulerConfig(trigger="auto", ramp=(0, 400)))
    decisions = [scheduler.step({"spectrum_error": 0.5}) for _ in range(40)]
    assert [d.epoch for d in decisions if d.tracked is not None] == list(range(40))
    assert scheduler.progress > 0.3 > 39 / 400  # four plateaus
    assert all(d.progress >= d.epoch / 400 for d in decisions)


def test_a_lift_on_a_nan_is_saved_as_json_has_it() -> None:
    scheduler = sl.LossScheduler(sl.SchedulerConfig(trigger="auto", ramp=(0, 4)))
    decision = [scheduler.step({"spectrum_error": value}) for value in (0.5, math.nan)][-1]
    assert decision.reason == "adapted"
    json.dumps(scheduler.state_dict(), allow_nan=False)


def test_a_ramp_of_a_later_stage_counts_from_its_beginning() -> None:
    chain = sl.SchedulerChain(
        [
            ramp(0, 2),
            ramp(1, 3, source="spectrum_error", target="c", initial_weight_source=0.7, final_weight_source=0.5),
        ]
    )
    scheduler = sl.LossScheduler(chain)
    assert [scheduler.step({}).progress for _ in range(8)] == [0, 0.25, 0.5, 0.5, 0.5, 0.75, 1, 1]


def test_a_geometric_way_goes_by_equal_factors() -> None:
    c = ramp(0, 10, transition_schedule="geometric", **KEPT)
    assert side_weights(c, 0) == (1.0, 0.0)
    assert side_weights(c, 1) == (1.0, 0.1)
    found = [side_weights(c, p)[1] for p in (1e-9, 0.25, 0.5, 0.75)]
    assert found == pytest.approx([0.1 * FAINT ** (1 - p) for p in (0, 0.25, 0.5, 0.75)], rel=1e-6)
    assert along("geometric", 1.0, 0.01, 0.5) == pytest.approx(0.1)
    assert along("geometric", 0.5, 0.0, 0.999) == pytest.approx(0.5 * FAINT, rel=1e-2)
    assert along("geometric", 0.0, 0.0, 0.5) == 0


@given(st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0, 1), st.floats(0, 1))
def test_a_geometric_way_stays_between_its_ends_and_turns_nowhere(a: float, b: float, p: float, q: float) -> None:
    low, high = (along("geometric", a, b, each) for each in sorted((p, q)))
    assert min(a, b) <= low <= max(a, b)
    assert (low <= high * (1 + 1e-9)) if a <= b else (low >= high * (1 - 1e-9))
    assert along("geometric", a, b, 0) == a
    assert along("geometric", a, b, 1) == b
