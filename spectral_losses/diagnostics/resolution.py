"""Effective resolution: down to which scale a forecast means something."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Unpack, get_type_hints

import numpy as np

from spectral_losses.diagnostics.cross import CrossSpectrum, cross_spectrum
from spectral_losses.fields.layout import ChannelAxis, Pool, axes_of
from spectral_losses.fields.pairs import check_pair
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.messages import check_choice, check_options, number
from spectral_losses.spectra.binning import check_lengths, check_radial
from spectral_losses.spectra.plan import MaskOptions, check_radius, explicit
from spectral_losses.transforms.sphere import Sphere
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.registry import backend_of

__all__ = ["effective_resolution"]

CRITERIA = ("coherence", "power")
FAINTEST = 1e-10
"""Shells with less power than this share of the target's largest have no say."""


class ResolutionOptions(MaskOptions, total=False):
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


_KNOWN = frozenset(get_type_hints(ResolutionOptions)) | {"threshold", "of", "radius"}


@explicit
def effective_resolution(
    prediction: Array,
    target: Array,
    *,
    threshold: float = 0.5,
    of: str = "coherence",
    radius: float | None = None,
    **options: Unpack[ResolutionOptions],
) -> Array:
    r"""The wavelength down to which a prediction resolves the target.

    With statistics pooled over all frames, the wavenumber from which on in every shell the squared coherence of
    prediction and target (or the ratio P/T of their powers) is below a threshold; the wavelength is :math:`2 \pi / k`.
    Between two shells k is interpolated linearly in its logarithm.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, grid, transform, mask, fill
        As in `radial_spectrum`. On the sphere the wavelength of degree l is :math:`2 \pi R / \sqrt{l (l + 1)}`.
    threshold : float
        Above 0, usually below 1.
    of : {"coherence", "power"}
        What falls below it. "coherence": phases, and so skill; anticorrelated shells count as unresolved. "power":
        energy alone, which noise of the right spectrum has as well.

    radius : float, optional
        With ``grid``: R, that of the sphere, such as 6371 in km; by default wavelengths are in radii.

    Returns
    -------
    array
        A wavelength for each channel, ``(channels,)``, or 0-d where there is one row. In the units of ``lengths``;
        without these in grid points, for which all axes must have the same size. Infinite where nothing is resolved;
        two (of the largest) grid spacings where all is, on the sphere the wavelength of the highest degree; NaN where a
        field is not finite. Shells with less than 1e-10 of the target's largest power have no say.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, or not real floating; an option that is not known.
    ValueError
        Axes of unequal sizes without ``lengths``; a threshold that is not positive; another criterion; a radius without
        a sphere; whatever `radial_spectrum` refuses.

    References
    ----------
    Skamarock, W. C., Evaluating mesoscale NWP models using kinetic energy spectra, Mon. Wea. Rev. 132 (2004) 3019.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> rng = np.random.default_rng(0)
    >>> target = rng.normal(size=(20, 1, 32, 32))
    >>> modes = np.fft.rfft2(target)
    >>> k = np.hypot(*np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.fft.rfftfreq(32, 1 / 32), indexing="ij"))
    >>> blurred = np.fft.irfft2(modes * (k < 8.5)) + 1e-3 * rng.normal(size=target.shape)  # nothing of k = 9 and more
    >>> sl.effective_resolution(blurred, target).round(1)  # 32 / 8.5 grid points
    array([3.8])
    """
    check_options("effective_resolution", options, _KNOWN)
    limit = check_criterion(threshold, of)
    scale = check_radius(radius, options.get("grid"), "fields")
    check_radial(options.get("bins"), "effective resolutions")
    backend = check_pair(prediction, target)
    spatial_axes, channel_axis = options.get("spatial_axes", (-2, -1)), options.get("channel_axis", "auto")
    axes = axes_of(prediction.shape, spatial_axes, channel_axis, "prediction")
    sizes = tuple([int(prediction.shape[axis]) for axis in axes.spatial])
    pool: Pool = "frames" if axes.frames else None
    grid = options.get("grid")
    lengths = None if grid is not None else lengths_with_a_unit(options.get("lengths"), sizes)
    cross = cross_spectrum(backend.detach(prediction), backend.detach(target), pool=pool, **options)
    found = resolution_of(cross, sizes, lengths, grid, limit, of)
    return found if scale is None else found * scale


