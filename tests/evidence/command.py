"""The command: which runs are to be made, making them, and how long they take."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from . import RESULTS
from .arms import ARMS, SHORT
from .flows import data_of
from .judging import judged
from .networks import NETWORKS, new_network
from .setting import FLOWS, QUICK
from .store import append, done, runs
from .training import train

__all__ = ["main"]

ALL, FEW = tuple(range(5)), tuple(range(3))
FULLY = ("ks-12", "fno")


class Job(NamedTuple):
    """One network to train and to judge."""

    flow: str
    network: str
    arm: str
    seed: int
    quick: bool
    kept: Path | None


def main(argv: Sequence[str] | None = None) -> int:
    """Make the runs that are not there yet."""
    args = parser().parse_args(argv)
    if args.processes < 1:
        parser().error(f"--processes must be 1 or more, got {args.processes}")
    torch.set_num_threads(1)
    if args.quick and args.results == RESULTS:
        with tempfile.TemporaryDirectory() as directory:
            return _all(args, Path(directory))
    return _all(args, args.results)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.evidence", description="Do spectral losses help? Trainings.")
    add = made.add_argument
    add("--quick", action="store_true", help="a few steps on a few frames, to see that it runs; nothing is kept")
    add("--flow", nargs="+", choices=list(FLOWS), default=list(FLOWS), help="default: all")
    add("--network", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="default: both")
    add("--arm", nargs="+", choices=list(ARMS), metavar="ARM", help="default: those of the protocol")
    add("--seed", nargs="+", type=int, help="default: those of the protocol; from 100 on they are pilots")
    add("--processes", type=int, default=1, metavar="N", help="runs beside one another (default: 1)")
    add("--results", type=Path, default=RESULTS, metavar="DIRECTORY", help="default: %(default)s")
    add("--flows", type=Path, metavar="DIRECTORY", help="where simulated flows are kept, to be simulated once")
    add("--estimate", action="store_true", help="say how long what is left will take, and do nothing")
    add("--again", action="store_true", help="make what is there again, and say how far it is off; nothing is kept")
    return made


def _all(args: argparse.Namespace, results: Path) -> int:
    jobs = planned(args, results)
    if args.again:
        return _again(jobs, results, args.processes)
    if args.estimate:
        print(estimate(jobs, results))
        return 0
    for number, run in enumerate(_outcomes(jobs, args.processes), 1):
        append(results, run)
        ahead = run["leads"]["1"]
        print(
            f"{number}/{len(jobs)} {run['flow']} {run['network']} {run['arm']!r} seed {run['seed']}: "
            f"field error {ahead['field_error']}, distance {ahead['distance']}, {run['seconds']:.0f} s",
            flush=True,
        )
    return 0


def _again(jobs: Sequence[Job], results: Path, processes: int) -> int:
    """Make stored runs again, and print both."""
    for number, run in enumerate(_outcomes(jobs, processes), 1):
        where = run["flow"], run["network"], run["arm"], run["seed"]
        (before,) = (each for each in _stored(results, *where[:2]) if (each["arm"], each["seed"]) == where[2:])
        errors = [
            f"{name} {new} for {old}" + (f" ({100 * (new / old - 1):+.2f} %)" if new and old else "")
            for name in ("field_error", "distance")
            for new, old in [(run["leads"]["1"][name], before["leads"]["1"][name])]
        ]
        alike = all(run[key] == before[key] for key in before if key not in ("seconds", "step_ms"))
        end = "all numbers are the same" if alike else "not all numbers are the same"
        print(f"{number}/{len(jobs)} {where[0]} {where[1]} {where[2]!r} seed {where[3]}:", ", ".join([*errors, end]))
    return 0


def _stored(results: Path, flow: str, network: str) -> list[dict[str, Any]]:
    return [run for pilots in (True, False) for run in runs(results, flow, network, pilots=pilots)]


def planned(args: argparse.Namespace, results: Path) -> list[Job]:
    """What is asked for and not there, or there: flow by flow, seed by seed, the important arms first."""
    jobs = []
    for network in args.network:
        for flow in args.flow:
            there = done(results, flow, network)
            fully = (flow, network) == FULLY
            arms = args.arm or (ARMS if fully else SHORT)
            seeds = args.seed or ([0] if args.quick else ALL if fully else FEW)
            jobs += [
                Job(flow, network, arm, seed, args.quick, args.flows)
                for seed in seeds
                for arm in arms
                if ((arm, seed) in there) == args.again
            ]
    return jobs


def _outcomes(jobs: Sequence[Job], processes: int) -> Iterator[dict[str, Any]]:
    if processes == 1:
        yield from map(run, jobs)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(run, jobs)


def run(job: Job) -> dict[str, Any]:
    """Train one network and judge it."""
    torch.set_num_threads(1)  # so small a network gains nothing by more
    setting = (QUICK if job.quick else FLOWS)[job.flow]
    data = data_of(job.flow, job.quick, job.kept)
    started = time.process_time()
    network, arm = new_network(job.network, setting, job.seed), ARMS[job.arm](setting)
    trained = train(network, arm, data, setting, job.seed)
    found = judged(network, data.unseen, setting)
    return {
        "flow": job.flow,
        "network": job.network,
        "arm": job.arm,
        "seed": job.seed,
        "steps": setting.steps,
        "seconds": round(time.process_time() - started, 1),
        "step_ms": round(1000 * trained.step_seconds, 2),
        "weights": {name: float(f"{weight:.4g}") for name, weight in trained.weights.items()},
        **found,
    }


def estimate(jobs: Sequence[Job], results: Path) -> str:
    """Minutes of one core for what is left, by what pilots and runs took: those of the arm, or of any arm."""
    lines, total = [], 0.0
    for flow, network in dict.fromkeys((job.flow, job.network) for job in jobs):
        took: dict[str, list[float]] = {}
        for run in _stored(results, flow, network):
            took.setdefault(run["arm"], []).append(run["seconds"])
        left = [job.arm for job in jobs if (job.flow, job.network) == (flow, network)]
        if not took:
            lines.append(f"{flow} {network}: {len(left)} runs, no pilot")
            continue
        means = {arm: sum(each) / len(each) for arm, each in took.items()}
        usual = sum(means.values()) / len(means)
        minutes = sum(means.get(arm, usual) for arm in left) / 60
        total += minutes
        lines.append(f"{flow} {network}: {len(left)} runs, {minutes:.1f} min")
    return "\n".join([*lines, f"in all {total:.1f} min of one core"])
