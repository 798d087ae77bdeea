"""Phases alone: how far prediction and target are from being in step, scale by scale."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra
from spectral_losses.losses.registry import loss
from spectral_losses.losses.split import one_minus_coherence
from spectral_losses.spectra.plan import LossOptions, shells_or_modes
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["coherence_error"]


@loss
def coherence_error(prediction: Array, target: Array, **options: Unpack[LossOptions]) -> Comparison:
    r"""One minus the coherence of prediction and target, averaged over the shells of each frame and channel.

    .. math:: \mathrm{mean}_f \, \mathrm{mean}_b \, (1 - c_b), \qquad
              c_b = \frac{\sum_{k \in b} \mathrm{Re}\, X_k \bar Y_k}{\sqrt{P_b T_b}}

    0 where they are proportional in every shell, 1 where they are unrelated, 2 where one is minus the other. It knows
    nothing of amplitudes: any spectrum will do, and a prediction of no energy at all gets no push, so that it needs a
    companion (`adjusted_error` has both halves in one).

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`; ``bins="modes"`` takes every pair of modes k, -k by itself: the mean of one minus the
        cosine of the phase error.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    shell_weights : None, float or sequence of float
        Weights of the shells in the mean over them: one each, or a number g for ``k**g``.

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
        Shapes that differ; whatever `radial_spectrum` refuses.

    Notes
    -----
    ``1 - c`` is computed as ``max(D - (a - t)^2, 0) / (2 a t)`` with the power D of the error and amplitudes a and t,
    which keeps its digits where fields are alike. Shells that are empty on both sides are coherent.

    References
    ----------
    Carter, G. C., Coherence and time delay estimation, Proc. IEEE 75 (1987) 236, of which this is the real part.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> [round(float(sl.coherence_error(c * target, target)), 6) for c in (0.1, 1, -1)]
    [0.0, 0.0, 2.0]
    """
    return over_spectra(
        prediction, target, options, lambda plan: CoherenceError(plan.shell_weights), over=shells_or_modes
    )


@plain
class CoherenceError(NamedTuple):
    """``mean_b (1 - c_b)``."""

    shell_weights: Any
    needs: tuple[str, ...] = ("P", "T", "D")
    over: str = "complete"
    unit: str = "share"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row."""
        lost, along_d, along_p = (s.inside(z) for z in one_minus_coherence(s, xp))
        each: Any = 1 / lost.shape[-1]
        if self.shell_weights is not None:
            each = s.constant(self.shell_weights, "weights") * each
        return xp.sum(lost * each, axis=-1), {"D": s.outside(along_d * each), "P": s.outside(along_p * each)}
