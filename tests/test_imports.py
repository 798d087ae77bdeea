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

# Floor by floor, lowest first: a file or a package may import from its own list only, type checkers' imports included.
SCHEDULING = {"_former", "_checks", "_saved", "config", "scheduler", "history"}
ALLOWED: dict[str, set[str]] = {
    "_lazy": set(),
    "messages": set(),
    "fields": {"messages"},
    "transforms": {"messages"},
    "spectra": {"messages", "fields", "transforms"},
    "losses": {"messages", "fields", "transforms", "spectra"},
    "composite": {"messages", "losses", "spectra"},
    "evaluation": {"messages", "losses", "spectra"},
    "gradients": {"messages", "composite", "losses", "spectra"},
    **dict.fromkeys(SCHEDULING, SCHEDULING | {"messages"}),
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


def files_of(name: str) -> list[Path]:
    """The files of a package or the one of a module."""
    folder = ROOT / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [ROOT / f"{name}.py"]


@pytest.mark.parametrize("name", ALLOWED)
def test_dependencies_point_one_way(name: str) -> None:
    for path in files_of(name):
        modules = imports(path, types=name not in SCHEDULING)
        found = {module.split(".")[1] for module in modules if module.startswith("spectral_losses.")} - {name}
        assert found <= ALLOWED[name], (path, found - ALLOWED[name])


@pytest.mark.parametrize("folder", [BACKENDS, *(ROOT / n for n in ("fields", "transforms", "spectra", "losses"))])
def test_files_of_a_package_form_no_circle(folder: Path) -> None:
    package = ".".join(folder.relative_to(folder.parent if folder == BACKENDS else ROOT.parent).parts)
    arrows = {}
    for path in folder.rglob("*.py"):
        name = ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        # A registry imports backends where it needs them, when their arrays come.
        arrows[name] = {to for to in imports(path, types=True, inside=False) if to.startswith(f"{package}.")}
    while arrows:
        free = {name for name, others in arrows.items() if not any(other in arrows for other in others - {name})}
        assert free, f"a circle among {sorted(arrows)}"
        arrows = {name: others for name, others in arrows.items() if name not in free}


def test_the_core_needs_numpy_and_the_standard_library_alone() -> None:
    for name in ALLOWED:
        for path in files_of(name):
            packages = {module.split(".")[0] for module in imports(path, types=True)}
            extra = packages - set(sys.stdlib_module_names) - {"numpy", "spectral_losses", "spectral_losses_backends"}
            assert not extra, (path, extra)
            if name in SCHEDULING:
                assert not packages & {"numpy", "spectral_losses_backends"}, path
    known = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(ALLOWED) == known - {"__init__", "testing", "integrations", "cli", "demo"}


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
    for path in BACKENDS.rglob("*.py"):
        packages = {module.split(".")[0] for module in imports(path, types=True)}
        assert "spectral_losses" not in packages, path
        assert "import_module" not in path.read_text(), path
        own = path.relative_to(BACKENDS).parts[0].removesuffix(".py")
        assert packages - set(sys.stdlib_module_names) <= {
            "numpy", "array_api_compat", "spectral_losses_backends", "scipy", own,
        }  # fmt: skip


def imports(path: Path, types: bool = False, inside: bool = True) -> set[str]:
    """Modules that a file imports; with ``types`` for type checkers, too, without ``inside`` none in functions."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        for_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if for_types and not types:
            node.body = []  # type: ignore[attr-defined]
        if isinstance(node, ast.FunctionDef) and not inside:
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            base = str(node.module)
            short = base in ("spectral_losses", "spectral_losses_backends", "spectral_losses_backends.torch")
            found |= {f"{base}.{alias.name}" if short else base for alias in node.names}
    return found


def test_the_import_check_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import torch\nfrom spectral_losses import losses\nfrom spectral_losses.spectra import Spectrum\n")
    assert imports(bad) == {"torch", "spectral_losses.losses", "spectral_losses.spectra"}
    bad.write_text("if TYPE_CHECKING:\n    import torch\ndef f():\n    import numpy\n")
    assert imports(bad) == {"numpy"}
    assert imports(bad, types=True, inside=False) == {"torch"}
