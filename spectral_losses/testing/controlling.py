"""Strategies of controller settings, a controller that is obviously right, and a machine that holds another against it.

They need hypothesis, and not NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from spectral_losses.controller import ConstraintConfig, ControllerConfig, LossController
from spectral_losses.scheduler import Decision
from spectral_losses.testing.scheduling import metric_values
from spectral_losses.testing.twins import TwinMachine

__all__ = ["ControllerMachine", "NaiveController", "constraint_configs", "controller_configs"]

_LONGEST = math.log(4)  # of a step
_FAR = math.log(1e4)  # what is further from its limit counts as this far


@st.composite
def constraint_configs(draw: st.DrawFn, /, **fixed: Any) -> ConstraintConfig:
    """Draw a `ConstraintConfig`, a goal or a limit; settings given by name are kept.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(constraint_configs(of="target", unit="dB"))
    ... def test(goal):
    ...     assert goal.relative_to is None and goal.gains[0] > 0
    >>> test()
    """

    def pick(name: str, strategy: st.SearchStrategy[Any]) -> Any:
        return fixed[name] if name in fixed else draw(strategy, label=name)

    metric = pick("metric", st.sampled_from(["log_spectral_distance", "field_error"]))
    numbers = st.sampled_from([1.0, 0.01, 30.0]) | st.floats(1e-3, 1e3)
    if (of := pick("of", st.sampled_from(["target", "source"]))) == "source":
        relative_to, unit = pick("relative_to", numbers), pick("unit", st.just("value"))
        at_most = pick("at_most", st.sampled_from([1.01, 1.05, 2.0]) | st.floats(1.01, 2))
    else:
        relative_to = pick("relative_to", st.none() if fixed.get("unit") == "dB" else st.none() | numbers)
        unit = pick("unit", st.sampled_from(["value", "dB"]) if relative_to is None else st.just("value"))
        at_most = pick("at_most", numbers)
    return ConstraintConfig(
        metric,
        at_most,
        of=of,
        relative_to=relative_to,
        unit=unit,
        integral=pick("integral", st.sampled_from([None, 0.05, 3.0])),
        proportional=pick("proportional", st.sampled_from([None, 0.0, 2.0])),
        smoothing=pick("smoothing", st.sampled_from([0.0, 0.5, 0.9])),
    )


@st.composite
def controller_configs(draw: st.DrawFn, /, **fixed: Any) -> ControllerConfig:
    """Draw a `ControllerConfig` with up to four constraints; settings given by name are kept.

    A metric may have a goal and a limit at once. Some ranges of the weight are so narrow that a few observations reach
    both ends.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(controller_configs(missing="hold", most=2.0))
    ... def test(config):
    ...     assert config.missing == "hold" and config.start <= config.most == 2.0
    >>> test()
    """

    def pick(name: str, strategy: st.SearchStrategy[Any]) -> Any:
        return fixed[name] if name in fixed else draw(strategy, label=name)

    constraints = fixed.get("constraints")
    if constraints is None:
        kinds = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["target", "source"]))
        chosen = draw(st.lists(kinds, min_size=1, max_size=4, unique=True), label="metrics and sides")
        constraints = [draw(constraint_configs(metric=metric, of=of)) for metric, of in chosen]
    ranges = [(1e-4, 1e-3, 1e2), (1e-3, 1e-3, 2e-3), (0.5, 1.0, 8.0)]
    least, start, most = draw(st.sampled_from(ranges), label="range")
    start = fixed.get("start", max(fixed.get("least", 0.0), min(start, fixed.get("most", math.inf))))
    return ControllerConfig(
        constraints,
        source=pick("source", st.sampled_from(["field_error", "mse"])),
        target=pick("target", st.sampled_from(["log_spectral_distance", "spectrum_error"])),
        source_components=pick("source_components", st.sampled_from([(), ("r",), ("r", "p")])),
        target_components=pick("target_components", st.sampled_from([(), ("s",), ("s", "t")])),
        static_components=pick("static_components", st.dictionaries(st.sampled_from(["x", "y"]), st.just(0.5))),
        weight=pick("weight", st.sampled_from([1.0, 3.0])),
        start=start,
        least=fixed.get("least", min(least, start)),
        most=fixed.get("most", max(most, start)),
        missing=pick("missing", st.sampled_from(["raise", "hold"])),
    )


class NaiveController:
    """The rule of `LossController`, slow and plain: it keeps all observations and works everything out from them.

    Written without the library's `update`, so that a mistake would have to be made twice.

    Examples
    --------
    >>> from spectral_losses.controller import ConstraintConfig, ControllerConfig
    >>> model = NaiveController(ControllerConfig(ConstraintConfig("log_spectral_distance", 1.0)))
    >>> model.observe({"log_spectral_distance": 5.0})
    0.4
    >>> round(model.ratio(), 6)
    0.001492
    """

    def __init__(self, config: ControllerConfig) -> None:
        self.config = config
        # Of each observation that counted, for each constraint:
        self.values: list[list[float]] = []
        self.averages: list[list[float]] = []
        self.pulls: list[list[float]] = []
        self.asked: list[float] = []  # the step at each

    def observe(self, metrics: Mapping[str, float]) -> float:
        """The step of log(lambda) that an observation of finite metrics asks for."""
        numbers = range(len(self.config.each))
        self.values.append([metrics[c.metric] for c in self.config.each])
        self.averages.append([self._average(number) for number in numbers])
        self.pulls.append([self._pull(number) for number in numbers])
        sides = [c.of for c in self.config.each]
        goals = [pull for side, pull in zip(sides, self.pulls[-1], strict=True) if side == "target"]
        limits = [pull for side, pull in zip(sides, self.pulls[-1], strict=True) if side == "source"]
        self.asked.append(min(sorted(goals)[-1:] + limits))
        return self.asked[-1]

    def ratio(self) -> float:
        """Lambda, after all observations."""
        low, found, high = (math.log(x) for x in (self.config.least, self.config.start, self.config.most))
        for step in self.asked:
            found = _between(low, found + _between(-_LONGEST, step, _LONGEST), high)
        return math.exp(found)

    def weights(self) -> dict[str, float]:
        """Of every component."""
        c = self.config
        found = dict.fromkeys(c.source_components, c.weight)
        found |= dict.fromkeys(c.target_components, c.weight * self.ratio())
        return found | dict(c.static_components)

    def _average(self, number: int) -> float:
        """Of the logarithms of all observations of a constraint, weighed by their age, less the limit's."""
        c = self.config.each[number]
        bound = c.at_most if c.relative_to is None else c.at_most * c.relative_to
        if c.unit == "dB":
            bound = (c.at_most / 10 * math.log(10)) ** 2
        total, oldest = 0.0, len(self.values) - 1
        for age, values in enumerate(reversed(self.values)):
            far = math.log(values[number]) - math.log(bound) if values[number] > 0 else -math.inf
            total += c.smoothing**age * (1 if age == oldest else 1 - c.smoothing) * _between(-_FAR, far, _FAR)
        return total

    def _pull(self, number: int) -> float:
        """The step that a constraint asks for."""
        c = self.config.each[number]
        defaults = (0.4, 1.0) if c.of == "target" else (0.2, 0.5)
        integral = defaults[0] if c.integral is None else c.integral
        proportional = defaults[1] if c.proportional is None else c.proportional
        allowance = 1.0 if c.of == "target" else math.log(c.at_most)
        errors = [_between(-1.0, averages[number] / allowance, 1.0) for averages in self.averages[-2:]]
        asked = integral * errors[-1] + proportional * (errors[-1] - errors[0])
        return asked if c.of == "target" else -asked


