"""What `spectral-losses replay` reads, replays, prints, draws and refuses."""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from replays import drawn, only, refused, replayed, tables, write_config, write_csv

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.replay.configs import Named
from spectral_losses.cli.replay.metrics_log import read_metrics
from spectral_losses.cli.replay.outcome import replay, subject
from spectral_losses.scheduler import PRESETS

pytest.importorskip("rich")
pytest.importorskip("matplotlib")
TWO = {"source_components": ("recFieldError", "predFieldError"), "target_components": ("spectrumError",)}
EXACT = {"min_delta_mode": "absolute", "warmup_epochs": 2, "min_epochs_before_adapt": 1}
LATE = {"warmup_epochs": 15, "min_epochs_before_adapt": 0}
PLATEAU = {**LATE, "patience": 5, "min_delta": 0.001, "min_delta_mode": "absolute"}
SOON = sl.SchedulerConfig(patience=2, min_delta=0.05, **EXACT, **TWO)
CHAIN = sl.SchedulerChain(
    [
        sl.SchedulerConfig(patience=0, transition_step=0.4, warmup_epochs=6),
        sl.SchedulerConfig(
            source="spectrum_error",
            target="gradient_error",
            monitor="gradient_error",
            initial_weight_source=0.7,
            final_weight_source=0.4,
            final_weight_target=0.3,
            patience=1,
            min_delta=2.0,
            **EXACT,
            static_components={"divergence": 0.1},
        ),
    ]
)
# Falls, wavers and stays.
ERRORS = [0.3 + 2 * math.exp(-epoch / 6) + 0.03 * math.sin(epoch) for epoch in range(40)]
MAGIC = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


@pytest.fixture
def run(tmp_path) -> str:
    columns = {"epoch": range(40), "note": ["some, text"] * 40, "spectrum_error": ERRORS}
    return write_csv(tmp_path / "run.csv", {**columns, "gradient_error": [50 * error for error in ERRORS]})


@pytest.fixture
def soon(tmp_path) -> str:
    return write_config(tmp_path / "soon.toml", SOON)


def stepped(config: Any, observations: list[tuple[int, dict[str, float]]]) -> dict[str, Any]:
    """What ``--json`` has to say, from a scheduler that takes the steps itself."""
    scheduler = sl.LossScheduler(config)
    decisions = [scheduler.step(metrics, epoch) for epoch, metrics in observations]
    reasons = [decision.reason for decision in decisions]
    return {
        "config": config.to_dict(),
        "adaptations": [
            {
                "epoch": decision.epoch,
                "reason": decision.reason,
                "detail": decision.detail,
                "metric": decision.metric,
                "tracked": decision.tracked,
                "progress": decision.progress,
                "weights": decision.weights,
            }
            for decision in decisions
            if decision
        ],
        "reasons": {reason: reasons.count(reason) for reason in reasons},
        "finished": next((d.epoch for d in decisions if d.progress == 1), None),
        "final": {"progress": scheduler.progress, "weights": scheduler.weights},
    }


def without_name(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "name"}


# The numbers


@pytest.mark.parametrize("suffix", [".toml", ".json"])
@pytest.mark.parametrize("config", [SOON, CHAIN, sl.SchedulerConfig(trigger="epoch", milestones=[15, 20])])
def test_the_numbers_are_those_of_the_scheduler(run, tmp_path, capsys, config, suffix):
    path = write_config(tmp_path / f"scheduler{suffix}", config)
    observations = [(e, {"spectrum_error": v, "gradient_error": 50 * v}) for e, v in enumerate(ERRORS)]
    expected = stepped(config, observations)
    assert expected["adaptations"]
    found = replayed(capsys, run, "--config", path)
    assert without_name(found["configurations"][0]) == expected
    assert found["configurations"][0]["name"] == f"scheduler{suffix}"
    assert {**found, "configurations": []} == {
        "metrics": run,
        "rows": 40,
        "first_epoch": 0,
        "last_epoch": 39,
        "configurations": [],
    }


def test_the_chain_comes_to_its_second_stage(run, tmp_path, capsys):
    found = only(capsys, run, "--config", write_config(tmp_path / "chain.toml", CHAIN))
    assert [move["progress"] > 0.5 for move in found["adaptations"]].count(True) > 1
    assert "gradient_error" in found["adaptations"][-1]["detail"]


