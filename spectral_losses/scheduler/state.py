"""What a scheduler remembers, and what it answers: immutable values of plain types."""

from __future__ import annotations

from typing import NamedTuple

from spectral_losses.scheduler.slope import LEAST

FORMAT, VERSION = "spectral_losses.LossScheduler", 1
"""What a saved state calls itself, and the meaning of its fields."""


class SchedulerState(NamedTuple):
    """All that a scheduler remembers; immutable, plain numbers and None. ``SchedulerState()`` is the beginning.

    Attributes
    ----------
    epoch : int or None
        The last one seen.
    stage, started : int
        Which transition of a chain it is in, and that one's first epoch.
    progress : float
        Of this stage, in [0, 1].
    seen : int or None
        Epoch of the last observation that counted: out of the warm-up, there and finite.
    tracked, best : float or None
        The metric as it is watched (its moving average, or itself) and the best of it.
    stale, consecutive, cooldown, moves : int
        Observations since the best; moves since the last improvement; observations left to cool down; moves in this
        stage.
    observed, look, flat : int
    latest : tuple of float
        Of the trigger "auto": observations since the last move, the one at which it looks next, how many looks in a row
        found a plateau, and the latest values.
    guarded : tuple of float
    reference, before : float or None
    trial, halved : int
    ceiling : float
        Of a guard: the logarithms of the latest values of its metric, their level before the first move, the progress
        before the move that is on trial, if one is, observations left until that is judged, moves that were taken
        back, each of which has halved the step, and what the progress never exceeds.
    """

    epoch: int | None = None
    stage: int = 0
    started: int = 0
    progress: float = 0.0
    seen: int | None = None
    tracked: float | None = None
    best: float | None = None
    stale: int = 0
    consecutive: int = 0
    cooldown: int = 0
    moves: int = 0
    observed: int = 0
    look: int = LEAST
    flat: int = 0
    latest: tuple[float, ...] = ()
    guarded: tuple[float, ...] = ()
    reference: float | None = None
    before: float | None = None
    trial: int = 0
    halved: int = 0
    ceiling: float = 1.0


class Decision(NamedTuple):
    """The answer to one observation. It is true where weights were moved, and prints as a line for a log.

    Attributes
    ----------
    adapted : bool
        Whether the progress changed: towards the final weights, but for a move that was taken back.
    reason : str
        ``"disabled"``, ``"warmup"``, ``"missing"``, ``"not finite"``, ``"improved"``, ``"waiting"``, ``"cooldown"``,
        ``"adapted"``, ``"holding"`` (too many moves without an improvement) or ``"finished"``; with a guard also
        ``"on trial"`` (the last move is not judged yet), ``"stepped back"`` and ``"settled"`` (no move is left).
    weights : dict of str to float
        Of every component, from now on.
    progress : float
        From 0 to 1, over all stages.
    epoch : int or None
        The epoch of the observation; None from a scheduler that is disabled and was given none.
    detail : str
        The reason in words.
    metric, tracked : float or None
        What was observed, and what was made of it: its moving average, or itself.
    """

    adapted: bool
    reason: str
    weights: dict[str, float]
    progress: float
    epoch: int | None
    detail: str
    metric: float | None = None
    tracked: float | None = None

    def __bool__(self) -> bool:
        return self.adapted

    def __str__(self) -> str:
        when = "" if self.epoch is None else f"epoch {self.epoch}: "
        return f"{when}{self.reason}: {self.detail}"
