"""Break the code in one place at a time and see that a test fails: ``python tests/mutations.py``.

Each mutation is one edit of a copy of the packages; the tests of its group then have to fail. ``--group NAME`` takes one
group, and ``--only WORD`` the mutations whose name has that word.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# One framework that differentiates and one that does not, and nothing that compiles: the same code serves all others.
FEW_FRAMEWORKS = "not jax and not dask and not read and not compile and not first_call and not frameworks_agree"


class Mutation(NamedTuple):
    """One guard, and the edit that breaks it, in a file of its group's folder."""

    guard: str
    file: str
    old: str
    new: str


class Group(NamedTuple):
    """Mutations, and the tests that have to notice them: the fast and likely ones first."""

    folder: str
    tests: tuple[str, ...]
    mutations: list[Mutation]
    chosen: str = ""
    """Which of the tests, as pytest's ``-k`` takes it."""


SCHEDULER = [
    Mutation("cap: never applied", "transition.py", "is not None and target > c.max_weight_target:", "is not None and False:"),
    Mutation("cap: what is cut off is lost", "transition.py", "min(source + (target - c.max_weight_target), top)", "source"),
    Mutation("cap: final weights may contradict it", "checks.py", "if c.final_weight_source + cut > top", "if False and cut > top"),
    Mutation("cap: initial weight may exceed it", "checks.py", "c.initial_weight_target > cap:", "False:"),
    Mutation("warm-up: never", "step.py", "if epoch < warm_until(c, state):", "if False:"),
    Mutation("warm-up: one epoch longer", "step.py", "if epoch < warm_until(c, state):", "if epoch <= warm_until(c, state):"),
    Mutation("warm-up: warmup_epochs alone", "settings.py", "return self.min_epochs_before_adapt + ", "return "),
    Mutation("warm-up: later stages have none", "monitor.py", "return state.started + c.warmup", "return c.warmup"),
    Mutation("NaN: enters the average", "step.py", "if not math.isfinite(value):", "if math.isinf(value):"),
    Mutation("infinity: enters the average", "step.py", "if not math.isfinite(value):", "if math.isnan(value):"),
    Mutation("NaN: an interval that it fell on is lost", "step.py", "_observed(config, c, state._replace(epoch=epoch), state, value, guarded)", "_observed(config, c, state._replace(epoch=epoch, seen=epoch), state, value, guarded)"),
    Mutation("missing: always held", "monitor.py", 'if c.missing == "raise" else ():', "if False else ():"),
    Mutation("missing: later stages are not asked", "step.py", "config.stages[state.stage :], metrics", "config.stages[state.stage : state.stage + 1], metrics"),
    Mutation("patience: one more", "triggers.py", "return now.stale >= c.patience", "return now.stale > c.patience"),
    Mutation("patience: none", "triggers.py", "return now.stale >= c.patience", "return now.stale >= 1"),
    Mutation("patience: kept after a move", "transition.py", "best=state.tracked, stale=0, cool", "best=state.tracked, cool"),
    Mutation("patience: kept after an improvement", "monitor.py", "stale=0 if improved else state.stale", "stale=state.stale"),
    Mutation("best: kept after a move", "transition.py", "best=state.tracked, stale=0, cool", "stale=0, cool"),
    Mutation("min_delta: equality improves", "monitor.py", "return value < than - _margin(c, than) if", "return value <= than - _margin(c, than) if"),
    Mutation("min_delta: relative to a signed value", "monitor.py", "c.min_delta * abs(than)", "c.min_delta * than"),
    Mutation("min_delta: always absolute", "monitor.py", 'return c.min_delta * abs(than) if c.min_delta_mode == "relative" else c.min_delta', "return c.min_delta"),
    Mutation("mode: max as min", "monitor.py", 'return value < than - _margin(c, than) if c.mode == "min" else value > than + _margin(c, than)', "return value < than - _margin(c, than)"),
    Mutation("consecutive limit: never binds", "step.py", "elif fired and may_move(c, state) and guard", "elif fired and guard"),
    Mutation("consecutive limit: one more", "triggers.py", "or state.consecutive < most", "or state.consecutive <= most"),
    Mutation("consecutive limit: never released", "monitor.py", "consecutive=0 if improved else state.consecutive,", "consecutive=state.consecutive,"),
    Mutation("consecutive limit: released by holding", "step.py", "    elif fired:\n", "    elif fired:\n        state = state._replace(consecutive=0)\n"),
    Mutation("EMA: starts at zero", "monitor.py", "if c.averaged and state.tracked is not None:\n        tracked = c.ema_beta * state.tracked", "if c.averaged:\n        state = state._replace(tracked=state.tracked or 0.0)\n        tracked = c.ema_beta * state.tracked"),
    Mutation("EMA: weights exchanged", "monitor.py", "c.ema_beta * state.tracked + (1 - c.ema_beta) * value", "c.ema_beta * value + (1 - c.ema_beta) * state.tracked"),
    Mutation("EMA: rounding leads out of the range", "monitor.py", "        tracked = min(max(tracked, min(state.tracked, value)), max(state.tracked, value))\n", ""),
    Mutation("cooldown: moves all the same", "triggers.py", "return not before.cooldown and rule(c).fires(c, before, now)", "return rule(c).fires(c, before, now)"),
    Mutation("cooldown: counts as stale", "monitor.py", "state.stale + (not state.cooldown)", "state.stale + 1"),
    Mutation("cooldown: never ends", "monitor.py", "cooldown=max(0, state.cooldown - 1)", "cooldown=state.cooldown"),
    Mutation("increase: against the best", "triggers.py", "return worse(c, now.tracked, before.tracked)", "return worse(c, now.tracked, now.best or 0.0)"),
    Mutation("epoch: only on the very epoch", "triggers.py", "return cls._due(c, before) <= (now.epoch or 0)", "return cls._due(c, before) == (now.epoch or 0)"),
    Mutation("epoch: interval from zero", "triggers.py", "return warm + c.interval * ((since - warm) // c.interval + 1)", "return c.interval * (since // c.interval + 1)"),
    Mutation("epoch: a held milestone is lost", "triggers.py", "state.started + c.milestones[state.moves] if state.moves < len(c.milestones) else math.inf", "next((state.started + m for m in c.milestones if state.started + m > (-1 if state.seen is None else state.seen)), math.inf)"),
    Mutation("epochs: may go back", "step.py", "if number < (last or 0):", "if number < 0:"),
    Mutation("progress: rounding leaves a rest", "transition.py", "return progress if progress < ALMOST else 1.0", "return min(progress, 1.0)"),
    Mutation("progress: beyond one", "transition.py", "return progress if progress < ALMOST else 1.0", "return progress"),
    Mutation("progress: no least step", "transition.py", "max(step * (1 - progress), least)", "step * (1 - progress)"),
    Mutation("progress: least step above the step", "transition.py", "min(LEAST_STEP, c.transition_step)", "LEAST_STEP"),
    Mutation("finished: moves on", "step.py", "elif state.progress >= 1:\n        reason", "elif state.progress > 1:\n        reason"),
    Mutation("disabled: steps all the same", "step.py", "if not config.enabled:", "if False:"),
    Mutation("weights: ends missed by rounding", "transition.py", "return b if s == 1 else min(max(a + (b - a) * s, min(a, b)), max(a, b))", "return a + (b - a) * s"),
    Mutation("chain: earlier weights fall back", "transition.py", "else float(number < state.stage)", "else 0.0"),
    Mutation("chain: the monitor is kept", "transition.py", "SchedulerState(state.epoch, state.stage + 1, begun)", "state._replace(stage=state.stage + 1, started=begun, progress=0.0)"),
    Mutation("chain: weights may jump", "checks.py", "if not math.isclose(before, initial", "if False and not math.isclose(before, initial"),
    Mutation("state: best is not saved", "checkpoint.py", '"guarded": list(state.guarded)}', '"guarded": list(state.guarded), "best": None}'),
    Mutation("state: stale is not saved", "checkpoint.py", '"guarded": list(state.guarded)}', '"guarded": list(state.guarded), "stale": 0}'),
    Mutation("state: seen is not saved", "checkpoint.py", '"guarded": list(state.guarded)}', '"guarded": list(state.guarded), "seen": None}'),
    Mutation("state: floats are rounded", "checkpoint.py", '{**state._asdict(), ', '{**{k: round(v, 6) if isinstance(v, float) else v for k, v in state._asdict().items()}, '),
    Mutation("state: other settings are not noticed", "stepper.py", "if changes and not accept_changes:", "if False and not accept_changes:"),
    Mutation("state: the metric of other settings goes on", "checkpoint.py", 'if changed & {"monitor", "mode", "use_ema"} or', "if"),
    Mutation("state: changes of other stages matter", "checkpoint.py", "for change in changes if change.stage == state.stage}", "for change in changes}"),
    Mutation("state: a cooldown of other settings goes on", "checkpoint.py", "return state._replace(cooldown=min(state.cooldown, c.cooldown))", "return state"),
    Mutation("state: a bad history is loaded", "checkpoint.py", "if not isinstance(rows, list) or not all(map(is_decision, rows)):", "if False:"),
    Mutation("state: half of it is loaded", "stepper.py", "        if changes and not accept_changes:", "        self._state = loaded\n        if changes and not accept_changes:"),
    Mutation("state: a NaN is loaded", "checkpoint.py", "and abs(value) <= sys.float_info.max", ""),
    Mutation("state: any version is read", "checkpoint.py", 'if saved.get("version") != version:', "if False:"),
    Mutation("history: shared with the caller", "stepper.py", "decision._replace(weights=dict(decision.weights))", "decision"),
    Mutation("history: has no bound", "stepper.py", "deque(maxlen=history)", "deque()"),
    Mutation("former state: any weights are taken", "legacy.py", "if not all(abs(a - b) <= 1e-6", "if False and not all(abs(a - b) <= 1e-6"),
    Mutation("former state: a NaN average is taken", "legacy.py", "math.isfinite(tracked) and", "True and"),
    Mutation("auto: one look is enough", "triggers.py", "LOOKS = 2", "LOOKS = 1"),
    Mutation("auto: looks at every observation", "triggers.py", "look=count + slope.spacing(size)", "look=count + 1"),
    Mutation("auto: a look that sees none is forgotten", "triggers.py", "state.flat + 1 if found.flat else 0", "state.flat + found.flat"),
    Mutation("auto: values of before a move count", "transition.py", 'for name in ("observed", "look", "flat", "latest")', 'for name in ("look", "flat")'),
    Mutation("auto: all values, not the latest third", "slope.py", "math.ceil(number / 3)", "number"),
    Mutation("auto: correlation is not corrected for", "slope.py", "return (1 + alike) / (1 - alike)", "return 1.0"),
    Mutation("auto: no bounds", "slope.py", "return Look(-n * steepest < bar or unclear, gain,", "return Look(gain < bar, gain,"),
    Mutation("auto: noise is no reason", "slope.py", "max(COUNTS, noise)", "COUNTS"),
    Mutation("auto: what a long look cannot tell is none", "slope.py", "-n * steepest < bar or unclear", "-n * steepest < bar"),
    Mutation("auto: bound off by one", "slope.py", "math.floor((len(slopes) - half) / 2) - 1", "math.floor((len(slopes) - half) / 2)"),
    Mutation("auto: max as min", "slope.py", 'if mode == "max":', "if False:"),
    Mutation("auto: units of the metric", "slope.py", "return [math.log(value) for value in values]", "return list(values)"),
    Mutation("auto: a limit of moves", "triggers.py", 'own = ("patience", "min_delta", "min_delta_mode", "use_ema", "ema_beta", "max_consecutive_adaptations")', 'own = ("patience", "min_delta", "min_delta_mode", "use_ema", "ema_beta")'),
    Mutation("auto: another metric is looked at with the old one", "checkpoint.py", "        state = state._replace(**ANEW)\n", "        pass\n"),
    Mutation("auto: looks in a cooldown", "step.py", "if not before.cooldown:\n        state = remembered", "if True:\n        state = remembered"),
    Mutation("auto: an average of before it counts", "checkpoint.py", ' or "auto" in triggers:', ":"),
    Mutation("ramp: from zero in later stages", "transition.py", "state.epoch - state.started - begin", "state.epoch - begin"),
    Mutation("ramp: falls back", "transition.py", "if reached <= state.progress:", "if reached == state.progress:"),
    Mutation("ramp: wants a metric", "settings.py", 'return not still and (self.trigger != "epoch" or self.ramp is None)', "return not still"),
    Mutation("geometric: from the other end's size", "transition.py", "max(FAINT * other, TINY)", "max(other, TINY)"),
    Mutation("ramp: what it makes nothing of is taken", "triggers.py", "        if c.ramp is None:\n            return usual\n", "        return usual\n"),
    Mutation("triggers: two patiences are taken", "config.py", "if given not in (getattr(Settings, name), held):", "if False:"),
    Mutation("step: shares of the way shrink without end", "transition.py", "return STEP, LEAST_STEP, USUAL", "return STEP, 0.0, USUAL"),
    Mutation("step: not a share of the way", "transition.py", "return STEP, LEAST_STEP, USUAL", "return STEP, LEAST_STEP, distance(c)"),
    Mutation("defaults: final weights that are the initial ones never end", "transition.py", "if config.enabled and state.progress < 1 and not distance", "if False and not distance"),
    Mutation("defaults: the stage after one that has nothing to do is skipped", "transition.py", "    return next_stage(config, SchedulerState(state.epoch, state.stage + 1, begun))", "    return SchedulerState(state.epoch, state.stage + 1, begun, progress=state.progress)"),
    Mutation("defaults: former dictionaries have those of today", "config.py", "if is_former(settings) else given", "if False else given"),
    Mutation("defaults: the monitor does not follow the target", "config.py", '"monitor": self.target}', '"monitor": "spectrum_error"}'),
    Mutation("guard: judged one observation early", "guard.py", "TRIAL = 10", "TRIAL = 9"),
    Mutation("guard: moves while on trial", "step.py", "if trial and state.trial:", "if False:"),
    Mutation("guard: nothing is taken back", "step.py", "if guard.is_worse(c, state):", "if False:"),
    Mutation("guard: compared with the last move", "guard.py", "if state.reference is None else state.reference", ""),
    Mutation("guard: noise is no excuse", "guard.py", "allowed(c, state) + noise", "allowed(c, state)"),
    Mutation("guard: the last value in place of the level", "guard.py", "return median(state.guarded) - ", "return state.guarded[-1] - "),
    Mutation("guard: as far as before", "guard.py", "ceiling=state.progress, ", ""),
    Mutation("guard: the same steps again", "guard.py", "halved=state.halved + 1", "halved=state.halved"),
    Mutation("guard: never settles", "guard.py", "state.halved > HALVINGS or", "False or"),
    Mutation("guard: goes on at the ceiling", "guard.py", "or state.ceiling <= state.progress < 1", "or False"),
    Mutation("guard: settles at the end", "guard.py", "state.ceiling <= state.progress < 1", "state.ceiling <= state.progress"),
    Mutation("guard: steps are not halved", "transition.py", "(reached - state.progress) / 2**state.halved", "(reached - state.progress)"),
    Mutation("guard: the ceiling is passed", "transition.py", "reached if reached < ALMOST * state.ceiling else state.ceiling", "reached"),
    Mutation("guard: moves before it has been seen", "guard.py", "c.guard is None or bool(state.guarded)", "True"),
    Mutation("guard: a NaN counts before a trial", "guard.py", "(not math.isfinite(value) and not state.trial)", "False"),
    Mutation("guard: no price is allowed", "guard.py", "max(math.log(2 / (1 + math.sqrt(1 - error))), math.log1p(LEAST))", "math.log1p(LEAST)"),
    Mutation("guard: no least price", "guard.py", "max(math.log(2 / (1 + math.sqrt(1 - error))), math.log1p(LEAST))", "math.log(2 / (1 + math.sqrt(1 - error)))"),
    Mutation("guard: the tolerance is not asked", "guard.py", "if c.tolerance is not None:", "if False:"),
    Mutation("guard: another one goes on", "checkpoint.py", "        state = state._replace(**UNGUARDED)\n", "        pass\n"),
    Mutation("guard: a trial of nothing is loaded", "checkpoint.py", "if not _is_on_trial(state) or", "if"),
    Mutation("guard: an earlier stage has one", "checks.py", "        if c.guard is not None:\n            raise ValueError(\n                f\"stage", "        if False:\n            raise ValueError(\n                f\"stage"),
    Mutation("geometric: linear", "transition.py", "math.exp((1 - progress) * math.log(low) + progress * math.log(high))", "(1 - progress) * low + progress * high"),
]  # fmt: skip

