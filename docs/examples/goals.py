"""What a goal for the spectrum and a limit for the field error ask for, what they reach, and what that costs.

The network and the flow of `one_mode_per_shell`: a chaotic flow in one dimension, of which the next frame is to be
predicted. It learns with the field error and the pooled `log_spectral_distance` beside it: with static weights, with a
`LossController` that is given a goal for the distance, and with a `BalancedCriterion` that is given shares. Then the
networks that learned with the field error alone are trained on, under a limit for what that may cost::

    python docs/examples/goals.py                              # print the tables
    python docs/examples/goals.py --write docs/controller.md   # and put them between the marks in this page
    python docs/examples/goals.py --processes 8
    python docs/examples/goals.py --quick

Controllers see pairs that are neither trained nor judged. It needs PyTorch (``pip install 'spectral-losses[torch]'``),
and takes about an hour on one core, a third of that with ``--steps 1000``. With ``--processes`` networks are trained
beside one another; each still on one core, and the numbers are the same.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
from minimisers import filled
from one_mode_per_shell import OPTIONS, QUICK, Operator, Pairs, Setting, flows, judge, pairs_of
from torch import Tensor

import spectral_losses as sl
from spectral_losses.integrations.balance import BalancedCriterion

GOALS, STATIC = (2.0, 1.0, 0.3, 0.1), (0.001, 0.003, 0.01, 0.03, 0.1)
SHARES, LIMITS, FIXED = (0.01, 0.1, 1.0), (1.02, 1.05, 1.1), (0.003, 0.01)
LOOKS = 50
"""Validations in a training."""
FINE, RATE = 4, 1e-3
"""A network that has learned is trained on for a fourth of the steps, at this learning rate."""
LOSS = {
    "field_error": sl.Component("field_error", **OPTIONS),
    "log_spectral_distance": sl.Component("log_spectral_distance", pool="frames", **OPTIONS),
}

Weights = dict[str, float]
Rows = dict[str, dict[str, float]]
"""What came out, by the name of the row."""
ALONE = "field error alone"


class Data(NamedTuple):
    """Pairs of frames: to learn, to be looked at by controllers, and to judge by."""

    training: Pairs
    validation: Pairs
    unseen: Pairs


class Arm:
    """A way of weighing: static weights, unless a controller or a criterion is given."""

    def __init__(
        self,
        weight: float = 0.0,
        controller: sl.LossController | None = None,
        criterion: BalancedCriterion | None = None,
    ) -> None:
        self.static = {"field_error": 1.0, "log_spectral_distance": weight}
        self.controller, self.criterion = controller, criterion
        self.composite = sl.CompositeLoss(LOSS)

    @property
    def weights(self) -> Weights:
        """As they are now."""
        if self.criterion is not None:
            return self.criterion.balancer.weights
        return self.static if self.controller is None else self.controller.weights

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The total of one batch."""
        if self.criterion is not None:
            return self.criterion(prediction, target)  # type: ignore[no-any-return]
        return self.composite(prediction, target, weights=self.weights)[0]  # type: ignore[no-any-return]


