"""A training that is kept at a goal, in small, and its picture."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from frameworks import needs

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = [pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here"), needs("torch")]


@pytest.fixture
def controlled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import torch

    threads = torch.get_num_threads()
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import controlled_run

    monkeypatch.setattr(controlled_run, "EVERY", 3)
    monkeypatch.setattr(controlled_run, "NAN", 8)
    yield controlled_run
    torch.set_num_threads(threads)
    for name in ("controlled_run", "one_mode_per_shell"):
        sys.modules.pop(name, None)


def test_the_controller_sees_what_is_drawn_and_brings_the_distance_down(controlled: Any) -> None:
    alone, kept = controlled.run(controlled.QUICK)
    decisions = [each.decision for each in kept]
    assert [each.step for each in kept] == [each.step for each in alone] == list(range(3, 31, 3))
    assert all(each.decision is None for each in alone)
    assert [d.epoch for d in decisions if d.reason == "not finite"] == [24]
    shown = [each.distance if d.reason != "not finite" else math.nan for each, d in zip(kept, decisions, strict=True)]
    assert [d.metric for d in decisions] == pytest.approx(shown, nan_ok=True)
    assert {d.reason for d in decisions} <= set(controlled.REASONS)
    weights = [d.weights["log_spectral_distance"] for d in decisions]
    assert weights[7] == weights[6] != weights[5]  # the one that failed moves nothing
    assert weights[0] > 0.001  # the distance is far above its goal at first
    assert kept[-1].distance < 0.5 * alone[-1].distance


@needs("matplotlib")
def test_the_picture(controlled: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "run.png"
    assert controlled.main(["--quick", "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    *printed, alone, kept, last = capsys.readouterr().out.splitlines()
    assert len(printed) == 10
    assert printed[0].startswith("epoch 3: raised: average log_spectral_distance ")
    assert alone.startswith("field error alone: distance ")
    assert kept.startswith("with the goal: distance ")
    assert last == f"wrote {picture}"
    page = (EXAMPLES.parent / "controller.md").read_text(encoding="utf-8")
    assert "```{figure} figures/controlled_run.png" in page
    assert "python docs/examples/controlled_run.py --output docs/figures/controlled_run.png" in page