def test_a_guard_reads_its_metric(tmp_path, capsys):
    """A move that costs too much is taken back, and is told among the adaptations."""
    config = sl.SchedulerConfig(patience=1, guard="cost", tolerance=0.1, use_ema=False, **{**EXACT, "min_delta": 0.05})
    costs = [1.0] * 6 + [2.0] * 34
    path = write_csv(tmp_path / "a.csv", {"spectrum_error": [1.0] * 40, "cost": costs})
    file = write_config(tmp_path / "guarded.toml", config)
    observations = [(epoch, {"spectrum_error": 1.0, "cost": cost}) for epoch, cost in enumerate(costs)]
    found = only(capsys, path, "--config", file, "--plot", tmp_path / "a.png")
    assert without_name(found) == stepped(config, observations)
    assert found["reasons"]["stepped back"] > 0
    assert "no column 'cost'" in refused(
        capsys, write_csv(tmp_path / "b.csv", {"spectrum_error": [1.0]}), "--config", file
    )
    path = write_csv(tmp_path / "c.csv", {"spectrum_error": [1.0] * 9, "cost": ["nan"] * 9})
    out = tables(capsys, path, "--config", file)
    assert "The weights never moved: no row after the warm-up has a finite cost, which is the guard.\n" in out


def test_presets_files_and_the_default(run, soon, capsys):
    found = replayed(capsys, run, "--config", "tra", "--config", soon, "--config", "inc", "--config", "iso")
    observations = [(epoch, {"spectrum_error": value}) for epoch, value in enumerate(ERRORS)]
    configs = {name: sl.SchedulerConfig.preset(name) for name in PRESETS} | {"soon.toml": SOON}
    assert [each["name"] for each in found["configurations"]] == ["tra", "soon.toml", "inc", "iso"]
    for each in found["configurations"]:
        assert without_name(each) == stepped(configs[each["name"]], observations)
    default = only(capsys, run)
    assert default["name"] == "default"
    assert default["config"] == sl.SchedulerConfig().to_dict()


def test_other_columns_may_hold_anything(tmp_path, soon, capsys):
    limit = csv.field_size_limit()
    notes = ["x" * (limit + 1), 'with "quotes"\nand lines', "", *["-"] * 37]
    columns = {"epoch": range(40), "note": notes, "spectrum_error": ERRORS}
    found = only(capsys, write_csv(tmp_path / "a.csv", columns), "--config", soon)
    assert without_name(found) == stepped(SOON, [(e, {"spectrum_error": v}) for e, v in enumerate(ERRORS)])
    assert csv.field_size_limit() == limit  # it is one for the whole process
    columns["spectrum_error"] = notes
    message = refused(capsys, write_csv(tmp_path / "b.csv", columns), "--config", soon)
    assert "b.csv: row 2: spectrum_error: must be a number, got 'xxx" in message
    assert len(message) < 500
    assert csv.field_size_limit() == limit


def test_files_of_one_name_are_told_apart(run, tmp_path, capsys):
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(write_config(tmp_path / folder / "scheduler.toml", SOON))
    found = replayed(capsys, run, "--config", paths[0], "--config", paths[1])
    assert [each["name"] for each in found["configurations"]] == paths


# What is read


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".JSONL"])
def test_csv_and_json_lines_agree(tmp_path, soon, capsys, suffix):
    values = [*ERRORS[:12], "nan", ERRORS[12], "inf", None, *ERRORS[13:]]
    table = write_csv(tmp_path / "a.csv", {"spectrum_error": ["" if v is None else v for v in values]})
    config = write_config(tmp_path / "hold.toml", sl.SchedulerConfig.from_dict({**SOON.to_dict(), "missing": "hold"}))
    lines = tmp_path / f"a{suffix}"
    words = {"nan": "NaN", "inf": "Infinity", None: "null"}
    lines.write_text("\n".join(f'{{"spectrum_error": {words.get(v, v)}, "tags": [1]}}\n' for v in values) + "\n \n")
    found = only(capsys, table, "--config", config)
    assert found["adaptations"]
    assert (found["reasons"]["not finite"], found["reasons"]["missing"]) == (2, 1)
    assert only(capsys, lines, "--config", config) == found


def test_json_lines_without_the_key_and_with_words(tmp_path, capsys):
    config = write_config(
        tmp_path / "hold.json", sl.SchedulerConfig(missing="hold", warmup_epochs=5, min_epochs_before_adapt=0)
    )
    path = tmp_path / "a.jsonl"
    cells = ["{}", '{"spectrum_error": "NaN"}', f'{{"spectrum_error": {"9" * 400}}}', '{"spectrum_error": "0.5"}']
    path.write_text("\n".join(['{"loss": 1}'] * 5 + cells))
    found = only(capsys, path, "--config", config)
    assert found["reasons"] == {"warmup": 5, "missing": 1, "not finite": 2, "improved": 1}


@pytest.mark.parametrize("name", ["epoch", "Epoch", " EPOCH "])
def test_epochs_may_skip_and_repeat(tmp_path, soon, capsys, name):
    epochs = sorted([*range(2, 60, 2), 10, 10, 30, 44, 46, 48, 50, 52, 54, 56, 58])
    path = write_csv(tmp_path / "a.csv", {"spectrum_error": ERRORS, name: [f"{epoch}.0" for epoch in epochs]})
    found = replayed(capsys, path, "--config", soon)
    expected = stepped(SOON, [(e, {"spectrum_error": v}) for e, v in zip(epochs, ERRORS, strict=True)])
    assert without_name(found["configurations"][0]) == expected
    assert (found["first_epoch"], found["last_epoch"], found["rows"]) == (2, 58, 40)


