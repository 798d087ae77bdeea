"""Reference numbers: by brute force in float64, and of the implementation that the scheduler grew from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parents[1] / "golden"
SHARED = Path(__file__).parents[3] / "shared"
"""Measured fields, which lie beside the project on some machines."""


def reference_cases(name: str = "losses") -> dict[str, Any]:
    """The numbers of each case."""
    cases: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return cases


def reference_fields(name: str, case: str) -> tuple[Any, Any]:
    """Prediction and target of a case."""
    import numpy as np

    with np.load(GOLDEN / f"{name}.npz") as stored:
        return stored[f"{case}.prediction"], stored[f"{case}.target"]
