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
from spectral_losses.spectra.plan import ModeOptions, Plan, degrees
from spectral_losses.transforms.sphere import Harmonics
from spectral_losses.transforms.waves import wavenumbers, waves_of
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
    spatial_axes, channel_axis, channels, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`. On the sphere ``k**2`` is ``l (l + 1)`` of degree l, with 1 for its radius.
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
    Derivatives are exact for periodic fields, and with ``transform="dct"`` for those that their mirror image continues
    without a kink. Central differences, which other libraries take, see nothing of the grid's own wavelength: a
    checkerboard, which costs most here, is invisible to them.

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

    def objective(plan: Plan) -> SobolevError:
        on_sphere = isinstance(plan.basis, Harmonics)
        return SobolevError(eps, DegreeWeights(plan.basis, order, seminorm) if on_sphere else None)

    return over_spectra(
        prediction,
        target,
        options,
        objective,
        over=sobolev,
        settings=(None if lengths is None else _plainly(lengths), order, seminorm),
    )


def _plainly(lengths: Any) -> Any:
    """As it can be hashed."""
    return lengths if isinstance(lengths, Real) else items("lengths", lengths, "a number or one per spatial axis")


def sobolev(
    shape: tuple[int, ...], options: Any, backend: Backend, lengths: Any, order: float, seminorm: bool
) -> Weighed | Harmonics:
    """The basis of losses over derivatives: weighed modes, or degrees, of which all orders have one weight."""
    if options.grid is not None:
        return degrees(shape, options._replace(lengths=lengths))
    weights = SobolevWeights(shape, check_lengths(lengths, len(shape)), order, seminorm, options.transform)
    return Weighed(shape, weights, options.transform)


@plain
class SobolevWeights(NamedTuple):
    """Weights of the modes that are stored."""

    shape: tuple[int, ...]
    lengths: tuple[float, ...] | None
    s: float
    seminorm: bool
    transform: str

    def weights(self) -> Any:
        """One for each mode, the largest of them 1: their unit drops out."""
        k = wavenumbers(waves_of(self.transform, self.shape), self.lengths)
        return _weights(k.ravel() ** 2, self.s, self.seminorm)


@plain
class DegreeWeights(NamedTuple):
    """Weights of the degrees of the sphere, on which ``k**2`` is ``l (l + 1)``."""

    basis: Harmonics
    s: float
    seminorm: bool

    def weights(self) -> Any:
        """One for each bin."""
        degree = self.basis.degrees()
        return _weights(degree * (degree + 1), self.s, self.seminorm)


def _weights(squares: Any, s: float, seminorm: bool) -> Any:
    """Weights of squared wavenumbers, 0 first, the largest of them 1: their unit drops out."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = s * (np.log(squares) if seminorm else np.log1p(squares))
    if seminorm:
        logs[0] = -np.inf
    return np.exp(logs - logs.max())


@plain
class SobolevError(NamedTuple):
    """``D / (T + delta)`` of weighted sums over modes."""

    floor: float
    degrees: Any = None
    """The weights of degrees; weighed modes have none any more."""
    needs: tuple[str, ...] = ("D", "T")
    over: str = "complete"
    unit: str = "share"
    relative_to: str = "bins"

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row; ``dL/dD = 1 / (T + delta)``."""
        if self.degrees is None:
            norm = s.bounded(s.T + s.floor, s.D)
            return (s.D / norm)[..., 0], {"D": 1 / norm}
        weights = s.constant(self.degrees, "weights")
        error = xp.sum(weights * s.D, axis=-1)
        norm = s.bounded(xp.sum(weights * (s.T + s.floor), axis=-1), error)
        return error / norm, {"D": weights / xp.expand_dims(norm, axis=-1)}
