"""The demo: once in its quick form, and its parts on something tiny."""

from __future__ import annotations

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
from spectral_losses.cli.demo.command import NAMES
from spectral_losses.cli.demo.data import make_data
from spectral_losses.cli.demo.flows import DecayingTurbulence
from spectral_losses.cli.demo.judging import Measured, ahead, bands, estimates, measured, numbers, ratio, roll_out
from spectral_losses.cli.demo.operator import FourierOperator
from spectral_losses.cli.demo.recipes import ALONE, RECIPES, SCHEDULED, SHARED
from spectral_losses.cli.demo.report import document
from spectral_losses.cli.demo.setting import FLOWS
from spectral_losses.cli.demo.training import train

QUICK = FLOWS["chaos"][1]
SMALL = {"training": 2, "validation": 1, "test": 2, "width": 4, "layers": 1, "timed": 1, "batch": 4}
TINY = {
    "chaos": QUICK._replace(frames=7, modes=4, steps=12, looks=6, long=4, **SMALL),
    "turbulence": FLOWS["turbulence"][1]._replace(
        flow=DecayingTurbulence(24, 16, 2e-2, 0.2, 0.1), frames=6, modes=4, steps=12, looks=6, **SMALL
    ),
}


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
        patch.setenv("COLUMNS", "200")
        assert main(["demo", "--quick", "--seed", "3", "--output", str(figure)]) == 0
    return out.getvalue(), figure, found[0]


def test_the_tables(quick: Any) -> None:
    printed, figure, outcome = quick
    lines = printed.splitlines()
    (heading,) = [line for line in lines if "unseen flows [95 %" in line]
    assert all(recipe.name in heading for recipe in RECIPES)
    assert any("1 step ahead, time 12" in line for line in lines)
    assert any("rollouts, mean of steps 7 to 12" in line for line in lines)
    rows = [line for line in lines if line.strip().startswith("log spectral distance  ")]
    expected = [*outcome.forecasts.values(), outcome.rollouts]
    assert len(rows) == len(expected) == 3
    for row, found in zip(rows, expected, strict=True):
        told = [float(word) for word in row.replace("[", " ").replace(",", " ").replace("]", " ").split()[3:]]
        wanted = [value for r in RECIPES for value in estimates(found[r.key])["log_spectral_distance"]]
        assert told == pytest.approx(wanted, rel=6e-3)
    assert "seed 3" in lines[0]
    assert f"as much as gives it {QUICK.share:g} of" in printed
    bought = [line for line in lines if line.startswith("  log spectral distance x")]
    for line, recipe in zip(bought, (SCHEDULED, SHARED), strict=True):
        change = ratio("log_spectral_distance", *(outcome.forecasts[1][each.key] for each in (recipe, ALONE)))
        assert float(line.split()[4]) == pytest.approx(change.value, rel=6e-3)
    assert f"wrote {figure}" in lines


def test_the_figures(quick: Any, tmp_path: Path) -> None:
    from matplotlib.image import imread

    from spectral_losses.cli.demo.figure import write_figure

    of_a_square = tmp_path / "square.png"
    write_figure(of_a_square, experiment.run_demo("turbulence", TINY["turbulence"], 0, silent))
    for path in (quick[1], of_a_square):
        picture = imread(path)
        assert picture.shape[0] > 1000
        assert picture.shape[1] > 1500
        assert picture[..., :3].std() > 0.05


def test_the_document(quick: Any) -> None:
    outcome = quick[2]
    found = json.loads(json.dumps(document(outcome, quick[1]), allow_nan=False))
    assert set(found) == {
        "flow", "seed", "setting", "machine", "forecasts", "rollouts", "training", "simulation_seconds",
        "step_seconds", "figure",
    }  # fmt: skip
    assert (found["flow"], found["seed"]) == ("chaos", 3)
    assert [each["steps"] for each in found["forecasts"]] == list(QUICK.leads)
    for each in (*found["forecasts"], found["rollouts"]):
        for recipe in RECIPES:
            of = each[recipe.key]
            told = [of["field_error"], of["log_spectral_distance"]]
            told += [of[band][what] for band in ("low", "middle", "high") for what in ("error", "energy_ratio")]
            assert len(told) == 8
            assert all(0 <= low <= high for _, low, high in told)
    for recipe in RECIPES:
        looks = found["training"][recipe.key]["looks"]
        assert [look["step"] for look in looks] == list(range(3, 61, 3))
        assert all((look["decision"] is None) == (recipe is not SCHEDULED) for look in looks)
        assert found["step_seconds"][recipe.key] > 0


