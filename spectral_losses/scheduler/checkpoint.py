"""Saved states of a scheduler: read, checked, and taken under the settings of another."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from spectral_losses.scheduler.config import SchedulerChain, SchedulerConfig
from spectral_losses.scheduler.guard import LEVEL
from spectral_losses.scheduler.legacy import is_legacy_state, translated
from spectral_losses.scheduler.slope import MOST
from spectral_losses.scheduler.state import FORMAT, VERSION, Decision, SchedulerState
from spectral_losses.scheduler.transition import ANEW, next_stage
from spectral_losses.scheduler.triggers import rule

UNGUARDED = {
    name: SchedulerState._field_defaults[name]
    for name in ("guarded", "reference", "before", "trial", "halved", "ceiling")
}
WEIGHTS = ("initial_weight_source", "final_weight_source", "initial_weight_target", "final_weight_target")
LATER = (*ANEW, *UNGUARDED)
"""Fields that a state may lack, since there were none when it was saved."""
LENGTHS = {"latest": MOST, "guarded": LEVEL}
"""How many values are remembered at most."""


def saved_state(
    config: SchedulerConfig | SchedulerChain, state: SchedulerState, history: Iterable[Decision]
) -> dict[str, Any]:
    """Everything to go on from, in plain types."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "config": config.to_dict(),
        "state": {**state._asdict(), "latest": list(state.latest), "guarded": list(state.guarded)},
        "history": [plain_decision(decision) for decision in history],
    }


def restore(
    config: SchedulerConfig | SchedulerChain, saved: Mapping[str, Any]
) -> tuple[SchedulerState, list[Decision], list[str]]:
    """What a saved state means under the present settings: the state, its history, and what differs, in words.

    Raises
    ------
    ValueError
        It is nothing that a scheduler would save, or cannot be understood under these settings.
    """
    if is_legacy_state(saved):
        saved = translated(config, saved)
    state, past, settings = _read(saved)
    changes = _differences(settings, config)
    if state.stage >= len(config.stages):
        raise ValueError(f"state was saved in stage {state.stage + 1}, and this scheduler has {len(config.stages)}")
    state = _under(config.stages[state.stage], state, changes)
    return next_stage(config, state), past, [str(change) for change in changes]


def check_origin(saved: Mapping[str, Any], origin: str, version: int) -> None:
    """Raise where a saved state is not one of this origin, the module and the class that saved it, and version."""
    if saved.get("format") != origin:
        who = origin.rpartition(".")[2]
        raise ValueError(f"state is not one of a {who}: its 'format' must be {origin!r}, got {saved.get('format')!r}")
    if saved.get("version") != version:
        raise ValueError(f"state must be of version {version}, got {saved.get('version')!r}: saved by another release")


def plain_decision(decision: Decision) -> dict[str, Any]:
    """A decision as JSON has it."""
    metric = decision.metric
    finite = None if metric is None or not math.isfinite(metric) else metric  # JSON has no other numbers
    return {**decision._asdict(), "weights": dict(decision.weights), "metric": finite}


def _read(saved: Mapping[str, Any]) -> tuple[SchedulerState, list[Decision], Mapping[str, Any]]:
    """A state, its history and its settings from what `LossScheduler.state_dict` returned, checked."""
    check_origin(saved, FORMAT, VERSION)
    for key in ("config", "state"):
        if not isinstance(saved.get(key), Mapping):
            raise ValueError(f"state[{key!r}] must be a table, got {saved.get(key)!r}")
    stages = saved["config"].get("stages", [])
    if not isinstance(stages, list) or not all(isinstance(stage, Mapping) for stage in stages):
        raise ValueError(f"state['config']['stages'] must be a list of tables, got {stages!r}")
    values = {**{name: SchedulerState._field_defaults[name] for name in LATER}, **saved["state"]}
    if values.keys() != set(SchedulerState._fields):
        odd = sorted(values.keys() ^ set(SchedulerState._fields), key=str)
        raise ValueError(f"state['state'] must hold {', '.join(SchedulerState._fields)}; missing or unknown: {odd}")
    for name, value in values.items():
        if not _allowed(name, value):
            raise ValueError(f"state['state'][{name!r}] is not one that a scheduler saves, got {value!r}")
    state = SchedulerState(**{**values, **{name: tuple(values[name]) for name in LENGTHS}})
    # Average and best come together, no stage begins later than the next epoch, and nothing is seen after the last one.
    epoch = -1 if state.epoch is None else state.epoch
    if len(state.latest) != min(state.observed, MOST):
        raise ValueError(f"state['state']['latest'] is not one that a scheduler saves, got {values['latest']}")
    if (state.tracked is None) != (state.best is None) or not max(state.started - 1, state.seen or 0) <= max(epoch, 0):
        raise ValueError(f"state['state'] is not one that a scheduler saves, got {values}")
    if not _is_on_trial(state) or not 0 <= state.progress <= state.ceiling:
        raise ValueError(f"state['state'] is not one that a scheduler saves, got {values}")
    rows = saved.get("history")
    if not isinstance(rows, list) or not all(map(is_decision, rows)):
        raise ValueError("state['history'] is not one that a scheduler saves")
    past = [Decision(**{**row, "weights": dict(row["weights"])}) for row in rows]
    return state, past, saved["config"]


