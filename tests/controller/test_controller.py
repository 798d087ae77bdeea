"""The controller, part by part: how far it moves, what it says and when nothing changes."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from typing import Any

import pytest

from spectral_losses.controller import (
    ConstraintConfig,
    ControllerConfig,
    ControllerState,
    LossController,
    update,
    weights,
)
from spectral_losses.scheduler import Decision

E = math.e


def goal(**settings: Any) -> ConstraintConfig:
    return ConstraintConfig(**{"metric": "d", "at_most": 1.0, "smoothing": 0, **settings})


def limit(**settings: Any) -> ConstraintConfig:
    return ConstraintConfig(
        **{"metric": "f", "at_most": 1.25, "of": "source", "relative_to": 4.0, "smoothing": 0, **settings}
    )


def steps(controller: LossController, values: list[Any]) -> list[float]:
    """The change of log(lambda) at each observation; a value is of d alone, or of d and f."""
    found = []
    for value in values:
        before = controller.ratio
        d, f = value if isinstance(value, tuple) else (value, value)
        controller.step({"d": d, "f": f})
        found.append(math.log(controller.ratio / before))
    return found


# How far


def test_a_goal_step_by_step() -> None:
    # Errors are 1 (cut off from 2), 0.5, 0, -0.25, -0.25; Ki 0.4 and Kp 1, which is absent at first.
    found = steps(LossController(goal()), [E**2, E**0.5, 1.0, E**-0.25, E**-0.25])
    assert found == pytest.approx([0.4, 0.2 - 0.5, -0.5, -0.1 - 0.25, -0.1], abs=1e-12)


def test_a_limit_step_by_step() -> None:
    # 5 is the limit, 6.25 once more as much over it, 4 as much under it.
    controller = LossController(ControllerConfig(limit(), start=0.1))
    found = steps(controller, [4.0, 1.0, 5.0, 6.25, 25.0])
    assert found == pytest.approx([0.2, 0.2, -0.5, -0.2 - 0.5, -0.2], abs=1e-12)


def test_the_average_is_of_logarithms() -> None:
    controller = LossController(goal(smoothing=0.75))
    found = steps(controller, [E**0.5, E**-1.5])  # the average goes from 0.5 to 0
    assert found == pytest.approx([0.2, -0.5], abs=1e-12)
    assert controller.state.averages == pytest.approx((0.0,), abs=1e-15)
    assert controller.history[1].tracked == pytest.approx(1.0)
    assert controller.history[1].metric == E**-1.5


def test_gains_are_those_of_the_settings() -> None:
    found = steps(LossController(goal(integral=0.1, proportional=0.3)), [E, E**0.5])
    assert found == pytest.approx([0.1, 0.05 - 0.15], abs=1e-12)


def test_decibels() -> None:
    controller = LossController(ControllerConfig(goal(at_most=3.0, unit="dB")))
    at_three = math.log(10**0.3) ** 2
    found = steps(controller, [at_three * E, at_three * (1 + 1e-9)])
    assert found == pytest.approx([0.4, -1.0], abs=1e-8)


def test_a_step_is_at_most_a_factor_of_four() -> None:
    controller = LossController(ControllerConfig(goal(integral=1000), start=0.1))
    assert steps(controller, [E, 1 / E]) == pytest.approx([math.log(4), -math.log(4)], abs=1e-12)


def test_zero_and_extremes_are_far_and_no_further() -> None:
    for value in (0.0, -1.0, 5e-324, 1e-200):
        state, _ = update(ControllerConfig(goal()), ControllerState(), {"d": value})
        assert state.averages == (math.log(1e-4),)
    for value in (1e5, sys.float_info.max):
        state, decision = update(ControllerConfig(goal(at_most=1e-300)), ControllerState(), {"d": value})
        assert state.averages == (math.log(1e4),)
        assert decision.tracked == pytest.approx(1e-296)


def test_it_rests_at_the_goal() -> None:
    controller = LossController([goal(smoothing=0.7), limit(relative_to=3.0, smoothing=0.7)])
    for _ in range(5):
        decision = controller.step({"d": 1.0, "f": 3.0 * 1.25})
        assert (decision.reason, decision.adapted, controller.ratio, decision.progress) == ("resting", False, 1e-3, 1.0)


def test_bounds_are_met_exactly_and_left_at_once() -> None:
    controller = LossController(ControllerConfig(goal(), start=0.3, least=0.1, most=0.7))
    reasons = [controller.step({"d": d}).reason for d in (3.0, 3.0, 3.0, 3.0, 3.0)]
    assert (reasons, controller.ratio) == (["raised"] * 3 + ["at the bound"] * 2, 0.7)
    assert controller.step({"d": 0.99}).reason == "lowered"  # the first below the goal
    reasons = [controller.step({"d": 0.3}).reason for _ in range(6)]
    assert (reasons[-1], controller.ratio) == ("at the bound", 0.1)
    assert controller.step({"d": 1.01}).reason == "raised"


# Several


def test_the_neediest_goal_within_the_tightest_limit() -> None:
    other = ConstraintConfig("e", 1.0, smoothing=0)
    tight = ConstraintConfig("g", 2.0, of="source", relative_to=1.0, smoothing=0)
    config = ControllerConfig([goal(), other, limit(), tight])

    def first(d: float, e: float, f: float, g: float) -> tuple[float, float | None]:
        state, decision = update(config, ControllerState(), {"d": d, "e": e, "f": f, "g": g})
        return math.log((state.ratio or 0) / 1e-3), decision.metric

    assert first(E**0.1, E**0.25, 0.1, 0.1) == (pytest.approx(0.1), E**0.25)  # e is neediest, limits allow 0.2
    assert first(E**0.9, E**0.25, 4.0, 0.1) == (pytest.approx(0.2), 4.0)  # d asks for 0.36, f allows 0.2
    assert first(E**0.9, E**0.25, 0.1, 2.0) == (pytest.approx(0.0, abs=1e-12), 2.0)  # g allows nothing
    assert first(E**0.9, E**0.25, 6.25, 2.0) == (pytest.approx(-0.2), 6.25)  # f is over its limit
    assert first(E**-0.5, E**-0.1, 0.1, 0.1) == (pytest.approx(-0.04), E**-0.1)  # both goals are met


def test_progress_counts_what_holds() -> None:
    controller = LossController([goal(), limit()])
    assert controller.progress == 0.0
    answers = [controller.step({"d": d, "f": f}) for d, f in ((2.0, 5.1), (2.0, 4.0), (0.9, 5.0))]
    assert [answer.progress for answer in answers] == [0.0, 0.5, 1.0]
    assert controller.progress == 1.0


# Weights and words


def test_weights_follow_their_sides() -> None:
    config = ControllerConfig(
        goal(), source_components=("r", "p"), target_components=("s", "t"), static_components={"x": 0.5}, weight=8.0
    )
    assert weights(config, ControllerState()) == {"r": 8.0, "p": 8.0, "s": 0.008, "t": 0.008, "x": 0.5}
    decision = LossController(config).step({"d": 5.0})
    assert list(decision.weights) == ["r", "p", "s", "t", "x"]
    assert decision.weights["s"] == decision.weights["t"] == pytest.approx(0.008 * math.exp(0.4))


def test_step_answers_in_words() -> None:
    controller = LossController([goal(smoothing=0.5), limit()])
    first = controller.step({"d": 2.5, "f": 4.0})
    assert str(first) == (
        "epoch 0: raised: average d 2.5 is above its goal 1, f 4 is under its limit 5; lambda 0.001 to 0.001221"
    )
    assert isinstance(first, Decision)
    assert first
    assert controller.weights == first.weights
    assert repr(controller) == "LossController(d <= 1, f <= 5, epoch=0, ratio=0.00122)"
    second = controller.step({"d": 2.5, "f": 5.0})
    assert second.detail.endswith("goal 1, f 5 is at its limit 5 and rises; lambda 0.001221 to 0.0007408")
    assert (second.reason, second.metric, second.tracked) == ("lowered", 5.0, 5.0)


@pytest.mark.parametrize(
    ("settings", "value", "detail"),
    [
        ({}, 1.0, "d 1 is at its goal 1; lambda stays at 0.001"),
        ({"most": 1e-3}, 2.0, "d 2 is above its goal 1; lambda stays at 0.001, its most"),
        ({"least": 1e-3}, 0.5, "d 0.5 is under its goal 1; lambda stays at 0.001, its least"),
        ({}, math.nan, "d is nan"),
        ({"missing": "hold"}, None, "d was not passed"),
    ],
)
def test_details(settings: dict[str, Any], value: float | None, detail: str) -> None:
    assert LossController(ControllerConfig(goal(), **settings)).step({"d": value}).detail == detail


def test_decibels_in_words() -> None:
    controller = LossController(goal(at_most=2, unit="dB"))
    assert "d 4 dB is above its goal 2 dB; " in controller.step({"d": (0.4 * math.log(10)) ** 2}).detail


# What changes nothing


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_what_is_not_finite_changes_the_epoch_alone(value: float) -> None:
    controller = LossController([goal(), limit()])
    controller.step({"d": 3.0, "f": 4.0})
    before = controller.state
    for metrics in ({"d": value, "f": 9.0}, {"d": 9.0, "f": value}):
        decision = controller.step(metrics)
        assert (decision.reason, decision.adapted) == ("not finite", False)
        assert not math.isfinite(decision.metric or 0)
        assert controller.state == before._replace(epoch=decision.epoch)
    fresh = LossController(goal())
    fresh.step({"d": value})
    assert (fresh.state, fresh.ratio) == (ControllerState(epoch=0), 1e-3)


def test_missing_metrics() -> None:
    controller = LossController([goal(), limit()])
    before = controller.state_dict()
    for metrics in ({"d": 1.0}, {"f": 1.0}, {}, {"d": None, "f": 1.0}):
        with pytest.raises(KeyError, match=r"monitored metric '[df]' is missing, got .*missing='hold' waits for it"):
            controller.step(metrics)
    assert controller.state_dict() == before
    patient = LossController(ControllerConfig([goal(), limit()], missing="hold"))
    decision = patient.step({"d": 3.0}, 7)
    assert (decision.reason, decision.detail, decision.metric) == ("missing", "f was not passed", None)
    assert patient.state == ControllerState(epoch=7)


@pytest.mark.parametrize("value", ["0.5", True, [0.5], object(), 1j])
def test_metrics_that_are_no_numbers(value: Any) -> None:
    controller = LossController(goal())
    with pytest.raises(TypeError, match="metric 'd' must be a number, got "):
        controller.step({"d": value})
    assert controller.state == ControllerState()


def test_arguments_in_the_wrong_order() -> None:
    with pytest.raises(TypeError, match=r"metrics must map names to numbers, got int \(step takes metrics, epoch\)"):
        LossController(goal()).step(3, {"d": 0.5})  # type: ignore[arg-type]


def test_epochs() -> None:
    controller = LossController(goal())
    assert [controller.step({"d": 2.0}, e).epoch for e in (None, None, 5, None, 6, 6)] == [0, 1, 5, 6, 6, 6]
    before = controller.state_dict()
    with pytest.raises(ValueError, match="epoch must not be negative or go back, got 5 after 6"):
        controller.step({"d": 2.0}, 5)
    with pytest.raises(TypeError, match=r"epoch must be an integer, got 7\.0"):
        controller.step({"d": 2.0}, 7.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"epoch must be at most 1e\+300"):
        controller.step({"d": 2.0}, 10**301)
    assert controller.state_dict() == before


# The object


def test_update_is_pure_and_agrees_with_the_object() -> None:
    config, state = ControllerConfig([goal(smoothing=0.5), limit()]), ControllerState()
    controller = LossController(config)
    for value in (5.0, math.nan, 3.0, 6.0, 0.1):
        after, decision = update(config, state, {"d": value, "f": value})
        assert update(config, state, {"d": value, "f": value})[0] == after
        assert controller.step({"d": value, "f": value})[:6] == decision[:6]
        state = after
    assert controller.state == state


def test_what_it_takes() -> None:
    config = ControllerConfig(goal())
    for given in (config, goal(), [goal()], (goal(),)):
        assert LossController(given).config == config
    with pytest.raises(TypeError, match="constraints must be a ConstraintConfig or a sequence of them, got None"):
        LossController(None)  # type: ignore[arg-type]
    for bad in (-1, 2.5, True):
        with pytest.raises(ValueError, match="history must be a number of decisions, got "):
            LossController(goal(), history=bad)  # type: ignore[arg-type]


def test_history_is_bounded_and_weights_are_the_callers_to_change() -> None:
    controller = LossController(goal(), history=3)
    for _ in range(10):
        controller.step({"d": 2.0}).weights["field_error"] = 5.0
    controller.weights["field_error"] = 5.0
    assert [decision.epoch for decision in controller.history] == [7, 8, 9]
    assert {decision.weights["field_error"] for decision in controller.history} == {1.0}
    assert controller.weights["field_error"] == 1.0


def test_copies_and_pickles() -> None:
    controller = LossController([goal(), limit()])
    controller.step({"d": 2.0, "f": 4.5})
    for twin in (copy.deepcopy(controller), pickle.loads(pickle.dumps(controller))):
        assert twin.state_dict() == controller.state_dict()
        assert twin.step({"d": 2.0, "f": 4.5}) == copy.deepcopy(controller).step({"d": 2.0, "f": 4.5})


def test_it_works_without_numpy() -> None:
    code = """
import sys
sys.modules["numpy"] = sys.modules["array_api_compat"] = None
from spectral_losses.controller import ConstraintConfig, LossController
controller = LossController(ConstraintConfig("d", 1.0))
print([controller.step({"d": d}).reason for d in (5.0, 5.0, 0.1)])
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "['raised', 'raised', 'lowered']\n"
