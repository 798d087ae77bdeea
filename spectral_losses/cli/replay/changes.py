"""``--set KEY=VALUE``: settings that are to differ from those of a preset or a file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.configs import Config, kind_of
from spectral_losses.controller import ConstraintConfig, ControllerConfig
from spectral_losses.scheduler import SchedulerChain, SchedulerConfig
from spectral_losses.scheduler.legacy import FIELDS as LEGACY
from spectral_losses.scheduler.serialization import unknown_key
from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.triggers import TRIGGERS

WORDS = {"true": True, "false": False}  # with a capital, as Python has them, they are no TOML


class Change(NamedTuple):
    """The new value of a setting, and how it was written."""

    value: Any
    text: str


Changes = Mapping[str, Change]


def parse_changes(given: Sequence[str]) -> dict[str, Change]:
    """Read each KEY=VALUE: a TOML value, or else a string without its quotes.

    Raises
    ------
    CommandError
        No KEY=VALUE, or a key that was given before.
    """
    changes: dict[str, Change] = {}
    for words in given:
        key, equals, text = (part.strip() for part in words.partition("="))
        if not equals or not key:
            raise CommandError(f"--set: takes KEY=VALUE, got {words!r}")
        if key in changes:
            raise CommandError(f"--set: {key} is given more than once")
        changes[key] = Change(_value(text), text)
    return changes


def changed_name(name: str, changes: Changes) -> str:
    """What to call a configuration of a name with changes."""
    return ", ".join([name, *(f"{key}={change.text}" for key, change in changes.items())])


def changed_preset(name: str | None, changes: Changes) -> SchedulerConfig:
    """A preset, None for the defaults, with changes.

    Raises
    ------
    ValueError, TypeError
        A key that is not known, or a value that is not allowed.
    """
    _check_keys(SchedulerConfig, changes)
    values = _values(changes)
    return SchedulerConfig.from_dict(values) if name is None else SchedulerConfig.preset(name, **values)


def changed_settings(settings: Mapping[str, Any], changes: Changes) -> Config:
    """The configuration that a file's settings mean with changes; in a chain each stage has them.

    Raises
    ------
    ValueError, TypeError
        A key that is not known, or something that ``from_dict`` refuses.
    """
    kind = kind_of(settings)
    _check_keys(kind, changes)
    values = _values(changes)
    stages = settings.get("stages")
    if kind is SchedulerChain and isinstance(stages, list):
        return kind.from_dict({**settings, "stages": [_merged(stage, values) for stage in stages]})
    return kind.from_dict(_merged(settings, values))


def _value(text: str) -> Any:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        found = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    # Several lines could be several settings, and dates are no value of any setting.
    value = found["value"]
    return value if len(found) == 1 and isinstance(value, bool | int | float | str | list | dict) else text


def _values(changes: Changes) -> dict[str, Any]:
    return {key: change.value for key, change in changes.items()}


def _check_keys(kind: type[Config], changes: Changes) -> None:
    of_constraints = [f.name for f in fields(ConstraintConfig)]
    known = [f.name for f in fields(ControllerConfig if kind is ControllerConfig else SchedulerConfig)]
    for key in changes:
        if kind is ControllerConfig and key.partition(".")[0] in ("constraints", *of_constraints):
            raise ValueError(f"constraints cannot be changed here, got {key!r}: they stand in the file")
        if key not in known:
            raise ValueError(unknown_key(key, known))


def _merged(settings: Any, values: Mapping[str, Any]) -> Any:
    """Settings with other values, which take the places of those that have a name of earlier code."""
    if not isinstance(settings, Mapping):
        return settings  # which ``from_dict`` refuses
    names = {LEGACY.get(key, key): key for key in settings}
    dropped = _dropped(values, settings.get(names.get("trigger", ""), Settings.trigger))
    kept = {key: value for key, value in settings.items() if LEGACY.get(key, key) not in dropped}
    return {**kept, **{names.get(key, key): value for key, value in values.items()}}


def _dropped(values: Mapping[str, Any], before: Any) -> Sequence[str]:
    """Settings of a file of which another trigger makes nothing, or which it has otherwise by itself."""
    kind = None if values.get("trigger") == before else TRIGGERS.get(str(values.get("trigger")))
    return () if kind is None else (*kind.unused(Settings(ramp=values.get("ramp"))), "warmup_epochs")
