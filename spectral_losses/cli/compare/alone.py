"""The sums of a comparison in this process, part by part."""

from __future__ import annotations

from collections.abc import Sequence

from spectral_losses.cli.compare.checkpoint import Checkpoint
from spectral_losses.cli.compare.comparison import Comparison
from spectral_losses.cli.compare.measure import Advance, Part, Work, sums_of
from spectral_losses.cli.compare.rounds import Total
from spectral_losses.cli.compare.sums import Sums, folded, merged


def alone(comparisons: Sequence[Comparison], checkpoint: Checkpoint | None, advance: Advance) -> Total:
    """What computes sums of parts, one after another.

    Parameters
    ----------
    comparisons : sequence of Comparison
        One for each variable.
    checkpoint : Checkpoint or None
        Where parts may be done already, and are written once they are.
    advance : callable
        Called with the number of fields done.
    """

    def total(work: Work, parts: Sequence[Part]) -> Sums:
        comparison = comparisons[work.which]

        def leaf(part: Part) -> Sums:
            found = None if checkpoint is None else checkpoint.load(work, part)
            if found is not None:
                advance(part.elements * comparison.fields_of_element)
                return found
            found = sums_of(comparison, work, part, advance)
            if checkpoint is not None:
                checkpoint.save(work, part, found)
            return found

        return folded(parts, leaf, merged)

    return total
