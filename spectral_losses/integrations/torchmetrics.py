"""torchmetrics: errors and spectra as metrics, whose state over batches and ranks gives those of one large batch."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

try:
    from torchmetrics import Metric
    from torchmetrics.utilities.distributed import gather_all_tensors
except ModuleNotFoundError as error:
    message = "this module needs torchmetrics, which is not installed: pip install torchmetrics"
    raise ModuleNotFoundError(message, name=error.name) from error
import torch
from torch import Tensor

from spectral_losses.diagnostics import MeanStatistics
from spectral_losses.diagnostics.sums import PAIR, batch_of, statistics_of
from spectral_losses.fields.layout import Axes, ChannelAxis, axes_of
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.losses import field_error, spectrum_error
from spectral_losses.losses.registry import named_loss, options_of
from spectral_losses.messages import check_choice
from spectral_losses.spectra import Spectrum, radial_spectrum
from spectral_losses.spectra.binning import check_bins, check_lengths
from spectral_losses.spectra.plan import check_grid, check_on_sphere
from spectral_losses.transforms.sphere import Sphere

__all__ = ["FieldError", "MeanLoss", "MeanSpectrum", "PooledLoss", "SpectrumError"]

AXES = 16  # at most, of a field


class _Mean(Metric):
    """The mean of something over all that was seen."""

    full_state_update = False
    total: Tensor
    count: Tensor
    options: dict[str, Any]  # of the loss, or the spectrum

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def _tell_apart(self, *more: bytes) -> None:
        # A MetricCollection lets metrics whose states are alike after one batch share them from then on, as two with
        # other options are after a perfect one. States of other names are never alike; equal options may share.
        told = zlib.crc32(b"".join([type(self).__name__.encode(), _printed(self.options), *more]))
        self.add_state(f"options_{told:08x}", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Any:
        # Only the device may change: long sums need float64, which Apple's devices alone do not have.
        super()._apply(fn, exclude_state=("total", "count", "shape"))
        device = fn(torch.zeros(1, device=self.count.device)).device
        dtypes = {"total": torch.float32 if device.type == "mps" else torch.float64, "count": torch.int64}
        if hasattr(self, "shape"):
            dtypes["shape"] = torch.int64
        for name, dtype in dtypes.items():
            setattr(self, name, getattr(self, name).to(device, dtype))
            shape = (AXES,) if name == "shape" else ()
            self._defaults[name] = torch.zeros(shape, device=device, dtype=dtype)
        return self


class _MeanError(_Mean):
    """The mean of an error."""

    higher_is_better = False
    is_differentiable = True

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


class _Masked(_Mean):
    """One of fields that may have a mask, which moves with the metric, and is not in its ``state_dict``."""

    mask: Tensor | None

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Any:
        mask = self.mask
        super()._apply(fn, exclude_state)
        if mask is not None:  # weights stay as exact as they were given
            self.mask = mask.to(self.count.device)
        return self

    def _keep(self, mask: Tensor | None, *more: bytes) -> None:
        """Keep the mask, and tell the metric apart from those of another one."""
        self.register_buffer("mask", mask, persistent=False)
        plain = [] if mask is None else [repr((mask.dtype, tuple(mask.shape), mask.tolist())).encode()]
        self._tell_apart(*more, *plain)

    @property
    def _masked(self) -> dict[str, Any]:
        """The mask as an option."""
        return {} if self.mask is None else {"mask": self.mask}


class _MaskedError(_Masked, _MeanError):
    """The mean of an error of such fields."""


class FieldError(_MaskedError):
    """`field_error` as a metric.

    Parameters
    ----------
    spatial_axes, mask, eps, grid
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

    def __init__(
        self,
        *,
        spatial_axes: int | Sequence[int] = (-2, -1),
        mask: Tensor | None = None,
        eps: float = 1e-8,
        grid: Sphere | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.options = {"spatial_axes": spatial_axes, "eps": eps}
        probe = torch.ones(_shape_with(spatial_axes))
        field_error(probe, probe, **self.options)
        _check_grid(grid, probe.shape, self.options)
        self.options["grid"] = grid
        if mask is not None:
            axes = len(_axes_of(probe.shape, self.options).spatial)
            if len(mask.shape) != axes:
                raise ValueError(f"mask must have the {axes} spatial axes, got shape {tuple(mask.shape)}")
            field = torch.ones_like(mask, dtype=torch.float32)
            field_error(field, field, mask=mask, spatial_axes=tuple(range(axes)))
        self._keep(mask)

    def _error(self, preds: Tensor, target: Tensor) -> Tensor:
        error: Tensor = field_error(preds, target, **self.options, **self._masked)
        return error

    def _items(self, shape: Sequence[int]) -> int:
        return math.prod(shape) // math.prod(shape[axis] for axis in _axes_of(shape, self.options).spatial)


class SpectrumError(_MaskedError):
    """`spectrum_error` as a metric.

    Parameters
    ----------
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, transform, mask, fill, eps, grid
        As in `spectrum_error`. The mask moves with the metric, and is not in its ``state_dict``.
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
        transform: str = "fft",
        mask: Tensor | None = None,
        fill: str = "smooth",
        eps: float = 1e-10,
        grid: Sphere | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        axes = {"spatial_axes": spatial_axes, "channel_axis": channel_axis}
        others = {
            "channels": channels,
            "window": window,
            "detrend": detrend,
            "transform": transform,
            "fill": fill,
            "eps": eps,
        }
        probe = torch.ones(_shape_with(spatial_axes, channel_axis))
        spectrum_error(probe, probe, **axes, **others)  # type: ignore[arg-type]
        # Whether there is a mode in each shell depends on the grid: of these two, what can be known before.
        check_bins(bins)
        check_lengths(lengths, len(_axes_of(probe.shape, axes).spatial))
        self.options = {**axes, **others, "bins": bins, "lengths": lengths, "grid": grid}
        _check_grid(grid, probe.shape, self.options)
        self._keep(mask)

    def _error(self, preds: Tensor, target: Tensor) -> Tensor:
        error: Tensor = spectrum_error(preds, target, **self.options, **self._masked)
        return error

    def _items(self, shape: Sequence[int]) -> int:
        frames = _axes_of(shape, self.options).frames
        return shape[frames[0]] if frames else 1


class MeanLoss(_MaskedError):
    """Any loss of this library, by name, as a metric.

    Parameters
    ----------
    loss : str
        Its name, such as "log_spectral_distance".
    **kwargs
        Options of the loss but for ``pool`` and ``reduction``, and of ``torchmetrics.Metric``. A mask moves with the
        metric, and is not in its ``state_dict``.

    Raises
    ------
    ValueError
        A loss that is not known; ``pool``, because a pooled loss is no mean over batches (`PooledLoss` averages
        statistics instead).
    TypeError
        An option that is neither the loss's nor torchmetrics'.

    Notes
    -----
    The state is a sum of the loss's rows in float64 and their number. Batches of any sizes, on any number of ranks,
    give the loss of all of them in one, but for guards that are relative to the frames of each batch.

    Examples
    --------
    >>> import torch, spectral_losses as sl
    >>> from spectral_losses.integrations.torchmetrics import MeanLoss
    >>> p, t = torch.randn(2, 5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> metric = MeanLoss("log_spectral_distance", bins="log")
    >>> for batch in (slice(0, 3), slice(3, 5)):
    ...     metric.update(p[batch], t[batch])
    >>> torch.testing.assert_close(metric.compute().float(), sl.log_spectral_distance(p, t, bins="log"))
    """

    def __init__(self, loss: str, **kwargs: Any) -> None:
        function = named_loss(loss)
        known = options_of(function)
        options = {name: kwargs.pop(name) for name in known & kwargs.keys()}
        for name in ("pool", "reduction"):
            if options.get(name) is not None:
                raise ValueError(f"{name}: a metric is the mean of all rows of {loss}, got {options[name]!r}")
        super().__init__(**kwargs)
        self.loss = loss
        mask = options.pop("mask", None)
        self.options = {"spatial_axes": (-2, -1), **options}
        self._keep(mask, loss.encode())

    def _error(self, preds: Tensor, target: Tensor) -> Tensor:
        error: Tensor = named_loss(self.loss)(preds, target, **self.options, **self._masked)
        return error

    def _items(self, shape: Sequence[int]) -> int:
        # A spectrum error is one of batch elements, every other loss one of frames.
        frames = [shape[axis] for axis in _axes_of(shape, self.options).frames]
        return math.prod(frames[:1] if self.loss == "spectrum_error" else frames)


class MeanSpectrum(_Masked):
    """`radial_spectrum` of all fields that were seen, averaged over frames, as a metric.

    Parameters
    ----------
    of : {"preds", "target"}
        Whose, where both are given.
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, transform, grid, mask, fill
        As in `radial_spectrum`. The mask moves with the metric, and is not in its ``state_dict``.
    **kwargs
        Of ``torchmetrics.Metric``.

    Raises
    ------
    ValueError, TypeError
        An option that `radial_spectrum` refuses whatever the fields are.

    Notes
    -----
    The state is a sum of powers in float64, the number of frames behind it, and the shape of the fields. Batches of any
    sizes, on any number of ranks, some of which may see nothing, give ``radial_spectrum(..., pool="frames")`` of all of
    them in one.

    Examples
    --------
    >>> import matplotlib, torch, spectral_losses as sl
    >>> from spectral_losses.integrations.torchmetrics import MeanSpectrum
    >>> fields = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> metric = MeanSpectrum()
    >>> for batch in fields.split(2):
    ...     metric.update(batch)
    >>> together = sl.radial_spectrum(fields, pool="frames")
    >>> torch.testing.assert_close(metric.compute().power.float(), together.power)
    >>> figure, ax = metric.plot()
    """

    higher_is_better = None
    is_differentiable = False
    shape: Tensor

    def __init__(
        self,
        *,
        of: str = "preds",
        spatial_axes: int | Sequence[int] = (-2, -1),
        channel_axis: ChannelAxis = "auto",
        channels: str = "separate",
        bins: str | int | Sequence[float] | tuple[str, int] = "unit",
        lengths: float | Sequence[float] | None = None,
        window: Window = None,
        detrend: Detrend = None,
        transform: str = "fft",
        grid: Sphere | None = None,
        mask: Tensor | None = None,
        fill: str = "smooth",
        **kwargs: Any,
    ) -> None:
        check_choice("of", of, ("preds", "target"))
        super().__init__(**kwargs)
        self.of = of
        # How fields are cut into batches does not matter: frame axes have size 1 here. A size of 0 is no axis.
        self.add_state("shape", torch.zeros(AXES, dtype=torch.int64), dist_reduce_fx=_one_shape)
        axes = {"spatial_axes": spatial_axes, "channel_axis": channel_axis}
        others = {"channels": channels, "window": window, "detrend": detrend, "transform": transform, "fill": fill}
        probe = torch.ones(_shape_with(spatial_axes, channel_axis))
        radial_spectrum(probe, **axes, **others)  # type: ignore[arg-type]
        check_bins(bins)
        check_lengths(lengths, len(_axes_of(probe.shape, axes).spatial))
        self.options = {**axes, **others, "bins": bins, "lengths": lengths, "grid": grid}
        _check_grid(grid, probe.shape, self.options)
        self._keep(mask, of.encode())

    def update(self, preds: Tensor, target: Tensor | None = None) -> None:
        """Add a batch; raises what `radial_spectrum` raises, and a ValueError where the grid is another one."""
        fields = preds if self.of == "preds" else target
        if fields is None:
            raise ValueError("target must be given: this is a MeanSpectrum(of='target')")
        spectrum = self._pooled(fields)
        frames = _axes_of(fields.shape, self.options).frames
        sizes = [1 if axis in frames else size for axis, size in enumerate(fields.shape)]
        shape = self.shape.new_tensor(sizes + [0] * (AXES - len(sizes)))
        self.shape = _one_shape(torch.stack([self.shape, shape]))
        number = math.prod(fields.shape[axis] for axis in frames)
        self.total = self.total + spectrum.power.to(self.total.dtype) * number
        self.count = self.count + number

    def compute(self) -> Spectrum:
        """The spectrum over all batches, in float64.

        Raises
        ------
        ValueError
            Before the first batch: no spectrum is known, not even its shells.
        """
        return self._spectrum(self.total, self.count, self.shape)

    def plot(self, val: Spectrum | None = None, ax: Any = None, **options: Any) -> tuple[Any, Any]:
        """Draw the spectrum by `spectral_losses.plot.spectra`, of which several take a mapping of spectra by name.

        Parameters
        ----------
        val : Spectrum, optional
            What `compute` or a call gave; by default what `compute` gives now.
        ax : matplotlib's Axes, optional
            Where to draw; by default in a new figure.
        **options
            Of `spectral_losses.plot.spectra`, such as ``radius=6371, unit="km"`` of a spectrum on the sphere.

        Returns
        -------
        figure, axes
        """
        from spectral_losses.plot import spectra

        panels = spectra(self.compute() if val is None else val, axes=ax, **options)
        return panels.figure, panels.power

    def _pooled(self, fields: Tensor) -> Spectrum:
        frames = _axes_of(fields.shape, self.options).frames
        found: Spectrum = radial_spectrum(fields, **self.options, **self._masked, pool="frames" if frames else None)
        return found

    def _spectrum(self, total: Tensor, count: Tensor, shape: Tensor) -> Spectrum:
        sizes = [size for size in shape.tolist() if size]
        if not sizes:
            raise ValueError("no spectrum is known before the first batch: call update first")
        empty = self._pooled(total.new_zeros(sizes))
        return replace(empty, power=torch.reshape(total / count, empty.power.shape))

    def _sync_dist(
        self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any | None = None
    ) -> None:
        # A rank that saw nothing has a sum of another shape than the others: what it gathers has to fit to theirs.
        shapes = dist_sync_fn(self.shape, group=process_group or self.process_group)
        sizes = [size for size in _one_shape(torch.stack(shapes)).tolist() if size]
        if sizes and not self.shape.any():
            self.total = torch.zeros_like(self._pooled(self.total.new_zeros(sizes)).power)
        super()._sync_dist(dist_sync_fn, process_group)

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        # torchmetrics walks through what is computed and would change records in it: it gets the tensors, and they
        # become a spectrum behind that.
        inner = super()._wrap_compute(self._state)

        @wraps(compute)
        def made() -> Spectrum:
            return self._spectrum(*inner())

        return made

    def _state(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.total, self.count, self.shape


class PooledLoss(_Mean):
    """A loss by name of statistics that are averaged over all frames that were seen, as a metric.

    Parameters
    ----------
    loss : str
        Its name, such as "log_spectral_distance": one that `MeanStatistics` has.
    **kwargs
        Options of `MeanStatistics`, of the loss but for ``mask`` and ``reduction``, and of ``torchmetrics.Metric``.

    Raises
    ------
    ValueError, TypeError
        A loss that is not known; an option that is none of these, or that `MeanStatistics` refuses.

    Notes
    -----
    The state is that of `MeanStatistics` as tensors, in float64. Batches of any sizes, on any number of ranks, some of
    which may see nothing, give the loss of all of them in one with ``pool="frames"``.

    Examples
    --------
    >>> import torch, spectral_losses as sl
    >>> from spectral_losses.integrations.torchmetrics import PooledLoss
    >>> p, t = torch.randn(2, 5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    >>> metric = PooledLoss("log_spectral_distance")
    >>> for batch in (slice(0, 3), slice(3, 5)):
    ...     metric.update(p[batch], t[batch])
    >>> torch.testing.assert_close(metric.compute().float(), sl.log_spectral_distance(p, t, pool="frames"))
    """

    higher_is_better = False
    is_differentiable = False
    shape: Tensor
    single: Tensor

    def __init__(self, loss: str, **kwargs: Any) -> None:
        known = options_of(named_loss(loss))
        shared = {name: kwargs.pop(name) for name in MeanStatistics().options.keys() & kwargs.keys()}
        own = {name: kwargs.pop(name) for name in sorted(known & kwargs.keys())}
        for name in ("mask", "reduction"):
            if own.get(name) not in (None, "mean"):
                raise ValueError(f"{name}: a pooled loss is one number of sums over whole fields, got {own[name]!r}")
        super().__init__(**kwargs)
        self.loss = loss
        self.options = MeanStatistics(**shared).options
        self.own = {name: value for name, value in own.items() if name not in ("mask", "reduction")}
        # As in MeanSpectrum: a size of 0 is no axis.
        self.add_state("shape", torch.zeros(AXES, dtype=torch.int64), dist_reduce_fx=_one_shape)
        self.add_state("single", torch.zeros((), dtype=torch.int64), dist_reduce_fx="max")
        self._tell_apart(loss.encode(), _printed(self.own))

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch; raises what `MeanStatistics.update` raises."""
        batch = batch_of(preds, target, self.options)
        shape = self.shape.new_tensor([*batch.shape, *[0] * (AXES - len(batch.shape))])
        self.shape = _one_shape(torch.stack([self.shape, shape]))
        means, dtype = statistics_of(batch)
        self.total = self.total + torch.as_tensor(means).to(self.total) * batch.frames
        self.count = self.count + batch.frames
        self.single = self.single.clamp(min=int(dtype == "float32"))

    def compute(self) -> Tensor:
        """The loss of all batches, 0-d, in float64.

        Raises
        ------
        ValueError
            Before the first batch.
        """
        stats = self.statistics()
        return self.total.new_tensor(float(stats.loss(self.loss, **self.own)))

    def statistics(self) -> MeanStatistics:
        """What was seen, as `MeanStatistics`: for spectra, coherence and other losses."""
        stats = MeanStatistics(**self.options)
        sizes = [size for size in self.shape.tolist() if size]
        if sizes:
            seen = {"statistics": PAIR, "shape": sizes, "dtype": "float32" if int(self.single) else "float64"}
            sums = self.total.detach().cpu().numpy()
            stats.load_state_dict({**stats.state_dict(), **seen, "frames": int(self.count), "sums": sums})
        return stats

    def _sync_dist(
        self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any | None = None
    ) -> None:
        # As in MeanSpectrum, for a rank that saw nothing.
        shapes = dist_sync_fn(self.shape, group=process_group or self.process_group)
        sizes = [size for size in _one_shape(torch.stack(shapes)).tolist() if size]
        if sizes and not self.shape.any():
            empty = self.total.new_zeros(sizes)
            means, _ = statistics_of(batch_of(empty, empty, self.options))
            self.total = torch.zeros(means.shape).to(self.total)
        super()._sync_dist(dist_sync_fn, process_group)


def _printed(options: dict[str, Any]) -> bytes:
    """Options to tell metrics apart by; of arrays what they hold, because they print a few digits of it."""
    return repr({name: each.tolist() if hasattr(each, "tolist") else each for name, each in options.items()}).encode()


def _one_shape(shapes: Tensor) -> Tensor:
    """Of several states, each a row, that of all that saw anything."""
    shape = shapes.max(dim=0).values
    for other in shapes:
        if bool(other.any()) and not torch.equal(other, shape):
            seen = [[size for size in each.tolist() if size] for each in shapes if bool(each.any())]
            raise ValueError(f"fields of all batches must have one grid and number of channels, got {seen}")
    return shape


def _axes_of(shape: Sequence[int], options: dict[str, Any]) -> Axes:
    """What the library makes of the axes of a field of this shape."""
    axes = {name: options[name] for name in ("spatial_axes", "channel_axis") if name in options}
    return axes_of(shape, name="preds", **axes)


def _check_grid(grid: Sphere | None, shape: Sequence[int], options: dict[str, Any]) -> None:
    """Refuse what is no grid, and options that have no meaning on it, whatever the size of the fields."""
    if grid is None:
        return
    sizes = (getattr(grid, "size", None) or 2,) * len(_axes_of(shape, options).spatial)
    check_grid(grid, sizes)
    check_on_sphere(grid, options)


def _shape_with(*axes: Any) -> tuple[int, ...]:
    """The shape of a small field in which all these axes exist and none is both counted from the front and the end."""
    each = [axis for given in axes for axis in (given if isinstance(given, Sequence) else [given])]
    numbers = [axis for axis in each if isinstance(axis, int)]
    ahead, behind = max([0, *(n + 1 for n in numbers)]), max([0, *(-n for n in numbers)])
    return (2,) * min(ahead + behind, 20)  # of an axis beyond that, the error says so
