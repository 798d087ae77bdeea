"""Spectra as curves, and how they are drawn: power above, amplitude ratio and coherence with a reference below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.plot.marks import Ratio, guide_slopes, mark_resolved, ratio_axis
from spectral_losses.plot.panels import Panels
from spectral_losses.plot.scales import Scales, draw_wavelengths
from spectral_losses.plot.style import BLACK, label, line_of, octaves
from spectral_losses.transforms.fourier import wavenumber_steps

Floats = NDArray[np.float64]

HALF = 0.5**0.5  # the coherence whose square is 1/2, the threshold of `effective_resolution`


class Compared(NamedTuple):
    """A curve against the reference, at the wavenumbers that both have.

    Attributes
    ----------
    wavenumber : array, shape (shells,)
    ratio : array, shape (rows, shells)
        Power over that of the reference, for each channel; NaN where there is nothing to compare with.
    coherence : array, shape (rows, shells), or None
        None where the fields are not known, or not of the same frames.
    resolved : array, shape (rows,), or None
        The wavenumber up to which the coherence says that the reference is resolved, 0 where it nowhere is, infinite
        where it is everywhere; None where there is no coherence.
    """

    wavenumber: Floats
    ratio: Floats
    coherence: Floats | None
    resolved: Floats | None = None


class Curve(NamedTuple):
    """A spectrum, averaged over frames.

    Attributes
    ----------
    name : str
    wavenumber : array, shape (shells,)
    power : array, shape (rows, shells)
        For each channel.
    floor : float
        What is weaker than that is round-off, and not shown.
    compared : Compared or None
    """

    name: str
    wavenumber: Floats
    power: Floats
    floor: float = 0.0
    compared: Compared | None = None


def share_of_power(sizes: Sequence[int], lengths: Sequence[float] | None) -> float:
    """What turns the power of `radial_spectrum` into a share of the mean square, in whatever units lengths are."""
    steps = wavenumber_steps(tuple(sizes), None if lengths is None else tuple(lengths))
    return float(np.prod(sizes, dtype=np.float64)) ** -2 / float(np.prod(steps))


class Against(NamedTuple):
    """Which shells two spectra have in common, and the ratio of their powers in these."""

    mine: NDArray[np.integer[Any]]
    other: NDArray[np.integer[Any]]
    some: NDArray[np.bool_]
    """Where the other one has more power than rounding may have left: elsewhere there is nothing to compare with."""
    ratio: Floats


def against(edges: Floats, power: Floats, others: Floats, target: Floats, precision: float) -> Against | None:
    """Compare powers ``(rows, shells)`` with a target's; None where no shell is the same."""
    close = np.isclose(edges[:, None], others[None, :], rtol=1e-6, atol=0)
    mine, other = np.nonzero(close[:-1, :-1] & close[1:, 1:])
    if not len(mine):
        return None
    power, target = power[:, mine], target[:, other]
    if len(power) != len(target):
        power, target = (np.mean(x, axis=0, keepdims=True) for x in (power, target))
    some = target > round_off(target, precision)
    with np.errstate(over="ignore"):
        ratio = np.where(some, power / np.where(some, target, 1), np.nan)
    return Against(mine, other, some, ratio)


def round_off(power: Floats, precision: float) -> Floats:
    """What rounding may have left in a shell of each row."""
    floor: Floats = np.max(power, axis=-1, keepdims=True) * 16 * precision**2
    return floor


def draw(
    panels: Panels,
    curves: Sequence[Curve],
    of: Scales,
    styles: Mapping[str, Mapping[str, Any]] | None = None,
    title: str = "",
    wavelength: bool = True,
) -> None:
    """Draw curves, the reference among them first."""
    lines = [{**line_of(place), **(styles or {}).get(curve.name, {})} for place, curve in enumerate(curves)]
    shells = np.concatenate([curve.wavenumber for curve in curves])
    for place, ax in enumerate(panels.shown):
        ax.set_xscale("log")
        octaves(ax.xaxis)
        if shells.min() < shells.max():
            ax.set_xlim(shells.min() / 1.06, shells.max() * 1.06)
        if not any(_above(ax, other) for other in panels.shown[place + 1 :]):
            ax.set_xlabel(of.wavenumber)
    _power(panels.power, curves, lines, of, title)
    compared = [(c.compared, line) for c, line in zip(curves, lines, strict=True) if c.compared is not None]
    if panels.ratio is not None:
        _ratio(panels.ratio, compared)
    if panels.coherence is not None:
        _coherence(panels.coherence, compared, of)
    if wavelength and of.around is not None:
        draw_wavelengths(panels.power, of)


