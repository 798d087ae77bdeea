"""A training whose losses are given shares of influence, in small, and its picture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from frameworks import needs

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = [pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here"), needs("torch")]


@pytest.fixture
def balanced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import torch

    threads = torch.get_num_threads()
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import balanced_run

    yield balanced_run
    torch.set_num_threads(threads)
    for name in ("balanced_run", "one_mode_per_shell"):
        sys.modules.pop(name, None)


def test_shares_are_reached(balanced: Any) -> None:
    seen = balanced.run(balanced.QUICK._replace(steps=60), half_life=1)
    assert seen[0].shares == pytest.approx(balanced.SHARES)  # the first batch counts fully
    assert len(seen) == 60
    for name, share in balanced.SHARES.items():
        # Half as much of the average is from before the last batch.
        found = [each.shares[name] for each in seen[30:]]
        assert share / 2 < balanced.statistics.geometric_mean(found) < share * 2, name
    for before, now in pairwise(seen):
        assert now.weights["field error"] == 1
        assert all(0.49 < now.weights[name] / before.weights[name] < 2.01 for name in balanced.SHARES)


def test_the_moving_mean(balanced: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balanced, "BESIDE", 1)
    assert balanced.moving([1.0, 4.0, 16.0, 4.0]) == pytest.approx([2.0, 4.0, 256 ** (1 / 3), 8.0])


@needs("matplotlib")
def test_the_picture(balanced: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "run.png"
    assert balanced.main(["--quick", "--half-life", "5", "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    head, *rows, note, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["asked", "reached", "weight", "at", "first", "weight", "at", "last"]
    assert [row[:22].strip() for row in rows] == list(balanced.SHARES)
    assert [float(row[22:].split()[0]) for row in rows] == list(balanced.SHARES.values())
    assert rows[0][22:].split() == ["1", "1", "1", "1"]
    assert note.startswith("reached: geometric mean")
    assert last == f"wrote {picture}"
    page = (EXAMPLES.parent / "balancer.md").read_text(encoding="utf-8")
    assert "```{figure} figures/balanced_run.png" in page
    assert "python docs/examples/balanced_run.py --output docs/figures/balanced_run.png" in page
