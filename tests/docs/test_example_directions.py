"""The program that draws the maps of the page on plots."""

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
    sys.modules.pop("directions", None)
    import directions

    yield directions
    sys.modules.pop("directions")


def test_the_picture(example: Any, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    left, middle, right = example.main(["--n", "48", "--frames", "4", "--output", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    values = np.asarray(left.mesh.get_array())[20]  # of one shell, all around
    around = left.mesh.get_coordinates()[0, :, 0]
    strongest = ((around[:-1] + around[1:]) / 2)[values > 0.999 * values.max()] % np.pi
    np.testing.assert_allclose(strongest, np.pi / 6, atol=np.pi / 24)  # in one sector and the opposite one
    ratio = np.asarray(middle.mesh.get_array())[11, : values.size // 2].reshape(12, -1).mean(axis=1)
    assert ratio[0] == pytest.approx(0.2, abs=0.03)  # k = 12 is half of Nyquist: 1 / (1 + 2^2)
    assert ratio[6] > 0.9
    volume = np.asarray(right.mesh.get_array())
    assert volume[9, 0] > volume[0, 9]
