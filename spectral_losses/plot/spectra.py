"""Spectra of several fields in one figure, and how they compare with one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack, get_type_hints

import numpy as np

from spectral_losses.diagnostics import CrossSpectrum, cross_spectrum, energy_spectrum
from spectral_losses.diagnostics.resolution import resolved_wavenumber
from spectral_losses.fields.layout import ChannelAxis, axes_of
from spectral_losses.fields.pairs import check_field
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.messages import check_options, nearest
from spectral_losses.plot.curves import Compared, Curve, against, draw, round_off, share_of_power
from spectral_losses.plot.ground import Ground, check_alike, ground_of, scales_of
from spectral_losses.plot.panels import Panels, new_panels
from spectral_losses.plot.style import is_axes, on_host
from spectral_losses.spectra.plan import explicit
from spectral_losses.spectra.radial import radial_spectrum
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.sphere import Sphere
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of


class PooledOptions(TypedDict, total=False):
    """Those of `radial_spectrum` but for ``pool``: all frames are pooled."""

    spatial_axes: int | Sequence[int]
    channel_axis: ChannelAxis
    channels: str
    bins: str | int | Sequence[float] | tuple[str, int]
    lengths: float | Sequence[float] | None
    window: Window
    detrend: Detrend
    grid: Sphere | None
    transform: str


_KNOWN = frozenset(get_type_hints(PooledOptions))
_OWN = {"reference", "energy", "unit", "radius", "wavelength", "styles", "axes"}
_THRESHOLD = 0.5  # of the squared coherence, as in `effective_resolution`


class _Given(NamedTuple):
    """What the caller gave for one curve, and the spectrum of it."""

    name: str
    field: Array | None
    spectrum: Spectrum
    ground: Ground
    precision: float
    curve: Curve


@explicit
def spectra(
    fields: Mapping[str, Array | Spectrum] | Array | Spectrum,
    *,
    reference: str | None = None,
    energy: bool = False,
    unit: str | None = None,
    radius: float | None = None,
    wavelength: bool = True,
    styles: Mapping[str, Mapping[str, Any]] | None = None,
    axes: Any = None,
    **options: Unpack[PooledOptions],
) -> Panels:
    r"""Draw the spectra of several fields and, below, how they compare with one of them.

    All frames of a field are averaged. Powers are those of `radial_spectrum` over the square of the number of points,
    so that fields on different grids can be compared: what a shell holds of the mean square. Below are the ratio of
    amplitudes, :math:`\sqrt{P/T}`, and the coherence of `cross_spectrum` with the reference. What is weaker than the
    rounding of the strongest shell is not compared. A ratio above 100 or below 1/100 leaves the panel: a triangle on
    its border says how far it goes. Vertical lines beside the coherence are the `effective_resolution`.

    On the sphere, which ``grid`` says or a `Spectrum` knows, powers are over the degree l.

    Parameters
    ----------
    fields : mapping of str to array or Spectrum, or one of these
        By name, in the order of the legend. Arrays of any framework; a `Spectrum` is averaged over all its axes but the
        shells.
    reference : str, optional
        The name of the field that the others are compared with. The ratio has the shells that both have. The coherence
        takes fields of its shape and framework, and is left out for others.
    energy : bool
        Whether fields are velocities, and E(k) of `energy_spectrum` is drawn, with the slopes -5/3 and -3 for
        comparison. A `Spectrum` is drawn as what it is.
    unit : str, optional
        The unit of ``lengths`` or of ``radius``, such as "km", for the labels.
    radius : float, optional
        Of the sphere, such as 6371 in km, for the wavelengths; by default they are in radii. A spectrum that
        `energy_spectrum` made with a radius knows it.
    wavelength : bool
        Whether a second scale above shows wavelengths: in the units of ``lengths``, or without these in grid points,
        where all grids are one and its axes have the same size; on the sphere those of ``radius``.
    styles : mapping of str to mapping, optional
        For some of the names, properties of matplotlib's lines, such as ``{"FNO": {"color": "tab:blue", "lw": 3}}``.
    axes : Axes, or sequence of one to three Axes, optional
        Where to draw: spectra, ratio, coherence; only as many as there are. By default a new figure of all that there
        is to show, which pyplot does not know of: see `Panels`.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, grid, transform
        As in `radial_spectrum`, for the arrays. Of separate channels the mean is drawn and, in the panels below, each
        of them thin; ``channels`` is not for velocities, whose components are summed.

    Returns
    -------
    Panels
        The axes: ``power``, ``ratio`` and ``coherence``, the last two None where they are not drawn.

    Raises
    ------
    MissingPackageError
        matplotlib is not installed.
    TypeError
        Neither arrays nor spectra; an option that is not known; axes that are none of matplotlib.
    ValueError
        No field; a reference that is none of them; spectra over other bins than shells; energy beside power,
        wavenumbers with lengths beside such without, or degrees beside wavenumbers; a unit without lengths or a radius;
        a radius without a sphere; more axes than there is to draw; whatever `radial_spectrum`, `energy_spectrum` or
        `cross_spectrum` refuses.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> from spectral_losses import plot
    >>> truth = np.random.default_rng(0).normal(size=(4, 1, 32, 32))
    >>> panels = plot.spectra({"truth": truth, "half": 0.5 * truth}, reference="truth", lengths=100.0, unit="km")
    >>> panels.ratio.get_xlabel(), panels.coherence.get_xlabel()
    ('', 'wavenumber $k$ (radians per km)')
    >>> curve = panels.ratio.get_lines()[1].get_ydata()
    >>> curve.shape, float(curve.mean().round(6))
    ((16,), 0.5)
    """
    check_options("spectra", options, _KNOWN | _OWN)
    named = fields if isinstance(fields, Mapping) else {"": fields}
    if not named:
        raise ValueError("fields must hold at least one, got none")
    for argument, names in (("reference", [] if reference is None else [reference]), ("styles", list(styles or {}))):
        for name in names:
            if name not in named:
                hint = nearest(str(name), map(str, named))
                raise ValueError(f"{argument} must name one of {', '.join(map(repr, named))}, got {name!r}{hint}")
    given = [_given(str(name), x, energy, options) for name, x in named.items()]
    check_alike([(each.name, each.ground) for each in given])
    if reference is not None:
        first = next(each for each in given if each.name == str(reference))
        given = [first, *(_compared(each, first, options) for each in given if each is not first)]
    of = scales_of([each.ground for each in given], unit, radius)
    curves = [each.curve for each in given]
    panels = _panels(axes, curves)
    draw(panels, curves, of, styles, wavelength=wavelength)
    return panels


def _given(name: str, x: Any, energy: bool, options: PooledOptions) -> _Given:
    said = f"fields[{name!r}]" if name else "fields"
    if isinstance(x, Spectrum):
        spectrum, field = x, None
    else:
        backend = check_field(x, said)
        field = backend.detach(x)
        spectrum = _spectrum(field, said, energy, options)
    if isinstance(spectrum.wavenumber, tuple):
        raise ValueError(f"{said} must have a spectrum over shells, got {spectrum}")
    ground, power = ground_of(spectrum), on_host(spectrum.power)
    power = np.reshape(power, (-1, power.shape[-1]))
    if field is None:  # which of its axes is that of channels, a spectrum does not know
        power = np.mean(power, axis=0, keepdims=True)
    if ground.sizes and not (ground.energy or ground.sphere):
        power = power * share_of_power(ground.sizes, ground.lengths)
    xp = backend_of(spectrum.power, "power").namespace(spectrum.power)
    precision = float(xp.finfo(spectrum.power.dtype).eps)
    curve = Curve(name, on_host(spectrum.wavenumber), power, float(np.mean(round_off(power, precision))))
    return _Given(name, field, spectrum, ground, precision, curve)


def _spectrum(field: Array, said: str, energy: bool, options: PooledOptions) -> Spectrum:
    function: Any = energy_spectrum if energy else radial_spectrum
    try:
        return function(field, **_pooled(field, options))  # type: ignore[no-any-return]
    except (TypeError, ValueError) as error:
        raise type(error)(f"{said}: {error}") from None


def _pooled(field: Array, options: PooledOptions) -> dict[str, Any]:
    """The options, with all frames pooled where there are any."""
    axes = axes_of(field.shape, options.get("spatial_axes", (-2, -1)), options.get("channel_axis", "auto"))
    return {**options, "pool": "frames" if axes.frames else None}


def _compared(each: _Given, with_: _Given, options: PooledOptions) -> _Given:
    """A curve with its ratio and, where fields allow it, its coherence with the reference."""
    edges = [on_host(x.spectrum.edges) for x in (each, with_)]
    precision = max(each.precision, with_.precision)
    found = against(edges[0], each.curve.power, edges[1], with_.curve.power, precision)
    if found is None:
        return each
    compared = Compared(each.curve.wavenumber[found.mine], found.ratio, None)
    cross = _cross(each, with_, options)
    if cross is not None:
        coherence, resolved = on_host(cross.coherence), on_host(resolved_wavenumber(cross, _THRESHOLD, "coherence"))
        coherence = np.reshape(coherence, (-1, coherence.shape[-1]))
        coherence = np.where(found.some, coherence[:, found.mine], np.nan)
        compared = compared._replace(coherence=coherence, resolved=np.ravel(resolved))
    return each._replace(curve=each.curve._replace(compared=compared))


def _cross(each: _Given, with_: _Given, options: PooledOptions) -> CrossSpectrum | None:
    """How a field goes with the reference, where both are fields, of one shape and framework."""
    if each.field is None or with_.field is None or tuple(each.field.shape) != tuple(with_.field.shape):
        return None
    if backend_of(each.field, "field") is not backend_of(with_.field, "reference"):
        return None
    if each.ground.energy and each.ground.sphere:
        return None  # the components of a wind are no scalars, whose coherence harmonics could say
    summed: Any = {"channels": "sum"} if each.ground.energy else {}
    found: CrossSpectrum = cross_spectrum(each.field, with_.field, **{**_pooled(each.field, options), **summed})
    return found


def _panels(axes: Any, curves: Sequence[Curve]) -> Panels:
    """The axes that are given, or new ones."""
    compared = [curve.compared for curve in curves if curve.compared is not None]
    number = 1 + bool(compared) + any(each.coherence is not None for each in compared)
    if axes is None:
        return new_panels(number)
    given = [axes] if is_axes(axes) else list(np.ravel(np.asarray(axes, dtype=object)))
    if not 1 <= len(given) <= 3 or not all(map(is_axes, given)):
        raise TypeError(f"axes must be one to three Axes of matplotlib, got {axes!r}")
    if len(given) > number:
        what = "spectra alone" if number == 1 else "spectra and a ratio"
        raise ValueError(
            f"axes: there is nothing to draw in the last of {len(given)}: fields and reference give {what}"
        )
    return Panels(*given)
