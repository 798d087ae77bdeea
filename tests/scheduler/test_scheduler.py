"""The scheduler, part by part: when it moves, how far, to which weights, and what it says and saves."""

from __future__ import annotations

import copy
import enum
import gc
import json
import math
import pickle
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from reference import reference_cases

import spectral_losses as sl
from spectral_losses.scheduler import (
    SchedulerState,
    advance,
    better,
    fires,
    move,
    observe,
    progress,
    shape,
    side_weights,
    update,
    weights,
    worse,
)

# No warm-up, no average: every observation counts as it is. And numbers that are round.
BARE: dict[str, Any] = {
    "warmup_epochs": 0,
    "use_ema": False,
    "min_delta": 1e-3,
    "min_delta_mode": "absolute",
    "transition_step": 0.1,
}


def bare(**settings: Any) -> sl.SchedulerConfig:
    return sl.SchedulerConfig(**{**BARE, **settings})


def run(config: Any, values: Any, first: int = 0) -> list[sl.Decision]:
    scheduler = sl.LossScheduler(config)
    monitors = {c.monitor for c in config.stages}
    return [scheduler.step(dict.fromkeys(monitors, v), first + i) for i, v in enumerate(values)]


def reasons(config: Any, values: Any) -> list[str]:
    return [decision.reason for decision in run(config, values)]


def moves(config: Any, values: Any) -> list[int]:
    return [i for i, decision in enumerate(run(config, values)) if decision.adapted]


def three_losses(**second: Any) -> sl.SchedulerChain:
    first = bare(patience=1, transition_step=0.7, adaptive_step=False)
    settings = {
        "source": "spectrum_error",
        "target": "gradient_error",
        "monitor": "spectrum_error",
        "initial_weight_source": 0.7,
        "final_weight_source": 0.4,
        "final_weight_target": 0.3,
        "patience": 1,
        "transition_step": 0.15,
        "adaptive_step": False,
        **second,
    }
    return sl.SchedulerChain([first, bare(**settings)])


# The monitor


@pytest.mark.parametrize(
    ("settings", "value", "than", "is_better", "is_worse"),
    [
        ({"min_delta": 0.25}, 0.75, 1.0, False, False),  # not by more than min_delta
        ({"min_delta": 0.25}, 0.7499, 1.0, True, False),
        ({"min_delta": 0.25}, 1.25, 1.0, False, False),
        ({"min_delta": 0.25}, 1.2501, 1.0, False, True),
        ({"min_delta": 0}, 1.0, 1.0, False, False),
        ({"min_delta": 0}, math.nextafter(1.0, 0), 1.0, True, False),
        ({"min_delta": 0.25, "mode": "max"}, 1.2501, 1.0, True, False),
        ({"min_delta": 0.25, "mode": "max"}, 1.25, 1.0, False, False),
        ({"min_delta": 0.25, "mode": "max"}, 0.7499, 1.0, False, True),
        ({"min_delta": 0.25, "min_delta_mode": "relative"}, 75.0, 100.0, False, False),
        ({"min_delta": 0.25, "min_delta_mode": "relative"}, 74.9, 100.0, True, False),
        ({"min_delta": 0.25, "min_delta_mode": "relative"}, -120.0, -100.0, False, False),  # of the magnitude
        ({"min_delta": 0.25, "min_delta_mode": "relative"}, -126.0, -100.0, True, False),
        ({"min_delta": 0.25, "min_delta_mode": "relative"}, -74.0, -100.0, False, True),
        ({"min_delta": 1e300, "min_delta_mode": "relative"}, -1e308, 1e308, False, False),  # no overflow matters
    ],
)
def test_better_and_worse(settings: dict[str, Any], value: float, than: float, is_better: bool, is_worse: bool) -> None:
    c = bare(**settings)
    assert (better(c, value, than), worse(c, value, than)) == (is_better, is_worse)


def test_the_average_starts_at_the_first_observation() -> None:
    c = bare(use_ema=True, ema_beta=0.75)
    state, improved = observe(c, SchedulerState(epoch=0), 8.0)
    assert (state.tracked, state.best, improved) == (8.0, 8.0, True)
    state, improved = observe(c, state, 4.0)
    assert (state.tracked, state.best, improved) == (7.0, 7.0, True)
    state, improved = observe(c, state, 11.0)
    assert (state.tracked, state.best, improved, state.stale) == (8.0, 7.0, False, 1)


def test_the_average_of_a_constant_is_that_constant_and_of_huge_values_finite() -> None:
    c = bare(use_ema=True, ema_beta=0.7)
    state, _ = observe(c, SchedulerState(epoch=0), 0.9)
    state, _ = observe(c, state, 0.9)
    assert state.tracked == 0.9 != 0.7 * 0.9 + (1 - 0.7) * 0.9
    top = sys.float_info.max
    for _ in range(100):
        state, _ = observe(c, state, top)
        state, _ = observe(c, state, -top)
        assert state.tracked is not None
        assert math.isfinite(state.tracked)


def test_observing_leaves_the_state_alone() -> None:
    before = SchedulerState(epoch=3)
    observe(bare(), before, 1.0)
    assert before == SchedulerState(epoch=3)


def test_plateau_waits_for_patience() -> None:
    assert moves(bare(patience=3), [0.5] * 11) == [3, 6, 9]
    assert moves(bare(patience=1), [0.5] * 4) == [1, 2, 3]
    # Improvements of more than min_delta start the count again; smaller ones do not.
    assert moves(bare(patience=3, min_delta=0.1), [1.0, 0.95, 0.91, 0.85, 0.84, 0.8, 0.79]) == [6]


