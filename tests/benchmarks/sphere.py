"""What a loss on the sphere costs: ``python tests/benchmarks/sphere.py``.

`log_spectral_distance(grid=Sphere("equiangular"))` with its gradient, of float32 tensors of PyTorch, beside the same
formula over the coefficients of torch-harmonics' `RealSHT`, where that is installed, up to the same degree; and beside
the loss of the plane, which has a Fourier transform along latitude in place of the Legendre functions. In JAX, where
that is installed, the compiled value and gradient likewise, beside the formula written down with one full table. Times
of whole steps taken in turn within one process: median, with quartiles. Tables are made before anything is timed; their
sizes are printed. JAX does not ask how many threads PyTorch takes: ``taskset -c 0`` gives both one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from report import Section, Table, machine, text_of
from timing import Timing, interleaved

import spectral_losses as sl
from spectral_losses.transforms.legendre import _by_degree
from spectral_losses.transforms.quadrature import area_weights, colatitudes

SHAPES = ((16, 181, 360), (4, 721, 1440))
QUICK = ((2, 19, 36),)
OURS, PEER, PLANE = "on the sphere", "over torch-harmonics", "on the plane"
JAX, JAX_PEER, JAX_PLANE = "JAX: on the sphere", "JAX: one full table", "JAX: on the plane"


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="steps of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="for each, at most (default: %(default)s)")
    parser.add_argument("--device", default="cpu", help="as PyTorch names it (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one small stack")
    parser.add_argument("--markdown", action="store_true", help="print a table of Markdown")
    args = parser.parse_args(argv)
    header = ["fields", "loss", "ms", "/ on the sphere", "difference", "tables, MB"]
    rows = []
    for shape in QUICK if args.quick else SHAPES:
        rows += measure(shape, args.rounds, args.seconds, args.device)
    print(text_of(Section("a loss on the sphere", [Table("", header, rows)]), args.markdown))
    print(machine(["numpy", "torch", *(name for name in ("torch_harmonics", "jax") if find_spec(name))]))


def measure(shape: tuple[int, int, int], rounds: int, seconds: float, device: str) -> list[list[str]]:
    """A row for each loss of fields of this shape."""
    import torch

    rng = np.random.default_rng(0)
    target = torch.tensor(rng.normal(size=shape), dtype=torch.float32, device=device)
    prediction = (target + 0.3 * torch.tensor(rng.normal(size=shape), dtype=torch.float32, device=device)).detach()
    prediction.requires_grad_()
    sphere = sl.Sphere("equiangular")
    losses: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
        OURS: (lambda p, t: sl.log_spectral_distance(p, t, grid=sphere, channel_axis=None), ours(sphere, shape)),
        PLANE: (lambda p, t: sl.log_spectral_distance(p, t, channel_axis=None), 0.0),
    }
    if find_spec("torch_harmonics"):
        losses[PEER] = peer(sphere.basis(shape[1:], "unit").highest, shape, device)

    def step(loss: Callable[[Any, Any], Any]) -> Callable[[], Any]:
        def run() -> Any:
            prediction.grad = None
            value = loss(prediction, target)
            value.backward()
            if device != "cpu":
                torch.cuda.synchronize()
            return float(value.detach())

        return run

    steps = {name: step(loss) for name, (loss, _) in losses.items()}
    memories = {name: memory for name, (_, memory) in losses.items()}
    if find_spec("jax") and device == "cpu":
        for name, (compiled, memory) in in_jax(sphere, prediction.detach().numpy(), target.numpy()).items():
            steps[name], memories[name] = compiled, memory
    values = {name: run() for name, run in steps.items()}
    timings = interleaved(steps, rounds, seconds)
    rows, base = [], timings[OURS]
    for name, memory in memories.items():
        timing, text = timings[name], " x ".join(map(str, shape))
        if not isinstance(timing, Timing) or not isinstance(base, Timing):
            raise RuntimeError(f"{name}: {timing}")
        times = "{:.1f} [{:.1f}-{:.1f}]".format(*(1e3 * each for each in (timing.median, timing.low, timing.high)))
        away = "" if name in (PLANE, JAX_PLANE) else f"{abs(values[name] / values[OURS] - 1):.1e}"
        rows.append([text, name, times, f"{timing.median / base.median:.2f}", away, f"{memory / 1e6:.1f}"])
    return rows


def ours(sphere: sl.Sphere, shape: Sequence[int]) -> float:
    """Bytes of our tables in float32."""
    return sum(table.size * 4 for table in sphere.basis(shape[1:], "unit").tables())


def peer(highest: int, shape: tuple[int, int, int], device: str) -> tuple[Callable[[Any, Any], Any], float]:
    """The same formula over the coefficients of torch-harmonics, and the bytes of its tables in float32."""
    import torch
    from torch_harmonics import RealSHT

    transform = RealSHT(*shape[1:], lmax=highest + 1, mmax=highest + 1, grid="equiangular").to(device)
    transform = transform.float()
    twice = torch.full((highest + 1,), 2.0, device=device)
    twice[0] = 1.0

    def power(x: Any) -> Any:
        modes = torch.view_as_real(transform(x)).square().sum(-1)
        return (modes @ twice)[..., 1:] / (4 * torch.pi)

    def loss(p: Any, t: Any) -> Any:
        power_p, power_t = power(p), power(t)
        delta = 1e-12 * power_t.amax(-1, keepdim=True)
        return ((power_p + delta).log() - (power_t + delta).log()).square().mean()

    return loss, float(sum(buffer.numel() * buffer.element_size() for buffer in transform.buffers()))


def in_jax(sphere: sl.Sphere, prediction: Any, target: Any) -> dict[str, tuple[Callable[[], float], float]]:
    """Steps of JAX by name, and the bytes of their tables."""
    import jax
    import jax.numpy as jnp

    p, t = jnp.asarray(prediction), jnp.asarray(target)
    shape = tuple(prediction.shape)
    highest = sphere.basis(shape[1:], "unit").highest
    functions = np.zeros((highest + 1, highest + 1, shape[1]), dtype=np.float32)  # orders, degrees, latitudes
    weights = area_weights(sphere.grid, shape[1])
    for degree, orders in enumerate(_by_degree(colatitudes(sphere.grid, shape[1]), highest, highest + 1)):
        functions[:, degree] = orders * weights
    table = jnp.asarray(functions)
    twice = jnp.where(jnp.arange(highest + 1) == 0, 1.0, 2.0)

    def power(x: Any, table: Any) -> Any:
        modes = jnp.fft.rfft(x, norm="forward")[..., : highest + 1]
        parts = (jnp.einsum("bkm,mlk->blm", part, table, precision="highest") for part in (modes.real, modes.imag))
        return (sum(part**2 for part in parts) @ twice)[..., 1:]

    def full(p: Any, t: Any, table: Any) -> Any:
        power_p, power_t = power(p, table), power(t, table)
        delta = 1e-12 * power_t.max(-1, keepdims=True)
        return ((jnp.log(power_p + delta) - jnp.log(power_t + delta)) ** 2).mean()

    def step(loss: Callable[..., Any], *more: Any) -> Callable[[], float]:
        compiled = jax.jit(jax.value_and_grad(loss))
        return lambda: float(jax.block_until_ready(compiled(p, t, *more))[0])

    return {
        JAX: (step(lambda p, t: sl.log_spectral_distance(p, t, grid=sphere, channel_axis=None)), ours(sphere, shape)),
        JAX_PLANE: (step(lambda p, t: sl.log_spectral_distance(p, t, channel_axis=None)), 0.0),
        JAX_PEER: (step(full, table), float(table.nbytes)),
    }


if __name__ == "__main__":
    main()
