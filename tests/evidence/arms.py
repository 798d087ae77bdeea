"""What is compared: ways of weighing a spectral loss beside the field error, made with the library's public parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

import spectral_losses as sl
from spectral_losses.integrations.balance import BalancedCriterion

from .setting import Setting

__all__ = ["ALONE", "ARMS", "SHORT", "STATIC", "Arm", "metrics_of", "options_of"]

FIELD, DISTANCE, SPECTRUM = "field_error", "log_spectral_distance", "spectrum_error"
ALONE = "alone"
STATIC = {"static .001": 0.001, "static .003": 0.003, "static .01": 0.01, "static .03": 0.03}
SHARES = {FIELD: 1.0, DISTANCE: 0.1}
LATE = 0.8
"""Share of the steps after which the arm that is tuned late changes its loss."""
UNROLLED = 3


def options_of(setting: Setting) -> dict[str, Any]:
    """Where space and channels are in ``(batch, 1, *grid)``."""
    return {"spatial_axes": tuple(range(-setting.dimensions, 0)), "channel_axis": 1}


class Arm:
    """Weights of components, unless something else decides; called as a loss."""

    def __init__(self, components: Mapping[str, Any], weights: Mapping[str, float], *, unrolled: int = 1) -> None:
        self.composite = sl.CompositeLoss(components, weights)
        self.unrolled = unrolled

    @property
    def weights(self) -> dict[str, float]:
        """As they are now."""
        return self.composite.weights

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The total of one batch."""
        total: Tensor = self.composite(prediction, target)[0]
        return total

    def begin(self, done: float) -> None:
        """Before each step, with the share of the steps that are done."""

    def look(self, metrics: Mapping[str, float], number: int) -> None:
        """After each validation."""

    @property
    def looks(self) -> bool:
        """Whether validations are for anything."""
        return type(self).look is not Arm.look


class Moved(Arm):
    """Weights that a scheduler or a controller moves."""

    def __init__(self, components: Mapping[str, Any], mover: sl.LossScheduler | sl.LossController) -> None:
        super().__init__(components, {FIELD: 1.0})
        self.mover = mover
        self.composite.set_weights(mover)

    def look(self, metrics: Mapping[str, float], number: int) -> None:
        self.composite.set_weights(self.mover.step(metrics, number))


class Late(Arm):
    """Another loss for the last part of the training."""

    def __init__(self, components: Mapping[str, Any], first: str, then: str) -> None:
        super().__init__(components, {first: 1.0})
        self.then = dict.fromkeys(components, 0.0) | {then: 1.0}

    def begin(self, done: float) -> None:
        if done >= LATE:
            self.composite.set_weights(self.then)


class Balanced(Arm):
    """Shares of influence in place of weights."""

    def __init__(self, components: Mapping[str, Any], shares: Mapping[str, float]) -> None:
        super().__init__(components, shares)
        self.criterion = BalancedCriterion(components, shares)

    @property
    def weights(self) -> dict[str, float]:
        return self.criterion.balancer.weights

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        total: Tensor = self.criterion(prediction, target)
        return total


def coherent_distance(prediction: Tensor, target: Tensor, options: Mapping[str, Any]) -> Tensor:
    """The pooled log spectral distance, in which energy is asked for where the prediction knows where to put it.

    Each shell's deficit counts with the squared coherence of prediction and target in the batch, which has no
    gradient; excess counts in full.
    """
    coherence = sl.cross_spectrum(prediction.detach(), target, pool="frames", **options).coherence.clamp(min=0)
    power, wanted = (sl.radial_spectrum(x, pool="frames", **options).power for x in (prediction, target))
    guard = 1e-12 * wanted.max()
    apart = torch.log(power + guard) - torch.log(wanted + guard)
    return (torch.where(apart < 0, coherence**2, torch.ones_like(apart)) * apart**2).mean()


def metrics_of(prediction: Tensor, target: Tensor, setting: Setting) -> dict[str, float]:
    """What schedulers and controllers see of a validation."""
    options = options_of(setting)
    return {
        FIELD: float(sl.field_error(prediction, target, **options)),
        DISTANCE: float(sl.log_spectral_distance(prediction, target, pool="frames", **options)),
        SPECTRUM: float(sl.spectrum_error(prediction, target, **options)),
    }


