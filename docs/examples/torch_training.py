"""A plain PyTorch loop: train and validate, weights from a scheduler, checkpoints, and going on from one.

A small network reads the velocity of a turbulent flow (`turbulence.py`, beside this file) at one time, gives it back,
and predicts the frames that follow. Two weights are those of the field error, of the first frame (a reconstruction)
and of the others (a prediction). The third is that of the log spectral distance of all frames, pooled over the batch: 0
in the first epochs, then along a ramp to 0.01, which is what docs/evidence.md found to serve best::

    python docs/examples/torch_training.py --out run --epochs 10
    python docs/examples/torch_training.py --out run --epochs 20 --resume run/last.pt

The second line goes on where the first has ended, bit for bit. Each epoch writes ``last.pt``; ``best.pt`` is the epoch
with the least validation error. It is not the one with the least total loss, which is a different quantity after each
move of the weights. It needs PyTorch (``pip install 'spectral-losses[torch]'``).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import turbulence
from torch import Tensor, nn
from torch.utils.data import DataLoader

import spectral_losses as sl

GRID, FRAMES, SPACING = 32, 4, 0.1
SPECTRA = {"channels": "sum", "pool": "frames"}  # "sum": the spectrum of kinetic energy
METRICS = {"losses": ("field_error", "log_spectral_distance"), **SPECTRA}
CONFIG = sl.SchedulerConfig(
    source_components=("recFieldError", "predFieldError"),
    target_components="spectrum",
    trigger="epoch",
    ramp=(2, 4),  # epochs; about a tenth of the training
    final_weight_source=1.0,
    final_weight_target=0.01,
)


def composite() -> sl.CompositeLoss:
    """The three losses by name, with the weights that the scheduler begins with."""
    components = {
        "recFieldError": sl.Component("field_error", frames=0),
        "predFieldError": sl.Component("field_error", frames=slice(1, None)),
        "spectrum": sl.Component("log_spectral_distance", **SPECTRA),
    }
    return sl.CompositeLoss(components, weights=sl.LossScheduler(CONFIG).weights)


class Network(nn.Module):
    """From one frame ``[B, C, H, W]`` to that frame and those after it, ``[B, T, C, H, W]``."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()

        def conv(inward: int, outward: int) -> nn.Module:
            return nn.Conv2d(inward, outward, 5, padding=2, padding_mode="circular")

        self.encode = nn.Sequential(conv(2, width), nn.GELU(), conv(width, width))
        self.advance = nn.Sequential(conv(width, width), nn.GELU(), conv(width, width))
        self.decode = conv(width, 2)

    def forward(self, first: Tensor, frames: int = FRAMES) -> Tensor:
        """Decode the state at each frame, and carry it on."""
        state, predicted = self.encode(first), []
        for _ in range(frames):
            predicted.append(self.decode(state))
            state = state + self.advance(state)
        return torch.stack(predicted, dim=1)


def flows(number: int, *, seed: int) -> Tensor:
    """Sequences of velocities ``[B, T, C, H, W]``, three from each of so many flows."""
    times = 0.5 + SPACING * np.arange(3 * FRAMES)
    found = []
    for each in range(seed, seed + number):
        fine = turbulence.simulate(48, times, viscosity=0.012, seed=each).vorticity
        found.append(turbulence.velocity(turbulence.resample(fine, GRID)))
    return torch.from_numpy(np.stack(found)).float().unflatten(1, (3, FRAMES)).flatten(0, 1)


def loaders(seed: int) -> tuple[DataLoader[Tensor], DataLoader[Tensor]]:
    """Batches for training, shuffled by a generator of their own, and for validation, of flows that are not trained."""
    order = torch.Generator().manual_seed(seed)
    training = DataLoader(flows(6, seed=100), batch_size=6, shuffle=True, generator=order)
    return training, DataLoader(flows(2, seed=200), batch_size=6)


def train(model: nn.Module, loss: sl.CompositeLoss, optimizer: torch.optim.Optimizer, batches: Any) -> dict[str, float]:
    """One epoch: the means of the total and of the parts that were computed."""
    model.train()
    sums: dict[str, float] = {}
    for target in batches:
        total, parts = loss(model(target[:, 0]), target)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        for name, value in {"total": total, **parts}.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
    return {name: value / len(batches) for name, value in sums.items()}


def validate(model: nn.Module, batches: Any, metrics: dict[str, Any] = METRICS) -> dict[str, float]:
    """Errors as floats; a batch counts by its size, as the last one may be smaller."""
    model.eval()
    sums, count = dict.fromkeys(metrics["losses"], 0.0), 0
    for target in batches:
        with torch.no_grad():
            prediction = model(target[:, 0])
        for name, value in sl.evaluate(prediction, target, **metrics).items():
            sums[name] += len(target) * value
        count += len(target)
    return {name: value / count for name, value in sums.items()}


def line(epoch: int, metrics: dict[str, float], weights: dict[str, float], end: str) -> str:
    """One epoch for the screen."""
    errors = "  ".join(f"{name} {value:.6f}" for name, value in metrics.items())
    return f"epoch {epoch:3}  {errors}  weights {' '.join(f'{w:.3f}' for w in weights.values())}  {end}"


def run(epochs: int, out: Path, *, resume: Path | None = None, best_by: str = "field_error", seed: int = 0) -> None:
    """Train, validate, let the scheduler decide, and save, epoch by epoch."""
    torch.manual_seed(seed)
    model, loss, scheduler = Network(), composite(), sl.LossScheduler(CONFIG)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    training, validation = loaders(seed)
    order = training.generator  # of the batches: a state to be saved, too
    begin, best = 0, math.inf
    if resume is not None:
        saved = torch.load(resume, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
        order.set_state(saved["order"])
        begin, best = saved["epoch"] + 1, saved["best"]
        loss.set_weights(scheduler)
        print(f"going on from epoch {begin}")

    for epoch in range(begin, epochs):
        means = train(model, loss, optimizer, training)
        metrics = validate(model, validation)
        decision = scheduler.step(metrics, epoch)
        print(line(epoch, metrics, loss.weights, f"total {means['total']:.6f}  {decision.reason}"))
        loss.set_weights(decision)
        is_best = metrics[best_by] < best
        best = min(best, metrics[best_by])
        state = {
            "epoch": epoch,
            "best": best,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "order": order.get_state(),
        }
        save(state, out / "last.pt")
        if is_best:
            save(state, out / "best.pt")


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint whole or not at all: a run that is stopped here keeps the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    torch.save(state, unfinished)
    unfinished.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description="Train a small network with weighted losses and checkpoints.")
    add = parser.add_argument
    add("--epochs", type=int, default=20, help="in all, those before a resume among them (default: %(default)s)")
    add("--out", type=Path, default=Path("run"), metavar="DIR", help="of last.pt and best.pt (default: %(default)s)")
    add("--resume", type=Path, metavar="FILE", help="checkpoint to go on from")
    add("--best", choices=METRICS["losses"], default="field_error", help="metric of best.pt (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the network and the order (default: %(default)s)")
    args = parser.parse_args(argv)
    run(args.epochs, args.out, resume=args.resume, best_by=args.best, seed=args.seed)
    for name in ("last.pt", "best.pt"):
        if (args.out / name).exists():
            saved = torch.load(args.out / name, weights_only=True)
            print(f"{args.out / name}: epoch {saved['epoch']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
