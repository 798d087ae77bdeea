"""The evidence experiment in small, and its statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs
from hypothesis import example, given
from hypothesis import strategies as st

EXAMPLES = Path(__file__).resolve().parents[1] / "docs" / "examples"
pytestmark = [pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here"), needs("torch")]

sizes = st.floats(0.01, 100.0)
ratios = st.dictionaries(st.integers(0, 5), sizes, min_size=2)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every arm on every flow, in small; with the U-Net on one in each dimension, and with two seeds on some."""
    import torch
    from evidence import command

    directory, before = tmp_path_factory.mktemp("results"), torch.get_num_threads()
    which = ["--quick", "--results", str(directory)]
    assert command.main([*which, "--network", "fno"]) == 0
    assert command.main([*which, "--network", "unet", "--flow", "ks-1", "kolmogorov"]) == 0
    again = [*which, "--network", "fno", "--seed", "1", "--flow", "ks-12", "kolmogorov", "--arm"]
    assert command.main([*again, "alone", "static .01", "controller"]) == 0
    torch.set_num_threads(before)
    return directory


def stored(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(results.glob("*.jsonl")) for line in file.read_text().splitlines()]


def test_every_arm_of_the_protocol_is_run_once(results: Path) -> None:
    from evidence.arms import ARMS, SHORT

    found = [(run["flow"], run["network"], run["arm"]) for run in stored(results) if run["seed"] == 0]
    assert len(set(found)) == len(found) == len(ARMS) + len(SHORT) * (4 + 2)


