"""The examples of the documentation, which are files and no package."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

from . import ROOT

__all__ = ["one_mode_per_shell"]


def example(name: str) -> Any:
    """One of them as a module; `sys.path` and `sys.modules` stay as they are."""
    spec = spec_from_file_location(name, ROOT / "docs" / "examples" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no example {name!r}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


one_mode_per_shell = example("one_mode_per_shell")
"""The Kuramoto-Sivashinsky equation, and a Fourier neural operator in one dimension."""
