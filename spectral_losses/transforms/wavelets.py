"""Stationary wavelets: subbands of a periodic field, each as large as the field, level by level."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    made one after the other and never all there at once.

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
            x, *details = self._split(x, level, xp)
            found += [self._mean(z, xp) for z in details]
        return xp.stack([*found, self._mean(x, xp)], axis=-1)

    def power_gradient(self, x: Array, slope: Array, backend: Backend) -> Array:
        """The gradient of a function of `bin_power`, from the coarsest level back to the field."""
        xp, approximations = backend.namespace(x), [x]
        for level in range(self.levels):
            approximations.append(self._split(approximations[-1], level, xp)[0])
        each = 2 ** len(self.shape) - 1
        gradient = self._turned(approximations.pop(), slope[..., -1], xp)
        for level in reversed(range(self.levels)):
            _, *details = self._split(approximations.pop(), level, xp)
            parts = [gradient]
            for i, z in enumerate(details):
                parts.append(self._turned(z, slope[..., level * each + i], xp))
            gradient = self._joined(parts, level, xp)
        return gradient

    def _split(self, x: Array, level: int, xp: Any) -> list[Array]:
        """An approximation taken apart: the next one, and the details of each orientation."""
        parts = [x]
        for axis in range(-len(self.shape), 0):
            parts = [z for part in parts for z in _filtered(part, filters_of(self.wavelet), 2**level, axis, xp)]
        return parts

    def _joined(self, parts: list[Array], level: int, xp: Any) -> Array:
        """The transpose of `_split`."""
        for axis in range(-1, -len(self.shape) - 1, -1):
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [_transposed(pair, filters_of(self.wavelet), 2**level, axis, xp) for pair in pairs]
        return parts[0]

    def _mean(self, z: Array, xp: Any) -> Array:
        return xp.mean(xp.abs(z) if self.order == 1 else z * z, axis=tuple(range(-len(self.shape), 0)))

    def _turned(self, z: Array, slope: Array, xp: Any) -> Array:
        """A slope along `_mean` as one along z; that of ``|z|`` is 0 at 0."""
        slope = xp.reshape(slope / math.prod(self.shape), (*slope.shape, *(1,) * len(self.shape)))
        if self.order == 2:
            return 2 * z * slope
        # The sign, 0 of 0. array-api-compat's own indexes tensors with a mask, which torch.vmap cannot batch.
        return z / (xp.abs(z) + smallest(z, xp)) * slope


def _filtered(x: Array, filters: Sequence[tuple[float, ...]], step: int, axis: int, xp: Any) -> list[Array]:
    """``sum_k h[k] x[n - k step]`` for each filter, periodic."""
    n, reach = x.shape[axis], (len(filters[0]) - 1) * step
    padded = xp.concat((_part(x, axis, n - reach, n), x), axis=axis)
    taps = [_part(padded, axis, reach - k * step, reach - k * step + n) for k in range(len(filters[0]))]
    return [_combined(taps, h) for h in filters]


def _transposed(parts: Sequence[Array], filters: Sequence[tuple[float, ...]], step: int, axis: int, xp: Any) -> Array:
    """The transpose of `_filtered`: ``sum_k h[k] x[n + k step]`` of each part with its filter, summed."""
    n, reach = parts[0].shape[axis], (len(filters[0]) - 1) * step
    total: Any = None
    for x, h in zip(parts, filters, strict=True):
        padded = xp.concat((x, _part(x, axis, 0, reach)), axis=axis)
        found = _combined([_part(padded, axis, k * step, k * step + n) for k in range(len(h))], h)
        total = found if total is None else total + found
    return total


def _combined(taps: Sequence[Array], h: tuple[float, ...]) -> Array:
    total = taps[0] if h[0] == 1 else taps[0] * h[0]
    for tap, factor in zip(taps[1:], h[1:], strict=True):
        # Haar's filters need no multiplication.
        total = total + tap if factor == 1 else total - tap if factor == -1 else total + tap * factor
    return total


def _part(x: Array, axis: int, start: int, stop: int) -> Array:
    return x[(..., slice(start, stop), *(slice(None),) * (-axis - 1))]
