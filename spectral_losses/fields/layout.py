"""Which axes of a field are space, channels and frames, and in which order a loss takes them."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal, NamedTuple, TypedDict

from spectral_losses.fields.pairs import lift
from spectral_losses.messages import check_choice, items, number
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.problem import Rows
from spectral_losses_backends.ranks import Ranks

ChannelAxis = int | None | Literal["auto"]
Pool = int | Sequence[int] | Literal["frames"] | None

CHANNELS = ("separate", "sum", "mean")
REDUCTIONS = ("mean", "none")


class LayoutOptions(TypedDict, total=False):
    """What every function of fields takes; `FieldOptions.reduction` and the like are for losses alone.

    spatial_axes : int or tuple of one to three ints, default (-2, -1)
        The periodic, uniformly sampled axes; each has at least 2 points where it is transformed.
    channel_axis : int, None or "auto"
        The axis of components. "auto" is the axis right after the spatial axes where they are adjacent, exactly one
        axis follows them, and they are two or more or the array has three axes, as in ``[B, H, W, C]``; else the one
        just before the first spatial axis, or None where there is none. All other axes are frames, the first of them
        the batch.
    channels : {"separate", "sum", "mean"}
        "separate": each by itself. "sum": statistics are summed over channels. "mean": the *field* is averaged over
        channels first, in which components can cancel.
    pool : None, int, tuple of ints or "frames"
        Frame axes over which statistics are averaged before anything else is made of them.
    """

    spatial_axes: int | Sequence[int]
    channel_axis: ChannelAxis
    channels: str
    pool: Pool


class FieldOptions(LayoutOptions, total=False):
    """The options of every loss: how its fields are laid out, and what becomes one number.

    channel_weights : sequence of float, optional
        Weights of separate channels in the mean over rows.
    reduction : {"mean", "none"}
        "none": the value of each row, axes in the field's order.
    """

    channel_weights: Sequence[float] | None
    reduction: str


class Layout(NamedTuple):
    """The order in which a field's axes are taken: ``(*elements, *merged, *space)``, see `Rows`."""

    order: tuple[int, ...] | None
    """The axes as they are permuted, a channel that is averaged just before space; None where they stay."""
    averaged: bool
    """Whether the field is averaged over its channels."""
    rows: Rows
    shape: tuple[int, ...]
    """The spatial sizes."""
    channels: int
    """The size of the channel axis, where the field is averaged over it."""
    pooled: tuple[int, ...]
    """The axes that are pooled, counted from the start."""
    inside: Rows | None
    """Rows with the weights of channels, where those belong into a coupled row."""
    moved: int
    """How far behind its place in the field's order the batch was, where it leads."""

    def over_ranks(self, ranks: tuple[str, int] | None, shape: tuple[int, ...]) -> Rows:
        """The rows where the first axis of a prediction of this shape is cut among these processes.

        Raises
        ------
        ValueError
            That axis is none of frames.
        """
        if ranks is None:
            return self.rows
        place = 0 if self.order is None else self.order.index(0)
        axis = place - (len(shape) - len(self.shape) - self.averaged)
        if axis not in self.rows.frames:
            what = "space" if axis >= self.averaged else "channels"
            raise ValueError(
                f"over_ranks: the first axis of prediction must be of frames, which the ranks share out, got shape "
                f"{shape} with {what} there"
            )
        return self.rows._replace(ranks=Ranks(*ranks, axis))

    def arrange(self, x: Array, backend: Backend) -> Array:
        """A field in this layout, at least in float32."""
        xp = backend.namespace(x)
        if self.order is not None:
            x = xp.permute_dims(x, self.order)
        x = lift(x, xp)
        return xp.mean(x, axis=-len(self.shape) - 1) if self.averaged else x

    def restore(self, x: Array, backend: Backend) -> Array:
        """The transpose of `arrange`: a gradient in this layout as one of the field."""
        xp = backend.namespace(x)
        if self.averaged:
            axis = -len(self.shape) - 1
            x = xp.concat([xp.expand_dims(x, axis=axis) / self.channels] * self.channels, axis=axis)
        if self.order is None:
            return x
        return xp.permute_dims(x, tuple([self.order.index(axis) for axis in range(len(self.order))]))


class Axes(NamedTuple):
    """What the axes of a field are, counted from the start."""

    spatial: tuple[int, ...]
    channel: int | None
    frames: tuple[int, ...]
    """All others; the first of them is the batch."""


def axes_of(
    shape: Sequence[int], spatial_axes: int | Sequence[int], channel_axis: ChannelAxis = "auto", name: str = "field"
) -> Axes:
    """Tell the axes of a field of this shape apart, or refuse what does not fit it."""
    ndim, shape = len(shape), tuple(shape)
    spatial = _spatial_axes(spatial_axes, ndim, name, shape)
    channel = _channel_axis(channel_axis, spatial, ndim, name, shape)
    return Axes(spatial, channel, tuple([a for a in range(ndim) if a not in spatial and a != channel]))


