"""What stands in a panel beside its curves: where they leave it, down to where a field is resolved, known slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.plot.scales import Scales
from spectral_losses.plot.style import SHOWN, octaves, rounded

Floats = NDArray[np.float64]

SLOPES = (("-5/3", -5 / 3), ("-3", -3.0))  # of the inertial range, and of enstrophy's in two dimensions
ABOVE, MOST = 1.8, 100.0  # guides are so many times above the highest curve at least, and begin so many at most
ROOM = 0.88  # of an axis; right of it words have no room
LINE = 11  # points from one line of small words to the next
SMALL = "small"
PAPER = {"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.8}  # behind words that curves may cross


class Ratio(NamedTuple):
    """Ratios that one curve, or several of one colour, show.

    Attributes
    ----------
    x : array, shape (places,)
    rows : array, shape (rows, places)
        NaN where there is nothing.
    colour : str
    """

    x: NDArray[Any]
    rows: Floats
    colour: Any


def ratio_axis(ax: Any, ratios: Sequence[Ratio]) -> None:
    """A logarithmic axis with 1 and most of the ratios in it; triangles on its border say how far others go."""
    numbers = np.concatenate([np.ones(1), *(each.rows[np.isfinite(each.rows) & (each.rows > 0)] for each in ratios)])
    low, high = np.clip((numbers.min(), numbers.max()), 1 / SHOWN, SHOWN)
    low, high = min(low / 1.1, 0.45), max(high * 1.1, 2.2)
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    octaves(ax.yaxis, high / low)
    for upward in (True, False):
        border, number = (high if upward else low), 0
        for x, rows, colour in ratios:
            beyond = np.any(rows > high if upward else rows < low, axis=0)
            if beyond.any():
                first = int(np.argmax(beyond))
                furthest = float(np.nanmax(rows) if upward else np.nanmin(rows))
                _cut(ax, (x[first], border), upward, number, f"to {rounded(furthest)}", colour)
                number += 1


def mark_resolved(ax: Any, resolved: Sequence[tuple[Floats, Any]], of: Scales) -> None:
    """Down to which wavelength each curve's coherence says that the reference is resolved.

    Parameters
    ----------
    ax : Axes
        Of coherence, with its limits.
    resolved : sequence of (array, colour)
        For each curve the wavenumbers of its channels: 0 where nothing is resolved, infinite where all is. Of several
        channels the range is marked, and a line is where the last of them ends.
    of : Scales
    """
    left, right = ax.get_xlim()
    lines = []
    for wavenumbers, colour in resolved:
        known = wavenumbers[~np.isnan(wavenumbers)]
        if not len(known):
            continue
        ends = float(known.min()), float(known.max())
        inside = [k for k in ends if left < k < right]
        if inside:
            ax.axvline(inside[0], color=colour, lw=1.0, zorder=1.5)
        if len(set(inside)) == 2:
            ax.axvspan(*inside, color=colour, alpha=0.1, lw=0)
        lines.append((resolved_words(wavenumbers, of), inside[0] if inside else None, colour, max(ends) == 0))
    for number, (words, k, colour, nothing) in enumerate(lines):
        # Left of its line, where the curve is above; of one near the left end there is more room on the right.
        beside = k is not None and np.log(k / left) < 0.45 * np.log(right / left)
        style: Any = {"ha": "left" if k is None or beside else "right", "color": colour, "fontsize": SMALL}
        # Where nothing is resolved, curves are at the bottom.
        place, room = ((0, 0.4 * nothing), 8) if k is None else ((k, 0), 4 if beside else -4)
        over = "axes fraction" if k is None else ("data", "axes fraction")
        up = 5 + LINE * (len(lines) - 1 - number)
        drawn = ax.annotate(words, place, (room, up), over, "offset points", **style)
        drawn.set_bbox(PAPER)


def resolved_words(wavenumbers: Floats, of: Scales) -> str:
    """The range of wavenumbers up to which channels are resolved, in words."""
    ends = float(np.nanmin(wavenumbers)), float(np.nanmax(wavenumbers))
    low, high = ends
    if low == high == 0:
        return "nothing resolved"
    if low == high == np.inf:
        return "all resolved"
    if low == high or of.words(low) == of.words(high):
        return f"resolved to {of.words(low)}"
    if low > 0 and high < np.inf:
        return f"resolved to {of.words(low, high)}, by channel"
    known = [k for k in ends if 0 < k < np.inf]
    parts = ["nothing"] if low == 0 else []
    parts += [of.words(*known)] if known else []
    parts += ["all"] if high == np.inf else []
    return f"resolved: {' to '.join(parts)}"


def guide_slopes(ax: Any, curves: Sequence[tuple[Floats, Floats]], of: Scales) -> float:
    """Short lines of the slopes that turbulence is known to have, above curves of energy ``(k, E)``; their top."""
    k = np.concatenate([each for each, _ in curves])
    energy = np.concatenate([each for _, each in curves])
    seen = (energy > 0) & (k > 0)
    if not seen.any() or k[seen].max() < 8 * k[seen].min():
        return 0.0
    reach = np.log(k[seen].max() / k[seen].min())
    start, end = (float(k[seen].min() * np.exp(share * reach)) for share in (0.5, 0.7))
    near = seen & (k >= start * (1 - 1e-9)) & (k <= end * (1 + 1e-9))
    if not near.any():
        return 0.0
    steepest = min(slope for _, slope in SLOPES)
    highest = float(np.max(energy[near]))
    top = min(ABOVE * float(np.max(energy[near] * (k[near] / start) ** -steepest)), MOST * highest)
    name = "l" if of.quantity.endswith("_l$") else "k"
    style: Any = {"color": "0.45", "fontsize": SMALL, "va": "center"}
    for words, slope in SLOPES:
        ax.plot((start, end), (top, top * (end / start) ** slope), color="0.45", lw=0.9, zorder=1.5)
        ax.annotate(
            f"${name}^{{{words}}}$", (end, top * (end / start) ** slope), (3, 0), "data", "offset points", **style
        )
    return top


def _cut(ax: Any, place: tuple[Any, float], upward: bool, number: int, words: str, colour: Any) -> None:
    """A triangle where a curve leaves, and how far it goes."""
    style: Any = {"color": colour, "ls": "none", "ms": 7, "clip_on": False, "zorder": 5}
    (triangle,) = ax.plot([place[0]], [place[1]], marker="^" if upward else "v", **style)
    ax.get_xlim()  # which brings the limits up to date
    across = ax.transLimits.transform(ax.transScale.transform(triangle.get_xydata()))[0, 0]
    # Curves come from the left more often than not.
    away, inwards = (-7, "right") if across > ROOM else (7, "left"), -1 if upward else 1
    beside: Any = {"ha": away[1], "va": "top" if upward else "bottom", "color": colour, "fontsize": SMALL}
    up = inwards * (3 + LINE * number)
    drawn = ax.annotate(words, place, (away[0], up), "data", "offset points", **beside)
    drawn.set_bbox(PAPER)
