"""Stationary wavelets: subbands of a periodic field, each as large as the field, level by level."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.filters import filters_of
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.problem import smallest
from spectral_losses_backends.text import plain


@plain
class Wavelets(NamedTuple):
    """A periodic grid whose statistics are means of ``|W x|**order`` over the subbands W x of a stationary transform.

    The bins are the subbands: each orientation of each level, the finest first, and the last approximation. They are
    made one after the other, and of a large field slab by slab, so that a few arrays of its size are there at once.

    Attributes
    ----------
    shape : tuple of int
        Points along each spatial axis.
    wavelet : str
        The name of its filters. How these are scaled drops out of relative errors.
    levels : int
        How often the approximation is taken apart.
    order : {1, 2}
        The power of the coefficients.
    """

    shape: tuple[int, ...]
    wavelet: str
    levels: int
    order: int

    @property
    def sums(self) -> str:
        """Made here."""
        return "own"

    @property
    def outside(self) -> tuple[int, int]:
        """All subbands count."""
        return 0, 0

    def forward(self, x: Array, backend: Backend) -> Array:
        """The field."""
        return x

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The field."""
        return modes

    def bins(self) -> int:
        """Subbands."""
        orientations: int = 2 ** len(self.shape) - 1
        return self.levels * orientations + 1

    def bin_index(self) -> NDArray[Any]:
        """Points belong to every subband: there is none."""
        return np.zeros(self.shape, dtype=np.int64)

    def multiplicity(self) -> NDArray[Any]:
        """1 everywhere."""
        return np.ones(self.shape[-1], dtype=np.int64)

    def sign(self) -> NDArray[Any]:
        """A point has no mirror image."""
        return np.zeros(self.shape)

    def bin_weight(self) -> NDArray[Any]:
        """Means are made here."""
        return np.ones(self.bins())

    @property
    def unequal(self) -> bool:
        """Each subband is one bin."""
        return False

    def bin_power(self, x: Array, backend: Backend) -> Array:
        """Means of ``|W x|**order`` over space: ``(..., *shape)`` -> ``(..., subbands)``."""
        xp, found = backend.namespace(x), []
        for level in range(self.levels):
            x, means = self._taken_apart(x, level, backend)
            found += means
        return xp.stack([*found, self._mean(x, xp)], axis=-1)

    def power_gradient(self, x: Array, slope: Array, backend: Backend) -> Array:
        """The gradient of a function of `bin_power`, from the coarsest level back to the field."""
        approximations, each = self._approximations(x, backend), 2 ** len(self.shape) - 1
        gradient = self._turned(next(approximations), slope[..., -1], backend.namespace(x))
        for level in reversed(range(self.levels)):
            slopes = [slope[..., level * each + i] for i in range(each)]
            gradient = self._put_together(next(approximations), gradient, slopes, level, backend)
        return gradient

    def _taken_apart(self, x: Array, level: int, backend: Backend) -> tuple[Array, list[Array]]:
        """The next approximation, and the mean of each detail."""
        xp, axis, means = backend.namespace(x), -len(self.shape), []

        def smooth(slab: slice) -> Array:
            share = (slab.stop - slab.start) / self.shape[0]
            subbands = self._subbands(self._halves(x, level, axis, xp, slab), level, axis + 1, xp)
            approximation = next(subbands)
            means.append([self._mean(z, xp) * share for z in subbands])
            return approximation

        following = _in_slabs(smooth, x, axis, backend)
        return following, [sum(of[1:], start=of[0]) for of in zip(*means, strict=True)]

    def _put_together(self, x: Array, gradient: Array, slopes: Sequence[Array], level: int, backend: Backend) -> Array:
        """Of an approximation x, and of the gradient along the next one and along the means of the details, its own."""
        xp, axis, total = backend.namespace(x), -len(self.shape), None
        slabs = backend.slabs(x, axis)
        for slab in slabs:
            along = iter([_part(gradient, axis, slab.start, slab.stop), *slopes])
            found = self._pulled(self._halves(x, level, axis, xp, slab), along, level, axis + 1, xp)
            if len(slabs) == 1:
                return _transposed(found, filters_of(self.wavelet), 2**level, axis, xp)
            total = xp.zeros_like(x) if total is None else total
            _add_transposed(total, found, filters_of(self.wavelet), 2**level, axis, slab)
        return total

    def _approximations(self, x: Array, backend: Backend) -> Iterator[Array]:
        """All of them, the coarsest first; made anew for each level where a field is so large that it has slabs."""
        axis, found = -len(self.shape), [x]
        if len(backend.slabs(x, axis)) > 1:
            for levels in range(self.levels, -1, -1):
                yield self._smooth(x, range(levels), backend)
            return
        for level in range(self.levels):
            found.append(self._smooth(found[-1], [level], backend))
        while found:
            yield found.pop()

    def _smooth(self, x: Array, levels: Sequence[int], backend: Backend) -> Array:
        """An approximation of an approximation."""
        xp, first, low = backend.namespace(x), -len(self.shape), filters_of(self.wavelet)[:1]

        def smooth(x: Array, level: int, slab: slice) -> Array:
            (x,) = _filtered(x, low, 2**level, first, xp, slab)
            for axis in range(first + 1, 0):
                (x,) = _filtered(x, low, 2**level, axis, xp)
            return x

        for level in levels:
            x = _in_slabs(partial(smooth, x, level), x, first, backend)
        return x

    def _halves(self, x: Array, level: int, axis: int, xp: Any, slab: slice | None = None) -> list[Array]:
        """The smooth half along an axis, and the rough one."""
        return _filtered(x, filters_of(self.wavelet), 2**level, axis, xp, slab)

    def _subbands(self, halves: list[Array], level: int, axis: int, xp: Any) -> Iterator[Array]:
        """What is left of each half behind the filters of this axis and those behind it, one after the other."""
        while halves:
            if axis == 0:
                yield halves.pop(0)
            else:
                yield from self._subbands(self._halves(halves.pop(0), level, axis, xp), level, axis + 1, xp)

    def _pulled(self, halves: list[Array], along: Iterator[Array], level: int, axis: int, xp: Any) -> list[Array]:
        """The gradient along each half, of what is known along each of its `_subbands`: along one, or its mean."""
        found = []
        while halves:
            if axis < 0:
                below = self._pulled(self._halves(halves.pop(0), level, axis, xp), along, level, axis + 1, xp)
                found.append(_transposed(below, filters_of(self.wavelet), 2**level, axis, xp))
            else:
                z, known = halves.pop(0), next(along)
                found.append(known if len(known.shape) == len(z.shape) else self._turned(z, known, xp))
        return found

    def _mean(self, z: Array, xp: Any) -> Array:
        return xp.mean(xp.abs(z) if self.order == 1 else z * z, axis=tuple(range(-len(self.shape), 0)))

    def _turned(self, z: Array, slope: Array, xp: Any) -> Array:
        """A slope along the mean over the field as one along z; that of ``|z|`` is 0 at 0."""
        slope = xp.reshape(slope / math.prod(self.shape), (*slope.shape, *(1,) * len(self.shape)))
        if self.order == 2:
            return 2 * z * slope
        # The sign, 0 of 0. array-api-compat's own indexes tensors with a mask, which torch.vmap cannot batch.
        return z / (xp.abs(z) + smallest(z, xp)) * slope


