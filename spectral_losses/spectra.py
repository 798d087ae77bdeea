"""Radial power spectra: an array of fields in, a `Spectrum` out."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from spectral_losses._dispatch import Array, Misfit, record
from spectral_losses._fields import ChannelAxis, Field, as_field, check_pair, check_same_home, plain_float
from spectral_losses._grid import Bins, Grid
from spectral_losses._taper import Detrend, Taper, Window, apply_taper, as_taper

__all__ = ["Spectrum", "radial_spectrum"]

CHANNELS = ("separate", "sum", "mean")


@record(arrays=("wavenumber", "power", "edges", "counts"), static=("layout",))
@dataclass(frozen=True, eq=False)
class Spectrum:
    """A radial power spectrum; unpacks as ``wavenumber, power, edges, counts = spectrum``.

    Attributes
    ----------
    wavenumber : array, shape (shells,)
        Shell centres, in index units or, where ``lengths`` were given, in radians per unit length.
    power : array, shape (..., shells)
        Power of each shell; the axes of the field that are not space, in their order, then the shells.
    edges : array, shape (shells + 1,)
        Shell b is ``(edges[b], edges[b + 1]]``.
    counts : array, shape (shells,)
        Modes of the full plane in each shell, as floats of power's dtype.
    layout : tuple
        The grid and the options that it was computed with. A spectrum may stand for a target only where
        these are the same.

    Notes
    -----
    All arrays are of the field's framework, dtype and device. The class passes through ``jax.jit``,
    ``jax.vmap``, ``torch.vmap`` and ``torch.compile``; ``dataclasses.replace(spectrum, power=...)`` makes one
    with other frames, such as a batch out of a stored data set.
    """

    wavenumber: Array
    power: Array
    edges: Array
    counts: Array
    layout: tuple[object, ...] = field(default=(), repr=False)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.wavenumber, self.power, self.edges, self.counts))


class SpectrumOptions(NamedTuple):
    """The options of `radial_spectrum`, as every loss over spectra takes them."""

    spatial_axes: int | Sequence[int] = (-2, -1)
    channel_axis: ChannelAxis = "auto"
    channels: str = "separate"
    bins: str | int | Sequence[float] | tuple[str, int] = "unit"
    lengths: float | Sequence[float] | None = None
    window: Window = None
    detrend: Detrend = None


def radial_spectrum(
    field: Array,
    *,
    spatial_axes: int | Sequence[int] = (-2, -1),
    channel_axis: ChannelAxis = "auto",
    channels: str = "separate",
    bins: str | int | Sequence[float] | tuple[str, int] = "unit",
    lengths: float | Sequence[float] | None = None,
    window: Window = None,
    detrend: Detrend = None,
) -> Spectrum:
    r"""Power spectrum over shells of the wavenumber, in one, two or three dimensions.

    .. math:: P_b = m_b \, \langle |F|^2 \rangle_{k \in (lo_b, hi_b]}, \qquad F = \mathrm{rfftn}(x)

    The mean runs over all modes of the full plane in the shell, ``F`` is not normalised, and the measure
    ``m_b`` is the shell's length ``2 (hi - lo)``, area ``pi (hi^2 - lo^2)`` or volume
    ``4/3 pi (hi^3 - lo^3)``.

    Parameters
    ----------
    field : array, real floating
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes : int or tuple of one to three ints
        The periodic, uniformly sampled axes; each has at least 2 points.
    channel_axis : int, None or "auto"
        The axis of components. "auto" is the axis just before the first spatial axis, or None where there is
        none. All other axes are frames.
    channels : {"separate", "sum", "mean"}
        "separate": one spectrum per channel. "sum": ``|F|^2`` summed over channels, so that half of it is a
        kinetic-energy spectrum for velocities. "mean": the *field* is averaged over channels before
        the transform. Components can cancel in that mean (the spectrum of ``[u, -u]`` is zero): it is there to
        reproduce published numbers.
    bins : "unit", "log", int, ("log", int) or sequence of floats
        "unit": one shell around each multiple of the grid's wavenumber step, up to the least Nyquist
        wavenumber. An int: so many shells of equal width over that range. "log": shells of equal ratio over
        that range, about an octave each; ("log", n): n of them. A sequence: increasing edges, at least 0, in
        the units of the wavenumber. Shells are open below and closed above.
    lengths : float or sequence of float, optional
        Box length along each spatial axis. Wavenumbers are then ``2 pi m / L``, in radians per unit length,
        and unit shells are as wide as the coarsest axis resolves, ``max(2 pi / L)``. By default wavenumbers
        are counted in index units: ``m`` waves across the box.
    window : str or sequence of (str or None), optional
        "hann", "hamming" or "blackman", for every spatial axis or one per axis, normalised to keep the mean
        power of white noise. For domains that are not periodic.
    detrend : {"constant", "linear"}, optional
        Subtract the mean, or the plane of least squares, before windowing.

    Returns
    -------
    Spectrum
        ``wavenumber``, ``power``, ``edges``, ``counts``: arrays of the field's framework, dtype and device.

    Raises
    ------
    TypeError
        Not an array, or not real floating.
    ValueError
        An axis out of range, repeated, or both space and channel; a spatial axis too short to hold one shell;
        a shell that holds no mode; an option that is not one of those above.

    Notes
    -----
    Parseval: ``sum(power / measure * counts)``, plus the mean mode and the corner modes outside the last
    shell, is ``N^2 <x^2>`` for N points.

    References
    ----------
    Pope, S. B., Turbulent Flows, Cambridge University Press 2000, section 6.5.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    >>> wave = np.sin(4 * x) * np.ones((16, 1))
    >>> k, power, edges, counts = sl.radial_spectrum(wave)
    >>> float(k[np.argmax(power)]), power.shape
    (4.0, (8,))
    """
    options = SpectrumOptions(spatial_axes, channel_axis, channels, bins, lengths, window, detrend)
    plan = plan_of(field, "field", options)
    return plan.spectrum(plan.power())


class Pair(NamedTuple):
    """A prediction and its target, checked and ready for `Backend.misfit`."""

    plan: _Plan
    x: Array  # the prediction as it is transformed, batch first
    y: Array | None  # the target likewise, or None where its powers are known
    known: Array | None
    of: Misfit

    def misfit(self) -> Array:
        """The scalar."""
        return self.plan.field.backend.misfit(self.x, self.y, self.known, self.plan.grid, self.of)

    def misfit_and_gradient(self) -> tuple[Array, Array]:
        """The scalar, and its gradient with respect to ``plan.ready()``."""
        backend = self.plan.field.backend
        value, gradient = backend.misfit_and_gradient(self.x, self.y, self.known, self.plan.grid, self.of)
        return value, self.plan.unbatched(gradient)


def pair_of(prediction: Array, target: Array | Spectrum, options: SpectrumOptions, of: Misfit) -> Pair:
    """Check a prediction and its target, a field or its `Spectrum`, before anything is computed."""
    plan = plan_of(prediction, "prediction", options)
    if plan.summed() is not None:
        of = _OfChannelSum(of, plan.summed(), isinstance(target, Spectrum))
    if isinstance(target, Spectrum):
        _check_stored(prediction, target, plan)
        xp = plan.field.backend.namespace(target.power)
        return Pair(plan, plan.batched(), None, _batch_first(target.power, plan.batch(), xp), of)
    check_pair(prediction, target)
    return Pair(plan, plan.batched(), plan_of(target, "target", options).batched(), None, of)


def _check_stored(prediction: Array, target: Spectrum, plan: _Plan) -> None:
    check_same_home("prediction", prediction, "target", target.power)
    expected = (*plan.frames(), target.wavenumber.shape[-1])
    if target.layout != plan.layout():
        raise ValueError(
            "target: this spectrum was computed on another grid or with other options: "
            f"{target.layout}, while the prediction's are {plan.layout()}"
        )
    if tuple(target.power.shape) != expected:
        raise ValueError(
            f"target: this spectrum's power has shape {tuple(target.power.shape)}, the prediction's has {expected}"
        )


class _OfChannelSum(NamedTuple):
    """A misfit of powers summed over the channel axis; those of a stored spectrum are summed already."""

    inner: Misfit
    axis: int | None
    stored: bool

    def errors(self, p: Array, t: Array, xp: Any) -> Array:
        return self.inner.errors(*self._sums(p, t, xp), xp)

    def errors_and_slope(self, p: Array, t: Array, xp: Any) -> tuple[Array, Array]:
        errors, slope = self.inner.errors_and_slope(*self._sums(p, t, xp), xp)
        return errors, xp.broadcast_to(xp.expand_dims(slope, axis=self.axis), p.shape)

    def _sums(self, p: Array, t: Array, xp: Any) -> tuple[Array, Array]:
        return xp.sum(p, axis=self.axis), t if self.stored else xp.sum(t, axis=self.axis)


class _Plan(NamedTuple):
    """A checked field with the grid and options that its spectrum is computed with."""

    field: Field
    grid: Grid
    taper: Taper
    channels: str

    def ready(self) -> Array:
        """The field as it is transformed: channels averaged where that is asked for, detrended, windowed."""
        x, backend = self.field.array, self.field.backend
        if self.channels == "mean" and self.field.channel is not None:
            x = backend.namespace(x).mean(x, axis=self.field.channel)
        return apply_taper(x, self.taper, backend)

    def power(self) -> Array:
        """Shell powers, their axes in the field's order."""
        x, backend = self.ready(), self.field.backend
        power = backend.shell_power(x, self.grid)
        if self.channels == "sum" and self.field.channel is not None:
            power = backend.namespace(x).sum(power, axis=self.field.channel)
        return power

    def spectrum(self, power: Array) -> Spectrum:
        backend = self.field.backend
        centres, edges, counts = (backend.constant(self.grid, name, power) for name in ("centres", "edges", "counts"))
        return Spectrum(centres, power, edges, counts, self.layout())

    def layout(self) -> tuple[object, ...]:
        return (*self.grid, self.channels, *self.taper[1:])

    def frames(self) -> tuple[int, ...]:
        """Shape of the power without its shells."""
        shape = tuple(self.field.array.shape[: -len(self.grid.shape)])
        if self.channels == "separate" or self.field.channel is None:
            return shape
        return shape[: self.field.channel] + shape[self.field.channel + 1 :]

    def batch(self) -> int | None:
        """The batch axis in the power of `Spectrum`."""
        batch, channel = self.field.batch, self.field.channel
        if batch is None or channel is None or channel > batch or self.channels == "separate":
            return batch
        return batch - 1

    def batched(self) -> Array:
        """``ready()`` with the batch first; where there is none, as a batch of one."""
        return _batch_first(self.ready(), self._batch_when_ready(), self.field.backend.namespace(self.field.array))

    def unbatched(self, x: Array) -> Array:
        """Something of the shape of ``batched()`` in that of ``ready()``."""
        batch = self._batch_when_ready()
        if batch is None:
            return x[0, ...]
        return x if batch == 0 else self.field.backend.namespace(x).moveaxis(x, 0, batch)

    def summed(self) -> int | None:
        """The axis that powers are summed over once the batch is first."""
        batch, channel = self.field.batch, self.field.channel
        if self.channels != "sum" or channel is None:
            return None
        return channel if batch is not None and batch < channel else channel + 1

    def _batch_when_ready(self) -> int | None:
        return self.batch() if self.channels == "mean" else self.field.batch


