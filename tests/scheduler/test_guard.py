"""A guarded metric: moves that cost it too much are taken back."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from typing import Any

import pytest

import spectral_losses as sl
from spectral_losses.scheduler import SchedulerState, guard


def guarded(**settings: Any) -> sl.LossScheduler:
    given = {"patience": 0, "warmup_epochs": 0, "use_ema": False, "guard": "field_error", **settings}
    return sl.LossScheduler(sl.SchedulerConfig(**given))


def step(scheduler: sl.LossScheduler, value: float, times: int = 1) -> list[sl.Decision]:
    return [scheduler.step({"spectrum_error": 0.5, "field_error": value}) for _ in range(times)]


def test_a_move_is_judged_ten_observations_later() -> None:
    scheduler = guarded()
    decisions = step(scheduler, 0.02, 12)
    assert [d.reason for d in decisions] == ["adapted", *["on trial"] * 9, "adapted", "on trial"]
    assert decisions[1].detail.endswith("; the move is judged by field_error in 9")
    assert "field_error is 0 % better than before, 2 % are allowed; field_error 0.9 to 0.8" in decisions[10].detail


def test_a_move_that_costs_too_much_is_taken_back_and_steps_are_halved() -> None:
    scheduler = guarded(tolerance=0.05)
    first = step(scheduler, 0.1)[0]
    back = step(scheduler, 0.12, 10)[-1]
    assert (bool(back), back.reason, back.progress) == (True, "stepped back", 0.0)
    assert back.weights == {"field_error": 1.0, "spectrum_error": 0.0} == scheduler.weights
    assert back.detail == (
        "field_error is 20 % worse than before, 5 % are allowed; field_error 0.9 to 1, spectrum_error 0.1 to 0"
    )
    assert (scheduler.state.ceiling, scheduler.state.halved) == (first.progress, 1)
    again = step(scheduler, 0.1)[0]
    assert again.progress == pytest.approx(first.progress / 2)


def test_a_level_within_the_tolerance_is_accepted_and_one_beyond_it_is_not() -> None:
    for value, reason in ((0.1049, "adapted"), (0.1051, "stepped back")):
        scheduler = guarded(tolerance=0.05)
        step(scheduler, 0.1)
        assert step(scheduler, value, 10)[-1].reason == reason


def test_noise_is_allowed_for() -> None:
    scheduler = guarded(tolerance=0.01)
    step(scheduler, 0.1)
    values = [0.1 * factor for factor in (1.0, 1.0, 1.0, 1.0, 0.99, 1.07, 0.98, 1.06, 0.97, 1.05)]
    decisions = [step(scheduler, value)[0] for value in values]
    assert decisions[-1].reason == "adapted"  # 2 % worse in the middle, where single values are off by 4 %
    scheduler = guarded(tolerance=0.01)
    step(scheduler, 0.1)
    assert step(scheduler, 0.102, 10)[-1].reason == "stepped back"


def test_one_wild_value_takes_nothing_back() -> None:
    scheduler = guarded()
    step(scheduler, 0.1)
    decisions = [step(scheduler, value)[0] for value in (0.1,) * 8 + (50.0, 0.1)]
    assert decisions[-1].reason == "adapted"


def test_it_settles_where_every_move_costs_too_much() -> None:
    scheduler = guarded()
    decisions: list[sl.Decision] = []
    while not decisions or decisions[-1].reason != "settled":
        worse = 0.2 if scheduler.progress else 0.1
        decisions += step(scheduler, worse)
        assert len(decisions) < 200
    backs = [d for d in decisions if d.reason == "stepped back"]
    assert len(backs) == 5
    assert decisions[-1].weights == {"field_error": 1.0, "spectrum_error": 0.0}
    assert decisions[-1].detail.endswith("; no move is left that field_error would allow")
    steps = [d.progress for d in decisions if d.reason == "adapted"]
    assert steps == pytest.approx([2.0**-n / 7 for n in range(5)])
    assert {d.reason for d in step(scheduler, 0.01, 30)} == {"settled"}


def test_it_settles_at_a_move_that_was_taken_back_once() -> None:
    scheduler = guarded(adaptive_step=False)
    first = step(scheduler, 0.1)[0]
    step(scheduler, 0.2, 10)
    decisions = [d for d in step(scheduler, 0.1, 40) if d.reason != "on trial"]
    assert [d.progress for d in decisions[:2]] == pytest.approx([first.progress / 2, first.progress])
    assert {d.reason for d in decisions[2:]} == {"settled"}


def test_it_ends_where_the_cost_says() -> None:
    scheduler = guarded(tolerance=0.05, transition_step=0.2, adaptive_step=False)
    draw = random.Random(0)
    for _ in range(400):  # a field error that is 10 % worse at the final weights
        decisions = step(scheduler, 0.1 * (1 + 0.1 * scheduler.progress) * math.exp(0.003 * draw.gauss(0, 1)))
    assert decisions[-1].reason == "settled"
    assert 0.4 < scheduler.progress < 0.6


@pytest.mark.parametrize("tolerance", [0.05, 0.1])
def test_simulated_trainings_end_near_the_tolerance(tolerance: float) -> None:
    ends = []
    for seed in range(6):
        scheduler, draw, cost = (
            guarded(trigger="auto", patience=5, use_ema=True, tolerance=tolerance),
            random.Random(seed),
            0.0,
        )
        for _ in range(300):
            cost += (0.3 * scheduler.progress - cost) / 4  # late, and in the end 30 %
            step(scheduler, 0.1 * (1 + cost) * math.exp(0.02 * draw.gauss(0, 1)))
        ends.append(0.3 * scheduler.progress)
    assert tolerance / 2 < min(ends) <= max(ends) < 2 * tolerance


def test_a_trial_at_the_final_weights_comes_before_the_end() -> None:
    scheduler = guarded(transition_step=0.7, adaptive_step=False)
    assert [d.reason for d in step(scheduler, 0.1, 12)] == ["adapted", *["on trial"] * 9, "finished", "finished"]
    scheduler = guarded(transition_step=0.7, adaptive_step=False)
    step(scheduler, 0.1)
    assert step(scheduler, 0.2, 10)[-1].progress == 0.0


@pytest.mark.parametrize("error", [0.02, 0.336, 0.8, 1.0, 5.0])
def test_the_price_of_a_sharp_forecast_is_allowed(error: float) -> None:
    c = sl.SchedulerConfig(guard="field_error")
    e = min(error, 1.0)
    price = max(2 * (1 - math.sqrt(1 - e)) / e, 1.02)
    assert guard.allowed(c, SchedulerState(reference=math.log(error))) == pytest.approx(math.log(price))


def test_what_is_missing_is_not_judged() -> None:
    scheduler = guarded(missing="hold")
    step(scheduler, 0.1)
    before = scheduler.state
    assert {scheduler.step({"spectrum_error": 0.5}).reason for _ in range(20)} == {"on trial"}
    assert scheduler.state[-6:] == before[-6:]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_as_bad_as_can_be_on_trial_and_nothing_before(value: float) -> None:
    scheduler = guarded(patience=3)
    step(scheduler, 0.1)
    step(scheduler, value)
    assert len(scheduler.state.guarded) == 1
    while not step(scheduler, 0.1)[0]:
        pass
    assert [d.reason for d in step(scheduler, value, 10)] == [*["on trial"] * 9, "stepped back"]
    scheduler = guarded()  # one of them is a wild value
    step(scheduler, 0.1)
    step(scheduler, 0.1, 8)
    step(scheduler, value)
    assert step(scheduler, 0.1)[0].reason != "stepped back"


def test_nothing_moves_before_it_was_seen() -> None:
    scheduler = guarded(missing="hold")
    decision = scheduler.step({"spectrum_error": 0.5})
    assert (decision.reason, decision.detail.rpartition("; ")[2]) == ("waiting", "field_error has not been seen yet")
    assert step(scheduler, 0.1)[0].reason == "adapted"
    with pytest.raises(KeyError, match="monitored metric 'field_error' is missing, got 'spectrum_error'"):
        guarded().step({"spectrum_error": 0.5})
    with pytest.raises(TypeError, match="metric 'field_error' must be a number, got 'x'"):
        guarded().step({"spectrum_error": 0.5, "field_error": "x"})
    assert guarded().monitored == ("spectrum_error", "field_error")


def test_a_constant_guard_is_no_guard() -> None:
    """But for the ten observations, which here are a cooldown."""
    plain = sl.LossScheduler(sl.SchedulerConfig(patience=3, warmup_epochs=0, cooldown=10))
    other = sl.LossScheduler(sl.SchedulerConfig(patience=3, warmup_epochs=0, cooldown=10, guard="field_error"))
    for _ in range(300):
        one, two = plain.step({"spectrum_error": 0.5}), other.step({"spectrum_error": 0.5, "field_error": 0.1})
        assert (one.progress, bool(one)) == (two.progress, bool(two))
    assert one.reason == two.reason == "finished"


def test_units_do_not_matter() -> None:
    one, other = guarded(tolerance=0.05), guarded(tolerance=0.05)
    draw = random.Random(1)
    for _ in range(200):
        value = 0.1 * (1 + 0.3 * one.progress) * math.exp(0.02 * draw.gauss(0, 1))
        assert step(one, value)[0].reason == step(other, 1024 * value)[0].reason
    assert one.state.halved > 0


def test_saving_in_a_trial_changes_no_later_answer() -> None:
    one = guarded()
    step(one, 0.1)
    step(one, 0.2, 4)
    other = guarded()
    saved = json.loads(json.dumps(one.state_dict(), allow_nan=False))
    other.load_state_dict(saved)
    assert other.state == one.state
    assert step(one, 0.2, 20) == step(other, 0.2, 20)
    other = guarded(guard="another")
    other.load_state_dict(saved, accept_changes=True)
    assert (other.state.before, other.state.trial, other.state.guarded) == (None, 0, ())
    assert other.progress > 0


@pytest.mark.parametrize(
    "change",
    [
        {"trial": 3},
        {"before": 0.1},
        {"halved": 1},
        {"ceiling": 0.5},
        {"ceiling": 2.0},
        {"guarded": [0.1] * 7},
        {"guarded": ["x"]},
        {"reference": 0.1, "before": 0.1},
        {"reference": 0.1, "before": 1.0, "trial": 2},
        {"reference": 0.1, "ceiling": 0.5, "progress": 0.6},
        {"reference": math.inf},
        {"trial": -1},
    ],
)
def test_states_that_no_guard_would_leave_are_refused(change: dict[str, Any]) -> None:
    scheduler = guarded()
    saved = scheduler.state_dict()
    saved["state"].update(change)
    with pytest.raises(ValueError, match="is not one that a scheduler saves"):
        scheduler.load_state_dict(saved)


def test_a_state_of_before_there_were_guards_is_read() -> None:
    scheduler = sl.LossScheduler()
    saved = scheduler.state_dict()
    for name in ("guarded", "reference", "before", "trial", "halved", "ceiling"):
        del saved["state"][name]
    for name in ("guard", "tolerance"):
        del saved["config"][name]
    scheduler.load_state_dict(saved)
    assert scheduler.state == SchedulerState()


def test_a_state_of_a_guard_whose_way_is_gone_is_read_again() -> None:
    scheduler = guarded()
    step(scheduler, 0.1)
    step(scheduler, 0.2, 10)
    assert scheduler.state.ceiling < 1
    still = sl.LossScheduler(dataclasses.replace(scheduler.config, final_weight_source=1.0, final_weight_target=0.0))
    still.load_state_dict(scheduler.state_dict(), accept_changes=True)
    assert still.progress == still.state.ceiling == 1
    still.load_state_dict(still.state_dict())
    other = guarded()  # where there is a way again, it begins
    other.load_state_dict(still.state_dict(), accept_changes=True)
    assert other.progress == 0
