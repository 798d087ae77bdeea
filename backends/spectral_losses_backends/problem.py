"""What a loss asks of a backend: an objective over statistics of a pair of fields, and the rows it is evaluated on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from spectral_losses_backends import ranks as over
from spectral_losses_backends.text import plain

Array = Any
Tables = dict[str, Array]
"""Statistics, or slopes along them, by name: P, T, C, Q and D of each bin, or the fields X and Y themselves."""
LARGEST = 1e20
"""No relative error is larger, in any dtype."""


class Objective(Protocol):
    """The mathematics of a loss: a named tuple of its settings, and one function of the statistics of a pair.

    Settings are plain values or named tuples of such, so that an objective can be hashed and written as text.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Statistics among "P", "T", "C", "Q" and "D", or "X" and "Y", the fields themselves."""

    @property
    def over(self) -> str:
        """Either "shells", without the bins below the first and beyond the last edge, or "complete", with them."""

    @property
    def unit(self) -> str:
        """Either "share", of the mean square, or "power" as in a `Spectrum`."""

    @property
    def floor(self) -> float | None:
        """The eps of a guard that is relative to all frames of the target, see `Statistics.floor`."""

    @property
    def relative_to(self) -> str | None:
        """To what of them: "space", their mean square, or "bins", their power in each bin."""

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """A value per row, and the gradient of the sum of all rows along each statistic.

        The value has to be differentiable by the framework, too.
        """


@plain
class Rows(NamedTuple):
    """Which axes of a stack a loss averages before, and which after it has become a number.

    Fields are laid out ``(*elements, *merged, *shape)``: elements have a number of their own, what is merged does not.
    Axes are counted from the end of ``(*elements, *merged)``, so that they hold for a part of the elements, too.
    """

    elements: int = 0
    """How many axes lead."""
    averaged: tuple[int, ...] = ()
    """Merged axes over which statistics are averaged: those that are pooled."""
    summed: tuple[int, ...] = ()
    """Merged axes over which statistics are summed: channels, with ``channels="sum"``."""
    frames: tuple[int, ...] = ()
    """All axes that are frames, over which a relative guard is averaged."""
    weights: tuple[float, ...] | None = None
    """Weights of the channels, of mean 1, where each channel is a row."""
    channel: int = 0
    """The axis that they weigh."""
    reduction: str = "mean"
    """"mean" over rows, or "none"."""
    ranks: over.Ranks | None = None
    """The processes that hold the other frames, where there are any."""

    @property
    def shared(self) -> bool:
        """Whether statistics are averaged over frames of all ranks, so that rows are the same on each."""
        return self.ranks is not None and self.ranks.axis in self.averaged

    @property
    def apart(self) -> over.Ranks | None:
        """The ranks where each has rows of its own."""
        return None if self.shared else self.ranks

    def collect(self, table: Array, xp: Any, after: int = 1) -> Array:
        """A statistic of each row, of that of each field; ``after`` axes follow those of the stack."""
        if self.summed:
            table = xp.sum(table, axis=_moved(self.summed, after), keepdims=True)
        if self.averaged:
            table = xp.mean(table, axis=_moved(self.averaged, after), keepdims=True)
        merged = self.summed + self.averaged
        return xp.squeeze(table, axis=_moved(merged, after)) if merged else table

    def spread(self, slope: Array, like: Array, xp: Any, after: int = 1) -> Array:
        """The transpose of `collect`, for a table of the same lead as ``like``, itself followed by so many axes."""
        merged = _moved(self.summed + self.averaged, after)
        if not merged:
            return slope
        for axis in sorted(merged, reverse=True):  # those behind first, so that each finds its place from the end
            slope = xp.expand_dims(slope, axis=axis)
        lead = tuple(like.shape[: len(like.shape) - after])
        number = math.prod([lead[axis] for axis in self.averaged])
        return xp.broadcast_to(slope / number, (*lead, *slope.shape[len(slope.shape) - after :]))

    def floor(self, level: Array, eps: float, backend: Any, after: int = 0) -> Array:
        """``eps`` times the mean over frames of the same channel, for each row, plus the smallest normal number.

        The mean is one over all ranks. Frames that are not finite do not count. Axes over which it is the same for all
        may be left at size 1; ``after`` axes follow those of the stack.
        """
        xp = backend.namespace(level)
        summed, averaged, frames = (_moved(axes, after) for axes in (self.summed, self.averaged, self.frames))
        if summed:
            level = xp.sum(level, axis=summed, keepdims=True)
        if not eps:
            level = xp.zeros_like(level)
        elif frames:
            level = _finite_mean(level, frames, xp, self.ranks, backend)
        if summed or averaged:
            for axis in averaged:
                level = level[(..., slice(0, 1), *(slice(None),) * (-axis - 1))]
            level = xp.squeeze(level, axis=summed + averaged)
        return level * eps + smallest(level, xp)

    def floor_of_rows(self, level: Array, eps: float, backend: Any) -> Array:
        """`floor` with one axis behind, of a level that has one number for each row already."""
        number = self.elements + len(self.summed) + len(self.averaged)
        kept = [axis + number - self.elements for axis in self.frames if axis + number < self.elements]
        return Rows(self.elements, frames=tuple(kept), ranks=self.apart).floor(level, eps, backend, after=1)

    def reduce(self, rows: Array, lead: tuple[int, ...], backend: Any) -> Array:
        """The loss, of the values of the rows."""
        if self.reduction != "mean" or self.weights is not None:
            rows = backend.namespace(rows).reshape(rows, lead[: self.elements])
        if self.reduction == "none":
            return rows
        if self.weights is not None:
            rows = rows * self._channel_weights(rows, lead, backend)
        mean, ranks = backend.mean(rows), self.apart
        if ranks is None:
            return mean
        number = math.prod(lead[: self.elements])
        total, of_all = over.total(mean * number, number, ranks, backend)
        return total / of_all

    def shares(self, lead: tuple[int, ...], like: Array, backend: Any, weight: float = 1.0) -> Any:
        """The gradient of ``weight`` times the loss along each row: a number, or an array with one for each."""
        if self.reduction == "none":
            return weight
        number: Any = math.prod(lead[: self.elements])
        ranks = self.apart
        if ranks is not None:
            nothing = backend.namespace(like).zeros_like(like[(0,) * len(like.shape)])
            number = over.total(nothing, number, ranks, backend)[1] / ranks.number
        elif self.weights is None:
            return weight / number
        weights = 1 if self.weights is None else self._channel_weights(like, lead, backend)
        return backend.namespace(like).broadcast_to(weights * (weight / number), lead[: self.elements])

    def channel_weights(self) -> Any:
        """The weights of the channels as a constant."""
        return np.asarray(self.weights)

    def _channel_weights(self, like: Array, lead: tuple[int, ...], backend: Any) -> Array:
        after = self.elements - (self.channel + len(lead)) - 1  # rows that follow the channel
        weights = backend.constant(self, "channel_weights", like)
        return backend.namespace(like).reshape(weights, (len(self.weights or ()), *(1,) * after))


@plain
class Term(NamedTuple):
    """One loss of a problem."""

    objective: Any
    rows: Rows


@plain
class Problem(NamedTuple):
    """Losses that share the modes of one pair of fields; plain values alone."""

    basis: Any
    terms: tuple[Term, ...]
    kind: str
    """"power": P of the prediction and T of the target apart; "pair": of both at once; "fields": the fields."""
    needs: tuple[str, ...]
    elements: int
    """How many leading axes no term merges."""
    differenced: bool = False
    """Whether x holds the error already, because it was prepared by itself."""

    @property
    def rows(self) -> Rows:
        """Those of one of the terms: all pool the same frames, where several ranks hold parts of them."""
        return self.terms[0].rows

    def error(self, x: Array, y: Array) -> Array:
        """What is transformed beside the target."""
        return x if self.differenced else x - y


class Arrays(NamedTuple):
    """The fields of a problem ``(*elements, *merged, *shape)``."""

    x: Array
    y: Array | None
    target_power: tuple[Array | None, ...] = (None,)
    """For each term the target's power over shells, rows first, where that is known; y is None then."""


