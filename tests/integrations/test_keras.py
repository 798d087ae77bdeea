"""Keras 3 with each backend that has arrays of ours, in a process of its own; what is said without them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).with_name("keras_cases.py")
IMPORT = """
import sys
{before}
try:
    import spectral_losses.integrations.keras as module
    {after}
except (ImportError, RuntimeError) as error:
    print(type(error).__name__, error)
"""


def run(backend: str, home: Path, *command: str) -> Any:
    path = os.pathsep.join([str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")])
    settings = {"KERAS_BACKEND": backend, "KERAS_HOME": str(home), "PYTHONPATH": path}
    # What is computed here is small, and what is compiled is not.
    fast = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "OMP_NUM_THREADS": "1", "PYTEST_ADDOPTS": ""}
    env = {**os.environ, **settings, **fast}
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False, cwd=ROOT)


def needs(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_cases_with_each_backend(backend: str, tmp_path: Path) -> None:
    needs("keras", backend)
    done = run(backend, tmp_path, "-m", "pytest", "-q", "-p", "no:xdist", str(CASES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("made", ["CompositeCriterion({'a': 'field_error'})", "MeanLoss('field_error')"])
def test_other_backends_are_refused(made: str, tmp_path: Path) -> None:
    needs("keras")
    done = run("numpy", tmp_path, "-W", "ignore", "-c", IMPORT.format(before="", after=f"module.{made}"))
    assert done.stdout.startswith(
        "RuntimeError the backend of Keras must be torch or jax, got numpy: set KERAS_BACKEND"
    )


def test_a_backend_that_is_not_installed_is_named(tmp_path: Path) -> None:
    needs("keras")
    if importlib.util.find_spec("tensorflow") is not None:  # which is what Keras takes where nobody asks for another
        pytest.skip("it is installed")
    done = run("tensorflow", tmp_path, "-W", "ignore", "-c", IMPORT.format(before="", after=""))
    assert done.stdout.startswith("ModuleNotFoundError Keras is set to tensorflow, which is not installed: set ")


def test_without_keras_the_error_says_what_to_install(tmp_path: Path) -> None:
    done = run("torch", tmp_path, "-c", IMPORT.format(before="sys.modules['keras'] = None", after=""))
    assert done.stdout.startswith("ModuleNotFoundError this module needs Keras 3, which is not installed: pip install")
