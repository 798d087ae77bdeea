"""One fixture runs a test on every backend: NumPy, read-only NumPy, the strict namespace, PyTorch, JAX, Dask, GPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Framework:
    """How to go from NumPy to a framework and back, and how it differentiates."""

    name: str
    asarray: Callable[[Any], Any]
    to_numpy: Callable[[Any], Any] = np.asarray
    gradient: Callable[[Callable[[Any], Any], Any], Any] | None = None
    examples: int = 30  # of hypothesis; few where each new shape is compiled


def _numpy() -> Framework:
    return Framework("numpy", np.array)


def _read_only() -> Framework:
    def asarray(x: Any) -> Any:
        x = np.array(x)
        x.flags.writeable = False
        return x

    return Framework("numpy-read-only", asarray)


def _strict() -> Framework:
    xp = pytest.importorskip("array_api_strict")
    return Framework("strict", xp.asarray)


def _torch(device: str = "cpu") -> Framework:
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")

    def gradient(f: Any, x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x), x)[0]

    return Framework(
        "torch" if device == "cpu" else "torch-cuda",
        lambda x: torch.tensor(np.asarray(x), device=device),
        lambda x: x.detach().cpu().numpy(),
        gradient,
    )


def _jax() -> Framework:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    return Framework("jax", jax.numpy.asarray, np.asarray, lambda f, x: jax.grad(f)(x), 6)


def _dask() -> Framework:
    da = pytest.importorskip("dask.array")

    def asarray(x: Any) -> Any:
        x = np.asarray(x)
        return da.from_array(x, chunks=tuple(max(1, (n + 1) // 2) for n in x.shape))

    return Framework("dask", asarray, lambda x: np.asarray(x.compute() if hasattr(x, "compute") else x), None, 15)


def _cupy() -> Framework:
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")
    return Framework("cupy", cupy.asarray, cupy.asnumpy)


FRAMEWORKS = {
    "numpy": _numpy,
    "numpy-read-only": _read_only,
    "strict": _strict,
    "torch": _torch,
    "jax": _jax,
    "dask": _dask,
    "cupy": _cupy,
    "torch-cuda": lambda: _torch("cuda"),
}
_GPU = ("cupy", "torch-cuda")


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=[pytest.mark.gpu] if name in _GPU else []) for name in FRAMEWORKS],
)
def framework(request: pytest.FixtureRequest) -> Framework:
    """Each framework in turn."""
    return FRAMEWORKS[request.param]()


@pytest.fixture(scope="session", params=["torch", "jax", pytest.param("torch-cuda", marks=pytest.mark.gpu)])
def autodiff(request: pytest.FixtureRequest) -> Framework:
    """Each framework that differentiates, in turn."""
    return FRAMEWORKS[request.param]()
