"""A scheduler, or a chain, that is replayed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from spectral_losses.cli.replay.metrics_log import Row
from spectral_losses.cli.replay.subject import Column, Curve, Event, Span, Subject, Watched, number
from spectral_losses.cli.ui.console import count
from spectral_losses.scheduler import LossScheduler, SchedulerChain, SchedulerConfig, warm_until
from spectral_losses.scheduler.settings import Settings


class ReplayedScheduler(Subject):
    """A `LossScheduler` on its way through a run."""

    known_reasons = (
        "disabled",
        "warmup",
        "missing",
        "not finite",
        "improved",
        "waiting",
        "cooldown",
        "adapted",
        "on trial",
        "stepped back",
        "settled",
        "holding",
        "finished",
    )
    event, spans_are = "adaptation", "warm-up"

    def __init__(self, name: str, config: SchedulerConfig | SchedulerChain) -> None:
        self._scheduler = LossScheduler(config, history=0)
        super().__init__(name, self._scheduler)
        self._stages: Sequence[SchedulerConfig] = config.stages
        self._moved_by: list[str] = []
        self._stalest = 0  # the most observations without an improvement
        self._guarded = False  # whether the guarded metric was seen
        self._warm_ups: list[Span] = []

    @property
    def looking(self) -> Sequence[Settings]:
        """The present stage and those after it."""
        return self._stages[self._scheduler.state.stage :]

    def step(self, row: Row, traced: bool) -> None:
        """Take one row, with the metric that is monitored then."""
        before = self._scheduler.state
        c = self._stages[before.stage]
        decision = self.answered(row)
        state = self._scheduler.state
        self._stalest = max(self._stalest, state.stale)
        if decision.adapted:
            self._moved_by.append((c.monitor if c.needs_metric else None) or "")
        if decision.reason == "warmup":
            warm_up = Span(before.started, warm_until(c, before), c.monitor or "")
            if warm_up not in self._warm_ups[-1:]:
                self._warm_ups.append(warm_up)
        if decision.tracked is None:
            return
        guarded = None if c.guard is None else row.metrics[c.guard]
        self._guarded |= guarded is not None and math.isfinite(guarded)
        if traced:
            curve = self._curve(c)
            curve.add(row.epoch, decision.tracked)
            if state.stage > before.stage:
                curve.add(row.epoch, float("nan"))

    def columns(self) -> list[Column]:
        """The metric, the progress and the weights that move."""
        first, *others = self._stages
        average = "average\n" if first.averaged else ""
        heading = f"{average}{first.monitor}" if not others and first.needs_metric else "watched"
        columns = [
            Column(heading, [move.tracked for move in self.moves]),
            Column("progress", [move.progress for move in self.moves]),
        ]
        # Weights that never move are told once, at the end.
        moving = {names: curve for names, curve in self.weight_curves().items() if len(set(curve)) > 1}
        return columns + [Column(",\n".join(names), [*curve[1:]]) for names, curve in moving.items()]

    def why_not(self, rows: int) -> str:
        """Why it never moved: by what its rows were answered."""
        c, reasons = self._stages[0], self.reasons
        counted = rows - sum(reasons[reason] for reason in ("disabled", "warmup", "missing", "not finite"))
        after = "after the warm-up" if reasons["warmup"] else "in the run"
        if reasons["disabled"]:
            return "the scheduler is disabled"
        if self.machine.progress >= 1:
            return "the final weights are the initial ones"
        if reasons["warmup"] == rows:
            return f"the warm-up, until epoch {self._warm_ups[0].stop}, outlasted the run"
        if not c.needs_metric and c.ramp is not None:
            return f"the ramp goes from epoch {c.ramp[0]} to {c.ramp[1]}"
        if not counted:
            without = f"{reasons['missing']} have none, {reasons['not finite']} one that is not finite"
            return f"no row {after} has a finite {c.monitor}: {without}"
        if c.guard is not None and not self._guarded:
            return f"no row {after} has a finite {c.guard}, which is the guard"
        if c.trigger == "increase":
            least = f"{100 * c.min_delta:g} %" if c.min_delta_mode == "relative" else f"{c.min_delta:g}"
            return f"{c.monitor} never got worse by more than {least} in {count(counted, 'observation')} {after}"
        if c.trigger == "epoch":
            first = c.milestones[0] if c.interval is None else c.warmup + c.interval
            return f"the first move comes at epoch {first}, and no later row has a finite {c.monitor}"
        if c.trigger == "auto":
            return f"no two looks in a row found a plateau in {count(counted, 'observation')} {after}"
        if not self._stalest:
            return f"each of {count(counted, 'observation')} {after} was an improvement"
        return (
            f"at most {self._stalest} of {count(counted, 'observation')} {after} in a row came without an improvement, "
            f"and patience is {c.patience}"
        )

    def closing(self) -> list[str]:
        """Progress and weights after the last row."""
        return [f"At the end: progress {number(self.machine.progress)}, {self.weights_in_words()}."]

    def settings(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Those of each stage, but for what it monitors."""
        stages = [stage.to_dict() for stage in self._stages]
        for stage in stages:
            del stage["monitor"]
        return [("stage", n, stage) for n, stage in enumerate(stages, 1)]

    def facts(self) -> dict[str, object]:
        """Whether it arrived, and how far it came."""
        return {"finished at epoch": self._finished, "final progress": number(self.machine.progress)}

    def found(self) -> dict[str, Any]:
        """The epoch at which the final weights were reached."""
        return {"finished": self._finished}

    def events(self) -> list[Event]:
        """The moves."""
        pairs = zip(self.moves, self._moved_by, strict=True)
        return [Event(move.epoch or 0, by, move.tracked) for move, by in pairs]

    def spans(self) -> list[Span]:
        """The warm-ups that there were."""
        return self._warm_ups

    @property
    def _finished(self) -> int | None:
        return self.moves[-1].epoch if self.moves and self.machine.progress >= 1 else None

    def _curve(self, c: Settings) -> Curve:
        """Of a metric; stages that watch it alike share one."""
        for watched in self.watched:
            if (watched.metric, watched.averaged) == (c.monitor, c.averaged):
                return watched.curve
        self.watched.append(Watched(c.monitor or "", c.averaged))
        return self.watched[-1].curve