def test_patience_zero_moves_at_every_observation() -> None:
    assert moves(bare(patience=0, transition_step=0.01), [0.5, 0.4, 0.3, 0.4, 0.5]) == [0, 1, 2, 3, 4]


def test_after_a_move_the_present_value_is_the_one_to_beat() -> None:
    # 0.2 is the best of all, 0.9 what holds after the move; 0.8 improves on that.
    decisions = run(bare(patience=2), [0.2, 0.9, 0.9, 0.8, 0.9, 0.9])
    assert [d.reason for d in decisions] == ["improved", "waiting", "adapted", "improved", "waiting", "adapted"]


def test_increase() -> None:
    c = bare(trigger="increase", min_delta=0.1)
    assert moves(c, [0.5, 0.6, 0.71, 0.71, 0.2, 0.31]) == [2, 5]
    assert moves(bare(trigger="increase", min_delta=0.1, mode="max"), [0.5, 0.45, 0.3, 0.5, 0.3]) == [2, 4]


def test_epochs_count_whether_or_not_they_are_observed() -> None:
    c = bare(trigger="epoch", milestones=[0, 3, 4, 9], transition_step=0.01)
    assert moves(c, [0.5] * 12) == [0, 3, 4, 9]
    scheduler = sl.LossScheduler(c)
    # The first observation at or after; where two have passed, the second one moves at the next.
    moved = {e: bool(scheduler.step({"spectrum_error": 0.5}, e)) for e in (1, 2, 6, 7, 8, 20, 30)}
    assert moved == {1: True, 2: False, 6: True, 7: True, 8: False, 20: True, 30: False}


def test_interval_counts_from_the_end_of_the_warm_up() -> None:
    c = sl.SchedulerConfig(
        trigger="epoch", interval=4, warmup_epochs=2, min_epochs_before_adapt=1, transition_step=0.01
    )
    assert moves(c, [0.5] * 16) == [7, 11, 15]
    scheduler = sl.LossScheduler(c)
    assert [e for e in range(0, 40, 3) if scheduler.step({"spectrum_error": 0.5}, e)] == [
        9,
        12,
        15,
        21,
        24,
        27,
        33,
        36,
        39,
    ]


@pytest.mark.parametrize("epochs", [{"milestones": [2]}, {"interval": 2, "transition_step": 0.7}])
def test_an_epoch_that_falls_on_a_nan_is_made_up_for(epochs: dict[str, Any]) -> None:
    c = bare(trigger="epoch", adaptive_step=False, **epochs)
    assert moves(c, [0.5, 0.5, math.nan, math.nan, math.nan, 0.5, 0.5]) == [5]


def test_a_milestone_that_was_held_is_not_lost() -> None:
    c = bare(trigger="epoch", milestones=[1, 2, 3], transition_step=0.1, max_consecutive_adaptations=1)
    assert reasons(c, [1, 1, 1, 0.5, 0.5, 0.2, 0.2]) == [
        "improved", "adapted", "holding", "adapted", "holding", "adapted", "waiting",
    ]  # fmt: skip
    # A stage whose milestones are enough comes to its end, however seldom it is observed.
    chain = sl.SchedulerChain(
        [bare(trigger="epoch", milestones=[2, 3], transition_step=0.35, adaptive_step=False), three_losses().stages[1]]
    )
    scheduler = sl.LossScheduler(chain)
    assert [bool(scheduler.step({"spectrum_error": 0.5}, epoch)) for epoch in (0, 5, 10, 15)] == [
        False,
        True,
        True,
        False,
    ]
    assert scheduler.state.stage == 1


def test_fires_needs_no_more_than_two_states() -> None:
    c = bare(trigger="increase", min_delta=0)
    assert fires(c, SchedulerState(tracked=1.0), SchedulerState(tracked=1.1))
    assert not fires(c, SchedulerState(tracked=1.0), SchedulerState(tracked=1.0))
    assert not fires(c, SchedulerState(), SchedulerState(tracked=1.0))
    assert not fires(c, SchedulerState(tracked=1.0, cooldown=1), SchedulerState(tracked=1.1))


def test_cooldown() -> None:
    c = bare(patience=2, cooldown=3)
    answers = reasons(c, [0.5] * 13)
    assert answers[:8] == ["improved", "waiting", "adapted", "cooldown", "cooldown", "cooldown", "waiting", "adapted"]
    assert answers[8:] == ["cooldown", "cooldown", "cooldown", "waiting", "adapted"]
    # Increase: nothing moves while it lasts. An improvement is one all the same; a NaN does not count.
    c = bare(trigger="increase", cooldown=2)
    assert reasons(c, [1, 2, 3, 0.1, 2]) == ["improved", "adapted", "cooldown", "improved", "adapted"]
    assert reasons(c, [1, 2, math.nan, 3, 4, 5])[2:] == ["not finite", "cooldown", "cooldown", "adapted"]


def test_warm_up_learns_nothing() -> None:
    c = sl.SchedulerConfig(warmup_epochs=2, min_epochs_before_adapt=1, patience=1)
    decisions = run(c, [0.01, 0.01, 0.01, 0.5, 0.4])
    assert [d.reason for d in decisions] == ["warmup", "warmup", "warmup", "improved", "improved"]
    assert (decisions[2].metric, decisions[2].tracked) == (0.01, None)
    assert decisions[3].tracked == 0.5  # had it been learned, the average would be lower
    assert decisions[2].detail == "until epoch 3"