CONTROLLER = [
    Mutation(
        "average: starts at zero", "rule.py", "return now if before is None else", "before = before or 0.0\n    return"
    ),
    Mutation(
        "average: weights exchanged", "rule.py", "c.smoothing * (before - now)", "(1 - c.smoothing) * (before - now)"
    ),
    Mutation(
        "average: of the value",
        "rule.py",
        "math.log(min(max(value / c.limit, 1 / FAR), FAR))",
        "min(max(value / c.limit - 1, -9.2), 9.2)",
    ),
    Mutation(
        "average: a zero has no logarithm", "rule.py", "max(value / c.limit, 1 / FAR)", "max(value / c.limit, 1e-300)"
    ),
    Mutation(
        "error: not cut off", "rule.py", "return min(max(average / c.scale, -1.0), 1.0)", "return average / c.scale"
    ),
    Mutation(
        "error: in units of the logarithm",
        "constraint.py",
        'return 1.0 if self.of == "target" else math.log(self.at_most)',
        "return 1.0",
    ),
    Mutation("pull: no integral part", "rule.py", "asked = integral * error", "asked = 0 * error"),
    Mutation("pull: no proportional part", "rule.py", "if before is not None:", "if False:"),
    Mutation("pull: proportional to the error", "rule.py", "(error - _error(c, before))", "error"),
    Mutation(
        "pull: limits push the wrong way", "rule.py", 'return asked if c.of == "target" else -asked', "return asked"
    ),
    Mutation("several: the least goal", "rule.py", "max(goals, key", "min(goals, key"),
    Mutation("several: the loosest limit", "rule.py", "min(limits, key", "max(limits, key"),
    Mutation("several: limits are not asked", "rule.py", "    if limits:\n", "    if limits and not goals:\n"),
    Mutation("step: any length", "rule.py", "min(max(step, -LONGEST), LONGEST)", "step"),
    Mutation(
        "range: no most",
        "rule.py",
        "min(max(ratio * factor, config.least), config.most)",
        "max(ratio * factor, config.least)",
    ),
    Mutation("range: no least", "rule.py", "max(ratio * factor, config.least)", "ratio * factor"),
    Mutation("NaN: enters the average", "step.py", "if not math.isfinite(value):", "if math.isinf(value):"),
    Mutation("infinity: enters the average", "step.py", "if not math.isfinite(value):", "if math.isnan(value):"),
    Mutation("epoch: forgotten where nothing counts", "step.py", "    state = state._replace(epoch=epoch)\n", ""),
    Mutation("reason: a bound is rest", "step.py", "if step > 0 and new == config.most:", "if False:"),
    Mutation("progress: a goal that is met exactly does not hold", "state.py", "average <= 0", "average < 0"),
    Mutation("weights: without the source's", "state.py", "target = config.weight * ratio", "target = ratio"),
    Mutation("dB: of amplitudes", "constraint.py", "DECIBEL = math.log(10) / 10", "DECIBEL = math.log(10) / 20"),
    Mutation("limit: the number alone", "constraint.py", "self.relative_to * self.at_most", "self.relative_to"),
    Mutation("limit: without a number", "constraint.py", 'if c.of == "source" and c.relative_to is None:', "if False:"),
    Mutation("limit: under the number", "constraint.py", 'if c.of == "source" and c.at_most <= 1:', "if False:"),
    Mutation(
        "range: may be weightless",
        "config.py",
        "if not 0 < self.weight * self.least",
        "if not 0 <= self.weight * self.least",
    ),
    Mutation("range: start may be outside", "config.py", "if not self.least <= self.start <= self.most:", "if False:"),
    Mutation("components: may be shared", "config.py", "        check_components(Settings(", "        (Settings("),
    Mutation(
        "state: averages are not saved",
        "checkpoint.py",
        '"averages": list(state.averages)',
        '"averages": [0.0] * len(state.averages)',
    ),
    Mutation(
        "state: other settings are not noticed",
        "../scheduler/stepper.py",
        "if changes and not accept_changes:",
        "if False:",
    ),
    Mutation(
        "state: averages of other settings go on",
        "checkpoint.py",
        "if old == _watched(c.to_dict())",
        "if old['metric'] == c.metric",
    ),
    Mutation(
        "state: another range is not kept",
        "checkpoint.py",
        "ratio = min(max(state.ratio, config.least), config.most)",
        "ratio = state.ratio",
    ),
    Mutation(
        "state: a NaN is loaded",
        "checkpoint.py",
        "(is_number(each) and abs(each) <= FARTHEST)",
        "isinstance(each, float)",
    ),
    Mutation(
        "state: any version is read",
        "checkpoint.py",
        "check_origin(saved, FORMAT, VERSION)",
        'check_origin(saved, FORMAT, saved.get("version"))',
    ),
    Mutation(
        "history: shared with the caller",
        "../scheduler/stepper.py",
        "weights=dict(decision.weights)",
        "weights=decision.weights",
    ),
    Mutation("history: has no bound", "../scheduler/stepper.py", "deque(maxlen=history)", "deque()"),
]