def problem_of(basis: Any, terms: tuple[Term, ...], differenced: bool = False) -> Problem:
    """A problem of these terms."""
    asked, elements = set(terms[0].objective.needs), terms[0].rows.elements
    for objective, rows in terms[1:]:
        asked.update(objective.needs)
        elements = min(elements, rows.elements)
    if asked & {"X", "Y"}:
        kind, needs = "fields", ("X", "Y")
    elif asked & {"C", "Q", "D"} or basis.sums == "points":
        if "C" in asked:  # (P + T - D) / 2
            asked |= {"P", "T", "D"}
        kind, needs = "pair", tuple(sorted(asked - {"C"}))
    else:
        kind, needs = "power", ("P", "T")
    return Problem(basis, terms, kind, needs, elements, differenced)


class Statistics:
    """What an objective sees: statistics of rows, and what turns slopes along them back.

    ``s.P``, ``s.T``, ``s.C``, ``s.Q`` and ``s.D`` are ``(rows, ..., bins)``, of the bins and in the unit that the
    objective asks for. ``s.X`` and ``s.Y`` are the fields ``(rows, ..., *shape)``, with what is merged between.
    """

    def __init__(
        self,
        backend: Any,
        problem: Problem,
        term: Term,
        tables: Mapping[str, Array],
        target_power: Array | None = None,
        floor: Array | None = None,
        leading: int | None = None,
    ) -> None:
        self._backend, self._problem, self._term, self._raw = backend, problem, term, tables
        self._first = next(iter(tables.values()))
        self._leading = term.rows.elements if leading is None else leading
        self.xp = backend.namespace(self._first)
        before, behind = problem.basis.outside
        self._inside = slice(before, -behind or None)
        if floor is not None and target_power is None and term.objective.relative_to == "bins":
            floor = floor[..., self._inside] if term.objective.over == "shells" else floor
        self._floor = floor
        self._scale = self.basis_constant("scale") if term.objective.unit == "power" else None
        as_they_are = term.objective.over == "complete" and self._scale is None
        if as_they_are and not (term.rows.summed or term.rows.averaged):
            self._tables = dict(tables)
        else:
            self._tables = {} if problem.kind == "fields" else {name: self._of_rows(name) for name in tables}
        if target_power is not None:
            self._use(target_power)

    @property
    def P(self) -> Array:
        """Power of the prediction."""
        return self._tables["P"]

    @property
    def T(self) -> Array:
        """Power of the target."""
        return self._tables["T"]

    @property
    def D(self) -> Array:
        """Power of the error."""
        return self._tables["D"]

    @property
    def C(self) -> Array:
        """Real part of the cross-spectrum."""
        return (self.P + self.T - self.D) / 2

    @property
    def Q(self) -> Array:
        """Imaginary part of the cross-spectrum, signed by half plane."""
        return self._tables["Q"]

    @property
    def X(self) -> Array:
        """The prediction."""
        return self._raw["X"]

    @property
    def Y(self) -> Array:
        """The target."""
        return self._raw["Y"]

    @property
    def floor(self) -> Array:
        """``eps`` times the mean of the target over the frames of a row's channel, detached.

        Relative to "space" that is a mean square, one for each row; relative to "bins" one for each bin of a row.
        """
        return self._floor

    def bounded(self, norm: Array, error: Array, largest: float = LARGEST) -> Array:
        """The denominator of ``error / norm``, so that the quotient is at most 1e20, or as large as is said.

        A target of zeros has no scale of its own: the bound keeps sums of rows and gradients finite in float32.
        """
        # An error that is infinite must not make the denominator so.
        if isinstance(error, np.ndarray):
            return np.maximum(norm, np.minimum(error, 1e38) / largest)
        error = self.detach(error)
        return self.xp.maximum(norm, self.xp.minimum(error, self.xp.zeros_like(error) + 1e38) / largest)

    def inside(self, table: Array) -> Array:
        """Of all bins, the shells alone."""
        return table[..., self._inside]

    def outside(self, slope: Array) -> Array:
        """The transpose of `inside`: slopes of shells with zeros around."""
        before, behind = self._problem.basis.outside
        if not before and not behind:
            return slope
        nothing = self.xp.zeros_like(slope[..., :1])
        return self.xp.concat((nothing,) * before + (slope,) + (nothing,) * behind, axis=-1)

    def regrouped(self, table: Array, basis: Any) -> Array:
        """Entries of modes, each a bin of its own, summed over the bins of another basis."""
        values = self._backend.gather(table, self._problem.basis)
        column = self.xp.astype(self.basis_constant("multiplicity"), values.dtype)
        return self._backend.bin_sum(values / column, basis)

    def each(self, table: Array, basis: Any) -> Array:
        """What belongs to each entry's bin of another basis."""
        modes = self._backend.gather(table, basis)
        return self.xp.reshape(modes, (*table.shape[:-1], self._problem.basis.bins()))

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of P, T, C, Q and D that belong to one row: the bins, and before them what the rows keep."""
        return tuple(range(self._leading, len(next(iter(self._tables.values())).shape)))

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return smallest(self._first, self.xp)

    @property
    def precision(self) -> float:
        """Machine epsilon."""
        return float(self.xp.finfo(self._first.dtype).eps)

    def behind(self, axis: int) -> int:
        """How many axes of P, T, C, Q and D follow one of the stack, counted from its end, that a row keeps."""
        rows = self._term.rows
        return sum(1 for i in range(axis + 1, 0) if i not in rows.averaged + rows.summed) + 1

    def detach(self, x: Array) -> Array:
        """The same values, without a gradient."""
        return self._backend.detach(x)

    def constant(self, source: Any, name: str) -> Array:
        """A constant, where the statistics are and of their dtype."""
        return self._backend.constant(source, name, self._first)

    def basis_constant(self, name: str) -> Array:
        """A constant of the basis."""
        return self.constant(self._problem.basis, name)

    def row_mean(self, z: Array) -> Array:
        """Mean over space of something of the fields' shape, summed and averaged over what is merged: one per row."""
        ndim = len(self._problem.basis.shape)
        means = self.xp.mean(z, axis=tuple(range(-ndim, 0)))
        return self._term.rows.collect(means, self.xp, after=0)

    def along_fields(self, slope: Array) -> Array:
        """The transpose of `row_mean`: what a slope of each row is at each of its points."""
        ndim, xp = len(self._problem.basis.shape), self.xp
        slope = self._term.rows.spread(slope, self._first[(..., *(0,) * ndim)], xp, after=0)
        return xp.reshape(slope / math.prod(self._problem.basis.shape), (*slope.shape, *(1,) * ndim))

    def spread(self, slopes: Tables, shares: Any) -> Tables:
        """Slopes along what the objective saw, as slopes along the statistics of each field."""
        result: Tables = {}
        for name, slope in slopes.items():
            if isinstance(shares, float):
                shared = slope if shares == 1 else slope * shares
            else:
                behind = len(slope.shape) - len(shares.shape)
                shared = slope * self.xp.reshape(shares, (*shares.shape, *(1,) * behind))
            if name in ("X", "Y"):
                add_slope(result, name, shared)
            elif name == "C":
                for other, part in (("P", 0.5), ("T", 0.5), ("D", -0.5)):
                    add_slope(result, other, part * self._to_fields(shared))
            else:
                add_slope(result, name, self._to_fields(shared))
        return result

    def _to_fields(self, slope: Array) -> Array:
        xp, objective = self.xp, self._term.objective
        if self._scale is not None:
            slope = slope * self._scale
        if objective.over == "shells":
            slope = self.outside(slope)
        return self._term.rows.spread(slope, self._first, xp)

    def _of_rows(self, name: str) -> Array:
        objective = self._term.objective
        table = self._term.rows.collect(self._raw[name], self.xp)
        if objective.over == "shells":
            table = self.inside(table)
        return table if self._scale is None else table * self._scale

    def _use(self, target_power: Array) -> None:
        """Take the target's power as it is known; the prediction's goes the same way, so that equal fields agree."""
        if self._scale is None:
            scale = self.basis_constant("scale")
            target_power = target_power / scale
            self._tables["P"] = self._tables["P"] * scale / scale
        self._tables["T"] = target_power


