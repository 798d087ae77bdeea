"""A controller against one that is obviously right, driven by whatever a run may bring, and its promises."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from spectral_losses.controller import ConstraintConfig, ControllerConfig, LossController

FEW = settings(max_examples=40)


@st.composite
def constraints(draw: st.DrawFn, metric: str, of: str | None = None) -> ConstraintConfig:
    """Draw a goal or a limit."""
    of = draw(st.sampled_from(["target", "source"])) if of is None else of
    at_most, relative_to, unit = draw(st.sampled_from([1.0, 0.01, 30.0])), None, "value"
    if of == "source":
        at_most, relative_to = draw(st.sampled_from([1.01, 1.05, 2.0])), draw(st.sampled_from([0.04, 1.0, 7.0]))
    elif draw(st.booleans()):
        unit, relative_to = draw(st.sampled_from([("dB", None), ("value", 3.0)]))
    return ConstraintConfig(
        metric,
        at_most,
        of=of,
        relative_to=relative_to,
        unit=unit,
        integral=draw(st.sampled_from([None, 0.05, 3.0])),
        proportional=draw(st.sampled_from([None, 0.0, 2.0])),
        smoothing=draw(st.sampled_from([0.0, 0.5, 0.9])),
    )


@st.composite
def configs(draw: st.DrawFn) -> ControllerConfig:
    """Draw settings with up to four constraints."""
    number = draw(st.integers(1, 4))
    least, start, most = draw(st.sampled_from([(1e-4, 1e-3, 1e2), (1e-3, 1e-3, 2e-3), (0.5, 1.0, 8.0)]))
    return ControllerConfig(
        [draw(constraints(f"metric {n}")) for n in range(number)],
        static_components={"x": 0.5},
        weight=draw(st.sampled_from([1.0, 3.0])),
        start=start,
        least=least,
        most=most,
        missing=draw(st.sampled_from(["raise", "hold"])),
    )


class NaiveController:
    """The rule, slow and plain: it keeps all observations and works everything out from them each time."""

    def __init__(self, config: ControllerConfig) -> None:
        self.config = config
        self.observations: list[list[float]] = []
        self.steps: list[float] = []

    def observe(self, values: list[float]) -> float:
        """The step at an observation, each worked out once, since later ones do not change it."""
        self.observations.append(list(values))
        self.steps.append(sorted([-math.log(4), self.wanted(len(self.observations)), math.log(4)])[1])
        return self.steps[-1]

    def average(self, number: int, n: int) -> float:
        """Of the logarithms of the first n observations of a constraint, weighed by their age, less the limit's."""
        c = self.config.each[number]
        bound = c.at_most if c.relative_to is None else c.at_most * c.relative_to
        if c.unit == "dB":
            bound = (c.at_most / 10 * math.log(10)) ** 2
        total = 0.0
        for age, values in enumerate(self.observations[:n][::-1]):
            value = values[number]
            far = math.log(value) - math.log(bound) if value > 0 else -math.inf
            weight = c.smoothing**age * (1 - c.smoothing if age < n - 1 else 1)
            total += weight * sorted([far, math.log(1e4), -math.log(1e4)])[1]
        return total

    def error(self, number: int, n: int) -> float:
        """How far from its limit a constraint is after n observations."""
        c = self.config.each[number]
        allowance = 1.0 if c.of == "target" else math.log(c.at_most)
        return sorted([-1.0, self.average(number, n) / allowance, 1.0])[1]

    def wanted(self, n: int) -> float:
        """The step at the n-th observation."""
        up: list[float] = []
        allowed: list[float] = []
        for number, c in enumerate(self.config.each):
            defaults = (0.4, 1.0) if c.of == "target" else (0.2, 0.5)
            integral = defaults[0] if c.integral is None else c.integral
            proportional = defaults[1] if c.proportional is None else c.proportional
            asked = integral * self.error(number, n)
            if n > 1:
                asked += proportional * (self.error(number, n) - self.error(number, n - 1))
            if c.of == "target":
                up.append(asked)
            else:
                allowed.append(-asked)
        return min(([max(up)] if up else []) + allowed)

    def logarithm(self) -> float:
        """Of lambda, after all observations."""
        low, high = math.log(self.config.least), math.log(self.config.most)
        found = math.log(self.config.start)
        for step in self.steps:
            found = sorted([low, found + step, high])[1]
        return found


