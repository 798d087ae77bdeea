"""Maps of power over bins that know directions: what `sectors` and `cylinders` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, get_type_hints

import numpy as np

from spectral_losses.errors import needed
from spectral_losses.fields.layout import ChannelAxis, axes_of
from spectral_losses.fields.pairs import check_field
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.plot.curves import Floats, round_off
from spectral_losses.plot.panels import Panels
from spectral_losses.plot.scales import scales
from spectral_losses.plot.style import SHOWN, is_axes, new_figure, octaves, on_host
from spectral_losses.spectra.radial import radial_spectrum
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.transforms.plane import Plane
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar

WIDTH, HEIGHT = 4.8, 4.0  # of a figure, in inches
POWERS, RATIOS, NOTHING = "viridis", "RdBu_r", "0.85"  # colours; the last one is where there is nothing to compare with
LEAST = 2.0  # ratios are drawn at least up to there, and down to its inverse, so that small ones do not look large


class MapOptions(TypedDict, total=False):
    """Those of `radial_spectrum` but for ``bins`` and ``pool``: all frames are pooled."""

    spatial_axes: int | Sequence[int]
    channel_axis: ChannelAxis
    channels: str
    lengths: float | Sequence[float] | None
    window: Window
    detrend: Detrend
    transform: str


KNOWN = frozenset(get_type_hints(MapOptions)) | {"bins", "reference", "unit", "bar", "axes"}


class Map(NamedTuple):
    """What `sectors` and `cylinders` have drawn, to be changed or saved: ``drawn.figure.savefig("sectors.png")``.

    In a notebook the figure is shown where this is the last value of a cell, unless pyplot shows it anyway.

    Attributes
    ----------
    axes : Axes
    mesh : QuadMesh
        The coloured bins; ``mesh.set_clim(low, high)`` and ``mesh.set_cmap(name)`` change the colours and their bar.
    bar : Colorbar or None
        None where it was not asked for.
    """

    axes: Axes
    mesh: QuadMesh
    bar: Colorbar | None

    @property
    def figure(self) -> Any:
        """The figure that the axes are in."""
        return self.axes.figure

    def _repr_png_(self) -> bytes | None:
        return Panels(self.axes)._repr_png_()


class Binned(NamedTuple):
    """What is drawn of one or two fields.

    Attributes
    ----------
    values : array, shape (bins, bins)
        Mean power of a mode, or amplitude ratios; NaN where there is nothing to show.
    floor : float
        Power that rounding may have left.
    edges : tuple of two arrays
    merged : tuple of int
        Shells whose sectors were not told apart.
    words : str
        What the values are.
    wavenumbers : str
        The unit of wavenumbers, in words.
    ratio : bool
    """

    values: Floats
    floor: float
    edges: tuple[Floats, Floats]
    merged: tuple[int, ...]
    words: str
    wavenumbers: str
    ratio: bool


class _Given(NamedTuple):
    spectrum: Spectrum
    plane: Plane
    power: Floats  # (rows, bins, bins)
    precision: float


def binned(
    field: Array | Spectrum,
    reference: Array | Spectrum | None,
    bins: Any,
    kind: type[Sectors] | type[Cylinders],
    unit: str | None,
    options: MapOptions,
) -> Binned:
    """The numbers of a map: those of a field, or its ratio to a reference."""
    mine = _given(field, "field", bins, kind, options)
    if unit is not None and mine.plane.lengths is None:
        raise ValueError(f"unit is that of lengths, and there are none, got {unit!r}")
    edges = on_host(mine.spectrum.edges[0]), on_host(mine.spectrum.edges[1])
    merged = mine.plane.merged()
    if reference is None:
        values = np.mean(mine.power, axis=0)
        floor, words = _least(mine.power, mine.precision), "mean power of a mode (field units squared)"
    else:
        other = _given(reference, "reference", bins, kind, options)
        _check_same(mine, other)
        values, floor, words = _ratio(mine, other), 0.0, "amplitude ratio"
        merged = tuple(sorted({*merged, *other.plane.merged()}))
    of = scales((), mine.plane.lengths is not None, unit).wavenumber
    return Binned(values, floor, edges, merged, words, of[of.index("(") + 1 : -1], reference is not None)


def _given(x: Any, said: str, bins: Any, kind: type[Sectors] | type[Cylinders], options: MapOptions) -> _Given:
    name = kind.__name__
    if isinstance(x, Spectrum):
        spectrum = x
        if not (isinstance(x.wavenumber, tuple) and x.layout and isinstance(x.layout[2], kind)):
            raise ValueError(f"{said} must have a spectrum over {name}, got {_short(x)}")
    else:
        backend = check_field(x, said)
        if not isinstance(bins, kind):
            raise ValueError(f"bins must be {name}, got {bins!r}")
        x = backend.detach(x)
        try:
            axes = axes_of(x.shape, options.get("spatial_axes", (-2, -1)), options.get("channel_axis", "auto"), said)
            spectrum = radial_spectrum(x, bins=bins, pool="frames" if axes.frames else None, **options)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{said}: {error}".replace(f"{said}: {said}", said, 1)) from None
    plane = Plane(*spectrum.layout[:4])  # type: ignore[arg-type]
    power = on_host(spectrum.power)
    power = np.reshape(power, (-1, *power.shape[-2:]))
    if spectrum is x:  # which of its axes is that of channels, a spectrum does not know
        power = np.mean(power, axis=0, keepdims=True)
    measure = np.reshape(plane.measure()[plane.parent()], plane.reported())
    xp = backend_of(spectrum.power, "power").namespace(spectrum.power)
    precision = float(xp.finfo(spectrum.power.dtype).eps)
    return _Given(spectrum, plane, power / measure / float(np.prod(plane.shape, dtype=np.float64)) ** 2, precision)


def _short(spectrum: Spectrum) -> str:
    """A spectrum as it is named in messages, also one that does not know its grid."""
    return repr(spectrum) if spectrum.layout else f"a Spectrum without a layout, power of shape {spectrum.power.shape}"


def _check_same(mine: _Given, other: _Given) -> None:
    if (mine.plane.lengths is None) != (other.plane.lengths is None):
        raise ValueError(
            "reference: of the field and the reference one has lengths and the other has none, so that their "
            "wavenumbers have different units"
        )
    for a, b in zip(mine.spectrum.edges, other.spectrum.edges, strict=True):
        ours, theirs = on_host(a), on_host(b)
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-6, atol=0):
            raise ValueError(f"reference must have the bins of the field, {mine.spectrum}, got {other.spectrum}")
    if len(mine.plane.shape) != len(other.plane.shape):
        raise ValueError(
            f"reference must have as many dimensions as the field, {len(mine.plane.shape)}, "
            f"got {len(other.plane.shape)}"
        )


def _ratio(mine: _Given, other: _Given) -> Floats:
    power, target = mine.power, other.power
    if len(power) != len(target):
        power, target = (np.mean(x, axis=0, keepdims=True) for x in (power, target))
    rows = np.reshape(target, (len(target), -1))
    floor = round_off(rows, max(mine.precision, other.precision))[..., None]
    some = target > floor
    with np.errstate(over="ignore"):
        ratio = np.where(some, power / np.where(some, target, 1), np.nan)
    amplitude: Floats = np.sqrt(np.mean(ratio, axis=0))
    return amplitude


def _least(power: Floats, precision: float) -> float:
    return float(np.mean(round_off(np.reshape(power, (len(power), -1)), precision)))


def axes_for(axes: Any, projection: str | None) -> Axes:
    """The axes that are given, or those of a figure of its own."""
    if axes is None:
        made: Axes = new_figure(WIDTH, HEIGHT).add_subplot(projection=projection)
        return made
    if not is_axes(axes):
        raise TypeError(f"axes must be Axes of matplotlib, got {axes!r}")
    if (axes.name == "polar") != (projection == "polar"):
        which = "must be polar, subplot_kw={'projection': 'polar'}" if projection else "must not be polar"
        raise ValueError(f"axes {which}, got {axes!r}")
    given: Axes = axes
    return given


def draw(ax: Any, x: Floats, y: Floats, of: Binned, values: Floats, bar: bool) -> Map:
    """Coloured bins between the edges x and y, values ``(y, x)``, and a bar that says what the colours are."""
    norm, extend = _colours(values, of)
    shown = np.maximum(values, norm.vmin)  # a logarithmic scale has no place for 0
    ax.grid(False)
    ax.set_facecolor(NOTHING)
    mesh = ax.pcolormesh(x, y, shown, norm=norm, cmap=RATIOS if of.ratio else POWERS, rasterized=True)
    if not bar:
        return Map(ax, mesh, None)
    drawn = ax.figure.colorbar(mesh, ax=ax, extend=extend, shrink=0.85, pad=0.09)
    drawn.set_label(of.words)
    if of.ratio:
        octaves(drawn.ax.yaxis)
    return Map(ax, mesh, drawn)


def _colours(values: Floats, of: Binned) -> tuple[Any, str]:
    """The scale of the colours, and on which sides it is exceeded."""
    colors = needed("matplotlib.colors", "spectral_losses.plot", "plot")
    seen = values[np.isfinite(values)]
    above_0 = seen[seen > 0]
    if of.ratio:
        high = float(np.clip(np.exp(np.max(np.abs(np.log(above_0)), initial=0)), LEAST, SHOWN))
        low = 1 / high
    else:
        high = float(np.max(above_0, initial=0))
        low = max(float(np.min(above_0, initial=high)), of.floor)
    if not low < high:  # of a field of zeros, or of one wave alone
        return colors.Normalize(0, high or 1.0), "neither"
    below, above = (seen < low * (1 - 1e-9)).any(), (seen > high * (1 + 1e-9)).any()
    return colors.LogNorm(low, high), ("neither", "max", "min", "both")[2 * int(below) + int(above)]


def are_logarithmic(edges: Floats) -> bool:
    """Whether edges, but for a first one at 0, have one ratio."""
    ratios = edges[1:] / np.where(edges[:-1] > 0, edges[:-1], np.nan)
    ratios = ratios[np.isfinite(ratios)]
    return len(ratios) > 1 and bool(np.allclose(ratios, ratios[0], rtol=1e-4))
