"""The table of simulated plateaus: every rule runs, and the page is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


@pytest.fixture
def plateaus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import plateaus

    yield plateaus
    for name in ("plateaus", "minimisers"):
        sys.modules.pop(name, None)


def test_the_table_goes_into_the_page(plateaus: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- plateaus: begin -->\nold\n<!-- plateaus: end -->\nafter\n")
    assert plateaus.main(["--runs", "1", "--write", str(page)]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"wrote {page}\n"
    text = f"before\n<!-- plateaus: begin -->\n\n{printed.out.strip()}\n\n<!-- plateaus: end -->\nafter\n"
    assert page.read_text() == text
    rows = [line.split("|")[1:-1] for line in printed.out.splitlines() if line.startswith("|")]
    assert [row[0].strip() for row in rows[2:]] == list(plateaus.RULES)
    assert {len(row) for row in rows} == {len(rows[0])}


def test_what_is_false_and_what_is_late(plateaus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    still = plateaus.Kind(0.0)
    monkeypatch.setitem(plateaus.CURVES, "step", lambda n: 1.0 if n < 100 else 0.1)
    patient = {**plateaus.RULES["patience 10 on the raw metric, 0.01 %"]}
    assert plateaus.tally(patient, "flat", still, 2) == (0, 10, 0)
    assert plateaus.tally(patient, "step", still, 2) == (1, None, 0)
    assert plateaus.tally({**patient, "patience": 120}, "step", still, 2) == (0, 120, 0)
    assert plateaus.tally({**patient, "patience": 500}, "flat", still, 2) == (0, None, 1)
