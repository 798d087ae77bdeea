"""Half field error, half spectrum error, and no scheduler: the third of three patterns.

The weights are given once and stay. The spectrum error counts from the first step, when the network has not yet learned
where anything is. On these flows that does no harm: see whether it does on yours before you reach for a scheduler::

    python docs/examples/static_mix.py

Data, network and the two halves of an epoch are those of `torch_training.py`, beside this file. It needs PyTorch
(``pip install 'spectral-losses[torch]'``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from torch_training import Network, line, loaders, train, validate

import spectral_losses as sl

METRICS = {"losses": ("field_error", "spectrum_error"), "channels": "sum"}
COMPONENTS = {
    "recFieldError": sl.Component("field_error", frames=0),
    "predFieldError": sl.Component("field_error", frames=slice(1, None)),
    "spectrumError": sl.Component("spectrum_error", channels="sum"),
}
WEIGHTS = {"recFieldError": 0.5, "predFieldError": 0.5, "spectrumError": 0.5}


def run(epochs: int, seed: int = 0) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Train; the validation's errors and the means of the losses, epoch by epoch."""
    torch.manual_seed(seed)
    model = Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    training, validation = loaders(seed)
    loss = sl.CompositeLoss(COMPONENTS, weights=WEIGHTS)
    history, losses = [], []
    for epoch in range(epochs):
        means = train(model, loss, optimizer, training)
        metrics = validate(model, validation, METRICS)
        print(line(epoch, metrics, loss.weights, " ".join(f"{name} {value:.6f}" for name, value in means.items())))
        history.append(metrics)
        losses.append(means)
    return history, losses


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and print each epoch."""
    parser = argparse.ArgumentParser(description="Train with half the field error and half the spectrum error.")
    parser.add_argument("--epochs", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args(argv)
    run(args.epochs, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