def _field(setting: Setting) -> dict[str, Any]:
    return {FIELD: sl.Component(FIELD, **options_of(setting))}


def _distance(setting: Setting, **more: Any) -> dict[str, Any]:
    given = {"pool": "frames"} | more
    return _field(setting) | {DISTANCE: sl.Component(DISTANCE, **options_of(setting), **given)}


def _spectrum(setting: Setting) -> dict[str, Any]:
    return _field(setting) | {SPECTRUM: sl.Component(SPECTRUM, **options_of(setting))}


def _adjusted(setting: Setting) -> dict[str, Any]:
    return _field(setting) | {"adjusted_error": sl.Component("adjusted_error", pool="frames", **options_of(setting))}


def _beside(weight: float, unrolled: int = 1, **more: Any) -> Callable[[Setting], Arm]:
    return lambda setting: Arm(_distance(setting, **more), {FIELD: 1.0, DISTANCE: weight}, unrolled=unrolled)


def _coherent(setting: Setting) -> Arm:
    options = options_of(setting)
    components = _field(setting) | {DISTANCE: lambda p, t: coherent_distance(p, t, options)}
    return Arm(components, {FIELD: 1.0, DISTANCE: 0.01})


def _scheduler(setting: Setting) -> Arm:
    return Moved(_spectrum(setting), sl.LossScheduler(sl.SchedulerConfig(source=FIELD, target=SPECTRUM)))


def _auto(setting: Setting) -> Arm:
    config = sl.SchedulerConfig(
        source=FIELD,
        target=DISTANCE,
        trigger="auto",
        final_weight_source=1.0,
        final_weight_target=0.1,
        transition_schedule="geometric",
    )
    return Moved(_distance(setting), sl.LossScheduler(config))


def _ramp(weight: float) -> Callable[[Setting], Arm]:
    """Nothing before 8 % of the steps, all of the weight from 12 % on."""
    config = sl.SchedulerConfig(
        source=FIELD,
        target=DISTANCE,
        trigger="epoch",
        ramp=(2, 5),
        final_weight_source=1.0,
        final_weight_target=weight,
    )
    return lambda setting: Moved(_distance(setting), sl.LossScheduler(config))


def _controller(setting: Setting) -> Arm:
    # Up to 100, which was the default when these runs were made.
    config = sl.ControllerConfig(sl.ConstraintConfig(DISTANCE, setting.goal), most=100)
    return Moved(_distance(setting), sl.LossController(config))


ARMS: dict[str, Callable[[Setting], Arm]] = {
    ALONE: lambda setting: Arm(_field(setting), {FIELD: 1.0}),
    "static .01": _beside(0.01),
    "static .003": _beside(0.003),
    "controller": _controller,
    "shares": lambda setting: Balanced(_distance(setting), SHARES),
    "static .001": _beside(0.001),
    "static .03": _beside(0.03),
    "unrolled": lambda setting: Arm(_field(setting), {FIELD: 1.0}, unrolled=UNROLLED),
    "unrolled .01": _beside(0.01, UNROLLED),
    "adjusted": lambda setting: Arm(_adjusted(setting), {"adjusted_error": 1.0}),
    "scheduler": _scheduler,
    "auto": _auto,
    "half": lambda setting: Arm(_spectrum(setting), {FIELD: 0.5, SPECTRUM: 0.5}),
    "unpooled .01": _beside(0.01, pool=None),
    "excess .01": _beside(0.01, side="excess"),
    "excess .1": _beside(0.1, side="excess"),
    "coherent .01": _coherent,
    "adjusted late": lambda setting: Late(_adjusted(setting), FIELD, "adjusted_error"),
    "ramp .01": _ramp(0.01),
    "ramp .03": _ramp(0.03),
}
"""By name, the important ones first: they are run in this order within a seed."""
SHORT = (
    ALONE,
    "static .01",
    "static .003",
    "controller",
    "unrolled",
    "unrolled .01",
    "shares",
    "excess .01",
    "coherent .01",
    "ramp .01",
)
"""What is run on the other flows and networks."""
