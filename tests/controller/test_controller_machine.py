"""A controller against one that is obviously right, driven by whatever a run may bring, and its promises."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from machines import run_counted

from spectral_losses.controller import ConstraintConfig, ControllerConfig, LossController
from spectral_losses.scheduler import Decision
from spectral_losses.testing import ControllerMachine, constraint_configs, controller_configs

FEW = settings(max_examples=40)


def test_state_machine() -> None:
    run_counted(ControllerMachine, "CONTROLLER_STEPS", 5000)


def test_a_wrong_controller_is_caught() -> None:
    class Hasty(LossController):
        def step(self, metrics: Mapping[str, Any], epoch: int | None = None) -> Decision:
            decision = super().step(metrics, epoch)
            self._state = self._state._replace(averages=())  # it forgets the past
            return decision

    class Machine(ControllerMachine):
        def make(self, config: ControllerConfig) -> LossController:
            return Hasty(config)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=settings(phases=[Phase.generate]))


# What holds for every constraint and every run.


VALUES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20)


@FEW
@given(constraint_configs(metric="m"), st.floats(1.001, 100))
def test_a_constant_violation_moves_one_way(c: ConstraintConfig, factor: float) -> None:
    controller = LossController(c)
    found = [controller.ratio]
    for _ in range(30):
        controller.step({"m": c.limit * factor})
        found.append(controller.ratio)
    assert found == sorted(found, reverse=c.of == "source")
    assert found[-1] != found[0]


@FEW
@given(constraint_configs(metric="m"))
def test_at_the_goal_it_rests(c: ConstraintConfig) -> None:
    controller = LossController(c)
    assert {controller.step({"m": c.limit}).reason for _ in range(10)} == {"resting"}


@FEW
@given(constraint_configs(metric="m"), st.floats(1.01, 50), st.floats(1.01, 50))
def test_a_bound_is_left_at_the_first_observation_of_the_other_sign(
    c: ConstraintConfig, over: float, under: float
) -> None:
    c = dataclasses.replace(c, smoothing=0.0)
    over, under = (over, 1 / under) if c.of == "target" else (1 / over, under)  # up to the most, then down
    controller = LossController(ControllerConfig(c, start=1e-3, most=1e-2))
    while controller.step({"m": c.limit * over}).reason != "at the bound":
        pass
    for _ in range(20):
        controller.step({"m": c.limit * over})
    assert controller.step({"m": c.limit * under}).reason == "lowered"


@FEW
@given(constraint_configs(metric="m"), VALUES, st.integers(-40, 40))
def test_units_cancel_exactly_by_powers_of_two_and_else_to_rounding(
    c: ConstraintConfig, values: list[float], power: int
) -> None:
    for unit, exact in ((2.0**power, True), (10.0 ** (power / 10), False)):
        if c.unit == "dB":
            return
        if c.relative_to is None:
            other = dataclasses.replace(c, at_most=c.at_most * unit)
        else:
            other = dataclasses.replace(c, relative_to=c.relative_to * unit)
        ours, theirs = LossController(c), LossController(other)
        for value in values:
            a, b = ours.step({"m": value}).weights, theirs.step({"m": value * unit}).weights
            assert a == (b if exact else pytest.approx(b, rel=1e-9))


@FEW
@given(controller_configs(), VALUES)
def test_the_same_floats_give_the_same_answers(config: ControllerConfig, values: list[float]) -> None:
    one, other = LossController(config), LossController(config)
    for value in values:
        metrics = {c.metric: value for c in config.each}
        assert one.step(metrics) == other.step(metrics)
    assert one.state_dict() == other.state_dict()
