"""What a step of a scheduler, a controller and a balancer costs: ``python tests/benchmarks/steps.py``.

Processor time of whole runs of 1000 observations, taken in turn within one process, over the number of observations:
median over runs, with quartiles. The metrics are those of a training, falling with noise, so that nothing ends before
the run does. Beside it is the size of the state as JSON, without its history.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from report import Section, Table, machine, text_of
from timing import Timing, interleaved, of_this_thread

import spectral_losses as sl

OBSERVATIONS = 1000
GOAL = sl.ConstraintConfig("spectrum_error", 0.5)
LIMIT = sl.ConstraintConfig("field_error", 1.05, of="source", relative_to=0.04)
SHARES = {"field_error": 1.0, "spectrum_error": 0.1, "gradient_error": 0.1, "divergence": 0.5}
SUBJECTS: dict[str, Callable[[], Any]] = {
    "scheduler, plateau": lambda: sl.LossScheduler(sl.SchedulerConfig()),
    "scheduler, auto": lambda: sl.LossScheduler(sl.SchedulerConfig(trigger="auto")),
    "controller, one constraint": lambda: sl.LossController(GOAL),
    "controller, two constraints": lambda: sl.LossController([GOAL, LIMIT]),
    "balancer, two losses": lambda: sl.Balancer(dict(list(SHARES.items())[:2])),
    "balancer, four losses": lambda: sl.Balancer(SHARES),
}


class Cost(NamedTuple):
    """Of one subject: the time of a run, and the bytes of its state after one."""

    run: Timing
    state: int


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41, help="runs of each (default: %(default)s)")
    parser.add_argument("--observations", type=int, default=OBSERVATIONS, help="in a run (default: %(default)s)")
    parser.add_argument("--markdown", action="store_true", help="print a table of Markdown")
    args = parser.parse_args(argv)
    found = measure(args.observations, args.rounds)
    header = ["", f"microseconds a step, mean of {args.observations}", "state, bytes of JSON"]
    rows = []
    for name, cost in found.items():
        each = [1e6 * seconds / args.observations for seconds in (cost.run.median, cost.run.low, cost.run.high)]
        rows.append([name, "{:.1f} [{:.1f}-{:.1f}]".format(*each), str(cost.state)])
    print(text_of(Section("steps", [Table("", header, rows)]), args.markdown))
    print(machine(["numpy"]))


def measure(observations: int, rounds: int) -> dict[str, Cost]:
    """Each subject, over as many observations, in as many runs."""
    noise = random.Random(0)
    metrics = [
        {name: (0.01 + math.exp(-n / 150)) * math.exp(noise.gauss(0, 0.03)) for name in SHARES}
        for n in range(observations)
    ]
    runs = {name: whole(make, metrics) for name, make in SUBJECTS.items()}
    states = {name: run().state_dict() for name, run in runs.items()}
    timings = interleaved(runs, rounds, 60, of_this_thread)
    found = {}
    for name, timing in timings.items():
        if not isinstance(timing, Timing):
            raise RuntimeError(f"{name} {timing.reason}")
        state = {key: value for key, value in states[name].items() if key != "history"}
        found[name] = Cost(timing, len(json.dumps(state)))
    return found


def whole(make: Callable[[], Any], metrics: Sequence[Mapping[str, float]]) -> Callable[[], Any]:
    """A whole run of a new subject, which takes of the metrics what it knows."""
    known = make().shares if isinstance(make(), sl.Balancer) else SHARES
    seen = [{name: each[name] for name in known} for each in metrics]

    def run() -> Any:
        subject = make()
        for each in seen:
            subject.step(each)
        return subject

    return run


if __name__ == "__main__":
    main()
