"""The program that draws E(k) over the curve that a field was made from."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs
from reference import SHARED

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PAGE = EXAMPLES.parent / "plots.md"
CUBE = SHARED / "data" / "turbogen_cbc32.npz"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("energy_spectrum", None)
    import energy_spectrum

    yield energy_spectrum
    sys.modules.pop("energy_spectrum")


TABLE = np.array([[0.05, 100.0], [1.0, 20.0], [10.0, 2.0]])


def cube(folder: Path, n: int = 32) -> Path:
    """A field that has the curve in each shell, and the curve, in the two files."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(3, n, n, n))
    np.savez(folder / "cube.npz", u=u)
    np.savez(folder / "ref_spectra_open.npz", cbc=TABLE)
    return folder / "cube.npz"


def test_energies_of_a_field_with_the_curve_in_each_shell(example: Any) -> None:
    n, box = 32, 0.5
    m = np.fft.fftfreq(n, 1 / n)
    k = np.sqrt(m[:, None, None] ** 2 + m[:, None] ** 2 + m**2)
    modes = np.fft.fftn(np.random.default_rng(0).normal(size=(3, n, n, n)), axes=(1, 2, 3))
    shell = np.rint(k).astype(int)
    found = np.bincount(shell.ravel(), (np.abs(modes) ** 2).sum(axis=0).ravel())[shell] / 2 / n**6
    step = 2 * np.pi / box
    wanted = np.where(k > 0, example.curve_at(step * np.maximum(shell, 1), TABLE) * step, 0)
    u = np.fft.ifftn(modes * np.sqrt(wanted / found), axes=(1, 2, 3)).real
    result = example.compare(u, TABLE, box)
    np.testing.assert_allclose(result.plain.power, result.curve, rtol=1e-9)
    assert result.lost < 1e-12
    assert result.shells == pytest.approx(np.sum(result.curve) * step)
    assert result.corners > 0
    assert "plain sums   over curve    shells 3 to 15: 1.00 to 1.00, 0 % away" in example.report(result)


@needs("matplotlib")
def test_what_is_printed_and_drawn(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    assert example.main([str(cube(tmp_path)), "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert float(re.search(r"relative difference (\S+)", printed)[1]) < 1e-12  # type: ignore[index]
    assert printed.splitlines()[-1] == f"wrote {picture}"


def test_without_data_it_says_what_it_needs(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cube(tmp_path, 4)
    other = tmp_path / "other.npz"
    np.savez(other, v=np.ones(3))
    for argv, needed in (
        ([], "the velocity u of shape"),
        ([str(tmp_path / "none.npz")], "the velocity u of shape"),
        ([str(other)], "the velocity u of shape"),
        ([str(path), "--curve", str(other)], "the table cbc"),
    ):
        assert example.main(argv) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"needs an .npz file with {needed}")


@pytest.mark.skipif(not (CUBE.exists() and PAGE.exists()), reason="the measured data or the page are not here")
def test_the_numbers_of_the_page(example: Any) -> None:
    with np.load(CUBE) as file, np.load(CUBE.with_name("ref_spectra_open.npz")) as curve:
        result = example.compare(file["u"].astype(np.float64), curve["cbc"][:, :2])
    assert result.lost < 1e-12
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert "`smooth=True` is 0.91 to 1.18 of the curve, plain sums are 0.80 to 1.18." in page
    report = example.report(result)
    assert "shells 3 to 15: 0.91 to 1.18, 8 % away" in report
    assert "shells 3 to 15: 0.80 to 1.18, 10 % away" in report
