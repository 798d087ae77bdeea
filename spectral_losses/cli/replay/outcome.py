"""What schedulers would have done, row by row through the metrics of a run."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from spectral_losses.cli.replay.configs import Named
from spectral_losses.cli.replay.metrics_log import Row, no_column
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.scheduler import (
    Decision,
    SchedulerChain,
    SchedulerConfig,
    SchedulerState,
    progress,
    update,
    warm_until,
    weights,
)


@dataclass
class Curve:
    """Values over epochs, to be drawn."""

    epochs: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, epoch: float, value: float) -> None:
        """Go on to a point."""
        self.epochs.append(epoch)
        self.values.append(value)


class WarmUp(NamedTuple):
    """First epoch of a warm-up that there was, the epoch at which it ends, and the metric watched from then on."""

    start: int
    stop: int
    monitor: str


@dataclass
class Outcome:
    """What one scheduler would have done.

    Attributes
    ----------
    name : str
    config : SchedulerConfig or SchedulerChain
    state : SchedulerState
        After the last row.
    moves : list of Decision
        Those that adapted.
    moved_by : list of str
        The metric that was monitored at each of them.
    reasons : Counter
        How many rows were answered with each reason.
    stalest : int
        The most observations without an improvement.
    warm_ups : list of WarmUp
    tracked : dict of str to Curve
        For a picture: each monitored metric as it was watched; a NaN where a stage of a chain ended.
    """

    name: str
    config: SchedulerConfig | SchedulerChain
    state: SchedulerState = field(default_factory=SchedulerState)
    moves: list[Decision] = field(default_factory=list)
    moved_by: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    stalest: int = 0
    warm_ups: list[WarmUp] = field(default_factory=list)
    tracked: dict[str, Curve] = field(default_factory=dict)

    @property
    def progress(self) -> float:
        """After the last row."""
        return progress(self.config, self.state)

    @property
    def initial_weights(self) -> dict[str, float]:
        """Before the first row."""
        return weights(self.config, SchedulerState())

    @property
    def weights(self) -> dict[str, float]:
        """After the last row."""
        return weights(self.config, self.state)

    @property
    def finished(self) -> int | None:
        """The epoch at which the final weights were reached, if they were."""
        return self.moves[-1].epoch if self.moves and self.progress >= 1 else None

    def step(self, row: Row, traced: bool) -> None:
        """Take one row, with the metric that is monitored then."""
        c = self.config.stages[self.state.stage]
        before = self.state
        self.state, decision = update(self.config, self.state, row.metrics, row.epoch)
        self.reasons[decision.reason] += 1
        self.stalest = max(self.stalest, self.state.stale)
        if decision.adapted:
            self.moves.append(decision)
            self.moved_by.append(c.monitor if c.needs_metric else "")
        if decision.reason == "warmup":
            warm_up = WarmUp(before.started, warm_until(c, before), c.monitor)
            if warm_up not in self.warm_ups[-1:]:
                self.warm_ups.append(warm_up)
        if traced and decision.tracked is not None:
            curve = self.tracked.setdefault(c.monitor, Curve())
            curve.add(row.epoch, decision.tracked)
            if self.state.stage > before.stage:
                curve.add(row.epoch, float("nan"))


@dataclass
class Replay:
    """A run's metrics and what each scheduler would have made of them.

    Attributes
    ----------
    path : str
    outcomes : list of Outcome
    rows : int
    first, last : int
        Epochs.
    epochs : array of float
        For a picture: of every row.
    metrics : dict of str to Curve
        For a picture: the monitored metrics where they had a value, finite or not.
    """

    path: str
    outcomes: list[Outcome]
    rows: int = 0
    first: int = 0
    last: int = 0
    epochs: array[float] = field(default_factory=lambda: array("d"))
    metrics: dict[str, Curve] = field(default_factory=dict)


def replay(path: Path, rows: Iterable[Row], configs: Sequence[Named], traced: bool = False) -> Replay:
    """Take the rows of a run through every configuration.

    Parameters
    ----------
    path : Path
        Where the rows come from, for messages.
    rows : iterable of Row
        Read once, one at a time.
    configs : sequence of Named
    traced : bool, default False
        Whether to keep what a picture shows: a few numbers for each row.

    Returns
    -------
    Replay

    Raises
    ------
    CommandError
        A row lacks the metric that a configuration monitors, and the configuration does not say to hold then.
    """
    found = Replay(str(path), [Outcome(*named) for named in configs])
    for row in rows:
        for outcome in found.outcomes:
            try:
                outcome.step(row, traced)
            except KeyError as error:
                raise CommandError(f"{path}: row {row.number}: {_missing(row, outcome)}") from error
        found.first = row.epoch if not found.rows else found.first
        found.last = row.epoch
        found.rows += 1
        if traced:
            found.epochs.append(row.epoch)
            for name, value in row.metrics.items():
                if value is not None:
                    found.metrics.setdefault(name, Curve()).add(row.epoch, value)
    return found


def weight_curves(outcome: Outcome) -> dict[tuple[str, ...], list[float]]:
    """Weights at the beginning and after each move; components that always have the same share an entry."""
    steps = [outcome.initial_weights, *(move.weights for move in outcome.moves)]
    shared: dict[tuple[float, ...], list[str]] = {}
    for name in steps[0]:
        shared.setdefault(tuple(step[name] for step in steps), []).append(name)
    return {tuple(names): list(curve) for curve, names in shared.items()}


def _missing(row: Row, outcome: Outcome) -> str:
    """Say which metric the scheduler misses."""
    stages = outcome.config.stages[outcome.state.stage :]
    name = next(c.monitor for c in stages if c.missing == "raise" and c.needs_metric and row.metrics[c.monitor] is None)
    problem = f"{name} is empty" if name in row.columns else no_column(name, row.columns)
    return f'{problem}; with missing = "hold" in the configuration ({outcome.name}) such rows would wait'
