"""Spectra as curves, and how they are drawn: power above, amplitude ratio and coherence with a reference below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import needed
from spectral_losses.plot.panels import Panels
from spectral_losses.plot.style import BLACK, label, line_of
from spectral_losses.transforms.fourier import wavenumber_steps

Floats = NDArray[np.float64]

SHOWN = 100.0  # a ratio above this, or below its inverse, leaves the picture
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
    """

    wavenumber: Floats
    ratio: Floats
    coherence: Floats | None


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


class Scales(NamedTuple):
    """What the axes say.

    Attributes
    ----------
    wavenumber, power : str
    wavelength : str
    around : float or None
        Wavelength times wavenumber, where a wavelength has a unit.
    degrees : bool
        Whether it is degrees l of spherical harmonics that are drawn, whose wavenumber is sqrt(l (l + 1)).
    """

    wavenumber: str
    power: str
    wavelength: str = ""
    around: float | None = None
    degrees: bool = False


def scales(sizes: Sequence[int], lengths: bool, unit: str | None = None, energy: bool = False) -> Scales:
    """The words for spectra of a grid of these sizes; of none where these are not known, or not the same for all."""
    unit_of_length = unit or "unit length"
    if lengths:
        waves = f"wavelength ({unit or 'units of the lengths'})"
        words = f"wavenumber $k$ (radians per {unit_of_length})"
        power = f"energy $E(k)$ (velocity squared times {unit or 'length'})"
    else:
        waves, words, power = (
            "wavelength (grid points)",
            "wavenumber $k$ (waves across the box)",
            "energy $E(k)$ (velocity squared)",
        )
    if not energy:
        power = "power $P(k)$ (field units squared)"
    around = 2 * np.pi if lengths else float(sizes[0]) if len(set(sizes)) == 1 else None
    return Scales(words, power, waves, around)


def scales_of_degrees(radius: float, unit: str) -> Scales:
    """The words for spectra on a sphere of this radius."""
    words = "degree $l$", "power $P_l$ (field units squared)", f"wavelength ({unit})"
    return Scales(*words, 2 * np.pi * radius, degrees=True)


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
    _power(panels.power, curves, lines, title)
    panels.power.set_ylabel(of.power)
    compared = [(c.compared, line) for c, line in zip(curves, lines, strict=True) if c.compared is not None]
    if panels.ratio is not None:
        _ratio(panels.ratio, compared)
    if panels.coherence is not None:
        _coherence(panels.coherence, compared)
    shells = np.concatenate([curve.wavenumber for curve in curves])
    for place, ax in enumerate(panels.shown):
        _octaves(ax.xaxis)
        if shells.min() < shells.max():
            ax.set_xlim(shells.min() / 1.06, shells.max() * 1.06)
        if not any(_above(ax, other) for other in panels.shown[place + 1 :]):
            ax.set_xlabel(of.wavenumber)
    if wavelength and of.around is not None:
        _wavelengths(panels.power, of)


def _power(ax: Any, curves: Sequence[Curve], lines: Sequence[dict[str, Any]], title: str) -> None:
    for curve, line in zip(curves, lines, strict=True):
        k, power = curve.wavenumber, np.mean(curve.power, axis=0)
        ax.plot(k, power, label=label(curve.name) or None, **_seen(k, line))
    ax.set_xscale("log")
    floor = max(curve.floor for curve in curves)
    if floor < max(np.max(np.mean(curve.power, axis=0), initial=0) for curve in curves):
        ax.set_yscale("log")  # which warns where there is nothing above 0
        ax.set_ylim(bottom=max(ax.get_ylim()[0], floor))
    if any(curve.name for curve in curves):
        ax.legend(edgecolor="none", framealpha=1, title=title, title_fontsize="small", alignment="left")


def _ratio(ax: Any, compared: Sequence[tuple[Compared, dict[str, Any]]]) -> None:
    ax.axhline(1, color=BLACK, lw=0.8, zorder=1)
    seen = [np.ones(1)]
    for each, line in compared:
        ratio = np.sqrt(each.ratio)
        seen.append(ratio[np.isfinite(ratio) & (ratio > 0)])
        _rows(ax, each.wavenumber, ratio, np.sqrt(np.mean(each.ratio, axis=0)), line)
    numbers = np.concatenate(seen)
    ax.set_xscale("log")
    ax.set_yscale("log")
    low, high = np.clip((numbers.min(), numbers.max()), 1 / SHOWN, SHOWN)
    ax.set_ylim(min(low / 1.1, 0.45), max(high * 1.1, 2.2))
    _octaves(ax.yaxis)
    ax.set_ylabel("amplitude ratio")
    if any(len(each.ratio) > 1 for each, _ in compared):
        below = {"color": "0.35", "fontsize": "small"}
        ax.annotate("thin: each channel", (0, 0), (8, 6), "axes fraction", "offset points", **below)


def _coherence(ax: Any, compared: Sequence[tuple[Compared, dict[str, Any]]]) -> None:
    least = 0.0
    ax.axhline(HALF, color="0.6", lw=0.8, ls=":", zorder=1)
    beside = {"va": "center", "color": "0.35", "fontsize": "small"}
    ax.annotate("$c^2$ = ½", (1, HALF), (3, 0), ("axes fraction", "data"), "offset points", **beside)
    for each, line in compared:
        if each.coherence is not None:
            _rows(ax, each.wavenumber, each.coherence, np.mean(each.coherence, axis=0), line)
            least = min(least, np.min(each.coherence, where=np.isfinite(each.coherence), initial=0.0))
    ax.set_xscale("log")
    ax.set_ylim(least * 1.05, 1.05)
    ax.set_ylabel("coherence")


def _rows(ax: Any, k: Floats, rows: Floats, mean: Floats, line: dict[str, Any]) -> None:
    """The mean over channels and, where there are several, each of them thin."""
    if len(rows) > 1:
        ax.plot(k, rows.T, color=line["color"], lw=0.7, alpha=0.35)
    ax.plot(k, mean, **_seen(k, line))


def _seen(k: Floats, line: dict[str, Any]) -> dict[str, Any]:
    """One shell alone is no line."""
    return line if len(k) > 1 else {"marker": "o", **line}


def _above(ax: Any, other: Any) -> bool:
    """Whether axes share their wavenumbers with others below them, which are labelled for both."""
    specs = ax.get_subplotspec(), other.get_subplotspec()
    same = None in specs or specs[0].colspan == specs[1].colspan
    return bool(same and ax.get_shared_x_axes().joined(ax, other))


def _octaves(axis: Any) -> None:
    """Ticks that are read as they are: 1, 2, 5, 10, 20, 50."""
    ticker = needed("matplotlib.ticker", "spectral_losses.plot", "plot")
    axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(ticker.NullFormatter())


def _wavelengths(ax: Any, of: Scales) -> None:
    """A second scale above."""
    around = of.around or 0.0

    def turned(x: Any) -> Floats:
        x = np.asarray(x, dtype=np.float64)
        other: Floats = np.divide(around, x, out=np.full_like(x, np.inf), where=x != 0)
        return other

    def of_degree(degree: Any) -> Floats:
        degree = np.asarray(degree, dtype=np.float64)
        return turned(np.sqrt(degree * (degree + 1)))

    def to_degree(wavelength: Any) -> Floats:
        root: Floats = np.sqrt(1 + 4 * turned(wavelength) ** 2)
        return (root - 1) / 2

    above = ax.secondary_xaxis("top", functions=(of_degree, to_degree) if of.degrees else (turned, turned))
    above.tick_params(which="both", direction="in")
    _octaves(above.xaxis)
    above.set_xlabel(of.wavelength)
