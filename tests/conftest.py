"""The profile of hypothesis and the fixtures of all tests."""

from __future__ import annotations

import importlib.util

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
