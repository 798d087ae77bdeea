"""Names of a package that are loaded when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str], rest: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping of str to str
        Name to the module that has it in ``__all__``.
    rest : str
        The module of all other names. It needs NumPy; without it, ``dir`` lists the others.
    """
    module = sys.modules[package]

    @lru_cache(maxsize=64)  # hasattr asks for the same names again and again
    def unknown(name: str, others: tuple[str, ...]) -> str:
        from spectral_losses.messages import nearest

        return f"module {package!r} has no attribute {name!r}{nearest(name, [*homes, *others])}"

    def load(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(f"{package}.{homes.get(name, rest)}")
        if name not in home.__all__:
            raise AttributeError(unknown(name, tuple(home.__all__)))
        value = vars(module)[name] = getattr(home, name)
        return value

    def names() -> list[str]:
        try:
            others = import_module(f"{package}.{rest}").__all__
        except ModuleNotFoundError:
            others = []
        return sorted({*vars(module), *homes, *others})

    return load, names
