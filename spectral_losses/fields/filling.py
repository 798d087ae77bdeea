"""What stands in masked points before a field is transformed, which needs all of its points."""

from __future__ import annotations

from typing import Any

from spectral_losses_backends.base import Array, Backend

FILLS = ("mean", "smooth")


def blank(x: Array, mask: Array, xp: Any) -> Array:
    """A field that is 0 in masked points, whatever it holds there; the transpose of `fill`, too."""
    return xp.where(xp.astype(mask, x.dtype) > 0, x, xp.zeros_like(x))


def fill(x: Array, mask: Array, smooth: Any, shape: tuple[int, ...], backend: Backend) -> Array:
    """A field with other values where its mask is 0, linear in those where it is not, of which they have no gradient.

    What is filled is the field less its largest value that counts, so that a constant stays exactly one.

    Parameters
    ----------
    x, mask : array
        The field ``(..., *shape)``, and weights that broadcast against it.
    smooth : named tuple or None
        What fills a field, see `Backend.framewise`; None for the weighted mean over space.
    shape : tuple of int
        The spatial sizes.
    backend : Backend
    """
    xp, axes = backend.namespace(x), tuple(range(-len(shape), 0))
    weights, seen = xp.astype(mask, x.dtype), backend.detach(x)
    valid = weights > 0
    largest = xp.max(xp.where(valid, seen, xp.full_like(seen, -float("inf"))), axis=axes, keepdims=True)
    mean = xp.mean(weights, axis=axes, keepdims=True)  # along an axis that is broadcast the mean is the value
    some = mean > 0
    below = xp.where(valid, seen - largest, xp.zeros_like(seen))
    if smooth is None:
        shares = weights / xp.where(some, mean, xp.ones_like(mean))
        found = xp.mean(below * shares, axis=axes, keepdims=True)
    else:
        whole = xp.broadcast_to(valid, (*valid.shape[: -len(shape)], *shape))
        found = backend.framewise(smooth, below, whole)
    found = largest + found
    return xp.where(valid, x, xp.where(some, found, xp.full_like(found, float("nan"))))
