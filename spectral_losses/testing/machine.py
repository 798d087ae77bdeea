"""A scheduler that is obviously right, and a state machine that holds another one against it."""

from __future__ import annotations

import json
import math
import statistics
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spectral_losses.scheduler import Decision, LossScheduler, SchedulerChain, SchedulerConfig
from spectral_losses.testing.scheduling import metric_values, scheduler_chains, scheduler_configs

__all__ = ["NaiveScheduler", "SchedulerMachine"]


class NaiveScheduler:
    """The state machine of `LossScheduler`, slow and plain: it keeps the whole log and decides from it each time.

    Written without the library's `update`, so that a mistake would have to be made twice.
    """

    def __init__(self, config: SchedulerConfig | SchedulerChain) -> None:
        self.stages = list(config.stages)
        self.last_epoch = -1
        self.number = 0
        self._begin(first_epoch=0)

    def _begin(self, first_epoch: int) -> None:
        self.c = self.stages[self.number]
        self.first = first_epoch
        self.warm = first_epoch + self.c.warmup
        self.milestones = [first_epoch + m for m in self.c.milestones]
        # Of each observation that counted in this stage:
        self.epochs: list[int] = []
        self.tracked: list[float] = []
        self.improved: list[bool] = []
        self.moved: list[bool] = []
        self.way: list[float | None] = []  # what happened to the progress: a move (None), or a ramp that lifted it

    def step(self, value: float | None, epoch: int | None) -> tuple[bool, str]:
        """Whether an observation moves the weights, and the reason."""
        if not self.c.enabled:
            return False, "disabled"
        epoch = self.last_epoch + 1 if epoch is None else epoch
        self.last_epoch = epoch
        c, answer = self.c, self._observe(value, epoch)
        if c is not self.c or c.ramp is None:
            return answer
        begin, end = c.ramp
        height = min(1.0, (epoch - self.first - begin) / (end - begin))
        if height <= self.progress():
            return answer
        self.way.append(height)
        self._go_on(epoch)
        return True, "adapted"

    def _observe(self, value: float | None, epoch: int) -> tuple[bool, str]:
        """What the trigger makes of an observation."""
        if self.c.trigger == "epoch" and self.c.ramp is not None:
            return False, "finished" if self.progress() == 1 else "waiting"
        if epoch < self.warm:
            return False, "warmup"
        if value is None:
            return False, "missing"
        if math.isnan(value) or abs(value) == math.inf:
            return False, "not finite"
        finished = self.progress() == 1
        cooling = self._cooling()
        self.tracked.append(self._average(value))
        self.epochs.append(epoch)
        improved, stale = self._since_last_move()
        self.improved.append(improved)
        fires = not cooling and self._fires(stale)
        in_a_row = self._moves_since_improvement()
        enough = self.c.trigger != "auto" and in_a_row >= self.c.max_consecutive_adaptations
        move = fires and not finished and not enough
        self.moved.append(move)
        if finished:
            return False, "finished"
        if move:
            self.way.append(None)
            self._go_on(epoch)
            return True, "adapted"
        if fires:
            return False, "holding"
        if improved:
            return False, "improved"
        return False, "cooldown" if cooling else "waiting"

    def moves(self) -> int:
        """In the present stage."""
        return len(self.way)

    def progress(self) -> float:
        """Of the present stage, from all that has happened to it."""
        c, reached = self.c, 0.0
        way = abs(c.initial_weight_target - c.final_weight_target)
        way = way if way > 0 else abs(c.initial_weight_source - c.final_weight_source)
        for height in self.way:
            if height is not None:
                reached = height
                continue
            step = c.transition_step
            if c.adaptive_step and step > 0.05:
                step = max(0.05, step * (1 - reached))
            reached += step / way
            if reached > 1 - 1e-9:
                reached = 1.0
        return reached

    def weights(self) -> dict[str, float]:
        """Of every component: later stages first, so that earlier ones are overwritten where they have been."""
        result: dict[str, float] = {}
        for n in [*range(len(self.stages) - 1, self.number, -1), *range(self.number + 1)]:
            c = self.stages[n]
            p = 1.0 if n < self.number else 0.0 if n > self.number else self.progress()
            source = self._between(c.initial_weight_source, c.final_weight_source, p)
            target = self._between(c.initial_weight_target, c.final_weight_target, p)
            capped = min(target, c.max_weight_target)
            result |= dict.fromkeys(c.source_components, source + target - capped)
            result |= dict.fromkeys(c.target_components, capped)
        for c in self.stages:
            result |= c.static_components
        return result

    def _between(self, a: float, b: float, p: float) -> float:
        if self.c.transition_schedule == "geometric":
            if p in (0, 1):
                return b if p else a
            low, high = a or b / 1000, b or a / 1000
            return sorted([a, b, float(low ** (1 - p) * high**p)])[1]
        s = {
            "linear": p,
            "cosine": math.sin(math.pi * p / 2) ** 2,
            "exponential": (1 - math.exp(-3 * p)) / (1 - math.exp(-3)),
        }[self.c.transition_schedule]
        return a * (1 - s) + b * s

    def _go_on(self, epoch: int) -> None:
        if self.progress() == 1 and self.number + 1 < len(self.stages):
            self.number += 1
            self._begin(first_epoch=epoch + 1)

    def _average(self, value: float) -> float:
        if not self.c.use_ema or self.c.trigger == "auto" or not self.tracked:
            return value
        before, beta = self.tracked[-1], self.c.ema_beta
        # The middle one of the three: rounding does not lead out of what was observed.
        return sorted([before, value, beta * before + (1 - beta) * value])[1]

    def _improves(self, value: float, best: float) -> bool:
        margin = self.c.min_delta * abs(best) if self.c.min_delta_mode == "relative" else self.c.min_delta
        margin = 0 if self.c.trigger == "auto" else margin
        return value < best - margin if self.c.mode == "min" else value > best + margin

    def _last_move(self) -> int | None:
        return max((i for i, moved in enumerate(self.moved) if moved), default=None)

    def _cooling(self) -> bool:
        last = self._last_move()
        return last is not None and len(self.tracked) - last - 1 < self.c.cooldown

    def _since_last_move(self) -> tuple[bool, int]:
        """Whether the last value improves on those since the last move, and how many in a row did not."""
        last = self._last_move()
        best = None if last is None else self.tracked[last]
        after = self.tracked if last is None else self.tracked[last + 1 :]
        rest = 0 if last is None else self.c.cooldown
        improved, stale = False, 0
        for i, value in enumerate(after):
            improved = best is None or self._improves(value, best)
            if improved:
                best, stale = value, 0
            elif i >= rest:
                stale += 1
        return improved, stale

    def _moves_since_improvement(self) -> int:
        since = max(i for i, improved in enumerate(self.improved) if improved)
        return sum(self.moved[since:])

    def _fires(self, stale: int) -> bool:
        if self.c.trigger == "plateau":
            return stale >= self.c.patience
        if self.c.trigger == "increase":
            if len(self.tracked) < 2:
                return False
            before, now = self.tracked[-2:]
            margin = self.c.min_delta * abs(before) if self.c.min_delta_mode == "relative" else self.c.min_delta
            return now > before + margin if self.c.mode == "min" else now < before - margin
        if self.c.trigger == "auto":
            last = self._last_move()
            return self._looks(self.tracked[0 if last is None else last + 1 + self.c.cooldown :]) >= 2
        now = self.epochs[-1]
        if self.c.interval is not None:
            before = self.epochs[-2] if len(self.epochs) > 1 else self.warm
            return any((epoch - self.warm) % self.c.interval == 0 for epoch in range(before + 1, now + 1))
        return sum(milestone <= now for milestone in self.milestones) > sum(self.moved)

    def _looks(self, values: list[float]) -> int:
        """How many of the last looks in a row found a plateau."""
        found, due = 0, 8
        for n in range(1, len(values) + 1):
            if n == due:
                m = next(m for m in range(8, 33) if 3 * m >= n or m == 32)
                found = found + 1 if self._is_plateau(values[n - m : n]) else 0
                due += (m + 7) // 8
        return found

    def _is_plateau(self, values: list[float]) -> bool:
        m, sign = len(values), 1.0 if self.c.mode == "min" else -1.0
        if all(value > 0 for value in values) or all(value < 0 for value in values):
            z = [sign * math.copysign(1, value) * math.log(abs(value)) for value in values]
        else:
            sizes = sorted(abs(value) for value in values)
            usual = (sizes[(m - 1) // 2] + sizes[m // 2]) / 2 or sizes[-1] or 1.0
            z = [sign * max(-1e6, min(1e6, value / usual)) for value in values]
        pairs = sorted((b - a) / (j - i) for j, b in enumerate(z) for i, a in enumerate(z[:j]))
        slope = statistics.median(pairs)
        level = statistics.median([z[i] - slope * i for i in range(m)])
        rest = [z[i] - slope * i - level for i in range(m)]
        noise = statistics.median([abs(r) for r in rest]) * 1.4826
        total = sum(r**2 for r in rest)
        rho = max(0, min(0.8, sum(rest[i] * rest[i + 1] for i in range(m - 1)) / total)) if total > 0 else 0
        half = statistics.NormalDist().inv_cdf(0.9) * math.sqrt(m * (m - 1) * (2 * m + 5) / 18 * (1 + rho) / (1 - rho))
        below, above = math.floor((len(pairs) - half) / 2), math.ceil((len(pairs) + half) / 2)
        most = -m * pairs[below - 1] if below >= 1 else math.inf
        least = -m * pairs[above] if above < len(pairs) else -math.inf
        counts = max(0.05, noise)
        return most < counts or (m == 32 and least <= 0 and -m * slope < counts)


class SchedulerMachine(RuleBasedStateMachine):
    """Feeds a scheduler whatever a run may bring, and holds it against `NaiveScheduler` and against its promises.

    Metrics that improve, stay, get worse and jump, that are not finite or missing; epochs that are skipped and
    repeated; saving and loading in the middle. Subclass it and override `make` to test a scheduler of your own; its
    ``TestCase`` is what pytest and unittest collect.
    """

    observations = 0  # made by all machines of a class, so that a test can say how many

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
        self.since_move: int | None = None

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

    @rule()
    def save_and_load(self) -> None:
        """The twin goes through JSON into a new scheduler."""
        saved = self.twin.state_dict()
        through = json.loads(json.dumps(saved, allow_nan=False))
        assert through == saved
        self.twin = self.make(self.config)
        self.twin.load_state_dict(through)
        assert self.twin.state_dict() == saved

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
        assert target <= c.max_weight_target
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
        others = {"another": math.nan, "epoch": -1, **{c.monitor: 1e6 for c in self.config.stages}}
        monitor = self.config.stages[self.scheduler.state.stage].monitor
        return {**others, monitor: value} if value is not None else {k: v for k, v in others.items() if k != monitor}

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
        adapted, reason = self.model.step(number, epoch)
        assert (decision.adapted, decision.reason) == (adapted, reason), (decision, adapted, reason)
        assert bool(decision) is adapted
        after = self.scheduler.progress
        assert (decision.progress, decision.weights) == (after, self.scheduler.weights)
        assert self.scheduler.state.moves == self.model.moves()
        assert after > before if adapted else (after == before and self.scheduler.weights == weights)
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
            if self.since_move is not None and stage.ramp is None:
                assert self.since_move > stage.cooldown
                assert stage.trigger != "auto" or self.since_move >= 9 + stage.cooldown
                assert stage.trigger != "plateau" or self.since_move >= stage.patience + stage.cooldown
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
