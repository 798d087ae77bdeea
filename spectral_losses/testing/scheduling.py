"""Strategies of scheduler settings and of validation metrics."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from spectral_losses.scheduler import SchedulerChain, SchedulerConfig, side_weights
from spectral_losses.scheduler.checks import CHOICES
from spectral_losses.scheduler.settings import Settings
from spectral_losses.scheduler.triggers import TRIGGERS

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
        idle = name in unused and name not in fixed  # the trigger makes nothing of it
        return getattr(SchedulerConfig, name) if idle else pick(name, strategy)

    counts = st.integers(0, 3)
    trigger = pick("trigger", st.sampled_from(["plateau", "increase", "epoch", "auto"]))
    milestones, interval = fixed.get("milestones", ()), fixed.get("interval")
    ramps = st.tuples(st.integers(0, 12), st.integers(1, 20)).map(lambda ramp: (ramp[0], sum(ramp)))
    ramp = fixed.get("ramp")
    if "ramp" not in fixed and not milestones and interval is None:
        ramp = draw(st.one_of(st.none(), st.none(), st.none(), ramps), label="ramp")
    alone = trigger == "epoch" and not milestones and interval is None and ramp is not None
    unused = TRIGGERS[trigger].unused(Settings(ramp=ramp if alone else None))
    warmup = pick("warmup_epochs", st.just(0) if alone else counts)
    least = judged("min_epochs_before_adapt", counts)
    if trigger == "epoch" and not milestones and interval is None and ramp is None:
        if "milestones" in fixed or draw(st.booleans()):
            interval = draw(st.integers(1, 5), label="interval")
        else:
            later = st.lists(st.integers(0, 30), min_size=1, max_size=6, unique=True)
            milestones = tuple(warmup + least + m for m in sorted(draw(later, label="milestones after warm-up")))
    may_guard = trigger != "epoch" and ramp is None
    guard = pick("guard", st.sampled_from([None, None, "a guarded metric"]) if may_guard else st.none())
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
        cooldown=judged("cooldown", counts),
        transition_step=judged("transition_step", st.sampled_from([None, 0.1, 0.02, 1.0]) | st.floats(0.01, 3)),
        adaptive_step=judged("adaptive_step", st.booleans()),
        min_epochs_before_adapt=least,
        warmup_epochs=warmup,
        max_consecutive_adaptations=judged("max_consecutive_adaptations", st.integers(1, 4) | st.none()),
        monitor=pick("monitor", st.sampled_from(["spectrum_error", "field_error", "a metric"])),
        mode=pick("mode", st.sampled_from(["min", "max"])),
        use_ema=judged("use_ema", st.booleans()),
        ema_beta=judged("ema_beta", st.sampled_from([0.0, 0.5, 0.9]) | st.floats(0, 1, exclude_max=True)),
        transition_schedule=pick("transition_schedule", st.sampled_from(CHOICES["transition_schedule"])),
        missing=pick("missing", st.sampled_from(["raise", "hold"])),
        guard=guard,
        tolerance=None if guard is None else pick("tolerance", st.sampled_from([None, 0.001, 0.05, 1.0])),
    )


def _draw_weights(draw: st.DrawFn, fixed: dict[str, Any]) -> dict[str, Any]:
    """Weights that start under the cap, if there is one, and end where it leaves the source in its range."""
    names = ["initial_weight_source", "final_weight_source", "initial_weight_target", "final_weight_target"]
    weights = {name: fixed[name] if name in fixed else draw(_WEIGHTS, label=name) for name in names}
    a, b, c, d = weights.values()
    if 0 < abs(a - b) < 1e-6:  # less than anybody would ask for
        weights["final_weight_source"] = b = a
    if abs(c - d) < 1e-6:  # a target that stays, as the source may do, too
        weights["final_weight_target"] = d = c if draw(st.booleans()) else c + 0.5
    least = max(c, d - max(a - b, 0.0), 0.01)
    cap = draw(st.floats(least, max(least, d) + 1) | st.sampled_from([least, max(least, d)]), label="max_weight_target")
    return {**weights, "max_weight_target": fixed.get("max_weight_target", draw(st.sampled_from([cap, cap, None])))}


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
            warm = {name: draw(st.integers(0, 2)) for name in ("warmup_epochs", "min_epochs_before_adapt")}
            epochs = {
                "trigger": "epoch",
                "milestones": (4, 6, 7, 12),
                "transition_step": 1.0,
                "adaptive_step": False,
                **warm,
            }
        stage = scheduler_configs(
            enabled=True,
            source=losses[n],
            target=losses[n + 1],
            source_components=(),
            target_components=(),
            static_components={"x": 0.5},
            **({} if n == number - 1 else {"guard": None}),
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
