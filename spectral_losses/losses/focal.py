"""Focal frequency loss: the modes with the largest errors count most."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from spectral_losses.losses.comparison import Comparison, over_spectra
from spectral_losses.losses.registry import loss
from spectral_losses.messages import number
from spectral_losses.spectra.plan import FrameOptions, modes
from spectral_losses.transforms.plane import Plane
from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics, Tables
from spectral_losses_backends.text import plain

__all__ = ["focal_frequency_error"]

EPS = 1e-12
"""The guard of whitening, relative to the target's largest shell."""


class FocalOptions(FrameOptions, total=False):
    """The options of losses that compare frame by frame, and the transform."""

    transform: str


@loss
def focal_frequency_error(
    prediction: Array, target: Array, *, alpha: float = 1.0, whiten: bool = False, **options: Unpack[FocalOptions]
) -> Comparison:
    r"""Mean-square error of Fourier modes, each weighted by how large its error is.

    .. math:: \mathrm{mean}_f \sum_k W_k |X_k - Y_k|^2, \qquad
              W_k = \left(\frac{|X_k - Y_k|}{\max_k |X_k - Y_k|}\right)^\alpha

    over all modes X and Y of prediction and target; W is not differentiated. It equals the published loss exactly, with
    ``alpha=1`` and one patch. Like a mean-square error it is quadratic: it depends on the units of the fields. Where
    spectra are steep the largest errors are those of the largest scales, and so that is where it looks; ``whiten=True``
    makes it look at all of them.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, transform, mask, fill
        As in `radial_spectrum`.
    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each frame and channel, its axes in the field's order.
    alpha : float
        How sharp the focus is, at least 0; 0 gives the mean-square error.
    whiten : bool
        Whether errors are divided by the target's amplitude in their shell first (a root mean square, not
        differentiated), so that the loss is independent of units and of how steep spectra are.

    Returns
    -------
    array, 0-d
        With ``reduction="none"`` one value per row. Of the framework, on the device, differentiable where the
        framework is.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, not real floating, or a `Spectrum`; an option that is not known: this loss
        compares frame by frame and takes no ``pool``.
    ValueError
        Shapes that differ; a negative alpha; an axis out of range or repeated.

    References
    ----------
    Jiang, L. et al., Focal Frequency Loss for Image Reconstruction and Synthesis, ICCV 2021 (arXiv:2012.12821).

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> mean_square = np.mean((0.1 * target) ** 2)
    >>> bool(np.isclose(sl.focal_frequency_error(1.1 * target, target, alpha=0), mean_square))
    True
    """
    sharpness = number("alpha", alpha)
    if not 0 <= sharpness < float("inf"):
        raise ValueError(f"alpha must be finite and at least 0, got {alpha}")
    if not isinstance(whiten, bool):
        raise TypeError(f"whiten must be True or False, got {whiten!r}")
    return over_spectra(
        prediction,
        target,
        options,
        lambda plan: (
            FocalFrequencyError(sharpness, Plane(plan.basis.shape, transform=plan.basis.transform), ("D", "T"))
            if whiten
            else FocalFrequencyError(sharpness, None, ("D",))
        ),
        over=modes,
    )


@plain
class FocalFrequencyError(NamedTuple):
    """``sum W D`` over modes, with weights of their errors."""

    alpha: float
    shells: Plane | None
    """Those whose power whitens."""
    needs: tuple[str, ...]
    over: str = "complete"
    unit: str = "share"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Statistics, xp: Any) -> tuple[Array, Tables]:
        """The error of each row; ``dL/dD = W``."""
        error, each = s.D, None
        if self.shells is not None:
            each = self._whitening(s, xp)
            error = error * each
        weights = self._focus(s, s.detach(error), xp)
        return xp.sum(weights * error, axis=-1), {"D": weights if each is None else weights * each}

    def _focus(self, s: Statistics, error: Array, xp: Any) -> Array:
        squared = error / xp.astype(s.basis_constant("multiplicities"), error.dtype)
        largest = xp.max(squared, axis=-1, keepdims=True)
        ratio = squared / xp.maximum(largest, xp.zeros_like(largest) + s.tiny)
        return xp.sqrt(ratio) if self.alpha == 1 else ratio ** (self.alpha / 2)

    def _whitening(self, s: Statistics, xp: Any) -> Array:
        """What squares of errors are multiplied with: one over the mean power of a mode in their shell."""
        shells = self.shells
        counts = s.constant(shells, "all_counts")  # none beyond the shells in one dimension
        power = s.regrouped(s.detach(s.T), shells) / xp.where(counts > 0, counts, xp.ones_like(counts))
        delta = EPS * xp.max(power, axis=-1, keepdims=True) + s.tiny
        error = s.regrouped(s.detach(s.D), shells)
        return s.each(1 / s.bounded(power + delta, error), shells)
