"""Correlation of fields in space, without a transform."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_points
from spectral_losses.losses.registry import loss
from spectral_losses.losses.split import one_minus_coherence
from spectral_losses.spectra.plan import PointOptions
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["correlation_error"]


@loss
def correlation_error(
    prediction: Array,
    target: Array,
    *,
    mask: Array | None = None,
    centred: bool = True,
    **options: Unpack[PointOptions],
) -> Comparison:
    r"""One minus the correlation of prediction and target in space, averaged over frames and channels.

    .. math:: \mathrm{mean}_f \left(1 - \frac{\langle p' t' \rangle}
              {\sqrt{\langle p'^2 \rangle \langle t'^2 \rangle}}\right)

    where :math:`p'` and :math:`t'` are the fields without their means over space. It is blind to the amplitude and the
    mean of the prediction: train with it beside a loss that sees them, such as `amplitude_error` or `field_error`.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, pool
        As in `radial_spectrum`: with ``channels="sum"`` the means over space are summed over channels, with ``pool``
        they are averaged over frames, before the quotient.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    mask : array, optional
        Bool or weights >= 0, as in `field_error`: means over space become weighted means.
    grid : Sphere, optional
        The grid of latitudes and longitudes: means over space are those over the sphere.
    centred : bool
        Whether the means are taken off. With False it is one minus the cosine of the angle between the fields.

    Returns
    -------
    array, 0-d
        With ``reduction="none"`` one value per row. Of the framework, on the device, differentiable where the
        framework is. Between 0 and 2; 0 for two constant fields, 1 where only one of them is constant.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, not real floating, or a `Spectrum`; ``centred`` that is not a bool.
    ValueError
        Shapes that differ; a mask that `field_error` would refuse; an axis out of range or repeated.

    References
    ----------
    By Parseval's identity, with ``centred=False``, the Fourier correlation loss of Yan, C.-W. et al., Fourier Amplitude
    and Correlation Loss, NeurIPS 2024 (arXiv:2410.23159), of each frame.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> [round(float(sl.correlation_error(p, target)), 6) for p in (3 * target + 5, -target)]
    [0.0, 2.0]
    """
    if not isinstance(centred, bool):
        raise TypeError(f"centred must be True or False, got {centred!r}")
    return over_points(prediction, target, options, CorrelationError(), mask=mask, centred=centred)


@plain
class CorrelationError(NamedTuple):
    """``1 - c`` of the means over space."""

    needs: tuple[str, ...] = ("P", "T", "D")
    over: str = "complete"
    unit: str = "share"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row."""
        lost, along_d, along_p = one_minus_coherence(s, xp)
        return lost[..., 0], {"D": along_d, "P": along_p}
