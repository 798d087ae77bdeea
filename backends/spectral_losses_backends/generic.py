"""Every primitive in the array API standard alone, so that a framework nobody has heard of still works."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spectral_losses._dispatch import ShellGrid, Source

Array = Any


class Backend:
    """The backend of arrays that follow the standard; frameworks override what they do better."""

    name = "generic"

    def __init__(self) -> None:
        self._constants: dict[Any, Any] = {}

    def namespace(self, x: Array) -> Any:
        """The array API namespace of x."""
        return x.__array_namespace__()

    def device(self, x: Array) -> Any:
        """Where x lives."""
        return x.device

    def constant(self, source: Source, name: str, like: Array) -> Any:
        """``getattr(source, name)()`` on like's device, cached."""
        xp, device = self.namespace(like), self.device(like)
        return self.cached(
            (source, name, xp.__name__, str(device), str(like.dtype)),
            lambda: each_array(getattr(source, name)(), partial(self.upload, like=like)),
        )

    def cached(self, key: Any, make: Any) -> Any:
        """``make()``, remembered under key; the oldest of 256 is forgotten first."""
        found = self._constants.pop(key, None)
        self._constants[key] = found = make() if found is None else found
        if len(self._constants) > 256:
            del self._constants[next(iter(self._constants))]
        return found

    def upload(self, array: Any, like: Array) -> Array:
        """A NumPy array on like's device, a float one in like's dtype."""
        xp = self.namespace(like)
        dtype = like.dtype if array.dtype.kind == "f" else None
        return xp.asarray(array, dtype=dtype, device=self.device(like))

    def rfftn(self, x: Array, ndim: int) -> Array:
        """Unnormalised half-plane transform over the last ndim axes, in x's own precision."""
        return self.namespace(x).fft.rfftn(x, axes=tuple(range(-ndim, 0)))

    def shell_sum(self, values: Array, grid: ShellGrid) -> Array:
        """Sum real values of the half plane over the full plane's shells: ``(..., *half)`` -> ``(..., shells)``.

        By the index tables of `Grid.rows`: deterministic, and rounding like a tree.
        """
        xp, ndim = self.namespace(values), len(grid.shape)
        rows, row_weights = (self.constant(grid, name, values) for name in ("rows", "row_weights"))
        lead = tuple(values.shape[:-ndim])
        level = xp.reshape(values, (*lead, math.prod(values.shape[-ndim:])))
        zero = xp.zeros_like(level[..., :1])
        for height, table in enumerate(rows):
            padded = xp.concat((level, zero), axis=-1)
            picked = xp.take(padded, xp.reshape(table, (-1,)), axis=-1)
            level = xp.sum(xp.reshape(picked, (*lead, *table.shape)), axis=-1)
            if height == 0:
                level = level * row_weights
        return level

    def shell_power(self, x: Array, grid: ShellGrid) -> Array:
        """Power of each shell: ``(..., *grid.shape)`` -> ``(..., shells)``."""
        xp = self.namespace(x)
        modes = self.rfftn(x, len(grid.shape))
        power = xp.real(modes) ** 2 + xp.imag(modes) ** 2
        return self.shell_sum(power, grid) * self.constant(grid, "scale", x)

    def square_means(self, x: Array, y: Array, weights: Array | None, ndim: int) -> tuple[Array, Array]:
        """(Weighted) means over the last ndim axes of ``(x - y)**2`` and ``y**2``."""
        xp = self.namespace(x)
        axes = tuple(range(-ndim, 0))
        if weights is None:
            return xp.mean((x - y) ** 2, axis=axes), xp.mean(y**2, axis=axes)
        # What does not count is replaced before any arithmetic: NaN times 0 would be NaN, in gradients too.
        inside = weights > 0
        x, y = xp.where(inside, x, xp.zeros_like(x)), xp.where(inside, y, xp.zeros_like(y))
        # Sums over sums, so that a mask of zeros gives 0 / 0.
        total = xp.sum(weights)
        return tuple(xp.sum(weights * z**2, axis=axes) / total for z in (x - y, y))

    def detach(self, x: Array) -> Array:
        """The same values without a gradient; the standard knows of none."""
        return x

    def peek(self, x: Array) -> Any | None:
        """``x`` as a NumPy array where that costs no transfer: nowhere, as far as the standard says."""
        return None

    def to_floats(self, values: Sequence[Array]) -> list[float]:
        """0-d arrays as floats."""
        return [float(value) for value in values]

    def register(self, cls: type, arrays: Sequence[str], static: Sequence[str]) -> None:
        """Nothing to do where there are no transformations."""


def each_array(value: Any, function: Any) -> Any:
    """Apply a function to an array, or to each array of a tuple."""
    return tuple(function(v) for v in value) if isinstance(value, tuple) else function(np.asarray(value))


backend = Backend()