def test_without_epochs_rows_are_counted(run, tmp_path, soon, capsys):
    path = write_csv(tmp_path / "a.csv", {"spectrum_error": ERRORS})
    found = replayed(capsys, path, "--config", soon)
    assert found["last_epoch"] == 39
    assert found["configurations"] == replayed(capsys, run, "--config", soon)["configurations"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_byte_order_marks_line_ends_and_blank_lines(tmp_path, soon, capsys, encoding):
    plain = only(capsys, write_csv(tmp_path / "a.csv", {"spectrum_error": ERRORS}), "--config", soon)
    text = "\r\n \r\nspectrum_error, note\r\n" + "\r\n\r\n".join(f'{v},"two\r\nlines ä"' for v in ERRORS) + "\r\n\r\n"
    (tmp_path / "b.csv").write_bytes(text.encode(encoding))
    assert only(capsys, tmp_path / "b.csv", "--config", soon) == plain
    lines = "\r\n\r\n".join(f'{{"spectrum_error": {v}, "note": "ä"}}' for v in ERRORS)
    (tmp_path / "b.jsonl").write_bytes(lines.encode(encoding))
    assert only(capsys, tmp_path / "b.jsonl", "--config", soon) == plain


def test_a_lone_column_may_have_empty_cells(tmp_path, capsys):
    config = write_config(tmp_path / "hold.toml", sl.SchedulerConfig(missing="hold", **LATE))
    path = tmp_path / "a.csv"
    path.write_text("spectrum_error\n" + "0.5\n" * 15 + '""\n\n0.5\n')  # what csv.writer writes for an empty cell
    assert only(capsys, path, "--config", config)["reasons"] == {"warmup": 15, "missing": 1, "improved": 1}


@pytest.fixture
def lightning(tmp_path) -> str:
    """Rows of the learning rate, of training and of validation; only the last of each epoch has the metric."""
    rows = ["epoch,lr-Adam,step,train_loss,spectrum_error"]
    for epoch, error in enumerate(ERRORS):
        rows += [f",0.001,{3 * epoch},,", f"{epoch},,{3 * epoch + 1},0.7,", f"{epoch},,{3 * epoch + 2},,{error}"]
    (tmp_path / "metrics.csv").write_text("\n".join(rows))
    return str(tmp_path / "metrics.csv")


def test_a_log_with_rows_of_other_things_holds(lightning, tmp_path, capsys):
    holding = sl.SchedulerConfig.from_dict({**SOON.to_dict(), "missing": "hold"})
    found = replayed(capsys, lightning, "--config", write_config(tmp_path / "hold.toml", holding))
    assert (found["rows"], found["first_epoch"], found["last_epoch"]) == (120, 0, 39)
    dense = stepped(holding, [(epoch, {"spectrum_error": value}) for epoch, value in enumerate(ERRORS)])
    assert found["configurations"][0]["adaptations"] == dense["adaptations"]
    # A row without an epoch belongs to the one before: the one after the warm-up's last row is in the warm-up.
    assert found["configurations"][0]["reasons"]["missing"] == 80 - 7


def test_a_log_with_rows_of_other_things_is_refused_by_default(lightning, capsys):
    message = refused(capsys, lightning, "--config", "iso")
    assert f"{lightning}: row 2: spectrum_error is empty" in message
    assert 'missing = "hold"' in message
    assert "(iso)" in message


def test_a_disabled_scheduler_watches_nothing(tmp_path, capsys):
    config = write_config(tmp_path / "off.toml", sl.SchedulerConfig(enabled=False))
    path = write_csv(tmp_path / "a.csv", {"epoch": [3, 4], "spectrum_error": ["text", ""]})
    found = replayed(capsys, path, "--config", config, "--plot", tmp_path / "a.png")
    assert found["configurations"][0]["reasons"] == {"disabled": 2}
    assert (found["first_epoch"], found["last_epoch"]) == (3, 4)


def test_a_ramp_needs_no_column(tmp_path, capsys):
    config = write_config(tmp_path / "a.toml", sl.SchedulerConfig(trigger="epoch", ramp=(1, 3), monitor="not there"))
    path = write_csv(tmp_path / "a.csv", {"epoch": range(5), "spectrum_error": [1.0, "", "text", 1.0, 1.0]})
    found = replayed(capsys, path, "--config", config, "--plot", tmp_path / "a.png")["configurations"][0]
    assert [(move["epoch"], move["progress"]) for move in found["adaptations"]] == [(2, 0.5), (3, 1.0)]
    assert found["finished"] == 3
    assert "average" not in tables(capsys, path, "--config", config)


def test_a_ramp_goes_on_where_the_metric_is_not_finite(tmp_path, capsys):
    config = write_config(tmp_path / "a.toml", sl.SchedulerConfig(trigger="auto", ramp=(0, 4)))
    path = write_csv(tmp_path / "a.csv", {"epoch": range(4), "spectrum_error": [0.5, 0.4, "nan", 0.3]})
    arguments = ("--config", config, "--config", "iso", "--plot", tmp_path / "a.png")
    moves = replayed(capsys, path, *arguments)["configurations"][0]["adaptations"]
    assert [move["metric"] for move in moves] == [0.4, None, 0.3]


def test_former_names_are_warned_of(run, soon, tmp_path, capsys):
    config = tmp_path / "former.toml"
    config.write_text('source_components = ["recMSE"]\nstatic_components = { predMSE = 0.5 }\n')
    assert main(["replay", run, "--config", str(config), "--config", soon, "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["configurations"][0]["final"]["weights"]["recFieldError"] == 1
    lines = printed.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"spectral-losses: warning: {config}: component 'recMSE' is now called 'recFieldError'")
    assert "'predMSE'" in lines[1]
    other = write_config(tmp_path / "other.toml", sl.SchedulerConfig(monitor="u"))
    assert "no column 'u'" in refused(capsys, run, "--config", config, "--config", other)  # on one line


def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for rows in (3000, 12_000):  # Python keeps up to 2000 freed tuples of a size at hand
        path = tmp_path / f"{rows}.csv"
        path.write_text("spectrum_error,note\n" + "0.5,some text that is not needed\n" * rows)
        subjects = [subject(Named("epochs", sl.SchedulerConfig(trigger="epoch", interval=1000, **LATE)))]
        tracemalloc.start()
        try:
            found = replay(path, read_metrics(path, ["spectrum_error"], lambda amount: None), subjects)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert found.rows == rows
    assert peaks[1] - peaks[0] < 100_000


# The tables


def test_the_tables_of_one_configuration(run, soon, capsys):
    out = tables(capsys, run, "--config", soon)
    found = only(capsys, run, "--config", soon)
    assert f"{run} under soon.toml\n40 rows, epochs 0 to 39\n" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if re.match(r" *\d+ +\d", line)}
    rows = {key: row for key, row in rows.items() if row[1] != "rows,"}
    for move in found["adaptations"]:
        weights = move["weights"]["recFieldError"], move["weights"]["spectrumError"]
        expected = [f"{x:.4g}" for x in (move["tracked"], move["progress"], *weights)]
        assert rows[str(move["epoch"])][1:5] == expected
    flat = " ".join(re.sub(r"^ {50,}", "", out, flags=re.MULTILINE).split())
    assert found["adaptations"][0]["detail"].split(";")[0] in flat
    assert re.search(r"recFieldError,\s*\n.*predFieldError +spectrumError +why", out)
    counts = ", ".join(f"{found['reasons'][r]} {r}" for r in ("warmup", "improved", "waiting", "adapted"))
    assert f"Rows: {counts}" in out
    assert f"At the end: progress {found['final']['progress']:.4g}, recFieldError " in out


def test_the_comparison_of_several(run, soon, tmp_path, capsys):
    chain = write_config(tmp_path / "chain.toml", CHAIN)
    off = write_config(tmp_path / "off[red].toml", sl.SchedulerConfig(enabled=False))
    argv = [word for path in (soon, "iso", chain, off) for word in ("--config", path)]
    out = tables(capsys, run, *argv)
    found = replayed(capsys, run, *argv)["configurations"]

    def cells(label: str) -> list[str]:
        (line,) = [line for line in out.splitlines() if line.strip().startswith(f"{label} ")]
        return line.strip().removeprefix(label).split()

    assert out.count("off[red].toml") == 3  # brackets are no markup
    assert cells("adaptations") == [str(len(each["adaptations"])) for each in found]
    first = [each["adaptations"][0]["epoch"] if each["adaptations"] else "-" for each in found]
    assert cells("first at epoch") == list(map(str, first))
    assert cells("finished at epoch") == [str(each["finished"] or "-") for each in found]
    assert cells("final progress") == [f"{each['final']['progress']:.4g}" for each in found]
    weights = [each["final"]["weights"].get("gradient_error") for each in found]
    assert cells("final gradient_error") == ["-" if w is None else f"{w:.4g}" for w in weights]
    assert cells("rows warmup") == [str(each["reasons"].get("warmup", 0)) for each in found]
    assert cells("stage 1 patience") == [str(each["config"].get("patience", 0)) for each in found]
    assert cells("stage 1 enabled") == ["True", "True", "True", "False"]
    assert "ema_beta" not in out  # in which they agree
    assert "stage 2" not in out  # which only one has
    for name in ("soon.toml", "iso", "chain.toml", "off[red].toml"):
        assert f"\n{name}\n" in out


def test_equal_configurations_have_no_settings_to_show(run, soon, capsys):
    out = tables(capsys, run, "--config", soon, "--config", soon)
    assert "patience" not in out[: out.index("adaptations")]


@pytest.mark.parametrize(
    ("settings", "values", "message"),
    [
        ({"enabled": False}, [1.0], "the scheduler is disabled"),
        ({"final_weight_source": 1, "final_weight_target": 0}, [1.0], "the final weights are the initial ones"),
        (PLATEAU, [1.0] * 15, "the warm-up, until epoch 15, outlasted the run"),
        (
            PLATEAU,
            [1.0] * 15 + ["nan"],
            "no row after the warm-up has a finite spectrum_error: 0 have none, 1 one that",
        ),
        (PLATEAU, [1.0] * 15 + [0.9, 0.8], "each of 2 observations after the warm-up was an improvement"),
        (PLATEAU, [1.0] * 18 + [0.5], "at most 2 of 4 observations"),
        (
            PLATEAU,
            [1.0] * 18,
            "at most 2 of 3 observations after the warm-up in a row came without an improvement, and p",
        ),
        (
            {**LATE, "trigger": "increase", "min_delta": 0.001, "min_delta_mode": "absolute"},
            [1.0] * 16,
            "spectrum_error never got worse by more than 0.001 in 1 observation after the warm-up",
        ),
        (
            {**LATE, "trigger": "increase", "min_delta": 0.02, "min_delta_mode": "relative"},
            [1.0] * 16,
            "spectrum_error never got worse by more than 2 % in 1 observation after the warm-up",
        ),
        (
            {**LATE, "trigger": "epoch", "milestones": [20, 30]},
            [1.0] * 16,
            "the first move comes at epoch 20, and no later",
        ),
        ({"trigger": "auto"}, [1.0] * 8, "no two looks in a row found a plateau in 8 observations in the run"),
        ({"trigger": "epoch", "ramp": [20, 30]}, [1.0] * 16, "the ramp goes from epoch 20 to 30"),
        ({**LATE, "trigger": "epoch", "interval": 7}, [1.0] * 16, "the first move comes at epoch 22, and no later row"),
        (
            {"warmup_epochs": 0, "min_epochs_before_adapt": 0, "missing": "hold"},
            ["nan", "", ""],
            "no row in the run has a finite spectrum_error: 2 have none, 1 one that is not finite",
        ),
    ],
)
def test_why_nothing_moved(tmp_path, capsys, settings, values, message):
    config = write_config(tmp_path / "a.toml", sl.SchedulerConfig.from_dict(settings))
    path = write_csv(tmp_path / "a.csv", {"step": range(len(values)), "spectrum_error": values})
    assert f"The weights never moved: {message}" in tables(capsys, path, "--config", config)


def test_the_table_fits_a_narrow_terminal(run, soon, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, to rich
    out = re.sub(r"\x1b\[[0-9;]*m", "", tables(capsys, run, "--config", soon))
    assert max(len(line) for line in out.splitlines()[2:] if not line.startswith("At the end")) <= 80
    assert "predFieldError spectrumError why" in out


# The picture


@pytest.fixture
def broken_run(tmp_path) -> str:
    values = [100 * v if i not in (9, 10, 20) else ("nan", "inf", "")[i % 9 % 3] for i, v in enumerate(ERRORS)]
    values[0] = 1e5
    return write_csv(tmp_path / "broken.csv", {"spectrum_error": values, "gradient_error": ERRORS})


@pytest.mark.parametrize("suffix", MAGIC)
def test_the_picture_is_written(run, soon, tmp_path, capsys, suffix):
    plot = tmp_path / f"replay{suffix.upper() if suffix == '.png' else suffix}"
    tables(capsys, run, "--config", soon, "--config", "iso", "--plot", plot)
    assert plot.read_bytes().startswith(MAGIC[suffix])
    assert plot.stat().st_size > 5000


def test_the_picture_of_one_configuration(run, soon, tmp_path, capsys):
    plot = tmp_path / "a.svg"
    tables(capsys, run, "--config", soon, "--plot", plot)
    words = drawn(plot)
    for expected in (
        "spectrum_error",
        "moving average",
        "warm-up",
        "adaptation",
        "recFieldError,",
        "soon.toml",
        "epoch",
    ):
        assert expected in words
    assert "10^{" not in words  # the errors span less than a factor of 20
    assert "missing" not in words
    assert "not finite" not in words


def test_the_picture_of_several(broken_run, tmp_path, capsys):
    hold = {"missing": "hold"}
    configs = {
        "one": sl.SchedulerConfig.from_dict({**SOON.to_dict(), **hold}),
        "two": sl.SchedulerConfig.from_dict({**SOON.to_dict(), **hold, "use_ema": False}),
        "three": sl.SchedulerConfig(monitor="gradient_error", source="f", target="_g$\\x$", static_components={"h": 2}),
        "off": sl.SchedulerConfig(enabled=False),
    }
    argv = [w for n, c in configs.items() for w in ("--config", write_config(tmp_path / f"{n}.toml", c))]
    plot = tmp_path / "a.svg"
    tables(capsys, broken_run, *argv, "--plot", plot)
    words = drawn(plot)
    for expected in (
        "as watched",
        "moving average",
        "gradient_error",
        "missing",
        "not finite",
        "off.toml",
        "_g$\\x$",
        "10^{4}",
    ):
        assert expected in words


def test_the_picture_of_a_chain_with_long_names(tmp_path, capsys):
    long = "validation/a very long name of a metric/averaged over_all_channels/[spectrum]_error_" * 2
    stages = [stage.to_dict() for stage in CHAIN.stages]
    stages[0]["monitor"] = long
    stages[0]["source_components"] = [f"{long}{i}" for i in range(12)]
    stages[1]["static_components"] = {f"weight number {i}": i / 10 for i in range(20)}
    config = write_config(tmp_path / "chain.json", sl.SchedulerChain.from_dict({"stages": stages}))
    path = write_csv(tmp_path / "a.csv", {long: ERRORS, "gradient_error": ERRORS})
    plot = tmp_path / "a.svg"
    tables(capsys, path, "--config", config, "--plot", plot)
    words = drawn(plot)
    assert "gradient_error" in words
    assert "weight number 19" in words


@pytest.mark.parametrize(
    "values", [["0.5"], ["nan"], ["1e308"], ["-1e-320"], ["1e308", "-1e308"], ["1", "1e308"], ["1e-320", "1e308"]]
)
def test_the_picture_of_few_and_of_huge_values(tmp_path, capsys, values):
    config = write_config(tmp_path / "now.toml", sl.SchedulerConfig(min_epochs_before_adapt=0, warmup_epochs=0))
    path = write_csv(tmp_path / "a.csv", {"epoch": [7] * len(values), "spectrum_error": values})
    out = tables(capsys, path, "--config", config, "--config", "iso", "--plot", tmp_path / "a.png")
    assert ", epoch 7\n" in out
    assert (tmp_path / "a.png").exists()


def test_the_average_begins_anew_in_each_stage(run):
    stages = [stage.to_dict() | {"monitor": "spectrum_error", "patience": 0} for stage in CHAIN.stages]
    config = sl.SchedulerChain.from_dict({"stages": stages})
    rows = list(read_metrics(Path(run), ["spectrum_error"], lambda amount: None))
    found = replay(Path(run), rows, [subject(Named("chain", config))], traced=True)
    (watched,) = found.subjects[0].watched
    curve = watched.curve
    (gap,) = [i for i, value in enumerate(curve.values) if math.isnan(value)]
    assert curve.values[gap + 1] == ERRORS[int(curve.epochs[gap + 1])]
    assert list(found.epochs) == list(range(40))
    assert list(found.metrics["spectrum_error"].values) == ERRORS
    without = replay(Path(run), rows, [subject(Named("chain", config))])
    assert (list(without.epochs), without.metrics, without.subjects[0].watched) == ([], {}, [])


def test_tracing_changes_nothing(run, soon, tmp_path, capsys):
    assert replayed(capsys, run, "--config", soon) == replayed(
        capsys, run, "--config", soon, "--plot", tmp_path / "a.png"
    )


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv: has no header"),
        ("a.csv", "\n \n", "a.csv: has no header"),
        ("a.csv", "spectrum_error\n\n", "a.csv: has no rows"),
        (
            "a.csv",
            "epoch,val_spectrum_error\n",
            "no column 'spectrum_error'; did you mean 'val_spectrum_error'? there are",
        ),
        ("a.csv", "a,b\n1,2\n", "a.csv: no column 'spectrum_error'; there are 'a', 'b'"),
        ("a.csv", ",".join(f"c{i}" for i in range(30)), "'c19' and 10 more"),
        ("a.csv", "spectrum_error,spectrum_error\n1,2\n", "a.csv: has 2 columns 'spectrum_error'"),
        ("a.csv", "epoch,spectrum_error,epoch\n1,2,1\n", "a.csv: has 2 columns 'epoch'"),
        (
            "a.csv",
            "epoch,Epoch,spectrum_error\n1,1,2\n",
            "row 2: more than one column is called epoch: 'epoch', 'Epoch'",
        ),
        ("a.csv", "spectrum_error\n1\n\nfast\n", "a.csv: row 4: spectrum_error: must be a number, got 'fast'"),
        ("a.csv", "spectrum_error\n1_0\n", "row 2: spectrum_error: must be a number, got '1_0'"),
        ("a.csv", f"spectrum_error\n{'x' * 200}\n", f"must be a number, got '{'x' * 56}..."),
        ("a.csv", "spectrum_error,b\n1,2\n1\n", "a.csv: row 3: the header has 2 cells, this row 1"),
        ("a.csv", "spectrum_error\n1\n1,2\n", "a.csv: row 3: the header has 1 cell, this row 2"),
        ("a.csv", 'spectrum_error,b\n1,"two\nlines"\nx,3\n', "a.csv: row 4: spectrum_error: must be a number"),
        ("a.csv", 'spectrum_error,b\n1,"two\n1,3\n', "a.csv: row 2: not CSV: unexpected end of data"),
        ("a.csv", "epoch,spectrum_error\n0.5,1\n", "a.csv: row 2: epoch: must be an integer, got '0.5'"),
        ("a.csv", "epoch,spectrum_error\nnan,1\n", "a.csv: row 2: epoch: must be an integer, got 'nan'"),
        ("a.csv", "epoch,spectrum_error\none,1\n", "a.csv: row 2: epoch: must be a number, got 'one'"),
        ("a.csv", "epoch,spectrum_error\n-1,1\n", "a.csv: row 2: epoch must not be negative or go back, got -1"),
        ("a.csv", "epoch,spectrum_error\n3,1\n2,1\n", "row 3: epoch must not be negative or go back, got 2 after 3"),
        ("a.csv", "epoch,spectrum_error\n3,1\n,1\n", "a.csv: row 3: has no epoch"),
        ("a.csv", "a,spectrum_error\n3,1\n3,\n", "a.csv: row 3: spectrum_error is empty; with missing"),
        ("a.csv", b"spectrum_error\n\xff\n", "a.csv: not UTF-8 text"),
        ("a.jsonl", b'{"spectrum_error": "\xff"}', "a.jsonl: not UTF-8 text"),
        ("a.jsonl", "", "a.jsonl: has no rows"),
        ("a.jsonl", '{"spectrum_error": 1}\n\n{"spectrum_error": }\n', "a.jsonl: row 3: not a JSON object on one line"),
        ("a.jsonl", "[" * 100_000, "a.jsonl: row 1: not a JSON object on one line"),
        ("a.json", '{\n"spectrum_error": 1\n}\n', "a.json: row 1: not a JSON object on one line"),
        ("a.json", "[1, 2]\n", "a.json: row 1: must be a JSON object, got [1, 2]"),
        ("a.jsonl", '{"spectrum_error": true}\n', "a.jsonl: row 1: spectrum_error: must be a number, got True"),
        ("a.jsonl", '{"spectrum_error": [1]}\n', "a.jsonl: row 1: spectrum_error: must be a number, got [1]"),
        ("a.jsonl", '{"epoch": true, "spectrum_error": 1}\n', "a.jsonl: row 1: epoch: must be a number, got True"),
        ("a.jsonl", '{"spectrum_error": 1}\n{"epoch": 1}\n', "row 2: has 'epoch', which the first row has not"),
        ("a.jsonl", '{"epoch": 1, "spectrum_error": 1}\n{"spectrum_error": 1}\n', "a.jsonl: row 2: has no epoch"),
        (
            "a.jsonl",
            '{"spectrum_error": 1}\n{"loss": 1}\n',
            "row 2: no column 'spectrum_error'; there are 'loss'; with mis",
        ),
        ("a.jsonl", '{"spectrum_error": null}\n', "a.jsonl: row 1: spectrum_error is empty; with missing"),
        ("a.txt", "spectrum_error\n1\n", "a.txt: takes a file that ends in .csv, .jsonl, .ndjson, .json"),
    ],
)
@pytest.mark.parametrize("json_too", [False, True])
def test_bad_metrics(tmp_path, capsys, monkeypatch, name, content, message, json_too):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = refused(capsys, name, "--plot", "a.png", *["--json"][:json_too])
    assert message in found
    assert found.startswith(name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_column_that_never_comes_is_an_error_even_where_rows_hold(tmp_path, capsys):
    config = write_config(tmp_path / "hold.toml", sl.SchedulerConfig(missing="hold"))
    (tmp_path / "a.jsonl").write_text('{"spectral_error": 1}\n{"loss": 1}\n')
    message = refused(capsys, tmp_path / "a.jsonl", "--config", config)
    assert "no column 'spectrum_error'; did you mean 'spectral_error'? there are 'spectral_error', 'loss'" in message


def test_a_chain_misses_what_its_next_stage_monitors(run, tmp_path, capsys):
    config = write_config(tmp_path / "chain.toml", CHAIN)
    values = [*ERRORS[:20], ""]
    path = write_csv(tmp_path / "a.csv", {"spectrum_error": ERRORS[:21], "gradient_error": values})
    assert "a.csv: row 22: gradient_error is empty; with missing" in refused(capsys, path, "--config", config)


def test_a_chain_needs_the_columns_of_all_its_stages(tmp_path, capsys):
    config = write_config(tmp_path / "chain.toml", CHAIN)
    path = write_csv(tmp_path / "a.csv", {"spectrum_error": [1.0]})
    assert "no column 'gradient_error'" in refused(capsys, path, "--config", config)


@pytest.mark.parametrize(("place", "message"), [("none.csv", "No such file"), ("folder.csv", "Is a directory")])
def test_metrics_that_cannot_be_read(tmp_path, capsys, place, message):
    (tmp_path / "folder.csv").mkdir()
    assert f"{tmp_path / place}: {message}" in refused(capsys, tmp_path / place)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.toml", "patience = ", "a.toml: Invalid value"),
        ("a.toml", "patience = -1", "a.toml: patience must be at least 0, got -1"),
        ("a.toml", "pateince = 1", "a.toml: setting 'pateince' is not known, did you mean 'patience'?"),
        ("a.toml", 'patience = "1"', "a.toml: patience must be an integer, got '1'"),
        ("a.toml", b"\xff", "a.toml: 'utf-8' codec can't decode"),
        ("a.toml", "[[stages]]\npatience = -1", "a.toml: stage 1: patience must be at least 0, got -1"),
        ("a.json", "{", "a.json: Expecting property name"),
        ("a.json", "[]", "a.json: the JSON must be a table of settings by name, got list"),
        ("none.toml", None, "none.toml: No such file or directory"),
        ("trra", None, "takes a file that ends in .toml or .json, or one of {presets}, got 'trra'"),
        ("a.yaml", "patience: 1", "takes a file that ends in .toml or .json, or one of {presets}, got 'a.yaml'"),
    ],
)
def test_bad_configurations(run, tmp_path, capsys, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.iterdir())
    found = refused(capsys, run, "--config", "iso", "--config", name, "--plot", "a.png")
    assert found.startswith("--config: ")
    assert message.replace("{presets}", ", ".join(PRESETS)) in found
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: METRICS"),
        (["a.csv", "b.csv"], "unrecognized arguments: b.csv"),
        (["a.csv", "--conf", "iso"], "unrecognized arguments: --conf iso"),
        (["a.csv", "--plot", "a.jpg"], "argument --plot: takes a file that ends in .png, .pdf, .svg, got 'a.jpg'"),
    ],
)
def test_bad_command_lines(capsys, argv, message):
    assert message in refused(capsys, *argv)


