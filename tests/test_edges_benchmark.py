"""The benchmark of cosines runs; nothing here looks at how long anything took."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "benchmarks"


@pytest.fixture
def edges(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(HERE))
    import edges

    yield edges
    for name in ("edges", "report", "timing"):
        sys.modules.pop(name, None)


def test_the_table_has_a_row_for_each_framework(edges: Any, capsys: pytest.CaptureFixture[str]) -> None:
    edges.main(["--quick", "--rounds", "2", "--markdown"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert [row[1].strip() for row in rows] == [name for name, package in edges.PACKAGES.items() if find_spec(package)]
    assert all(float(row[-1]) > 0 for row in rows)
