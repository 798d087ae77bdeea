"""The demo: once in its quick form, and its parts on something tiny."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("rich")

import torch

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.demo import experiment
from spectral_losses.cli.demo.data import make_data
from spectral_losses.cli.demo.operator import FourierOperator
from spectral_losses.cli.demo.report import document
from spectral_losses.cli.demo.rollout import bands_of, roll_out, score
from spectral_losses.cli.demo.setting import FULL, QUICK, SCHEDULER
from spectral_losses.cli.demo.training import train

TINY = QUICK._replace(
    solver_grid=24,
    grid=16,
    viscosity=2e-2,
    first=0.2,
    interval=0.1,
    frames=4,
    training=2,
    validation=1,
    test=2,
    width=4,
    modes=4,
    layers=1,
    epochs=3,
    short=1,
    long=3,
    timed=1,
    scheduler=dataclasses.replace(SCHEDULER, warmup_epochs=0, patience=0),
)


@contextmanager
def silent(label: str, total: int) -> Any:
    yield lambda amount: None


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What ``demo --quick`` prints and draws, and its outcome."""
    import contextlib
    import io

    from spectral_losses.cli.demo import report

    found: list[Any] = []
    figure = tmp_path_factory.mktemp("demo") / "quick.png"
    original, out = report.print_tables, io.StringIO()

    def watched(outcome: Any, path: Path) -> None:
        found.append(outcome)
        original(outcome, path)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setattr(report, "print_tables", watched)
        assert main(["demo", "--quick", "--seed", "3", "--output", str(figure)]) == 0
    return out.getvalue(), figure, found[0]


def test_the_tables(quick: Any) -> None:
    printed, figure, outcome = quick
    lines = printed.splitlines()
    (heading,) = [line for line in lines if "steps, time" in line]
    assert f"{QUICK.short} steps, time 0.5" in heading
    assert f"{QUICK.long} steps, time 2" in heading
    for label in ("field error ", "spectrum error ", *(f"error, {b} band" for b in ("low", "middle", "high"))):
        (row,) = [line for line in lines if line.startswith(f" {label}") and "alone" not in line and "ms" not in line]
        numbers = [float(word) for word in row.split(")")[-1].split() if word[0].isdigit()]
        assert len(numbers) == 4
    (row,) = [line for line in lines if line.startswith(" energy ratio, high band (7 to 16)")]
    pairs = outcome.scores[QUICK.short] + outcome.scores[QUICK.long]
    expected = [each.bands[2].energy_ratio for each in pairs]
    assert [float(word) for word in row.split(")")[1].split()] == pytest.approx(expected, rel=6e-3)
    assert "seed 3" in lines[0]
    assert "patience 1" in printed
    assert "min_delta 0.1, min_delta_mode relative" in printed
    assert lines[-1] == f"wrote {figure}"


def test_the_figure(quick: Any) -> None:
    from matplotlib.image import imread

    picture = imread(quick[1])
    assert picture.shape[0] > 1000
    assert picture.shape[1] > 1500
    assert picture[..., :3].std() > 0.05


def test_the_document(quick: Any) -> None:
    outcome = quick[2]
    found = json.loads(json.dumps(document(outcome, quick[1]), allow_nan=False))
    assert set(found) == {
        "seed", "setting", "machine", "rollout", "training", "adaptations", "simulation_seconds", "step_seconds",
        "step_overhead", "figure",
    }  # fmt: skip
    assert [each["steps"] for each in found["rollout"]] == [QUICK.short, QUICK.long]
    for each in found["rollout"]:
        for side in ("field", "scheduled"):
            numbers = [each[side]["field_error"], each[side]["spectrum_error"]]
            numbers += [band[kind] for band in each[side]["bands"] for kind in ("error", "energy_ratio")]
            assert len(numbers) == 8
            assert all(0 < number < 100 for number in numbers)
    config = sl.SchedulerConfig.from_dict(found["setting"]["scheduler"])
    assert config == QUICK.scheduler
    for side in ("field", "scheduled"):
        assert found["training"][side]["steps"] == 120
        assert len(found["training"][side]["validation"]) == QUICK.epochs
    assert found["step_overhead"] == pytest.approx(found["step_seconds"]["both"] / found["step_seconds"]["field"] - 1)


