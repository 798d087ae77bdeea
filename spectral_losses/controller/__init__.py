"""Keeps validation metrics at or under a goal by moving a loss weight: plain floats, the standard library alone.

Read it in this order: `constraint` is one goal or limit, and `config` all that a controller is told. `state` is what
it remembers, `rule` what an observation asks for, and `step` joins them without side effects. `loss_controller`
remembers the state between calls, and `checkpoint` is what it saves. What it answers is the scheduler's `Decision`.
"""

from spectral_losses.controller.config import ControllerConfig
from spectral_losses.controller.constraint import ConstraintConfig
from spectral_losses.controller.loss_controller import LossController
from spectral_losses.controller.state import ControllerState, weights
from spectral_losses.controller.step import update

__all__ = ["ConstraintConfig", "ControllerConfig", "ControllerState", "LossController", "update", "weights"]
