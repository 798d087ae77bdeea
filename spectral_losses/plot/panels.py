"""The axes that a figure of spectra has, as they are handed back."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from spectral_losses.plot.style import new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


WIDTH, INCHES = 6.4, 0.78  # of a figure, and for a panel of height 1
HEIGHTS = (5.0, 2.4, 2.1)  # of the panels, in proportion


class Panels(NamedTuple):
    """The axes of `spectra`, to be drawn on, labelled or saved: ``panels.figure.savefig("spectra.png")``.

    In a notebook the figure is shown where this is the last value of a cell, unless pyplot shows it anyway.

    Attributes
    ----------
    power : Axes
        Power or energy.
    ratio : Axes or None
        Amplitudes over those of the reference; None where there is none.
    coherence : Axes or None
        With the reference; None where there is none.
    """

    power: Axes
    ratio: Axes | None = None
    coherence: Axes | None = None

    @property
    def figure(self) -> Any:
        """The figure that the axes are in."""
        return self.power.figure

    @property
    def shown(self) -> tuple[Axes, ...]:
        """The axes that are there, from the top."""
        return tuple(ax for ax in self if ax is not None)

    def _repr_png_(self) -> bytes | None:
        """The figure, for IPython; None where pyplot has it, which shows it by itself."""
        canvas = self.power.figure.canvas
        if getattr(canvas, "manager", None) is not None:
            return None
        drawn = io.BytesIO()
        canvas.figure.savefig(drawn, format="png")  # the whole of it, also where these axes are in a subfigure
        return drawn.getvalue()


def new_panels(number: int) -> Panels:
    """A figure of its own with so many panels."""
    heights = HEIGHTS[:number]
    figure = new_figure(WIDTH, INCHES * sum(heights) + 0.6)
    made = figure.subplots(number, 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for ax in made:
        tidy(ax)
    return Panels(*made)
