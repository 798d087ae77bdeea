"""Settings and saved states of the FlexibleLossScheduler from which this scheduler grew, read as they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import index
from typing import Any

from spectral_losses.messages import warn_caller
from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.state import FORMAT, VERSION, SchedulerState
from spectral_losses.scheduler.transition import side_weights

FIELDS = {
    "source_loss": "source",
    "target_loss": "target",
    "adaptation_trigger": "trigger",
    "monitor_metric": "monitor",
}
RENAMED = {"recMSE": "recFieldError", "predMSE": "predFieldError"}
COMPONENTS = {"field_error": ("recFieldError", "predFieldError"), "spectrum_error": ("spectrumError",)}
ORIGINAL: Mapping[str, Any] = {
    "max_weight_target": 0.8,
    "min_delta": 1e-3,
    "min_delta_mode": "absolute",
    "transition_step": 0.1,
    "min_epochs_before_adapt": 10,
    "warmup_epochs": 5,
    "max_consecutive_adaptations": 10,
    "monitor": "spectrum_error",
}
"""Its defaults, where they differ from those of `SchedulerConfig`, as its components do."""
SHARED = frozenset(
    {"patience", "min_delta", "use_ema", "ema_beta", "transition_step", "adaptive_step"}
    | {"min_epochs_before_adapt", "warmup_epochs", "max_consecutive_adaptations"}
)
"""Settings of its own of which some triggers make nothing: its dictionaries had all of them, whatever the trigger."""
COUNTS = ("current_epoch", "epochs_since_improvement", "consecutive_adaptations", "total_adaptations")


def is_legacy_state(saved: Mapping[str, Any]) -> bool:
    """Whether a saved state is one of a FlexibleLossScheduler."""
    return "best_monitored_metric" in saved


def original(sides: Mapping[str, Any]) -> dict[str, Any]:
    """Its defaults, for a source and a target."""
    losses = {side: sides.get(side, getattr(Settings, side)) for side in ("source", "target")}
    return {**ORIGINAL, **{f"{side}_components": COMPONENTS.get(loss, (loss,)) for side, loss in losses.items()}}


def is_former(settings: Mapping[str, Any]) -> bool:
    """Whether settings are those of a FlexibleLossScheduler, by what they are called."""
    sides = (settings.get("source_components"), settings.get("target_components"))
    return any(key in FIELDS for key in settings) or any(isinstance(each, Mapping) for each in sides)


def renamed(component: str) -> str:
    """The present name of a component, with a DeprecationWarning where it was another."""
    if component not in RENAMED:
        return component
    warn_caller(f"component {component!r} is now called {RENAMED[component]!r}", DeprecationWarning)
    return RENAMED[component]


def monitored(settings: Mapping[str, Any], sides: Mapping[str, Any]) -> Any:
    """The metric that ``monitor_metric`` names: by its own name, or as ``source_loss`` or ``target_loss``."""
    metric = settings["monitor_metric"]
    return sides[metric.removesuffix("_loss")] if metric in ("source_loss", "target_loss") else metric


def translated(config: Any, saved: Mapping[str, Any]) -> dict[str, Any]:
    """What `LossScheduler.state_dict` would have returned.

    Weights were saved, not a progress: they are understood where they lie on the way of this configuration.

    Raises
    ------
    ValueError
        They do not, or something is missing or not what such a scheduler saves.
    """
    refused = "the saved state of a FlexibleLossScheduler cannot be loaded: "
    c = config.stages[0]
    if len(config.stages) > 1:
        raise ValueError(f"{refused}it knew one transition, and this chain has {len(config.stages)}")
    if c.transition_schedule != "linear":
        raise ValueError(f"{refused}it moved linearly, got transition_schedule {c.transition_schedule!r}")
    try:
        source, target = float(saved["weight_source"]), float(saved["weight_target"])
        counts = [index(saved[name]) for name in COUNTS]
        past = [float(value) for value in saved["monitored_metric_history"]]
        best, average = float(saved["best_monitored_metric"]), saved["monitored_metric_ema"]
        tracked = average if c.use_ema else past[-1] if past else None
        tracked = None if tracked is None else float(tracked)
        settings = saved.get("config") or c.to_dict()
        settings = settings if isinstance(settings, Mapping) else vars(settings)
        settings = type(c).from_dict(settings if is_former(settings) else {**original(settings), **settings}).to_dict()
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{refused}{error!r}") from error
    if min(counts) < 0:
        raise ValueError(f"{refused}{', '.join(COUNTS)} must not be negative, got {counts}")
    epoch, stale, consecutive, moves = counts
    progress = _progress(c, source, target)
    # Not "any(... > 1e-6)": every comparison with a NaN is False, and a NaN would pass.
    if not all(abs(a - b) <= 1e-6 for a, b in zip(side_weights(c, progress), (source, target), strict=True)):
        raise ValueError(
            f"{refused}its weights, source {source:.6g} and target {target:.6g}, do not lie between the initial "
            f"weights {side_weights(c, 0)} and the final weights {side_weights(c, 1)} of this configuration"
        )
    state = SchedulerState(epoch, progress=progress, moves=moves)
    if tracked is not None and math.isfinite(tracked) and math.isfinite(best):
        state = state._replace(seen=epoch, tracked=tracked, best=best, stale=stale, consecutive=consecutive)
    elif past:
        warn_caller(f"the saved metric is {tracked} and its best {best}: monitoring begins anew, the progress is kept")
    return {"format": FORMAT, "version": VERSION, "config": settings, "state": state._asdict(), "history": []}


def _progress(c: Settings, source: float, target: float) -> float:
    a, b, at = c.initial_weight_target, c.final_weight_target, target
    if a == b:
        a, b, at = c.initial_weight_source, c.final_weight_source, source
    return min(max((at - a) / (b - a), 0.0), 1.0) if a != b else 0.0
