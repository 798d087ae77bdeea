"""Settings as dictionaries, JSON and TOML."""

from __future__ import annotations

import json
import re
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from spectral_losses.messages import listed, nearest


class Serializable(ABC):
    """What can be written as a dictionary can be written as JSON and TOML."""

    @classmethod
    @abstractmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read what `to_dict` writes."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """All settings in plain types."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` writes; raises ValueError where it is not JSON or `from_dict` refuses it."""
        with refusing_depth("the JSON"):
            return cls.from_dict(as_table(json.loads(text), "the JSON"))

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read TOML with the keys of `to_dict`; raises ValueError where it is not TOML or `from_dict` refuses it."""
        with refusing_depth("the TOML"):
            return cls.from_dict(tomllib.loads(text))

    def to_json(self) -> str:
        """All settings as a JSON object, one to a line."""
        return json.dumps(self.to_dict(), indent=2)

    def to_toml(self) -> str:
        """All settings as TOML; those that are None are left out."""
        return _toml(self.to_dict())


def read_table(path: Path) -> Mapping[str, Any]:
    """The settings in a TOML or JSON file."""
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".json"):
        raise ValueError(f"path must end in .toml or .json, got {str(path)!r}")
    text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin with a byte order mark
    with refusing_depth(str(path)):
        return tomllib.loads(text) if suffix == ".toml" else as_table(json.loads(text), "the JSON")


@contextmanager
def refusing_depth(what: str) -> Iterator[None]:
    """Refuse what is nested so deeply that Python can neither read it nor show it in a message."""
    try:
        yield
    except RecursionError:
        raise ValueError(f"{what}: nested too deeply") from None


def as_table(value: Any, what: str) -> Mapping[str, Any]:
    """A mapping of settings by name; anything else is refused."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a table of settings by name, got {type(value).__name__}")
    return value


def unknown_key(key: Any, known: Iterable[str]) -> str:
    """Say that a setting is not known, and which one is nearest."""
    known = list(known)
    return f"setting {key!r} is not known{nearest(str(key), known) or f'; there are {listed(known)}'}"


def plain(value: Any) -> Any:
    """A stored setting as JSON has it."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _toml(settings: Mapping[str, Any]) -> str:
    """TOML of settings; a list of tables becomes an array of tables."""
    lines, tables = [], []
    for key, value in settings.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            tables += [f"[[{_toml_key(key)}]]\n{_toml(each)}" for each in value]
        elif value is not None:
            lines.append(f"{_toml_key(key)} = {_toml_value(value)}\n")
    return "\n".join(["".join(lines), *tables]).lstrip("\n")


def _toml_key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_toml_key(k)} = {_toml_value(v)}' for k, v in value.items())} }}"
    # What JSON makes of strings, numbers, truths and lists of them is TOML too, but for the character DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
