"""The program that writes the global files of the page on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from frameworks import needs

from spectral_losses.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = [
    pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here"),
    needs("xarray"),
    needs("netCDF4"),
]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("globe", None)
    import globe

    yield globe
    sys.modules.pop("globe")


def test_forecasts_lose_the_truth_scale_by_scale(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    example.main(["--latitudes", "31", "--out", str(tmp_path)])
    files = [str(tmp_path / name) for name in ("forecast.nc", "truth.nc")]
    assert main(["compare", *files, "--per", "lead_time", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = json.loads(printed.out)
    assert found["sphere"] == {"latitudes": "equiangular", "highest_degree": 15}
    assert found["reordered"] == ["latitude", "longitude"]
    low, middle, high = (band["coherence"] for band in found["bands"])
    assert 1 > low > middle > high > 0
    rows = found["per"]["rows"]
    assert [row["coordinate"] for row in rows] == [24, 72, 120, 168]
    energies = [row["bands"][2]["energy_ratio"] for row in rows]
    assert energies[0] > 1.2 * energies[-1]
