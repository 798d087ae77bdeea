"""Frameworks on devices: how fields get there and back, what differentiates and what compiles."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import needed, reason

__all__ = ["FRAMEWORKS", "Place", "places_of"]

Function = Callable[..., Any]
Here = contextlib.AbstractContextManager[Any]
ORDINARY = ("float64", "float32", "float16")


class Place(NamedTuple):
    """A framework on a device."""

    framework: str
    device: str
    asarray: Callable[[Any, str], Any]
    """A NumPy array, and the name of a dtype."""
    to_numpy: Function = np.asarray
    dtypes: tuple[str, ...] = ORDINARY
    gradient: Callable[[Function, Any], Any] | None = None
    """Of a function that returns a 0-d array."""
    compiled: Callable[[Function], Function] | None = None
    """What compiles a function, where that is a choice."""
    whole: Callable[[Function], Function] = lambda function: function
    """A function as a whole, where each of its operations would be compiled by itself."""
    around: Callable[[], Here] = contextlib.nullcontext
    """In what all of it happens."""

    @property
    def version(self) -> str:
        """Of the framework."""
        return _version(self.framework)


def places_of(names: Sequence[str] | None, device: str | None) -> list[Place]:
    """The frameworks that are installed, or those that are named, each on the CPU and on what else it finds.

    Parameters
    ----------
    names : sequence of str, optional
        Keys of `FRAMEWORKS`.
    device : str, optional
        The only one, as PyTorch or JAX calls it. Frameworks that do not find it are left out.

    Raises
    ------
    CommandError
        Nothing is left; a framework that is named and does not find the device.
    MissingPackageError
        A framework that is named and not installed.
    """
    found: list[Place] = []
    said: list[str] = []
    for name in names or FRAMEWORKS:
        if names:
            needed(name, f"--framework {name}", extra=EXTRAS.get(name, "test"))
        elif find_spec(name) is None:
            continue
        try:
            found += FRAMEWORKS[name](device)
        except LookupError as error:
            if names:
                raise CommandError(f"{_asked(device)}{name}: {error.args[0]}") from error
            said.append(f"{name}: {error.args[0]}")
    if not found:
        raise CommandError(f"{_asked(device)}{'; '.join(said)}")
    return found


def _numpy(device: str | None) -> list[Place]:
    _cpu_alone(device)
    return [Place("numpy", "cpu", _rounded)]


def _dask(device: str | None) -> list[Place]:
    _cpu_alone(device)
    da = import_module("dask.array")

    def asarray(x: Any, dtype: str) -> Any:
        x = np.asarray(x)  # cut along the first axis and along the last
        cut = [max(1, (n + 1) // 2) if i in (0, x.ndim - 1) else n for i, n in enumerate(x.shape)]
        return da.from_array(_rounded(x, dtype), chunks=tuple(cut))

    return [Place("dask", "cpu", asarray, lambda x: np.asarray(x.compute() if hasattr(x, "compute") else x))]


def _strict(device: str | None) -> list[Place]:
    _cpu_alone(device)
    xp = import_module("array_api_strict")
    return [Place("array_api_strict", "cpu", lambda x, dtype: xp.asarray(_rounded(x, dtype)), dtypes=ORDINARY[:2])]


def _torch(device: str | None) -> list[Place]:
    torch = import_module("torch")

    def gradient(f: Function, x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x), x)[0]

    def to_numpy(x: Any) -> Any:
        x = x.detach().cpu()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # NumPy has no bfloat16

    def place(at: str) -> Place:
        def asarray(x: Any, dtype: str) -> Any:
            kept = torch.tensor(np.asarray(x))
            # Rounded before it moves: some devices have no float64.
            return (kept.to(getattr(torch, dtype)) if kept.is_floating_point() else kept).to(at)

        compiled = partial(torch.compile, fullgraph=True)
        return Place("torch", at, asarray, to_numpy, (*ORDINARY, "bfloat16"), gradient, compiled)

    if device is None:
        kinds = [kind for kind in ("cuda", "xpu", "mps") if _has(torch, kind)]
        return [place(each) for each in ("cpu", *kinds)]
    try:
        torch.zeros(1, device=device)
    except Exception as error:  # what a device raises that is not there is its own
        raise LookupError(_line(error)) from error
    return [place(device)]


def _has(torch: Any, kind: str) -> bool:
    module = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
    return module is not None and bool(module.is_available())


def _jax(device: str | None) -> list[Place]:
    jax = import_module("jax")

    @contextlib.contextmanager
    def doubles() -> Iterator[None]:
        before = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", True)
        try:
            yield
        finally:
            jax.config.update("jax_enable_x64", before)

    def place(at: Any) -> Place:
        def asarray(x: Any, dtype: str) -> Any:
            x = np.asarray(x)
            kept = jax.numpy.asarray(x, dtype=dtype if x.dtype.kind == "f" else None)
            return jax.device_put(kept, at)

        named = at.platform if at.id == 0 else f"{at.platform}:{at.id}"
        return Place(
            "jax",
            named,
            asarray,
            lambda x: np.asarray(x.astype("float32") if x.dtype == "bfloat16" else x),
            (*ORDINARY, "bfloat16"),
            lambda f, x: jax.grad(f)(x),
            whole=jax.jit,
            around=doubles,
        )

    platform, _, number = (device or "").partition(":")
    try:
        if device is not None:
            return [place(jax.devices(platform)[int(number or 0)])]
        first = jax.devices()[0]
    except (RuntimeError, ValueError, IndexError) as error:
        raise LookupError(_line(error)) from error
    with contextlib.suppress(RuntimeError):  # JAX may have been told to leave the CPU alone
        return [place(each) for each in {each.platform: each for each in (jax.devices("cpu")[0], first)}.values()]
    return [place(first)]


def _cupy(device: str | None) -> list[Place]:
    cupy = import_module("cupy")
    platform, _, number = (device or "cuda").partition(":")
    count = cupy.cuda.runtime.getDeviceCount() if cupy.cuda.is_available() else 0
    if platform != "cuda" or not (number or "0").isdecimal() or int(number or 0) >= count:
        if device is None:
            return []
        raise LookupError(f"finds {count} devices, which are called cuda, cuda:1 and so on")
    around = partial(cupy.cuda.Device, int(number or 0))
    return [
        Place("cupy", device or "cuda", lambda x, dtype: cupy.asarray(_rounded(x, dtype)), cupy.asnumpy, around=around)
    ]


FRAMEWORKS: dict[str, Callable[[str | None], list[Place]]] = {
    "numpy": _numpy,
    "torch": _torch,
    "jax": _jax,
    "cupy": _cupy,
    "dask": _dask,
    "array_api_strict": _strict,
}
EXTRAS = {"torch": "torch", "jax": "jax", "cupy": "cupy", "dask": "dask"}


def _asked(device: str | None) -> str:
    return "" if device is None else f"--device {device}: "


def _rounded(x: Any, dtype: str) -> Any:
    x = np.asarray(x)
    return x.astype(dtype) if x.dtype.kind == "f" else x


def _cpu_alone(device: str | None) -> None:
    if device not in (None, "cpu"):
        raise LookupError("knows the CPU alone")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # CuPy's distributions are named after versions of CUDA
        return str(getattr(import_module(package), "__version__", "?"))


def _line(error: Exception) -> str:
    return " ".join(reason(error).split())[:200]