def test_both_trainings_learn_and_the_scheduler_moves(quick: Any) -> None:
    field, scheduled = quick[2].runs
    assert field.metrics[-1]["field_error"] < 0.9 * field.metrics[0]["field_error"]
    assert {tuple(each.values()) for each in field.weights} == {(1.0, 0.0)}
    assert field.decisions == ()
    moved = [decision.epoch for decision in scheduled.decisions if decision]
    assert moved
    assert moved[0] >= QUICK.scheduler.warmup_epochs
    # A decision holds from the next epoch on; until the first one the two trainings are one.
    weights = [decision.weights for decision in scheduled.decisions]
    assert scheduled.weights[1:] == weights[:-1]
    assert scheduled.weights[-1]["spectrum_error"] > 0.3
    assert scheduled.first_losses == field.first_losses
    assert scheduled.metrics[: moved[0] + 1] == field.metrics[: moved[0] + 1]
    assert scheduled.metrics[moved[0] + 1] != field.metrics[moved[0] + 1]


def test_a_seed_is_a_run() -> None:
    numbers = []
    for seed in (5, 5, 6):
        state = torch.random.get_rng_state()
        outcome = experiment.run_demo(TINY, seed, silent)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert any(outcome.runs[1].decisions)
        found = document(outcome, Path("demo.png"))
        for side in found["training"].values():
            del side["seconds"]
        del found["simulation_seconds"], found["step_seconds"], found["step_overhead"]
        numbers.append((found, outcome.data, outcome.rollouts))
    (one, data, rollouts), (two, data_2, rollouts_2), (other, data_3, _) = numbers
    assert one == two
    assert one["rollout"] != other["rollout"]
    assert torch.equal(data.test, data_2.test)
    assert all(torch.equal(a, b) for a, b in zip(rollouts, rollouts_2, strict=True))
    assert not torch.equal(data.test, data_3.test)


def test_trajectories_are_scaled_and_all_different() -> None:
    done: list[int] = []
    data = make_data(TINY, 0, done.append)
    assert sum(done) == 5
    shapes = [tuple(part.shape) for part in (data.training, data.validation, data.test)]
    assert shapes == [(2, 4, 1, 16, 16), (1, 4, 1, 16, 16), (2, 4, 1, 16, 16)]
    assert float(data.training.square().mean()) == pytest.approx(1, rel=1e-5)
    first = torch.cat((data.training, data.validation, data.test))[:, 0].flatten(1)
    assert float(torch.corrcoef(first).fill_diagonal_(0).abs().max()) < 0.5


def test_an_interrupt_leaves_no_work_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun: list[int] = []
    from spectral_losses.cli.demo import data

    solve = data.simulate
    monkeypatch.setattr(data, "simulate", lambda *args, **more: begun.append(1) or solve(*args, **more))

    def interrupt(amount: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_data(TINY._replace(training=200), 0, interrupt)
    assert len(begun) < 20

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "make_data", interrupted)
    threads = torch.get_num_threads()
    assert main(["demo", "--quick", "--output", str(tmp_path / "demo.png")]) == 130
    assert torch.get_num_threads() == threads
    assert list(tmp_path.iterdir()) == []


def test_the_operator_commutes_with_shifts() -> None:
    """A convolution in every layer: it knows no place, and a periodic box has none."""
    model = FourierOperator(4, 3, 2)
    x = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        moved, there = model(x.roll((3, 5), (-2, -1))), model(x).roll((3, 5), (-2, -1))
        assert model(x).shape == x.shape
    torch.testing.assert_close(moved, there, rtol=1e-4, atol=1e-5)


