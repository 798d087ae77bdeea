"""What `spectral-losses replay` makes of a controller, by itself and beside schedulers."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from replays import drawn, only, refused, replayed, tables, write_config, write_csv

import spectral_losses as sl

pytest.importorskip("rich")
pytest.importorskip("matplotlib")
ROWS = 50
DISTANCES = [0.7 + 5 * math.exp(-epoch / 9) + 0.05 * math.sin(3 * epoch) for epoch in range(ROWS)]
ERRORS = [0.04 + 0.1 * math.exp(-epoch / 4) + 0.0004 * max(0, epoch - 30) for epoch in range(ROWS)]
GOAL = sl.ConstraintConfig("distance", 1.0)
DECIBELS = sl.ConstraintConfig("distance", 5.0, unit="dB")
LIMIT = sl.ConstraintConfig("error", 1.05, of="source", relative_to=0.04)
CONFIGS = {
    "goal": sl.ControllerConfig(GOAL, start=0.003, most=100),
    "bare": sl.ControllerConfig(sl.ConstraintConfig("distance", 1.0, smoothing=0), missing="hold"),
    "both": sl.ControllerConfig([DECIBELS, LIMIT], start=0.003, static_components={"divergence": 0.0}),
    "limit": sl.ControllerConfig(LIMIT, weight=2.0, source_components=("a", "b"), target_components="c"),
    "goals": sl.ControllerConfig([GOAL, sl.ConstraintConfig("error", 0.05)], most=0.01),
}
CAVEAT = "\nA replay cannot know how the metrics would have answered to these weights.\n"


@pytest.fixture
def run(tmp_path: Path) -> str:
    columns = {"epoch": range(2, 2 + ROWS), "distance": DISTANCES, "error": ERRORS, "spectrum_error": DISTANCES}
    return write_csv(tmp_path / "run.csv", columns)


def stepped(config: sl.ControllerConfig, rows: list[tuple[int, dict[str, float]]]) -> dict[str, Any]:
    """What ``--json`` has to say, from a controller that takes the steps itself."""
    controller, adaptations, decisions = sl.LossController(config), [], []
    first: list[int | None] = [None] * len(config.each)
    for epoch, metrics in rows:
        decision = controller.step(metrics, epoch)
        decisions.append(decision)
        if decision:
            names = ("epoch", "reason", "detail", "metric", "tracked", "progress", "weights")
            adaptations.append({**{name: getattr(decision, name) for name in names}, "ratio": controller.ratio})
        for i, average in enumerate(controller.state.averages):
            if first[i] is None and average is not None and average <= 0:
                first[i] = epoch
    reasons = [decision.reason for decision in decisions]
    averages = controller.state.averages or (None,) * len(config.each)
    return {
        "config": config.to_dict(),
        "adaptations": adaptations,
        "reasons": {reason: reasons.count(reason) for reason in reasons},
        "constraints": [
            {
                "metric": c.metric,
                "of": c.of,
                "limit": c.limit,
                "first_met": epoch,
                "met": average is not None and average <= 0,
                "average": None if average is None else c.limit * math.exp(average),
            }
            for c, epoch, average in zip(config.each, first, averages, strict=True)
        ],
        "final": {"progress": controller.progress, "weights": controller.weights, "ratio": controller.ratio},
    }


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_numbers_are_those_of_the_controller(run, tmp_path, capsys, name, suffix):
    config = CONFIGS[name]
    rows = [(e, {"distance": d, "error": f}) for e, d, f in zip(range(2, 2 + ROWS), DISTANCES, ERRORS, strict=True)]
    found = only(capsys, run, "--config", write_config(tmp_path / f"{name}{suffix}", config))
    assert found.pop("name") == f"{name}{suffix}"
    assert found == stepped(config, rows)
    assert len(found["adaptations"]) > 3


def test_what_became_of_the_constraints(run, tmp_path, capsys):
    found = only(capsys, run, "--config", write_config(tmp_path / "both.toml", CONFIGS["both"]))
    goal, limit = found["constraints"]
    assert goal["met"]
    assert goal["limit"] == pytest.approx((5 * math.log(10) / 10) ** 2)
    assert not limit["met"]  # any more
    assert 2 < limit["first_met"] < 2 + ROWS
    assert found["final"]["progress"] == 0.5


def test_a_run_that_was_controlled_is_told_as_it_went(tmp_path, capsys):
    """In closed loop, where the metric answers to the weight: the one case in which a replay knows everything."""
    controller, distance, rows = sl.LossController(CONFIGS["goal"]), 5.0, []
    for epoch in range(30):
        controller.step({"distance": distance}, epoch)
        rows.append(distance)
        distance = 0.5 * distance + 0.1 / (controller.ratio + 0.02)
    path = write_csv(tmp_path / "a.csv", {"distance": rows})
    found = only(capsys, path, "--config", write_config(tmp_path / "a.toml", CONFIGS["goal"]))
    changes = [decision for decision in controller.history if decision]
    assert [move["weights"] for move in found["adaptations"]] == [decision.weights for decision in changes]
    assert found["final"]["ratio"] == controller.ratio


@pytest.mark.parametrize("name", ["goal", "both"])
def test_rows_without_numbers(tmp_path, capsys, name):
    cells = [*DISTANCES[:10], "", "nan", *DISTANCES[10:20], "inf"]
    path = write_csv(tmp_path / "a.csv", {"distance": cells, "error": ERRORS[: len(cells)]})
    config = write_config(tmp_path / f"{name}.toml", CONFIGS[name])
    message = refused(capsys, path, "--config", config)
    assert f'a.csv: row 12: distance is empty; with missing = "hold" in the configuration ({name}.toml), or' in message
    found = only(capsys, path, "--config", config, "--set", "missing=hold")
    assert (found["reasons"]["missing"], found["reasons"]["not finite"]) == (1, 2)
    values = dict(enumerate(cells))
    rows = [(e, {"distance": float(v), "error": ERRORS[e]} if v != "" else {}) for e, v in values.items()]
    changed = sl.ControllerConfig.from_dict({**CONFIGS[name].to_dict(), "missing": "hold"})
    assert {key: value for key, value in found.items() if key != "name"} == stepped(changed, rows)


def test_columns_that_are_not_there(tmp_path, capsys):
    path = write_csv(tmp_path / "a.csv", {"distances": DISTANCES, "error": ERRORS})
    message = refused(capsys, path, "--config", write_config(tmp_path / "goal.toml", CONFIGS["goal"]))
    assert "no column 'distance'; did you mean 'distances'? there are 'distances', 'error'" in message


# The tables


def test_the_table_shows_a_few_of_many_changes(run, tmp_path, capsys):
    config = write_config(tmp_path / "goal.toml", CONFIGS["goal"])
    out, found = tables(capsys, run, "--config", config), only(capsys, run, "--config", config)
    moves = found["adaptations"]
    assert len(moves) == ROWS
    rows = [line.split() for line in out.splitlines() if re.match(r" *\d+ +\d.*(raised|lowered)", line)]
    assert len(rows) == 20
    assert f"20 of {ROWS} changes; --json has them all." in out
    by_epoch = {str(move["epoch"]): move for move in moves}
    for epoch, average, ratio, why in rows:
        move = by_epoch[epoch]
        assert [average, ratio, why] == [f"{move['tracked']:.4g}", f"{move['ratio']:.4g}", move["reason"]]
    assert (rows[0][0], rows[-1][0]) == (str(moves[0]["epoch"]), str(moves[-1]["epoch"]))
    assert re.search(r"average +\n epoch +distance +lambda why", out)


def test_the_lines_below_the_table(run, tmp_path, capsys):
    config = write_config(tmp_path / "goal.toml", CONFIGS["goal"])
    out, found = tables(capsys, run, "--config", config), only(capsys, run, "--config", config)
    reasons, (goal,), final = found["reasons"], found["constraints"], found["final"]
    assert f"\nRows: {reasons['raised']} raised, {reasons['lowered']} lowered.\n" in out
    highest = max(found["adaptations"], key=lambda move: move["ratio"])
    assert (
        f"\nLambda: from 0.003 to {final['ratio']:.4g}; lowest 0.003, highest {highest['ratio']:.4g} at epoch "
        f"{highest['epoch']}.\n"
    ) in out
    assert (
        f"\nGoal, average distance at most 1: first met at epoch {goal['first_met']}, met at the end with "
        f"{goal['average']:.4g}.\n"
    ) in out
    assert f"\nAt the end: field_error 1, log_spectral_distance {final['ratio']:.4g}.\n" in out
    assert out.endswith(CAVEAT)


def test_several_constraints(run, tmp_path, capsys):
    out = tables(capsys, run, "--config", write_config(tmp_path / "both.toml", CONFIGS["both"]))
    assert "distance, dB" in out
    assert "lowered by the limit" in out
    assert re.search(
        r"\nGoal, average distance at most 5 dB: first met at epoch \d+, met at the end with [\d.]+ dB\.\n", out
    )
    assert re.search(r"\nLimit, average error at most 0.042: first met at epoch \d+, not met at the end with 0.04", out)
    out = tables(capsys, run, "--config", write_config(tmp_path / "goals.toml", CONFIGS["goals"]))
    assert "raised by the goal 1\n" in re.sub(" +\n", "\n", out)
    assert "\nGoal 2, average error at most 0.05: first met" in out


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        ({}, ["nan", ""], "no row has finite values of distance: 1 lack one, 1 have one that is not finite"),
        ({}, [1.0, 1.0], "nothing was asked for in 2 observations"),
        ({"start": 1}, [2.0, 3.0], "lambda began at 1, its most, and nothing led away from there"),
        ({"start": 1e-4}, [0.5], "lambda began at 0.0001, its least, and nothing led away from there"),
    ],
)
def test_why_nothing_moved(tmp_path, capsys, settings, values, message):
    path = write_csv(tmp_path / "a.csv", {"step": range(len(values)), "distance": values})
    config = write_config(tmp_path / "a.toml", sl.ControllerConfig(GOAL, missing="hold", **settings))
    out = tables(capsys, path, "--config", config, "--plot", tmp_path / "a.png")
    assert f"\nThe weights never moved: {message}.\n" in out
    assert ("not observed." in out) == (values[0] == "nan")


def test_a_goal_that_is_never_met(tmp_path, capsys):
    path = write_csv(tmp_path / "a.csv", {"distance": [5.0, 4.0]})
    out = tables(capsys, path, "--config", write_config(tmp_path / "a.toml", CONFIGS["bare"]))
    assert "\nGoal, distance at most 1: never met, 4 at the end.\n" in out


def test_beside_schedulers(run, tmp_path, capsys):
    """Both kinds in one comparison, each with what it knows of."""
    scheduler = write_config(tmp_path / "scheduler.toml", sl.SchedulerConfig(patience=2, warmup_epochs=3))
    paths = [write_config(tmp_path / f"{name}.toml", CONFIGS[name]) for name in ("goal", "both")]
    argv = [word for path in (*paths, scheduler) for word in ("--config", path)]
    out, found = tables(capsys, run, *argv), replayed(capsys, run, *argv)["configurations"]

    def cells(label: str) -> list[str]:
        (line,) = [line for line in out.splitlines() if line.strip().startswith(f"{label} ")]
        return line.strip().removeprefix(label).split()

    goal, both, other = found
    assert cells("adaptations") == [str(len(each["adaptations"])) for each in found]
    assert cells("constraint 1 at_most") == ["1.0", "5.0", "-"]
    assert cells("target") == ["log_spectral_distance", "log_spectral_distance", "spectrum_error"]
    assert cells("goal first met") == [*(str(each["constraints"][0]["first_met"]) for each in (goal, both)), "-"]
    assert cells("goal met at the end") == ["yes", "yes", "-"]
    assert cells("limit met at the end") == ["-", "no", "-"]
    assert cells("final lambda") == [f"{goal['final']['ratio']:.4g}", f"{both['final']['ratio']:.4g}", "-"]
    assert cells("final progress") == ["-", "-", f"{other['final']['progress']:.4g}"]
    assert cells("final divergence") == ["-", "0", "-"]
    assert cells("rows warmup") == ["-", "-", str(other["reasons"]["warmup"])]
    assert cells("rows raised") == [str(each["reasons"].get("raised", 0)) for each in (goal, both)] + ["-"]
    assert "patience" not in out[: out.index("adaptations")]  # which no two have
    assert out.endswith(CAVEAT)


# The picture


def test_the_picture_of_a_controller(run, tmp_path, capsys):
    plot = tmp_path / "a.svg"
    config = write_config(tmp_path / "both.toml", CONFIGS["both"])
    tables(capsys, run, "--config", config, "--plot", plot)
    words = drawn(plot)
    for expected in (
        "distance",
        "moving average",
        "goal 5 dB",
        "limit 0.042",
        "first met",
        "field_error",
        "divergence (0)",
        "10^{-3}",  # the weights' axis
        "both.toml",
    ):
        assert expected in words
    assert "adaptation" not in words
    assert "as watched" not in words


def test_the_picture_of_both_kinds(run, tmp_path, capsys):
    plot = tmp_path / "a.svg"
    scheduler = sl.SchedulerConfig(patience=1, warmup_epochs=3, monitor="distance", target="t")
    near = sl.ControllerConfig(sl.ConstraintConfig("distance", 1e-6, smoothing=0))
    configs = {"near": near, "goal": CONFIGS["goal"], "late": CONFIGS["goal"], "scheduler": scheduler}
    argv = [
        w for name, config in configs.items() for w in ("--config", write_config(tmp_path / f"{name}.toml", config))
    ]
    tables(capsys, run, *argv, "--plot", plot)
    words = drawn(plot)
    for expected in (
        "as watched near.toml",
        "moving average goal.toml late.toml",  # which share a curve
        "goal 1e-06, near.toml",
        "goal 1, goal.toml, late.toml",
        "first met, goal.toml",
        "adaptation, scheduler.toml",
        "warm-up",
        "10^{-6}",  # the goal is so far away that the metric has a logarithmic axis
    ):
        assert expected in words
    assert "first met, near.toml" not in words


@pytest.mark.parametrize("values", [["0.5"], ["nan"], ["0"], ["-1", "1e308"], ["1e-320"]])
def test_the_picture_of_few_and_of_huge_values(tmp_path, capsys, values):
    path = write_csv(tmp_path / "a.csv", {"epoch": [7] * len(values), "distance": values})
    argv = ["--config", write_config(tmp_path / "a.toml", CONFIGS["goal"])]
    tables(capsys, path, *argv, "--plot", tmp_path / "a.png")
    tables(capsys, path, *argv, *argv, "--plot", tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_tracing_changes_nothing(run, tmp_path, capsys):
    config = write_config(tmp_path / "both.toml", CONFIGS["both"])
    drawing = replayed(capsys, run, "--config", config, "--plot", tmp_path / "a.png")
    assert drawing == replayed(capsys, run, "--config", config)


# What is refused, and what is needed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("constraints = []", "a.toml: constraints must hold at least one ConstraintConfig, got none"),
        ("[[constraint]]\nmetric = 'a'\nat_most = 1", "setting 'constraint' is not known, did you mean 'constraints'?"),
        (
            "[[constraints]]\nmetrc = 'a'\nat_most = 1",
            "constraint 1: setting 'metrc' is not known, did you mean 'metric'?",
        ),
        (
            "strat = 1\n[[constraints]]\nmetric = 'a'\nat_most = 1",
            "setting 'strat' is not known, did you mean 'start'?",
        ),
        ("start = 1", "setting 'start' is a controller's, which needs 'constraints' too"),
    ],
)
def test_bad_configurations(run, tmp_path, capsys, content, message):
    (tmp_path / "a.toml").write_text(content)
    found = refused(capsys, run, "--config", tmp_path / "a.toml")
    assert found.startswith("--config: ")
    assert message in found


def test_json_needs_nothing_but_the_standard_library(run, tmp_path):
    config = write_config(tmp_path / "goal.toml", CONFIGS["goal"])
    program = (
        "import sys\n"
        "for name in ('numpy', 'array_api_compat', 'rich', 'matplotlib'): sys.modules[name] = None\n"
        "from spectral_losses.cli import main\n"
        f"sys.exit(main(['replay', {run!r}, '--config', {config!r}, '--json']))\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
