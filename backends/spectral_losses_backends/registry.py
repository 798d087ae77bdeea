"""From an array to its backend: a built-in table, then entry points, then the array API alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

from spectral_losses_backends.base import Array, Backend

GROUP = "spectral_losses.backends"


def backend_of(x: Array, name: str) -> Backend:
    """Return the backend of an array, or raise a TypeError that names the argument."""
    kind = type(x)
    backend = _known.get(kind)
    if backend is None:
        backend = _known[kind] = _find(x, name)
    return backend


def record(arrays: Sequence[str], static: Sequence[str]) -> Callable[[type], type]:
    """Class decorator: every backend, loaded now or later, is told of this dataclass of arrays."""

    def decorate(cls: type) -> type:
        _records.append((cls, arrays, static))
        for backend in _ready:
            backend.register(cls, arrays, static)
        return cls

    return decorate


_known: dict[type, Backend] = {}
_ready: list[Backend] = []
_records: list[tuple[type, Sequence[str], Sequence[str]]] = []


# Import statements, and not import strings, because torch.compile can follow a statement while it traces.
def _numpy() -> Any:
    from spectral_losses_backends.numpy import backend

    return backend


def _torch() -> Any:
    from spectral_losses_backends.torch import backend

    return backend


def _cupy() -> Any:
    from spectral_losses_backends.cupy import backend

    return backend


def _jax() -> Any:
    from spectral_losses_backends.jax import backend

    return backend


def _dask() -> Any:
    from spectral_losses_backends.dask import backend

    return backend


def _generic() -> Any:
    from spectral_losses_backends.base import backend

    return backend


_BUILT_IN: dict[str, Callable[[], Any]] = {
    "numpy": _numpy,
    "torch": _torch,
    "cupy": _cupy,
    "jax": _jax,
    "jaxlib": _jax,
    "dask": _dask,
}


def _find(x: Array, name: str) -> Backend:
    kind = type(x)
    # One class after the other: torch.compile, which may be looking on, does not know the modules of all that are last.
    for cls in kind.__mro__:
        root = cls.__module__.split(".")[0]
        if root == "numpy":
            _refuse_relatives(x, name)
        # A framework has other classes than arrays; not all arrays of these three carry the standard's mark, nor do the
        # scalars of NumPy 2.0.
        marked = hasattr(x, "__array_namespace__") or (root == "numpy" and cls.__name__ == "generic")
        if root in _BUILT_IN and (marked or root in ("torch", "dask", "cupy")):
            return _prepare(_BUILT_IN[root]())
    roots = [cls.__module__.split(".")[0] for cls in kind.__mro__]
    if not hasattr(x, "__array_namespace__"):
        raise TypeError(
            f"{name} must be an array (NumPy, PyTorch, JAX, CuPy, Dask or one that follows the array API "
            f"standard), got {kind.__module__}.{kind.__qualname__}{_inside(x, name, roots)}"
        )
    return _prepare(_plug_in(roots) or _generic())


def _refuse_relatives(x: Array, name: str) -> None:
    """Refuse those of NumPy's arrays that do not behave as such, and what is made of them."""
    own = {cls.__name__ for cls in type(x).__mro__ if cls.__module__.split(".")[0] == "numpy"}
    if "MaskedArray" in own:  # whose mask NumPy's functions would ignore or not, as it comes
        raise TypeError(f"{name}: a masked array's mask would be ignored; pass x.filled(...) and mask=~x.mask")
    if "matrix" in own:
        raise TypeError(f"{name}: the operators of a matrix are not those of an array; pass np.asarray(x)")


def _inside(x: Any, name: str, roots: Sequence[str]) -> str:
    """Where the array is, in what labels one."""
    if "xarray" in roots:
        takes = "; spectral_losses.xarray has functions of DataArrays and Datasets, by names of dimensions"
        return f"{takes}; or pass {name}.data" if hasattr(x, "data") else takes
    return f"; pass {name}.to_numpy()" if "pandas" in roots and hasattr(x, "to_numpy") else ""


def _prepare(backend: Backend) -> Backend:
    if backend not in _ready:
        _ready.append(backend)
        for cls, arrays, static in _records:
            backend.register(cls, arrays, static)
    return backend


def _plug_in(roots: Sequence[str]) -> Backend | None:
    """The third-party backend registered under the top-level name of an array's package."""
    for entry in entry_points(group=GROUP):
        if entry.name in roots:
            try:
                found: Backend = entry.load()
            except Exception as error:  # a broken plug-in must not take the library down with it
                warnings.warn(
                    f"backend {entry.value!r} could not be loaded and is skipped: {error!r}",
                    RuntimeWarning,
                    stacklevel=4,
                )
            else:
                return found
    return None
