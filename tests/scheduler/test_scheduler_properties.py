"""What holds for every configuration and every stream of metrics."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spectral_losses import Decision, LossScheduler, SchedulerChain, SchedulerConfig
from spectral_losses.scheduler import SchedulerState, advance, shape, side_weights
from spectral_losses.scheduler.transition import along, distance
from spectral_losses.testing import metric_streams, scheduler_chains, scheduler_configs

HOLD = {"missing": "hold"}
CONFIGS = scheduler_configs(**HOLD) | scheduler_chains().map(
    lambda chain: SchedulerChain([dataclasses.replace(c, **HOLD) for c in chain.stages])
)


def run(config: Any, stream: list[float | None], scheduler: LossScheduler | None = None) -> list[Decision]:
    scheduler = scheduler or LossScheduler(config)
    return [scheduler.step(metrics(config, value)) for value in stream]


def metrics(config: Any, value: float | None) -> dict[str, float]:
    guarded = {c.guard: 0.1 for c in config.stages if c.guard is not None}
    return guarded if value is None else {**guarded, **{c.monitor: value for c in config.stages}}


@given(CONFIGS, metric_streams())
def test_progress_never_falls_and_stays_in_range(config: Any, stream: list[float | None]) -> None:
    reached = [0.0, *(decision.progress for decision in run(config, stream))]
    assert reached == sorted(reached)
    assert all(0 <= p <= 1 for p in reached)


@given(scheduler_configs(), st.floats(0, 1))
def test_weights_stay_in_range_under_the_cap_and_keep_their_sum(c: SchedulerConfig, p: float) -> None:
    source, target = side_weights(c, p)
    low, high = sorted([c.initial_weight_source, c.final_weight_source])
    assert low <= source <= high
    low, high = sorted([c.initial_weight_target, c.final_weight_target])
    assert low <= target <= high
    assert c.max_weight_target is None or target <= c.max_weight_target
    if c.transition_schedule == "geometric":
        total = sum(
            along("geometric", getattr(c, f"initial_weight_{side}"), getattr(c, f"final_weight_{side}"), p)
            for side in ("source", "target")
        )
        assert math.isclose(source + target, total, rel_tol=1e-9, abs_tol=1e-9)
        return
    s = shape(c.transition_schedule, p)
    begin, end = (
        c.initial_weight_source + c.initial_weight_target,
        c.final_weight_source + c.final_weight_target,
    )
    assert math.isclose(source + target, begin + (end - begin) * s, rel_tol=1e-9, abs_tol=1e-9)


@given(scheduler_configs(), st.floats(0, 1), st.floats(0, 1))
def test_weights_move_one_way(c: SchedulerConfig, p: float, q: float) -> None:
    (a, x), (b, y) = side_weights(c, min(p, q)), side_weights(c, max(p, q))
    assert (x <= y) if c.final_weight_target >= c.initial_weight_target else (x >= y)
    if c.final_weight_target <= (c.max_weight_target or math.inf):  # where the cap cuts, the source may turn back
        assert (a <= b) if c.final_weight_source >= c.initial_weight_source else (a >= b)


@given(scheduler_configs(), st.floats(0, 1, exclude_max=True))
def test_every_move_is_a_move_and_the_way_ends(c: SchedulerConfig, p: float) -> None:
    assume(c.enabled and distance(c) > 0)
    assert p < advance(c, p) <= 1
    if c.transition_step is not None:
        c = dataclasses.replace(c, transition_step=max(c.transition_step, 0.05))
    for _ in range(10_000):
        p = advance(c, p)
    assert p == 1.0


@given(scheduler_configs(ramp=None, **HOLD), metric_streams())
def test_nothing_changes_in_the_warm_up_or_for_what_is_no_number(config: Any, stream: list[float | None]) -> None:
    scheduler = LossScheduler(config)
    for value in stream:
        before, weights = scheduler.state, scheduler.weights
        decision = scheduler.step(metrics(config, value))
        if value is None or not math.isfinite(value) or decision.reason == "warmup":
            assert not decision.adapted
            assert decision.reason in ("warmup", "missing", "not finite", "disabled")
            assert decision.weights == scheduler.weights == weights
            assert scheduler.state._replace(epoch=None) == before._replace(epoch=None)
        else:
            assert decision.reason not in ("missing", "not finite")


@given(scheduler_configs(trigger="plateau", ramp=None, enabled=True, **HOLD), metric_streams())
def test_moves_on_a_plateau_lie_patience_and_cooldown_apart(c: SchedulerConfig, stream: list[float | None]) -> None:
    counted = [d for d in run(c, stream) if d.reason not in ("warmup", "missing", "not finite")]
    moved = [i for i, decision in enumerate(counted) if decision.adapted]
    assert all(b - a >= max(c.patience + c.cooldown, 1) for a, b in itertools.pairwise(moved))
    if moved:
        assert moved[0] >= c.patience


@given(scheduler_configs(enabled=True, ramp=None, **HOLD), metric_streams(), st.integers(1, 3))
def test_after_too_many_moves_nothing_happens_until_an_improvement(
    c: SchedulerConfig, stream: list[float | None], limit: int
) -> None:
    assume(c.trigger != "auto")  # which knows no limit
    c = dataclasses.replace(c, max_consecutive_adaptations=limit)
    scheduler = LossScheduler(c)
    in_a_row = 0
    for value in stream:
        best = scheduler.state.best
        decision = scheduler.step(metrics(c, value))
        if decision.tracked is not None:
            gain = 0.0 if best is None else (best - decision.tracked) * (1 if c.mode == "min" else -1)
            delta = c.min_delta * (abs(best or 0.0) if c.min_delta_mode == "relative" else 1)
            if best is None or gain > delta * (1 - 1e-9) - 1e-12:  # as good as an improvement
                in_a_row = 0
        in_a_row += decision.adapted
        assert in_a_row <= limit


@given(CONFIGS, metric_streams(), st.data())
def test_saving_and_loading_changes_no_later_answer(
    config: Any, stream: list[float | None], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(stream)))
    scheduler, other = LossScheduler(config), LossScheduler(config)
    run(config, stream[:at], scheduler)
    run(config, data.draw(metric_streams(longest=10)), other)  # whatever it had seen is gone
    other.load_state_dict(json.loads(json.dumps(scheduler.state_dict(), allow_nan=False)))
    assert [d[:6] for d in run(config, stream[at:], scheduler)] == [d[:6] for d in run(config, stream[at:], other)]
    assert other.state_dict() == scheduler.state_dict()


@given(CONFIGS, metric_streams())
def test_two_schedulers_agree_exactly(config: Any, stream: list[float | None]) -> None:
    assert list(map(str, run(config, stream))) == list(map(str, run(config, stream)))
    assert [d.weights for d in run(config, stream)] == [d.weights for d in run(config, stream)]


@given(scheduler_configs(enabled=False), metric_streams())
def test_a_disabled_scheduler_never_changes(config: SchedulerConfig, stream: list[float | None]) -> None:
    scheduler = LossScheduler(config)
    weights = scheduler.weights
    assert {d.reason for d in run(config, stream, scheduler)} <= {"disabled"}
    assert (scheduler.state, scheduler.weights) == (SchedulerState(), weights)


@given(scheduler_configs(use_ema=True, enabled=True, **HOLD), metric_streams(finite=True))
def test_the_average_stays_within_what_was_observed(c: SchedulerConfig, stream: list[float | None]) -> None:
    seen: list[float] = []
    for decision in run(c, stream):
        if decision.tracked is not None and decision.metric is not None:
            seen.append(decision.metric)
            assert min(seen) <= decision.tracked <= max(seen)


@given(scheduler_configs(**HOLD), metric_streams(finite=True), st.sampled_from([0.5, 2.0, 1024.0]))
def test_relative_thresholds_know_no_units(c: SchedulerConfig, stream: list[float | None], scale: float) -> None:
    assume(all(value is not None and (value == 0 or 1e-200 < abs(value) < 1e200) for value in stream))
    if c.trigger != "auto":
        c = dataclasses.replace(c, min_delta_mode="relative", min_delta=min(c.min_delta, 1.0))
    scaled = [None if value is None else value * scale for value in stream]
    assert [d.reason for d in run(c, stream)] == [d.reason for d in run(c, scaled)]


@given(scheduler_configs(**HOLD), metric_streams())
def test_max_is_min_of_the_negative(c: SchedulerConfig, stream: list[float | None]) -> None:
    other = dataclasses.replace(c, mode={"min": "max", "max": "min"}[c.mode])
    negative = [None if value is None else -value for value in stream]
    assert [d.reason for d in run(c, stream)] == [d.reason for d in run(other, negative)]


@given(scheduler_configs(enabled=True, trigger="plateau", max_consecutive_adaptations=None, **HOLD))
def test_a_metric_that_stays_leads_to_the_end(c: SchedulerConfig) -> None:
    c = dataclasses.replace(c, transition_step=max(c.transition_step or 0.0, 0.1))
    decisions = run(c, [0.5] * 1000)
    assert decisions[-1].reason == "finished"
    end = side_weights(c, 1.0)
    weights = decisions[-1].weights
    assert (weights[c.source_components[0]], weights[c.target_components[0]]) == pytest.approx(end)
