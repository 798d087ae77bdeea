"""What stands in masked points before a field is transformed, which needs all of its points."""

from __future__ import annotations

from typing import Any, NamedTuple

from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

FILLS = ("mean", "smooth")
SWEEPS = 4
"""Averages over neighbours on each level, after which spectra are those of the harmonic fill to a few percent."""


def blank(x: Array, mask: Array, xp: Any) -> Array:
    """A field that is 0 in masked points, whatever it holds there; the transpose of `fill`, too."""
    return xp.where(xp.astype(mask, x.dtype) > 0, x, xp.zeros_like(x))


def fill(x: Array, mask: Array, how: str, shape: tuple[int, ...], backend: Backend) -> Array:
    """A field with other values where its mask is 0, linear in those where it is not, of which they have no gradient.

    What is filled is the field less its largest value that counts, so that a constant stays exactly one.

    Parameters
    ----------
    x, mask : array
        The field ``(..., *shape)``, and weights that broadcast against it.
    how : {"mean", "smooth"}
        The weighted mean over space, or nearly the solution of Laplace's equation.
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
    if how == "mean":
        found = xp.mean(below * (weights / xp.where(some, mean, xp.ones_like(mean))), axis=axes, keepdims=True)
    else:
        whole = xp.broadcast_to(valid, (*valid.shape[: -len(shape)], *shape))
        found = backend.framewise(Relaxation(shape), below, whole)
    found = largest + found
    return xp.where(valid, x, xp.where(some, found, xp.full_like(found, float("nan"))))


@plain
class Relaxation(NamedTuple):
    """Laplace's equation in masked points of a periodic grid, nearly."""

    shape: tuple[int, ...]

    def apply(self, backend: Backend, x: Array, valid: Array) -> Array:
        """A field ``(..., *shape)``, which is 0 where it is not valid."""
        return _relaxed(backend, x, valid, self.shape)


def _relaxed(backend: Backend, x: Array, valid: Array, shape: tuple[int, ...]) -> Array:
    """A solution on half as many points along each axis, and averages over neighbours in points that are not valid.

    On the coarser grid a cell is valid where any point of it is, and holds the mean of these.
    """
    xp, axes = backend.namespace(x), [axis - len(shape) for axis, n in enumerate(shape) if n > 1]
    if not axes:
        return x
    total, number = x, xp.astype(valid, x.dtype)
    for axis in axes:
        total, number = (_pairs(z, axis, shape[axis], xp) for z in (total, number))
    some = number > 0
    coarse = total / xp.where(some, number, xp.ones_like(number))
    coarse = _relaxed(backend, coarse, some, tuple([(n + 1) // 2 for n in shape]))
    for axis in axes:
        coarse = _twice(coarse, axis, shape[axis], xp)

    def average(filled: Array) -> Array:
        around = sum(xp.roll(filled, step, axis=axis) for axis in axes for step in (1, -1))
        return xp.where(valid, x, around / (2 * len(axes)))

    return backend.repeat(average, xp.where(valid, x, coarse), SWEEPS)


def _pairs(x: Array, axis: int, n: int, xp: Any) -> Array:
    """Sums of neighbours along an axis of n points; the last one of an odd number stays by itself."""
    behind = (slice(None),) * (-axis - 1)
    first, second = x[(..., slice(0, None, 2), *behind)], x[(..., slice(1, None, 2), *behind)]
    if n % 2:
        second = xp.concat((second, xp.zeros_like(first[(..., slice(0, 1), *behind)])), axis=axis)
    return first + second


def _twice(x: Array, axis: int, n: int, xp: Any) -> Array:
    """Every value along an axis twice, up to n of them."""
    place = len(x.shape) + axis
    shape = (*x.shape[:place], n + n % 2, *x.shape[place + 1 :])
    doubled = xp.reshape(xp.stack((x, x), axis=place + 1), shape)
    return doubled[(..., slice(0, n), *(slice(None),) * (-axis - 1))]
