"""The configurations that ``--config`` names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import reason
from spectral_losses.scheduler import PRESETS, SchedulerChain, SchedulerConfig, load_config


class Named(NamedTuple):
    """A configuration and what to call it."""

    name: str
    config: SchedulerConfig | SchedulerChain


def named_configs(given: Sequence[str]) -> tuple[list[Named], list[str]]:
    """Load presets and files, without any the default configuration; also return the warnings that came of it.

    Raises
    ------
    CommandError
        Neither a preset nor a file that can be loaded.
    """
    if not given:
        return [Named("default", SchedulerConfig())], []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = []
        warned = []
        for text in given:
            found.append(_load(text))
            warned += [f"{text}: {warning.message}" for warning in caught]
            caught.clear()
    short = [text if text in PRESETS else Path(text).name for text in given]
    # Files of one name in several folders are told apart by their paths.
    names = [text if short.count(name) > 1 else name for name, text in zip(short, given, strict=True)]
    return [Named(name, config) for name, config in zip(names, found, strict=True)], warned


def monitored(config: SchedulerConfig | SchedulerChain) -> list[str]:
    """The metrics that a configuration watches, in order: none where it is disabled."""
    return list(dict.fromkeys(c.monitor for c in config.stages if c.needs_metric)) if config.enabled else []


def _load(text: str) -> SchedulerConfig | SchedulerChain:
    if text in PRESETS:
        return SchedulerConfig.preset(text)
    if Path(text).suffix.lower() not in (".toml", ".json"):
        presets = ", ".join(PRESETS)
        raise CommandError(f"--config: takes a file that ends in .toml or .json, or one of {presets}, got {text!r}")
    try:
        return load_config(text)
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise CommandError(f"--config: {text}: {reason(error)}") from error