def lay_out(x: Array, name: str, options: Any, coupled: bool) -> Layout:
    """Check what options say of a field's axes.

    Parameters
    ----------
    x, name
        The field and what messages call it.
    options
        Has the attributes of `FieldOptions`.
    coupled : bool
        Whether a row is a whole batch element rather than one frame of one channel.
    """
    shape, ndim = tuple(x.shape), len(x.shape)
    check_choice("channels", options.channels, CHANNELS)
    check_choice("reduction", options.reduction, REDUCTIONS)
    spatial, channel, frames = axes_of(shape, options.spatial_axes, options.channel_axis, name)
    pooled = _pooled(options.pool, frames, spatial, channel, ndim, name, shape)
    mean = options.channels == "mean" and channel is not None
    summed = [channel] if options.channels == "sum" and channel is not None else []
    lead = [a for a in range(ndim) if a not in spatial and not (mean and a == channel)]
    if coupled:
        elements = [a for a in frames[:1] if a not in pooled]
    else:
        elements = [a for a in lead if a not in pooled and a not in summed]
    taken = elements + [a for a in lead if a not in elements]

    def places(axes: Sequence[int]) -> tuple[int, ...]:
        return tuple([taken.index(axis) - len(taken) for axis in axes])

    rows = Rows(
        len(elements),
        places(pooled),
        places(summed),
        places(frames),
        _channel_weights(options, channel, shape),
        0 if channel is None or mean else taken.index(channel) - len(taken),
        options.reduction,
    )
    order = (*taken, *([channel] if mean else []), *spatial)
    result = [a for a in taken if a not in pooled and a not in summed]
    return Layout(
        None if order == tuple(range(ndim)) else order,  # type: ignore[arg-type]
        mean,
        rows._replace(weights=None) if coupled else rows,
        # operator.index makes plain ints of the sizes, also where torch.compile would keep them symbolic.
        tuple([operator.index(shape[a]) for a in spatial]),
        operator.index(shape[channel]) if mean and channel is not None else 1,
        tuple(pooled),
        rows if coupled and rows.weights else None,
        sorted(result).index(elements[0]) if coupled and elements else 0,
    )


def _channel_axis(
    axis: ChannelAxis, spatial: tuple[int, ...], ndim: int, name: str, shape: tuple[int, ...]
) -> int | None:
    if axis is None:
        return None
    if isinstance(axis, str):
        if axis != "auto":
            raise ValueError(f"channel_axis must be an axis, None or 'auto', got {axis!r}")
        first, last = min(spatial), max(spatial)
        adjacent = last - first == len(spatial) - 1
        if adjacent and last == ndim - 2 and (len(spatial) > 1 or ndim == 3):
            return ndim - 1
        return first - 1 if first else None
    resolved = _axis(axis, ndim, "channel_axis", name, shape)
    if resolved in spatial:
        raise ValueError(f"channel_axis {axis} is also one of the spatial axes {tuple(spatial)}")
    return resolved


def _spatial_axes(axes: int | Sequence[int], ndim: int, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    given = (axes,) if isinstance(axes, Integral) else items("spatial_axes", axes, "integers, one to three of them")
    if not 1 <= len(given) <= 3:
        raise ValueError(f"spatial_axes must name one, two or three axes, got {given}")
    resolved = tuple([_axis(a, ndim, "spatial_axes", name, shape) for a in given])
    if len(set(resolved)) < len(resolved):
        raise ValueError(f"spatial_axes must not repeat an axis, got {given} for {ndim} dimensions")
    return resolved


def _pooled(
    pool: Pool,
    frames: tuple[int, ...],
    spatial: tuple[int, ...],
    channel: int | None,
    ndim: int,
    name: str,
    shape: tuple[int, ...],
) -> list[int]:
    if pool is None:
        return []
    if isinstance(pool, str):
        if pool != "frames":
            raise ValueError(f"pool must be None, an axis, several or 'frames', got {pool!r}")
        if not frames:
            also = "" if channel is None else f" and channel {channel} (channel_axis=None makes that one a frame axis)"
            raise ValueError(f"pool: {name} of shape {shape} has no frame axis: its axes are space {spatial}{also}")
        return list(frames)
    given = (pool,) if isinstance(pool, Integral) else items("pool", pool, "None, an axis, several or 'frames'")
    resolved = sorted({_axis(a, ndim, "pool", name, shape) for a in given})
    for axis in resolved:
        if axis in spatial:
            raise ValueError(f"pool must name frame axes, got {pool!r}: axis {axis} is a spatial axis")
        if axis == channel:
            raise ValueError(
                f"pool must name frame axes, got {pool!r}: axis {axis} is the channel axis "
                '(channels="sum" sums over it, channel_axis=None makes it a frame axis)'
            )
    return resolved


def _channel_weights(options: Any, channel: int | None, shape: tuple[int, ...]) -> tuple[float, ...] | None:
    """The weights, of mean 1."""
    given = options.channel_weights
    if given is None:
        return None
    if options.channels != "separate":
        raise ValueError(f'channel_weights are for channels="separate", got channels={options.channels!r}')
    if options.reduction != "mean":
        raise ValueError(f'channel_weights are for reduction="mean", got reduction={options.reduction!r}')
    if channel is None:
        raise ValueError(f"channel_weights need a channel axis, of which shape {shape} has none: set channel_axis")
    weights = check_weights("channel_weights", given)
    if len(weights) != shape[channel]:
        raise ValueError(f"channel_weights must have one weight per channel ({shape[channel]}), got {len(weights)}")
    mean = sum(weights) / len(weights)
    return tuple([weight / mean for weight in weights])


def check_weights(argument: str, given: Sequence[float]) -> tuple[float, ...]:
    """Weights of at least 0, not all of them 0."""
    weights = tuple([number(argument, weight) for weight in items(argument, given, "a sequence of numbers")])
    if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        raise ValueError(f"{argument} must be finite, at least 0 and not all 0, got {weights}")
    return weights


def _axis(axis: Any, ndim: int, argument: str, name: str, shape: tuple[int, ...]) -> int:
    if isinstance(axis, bool) or not isinstance(axis, Integral):
        raise TypeError(f"{argument} must be integers, got {axis!r}")
    if not -ndim <= operator.index(axis) < ndim:
        raise ValueError(f"{argument}: axis {axis} is out of range for {name} of shape {shape} ({ndim} dimensions)")
    return operator.index(axis) % ndim
