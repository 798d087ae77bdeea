"""Ratios of power spectra, as their name is in the literature: binned spectral power."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra
from spectral_losses.losses.registry import loss
from spectral_losses.messages import check_eps
from spectral_losses.spectra.plan import LossOptions, shells_or_modes
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["power_ratio_error"]

LARGEST = 1e15
"""No ratio of powers is larger: its square, and the slopes of that, are finite in float32."""


@loss
def power_ratio_error(
    prediction: Array, target: Array | Spectrum, *, eps: float = 1e-12, **options: Unpack[LossOptions]
) -> Comparison:
    r"""Mean square of one minus the ratio of powers, over the shells of each frame and channel ("BSP").

    .. math:: \mathrm{mean}_f \, \mathrm{mean}_b \left(1 - \frac{P_b + \delta}{T_b + \delta}\right)^2,
              \qquad \delta = \epsilon \max_b T_b

    Every scale counts alike, however little energy it holds. Energy that is missing costs at most 1 a shell, energy in
    excess without bound; and in shells of few modes it pays to predict too little, because the target's power is in the
    denominator. `log_spectral_distance` has neither fault.

    Parameters
    ----------
    prediction : array, real floating
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    target : array of the same shape, or Spectrum
        A field, or what `radial_spectrum` returned for it with the same options.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`; ``bins="modes"`` takes every pair of modes k, -k by itself. Pooling gives sparse shells
        more modes, without which their ratio is mostly noise.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    shell_weights : None, float or sequence of float
        Weights of the shells in the mean over them: one each, or a number g for ``k**g``.
    eps : float
        Relative to the largest shell of the target; not differentiated. Shells of the target that are empty, as those
        of dealiased or filtered data are, would decide everything: let ``bins`` end below the cut, or take 1e-6.

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
        Shapes that differ; a Spectrum of another grid, options or frames; a negative eps; whatever `radial_spectrum`
        refuses.

    References
    ----------
    Chakraborty, D. et al., Binned Spectral Power Loss for Improved Prediction of Chaotic Systems, arXiv:2502.00472.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> missing, excess = (float(sl.power_ratio_error(c * target, target)) for c in (0.1, 3.0))
    >>> round(missing, 4), round(excess, 4)  # (1 - 0.01)^2, (1 - 9)^2
    (0.9801, 64.0)
    """
    eps = check_eps(eps)
    return over_spectra(
        prediction, target, options, lambda plan: PowerRatioError(eps, plan.shell_weights), over=shells_or_modes
    )


@plain
class PowerRatioError(NamedTuple):
    """``mean_b (1 - (P + delta) / (T + delta))^2``, delta relative to the largest shell of the target."""

    eps: float
    shell_weights: Any
    needs: tuple[str, ...] = ("P", "T")
    over: str = "shells"
    unit: str = "share"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row; ``dL/dP = -2 w (1 - (P + delta) / (T + delta)) / (n (T + delta))``."""
        highest, instead = (s.detach(xp.max(z, axis=-1, keepdims=True)) for z in (s.T, s.P))
        # A target of zeros has no scale: the prediction's takes its place.
        delta = self.eps * xp.where(highest == 0, instead, highest) + s.tiny
        norm = s.bounded(s.T + delta, instead, LARGEST)
        # Not (T - P) / norm: a compiler may fuse one of the two with what it is made of, and equal ones differ then.
        missing = 1 - (s.P + delta) / norm
        weighted = missing if self.shell_weights is None else s.constant(self.shell_weights, "weights") * missing
        number = missing.shape[-1]
        return xp.sum(weighted * missing, axis=-1) / number, {"P": weighted * (-2 / number) / norm}
