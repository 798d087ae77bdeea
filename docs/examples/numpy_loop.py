"""A training loop by hand, without a framework that differentiates: NumPy, or CuPy on a GPU.

A kernel of 7 x 7 points learns to restore fields that were blurred and measured with noise. With the least field error
they are too smooth, as the noise hides the small scales; the spectrum error asks for as much of these as there was.
`value_and_grad` gives the gradient of the loss with respect to the prediction, the chain rule takes it on to the
kernel, and Adam, a few lines, follows it::

    python docs/examples/numpy_loop.py --epochs 40 --log run.csv
    python docs/examples/numpy_loop.py --cupy
    spectral-losses replay run.csv --config iso

The last line asks what another scheduler would have done. ``--cupy`` needs CuPy and a GPU.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import spectral_losses as sl

GRID, BATCH, REACH = 32, 8, 3
OFFSETS = range(-REACH, REACH + 1)
CONFIG = sl.SchedulerConfig(
    warmup_epochs=5,
    patience=3,
    min_delta=0.02,
    use_ema=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description="A training loop by hand, in NumPy or CuPy.")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", metavar="FILE", help="write a history: .csv or .jsonl")
    parser.add_argument("--cupy", action="store_true", help="run on a GPU")
    args = parser.parse_args(arguments)
    train(args.epochs, args.seed, _cupy() if args.cupy else np, sl.History(*[args.log] if args.log else []))
    return 0


def train(epochs: int, seed: int, xp: Any, history: sl.History) -> list[dict[str, float]]:
    """Train, validate after each epoch and print a line; the errors of each validation."""
    rng = np.random.default_rng(seed)
    scheduler = sl.LossScheduler(CONFIG)
    loss = sl.CompositeLoss({"field_error": "field_error", "spectrum_error": "spectrum_error"}, scheduler.weights)
    value_and_grad = sl.value_and_grad(loss)
    kernel = np.zeros((len(OFFSETS), len(OFFSETS)), dtype=np.float32)
    kernel[REACH, REACH] = 1  # gives the field back as it was measured
    kernel = xp.asarray(kernel)
    adam = Adam(xp, kernel)
    seen, truth = (xp.asarray(x) for x in pairs(rng))
    errors = []
    for epoch in range(epochs):
        for _ in range(5):
            measured, target = (xp.asarray(x) for x in pairs(rng))
            (total, parts), gradient = value_and_grad(predict(xp, kernel, measured), target)
            kernel = adam.step(kernel, chain(xp, gradient, measured))
        errors.append(sl.evaluate(predict(xp, kernel, seen), truth))
        decision = scheduler.step(errors[-1], epoch)
        history.record(epoch, losses=total, parts=parts, metrics=errors[-1], weights=loss, decision=decision)
        loss.set_weights(decision)
        print(f"loss {float(total):.4f} | field error {errors[-1]['field_error']:.4f} | {decision}")
    return errors


def predict(xp: Any, kernel: Any, x: Any) -> Any:
    """The field convolved with the kernel, periodically: a sum of the field moved to and fro."""
    moved = [kernel[REACH + i, REACH + j] * xp.roll(x, (i, j), axis=(-2, -1)) for i in OFFSETS for j in OFFSETS]
    return sum(moved[1:], start=moved[0])


def chain(xp: Any, gradient: Any, x: Any) -> Any:
    """From the gradient with respect to the prediction to that with respect to the kernel.

    The prediction is linear in each point of the kernel, with the moved field as its slope.
    """
    slopes = [xp.sum(gradient * xp.roll(x, (i, j), axis=(-2, -1))) for i in OFFSETS for j in OFFSETS]
    return xp.reshape(xp.stack(slopes), (len(OFFSETS), len(OFFSETS)))


class Adam:
    """Kingma and Ba, arXiv:1412.6980."""

    def __init__(self, xp: Any, like: Any, rate: float = 0.02) -> None:
        self.xp, self.rate, self.steps = xp, rate, 0
        self.mean, self.square = xp.zeros_like(like), xp.zeros_like(like)

    def step(self, parameters: Any, gradient: Any) -> Any:
        """The parameters after one step."""
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.999**self.steps)
        return parameters - self.rate * mean / (self.xp.sqrt(square) + 1e-8)


def pairs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random fields ``[B, 1, H, W]`` of steep spectra: blurred and with noise, and as they were."""
    k = np.hypot(np.fft.fftfreq(GRID, 1 / GRID)[:, None], np.fft.rfftfreq(GRID, 1 / GRID))
    modes = np.fft.rfft2(rng.normal(size=(BATCH, 1, GRID, GRID))) / (1 + k) ** 1.5
    sharp, blurred = np.fft.irfft2(modes), np.fft.irfft2(modes * np.exp(-((k / 12) ** 2)))
    measured = blurred + 0.3 * np.std(blurred) * rng.normal(size=blurred.shape)
    return measured.astype(np.float32), sharp.astype(np.float32)


def _cupy() -> Any:
    try:
        import cupy
    except ModuleNotFoundError:
        sys.exit("--cupy needs CuPy: pip install 'spectral-losses[cupy]'")
    if not cupy.cuda.is_available():
        sys.exit("--cupy needs a GPU, and there is none")
    return cupy


if __name__ == "__main__":
    sys.exit(main())
