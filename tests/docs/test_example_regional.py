"""The program that draws the spectrum of a region, on the page of the mathematics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = [pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here"), needs("matplotlib")]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("regional", None)
    import regional

    yield regional
    sys.modules.pop("regional")


def test_cosines_show_what_the_region_has(example: Any, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    ratios = example.main(["--n", "256", "--part", "4", "--frames", "20", "--output", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert list(ratios) == list(example.WAYS)
    k, ratio = ratios['transform="dct"']
    assert np.median(ratio[k > 12]) == pytest.approx(1, abs=0.05)
    k, ratio = ratios["FFT"]
    assert (ratio[k > 60] > 2.5).all()
