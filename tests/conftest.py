"""The profile of hypothesis, the fixtures of all tests, and what is skipped without a GPU."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import HealthCheck, settings

if importlib.util.find_spec("numpy"):  # the scheduler's tests run without it
    from frameworks import autodiff, framework, sees_a_device

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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked ``gpu`` where no CUDA device is seen by the package that the marker names, or by PyTorch."""
    for mark in item.iter_markers("gpu"):
        package = mark.args[0] if mark.args else "torch"
        if not sees_a_device(package):
            pytest.skip(f"{package} sees no CUDA device")
