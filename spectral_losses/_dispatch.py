"""From an array to its backend: a built-in table, then entry points, then the array API alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any, Protocol

Array = Any  # an array of any framework: the array API standard has no nominal type

GROUP = "spectral_losses.backends"


class Source(Protocol):
    """A named tuple of plain values whose methods build constants on the host (a `Grid`, a `Taper`)."""

    @property
    def several(self) -> Sequence[str]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __hash__(self) -> int: ...


class ShellGrid(Source, Protocol):
    """What a backend may ask of a grid; see `spectral_losses._grid.Grid`."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def slots(self) -> Any: ...
    def folded_order(self) -> Any: ...
    def folded_starts(self) -> Any: ...
    def rows(self) -> Any: ...
    def row_weights(self) -> Any: ...
    def scale(self) -> Any: ...


class Misfit(Protocol):
    """A scalar of shell powers ``(batch, ..., shells)``: the mean of an error that each batch element has by itself."""

    def errors(self, p: Array, t: Array, xp: Any) -> Array:
        """The error of each element, differentiable."""

    def errors_and_slope(self, p: Array, t: Array, xp: Any) -> tuple[Array, Array]:
        """The errors, and the gradient of their sum with respect to p."""


class Backend(Protocol):
    """The primitives that the library asks of a framework, and nothing else.

    `spectral_losses_backends.generic.Backend` has all of them in the array API alone; a framework's backend
    overrides those that it does better. `spectral_losses.testing.check_backend` proves one.
    """

    name: str

    def namespace(self, x: Array) -> Any:
        """The array API namespace of x."""

    def device(self, x: Array) -> Any:
        """Where x lives, comparable with ``==``; None where that is not known."""

    def constant(self, source: Source, name: str, like: Array) -> Any:
        """``getattr(source, name)()``, built on the host and cached on like's device.

        A float array takes like's dtype, an integer array stays one; a tuple of arrays gives a tuple.
        """

    def shell_power(self, x: Array, grid: ShellGrid) -> Array:
        """Power of each shell: ``(..., *grid.shape)`` -> ``(..., shells)``, differentiable."""

    def misfit(self, x: Array, y: Array | None, known: Array | None, grid: ShellGrid, of: Misfit) -> Array:
        """Mean of the errors of x's powers against y's, differentiable, 0-d.

        The fields are ``(batch, ..., *grid.shape)``; where y is None, ``known`` are its powers.
        """

    def misfit_and_gradient(
        self, x: Array, y: Array | None, known: Array | None, grid: ShellGrid, of: Misfit
    ) -> tuple[Array, Array]:
        """`misfit`, and its gradient with respect to x, for arrays that may not differentiate themselves."""

    def relative_error(self, x: Array, y: Array, weights: Array | None, eps: float, ndim: int) -> Array:
        """Mean of ``<(x - y)**2> / (<y**2> + eps)``, means over the last ndim axes, differentiable, 0-d.

        ``weights`` (of the shape of those axes) makes them weighted means; where it is 0, nothing counts.
        """

    def detach(self, x: Array) -> Array:
        """The same values, without a gradient."""

    def peek(self, x: Array) -> Any | None:
        """``x`` as a NumPy array where that costs no transfer and no wait, else None."""

    def to_floats(self, values: Sequence[Array]) -> list[float]:
        """0-d arrays as floats, in one transfer."""

    def register(self, cls: type, arrays: Sequence[str], static: Sequence[str]) -> None:
        """Let a dataclass of arrays through the framework's transformations (``jit``, ``vmap``)."""


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
    from spectral_losses_backends.generic import backend

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
    roots = [c.__module__.split(".")[0] for c in kind.__mro__]
    if kind.__name__ == "MaskedArray" and roots[0] == "numpy":
        raise TypeError(f"{name}: a masked array's mask would be ignored; pass x.filled(...) and mask=~x.mask")
    for root in roots:
        # A framework has other classes than arrays; not all arrays of these two carry the standard's mark.
        if root in _BUILT_IN and (hasattr(x, "__array_namespace__") or root == "torch" or root == "dask"):
            return _prepare(_BUILT_IN[root]())
    if not hasattr(x, "__array_namespace__"):
        raise TypeError(
            f"{name} must be an array (NumPy, PyTorch, JAX, CuPy, Dask or one that follows the array API "
            f"standard), got {kind.__module__}.{kind.__qualname__}"
        )
    return _prepare(_plug_in(roots) or _generic())


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