BALANCER = [
    Mutation("balancer: a loss without influence teaches", "balance/rule.py", "& (value > 0)", ""),
    Mutation("balancer: an influence that is not finite teaches", "balance/rule.py", "& xp.isfinite(value)", ""),
    Mutation("balancer: a first loss without influence teaches", "balance/rule.py", "(first > 0) & ", ""),
    Mutation(
        "balancer: the first batch may move by a factor of 2 alone",
        "balance/rule.py",
        "xp.where(seen > 0, near, wanted)",
        "near",
    ),
    Mutation(
        "balancer: a batch may move a weight by any factor",
        "balance/rule.py",
        "xp.where(seen > 0, near, wanted)",
        "wanted",
    ),
    Mutation("balancer: a batch that says nothing counts", "balance/rule.py", "xp.where(says, grown, seen)", "grown"),
    Mutation("balancer: the average starts at zero", "balance/rule.py", "rate / grown *", "rate *"),
    Mutation(
        "balancer: ratios overflow",
        "balance/rule.py",
        "xp.minimum(xp.maximum(ratio, one / LARGEST), one * LARGEST)",
        "ratio",
    ),
    Mutation("balancer: floats take the larger", "balance/rule.py", "math.exp, min, max", "math.exp, max, max"),
    Mutation("balancer: arrays are taken as floats", "balance/rule.py", "    if arrays:\n", "    if False:\n"),
    Mutation(
        "balancer: infinity is a unit", "balance/influence.py", "xp.isfinite(largest) & (largest > 0)", "(largest > 0)"
    ),
    Mutation("balancer: a batch of one is taken", "balance/influence.py", "if shape[axis] == 1:", "if False:"),
    Mutation(
        "balancer: squares overflow",
        "balance/influence.py",
        "unit * xp.sqrt(xp.mean((x / unit) ** 2))",
        "xp.sqrt(xp.mean(x**2))",
    ),
    Mutation(
        "balancer: the measure has a gradient",
        "balance/influence.py",
        "lift(backend.detach(prediction), xp)",
        "lift(prediction, xp)",
    ),
    Mutation(
        "balancer: half precision is summed as it is",
        "balance/influence.py",
        "weights[name] * lift(gradient, xp)",
        "weights[name] * gradient",
    ),
    Mutation(
        "balancer: a frozen balancer steps",
        "balance/balancer.py",
        "        if not self._frozen:\n            self._state, _",
        "        if True:\n            self._state, _",
    ),
    Mutation(
        "balancer: a frozen balancer learns from gradients",
        "balance/balancer.py",
        "            if not self._frozen:\n",
        "            if True:\n",
    ),
    Mutation(
        "balancer: states of other losses are taken",
        "balance/checkpoint.py",
        "if table.keys() != set(names):",
        "if False:",
    ),
    Mutation("balancer: the target gets a gradient", "integrations/balance.py", "target = detached(target)", "pass"),
    Mutation("balancer: evaluation teaches", "integrations/balance.py", "self.training and ", ""),
    Mutation("balancer: a frozen criterion learns", "integrations/balance.py", "or self.balancer.frozen", ""),
    Mutation(
        "balancer: half precision is differentiated as it is",
        "integrations/balance.py",
        "prediction.detach().to(torch.promote_types(prediction.dtype, torch.float32))",
        "prediction.detach()",
    ),
    Mutation(
        "balancer: the scale of the total is lost",
        "integrations/balance.py",
        "(upstream * gradient).to(ctx.dtype)",
        "gradient.to(ctx.dtype)",
    ),
    Mutation(
        "balancer: a second derivative is wrong",
        "integrations/balance.py",
        "if torch.is_grad_enabled():  #",
        "if False:  #",
    ),
    Mutation(
        "balancer: compiled programs hold the balancer",
        "integrations/balance.py",
        "    @torch.compiler.disable  # type: ignore[untyped-decorator]\n",
        "",
    ),
    Mutation(
        "balancer: another first loss is taken", "balance/checkpoint.py", 'if saved.get("first") != first:', "if False:"
    ),
    Mutation("balancer: ranks have their own weights", "integrations/balance.py", "dist.all_reduce(packed)", "pass"),
    Mutation("balancer: ranks count alike", "integrations/balance.py", "count * value.double()", "value.double()"),
]