def test_consecutive_limit_binds_until_an_improvement() -> None:
    c = bare(patience=2, max_consecutive_adaptations=2, transition_step=0.05)
    answers = run(c, [0.5] * 9 + [0.4] * 3)
    assert [i for i, d in enumerate(answers) if d] == [2, 4, 11]
    assert [d.reason for d in answers[5:]] == [
        "waiting",
        "holding",
        "holding",
        "holding",
        "improved",
        "waiting",
        "adapted",
    ]
    assert answers[6].detail == (
        "spectrum_error 0.5 is not more than 0.001 better than 0.5, 2 of 2; moves since the last improvement: 2, "
        "none until the next"
    )
    assert ", 4 times; " in answers[8].detail
    # Every trigger is held.
    c = bare(trigger="increase", max_consecutive_adaptations=1, transition_step=0.05)
    assert reasons(c, [1, 2, 3, 4, 0.5, 2]) == ["improved", "adapted", "holding", "holding", "improved", "adapted"]
    c = bare(trigger="epoch", interval=1, max_consecutive_adaptations=2, transition_step=0.05)
    assert reasons(c, [1, 1, 1, 1, 1, 0.5, 1]) == [
        "improved",
        "adapted",
        "adapted",
        "holding",
        "holding",
        "adapted",
        "adapted",
    ]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 10**400, Decimal("nan")])
def test_a_metric_that_is_not_finite_changes_nothing_but_the_epoch(bad: Any) -> None:
    for config in (bare(patience=0), bare(trigger="increase"), bare(trigger="epoch", interval=1), bare(mode="max")):
        scheduler = sl.LossScheduler(config)
        scheduler.step({"spectrum_error": 0.5})
        before = scheduler.state
        decision = scheduler.step({"spectrum_error": bad})
        assert (decision.adapted, decision.reason, decision.tracked) == (False, "not finite", None)
        assert scheduler.state == before._replace(epoch=1)
        assert decision.detail in ("spectrum_error is nan", "spectrum_error is inf", "spectrum_error is -inf")


def test_a_missing_metric() -> None:
    scheduler = sl.LossScheduler(sl.SchedulerConfig())
    before = scheduler.state_dict()
    for metrics in (
        {"field_error": 1.0, "val_loss": 2.0},
        {"field_error": 1.0, "val_loss": 2.0, "spectrum_error": None},
    ):
        # At once, not only after the warm-up: a name that was mistyped must not show on the second day.
        with pytest.raises(
            KeyError, match="monitored metric 'spectrum_error' is missing, got 'field_error', 'val_loss'"
        ):
            scheduler.step(metrics)
    with pytest.raises(KeyError, match="got none"):
        scheduler.step({})
    assert scheduler.state_dict() == before
    holding = sl.LossScheduler(bare(missing="hold", patience=1))
    answers = [holding.step({"spectrum_error": v} if v else {}).reason for v in (0.5, None, None, 0.5)]
    assert answers == ["improved", "missing", "missing", "adapted"]
    assert holding.state.epoch == 3


# The progress


def test_progress_in_equal_steps_arrives() -> None:
    for steps in (7, 10):  # of 0.1: ten times that is less than one
        c = bare(adaptive_step=False, final_weight_source=0, final_weight_target=steps / 10, max_weight_target=1)
        reached = [0.0]
        while reached[-1] < 1:
            reached.append(advance(c, reached[-1]))
        assert len(reached) == steps + 1
        assert reached[-1] == 1.0


def test_adaptive_steps_shrink_to_the_least() -> None:
    c = bare()
    first, late = advance(c, 0.0), advance(c, 0.9)
    assert first == pytest.approx(0.1 / 0.7)
    assert advance(c, 0.25) - 0.25 == pytest.approx(0.075 / 0.7)
    assert advance(c, 0.6) - 0.6 == pytest.approx(0.05 / 0.7)
    assert late == pytest.approx(0.9 + 0.05 / 0.7)
    # A step that was chosen smaller than the least is not made larger.
    assert advance(bare(transition_step=0.02), 0.5) - 0.5 == pytest.approx(0.02 / 0.7)


def test_the_way_is_the_targets_or_else_the_sources() -> None:
    falling = bare(initial_weight_target=0.8, final_weight_target=0.3, adaptive_step=False)
    assert advance(falling, 0.0) == pytest.approx(0.1 / 0.5)
    alone = bare(initial_weight_target=0.5, final_weight_target=0.5, final_weight_source=0.6, adaptive_step=False)
    assert advance(alone, 0.0) == pytest.approx(0.1 / 0.4)
    assert advance(alone, 0.99) == 1.0


def test_move() -> None:
    c = bare(cooldown=2)
    before = SchedulerState(epoch=9, progress=0.5, tracked=0.4, best=0.3, stale=5, consecutive=1, moves=3)
    after = move(c, before)
    assert after == before._replace(progress=advance(c, 0.5), best=0.4, stale=0, consecutive=2, cooldown=2, moves=4)


def test_a_step_that_is_not_given_is_a_share_of_the_way() -> None:
    usual = [d.progress for d in run(sl.SchedulerConfig(patience=1, warmup_epochs=0), [0.5] * 20)]
    for ends in ({"final_weight_target": 100.0}, {"final_weight_target": 1e-3}, {"final_weight_source": 1.0}):
        c = sl.SchedulerConfig(patience=1, warmup_epochs=0, **ends)
        assert [d.progress for d in run(c, [0.5] * 20)] == pytest.approx(usual)
    assert usual[12] == 1.0 > usual[11]
    equal = sl.SchedulerConfig(patience=1, warmup_epochs=0, adaptive_step=False)
    assert [d.progress for d in run(equal, [0.5] * 8)] == pytest.approx([n / 7 for n in range(8)])


@pytest.mark.parametrize("metric", [0.5, 1e-6, 1e6])
def test_a_default_run_ends(metric: float) -> None:
    decisions = run(sl.SchedulerConfig(), [metric] * 100)
    assert decisions[75].progress == 1.0 > decisions[74].progress
    assert decisions[-1].reason == "finished"


