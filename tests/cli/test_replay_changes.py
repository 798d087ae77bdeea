"""What `--set KEY=VALUE` of `spectral-losses replay` changes, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from replays import drawn, only, refused, replayed, tables, write_config, write_csv

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.replay.changes import parse_changes
from spectral_losses.scheduler import PRESETS

pytest.importorskip("rich")
pytest.importorskip("matplotlib")
ERRORS = [0.3 + 2 * math.exp(-epoch / 6) + 0.03 * math.sin(epoch) for epoch in range(40)]
FILE = sl.SchedulerConfig(patience=2, min_delta=0.03, warmup_epochs=3, static_components={"divergence": 0.1})
CONTROLLER = sl.ControllerConfig(sl.ConstraintConfig("spectrum_error", 0.5), start=0.002)
CHAIN = sl.SchedulerChain(
    [
        sl.SchedulerConfig(patience=1, warmup_epochs=3),
        sl.SchedulerConfig(
            source="spectrum_error",
            target="third",
            monitor="gradient_error",
            initial_weight_source=0.7,
            final_weight_source=0.4,
            final_weight_target=0.3,
            warmup_epochs=1,
            patience=4,
        ),
    ]
)


@pytest.fixture
def run(tmp_path: Path) -> str:
    columns = {"epoch": range(40), "spectrum_error": ERRORS, "gradient_error": ERRORS}
    return write_csv(tmp_path / "run.csv", columns)


def with_changes(config: Any, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = type(config).from_dict({**config.to_dict(), **changes}).to_dict()
    return settings


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_changed(run, capsys, name):
    found = only(capsys, run, "--config", name, "--set", "patience=9", "--set", "min_delta=0.05")
    expected = sl.SchedulerConfig.preset(name, patience=9, min_delta=0.05)
    assert found["config"] == expected.to_dict()
    assert found["name"] == f"{name}, patience=9, min_delta=0.05"
    scheduler = sl.LossScheduler(expected)
    for epoch, error in enumerate(ERRORS):
        scheduler.step({"spectrum_error": error}, epoch)
    assert found["final"] == {"progress": scheduler.progress, "weights": scheduler.weights}


def test_a_preset_takes_another_trigger(run, capsys):
    """As `preset` does: what that trigger has no use for is dropped."""
    found = only(capsys, run, "--config", "tra", "--set", "trigger=auto")
    assert found["config"] == sl.SchedulerConfig.preset("tra", trigger="auto").to_dict()


@pytest.mark.parametrize("settings", ["whole", "few"])
def test_a_file_takes_another_trigger(run, tmp_path, capsys, settings):
    """What that trigger makes nothing of, and a warm-up that it has otherwise, are dropped."""
    whole = sl.SchedulerConfig(patience=8, min_delta=0.03, static_components={"divergence": 0.1})
    path = tmp_path / "scheduler.toml"
    path.write_text(
        whole.to_toml() if settings == "whole" else "patience = 8\nstatic_components = { divergence = 0.1 }\n"
    )
    kept = {"static_components": {"divergence": 0.1}}
    for changes, expected in (
        (["trigger=auto"], {"trigger": "auto"}),
        (["trigger=epoch", "ramp=[2, 5]"], {"trigger": "epoch", "ramp": (2, 5)}),
        (["trigger=epoch", "interval=10"], {"trigger": "epoch", "interval": 10}),
    ):
        words = [word for change in changes for word in ("--set", change)]
        found = only(capsys, run, "--config", str(path), *words)["config"]
        wanted = sl.SchedulerConfig(**expected, **kept).to_dict()
        if settings == "whole" and "interval" in expected:
            wanted["min_delta"] = 0.03
        assert found == wanted
    assert only(capsys, run, "--config", str(path), "--set", "trigger=plateau")["config"]["patience"] == 8


def test_the_default_is_changed(run, capsys):
    found = only(capsys, run, "--set", "patience=1", "--set", "monitor=gradient_error")
    assert found["config"] == sl.SchedulerConfig(patience=1, monitor="gradient_error").to_dict()
    assert found["name"] == "default, patience=1, monitor=gradient_error"


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_files_of_both_kinds_are_changed(run, tmp_path, capsys, suffix):
    scheduler = write_config(tmp_path / f"s{suffix}", FILE)
    controller = write_config(tmp_path / f"c{suffix}", CONTROLLER)
    argv = ("--config", scheduler, "--config", controller, "--set", "missing=hold", "--set", "static_components={x=2}")
    found = replayed(capsys, run, *argv)["configurations"]
    changes = {"missing": "hold", "static_components": {"x": 2}}
    assert [each["config"] for each in found] == [with_changes(FILE, **changes), with_changes(CONTROLLER, **changes)]
    words = ", missing=hold, static_components={x=2}"
    assert [each["name"] for each in found] == [f"s{suffix}{words}", f"c{suffix}{words}"]


def test_each_stage_of_a_chain_is_changed(run, tmp_path, capsys):
    chain = write_config(tmp_path / "chain.toml", CHAIN)
    found = only(capsys, run, "--config", chain, "--set", "patience=0")
    stages = [{**stage.to_dict(), "patience": 0} for stage in CHAIN.stages]
    assert found["config"] == sl.SchedulerChain.from_dict({"stages": stages}).to_dict()


def test_names_of_earlier_code_give_way(run, tmp_path, capsys):
    """A file may call a setting as the FlexibleLossScheduler did, and stays one of its files."""
    path = tmp_path / "former.toml"
    path.write_text('adaptation_trigger = "plateau"\nmonitor_metric = "target_loss"\n')
    found = only(capsys, run, "--config", path, "--set", "trigger=increase", "--set", "monitor=gradient_error")
    former = {"adaptation_trigger": "increase", "monitor_metric": "gradient_error"}
    assert found["config"] == sl.SchedulerConfig.from_dict(former).to_dict()
    assert found["config"]["monitor"] == "gradient_error"


def test_a_change_may_complete_a_file(run, tmp_path, capsys):
    """Two replays that share what they have in common."""
    path = tmp_path / "epochs.toml"
    path.write_text('trigger = "epoch"\nwarmup_epochs = 0\n')
    assert "trigger 'epoch' takes one of" in refused(capsys, run, "--config", path)
    found = only(capsys, run, "--config", path, "--set", "interval=10")
    assert [move["epoch"] for move in found["adaptations"]][:2] == [10, 20]


def test_the_warnings_of_a_file_come_once(run, tmp_path, capsys):
    config = tmp_path / "former.toml"
    config.write_text('source_components = ["recMSE"]\n')
    assert main(["replay", run, "--config", str(config), "--set", "patience=2", "--json"]) == 0
    assert capsys.readouterr().err.count("component 'recMSE' is now called") == 1


def test_names_are_shown(run, tmp_path, capsys):
    argv = ["--config", "tra", "--config", write_config(tmp_path / "s.toml", FILE), "--set", "patience=7"]
    plot = tmp_path / "a.svg"
    out = tables(capsys, run, *argv, "--plot", plot)
    assert out.count("tra, patience=7") == 3
    assert "\ns.toml, patience=7\n" in out
    assert "s.toml, patience=7" in drawn(plot)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("-1", -1),
        ("1_000", 1000),
        ("0.05", 0.05),
        ("1e-3", 0.001),
        ("true", True),
        ("false", False),
        ("True", True),
        ("FALSE", False),
        ("auto", "auto"),
        ('"auto"', "auto"),
        ("'8'", "8"),
        ("[10, 20]", [10, 20]),
        ('["a", "b"]', ["a", "b"]),
        ("{a = 1, b = 0.5}", {"a": 1, "b": 0.5}),
        ("val/spectrum", "val/spectrum"),
        ("a=b", "a=b"),
        (".5", ".5"),
        ("2024-01-01", "2024-01-01"),  # no setting is a date
        ("1\nother = 2", "1\nother = 2"),
        ("", ""),
    ],
)
def test_values(text, value):
    (change,) = parse_changes([f" key = {text}"]).values()
    assert change == (value, text)
    assert type(change.value) is type(value)


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        ("tra", ["patience"], "--set: takes KEY=VALUE, got 'patience'"),
        ("tra", ["=8"], "--set: takes KEY=VALUE, got '=8'"),
        ("tra", ["patience=8", "patience=9"], "--set: patience is given more than once"),
        ("tra", ["pateince=8"], "--set: tra: setting 'pateince' is not known, did you mean 'patience'?"),
        (None, ["pateince=8"], "--set: default: setting 'pateince' is not known, did you mean 'patience'?"),
        ("s.toml", ["pateince=8"], "--set: {}: setting 'pateince' is not known, did you mean 'patience'?"),
        ("s.toml", ["stages=[]"], "--set: {}: setting 'stages' is not known"),
        ("s.toml", ["constraints=[]"], "--set: {}: setting 'constraints' is not known"),
        ("s.toml", ["start=0.1"], "--set: {}: setting 'start' is not known"),
        ("tra", ["patience=-1"], "--set: tra: patience must be at least 0, got -1"),
        ("s.toml", ["patience=often"], "--set: {}: patience must be an integer, got 'often'"),
        ("s.toml", ["monitor="], "--set: {}: monitor must be a name, got an empty string"),
        ("s.toml", ["trigger=atuo"], "--set: {}: trigger must be one of"),
        ("chain.toml", ["pateince=8"], "--set: {}: setting 'pateince' is not known, did you mean 'patience'?"),
        ("chain.toml", ["initial_weight_source=0.5"], "--set: {}: stage 2 must go on from the weights"),
        ("chain.toml", ["stages=[]"], "--set: {}: setting 'stages' is not known"),
        ("c.toml", ["strat=1"], "--set: {}: setting 'strat' is not known, did you mean 'start'?"),
        ("c.toml", ["start=1000"], "--set: {}: start must lie from least to most, got 1000"),
        ("c.toml", ["patience=8"], "--set: {}: setting 'patience' is not known"),
        (
            "c.toml",
            ["at_most=2"],
            "--set: {}: constraints cannot be changed here, got 'at_most': they stand in the file",
        ),
        ("c.toml", ["constraints.0.at_most=2"], "--set: {}: constraints cannot be changed here, got"),
        ("broken.toml", ["patience=8"], "--config: {}: transition_step must be above 0, got 0"),
        ("odd.toml", ["patience=8"], "--config: {}: stages must be a list of tables, got 3"),
        ("none.toml", ["patience=8"], "--config: {}: No such file or directory"),
        ("other.yaml", ["patience=8"], "--config: takes a file that ends in .toml or .json"),
    ],
)
def test_what_is_refused(run, tmp_path, capsys, monkeypatch, config, changes, message):
    monkeypatch.chdir(tmp_path)
    write_config(Path("s.toml"), FILE)
    write_config(Path("c.toml"), CONTROLLER)
    write_config(Path("chain.toml"), CHAIN)
    Path("broken.toml").write_text("transition_step = 0")
    Path("odd.toml").write_text("stages = 3")
    before = sorted(tmp_path.iterdir())
    argv = [*([] if config is None else ["--config", config]), *(word for each in changes for word in ("--set", each))]
    assert refused(capsys, run, *argv, "--plot", "a.png").startswith(message.format(config))
    assert sorted(tmp_path.iterdir()) == before