LOSSES = [
    Mutation("field error: slope twice as steep", "losses/field.py", '{"D": (1 / power)[..., None]}', '{"D": (2 / power)[..., None]}'),
    Mutation("field error: no guard", "losses/field.py", "power = s.bounded(s.T[..., 0] + s.floor, error)", "power = s.T[..., 0]"),
    Mutation("adjusted: slope along the error is that of the field error", "losses/adjusted.py", '{"D": along_d + 1 / each,', '{"D": 1 / each,'),
    Mutation("adjusted: slope along amplitudes twice as steep", "losses/adjusted.py", '"P": along_a / (2 * of.a)}', '"P": along_a / of.a}'),
    Mutation("adjusted: slope of the smaller amplitude missing", "losses/adjusted.py", "rising = away / least - xp.where(of.a < of.t, share / of.a, xp.zeros_like(of.a))", "rising = away / least"),
    Mutation("adjusted: the bin below the shells counts", "losses/adjusted.py", "xp.sum((share * lost)[..., 1:], axis=-1)", "xp.sum(share * lost, axis=-1)"),
    Mutation("adjusted: the target's amplitude for the larger", "losses/adjusted.py", "least, each = xp.where(of.a < of.t, of.a, of.t), ", "least, each = of.t, "),
    Mutation("split: coherence beyond 1", "losses/split.py", "value = xp.where(rest > 0, rest, 0 * rest)", "value = rest"),
    Mutation("split: no guard for a target of zeros", "losses/split.py", "(total + s.P))", "total)"),
    Mutation("split: no guard of faint shells", "losses/split.py", "1e-12 * s.T + 16 * s.precision**2 * (total + s.P)", "0 * s.T"),
    Mutation("split: amplitudes far apart as those nearby", "losses/split.py", "far = low < high / 2", "far = low < 0 * high"),
    Mutation("coherence: slope along amplitudes missing", "losses/split.py", "along_a = counted * (1 / a - 1 / t) - lost / a", "along_a = 0 * lost"),
    Mutation("coherence: shells weigh all alike", "losses/coherence.py", "if self.shell_weights is not None:", "if False:"),
    Mutation("power ratio: slope half as steep", "losses/ratio.py", "(-2 / number)", "(-1 / number)"),
    Mutation("power ratio: no scale for a target of zeros", "losses/ratio.py", "xp.where(highest == 0, instead, highest)", "highest"),
    Mutation("bands: the mean counts in the target", "losses/bands.py", "max(1, band.start) : band.stop", "band.start : band.stop"),
    Mutation("bands: slope of a sum, not of a mean", "losses/bands.py", "each = 1 / (number * norm)", "each = 1 / norm"),
    Mutation("bands: a shell at a cut belongs to the upper one", "spectra/bands.py", "inner * (1 + 1e-9)", "inner * (1 - 1e-9)"),
    Mutation("amplitude: slope twice as steep", "losses/amplitude.py", '"P": (a - t) / a / ', '"P": 2 * (a - t) / a / '),
    Mutation("amplitude: guard of one mode", "losses/amplitude.py", "floor = s.floor if self.every else xp.sum(s.floor, axis=-1)", "floor = s.floor if self.every else s.floor[..., 0]"),
    Mutation("modes: entries of the first column count twice", "transforms/modes.py", "0.5, 1.0)", "1.0, 1.0)"),
    Mutation("sobolev: weights of the wavenumber, not its square", "losses/sobolev.py", "np.log1p(squares)", "np.log1p(np.sqrt(squares))"),
    Mutation("sobolev: the mean counts in the seminorm", "losses/sobolev.py", "logs[0] = -np.inf", "logs[0] = 0"),
    Mutation("sobolev: entries that stand for two count once", "transforms/weighed.py", "self.mode_weights() * self.multiplicity()", "self.mode_weights() * 1"),
    Mutation("focal: squares in place of amplitudes", "losses/focal.py", "ratio ** (self.alpha / 2)", "ratio**self.alpha"),
    Mutation("focal: weights before whitening", "losses/focal.py", "self._focus(s, s.detach(error), xp)", "self._focus(s, s.detach(s.D), xp)"),
    Mutation("wavelets: the same filter at each level", "transforms/wavelets.py", "_filtered(x, filters_of(self.wavelet), 2**level, axis, xp, slab)", "_filtered(x, filters_of(self.wavelet), 1, axis, xp, slab)"),
    Mutation("wavelets: by default one level more", "losses/wavelet.py", "while reach * (2 ** (levels + 1) - 1) + 1 < min(shape):", "while reach * (2 ** (levels + 1) - 1) + 1 <= min(shape):"),
    Mutation("wavelets: slope of another subband", "transforms/wavelets.py", "slope[..., level * each + i]", "slope[..., level * each]"),
    Mutation("correlation: constants are not nothing", "losses/comparison.py", "        if first.centred:\n", "        if False:\n"),
    Mutation("correlation: the gradient has a mean", "losses/comparison.py", "    if comparison.centred:\n        gradient = centre(", "    if False:\n        gradient = centre("),
    Mutation("sectors: not centred", "transforms/plane.py", "np.floor(angle + 0.5 + 1e-9)", "np.floor(angle + 1e-9)"),
    Mutation("sectors: each has the area of the shell", "transforms/plane.py", "radial.measure / n", "radial.measure"),
    Mutation("cylinders: nothing at 0", "transforms/plane.py", "np.maximum(places_of(", "np.abs(places_of("),
    Mutation("sphere: the last of an even number of cosines counts twice", "transforms/quadrature.py", 'share = np.where(2 * k == n, 1.0, 2.0) if grid == "equiangular" else np.full(len(k), 2.0)', "share = np.full(len(k), 2.0)"),
    Mutation("sphere: poles weigh as other latitudes", "transforms/quadrature.py", "weights[[0, -1]] /= 2", "pass"),
    Mutation("sphere: any latitudes are taken", "transforms/quadrature.py", "if not away[nearest] <= NEAR:", "if False:"),
    Mutation("sphere: the equator counts twice", "transforms/legendre.py", "weights[-1] /= 2", "pass"),
    Mutation("sphere: antisymmetric functions of the sum", "transforms/sphere.py", "return above + below, above - below", "return above + below, above + below"),
    Mutation("sphere: the transpose is not folded out", "transforms/sphere.py", "symmetric + antisymmetric, symmetric - antisymmetric", "symmetric + antisymmetric, symmetric + antisymmetric"),
    Mutation("sphere: the transpose has half an equator", "transforms/sphere.py", "above[..., half:, :] + below[..., half:, :]", "above[..., half:, :]"),
    Mutation("sphere: orders count once", "transforms/sphere.py", "np.where(_orders(self) == 0, 1, 2)", "np.where(_orders(self) == 0, 1, 1)"),
    Mutation("sphere: degrees beyond what is exact", "transforms/sphere.py", 'else (latitudes - 1) // 2, around)', 'else latitudes - 1, around)'),
    Mutation("sphere: the mean is in the first shell", "transforms/sphere.py", "np.where(degrees == 0, 0, places_of(degrees, edges))", "np.maximum(places_of(degrees, edges), 1)"),
    Mutation("sphere: fields have a plain mean", "losses/comparison.py", "    if grid is not None:\n        mask", "    if False:\n        mask"),
    Mutation("sphere: sobolev of the square of the degree", "losses/sobolev.py", "degree * (degree + 1)", "degree * degree"),
    Mutation("sphere: no guard of all degrees", "losses/adjusted.py", "floor = s.floor if self.every else xp.sum(s.floor, axis=-1)", "floor = s.floor if self.every else s.floor[..., 0]"),
    Mutation("winds: north is where south is", "transforms/winds.py", "return -1 if self.from_south else 1", "return 1"),
    Mutation("winds: of the components exchanged", "transforms/winds.py", '"rotational": (v, u_slope), "divergent": (u, -v_slope)', '"rotational": (u, -v_slope), "divergent": (v, u_slope)'),
    Mutation("winds: slopes are as symmetric as their function", "transforms/winds.py", "xp.concat((o, e), axis=-1)", "xp.concat((e, o), axis=-1)"),
    Mutation("winds: the transpose has slopes of the other sign", "transforms/winds.py", 'else (first, -second)', 'else (first, second)'),
    Mutation("winds: the transpose of every wind is rotational", "transforms/winds.py", 'if name == "rotational" else', 'if name else'),
    Mutation("winds: order -1 is order 1", "transforms/legendre.py", "np.concatenate((-f[1:2], f[: number - 1]))", "np.concatenate((f[1:2], f[: number - 1]))"),
    Mutation("winds: the radius stays out of E", "diagnostics/energy.py", "edges / scale, power * scale", "edges / scale, power"),
    Mutation("sphere: windows are forgotten", "spectra/plan.py", 'for name in ("lengths", "window", "detrend"):', 'for name in ("lengths", "detrend"):'),
    Mutation("partitions: merged shells count once", "spectra/plan.py", "weights = weights * self.basis.repeats()", "weights = weights * np.ones(len(self.basis.repeats()))"),
    Mutation("energy: of all of wavenumber space", "diagnostics/energy.py", "power / (2 * (edges[1:] - edges[:-1]))", "power / 2"),
    Mutation("resolution: faint shells have a say", "diagnostics/resolution.py", "power >= FAINTEST *", "power >= 0 *"),
    Mutation("resolution: not in the logarithm", "diagnostics/resolution.py", "k = xp.exp(k1 + share * (k2 - k1))", "k = xp.exp(k1) + share * (xp.exp(k2) - xp.exp(k1))"),
    Mutation("cross spectrum: coherence of squares", "diagnostics/cross.py", "1 - self._phase_power / a / (2 * t)", "1 - self._phase_power / a / t"),
    Mutation("mean statistics: batches count alike", "diagnostics/sums.py", "self._include(means * batch.frames)", "self._include(means)"),
    Mutation("mean statistics: what waits counts alike", "diagnostics/sums.py", "np.asarray(numbers, np.float64)", "np.ones(len(numbers))"),
    Mutation("mean statistics: stacked with what is of another precision", "diagnostics/sums.py", "self._backend is backend and last.dtype == means.dtype", "True"),
    Mutation("mean statistics: copies share what waits", "diagnostics/sums.py", 'return {**vars(self), "_waiting": [], "_backend": None}', "return vars(self)"),
    Mutation("mean statistics: a batch is taken for channels", "diagnostics/sums.py", "if not axes.frames and axes.channel is not None and", "if False and"),
    Mutation("mean statistics: other grids are taken", "diagnostics/mean.py", "if self.frames and shape != self._shape:", "if False:"),
    Mutation("mean statistics: other options are merged", "diagnostics/mean.py", "if _undirected(options[name]) != _undirected(own):", "if False:"),
    Mutation("mean statistics: guards of float64", "diagnostics/pooled.py", "(*places, len(places))).astype(means.dtype)", "(*places, len(places)))"),
    Mutation("mean statistics: windows are no part of fields", "diagnostics/pooled.py", "if comparison.mask is not None or comparison.centred or altered:", "if comparison.mask is not None or comparison.centred:"),
    Mutation("spectrum error: slope half as steep", "losses/logarithmic.py", "xp.reshape(2 / norm, (*norm.shape", "xp.reshape(1 / norm, (*norm.shape"),
    Mutation("spectrum error: no eps in the target's logarithm", "losses/logarithmic.py", "xp.log(t + self.eps)", "xp.log(t)"),
    Mutation("spectrum error: eps of the quotient not times the shells", "losses/logarithmic.py", "self.eps * math.prod([p.shape[axis] for axis in axes])", "self.eps"),
    Mutation("spectrum error: weights in one mean alone", "losses/logarithmic.py", "log_t * log_t if weights is None else weights * log_t * log_t", "log_t * log_t"),
    Mutation("spectrum error: channels weigh all alike", "losses/logarithmic.py", "if self.channels is not None:", "if False:"),
    Mutation("log distance: guard relative to the prediction", "losses/logarithmic.py", "xp.max(s.T, axis=-1, keepdims=True)", "xp.max(s.P, axis=-1, keepdims=True)"),
    Mutation("log distance: no smallest number in the guard", "losses/logarithmic.py", "keepdims=True)) + s.tiny", "keepdims=True))"),
    Mutation("log distance: slope half as steep", "losses/logarithmic.py", "weighted * (2 / number) / power", "weighted / number / power"),
    Mutation("log distance: sides exchanged", "losses/logarithmic.py", 'if self.side == "excess"', 'if self.side == "deficit"'),
    Mutation("log distance: shells weigh all alike", "losses/logarithmic.py", "weighted = difference if self.shell_weights is None else", "weighted = difference if True else"),
    Mutation("error of conditioned fields: not conditioned by itself", "losses/comparison.py", "            x = x - y\n", "            pass\n"),
    Mutation("stored spectrum: the batch stays where it was", "losses/comparison.py", "if not layout.moved else", "if True else"),
    Mutation("stored spectrum: other options are not noticed", "losses/comparison.py", "if target.layout != plan.recorded(mask):", "if False:"),
    Mutation("stored spectrum: other pools are not noticed", "spectra/plan.py", "*conditioning[1:], *filled, self.layout.pooled)", "*conditioning[1:], *filled, ())"),
    Mutation("shell weights: of any mean", "spectra/plan.py", "return weights / weights.mean()", "return weights"),
    Mutation("shell weights: large powers overflow", "spectra/plan.py", "np.exp(logs - logs.max())", "np.exp(logs)"),
    Mutation("plan: a point is enough for a shell", "spectra/plan.py", "if n < 2:", "if n < 1:"),
    Mutation("plan: True and 1 are one axis", "spectra/plan.py", '("plan", repr(given), tuple(x.shape)', '("plan", tuple(sorted(given.items())), tuple(x.shape)'),
    Mutation("spectrum: power without the measure", "spectra/radial.py", 'backend.constant(plan.basis, "scale", share)', "1"),
    Mutation("mask: weights of any mean", "fields/masks.py", "xp.sqrt(weights / mean)", "xp.sqrt(weights)"),
    Mutation("mask: weights squared", "fields/masks.py", "xp.sqrt(weights / mean)", "(weights / mean)"),
    Mutation("mask: what does not count is multiplied, not replaced", "fields/masks.py", "    x = xp.where(weights > 0, x, outside)\n", ""),
    Mutation("mask: always of the shape of space", "fields/masks.py", "    if shape == layout.shape:\n", "    if len(shape) == len(layout.shape):\n"),
    Mutation("fill: moves with the field", "fields/filling.py", "backend.detach(x)", "x"),
    Mutation("fill: weights do not enter the mean", "fields/filling.py", "mean(below * shares,", "mean(below * (valid / xp.mean(xp.astype(valid, x.dtype), axis=axes, keepdims=True)),"),
    Mutation("fill: a frame without a point has a value", "fields/filling.py", 'xp.full_like(found, float("nan"))', "xp.zeros_like(found)"),
    Mutation("fill: no area on the sphere", "spectra/plan.py", "return mask if grid is None else by_area(", "return mask if True else by_area("),
    Mutation("fill: a plane in place of the sphere", "spectra/plan.py", "if on_sphere else Relaxation(shape, edges=edges)", "if False else Relaxation(shape, edges=edges)"),
    Mutation("fill: masked points have a gradient", "spectra/plan.py", "            gradient = blank(gradient, mask, backend.namespace(gradient))\n", "            pass\n"),
    Mutation("fill: not recorded", "spectra/plan.py", "filled = () if mask is None else (self.fill,)", "filled = ()"),
    Mutation("fill: losses with other fills share transforms", "losses/comparison.py", "plan.conditioning, plan.fill\n", "plan.conditioning\n"),
    Mutation("fill: a latitude goes on across the pole", "transforms/relaxation.py", "np.concatenate([[0.0], np.sin(edges[1:-1]) * width / np.diff(angles), [0.0]])", "np.concatenate([[1.0], np.sin(edges[1:-1]) * width / np.diff(angles), [1.0]])"),
    Mutation("fill: empty cells count", "transforms/relaxation.py", "total / xp.where(some, number, xp.ones_like(number)), some)", "total / xp.where(some, number, xp.ones_like(number)), number >= 0)"),
    Mutation("fill: no averages", "transforms/relaxation.py", "xp.where(valid, x, coarse), SWEEPS)", "xp.where(valid, x, coarse), 0)"),
    Mutation("window: mean square is not 1", "fields/windows.py", "values / np.sqrt(np.mean(values**2))", "values / np.max(values)"),
    Mutation("window: symmetric, not periodic", "fields/windows.py", "x = np.arange(n) / n", "x = np.arange(n) / (n - 1)"),
    Mutation("window: before the trend is taken off", "fields/windows.py", "    if any(conditioning.windows):\n", "    if any(conditioning.windows) and conditioning.detrend is None:\n"),
    Mutation("trend: ramps are not centred", "fields/windows.py", "np.arange(n) - (n - 1) / 2", "np.arange(n) - n / 2"),
    Mutation("trend: the mean stays", "fields/windows.py", "        x = x - xp.mean(x, axis=axes, keepdims=True)\n", "        pass\n"),
    Mutation("trend: not taken off the gradient", "fields/windows.py", "return condition(x, conditioning._replace(windows=(None,) * len(conditioning.windows)), backend)", "return x"),
    Mutation("shells: lower edge inside", "transforms/plane.py", 'k, side="left")', 'k, side="right")'),
    Mutation("shells: a rounded edge is outside", "transforms/plane.py", "edges * (1 + 1e-12)", "edges"),
    Mutation("shells: rounding loses the top one", "transforms/plane.py", "/ width + 1e-9)", "/ width)"),
    Mutation("shells: as narrow as the finest axis allows", "transforms/plane.py", "width = max(steps)", "width = min(steps)"),
    Mutation("shells: up to the largest wavenumber", "transforms/plane.py", "top = min(reach)", "top = max(reach)"),
    Mutation("shells: empty ones are kept", "transforms/plane.py", "if not counts.all():", "if False:"),
    Mutation("multiplicity: Nyquist modes count twice", "transforms/fourier.py", "if n % 2 == 0:", "if False:"),
    Mutation("multiplicity: the mean counts twice", "transforms/fourier.py", "        column[0] = 1\n", ""),
    Mutation("sign: Nyquist modes are of a half plane", "transforms/fourier.py", "np.where(2 * np.abs(m) == n, 0.0, np.sign(m))", "np.sign(m)"),
    Mutation("cosines: whole waves", "transforms/cosines.py", "return (0.5,) * len(self.shape)", "return (1.0,) * len(self.shape)"),
    Mutation("cosines: without the highest", "transforms/cosines.py", "n - 1.0 for n", "n - 2.0 for n"),
    Mutation("cosines: turned the same way on the way back", "transforms/cosines.py", "math.sqrt(0.5), 1) for n", "math.sqrt(0.5), -1) for n"),
    Mutation("cosines: odd sizes lose a point", "transforms/cosines.py", "if n % 2 else both", "if False else both"),
    Mutation("cosines: sectors of diagonals", "transforms/plane.py", 'if grid.transform == "dct":  #', "if False:  #"),
    Mutation("cosines: cylinders of waves", "transforms/plane.py", "            grid.transform,\n", ""),
    Mutation("cosines: a window beside them", "spectra/plan.py", "    if options.window is not None:\n", "    if False:\n"),
    Mutation("cosines: on the sphere", "spectra/plan.py", "    check_choice(\"transform\", options.transform, TRANSFORMS)\n", "    return\n"),
    Mutation("focal: cosines are whitened by waves", "losses/focal.py", "transform=plan.basis.transform", 'transform="fft"'),
    Mutation("measure: half the length in one dimension", "transforms/plane.py", "(2.0, math.pi, 4 / 3 * math.pi)", "(1.0, math.pi, 4 / 3 * math.pi)"),
    Mutation("measure: another volume in three dimensions", "transforms/plane.py", "4 / 3 * math.pi)", "3 / 4 * math.pi)"),
    Mutation("shares: not of the mean square", "transforms/plane.py", "float(math.prod(self.shape)) ** -2", "float(math.prod(self.shape)) ** -1"),
    Mutation("layout: gradient of a mean over channels is that of a sum", "fields/layout.py", " / self.channels] * self.channels", "] * self.channels"),
    Mutation("layout: gradient permuted as the field", "fields/layout.py", "tuple([self.order.index(axis) for axis in range(len(self.order))])", "self.order"),
    Mutation("layout: channel weights of any mean", "fields/layout.py", "tuple([weight / mean for weight in weights])", "tuple(weights)"),
    Mutation("layout: channels behind space are not found", "fields/layout.py", "return ndim - 1\n", "return first - 1 if first else None\n"),
    Mutation("layout: a stored spectrum moves with the batch by the field's axes", "fields/layout.py", "sorted(result).index(elements[0])", "elements[0]"),
    Mutation("layout: only an axis of three points is one of components", "spectra/plan.py", "(least >= 16 or most < 6 * least)", "True"),
    Mutation("composite: time axis counted from the start alone", "composite.py", "axis = self.time_axis % ndim", "axis = abs(self.time_axis)"),
    Mutation("composite: a mask that nobody takes", "composite.py", "if not component.takes_mask:", "if False:"),
    Mutation("composite: two masks", "composite.py", 'if component.options.get("mask") is not None:', "if False:"),
    Mutation("composite: a class is called with fields", "composite.py", "if inspect.isclass(loss):", "if False:"),
    Mutation("composite: frames of a mask", "composite.py", "or mask.shape[axis] != whole[axis - ndim]", "or True"),
    Mutation("composite: a mask without frames", "composite.py", "not 0 <= axis < ndim or", "not axis < ndim or"),
]  # fmt: skip

