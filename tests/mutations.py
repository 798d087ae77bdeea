"""Break each guard of the scheduler in turn and see that a test fails: ``python tests/mutations.py``.

Each mutation is one edit of a copy of the package; its tests then have to fail. ``--markdown`` prints the table of
docs/scheduler.md, ``--only WORD`` takes the mutations whose name has that word.
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
TESTS = [
    "scheduler/test_scheduler.py",
    "scheduler/test_config.py",
    "scheduler/test_legacy.py",
    "scheduler/test_scheduler_properties.py",
]
MACHINE = "scheduler/test_scheduler_machine.py"  # last, because it takes longest
SCHEDULER, CHECKS, SAVED, FORMER = "scheduler.py", "_checks.py", "_saved.py", "_former.py"


class Mutation(NamedTuple):
    """One guard, and the edit that breaks it."""

    guard: str
    file: str
    old: str
    new: str


MUTATIONS = [
    Mutation("cap: never applied", SCHEDULER, "if target > c.max_weight_target:", "if False:"),
    Mutation("cap: what is cut off is lost", SCHEDULER, "min(source + (target - c.max_weight_target), top)", "source"),
    Mutation("cap: final weights may contradict it", CHECKS, "if c.final_weight_source + cut > top", "if False and cut > top"),
    Mutation("cap: initial weight may exceed it", CHECKS, "c.initial_weight_target > c.max_weight_target:", "False:"),
    Mutation("warm-up: never", SCHEDULER, "if epoch < warm_until(c, state):", "if False:"),
    Mutation("warm-up: one epoch longer", SCHEDULER, "if epoch < warm_until(c, state):", "if epoch <= warm_until(c, state):"),
    Mutation("warm-up: warmup_epochs alone", SCHEDULER, " + c.min_epochs_before_adapt + c.warmup_epochs", " + c.warmup_epochs"),
    Mutation("warm-up: later stages have none", SCHEDULER, "return state.started + c.min", "return c.min"),
    Mutation("NaN: enters the average", SCHEDULER, "if not math.isfinite(value):", "if math.isinf(value):"),
    Mutation("infinity: enters the average", SCHEDULER, "if not math.isfinite(value):", "if math.isnan(value):"),
    Mutation("NaN: an interval that it fell on is lost", SCHEDULER, "state = state, state._replace(epoch=epoch)", "state = state, state._replace(epoch=epoch, seen=epoch)"),
    Mutation("missing: always held", SCHEDULER, 'if c.missing == "raise" and', "if False and"),
    Mutation("missing: later stages are not asked", SCHEDULER, "config.stages[state.stage :], metrics", "config.stages[state.stage : state.stage + 1], metrics"),
    Mutation("patience: one more", SCHEDULER, "now.stale >= c.patience", "now.stale > c.patience"),
    Mutation("patience: none", SCHEDULER, "now.stale >= c.patience", "now.stale >= 1"),
    Mutation("patience: kept after a move", SCHEDULER, "        stale=0,\n        consecutive=state.consecutive + 1,", "        consecutive=state.consecutive + 1,"),
    Mutation("patience: kept after an improvement", SCHEDULER, "stale=0 if improved else state.stale", "stale=state.stale"),
    Mutation("best: kept after a move", SCHEDULER, "        best=state.tracked,\n", ""),
    Mutation("min_delta: equality improves", SCHEDULER, "return value < than - _margin(c, than) if", "return value <= than - _margin(c, than) if"),
    Mutation("min_delta: relative to a signed value", SCHEDULER, "c.min_delta * abs(than)", "c.min_delta * than"),
    Mutation("min_delta: always absolute", SCHEDULER, 'return c.min_delta * abs(than) if c.min_delta_mode == "relative" else c.min_delta', "return c.min_delta"),
    Mutation("mode: max as min", SCHEDULER, 'return value < than - _margin(c, than) if c.mode == "min" else value > than + _margin(c, than)', "return value < than - _margin(c, than)"),
    Mutation("consecutive limit: never binds", SCHEDULER, "elif fired and state.consecutive < c.max_consecutive_adaptations:", "elif fired:"),
    Mutation("consecutive limit: one more", SCHEDULER, "elif fired and state.consecutive < c.max_consecutive_adaptations:", "elif fired and state.consecutive <= c.max_consecutive_adaptations:"),
    Mutation("consecutive limit: never released", SCHEDULER, "consecutive=0 if improved else state.consecutive,", "consecutive=state.consecutive,"),
    Mutation("consecutive limit: released by holding", SCHEDULER, "    elif fired:\n", "    elif fired:\n        state = state._replace(consecutive=0)\n"),
    Mutation("EMA: starts at zero", SCHEDULER, "if c.use_ema and state.tracked is not None:\n        tracked = c.ema_beta * state.tracked", "if c.use_ema:\n        state = state._replace(tracked=state.tracked or 0.0)\n        tracked = c.ema_beta * state.tracked"),
    Mutation("EMA: weights exchanged", SCHEDULER, "c.ema_beta * state.tracked + (1 - c.ema_beta) * value", "c.ema_beta * value + (1 - c.ema_beta) * state.tracked"),
    Mutation("EMA: rounding leads out of the range", SCHEDULER, "        tracked = min(max(tracked, min(state.tracked, value)), max(state.tracked, value))\n", ""),
    Mutation("cooldown: moves all the same", SCHEDULER, "    if before.cooldown:\n        return False\n", ""),
    Mutation("cooldown: counts as stale", SCHEDULER, "state.stale + (not state.cooldown)", "state.stale + 1"),
    Mutation("cooldown: never ends", SCHEDULER, "cooldown=max(0, state.cooldown - 1)", "cooldown=state.cooldown"),
    Mutation("increase: against the best", SCHEDULER, "worse(c, now.tracked, before.tracked)", "worse(c, now.tracked, now.best or 0.0)"),
    Mutation("epoch: only on the very epoch", SCHEDULER, "return _next_epoch(c, before) <= (now.epoch or 0)", "return _next_epoch(c, before) == (now.epoch or 0)"),
    Mutation("epoch: interval from zero", SCHEDULER, "return warm + c.interval * ((since - warm) // c.interval + 1)", "return c.interval * (since // c.interval + 1)"),
    Mutation("epoch: a held milestone is lost", SCHEDULER, "state.started + c.milestones[state.moves] if state.moves < len(c.milestones) else math.inf", "next((state.started + m for m in c.milestones if state.started + m > (-1 if state.seen is None else state.seen)), math.inf)"),
    Mutation("epochs: may go back", SCHEDULER, "if number < (last or 0):", "if number < 0:"),
    Mutation("progress: rounding leaves a rest", SCHEDULER, "return progress if progress < ALMOST else 1.0", "return min(progress, 1.0)"),
    Mutation("progress: beyond one", SCHEDULER, "return progress if progress < ALMOST else 1.0", "return progress"),
    Mutation("progress: no least step", SCHEDULER, "max(step * (1 - progress), min(LEAST_STEP, step))", "step * (1 - progress)"),
    Mutation("progress: least step above the step", SCHEDULER, "min(LEAST_STEP, step))", "LEAST_STEP)"),
    Mutation("finished: moves on", SCHEDULER, "if state.progress >= 1:\n        reason", "if state.progress > 1:\n        reason"),
    Mutation("disabled: steps all the same", SCHEDULER, "if not config.enabled:", "if False:"),
    Mutation("weights: ends missed by rounding", SCHEDULER, "return b if s == 1 else min(max(a + (b - a) * s, min(a, b)), max(a, b))", "return a + (b - a) * s"),
    Mutation("chain: earlier weights fall back", SCHEDULER, "else float(number < state.stage)", "else 0.0"),
    Mutation("chain: the monitor is kept", SCHEDULER, "return SchedulerState(state.epoch, state.stage + 1, begun)", "return state._replace(stage=state.stage + 1, started=begun, progress=0.0)"),
    Mutation("chain: weights may jump", CHECKS, "if not math.isclose(before, initial", "if False and not math.isclose(before, initial"),
    Mutation("state: best is not saved", SCHEDULER, '"state": self._state._asdict(),', '"state": {**self._state._asdict(), "best": None},'),
    Mutation("state: stale is not saved", SCHEDULER, '"state": self._state._asdict(),', '"state": {**self._state._asdict(), "stale": 0},'),
    Mutation("state: seen is not saved", SCHEDULER, '"state": self._state._asdict(),', '"state": {**self._state._asdict(), "seen": None},'),
    Mutation("state: floats are rounded", SCHEDULER, '"state": self._state._asdict(),', '"state": {k: round(v, 6) if isinstance(v, float) else v for k, v in self._state._asdict().items()},'),
    Mutation("state: other settings are not noticed", SCHEDULER, "if changes and not accept_changes:", "if False and not accept_changes:"),
    Mutation("state: the metric of other settings goes on", SAVED, 'if changed & {"monitor", "mode", "use_ema"}:', "if False:"),
    Mutation("state: changes of other stages matter", SAVED, "for change in changes if change.stage == state.stage}", "for change in changes}"),
    Mutation("state: a cooldown of other settings goes on", SAVED, "return state._replace(cooldown=min(state.cooldown, c.cooldown))", "return state"),
    Mutation("state: a bad history is loaded", SAVED, "if not isinstance(rows, list) or not all(map(_is_decision, rows)):", "if False:"),
    Mutation("state: half of it is loaded", SCHEDULER, "        if changes and not accept_changes:", "        self._state = loaded\n        if changes and not accept_changes:"),
    Mutation("state: a NaN is loaded", SAVED, "and abs(value) <= sys.float_info.max", ""),
    Mutation("state: any version is read", SAVED, 'if saved.get("version") != VERSION:', "if False:"),
    Mutation("history: shared with the caller", SCHEDULER, "decision._replace(weights=dict(decision.weights))", "decision"),
    Mutation("history: has no bound", SCHEDULER, "deque(maxlen=history)", "deque()"),
    Mutation("former state: any weights are taken", FORMER, "if not all(abs(a - b) <= 1e-6", "if False and not all(abs(a - b) <= 1e-6"),
    Mutation("former state: a NaN average is taken", FORMER, "math.isfinite(tracked) and", "True and"),
]  # fmt: skip


def main() -> int:
    """Run all mutations and print a table; 1 where one survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", action="store_true", help="a table for docs/scheduler.md")
    parser.add_argument("--only", default="", metavar="WORD", help="mutations whose name has this word")
    args = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if args.only in mutation.guard]
    failed = first_failure(None)
    if failed is not None:
        print(f"without any mutation, {failed} fails")
        return 1
    survivors = 0
    row = "| {} | {} |" if args.markdown else "{:<50} {}"
    print(row.format("mutation", "the first test that fails"), *(["|---|---|"] if args.markdown else []), sep="\n")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutation, failed in zip(chosen, pool.map(first_failure, chosen), strict=True):
            survivors += failed is None
            said = "**none: it survives**" if failed is None else f"`{failed}`" if args.markdown else failed
            print(row.format(mutation.guard, said), flush=True)
    print(f"\n{len(chosen) - survivors} of {len(chosen)} mutations were noticed.")
    return min(survivors, 1)


def first_failure(mutation: Mutation | None) -> str | None:
    """The name of the first test that fails with a mutation, None where all pass."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("spectral_losses", "backends"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        (copy / "tests").mkdir()
        for test in ("conftest.py", "frameworks.py", *TESTS, MACHINE):
            shutil.copy(ROOT / "tests" / test, copy / "tests")
        if mutation is not None:
            path = copy / "spectral_losses" / mutation.file
            text = path.read_text()
            if text.count(mutation.old) != 1:
                raise SystemExit(
                    f"{mutation.guard}: {mutation.file} has {mutation.old!r} {text.count(mutation.old)} times"
                )
            path.write_text(text.replace(mutation.old, mutation.new))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "--no-header",
            *(f"tests/{t}" for t in (*TESTS, MACHINE)),
        ]
        # The working directory comes before whatever is installed.
        ran = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    if ran.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) tests/([^\s\[]+)", ran.stdout, flags=re.MULTILINE)
    if found is None:
        raise SystemExit(f"{mutation}: pytest itself failed\n{ran.stdout}{ran.stderr}")
    return found[1]


if __name__ == "__main__":
    sys.exit(main())
