"""A scheduler that is obviously right."""

from __future__ import annotations

import math
import statistics
import sys

from spectral_losses.scheduler import SchedulerChain, SchedulerConfig

__all__ = ["NaiveScheduler"]


class NaiveScheduler:
    """The state machine of `LossScheduler`, slow and plain: it keeps the whole log and decides from it each time.

    Written without the library's `update`, so that a mistake would have to be made twice.
    """

    def __init__(self, config: SchedulerConfig | SchedulerChain) -> None:
        self.stages = list(config.stages)
        self.last_epoch = -1
        self.number = 0
        self._begin(first_epoch=0)
        self._go_on(epoch=-1)

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
        self.forward: list[bool] = []
        self.way: list[float | str] = []  # what happened to the progress: "on", "back", or how far a ramp lifted it
        # Of a guarded metric: its logarithms since the last move on, their level before the first, and whether the last
        # move is still to be judged.
        self.guarded: list[float] = []
        self.reference: float | None = None
        self.pending = False

    def step(self, value: float | None, epoch: int | None, guarded: float | None = None) -> tuple[bool, str]:
        """Whether an observation moves the weights, and the reason."""
        if not self.c.enabled:
            return False, "disabled"
        epoch = self.last_epoch + 1 if epoch is None else epoch
        self.last_epoch = epoch
        c, answer = self.c, self._observe(value, epoch, guarded)
        if c is not self.c or c.ramp is None:
            return answer
        begin, end = c.ramp
        height = min(1.0, (epoch - self.first - begin) / (end - begin))
        if height <= self.progress():
            return answer
        self.way.append(height)
        self._go_on(epoch)
        return True, "adapted"

    def _observe(self, value: float | None, epoch: int, guarded: float | None) -> tuple[bool, str]:
        """What the trigger makes of an observation."""
        c = self.c
        if (c.initial_weight_source, c.initial_weight_target) == (c.final_weight_source, c.final_weight_target):
            return False, "finished"
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
        enough = self.c.max_consecutive_adaptations is not None and in_a_row >= self.c.max_consecutive_adaptations
        verdict = self._judge(guarded)
        if verdict == "stepped back":
            self.moved.append(True)
            self.forward.append(False)
            self.way.append("back")
            return True, verdict
        settled = self.c.guard is not None and self._settled()
        blind = self.c.guard is not None and not self.guarded
        move = fires and not finished and not enough and not settled and not blind and not verdict
        self.moved.append(move)
        self.forward.append(move)
        if verdict or finished:
            return False, verdict or "finished"
        if settled:
            return False, "settled"
        if move:
            if self.c.guard is not None:
                self.reference = self._level() if self.reference is None else self.reference
                self.guarded, self.pending = [], True
            self.way.append("on")
            self._go_on(epoch)
            return True, "adapted"
        if fires:
            return False, "holding" if enough else "waiting"
        if improved:
            return False, "improved"
        return False, "cooldown" if cooling else "waiting"

    def moves(self) -> int:
        """In the present stage."""
        return len(self.way)

    def progress(self) -> float:
        """Of the present stage, from all that has happened to it."""
        return self._path()[0]

    def _path(self) -> tuple[float, float, int]:
        """The progress, what it may reach, and how often it went back."""
        c, path, ceiling, backs = self.c, [0.0], 1.0, 0
        way = abs(c.initial_weight_target - c.final_weight_target)
        way = way if way > 0 else abs(c.initial_weight_source - c.final_weight_source)
        if way == 0 and c.enabled:
            return 1.0, 1.0, 0
        for event in self.way:
            if event == "back":
                ceiling, backs = path.pop(), backs + 1
                continue
            if not isinstance(event, str):
                path.append(event)
                continue
            step, least = (way / 7, way / 14) if c.transition_step is None else (c.transition_step, 0.05)
            if c.adaptive_step and step > least:
                step = max(least, step * (1 - path[-1]))
            reached = path[-1] + step / way
            if reached > 1 - 1e-9:
                reached = 1.0
            reached = path[-1] + (reached - path[-1]) / 2**backs
            path.append(ceiling if reached / ceiling > 1 - 1e-9 else reached)
        return path[-1], ceiling, backs

    def _settled(self) -> bool:
        progress, ceiling, backs = self._path()
        return backs > 4 or progress == ceiling < 1

    def _judge(self, value: float | None) -> str:
        """What a guarded metric says of the last move; nothing where there is nothing to say."""
        if self.c.guard is None:
            return ""
        if value is not None and self.pending and not math.isfinite(value):
            value = sys.float_info.max
        if value is not None and math.isfinite(value):
            self.guarded.append(math.log(value) if value > sys.float_info.min else math.log(sys.float_info.min))
        if not self.pending:
            return ""
        if len(self.guarded) < 10:
            return "on trial"
        self.pending = False
        level, reference = self._level(), self.reference or 0.0
        deviation = statistics.median([abs(each - level) for each in self.guarded[-6:]]) * 1.4826
        noise = statistics.NormalDist().inv_cdf(0.9) * 1.25 * deviation / math.sqrt(6)
        if self.c.tolerance is not None:
            most = math.log(1 + self.c.tolerance)
        else:
            error = min(1.0, math.exp(min(reference, 0.0)))
            price = 2 * (1 - math.sqrt(1 - error)) / error if error > 1e-6 else 1.0
            most = math.log(max(price, 1.02))
        return "stepped back" if level - reference > most + noise else ""

    def _level(self) -> float:
        return statistics.median(self.guarded[-6:])

    def weights(self) -> dict[str, float]:
        """Of every component: later stages first, so that earlier ones are overwritten where they have been."""
        result: dict[str, float] = {}
        for n in [*range(len(self.stages) - 1, self.number, -1), *range(self.number + 1)]:
            c = self.stages[n]
            p = 1.0 if n < self.number else 0.0 if n > self.number else self.progress()
            source = self._between(c.initial_weight_source, c.final_weight_source, p)
            target = self._between(c.initial_weight_target, c.final_weight_target, p)
            capped = target if c.max_weight_target is None else min(target, c.max_weight_target)
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
        while self.progress() == 1 and self.number + 1 < len(self.stages):
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
        return sum(self.forward[since:])

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