BACKEND = [
    Mutation("columns: the transpose is none", "base.py", "xp.matrix_transpose(a) if transposed else a", "a"),
    Mutation("columns: products with TF32 as it is set", "torch/kernels.py", "    setattr(settings, name, exact)\n", ""),
    Mutation("rows: gradient of a pooled frame is that of all", "problem.py", "xp.broadcast_to(slope / number, (", "xp.broadcast_to(slope, ("),
    Mutation("rows: gradient averaged over the batch alone", "problem.py", "number: Any = math.prod(lead[: self.elements])", "number: Any = math.prod(lead[:1])"),
    Mutation("rows: channel weights along another axis", "problem.py", "after = self.elements - (self.channel + len(lead)) - 1", "after = 0"),
    Mutation("guard: frames that are not finite count", "problem.py", "level = _finite_mean(level, frames, xp, self.ranks, backend)", "level = xp.mean(level, axis=frames, keepdims=True)"),
    Mutation("guard: a quotient may be infinite", "problem.py", "return np.maximum(norm, np.minimum(error, 1e38) / largest)", "return norm"),
    Mutation("guard: an infinite error makes the denominator so", "problem.py", "np.minimum(error, 1e38) / largest", "error / largest"),
    Mutation("slopes: power without the measure", "problem.py", "            slope = slope * self._scale\n", "            pass\n"),
    Mutation("slopes: cross-spectrum with the wrong sign", "problem.py", '("D", -0.5)', '("D", 0.5)'),
    Mutation("slopes: bins outside the shells get some", "problem.py", "(nothing,) * before + (slope,)", "(slope[..., :1],) * before + (slope,)"),
    Mutation("known target: equal spectra differ by rounding", "problem.py", 'self._tables["P"] * scale / scale', 'self._tables["P"]'),
    Mutation("error: taken off twice", "problem.py", "return x if self.differenced else x - y", "return x - y"),
    Mutation("backward: one gradient handed out twice", "torch/functions.py", "gradient, ctx.gradient = ctx.gradient, None", "gradient = ctx.gradient"),
    Mutation("backward: upstream gradient ignored", "torch/functions.py", 'elif upstream.device.type != "cpu" or upstream.item() != 1:', "elif False:"),
    Mutation("backward: upstream gradient of rows ignored", "torch/functions.py", "gradient.mul_(upstream.reshape(*upstream.shape, *(1,) * (gradient.ndim - upstream.ndim)))", "pass"),
    Mutation("backward: the second pass is times the batch", "torch/functions.py", "gradient: Tensor = torch.autograd.grad(outputs, x, grads, create_graph=again)[0]", "gradient: Tensor = torch.autograd.grad(outputs, x, grads, create_graph=again)[0] * len(x)"),
    Mutation("backward: of one part as of the total", "torch/functions.py", "simple = upstream is not None and all(each is None for each in of_values) and is_plain(upstream)", "simple = upstream is not None and is_plain(upstream)"),
    Mutation("backward: no second derivative of a loss", "torch/functions.py", "if gradient is None or torch.is_grad_enabled() or not simple:", "if gradient is None or not simple:"),
    Mutation("backward: the target's gradient is the error's", "torch/functions.py", "bool(of_target)", "False"),
    Mutation("plain: forward mode is not seen", "torch/kernels.py", "forward_ad._current_level >= 0", "False"),
    Mutation("plain: transforms are not seen", "torch/kernels.py", "torch._C._are_functorch_transforms_active()", "False"),
    Mutation("kernels: modes of multiplicity 2 count once", "torch/kernels.py", "factors = torch.cat((2 * weight, weight))", "factors = torch.cat((weight, weight))"),
    Mutation("kernels: slopes of multiplicity 1 halved", "torch/kernels.py", "weights = torch.cat((2 * weight, 2 * weight))", "weights = torch.cat((2 * weight, weight))"),
    Mutation("kernels: modes that are kept are squared in place", "torch/kernels.py", "real.square() if keep else real.square_()", "real.square_()"),
    Mutation("kernels: the target's modes are not added", "torch/kernels.py", "_as_real(total).addcmul_(_as_real(modes), weights)", "pass"),
    Mutation("kernels: NumPy judges what wants a gradient", "torch/kernels.py", "wanted = any(x is not None and x.requires_grad for x in seen)", "wanted = False"),
    Mutation("cosines: real modes count twice", "numpy.py", "        if not alike:\n            sums *= 2\n", "        sums *= 2\n"),
    Mutation("accumulators: both multiplicities in one", "layouts.py", "ACCUMULATORS * (multiplicity == 1)", "0"),
    Mutation("gathering: all modes count twice", "layouts.py", "np.where(group % 2 == 0, 2.0, 1.0)", "np.where(group % 2 == 0, 2.0, 2.0)"),
    Mutation("blocks: frames of a last smaller one are lost", "blockwise.py", "for start in range(0, frames.shape[0], step):", "for start in range(0, frames.shape[0] - step + 1, step):"),
    Mutation("blocks: elements of a last smaller one are lost", "blockwise.py", "for start in range(0, self.x.shape[0], step)]", "for start in range(0, self.x.shape[0] - step + 1, step)]"),
    Mutation("blocks: all have the stored targets of the first", "blockwise.py", "return _Stack(*(some(z) for z in fields))", "return _Stack(*(some(z) for z in (*fields[:2], [z if z is None else z[: these.stop - these.start] for z in self.target_power], *fields[3:])))"),
    Mutation("blocks: all have the guards of the first", "blockwise.py", "return _Stack(*(some(z) for z in fields))", "return _Stack(*map(some, fields[:3]), [z if z is None else z[: these.stop - these.start] for z in self.floors], *map(some, fields[4:]))"),
    Mutation("blocks: all have the slopes of the first", "blockwise.py", "along[first:last]", "along[: last - first]"),
    Mutation("pullback: all parts have the slopes of the first", "blockwise.py", "part = {name: slope[these] for name, slope in flat.items()}", "part = {name: slope[: len(errors[these])] for name, slope in flat.items()}"),
    Mutation("mean squares: gradient half as steep", "pointwise.py", '(2 / points), guess)', '(1 / points), guess)'),
    Mutation("mean squares: wrong guesses stay", "pointwise.py", "if not right.all():", "if False:"),
    Mutation("mean squares: a mask's error is squared as the field", "pointwise.py", 'problem.needs == ("D", "T") and not problem.differenced', 'problem.needs == ("D", "T")'),
]  # fmt: skip

