"""Settings of a controller: defaults, refusals, files."""

from __future__ import annotations

import dataclasses
import math
import pickle
from fractions import Fraction
from typing import Any

import pytest

from spectral_losses.controller import ConstraintConfig, ControllerConfig

GOAL = ConstraintConfig("log_spectral_distance", 1.0)
LIMIT = ConstraintConfig("field_error", 1.05, of="source", relative_to=0.04)


def test_defaults() -> None:
    assert GOAL.to_dict() == {
        "metric": "log_spectral_distance",
        "at_most": 1.0,
        "of": "target",
        "relative_to": None,
        "unit": "value",
        "integral": None,
        "proportional": None,
        "smoothing": 0.5,
    }
    assert (GOAL.limit, GOAL.scale, GOAL.gains) == (1.0, 1.0, (0.4, 1.0))
    assert (LIMIT.limit, LIMIT.scale, LIMIT.gains) == (0.042, math.log(1.05), (0.2, 0.5))
    config = ControllerConfig(GOAL)
    assert config.constraints == config.each == (GOAL,)
    assert config == ControllerConfig([GOAL])
    assert (config.source_components, config.target_components) == (("field_error",), ("log_spectral_distance",))
    assert (config.weight, config.start, config.least, config.most) == (1.0, 1e-3, 1e-4, 1.0)


def test_units_of_limits() -> None:
    decibels = ConstraintConfig("log_spectral_distance", 3, unit="dB")
    # A ratio of powers of 10 ** 0.3 in each shell is 3 dB.
    assert decibels.limit == pytest.approx(math.log(10**0.3) ** 2, rel=1e-15)
    assert ConstraintConfig("d", 0.5, relative_to=8).limit == 4.0
    assert ConstraintConfig("d", Fraction(1, 2)).limit == 0.5


