"""Saved states of a controller: read, checked, and taken under the settings of another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from spectral_losses.controller.config import ControllerConfig
from spectral_losses.controller.rule import FAR
from spectral_losses.controller.state import FORMAT, VERSION, ControllerState
from spectral_losses.scheduler.checkpoint import check_origin, is_decision, is_number, plain_decision
from spectral_losses.scheduler.state import Decision

GAINS = ("integral", "proportional")
FARTHEST = math.log(2 * FAR)  # of an average, with room for rounding


def saved_state(config: ControllerConfig, state: ControllerState, history: Iterable[Decision]) -> dict[str, Any]:
    """Everything to go on from, in plain types."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "config": config.to_dict(),
        "state": {**state._asdict(), "averages": list(state.averages)},
        "history": [plain_decision(decision) for decision in history],
    }


def restore(config: ControllerConfig, saved: Mapping[str, Any]) -> tuple[ControllerState, list[Decision], list[str]]:
    """What a saved state means under the present settings: the state, its history, and what differs, in words.

    Raises
    ------
    ValueError
        It is nothing that a controller would save.
    """
    state, past, settings = _read(saved)
    return _under(config, state, settings), past, _differences(settings, config.to_dict())


def _read(saved: Mapping[str, Any]) -> tuple[ControllerState, list[Decision], Mapping[str, Any]]:
    """A state, its history and its settings from what `LossController.state_dict` returned, checked."""
    check_origin(saved, FORMAT, VERSION)
    for key in ("config", "state"):
        if not isinstance(saved.get(key), Mapping):
            raise ValueError(f"state[{key!r}] must be a table, got {saved.get(key)!r}")
    constraints = saved["config"].get("constraints")
    if not isinstance(constraints, list) or not all(isinstance(each, Mapping) for each in constraints):
        raise ValueError(f"state['config']['constraints'] must be a list of tables, got {constraints!r}")
    values = dict(saved["state"])
    if values.keys() != set(ControllerState._fields):
        odd = sorted(values.keys() ^ set(ControllerState._fields), key=str)
        raise ValueError(f"state['state'] must hold {', '.join(ControllerState._fields)}; missing or unknown: {odd}")
    if not _is_state(**values, constraints=len(constraints)):
        raise ValueError(f"state['state'] is not one that a controller saves, got {values}")
    rows = saved.get("history")
    if not isinstance(rows, list) or not all(map(is_decision, rows)):
        raise ValueError("state['history'] is not one that a controller saves")
    past = [Decision(**{**row, "weights": dict(row["weights"])}) for row in rows]
    state = ControllerState(values["epoch"], values["ratio"], tuple(values["averages"]))
    return state, past, saved["config"]


def _is_state(epoch: Any, ratio: Any, averages: Any, constraints: int) -> bool:
    """Whether the fields of a `ControllerState` may have these values together."""
    if not isinstance(averages, list):
        return False
    if not averages:  # nothing has counted so far
        return ratio is None and (epoch is None or _is_epoch(epoch))
    return (
        _is_epoch(epoch)
        and is_number(ratio)
        and ratio > 0
        and len(averages) == constraints
        and all(each is None or (is_number(each) and abs(each) <= FARTHEST) for each in averages)
    )


def _is_epoch(value: Any) -> bool:
    return isinstance(value, int) and is_number(value) and value >= 0


def _under(config: ControllerConfig, state: ControllerState, settings: Mapping[str, Any]) -> ControllerState:
    """A loaded state under the present settings."""
    if state.ratio is None:
        return state
    known = list(zip(map(_watched, settings["constraints"]), state.averages, strict=True))
    averages = [next((a for old, a in known if old == _watched(c.to_dict())), None) for c in config.each]
    ratio = min(max(state.ratio, config.least), config.most)
    return state._replace(ratio=ratio, averages=tuple(averages))


def _watched(constraint: Mapping[str, Any]) -> dict[str, Any]:
    """What an average of a constraint depends on."""
    return {name: value for name, value in constraint.items() if name not in GAINS}


def _differences(saved: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    tables = [("", saved, present)]
    old, new = saved["constraints"], present["constraints"]
    tables += [(f"constraint {number} ", a, b) for number, (a, b) in enumerate(zip(old, new, strict=False), 1)]
    found = [] if len(old) == len(new) else [f"number of constraints was {len(old)}, is {len(new)}"]
    found += [
        f"{where}{name} was {a.get(name)!r}, is {b.get(name)!r}"
        for where, a, b in tables
        for name in {**b, **a}
        if name != "constraints" and a.get(name) != b.get(name)
    ]
    return found