def check_criterion(threshold: float, of: str) -> float:
    """The threshold as a float; one that is none, or another criterion, is refused."""
    check_choice("of", of, CRITERIA)
    limit = number("threshold", threshold)
    if not 0 < limit < math.inf:
        raise ValueError(f"threshold must be finite and positive, got {threshold}")
    return limit


def lengths_with_a_unit(lengths: Any, sizes: tuple[int, ...]) -> tuple[float, ...] | None:
    """Box lengths, which axes of unequal sizes need."""
    checked = check_lengths(lengths, len(sizes))
    if checked is None and len(set(sizes)) > 1:
        raise ValueError(f"lengths are needed where axes have unequal sizes, {sizes}: a wavelength has a unit")
    return checked


def resolution_of(
    cross: CrossSpectrum,
    sizes: tuple[int, ...],
    lengths: tuple[float, ...] | None,
    grid: Sphere | None,
    limit: float,
    of: str,
) -> Array:
    """The wavelength down to which a pooled cross spectrum says that the target is resolved."""
    k = resolved_wavenumber(cross, limit, of)
    if grid is not None:
        return wavelength_of_degree(k, grid.basis(sizes, "unit").highest)
    spacings = [1.0] if lengths is None else [a / n for a, n in zip(lengths, sizes, strict=True)]
    around = float(sizes[0]) if lengths is None else 2 * math.pi  # the wavelength at k = 1
    return wavelength(k, around, 2 * max(spacings))


def resolved_wavenumber(cross: CrossSpectrum, threshold: float, of: str) -> Array:
    """The wavenumber up to which a prediction resolves its target: 0 where nothing is, infinity where all is."""
    backend = backend_of(cross.power, "power")
    xp, power = backend.namespace(cross.power), cross.target_power
    some = (power >= FAINTEST * xp.max(power, axis=-1, keepdims=True)) & (power > 0)
    if of == "power":
        value = cross.power / xp.where(some, power, xp.ones_like(power))
    else:
        coherence = cross.coherence
        value = xp.where(coherence > 0, coherence, xp.zeros_like(coherence)) ** 2
    k = _last_resolved(value, some, cross.wavenumber, threshold, backend)
    k = xp.where(xp.any(some, axis=-1), k, xp.zeros_like(k))  # nothing is resolved of nothing
    return k + 0 * xp.sum(cross.error_power, axis=-1)  # what is not finite has no comparison, and must not seem to


def wavelength(k: Array, around: float, finest: float) -> Array:
    """Of a wavenumber; that of 0 is infinite, and that of infinity the finest there is."""
    xp = backend_of(k, "k").namespace(k)
    waves = xp.where((k > 0) & (k < math.inf), around / xp.where(k > 0, k, xp.ones_like(k)), xp.full_like(k, math.inf))
    waves = xp.where(k == math.inf, xp.full_like(k, finest), waves)
    return xp.where(xp.isnan(k), k, waves)


def wavelength_of_degree(degree: Array, highest: int) -> Array:
    """Of a degree, in radii: that of the highest one is the finest there is."""
    # The square of this wavenumber is what the Laplacian makes of a harmonic.
    k = backend_of(degree, "degree").namespace(degree).sqrt(degree * (degree + 1))
    return wavelength(k, 2 * math.pi, 2 * math.pi / math.sqrt(highest * (highest + 1)))


def _last_resolved(value: Array, some: Array, wavenumber: Array, limit: float, backend: Backend) -> Array:
    """Where the value falls below the limit for good, among the shells that have a say: 0 at once, infinity never."""
    xp, number = backend.namespace(value), value.shape[-1]
    place, nothing = backend.upload(np.arange(1.0, number + 1), value) + xp.zeros_like(value), xp.zeros_like(value)
    above = some & (value >= limit)
    last = xp.max(xp.where(above, place, nothing), axis=-1, keepdims=True)
    behind = some & (place > last)
    first = xp.min(xp.where(behind, place, nothing + (number + 1)), axis=-1, keepdims=True)

    def at(which: Array, x: Array) -> Array:
        return xp.sum(xp.where(place == which, x, nothing), axis=-1)

    logs = xp.log(wavenumber) + nothing
    (k1, v1), (k2, v2) = ((at(which, logs), at(which, value)) for which in (last, first))
    fall = v1 - v2
    share = (v1 - limit) / xp.where(fall > 0, fall, xp.ones_like(fall))
    k = xp.exp(k1 + share * (k2 - k1))
    last, first = last[..., 0], first[..., 0]
    k = xp.where(last > 0, k, xp.zeros_like(k))
    return xp.where(first > number, xp.full_like(k, math.inf), k)
