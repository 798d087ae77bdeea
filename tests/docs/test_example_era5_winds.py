"""The program that looks at winds of ERA5 through DataArrays."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs
from reference import SHARED

pytest.importorskip("xarray")
EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PAGE = EXAMPLES.parent / "xarray.md"
WINDS = SHARED / "data" / "winds_era5.npz"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("era5_winds", None)
    import era5_winds

    yield era5_winds
    sys.modules.pop("era5_winds")


def winds(folder: Path) -> Path:
    """A wave of each zonal wavenumber, of energy k^-3, twice as large aloft as below and in step with it."""
    longitude, k = np.arange(64) * 360 / 64, np.arange(1, 32)
    waves = np.sum(k**-1.5 * np.cos(np.radians(longitude)[:, None] * k + k**2), axis=1)
    u = np.array([2.0, 1.0])[:, None, None] * np.ones((32, 1)) * waves
    latitude = np.degrees(np.arcsin(np.polynomial.legendre.leggauss(32)[0]))
    path = folder / "winds.npz"
    np.savez(path, era5_u=u, era5_v=u, era5_lat=latitude, era5_lon=longitude, era5_level=np.array([200, 850]))
    return path


def test_waves_that_are_known(example: Any, tmp_path: Path) -> None:
    result = example.spectra(example.read(winds(tmp_path)))
    np.testing.assert_allclose(result.slopes, -3, atol=1e-6)
    np.testing.assert_allclose(result.by_degree.sel(level=200) / result.by_degree.sel(level=850), 4)
    np.testing.assert_allclose(result.coherence, 1)
    k = np.arange(1, 32)
    np.testing.assert_allclose(result.zonal.sel(level=850, wavenumber=slice(0.5, 31.5)), k**-3.0 / 2)  # u and v alike
    assert result.zonal.dims == ("level", "wavenumber")
    assert result.by_degree.dims == ("level", "degree")


@needs("matplotlib")
def test_what_is_printed_and_drawn(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    assert example.main([str(winds(tmp_path)), "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert printed.startswith("31 degrees, to 1271 km\n200 hPa: ")
    assert re.search(r"850 hPa: .* wavenumbers 4 to 20: -3\.00\n", printed)
    assert printed.splitlines()[-1] == f"wrote {picture}"


def test_without_data_it_says_what_it_needs(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, v=np.ones(3))
    for argv in ([], [str(tmp_path / "none.npz")], [str(other)]):
        assert example.main(argv) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("needs an .npz file with era5_u, era5_v and their coordinates; got ")


@pytest.mark.skipif(not (WINDS.exists() and PAGE.exists()), reason="the measured data or the page are not here")
def test_the_numbers_of_the_page(example: Any) -> None:
    report = example.report(example.spectra(example.read(WINDS)))
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    for level, slope in ((200, "3.06"), (850, "2.32")):
        assert re.search(rf"{level} hPa: .* wavenumbers 4 to 20: -{slope}\n", report)
        assert f"-{slope} at {level} hPa" in page
    assert report.endswith("octave by octave: -0.03, 0.56, 0.58, 0.39, 0.26, 0.03")
    assert "a coherence of 0.56 and 0.58 in the octaves around zonal wavenumbers 1.5 and 3, and of 0.03" in page
    assert "200 hPa: 4.9 % divergent" in report
    assert "850 hPa: 8.4 % divergent" in report