def test_gains_that_are_given() -> None:
    assert ConstraintConfig("d", 1, integral=0.1).gains == (0.1, 1.0)
    assert ConstraintConfig("d", 1, proportional=0).gains == (0.4, 0.0)
    assert dataclasses.replace(LIMIT, integral=0.7, proportional=0.25).gains == (0.7, 0.25)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"metric": ""}, ValueError, "metric must be a name, got an empty string"),
        ({"metric": 3}, TypeError, "metric must be a string, got 3"),
        ({"at_most": 0}, ValueError, "at_most must be above 0, got 0"),
        ({"at_most": -1.0}, ValueError, "at_most must be finite and at least 0, got -1.0"),
        ({"at_most": math.nan}, ValueError, "at_most must be finite and at least 0, got nan"),
        ({"at_most": "1"}, TypeError, "at_most must be a number, got '1'"),
        ({"at_most": True}, TypeError, "at_most must be a number, got True"),
        ({"at_most": 1e-301}, ValueError, r"at_most must allow between 1e-300 and 1e300 of the metric, got 1e-301"),
        ({"at_most": 1e200, "relative_to": 1e200}, ValueError, "between 1e-300 and 1e300 of the metric, got inf"),
        ({"at_most": 1e300, "unit": "dB"}, ValueError, "between 1e-300 and 1e300 of the metric, got inf"),
        ({"of": "targets"}, ValueError, "of must be one of target, source, got 'targets', did you mean 'target'"),
        ({"of": None}, ValueError, "of must be one of target, source, got None"),
        ({"unit": "db"}, ValueError, "unit must be one of value, dB, got 'db'"),
        ({"relative_to": 0}, ValueError, "relative_to must be above 0, got 0"),
        ({"relative_to": math.inf}, ValueError, "relative_to must be finite and at least 0, got inf"),
        ({"relative_to": "last"}, TypeError, "relative_to must be a number, got 'last'"),
        ({"relative_to": "best"}, ValueError, "must be the number that a finished .*got 'best': .* pay 36 to 42 %"),
        ({"relative_to": "first"}, ValueError, "got 'first': the first value is that of a network that has not been"),
        ({"of": "source"}, ValueError, "a limit of the source needs relative_to, .*got None"),
        ({"of": "source", "relative_to": 1}, ValueError, "at_most of a limit of the source must be above 1, got 1.0"),
        ({"of": "source", "relative_to": 1, "unit": "dB"}, ValueError, "unit 'dB' is for a goal without relative_to"),
        ({"relative_to": 2, "unit": "dB"}, ValueError, "got of 'target', relative_to 2.0"),
        ({"integral": 0}, ValueError, "integral must be above 0, got 0"),
        ({"proportional": -1}, ValueError, "proportional must be finite and at least 0, got -1"),
        ({"smoothing": 1}, ValueError, r"smoothing must lie in \[0, 1\), got 1"),
    ],
)
def test_constraints_that_are_refused(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ConstraintConfig(**{"metric": "d", "at_most": 1.0, **settings})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"constraints": ()}, ValueError, "constraints must hold at least one ConstraintConfig, got none"),
        (
            {"constraints": "goal"},
            TypeError,
            "constraints must be a ConstraintConfig or a sequence of them, got 'goal'",
        ),
        ({"constraints": {"metric": "d"}}, TypeError, "constraints must be a ConstraintConfig or a sequence of them"),
        ({"constraints": 1.0}, TypeError, "constraints must be a ConstraintConfig or a sequence of them, got 1.0"),
        ({"constraints": [GOAL, 1.0]}, TypeError, "constraint 2 must be a ConstraintConfig, got float"),
        ({"constraints": [GOAL, LIMIT, GOAL]}, ValueError, "'log_spectral_distance' of the target twice, .* number 3"),
        ({"source": ""}, ValueError, "source must be a name, got an empty string"),
        ({"target": "field_error"}, ValueError, "source and target must be two losses, got 'field_error' for both"),
        ({"source_components": 3}, TypeError, "source_components must be a sequence of names, got 3"),
        ({"target_components": "field_error"}, ValueError, "must not share a name, got 'field_error' in both"),
        ({"static_components": {"field_error": 1}}, ValueError, "must not share a name, got 'field_error' in both"),
        ({"static_components": {"x": -1}}, ValueError, r"static_components\['x'\] must be finite and at least 0"),
        ({"weight": 0}, ValueError, "weight must be above 0, got 0"),
        ({"start": 0}, ValueError, "start must be above 0, got 0"),
        ({"start": 1e-5}, ValueError, "start must lie from least to most, got 1e-05, not in 0.0001 to 1.0"),
        ({"start": 1e3}, ValueError, "start must lie from least to most, got 1000.0, not in 0.0001 to 1.0"),
        ({"least": 1, "most": 0.1}, ValueError, "start must lie from least to most, got 0.001, not in 1.0 to 0.1"),
        ({"weight": 1e308, "most": 2.0}, ValueError, r"positive and finite, got 1e\+308, 0.0001 and 2.0"),
        ({"weight": 1e-300, "least": 1e-300}, ValueError, "weight times .* positive and finite, got 1e-300, 1e-300"),
        ({"missing": "skip"}, ValueError, "missing must be one of 'raise', 'hold', got 'skip'"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ControllerConfig(**{"constraints": GOAL, **settings})


FULL = ControllerConfig(
    [GOAL, LIMIT, ConstraintConfig("d", 2, unit="dB", integral=0.3, proportional=0, smoothing=0)],
    source="f",
    target="s",
    source_components=["r", "p"],
    target_components="d",
    static_components={"x": 1},
    weight=2,
    start=0.01,
    least=0.001,
    most=1,
    missing="hold",
)


@pytest.mark.parametrize("config", [ControllerConfig(GOAL), FULL], ids=["defaults", "all"])
def test_settings_go_through_files(config: ControllerConfig) -> None:
    assert ControllerConfig.from_dict(config.to_dict()) == config
    assert ControllerConfig.from_json(config.to_json()) == config
    assert ControllerConfig.from_toml(config.to_toml()) == config
    assert pickle.loads(pickle.dumps(config)) == config
    assert len({config, ControllerConfig.from_dict(config.to_dict())}) == 1
    for c in config.each:
        assert ConstraintConfig.from_toml(c.to_toml()) == ConstraintConfig.from_json(c.to_json()) == c


def test_toml_by_hand() -> None:
    text = """
    start = 0.003
    [[constraints]]
    metric = "log_spectral_distance"
    at_most = 2
    unit = "dB"
    """
    goal = ConstraintConfig("log_spectral_distance", 2, unit="dB")
    assert ControllerConfig.from_toml(text) == ControllerConfig(goal, start=0.003)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"constraint": []}, ValueError, "setting 'constraint' is not known, did you mean 'constraints'"),
        ({}, ValueError, "constraints must hold at least one"),
        ({"constraints": {"metric": "d"}}, TypeError, "constraints must be a list of tables, got "),
        ({"constraints": [{"metric": "d", "at_mst": 1}]}, ValueError, "constraint 1: setting 'at_mst' is not known"),
        ({"constraints": [{"metric": "d"}]}, ValueError, "constraint 1: settings must hold 'at_most', got "),
        ({"constraints": [{"at_most": 1}]}, ValueError, "constraint 1: settings must hold 'metric', got "),
        ({"constraints": [GOAL.to_dict(), 3]}, TypeError, "constraint 2: settings must be a table of settings by name"),
        ({"constraints": [{"metric": "d", "at_most": "1"}]}, TypeError, "constraint 1: at_most must be a number"),
        ([], TypeError, "settings must be a table of settings by name, got list"),
    ],
)
def test_tables_that_are_refused(settings: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ControllerConfig.from_dict(settings)


def test_settings_cannot_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GOAL.at_most = 2.0  # type: ignore[misc]
    with pytest.raises(TypeError, match="does not support item assignment"):
        FULL.static_components["x"] = 2.0  # type: ignore[index]