def _power(ax: Any, curves: Sequence[Curve], lines: Sequence[dict[str, Any]], of: Scales, title: str) -> None:
    means = [np.mean(curve.power, axis=0) for curve in curves]
    for curve, mean, line in zip(curves, means, lines, strict=True):
        ax.plot(curve.wavenumber, mean, label=label(curve.name) or None, **_seen(curve.wavenumber, line))
    ax.set_ylabel(of.power)
    seen = np.concatenate([mean[mean > curve.floor] for curve, mean in zip(curves, means, strict=True)])
    if len(seen):
        ax.set_yscale("log")  # which warns where there is nothing above 0
        low, high = float(seen.min()), float(seen.max())
        if of.energy:
            energies = [(curve.wavenumber, mean) for curve, mean in zip(curves, means, strict=True)]
            high = max(high, guide_slopes(ax, energies, of))
        margin = (high / low) ** 0.05 * 1.1
        ax.set_ylim(low / margin, high * margin)
    if any(curve.name for curve in curves):
        ax.legend(edgecolor="none", framealpha=1, title=title, title_fontsize="small", alignment="left")
    elif title:
        ax.annotate(title, (0, 0), (8, 8), "axes fraction", "offset points", fontsize="small")


def _ratio(ax: Any, compared: Sequence[tuple[Compared, dict[str, Any]]]) -> None:
    ax.axhline(1, color=BLACK, lw=0.8, zorder=1)
    ratios = []
    for each, line in compared:
        rows, mean = np.sqrt(each.ratio), np.sqrt(np.mean(each.ratio, axis=0))
        drawn = _rows(ax, each.wavenumber, rows, mean, line)
        ratios.append(Ratio(each.wavenumber, rows, drawn.get_color()))
    ratio_axis(ax, ratios)
    ax.set_ylabel("amplitude ratio")
    if any(len(each.ratio) > 1 for each, _ in compared):
        below = {"color": "0.35", "fontsize": "small"}
        ax.annotate("thin: each channel", (0, 0), (8, 6), "axes fraction", "offset points", **below)


def _coherence(ax: Any, compared: Sequence[tuple[Compared, dict[str, Any]]], of: Scales) -> None:
    least, resolved = 0.0, []
    ax.axhline(HALF, color="0.6", lw=0.8, ls=":", zorder=1)
    beside = {"va": "center", "color": "0.35", "fontsize": "small"}
    ax.annotate("$c^2$ = ½", (1, HALF), (3, 0), ("axes fraction", "data"), "offset points", **beside)
    for each, line in compared:
        if each.coherence is not None:
            drawn = _rows(ax, each.wavenumber, each.coherence, np.mean(each.coherence, axis=0), line)
            least = min(least, np.min(each.coherence, where=np.isfinite(each.coherence), initial=0.0))
            if each.resolved is not None:
                resolved.append((each.resolved, drawn.get_color()))
    ax.set_ylim(least * 1.05, 1.05)
    ax.set_ylabel("coherence")
    mark_resolved(ax, resolved, of)


def _rows(ax: Any, k: Floats, rows: Floats, mean: Floats, line: dict[str, Any]) -> Any:
    """The mean over channels, which is returned, and, where there are several, each of them thin."""
    (drawn,) = ax.plot(k, mean, **_seen(k, line))
    if len(rows) > 1:
        ax.plot(k, rows.T, color=drawn.get_color(), lw=0.7, alpha=0.35, zorder=1.9)
    return drawn


def _seen(k: Floats, line: dict[str, Any]) -> dict[str, Any]:
    """One shell alone is no line."""
    return line if len(k) > 1 else {"marker": "o", **line}


def _above(ax: Any, other: Any) -> bool:
    """Whether axes share their wavenumbers with others below them, which are labelled for both."""
    specs = ax.get_subplotspec(), other.get_subplotspec()
    same = None in specs or specs[0].colspan == specs[1].colspan
    return bool(same and ax.get_shared_x_axes().joined(ax, other))
