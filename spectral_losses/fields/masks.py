"""Masks and weights of points: what does not count is replaced before any arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from spectral_losses.fields.layout import Layout
from spectral_losses.fields.pairs import check_same_home, dtype_name
from spectral_losses_backends.base import Array, Backend


def check_mask(mask: Array, prediction: Array, layout: Layout, backend: Backend) -> Array:
    """A mask as it multiplies fields in a layout: of the shape of space, or one that broadcasts against the field."""
    check_same_home("prediction", prediction, "mask", mask)
    xp, shape, ndim = backend.namespace(mask), tuple(mask.shape), len(prediction.shape)
    if not xp.isdtype(mask.dtype, ("bool", "integral", "real floating")) and dtype_name(mask) != "bfloat16":
        raise TypeError(f"mask must be bool or real weights, got {mask.dtype}")
    if shape == layout.shape:
        # Of the shape of space its axes are in the order of spatial_axes, which is the layout's.
        arranged = mask
    elif len(shape) <= ndim and all(
        n in (1, m) for n, m in zip(shape[::-1], tuple(prediction.shape)[::-1], strict=False)
    ):
        # What need not be moved stays the same array, by which losses tell that they share their transforms.
        arranged = mask if len(shape) == ndim else xp.reshape(mask, (*(1,) * (ndim - len(shape)), *shape))
        if layout.order is not None:
            arranged = xp.permute_dims(arranged, layout.order)
        if layout.averaged:
            raise ValueError(
                'mask: channels="mean" averages the field first, so that a mask must have the shape of space'
            )
    else:
        raise ValueError(
            f"mask must have the spatial shape {layout.shape}, got {shape}, which does not broadcast against "
            f"{tuple(prediction.shape)} either"
        )
    _check_values(backend.to_numpy_if_free(arranged), len(layout.shape), dtype_name(prediction))
    return arranged


def apply_mask(x: Array, mask: Array, ndim: int, xp: Any) -> Array:
    """A field whose mean square over space is the weighted one: times the square root of weights of mean 1.

    NaN times 0 would be NaN, in gradients too: what does not count is replaced, not multiplied.
    """
    weights = xp.astype(mask, x.dtype)
    axes = tuple(range(-min(ndim, len(weights.shape)), 0))
    mean = xp.mean(weights, axis=axes, keepdims=True)  # along an axis that is broadcast the mean is the value
    # Where nothing counts, there is no mean.
    outside = xp.where(mean > 0, xp.zeros_like(mean), xp.full_like(mean, float("nan")))
    x = xp.where(weights > 0, x, outside)
    return x * xp.sqrt(weights / mean)


def from_a_value(x: Array, mask: Array | None, ndim: int, backend: Backend) -> Array:
    """A field less its largest value that counts, so that one that is constant is exactly 0 before its mean is taken.

    The value has no gradient: the mean that is taken off afterwards takes it off anyway.
    """
    xp, axes = backend.namespace(x), tuple(range(-ndim, 0))
    seen = backend.detach(x)
    if mask is not None:
        seen = xp.where(xp.astype(mask, x.dtype) > 0, seen, xp.full_like(seen, -float("inf")))
    return x - xp.max(seen, axis=axes, keepdims=True)


def centre(x: Array, mask: Array | None, ndim: int, backend: Backend) -> Array:
    """A field to which a mask was applied, without its weighted mean; this is symmetric, and so its own transpose."""
    xp, axes = backend.namespace(x), tuple(range(-ndim, 0))
    if mask is None:
        return x - xp.mean(x, axis=axes, keepdims=True)
    roots = apply_mask(xp.ones_like(x), mask, ndim, xp)
    return x - roots * xp.mean(roots * x, axis=axes, keepdims=True)


def _check_values(seen: Any, ndim: int, dtype: str) -> None:
    """Refuse what has no mean, as far as values can be seen, in the field's dtype: `apply_mask` takes it there."""
    if seen is None:
        return
    axes, told = tuple(range(-ndim, 0)), ""
    if seen.dtype.kind == "b":
        counted = seen.any(axis=axes)
    else:
        counted = _sums(seen, axes, "float64" if dtype == "float64" else "float32")
        told = f" in {dtype}" if not counted.any() and seen.any() else ""
    if not counted.any():
        raise ValueError(f"mask is 0 everywhere{told}: nothing is left to compare")
    if not counted.all():
        raise ValueError("mask is 0 everywhere in some frame: nothing is left to compare there")


def _sums(weights: Any, axes: tuple[int, ...], dtype: str) -> Any:
    if not (weights >= 0).all():
        raise ValueError(f"mask must be bool or weights >= 0, got {weights.min()}")
    with np.errstate(over="ignore"):
        sums = weights.astype(dtype, copy=False).sum(axis=axes)
    if not np.isfinite(sums).all():
        raise ValueError(f"mask must have weights with a finite sum in {dtype}, got weights up to {weights.max()}")
    return sums