RANKS = [
    Mutation("ranks: shares count alike", "ranks.py", "+ math.prod([first.shape[axis] for axis in axes])", "+ 1"),
    Mutation(
        "ranks: a gradient of pooled frames is not times their number",
        "ranks.py",
        "rows.ranks.number / number",
        "1 / number",
    ),
    Mutation(
        "ranks: a slope of each pooled frame has the shape of one",
        "ranks.py",
        "(slope * share, (*lead, slope.shape[-1]))",
        "(slope * share, slope.shape)",
    ),
    Mutation("ranks: how often one sends depends on its share", "blockwise.py", "if problem.rows.shared:", "if False:"),
    Mutation(
        "ranks: guards of a rank's frames alone",
        "problem.py",
        "        total, number = over.total(total, number, ranks, backend)\n",
        "        pass\n",
    ),
    Mutation(
        "ranks: a mean over a rank's rows alone",
        "problem.py",
        "        if ranks is None:\n            return mean\n",
        "        return mean\n",
    ),
    Mutation(
        "ranks: gradients of rows by the share",
        "problem.py",
        "over.total(nothing, number, ranks, backend)[1] / ranks.number",
        "number + 0 * nothing",
    ),
    Mutation(
        "ranks: mean squares of a rank alone",
        "pointwise.py",
        "alone = problem.rows.ranks is None",
        "alone = True",
    ),
    Mutation(
        "ranks: second derivatives of a rank alone",
        "torch/ranks.py",
        "return _total_op(slope, ctx.group), None",
        "return slope * dist.get_world_size(_groups[ctx.group]), None",
    ),
    Mutation("ranks: set for good", "torch/ranks.py", "        _set(before)\n", "        pass\n"),
    Mutation(
        "ranks: set in other threads too",
        "torch/ranks.py",
        "_here = threading.local()",
        '_here = type("All", (), {})()',
    ),
    Mutation("ranks: tangents are dropped", "torch/ranks.py", "if along is not None:", "if False:"),
    Mutation("ranks: stored targets of a rank alone", "ranks.py", "if power is None or not rows.shared:", "if True:"),
    Mutation("ranks: stored targets count alike", "ranks.py", "math.prod([lead[axis] for axis in rows.averaged])", "1"),
]