def test_without_settings_there_are_the_defaults() -> None:
    assert sl.LossScheduler().config == sl.SchedulerConfig()


def test_final_weights_that_are_the_initial_ones_are_reached_from_the_start() -> None:
    still = {"final_weight_source": 1.0, "final_weight_target": 0.0}
    scheduler = sl.LossScheduler(bare(**still))
    assert scheduler.progress == 1.0
    assert {scheduler.step({"spectrum_error": v}).reason for v in (0.5, 0.5, 0.4)} == {"finished"}
    assert scheduler.weights == {"field_error": 1.0, "spectrum_error": 0.0}
    state, decision = update(bare(**still), SchedulerState(), {"spectrum_error": 0.5})
    assert (decision.reason, decision.progress, state.progress) == ("finished", 1.0, 1.0)
    usual = sl.LossScheduler(sl.SchedulerConfig(**still))  # no warm-up and no metric for what changes nothing
    assert (usual.step({}).reason, usual.monitored) == ("finished", ())
    off = sl.LossScheduler(bare(**still, enabled=False))
    assert (off.step({}).reason, off.progress) == ("disabled", 0.0)
    # In a chain the next stage begins at once.
    chain = sl.SchedulerChain(
        [bare(**still), bare(source="spectrum_error", target="mse", initial_weight_source=0.0, patience=1)]
    )
    scheduler = sl.LossScheduler(chain)
    assert (scheduler.state.stage, scheduler.progress) == (1, 0.5)
    assert [scheduler.step({"mse": 0.5}).reason for _ in range(2)] == ["improved", "adapted"]


# The weights


@pytest.mark.parametrize(("schedule", "half"), [("linear", 0.5), ("cosine", 0.5), ("exponential", 0.81757)])
def test_shapes(schedule: str, half: float) -> None:
    assert shape(schedule, 0.0) == 0.0
    assert shape(schedule, 1.0) == 1.0
    assert shape(schedule, 0.5) == pytest.approx(half, abs=1e-5)
    values = [shape(schedule, i / 1000) for i in range(1001)]
    assert values == sorted(values)
    assert shape("cosine", 0.25) == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert shape("exponential", 0.25) == pytest.approx((1 - math.exp(-0.75)) / (1 - math.exp(-3)))


def test_the_ends_are_met_exactly() -> None:
    for schedule in ("linear", "cosine", "exponential"):
        c = bare(
            transition_schedule=schedule, initial_weight_source=0.9, final_weight_source=0.1, final_weight_target=0.3
        )
        assert side_weights(c, 0.0) == (0.9, 0.0)
        assert side_weights(c, 1.0) == (0.1, 0.3)


def test_the_cap_gives_the_rest_to_the_source() -> None:
    c = bare(final_weight_source=0.0, final_weight_target=1.0, max_weight_target=0.6)
    assert side_weights(c, 0.5) == (0.5, 0.5)
    assert side_weights(c, 0.9) == (pytest.approx(0.4), 0.6)
    assert side_weights(c, 1.0) == (0.4, 0.6)


def test_weights_of_all_components() -> None:
    c = bare(source_components=["a", "b"], target_components="c", static_components={"d": 0.25})
    assert weights(c, SchedulerState(progress=0.5)) == {"a": 0.65, "b": 0.65, "c": 0.35, "d": 0.25}


# Chains


def test_a_chain_moves_from_loss_to_loss() -> None:
    chain = three_losses()
    decisions = run(chain, [0.5] * 8)
    assert [d.reason for d in decisions] == [
        "improved", "adapted", "improved", "adapted", "adapted", "finished", "finished", "finished",
    ]  # fmt: skip
    assert [d.progress for d in decisions[:5]] == [0.0, 0.5, 0.5, 0.75, 1.0]
    fields = [d.weights["field_error"] for d in decisions]
    spectra = [d.weights["spectrum_error"] for d in decisions]
    gradients = [d.weights["gradient_error"] for d in decisions]
    assert fields == pytest.approx([1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])
    assert spectra == pytest.approx([0, 0.7, 0.7, 0.55, 0.4, 0.4, 0.4, 0.4])
    assert gradients == pytest.approx([0, 0, 0, 0.15, 0.3, 0.3, 0.3, 0.3])


def test_a_stage_has_its_own_monitor_warm_up_and_milestones() -> None:
    chain = three_losses(
        monitor="gradient_error",
        trigger="epoch",
        milestones=[5, 8],
        warmup_epochs=3,
        min_epochs_before_adapt=1,
        patience=5,
    )
    scheduler = sl.LossScheduler(chain)
    answers = []
    for epoch in range(14):
        # What one stage monitors does not matter to the other.
        first = scheduler.state.stage == 0
        metrics = {"spectrum_error": 0.5 if first else math.nan, "gradient_error": math.nan if first else 0.5}
        answers.append(scheduler.step(metrics, epoch).reason)
    # The second stage begins at epoch 2.
    assert (
        answers
        == ["improved", "adapted", *["warmup"] * 4, "improved", "adapted", "waiting", "waiting", "adapted"]
        + ["finished"] * 3
    )
    assert progress(chain, scheduler.state) == 1.0


def test_the_metric_of_a_later_stage_is_missed_at_once() -> None:
    with pytest.raises(KeyError, match="monitored metric 'gradient_error' is missing"):
        sl.LossScheduler(three_losses(monitor="gradient_error")).step({"spectrum_error": 0.5})
    sl.LossScheduler(three_losses(monitor="gradient_error", missing="hold")).step({"spectrum_error": 0.5})


def test_an_epoch_repeated_at_the_change_of_stages_is_warm_up() -> None:
    scheduler = sl.LossScheduler(three_losses())
    for epoch in (0, 1):
        scheduler.step({"spectrum_error": 0.5}, epoch)
    assert scheduler.state.stage == 1
    assert [scheduler.step({"spectrum_error": 0.5}, e).reason for e in (1, 2)] == ["warmup", "improved"]


