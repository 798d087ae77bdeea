"""The ways in which the demo trains: by field error alone, with a scheduler, and with a goal for the spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from spectral_losses.cli.demo.setting import Setting
from spectral_losses.composite import Component, CompositeLoss
from spectral_losses.controller import ConstraintConfig, LossController
from spectral_losses.scheduler import LossScheduler, SchedulerConfig

__all__ = ["ALONE", "GOAL", "RECIPES", "SCHEDULED", "Mover", "Recipe", "composite", "options"]

Mover = LossScheduler | LossController


class Recipe(NamedTuple):
    """A way to weigh the losses.

    Attributes
    ----------
    key, name : str
        In JSON and in tables.
    mover : callable
        What moves the weights, from a setting; None where nothing does.
    """

    key: str
    name: str
    mover: Callable[[Setting], Mover | None]


def schedule(setting: Setting) -> LossScheduler:
    """Weight for the spectrum by equal factors, along a ramp over the first quarter of the training."""
    return LossScheduler(
        SchedulerConfig(
            target="log_spectral_distance",
            trigger="epoch",
            ramp=(0, max(1, setting.looks // 4)),
            final_weight_source=1.0,
            final_weight_target=setting.weight,
            transition_schedule="geometric",
        )
    )


ALONE = Recipe("field", "field error alone", lambda setting: None)
SCHEDULED = Recipe("scheduled", "scheduled", schedule)
GOAL = Recipe("goal", "with a goal", lambda s: LossController(ConstraintConfig("log_spectral_distance", s.goal)))
RECIPES = (ALONE, SCHEDULED, GOAL)


def composite(setting: Setting) -> CompositeLoss:
    """Both losses by name, the second with weight 0; distances are of the mean spectra of a batch."""
    given = options(setting)
    losses = {
        "field_error": Component("field_error", **given),
        "log_spectral_distance": Component("log_spectral_distance", pool="frames", **given),
    }
    return CompositeLoss(losses, {"field_error": 1.0})


def options(setting: Setting) -> dict[str, Any]:
    """The layout of the fields."""
    return {"spatial_axes": tuple(range(-len(setting.flow.grid), 0)), "channel_axis": 1}
