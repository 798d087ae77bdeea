"""The table of costs: every loss is timed, and the page is written."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from frameworks import needs

from spectral_losses import losses

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = [pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here"), needs("torch")]


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Any:
    import torch

    threads = torch.get_num_threads()
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import costs

    yield costs
    torch.set_num_threads(threads)
    for name in ("costs", "minimisers"):
        sys.modules.pop(name, None)


def test_the_table_goes_into_the_page(costs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- costs: begin -->\nold\n<!-- costs: end -->\nafter\n")
    assert costs.main(["--quick", "--write", str(page)]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"wrote {page}\n"
    assert page.read_text() == f"before\n<!-- costs: begin -->\n\n{printed.out.strip()}\n\n<!-- costs: end -->\nafter\n"
    _, _, *rows = [line.split("|")[1:-1] for line in printed.out.splitlines() if line.startswith("|")]
    assert {found[1] for row in rows if (found := re.match(r" `(\w+)`", row[0]))} == set(losses.__all__)
    assert all(float(cell) > 0 for row in rows for cell in row[1:])
    assert [cell.strip() for row in rows if row[0] == " `field_error` " for cell in row[1:]] == ["1", "1"]


def test_what_is_slow_is_called_in_fewer_rounds(costs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = iter(range(10_000)), {"a": 0, "b": 0}
    monkeypatch.setattr(costs.time, "perf_counter", lambda: next(clock))

    def function(name: str) -> Any:
        def call() -> None:
            calls[name] += 1
            for _ in range(5 if name == "b" else 0):
                next(clock)

        return call

    monkeypatch.setattr(costs, "ENOUGH", 20)
    found = costs.medians({name: function(name) for name in calls}, rounds=15)
    assert found == {"a": 1, "b": 6}
    assert calls == {"a": 1 + 15, "b": 1 + 4}


@pytest.mark.parametrize("name", ["which-loss.md"])
def test_the_page_has_every_loss(name: str) -> None:
    text = (EXAMPLES.parent / name).read_text(encoding="utf-8")
    table = text[text.index("<!-- costs: begin -->") : text.index("<!-- costs: end -->")]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(losses.__all__)