# The object


def test_step_answers_in_words() -> None:
    scheduler = sl.LossScheduler(bare(patience=1))
    first, second = (scheduler.step({"spectrum_error": 0.5}) for _ in range(2))
    assert str(first) == "epoch 0: improved: spectrum_error 0.5 is the first"
    assert str(second) == (
        "epoch 1: adapted: spectrum_error 0.5 is not more than 0.001 better than 0.5, 1 of 1; "
        "field_error 1 to 0.9, spectrum_error 0 to 0.1"
    )
    assert second
    assert not first
    assert second.weights == scheduler.weights == {"field_error": 0.9, "spectrum_error": 0.1}
    assert second.progress == scheduler.progress == advance(scheduler.config.stages[0], 0)
    assert (second.metric, second.tracked, second.epoch) == (0.5, 0.5, 1)
    assert scheduler.history == (first, second)
    assert repr(scheduler) == "LossScheduler(field_error -> spectrum_error, epoch=1, progress=0.143)"


@pytest.mark.parametrize(
    ("settings", "values", "expected"),
    [
        ({"min_delta": 0}, [0.5, 0.5], "spectrum_error 0.5 is not better than 0.5, 1 of 5"),
        (
            {"min_delta": 0.02, "min_delta_mode": "relative", "use_ema": True},
            [0.5, 0.5],
            "average spectrum_error 0.5 is not more than 2 % better than 0.5, 1 of 5",
        ),
        ({}, [0.5, 0.4], "spectrum_error 0.4 from 0.5 at best"),
        ({"trigger": "increase"}, [0.5, 0.5005], "spectrum_error 0.5005 is not more than 0.001 worse than 0.5"),
        (
            {"trigger": "increase"},
            [0.5, 0.6],
            "spectrum_error 0.6 is more than 0.001 worse than 0.5; field_error 1 to 0.9, spectrum_error 0 to 0.1",
        ),
        (
            {"cooldown": 3, "patience": 0},
            [0.5, 0.4, 0.4],
            "not more than 0.001 better than 0.4, 0 of 0; 1 more to cool down",
        ),
        ({"trigger": "epoch", "milestones": [5]}, [0.5, 0.4], "spectrum_error 0.4, next move at epoch 5"),
        ({"trigger": "epoch", "milestones": [0]}, [0.5, 0.4], "spectrum_error 0.4, no milestone is left"),
        ({"trigger": "epoch", "milestones": [0, 1]}, [0.5, 0.4], "spectrum_error 0.4, due at this epoch; field_error "),
        ({"trigger": "epoch", "milestones": [1]}, [0.5, math.nan, 0.4], "spectrum_error 0.4, due since epoch 1; "),
        ({"trigger": "epoch", "interval": 4}, [0.5, 0.4], "spectrum_error 0.4, next move at epoch 4"),
    ],
)
def test_details(settings: dict[str, Any], values: list[float], expected: str) -> None:
    assert expected in run(bare(**settings), values)[-1].detail


def test_the_end_of_a_stage_is_told() -> None:
    assert run(three_losses(), [0.5] * 2)[1].detail.endswith("spectrum_error 0 to 0.7; stage 2 of 2 begins")


def test_metrics_may_be_whatever_float_takes() -> None:
    class Scalar:
        def __float__(self) -> float:
            return 0.5

    for value in (1, 0.5, Decimal("0.5"), Scalar()):
        assert run(bare(), [value])[0].metric == float(value)
    np = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch")
    for value in (np.float32(0.5), np.array(0.5), torch.tensor(0.5)):
        metric = run(bare(), [value])[0].metric
        assert (type(metric), metric) == (float, 0.5)


@pytest.mark.parametrize("value", ["0.5", True, [0.5], object(), 1j, b"1", bytearray(b"0.5"), memoryview(b"0.5")])
def test_metrics_that_are_no_numbers(value: Any) -> None:
    with pytest.raises(TypeError, match="metric 'spectrum_error' must be a number, got "):
        sl.LossScheduler(bare()).step({"spectrum_error": value})


def test_arguments_in_the_wrong_order() -> None:
    with pytest.raises(TypeError, match=r"metrics must map names to numbers, got int \(step takes metrics, epoch\)"):
        sl.LossScheduler(bare()).step(3, {"spectrum_error": 0.5})  # type: ignore[arg-type]


def test_epochs() -> None:
    scheduler = sl.LossScheduler(bare())
    good = {"spectrum_error": 0.5}
    assert [scheduler.step(good, e).epoch for e in (None, None, 5, None, 6, 6)] == [0, 1, 5, 6, 6, 6]
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="epoch must not be negative or go back, got 5 after 6"):
        scheduler.step(good, 5)
    with pytest.raises(ValueError, match="epoch must not be negative or go back, got -1"):
        sl.LossScheduler(bare()).step(good, -1)
    for bad in (7.0, "7", True):
        with pytest.raises(TypeError, match="epoch must be an integer, got "):
            scheduler.step(good, bad)  # type: ignore[arg-type]
    assert scheduler.state_dict() == before
    np = pytest.importorskip("numpy")
    assert type(scheduler.step(good, np.int64(8)).epoch) is int


@pytest.mark.parametrize("epoch", [10**300 + 1, 10**5000, -(10**5000)], ids=["large", "larger", "negative"])
@pytest.mark.parametrize("enabled", [True, False])
def test_epochs_that_no_checkpoint_could_hold(epoch: int, enabled: bool) -> None:
    scheduler = sl.LossScheduler(bare(enabled=enabled))
    scheduler.step({"spectrum_error": 0.5})
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match=r"epoch must be at most 1e\+300, got an integer of \d+ bits"):
        scheduler.step({"spectrum_error": 0.5}, epoch)
    assert scheduler.state_dict() == before


