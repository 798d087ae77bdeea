"""Errors of the fields themselves, point by point."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_points
from spectral_losses.losses.registry import loss
from spectral_losses.messages import check_eps
from spectral_losses.spectra.plan import PointOptions
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["field_error"]


@loss
def field_error(
    prediction: Array, target: Array, *, mask: Array | None = None, eps: float = 1e-8, **options: Unpack[PointOptions]
) -> Comparison:
    r"""Mean over frames and channels of the relative mean-square error of each.

    .. math:: \mathrm{mean}_f \frac{\langle (p - t)^2 \rangle}{\langle t^2 \rangle + \delta}

    where angle brackets are means over space. A frame of small amplitude weighs as much as a large one. The guard
    :math:`\delta` is ``eps`` times the mean of :math:`\langle t^2 \rangle` over all frames of the same channel, so that
    the number does not depend on the units of the fields.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, pool
        As in `radial_spectrum`: with ``channels="sum"`` the means over space are summed over channels, with ``pool``
        they are averaged over frames, before the quotient. Pooling serves data with empty frames, such as rain.
    channel_weights : sequence of float, optional
        Weights of the channels in the mean, where they are separate.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    mask : array, optional
        Bool or weights >= 0: of the spatial shape, its axes in the order of ``spatial_axes``, or of any shape that
        broadcasts against the field, so that it may differ from frame to frame. Both means over space become
        weighted means; where the mask is 0, values do not count, NaN included, and get a zero gradient.
    grid : Sphere, optional
        The grid of latitudes and longitudes: means over space are those over the sphere, each latitude weighed by its
        area, and by the mask where there is one.
    eps : float
        Relative to the mean square of the target's frames; not differentiated. With 0 a frame of zeros still has a
        finite error, because the smallest normal number is added.

    Returns
    -------
    array, 0-d
        With ``reduction="none"`` one value per row. Of the framework, on the device, differentiable where the
        framework is.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, or not real floating.
    ValueError
        Shapes that differ; an axis out of range or repeated, or pooled where it is none of frames; a mask of a shape
        that does not broadcast; a grid of another shape; a negative eps; a mask that is negative somewhere, or 0
        everywhere in some frame, where that can be seen without a transfer (a mask of zeros gives NaN elsewhere).

    Notes
    -----
    Squares have the precision of the fields. In float32 the sum of squares over a frame must stay below 3e38, beyond
    which the error is infinite or NaN, and its root mean square above some 1e-16, below which the smallest normal
    number outweighs it and the error comes out too small. Scale fields that are outside, or use float64.

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
    return over_points(prediction, target, options, FieldError(check_eps(eps)), mask=mask)


@plain
class FieldError(NamedTuple):
    """``D / (T + delta)`` of the means over space."""

    floor: float
    needs: tuple[str, ...] = ("D", "T")
    over: str = "complete"
    unit: str = "share"
    relative_to: str = "space"

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row."""
        error = s.D[..., 0]
        power = s.bounded(s.T[..., 0] + s.floor, error)
        return error / power, {"D": (1 / power)[..., None]}