COMPARE = [
    Mutation("parts: frames of the part before", "measure.py", "np.arange(part.start, part.stop) if", "np.arange(max(part.start - 1, 0), max(part.stop - 1, 1)) if"),
    Mutation("parts: climatology of the first frames", "comparison.py", 'names = ("prediction", "truth", "climatology", "mask")', 'names = ("prediction", "truth", "mask")'),
    Mutation("parts: mask of the first frames", "comparison.py", 'names = ("prediction", "truth", "climatology", "mask")', 'names = ("prediction", "truth", "climatology")'),
    Mutation("sums: joined from the last part to the first", "sums.py", "for each in sums])", "for each in reversed(sums)])"),
    Mutation("sums: those of the first part are added to in place", "sums.py", "name: value.copy() for", "name: value for"),
    Mutation("sums: absent chunks of merged ones are forgotten", "sums.py", "return Sums(added, joined, absent)", "return Sums(added, joined)"),
    Mutation("levels: each part has those of the first frames", "losses.py", "(self.batch or 0) + (elements,)", "(self.batch or 0) + (slice(elements.stop - elements.start),)"),
    Mutation("levels: those of the first variable for all", "rounds.py", 'Work(which, "levels")', 'Work(0, "levels")'),
    Mutation("rows: channels before rows are taken for rows", "tally.py", "self.channel is not None and self.channel < self.per:", "False:"),
    Mutation("rows of two axes: in the order of the other one", "pairings.py", "array.merged(axes, place, name)", "array.merged(axes[::-1], place, name)"),
    Mutation("rows of two axes: all of them as one batch", "rounds.py", "found[-1]._replace(overall=each.overall)", "found[-1]"),
    Mutation("weights: not of mean 1", "tally.py", "weights / np.mean(weights)", "weights"),
    Mutation("skip: what a mask leaves out matters", "gaps.py", "                finite |= self._weights(index, finite) == 0\n", ""),
    Mutation("sphere: longitudes before latitudes are taken for these", "globe.py", "around = layout._replace(spatial=(north, east))", "around = layout"),
    Mutation("resolution: that of the finest channel", "resolution.py", 'of = min if self.unit == "wavenumber" else max', 'of = max if self.unit == "wavenumber" else min'),
    Mutation("checkpoint: variables share sums", "checkpoint.py", 'f"{work.which}-{work.round}', 'f"{work.round}'),
    Mutation("checkpoint: sums of other frames are taken", "checkpoint.py", "if all(len(each) == part.elements for each in sums.joined.values()):", "if True:"),
    Mutation("checkpoint: gaps treated otherwise", "checkpoint.py", '"report", "bands")', '"report", "bands", "nan")'),
    Mutation("checkpoint: other positions", "checkpoint.py", '"positions": _digest(each)', '"positions": ""'),
]  # fmt: skip

