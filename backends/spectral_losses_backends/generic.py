"""Every primitive in the array API standard alone, so that a framework nobody has heard of still works."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from spectral_losses._dispatch import Misfit, ShellGrid, Source

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

    def irfftn(self, modes: Array, shape: tuple[int, ...]) -> Array:
        """Its inverse times the number of points: the plain sum over modes. May overwrite the modes."""
        axes = tuple(range(-len(shape), 0))
        return self.namespace(modes).fft.irfftn(modes, s=shape, axes=axes, norm="forward")

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
        return self.power_of(self.rfftn(x, len(grid.shape)), grid)

    def power_of(self, modes: Array, grid: ShellGrid, keep: bool = False) -> Array:
        """Power of each shell, of modes; what may be overwritten is, unless they are to be kept."""
        xp = self.namespace(modes)
        real, imag = xp.real(modes), xp.imag(modes)
        sums = self.shell_sum(real * real + imag * imag, grid)
        return sums * self.constant(grid, "scale", sums)

    def shell_gradient(self, modes: Array, slope: Array, grid: ShellGrid) -> Array:
        """Gradient of a function of the shell powers that has the gradient ``slope``; uses up the modes.

        ``2 N irfftn(F * (slope * m / c)[shell of each mode])``. For ``P_b = m_b / c_b x^T D^H S_b D x`` with the full
        transform D and the modes of shell b that S_b picks, so that the gradient is ``2 Re D^H (F * factor)``, and
        ``D^H`` is N times the inverse transform. On the half plane that is irfftn: a factor of the wavenumber alone
        keeps F Hermitian.
        """
        xp, ndim = self.namespace(slope), len(grid.shape)
        scaled = slope * (2 * self.constant(grid, "scale", slope))
        factors = xp.concat((scaled, xp.zeros_like(scaled[..., :1])), axis=-1)
        # A slot is a shell and a lane, see `Grid.slots`; the last shell is the outside.
        shells = self.constant(grid, "slots", slope) % factors.shape[-1]
        factor = xp.reshape(xp.take(factors, shells, axis=-1), (*factors.shape[:-1], *modes.shape[-ndim:]))
        return self.irfftn(modes * factor, grid.shape)

    def misfit(self, x: Array, y: Array | None, known: Array | None, grid: ShellGrid, of: Misfit) -> Array:
        """Mean of the errors of x's powers against y's, or against known ones."""
        target = known if y is None else self.shell_power(y, grid)
        return self.mean(of.errors(self.shell_power(x, grid), target, self.namespace(x)))

    def misfit_and_gradient(
        self, x: Array, y: Array | None, known: Array | None, grid: ShellGrid, of: Misfit
    ) -> tuple[Array, Array]:
        """`misfit` and its gradient with respect to x; the prediction is transformed once."""
        target = known if y is None else self.shell_power(y, grid)
        modes = self.rfftn(x, len(grid.shape))
        errors, slope = self.judge(of, self.power_of(modes, grid, keep=True), target, x.shape[0])
        return self.mean(errors), self.shell_gradient(modes, slope, grid)

    def judge(self, of: Misfit, p: Array, t: Array, elements: int) -> tuple[Array, Array]:
        """Errors of the powers, and the gradient of their mean over so many elements, in p's dtype."""
        errors, slope = of.errors_and_slope(p, t, self.namespace(p))
        return errors, self.namespace(p).astype(slope / elements, p.dtype, copy=False)

    def mean(self, x: Array) -> Array:
        """Mean over everything, 0-d."""
        xp = self.namespace(x)
        # In NumPy a mean over everything is a scalar, not a 0-d array, unless it keeps its axes.
        return xp.reshape(xp.mean(xp.reshape(x, (-1,)), keepdims=True), ())

    def relative_error(self, x: Array, y: Array, weights: Array | None, eps: float, ndim: int) -> Array:
        """Mean of ``<(x - y)**2> / (<y**2> + eps)``, (weighted) means over the last ndim axes."""
        error, power = self.square_means(x, y, weights, ndim)
        return self.mean(error / (power + eps))

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