def test_the_largest_epoch_is_saved_and_loaded() -> None:
    c = bare(patience=0, transition_step=0.7, adaptive_step=False)
    second = three_losses(warmup_epochs=10**300, patience=10**300, cooldown=10**300).stages[1]
    chain = sl.SchedulerChain([c, second])
    assert sl.SchedulerChain.from_toml(chain.to_toml()) == sl.SchedulerChain.from_json(chain.to_json()) == chain
    scheduler = sl.LossScheduler(chain)
    scheduler.step({"spectrum_error": 0.5}, 10**300)
    assert (scheduler.state.stage, scheduler.state.started) == (1, 10**300 + 1)
    with pytest.raises(ValueError, match=r"epoch must be at most 1e\+300"):
        scheduler.step({"spectrum_error": 0.5})
    again = sl.LossScheduler(chain)
    again.load_state_dict(json.loads(json.dumps(scheduler.state_dict(), allow_nan=False)))
    assert again.state_dict() == scheduler.state_dict()


def test_disabled() -> None:
    scheduler = sl.LossScheduler(bare(enabled=False, static_components={"x": 0.5}))
    before = scheduler.state
    for metrics in ({}, {"spectrum_error": 0.1}, {"spectrum_error": "nonsense"}):
        decision = scheduler.step(metrics, 3)
        assert (decision.adapted, decision.reason) == (False, "disabled")
        assert decision.weights == {"field_error": 1.0, "spectrum_error": 0.0, "x": 0.5}
    assert scheduler.state == before == SchedulerState()
    with pytest.raises(TypeError, match="epoch must be an integer, got 'three'"):
        scheduler.step({}, "three")  # type: ignore[arg-type]
    np = pytest.importorskip("numpy")
    scheduler.step({}, np.int64(4))
    json.dumps(scheduler.state_dict())  # what NumPy counts with does not get into the checkpoint


def test_update_is_pure_and_agrees_with_the_object() -> None:
    config, scheduler, state = bare(patience=1), sl.LossScheduler(bare(patience=1)), SchedulerState()
    for value in (0.5, math.nan, 0.5, 0.6, 0.1):
        kept = SchedulerState(*state)
        after, decision = update(config, state, {"spectrum_error": value})
        assert update(config, state, {"spectrum_error": value})[0] == after
        assert state == kept
        assert scheduler.step({"spectrum_error": value})[:6] == decision[:6]
        state = after
    assert scheduler.state == state


def test_history_is_bounded() -> None:
    scheduler = sl.LossScheduler(bare(), history=3)
    for _ in range(10):
        scheduler.step({"spectrum_error": 0.5})
    assert [decision.epoch for decision in scheduler.history] == [7, 8, 9]
    assert len(scheduler.state_dict()["history"]) == 3
    assert sl.LossScheduler(bare(), history=0).history == ()
    for bad in (-1, 2.5, True):
        with pytest.raises(ValueError, match="history must be a number of decisions, got "):
            sl.LossScheduler(bare(), history=bad)  # type: ignore[arg-type]


def test_a_config_is_needed() -> None:
    with pytest.raises(TypeError, match="config must be a SchedulerConfig or a SchedulerChain, got dict"):
        sl.LossScheduler({"patience": 3})  # type: ignore[arg-type]


def test_weights_are_the_callers_to_change() -> None:
    scheduler = sl.LossScheduler(bare())
    scheduler.weights["spectrum_error"] = 5.0
    scheduler.step({"spectrum_error": 0.5}).weights["spectrum_error"] = 5.0
    assert scheduler.weights["spectrum_error"] == scheduler.history[0].weights["spectrum_error"] == 0.0


def test_copies_and_pickles() -> None:
    scheduler = sl.LossScheduler(three_losses())
    for _ in range(4):
        scheduler.step({"spectrum_error": 0.5})
    for twin in (copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler))):
        assert twin.state_dict() == scheduler.state_dict()
        assert twin.step({"spectrum_error": 0.5}) == sl.LossScheduler.step(
            copy.deepcopy(scheduler), {"spectrum_error": 0.5}
        )


# Saving


def saved(config: Any, values: Any = (0.5, 0.5, math.nan, 0.5)) -> dict[str, Any]:
    scheduler = sl.LossScheduler(config)
    for value in values:
        scheduler.step({"spectrum_error": value})
    return scheduler.state_dict()


def test_json_round_trip() -> None:
    config = bare(patience=1)
    state = saved(config)
    text = json.dumps(state, allow_nan=False)
    scheduler = sl.LossScheduler(config)
    scheduler.load_state_dict(json.loads(text))
    assert scheduler.state_dict() == state
    assert [d.reason for d in scheduler.history] == ["improved", "adapted", "not finite", "adapted"]
    assert isinstance(scheduler.history[0], sl.Decision)


