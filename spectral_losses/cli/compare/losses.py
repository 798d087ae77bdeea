"""Losses of the library over files that are read block by block: the numbers of the whole arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.blocks import Block
from spectral_losses.cli.compare.globe import refuse_on_the_sphere
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.losses.comparison import grouped, prepared
from spectral_losses.losses.registry import comparison_of, named_loss, options_of
from spectral_losses.spectra.plan import Options
from spectral_losses_backends.problem import Arrays, Problem, Tables, Term, smallest

ALWAYS = ("field_error", "spectrum_error")
"""What a tally has anyway."""
SHARED = ("spatial_axes", "channel_axis", "channels", "bins", "lengths", "window", "detrend", "grid", "transform")


class _Group(NamedTuple):
    """Losses of one block that share its transforms, with their statistics."""

    names: list[str]
    backend: Any
    problem: Problem
    arrays: Arrays
    tables: Tables

    def terms(self) -> Iterator[tuple[str, Term]]:
        return zip(self.names, self.problem.terms, strict=True)


class Losses:
    """Running sums of losses that have a value for each frame and, where they are apart, each channel.

    The guard of some is relative to the mean of the truth over all frames. That mean is taken first, in a pass of its
    own over the truth (`add_level`), so that a value does not depend on what else a block holds.

    Parameters
    ----------
    names : iterable of str
        Those in `ALWAYS` are passed over.
    layout : Layout
    options : Options
        Each loss takes those that it knows.
    eps : float
        Of guards that are relative to all frames.

    Raises
    ------
    CommandError
        A loss that is not known, or that refuses this grid or these options.
    """

    def __init__(self, names: Iterable[str], layout: Layout, options: Options, eps: float) -> None:
        self.layout = layout
        merged = layout.channel if options.channels != "separate" else None
        self.axes = [axis for axis in layout.others if axis != merged]  # of rows
        self.sizes = [layout.shape[axis] for axis in self.axes]
        self.channel, self.per = (self._place(axis) for axis in (layout.channel, layout.per))
        self.apart = None if self.per == self.channel else self.per  # guards of channels differ in any case
        self.relative: set[str] = set()
        self.functions: dict[str, Callable[..., Any]] = {}
        self.options: dict[str, dict[str, Any]] = {}
        for name in names:
            if name not in (*ALWAYS, *self.functions):
                self._add(name, options, eps)
        self.levels: dict[str, NDArray[np.float64]] = {}
        self.groups = 1 if self.per is None else self.sizes[self.per]
        self.sums = dict.fromkeys(self.functions, 0.0)
        self.sums_of_groups = {name: np.zeros(self.groups) for name in self.functions}

    def add_level(self, truth: NDArray[Any], block: Block, mask: NDArray[Any] | None = None) -> None:
        """Count the truth of a block towards the guards."""
        kept = {self.channel, self.apart}
        frames = tuple(i for i in range(len(self.axes)) if i not in kept)
        shape = [n if i in kept else 1 for i, n in enumerate(self.sizes)]
        number = math.prod(n for i, n in enumerate(self.sizes) if i not in kept)
        for group in self._groups(truth, truth, self.relative, mask):
            for name, term in group.terms():
                if term.objective.relative_to == "space":
                    level = group.backend.level(group.problem, group.arrays, group.tables)
                    level = term.rows.collect(level, np, after=0)
                else:
                    level = term.rows.collect(group.tables["T"], np)
                behind = level.shape[len(self.axes) :]
                into = self.levels.setdefault(name, np.zeros((*shape, *behind)))
                into[self._part(block, kept)] += np.sum(level, axis=frames, keepdims=True, dtype=np.float64) / number

    def add(
        self, prediction: NDArray[Any], truth: NDArray[Any], block: Block, mask: NDArray[Any] | None = None
    ) -> None:
        """Count the values of a block; those of all blocks were counted by `add_level` before."""
        place = self._part(block, set(range(len(self.axes))))
        shape = tuple(cut.stop - cut.start for cut in place)
        others = tuple(i for i in range(len(shape)) if i != self.per)
        for group in self._groups(prediction, truth, self.functions, mask):
            rows = self._rows(group, block, None)
            of_each = rows
            if self.apart is not None and self.relative & set(group.names):
                of_each = self._rows(group, block, self.apart)
            for name, whole, each in zip(group.names, rows, of_each, strict=True):
                self.sums[name] += float(np.sum(whole, dtype=np.float64))
                if self.per is not None:
                    found = np.sum(np.reshape(each, shape), axis=others, dtype=np.float64)
                    self.sums_of_groups[name][place[self.per]] += found

    def result(self) -> tuple[dict[str, float], list[dict[str, float]]]:
        """The losses of everything, and of each index."""
        rows = math.prod(self.sizes)
        overall = {name: total / rows for name, total in self.sums.items()}
        if self.per is None:
            return overall, []
        number = rows // self.groups
        found = [
            {name: float(each[i]) / number for name, each in self.sums_of_groups.items()} for i in range(self.groups)
        ]
        return overall, found

    def _add(self, name: str, options: Options, eps: float) -> None:
        try:
            function = named_loss(name)
        except ValueError as error:
            raise CommandError(f"--losses: {error}") from error
        known = options_of(function)
        if options.grid is not None and "grid" not in known:
            refuse_on_the_sphere(f"--losses: {name}")
        taken = {key: getattr(options, key) for key in SHARED if key in known}
        alone = {**taken, "spatial_axes": tuple(range(len(self.layout.grid))), "channel_axis": None}
        field = np.zeros(self.layout.grid, np.float32)
        try:
            # Of a field of zeros: what a grid or an option forbids is to be known before anything is read.
            if comparison_of(function, field, field, alone).objective.floor is not None:
                taken["eps"] = eps
                self.relative.add(name)
        except (TypeError, ValueError) as error:
            raise CommandError(f"--losses: {name}: {error}") from error
        self.functions[name] = function
        self.options[name] = {**taken, "reduction": "none"}

    def _groups(self, prediction: Any, truth: Any, names: Iterable[str], mask: Any) -> Iterator[_Group]:
        counts = {} if mask is None else {"mask": mask}
        comparisons = {
            name: comparison_of(self.functions[name], prediction, truth, {**self.options[name], **counts})
            for name in names
        }
        for together in grouped(comparisons):
            backend = comparisons[together[0]].backend
            problem, arrays = prepared([comparisons[name] for name in together])
            yield _Group(together, backend, problem, arrays, backend.statistics(problem, arrays))

    def _rows(self, group: _Group, block: Block, apart: int | None) -> list[Any]:
        """A value of each row, with guards that are relative to all frames or to those at one index of an axis."""
        floors: list[Any] = []
        for name, term in group.terms():
            if name not in self.relative:
                floors.append(None)
                continue
            level = self.levels[name]
            if self.apart is not None and apart is None:
                level = np.mean(level, axis=self.apart, keepdims=True)
            like = next(iter(group.tables.values()))
            floor = level[self._part(block, {self.channel, apart})] * term.objective.floor + smallest(like, np)
            floors.append(floor.astype(like.dtype))
        rows, _ = group.backend.rows_and_slopes(group.problem, group.tables, group.arrays.target_power, floors)
        return list(rows)

    def _place(self, axis: int | None) -> int | None:
        """Of an axis among those of rows."""
        return self.axes.index(axis) if axis in self.axes else None

    def _part(self, block: Block, kept: set[int | None]) -> tuple[slice, ...]:
        """Where a block lies in an array of which only some axes are as long as those of rows."""
        cuts = [block[self.layout.others.index(axis)] for axis in self.axes]
        return tuple(cut if i in kept else slice(None) for i, cut in enumerate(cuts))
