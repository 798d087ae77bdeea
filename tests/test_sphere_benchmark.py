"""The benchmark of the sphere runs, and its tables are small; nothing here looks at how long anything took."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import spectral_losses as sl

pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch-harmonics is one for torch.jit
HERE = Path(__file__).resolve().parent / "benchmarks"


@pytest.fixture
def sphere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(HERE))
    import sphere

    yield sphere
    for name in ("sphere", "report", "timing"):
        sys.modules.pop(name, None)


def test_the_table_has_a_row_for_each(sphere: Any, capsys: pytest.CaptureFixture[str]) -> None:
    sphere.main(["--quick", "--rounds", "2", "--markdown"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    names = [sphere.OURS, sphere.PLANE, *([sphere.PEER] if find_spec("torch_harmonics") else [])]
    names += [sphere.JAX, sphere.JAX_PLANE, sphere.JAX_PEER] if find_spec("jax") else []
    assert [row[1].strip() for row in rows] == names
    assert all(float(row[4]) < 1e-5 for row in rows if row[4].strip())
    assert all(float(row[2].split()[0]) > 0 for row in rows)


def test_tables_are_small(sphere: Any) -> None:
    """Less than a third of one for each degree, order and latitude."""
    for latitudes in (91, 181):
        highest = (latitudes - 1) // 2
        whole = 4 * (highest + 1) ** 2 * latitudes
        found = sphere.ours(sl.Sphere("equiangular"), (1, latitudes, 2 * latitudes))
        assert math.comb(highest + 2, 2) * latitudes * 2 < found < whole / 3
