"""The transforms that any spectrum or spectral loss must do, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from candidates import cupy_call, jax_arrays, jax_call, torch_arrays, torch_call, torch_finish
from cases import Problem


def torch_spectrum(problem: Problem) -> Callable[[], object]:
    """One half transform in PyTorch."""
    import torch

    return torch_call(problem, lambda x: torch.fft.rfftn(x, dim=problem.case.axes))


def numpy_spectrum(problem: Problem) -> Callable[[], object]:
    """One half transform in SciPy, whose transforms keep float32."""
    import scipy.fft

    return lambda: scipy.fft.rfftn(problem.x, axes=problem.case.axes)


def threaded_spectrum(problem: Problem) -> Callable[[], object]:
    """One half transform in SciPy, on all cores."""
    return threaded(numpy_spectrum(problem))


def jax_spectrum(problem: Problem) -> Callable[[], object]:
    """One half transform in JAX."""
    import jax.numpy as jnp

    return jax_call(problem, lambda x: jnp.fft.rfftn(x, axes=problem.case.axes))


def cupy_spectrum(problem: Problem) -> Callable[[], object]:
    """One half transform in CuPy."""
    return cupy_call(problem, lambda cupy, x: cupy.fft.rfftn(x, axes=problem.case.axes))


def torch_loss(problem: Problem) -> Callable[[], object]:
    """Both transforms and, for a gradient, one back."""
    import torch

    x, y = torch_arrays(problem)
    axes, shape, finish = problem.case.axes, problem.case.grid, torch_finish(problem.device)

    def run() -> object:
        # The first result is dropped before the second is made, as a loss could do.
        torch.fft.rfftn(x, dim=axes)
        modes = torch.fft.rfftn(y, dim=axes)
        result = torch.fft.irfftn(modes, s=shape, dim=axes) if problem.backward else modes
        finish()
        return result

    return run


def jax_loss(problem: Problem) -> Callable[[], object]:
    """Both transforms and, for a gradient, one back; all are returned, or they would be left out."""
    import jax
    import jax.numpy as jnp

    x, y = jax_arrays(problem)
    axes, shape = problem.case.axes, problem.case.grid

    @jax.jit
    def both(x: Any, y: Any) -> Any:
        f, g = jnp.fft.rfftn(x, axes=axes), jnp.fft.rfftn(y, axes=axes)
        return f, jnp.fft.irfftn(g, s=shape, axes=axes) if problem.backward else g

    return lambda: jax.block_until_ready(both(x, y))


def threaded(function: Callable[[], object]) -> Callable[[], object]:
    """SciPy's transforms in a function on all cores; otherwise they take one."""
    from scipy.fft import set_workers

    def run() -> object:
        with set_workers(os.cpu_count() or 1):
            return function()

    return run
