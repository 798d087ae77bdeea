"""The sums that a comparison needs of one part of its arrays, read block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses import radial_spectrum
from spectral_losses.cli.compare.blocks import index_of, slabs
from spectral_losses.cli.compare.comparison import Comparison
from spectral_losses.cli.compare.gaps import Gaps, lifted
from spectral_losses.cli.compare.losses import Levels, LevelSums, LossSums
from spectral_losses.cli.compare.spectral import spectral
from spectral_losses.cli.compare.sums import Sums
from spectral_losses.cli.compare.tally import Tally
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.io import noted

NOTHING = Levels({}, {})
Advance = Callable[[int], object]


class Work(NamedTuple):
    """What is to be summed, over all parts.

    Attributes
    ----------
    which : int
        Of the comparisons, one for each variable.
    round : {"finite", "levels", "numbers"}
        Which frames are finite, what guards are relative to, or the numbers themselves.
    levels : Levels
        What guards are relative to; those of each batch element are in the parts.
    """

    which: int
    round: str
    levels: Levels = NOTHING


class Part(NamedTuple):
    """Some positions along the first axis of frames.

    Attributes
    ----------
    start, stop : int
    places : array of int or None
        Those of them that count; None where all do.
    levels : Levels or None
        As in `Work`, where each position has its own.
    """

    start: int
    stop: int
    places: NDArray[np.int64] | None = None
    levels: Levels | None = None

    @property
    def elements(self) -> int:
        """How many positions count."""
        return self.stop - self.start if self.places is None else len(self.places)


def sums_of(comparison: Comparison, work: Work, part: Part, advance: Advance = lambda fields: None) -> Sums:
    """Read a part, holding no more than one block of each array and the spectra of a few batch elements.

    Parameters
    ----------
    comparison : Comparison
        Of the whole arrays.
    work : Work
    part : Part
    advance : callable
        Called with the number of fields done after each block.

    Raises
    ------
    CommandError
        Values whose squares overflow; a field without a point that counts.
    FieldFileError
        A file that cannot be read or is not finite.
    """
    axis = comparison.layout.batch
    if axis is not None and part.elements < comparison.layout.shape[axis]:
        places = np.arange(part.start, part.stop) if part.places is None else part.places
        comparison = comparison.at(places)
    with noted(comparison.pair.watched) as absent:
        if work.round == "finite":
            found = _finite(comparison, advance)
        elif work.round == "levels":
            found = _levels(comparison, advance)
        else:
            found = _numbers(comparison, work.levels if part.levels is None else part.levels, advance)
    return found._replace(absent=absent)


def _finite(comparison: Comparison, advance: Advance) -> Sums:
    pair, layout = comparison.pair, comparison.layout
    finite = Gaps(comparison.args.nan, pair.mask).finite((pair.prediction, pair.truth), layout)
    advance(comparison.fields)
    return Sums({}, {"finite": finite})


def _levels(comparison: Comparison, advance: Advance) -> Sums:
    pair, layout, losses = comparison.pair, comparison.layout, comparison.losses
    gaps, levels = Gaps(comparison.args.nan, pair.mask), LevelSums(losses)
    for slab in slabs(layout, (pair.prediction, pair.truth), comparison.options.channels != "separate"):
        for block in slab.blocks:
            t, mask = gaps.read_truth(pair.prediction, pair.truth, layout, block)
            levels.add(t, block, mask)
            advance(t.size // int(np.prod(layout.grid)))
    return levels.sums()


def _numbers(comparison: Comparison, levels: Levels, advance: Advance) -> Sums:
    pair, layout, options = comparison.pair, comparison.layout, comparison.options
    prediction, truth, climatology = pair.prediction, pair.truth, pair.climatology
    gaps, shells = Gaps(comparison.args.nan, pair.mask), len(comparison.grid.centres())
    dtype = np.result_type(prediction.dtype, truth.dtype, np.float32)
    tally = Tally(layout, options.channels, shells, options.grid, climatology is not None)
    losses = LossSums(comparison.losses, levels)
    for slab in slabs(layout, (prediction, truth), options.channels != "separate"):
        powers = tally.powers(slab, dtype)
        for block in slab.blocks:
            index = index_of(layout, block)
            p, t, mask = gaps.read(prediction, truth, layout, block)
            with np.errstate(over="ignore", invalid="ignore"):  # reported below
                tally.add_fields(p, t, None if climatology is None else lifted(climatology.read(index)), block, mask)
                losses.add(p, t, block, mask)
                for into, field in zip(powers, (p, t, p - t), strict=True):
                    place = into[tally.place(slab, block)]
                    power = radial_spectrum(field, **spectral(options._replace(mask=mask))).power
                    place[...] = power.reshape(place.shape)
            advance(p.size // int(np.prod(layout.grid)))
        if not (np.isfinite(powers).all() and np.isfinite(tally.moments).all()):
            raise CommandError(
                f"{prediction.name} or {truth.name}: values too large, their squares overflow in {dtype.name}"
            )
        tally.add_spectra(slab, powers)
    found, of_losses = tally.sums(), losses.sums()
    return Sums({**found.added, **of_losses.added}, {**found.joined, **of_losses.joined})
