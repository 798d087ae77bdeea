"""From validation metrics to loss weights: a state machine of plain floats, which needs the standard library alone.

Read it in this order: `state` is what a scheduler remembers and answers; `monitor` says what a metric counts for,
`triggers` when to move on, `guard` when that was a mistake, `transition` how far and which weights that means. `step`
joins them without side effects, and `loss_scheduler` remembers the state between calls (what a controller does alike is
in `stepper`). `config` is what a scheduler is
told (`settings` the bare values, `checks` what they may be, `serialization` their files), `checkpoint` what it saves,
and `legacy` reads what its predecessor, the FlexibleLossScheduler, saved.
"""

from spectral_losses.scheduler.config import PRESETS, SchedulerChain, SchedulerConfig
from spectral_losses.scheduler.loss_scheduler import LossScheduler
from spectral_losses.scheduler.monitor import better, observe, warm_until, worse
from spectral_losses.scheduler.state import Decision, SchedulerState
from spectral_losses.scheduler.step import update
from spectral_losses.scheduler.transition import advance, move, progress, shape, side_weights, weights
from spectral_losses.scheduler.triggers import AtEpochs, Auto, Increase, Plateau, fires

__all__ = [
    "PRESETS",
    "AtEpochs",
    "Auto",
    "Decision",
    "Increase",
    "LossScheduler",
    "Plateau",
    "SchedulerChain",
    "SchedulerConfig",
    "SchedulerState",
    "advance",
    "better",
    "fires",
    "move",
    "observe",
    "progress",
    "shape",
    "side_weights",
    "update",
    "warm_until",
    "weights",
    "worse",
]
