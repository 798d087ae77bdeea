"""In one dimension a shell holds one pair of modes: what a logarithm of it does to a training, pooled and not.

A small Fourier neural operator learns to predict the next frame of the Kuramoto-Sivashinsky equation, a chaotic flow in
one dimension, from the last. Frames are so far apart that small scales of the next one hardly follow from the last. It
learns with the field error alone; with 1 % of the `spectrum_error` or the `log_spectral_distance` beside it, which
compare each frame's spectrum with that of its target; and with 1 % of the `log_spectral_distance` pooled over the
batch, which compares the mean spectra of all frames of the batch::

    python docs/examples/one_mode_per_shell.py
    python docs/examples/one_mode_per_shell.py --quick

It prints a table of errors on flows that were not trained. The network of each seed starts from the same weights and
sees the same pairs in the same order, whatever the loss. It needs PyTorch (``pip install 'spectral-losses[torch]'``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import spectral_losses as sl
from spectral_losses.cli.demo.chaos import simulate

TOP = range(22, 32)
"""Wavenumbers, in waves across the box, that count as small scales."""
OPTIONS: dict[str, Any] = {"spatial_axes": -1, "channel_axis": 1}

Pairs = tuple[Tensor, Tensor]
"""Frames, and those that follow them."""
Loss = Callable[[Tensor, Tensor], Tensor]


class Setting(NamedTuple):
    """How much is simulated and trained."""

    spacing: float = 12.0
    """Time between frames."""
    trajectories: int = 64
    frames: int = 65
    steps: int = 3000
    batch: int = 64
    width: int = 24
    modes: int = 16
    layers: int = 4
    rate: float = 3e-3


QUICK = Setting(trajectories=8, frames=9, steps=30, batch=16, width=8, layers=2)


def losses(weight: float) -> dict[str, Loss]:
    """What is trained with, by the name of its row."""

    def field(p: Tensor, t: Tensor) -> Tensor:
        return sl.field_error(p, t, **OPTIONS)

    def and_also(other: Callable[..., Any], **options: Any) -> Loss:
        return lambda p, t: field(p, t) + weight * other(p, t, **OPTIONS, **options)

    return {
        "`field_error`": field,
        f"+ {weight:g} `spectrum_error`": and_also(sl.spectrum_error),
        f"+ {weight:g} `log_spectral_distance`": and_also(sl.log_spectral_distance),
        f"+ {weight:g} `log_spectral_distance`, pooled": and_also(sl.log_spectral_distance, pool="frames"),
    }


def flows(number: int, setting: Setting, *, seed: int) -> Tensor:
    """Trajectories of the equation ``u_t = -u u_x - u_xx - u_xxxx``, ``(number, frames, 64)``, in single precision."""
    return torch.from_numpy(simulate(number, setting.frames, setting.spacing, seed)).float()


class Operator(nn.Module):
    """A Fourier neural operator from one frame ``(batch, 1, points)`` to the next."""

    def __init__(self, width: int, modes: int, layers: int) -> None:
        super().__init__()
        self.lift = nn.Sequential(nn.Conv1d(1, 2 * width, 1), nn.GELU(), nn.Conv1d(2 * width, width, 1))
        self.local = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(layers))
        self.spectral = nn.ParameterList(
            torch.randn(modes, width, width, dtype=torch.cfloat) / width for _ in range(layers)
        )
        self.project = nn.Sequential(nn.Conv1d(width, 4 * width, 1), nn.GELU(), nn.Conv1d(4 * width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Predict the next frame."""
        h = self.lift(x)
        for local, weight in zip(self.local, self.spectral, strict=True):
            modes = torch.fft.rfft(h)[..., : len(weight)].permute(2, 0, 1)
            mixed = torch.fft.irfft((modes @ weight).permute(1, 2, 0), h.shape[-1])
            h = nn.functional.gelu(local(h) + mixed)
        return self.project(h)


def train(frames: Pairs, loss: Loss, setting: Setting, seed: int) -> Operator:
    """Train one network to predict the second of each pair from the first."""
    torch.manual_seed(seed)
    model = Operator(setting.width, setting.modes, setting.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=setting.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    order = torch.Generator().manual_seed(seed)
    first, then = frames
    for _ in range(setting.steps):
        chosen = torch.randint(len(first), (setting.batch,), generator=order)
        value = loss(model(first[chosen]), then[chosen])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    return model


def judge(model: Operator, frames: Pairs) -> dict[str, float]:
    """Errors on pairs that were not trained."""
    first, then = frames
    with torch.no_grad():
        prediction = model(first)
    found, wanted = (
        sl.radial_spectrum(x, pool="frames", **OPTIONS).power[..., TOP.start - 1 : TOP.stop - 1].sum()
        for x in (prediction, then)
    )
    errors = {
        "field error": sl.field_error(prediction, then, **OPTIONS),
        "spectrum error": sl.spectrum_error(prediction, then, **OPTIONS),
        "distance of mean spectra": sl.log_spectral_distance(prediction, then, pool="frames", **OPTIONS),
        "small-scale energy / truth": found / wanted,
    }
    return {name: float(value) for name, value in errors.items()}


def pairs_of(trajectories: Tensor) -> Pairs:
    """Frames and those that follow them, ``(pairs, 1, points)``."""
    return trajectories[:, :-1].flatten(0, 1)[:, None], trajectories[:, 1:].flatten(0, 1)[:, None]


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Rows of losses, columns of errors, in each cell the seeds."""
    names = list(next(iter(results.values()))[0])
    lines = [f"| trained with | {' | '.join(names)} |", f"|{'---|' * (len(names) + 1)}"]
    for row, seeds in results.items():
        cells = [" ".join(f"{found[name]:.3g}" for found in seeds) for name in names]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, train with each loss, and print the table."""
    parser = argparse.ArgumentParser(description="Train a network with a logarithmic loss of one mode per shell.")
    add = parser.add_argument
    add("--quick", action="store_true", help="a few steps on a few flows, to see that it runs")
    add("--seeds", type=int, nargs="+", metavar="SEED", help="of networks and orders (default: 0 1 2, with --quick 0)")
    add("--weight", type=float, default=0.01, help="of the logarithmic losses (default: %(default)s)")
    for name, value in Setting()._asdict().items():
        add(f"--{name}", type=type(value), help=f"default: {value}, with --quick {getattr(QUICK, name)}")
    args = parser.parse_args(argv)
    given = {name: value for name in Setting._fields if (value := getattr(args, name)) is not None}
    setting = (QUICK if args.quick else Setting())._replace(**given)
    seeds = args.seeds or ([0] if args.quick else [0, 1, 2])
    torch.set_num_threads(1)  # so small a network gains nothing by more
    training = pairs_of(flows(setting.trajectories, setting, seed=100))
    unseen = pairs_of(flows(8, setting, seed=200))
    results: dict[str, list[dict[str, float]]] = {}
    for name, loss in losses(args.weight).items():
        results[name] = []
        for seed in seeds:
            results[name].append(judge(train(training, loss, setting, seed), unseen))
            print(f"{name}, seed {seed}: done", file=sys.stderr)
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
