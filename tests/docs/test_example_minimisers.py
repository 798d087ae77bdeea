"""The table of minimisers: measured gains against theory, and its place in the pages of the losses."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectral_losses import losses

DOCS = Path(__file__).resolve().parents[2] / "docs"
pytestmark = pytest.mark.skipif(not (DOCS / "examples").exists(), reason="the examples are not here")

ERRORS = ("field_error", "sobolev_error", "band_error", "focal_frequency_error", "wavelet_error")
"""Of the error and the target alone."""
LOGARITHMIC = ("log_spectral_distance", "spectrum_error")
PHASES = ("coherence_error", "correlation_error")


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "examples"))
        import minimisers

        yield minimisers
    sys.modules.pop("minimisers", None)


@pytest.fixture(scope="module")
def columns(program: Any) -> Any:
    return program.settings(quick=True)


@pytest.fixture(scope="module")
def rows(program: Any, columns: Any) -> Any:
    return program.measure(columns, program.catalogue())


def found(rows: Any, *names: str) -> list[tuple[Any, Any, int]]:
    """Row, minimum and column, of losses that pool so."""
    return [
        (row, each, i) for row in rows if row.loss.name in names for i, each in enumerate(row.found) if each is not None
    ]


def test_every_loss_is_measured_on_frames_alone_and_pooled(rows: Any, columns: Any) -> None:
    assert {row.loss.name for row in rows} >= set(losses.__all__)
    for row in rows:
        assert len(row.found) == len(columns)
        assert all((each is None) <= (setting.frames > 1) for each, setting in zip(row.found, columns, strict=True))
    assert {row.loss.name for row in rows if None in row.found} == {"focal_frequency_error", "wavelet_error"}


def test_measured_gains_are_those_of_theory(program: Any, columns: Any, rows: Any) -> None:
    compared = set()
    for row in rows:
        for setting, each in zip(columns, row.found, strict=True):
            theory = program.closed_form(row.loss, setting, row.coherence)
            if theory is None or each is None:
                continue
            # The theory of amplitudes is that of many shells; here there are 62.
            assert each.power == pytest.approx(theory, abs=0.02 + 4 * each.error), (row.loss.label, setting.label)
            compared.add((row.loss.name, row.coherence))
    assert len(compared) == 2 * 5


@pytest.mark.parametrize(
    ("name", "frames", "expected"),
    [
        ("power_ratio_error", 2, 0.0),
        ("power_ratio_error", 16, 14 / 17),
        ("amplitude_error", 1, np.pi**2 / 16),
        ("amplitude_error", 64, 0.9922),  # (Gamma(64.5) / Gamma(64))^4 / 64^2
        ("field_error", 4, 0.0),
    ],
)
def test_theory_of_independent_samples(program: Any, name: str, frames: int, expected: float) -> None:
    setting = program.Setting("", (125,), frames, 1)
    assert program.closed_form(program.Loss(name, None, {}), setting, 0.0) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("coherence", [0.5, 0.9, 0.99])
def test_theory_of_correlated_samples(program: Any, coherence: float) -> None:
    """Against sums over pairs of modes that are drawn directly."""
    m, rng = 8, np.random.default_rng(0)
    y, z = rng.normal(size=(2, 200_000, 2 * m)) / np.sqrt(2)
    p, t = (np.sum(x**2, axis=-1) for x in (coherence * y + np.sqrt(1 - coherence**2) * z, y))
    drawn = {
        "power_ratio_error": np.mean(p / t) / np.mean((p / t) ** 2),
        "amplitude_error": (np.mean(np.sqrt(p * t)) / np.mean(p)) ** 2,
    }
    setting = program.Setting("", (125,), m, 1)
    for name, expected in drawn.items():
        theory = program.closed_form(program.Loss(name, None, {}), setting, coherence)
        assert theory == pytest.approx(expected, abs=0.005), name


def test_logarithms_want_no_gain(rows: Any) -> None:
    for row, each, column in found(rows, *LOGARITHMIC):
        assert each.power == pytest.approx(1, abs=0.01 + 4 * each.error), (row.loss.label, column)


def test_errors_of_fields_want_nothing_of_what_they_cannot_predict(rows: Any) -> None:
    for row, each, column in found(rows, *ERRORS):
        assert (each.power < 0.03) == (row.coherence == 0), (row.loss.label, column)
        assert each.power < 0.9


def test_phases_want_nothing_of_amplitudes(rows: Any) -> None:
    assert all(each.flat for _, each, _ in found(rows, *PHASES))
    assert not any(each.flat for name in set(losses.__all__) - set(PHASES) for _, each, _ in found(rows, name))


def test_the_adjusted_error_damps_where_modes_are_few(rows: Any) -> None:
    """Its best gain against the formula of one bin, drawn directly."""
    rng = np.random.default_rng(0)
    for row, each, column in found(rows, "adjusted_error"):
        if column > 2:
            continue
        m, c = 4**column, row.coherence
        y, z = rng.normal(size=(2, 40_000, 2 * m))
        x = c * y + np.sqrt(1 - c**2) * z
        p, t, cross = np.sum(x * x, axis=-1), np.sum(y * y, axis=-1), np.sum(x * y, axis=-1)

        def error(q: float, p: Any = p, t: Any = t, cross: Any = cross) -> float:
            coherence = cross / np.sqrt(p * t)
            return np.mean((np.sqrt(q * p) - np.sqrt(t)) ** 2 + 2 * np.maximum(q * p, t) * (1 - coherence))

        low, high = error(each.power - 0.1), error(each.power + 0.1)
        assert error(each.power) < min(low, high), (row.loss.label, column)
        vertex = 0.05 * (low - high) / (low + high - 2 * error(each.power))
        assert vertex == pytest.approx(0, abs=0.02 + 4 * each.error), (row.loss.label, column)


def test_the_tables_go_into_pages(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- minimisers: begin -->\nold\n<!-- minimisers: end -->\n"
        "between\n<!-- minimisers: begin spectrum_error wavelet_error -->\n<!-- minimisers: end -->\nafter\n"
    )
    loss = {x.label: x for x in program.catalogue()}
    monkeypatch.setattr(program, "catalogue", lambda: [loss["`spectrum_error`"], loss["`wavelet_error`"]])
    assert program.main(["--quick", "--write", str(page)]) == 0
    printed, text = capsys.readouterr(), page.read_text()
    assert printed.err == f"wrote {page}\n"
    whole, some = re.findall(r"<!-- minimisers: begin[\w ]* -->\n\n(.*?)\n\n<!-- minimisers: end -->", text, re.DOTALL)
    assert whole == printed.out.strip()
    assert [line.split("|")[1:3] for line in some.splitlines()[2:]] == [
        [f" `{name}` ", f" {coherence} "] for name in ("spectrum_error", "wavelet_error") for coherence in ("0", "0.9")
    ]
    assert re.sub(r"<!-- m.*?end -->", "", text, flags=re.DOTALL).split() == ["before", "between", "after"]
    assert program.main(["--quick", "--write", str(page)]) == 0
    assert page.read_text() == text
    page.write_text("<!-- minimisers: begin spectum_error -->\n<!-- minimisers: end -->")
    with pytest.raises(ValueError, match="there is no loss spectum_error"):
        program.main(["--quick", "--write", str(page)])


def test_the_page_of_minimisers_lists_every_loss() -> None:
    text = (DOCS / "losses" / "minimisers.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[?`(\w+)`", text, re.MULTILINE)
    assert set(listed) >= set(losses.__all__)


def test_every_loss_has_a_page_of_its_family() -> None:
    titles = [
        title
        for page in (DOCS / "losses").glob("*.md")
        for title in re.findall(r"^## `(\w+)`$", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert sorted(titles) == sorted(losses.__all__)
