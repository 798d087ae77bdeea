"""What a field is: which axes are space, channel and frames, and which arrays are refused.

Everything here looks at shapes and types only, never at values.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple

from spectral_losses._dispatch import Array, Backend, backend_of

ChannelAxis = int | None | Literal["auto"]

_HALF = ("float16", "bfloat16")
_FULL = ("float32", "float64")


class Field(NamedTuple):
    """A checked field: its spatial axes last (in the order asked for), the others in their own order.

    Attributes
    ----------
    array : array, shape (..., *shape)
        At least float32.
    backend : Backend
    shape : tuple of int
        The spatial sizes.
    channel : int or None
        Index of the channel axis among the other axes.
    batch : int or None
        Index of the batch axis, the first frame axis, among the other axes.
    """

    array: Array
    backend: Backend
    shape: tuple[int, ...]
    channel: int | None
    batch: int | None


def as_field(x: Array, name: str, spatial_axes: int | Sequence[int], channel_axis: ChannelAxis = "auto") -> Field:
    """Check an array and bring its spatial axes last."""
    backend = backend_of(x, name)
    _check_dtype(x, name)
    ndim = len(x.shape)
    spatial = _spatial_axes(spatial_axes, ndim, name, x)
    channel = _channel_axis(channel_axis, spatial, ndim, name, x)
    if 0 in x.shape:
        raise ValueError(f"{name} is empty: its shape is {tuple(x.shape)}")
    others = [a for a in range(ndim) if a not in spatial]
    frames = [i for i, a in enumerate(others) if a != channel]
    # operator.index makes plain ints of the sizes, also where torch.compile would keep them symbolic.
    shape = tuple([operator.index(x.shape[a]) for a in spatial])
    xp = backend.namespace(x)
    if (*others, *spatial) != tuple(range(ndim)):
        x = xp.permute_dims(x, (*others, *spatial))
    return Field(
        lift(x, xp),
        backend,
        shape,
        None if channel is None else others.index(channel),
        frames[0] if frames else None,
    )


def check_pair(prediction: Array, target: Array) -> None:
    """Refuse two arrays of different frameworks, devices or shapes."""
    check_same_home("prediction", prediction, "target", target)
    if tuple(prediction.shape) != tuple(target.shape):
        raise ValueError(
            f"prediction and target must have one shape, got {tuple(prediction.shape)} and {tuple(target.shape)}"
        )


def check_same_home(name: str, x: Array, other: str, y: Array) -> None:
    """Refuse two arrays that do not live in one framework and on one device."""
    a, b = backend_of(x, name), backend_of(y, other)
    if a is not b or (a.name == "generic" and a.namespace(x) is not b.namespace(y)):
        raise TypeError(f"{name} and {other} must be arrays of one framework, got {_full_name(x)} and {_full_name(y)}")
    here, there = a.device(x), a.device(y)
    if here is not None and there is not None and here != there:
        raise ValueError(f"{name} and {other} must be on one device, got {here} and {there}")


def lift(x: Array, xp: object) -> Array:
    """Half precision to float32, anything else as it is."""
    return xp.astype(x, xp.float32) if dtype_name(x) in _HALF else x  # type: ignore[attr-defined]


def dtype_name(x: Array) -> str:
    """'float32' and so on, whatever the framework calls it."""
    return str(getattr(x.dtype, "name", x.dtype)).rsplit(".", 1)[-1]


def plain_float(x: float) -> float:
    """A float that is its value, also where torch.compile would keep it symbolic."""
    return float.fromhex(float(x).hex())


def check_eps(eps: float) -> None:
    """Refuse an eps that is not a finite number of at least 0."""
    if isinstance(eps, bool) or not isinstance(eps, int | float):
        raise TypeError(f"eps must be a number, got {type(eps).__name__}")
    if not (0 <= eps < math.inf):
        raise ValueError(f"eps must be finite and at least 0, got {eps}")


def _check_dtype(x: Array, name: str) -> None:
    dtype = dtype_name(x)
    if dtype not in _HALF and dtype not in _FULL:
        raise TypeError(f"{name} must be real floating (float16, bfloat16, float32 or float64), got {dtype}")


def _spatial_axes(axes: int | Sequence[int], ndim: int, name: str, x: Array) -> tuple[int, ...]:
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    if not 1 <= len(given) <= 3:
        raise ValueError(f"spatial_axes must name one, two or three axes, got {given}")
    resolved = tuple([_axis(a, ndim, "spatial_axes", name, x) for a in given])
    if len(set(resolved)) < len(resolved):
        raise ValueError(f"spatial_axes must not repeat an axis, got {given} for {ndim} dimensions")
    return resolved


def _channel_axis(axis: ChannelAxis, spatial: tuple[int, ...], ndim: int, name: str, x: Array) -> int | None:
    if axis is None:
        return None
    if isinstance(axis, str):
        if axis != "auto":
            raise ValueError(f"channel_axis must be an axis, None or 'auto', got {axis!r}")
        before = min(spatial) - 1
        return before if before >= 0 else None
    resolved = _axis(axis, ndim, "channel_axis", name, x)
    if resolved in spatial:
        raise ValueError(f"channel_axis {axis} is also one of the spatial axes {spatial}")
    return resolved


def _axis(axis: int, ndim: int, argument: str, name: str, x: Array) -> int:
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise TypeError(f"{argument} must be integers, got {axis!r}")
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"{argument}: axis {axis} is out of range for {name} of shape {tuple(x.shape)} ({ndim} dimensions)"
        )
    return axis % ndim


def _full_name(x: Array) -> str:
    return f"{type(x).__module__.split('.')[0]}.{type(x).__qualname__}"