def _is_on_trial(state: SchedulerState) -> bool:
    """Whether what a state remembers of a guard goes together."""
    if state.reference is None:
        return state.before is None and not state.trial and not state.halved and state.ceiling == 1
    return (state.before is not None) == bool(state.trial) and (state.before or 0) < 1


def _allowed(name: str, value: Any) -> bool:
    """Whether a field of `SchedulerState` may have a value."""
    if value is None:
        return name in ("epoch", "seen", "tracked", "best", "reference", "before")
    if name in LENGTHS:
        return isinstance(value, list | tuple) and len(value) <= LENGTHS[name] and all(map(is_number, value))
    if name in ("tracked", "best", "reference"):
        return is_number(value)
    if name in ("progress", "before", "ceiling"):
        return is_number(value) and 0 <= value <= 1
    return isinstance(value, int) and is_number(value) and value >= 0


def is_number(value: Any) -> bool:
    """Whether a saved value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_decision(row: Any) -> bool:
    """Whether a saved row of the history makes a `Decision` that can be saved again."""
    if not isinstance(row, Mapping) or row.keys() != set(Decision._fields) or not isinstance(row["weights"], Mapping):
        return False
    numbers = [row["progress"], *row["weights"].values()]
    numbers += [row[name] for name in ("epoch", "metric", "tracked") if row[name] is not None]
    return (
        all(map(is_number, numbers))
        and all(isinstance(text, str) for text in (row["reason"], row["detail"], *row["weights"]))
        and isinstance(row["adapted"], bool)
    )


def _under(c: SchedulerConfig, state: SchedulerState, changes: Sequence[_Change]) -> SchedulerState:
    """A loaded state under the present settings of its stage."""
    changed = {change.name for change in changes if change.stage == state.stage}
    triggers = {t for change in changes if (change.stage, change.name) == (state.stage, "trigger") for t in change[2:4]}
    if changed & {"monitor", "mode", "use_ema"} or "auto" in triggers:  # average and best are of another quantity
        state = state._replace(tracked=None, best=None, stale=0, consecutive=0)
    if changed & {"monitor", "mode", "trigger"}:
        state = state._replace(**ANEW)
    weights = {name: getattr(c, name) for name in WEIGHTS}
    weights |= {
        change.name: change.saved for change in changes if change.name in weights and change.stage == state.stage
    }
    if len({weights[name] for name in WEIGHTS[:2]}) == len({weights[name] for name in WEIGHTS[2:]}) == 1:
        state = state._replace(progress=0.0)  # it was finished because there was no way to go
    if "guard" in changed:
        state = state._replace(**UNGUARDED)
    if changed & {"trigger", "milestones"}:  # as if each milestone until now had been followed by a move
        past = sum(state.started + milestone <= (state.epoch or 0) for milestone in c.milestones)
        state = state._replace(moves=past)
    return state._replace(cooldown=min(state.cooldown, c.cooldown))


class _Change(NamedTuple):
    """A setting that is not what it was."""

    stage: int
    name: str
    saved: Any
    present: Any
    chain: bool

    def __str__(self) -> str:
        where = f"stage {self.stage + 1} " if self.chain else ""
        return f"{where}{self.name} was {self.saved!r}, is {self.present!r}"


def _differences(saved: Mapping[str, Any], config: SchedulerConfig | SchedulerChain) -> list[_Change]:
    old = saved.get("stages", [saved])
    found = (
        [] if len(old) == len(config.stages) else [_Change(0, "number of stages", len(old), len(config.stages), False)]
    )
    for stage, (a, c) in enumerate(zip(old, config.stages, strict=False)):
        # A setting that did not exist when the state was saved was at what is now its default.
        a, b = {**type(c)().to_dict(), **a}, c.to_dict()
        unused = rule(c).unused(c) if a.get("trigger") == c.trigger else ()
        found += [
            _Change(stage, name, a.get(name), b.get(name), len(config.stages) > 1)
            for name in {**b, **a}
            if a.get(name) != b.get(name) and name not in unused
        ]
    return found
