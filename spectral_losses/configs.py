"""The settings in a file, of whatever kind they are: a scheduler's, a chain's or a controller's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from spectral_losses.controller.config import ControllerConfig
from spectral_losses.messages import nearest
from spectral_losses.scheduler.config import SchedulerChain, SchedulerConfig
from spectral_losses.scheduler.legacy import FIELDS as LEGACY
from spectral_losses.scheduler.serialization import read_table, unknown_key

__all__ = ["load_config"]

Config = SchedulerConfig | SchedulerChain | ControllerConfig
TOLD_BY: Mapping[str, type[ControllerConfig] | type[SchedulerChain]] = {
    "constraints": ControllerConfig,
    "stages": SchedulerChain,
}


def load_config(path: str | Path) -> Config:
    """Read the settings of a scheduler, of a chain or of a controller from a TOML or JSON file.

    Parameters
    ----------
    path : str or Path
        Ends in ``.toml`` or ``.json``.

    Returns
    -------
    SchedulerConfig or SchedulerChain or ControllerConfig
        A `ControllerConfig` where the file has ``constraints``, a `SchedulerChain` where it has ``stages``.

    Raises
    ------
    ValueError
        Neither TOML nor JSON by its suffix, or not readable as such; an unknown key (the message suggests the nearest
        known one); whatever ``from_dict`` refuses.
    TypeError
        A value of the wrong type.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import spectral_losses as sl
    >>> config = sl.ControllerConfig(sl.ConstraintConfig("log_spectral_distance", 1.0), start=0.003)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "controller.toml")
    ...     length = path.write_text(config.to_toml())
    ...     sl.load_config(path) == config
    True
    """
    settings = read_table(Path(path))
    return kind_of(settings).from_dict(settings)


def kind_of(settings: Mapping[str, Any]) -> type[SchedulerConfig] | type[SchedulerChain] | type[ControllerConfig]:
    """What the settings by name are settings of.

    Raises
    ------
    ValueError
        A key that is nearly one that tells; a setting of a controller, and no constraints.
    """
    for key, kind in TOLD_BY.items():
        if key in settings:
            return kind
    scheduler = [*(f.name for f in fields(SchedulerConfig)), *LEGACY]
    unknown = [key for key in settings if key not in scheduler]
    known = [*TOLD_BY, *scheduler]
    for key in unknown:
        if any(repr(telling) in nearest(key, known) for telling in TOLD_BY):
            raise ValueError(unknown_key(key, known))
    controller = [f.name for f in fields(ControllerConfig)]
    for key in unknown:
        if key in controller:
            raise ValueError(f"setting {key!r} is a controller's, which needs 'constraints' too")
    return SchedulerConfig
