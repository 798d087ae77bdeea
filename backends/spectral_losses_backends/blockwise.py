"""Working through a stack block by block, each in a processor's cache, for arrays that can be written to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

from spectral_losses_backends import base, pointwise
from spectral_losses_backends import ranks as over
from spectral_losses_backends.problem import Arrays, Problem, Tables

Array = Any


class Backend(base.Backend):
    """The compositions of `base`, block by block: a whole stack of modes never goes through memory."""

    def chunk_size(self, x: Array) -> int:
        """How many values of x to work on at a time."""
        raise NotImplementedError

    def block_size(self, x: Array, basis: base.Basis) -> int:
        """How many values of x to transform at a time: more where a basis has tables to read for each block."""
        return max(self.chunk_size(x), getattr(basis, "together", 0))

    def slabs(self, x: Array, axis: int) -> list[slice]:
        """Parts of an array along an axis, each half as large as a chunk, because many are there at once."""
        n = x.shape[axis]
        step = max(1, self.chunk_size(x) * n // (2 * max(math.prod(x.shape), 1)))
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]

    def empty_like(self, x: Array) -> Array:
        """Memory for an array like x."""
        return self.namespace(x).empty_like(x)

    def of_squares(
        self, problem: Problem, arrays: Arrays, weights: Sequence[float] | None = None
    ) -> tuple[list[Array], Array]:
        """Losses of mean squares, see `pointwise`, and with weights the gradient of their weighted sum."""
        return pointwise.evaluate(self, self, problem, arrays, weights)

    def squares(self, x: Array, y: Array, out: Array | None = None) -> Array:
        """Sums of squares of each row of ``x - y``, which stays in ``out``, and of y; in NumPy where that is free.

        The rows are frames, ``(frames, points)``, and the sums ``(2, frames)``.
        """
        raise NotImplementedError

    def stretch(self, rows: Array, factors: Array) -> None:
        """Multiply each row with its factor, in place; factors are arrays of the kind that `squares` returns."""
        raise NotImplementedError

    def power(self, x: Array, basis: base.Basis) -> Array:
        """Share of the mean square in each bin: ``(..., *shape)`` -> ``(..., bins)``."""
        powers = [
            self.bin_power(self.forward(x[these], basis), basis, keep=False) for x, these in self._chunks(x, basis)
        ]
        return self._joined(powers, tuple(x.shape[: len(x.shape) - len(basis.shape)]))

    def pair_power(self, e: Array, y: Array, basis: base.Basis, needs: tuple[str, ...]) -> Tables:
        """Statistics of ``x = y + e`` and y."""
        return self._pair_statistics(e, y, basis, needs, differenced=True)

    def values(self, problem: Problem, arrays: Arrays) -> list[Array]:
        """What the losses of a problem are, each reduced over its rows."""
        if pointwise.is_of_squares(problem, arrays):
            return self.of_squares(problem, arrays)[0]
        return super().values(problem, arrays)

    def statistics(self, problem: Problem, arrays: Arrays) -> Tables:
        """The statistics that a problem needs, each ``(..., bins)``; small fields go through one transform together."""
        x, y = arrays.x, arrays.y
        if problem.kind == "pair":
            return self._pair_statistics(x, y, problem.basis, problem.needs, problem.differenced)
        stacked = len(x.shape) > len(problem.basis.shape)
        if problem.kind == "power" and y is not None and stacked and self._small(x, y):
            return self.modes_and_statistics(problem, x, y)[2]
        return super().statistics(problem, arrays)

    def modes_and_statistics(self, problem: Problem, x: Array, y: Array | None) -> tuple[Array, Array, Tables]:
        """As in `base`, of fields that fit into a block: of small ones by one transform of both."""
        basis = problem.basis
        alone = y is None or problem.kind == "fields" or problem.needs == ("D",)
        if alone or basis.sums in ("points", "own") or not self._small(x, y):
            return super().modes_and_statistics(problem, x, y)
        # Calls take longer than arithmetic here, so that one is better than two.
        xp, n = self.namespace(x), x.shape[0]
        if problem.kind == "pair":
            modes = self.forward(xp.concat((problem.error(x, y), y), axis=0), problem.basis)
            return modes[:n], modes[n:], self.bin_pair_power(modes[:n], modes[n:], problem.basis, problem.needs)
        modes = self.forward(xp.concat((x, y), axis=0), problem.basis)
        powers = self.bin_power(modes, problem.basis)
        return modes[:n], None, {"P": powers[:n], "T": powers[n:]}

    def value_and_grad(
        self, problem: Problem, arrays: Arrays, weights: Sequence[float] = (1.0,)
    ) -> tuple[list[Array], Array]:
        """Losses, and the gradient of their weighted sum with respect to the prediction.

        As many elements at a time as make a block, from the field to its gradient, so that their modes are in the
        cache when they are needed again. An element larger than a block keeps its modes in memory.
        """
        if pointwise.is_of_squares(problem, arrays):
            return self.of_squares(problem, arrays, weights)
        stack, found, gradient = _Stack.of(self, problem, arrays, weights), [], None
        step = max(1, self.block_size(stack.x, problem.basis) // math.prod(stack.x.shape[1:]))
        if problem.rows.shared:  # each rank sends as often as the others, whatever its blocks
            step = stack.x.shape[0]
        blocks = [stack] if step >= stack.x.shape[0] else stack.parts(step)
        if stack.floors is None:  # they are relative to statistics of all blocks
            powers = [self._target_power(problem, block) for block in blocks]
            known = powers[0] if len(powers) == 1 else self.namespace(stack.x).concat(powers, axis=0)
            stack = stack.relative_to(self, problem, arrays, known)
            blocks = [stack] if len(blocks) == 1 else stack.parts(step)
        for start, block in zip(range(0, stack.x.shape[0], step), blocks, strict=True):
            if block is not stack and gradient is None:
                gradient = self.empty_like(stack.x)
            rows, part = self._block(problem, block, None if gradient is None else gradient[start : start + step])
            found.append(rows)
        rows = found[0]
        if len(found) > 1:
            rows = [self.namespace(each[0]).concat(each, axis=0) for each in zip(*found, strict=True)]
        whole = self.namespace(stack.x).reshape(part if gradient is None else gradient, tuple(arrays.x.shape))
        return self.reduced(problem, arrays, rows), whole

    def _block(self, problem: Problem, block: _Stack, out: Array | None) -> tuple[list[Array], Array]:
        """Rows and gradient of one block; its modes in chunks of frames where it is larger than one."""
        basis, xp, x, y = problem.basis, self.namespace(block.x), block.x, block.y
        lead = tuple(x.shape[: len(x.shape) - len(basis.shape)])
        frames = math.prod(lead)
        whole = problem.kind == "fields" or frames == 1 or self.block_size(x, basis) >= math.prod(x.shape)
        # Held here alone, so that what uses modes up can let go of them.
        kept: list[tuple[Array, Array]] = []
        tables: list[Tables] = []
        if whole:
            *modes, table = self._modes_and_statistics(problem, x, y, block.power)
            kept.append((modes.pop(0), modes.pop(0)))
        else:
            others = repeat((None, None)) if y is None else self._chunks(y, basis)
            powers = None if block.power is None else xp.reshape(block.power, (-1, block.power.shape[-1]))
            for (errors, these), (targets, _) in zip(self._chunks(x, basis), others, strict=False):
                target, power = (None if z is None else z[these] for z in (targets, powers))
                *modes, part = self._modes_and_statistics(problem, errors[these], target, power)
                kept.append((modes.pop(0), modes.pop(0)))
                tables.append(part)
            table = {name: self._joined([part[name] for part in tables], lead) for name in tables[0]}
        table, share = over.pooled(table, problem.rows, self)
        rows, slopes = self.rows_and_slopes(problem, table, block.target_power, block.floors, block.shares, leading=1)
        slopes = over.spread(slopes, share, lead, self)
        if whole:
            gradient = self.gradient_of(problem, *kept.pop(), slopes)
            if out is None:
                return rows, gradient
            out[...] = gradient
            return rows, out
        out = self.empty_like(x) if out is None else out
        rows_out = xp.reshape(out, (-1, *basis.shape))
        flat = {name: xp.reshape(slope, (-1, slope.shape[-1])) for name, slope in slopes.items()}
        last = rows_out.shape[0]
        while kept:  # from the end, where modes are still near
            first = last - kept[-1][0].shape[0]
            slope = {name: along[first:last] for name, along in flat.items()}
            rows_out[first:last] = self.gradient_of(problem, *kept.pop(), slope)
            last = first
        return rows, out

    def _modes_and_statistics(
        self, problem: Problem, x: Array, y: Array | None, power: Array | None
    ) -> tuple[Array, Array, Tables]:
        """`modes_and_statistics` where the target's power may be known: its modes are not needed again, mostly."""
        if power is None or problem.needs not in (("P", "T"), ("D", "T")):
            return self.modes_and_statistics(problem, x, y)
        name = problem.needs[0]
        modes = self.forward(problem.error(x, y) if name == "D" else x, problem.basis)
        return modes, None, {name: self.bin_power(modes, problem.basis), "T": power}

    def _target_power(self, problem: Problem, block: _Stack) -> Array:
        """Power of the target, in the parts in which that of the prediction is made, so that equal fields agree."""
        y: Array = block.y
        basis = problem.basis
        if self.block_size(y, basis) >= math.prod(y.shape):
            return self.bin_power(self.forward(y, basis), basis, keep=False)
        return self.power(y, basis)

    def power_pullback(self, x: Array, slope: Array, basis: base.Basis) -> Array:
        """`power_gradient` of a field: its modes are transformed anew, and never all there at once."""
        slopes = self.namespace(slope).reshape(slope, (-1, slope.shape[-1]))
        parts = [
            self.power_gradient(self.forward(frames[these], basis), slopes[these], basis)
            for frames, these in self._chunks(x, basis)
        ]
        return self._joined(parts, tuple(x.shape), whole=True)

    def pair_pullback(self, e: Array, y: Array, slopes: Tables, basis: base.Basis, of_target: bool) -> Array:
        """`pair_gradient` of fields, likewise."""
        xp = self.namespace(e)
        flat = {name: xp.reshape(slope, (-1, slope.shape[-1])) for name, slope in slopes.items()}
        parts = []
        for (errors, these), (targets, _) in zip(self._chunks(e, basis), self._chunks(y, basis), strict=True):
            modes = self.forward(errors[these], basis), self.target_modes(targets[these], basis, tuple(slopes))
            part = {name: slope[these] for name, slope in flat.items()}
            parts.append(self.pair_gradient(*modes, part, basis, of_target=of_target))
        return self._joined(parts, tuple(e.shape), whole=True)

    def _pair_statistics(
        self, x: Array, y: Array, basis: base.Basis, needs: tuple[str, ...], differenced: bool
    ) -> Tables:
        parts = []
        for (frames, these), (others, _) in zip(self._chunks(x, basis), self._chunks(y, basis), strict=True):
            target = others[these]
            error = frames[these] if differenced else frames[these] - target
            modes = self.forward(error, basis), self.target_modes(target, basis, needs)
            parts.append(self.bin_pair_power(*modes, basis, needs))
        lead = tuple(x.shape[: len(x.shape) - len(basis.shape)])
        return {name: self._joined([part[name] for part in parts], lead) for name in parts[0]}

    def _small(self, x: Array, y: Array) -> bool:
        """Whether calls take longer than arithmetic."""
        return 2 * math.prod(x.shape) <= self.chunk_size(x) and x.dtype == y.dtype

    def _joined(self, parts: list[Array], lead: tuple[int, ...], whole: bool = False) -> Array:
        xp = self.namespace(parts[0])
        joined = parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
        return xp.reshape(joined, lead if whole else (*lead, joined.shape[-1]))

    def _chunks(self, x: Array, basis: base.Basis) -> Iterator[tuple[Array, Any]]:
        """The frames of x, and slices of as many of them as make a chunk."""
        frames = self.namespace(x).reshape(x, (-1, *basis.shape))
        step = max(1, self.block_size(x, basis) // math.prod(basis.shape))
        if step >= frames.shape[0]:
            yield frames, ...
            return
        for start in range(0, frames.shape[0], step):
            yield frames, slice(start, start + step)


class _Stack:
    """Fields with the elements that no term merges along their first axis, and what is known of each."""

    def __init__(
        self, x: Array, y: Array | None, target_power: Any, floors: Any, shares: Any, power: Array | None = None
    ) -> None:
        self.x, self.y, self.target_power, self.floors, self.shares = x, y, target_power, floors, shares
        self.power = power
        """Statistics of the target, where guards are relative to those of all frames."""

    @classmethod
    def of(cls, backend: Backend, problem: Problem, arrays: Arrays, weights: Sequence[float]) -> _Stack:
        """The stack of a problem's arrays; without floors where these are relative to statistics of the target."""
        axes, lead = problem.elements, backend.lead(problem, arrays.x)
        shares = backend.shares(problem, lead, arrays.x, weights)
        relative = any(of.floor is not None and of.relative_to == "bins" for of, _ in problem.terms)
        floors = None if relative and arrays.y is not None else _floors(backend, problem, arrays, {})
        return cls(*(_flat(z, axes, backend) for z in (arrays.x, arrays.y, arrays.target_power, floors, shares)))

    def relative_to(self, backend: Backend, problem: Problem, arrays: Arrays, power: Array) -> _Stack:
        """With floors, of the target's power ``(elements, ..., bins)``."""
        lead = backend.lead(problem, arrays.x)
        tables = {"T": backend.namespace(power).reshape(power, (*lead, power.shape[-1]))}
        floors = _flat(_floors(backend, problem, arrays, tables), problem.elements, backend)
        return _Stack(self.x, self.y, self.target_power, floors, self.shares, power)

    def parts(self, step: int) -> list[_Stack]:
        """Some of the elements, and some more."""
        return [self._part(slice(start, start + step)) for start in range(0, self.x.shape[0], step)]

    def _part(self, these: slice) -> _Stack:
        def some(z: Any) -> Any:
            if isinstance(z, list):
                return [some(each) for each in z]
            return z if z is None or isinstance(z, float) else z[these]

        fields = (self.x, self.y, self.target_power, self.floors, self.shares, self.power)
        return _Stack(*(some(z) for z in fields))


def _floors(backend: Backend, problem: Problem, arrays: Arrays, tables: Tables) -> list[Array | None]:
    """The guard of each row, and of each of its bins where it is relative to these."""
    lead, floors = backend.lead(problem, arrays.x), []
    for (objective, rows), floor in zip(problem.terms, backend.floors(problem, arrays, tables), strict=True):
        if floor is not None:
            behind = (floor.shape[-1],) if objective.relative_to == "bins" else ()
            floor = backend.namespace(floor).broadcast_to(floor, (*lead[: rows.elements], *behind))
        floors.append(floor)
    return floors


def _flat(z: Any, axes: int, backend: Backend) -> Any:
    """Arrays with the axes of the elements as one."""
    if isinstance(z, list | tuple):
        return [_flat(each, axes, backend) for each in z]
    if z is None or isinstance(z, float) or axes == 1:
        return z
    return backend.namespace(z).reshape(z, (math.prod(z.shape[:axes]), *z.shape[axes:]))
