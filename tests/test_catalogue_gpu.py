"""The benchmark of every loss on a graphics card, where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spectral_losses.losses.registry import all_losses

pytest.importorskip("torch")
HERE = Path(__file__).resolve().parent / "benchmarks"
PAGE = HERE.parents[1] / "docs" / "performance.md"
FRAMEWORKS = ("PyTorch", "JAX", "CuPy")


@pytest.fixture
def catalogue_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, with one small stack; gone again after the test, with all that it imports."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import catalogue_gpu

    monkeypatch.setattr(catalogue_gpu.catalogue, "QUICK", (catalogue_gpu.Case(2, (8, 8)),))
    peers = {name: peer for name, peer in catalogue_gpu.catalogue.PEERS.items() if name.startswith("as published")}
    monkeypatch.setattr(catalogue_gpu.catalogue, "PEERS", peers)
    yield catalogue_gpu
    for path in HERE.glob("[!_]*.py"):  # not of __main__, which is the tests' own
        sys.modules.pop(path.stem, None)


@pytest.mark.slow
def test_every_loss_is_timed(catalogue_gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue_gpu.main(["--quick", "--device", "cpu", "--frameworks", "PyTorch"])
    lines = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    header, rows = lines[0], {line[0].removeprefix("| "): line for line in lines}
    assert header[1:4] == ["PyTorch, ms", "/ `spectrum_error`", "/ bare"]
    for name in all_losses():
        assert all(float(cell) > 0 for cell in rows[f"`{name}`"][2:4])
    assert float(rows["`spectrum_error`"][2]) == 1
    assert rows["`wavelet_error(levels=3)`"][4:6] == ["–", "–"]  # no card, no kernels


def test_the_frameworks_stand_side_by_side(catalogue_gpu: Any) -> None:
    """What one of them does not have, or could not do, is said."""
    timing = catalogue_gpu.Timing(2e-3, 1e-3, 3e-3, 9)
    times = {
        "PyTorch": {"bare transforms": timing, "`spectrum_error`": timing, "as published: BSP": timing},
        "JAX": {"bare transforms": timing, "`spectrum_error`": catalogue_gpu.Failure("raises MemoryError")},
    }
    works = {"`spectrum_error`": catalogue_gpu.Work(1024.0, 5e-4, 17)}
    table = catalogue_gpu.table(catalogue_gpu.Case(2, (8, 8)), times, works)
    rows = {row[0]: row[1:] for row in table.rows}
    assert all(len(row) == len(table.header) for row in table.rows)
    assert rows["`spectrum_error`"][:7] == ["2.00 [1.00-3.00]", "1.00", "1.00", "0.500", "17", "2.0", ""]
    assert rows["`spectrum_error`"][7:] == ["raises MemoryError", "–", "–"]
    assert rows["as published: BSP"][3:] == ["–"] * 7
    assert rows["bare transforms"][8:] == ["–", "1.00"]


def test_without_a_card_it_says_so(
    catalogue_gpu: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue_gpu, "has_a_card", lambda: False)
    with pytest.raises(SystemExit):
        catalogue_gpu.main([])
    assert "PyTorch finds no CUDA device" in capsys.readouterr().err


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
def test_its_tables_have_a_place(catalogue_gpu: Any) -> None:
    sys.modules["report"].between(PAGE.read_text(encoding="utf-8"), "catalogue-gpu", "some text")
