"""What a controller saves, and what it loads again."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from spectral_losses.controller import ConstraintConfig, ControllerConfig, ControllerState, LossController

GOAL = ConstraintConfig("d", 1.0)
LIMIT = ConstraintConfig("f", 1.25, of="source", relative_to=4.0)
BOTH = ControllerConfig([GOAL, LIMIT])


def run(config: Any, values: Any = (3.0, 4.0, math.nan, 4.5)) -> LossController:
    controller = LossController(config)
    for value in values:
        controller.step({"d": value, "f": value})
    return controller


def saved(config: Any = BOTH, values: Any = (3.0, 4.0, math.nan, 4.5)) -> Any:
    return run(config, values).state_dict()


@pytest.mark.parametrize("values", [(), (math.nan,), (3.0,), (3.0, 4.0, math.nan, 4.5)], ids=len)
def test_json_round_trip(values: tuple[float, ...]) -> None:
    state = saved(values=values)
    other = run(BOTH, [9.0])
    other.load_state_dict(json.loads(json.dumps(state, allow_nan=False)))
    assert other.state_dict() == state
    assert other.step({"d": 2.0, "f": 4.2}) == run(BOTH, values).step({"d": 2.0, "f": 4.2})


def test_torch_loads_it_safely(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(saved(), tmp_path / "checkpoint.pt")
    controller = LossController(BOTH)
    controller.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    assert controller.state_dict() == saved()


def test_it_is_small() -> None:
    several = [ConstraintConfig(f"metric_{n}", 1.0) for n in range(8)]
    controller = LossController(several, history=0)
    controller.step({c.metric: 3.0 for c in several})
    assert len(json.dumps(controller.state_dict())) < 10_000


def test_saved_states_are_copies() -> None:
    controller = run(BOTH)
    state = controller.state_dict()
    state["history"][0]["weights"]["field_error"] = 9.0
    state["config"]["constraints"][0]["at_most"] = 9.0
    state["state"]["averages"][0] = 9.0
    assert controller.state_dict() == saved()


def test_other_settings_are_explained() -> None:
    other = LossController(ControllerConfig([dataclasses.replace(GOAL, at_most=0.5), LIMIT], most=10.0))
    before = other.state_dict()
    with pytest.raises(
        ValueError, match=r"most was 1.0, is 10.0; constraint 1 at_most was 1.0, is 0.5\. .*accept_changes=True"
    ):
        other.load_state_dict(saved())
    assert other.state_dict() == before
    with pytest.raises(ValueError, match="number of constraints was 2, is 1"):
        LossController(GOAL).load_state_dict(saved())


def test_what_has_not_changed_goes_on() -> None:
    kept = run(BOTH).state
    for constraints, averages in (
        ([dataclasses.replace(GOAL, integral=0.1, proportional=0.2), LIMIT], kept.averages),
        ([LIMIT, GOAL], kept.averages[::-1]),
        ([GOAL], kept.averages[:1]),
        ([GOAL, dataclasses.replace(LIMIT, relative_to=3.0)], (kept.averages[0], None)),
        ([dataclasses.replace(GOAL, smoothing=0.25), LIMIT], (None, kept.averages[1])),
        ([GOAL, ConstraintConfig("e", 1.0), LIMIT], (kept.averages[0], None, kept.averages[1])),
    ):
        other = LossController(constraints)
        other.load_state_dict(saved(), accept_changes=True)
        assert other.state == kept._replace(averages=averages)
        again = LossController(constraints)
        again.load_state_dict(json.loads(json.dumps(other.state_dict())))
        assert again.state_dict() == other.state_dict()
        assert other.step({"d": 2.0, "e": 2.0, "f": 4.0}) == again.step({"d": 2.0, "e": 2.0, "f": 4.0})


def test_another_range_holds_at_once() -> None:
    ratio = run(BOTH).ratio
    for least, most, expected in ((1e-6, 1e-5, 1e-5), (0.5, 1.0, 0.5), (1e-6, 1.0, ratio)):
        other = LossController(ControllerConfig([GOAL, LIMIT], start=most, least=least, most=most))
        other.load_state_dict(saved(), accept_changes=True)
        assert other.ratio == expected


def test_another_start_counts_until_the_first_observation() -> None:
    other = LossController(ControllerConfig([GOAL, LIMIT], start=0.5))
    other.load_state_dict(saved(values=[math.nan]), accept_changes=True)
    assert (other.ratio, other.state) == (0.5, ControllerState(epoch=0))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], "spectral_losses.LossScheduler", "its 'format' must be 'spectral_losses.LossController', got "),
        (["version"], 2, "state must be of version 1, got 2: saved by another release"),
        (["config"], 3, r"state\['config'\] must be a table, got 3"),
        (["config", "constraints"], 3, r"state\['config'\]\['constraints'\] must be a list of tables, got 3"),
        (["config", "constraints"], [3], r"\['constraints'\] must be a list of tables, got \[3\]"),
        (["state"], None, r"state\['state'\] must be a table, got None"),
        (["state", "zzz"], 3, r"state\['state'\] must hold epoch, ratio, averages; missing or unknown: \['zzz'\]"),
        (["state", "epoch"], -1, "is not one that a controller saves"),
        (["state", "epoch"], True, "is not one that a controller saves"),
        (["state", "epoch"], 1.0, "is not one that a controller saves"),
        (["state", "epoch"], None, "is not one that a controller saves"),
        (["state", "ratio"], None, "is not one that a controller saves"),
        (["state", "ratio"], 0.0, "is not one that a controller saves"),
        (["state", "ratio"], math.nan, "is not one that a controller saves"),
        (["state", "ratio"], math.inf, "is not one that a controller saves"),
        (["state", "ratio"], "1", "is not one that a controller saves"),
        (["state", "averages"], [], "is not one that a controller saves"),
        (["state", "averages"], [0.1], "is not one that a controller saves"),
        (["state", "averages"], None, "is not one that a controller saves"),
        (["state", "averages"], [0.1, math.nan], "is not one that a controller saves"),
        (["state", "averages"], [0.1, 11.0], "is not one that a controller saves"),
        (["state", "averages"], [0.1, True], "is not one that a controller saves"),
        (["history"], 3, r"state\['history'\] is not one that a controller saves"),
        (["history"], [{"zzz": 3}], r"state\['history'\] is not one that a controller saves"),
        (["history", 0, "weights", "field_error"], "1", r"state\['history'\] is not one that a controller saves"),
    ],
)
def test_what_no_controller_saves_is_refused(path: list[Any], value: Any, message: str) -> None:
    state = saved()
    *outer, last = path
    table = state
    for key in outer:
        table = table[key]
    table[last] = value
    controller = run(BOTH, [3.0])
    before = controller.state_dict()
    with pytest.raises(ValueError, match=message):
        controller.load_state_dict(state, accept_changes=True)
    assert controller.state_dict() == before


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(TypeError, match="state must be what state_dict returns, got NoneType"):
        LossController(GOAL).load_state_dict(None)  # type: ignore[arg-type]
    state = saved()
    state["config"]["source"] = []
    for _ in range(100_000):
        state["config"]["source"] = [state["config"]["source"]]
    with pytest.raises(ValueError, match="state: nested too deeply"):
        LossController(BOTH).load_state_dict(state)
