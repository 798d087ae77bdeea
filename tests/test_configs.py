"""Settings in files: which kind they are, and what is wrong with those that are none. Runs without NumPy, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import spectral_losses as sl
from spectral_losses.configs import kind_of

SCHEDULER = sl.SchedulerConfig(patience=3, static_components={"a b": 0.1})
CONTROLLER = sl.ControllerConfig(
    [
        sl.ConstraintConfig("log_spectral_distance", 2, unit="dB"),
        sl.ConstraintConfig("field_error", 1.05, of="source", relative_to=0.04),
    ],
    static_components={"a b": 0.1},
)


@pytest.mark.parametrize("config", [SCHEDULER, sl.SchedulerChain([SCHEDULER]), CONTROLLER])
def test_files_of_every_kind(tmp_path: Path, config: Any) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "a.toml").write_text(config.to_toml(), encoding=encoding)
        (tmp_path / "a.JSON").write_text(config.to_json(), encoding=encoding)
        for found in (sl.load_config(tmp_path / "a.toml"), sl.load_config(str(tmp_path / "a.JSON"))):
            assert found == config
            assert type(found) is type(config)


def test_an_empty_file_has_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("")
    assert sl.load_config(tmp_path / "a.toml") == sl.SchedulerConfig()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"constraint": [], "start": 1}, "setting 'constraint' is not known, did you mean 'constraints'?"),
        ({"start": 1, "Constraints": []}, "setting 'Constraints' is not known, did you mean 'constraints'?"),
        ({"stage": []}, "setting 'stage' is not known, did you mean 'stages'?"),
        ({"most": 1}, "setting 'most' is a controller's, which needs 'constraints' too"),
        ({"constraints": [], "patience": 3}, "setting 'patience' is not known"),
        ({"constraints": [], "stages": []}, "setting 'stages' is not known"),
        ({"constraints": [{"metrics": "a"}]}, "constraint 1: setting 'metrics' is not known, did you mean 'metric'?"),
        ({"stages": [], "patience": 3}, "setting 'patience' is not known"),
        ({"pateince": 3}, "setting 'pateince' is not known, did you mean 'patience'?"),
    ],
)
def test_unknown_keys(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        kind_of(settings).from_dict(settings)


def test_settings_of_earlier_code_are_a_scheduler_s() -> None:
    assert kind_of({"source_loss": "field_error", "monitor_metric": "target_loss"}) is sl.SchedulerConfig


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("a.yaml", "", ValueError, r"path must end in \.toml or \.json"),
        ("a.toml", "a = ", ValueError, "Invalid value"),
        ("a.json", "[]", TypeError, "the JSON must be a table of settings by name, got list"),
        ("a.json", '{"constraints": 3}', TypeError, "constraints must be a list of tables, got 3"),
        ("a.json", '{"constraints": null}', TypeError, "constraints must be a list of tables, got None"),
    ],
)
def test_other_errors(tmp_path: Path, name: str, text: str, error: type[Exception], message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=message):
        sl.load_config(tmp_path / name)
    with pytest.raises(OSError, match=r"none\.toml"):
        sl.load_config(tmp_path / "none.toml")


def test_it_works_without_numpy(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(CONTROLLER.to_toml())
    code = """
import sys
sys.modules["numpy"] = sys.modules["array_api_compat"] = None
import spectral_losses as sl
print(sl.LossController(sl.load_config(sys.argv[1])).monitored)
"""
    run = [sys.executable, "-c", code, str(tmp_path / "a.toml")]
    found = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert found == "('log_spectral_distance', 'field_error')\n"