IO = [
    Mutation("alignment: to where positions come from", "alignment.py", "order[to] = at", "order[at] = to"),
    Mutation("alignment: rounding carries over the seam", "alignment.py", " - min(step(wanted), 360) / 2", ""),
    Mutation("alignment: axes in the inverse order", "stored.py", "np.transpose(self.read(tuple(index[axis] for axis in back)), order)", "np.transpose(self.read(tuple(index[axis] for axis in order)), back)"),
    Mutation("alignment: the positions of the first one alone", "alignment.py", "if len(ends) == 2 else", "if ends else"),
    Mutation("alignment: one of two at the same position is taken", "alignment.py", "if twice.any():", "if False:"),
    Mutation("positions: always in the order of the file", "stored.py", "if new == 1 and np.array_equal(wanted, found):", "if new == 1 and len(wanted) == len(found):"),
    Mutation("positions: called by the first ones", "stored.py", "np.atleast_1d(kept.values[table])", "np.atleast_1d(kept.values[: table.size])"),
    Mutation("points: one axis too few behind the first", "stored.py", "each - (each > axis) for each in others", "each - 1 for each in others"),
    Mutation("vectors: components as they lie", "stacking.py", "together.append(aligned.array)", "together.append(each)"),
    Mutation("calendars: leap years end on the 1st of January", "calendars.py", ".astype(np.int64) + 1,\n", ".astype(np.int64) % 365 + 1,\n"),
    Mutation("calendars: times are cut to the hour below", "calendars.py", 'np.round(times).astype("datetime64[s]")', 'times.astype("datetime64[s]")'),
    Mutation("calendars: days of the usual one", "calendars.py", "num2date(np.round(times), EPOCH, calendar=calendar)", 'num2date(np.round(times), EPOCH, calendar="standard")'),
    Mutation("climatology: at initial times", "climatology.py", "times = valid_times(like, *forecast)\n", "times = valid_times(like, *forecast)\n        times = np.broadcast_to(like.coordinates[forecast[0]].numbers()[:, None], times.shape)\n"),
    Mutation("valid times: the nearest within a day", "forecasts.py", "<= near(times, rounding)", "<= 86400"),
    Mutation("valid times: one of two at the same time is taken", "forecasts.py", "if wanted.any():", "if False:"),
    Mutation("selection: a date has the next midnight", "selection.py", "max(first, behind - 2 * within)", "behind"),
    Mutation("weights: products of bytes", "weights.py", "each.read(index).astype(np.float64) for", "each.read(index) for"),
    Mutation("chunks: the last one of a piece is not looked at", "chunks.py", "-(-cut.stop // n)", "cut.stop // n"),
    Mutation("chunks: absent ones of another array", "chunks.py", "chunks[int(number)].absent", "chunks[0].absent"),
    Mutation("npz: pieces in the order in which they are asked for", "npz.py", "_place(index, header) == stream.tell()", "_place(index, header) is not None"),
]  # fmt: skip

GROUPS = {
    "compare": Group(
        "spectral_losses/cli/compare",
        (
            "cli/test_compare_parts.py",
            "cli/test_compare_checkpoint.py",
            "cli/test_compare_gaps.py",
            "cli/test_compare_pairs.py",
            "cli/test_tables.py",
            "cli/test_compare_sphere.py",
            "cli/test_compare.py",
        ),
        COMPARE,
        "not memory and not picture and not a_warning and not conventions and not whole_arrays and not guard_of and not 3000",
    ),
    "io": Group(
        "spectral_losses/io",
        (
            "io/test_calendars.py",
            "io/test_selection.py",
            "io/test_file_alignment.py",
            "cli/test_compare_coordinates.py",
            "cli/test_compare_latitudes.py",
            "cli/test_compare_choice.py",
            "cli/test_compare_climatology.py",
            "io/test_field_files.py",
            "io/test_damaged_files.py",
        ),
        IO,
        "not a_bit and not flips and not no_byte and not any_damage and not any_text and not 3000",
    ),
    "scheduler": Group(
        "spectral_losses/scheduler",
        (
            "scheduler/test_scheduler.py",
            "scheduler/test_config.py",
            "scheduler/test_guard.py",
            "scheduler/test_slope.py",
            "scheduler/test_ways.py",
            "scheduler/test_legacy.py",
            "scheduler/test_scheduler_properties.py",
            "scheduler/test_scheduler_machine.py",
        ),
        SCHEDULER,
    ),
    "controller": Group(
        "spectral_losses/controller",
        (
            "controller/test_controller.py",
            "controller/test_controller_checkpoint.py",
            "controller/test_controller_config.py",
            "controller/test_controller_machine.py",
        ),
        CONTROLLER,
    ),
    "balancer": Group(
        "spectral_losses",
        (
            "balance/test_balancer.py",
            "balance/test_balancer_machine.py",
            "balance/test_influence.py",
            "balance/test_balanced_criterion.py",
            "balance/test_balance_ranks.py",
        ),
        BALANCER,
        "not jax and not dask",
    ),
    "losses": Group(
        "spectral_losses",
        (
            "losses",
            "spectra",
            "diagnostics",
            "transforms",
            "fields",
            "test_composite.py",
            "test_gradients.py",
            "backends/test_statistics.py",
        ),
        LOSSES,
        FEW_FRAMEWORKS,
    ),
    "backend": Group(
        "backends/spectral_losses_backends",
        (
            "losses/test_every_loss.py",
            "losses/test_with_edges.py",
            "test_gradients.py",
            "test_composite.py",
            "backends",
        ),
        BACKEND,
        f"{FEW_FRAMEWORKS} and not strict and not broken and not wrong_gradient and not make_fx and not distributed",
    ),
    "ranks": Group(
        "backends/spectral_losses_backends",
        ("backends/test_ranks.py", "integrations/test_over_ranks.py"),
        RANKS,
    ),
}


def main() -> int:
    """Run all mutations and print what noticed them; 1 where one survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", choices=GROUPS, help="the mutations of one group")
    parser.add_argument("--only", default="", metavar="WORD", help="mutations whose name has this word")
    args = parser.parse_args()
    survivors: list[str] = []
    for name, group in GROUPS.items():
        chosen = [mutation for mutation in group.mutations if args.only in mutation.guard]
        if args.group not in (None, name) or not chosen:
            continue
        failed = first_failure(group, None)
        if failed is not None:
            print(f"without any mutation, {failed} fails")
            return 1
        row = "{:<60} {}"
        print(f"\n{name}\n", row.format("mutation", "the first test that fails"), "", sep="\n", flush=True)
        alive = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda mutation, group=group: first_failure(group, mutation), chosen)
            for mutation, failed in zip(chosen, found, strict=True):
                if failed is None:
                    alive.append(mutation.guard)
                print(row.format(mutation.guard, failed or "NONE: IT SURVIVES"), flush=True)
        print(f"\n{len(chosen) - len(alive)} of {len(chosen)} mutations were noticed.", flush=True)
        survivors += [f"{name}: {guard}" for guard in alive]
    print("", *(["alive:", *survivors] if survivors else ["none is alive"]), sep="\n")
    return min(len(survivors), 1)


def first_failure(group: Group, mutation: Mutation | None) -> str | None:
    """The name of the first test that fails with a mutation, None where all pass."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("spectral_losses", "backends", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if mutation is not None:
            path = copy / group.folder / mutation.file
            text = path.read_text()
            if text.count(mutation.old) != 1:
                times = text.count(mutation.old)
                raise SystemExit(f"{mutation.guard}: {mutation.file} has {mutation.old!r} {times} times")
            path.write_text(text.replace(mutation.old, mutation.new))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--no-header",
            *(f"tests/{test}" for test in group.tests),
        ]
        # The working directory comes before whatever is installed; each run has one processor.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        ran = subprocess.run([*command, "-k", group.chosen], cwd=copy, env=environment, capture_output=True, text=True)
    if ran.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) tests/([^\s\[]+)", ran.stdout, flags=re.MULTILINE)
    if found is None:
        raise SystemExit(f"{mutation}: pytest itself failed\n{ran.stdout}{ran.stderr}")
    return found[1]


if __name__ == "__main__":
    sys.exit(main())