def test_torch_loads_it_safely(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    config = three_losses(static_components={})
    state = saved(config)
    torch.save({"model": {"weight": torch.ones(2)}, "scheduler": state}, tmp_path / "checkpoint.pt")
    loaded = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    scheduler = sl.LossScheduler(config)
    scheduler.load_state_dict(loaded["scheduler"])
    assert scheduler.state_dict() == state


def test_saved_states_are_copies() -> None:
    scheduler = sl.LossScheduler(bare(patience=1))
    scheduler.step({"spectrum_error": 0.5})
    state = scheduler.state_dict()
    state["history"][0]["weights"]["spectrum_error"] = 9.0
    state["config"]["patience"] = 9
    assert scheduler.state_dict() != state
    assert scheduler.history[0].weights["spectrum_error"] == 0.0


def loaded(state: dict[str, Any]) -> SchedulerState:
    return SchedulerState(**{name: tuple(v) if isinstance(v, list) else v for name, v in state["state"].items()})


def test_another_configuration_is_explained_and_taken_deliberately() -> None:
    state = saved(bare(patience=1))
    other = sl.LossScheduler(bare(patience=2, final_weight_target=0.6))
    before = other.state_dict()
    with pytest.raises(
        ValueError, match=r"final_weight_target was 0.7, is 0.6; patience was 1, is 2\..*accept_changes=True"
    ):
        other.load_state_dict(state)
    assert other.state_dict() == before
    other.load_state_dict(state, accept_changes=True)
    assert other.state == loaded(state)
    assert other.state_dict()["config"]["patience"] == 2


@pytest.mark.parametrize("change", [{"monitor": "field_error"}, {"mode": "max"}, {"use_ema": True}])
def test_another_metric_is_monitored_anew(change: dict[str, Any]) -> None:
    state = saved(bare(patience=1), [0.5, 0.5, 0.5, 0.4])
    other = sl.LossScheduler(bare(patience=1, **change))
    other.load_state_dict(state, accept_changes=True)
    kept = loaded(state)
    assert other.state == kept._replace(tracked=None, best=None, stale=0, consecutive=0)
    assert other.progress > 0
    assert other.step({"spectrum_error": 9.0, "field_error": 9.0}).reason == "improved"


def test_another_metric_of_another_stage_is_of_no_consequence() -> None:
    state = saved(three_losses(), [0.5])
    other = sl.LossScheduler(three_losses(monitor="field_error"))
    other.load_state_dict(state, accept_changes=True)
    assert other.state == loaded(state)


def test_other_limits_hold_at_once() -> None:
    state = saved(bare(patience=0, cooldown=8), [0.5, 0.5])
    assert state["state"]["cooldown"] == 7
    for cooldown in (0, 3):
        other = sl.LossScheduler(bare(patience=0, cooldown=cooldown))
        other.load_state_dict(state, accept_changes=True)
        assert other.state.cooldown == cooldown
    # Milestones before now are past, those after it are to come, whatever moved until now.
    state = saved(bare(patience=1, transition_step=0.05), [0.5] * 6)
    assert state["state"]["moves"] == 5
    other = sl.LossScheduler(bare(trigger="epoch", milestones=[2, 9]))
    other.load_state_dict(state, accept_changes=True)
    assert [bool(other.step({"spectrum_error": 0.5})) for _ in range(6)] == [False, False, False, True, False, False]
    # So is an interval after a warm-up that was made longer.
    state = saved(bare(trigger="epoch", interval=4), [0.5] * 3)
    other = sl.LossScheduler(bare(trigger="epoch", interval=4, warmup_epochs=7))
    other.load_state_dict(state, accept_changes=True)
    assert [e for e in range(3, 16) if other.step({"spectrum_error": 0.5}, e)] == [11, 15]


def test_a_setting_that_the_saved_state_does_not_know_was_at_its_default() -> None:
    state = saved(bare())
    del state["config"]["cooldown"]
    sl.LossScheduler(bare()).load_state_dict(state)
    with pytest.raises(ValueError, match="cooldown was 0, is 2"):
        sl.LossScheduler(bare(cooldown=2)).load_state_dict(state)


def test_safe_checkpoints_of_settings_that_are_not_quite_plain(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Trigger(enum.StrEnum):
        PLATEAU = "plateau"

    class Name(str, enum.Enum):  # noqa: UP042
        X = "x"

    c = bare(
        trigger=Trigger.PLATEAU,
        static_components={Name.X: 1},
        source_components={"r", "p"},
        target_components=[Name.X.value + "y"],
    )
    assert (type(c.trigger), c.source_components, c.static_components) == (str, ("p", "r"), {"x": 1.0})
    torch.save(saved(c), tmp_path / "checkpoint.pt")
    sl.LossScheduler(c).load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))


def test_changes_of_a_chain_name_the_stage() -> None:
    state = saved(three_losses())
    with pytest.raises(ValueError, match="stage 2 patience was 1, is 4"):
        sl.LossScheduler(three_losses(patience=4)).load_state_dict(state)
    with pytest.raises(ValueError, match="number of stages was 2, is 1"):
        sl.LossScheduler(three_losses().stages[0]).load_state_dict(saved(three_losses(), [0.5]))
    with pytest.raises(ValueError, match="state was saved in stage 2, and this scheduler has 1"):
        sl.LossScheduler(three_losses().stages[0]).load_state_dict(state, accept_changes=True)


def test_a_stage_added_to_a_finished_run_begins() -> None:
    chain = three_losses()
    state = saved(chain.stages[0], [0.5] * 5)
    assert state["state"]["progress"] == 1.0
    scheduler = sl.LossScheduler(chain)
    scheduler.load_state_dict(state, accept_changes=True)
    assert (scheduler.state.stage, scheduler.progress) == (1, 0.5)
    assert [scheduler.step({"spectrum_error": 0.5}).reason for _ in range(3)] == ["improved", "adapted", "adapted"]


