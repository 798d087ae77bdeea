"""Losses of the library over files that are read block by block: the numbers of the whole arrays."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.blocks import Block
from spectral_losses.cli.compare.globe import refuse_on_the_sphere
from spectral_losses.cli.compare.sums import Sums
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


class Levels(NamedTuple):
    """What guards are relative to: means of the truth over all frames, by loss.

    Attributes
    ----------
    overall : mapping of str to array
        With axes of length 1 but for channels.
    each : mapping of str to array
        At each index along the axis of ``--per``, where guards differ along it; else the same.
    """

    overall: Mapping[str, NDArray[np.float64]]
    each: Mapping[str, NDArray[np.float64]]


class Losses:
    """Losses that have a value for each frame and, where they are apart, each channel.

    The guard of some is relative to the mean of the truth over all frames. That mean is taken first, in a round of its
    own over the truth (`LevelSums`), so that a value does not depend on what else a block holds.

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
        merged = layout.channel if options.channels != "separate" else None
        self.axes = [axis for axis in layout.others if axis != merged]  # of rows
        self.relative: set[str] = set()
        self.functions: dict[str, Callable[..., Any]] = {}
        self.options: dict[str, dict[str, Any]] = {}
        self._lay(layout)
        for name in names:
            if name not in (*ALWAYS, *self.functions):
                self._add(name, options, eps)

    def over(self, layout: Layout) -> Losses:
        """The same losses over more or fewer frames."""
        other = copy.copy(self)
        other._lay(layout)
        return other

    @property
    def alone(self) -> bool:
        """Whether each batch element has a guard of its own, beside that of all."""
        return self.apart is not None and self.apart == self.batch

    def levels(self, sums: Sums) -> Levels:
        """Means of what `LevelSums` of all parts hold."""
        kept = {self.channel, self.apart}
        number = math.prod(n for i, n in enumerate(self.sizes) if i not in kept)
        if self.alone:
            each = {name: np.moveaxis(level, 0, self.batch or 0) / number for name, level in sums.joined.items()}
        else:
            each = {name: level / number for name, level in sums.added.items()}
        if self.apart is None:
            return Levels(each, each)
        return Levels({name: np.mean(level, axis=self.apart, keepdims=True) for name, level in each.items()}, each)

    def levels_of(self, levels: Levels, elements: slice) -> Levels:
        """Those of some batch elements."""
        if not self.alone:
            return levels
        place = (slice(None),) * (self.batch or 0) + (elements,)
        return levels._replace(each={name: level[place] for name, level in levels.each.items()})

    def result(self, sums: Sums) -> tuple[dict[str, float], list[dict[str, float]]]:
        """The losses of everything, and of each index, of what `LossSums` of all parts hold."""
        rows = math.prod(self.sizes)
        overall = dict(zip(self.functions, (sums.added["losses"] / rows).tolist(), strict=True))
        if self.per is None:
            return overall, []
        of_each = sums.joined["losses_of_each"] if self.per == self.batch else sums.added["losses_of_each"]
        found = of_each / (rows // len(of_each))
        return overall, [dict(zip(self.functions, row, strict=True)) for row in found.tolist()]

    def groups(self, prediction: Any, truth: Any, names: Iterable[str], mask: Any) -> Iterator[_Group]:
        """The statistics of a block, made once for losses that share them."""
        counts = {} if mask is None else {"mask": mask}
        comparisons = {
            name: comparison_of(self.functions[name], prediction, truth, {**self.options[name], **counts})
            for name in names
        }
        for together in grouped(comparisons):
            backend = comparisons[together[0]].backend
            problem, arrays = prepared([comparisons[name] for name in together])
            yield _Group(together, backend, problem, arrays, backend.statistics(problem, arrays))

    def part(self, block: Block, kept: set[int | None]) -> tuple[slice, ...]:
        """Where a block lies in an array of which only some axes are as long as those of rows."""
        cuts = [block[self.layout.others.index(axis)] for axis in self.axes]
        return tuple(cut if i in kept else slice(None) for i, cut in enumerate(cuts))

    def _lay(self, layout: Layout) -> None:
        self.layout = layout
        self.sizes = [layout.shape[axis] for axis in self.axes]
        self.channel, self.per, self.batch = (
            self.axes.index(axis) if axis in self.axes else None for axis in (layout.channel, layout.per, layout.batch)
        )
        self.apart = None if self.per == self.channel else self.per  # guards of channels differ in any case

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


class LevelSums:
    """Sums of the truth of one part of a comparison, towards guards."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.found: dict[str, NDArray[np.float64]] = {}

    def add(self, truth: NDArray[Any], block: Block, mask: NDArray[Any] | None = None) -> None:
        """Count the truth of a block."""
        losses = self.losses
        kept = {losses.channel, losses.apart}
        frames = tuple(i for i in range(len(losses.axes)) if i not in kept)
        shape = [n if i in kept else 1 for i, n in enumerate(losses.sizes)]
        for group in losses.groups(truth, truth, losses.relative, mask):
            for name, term in group.terms():
                if term.objective.relative_to == "space":
                    level = group.backend.level(group.problem, group.arrays, group.tables)
                    level = term.rows.collect(level, np, after=0)
                else:
                    level = term.rows.collect(group.tables["T"], np)
                behind = level.shape[len(losses.axes) :]
                into = self.found.setdefault(name, np.zeros((*shape, *behind)))
                into[losses.part(block, kept)] += np.sum(level, axis=frames, keepdims=True, dtype=np.float64)

    def sums(self) -> Sums:
        """What was counted."""
        if not self.losses.alone:
            return Sums(self.found, {})
        return Sums({}, {name: np.moveaxis(level, self.losses.batch or 0, 0) for name, level in self.found.items()})


class LossSums:
    """Sums of the values of losses over one part of a comparison.

    Parameters
    ----------
    losses : Losses
        Over the frames of this part.
    levels : Levels
        Of these frames.
    """

    def __init__(self, losses: Losses, levels: Levels) -> None:
        self.losses, self.levels = losses, levels
        self.places = {name: i for i, name in enumerate(losses.functions)}
        self.overall = np.zeros(len(self.places))
        groups = 0 if losses.per is None else losses.sizes[losses.per]
        self.of_each = np.zeros((groups, len(self.places)))

    def add(
        self, prediction: NDArray[Any], truth: NDArray[Any], block: Block, mask: NDArray[Any] | None = None
    ) -> None:
        """Count the values of a block."""
        losses = self.losses
        place = losses.part(block, set(range(len(losses.axes))))
        shape = tuple(cut.stop - cut.start for cut in place)
        others = tuple(i for i in range(len(shape)) if i != losses.per)
        for group in losses.groups(prediction, truth, losses.functions, mask):
            rows = self._rows(group, block, None)
            of_each = rows
            if losses.apart is not None and losses.relative & set(group.names):
                of_each = self._rows(group, block, losses.apart)
            for name, whole, each in zip(group.names, rows, of_each, strict=True):
                self.overall[self.places[name]] += np.sum(whole, dtype=np.float64)
                if losses.per is not None:
                    found = np.sum(np.reshape(each, shape), axis=others, dtype=np.float64)
                    self.of_each[place[losses.per], self.places[name]] += found

    def sums(self) -> Sums:
        """What was counted."""
        each = {"losses_of_each": self.of_each}
        if self.losses.per is not None and self.losses.per == self.losses.batch:
            return Sums({"losses": self.overall}, each)
        return Sums({"losses": self.overall} | each, {})

    def _rows(self, group: _Group, block: Block, apart: int | None) -> list[Any]:
        """A value of each row, with guards that are relative to all frames or to those at one index of an axis."""
        losses = self.losses
        levels = self.levels.overall if apart is None else self.levels.each
        floors: list[Any] = []
        for name, term in group.terms():
            if name not in losses.relative:
                floors.append(None)
                continue
            like = next(iter(group.tables.values()))
            floor = levels[name][losses.part(block, {losses.channel, apart})] * term.objective.floor
            floors.append((floor + smallest(like, np)).astype(like.dtype))
        rows, _ = group.backend.rows_and_slopes(group.problem, group.tables, group.arrays.target_power, floors)
        return list(rows)