@pytest.mark.parametrize(
    ("place", "message"), [("missing/a.png", "No such file or directory"), ("folder.png", "Is a directory")]
)
def test_a_plot_that_cannot_be_written(run, tmp_path, capsys, monkeypatch, place, message):
    (tmp_path / "folder.png").mkdir()
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr("spectral_losses.cli.replay.metrics_log.read_metrics", lambda *_: pytest.fail("too late"))
    assert refused(capsys, run, "--plot", tmp_path / place) == f"--plot: {tmp_path / place}: {message}"
    assert sorted(tmp_path.rglob("*")) == before


def test_an_error_leaves_an_older_plot_alone(tmp_path, capsys):
    plot, metrics = tmp_path / "a.png", tmp_path / "a.csv"
    plot.write_bytes(b"older")
    metrics.write_text("spectrum_error\n1\nx\n")
    refused(capsys, metrics, "--plot", plot)
    assert plot.read_bytes() == b"older"


def test_missing_packages(run, tmp_path, capsys, monkeypatch):
    install = "which is not installed: pip install {} (the extra 'cli' of spectral-losses has all that is needed)"
    monkeypatch.setitem(sys.modules, "rich", None)
    assert refused(capsys, run) == f"the table needs rich, {install.format('rich')}"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plot = tmp_path / "a.png"
    assert refused(capsys, run, "--plot", plot, "--json") == f"--plot needs matplotlib, {install.format('matplotlib')}"
    assert not plot.exists()
    assert replayed(capsys, run)["rows"] == 40  # takes neither


@pytest.mark.parametrize("patience", [0.0, 100.0])
def test_progress_is_shown_on_a_terminal_after_a_while(run, capsys, monkeypatch, patience):
    monkeypatch.setattr("spectral_losses.cli.ui.progress.PATIENCE", patience)
    monkeypatch.setattr("spectral_losses.cli.replay.metrics_log.STRIDE", 1)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["replay", run, "--json"]) == 0
    printed = capsys.readouterr()
    json.loads(printed.out)
    assert ("replaying" in printed.err) == (patience == 0)


# For real


def test_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["replay", "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    *first, last = PRESETS
    assert f"{', '.join(first)} or {last}" in " ".join(printed.out.split())
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "replay" in capsys.readouterr().out


def test_json_needs_nothing_but_the_standard_library(run, tmp_path):
    program = (
        "import sys; from spectral_losses.cli import main\n"
        f"code = main(['replay', {run!r}, '--config', 'tra', '--json'])\n"
        "heavy = {'numpy', 'rich', 'matplotlib', 'xarray', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        f"main(['replay', {run!r}, '--plot', {str(tmp_path / 'a.png')!r}, '--json'])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["rows"] for line in done.stdout.splitlines()] == [40, 40]
