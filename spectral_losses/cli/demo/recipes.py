"""The ways in which the demo trains: by field error alone, with a scheduler, and with shares of influence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from spectral_losses.cli.demo.setting import Setting
from spectral_losses.composite import Component, CompositeLoss
from spectral_losses.integrations.balance import BalancedCriterion
from spectral_losses.scheduler import Decision, LossScheduler, SchedulerConfig

__all__ = ["ALONE", "RECIPES", "SCHEDULED", "SHARED", "Alone", "Recipe", "Scheduled", "Shared", "options"]


class Alone:
    """Field error alone."""

    def __init__(self, setting: Setting) -> None:
        self.loss = CompositeLoss(components(setting), {"field_error": 1.0})

    @property
    def weights(self) -> dict[str, float]:
        """Of both losses, now."""
        return self.loss.weights

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The total of a batch, to be differentiated."""
        total: Tensor = self.loss(prediction, target)[0]
        return total

    def look(self, metrics: Mapping[str, float]) -> Decision | None:
        """Take note of a validation."""


class Scheduled(Alone):
    """Weight for the spectrum by equal factors, along a ramp over the first tenth of the training."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.scheduler = LossScheduler(
            SchedulerConfig(
                target="log_spectral_distance",
                trigger="epoch",
                ramp=(0, max(1, setting.looks // 10)),
                final_weight_source=1.0,
                final_weight_target=setting.weight,
                transition_schedule="geometric",
            )
        )

    def look(self, metrics: Mapping[str, float]) -> Decision:
        """Go on along the ramp."""
        decision = self.scheduler.step(metrics)
        self.loss.set_weights(decision)
        return decision


class Shared(Alone):
    """As much weight for the spectrum as gives it its share of the pull on the prediction."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        shares = {"field_error": 1.0, "log_spectral_distance": setting.share}
        self.criterion = BalancedCriterion(components(setting), shares)

    @property
    def weights(self) -> dict[str, float]:
        """Of both losses, now."""
        return self.criterion.balancer.weights

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The total of a batch, with weights measured on it."""
        total: Tensor = self.criterion(prediction, target)
        return total


class Recipe(NamedTuple):
    """A way to weigh the losses.

    Attributes
    ----------
    key, name : str
        In JSON and in tables.
    make : callable
        The loss of a training, from a setting.
    """

    key: str
    name: str
    make: Callable[[Setting], Alone]


ALONE = Recipe("field", "field error alone", Alone)
SCHEDULED = Recipe("scheduled", "scheduled", Scheduled)
SHARED = Recipe("shares", "with shares", Shared)
RECIPES = (ALONE, SCHEDULED, SHARED)


def components(setting: Setting) -> dict[str, Component]:
    """Both losses by name; the distance is that of a batch's mean spectra."""
    given = options(setting)
    return {
        "field_error": Component("field_error", **given),
        "log_spectral_distance": Component("log_spectral_distance", pool="frames", **given),
    }


def options(setting: Setting) -> dict[str, Any]:
    """The layout of the fields."""
    return {"spatial_axes": tuple(range(-len(setting.flow.grid), 0)), "channel_axis": 1}
