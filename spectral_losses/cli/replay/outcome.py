"""What schedulers and controllers would have done, row by row through the metrics of a run."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spectral_losses.cli.replay.configs import Named
from spectral_losses.cli.replay.controllers import ReplayedController
from spectral_losses.cli.replay.metrics_log import Row, no_column
from spectral_losses.cli.replay.schedulers import ReplayedScheduler
from spectral_losses.cli.replay.subject import Curve, Subject
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.controller import ControllerConfig


@dataclass
class Replay:
    """A run's metrics and what each scheduler or controller would have made of them.

    Attributes
    ----------
    path : str
    subjects : list of Subject
    rows : int
    first, last : int
        Epochs.
    epochs : array of float
        For a picture: of every row.
    metrics : dict of str to Curve
        For a picture: the monitored metrics where they had a value, finite or not.
    """

    path: str
    subjects: list[Subject]
    rows: int = 0
    first: int = 0
    last: int = 0
    epochs: array[float] = field(default_factory=lambda: array("d"))
    metrics: dict[str, Curve] = field(default_factory=dict)


def subject(named: Named) -> Subject:
    """A scheduler or a controller, as its configuration has it, before the first row."""
    if isinstance(named.config, ControllerConfig):
        return ReplayedController(named.name, named.config)
    return ReplayedScheduler(named.name, named.config)


def replay(path: Path, rows: Iterable[Row], subjects: Sequence[Subject], traced: bool = False) -> Replay:
    """Take the rows of a run through every configuration.

    Parameters
    ----------
    path : Path
        Where the rows come from, for messages.
    rows : iterable of Row
        Read once, one at a time.
    subjects : sequence of Subject
        That have taken no row so far.
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
    found = Replay(str(path), list(subjects))
    for row in rows:
        for each in found.subjects:
            try:
                each.step(row, traced)
            except KeyError as error:
                raise CommandError(f"{path}: row {row.number}: {_missing(row, each)}") from error
        found.first = row.epoch if not found.rows else found.first
        found.last = row.epoch
        found.rows += 1
        if traced:
            found.epochs.append(row.epoch)
            for name, value in row.metrics.items():
                if value is not None:
                    found.metrics.setdefault(name, Curve()).add(row.epoch, value)
    return found


def _missing(row: Row, missing: Subject) -> str:
    """Say which metric it misses."""
    needed = [name for c in missing.looking if c.missing == "raise" for name in c.metrics]
    name = next(name for name in needed if row.metrics[name] is None)
    problem = f"{name} is empty" if name in row.columns else no_column(name, row.columns)
    where = f"in the configuration ({missing.name}), or --set missing=hold"
    return f'{problem}; with missing = "hold" {where}, such rows would wait'