def _batch_first(x: Array, batch: int | None, xp: Any) -> Array:
    if batch is None:
        return xp.expand_dims(x, axis=0)
    return x if batch == 0 else xp.moveaxis(x, batch, 0)


def plan_of(x: Array, name: str, options: SpectrumOptions) -> _Plan:
    """Check a field and everything about its spectrum, before anything is computed."""
    if options.channels not in CHANNELS:
        raise ValueError(f"channels must be one of {', '.join(CHANNELS)}, got {options.channels!r}")
    checked = as_field(x, name, options.spatial_axes, options.channel_axis)
    for axis, n in enumerate(checked.shape):
        if n < 2:
            raise ValueError(
                f"{name}: spatial axis {axis} of {len(checked.shape)} has {n} point, too few to hold one "
                f"shell; it takes at least 2 (shape {tuple(x.shape)})"
            )
    grid = Grid(checked.shape, check_lengths(options.lengths, len(checked.shape)), check_bins(options.bins))
    plan = _Plan(checked, grid, as_taper(checked.shape, options.window, options.detrend), options.channels)
    checked.backend.constant(grid, "scale", checked.array)  # refuses shells without modes
    return plan


def check_lengths(lengths: float | Sequence[float] | None, ndim: int) -> tuple[float, ...] | None:
    """Box lengths, one per spatial axis."""
    if lengths is None:
        return None
    given = (lengths,) * ndim if isinstance(lengths, int | float) else tuple(lengths)
    if len(given) != ndim:
        raise ValueError(f"lengths must have one value per spatial axis ({ndim}), got {given}")
    for length in given:
        if not 0 < length < float("inf"):
            raise ValueError(f"lengths must be finite and positive, got {given}")
    return tuple([plain_float(length) for length in given])


def check_bins(bins: str | int | Sequence[float] | tuple[str, int]) -> Bins:
    """Check bins as far as that goes without the grid, and make them hashable."""
    takes = "bins must be 'unit', 'log', a number of shells, ('log', number) or increasing edges"
    if isinstance(bins, str):
        if bins not in ("unit", "log"):
            raise ValueError(f"{takes}, got {bins!r}")
        return bins
    if isinstance(bins, bool):
        raise TypeError(f"{takes}, got {bins!r}")
    if isinstance(bins, int):
        if bins < 1:
            raise ValueError(f"{takes}, got {bins}")
        return operator.index(bins)
    given = tuple(bins)
    if len(given) == 2 and isinstance(given[0], str):
        name, number = given
        if name != "log" or isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"{takes}, got {given!r}")
        return ("log", operator.index(number))
    edges = tuple([plain_float(edge) for edge in given])  # type: ignore[arg-type]
    rising = len(edges) > 1 and all(lo < hi for lo, hi in zip(edges[:-1], edges[1:], strict=True))  # noqa: RUF007
    if not rising or edges[0] < 0 or edges[-1] == float("inf"):
        raise ValueError(f"{takes} (at least two, finite, from 0 up), got {edges}")
    return edges