def test_what_is_there_is_not_run_again(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from evidence import command

    before = stored(results)
    assert command.main(["--quick", "--results", str(results), "--network", "fno"]) == 0
    assert stored(results) == before
    assert capsys.readouterr().out == ""


def test_a_run_is_the_same_again(results: Path, tmp_path: Path) -> None:
    from evidence import command

    which = ["--quick", "--flow", "kolmogorov", "--network", "unet", "--arm", "unrolled .01"]
    assert command.main([*which, "--results", str(tmp_path)]) == 0
    (again,) = stored(tmp_path)
    (first,) = (run for run in stored(results) if all(run[key] == again[key] for key in ("flow", "network", "arm")))
    for took in ("seconds", "step_ms"):
        del first[took], again[took]
    assert again == first


def test_stored_runs_are_made_again(results: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from evidence import command

    which = ["--quick", "--again", "--flow", "kolmogorov", "--network", "fno", "--arm", "alone", "--seed", "1", "2"]
    before = stored(results)
    assert command.main([*which, "--results", str(results)]) == 0
    (line,) = capsys.readouterr().out.splitlines()  # of the seed that is there
    assert line.startswith("1/1 kolmogorov fno 'alone' seed 1: field_error ")
    assert line.endswith("(+0.00 %), all numbers are the same")
    assert stored(results) == before
    (other,) = (run for run in before if (run["flow"], run["arm"], run["seed"]) == ("kolmogorov", "alone", 1))
    other["leads"]["1"]["field_error"] *= 2
    (tmp_path / "kolmogorov-fno.jsonl").write_text(json.dumps(other))
    assert command.main([*which, "--results", str(tmp_path)]) == 0
    line = capsys.readouterr().out
    assert "(-50.00 %)" in line
    assert "not all numbers are the same" in line


def test_estimates_go_by_pilots(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from evidence import command, store

    store.append(tmp_path, {"flow": "ks-1", "network": "fno", "arm": "alone", "seed": 100, "seconds": 30.0})
    assert (
        command.main(["--estimate", "--flow", "ks-1", "burgers", "--network", "fno", "--results", str(tmp_path)]) == 0
    )
    said = capsys.readouterr().out
    assert "ks-1 fno: 30 runs, 15.0 min" in said
    assert "burgers fno: 30 runs, no pilot" in said


def test_a_perfect_forecast_and_one_at_half_amplitude() -> None:
    import torch
    from evidence.judging import ahead, correlation
    from evidence.setting import FLOWS

    true = torch.randn(4, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    same, half = (ahead(factor * true, true, FLOWS["decaying"]) for factor in (1.0, 0.5))
    assert same["field_error"] == same["amplitude"] == same["distance"] == 0
    assert half["field_error"] == pytest.approx(0.25, rel=1e-4)
    assert half["amplitude"] == pytest.approx(0.25, rel=1e-4)
    assert half["phase"] == pytest.approx(0, abs=1e-5)
    assert half["distance"] == pytest.approx(np.log(4) ** 2, rel=1e-4)
    assert half["top_energy"] == pytest.approx(0.25, rel=1e-4)
    assert [band["coherence"] for band in half["bands"]] == pytest.approx([1, 1, 1], abs=1e-5)
    assert correlation(0.5 * true + 3, true) == pytest.approx(1)


def test_a_forecast_that_is_not_finite_is_stored_as_none() -> None:
    import torch
    from evidence.judging import ahead
    from evidence.setting import FLOWS

    true = torch.randn(4, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    found = ahead(torch.full_like(true, float("nan")), true, FLOWS["decaying"])
    assert found["field_error"] is None
    assert found["bands"][2]["energy"] is None


def test_a_long_run_that_stays_and_one_that_grows() -> None:
    import torch
    from evidence.judging import long_run, roll_out
    from evidence.setting import FLOWS

    setting = FLOWS["ks-1"]._replace(rollout=20, start_every=64)
    wave = torch.cos(torch.arange(64) * 2 * torch.pi * 3 / 64)
    unseen = wave.expand(2, 65, 1, 64)
    first = unseen[:, 0]
    stays = long_run(roll_out(torch.nn.Identity(), first, 20), unseen, setting)
    assert (stays["stable_steps"], stays["stable_share"], stays["correlation_time"]) == (20, 1, 20)
    assert stays["energy"] == pytest.approx(1)
    assert stays["climate"] == pytest.approx(0, abs=1e-6)
    grown = first[:, None] * 1.5 ** torch.arange(21.0)[None, :, None, None]
    assert long_run(grown, unseen, setting)["stable_steps"] == 1


def test_correlation_time_is_read_between_two_frames() -> None:
    import torch
    from evidence.judging import correlation_time
    from evidence.setting import FLOWS

    setting = FLOWS["ks-12"]._replace(rollout=3, leads=(1,), start_every=8)
    x = torch.arange(64) * 2 * torch.pi / 64
    unseen = torch.cos(3 * x).expand(2, 9, 1, 64)
    shifts = torch.tensor([0.0, np.arccos(0.9), np.arccos(0.7), 0.0]) / 3  # correlations of 1, 0.9, 0.7, 1
    rolled = torch.cos(3 * (x + shifts[:, None])).expand(2, 4, 64)[:, :, None]
    assert correlation_time(rolled, unseen, setting) == pytest.approx(12 * 1.5, rel=1e-5)


def test_the_coherent_distance_asks_for_nothing_where_there_is_no_coherence() -> None:
    import torch
    from evidence.arms import coherent_distance

    import spectral_losses as sl

    options = {"spatial_axes": (-2, -1), "channel_axis": 1}
    true, other = torch.randn(2, 64, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for factor, share in ((0.5, 0.0), (2.0, 1.0)):  # what is missing, and what is too much
        whole = sl.log_spectral_distance(factor * other, true, pool="frames", **options)
        assert float(coherent_distance(factor * other, true, options) / whole) == pytest.approx(share, abs=0.02)
    prediction = (0.5 * true).requires_grad_()
    found = coherent_distance(prediction, true, options)
    assert found.item() == pytest.approx(np.log(4) ** 2, rel=1e-3)
    (gradient,) = torch.autograd.grad(found, prediction)
    assert float((gradient * true).sum()) < 0


@given(ratios, sizes)
def test_ratios_are_paired_and_units_cancel(alone: dict[int, float], factor: float) -> None:
    from evidence.paired import ratio

    found = ratio({seed: factor * value for seed, value in alone.items()} | {99: 1.0}, alone)
    assert found is not None
    assert len(found.each) == len(alone)
    assert found[:3] == pytest.approx((factor,) * 3)


@given(st.lists(sizes, min_size=2, max_size=6))
def test_an_interval_holds_its_mean_and_lies_within_its_seeds(values: list[float]) -> None:
    from evidence.paired import interval

    for logarithmic, mean in ((False, np.mean(values)), (True, np.exp(np.mean(np.log(values))))):
        found = interval(values, logarithmic=logarithmic)
        assert found.mean == pytest.approx(mean)
        room = 1 + 1e-9
        assert min(values) / room <= found.low <= found.mean * room
        assert found.mean / room <= found.high <= max(values) * room


def test_an_interval_is_that_of_all_draws() -> None:
    from evidence.paired import interval

    low, high = interval([0.0, 1.0])[1:3]  # a quarter of the draws has both 0, a quarter both 1
    assert (low, high) == (0, 1)
    many = interval(list(np.linspace(-1, 1, 101)))
    assert many.high == pytest.approx(1.96 * np.std(np.linspace(-1, 1, 101)) / np.sqrt(101), rel=0.05)


@example([(1.05, 1.0)])  # whose logarithms are not alike in NumPy and without
@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=8))
def test_no_point_of_the_front_is_beaten_and_each_other_is(points: list[tuple[float, float]]) -> None:
    from evidence.paired import beyond_front, front

    along = front(points)
    for point in points:
        beaten = any(all(a <= b for a, b in zip(other, point, strict=True)) and other != point for other in points)
        assert (point in along) is not beaten
    for point in along:
        delta, inside = beyond_front(point, points)
        assert inside
        assert delta == pytest.approx(0, abs=1e-9)


def test_the_distance_from_the_front_is_straight_in_logarithms() -> None:
    from evidence.paired import beyond_front

    static = [(1.0, 16.0), (4.0, 4.0), (3.0, 9.0), (16.0, 1.0)]
    share = np.log(2) / np.log(3)  # of the way from the first point to the second of the front
    on_front = 16 ** (1 - share) * 9**share
    assert beyond_front((2.0, 4.0), static) == (pytest.approx(np.log(4 / on_front)), True)
    assert beyond_front((0.5, 32.0), static) == (pytest.approx(np.log(2)), False)
    assert beyond_front((32.0, 0.5), static) == (pytest.approx(-np.log(2)), False)


def test_tables_of_the_results(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from evidence import tables
    from evidence.arms import ARMS

    assert tables.main(["--results", str(results)]) == 0
    said = capsys.readouterr().out
    assert all(f"| {tables.TITLES[arm]} |" in said for arm in ARMS)
    assert "Kuramoto-Sivashinsky, frames 12 apart, FNO" in said
    page = tmp_path / "page.md"
    names = ("evidence at a glance", "evidence")
    marks = "".join(f"<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n" for name in names)
    page.write_text(f"before\n{marks}after\n")
    for _ in range(2):  # the second time changes nothing
        assert tables.main(["--results", str(results), "--write", str(page)]) == 0
        written = page.read_text()
        assert written.startswith("before\n")
        assert written.endswith("after\n")
        assert all(line in written for line in said.splitlines())
        assert "old" not in written


@needs("matplotlib")
def test_figures_of_the_results(results: Path, tmp_path: Path) -> None:
    from evidence import figures

    assert figures.main(["--results", str(results), "--output", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "evidence-asked.png",
        "evidence-front.png",
        "evidence-parts.png",
    ]
