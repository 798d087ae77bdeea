"""A state machine that holds a scheduler against one that is obviously right."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from spectral_losses.scheduler import Decision, LossScheduler, SchedulerChain, SchedulerConfig
from spectral_losses.testing.naive import NaiveScheduler
from spectral_losses.testing.scheduling import metric_values, scheduler_chains, scheduler_configs
from spectral_losses.testing.twins import TwinMachine

__all__ = ["SchedulerMachine"]


class SchedulerMachine(TwinMachine):
    """Feeds a scheduler whatever a run may bring, and holds it against `NaiveScheduler` and against its promises.

    Metrics that improve, stay, get worse and jump, that are not finite or missing; epochs that are skipped and
    repeated; saving and loading in the middle. Subclass it and override `make` to test a scheduler of your own; its
    ``TestCase`` is what pytest and unittest collect.
    """

    def make(self, config: SchedulerConfig | SchedulerChain) -> LossScheduler:
        """A new scheduler with these settings."""
        return LossScheduler(config)

    def configs(self) -> st.SearchStrategy[SchedulerConfig | SchedulerChain]:
        """Settings to draw from."""
        return scheduler_configs() | scheduler_configs() | scheduler_chains()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Draw settings and begin."""
        self.config = data.draw(self.configs(), label="config")
        self.scheduler = self.make(self.config)
        self.twin = self.make(self.config)  # is saved and loaded, and must never differ
        self.model = NaiveScheduler(self.config)
        self.level = 0.5
        self.guarded: float | None = 0.1
        self.since_move: int | None = None
        self.back = False

    @rule(value=metric_values(finite=True))
    def observe(self, value: float | None) -> None:
        """Any number."""
        self._feed(value)

    @rule(factor=st.sampled_from([0.5, 0.9, 0.9999, 1.0, 1.0001, 1.1, 2.0]), number=st.integers(1, 12))
    def stretch(self, factor: float, number: int) -> None:
        """A stretch that improves, stays or gets worse."""
        for _ in range(number):
            self.level = min(max(self.level * factor, 1e-9), 1e9)
            self._feed(self.level)

    @rule(noise=st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=8))
    def noisy(self, noise: list[float]) -> None:
        """A noisy stretch."""
        for deviation in noise:
            self._feed(self.level * (1 + deviation))

    @rule(scale=st.sampled_from([1e-3, 1e3, -1.0]))
    def change_metric(self, scale: float) -> None:
        """The metric is another one from now on, of another size or sign."""
        self.level *= scale
        self._feed(self.level)

    @precondition(lambda self: self.config.stages[-1].guard is not None)
    @rule(
        factor=st.sampled_from([0.5, 0.97, 1.0, 1.01, 1.05, 1.5, 0.0, math.nan]),
        to=st.sampled_from([None, 1e-4, 0.1, 0.1, 0.9]),
        number=st.integers(1, 12),
    )
    def change_guarded(self, factor: float, to: float | None, number: int) -> None:
        """The guarded metric is another from now on, for a stretch in which the other one stays."""
        self.guarded = (0.1 if to is None else to) * factor
        for _ in range(number):
            self._feed(self.level)

    @precondition(lambda self: self.config.enabled and self.config.stages[-1].guard is not None)
    @rule()
    def lose_guarded(self) -> None:
        """The guarded metric is missing: not waited for, or refused, and then nothing has happened."""
        kept, self.guarded = self.guarded, None
        if self.config.stages[-1].missing == "hold":
            self._feed(self.level)
        else:
            assert repr(self.config.stages[-1].guard) in self._refused(KeyError, self._metrics(self.level), None)
        self.guarded = kept

    @rule(value=st.sampled_from([math.nan, math.inf, -math.inf, 10**400]))
    def not_finite(self, value: float) -> None:
        """A metric that is not finite."""
        self._feed(value)

    @rule()
    def missing(self) -> None:
        """A metric that is missing: held or refused, and then nothing has happened."""
        if self._may_be_missing():
            self._feed(None)
            return
        message = self._refused(KeyError, {"another": 1.0}, None)
        assert any(repr(stage.monitor) in message for stage in self.config.stages)
        assert "'another'" in message

    @rule(value=metric_values(), ahead=st.integers(0, 12))
    def skip_epochs(self, value: float | None, ahead: int) -> None:
        """An epoch that is repeated or comes after a gap."""
        if value is not None or self._may_be_missing():
            self._feed(value, max(self.model.last_epoch, 0) + ahead)

    @precondition(lambda self: self.config.enabled and self.model.last_epoch > 0)
    @rule(back=st.integers(1, 20))
    def go_back(self, back: int) -> None:
        """An epoch that was before: refused, and then nothing has happened."""
        epoch = self.model.last_epoch - back
        assert str(epoch) in self._refused(ValueError, self._metrics(0.1), epoch)

    @invariant()
    def keeps_its_promises(self) -> None:
        """What holds for every configuration after every observation."""
        if not hasattr(self, "config"):
            return
        weights, progress = self.scheduler.weights, self.scheduler.progress
        assert 0 <= progress <= 1
        expected = self.model.weights()
        assert weights.keys() == expected.keys()
        for name, weight in weights.items():
            assert math.isclose(weight, expected[name], rel_tol=1e-6, abs_tol=1e-8), (name, weight, expected[name])
        # Later stages may take a component elsewhere: what a stage promises holds while it lasts.
        c = self.config.stages[self.scheduler.state.stage]
        source, target = weights[c.source_components[0]], weights[c.target_components[0]]
        assert math.isfinite(source + target)
        assert _lies_between(source, c.initial_weight_source, c.final_weight_source)
        assert _lies_between(target, c.initial_weight_target, c.final_weight_target)
        assert c.max_weight_target is None or target <= c.max_weight_target
        assert self.scheduler.state.progress <= self.scheduler.state.ceiling
        assert all(weights[name] == weight for name, weight in c.static_components.items())

    def _may_be_missing(self) -> bool:
        now, *later = self.config.stages[self.scheduler.state.stage :]
        needing = [stage for stage in (now, *later) if stage.monitor == now.monitor and stage.needs_metric]
        return not self.config.enabled or all(stage.missing == "hold" for stage in needing)

    def _refused(self, error: type[Exception], metrics: dict[str, Any], epoch: int | None) -> str:
        """The message of an error that has to come, after which nothing has changed."""
        before = self.scheduler.state_dict()
        try:
            decision = self.scheduler.step(metrics, epoch)
        except error as refusal:
            message = str(refusal)
        else:
            raise AssertionError(f"no {error.__name__}, but {decision}")
        assert self.scheduler.state_dict() == before
        return message

    def _metrics(self, value: float | None) -> dict[str, Any]:
        # What other stages monitor does not matter now.
        others: dict[Any, Any] = {"another": math.nan, "epoch": -1, **{c.monitor: 1e6 for c in self.config.stages}}
        found = {**others, self.config.stages[self.scheduler.state.stage].monitor: value}
        if self.config.stages[-1].guard is not None:
            found[self.config.stages[-1].guard] = self.guarded
        return {name: number for name, number in found.items() if number is not None}

    def _feed(self, value: float | None, epoch: int | None = None) -> None:
        type(self).observations += 1
        before, state = self.scheduler.progress, self.scheduler.state
        weights = self.scheduler.weights
        stage = self.config.stages[state.stage]
        metrics = self._metrics(value)
        decision = self.scheduler.step(metrics, epoch)
        twin = self.twin.step(metrics, epoch)
        assert (*twin[:6], twin.tracked) == (*decision[:6], decision.tracked)
        number = None if value is None else _as_float(value)
        adapted, reason = self.model.step(number, epoch, self.guarded)
        assert (decision.adapted, decision.reason) == (adapted, reason), (decision, adapted, reason)
        assert bool(decision) is adapted
        after = self.scheduler.progress
        assert (decision.progress, decision.weights) == (after, self.scheduler.weights)
        assert self.scheduler.state.moves == self.model.moves()
        if adapted:
            assert after < before if reason == "stepped back" else after > before
        else:
            assert after == before
            assert self.scheduler.weights == weights
        now, was = self.scheduler.state, state
        assert now.stage > was.stage or (now.ceiling <= was.ceiling and was.halved <= now.halved <= 5)
        if reason in ("warmup", "missing", "not finite"):
            assert self.scheduler.state == state._replace(epoch=decision.epoch)
        if reason == "disabled":
            assert self.scheduler.state == state
        self._check_pace(decision, stage, reason)
        if not self.config.enabled:
            self.model.last_epoch = -1

    def _check_pace(self, decision: Decision, stage: SchedulerConfig, reason: str) -> None:
        """Moves are as far apart, and as few in a row, as the settings of their stage say."""
        counted = reason not in ("disabled", "warmup", "missing", "not finite")
        if counted and self.since_move is not None:
            self.since_move += 1
        if decision.adapted:
            judged = reason == "stepped back"
            if self.since_move is not None and stage.ramp is None and not judged:
                assert self.since_move > stage.cooldown
                assert stage.trigger != "auto" or self.since_move >= 9 + stage.cooldown
                assert stage.trigger != "plateau" or self.since_move >= stage.patience + stage.cooldown
                assert stage.guard is None or self.since_move >= 10 or self.scheduler.state.moves <= 1 or self.back
            assert not judged or (self.since_move or 0) >= 10
            self.back = judged
            changed = self.config.stages[self.scheduler.state.stage] is not stage
            self.since_move = None if changed else 0


def _lies_between(value: float, a: float, b: float) -> bool:
    # Where a stage goes on from an earlier one, the weights agree up to rounding.
    return min(a, b) - 1e-9 <= value <= max(a, b) + 1e-9


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
