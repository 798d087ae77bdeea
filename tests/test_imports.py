"""What importing loads, and which way the dependencies point."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import spectral_losses

ROOT = Path(spectral_losses.__file__).parent
BACKENDS = Path(__import__("spectral_losses_backends").__file__).parent
HEAVY = {
    "numpy",
    "scipy",
    "torch",
    "jax",
    "dask",
    "cupy",
    "xarray",
    "matplotlib",
    "rich",
    "hypothesis",
    "array_api_compat",
}

# Floor by floor: a module may import from its own floor's list only.
ALLOWED = {
    "_lazy": set(),
    "scheduler": set(),
    "_former": {"scheduler"},
    "_checks": {"_former", "scheduler"},
    "_saved": {"_former", "scheduler"},
    "config": {"_checks", "_former", "_saved", "scheduler"},
    "_grid": set(),
    "_dispatch": set(),
    "_taper": {"_dispatch"},
    "_fields": {"_dispatch"},
    "spectra": {"_dispatch", "_fields", "_grid", "_taper"},
    "losses": {"_dispatch", "_fields", "_taper", "spectra"},
    "evaluation": {"_dispatch", "losses", "spectra"},
    "composite": {"_dispatch", "losses", "spectra"},
    "gradients": {"_dispatch", "_fields", "_grid", "_taper", "composite", "losses", "spectra"},
    "history": set(),
}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_loads_no_framework() -> None:
    loaded = set(run("import sys, spectral_losses; print(*{m.split('.')[0] for m in sys.modules})").split())
    assert not loaded & HEAVY


def test_a_framework_is_loaded_only_when_its_arrays_come() -> None:
    code = """
import sys, numpy as np, spectral_losses as sl
sl.evaluate(np.ones((2, 4, 4)), np.ones((2, 4, 4)))
print(*{m.split('.')[0] for m in sys.modules})
"""
    loaded = set(run(code).split())
    assert not loaded & (HEAVY - {"numpy", "scipy", "array_api_compat"})


def test_numpy_works_without_scipy() -> None:
    code = """
import sys
sys.modules["scipy"] = sys.modules["scipy.fft"] = None
import numpy as np, spectral_losses as sl
x = np.random.default_rng(0).normal(size=(2, 8, 6)).astype("float32")
print(sl.radial_spectrum(x).power.dtype, sl.spectrum_error(x, x))
"""
    assert run(code).split() == ["float32", "0.0"]


def test_public_names() -> None:
    importlib.import_module("spectral_losses.evaluation")  # a module of a function's name would hide the function
    for name in ("field_error", "spectrum_error", "radial_spectrum", "evaluate", "Spectrum"):
        assert callable(getattr(spectral_losses, name))
        assert name in dir(spectral_losses)
        assert name in spectral_losses.__dir__()
    with pytest.raises(AttributeError, match="no attribute 'spectral_error'"):
        _ = spectral_losses.spectral_error


@pytest.mark.parametrize("name", ALLOWED)
def test_dependencies_point_one_way(name: str) -> None:
    found = {module.split(".")[1] for module in imports(ROOT / f"{name}.py") if module.startswith("spectral_losses.")}
    assert found <= ALLOWED[name], found - ALLOWED[name]


def test_the_core_needs_numpy_and_the_standard_library_alone() -> None:
    for path in ROOT.glob("*.py"):
        if path.stem == "testing":
            continue
        packages = {module.split(".")[0] for module in imports(path)}
        extra = packages - set(sys.stdlib_module_names) - {"numpy", "spectral_losses", "spectral_losses_backends"}
        assert not extra, (path, extra)
    assert set(ALLOWED) == {path.stem for path in ROOT.glob("*.py")} - {"__init__", "testing"}


def test_nothing_imports_what_is_under_the_roof() -> None:
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT).parts[0]
        for package, users in {
            "integrations": {"integrations"},
            "demo": {"demo", "cli"},
            "testing": {"testing"},
        }.items():
            if place not in users:
                found = {module for module in imports(path) if f"{module}.".startswith(f"spectral_losses.{package}.")}
                assert not found, (path, found)


def test_backends_never_reach_up() -> None:
    for path in BACKENDS.glob("*.py"):
        packages = {module.split(".")[0] for module in imports(path)}
        assert "spectral_losses" not in packages, path
        assert packages - set(sys.stdlib_module_names) <= {
            "numpy", "array_api_compat", "spectral_losses_backends", "scipy", path.stem.split("_")[0],
        }  # fmt: skip


def imports(path: Path) -> set[str]:
    """Modules that a file imports when it runs: not those for type checkers."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found |= {
                f"{node.module}.{alias.name}" if node.module == "spectral_losses" else str(node.module)
                for alias in node.names
            }
    return found


def test_the_import_check_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import torch\nfrom spectral_losses import losses\nfrom spectral_losses.spectra import Spectrum\n")
    assert imports(bad) == {"torch", "spectral_losses.losses", "spectral_losses.spectra"}
