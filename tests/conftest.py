"""The profile of hypothesis, the fixtures of all tests, and what is skipped without a GPU."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# Most of what tests of JAX take is LLVM at work on programs that run once. With --slow it does all that it does for
# users. Processes of pytest-xdist and those that tests start have what the first one says.
if "PYTEST_XDIST_WORKER" not in os.environ and "--slow" not in sys.argv:
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")

# Workers beside one another share the cores: threads of PyTorch that wait for a core in turn take twice the time.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ask for what is slow as well."""
    parser.addoption("--slow", action="store_true", help="run what is marked slow, too")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is slow, and what is marked ``gpu`` where its package, or PyTorch, sees no CUDA device."""
    if item.get_closest_marker("slow") and not item.config.getoption("--slow"):
        pytest.skip("slow: runs with --slow")
    for mark in item.iter_markers("gpu"):
        package = mark.args[0] if mark.args else "torch"
        if not sees_a_device(package):
            pytest.skip(f"{package} sees no CUDA device")
