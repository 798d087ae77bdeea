"""Which arrays are fields, and which two of them can be compared: types and shapes, never values."""

from __future__ import annotations

from typing import Any

from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.registry import backend_of

_HALF = ("float16", "bfloat16")
_FULL = ("float32", "float64")


def check_field(x: Array, name: str) -> Backend:
    """The backend of an array of real floats; anything else is refused."""
    backend = backend_of(x, name)
    dtype = dtype_name(x)
    if dtype not in _HALF and dtype not in _FULL:
        raise TypeError(f"{name} must be real floating (float16, bfloat16, float32 or float64), got {dtype}")
    if 0 in x.shape:
        raise ValueError(f"{name} is empty: its shape is {tuple(x.shape)}")
    return backend


def check_pair(prediction: Array, target: Array) -> Backend:
    """Refuse two arrays of different frameworks, devices or shapes, or that are no fields."""
    check_same_home("prediction", prediction, "target", target)
    if tuple(prediction.shape) != tuple(target.shape):
        for x in (prediction, target):
            _check_known(x)
        raise ValueError(
            f"prediction and target must have one shape, got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
    backend = check_field(prediction, "prediction")
    if backend.name == "dask":  # the only one whose sizes may be unknown
        _check_known(prediction)
    if target.dtype != prediction.dtype:
        check_field(target, "target")
    return backend


def check_same_home(name: str, x: Array, other: str, y: Array) -> None:
    """Refuse two arrays that do not live in one framework and on one device."""
    a, b = backend_of(x, name), backend_of(y, other)
    if a is not b or (a.name == "generic" and a.namespace(x) is not b.namespace(y)):
        raise TypeError(f"{name} and {other} must be arrays of one framework, got {_full_name(x)} and {_full_name(y)}")
    here, there = a.device(x), a.device(y)
    if here is not None and there is not None and here != there:
        raise ValueError(f"{name} and {other} must be on one device, got {here} and {there}")


def lift(x: Array, xp: Any) -> Array:
    """Half precision to float32, anything else as it is."""
    return xp.astype(x, xp.float32) if dtype_name(x) in _HALF else x


def dtype_name(x: Array) -> str:
    """'float32' and so on, whatever the framework calls it."""
    return str(getattr(x.dtype, "name", x.dtype)).rsplit(".", 1)[-1]


def _check_known(x: Array) -> None:
    if any(n != n for n in x.shape):  # Dask's mark of a length that nobody has counted
        raise ValueError(
            f"prediction and target must have known sizes, got {tuple(x.shape)}: x.compute_chunk_sizes() counts chunks "
            "of unknown length"
        )


def _full_name(x: Array) -> str:
    return f"{type(x).__module__.split('.')[0]}.{type(x).__qualname__}"