class ControllerMachine(TwinMachine):
    """Feeds a controller whatever a run may bring, and holds it against `NaiveController` and against its promises.

    Metrics that stay, drift and jump about their limits, that are 0, negative, not finite or missing; epochs that are
    skipped and repeated; saving and loading in the middle. Subclass it and override `make` to test a controller of your
    own, or `configs` to test your settings; its ``TestCase`` is what pytest and unittest collect.
    """

    config: ControllerConfig

    def make(self, config: ControllerConfig) -> LossController:
        """A new controller with these settings."""
        return LossController(config)

    def reread(self, config: ControllerConfig) -> ControllerConfig:
        """The settings after they went through JSON."""
        return ControllerConfig.from_json(config.to_json())

    def configs(self) -> st.SearchStrategy[ControllerConfig]:
        """Settings to draw from."""
        return controller_configs()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Draw settings and begin."""
        self.config = data.draw(self.configs(), label="config")
        self.controller = self.make(self.config)
        self.twin = self.make(self.config)  # is saved and loaded, and must never differ
        self.model = NaiveController(self.config)
        self.metrics = {c.metric: c.limit for c in self.config.each}
        self.epoch = -1

    @rule(factor=st.sampled_from([0.7, 0.97, 1.0, 1.03, 1.4, 20.0]), number=st.integers(1, 8), which=st.integers(0, 3))
    def stretch(self, factor: float, number: int, which: int) -> None:
        """A stretch in which a metric falls, stays or rises."""
        name = self._name(which)
        for _ in range(number):
            self.metrics[name] = min(max(self.metrics[name] * factor, 1e-9), 1e9)
            self._feed(self.metrics)

    @rule(noise=st.lists(st.floats(-0.1, 0.1), min_size=4, max_size=4))
    def noisy(self, noise: list[float]) -> None:
        """All metrics, with noise."""
        both = zip(self.metrics.items(), noise, strict=False)
        self._feed({name: value * (1 + each) for (name, value), each in both})

    @rule()
    def back_to_the_limits(self) -> None:
        """All metrics are what they may be at most."""
        self.metrics = {c.metric: c.limit for c in self.config.each}
        self._feed(self.metrics)

    @rule(value=metric_values(finite=True), which=st.integers(0, 3))
    def any_number(self, value: float, which: int) -> None:
        """One observation of a metric that is any number."""
        self._feed({**self.metrics, self._name(which): value})

    @rule(value=st.sampled_from([math.nan, math.inf, -math.inf, 10**400]), which=st.integers(0, 3))
    def not_finite(self, value: float, which: int) -> None:
        """A metric that is not finite: the epoch is remembered, and nothing else."""
        self._ignored("not finite", {**self.metrics, self._name(which): value})

    @rule(which=st.integers(0, 3), there=st.booleans())
    def missing(self, which: int, there: bool) -> None:
        """A metric that is missing: held or refused, and then nothing has happened."""
        name = self._name(which)
        metrics: dict[str, Any] = {**self.metrics, name: None}
        metrics = metrics if there else {each: value for each, value in metrics.items() if each != name}
        if self.config.missing == "hold":
            self._ignored("missing", metrics)
            return
        message = self._refused(KeyError, metrics, None)
        assert repr(name) in message
        assert "'another'" in message

    @rule(ahead=st.integers(0, 12))
    def skip_epochs(self, ahead: int) -> None:
        """An epoch that is repeated or comes after a gap."""
        self._feed(self.metrics, max(self.epoch, 0) + ahead)

    @precondition(lambda self: self.epoch > 0)
    @rule(back=st.integers(1, 20))
    def go_back(self, back: int) -> None:
        """An epoch that was before: refused, and then nothing has happened."""
        epoch = self.epoch - back
        assert str(epoch) in self._refused(ValueError, self.metrics, epoch)

    @invariant()
    def keeps_its_promises(self) -> None:
        """What holds for every configuration after every observation."""
        if not hasattr(self, "config"):
            return
        c, ratio, expected = self.config, self.controller.ratio, self.model.weights()
        assert c.least <= ratio <= c.most
        weights = self.controller.weights
        assert weights == self.twin.weights
        assert weights.keys() == expected.keys()
        for name, weight in weights.items():
            assert math.isclose(weight, expected[name], rel_tol=1e-7), (name, weight, expected[name])
        assert all(weights[name] == c.weight for name in c.source_components)
        assert all(weights[name] == weight for name, weight in c.static_components.items())
        distances = self.model.averages[-1] if self.model.averages else [math.inf]
        # Rounding may take what is at its limit to either side of it.
        least, most = (sum(each <= side for each in distances) / len(c.each) for side in (-1e-9, 1e-9))
        assert least <= self.controller.progress <= most

    def _name(self, which: int) -> str:
        names = list(self.metrics)
        return names[which % len(names)]

    def _refused(self, error: type[Exception], metrics: Mapping[str, Any], epoch: int | None) -> str:
        """The message of an error that has to come, after which nothing has changed."""
        before = self.controller.state_dict()
        try:
            decision = self.controller.step({"another": math.nan, **metrics}, epoch)
        except error as refusal:
            message = str(refusal)
        else:
            raise AssertionError(f"no {error.__name__}, but {decision}")
        assert self.controller.state_dict() == before
        return message

    def _ignored(self, reason: str, metrics: Mapping[str, Any]) -> None:
        """An observation that changes the epoch alone."""
        before, progress = self.controller.state, self.controller.progress
        decision = self._step(metrics, None)
        assert (decision.reason, decision.adapted, decision.progress) == (reason, False, progress)
        assert self.controller.state == before._replace(epoch=self.epoch)

    def _feed(self, metrics: Mapping[str, float], epoch: int | None = None) -> None:
        before, decision = self.controller.ratio, self._step(metrics, epoch)
        after, step = self.controller.ratio, self.model.observe(metrics)
        assert self.controller.state.epoch == self.epoch
        assert decision.adapted == (after != before)
        assert decision.progress == self.controller.progress
        assert abs(math.log(after / before)) <= _LONGEST + 1e-12
        moves = {"raised": after > before, "lowered": after < before}
        assert moves.get(decision.reason, after == before)
        if abs(step) > 1e-7:  # smaller ones may round to another side
            direction, end = ("raised", self.config.most) if step > 0 else ("lowered", self.config.least)
            assert decision.reason == direction or (decision.reason == "at the bound" and after == end), (
                decision,
                step,
            )
        self._check_who_decided(decision)

    def _step(self, metrics: Mapping[str, Any], epoch: int | None) -> Decision:
        """One observation of the controller and its twin, which agree."""
        type(self).observations += 1
        self.epoch = self.epoch + 1 if epoch is None else epoch
        passed = {"another": math.nan, **metrics}
        decision, twin = (each.step(passed, epoch) for each in (self.controller, self.twin))
        # A NaN equals nothing, itself among it.
        assert (*twin[:6], twin.tracked) == (*decision[:6], decision.tracked)
        assert bool(decision) is decision.adapted
        assert (decision.epoch, decision.weights) == (self.epoch, self.controller.weights)
        return decision

    def _check_who_decided(self, decision: Decision) -> None:
        """The metric and the average are those of a constraint that asked for this step; several may ask for one."""
        assert decision.metric is not None
        assert decision.tracked is not None
        pulls, asked = self.model.pulls[-1], self.model.asked[-1]
        each = zip(self.config.each, self.model.values[-1], self.model.averages[-1], pulls, strict=True)
        found = [
            value == decision.metric
            and math.isclose(math.log(decision.tracked / c.limit), average, abs_tol=1e-9)
            and math.isclose(pull, asked, abs_tol=1e-7)
            for c, value, average, pull in each
        ]
        assert any(found), (decision, pulls)


def _between(least: float, value: float, most: float) -> float:
    return sorted([least, value, most])[1]
