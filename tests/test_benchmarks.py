"""The machinery of the benchmark; nothing here looks at how long anything took."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spectral_losses.losses.registry import all_losses

HERE = Path(__file__).resolve().parent / "benchmarks"
MODULES = sorted(path.stem for path in HERE.glob("[!_]*.py"))
DOCS = HERE.parents[1] / "docs"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """All modules of the benchmark by name, gone again after the test."""
    monkeypatch.syspath_prepend(str(HERE))
    found = {name: __import__(name) for name in MODULES}
    yield SimpleNamespace(**found)
    for name in MODULES:
        sys.modules.pop(name, None)


def spectral(bench: Any, name: str, power: Callable[[Any], Any]) -> Any:
    """A peer that computes spectra with unit shells from 1 up."""
    return bench.candidates.Candidate(
        name, "NumPy", "peer", lambda p: lambda: power(p.x), read=lambda found, n: (np.arange(1, 17), found)
    )


def right(x: Any) -> Any:
    """The formula that the library replaces, in which the wave is where it should be."""
    import loop

    return loop.loop_spectrum(np, x, (-2, -1))


def none_of_it(x: Any) -> Any:
    """Raise, as a peer may."""
    raise ValueError("no such grid\nand a second line, in /home/someone/of/them/peer.py")


@pytest.mark.parametrize(
    ("power", "says"),
    [
        (right, "yes"),
        (lambda x: np.roll(right(x), 5, -1), "wrong: 0 % of the wave of radius 3.6 is there; most is at 9.0"),
        (lambda x: right(x) * (np.arange(1, 17) != 4), "wrong: loses the wave (2, 3): its largest bin has"),
        (lambda x: right(x) / (np.arange(16) != 2), "wrong: 2 of 32 bins of the wave are not finite"),
        (none_of_it, "raises ValueError: no such grid"),
    ],
    ids=["right", "moved", "lost", "infinite", "raises"],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_spectrum_is_looked_at_before_it_is_timed(bench: Any, power: Callable[[Any], Any], says: str) -> None:
    (found,) = bench.checks.check([spectral(bench, "peer", power)])
    assert found.numbers.startswith(says), found.numbers
    assert found.wrong == says.startswith("wrong")
    assert found.bfloat16 == "no such type"


def test_what_is_missing_or_raises_is_listed_with_the_reason(bench: Any) -> None:
    def missing(problem: Any) -> Any:
        import there_is_no_such_peer  # noqa: F401

    def later(x: Any) -> Any:
        calls.append(1)
        if len(calls) > 3:
            raise MemoryError
        return x

    calls: list[int] = []
    peer, case = bench.candidates.Candidate, bench.cases.Case(1, (8, 8, 8))
    candidates = [
        peer("bare rfftn", "NumPy", "bare", bench.bare.numpy_spectrum),
        peer("good", "NumPy", "ours", lambda p: lambda: p.x.sum()),
        peer("absent", "NumPy", "peer", missing),
        peer("flat", "NumPy", "peer", missing, refuses=bench.candidates.flat),
        spectral(bench, "raising", none_of_it),
        spectral(bench, "tiring", later),
        peer("elsewhere", "CuPy", "peer", missing),
    ]
    group = bench.measure.group(candidates, case.problem(), bench.measure.Effort(3, 1.0))
    reasons = {label: getattr(result, "reason", None) for label, result in group.results.items()}
    assert reasons == {
        "bare rfftn (NumPy)": None,
        "good (NumPy)": None,
        "absent (NumPy)": "not installed: there_is_no_such_peer",
        "flat (NumPy)": "2-D only",
        "raising (NumPy)": "raises ValueError: no such grid",
        "tiring (NumPy)": "raises MemoryError",
    }
    table = bench.tables.failures([group], "not timed")
    assert ["absent (NumPy)", "all", "not installed: there_is_no_such_peer"] in table.rows
    assert [row[0] for row in table.rows] == ["absent (NumPy)", "raising (NumPy)", "tiring (NumPy)"]
    assert group.relative(candidates[1], "bare") > 0
    assert group.relative(candidates[2], "bare") is None
    (finding,) = bench.checks.check(candidates[2:3])
    assert finding.numbers == "not installed: there_is_no_such_peer"
    assert not finding.wrong


def test_reasons_hold_no_paths(bench: Any) -> None:
    assert bench.timing.reason(OSError("cannot open /home/someone/peer.py")) == "raises OSError: cannot open ..."


def test_slow_functions_are_called_in_fewer_rounds(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"fast": 0.001, "slow": 10.0, "between": 0.25}
    calls: list[str] = []
    monkeypatch.setattr(bench.timing, "clock", lambda function: seconds[function()])

    def function(name: str) -> Callable[[], object]:
        return lambda: (calls.append(name), name)[1]

    found = bench.timing.interleaved({name: function(name) for name in seconds}, 9, 1.0)
    assert {name: timing.calls for name, timing in found.items()} == {"fast": 9, "slow": 2, "between": 4}
    assert {name: timing.median for name, timing in found.items()} == seconds
    assert {name: calls.count(name) for name in seconds} == {"fast": 10, "slow": 3, "between": 5}  # the first warms up


def test_pages_are_written_between_markers(bench: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a: begin -->\nold\n<!-- a: end -->\nbetween\n<!-- b: begin -->kept<!-- b: end -->\n")
    table = bench.report.Table("Title", ["", "x | y"], [["row", "1.5"]], "A note.")
    text = bench.report.text_of(bench.report.Section("a", [table, table._replace(rows=[])]), markdown=True)
    for _ in range(2):
        bench.report.write(page, "a", text)
        assert page.read_text() == (
            "before\n<!-- a: begin -->\n\n**Title**\n\n|  | x \\| y |\n| --- | --- |\n| row | 1.5 |\n\nA note.\n\n"
            "<!-- a: end -->\nbetween\n<!-- b: begin -->kept<!-- b: end -->\n"
        )
    with pytest.raises(ValueError, match="must have one <!-- c: begin -->"):
        bench.report.write(page, "c", text)


@pytest.mark.skipif(not DOCS.exists(), reason="the documentation is not here")
def test_every_part_has_its_place_in_the_documentation(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    main = load_main(monkeypatch)
    settings = [bench.parts.Setting(True, None, device) for device in ("cpu", "cuda")]
    todo = main.plan(list(main.PARTS), settings)
    assert len(todo) == 2 * len(main.PARTS) - len(main.ONCE)
    for name, part, _ in todo:
        assert "\n\nsome text\n\n" in bench.report.between(main.page(part, DOCS).read_text(), name, "some text")


def test_a_part_without_its_framework_says_so(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(setting: Any) -> Any:
        import there_is_no_such_peer  # noqa: F401

    main = load_main(monkeypatch)
    monkeypatch.setitem(main.PARTS, "spectra", absent)
    section = main.run("spectra", "spectra", bench.parts.Setting(True, None, "cpu"))
    assert section.data == {"reason": "not installed: there_is_no_such_peer"}
    assert bench.report.text_of(section, False) == "Nothing could be measured.\n"


def test_charts_are_drawn(bench: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    case = bench.cases.Case(1, (8, 8))
    candidates = [
        bench.candidates.Candidate("bare rfftn", "NumPy", "bare", bench.bare.numpy_spectrum),
        spectral(bench, "peer", right),
    ]
    group = bench.measure.group(candidates, case.problem(), bench.measure.Effort(2, 0.1))
    bench.figures.relative_times(tmp_path / "relative.png", {"Spectra": [group]}, {"peer (NumPy)"})
    timing = bench.timing.Timing(1e-3, 0.9e-3, 1.2e-3, 3)
    points = [bench.scaling.Point(curve, x, "8 x 64²", timing, timing, None if curve == "bins" else 2.0)
              for curve in ("field size", "batch", "bins") for x in (2, 4)]  # fmt: skip
    bench.figures.curves(tmp_path / "scaling.png", points)
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("relative.png", "scaling.png"))


def test_numbers_and_the_machine(bench: Any) -> None:
    assert [bench.report.digits(x) for x in (None, 0.0, 123.4, 1.234, 0.01234, 4567.0)] == [
        "–", "0", "123", "1.23", "0.0123", "4567",
    ]  # fmt: skip
    assert f"numpy {np.__version__}" in bench.report.machine(["numpy", "there-is-no-such-peer"])
    assert "there-is-no-such-peer" not in bench.report.machine(["numpy", "there-is-no-such-peer"])


def load_main(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command, without running it; what it sets in the environment is taken back."""
    import importlib.util

    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    spec = importlib.util.spec_from_file_location("benchmarks_main", HERE / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_loss_is_in_the_table_of_the_catalogue(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    bench.catalogue.main(["--quick"])
    rows = [line.split("|")[1:6] for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    for name in all_losses():
        found = [row for row in rows if row[0].strip() == f"`{name}`"]
        assert len(found) == len(bench.catalogue.QUICK)
        assert all(float(row[1]) > 0 and float(row[2]) > 0 for row in found)


def test_the_table_of_the_catalogue_has_a_place() -> None:
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert page.count("<!-- catalogue: begin -->") == page.count("<!-- catalogue: end -->") == 1
