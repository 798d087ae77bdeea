"""Every public name is in the reference, docs/api.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "spectral_losses"
API = (ROOT / "docs" / "api.md").read_text("utf-8")
SHOWN = set(re.findall(r"^\.\. (?:autofunction|autoclass|py:data):: (\S+)$", API, flags=re.MULTILINE))
FILES = (  # whose names are public: those of `__all__`, and of the table of what is loaded lazily
    "__init__.py",
    "losses/__init__.py",
    "plot/__init__.py",
    "testing/__init__.py",
    "testing/arrays.py",
    *(f"integrations/{path.name}" for path in sorted((PACKAGE / "integrations").glob("[a-z]*.py"))),
)


def names_of(path: Path) -> list[str]:
    """What a file says that it makes public; read, not imported."""
    found: list[str] = []
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("__all__", "_HOMES"):
            found += ast.literal_eval(node.value)
    return found


def home_of(file: str) -> str:
    """The module under which the names of a file are shown."""
    package, _, module = file.removesuffix(".py").rpartition("/")
    if package == "integrations":
        return f"spectral_losses.integrations.{module}"
    return "spectral_losses" if package in ("", "losses") else f"spectral_losses.{package}"


@pytest.mark.parametrize("file", FILES)
def test_every_public_name_is_in_the_reference(file: str) -> None:
    names = names_of(PACKAGE / file)
    assert names
    assert {f"{home_of(file)}.{name}" for name in names} - SHOWN == set()
