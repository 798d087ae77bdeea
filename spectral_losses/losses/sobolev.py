"""Errors of derivatives: Sobolev norms of any real order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple, Unpack

import numpy as np

from spectral_losses.losses.comparison import Comparison, over_spectra
from spectral_losses.losses.registry import loss
from spectral_losses.messages import check_eps, items, number
from spectral_losses.spectra.binning import check_lengths
from spectral_losses.spectra.plan import ModeOptions
from spectral_losses.transforms.plane import wavenumbers
from spectral_losses.transforms.weighed import Weighed
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["sobolev_error"]


@loss
def sobolev_error(
    prediction: Array,
    target: Array,
    *,
    s: float = 1.0,
    seminorm: bool = False,
    lengths: float | Sequence[float] | None = None,
    eps: float = 1e-8,
    **options: Unpack[ModeOptions],
) -> Comparison:
    r"""Relative square of a Sobolev norm of the error: of the fields and their derivatives up to order s.

    .. math:: \mathrm{mean}_f \frac{\sum_k w_k |X_k - Y_k|^2}{\sum_k w_k |Y_k|^2 + \delta}, \qquad w_k = (1 + k^2)^s

    over all Fourier modes X and Y of prediction and target. Small scales count the more the larger s is; a negative s
    ("mixing norms") counts large scales, s = 0 is `field_error`. :math:`\delta` is ``eps`` times the mean of the sum in
    the denominator over all frames of the same channel.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, window, detrend, pool
        As in `radial_spectrum`.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    s : float
        The order, any real number.
    seminorm : bool
        Whether ``w = k**(2 s)`` and the mean does not count: derivatives alone, for every s.
    lengths : float or sequence of float, optional
        Box length along each spatial axis. Wavenumbers are then in radians per unit length, so that the derivatives are
        those of the fields in these units, and 1 is to be compared with ``k**2`` in them. By default wavenumbers count
        waves across the box.
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
        Not arrays, arrays of two frameworks, not real floating, or a `Spectrum`; an option that is not known.
    ValueError
        Shapes that differ; an order that is not finite; a negative eps; lengths that are not positive; an axis out of
        range or repeated.

    Notes
    -----
    Derivatives are exact for periodic fields. Central differences, which other libraries take, see nothing of the
    grid's own wavelength: a checkerboard, which costs most here, is invisible to them.

    References
    ----------
    Li, Z. et al., Learning Dissipative Dynamics in Chaotic Systems, NeurIPS 2022 (arXiv:2106.06898).

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.arange(32) * 2 * np.pi / 32
    >>> target = np.sin(x) * np.ones((32, 1))
    >>> rippled = target + 0.1 * np.cos(16 * x)  # one wave of two cells
    >>> round(float(sl.field_error(rippled, target)), 3), round(float(sl.sobolev_error(rippled, target)), 3)
    (0.02, 2.57)
    """
    order = number("s", s)
    if not math.isfinite(order):
        raise ValueError(f"s must be finite, got {s}")
    if not isinstance(seminorm, bool):
        raise TypeError(f"seminorm must be True or False, got {seminorm!r}")
    eps = check_eps(eps)
    return over_spectra(
        prediction,
        target,
        options,
        lambda plan: SobolevError(eps),
        over=sobolev,
        settings=(None if lengths is None else _plainly(lengths), order, seminorm),
    )


def _plainly(lengths: Any) -> Any:
    """As it can be hashed."""
    return lengths if isinstance(lengths, Real) else items("lengths", lengths, "a number or one per spatial axis")


def sobolev(
    shape: tuple[int, ...], options: Any, backend: Backend, lengths: Any, order: float, seminorm: bool
) -> Weighed:
    """The basis of losses over derivatives."""
    return Weighed(shape, SobolevWeights(shape, check_lengths(lengths, len(shape)), order, seminorm))


@plain
class SobolevWeights(NamedTuple):
    """Weights of the modes of a half plane."""

    shape: tuple[int, ...]
    lengths: tuple[float, ...] | None
    s: float
    seminorm: bool

    def weights(self) -> Any:
        """One for each mode, the largest of them 1: their unit drops out."""
        k = wavenumbers(self.shape, self.lengths).ravel()
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = self.s * (2 * np.log(k) if self.seminorm else np.log1p(k**2))
        if self.seminorm:
            logs[0] = -np.inf
        return np.exp(logs - logs.max())


@plain
class SobolevError(NamedTuple):
    """``D / (T + delta)`` of weighted sums over modes."""

    floor: float
    needs: tuple[str, ...] = ("D", "T")
    over: str = "complete"
    unit: str = "share"
    relative_to: str = "bins"

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row; ``dL/dD = 1 / (T + delta)``."""
        norm = s.bounded(s.T + s.floor, s.D)
        return (s.D / norm)[..., 0], {"D": 1 / norm}
