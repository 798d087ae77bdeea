"""From a loss of your own to the field error: the second of three patterns.

A loss is any function of prediction and target that returns an array without dimensions. Here it is a *perceptual*
distance: both fields go through one small network that never learns, and their features are compared. Its filters are
random, which tells textures apart well enough for an example; put a trained network in its place. When the field error
of the validation comes down no more, weight moves from the features to the field itself::

    python docs/examples/perceptual_to_field.py

Data, network and the two halves of an epoch are those of `torch_training.py`, beside this file. It needs PyTorch
(``pip install 'spectral-losses[torch]'``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, pad
from torch_training import Network, line, loaders, train, validate

import spectral_losses as sl

METRICS = {"losses": ("field_error", "spectrum_error"), "channels": "sum"}
CONFIG = sl.SchedulerConfig(
    source="perceptual",
    target="field_error",
    source_components=["recPerceptual", "predPerceptual"],
    target_components=["recFieldError", "predFieldError"],
    warmup_epochs=4,
    patience=1,
    min_delta=0.1,
    ema_beta=0.5,
)


class RandomFeatures(nn.Module):
    """Distance of two fields ``[..., C, H, W]`` in the features of filters that are drawn once.

    The mean over two layers of the squared difference relative to the target's square: 0 for equal fields.
    """

    def __init__(self, channels: int = 2, width: int = 12, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        for name, inward in (("fine", channels), ("coarse", width)):
            filters = torch.randn(width, inward, 3, 3, generator=generator) / (9 * inward) ** 0.5
            self.register_buffer(name, filters)  # moves to the device with .to(), and is not learned

    def features(self, field: Tensor) -> list[Tensor]:
        """What the filters see, at full resolution and at half of it."""
        x = field.reshape(-1, *field.shape[-3:])
        fine = gelu(conv2d(pad(x, (1, 1, 1, 1), mode="circular"), self.fine))
        coarse = gelu(conv2d(pad(fine, (1, 1, 1, 1), mode="circular"), self.coarse, stride=2))
        return [fine, coarse]

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The distance, an array without dimensions."""
        pairs = zip(self.features(prediction), self.features(target), strict=True)
        return torch.stack([(p - t).square().mean() / t.square().mean() for p, t in pairs]).mean()


def run(epochs: int, seed: int = 0) -> tuple[list[dict[str, float]], list[sl.Decision]]:
    """Train; the validation's errors and the scheduler's decisions, epoch by epoch."""
    torch.manual_seed(seed)
    model, distance = Network(), RandomFeatures()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    training, validation = loaders(seed)
    scheduler = sl.LossScheduler(CONFIG)
    components = {
        "recPerceptual": sl.Component(distance, frames=0),
        "predPerceptual": sl.Component(distance, frames=slice(1, None)),
        "recFieldError": sl.Component("field_error", frames=0),
        "predFieldError": sl.Component("field_error", frames=slice(1, None)),
    }
    loss = sl.CompositeLoss(components, weights=scheduler.weights)
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
    parser = argparse.ArgumentParser(description="Train with a perceptual distance first, then with the field error.")
    parser.add_argument("--epochs", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args(argv)
    _, decisions = run(args.epochs, args.seed)
    print(f"moves: {sum(map(bool, decisions))}, of the way: {decisions[-1].progress if decisions else 0:.0%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
