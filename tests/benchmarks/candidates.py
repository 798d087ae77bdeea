"""What can be timed: a name and a way to make it, for each framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from cases import Case, Problem

COMPILED = "PyTorch, compiled"
THREADED = "NumPy, all cores"
DEVICES = {"NumPy": {"cpu"}, THREADED: {"cpu"}, "CuPy": {"cuda"}}  # all others run on both


def anything(case: Case) -> str:
    """Refuse no case."""
    return ""


def flat(case: Case) -> str:
    """Refuse all but two dimensions."""
    return "" if len(case.grid) == 2 else "2-D only"


@dataclass(frozen=True)
class Candidate:
    """One thing to time.

    Parameters
    ----------
    name, framework : str
        A peer is set against this library in the same framework, and both against its bare transforms.
    role : str
        "bare", "ours" (radial_spectrum or spectrum_error), "stored", "field", "mse", "loop" or "peer".
    make : callable
        Makes of a `Problem` what is timed. It imports what it needs; whatever it raises is listed.
    package, work : str
        A peer's distribution, and in a few words what it does.
    against : str
        The role of this library's function that a peer is the counterpart of.
    read : callable, optional
        Makes of a spectrum's result and the number of points per side ``(centres, power)`` as NumPy arrays, the
        centres in units of the smallest wavenumber, the shells on the last axis.
    refuses : callable
        Says why a case is not tried; "" where it is.
    """

    name: str
    framework: str
    role: str
    make: Callable[[Problem], Callable[[], object]]
    package: str = ""
    work: str = ""
    against: str = "ours"
    read: Callable[[Any, int], tuple[Any, Any]] | None = None
    refuses: Callable[[Case], str] = anything

    @property
    def label(self) -> str:
        """Name and framework."""
        return f"{self.name} ({self.framework})"

    def runs_on(self, device: str) -> bool:
        """Whether the framework knows the device."""
        return device in DEVICES.get(self.framework, {"cpu", "cuda"})


def torch_arrays(problem: Problem) -> tuple[Any, Any]:
    """Both stacks as tensors on the device; on the CPU without a copy."""
    import torch

    to = {"device": problem.device, "dtype": getattr(torch, problem.dtype)}
    return torch.from_numpy(problem.x).to(**to), torch.from_numpy(problem.y).to(**to)


def torch_call(problem: Problem, function: Callable[[Any], Any]) -> Callable[[], object]:
    """Time a function of one stack of tensors."""
    x, _ = torch_arrays(problem)
    finish = torch_finish(problem.device)

    def run() -> object:
        result = function(x)
        finish()
        return result

    return run


def torch_step(problem: Problem, loss: Callable[[Any, Any], Any], compiled: bool = False) -> Callable[[], object]:
    """Time a loss of two stacks of tensors, with its gradient if the problem asks for it."""
    import torch

    x, y = torch_arrays(problem)
    x.requires_grad_(problem.backward)
    finish = torch_finish(problem.device)
    if compiled:
        loss = torch.compile(loss, dynamic=False)

    def run() -> object:
        value = loss(x, y)
        if problem.backward:
            value.backward()
        finish()
        x.grad = None  # or the peak of the next call would not hold it
        return value.detach()

    return run


def torch_finish(device: str) -> Callable[[], object]:
    """Wait for the device."""
    if device == "cpu":
        return lambda: None
    import torch

    return torch.cuda.synchronize


def jax_arrays(problem: Problem) -> tuple[Any, Any]:
    """Both stacks as JAX arrays on the device, also where JAX would rather use another."""
    import jax

    device = jax.devices(problem.device)[0]
    x, y = (jax.device_put(a.astype(jax.numpy.dtype(problem.dtype)), device) for a in (problem.x, problem.y))
    return x, y


def jax_call(problem: Problem, function: Callable[[Any], Any]) -> Callable[[], object]:
    """Time a jitted function of one stack."""
    import jax

    x, _ = jax_arrays(problem)
    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(x))


def jax_step(problem: Problem, loss: Callable[[Any, Any], Any]) -> Callable[[], object]:
    """Time a jitted loss of two stacks, with its gradient if the problem asks for it."""
    import jax

    x, y = jax_arrays(problem)
    compiled = jax.jit(jax.value_and_grad(loss) if problem.backward else loss)
    return lambda: jax.block_until_ready(compiled(x, y))


def cupy_call(problem: Problem, function: Callable[[Any, Any], Any]) -> Callable[[], object]:
    """Time a function of CuPy and one of its arrays."""
    import cupy

    x = cupy.asarray(problem.x)

    def run() -> object:
        result = function(cupy, x)
        cupy.cuda.get_current_stream().synchronize()
        return result

    return run


def as_numpy(x: Any) -> Any:
    """Tensors of any device, and arrays."""
    return x.detach().cpu().float().numpy() if hasattr(x, "detach") else np.asarray(x, np.float32)
