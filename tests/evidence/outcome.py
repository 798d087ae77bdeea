"""What the stored runs of one flow and network say, by arm and seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .arms import ALONE, ARMS, STATIC
from .paired import Interval, Point, beyond_front, interval, ratio
from .store import runs

__all__ = ["Outcome", "outcome"]


class Outcome:
    """Runs of one flow and network."""

    def __init__(self, flow: str, network: str, found: dict[str, dict[int, dict[str, Any]]]) -> None:
        self.flow, self.network, self.found = flow, network, found

    @property
    def arms(self) -> list[str]:
        """Those that were run, in the order of the protocol."""
        return [arm for arm in ARMS if arm in self.found]

    @property
    def seeds(self) -> list[int]:
        """Of the field error alone."""
        return sorted(self.found.get(ALONE, {}))

    def values(self, arm: str, *path: str) -> dict[int, float]:
        """One number of each seed's run, such as ``"leads", "1", "field_error"``; without those that are not finite."""
        values = {}
        for seed, run in sorted(self.found.get(arm, {}).items()):
            value: Any = run
            for name in path:
                value = value[int(name)] if isinstance(value, list) else (value or {}).get(name)
            if value is not None:
                values[seed] = float(value)
        return values

    def ratio(self, arm: str, *path: str, to: str = ALONE) -> Interval | None:
        """To the field error alone, paired by seed."""
        return ratio(self.values(arm, *path), self.values(to, *path))

    def point(self, arm: str, seed: int, lead: str = "1") -> Point | None:
        """Field error and distance; None where the run is not there, or not finite."""
        run = self.found.get(arm, {}).get(seed)
        if run is None:
            return None
        found = run["leads"][lead]
        return None if None in (found["field_error"], found["distance"]) else (found["field_error"], found["distance"])

    def static(self, seed: int, lead: str = "1") -> list[Point]:
        """The field error alone and the static weights, with one seed."""
        points = (self.point(arm, seed, lead) for arm in (ALONE, *STATIC))
        return [point for point in points if point is not None]

    def beyond(self, arm: str, lead: str = "1") -> tuple[Interval, int] | None:
        """Mean of ``ln d - ln d_front`` over the seeds, and of how many the front reaches to; None with no seed.

        A static weight is held against the front of the others.
        """
        apart, inside = [], 0
        for seed in self.seeds:
            point = self.point(arm, seed, lead)
            others = [each for each in self.static(seed, lead) if each != point]
            if point is not None and len(others) > 1:
                delta, within = beyond_front(point, others)
                apart.append(delta)
                inside += within
        return (interval(apart), inside) if apart else None


def outcome(results: Path, flow: str, network: str) -> Outcome:
    """Read the runs; a run that is there twice counts as it was first."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for run in runs(results, flow, network):
        found.setdefault(run["arm"], {}).setdefault(run["seed"], run)
    return Outcome(flow, network, found)
