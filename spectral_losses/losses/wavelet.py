"""Errors of wavelet coefficients: scales and places at once."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra
from spectral_losses.losses.registry import loss
from spectral_losses.messages import check_eps, integer
from spectral_losses.spectra.plan import FrameOptions
from spectral_losses.transforms.filters import Filters
from spectral_losses.transforms.wavelets import Wavelets
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["wavelet_error"]


@loss
def wavelet_error(
    prediction: Array,
    target: Array,
    *,
    wavelet: str = "haar",
    levels: int | None = None,
    order: int = 1,
    eps: float = 1e-8,
    **options: Unpack[FrameOptions],
) -> Comparison:
    r"""Relative error of stationary wavelet coefficients, averaged over subbands, frames and channels.

    .. math:: \mathrm{mean}_f \, \mathrm{mean}_B \frac{\langle |W_B p - W_B t|^q \rangle}
              {\langle |W_B t|^q \rangle + \delta_B}

    where the subbands B are each orientation of each level, and the last approximation. An octave counts as much as any
    other, and a shift by one point changes nothing, because coefficients are not decimated. With q = 1 sparse features
    such as fronts and shocks decide less than with q = 2. :math:`\delta_B` is ``eps`` times the mean of the
    denominator over all frames of the same channel.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, mask, fill
        As in `radial_spectrum`; any sizes.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    wavelet : str
        "haar", or any discrete wavelet that PyWavelets knows, such as "db2" or "sym4", where it is installed.
    levels : int, optional
        How often the approximation is taken apart, up to where ``(L - 1) 2**(levels - 1) < n`` for filters of length L
        and the shortest axis of n points. By default as often as the filters of all levels together are shorter than
        that axis, ``(L - 1) (2**levels - 1) + 1 < n``: one that spans it leaves the mean alone for an approximation,
        which no error is relative to where fields have none.
    order : {1, 2}
        q, the power of the coefficients.
    eps : float
        Relative to the target's frames; not differentiated.

    Returns
    -------
    array, 0-d
        With ``reduction="none"`` one value per row. Of the framework, on the device, differentiable where the
        framework is; the gradient of ``|x|`` at 0 is 0.

    Raises
    ------
    MissingPackageError
        Another wavelet than "haar" without PyWavelets.
    TypeError
        Not arrays, arrays of two frameworks, not real floating, or a `Spectrum`; an option that is not known: this loss
        compares frame by frame and takes no ``pool``.
    ValueError
        Shapes that differ; a wavelet that is not known; more levels than fit; another order; a negative eps.

    References
    ----------
    Nason, G. P. and Silverman, B. W., The Stationary Wavelet Transform and some Statistical Applications, Springer
    1995 (doi:10.1007/978-1-4612-2544-7_17).

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> round(float(sl.wavelet_error(1.1 * target, target)), 6)
    0.1
    """
    if not isinstance(wavelet, str):
        raise TypeError(f"wavelet must be a name, got {wavelet!r}")
    if order not in (1, 2) or isinstance(order, bool):
        raise ValueError(f"order must be 1 or 2, got {order!r}")
    wanted = None if levels is None else integer("levels", levels)
    eps = check_eps(eps)
    return over_spectra(
        prediction,
        target,
        options,
        lambda plan: WaveletError(eps),
        over=subbands,
        settings=(wavelet, wanted, int(order)),
    )


def subbands(
    shape: tuple[int, ...], options: Any, backend: Backend, wavelet: str, levels: int | None, order: int
) -> Wavelets:
    """The basis of losses over wavelets."""
    reach, most = backend.known(Filters(wavelet), "length") - 1, 0
    while reach * 2**most < min(shape):
        most += 1
    if levels is None:
        levels = 1
        while reach * (2 ** (levels + 1) - 1) + 1 < min(shape):
            levels += 1
    if not 1 <= levels <= most:
        raise ValueError(
            f"levels must be from 1 to {most} for filters of length {reach + 1} on {'x'.join(map(str, shape))} points, "
            f"got {levels}"
        )
    return Wavelets(shape, wavelet, levels, order)


@plain
class WaveletError(NamedTuple):
    """``mean_B D_B / (T_B + delta_B)``."""

    floor: float
    needs: tuple[str, ...] = ("D", "T")
    over: str = "complete"
    unit: str = "share"
    relative_to: str = "bins"

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row; ``dL/dD = 1 / (n (T + delta))``."""
        norm, number = s.bounded(s.T + s.floor, s.D), s.D.shape[-1]
        # The slope of |x| is finite where x is not: 0 times infinity is NaN, as it has to be.
        return xp.sum(s.D / norm, axis=-1) / number, {"D": 1 / (number * norm) + 0 * s.detach(s.D)}
