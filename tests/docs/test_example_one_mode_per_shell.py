"""The example of one mode per shell: its equation, its network, and a short run; what pooling does to the distance."""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs

import spectral_losses as sl

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "examples" / "one_mode_per_shell.py"
pytestmark = [pytest.mark.skipif(not SCRIPT.exists(), reason="the examples are not here"), needs("torch")]


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("one_mode_per_shell", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_flows_have_no_mean_and_do_not_follow_from_the_last_frame(program: Any) -> None:
    frames = program.flows(4, program.QUICK, seed=0)
    assert tuple(frames.shape) == (4, program.QUICK.frames, 64)
    assert abs(frames.mean(-1)).max() < 1e-5
    assert 1 < frames.std() < 2  # developed
    first, then = program.pairs_of(frames)
    assert float(sl.correlation_error(then, first, **program.OPTIONS)) > 0.5


def test_a_frame_that_is_moved_gives_a_prediction_that_is_moved(program: Any) -> None:
    torch = pytest.importorskip("torch")
    model = program.Operator(8, 4, 2)
    x = torch.randn(2, 1, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model(x.roll(5, -1)), model(x).roll(5, -1), rtol=1e-4, atol=1e-5)


def test_pooling_makes_the_distance_of_two_samples_small(program: Any) -> None:
    # Of one pair of modes per shell the logarithm is mostly noise; of a batch of 64 it is not.
    p, t = np.random.default_rng(0).normal(size=(2, 64, 1, 65))
    assert float(sl.log_spectral_distance(p, t, **program.OPTIONS)) == pytest.approx(np.pi**2 / 3, rel=0.1)
    assert float(sl.log_spectral_distance(p, t, pool="frames", **program.OPTIONS)) == pytest.approx(2 / 64, rel=0.5)


def test_a_short_run_prints_the_table(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tables = []
    for _ in range(2):
        assert program.main(["--quick", "--steps", "3"]) == 0
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1]
    header, _, *rows = tables[0].splitlines()
    assert header.split(" | ")[1:3] == ["field error", "spectrum error"]
    assert len(rows) == 4
    for row in rows:
        numbers = [float(cell) for cell in re.split(r" ?\| ?", row)[2:-1]]
        assert len(numbers) == 4
        assert all(math.isfinite(number) for number in numbers)
