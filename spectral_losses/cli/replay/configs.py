"""The configurations that ``--config`` names, with the changes of ``--set``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spectral_losses.cli.replay.changes import Changes, changed_name, changed_preset, changed_settings
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.configs import Config
from spectral_losses.errors import reason
from spectral_losses.scheduler import PRESETS
from spectral_losses.scheduler.serialization import read_table


class Named(NamedTuple):
    """A configuration and what to call it."""

    name: str
    config: Config


def named_configs(given: Sequence[str], changes: Changes) -> tuple[list[Named], list[str]]:
    """Load presets and files, without any the default configuration; also return the warnings that came of it.

    Raises
    ------
    CommandError
        Neither a preset nor a file that can be loaded; changes that cannot be made.
    """
    found, warned = [], []
    sources: Sequence[str | None] = given or [None]
    for text in sources:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(_load(text, changes))
        warned += [f"{text}: {warning.message}" for warning in caught]
    names = [changed_name(name, changes) for name in _names(given)]
    return [Named(name, config) for name, config in zip(names, found, strict=True)], warned


def _names(given: Sequence[str]) -> list[str]:
    short = [text if text in PRESETS else Path(text).name for text in given]
    # Files of one name in several folders are told apart by their paths.
    return [text if short.count(name) > 1 else name for name, text in zip(short, given, strict=True)] or ["default"]


def _load(text: str | None, changes: Changes) -> Config:
    """A preset, a file or, without either, the defaults, with changes."""
    try:
        return _config(text, changes)
    except (OSError, TypeError, ValueError, RecursionError) as error:
        if changes:
            _load(text, {})  # what is wrong without them is told as such
            raise CommandError(f"--set: {_names([text] if text else [])[0]}: {reason(error)}") from error
        raise CommandError(f"--config: {text}: {reason(error)}") from error


def _config(text: str | None, changes: Changes) -> Config:
    if text is None or text in PRESETS:
        return changed_preset(text, changes)
    if Path(text).suffix.lower() not in (".toml", ".json"):
        presets = ", ".join(PRESETS)
        raise CommandError(f"--config: takes a file that ends in .toml or .json, or one of {presets}, got {text!r}")
    return changed_settings(read_table(Path(text)), changes)