def test_all_trainings_learn_and_weights_move(quick: Any) -> None:
    runs = quick[2].runs
    field, scheduled, shares = (runs[recipe.key] for recipe in RECIPES)
    assert field.looks[-1].metrics["field_error"] < field.looks[0].metrics["field_error"]
    assert {tuple(look.weights.values()) for look in field.looks} == {(1.0, 0.0)}
    assert scheduled.looks[-1].weights == {"field_error": 1.0, "log_spectral_distance": QUICK.weight}
    weights = [look.weights["log_spectral_distance"] for look in scheduled.looks]
    assert weights == sorted(weights)
    # Until the first weight of the spectrum two trainings are one.
    assert scheduled.first_losses == field.first_losses != shares.first_losses
    assert scheduled.looks[0].metrics == field.looks[0].metrics
    alone, *others = (run.looks[-1].metrics["log_spectral_distance"] for run in (field, scheduled, shares))
    assert max(others) < alone
    assert all(0 < look.weights["log_spectral_distance"] != look.weights["field_error"] == 1 for look in shares.looks)


@pytest.mark.parametrize("name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])])
def test_a_seed_is_a_run(name: str) -> None:
    found = []
    for seed in (5, 5, 6):
        state = torch.random.get_rng_state()
        outcome = experiment.run_demo(name, TINY[name], seed, silent)
        assert torch.equal(torch.random.get_rng_state(), state)
        said = document(outcome, Path("demo.png"))
        for side in said["training"].values():
            del side["seconds"]
        del said["simulation_seconds"], said["step_seconds"]
        found.append((said, outcome.data))
    (one, data), (two, data_2), (other, data_3) = found
    assert one == two
    assert one["forecasts"] != other["forecasts"]
    assert torch.equal(data.test, data_2.test)
    assert not torch.equal(data.test, data_3.test)


@pytest.mark.parametrize("name", NAMES)
def test_trajectories_are_scaled_and_all_different(name: str) -> None:
    done: list[int] = []
    setting = TINY[name]
    data = make_data(setting, 0, done.append)
    assert sum(done) == 5
    shapes = [tuple(part.shape) for part in (data.training, data.validation, data.test)]
    assert shapes == [(n, setting.frames, 1, *setting.flow.grid) for n in (2, 1, 2)]
    assert float(data.training.square().mean()) == pytest.approx(1, rel=1e-5)
    first = torch.cat((data.training, data.validation, data.test))[:, 0].flatten(1)
    assert float(torch.corrcoef(first).fill_diagonal_(0).abs().max()) < 0.9


def test_an_interrupt_leaves_no_work_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun: list[int] = []
    from spectral_losses.cli.demo import turbulence

    solve = turbulence.simulate
    monkeypatch.setattr(turbulence, "simulate", lambda *args, **more: begun.append(1) or solve(*args, **more))

    def interrupt(amount: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_data(TINY["turbulence"]._replace(training=200), 0, interrupt)
    assert len(begun) < 20

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "make_data", interrupted)
    threads = torch.get_num_threads()
    assert main(["demo", "--quick", "--output", str(tmp_path / "demo.png")]) == 130
    assert torch.get_num_threads() == threads
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("change", [True, False])
def test_the_operator_commutes_with_shifts(dimensions: int, change: bool) -> None:
    """A convolution in every layer: it knows no place, and a periodic box has none."""
    model = FourierOperator(dimensions, 4, 3, 2, change=change)
    x = torch.randn(2, 1, *(16,) * dimensions, generator=torch.Generator().manual_seed(0))
    axes, by = tuple(range(-dimensions, 0)), (3, 5)[:dimensions]
    with torch.no_grad():
        moved, there = model(x.roll(by, axes)), model(x).roll(by, axes)
        assert model(x).shape == x.shape
    torch.testing.assert_close(moved, there, rtol=1e-4, atol=1e-5)


def test_forecasts_and_rollouts() -> None:
    frames = torch.randn(3, 5, 1, 16, generator=torch.Generator().manual_seed(1))
    double: Any = lambda x: 2 * x  # noqa: E731
    prediction, truth = ahead(double, frames, 2)
    assert torch.equal(prediction, 4 * frames[:, :3])
    assert torch.equal(truth, frames[:, 2:])
    prediction, truth = roll_out(double, frames, 4)
    assert torch.equal(prediction, frames[:, :1] * torch.tensor([8.0, 16.0])[None, :, None, None])
    assert torch.equal(truth, frames[:, 3:])


def test_numbers_are_those_of_the_library() -> None:
    generator = torch.Generator().manual_seed(1)
    truth, noise = torch.randn(2, 6, 4, 1, 24, generator=generator, dtype=torch.float64)
    prediction = 0.8 * truth + 0.3 * noise
    found = numbers(measured(prediction, truth))
    layout = {"spatial_axes": -1, "channel_axis": None}
    p, t = prediction[:, :, 0], truth[:, :, 0]
    assert found["field_error"] == pytest.approx(float(sl.field_error(p, t, **layout)))
    distance = float(sl.log_spectral_distance(p, t, pool="frames", **layout))
    assert found["log_spectral_distance"] == pytest.approx(distance, rel=1e-6)
    half = numbers(measured(truth / 2, truth))
    assert half["field_error"] == pytest.approx(0.25)
    for band in bands(measured(truth, truth).plane):
        assert half[f"{band.name}.error"] == half[f"{band.name}.energy_ratio"] == pytest.approx(0.25)
        assert half[f"{band.name}.coherence"] == pytest.approx(1)


def test_intervals_are_of_the_trajectories() -> None:
    truth = torch.randn(12, 2, 1, 24, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    sizes = torch.linspace(0.1, 0.5, 12, dtype=torch.float64)[:, None, None, None]
    found = measured(truth * (1 + sizes), truth)
    whole = estimates(found)["field_error"]
    assert whole.value == pytest.approx(float(sizes.square().mean()))
    # The standard error of the mean of twelve trajectories, twice.
    spread = 2 * float(sizes.square().std()) / 12**0.5
    assert whole.high - whole.low == pytest.approx(2 * spread, rel=0.2)
    twice = Measured(2 * found.errors, found.power, found.plane)
    assert ratio("field_error", twice, found) == pytest.approx((2, 2, 2))  # drawn together
    lost = estimates(measured(truth * torch.inf, truth))
    assert str(lost["field_error"].value) in ("inf", "nan")


def test_a_training_by_field_error_alone_never_computes_a_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses.cli.demo import recipes

    seen: list[set[str]] = []

    class Watched(sl.CompositeLoss):
        def __call__(self, *args: Any, **more: Any) -> Any:
            found = super().__call__(*args, **more)
            seen.append(set(found[1]))
            return found

    monkeypatch.setattr(recipes, "CompositeLoss", Watched)
    tiny = TINY["chaos"]
    data = make_data(tiny, 0, len_of)
    train(data, tiny, 0, ALONE, len_of)
    assert len(seen) == tiny.steps
    assert all(parts == {"field_error"} for parts in seen)
    seen.clear()
    train(data, tiny, 0, SCHEDULED, len_of)
    assert seen[-1] == {"field_error", "log_spectral_distance"}


def len_of(amount: int) -> int:
    return amount


def test_the_settings_fit_together() -> None:
    assert tuple(FLOWS) == NAMES
    for full, quick in FLOWS.values():
        for setting in (full, quick):
            assert max(*setting.leads, setting.long) < setting.frames
            assert setting.steps % setting.looks == 0
            assert 2 * setting.modes <= setting.flow.grid[0]
            flow = setting.flow
            if isinstance(flow, DecayingTurbulence):
                # The solver has all that the network's grid can hold, but for its last shell.
                assert (flow.solver_grid - 1) // 3 >= flow.points // 2 - 1


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
        (["--flow", "weather"], "invalid choice: 'weather'"),
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

    monkeypatch.setattr(setting, "FLOWS", {"chaos": (TINY["chaos"], TINY["chaos"])})
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
