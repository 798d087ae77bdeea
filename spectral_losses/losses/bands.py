"""Relative errors of the fields within bands of wavenumber."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra, refuse_shell_weights
from spectral_losses.losses.registry import loss
from spectral_losses.messages import check_eps, integer, items, number
from spectral_losses.spectra.bands import band_starts
from spectral_losses.spectra.plan import LossOptions, Plan
from spectral_losses.transforms.plane import Plane
from spectral_losses.transforms.sphere import Harmonics
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.registry import backend_of
from spectral_losses_backends.text import plain

__all__ = ["band_error"]


@loss
def band_error(
    prediction: Array,
    target: Array,
    *,
    bands: int | Sequence[float] = 3,
    eps: float = 1e-12,
    **options: Unpack[LossOptions],
) -> Comparison:
    r"""Mean over bands of wavenumber of the relative mean-square error within each.

    .. math:: \mathrm{mean}_f \, \mathrm{mean}_B \frac{D_B}{T_B + \delta}, \qquad \delta = \epsilon \max_B T_B

    where :math:`D_B` and :math:`T_B` are the mean squares of the error and of the target that lie in band B. Small
    scales count as much as large ones, phases included: a prediction of the right energy in the wrong places has an
    error of 2 there, an empty one of 1.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, pool, grid, transform, mask, fill
        As in `radial_spectrum`; a band is a run of shells.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    shell_weights : None
        No other value: this loss is not a mean over shells.
    bands : int or sequence of float
        How many, cut at equal ratios of wavenumber from the first shell's to the last one's; or the wavenumbers where
        they are cut, one fewer than bands. A shell whose centre is at a cut belongs to the lower band. The error of the
        mean counts in the first band, that of the corner modes beyond the last shell in the last one: summed over bands
        ``D_B`` is the mean-square error.
    eps : float
        Relative to the largest band of the target; not differentiated.

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
        Shapes that differ; a band without a shell; cuts that do not increase; a negative eps; shell weights; whatever
        `radial_spectrum` refuses.

    References
    ----------
    Takamoto, M. et al., PDEBench, NeurIPS 2022 (arXiv:2210.07182), whose fRMSE has three bands; here each is relative,
    and sums run over all modes instead of one quadrant of them.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.arange(32) * 2 * np.pi / 32
    >>> target = np.sin(x) + 0.1 * np.sin(14 * x) + 0 * x[:, None]
    >>> without = np.sin(x) + 0 * x[:, None]  # all that is small has gone
    >>> round(float(sl.field_error(without, target)), 4), round(float(sl.band_error(without, target, bands=2)), 4)
    (0.0099, 0.5)
    """
    refuse_shell_weights(options)
    eps = check_eps(eps)
    cuts = _plainly(bands)

    def objective(plan: Plan) -> BandError:
        backend = backend_of(prediction, "prediction")
        return BandError(eps, *(backend.known(Bands(plan.basis, cuts), name) for name in ("starts", "bins")))

    return over_spectra(prediction, target, options, objective)


def _plainly(bands: Any) -> int | tuple[float, ...]:
    """As it can be hashed."""
    if isinstance(bands, Integral):
        return integer("bands", bands)
    takes = "a number of bands or the wavenumbers between them"
    return tuple([number("bands: a cut", cut) for cut in items("bands", bands, takes)])


@plain
class Bands(NamedTuple):
    """Bands over the shells of a grid, so many or cut at these wavenumbers."""

    grid: Plane | Harmonics
    cuts: int | tuple[float, ...]

    def starts(self) -> tuple[int, ...]:
        """The shell that each band begins with."""
        return band_starts(self.grid, self.cuts)

    def bins(self) -> int:
        """Shells, and what is below and beyond them."""
        return self.grid.bins()


@plain
class BandError(NamedTuple):
    """``mean_B D_B / (T_B + delta)``, delta relative to the largest band of the target."""

    eps: float
    starts: tuple[int, ...]
    """The shell that each band begins with."""
    bins: int
    needs: tuple[str, ...] = ("D", "T")
    over: str = "complete"
    unit: str = "share"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row; ``dL/dD = 1 / (n (T_B + delta))``."""
        # Shell b is bin b + 1; what is below the shells counts in the error alone.
        cuts = [0, *(start + 1 for start in self.starts[1:]), self.bins]
        bands = [slice(a, b) for a, b in pairwise(cuts)]
        error = xp.stack([xp.sum(s.D[..., band], axis=-1) for band in bands], axis=-1)
        power = xp.stack([xp.sum(s.T[..., max(1, band.start) : band.stop], axis=-1) for band in bands], axis=-1)
        delta = self.eps * s.detach(xp.max(power, axis=-1, keepdims=True)) + s.tiny
        norm, number = s.bounded(power + delta, error), len(bands)
        each = 1 / (number * norm)
        slope = [xp.broadcast_to(each[..., i : i + 1], s.D[..., band].shape) for i, band in enumerate(bands)]
        return xp.sum(error / norm, axis=-1) / number, {"D": xp.concat(slope, axis=-1)}
