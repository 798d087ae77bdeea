"""What a framework has to do for the library: array services and four primitives over a basis.

A backend knows no loss. It turns fields into modes and back (`forward`, `adjoint`), sums over the bins of a
basis and looks up what belongs to each mode's bin (`bin_sum`, `gather`). Statistics, losses and their gradients
are composed of these four here, once, in the array API standard; a framework overrides what it does better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from spectral_losses_backends import ranks as over
from spectral_losses_backends.layouts import Gathering
from spectral_losses_backends.problem import Arrays, Problem, Statistics, Tables, add_slope

Array = Any  # an array of any framework: the array API standard has no nominal type


class Source(Protocol):
    """A named tuple of plain values whose methods build constants on the host, each an array or a tuple of arrays."""

    def __hash__(self) -> int: ...


class Basis(Source, Protocol):
    """How fields of one shape are taken apart into modes, and which bin each mode belongs to.

    A mode array holds one mode of each pair k, -k at least; ``multiplicity`` says for how many modes of the full
    plane an entry stands. Every mode belongs to a bin: statistics are sums over complete partitions.

    A basis with tables of its own may say ``together``: so many values at least are worth a pass over them, see
    `blockwise.Backend.block_size`.
    """

    sums: str
    """How statistics are sums:

    - "bins": of modes by their bin index;
    - "each": every entry of a mode array is a bin of its own;
    - "weighed": all modes are one bin, each with a weight, ``mode_weights``;
    - "points": the modes are the points themselves, all in one bin;
    - "own": the modes are the field, and the basis brings `bin_power` and `power_gradient`, see `SummingBasis`.
    """

    outside: tuple[int, int]
    """How many bins come before the shells, and behind them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each spatial axis."""

    def bins(self) -> int:
        """The number of bins."""

    def forward(self, x: Array, backend: Backend) -> Array:
        """Modes ``(..., *modes)`` of fields ``(..., *shape)``."""

    def adjoint(self, modes: Array, backend: Backend) -> Array:
        """The transpose of `forward`, as a plain sum over all modes of the full plane. May overwrite the modes."""

    def bin_index(self) -> Any:
        """The bin of each entry of a mode array; a NumPy array of integers."""

    def multiplicity(self) -> Any:
        """1 or 2 for each entry: for how many modes of the full plane it stands."""

    def sign(self) -> Any:
        """1 for the entries of one half plane, -1 for the other, 0 where a mode is its own mirror image."""

    def bin_weight(self) -> Any:
        """What the sum of ``|X|**2`` over a bin is multiplied with to be a share of the mean square, one per bin."""


class SummingBasis(Basis, Protocol):
    """A basis of which statistics are other sums than those of squares over bins of modes."""

    def bin_power(self, x: Array, backend: Backend) -> Array:
        """Statistics ``(..., bins)`` of fields, in plain operations that frameworks differentiate."""

    def power_gradient(self, x: Array, slope: Array, backend: Backend) -> Array:
        """The gradient, with respect to x, of a function of `bin_power` that has the gradient ``slope``."""


class Backend:
    """Arrays that follow the standard; frameworks override what they do better.

    `spectral_losses.testing.check_backend` proves a backend.
    """

    name = "generic"

    def __init__(self) -> None:
        self._constants: dict[Any, Any] = {}

    # Array services.

    def namespace(self, x: Array) -> Any:
        """The array API namespace of x."""
        return x.__array_namespace__()

    def device(self, x: Array) -> Any:
        """Where x lives, comparable with ``==``; None where that is not known."""
        return x.device

    def constant(self, source: Source, name: str, like: Array) -> Any:
        """``getattr(source, name)()``, built on the host and cached on like's device.

        A float array takes like's dtype, an integer array stays one; a tuple of arrays gives a tuple.
        """
        xp, device = self.namespace(like), self.device(like)
        return self.cached(
            (source, name, xp.__name__, str(device), str(like.dtype)),
            lambda: each_array(getattr(source, name)(), partial(self.upload, like=like)),
        )

    def known(self, source: Source, name: str) -> Any:
        """``getattr(source, name)()`` of plain values, which a compiler that follows this code is not to look into."""
        return getattr(source, name)()

    def cached(self, key: Any, make: Any) -> Any:
        """``make()``, remembered under key, where that has a hash; the oldest of 256 is forgotten first."""
        try:
            found = self._constants.pop(key, None)
            if found is None:
                hash(key)  # an empty dictionary has not asked for it
        except TypeError:  # the symbolic sizes of a traced program have none
            return make()
        self._constants[key] = found = make() if found is None else found
        if len(self._constants) > 256:
            del self._constants[next(iter(self._constants))]
        return found

    def is_tracing(self) -> bool:
        """Whether a compiler follows this very code; plans are not cached then, as it would guard the cache."""
        return False

    def upload(self, array: Any, like: Array) -> Array:
        """A NumPy array on like's device, a float one in like's dtype."""
        xp = self.namespace(like)
        dtype = like.dtype if array.dtype.kind == "f" else None
        return xp.asarray(array, dtype=dtype, device=self.device(like))

    def detach(self, x: Array) -> Array:
        """The same values without a gradient; the standard knows of none."""
        return x

    def to_numpy_if_free(self, x: Array) -> Any | None:
        """``x`` as a NumPy array where that costs no transfer and no wait, else None: the standard cannot tell."""
        return None

    def to_numpy(self, x: Array) -> Any:
        """``x`` as a NumPy array on the host, whatever that costs."""
        return np.asarray(x)

    def to_floats(self, values: Sequence[Array]) -> list[float]:
        """0-d arrays as floats, in one transfer."""
        return [float(value) for value in values]

    def register(self, cls: type, arrays: Sequence[str], static: Sequence[str]) -> None:
        """Let a dataclass of arrays through the framework's transformations (``jit``, ``vmap``), if it has any."""

    def ranks(self) -> tuple[str, int] | None:
        """The processes whose frames count as well, by a name and their number; None where one has all."""
        return None

    def sum_over_ranks(self, x: Array, ranks: over.Ranks) -> Array:
        """The sum of what each of these processes has, on all of them; its gradient is that of the sum of all."""
        raise NotImplementedError(f"{self.name} knows no ranks, got {ranks}")

    def slabs(self, x: Array, axis: int) -> list[slice]:
        """Parts of an array along an axis to work on one after the other: several where it can be written to."""
        return [slice(0, x.shape[axis])]

    def framewise(self, source: Any, x: Array, *others: Array) -> Array:
        """``source.apply(backend, x, *others)`` of fields ``(..., *source.shape)`` that broadcast; of x's shape.

        For functions of many small steps on each field by itself, which a framework may not want to follow. They have
        no gradient.
        """
        return source.apply(self, x, *others)

    def repeat(self, step: Any, x: Array, times: int) -> Array:
        """``step`` of x, of that, and so on."""
        for _ in range(times):
            x = step(x)
        return x

    def rfftn(self, x: Array, ndim: int) -> Array:
        """Unnormalised half-plane transform over the last ndim axes, in x's own precision."""
        return self.namespace(x).fft.rfftn(x, axes=tuple(range(-ndim, 0)))

    def irfftn(self, modes: Array, shape: tuple[int, ...]) -> Array:
        """Its inverse times the number of points: the plain sum over modes. May overwrite the modes."""
        axes = tuple(range(-len(shape), 0))
        return self.namespace(modes).fft.irfftn(modes, s=shape, axes=axes, norm="forward")

    def map_columns(self, tables: Array, modes: Array, *, transposed: bool = False) -> Array:
        """A real matrix for each column of modes: ``(m, k, n)`` times ``(..., n, m)`` is ``(..., k, m)``.

        Transposed it is ``(m, k, n)`` times ``(..., k, m)``, which is ``(..., n, m)``. All fields of the stack go
        through one product for each column, so that a table is read once. For transforms whose second axis is no
        Fourier transform, such as that of the sphere.
        """
        xp, lead = self.namespace(modes), tuple(modes.shape[:-2])
        frames, size = math.prod(lead), tables.shape[2 if transposed else 1]
        columns = xp.permute_dims(xp.reshape(modes, (frames, *modes.shape[-2:])), (2, 1, 0))
        both = xp.concat((xp.real(columns), xp.imag(columns)), axis=-1)
        found = self.matmul(tables, both, transposed)
        real, imag = (xp.astype(part, modes.dtype) for part in (found[..., :frames], found[..., frames:]))
        return xp.reshape(xp.permute_dims(real + imag * 1j, (2, 1, 0)), (*lead, size, modes.shape[-1]))

    def matmul(self, a: Array, b: Array, transposed: bool = False) -> Array:
        """``a b``, or ``a^T b``, of stacks of real matrices, in their own precision."""
        xp = self.namespace(b)
        return xp.matmul(xp.matrix_transpose(a) if transposed else a, b)

    # The four primitives.

    def forward(self, x: Array, basis: Basis) -> Array:
        """Modes of fields: ``(..., *shape)`` -> ``(..., *modes)``."""
        return basis.forward(x, self)

    def adjoint(self, modes: Array, basis: Basis) -> Array:
        """The transpose of `forward`, a plain sum over all modes of the full plane. May overwrite the modes."""
        return basis.adjoint(modes, self)

    def bin_sum(self, values: Array, basis: Basis) -> Array:
        """Sum real values of modes over the full plane's bins: ``(..., *modes)`` -> ``(..., bins)``.

        Here index tables gather the modes of each bin, level by level, see `layouts.Gathering`: the order of additions
        is the same in every run, and rounding grows with the number of levels, not of modes. NumPy has a `bin_sum` of
        its own; PyTorch's kernels on a CPU scatter inside `bin_power` and call this for cross-spectra alone.
        """
        xp, ndim = self.namespace(values), len(basis.shape)
        if basis.sums == "points":
            return xp.expand_dims(xp.sum(values, axis=tuple(range(-ndim, 0))), axis=-1)
        if basis.sums == "weighed":
            weighed = values * self.constant(basis, "entry_weights", values)
            return xp.expand_dims(xp.sum(weighed, axis=tuple(range(-ndim, 0))), axis=-1)
        lead = tuple(values.shape[:-ndim])
        if basis.sums == "each":
            column = xp.astype(self.constant(basis, "multiplicity", values), values.dtype)
            return xp.reshape(values * column, (*lead, math.prod(values.shape[-ndim:])))
        layout = Gathering(basis)
        tables, multiplicity = (self.constant(layout, name, values) for name in ("tables", "multiplicity"))
        level = xp.reshape(values, (*lead, math.prod(values.shape[-ndim:])))
        zero = xp.zeros_like(level[..., :1])
        for height, table in enumerate(tables):
            padded = xp.concat((level, zero), axis=-1)
            picked = xp.take(padded, xp.reshape(table, (-1,)), axis=-1)
            level = xp.sum(xp.reshape(picked, (*lead, *table.shape)), axis=-1)
            if height == 0:
                level = level * multiplicity
        return level

    def gather(self, table: Array, basis: Basis) -> Array:
        """What belongs to each mode's bin: ``(..., bins)`` -> ``(..., *modes)``."""
        xp, ndim = self.namespace(table), len(basis.shape)
        if basis.sums == "points":
            return xp.reshape(table, (*table.shape[:-1], *(1,) * ndim))
        if basis.sums == "each":
            return xp.reshape(table, (*table.shape[:-1], *basis.bin_index().shape))
        if basis.sums == "weighed":
            return xp.reshape(table, (*table.shape[:-1], *(1,) * ndim)) * self.constant(basis, "mode_weights", table)
        index = self.constant(basis, "bin_index", table)
        taken = xp.take(table, xp.reshape(index, (-1,)), axis=-1)
        return xp.reshape(taken, (*table.shape[:-1], *index.shape))

    # Statistics of fields, composed.

    def power(self, x: Array, basis: Basis) -> Array:
        """Share of the mean square in each bin, differentiable: ``(..., *shape)`` -> ``(..., bins)``."""
        return self.bin_power(self.forward(x, basis), basis)

    def bin_power(self, modes: Array, basis: Basis, keep: bool = True) -> Array:
        """`power` of modes: their squares, summed over bins. The modes may be used up unless ``keep``.

        This is what frameworks override to square and sum at once.
        """
        if basis.sums == "own":
            return basis.bin_power(modes, self)  # type: ignore[attr-defined]
        return self._weighed_sum(_squared(modes, self.namespace(modes)), basis)

    def pair_power(self, e: Array, y: Array, basis: Basis, needs: tuple[str, ...]) -> Tables:
        """Statistics of ``x = y + e`` and y, differentiable; the fields are ``(..., *shape)``.

        The error is transformed by itself: the difference of two transforms has no digits left where fields are alike.
        """
        return self.bin_pair_power(self.forward(e, basis), self.target_modes(y, basis, needs), basis, needs)

    def target_modes(self, y: Array, basis: Basis, needs: tuple[str, ...]) -> Array | None:
        """Modes of the target; None where only those of the error are needed."""
        return None if needs == ("D",) else self.forward(y, basis)

    def bin_pair_power(self, e: Array, y: Array | None, basis: Basis, needs: tuple[str, ...]) -> Tables:
        """`pair_power` of modes, which are kept."""
        tables = {}
        if "D" in needs:
            tables["D"] = self.bin_power(e, basis)
        if "T" in needs:
            tables["T"] = self.bin_power(y, basis)
        if "P" in needs:
            tables["P"] = self.bin_power(e + y, basis, keep=False)
        if "Q" in needs:
            # Im (E + Y) conj(Y) = Im E conj(Y), the same with fewer roundings.
            xp = self.namespace(y)
            if xp.isdtype(e.dtype, "complex floating"):
                cross = xp.imag(e) * xp.real(y) - xp.real(e) * xp.imag(y)
                tables["Q"] = self._weighed_sum(cross * self.constant(basis, "sign", cross), basis)
            else:  # real modes have no phases between them
                tables["Q"] = self._weighed_sum(xp.zeros_like(e), basis)
        return tables

    def power_gradient(self, modes: Array, slope: Array, basis: Basis) -> Array:
        """Gradient of a function of `power` that has the gradient ``slope``; may use up the modes.

        The share of a bin is ``w x^T F^H S F x``, with the full transform F and the modes S of the bin: its gradient
        is twice the adjoint of the modes, each times its bin's slope. On a half plane that is the half-plane adjoint,
        because a factor that k and -k share keeps modes Hermitian.
        """
        if basis.sums == "own":
            return basis.power_gradient(modes, slope, self)  # type: ignore[attr-defined]
        weights = self.gather(self._doubled(self._like_modes(slope, modes), basis), basis)
        return self.adjoint(modes * weights, basis)

    def pair_gradient(
        self, e: Array, y: Array | None, slopes: Tables, basis: Basis, *, of_target: bool = False
    ) -> Array:
        """Gradient of a function of `pair_power` with respect to the prediction; may use up the modes.

        With slopes a, b, d and q of P, T, D and Q it is twice the adjoint of ``(a + d) E + (a + i s q / 2) Y``. With
        ``of_target`` it is that with respect to y while e stays: of ``(a - i s q / 2) E + (a + b) Y``.
        """
        if basis.sums == "own":
            return self._own_gradient(e, y, slopes, basis, of_target)
        first, second, turned = self.pair_weights(slopes, of_target)
        if not self.namespace(e).isdtype(e.dtype, "complex floating"):
            turned = None
        if first is None and second is None and turned is None:
            return 0 * self.adjoint(e, basis)
        cross: Any = None  # before the modes are used up
        if turned is not None:
            quarter = self.gather(self._doubled(turned, basis), basis)
            other: Array = e if of_target else y
            cross = (other * 1j) * (quarter * self.constant(basis, "sign", quarter))
        modes = self.weighed(((e, first), (y, second)), basis)
        if modes is None or cross is None:
            return self.adjoint(cross if modes is None else modes, basis)
        return self.adjoint(modes + cross, basis)

    def weighed(self, parts: Sequence[tuple[Array | None, Array | None]], basis: Basis) -> Array | None:
        """The sum of modes, each times twice its bin's slope and weight, if there are any; may use them up."""
        total: Any = None
        for modes, slope in parts:
            if modes is not None and slope is not None:
                found = modes * self.gather(self._doubled(slope, basis), basis)
                total = found if total is None else total + found
        return total

    def pair_weights(self, slopes: Tables, of_target: bool = False) -> tuple[Array | None, Array | None, Array | None]:
        """Slopes of the error's modes, of the target's, and of one of them turned by i, see `pair_gradient`."""
        a, b, d, q = (slopes.get(name) for name in ("P", "T", "D", "Q"))
        if of_target:
            return a, _sum(a, b), None if q is None else -q / 2
        return _sum(a, d), a, None if q is None else q / 2

    # A problem: losses of a pair of fields.

    def values(self, problem: Problem, arrays: Arrays) -> list[Array]:
        """What the losses of a problem are, each reduced over its rows; differentiable."""
        tables = self.statistics(problem, arrays)
        floors = self.floors(problem, arrays, tables)
        tables, _ = over.pooled(tables, problem.rows, self)
        rows, _ = self.rows_and_slopes(problem, tables, arrays.target_power, floors)
        return self.reduced(problem, arrays, rows)

    def weighted(self, problem: Problem, arrays: Arrays, weights: Sequence[float]) -> tuple[Array, list[Array]]:
        """The weighted sum of `values`, and these."""
        values = self.values(problem, arrays)
        return weighted_sum(values, weights), values

    def value_and_grad(
        self, problem: Problem, arrays: Arrays, weights: Sequence[float] = (1.0,)
    ) -> tuple[list[Array], Array]:
        """`values`, and the gradient of their weighted sum with respect to the prediction.

        The fast path, also of arrays that do not differentiate themselves. Here everything is transformed once;
        backends may override it to keep modes near the processor.
        """
        modes, modes_y, tables = self.modes_and_statistics(problem, arrays.x, arrays.y)
        floors = self.floors(problem, arrays, tables)
        lead = self.lead(problem, arrays.x)
        shares = self.shares(problem, lead, arrays.x, weights)
        tables, share = over.pooled(tables, problem.rows, self)
        rows, slopes = self.rows_and_slopes(problem, tables, arrays.target_power, floors, shares)
        slopes = over.spread(slopes, share, lead, self)
        return self.reduced(problem, arrays, rows), self.gradient_of(problem, modes, modes_y, slopes)

    def shares(self, problem: Problem, lead: tuple[int, ...], like: Array, weights: Sequence[float]) -> list[Any]:
        """The gradient of the weighted sum of the losses along each row, for each loss."""
        return [t.rows.shares(lead, like, self, weight) for t, weight in zip(problem.terms, weights, strict=True)]

    def reduced(self, problem: Problem, arrays: Arrays, rows: Sequence[Array]) -> list[Array]:
        """The losses, of the values of their rows."""
        lead = self.lead(problem, arrays.x)
        return [term.rows.reduce(of, lead, self) for term, of in zip(problem.terms, rows, strict=True)]

    def statistics(self, problem: Problem, arrays: Arrays) -> Tables:
        """The statistics that a problem needs, by name, each ``(..., bins)``; differentiable.

        "P" and "T" of prediction and target, "D" of their error and "Q" between them; of a problem of fields, the
        fields ``(..., *shape)`` themselves as "X" and "Y".
        """
        x, y, basis = arrays.x, arrays.y, problem.basis
        if problem.kind == "pair":
            return self.pair_power(problem.error(x, y), y, basis, problem.needs)
        if problem.kind == "fields":
            return {"X": x, "Y": y}
        tables = {"P": self.power(x, basis)}
        if y is not None:
            tables["T"] = self.power(y, basis)
        return tables

    def modes_and_statistics(self, problem: Problem, x: Array, y: Array | None) -> tuple[Array, Array, Tables]:
        """What `gradient_of` takes, modes of the prediction (of a pair: error) and the target; and `statistics`."""
        basis = problem.basis
        if problem.kind == "fields":
            return None, None, {"X": x, "Y": y}
        if problem.kind == "pair":
            if problem.needs == ("D", "T"):  # the target's modes are not needed again
                power = self.power(y, basis)
                error = self.forward(problem.error(x, y), basis)
                return error, None, {"D": self.bin_power(error, basis), "T": power}
            error, modes_y = self.forward(problem.error(x, y), basis), self.target_modes(y, basis, problem.needs)
            return error, modes_y, self.bin_pair_power(error, modes_y, basis, problem.needs)
        modes = self.forward(x, basis)
        tables = {"P": self.bin_power(modes, basis)}
        if y is not None:
            tables["T"] = self.power(y, basis)
        return modes, None, tables

    def gradient_of(self, problem: Problem, modes: Array, modes_y: Array, slopes: Tables) -> Array:
        """The gradient with respect to the prediction, of modes that it may use up."""
        if problem.kind == "fields":
            return slopes["X"]
        if problem.kind == "pair":
            return self.pair_gradient(modes, modes_y, slopes, problem.basis)
        return self.power_gradient(modes, slopes["P"], problem.basis)

    def rows_and_slopes(
        self,
        problem: Problem,
        tables: Tables,
        target_power: Sequence[Array | None],
        floors: Sequence[Array | None],
        shares: Sequence[Any] | None = None,
        leading: int | None = None,
    ) -> tuple[list[Array], Tables]:
        """The value of each row for each loss; with ``shares`` of the rows, also slopes along each field's statistics.

        Of statistics of a part of a stack, ``leading`` axes come before those that a row merges.
        """
        values: list[Array] = []
        total: Tables = {}
        for i, term in enumerate(problem.terms):
            axes = None if leading is None else leading + term.rows.elements - problem.elements
            statistics = Statistics(self, problem, term, tables, target_power[i], floors[i], axes)
            rows, slopes = term.objective.value_and_grad(statistics, statistics.xp)
            values.append(rows)
            if shares is not None:
                for name, slope in statistics.spread(slopes, shares[i]).items():
                    add_slope(total, name, slope)
        return values, total

    def floors(self, problem: Problem, arrays: Arrays, tables: Tables) -> list[Array | None]:
        """The guard of each term that has one relative to the mean square of the target in space, or to its bins."""
        level: Array | None = None
        floors: list[Array | None] = []
        for (objective, rows), known in zip(problem.terms, arrays.target_power, strict=True):
            if objective.floor is None:
                floors.append(None)
                continue
            if objective.relative_to == "bins":
                if known is None:
                    floors.append(rows.floor(self.detach(tables["T"]), objective.floor, self, after=1))
                else:
                    shares = self.detach(known) / self.constant(problem.basis, "scale", known)
                    floors.append(rows.floor_of_rows(shares, objective.floor, self))
                continue
            level = self.level(problem, arrays, tables) if level is None else level
            floors.append(rows.floor(level, objective.floor, self))
        return floors

    def level(self, problem: Problem, arrays: Arrays, tables: Tables) -> Array:
        """Mean square of the target's fields in space, ``(...)``, without a gradient."""
        if problem.basis.sums == "points" and "T" in tables:
            return self.detach(tables["T"][..., 0])
        return self.mean_square(self.detach(arrays.y), problem.basis)

    def mean_square(self, x: Array, basis: Basis) -> Array:
        """Mean square over space."""
        xp = self.namespace(x)
        return xp.mean(x * x, axis=tuple(range(-len(basis.shape), 0)))

    def lead(self, problem: Problem, x: Array) -> tuple[int, ...]:
        """Sizes of the axes of x that are not space."""
        return tuple(x.shape[: len(x.shape) - len(problem.basis.shape)])

    def mean(self, x: Array) -> Array:
        """Mean over everything, 0-d."""
        xp = self.namespace(x)
        # In NumPy a mean over everything is a scalar, not a 0-d array, unless it keeps its axes.
        return xp.reshape(xp.mean(xp.reshape(x, (-1,)), keepdims=True), ())

    def _weighed_sum(self, values: Array, basis: Basis) -> Array:
        sums = self.bin_sum(values, basis)
        return sums * self.constant(basis, "bin_weight", sums)

    def _own_gradient(self, e: Array, y: Array | None, slopes: Tables, basis: Basis, of_target: bool) -> Array:
        """`pair_gradient` where a basis sums itself, so that a field's slopes are those of its own statistics."""
        parts = [(y, "T")] if of_target else [(e, "D")]
        if "P" in slopes:
            parts.append((e + y, "P"))
        found = [self.power_gradient(field, slopes[name], basis) for field, name in parts if name in slopes]
        return sum(found[1:], start=found[0])

    def _like_modes(self, slope: Array, modes: Array) -> Array:
        """Slopes in the precision of the modes: a target of higher precision lifts them."""
        xp = self.namespace(modes)
        return xp.astype(slope, xp.real(modes).dtype if xp.isdtype(modes.dtype, "complex floating") else modes.dtype)

    def _doubled(self, slope: Array, basis: Basis) -> Array:
        return slope * (2 * self.constant(basis, "bin_weight", slope))


def each_array(value: Any, function: Any) -> Any:
    """Apply a function to an array, or to each array of a tuple."""
    return tuple(function(v) for v in value) if isinstance(value, tuple) else function(np.asarray(value))


def weighted_sum(values: Sequence[Array], weights: Sequence[float]) -> Array:
    """The sum of weight times value, from the first one on."""
    total = values[0] * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total = total + value * weight
    return total


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a + b


def _squared(modes: Array, xp: Any) -> Array:
    if not xp.isdtype(modes.dtype, "complex floating"):
        return modes * modes
    real, imag = xp.real(modes), xp.imag(modes)
    return real * real + imag * imag


backend = Backend()
