"""The rounds in which a comparison goes over its arrays, and the report of what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spectral_losses.cli.compare.blocks import parts
from spectral_losses.cli.compare.comparison import Comparison
from spectral_losses.cli.compare.gaps import some_finite
from spectral_losses.cli.compare.measure import Part, Work
from spectral_losses.cli.compare.report import Report, Row
from spectral_losses.cli.compare.resolution import resolution_of
from spectral_losses.cli.compare.sums import Sums
from spectral_losses.cli.compare.tally import numbers_of
from spectral_losses.io import note
from spectral_losses.spectra.bands import band_numbers

Total = Callable[[Work, Sequence[Part]], Sums]
"""Sums over some parts, whoever computes them."""


def rounds_of(comparison: Comparison) -> tuple[str, ...]:
    """The rounds that it takes, in order."""
    finite = ("finite",) if comparison.args.nan == "skip" else ()
    return (*finite, *(("levels",) if comparison.losses.relative else ()), "numbers")


def parts_of(comparison: Comparison) -> list[Part]:
    """The parts into which it is cut."""
    pair, whole = comparison.pair, comparison.options.channels != "separate"
    return [Part(cut.start, cut.stop) for cut in parts(comparison.layout, (pair.prediction, pair.truth), whole)]


def compare(comparison: Comparison, which: int, total: Total) -> Report:
    """Make the numbers of both arrays.

    Parameters
    ----------
    comparison : Comparison
    which : int
        Its number among those of all variables.
    total : callable
        Computes the sums of parts.

    Raises
    ------
    CommandError
        Values whose squares overflow; all frames left out; a field without a point that counts.
    FieldFileError
        A file that cannot be read or is not finite.
    """
    todo, kept, skipped, rounds = parts_of(comparison), None, 0, rounds_of(comparison)
    watched = comparison.pair.watched

    def of_parts(work: Work, parts: Sequence[Part]) -> Sums:
        found = total(work, parts)
        note(watched, found.absent)
        return found

    if "finite" in rounds:
        arrays = comparison.pair.arrays[:2]
        whole = some_finite(of_parts(Work(which, "finite"), todo).joined["finite"], arrays, comparison.layout)
        skipped = int(np.sum(~whole))
        if skipped:
            comparison = comparison.at(np.flatnonzero(whole))
            kept = tuple(np.flatnonzero(whole).tolist())
            found = [part.start + np.flatnonzero(whole[part.start : part.stop]) for part in todo]
            todo = [part._replace(places=each) for part, each in zip(todo, found, strict=True) if len(each)]
    work = Work(which, "numbers")
    if "levels" in rounds:
        losses = comparison.losses
        levels = losses.levels(of_parts(Work(which, "levels"), todo))
        if losses.alone:
            stops = np.cumsum([part.elements for part in todo]).tolist()
            cuts = [slice(stop - part.elements, stop) for part, stop in zip(todo, stops, strict=True)]
            todo = [part._replace(levels=losses.levels_of(levels, cut)) for part, cut in zip(todo, cuts, strict=True)]
        else:
            work = work._replace(levels=levels)
    return _report(comparison, of_parts(work, todo), skipped, kept)


def together(reports: list[Report]) -> list[Report]:
    """Reports of all that `prepare` gave, with the numbers of everything in that of the rows."""
    found: list[Report] = []
    for each in reports:
        if found and found[-1].layout.merged is not None and each.layout.merged is None:
            found[-1] = found[-1]._replace(overall=each.overall)
        else:
            found.append(each)
    return found


def _report(comparison: Comparison, sums: Sums, skipped: int, kept: tuple[int, ...] | None) -> Report:
    pair, layout, options, grid, bands, losses, _, args = comparison
    precision = max(pair.prediction.precision, pair.truth.precision)
    overall, per = numbers_of(sums, layout, options.channels, args.eps)
    values, of_each = losses.result(sums)
    rows = [
        Row(
            n.field_error,
            n.spectrum_error,
            n.scores,
            of_losses,
            tuple(band_numbers(n.power, grid, band, precision) for band in bands),
            resolution_of(n.power, grid, precision),
            n.power,
        )
        for n, of_losses in zip((overall, *per), (values, *of_each), strict=True)
    ]
    return Report(
        args.prediction,
        args.truth,
        pair.variable,
        pair.truth.units or pair.prediction.units,
        {name: getattr(args, name) for name, default in args.defaults.items() if getattr(args, name) != default},
        layout,
        grid,
        pair.moved,
        pair.repeated,
        skipped,
        options.channels,
        tuple(dict.fromkeys(args.losses)),
        bands,
        rows[0],
        tuple(rows[1:]),
        precision,
        kept,
    )
