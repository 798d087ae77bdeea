"""The command ``replay`` as its tests run it: what they write, and what it prints and refuses."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from spectral_losses.cli import main
from spectral_losses.configs import Config

ERROR = "spectral-losses: error: "


def write_csv(path: Path, columns: dict[str, Any], encoding: str = "utf-8") -> str:
    """Columns as a file; its path."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(path)


def write_config(path: Path, config: Config) -> str:
    """Settings as a file, in the format of its suffix; its path."""
    path.write_text(config.to_toml() if path.suffix == ".toml" else config.to_json(), encoding="utf-8")
    return str(path)


def replayed(capsys: pytest.CaptureFixture[str], *argv: object) -> dict[str, Any]:
    """What ``--json`` prints, which must be strictly JSON."""
    assert main(["replay", *map(str, argv), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found: dict[str, Any] = json.loads(printed.out, parse_constant=_no_constant)
    return found


def only(capsys: pytest.CaptureFixture[str], *argv: object) -> dict[str, Any]:
    """The same of the only configuration."""
    (found,) = replayed(capsys, *argv)["configurations"]
    return dict(found)


def tables(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """What is printed for people."""
    assert main(["replay", *map(str, argv)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    """The one line that says what is wrong."""
    assert main(["replay", *map(str, argv)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(ERROR)
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix(ERROR).strip()


def drawn(path: Path) -> str:
    """The words in an SVG, which stand in comments beside their shapes."""
    return " ".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"), re.DOTALL))


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")
