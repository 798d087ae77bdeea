"""A controller that is replayed."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

from spectral_losses.cli.replay.metrics_log import Row
from spectral_losses.cli.replay.subject import Column, Event, Limit, Subject, Watched, number
from spectral_losses.cli.ui.console import count
from spectral_losses.controller import ConstraintConfig, ControllerConfig, LossController
from spectral_losses.controller.constraint import DECIBEL
from spectral_losses.scheduler.settings import Settings

COUNTING = ("raised", "lowered", "resting", "at the bound")  # the reasons of an observation of all metrics


class Extreme(NamedTuple):
    """The highest or the lowest lambda, and the epoch of it; none where that is the one to begin with."""

    ratio: float
    epoch: int | None

    def __str__(self) -> str:
        return f"{number(self.ratio)}{'' if self.epoch is None else f' at epoch {self.epoch}'}"


class ReplayedController(Subject):
    """A `LossController` on its way through a run."""

    known_reasons = (*COUNTING, "missing", "not finite")
    event, decades = "first met", True

    def __init__(self, name: str, config: ControllerConfig) -> None:
        self._controller = LossController(config, history=0)
        super().__init__(name, self._controller)
        self._config = config
        self._names = _names(config.each)
        # At each move: the averages, the number of the constraint that decided, and lambda from then on.
        self._observed = [array("d") for _ in config.each]
        self._deciding = array("l")
        self._ratios = array("d")
        self._lowest = self._highest = Extreme(self._controller.ratio, None)
        self._first_met: list[Event | None] = [None] * len(config.each)
        self.watched = [Watched(c.metric, c.smoothing > 0) for c in config.each]

    @property
    def looking(self) -> Sequence[Settings]:
        """The metrics of all constraints."""
        return self._config.watched

    def step(self, row: Row, traced: bool) -> None:
        """Take one row."""
        decision = self.answered(row)
        if decision.reason not in COUNTING:
            return
        values = [value for value in self._values if value is not None]  # which are all of them now
        for i, (c, value) in enumerate(zip(self._config.each, values, strict=True)):
            if self._first_met[i] is None and self._holds[i]:
                self._first_met[i] = Event(row.epoch, c.metric, value)
            if traced:
                self.watched[i].curve.add(row.epoch, value)
        if decision.adapted:
            ratio = self._controller.ratio
            for observed, value in zip(self._observed, values, strict=True):
                observed.append(value)
            self._deciding.append(values.index(decision.tracked) if decision.tracked in values else 0)
            self._ratios.append(ratio)
            self._lowest = min(self._lowest, Extreme(ratio, row.epoch), key=lambda extreme: extreme.ratio)
            self._highest = max(self._highest, Extreme(ratio, row.epoch), key=lambda extreme: extreme.ratio)

    def columns(self) -> list[Column]:
        """The metrics of the constraints, and lambda."""
        columns = []
        for c, observed in zip(self._config.each, self._observed, strict=True):
            average = "average\n" if c.smoothing else ""
            heading = f"{average}{c.metric}{', dB' if c.unit == 'dB' else ''}"
            columns.append(Column(heading, [_in_unit(c, value) for value in observed]))
        return [*columns, Column("lambda", [*self._ratios])]

    def why(self, move: int) -> str:
        """Which way lambda went, and by which constraint where there are several."""
        by = f" by the {self._names[self._deciding[move]]}" if len(self._names) > 1 else ""
        return f"{self.moves[move].reason}{by}"

    def why_not(self, rows: int) -> str:
        """Why lambda never moved: by what its rows were answered."""
        counted = sum(self.reasons[reason] for reason in COUNTING)
        if not counted:
            without = f"{self.reasons['missing']} lack one, {self.reasons['not finite']} have one that is not finite"
            return f"no row has finite values of {' and '.join(self.monitored)}: {without}"
        if self.reasons["at the bound"]:
            end = "most" if self._controller.ratio == self._config.most else "least"
            return f"lambda began at {number(self._controller.ratio)}, its {end}, and nothing led away from there"
        return f"nothing was asked for in {count(counted, 'observation')}"

    def closing(self) -> list[str]:
        """The way of lambda, what became of each constraint, and the weights after the last row."""
        way = f"from {number(self._config.start)} to {number(self._controller.ratio)}"
        lines = [f"Lambda: {way}; lowest {self._lowest}, highest {self._highest}."]
        each = zip(self._config.each, self._names, self._values, self._first_met, self._holds, strict=True)
        for c, name, value, first, holds in each:
            metric = f"{'average ' if c.smoothing else ''}{c.metric}"
            what = f"{name.capitalize()}, {metric} at most {_shown(c, c.limit)}"
            if value is None:
                lines.append(f"{what}: not observed.")
                continue
            went = f"never met, {_shown(c, value)} at the end"
            if first is not None:
                last = "met" if holds else "not met"
                went = f"first met at epoch {first.epoch}, {last} at the end with {_shown(c, value)}"
            lines.append(f"{what}: {went}.")
        return [*lines, f"At the end: {self.weights_in_words()}."]

    def settings(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Those of all, then those of each constraint but for its metric."""
        shared, *constraints = self._config.to_dict(), *(c.to_dict() for c in self._config.each)
        del shared["constraints"]
        for each in constraints:
            del each["metric"]
        return [("", 0, shared), *(("constraint", n, each) for n, each in enumerate(constraints, 1))]

    def facts(self) -> dict[str, object]:
        """The way of lambda, and when each constraint was met."""
        facts: dict[str, object] = {
            "lowest lambda": number(self._lowest.ratio),
            "highest lambda": number(self._highest.ratio),
            "final lambda": number(self._controller.ratio),
        }
        for name, first, holds in zip(self._names, self._first_met, self._holds, strict=True):
            facts[f"{name} first met"] = None if first is None else first.epoch
            facts[f"{name} met at the end"] = "yes" if holds else "no"
        return facts

    def found(self) -> dict[str, Any]:
        """What became of each constraint."""
        each = zip(self._config.each, self._values, self._first_met, self._holds, strict=True)
        return {
            "constraints": [
                {
                    "metric": c.metric,
                    "of": c.of,
                    "limit": c.limit,
                    "first_met": None if first is None else first.epoch,
                    "met": holds,
                    "average": value,
                }
                for c, value, first, holds in each
            ]
        }

    def adaptations(self) -> list[dict[str, Any]]:
        """The moves, each with lambda from then on."""
        return [{**told, "ratio": ratio} for told, ratio in zip(super().adaptations(), self._ratios, strict=True)]

    def final(self) -> dict[str, Any]:
        """Where the last row left it, lambda too."""
        return {**super().final(), "ratio": self._controller.ratio}

    def events(self) -> list[Event]:
        """When each constraint was first met."""
        return [event for event in self._first_met if event is not None]

    def limits(self) -> list[Limit]:
        """What each metric may be at most."""
        return [Limit(c.metric, c.limit, f"{_kind(c)} {_shown(c, c.limit)}") for c in self._config.each]

    @property
    def _averages(self) -> Sequence[float | None]:
        """Of each constraint log(average / limit), None before the first observation."""
        return self._controller.state.averages or (None,) * len(self._config.each)

    @property
    def _values(self) -> list[float | None]:
        """The average of each constraint's metric, in its own units."""
        pairs = zip(self._config.each, self._averages, strict=True)
        return [None if average is None else c.limit * math.exp(average) for c, average in pairs]

    @property
    def _holds(self) -> list[bool]:
        """Whether each constraint is met."""
        return [average is not None and average <= 0 for average in self._averages]


def _kind(c: ConstraintConfig) -> str:
    return "goal" if c.of == "target" else "limit"


def _names(constraints: Sequence[ConstraintConfig]) -> list[str]:
    """What to call each: goal and limit, with numbers where there are several of a kind."""
    kinds = [_kind(c) for c in constraints]
    return [kind if kinds.count(kind) == 1 else f"{kind} {kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)]


def _in_unit(c: ConstraintConfig, value: float) -> float:
    """A value of a metric in the unit of its limit."""
    return math.sqrt(value) / DECIBEL if c.unit == "dB" else value


def _shown(c: ConstraintConfig, value: float) -> str:
    return f"{number(_in_unit(c, value))}{' dB' if c.unit == 'dB' else ''}"