def test_scores_and_rollouts() -> None:
    truth = torch.randn(3, 4, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    perfect, half, broken = score(truth[:, 0], truth[:, 0]), score(truth[:, 0] / 2, truth[:, 0]), truth[:, 0].clone()
    assert perfect.field_error == perfect.spectrum_error == 0
    assert [each.energy_ratio for each in perfect.bands] == pytest.approx([1, 1, 1])
    assert half.field_error == pytest.approx(0.25)
    assert [each.error for each in half.bands] == pytest.approx([0.25] * 3)
    assert [each.energy_ratio for each in half.bands] == pytest.approx([0.25] * 3)
    assert [band.name for band in bands_of(16)] == ["low", "middle", "high"]
    broken[0] = torch.inf  # a rollout that ran away is no error, and has no numbers
    lost = score(broken, truth[:, 0])
    assert (lost.field_error, lost.spectrum_error, lost.bands[0].error) == (None, None, None)

    rolled = roll_out(lambda x: 2 * x, truth)  # type: ignore[arg-type]
    assert torch.equal(rolled, truth[:, :1] * torch.tensor([1.0, 2, 4, 8])[None, :, None, None, None])


def test_a_training_without_the_scheduler_never_computes_the_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses.cli.demo import training

    seen: list[set[str]] = []

    class Watched(sl.CompositeLoss):
        def __call__(self, *args: Any, **more: Any) -> Any:
            found = super().__call__(*args, **more)
            seen.append(set(found[1]))
            return found

    monkeypatch.setattr(training, "CompositeLoss", Watched)
    train(make_data(TINY, 0, len_of), TINY, 0, None, len_of)
    assert len(seen) == TINY.epochs
    assert all(parts == {"field_error"} for parts in seen)


def len_of(amount: int) -> int:
    return amount


def test_the_settings_fit_their_schedules() -> None:
    for setting in (FULL, QUICK):
        assert setting.short < setting.long == setting.frames - 1
        # The solver has all that the network's grid can hold, but for its last shell.
        assert (setting.solver_grid - 1) // 3 >= setting.grid // 2 - 1
        assert 2 * setting.modes <= setting.grid
        # Five moves at the soonest, each after an epoch without an improvement.
        assert setting.scheduler.warmup_epochs + 5 < setting.epochs


@pytest.mark.parametrize("module", ["torch", "matplotlib", "rich"])
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo", "--quick", "--output", str(tmp_path / "demo.png")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"spectral-losses: error: demo needs {module}, which is not installed: pip install {module} "
        "(the extra 'demo' of spectral-losses has all that is needed)"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "{tmp}/no/such/folder/demo.png"], "--output: {tmp}/no/such/folder/demo.png: No such file"),
        (["--output", "{tmp}"], "takes a file that ends in .png"),
        (["--output", "{tmp}/demo.txt"], "takes a file that ends in .png"),
        (["--seed", "-1"], "takes a whole number, 0 or more, got '-1'"),
        (["--seed", "x"], "takes a whole number, 0 or more, got 'x'"),
        (["--seeds", "3"], "unrecognized arguments: --seeds 3"),
        (["--qui"], "unrecognized arguments: --qui"),
    ],
)
def test_bad_arguments_are_one_line_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr(experiment, "run_demo", lambda *_: pytest.fail("it ran"))
    assert main(["demo", *(each.format(tmp=tmp_path) for each in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message.format(tmp=tmp_path) in err


def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    from spectral_losses.cli.demo import setting

    monkeypatch.setattr(setting, "QUICK", TINY)
    figure = tmp_path / "demo.svg"
    assert main(["demo", "--quick", "--json", "--output", str(figure)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["figure"] == str(figure)
    assert len(out.splitlines()) == 1
    assert err == ""
    assert b"<svg" in figure.read_bytes()


def test_help_loads_no_framework() -> None:
    code = """
import sys
from spectral_losses.cli import main
try:
    main(["demo", "--help"])
except SystemExit:
    pass
print("loaded:", *sorted({m.split(".")[0] for m in sys.modules} & {"torch", "numpy", "matplotlib", "rich", "scipy"}))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "loaded:"
    assert importlib.util.find_spec("torch")
