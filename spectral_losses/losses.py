"""The losses: pure functions of prediction and target, each a few lines over fields or spectra.

A new loss is a function here and its name in ``__all__``; that makes it public, known to `evaluate`, and
subject to the tests that hold for every loss.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from spectral_losses._dispatch import Array
from spectral_losses._fields import ChannelAxis, Field, as_field, check_eps, check_pair, check_same_home
from spectral_losses._taper import Detrend, Window
from spectral_losses.spectra import Spectrum, SpectrumOptions, pair_of

__all__ = ["field_error", "spectrum_error"]


def field_error(
    prediction: Array,
    target: Array,
    *,
    spatial_axes: int | Sequence[int] = (-2, -1),
    mask: Array | None = None,
    eps: float = 1e-8,
) -> Array:
    r"""Mean over frames and channels of the relative mean-square error of each.

    .. math:: \mathrm{mean}_f \frac{\langle (p - t)^2 \rangle}{\langle t^2 \rangle + \epsilon}

    where angle brackets are means over space. A frame of small amplitude weighs as much as a large one.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes : int or tuple of one to three ints
        The axes of space; every other axis counts frames or channels.
    mask : array of the spatial shape, optional
        Bool or weights >= 0, its axes in the order of ``spatial_axes``. Both means over space become
        weighted means; where the mask is 0, values do not count, NaN included, and get a zero gradient.
    eps : float
        Added to the target's mean square; 0 gives the scale-free form.

    Returns
    -------
    array, 0-d
        Of the framework, on the device, differentiable where the framework is.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, or not real floating.
    ValueError
        Shapes that differ; an axis out of range or repeated; a mask of another shape; a negative eps; a mask
        that is negative somewhere or 0 everywhere, where that can be seen without a transfer (a mask of
        zeros gives NaN elsewhere).

    References
    ----------
    Li, Z. et al., Fourier Neural Operator, ICLR 2021 (arXiv:2010.08895): the square of their relative L2 norm,
    taken per frame and channel.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.ones((2, 1, 4, 4))
    >>> round(float(sl.field_error(1.5 * target, target, eps=0)), 6)
    0.25
    """
    check_eps(eps)
    check_pair(prediction, target)
    p, t = as_field(prediction, "prediction", spatial_axes), as_field(target, "target", spatial_axes)
    weights = None if mask is None else _weights(mask, prediction, p, t)
    return p.backend.relative_error(p.array, t.array, weights, eps, len(p.shape))


def spectrum_error(
    prediction: Array,
    target: Array | Spectrum,
    *,
    spatial_axes: int | Sequence[int] = (-2, -1),
    channel_axis: ChannelAxis = "auto",
    channels: str = "separate",
    bins: str | int | Sequence[float] | tuple[str, int] = "unit",
    lengths: float | Sequence[float] | None = None,
    window: Window = None,
    detrend: Detrend = None,
    eps: float = 1e-10,
) -> Array:
    r"""Relative mean-square error of logarithmic power spectra, averaged over the batch.

    .. math:: \mathrm{mean}_b \frac{\langle (l_p - l_t)^2 \rangle}{\langle l_t^2 \rangle + \epsilon},
              \qquad l = \log(P + \epsilon)

    where ``P`` is `radial_spectrum` and angle brackets are means over one batch element's frames, channels
    and shells. Every scale counts alike, however little energy it holds.

    Parameters
    ----------
    prediction : array, real floating
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    target : array of the same shape, or Spectrum
        A field, or what `radial_spectrum` returned for it with the same options: a target's spectrum need
        be computed only once.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend
        As in `radial_spectrum`. The first axis that is neither space nor channel is the batch.
    eps : float
        Inside the logarithm and the quotient. Gradients are bounded by 1 / eps, and so finite for fields
        that are zero or constant.

    Returns
    -------
    array, 0-d
        Of the framework, on the device, differentiable where the framework is.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, or not real floating.
    ValueError
        Shapes that differ; a Spectrum of another grid, options or frames; a negative eps; whatever
        `radial_spectrum` refuses.

    References
    ----------
    With ``channels="mean"`` the spectrum error of M. Beekenkamp's Generatively-Stabilised-NOs (software, 2025).

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> stored = sl.radial_spectrum(target)
    >>> float(sl.spectrum_error(target, stored)), bool(sl.spectrum_error(1.1 * target, stored) > 0)
    (0.0, True)
    """
    check_eps(eps)
    options = SpectrumOptions(spatial_axes, channel_axis, channels, bins, lengths, window, detrend)
    return pair_of(prediction, target, options, LogMisfit(eps)).misfit()


class LogMisfit(NamedTuple):
    """`spectrum_error` of powers ``(batch, ..., shells)``."""

    eps: float

    def errors(self, p: Array, t: Array, xp: Any) -> Array:
        """The error of each batch element."""
        difference, _, norm, axes = self._parts(p, t, xp)
        return xp.sum(difference * difference, axis=axes) / norm

    def errors_and_slope(self, p: Array, t: Array, xp: Any) -> tuple[Array, Array]:
        """The errors, and the gradient of their sum with respect to p: ``2 (l_p - l_t) / (n <l_t^2> (P + eps))``."""
        difference, power, norm, axes = self._parts(p, t, xp)
        errors = xp.sum(difference * difference, axis=axes) / norm
        return errors, difference / power * xp.reshape(2 / norm, (-1, *(1,) * len(axes)))

    def _parts(self, p: Array, t: Array, xp: Any) -> tuple[Array, Array, Array, tuple[int, ...]]:
        """The difference of logarithms, ``P + eps`` and ``n (<l_t^2> + eps)``; sums need no division by n."""
        axes = tuple(range(1, len(p.shape)))
        power, log_t = p + self.eps, xp.log(t + self.eps)
        norm = xp.sum(log_t * log_t, axis=axes) + self.eps * math.prod(p.shape[1:])
        return xp.log(power) - log_t, power, norm, axes


def named_loss(name: str) -> Callable[..., Array]:
    """The loss of a name, or a ValueError that suggests the nearest one."""
    if name not in __all__:
        raise ValueError(f"loss {suggest(str(name), __all__)}")
    function: Callable[..., Array] = globals()[name]
    return function


def options_of(function: Callable[..., Array]) -> set[str]:
    """Names of the options that a loss takes."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def suggest(name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which one is nearest, and which there are."""
    known = list(known)
    near = get_close_matches(name, known, 1)
    return f"{name!r} is not known{f', did you mean {near[0]!r}?' if near else ''}; there are {', '.join(known)}"


def _weights(mask: Array, prediction: Array, p: Field, t: Field) -> Array:
    """The mask as weights in the precision of the fields, refused where it cannot be one."""
    check_same_home("prediction", prediction, "mask", mask)
    if tuple(mask.shape) != p.shape:
        raise ValueError(f"mask must have the spatial shape {p.shape}, got {tuple(mask.shape)}")
    xp = p.backend.namespace(mask)
    if xp.isdtype(mask.dtype, "complex floating"):
        raise TypeError(f"mask must be bool or real weights, got {mask.dtype}")
    seen = p.backend.peek(mask)
    if seen is not None and not seen.any():
        raise ValueError("mask is 0 everywhere: nothing is left to compare")
    if seen is not None and not (seen >= 0).all():
        raise ValueError(f"mask must be bool or weights >= 0, got {seen.min()}")
    return xp.astype(mask, xp.result_type(p.array, t.array))