def train(model: Operator, arm: Arm, data: Data, setting: Setting, seed: int) -> Operator:
    """Train a network, and let the controller look at its validation."""
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    order = torch.Generator().manual_seed(seed)
    first, then = data.training
    for step in range(1, setting.steps + 1):
        chosen = torch.randint(len(first), (setting.batch,), generator=order)
        value = arm(model(first[chosen]), then[chosen])
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if arm.controller is not None and step % max(1, setting.steps // LOOKS) == 0:
            arm.controller.step(validation(model, data.validation))
    return model


def validation(model: Operator, pairs: Pairs) -> dict[str, float]:
    """The two errors, each by the name of its loss."""
    found = judge(model, pairs)
    return {"field_error": found["field error"], "log_spectral_distance": found["distance of mean spectra"]}


def from_the_start() -> dict[str, Callable[[], Arm]]:
    """How networks are trained, by the name of the row."""
    arms: dict[str, Callable[[], Arm]] = {ALONE: Arm}
    for weight in STATIC:
        arms[f"static {weight:g}"] = lambda weight=weight: Arm(weight)
    for goal in GOALS:
        name = f"goal: at most {goal:g}"
        arms[name] = lambda goal=goal: Arm(
            controller=sl.LossController(sl.ConstraintConfig("log_spectral_distance", goal))
        )
    for share in SHARES:
        shares = {"field_error": 1.0, "log_spectral_distance": share}
        arms[f"shares 1 and {share:g}"] = lambda shares=shares: Arm(criterion=BalancedCriterion(LOSS, shares))
    return arms


def fine_tuned(finished: float) -> dict[str, Callable[[], Arm]]:
    """How networks that have learned are trained on; by the error that they finished with."""
    arms: dict[str, Callable[[], Arm]] = {"trained on, field error alone": Arm}
    for weight in FIXED:
        arms[f"trained on, static {weight:g}"] = lambda weight=weight: Arm(weight)
    for limit in LIMITS:
        constraint = sl.ConstraintConfig("field_error", limit, of="source", relative_to=finished)
        arms[f"limit: at most {100 * (limit - 1):.0f} % more"] = lambda constraint=constraint: Arm(
            controller=sl.LossController(constraint)
        )
    return arms


class Job(NamedTuple):
    """An arm to train from the start with one seed; after the field error alone, those that train on as well."""

    name: str
    seed: int
    setting: Setting
    fine: Setting


def run(job: Job) -> Rows:
    """Train the networks of a job and judge them."""
    torch.set_num_threads(1)  # so small a network gains nothing by more
    data, (name, seed, setting, fine) = data_of(job.setting), job
    torch.manual_seed(seed)
    model, arm = Operator(setting.width, setting.modes, setting.layers), from_the_start()[name]()
    train(model, arm, data, setting, seed)
    rows = {name: judged(name, seed, model, arm, data.unseen)}
    if name == ALONE:
        finished = validation(model, data.validation)["field_error"]
        for further, make in fine_tuned(finished).items():
            arm = make()
            tuned = train(copy.deepcopy(model), arm, data, fine, seed + 1000)
            rows[further] = judged(further, seed, tuned, arm, data.unseen)
    return rows


@lru_cache
def data_of(setting: Setting) -> Data:
    """Of three seeds, the same in every process."""
    sizes = ((setting.trajectories, 100), (4, 150), (8, 200))
    return Data(*(pairs_of(flows(n, setting, seed=seed)) for n, seed in sizes))


def judged(name: str, seed: int, model: Operator, arm: Arm, pairs: Pairs) -> dict[str, float]:
    """Errors of a network, and the weight that its training ended with."""
    found = {**judge(model, pairs), "weight": arm.weights["log_spectral_distance"]}
    said = ", ".join(f"{key} {value:.4g}" for key, value in found.items())
    print(f"{name}, seed {seed}: {said}", file=sys.stderr, flush=True)
    return found


def experiment(
    setting: Setting, fine: Setting, seeds: Sequence[int], processes: int = 1
) -> dict[str, list[dict[str, float]]]:
    """Train every arm with every seed; what came out, by the name of the row."""
    jobs = [Job(name, seed, setting, fine) for name in from_the_start() for seed in seeds]  # the longest come first
    results: dict[str, list[dict[str, float]]] = {}
    for rows in outcomes(jobs, processes):
        for name, found in rows.items():
            results.setdefault(name, []).append(found)
    return {name: results[name] for name in (*from_the_start(), *fine_tuned(1.0))}


def outcomes(jobs: Sequence[Job], processes: int) -> Iterator[Rows]:
    """Of each job in turn; with several processes they are done beside one another."""
    if processes == 1:
        yield from map(run, jobs)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(run, jobs)


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Rows of arms; in each cell the seeds."""
    columns = {
        "distance": "distance of mean spectra",
        "field error": "field error",
        "small-scale energy / truth": "small-scale energy / truth",
        "weight at the end": "weight",
    }
    lines = [f"| | {' | '.join(columns)} | field error paid |", f"|{'---|' * (len(columns) + 2)}"]
    alone = results[ALONE]
    for name, seeds in results.items():
        cells = [" ".join(f"{found[key]:.3g}" for found in seeds) for key in columns.values()]
        paid = [found["field error"] / before["field error"] - 1 for found, before in zip(seeds, alone, strict=True)]
        cells.append(f"{100 * statistics.mean(paid):+.0f} % ({' '.join(f'{100 * each:+.0f}' for each in paid)})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, train every arm, print the table, and write it into pages."""
    parser = argparse.ArgumentParser(description="Goals and limits asked for, reached, and paid.")
    add = parser.add_argument
    add("--quick", action="store_true", help="a few steps on a few flows, to see that it runs")
    add("--seeds", type=int, nargs="+", metavar="SEED", help="of networks and orders (default: 0 1 2, with --quick 0)")
    add("--steps", type=int, help=f"of a training (default: {Setting().steps}, with --quick {QUICK.steps})")
    add("--processes", type=int, default=1, metavar="N", help="networks to train beside one another (default: 1)")
    add("--write", type=Path, nargs="+", default=[], metavar="PAGE", help="pages to put the table into")
    args = parser.parse_args(argv)
    if args.processes < 1:
        parser.error(f"--processes must be 1 or more, got {args.processes}")
    setting = QUICK if args.quick else Setting()
    setting = setting._replace(steps=setting.steps if args.steps is None else args.steps)
    fine = setting._replace(steps=max(1, setting.steps // FINE), rate=RATE)
    results = experiment(setting, fine, args.seeds or ([0] if args.quick else [0, 1, 2]), args.processes)
    said = (
        f"Kuramoto-Sivashinsky, frames {setting.spacing:g} apart, {setting.steps} steps of {setting.batch} pairs; "
        f"trained on: {fine.steps} more. Distances are pooled `log_spectral_distance`, judged on pairs that neither "
        "training nor controller has seen; in each cell the seeds. Made by "
        f"`python docs/examples/goals.py --steps {setting.steps} --write docs/controller.md`."
    )
    text = f"{said}\n\n{table(results)}"
    print(text)
    for page in args.write:
        page.write_text(filled(page.read_text(encoding="utf-8"), "goals", lambda _: text), encoding="utf-8")
        print(f"wrote {page}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
