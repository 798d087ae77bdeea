"""Errors of logarithmic power spectra, in which every scale counts alike."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra
from spectral_losses.losses.registry import loss
from spectral_losses.messages import check_choice, check_eps
from spectral_losses.spectra.plan import LossOptions, shells_or_modes
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Rows, Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["log_spectral_distance", "spectrum_error"]

SIDES = ("both", "excess", "deficit")


@loss
def spectrum_error(
    prediction: Array, target: Array | Spectrum, *, eps: float = 1e-10, **options: Unpack[LossOptions]
) -> Comparison:
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
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`. The first axis that is neither space nor channel is the batch.
    channel_weights : sequence of float, optional
        Weights of separate channels in both means.
    reduction : {"mean", "none"}
        "none": one value per batch element, shape ``[B]``, or ``()`` where the batch is pooled.
    shell_weights : None, float or sequence of float
        Weights of the shells in both means: one each, or a number g for ``k**g``.
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
    eps = check_eps(eps)
    return over_spectra(
        prediction,
        target,
        options,
        lambda plan: SpectrumError(eps, plan.shell_weights, plan.layout.inside),
        coupled=True,
    )


@loss
def log_spectral_distance(
    prediction: Array,
    target: Array | Spectrum,
    *,
    side: str = "both",
    eps: float = 1e-12,
    **options: Unpack[LossOptions],
) -> Comparison:
    r"""Mean square of the difference of logarithmic power spectra, over the shells of each frame and channel.

    .. math:: \mathrm{mean}_f \, \mathrm{mean}_b \, \bigl(\ln (P_b + \delta) - \ln (T_b + \delta)\bigr)^2,
              \qquad \delta = \epsilon \max_b T_b

    where P and T are the shares of the mean square in each shell. It is symmetric but for the guard, does not depend on
    units, and is 0 for equal spectra, whatever the phases. In dB it is ``10 / ln 10`` times its square root.

    Parameters
    ----------
    prediction : array, real floating
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    target : array of the same shape, or Spectrum
        A field, or what `radial_spectrum` returned for it with the same options.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`. Pooling gives sparse shells more modes, which makes their logarithm trustworthy.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    shell_weights : None, float or sequence of float
        Weights of the shells in the mean over them: one each, or a number g for ``k**g``.
    side : {"both", "excess", "deficit"}
        Count all shells, or those alone where the prediction has more power than the target, or less; the mean is over
        all of them still.
    eps : float
        Relative to the largest shell of the target; not differentiated.

    Returns
    -------
    array, 0-d
        With ``reduction="none"`` one value per row. Of the framework, on the device, differentiable where the
        framework is.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, or not real floating; an option that is not known.
    ValueError
        Shapes that differ; a Spectrum of another grid, options or frames; a negative eps; another side; whatever
        `radial_spectrum` refuses.

    References
    ----------
    Rabiner, L. and Juang, B., Fundamentals of Speech Recognition, Prentice Hall 1993, section 4.5.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> float(sl.log_spectral_distance(2 * target, target)), float(np.log(4) ** 2)
    (1.9218..., 1.9218...)
    """
    check_choice("side", side, SIDES)
    eps = check_eps(eps)
    return over_spectra(
        prediction,
        target,
        options,
        lambda plan: LogSpectralDistance(eps, side, plan.shell_weights),
        over=shells_or_modes,
    )


@plain
class SpectrumError(NamedTuple):
    """``mean((l_p - l_t)^2) / (mean(l_t^2) + eps)`` of ``l = log(P + eps)``, over all of a batch element."""

    eps: float
    shell_weights: Any
    channels: Rows | None
    """Holds weights of channels, if there are any."""
    needs: tuple[str, ...] = ("P", "T")
    over: str = "shells"
    unit: str = "power"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each batch element; ``dL/dP = 2 w (l_p - l_t) / (n (<w l_t^2> + eps) (P + eps))``."""
        axes, weights = s.axes, self._weights(s, xp)
        difference, power, norm = self._parts(s.P, s.T, axes, weights, xp)
        weighted = difference if weights is None else weights * difference
        errors = xp.sum(weighted * difference, axis=axes) / norm
        return errors, {"P": weighted / power * xp.reshape(2 / norm, (*norm.shape, *(1,) * len(axes)))}

    def errors(self, p: Array, t: Array, xp: Any) -> Array:
        """The error of each batch element, of powers ``(batch, ..., shells)`` that were computed elsewhere."""
        axes = tuple(range(1, len(p.shape)))
        difference, _, norm = self._parts(p, t, axes, None, xp)
        return xp.sum(difference * difference, axis=axes) / norm

    def _parts(self, p: Array, t: Array, axes: tuple[int, ...], weights: Any, xp: Any) -> tuple[Array, Array, Array]:
        """The difference of logarithms, ``P + eps`` and ``n (<l_t^2> + eps)``; sums need no division by n."""
        power, log_t = p + self.eps, xp.log(t + self.eps)
        squares = log_t * log_t if weights is None else weights * log_t * log_t
        norm = xp.sum(squares, axis=axes) + self.eps * math.prod([p.shape[axis] for axis in axes])
        return xp.log(power) - log_t, power, norm

    def _weights(self, s: Statistics, xp: Any) -> Any:
        weights = None
        if self.shell_weights is not None:
            weights = s.constant(self.shell_weights, "weights")
        if self.channels is not None:
            each = s.constant(self.channels, "channel_weights")
            each = xp.reshape(each, (*each.shape, *(1,) * s.behind(self.channels.channel)))
            weights = each if weights is None else weights * each
        return weights


@plain
class LogSpectralDistance(NamedTuple):
    """``mean_b (ln(P + delta) - ln(T + delta))^2``, delta relative to the largest shell of the target."""

    eps: float
    side: str
    shell_weights: Any
    needs: tuple[str, ...] = ("P", "T")
    over: str = "shells"
    unit: str = "share"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The distance of each row; ``dL/dP = 2 w (ln(P + delta) - ln(T + delta)) / (n (P + delta))``."""
        delta = self.eps * s.detach(xp.max(s.T, axis=-1, keepdims=True)) + s.tiny
        power = s.P + delta
        difference = xp.log(power) - xp.log(s.T + delta)
        if self.side != "both":
            counted = s.P > s.T if self.side == "excess" else s.P < s.T
            # Times 0, and not 0: what is NaN or infinite has to stay so, on whichever side it lies.
            difference = xp.where(counted, difference, 0 * difference)
        weighted = difference if self.shell_weights is None else s.constant(self.shell_weights, "weights") * difference
        number = s.P.shape[-1]
        return xp.sum(weighted * difference, axis=-1) / number, {"P": weighted * (2 / number) / power}
