"""What importing loads, and which way the dependencies point."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from draw_house import PICTURE, draw
from house import BACKENDS, FLOORS, ROOT, arrows, circle, files_of, imports, rooms

import spectral_losses

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
STANDARD_LIBRARY_ALONE = {"errors", "messages", "scheduler", "controller", "configs", "history", "_lazy"}
NUMPY_ALONE = {"fields", "transforms", "spectra", "losses", "composite", "evaluation", "gradients", "balance"}


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


def test_every_room_has_its_floor() -> None:
    assert {room for floor in FLOORS for room in floor} == set(rooms())


@pytest.mark.parametrize("room", [room for floor in FLOORS for room in floor])
def test_nothing_imports_upwards(room: str) -> None:
    """A file or a folder imports from floors below its own alone, what is for type checkers included."""
    level = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    for path, targets in arrows(room).items():
        for target in targets - {room}:
            assert level[target] < level[room], f"{path}: {room} imports {target}, which is no floor below it"


@pytest.mark.parametrize("room", [room for room in rooms() if rooms()[room].is_dir()])
def test_the_files_of_a_folder_form_no_circle(room: str) -> None:
    assert circle(rooms()[room]) == []


def test_the_core_needs_numpy_and_the_standard_library_alone() -> None:
    own = {"spectral_losses", "spectral_losses_backends"}
    for room in STANDARD_LIBRARY_ALONE | NUMPY_ALONE:
        for path in files_of(rooms()[room]):
            packages = {module.split(".")[0] for module in imports(path)}
            allowed = own | {"numpy"} if room in NUMPY_ALONE else {"spectral_losses"}
            assert packages - set(sys.stdlib_module_names) <= allowed, path


def test_integrations_import_their_own_framework_alone() -> None:
    for path in files_of(rooms()["integrations"]):
        packages = {module.split(".")[0] for module in imports(path)} - set(sys.stdlib_module_names)
        assert packages <= {"spectral_losses", "spectral_losses_backends", "torch", path.stem}, path


def test_the_room_of_xarray_imports_it_and_nothing_else() -> None:
    for path in files_of(rooms()["xarray"]):
        packages = {module.split(".")[0] for module in imports(path)} - set(sys.stdlib_module_names)
        assert packages <= {"spectral_losses", "spectral_losses_backends", "numpy", "xarray", "dask"}, path


def test_backends_know_their_own_framework_and_nothing_above_them() -> None:
    for path in files_of(BACKENDS):
        packages = {module.split(".")[0] for module in imports(path)} - set(sys.stdlib_module_names)
        assert "import_module" not in path.read_text(), path
        own = path.relative_to(BACKENDS).parts[0].removesuffix(".py")
        assert packages <= {"numpy", "array_api_compat", "spectral_losses_backends", "scipy", own}, path


def test_the_picture_of_the_house_is_that_of_its_imports() -> None:
    assert PICTURE.read_text() == draw(), "python tests/draw_house.py draws it anew"


def test_the_checks_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import torch\nfrom spectral_losses import losses\nfrom spectral_losses.spectra import Spectrum\n")
    assert imports(bad) == {"torch", "spectral_losses.losses", "spectral_losses.spectra"}
    bad.write_text("if TYPE_CHECKING:\n    import torch\ndef f():\n    import numpy\n")
    assert imports(bad) == {"numpy", "torch"}
    assert imports(bad, inside=False) == {"torch"}
    package = tmp_path / "spectral_losses" / "room"
    package.mkdir(parents=True)
    (package / "a.py").write_text("if TYPE_CHECKING:\n    from spectral_losses.room.b import B\n")
    (package / "b.py").write_text("from spectral_losses.room import a\n")
    (package / "c.py").write_text("from spectral_losses.room.b import B\n")
    assert circle(package, root=tmp_path) == ["spectral_losses.room.a", "spectral_losses.room.b"]
    assert ROOT.name == "spectral_losses"
