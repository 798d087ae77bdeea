"""What the figures have in common: colours, dashes, and the numbers that axes can show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import needed
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

# Of the palette of Okabe and Ito, which the colour-blind tell apart. Dashes differ as well, for prints without colours.
BLACK = "#000000"
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ((0, (4, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (9, 2)), (0, (3, 1, 1, 1, 1, 1)))
SHOWN = 100.0  # a ratio above this, or below its inverse, leaves a picture
WIDE = 300.0  # a ratio of an axis' ends from which on ticks at 1, 2 and 5 would be too many


def line_of(place: int) -> dict[str, Any]:
    """How the curve at this place among others is drawn; the first one, the reference, is solid and black."""
    if place == 0:
        return {"color": BLACK, "ls": "-", "lw": 2.2}
    return {"color": COLOURS[(place - 1) % len(COLOURS)], "ls": DASHES[(place - 1) % len(DASHES)], "lw": 1.8}


def new_figure(width: float, height: float) -> Any:
    """A figure of its own, not pyplot's: no state is shared, and no display is needed."""
    return needed("matplotlib.figure", "spectral_losses.plot", "plot").Figure((width, height), layout="constrained")


def is_axes(x: Any) -> bool:
    """Whether something is matplotlib's axes."""
    return isinstance(x, needed("matplotlib.axes", "spectral_losses.plot", "plot").Axes)


def tidy(ax: Any) -> None:
    """What axes of a figure that is made here look like."""
    ax.spines["right"].set_visible(False)
    ax.tick_params(which="both", direction="in")


def octaves(axis: Any, reach: float = 1.0) -> None:
    """Ticks of a logarithmic axis that are read as they are: 1, 2, 5, 10, 20; over a wide reach 0.1, 1, 10."""
    ticker = needed("matplotlib.ticker", "spectral_losses.plot", "plot")
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if reach < WIDE else (1.0,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(ticker.NullFormatter())


def rounded(x: float) -> str:
    """A number as it stands beside a curve: two digits, three of larger ones."""
    if abs(x) >= 1e5:
        return f"{x:.1e}"
    return f"{float(f'{x:.2g}' if abs(x) < 100 else f'{x:.3g}'):g}"


def label(words: str) -> str:
    """A name as a legend takes it: of one that starts with an underscore it would make nothing."""
    return f" {words}" if words.startswith("_") else words


def on_host(x: Array) -> NDArray[np.float64]:
    """The numbers of an array of any framework, on any device, without a gradient."""
    backend = backend_of(x, "power")
    x = backend.detach(x)
    seen = backend.to_numpy_if_free(x)
    if seen is not None:
        return np.asarray(seen, np.float64)
    shape = tuple(x.shape)
    flat = backend.namespace(x).reshape(x, (-1,))
    return np.reshape(np.asarray(backend.to_floats([flat[i] for i in range(flat.shape[0])]), np.float64), shape)
