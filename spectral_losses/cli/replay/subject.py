"""What is replayed, be it a scheduler or a controller: what it is shown, and what it has to say afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from spectral_losses.cli.replay.metrics_log import Row
from spectral_losses.scheduler import Decision
from spectral_losses.scheduler.checkpoint import plain_decision
from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.stepper import Stepper

TOLD = ("epoch", "reason", "detail", "metric", "tracked", "progress", "weights")  # of a move, in JSON


@dataclass
class Curve:
    """Values over epochs, to be drawn."""

    epochs: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, epoch: float, value: float) -> None:
        """Go on to a point."""
        self.epochs.append(epoch)
        self.values.append(value)


@dataclass
class Watched:
    """A metric as it was watched, to be drawn: averaged or as it is; a NaN where a stage of a chain ended."""

    metric: str
    averaged: bool
    curve: Curve = field(default_factory=Curve)


class Event(NamedTuple):
    """An epoch to be marked in a picture, with the metric that it is about and the value watched there, if any."""

    epoch: int
    metric: str
    value: float | None


class Span(NamedTuple):
    """Epochs to be shaded in a picture, and the metric that it is about."""

    start: int
    stop: int
    metric: str


class Limit(NamedTuple):
    """A value to be drawn across the picture of a metric, and what to call it."""

    metric: str
    value: float
    label: str


class Column(NamedTuple):
    """A column in the table of moves: one number for each."""

    heading: str
    numbers: list[float | None]


class Subject(ABC):
    """A scheduler or a controller on its way through a run.

    Attributes
    ----------
    name : str
    machine : LossScheduler or LossController
    initial_weights : dict of str to float
    moves : list of Decision
        Those that changed the weights.
    reasons : Counter
        How many rows were answered with each reason.
    watched : list of Watched
        For a picture.
    """

    known_reasons: ClassVar[tuple[str, ...]]
    """In the order in which they are told."""
    event: ClassVar[str]
    """What `events` are, in a word or two."""
    spans_are: ClassVar[str] = ""
    """The same of `spans`."""
    decades: ClassVar[bool] = False
    """Whether the weights are drawn on a logarithmic axis."""

    def __init__(self, name: str, machine: Stepper[Any, Any]) -> None:
        self.name = name
        self.machine = machine
        self.initial_weights = machine.weights
        self.moves: list[Decision] = []
        self.reasons: Counter[str] = Counter()
        self.watched: list[Watched] = []

    # On the way.

    @property
    def monitored(self) -> tuple[str, ...]:
        """The metrics that it needs, in order."""
        return self.machine.monitored

    @property
    @abstractmethod
    def looking(self) -> Sequence[Settings]:
        """Which metrics the next row must have, and whether it may hold without them."""

    @abstractmethod
    def step(self, row: Row, traced: bool) -> None:
        """Take one row; `traced` keeps what a picture shows."""

    def answered(self, row: Row) -> Decision:
        """What the machine says to a row, counted."""
        decision = self.machine.step(row.metrics, row.epoch)
        self.reasons[decision.reason] += 1
        if decision.adapted:
            self.moves.append(decision)
        return decision

    # Afterwards, for tables and JSON.

    def counts(self) -> dict[str, int]:
        """How many rows were answered with each reason that there was."""
        names = dict.fromkeys([*self.known_reasons, *self.reasons])
        return {reason: self.reasons[reason] for reason in names if self.reasons[reason]}

    @abstractmethod
    def columns(self) -> list[Column]:
        """What the table of moves shows, but for the epoch and why."""

    def why(self, move: int) -> str:
        """Why it made one of its moves."""
        return self.moves[move].detail.rsplit("; ", 1)[0]  # what follows is the change of weights

    @abstractmethod
    def why_not(self, rows: int) -> str:
        """Why the weights never moved: by what the rows were answered."""

    @abstractmethod
    def closing(self) -> list[str]:
        """How it went, in lines below the table of moves."""

    @abstractmethod
    def settings(self) -> list[tuple[str, int, dict[str, Any]]]:
        """The settings by name, in sections of which there may be several: what they are of, a number, settings."""

    @abstractmethod
    def facts(self) -> dict[str, object]:
        """What a table says beside what others found: labels and cells."""

    @abstractmethod
    def found(self) -> dict[str, Any]:
        """What JSON has of this kind alone."""

    def adaptations(self) -> list[dict[str, Any]]:
        """The moves as JSON has them."""
        return [{name: move[name] for name in TOLD} for move in map(plain_decision, self.moves)]

    def final(self) -> dict[str, Any]:
        """Where the last row left it, as JSON has it."""
        return {"progress": self.machine.progress, "weights": self.machine.weights}

    def weights_in_words(self) -> str:
        """After the last row."""
        return ", ".join(f"{name} {number(weight)}" for name, weight in self.machine.weights.items())

    # Afterwards, for a picture.

    @abstractmethod
    def events(self) -> list[Event]:
        """Epochs to be marked."""

    def spans(self) -> list[Span]:
        """Epochs to be shaded."""
        return []

    def limits(self) -> list[Limit]:
        """Values that metrics are held against."""
        return []

    def weight_curves(self) -> dict[tuple[str, ...], list[float]]:
        """Weights at the beginning and after each move; components that always have the same share an entry."""
        steps = [self.initial_weights, *(move.weights for move in self.moves)]
        shared: dict[tuple[float, ...], list[str]] = {}
        for name in steps[0]:
            shared.setdefault(tuple(step[name] for step in steps), []).append(name)
        return {tuple(names): list(curve) for curve, names in shared.items()}


def number(value: float | None) -> str:
    """Four digits; a dash where there is no number."""
    return "-" if value is None else f"{value:.4g}"