def test_a_chain_of_one_is_its_stage() -> None:
    config = bare(patience=1)
    sl.LossScheduler(sl.SchedulerChain([config])).load_state_dict(saved(config))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], "another", "its 'format' must be"),
        (["format"], None, "its 'format' must be"),
        (["version"], 2, "state must be of version 1, got 2: saved by another release"),
        (["config"], 3, r"state\['config'\] must be a table, got 3"),
        (["config"], {"stages": 3}, r"state\['config'\]\['stages'\] must be a list of tables, got 3"),
        (["state"], [], r"state\['state'\] must be a table, got \[\]"),
        (["state", "zzz"], 3, r"missing or unknown: \['zzz'\]"),
        (["state", "progress"], 1.5, r"state\['state'\]\['progress'\] .*got 1.5"),
        (["state", "progress"], math.nan, r"\['progress'\] .*got nan"),
        (["state", "progress"], "0.5", r"\['progress'\] .*got '0.5'"),
        (["state", "progress"], None, r"\['progress'\] .*got None"),
        (["state", "tracked"], math.inf, r"\['tracked'\] .*got inf"),
        (["state", "best"], math.nan, r"\['best'\] .*got nan"),
        (["state", "stale"], -1, r"\['stale'\] .*got -1"),
        (["state", "stale"], 1.0, r"\['stale'\] .*got 1.0"),
        (["state", "epoch"], True, r"\['epoch'\] .*got True"),
        (["state", "stage"], None, r"\['stage'\] .*got None"),
        (["history"], [{"zzz": 3}], r"state\['history'\] is not one that a scheduler saves"),
        (["history"], 3, r"state\['history'\] is not one that a scheduler saves"),
        (["history"], {}, r"state\['history'\] is not one that a scheduler saves"),
        (["history", 0, "weights"], None, r"state\['history'\] is not one that a scheduler saves"),
        (["history", 0, "weights", "field_error"], "1", r"state\['history'\] is not one that a scheduler saves"),
        (["history", 0, "metric"], "x", r"state\['history'\] is not one that a scheduler saves"),
        (["history", 0, "reason"], None, r"state\['history'\] is not one that a scheduler saves"),
        (["state", "tracked"], None, r"state\['state'\] is not one that a scheduler saves"),
        (["state", "tracked"], 10**400, r"\['tracked'\] is not one"),
        pytest.param(["state", "stale"], 10**400, r"\['stale'\] is not one", id="stale-large"),
        pytest.param(["state", "epoch"], 10**400, r"\['epoch'\] is not one", id="epoch-large"),
        (["state", "started"], 10**9, r"state\['state'\] is not one that a scheduler saves"),
        (["state", "seen"], 10**9, r"state\['state'\] is not one that a scheduler saves"),
    ],
)
def test_what_no_scheduler_saves_is_refused(path: list[Any], value: Any, message: str) -> None:
    config = bare(patience=1)
    state: Any = saved(config)
    *outer, last = path
    table = state
    for key in outer:
        table = table[key]
    table[last] = value
    scheduler = sl.LossScheduler(config)
    scheduler.step({"spectrum_error": 0.7})
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match=message):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before


@pytest.mark.parametrize(
    "path",
    [
        ["format"],
        ["version"],
        ["config"],
        ["config", "monitor"],
        ["config", "stages"],
        ["state"],
        ["state", "epoch"],
        ["history"],
        ["history", 0, "epoch"],
        ["history", 0, "weights"],
        ["best_monitored_metric"],
    ],
)
def test_what_is_nested_too_deeply_is_refused(path: list[Any]) -> None:
    state: Any = saved(bare())
    *outer, last = path
    table = state
    for key in outer:
        table = table[key]
    table[last] = []
    for _ in range(100_000):
        table[last] = [table[last]]
    scheduler = sl.LossScheduler(bare())
    scheduler.step({"spectrum_error": 0.7})
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="state"):
        scheduler.load_state_dict(state)
    assert scheduler.state_dict() == before


def test_keys_of_several_types_are_refused() -> None:
    state: Any = saved(bare())
    state["state"] |= {3: 1, "zzz": 2}
    with pytest.raises(ValueError, match=r"missing or unknown: \[3, 'zzz'\]"):
        sl.LossScheduler(bare()).load_state_dict(state)


def test_missing_parts_are_refused() -> None:
    state = saved(bare())
    del state["state"]["best"]
    with pytest.raises(ValueError, match=r"missing or unknown: \['best'\]"):
        sl.LossScheduler(bare()).load_state_dict(state)
    with pytest.raises(TypeError, match="state must be what state_dict returns, got NoneType"):
        sl.LossScheduler(bare()).load_state_dict(None)  # type: ignore[arg-type]


# Against the original, and alone


@pytest.mark.parametrize("name", reference_cases("scheduler"))
def test_reference_trajectories(name: str) -> None:
    case = reference_cases("scheduler")[name]
    decisions = run(sl.SchedulerConfig.preset("original", **case["config"]), case["metric"])
    assert [d.epoch for d in decisions if d] == case["adapted_at"]
    for key, component in (("weight_source", "recFieldError"), ("weight_target", "spectrumError")):
        assert [d.weights[component] for d in decisions] == pytest.approx(case[key], abs=1e-9, rel=0)


def test_it_works_without_numpy() -> None:
    code = """
import sys
sys.modules["numpy"] = sys.modules["array_api_compat"] = None
from spectral_losses import LossScheduler, SchedulerConfig
import spectral_losses
scheduler = LossScheduler(SchedulerConfig(warmup_epochs=0, min_epochs_before_adapt=0, patience=1))
print([scheduler.step({"spectrum_error": 0.5}).reason for _ in range(2)], "LossScheduler" in dir(spectral_losses))
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "['improved', 'adapted'] True\n"


def test_memory_does_not_grow() -> None:
    scheduler = sl.LossScheduler(bare(patience=3, max_consecutive_adaptations=10**9), history=10)
    metrics = [{"spectrum_error": 0.5 + 0.1 * math.sin(i)} for i in range(100)]
    tracemalloc.start()
    held = []
    for rounds in (1000, 5000):
        for i in range(rounds):
            scheduler.step(metrics[i % 100])
        gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 20_000
