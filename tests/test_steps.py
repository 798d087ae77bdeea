"""The benchmark of steps runs, and states are small; nothing here looks at how long anything took."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "benchmarks"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(HERE))
    import steps

    yield steps
    for name in ("steps", "report", "timing"):
        sys.modules.pop(name, None)


def test_a_state_without_its_history_is_small(steps: Any) -> None:
    for name, cost in steps.measure(1000, 2).items():
        assert 100 < cost.state < 10_000, name


def test_the_table_has_a_row_for_each(steps: Any, capsys: pytest.CaptureFixture[str]) -> None:
    steps.main(["--observations", "20", "--rounds", "2", "--markdown"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert [row[0].strip() for row in rows] == list(steps.SUBJECTS)
    assert all(float(row[1].split()[0]) > 0 and int(row[2]) > 100 for row in rows)