def add_slope(tables: Tables, name: str, slope: Array) -> None:
    """Add a slope to what is there."""
    tables[name] = tables[name] + slope if name in tables else slope


def smallest(like: Array, xp: Any) -> float:
    """The smallest normal number of an array's dtype."""
    return _SMALLEST[like.dtype] if isinstance(like, np.ndarray) else float(xp.finfo(like.dtype).smallest_normal)


_SMALLEST = {np.dtype(name): float(np.finfo(name).smallest_normal) for name in ("float32", "float64")}


def _finite_mean(level: Array, axes: tuple[int, ...], xp: Any, ranks: over.Ranks | None, backend: Any) -> Array:
    """The mean of what is finite, on all ranks; axes stay, with size 1."""
    # Where values can be seen for free, there is mostly nothing to leave out.
    if isinstance(level, np.ndarray) and ranks is None:
        total = np.add.reduce(level, axis=axes, keepdims=True)
        if math.isfinite(total.item() if total.size == 1 else np.add.reduce(total, axis=None)):
            return total / (level.size // total.size)
    finite = xp.isfinite(level)
    total = xp.sum(xp.where(finite, level, xp.zeros_like(level)), axis=axes, keepdims=True)
    number = xp.sum(xp.astype(finite, level.dtype), axis=axes, keepdims=True)
    if ranks is not None:
        total, number = over.total(total, number, ranks, backend)
    return total / xp.where(number > 0, number, xp.ones_like(number))


def _moved(axes: tuple[int, ...], after: int) -> tuple[int, ...]:
    return tuple([axis - after for axis in axes])
