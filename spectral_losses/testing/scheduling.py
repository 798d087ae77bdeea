"""Strategies of scheduler settings and of validation metrics."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from spectral_losses.scheduler import SchedulerChain, SchedulerConfig, side_weights
from spectral_losses.scheduler.checks import CHOICES

__all__ = ["metric_streams", "metric_values", "scheduler_chains", "scheduler_configs"]

# Round numbers meet thresholds exactly, others do not.
_WEIGHTS = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]) | st.floats(0, 3, allow_subnormal=False)


@st.composite
def scheduler_configs(draw: st.DrawFn, /, **fixed: Any) -> SchedulerConfig:
    """Draw a `SchedulerConfig`; settings given by name are kept.

    Small counts and short warm-ups, so that a few dozen observations reach every corner.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(scheduler_configs(trigger="plateau", use_ema=False))
    ... def test(config):
    ...     assert config.trigger == "plateau" and not config.use_ema
    >>> test()
    """

    def pick(name: str, strategy: st.SearchStrategy[Any]) -> Any:
        return fixed[name] if name in fixed else draw(strategy, label=name)

    def judged(name: str, strategy: st.SearchStrategy[Any]) -> Any:
        chosen = trigger == "auto" and name not in fixed  # which judges without these
        return getattr(SchedulerConfig, name) if chosen else pick(name, strategy)

    counts = st.integers(0, 3)
    trigger = pick("trigger", st.sampled_from(["plateau", "increase", "epoch", "auto"]))
    warmup, least = pick("warmup_epochs", counts), pick("min_epochs_before_adapt", counts)
    milestones, interval = fixed.get("milestones", ()), fixed.get("interval")
    ramps = st.tuples(st.integers(0, 12), st.integers(1, 20)).map(lambda ramp: (ramp[0], sum(ramp)))
    ramp = fixed.get("ramp")
    if "ramp" not in fixed and not milestones and interval is None:
        ramp = draw(st.one_of(st.none(), st.none(), st.none(), ramps), label="ramp")
    if trigger == "epoch" and not milestones and interval is None and ramp is None:
        if "milestones" in fixed or draw(st.booleans()):
            interval = draw(st.integers(1, 5), label="interval")
        else:
            later = st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True)
            milestones = tuple(warmup + least + m for m in sorted(draw(later, label="milestones after warm-up")))
    enabled = pick("enabled", st.sampled_from([True] * 9 + [False]))
    source, target = pick("source", st.sampled_from(["field_error", "mse"])), fixed.get("target", "spectrum_error")
    return SchedulerConfig(
        enabled=enabled,
        source=source,
        target=target,
        source_components=pick("source_components", st.sampled_from([(), ("a",), ("a", "b")])),
        target_components=pick("target_components", st.sampled_from([(), ("c",), ("c", "d")])),
        static_components=pick("static_components", st.dictionaries(st.sampled_from(["x", "y"]), _WEIGHTS)),
        **_draw_weights(draw, fixed),
        trigger=trigger,
        patience=judged("patience", st.integers(0, 4)),
        min_delta=judged("min_delta", st.sampled_from([0.0, 1e-3, 0.1]) | st.floats(0, 2)),
        min_delta_mode=judged("min_delta_mode", st.sampled_from(["absolute", "relative"])),
        milestones=milestones,
        interval=interval,
        ramp=ramp,
        cooldown=pick("cooldown", st.just(0) if trigger == "epoch" else counts),
        transition_step=pick("transition_step", st.sampled_from([0.1, 0.02, 1.0]) | st.floats(0.01, 3)),
        adaptive_step=pick("adaptive_step", st.booleans()),
        min_epochs_before_adapt=least,
        warmup_epochs=warmup,
        max_consecutive_adaptations=judged("max_consecutive_adaptations", st.integers(1, 4) | st.just(1000)),
        monitor=pick("monitor", st.sampled_from(["spectrum_error", "field_error", "a metric"])),
        mode=pick("mode", st.sampled_from(["min", "max"])),
        use_ema=judged("use_ema", st.booleans()),
        ema_beta=judged("ema_beta", st.sampled_from([0.0, 0.5, 0.9]) | st.floats(0, 1, exclude_max=True)),
        transition_schedule=pick("transition_schedule", st.sampled_from(CHOICES["transition_schedule"])),
        missing=pick("missing", st.sampled_from(["raise", "hold"])),
    )


def _draw_weights(draw: st.DrawFn, fixed: dict[str, Any]) -> dict[str, Any]:
    """Weights that move, start under the cap, and end where the cap leaves the source in its range."""
    names = ["initial_weight_source", "final_weight_source", "initial_weight_target", "final_weight_target"]
    weights = {name: fixed[name] if name in fixed else draw(_WEIGHTS, label=name) for name in names}
    a, b, c, d = weights.values()
    if abs(c - d) < 1e-6:  # a target that stays, or moves by less than anybody would ask for
        weights["final_weight_target"] = d = c if abs(a - b) >= 1e-6 and draw(st.booleans()) else c + 0.5
    least = max(c, d - max(a - b, 0.0), 0.01)
    cap = draw(st.floats(least, max(least, d) + 1) | st.sampled_from([least, max(least, d)]), label="max_weight_target")
    return {**weights, "max_weight_target": fixed.get("max_weight_target", cap)}


@st.composite
def scheduler_chains(draw: st.DrawFn, *, stages: int | None = None) -> SchedulerChain:
    """Draw a `SchedulerChain` of two or three stages, or of as many as are asked for."""
    number = draw(st.integers(2, 3)) if stages is None else stages
    losses = ["field_error", "spectrum_error", *(f"loss {n}" for n in range(2, number + 1))]
    chain: list[SchedulerConfig] = []
    for n in range(number):
        # The first may start anywhere; the others go on from where the one before them ends.
        begin = {"initial_weight_source": side_weights(chain[-1], 1.0)[1]} if chain else {}
        epochs: dict[str, Any] = {"milestones": ()}
        if draw(st.booleans()):  # as many as it takes for the longest way
            epochs = {"trigger": "epoch", "milestones": (4, 6, 7, 12), "transition_step": 1.0, "adaptive_step": False}
        stage = scheduler_configs(
            enabled=True,
            source=losses[n],
            target=losses[n + 1],
            source_components=(),
            target_components=(),
            static_components={"x": 0.5},
            warmup_epochs=draw(st.integers(0, 2)),
            min_epochs_before_adapt=draw(st.integers(0, 2)),
            **epochs,
            **begin,
        )
        chain.append(draw(stage, label=f"stage {n + 1}"))
    return SchedulerChain(chain)


def metric_values(*, finite: bool = False) -> st.SearchStrategy[float | None]:
    """Draw a metric: a usual error, any float at all, a NaN or an infinity, or None where it is missing.

    With ``finite``, finite numbers alone.
    """
    usual = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.499, 0.501, 1.0]) | st.floats(0, 10)
    numbers = usual | usual | usual | st.floats(allow_nan=False, allow_infinity=False)
    return numbers if finite else numbers | st.sampled_from([math.nan, math.inf, -math.inf, None])


@st.composite
def metric_streams(draw: st.DrawFn, *, finite: bool = False, longest: int = 60) -> list[float | None]:
    """Draw the metrics of a run in order: stretches that fall, stay, rise and jump, with faults in between.

    None stands for a metric that is missing; with ``finite`` there are numbers alone.
    """
    stream: list[float | None] = []
    length, value = draw(st.integers(0, longest)), draw(st.sampled_from([0.5, 1.0, 100.0]))
    while len(stream) < length:
        kind = draw(st.sampled_from(["falling", "flat", "rising", "any"]))
        for _ in range(draw(st.integers(1, 12))):
            factor = {"falling": 0.9, "flat": 1.0, "rising": 1.1}.get(kind)
            if factor is None:
                stream.append(draw(metric_values(finite=finite)))
            else:
                value *= factor
                stream.append(value)
    return stream[:length]
