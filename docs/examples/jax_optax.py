"""Training in JAX with optax: weights that change without compiling anew, and the scheduler as a pure function.

A small network learns to restore fields that were blurred and measured with noise. With the least field error they are
too smooth, as the noise hides the small scales. The log spectral distance, pooled over the batch, asks for these; its
weight goes along a ramp, as an early one costs more than it has to (see docs/evidence.md)::

    python docs/examples/jax_optax.py --epochs 30

The weights are an argument of the jitted step, so that all weights run the program that was compiled for the first. It
needs JAX and optax (``pip install 'spectral-losses[jax]' optax``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import spectral_losses as sl
from spectral_losses.scheduler import SchedulerState, update, weights

try:
    import optax
except ModuleNotFoundError:
    sys.exit("jax_optax.py needs optax: pip install optax")

GRID, BATCH, WIDTH = 32, 16, 8
METRICS = {"losses": ("field_error", "log_spectral_distance"), "pool": "frames"}
LOSS = sl.CompositeLoss(
    {"field_error": "field_error", "log_spectral_distance": sl.Component("log_spectral_distance", pool="frames")}
)
CONFIG = sl.SchedulerConfig(
    target="log_spectral_distance",
    trigger="epoch",
    ramp=(3, 5),  # epochs; about a tenth of the training
    final_weight_source=1.0,
    final_weight_target=0.01,
)
OPTIMIZER = optax.adam(3e-3)


class Run(NamedTuple):
    """What happened: the errors of each validation, the last weights, and how often the step was compiled."""

    errors: list[dict[str, float]]
    weights: dict[str, float]
    compilations: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description="Training in JAX with optax and the loss scheduler.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    run = train(args.epochs, args.seed)
    print(f"the step was compiled {run.compilations} time(s)")
    return 0


def train(epochs: int, seed: int = 0) -> Run:
    """Train and validate; print a line for each epoch."""
    compilations = 0

    @jax.jit
    def compiled(*args: Any) -> tuple[Any, Any, Any]:
        nonlocal compilations
        compilations += 1  # Python runs only where JAX traces, to compile
        return step(*args)

    keys = jax.random.split(jax.random.key(seed), epochs + 2)
    parameters = network(keys[-1])
    optimizer = OPTIMIZER.init(parameters)
    measured, truth = pairs(keys[-2])
    scheduler, errors = SchedulerState(), []
    for epoch in range(epochs):
        w = weights(CONFIG, scheduler)
        for key in jax.random.split(keys[epoch], 10):
            parameters, optimizer, parts = compiled(parameters, optimizer, w, *pairs(key))
        errors.append(sl.evaluate(predict(parameters, measured), truth, **METRICS))
        # Nothing is remembered elsewhere: `scheduler` is all that a checkpoint has to hold of it.
        scheduler, decision = update(CONFIG, scheduler, errors[-1], epoch)
        trained = ", ".join(f"{name} {float(part):.4f}" for name, part in parts.items())
        validation = ", ".join(f"{value:.4f}" for value in errors[-1].values())
        print(f"{trained} | validation {validation} | {decision}")
    return Run(errors, weights(CONFIG, scheduler), compilations)


def step(parameters: Any, optimizer: Any, w: dict[str, Any], x: jax.Array, target: jax.Array) -> tuple[Any, Any, Any]:
    """One step of the optimizer, under the weights ``w``; under jit these are arrays, and both losses are computed."""

    def loss(parameters: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        return LOSS(predict(parameters, x), target, weights=w)

    (_, parts), gradient = jax.value_and_grad(loss, has_aux=True)(parameters)
    updates, optimizer = OPTIMIZER.update(gradient, optimizer)
    return optax.apply_updates(parameters, updates), optimizer, parts


def network(key: jax.Array) -> list[jax.Array]:
    """Kernels of two layers."""
    first, second = jax.random.split(key)
    return [0.3 * jax.random.normal(first, (WIDTH, 1, 5, 5)), 0.1 * jax.random.normal(second, (1, WIDTH, 5, 5))]


def predict(kernels: list[jax.Array], x: jax.Array) -> jax.Array:
    """The restored field, ``[B, 1, H, W]``."""
    first, second = kernels
    return _convolve(jnp.tanh(_convolve(x, first)), second)


def _convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    periodic = jnp.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="wrap")
    return jax.lax.conv_general_dilated(periodic, kernel, (1, 1), "VALID")


@jax.jit
def pairs(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Random fields of steep spectra: blurred and with noise, and as they were."""
    waves, noise = jax.random.split(key)
    k = jnp.hypot(jnp.fft.fftfreq(GRID, 1 / GRID)[:, None], jnp.fft.rfftfreq(GRID, 1 / GRID))
    modes = 4 * jnp.fft.rfft2(jax.random.normal(waves, (BATCH, 1, GRID, GRID))) / (1 + k) ** 1.5
    sharp, blurred = jnp.fft.irfft2(modes), jnp.fft.irfft2(modes * jnp.exp(-((k / 12) ** 2)))
    return blurred + 0.3 * jnp.std(blurred) * jax.random.normal(noise, blurred.shape), sharp


if __name__ == "__main__":
    sys.exit(main())
