"""Working through a stack in pieces that stay in a processor's cache, for arrays that can be written to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spectral_losses_backends import generic

if TYPE_CHECKING:
    from spectral_losses._dispatch import Misfit, ShellGrid

Array = Any


class Backend(generic.Backend):
    """The primitives of `generic`, piece by piece: a whole stack of modes never goes through memory."""

    def piece(self, x: Array) -> int:
        """How many values of x to work on at a time."""
        raise NotImplementedError

    def shell_power(self, x: Array, grid: ShellGrid) -> Array:
        """Power of each shell: ``(..., *grid.shape)`` -> ``(..., shells)``."""
        ndim, xp = len(grid.shape), self.namespace(x)
        lead = x.shape[: x.ndim - ndim]
        powers = [self.power_of(self.rfftn(part, ndim), grid) for part in self._parts(x, grid)]
        power = powers[0] if len(powers) == 1 else xp.concat(powers, axis=0)
        return xp.reshape(power, (*lead, power.shape[-1]))

    def misfit(self, x: Array, y: Array | None, known: Array | None, grid: ShellGrid, of: Misfit) -> Array:
        """Mean of the errors of x's powers against y's, or against known ones."""
        if y is not None and self._small(x, y):
            elements, powers = x.shape[0], self.power_of(self._modes_of_both(x, y, grid), grid)
            return self.mean(self.errors(of, powers[:elements], powers[elements:]))
        target = known if y is None else self.shell_power(y, grid)
        return self.mean(self.errors(of, self.shell_power(x, grid), target))

    def errors(self, of: Misfit, p: Array, t: Array) -> Array:
        """Errors of the powers."""
        return of.errors(p, t, self.namespace(p))

    def misfit_and_gradient(
        self, x: Array, y: Array | None, known: Array | None, grid: ShellGrid, of: Misfit
    ) -> tuple[Array, Array]:
        """`misfit` and its gradient with respect to x.

        As many elements of the batch at a time as make a piece, from the field to its gradient, so that their modes
        are in the cache when they are needed again. An element larger than a piece keeps its modes in memory.
        """
        xp, ndim, elements = self.namespace(x), len(grid.shape), x.shape[0]
        step = max(1, self.piece(x) // math.prod(x.shape[1:]))
        if y is not None and self._small(x, y):
            modes = self._modes_of_both(x, y, grid)
            powers = self.power_of(modes, grid, keep=True)
            errors, slope = self.judge(of, powers[:elements], powers[elements:], elements)
            return self.mean(errors), self.shell_gradient(modes[:elements], slope, grid)
        found, gradient = [], None
        for start in range(0, elements, step):
            these = slice(start, start + step)
            part = x if step >= elements else x[these]
            target = known[these] if y is None else self.shell_power(y[these], grid)  # type: ignore[index]
            modes = [self.rfftn(frames, ndim) for frames in self._parts(part, grid)]
            powers = [self.power_of(m, grid, keep=True) for m in modes]
            power = powers[0] if len(powers) == 1 else xp.concat(powers, axis=0)
            errors, slope = self.judge(of, xp.reshape(power, (*part.shape[:-ndim], power.shape[-1])), target, elements)
            slope = xp.reshape(slope, power.shape)
            if part is x and len(modes) == 1:
                return self.mean(errors), xp.reshape(self.shell_gradient(modes.pop(), slope, grid), x.shape)
            gradient = xp.empty(x.shape, dtype=x.dtype, device=self.device(x)) if gradient is None else gradient
            self._fill(xp.reshape(gradient[these], (-1, *grid.shape)), modes, slope, grid)
            found.append(errors)
        return self.mean(xp.concat(found, axis=0)), gradient

    def _small(self, x: Array, y: Array) -> bool:
        """Whether calls take longer than arithmetic, so that one is better than two."""
        return 2 * math.prod(x.shape) <= self.piece(x) and x.dtype == y.dtype

    def _modes_of_both(self, x: Array, y: Array, grid: ShellGrid) -> Array:
        return self.rfftn(self.namespace(x).concat((x, y), axis=0), len(grid.shape))

    def _fill(self, gradient: Array, modes: list[Array], slope: Array, grid: ShellGrid) -> None:
        """The gradient of frames whose modes come in pieces, which it uses up."""
        first = gradient.shape[0]
        while modes:
            part = modes.pop()
            last, first = first, first - part.shape[0]
            gradient[first:last] = self.shell_gradient(part, slope[first:last], grid)

    def shell_pullback(self, x: Array, slope: Array, grid: ShellGrid) -> Array:
        """`shell_gradient` of a field: its modes are transformed anew, and never all there at once."""
        xp, ndim = self.namespace(x), len(grid.shape)
        gradient = xp.empty(x.shape, dtype=x.dtype, device=self.device(x))
        frames, slopes, first = (xp.reshape(gradient, (-1, *grid.shape)), xp.reshape(slope, (-1, slope.shape[-1])), 0)
        for part in self._parts(x, grid):
            last = first + part.shape[0]
            frames[first:last] = self.shell_gradient(self.rfftn(part, ndim), slopes[first:last], grid)
            first = last
        return gradient

    def _parts(self, x: Array, grid: ShellGrid) -> Iterator[Array]:
        """The frames of x, as many at a time as make a piece."""
        frames = self.namespace(x).reshape(x, (-1, *grid.shape))
        step = max(1, self.piece(x) // math.prod(grid.shape))
        if step >= frames.shape[0]:
            yield frames
            return
        for start in range(0, frames.shape[0], step):
            yield frames[start : start + step]
