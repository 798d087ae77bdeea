"""Field error in which blurring does not pay: loss of correlation and loss of amplitude are counted apart."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra, refuse_shell_weights
from spectral_losses.losses.registry import loss
from spectral_losses.losses.split import amplitudes, incoherence
from spectral_losses.messages import check_eps
from spectral_losses.spectra.plan import LossOptions, shells_or_modes
from spectral_losses.transforms.sphere import Harmonics
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["adjusted_error"]


@loss
def adjusted_error(
    prediction: Array, target: Array, *, eps: float = 1e-8, **options: Unpack[LossOptions]
) -> Comparison:
    r"""Relative mean-square error that does not reward a prediction for being blurred.

    .. math:: \mathrm{mean}_f \frac{\langle (p - t)^2 \rangle + \sum_b 2 \max(a_b, t_b) \, |a_b - t_b| \, (1 - c_b)}
              {\langle t^2 \rangle + \delta}

    where :math:`a_b` and :math:`t_b` are the amplitudes of prediction and target in shell b (roots of their shares of
    the mean square), :math:`c_b` their coherence, and the sum runs over the shells and the corner modes beyond. The
    mean-square error of a shell is :math:`(a - t)^2 + 2 a t (1 - c)`: where phases cannot be predicted, a small
    amplitude makes it small. Here that factor is :math:`2 \max(a, t)^2`, which takes the profit away. It equals
    `field_error` where spectra agree or coherence is 1, and is never less.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`. With a window or detrending all terms are those of the fields after it.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    shell_weights : None
        No other value: this loss is not a mean over shells.
    eps : float
        As in `field_error`: relative to the mean square of the target's frames of the same channel.

    Returns
    -------
    array, 0-d
        With ``reduction="none"`` one value per row. Of the framework, on the device, differentiable where the
        framework is.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, not real floating, or a `Spectrum`; an option that is not known.
    ValueError
        Shapes that differ; a negative eps; shell weights; whatever `radial_spectrum` refuses.

    References
    ----------
    Subich, C. et al., Fixing the Double Penalty in Data-Driven Weather Forecasting Through a Modified Spherical
    Harmonic Loss Function, ICML 2025 (arXiv:2501.19374), written as the error plus what is added to it.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> other = np.random.default_rng(1).normal(size=(2, 1, 16, 24))
    >>> field = [float(sl.field_error(c * other, target)) for c in (0.1, 1.0)]  # a small guess seems better
    >>> adjusted = [float(sl.adjusted_error(c * other, target)) for c in (0.1, 1.0)]
    >>> field[0] < 0.6 * field[1], adjusted[0] > 0.9 * adjusted[1]
    (True, True)
    """
    refuse_shell_weights(options)
    eps = check_eps(eps)
    return over_spectra(
        prediction,
        target,
        options,
        lambda plan: AdjustedError(eps, not isinstance(plan.basis, Harmonics)),
        over=shells_or_modes,
    )


@plain
class AdjustedError(NamedTuple):
    """``(D + sum 2 max(a, t) |a - t| (1 - c)) / (T + delta)``, sums over all bins but the one below the shells."""

    floor: float
    every: bool = True
    """Whether the bins hold all of the fields, so that the sum of T is the mean square."""
    needs: tuple[str, ...] = ("P", "T", "D")
    over: str = "complete"
    unit: str = "share"

    @property
    def relative_to(self) -> str:
        """On the sphere, degrees that are not resolved are no part of the guard either."""
        return "space" if self.every else "bins"

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row.

        With ``1 - c = max(D - (a - t)^2, 0) / (2 a t)`` the sum is one of ``|a - t| r / min(a, t)``, r that maximum.
        """
        power, error = xp.sum(s.T, axis=-1), xp.sum(s.D, axis=-1)
        of = amplitudes(s, xp)
        incoherent, counted = incoherence(s, of, xp)
        apart, away = of.apart(xp)
        floor = s.floor if self.every else xp.sum(s.floor, axis=-1)
        norm = s.bounded(power + floor, error)
        # Quotients first: the product of both, or its slopes, may be too large for float32 where both sides are zero.
        least, each = xp.where(of.a < of.t, of.a, of.t), xp.expand_dims(norm, axis=-1)
        lost, share = incoherent / each, apart / least
        value = error / norm + xp.sum((share * lost)[..., 1:], axis=-1)
        # Slopes along D and along a, then along P = a^2 - guard; none in the first bin, below the shells.
        counted = counted / each
        rising = away / least - xp.where(of.a < of.t, share / of.a, xp.zeros_like(of.a))
        along_d, along_a = share * counted, lost * rising - 2 * away * apart * share * counted
        nothing = xp.zeros_like(of.a[..., :1])
        along_d, along_a = (xp.concat((nothing, z[..., 1:]), axis=-1) for z in (along_d, along_a))
        return value, {"D": along_d + 1 / each, "P": along_a / (2 * of.a)}