def _filtered(
    x: Array, filters: Sequence[tuple[float, ...]], step: int, axis: int, xp: Any, slab: slice | None = None
) -> list[Array]:
    """``sum_k h[k] x[n - k step]`` for each filter, periodic, of all n or of a slab."""
    n, taps = x.shape[axis], range(len(filters[0]))
    if slab is None or slab.stop - slab.start == n:
        reach = (len(taps) - 1) * step
        padded = xp.concat((_part(x, axis, n - reach, n), x), axis=axis)
        of = [_part(padded, axis, reach - k * step, reach - k * step + n) for k in taps]
    else:
        of = [_periodic(x, axis, slab.start - k * step, slab.stop - slab.start, xp) for k in taps]
    return [_combined(of, h) for h in filters]


def _transposed(parts: Sequence[Array], filters: Sequence[tuple[float, ...]], step: int, axis: int, xp: Any) -> Array:
    """The transpose of `_filtered`: ``sum_k h[k] x[n + k step]`` of each part with its filter, summed."""
    total: Any = None
    for k, factors in enumerate(zip(*filters, strict=True)):
        found = _combined(parts, factors)
        found = _periodic(found, axis, k * step, found.shape[axis], xp)
        total = found if total is None else total + found
    return total


def _add_transposed(
    total: Array, parts: Sequence[Array], filters: Sequence[tuple[float, ...]], step: int, axis: int, slab: slice
) -> None:
    """What the parts of one slab add to `_transposed`, in place."""
    n, size = total.shape[axis], slab.stop - slab.start
    for k, factors in enumerate(zip(*filters, strict=True)):
        found, first = _combined(parts, factors), (slab.start - k * step) % n
        fit = min(size, n - first)
        near = _part(total, axis, first, first + fit)
        near += _part(found, axis, 0, fit)
        if fit < size:
            far = _part(total, axis, 0, size - fit)
            far += _part(found, axis, fit, size)


def _combined(taps: Sequence[Array], h: Sequence[float]) -> Array:
    total = taps[0] if h[0] == 1 else taps[0] * h[0]
    for tap, factor in zip(taps[1:], h[1:], strict=True):
        # Haar's filters need no multiplication.
        total = total + tap if factor == 1 else total - tap if factor == -1 else total + tap * factor
    return total


def _periodic(x: Array, axis: int, first: int, size: int, xp: Any) -> Array:
    """Rows from one on, wherever that is."""
    n = x.shape[axis]
    first, fit = first % n, min(size, n - first % n)
    near = _part(x, axis, first, first + fit)
    return near if fit == size else xp.concat((near, _part(x, axis, 0, size - fit)), axis=axis)


def _in_slabs(make: Callable[[slice], Array], like: Array, axis: int, backend: Backend) -> Array:
    """What is made slab by slab, together."""
    slabs = backend.slabs(like, axis)
    if len(slabs) == 1:
        return make(slabs[0])
    whole = backend.namespace(like).empty_like(like)
    for slab in slabs:
        _part(whole, axis, slab.start, slab.stop)[...] = make(slab)
    return whole


def _part(x: Array, axis: int, start: int, stop: int) -> Array:
    return x[(..., slice(start, stop), *(slice(None),) * (-axis - 1))]
