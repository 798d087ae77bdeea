"""Named tuples of plain values as text: how a basis or an objective travels through a compiled graph."""

from __future__ import annotations

from ast import literal_eval
from functools import lru_cache
from typing import Any, TypeVar

Kind = TypeVar("Kind", bound=type)


def plain(cls: Kind) -> Kind:
    """Class decorator: a named tuple of plain values that can be written as text, and read again, under its name.

    Classes name themselves here, so that nothing below has to import what is above it.
    """
    _plain[cls.__name__] = cls
    return cls


def to_text(value: Any) -> str:
    """A named tuple of plain values, nested or not, as text that describes it fully."""
    return repr(_literal(value))


@lru_cache(maxsize=256)
def from_text(text: str) -> Any:
    """What `to_text` wrote."""
    return _value(literal_eval(text))


_plain: dict[str, Any] = {}


def _literal(value: Any) -> Any:
    if isinstance(value, tuple):
        items = tuple([_literal(item) for item in value])
        return {type(value).__name__: items} if hasattr(value, "_fields") else items
    return value


def _value(literal: Any) -> Any:
    if isinstance(literal, dict):
        ((name, items),) = literal.items()
        return _plain[name](*[_value(item) for item in items])
    return tuple([_value(item) for item in literal]) if isinstance(literal, tuple) else literal
