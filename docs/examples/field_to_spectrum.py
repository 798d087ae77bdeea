"""From field error to spectrum error: the first of three patterns, and the one that the defaults are made for.

The network learns by the field error alone, until the spectrum error of the validation comes down no more by itself.
Then weight moves to the spectrum error, a step at a time, while the field error keeps a share to the end::

    python docs/examples/field_to_spectrum.py

Data, network and the two halves of an epoch are those of `torch_training.py`, beside this file, which also has
checkpoints. It needs PyTorch (``pip install 'spectral-losses[torch]'``).
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
CONFIG = sl.SchedulerConfig(  # a short run: the defaults wait for longer
    source_components=("recFieldError", "predFieldError"),
    target_components="spectrumError",
    warmup_epochs=4,
    patience=1,
    min_delta=0.05,
    ema_beta=0.5,
)


def run(epochs: int, seed: int = 0) -> tuple[list[dict[str, float]], list[sl.Decision]]:
    """Train; the validation's errors and the scheduler's decisions, epoch by epoch."""
    torch.manual_seed(seed)
    model = Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    training, validation = loaders(seed)
    scheduler = sl.LossScheduler(CONFIG)
    loss = sl.CompositeLoss(COMPONENTS, weights=scheduler.weights)
    history, decisions = [], []
    for epoch in range(epochs):
        train(model, loss, optimizer, training)
        metrics = validate(model, validation, METRICS)
        decision = scheduler.step(metrics, epoch)
        print(line(epoch, metrics, loss.weights, decision.reason))
        loss.set_weights(decision)
        history.append(metrics)
        decisions.append(decision)
    return history, decisions


def main(argv: Sequence[str] | None = None) -> int:
    """Train, and print each epoch."""
    parser = argparse.ArgumentParser(description="Train with the field error first, then more and more the spectrum's.")
    parser.add_argument("--epochs", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args(argv)
    _, decisions = run(args.epochs, args.seed)
    print(f"moves: {sum(map(bool, decisions))}, of the way: {decisions[-1].progress if decisions else 0:.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
