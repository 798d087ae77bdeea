"""The profile of hypothesis, the fixtures of all tests, and the reference numbers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

if importlib.util.find_spec("numpy"):  # the scheduler's tests run without it
    from frameworks import autodiff, framework

    __all__ = ["autodiff", "framework"]

settings.register_profile(
    "default",
    deadline=None,
    print_blob=True,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.differing_executors,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.load_profile("default")

SHARED = Path(__file__).parents[2] / "shared"


def reference_cases(name: str = "losses") -> dict[str, Any]:
    """The reference numbers that lie beside the project on some machines; nothing elsewhere."""
    path = SHARED / "reference" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}
