"""The program that draws the figure of the page on plots."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs

import spectral_losses as sl

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PAGE = EXAMPLES.parent / "plots.md"
pytestmark = [pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here"), needs("matplotlib")]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("plots", None)
    import plots

    yield plots
    sys.modules.pop("plots")


def test_forecasts_that_know_equally_much(example: Any) -> None:
    fields = example.forecasts(64, 12)
    truth = fields["truth"]
    cross = {name: sl.cross_spectrum(x, truth, pool="frames") for name, x in fields.items() if name != "truth"}
    k = cross["sharp"].wavenumber
    expected = 1 / (1 + (k / 4) ** 2)
    for name in ("sharp", "blurred"):
        np.testing.assert_allclose(cross[name].coherence[0], expected, atol=0.15)
    np.testing.assert_allclose(cross["sharp"].amplitude_ratio[0], 1, atol=0.15)
    np.testing.assert_allclose(cross["blurred"].amplitude_ratio[0], expected, rtol=0.15, atol=0.01)
    errors = {name: float(sl.field_error(fields[name], truth)) for name in cross}
    assert errors["blurred"] < errors["sharp"] < errors["noisy"]


def test_the_picture_and_what_is_printed(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "a.png"
    panels = example.main(["--n", "32", "--frames", "2", "--output", str(plot)])
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert len(panels.shown) == 3
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["sharp", "blurred", "noisy", "wrote"]
    assert all(
        re.search(r"field error 0\.\d{3}, effective resolution [\d.]+ grid points$", line) for line in printed[:3]
    )


@pytest.mark.skipif(not PAGE.exists(), reason="the pages are not here")
def test_the_numbers_of_the_page(example: Any) -> None:
    fields = example.forecasts(256, 8)
    errors = {name: f"{float(sl.field_error(x, fields['truth'])):.3f}" for name, x in fields.items()}
    caption = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"{errors['blurred']} against {errors['sharp']} of the sharp and {errors['noisy']} of the noisy" in caption
