"""torchmetrics: the errors as metrics, whose state over batches and ranks gives the error of one large batch."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any

try:
    from torchmetrics import Metric
except ModuleNotFoundError as error:
    message = "this module needs torchmetrics, which is not installed: pip install torchmetrics"
    raise ModuleNotFoundError(message, name=error.name) from error
import torch
from torch import Tensor

from spectral_losses.fields.layout import Axes, ChannelAxis, axes_of
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.losses import field_error, spectrum_error
from spectral_losses.spectra.binning import check_bins, check_lengths

__all__ = ["FieldError", "SpectrumError"]


class _MeanError(Metric):
    """The mean of an error over all that was seen."""

    full_state_update = False
    higher_is_better = False
    is_differentiable = True
    total: Tensor
    count: Tensor
    options: dict[str, Any]  # of the loss

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def _tell_apart(self, *more: bytes) -> None:
        # A MetricCollection lets metrics whose states are alike after one batch share them from then on, as two with
        # other options are after a perfect one. States of other names are never alike; equal options may share.
        told = zlib.crc32(b"".join([repr((type(self).__name__, self.options)).encode(), *more]))
        self.add_state(f"options_{told:08x}", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch; raises what the loss raises."""
        error = self._error(preds, target)
        items = self._items(preds.shape)
        self.total = self.total + error.to(self.total.dtype) * items
        self.count = self.count + items

    def compute(self) -> Tensor:
        """The error over all batches, 0-d; before the first one NaN, with torchmetrics' warning."""
        return self.total / self.count

    def _error(self, preds: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError

    def _items(self, shape: Sequence[int]) -> int:
        """How many errors the loss takes the mean of."""
        raise NotImplementedError

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Any:
        # Only the device may change: long sums need float64, which Apple's devices alone do not have.
        super()._apply(fn, exclude_state=("total", "count"))
        device = fn(torch.zeros(1, device=self.count.device)).device
        dtypes = {"total": torch.float32 if device.type == "mps" else torch.float64, "count": torch.int64}
        for name, dtype in dtypes.items():
            setattr(self, name, getattr(self, name).to(device, dtype))
            self._defaults[name] = torch.zeros((), device=device, dtype=dtype)
        return self


class FieldError(_MeanError):
    """`field_error` as a metric.

    Parameters
    ----------
    spatial_axes, mask, eps
        As in `field_error`. The mask moves with the metric, and is not in its ``state_dict``.
    **kwargs
        Of ``torchmetrics.Metric``.

    Raises
    ------
    ValueError, TypeError
        An option that `field_error` refuses whatever the fields are.

    Notes
    -----
    The state is a sum of errors in float64 and the number of frames and channels behind it. Batches of any sizes, on
    any number of ranks, give the error of all of them in one, but for the guard, which is relative to the frames of
    each batch: exactly so with ``eps=0``.

    Examples
    --------
    >>> import torch
    >>> from spectral_losses.integrations.torchmetrics import FieldError
    >>> metric, target = FieldError(), torch.ones(3, 1, 8, 8)
    >>> metric.update(1.1 * target[:1], target[:1])
    >>> metric.update(1.2 * target[1:], target[1:])
    >>> round(float(metric.compute()), 6)  # (0.01 + 2 * 0.04) / 3
    0.03
    """

    mask: Tensor | None

    def __init__(
        self,
        *,
        spatial_axes: int | Sequence[int] = (-2, -1),
        mask: Tensor | None = None,
        eps: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.options = {"spatial_axes": spatial_axes, "eps": eps}
        probe = torch.ones(_shape_with(spatial_axes))
        field_error(probe, probe, **self.options)
        if mask is not None:
            axes = len(_axes_of(probe.shape, self.options).spatial)
            if len(mask.shape) != axes:
                raise ValueError(f"mask must have the {axes} spatial axes, got shape {tuple(mask.shape)}")
            field = torch.ones_like(mask, dtype=torch.float32)
            field_error(field, field, mask=mask, spatial_axes=tuple(range(axes)))
        self.register_buffer("mask", mask, persistent=False)
        plain = [] if mask is None else [repr((mask.dtype, tuple(mask.shape), mask.tolist())).encode()]
        self._tell_apart(*plain)

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Any:
        mask = self.mask
        super()._apply(fn, exclude_state)
        if mask is not None:  # weights stay as exact as they were given
            self.mask = mask.to(self.count.device)
        return self

    def _error(self, preds: Tensor, target: Tensor) -> Tensor:
        error: Tensor = field_error(preds, target, mask=self.mask, **self.options)
        return error

    def _items(self, shape: Sequence[int]) -> int:
        return math.prod(shape) // math.prod(shape[axis] for axis in _axes_of(shape, self.options).spatial)


class SpectrumError(_MeanError):
    """`spectrum_error` as a metric.

    Parameters
    ----------
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, eps
        As in `spectrum_error`.
    **kwargs
        Of ``torchmetrics.Metric``.

    Raises
    ------
    ValueError, TypeError
        An option that `spectrum_error` refuses whatever the fields are.

    Notes
    -----
    The state is a sum of errors in float64 and the number of batch elements behind it. Batches of any sizes, on any
    number of ranks, give the error of all of them in one.

    Examples
    --------
    >>> import torch, spectral_losses as sl
    >>> from spectral_losses.integrations.torchmetrics import SpectrumError
    >>> p, t = torch.randn(2, 5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> metric = SpectrumError(window="hann")
    >>> for batch in (slice(0, 3), slice(3, 5)):
    ...     metric.update(p[batch], t[batch])
    >>> torch.testing.assert_close(metric.compute().float(), sl.spectrum_error(p, t, window="hann"))
    """

    def __init__(
        self,
        *,
        spatial_axes: int | Sequence[int] = (-2, -1),
        channel_axis: ChannelAxis = "auto",
        channels: str = "separate",
        bins: str | int | Sequence[float] | tuple[str, int] = "unit",
        lengths: float | Sequence[float] | None = None,
        window: Window = None,
        detrend: Detrend = None,
        eps: float = 1e-10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        axes = {"spatial_axes": spatial_axes, "channel_axis": channel_axis}
        others = {"channels": channels, "window": window, "detrend": detrend, "eps": eps}
        probe = torch.ones(_shape_with(spatial_axes, channel_axis))
        spectrum_error(probe, probe, **axes, **others)  # type: ignore[arg-type]
        # Whether there is a mode in each shell depends on the grid: of these two, what can be known before.
        check_bins(bins)
        check_lengths(lengths, len(_axes_of(probe.shape, axes).spatial))
        self.options = {**axes, **others, "bins": bins, "lengths": lengths}
        self._tell_apart()

    def _error(self, preds: Tensor, target: Tensor) -> Tensor:
        error: Tensor = spectrum_error(preds, target, **self.options)
        return error

    def _items(self, shape: Sequence[int]) -> int:
        frames = _axes_of(shape, self.options).frames
        return shape[frames[0]] if frames else 1


def _axes_of(shape: Sequence[int], options: dict[str, Any]) -> Axes:
    """What the library makes of the axes of a field of this shape."""
    axes = {name: options[name] for name in ("spatial_axes", "channel_axis") if name in options}
    return axes_of(shape, name="preds", **axes)


def _shape_with(*axes: Any) -> tuple[int, ...]:
    """The shape of a small field in which all these axes exist and none is both counted from the front and the end."""
    each = [axis for given in axes for axis in (given if isinstance(given, Sequence) else [given])]
    numbers = [axis for axis in each if isinstance(axis, int)]
    ahead, behind = max([0, *(n + 1 for n in numbers)]), max([0, *(-n for n in numbers)])
    return (2,) * min(ahead + behind, 20)  # of an axis beyond that, the error says so