class ControllerMachine(RuleBasedStateMachine):
    """Feeds a controller and its twin, which is saved and loaded, and holds them against the naive one."""

    @initialize(config=configs())
    def begin(self, config: ControllerConfig) -> None:
        self.config = config
        self.controller, self.twin = LossController(config), LossController(config)
        self.model = NaiveController(config)
        self.levels = [c.limit for c in config.each]
        self.epoch = -1

    @rule(factor=st.sampled_from([0.7, 0.97, 1.0, 1.03, 1.4, 20.0]), number=st.integers(1, 8), which=st.integers(0, 3))
    def stretch(self, factor: float, number: int, which: int) -> None:
        for _ in range(number):
            self.levels[which % len(self.levels)] *= factor
            self._feed(self.levels)

    @rule(noise=st.lists(st.floats(-0.1, 0.1), min_size=4, max_size=4))
    def noisy(self, noise: list[float]) -> None:
        self._feed([level * (1 + each) for level, each in zip(self.levels, noise, strict=False)])

    @rule()
    def back_to_the_limits(self) -> None:
        self.levels = [c.limit for c in self.config.each]
        self._feed(self.levels)

    @rule(value=st.floats(allow_nan=False, allow_infinity=False), which=st.integers(0, 3))
    def any_number(self, value: float, which: int) -> None:
        values = list(self.levels)
        values[which % len(values)] = value
        self._feed(values)

    @rule(value=st.sampled_from([math.nan, math.inf, -math.inf, 10**400, None]), which=st.integers(0, 3))
    def no_number(self, value: Any, which: int) -> None:
        before, values = self.controller.state, list(self.levels)
        values[which % len(values)] = value
        metrics = self._metrics(values)
        if value is None and self.config.missing == "raise":
            for each in (self.controller, self.twin):
                with pytest.raises(KeyError):
                    each.step(metrics)
            assert self.controller.state == before
            return
        self.epoch += 1
        for each in (self.controller, self.twin):
            assert each.step(metrics).reason == ("missing" if value is None else "not finite")
            assert each.state == before._replace(epoch=self.epoch)

    @rule(back=st.integers(1, 5))
    def go_back(self, back: int) -> None:
        before = self.controller.state_dict()
        with pytest.raises(ValueError, match="epoch must not be negative or go back"):
            self.controller.step(self._metrics(self.levels), max(self.epoch, 0) - back)
        assert self.controller.state_dict() == before

    @rule()
    def save_and_load(self) -> None:
        saved = self.twin.state_dict()
        through = json.loads(json.dumps(saved, allow_nan=False))
        assert through == saved
        self.twin = LossController(ControllerConfig.from_json(self.config.to_json()))
        self.twin.load_state_dict(through)
        assert self.twin.state_dict() == saved

    @invariant()
    def keeps_its_promises(self) -> None:
        if not hasattr(self, "config"):
            return
        c, ratio = self.config, self.controller.ratio
        assert math.isclose(math.log(ratio), self.model.logarithm(), abs_tol=1e-7)
        assert c.least <= ratio <= c.most
        assert self.controller.weights == {
            "field_error": c.weight,
            "log_spectral_distance": c.weight * ratio,
            "x": 0.5,
        }
        assert self.controller.progress in [n / len(c.each) for n in range(len(c.each) + 1)]

    def _metrics(self, values: list[Any]) -> dict[str, Any]:
        named = {c.metric: value for c, value in zip(self.config.each, values, strict=True)}
        return {"another": math.nan, **{name: value for name, value in named.items() if value is not None}}

    def _feed(self, values: list[float]) -> None:
        before, self.epoch = self.controller.ratio, self.epoch + 1
        # What rounds to a number under the least that a float holds would be 0 to one and not to the other.
        values = [0.0 if abs(value) < 1e-290 else value for value in values]
        step = self.model.observe(values)
        decision = self.controller.step(self._metrics(values))
        assert self.twin.step(self._metrics(values)) == decision
        after = self.controller.ratio
        assert decision.epoch == self.epoch
        assert decision.weights == self.controller.weights
        assert decision.adapted == bool(decision) == (after != before)
        assert abs(math.log(after / before)) <= math.log(4) + 1e-12
        assert {"raised": after > before, "lowered": after < before}.get(decision.reason, after == before)
        if abs(step) > 1e-7:  # smaller ones may round to another side
            assert decision.reason in ("at the bound", "raised" if step > 0 else "lowered")
        if decision.reason == "at the bound":
            assert after in (self.config.least, self.config.most)


def test_state_machine() -> None:
    run_state_machine_as_test(ControllerMachine, settings=settings(max_examples=60, stateful_step_count=25))


# What holds for every constraint and every run.


VALUES = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20)


@FEW
@given(constraints("m"), st.floats(1.001, 100))
def test_a_constant_violation_moves_one_way(c: ConstraintConfig, factor: float) -> None:
    controller = LossController(c)
    found = [controller.ratio]
    for _ in range(30):
        controller.step({"m": c.limit * factor})
        found.append(controller.ratio)
    assert found == sorted(found, reverse=c.of == "source")
    assert found[-1] != found[0]


@FEW
@given(constraints("m"))
def test_at_the_goal_it_rests(c: ConstraintConfig) -> None:
    controller = LossController(c)
    assert {controller.step({"m": c.limit}).reason for _ in range(10)} == {"resting"}


@FEW
@given(constraints("m"), st.floats(1.01, 50), st.floats(1.01, 50))
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
@given(constraints("m"), VALUES, st.integers(-40, 40))
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
@given(configs(), VALUES)
def test_the_same_floats_give_the_same_answers(config: ControllerConfig, values: list[float]) -> None:
    one, other = LossController(config), LossController(config)
    for value in values:
        metrics = {c.metric: value for c in config.each}
        assert one.step(metrics) == other.step(metrics)
    assert one.state_dict() == other.state_dict()
