"""Amplitudes alone: the part of the error that is there even if all phases are right."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra, refuse_shell_weights
from spectral_losses.losses.registry import loss
from spectral_losses.losses.split import amplitudes
from spectral_losses.messages import check_eps
from spectral_losses.spectra.plan import LossOptions, shells_or_modes
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.modes import Modes
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["amplitude_error"]


@loss
def amplitude_error(
    prediction: Array, target: Array | Spectrum, *, eps: float = 1e-8, **options: Unpack[LossOptions]
) -> Comparison:
    r"""Relative mean-square error of amplitudes, whatever the phases.

    .. math:: \mathrm{mean}_f \frac{\sum_b (a_b - t_b)^2}{\sum_b T_b + \delta}

    where :math:`a_b` and :math:`t_b` are the roots of the powers in shell b, and :math:`\delta` is ``eps`` times the
    mean of the sum of T over all frames of the same channel. Of fields without a mean, and without modes beyond
    the shells, it is the smallest `field_error` that a prediction of these spectra can have. Large scales decide it, as
    they do a mean-square error.

    Parameters
    ----------
    prediction : array, real floating
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    target : array of the same shape, or Spectrum
        A field, or what `radial_spectrum` returned for it with the same options.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`; ``bins="modes"`` takes every pair of modes k, -k by itself, the mean among them.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    shell_weights : None
        No other value: this loss is not a mean over shells.
    eps : float
        Relative to the target's frames; not differentiated.

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
        Shapes that differ; a Spectrum of another grid, options or frames; a negative eps; shell weights; whatever
        `radial_spectrum` refuses.

    References
    ----------
    With ``bins="modes"`` the Fourier amplitude loss of Yan, C.-W. et al., Fourier Amplitude and Correlation Loss,
    NeurIPS 2024 (arXiv:2410.23159), relative to the target; its other half is `correlation_error`.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> moved = np.roll(target, 5, axis=-1)
    >>> [round(float(sl.amplitude_error(p, target)), 4) for p in (moved, 0.9 * target)]
    [0.0, 0.01]
    """
    refuse_shell_weights(options)
    eps = check_eps(eps)
    return over_spectra(
        prediction,
        target,
        options,
        lambda plan: AmplitudeError(eps, isinstance(plan.basis, Modes)),
        over=shells_or_modes,
    )


@plain
class AmplitudeError(NamedTuple):
    """``sum_b (a - t)^2 / (sum_b T + delta)``."""

    floor: float
    every: bool
    """Whether the bins are all modes, so that the sum of T is the mean square."""
    needs: tuple[str, ...] = ("P", "T")
    over: str = "shells"
    unit: str = "share"

    @property
    def relative_to(self) -> str:
        """The guard of a sum over all modes need not be made mode by mode."""
        return "space" if self.every else "bins"

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row; ``dL/dP = (1 - t / a) / (sum T + delta)``."""
        a, t = amplitudes(s, xp)
        error = xp.sum((a - t) ** 2, axis=-1)
        floor = s.floor if self.every else xp.sum(s.floor, axis=-1)
        norm = s.bounded(xp.sum(s.T, axis=-1) + floor, error)
        return error / norm, {"P": (a - t) / a / xp.expand_dims(norm, axis=-1)}
