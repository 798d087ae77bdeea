"""One fixture runs a test on every backend: NumPy, read-only NumPy, the strict namespace, PyTorch, JAX, Dask, GPUs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

Function = Callable[..., Any]


@dataclass(frozen=True)
class Framework:
    """How to go from NumPy to a framework and back, how it differentiates, and what it has."""

    name: str
    asarray: Callable[[Any], Any]
    to_numpy: Callable[[Any], Any] = np.asarray
    gradient: Callable[[Callable[[Any], Any], Any], Any] | None = None
    examples: int = 30  # of hypothesis; few where each new shape is compiled
    costly: bool = False  # calls take most of their time to compile or to build a graph: what is alike is called less
    halves: tuple[str, ...] = ("float16",)
    """The half precisions that it has."""
    cast: Callable[[Any, str], Any] = lambda x, dtype: x.astype(dtype)
    compiled: Callable[[Function], Function] = lambda function: function
    """A function as a whole, where every operation of its own would have to be compiled for each shape."""


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skip a test where a package is not installed."""
    missing = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {' and '.join(missing or packages)}")


@lru_cache
def sees_a_device(package: str) -> bool:
    """Whether PyTorch, CuPy or JAX is installed and finds a CUDA device."""
    if find_spec(package) is None:
        return False
    if package == "jax":
        return any(device.platform == "gpu" for device in import_module("jax").devices())
    return bool(import_module(package).cuda.is_available())


@contextmanager
def no_waiting() -> Iterator[None]:
    """PyTorch raises where the host waits for a CUDA device."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Synchronization debug mode is a prototype", UserWarning)
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _numpy() -> Framework:
    return Framework("numpy", np.array)


def _read_only() -> Framework:
    def asarray(x: Any) -> Any:
        x = np.array(x)
        x.flags.writeable = False
        return x

    return Framework("numpy-read-only", asarray)


def _strict() -> Framework:
    import array_api_strict as xp

    return Framework("strict", xp.asarray, halves=(), cast=lambda x, dtype: xp.astype(x, getattr(xp, dtype)))


def _torch(device: str = "cpu") -> Framework:
    import torch

    def gradient(f: Any, x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x), x)[0]

    def to_numpy(x: Any) -> Any:
        x = x.detach().cpu()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # NumPy has no bfloat16

    return Framework(
        "torch" if device == "cpu" else "torch-cuda",
        lambda x: torch.tensor(np.asarray(x), device=device),
        to_numpy,
        gradient,
        halves=("float16", "bfloat16"),
        cast=lambda x, dtype: x.to(getattr(torch, dtype)),
    )


def _jax() -> Framework:
    import jax

    jax.config.update("jax_enable_x64", True)
    return Framework(
        "jax",
        jax.numpy.asarray,
        np.asarray,
        lambda f, x: jax.grad(f)(x),
        6,
        costly=True,
        halves=("float16", "bfloat16"),
        compiled=jax.jit,
    )


def _dask() -> Framework:
    import dask.array as da

    def asarray(x: Any) -> Any:
        x = np.asarray(x)
        # Cut along the batch and along space; more blocks would be more of the same.
        cut = (0, x.ndim - 1)
        return da.from_array(x, chunks=tuple(max(1, (n + 1) // 2) if i in cut else n for i, n in enumerate(x.shape)))

    def to_numpy(x: Any) -> Any:
        return np.asarray(x.compute() if hasattr(x, "compute") else x)

    return Framework("dask", asarray, to_numpy, None, 15, costly=True)


def _cupy() -> Framework:
    import cupy

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
_MARKS = {
    "strict": [needs("array_api_strict")],
    "torch": [needs("torch")],
    "jax": [needs("jax")],
    "dask": [needs("dask")],
    "cupy": [pytest.mark.gpu("cupy")],
    "torch-cuda": [pytest.mark.gpu("torch")],
}


def on(*names: str) -> list[Any]:
    """Frameworks as parameters of the fixture `framework`, each with what it needs."""
    return [pytest.param(name, marks=_MARKS.get(name, [])) for name in names]


@pytest.fixture(scope="session", params=on(*FRAMEWORKS))
def framework(request: pytest.FixtureRequest) -> Framework:
    """Each framework in turn; with --slow all of them are called as often."""
    found = FRAMEWORKS[request.param]()
    return replace(found, costly=found.costly and not request.config.getoption("--slow"))


@pytest.fixture(scope="session", params=on("torch", "jax", "torch-cuda"))
def autodiff(request: pytest.FixtureRequest) -> Framework:
    """Each framework that differentiates, in turn."""
    return FRAMEWORKS[request.param]()
