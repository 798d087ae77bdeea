"""The house as its imports show it: rooms (the files and folders of the package), floors, and arrows between rooms."""

from __future__ import annotations

import ast
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = CHECKOUT / "spectral_losses"
BACKENDS = CHECKOUT / "backends" / "spectral_losses_backends"

FLOORS = (
    ("errors", "messages", "backends"),
    ("io", "_lazy", "history", "scheduler", "fields", "transforms"),
    ("spectra", "controller"),
    ("losses", "configs"),
    ("composite", "diagnostics", "evaluation"),
    ("plot",),
    ("gradients",),
    ("balance",),
    ("integrations", "xarray"),
    ("__init__",),
    ("cli", "testing"),
    ("__main__",),
)
"""Lowest first. A room imports from floors below its own, and from no other room of its own."""


def rooms() -> dict[str, Path]:
    """Each file and folder of the package by name, and the backends."""
    found = {path.stem: path for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    return {"backends": BACKENDS, **found}


def files_of(room: Path) -> list[Path]:
    """The source files of a room."""
    return sorted(room.rglob("*.py")) if room.is_dir() else [room]


def arrows(room: str) -> dict[Path, set[str]]:
    """The rooms that each file of a room imports from."""
    known = rooms()
    return {path: {_room_of(module, known) for module in imports(path)} - {""} for path in files_of(known[room])}


def circle(folder: Path, root: Path = CHECKOUT) -> list[str]:
    """The modules of a folder that import each other in a circle, and those that import them; in order, best none."""
    root = root / "backends" if folder == BACKENDS else root
    package = ".".join(folder.relative_to(root).parts)
    targets: dict[str, set[str]] = {}
    for path in files_of(folder):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        # What is imported inside a function is so because it is needed late: a registry loads the backends of arrays.
        found = imports(path, inside=False, root=root)
        targets[name] = {module for module in found if module.startswith(f"{package}.")} - {name}
    while targets:
        free = {name for name, others in targets.items() if not others & targets.keys()}
        if not free:
            break
        targets = {name: others for name, others in targets.items() if name not in free}
    needed = {module for others in targets.values() for module in others}
    return sorted(targets.keys() & needed)


def imports(path: Path, *, inside: bool = True, root: Path = CHECKOUT) -> set[str]:
    """The modules that a file imports, for type checkers included; without ``inside`` none in functions."""
    tree = ast.parse(path.read_text())
    if not inside:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not followed"
            module = str(node.module)
            found |= {f"{module}.{a.name}" if _is_module(root, module, a.name) else module for a in node.names}
    return found


def _is_module(root: Path, module: str, name: str) -> bool:
    """Whether a name that is imported from a package is a module itself."""
    for top in (root, root / "backends"):
        folder = top.joinpath(*module.split("."))
        if (folder / f"{name}.py").exists() or (folder / name / "__init__.py").exists():
            return True
    return False


def _room_of(module: str, known: dict[str, Path]) -> str:
    top, *parts = module.split(".")
    if top == "spectral_losses_backends":
        return "backends"
    if top != "spectral_losses":
        return ""
    return parts[0] if parts and parts[0] in known else "__init__"
