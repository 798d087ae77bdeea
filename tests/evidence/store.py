"""Finished runs, a line of JSON each, in one file for each flow and network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["PILOTS", "append", "done", "runs"]

PILOTS = 100
"""Seeds from here on are pilots: they are not a part of the evidence."""


def append(results: Path, run: dict[str, Any]) -> None:
    """Add a finished run."""
    results.mkdir(parents=True, exist_ok=True)
    line = json.dumps(run, allow_nan=False)
    with _file(results, run["flow"], run["network"]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def runs(results: Path, flow: str, network: str, *, pilots: bool = False) -> Iterator[dict[str, Any]]:
    """Those that are there; of pilots, or of all others."""
    file = _file(results, flow, network)
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            run = json.loads(line)
            if (run["seed"] >= PILOTS) == pilots:
                yield run


def done(results: Path, flow: str, network: str) -> set[tuple[str, int]]:
    """Arms and seeds of the runs that are there."""
    return {
        (run["arm"], run["seed"]) for pilots in (True, False) for run in runs(results, flow, network, pilots=pilots)
    }


def _file(results: Path, flow: str, network: str) -> Path:
    return results / f"{flow}-{network}.jsonl"
