"""What a transform of a field needs to know, worked out once for each shape and set of options."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple, TypedDict, TypeVar, get_args, get_type_hints

import numpy as np

from spectral_losses.fields.filling import FILLS, blank, fill
from spectral_losses.fields.layout import ChannelAxis, FieldOptions, Layout, LayoutOptions, check_weights, lay_out
from spectral_losses.fields.masks import check_mask
from spectral_losses.fields.pairs import lift
from spectral_losses.fields.windows import Conditioning, Detrend, Window, condition, conditioning_of, uncondition
from spectral_losses.messages import check_choice, number, warn_caller
from spectral_losses.spectra.binning import check_bins, check_lengths, check_radial
from spectral_losses.transforms.modes import Modes
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.transforms.plane import Bins, Plane
from spectral_losses.transforms.points import Points
from spectral_losses.transforms.relaxation import Relaxation
from spectral_losses.transforms.sphere import AreaWeights, Harmonics, Sphere
from spectral_losses.transforms.waves import TRANSFORMS
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

Function = TypeVar("Function", bound=Callable[..., Any])


class MaskOptions(TypedDict, total=False):
    """The options of all that takes apart whole fields.

    mask : array, optional
        As in `field_error`: where it is 0, values do not count, and something else stands there.
    fill : {"smooth", "mean"}
        What: see `radial_spectrum`.
    """

    mask: Array | None
    fill: str


class SpectrumOptions(LayoutOptions, MaskOptions, total=False):
    """The options of `radial_spectrum`, where they are explained."""

    bins: str | int | Sequence[float] | tuple[str, int] | Sectors | Cylinders
    lengths: float | Sequence[float] | None
    window: Window
    detrend: Detrend
    grid: Sphere | None
    transform: str


class PointOptions(FieldOptions, total=False):
    """The options of losses of the points themselves.

    grid : Sphere, optional
        Means over space are those over the sphere, each latitude weighed by its area.
    """

    grid: Sphere | None


class LossOptions(FieldOptions, SpectrumOptions, total=False):
    """The options of losses over spectra.

    shell_weights : None, float or sequence of float
        Weights of the shells in the mean over them: one each, or a number g for ``k**g``.
    """

    shell_weights: float | Sequence[float] | None


class ModeOptions(FieldOptions, MaskOptions, total=False):
    """The options of losses over modes one by one."""

    window: Window
    detrend: Detrend
    grid: Sphere | None
    transform: str


class FrameOptions(MaskOptions, total=False):
    """The options of losses that compare frame by frame: `FieldOptions` but for ``pool``."""

    spatial_axes: int | Sequence[int]
    channel_axis: ChannelAxis
    channels: str
    channel_weights: Sequence[float] | None
    reduction: str


class Options(NamedTuple):
    """All of them with their defaults; hashable but for the mask, of which no plan knows."""

    spatial_axes: Any = (-2, -1)
    channel_axis: Any = "auto"
    channels: str = "separate"
    bins: Any = "unit"
    lengths: Any = None
    window: Any = None
    detrend: Any = None
    pool: Any = None
    channel_weights: Any = None
    reduction: str = "mean"
    shell_weights: Any = None
    grid: Any = None
    transform: Any = "fft"
    mask: Any = None
    fill: str = "smooth"


@plain
class ShellWeights(NamedTuple):
    """Weights of shells, of mean 1."""

    basis: Any
    given: Any = None

    def weights(self) -> Any:
        """One for each shell: what is given, times how many shells a bin stands for."""
        weights = np.ones(1)
        if isinstance(self.given, float):
            k = self.basis.magnitudes()
            logs = self.given * np.log(k / k.max())
            weights = np.exp(logs - logs.max())  # of the largest weight, so that no power overflows
        elif self.given is not None:
            check_radial(self.basis.shells, "shell_weights, one per shell,")
            weights, number = np.asarray(self.given), len(self.basis.counts())
            if len(weights) != number:
                raise ValueError(f"shell_weights must have one weight per shell ({number}), got {len(weights)}")
        weights = weights * self.basis.repeats()
        return weights / weights.mean()


def explicit(function: Function) -> Function:
    """Spell out the options of ``**options: Unpack[...]`` in a function's signature, for ``help`` and ``inspect``."""
    own = inspect.signature(function)
    parameters = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    hints = get_type_hints(get_args(get_type_hints(function)["options"])[0])
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in Options._field_defaults.items()
        if name in hints
    ]
    before = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    after = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    function.__signature__ = own.replace(parameters=[*before, *shared, *after])  # type: ignore[attr-defined]
    return function


class Plan(NamedTuple):
    """How fields of one shape are laid out, conditioned and taken apart."""

    layout: Layout
    basis: Any
    conditioning: Conditioning | None
    shell_weights: Any
    fill: str
    """What stands in masked points, where there is a mask."""

    def prepare(self, x: Array, backend: Backend, mask: Array | None = None) -> Array:
        """A field as it is transformed; its mask as `mask_of` gives it."""
        return self.condition(self.filled(self.layout.arrange(x, backend), mask, backend), backend)

    def filled(self, x: Array, mask: Array | None, backend: Backend) -> Array:
        """A field that is laid out, with something in its masked points."""
        if mask is None:
            return x
        seen = backend.to_numpy_if_free(mask)
        if seen is not None and np.all(seen > 0):  # weights, and nothing to fill
            return x
        shape, smooth = self.layout.shape, None
        if self.fill == "smooth":
            on_sphere, edges = isinstance(self.basis, Harmonics), getattr(self.basis, "transform", "fft") == "dct"
            smooth = Relaxation(shape, self.basis.grid, shape[0]) if on_sphere else Relaxation(shape, edges=edges)
        return fill(x, mask, smooth, shape, backend)

    def condition(self, x: Array, backend: Backend) -> Array:
        """Detrend and window a field that is laid out, where that is asked for."""
        return x if self.conditioning is None else condition(x, self.conditioning, backend)

    def restore(self, gradient: Array, backend: Backend, mask: Array | None = None) -> Array:
        """A gradient with respect to what `prepare` returned as one of the field."""
        if self.conditioning is not None:
            gradient = uncondition(gradient, self.conditioning, backend)
        if mask is not None:
            gradient = blank(gradient, mask, backend.namespace(gradient))
        return self.layout.restore(gradient, backend)

    def reported(self, power: Array, backend: Backend) -> Array:
        """What was summed over shells, as it is reported: each merged bin as all that it stands for."""
        if not self.basis.directed:
            return power
        xp = backend.namespace(power)
        if self.basis.unequal:
            power = xp.take(power, backend.constant(self.basis, "parent", power), axis=-1)
        return xp.reshape(power, (*power.shape[:-1], *backend.known(self.basis, "reported")))

    def summed(self, power: Array, backend: Backend) -> Array:
        """What was reported, as it was summed."""
        if not self.basis.directed:
            return power
        xp, shape = backend.namespace(power), backend.known(self.basis, "reported")
        power = xp.reshape(power, (*power.shape[: len(power.shape) - len(shape)], math.prod(shape)))
        return xp.take(power, backend.constant(self.basis, "first", power), axis=-1) if self.basis.unequal else power

    def recorded(self, mask: Array | None = None) -> tuple[object, ...]:
        """The grid and the options that a spectrum is computed with; of a mask, what stands in masked points."""
        conditioning = self.conditioning or conditioning_of(self.layout.shape, None, None)
        filled = () if mask is None else (self.fill,)
        return (*self.basis, self._channels(), *conditioning[1:], *filled, self.layout.pooled)

    def _channels(self) -> str:
        return "mean" if self.layout.averaged else "sum" if self.layout.rows.summed else "separate"


def points(shape: tuple[int, ...], options: Options, backend: Backend) -> Points:
    """The basis of losses without a transform."""
    return Points(shape)


def shells(shape: tuple[int, ...], options: Options, backend: Backend) -> Plane | Harmonics:
    """The basis of losses over shells, of the sphere where that is the grid."""
    if options.grid is not None:
        return degrees(shape, options)
    return Plane(shape, check_lengths(options.lengths, len(shape)), check_bins(options.bins), options.transform)


def degrees(shape: tuple[int, ...], options: Options) -> Harmonics:
    """The basis of losses over degrees of the sphere."""
    bins = check_on_sphere(options.grid, options._asdict())
    basis: Harmonics = options.grid.basis(shape, bins)
    return basis


def check_on_sphere(grid: Sphere, options: Mapping[str, Any]) -> Bins:
    """The bins of degrees, where no option is one of planes."""
    for name in ("lengths", "window", "detrend"):
        if options.get(name) is not None:
            raise ValueError(f"{name} must be None with grid={grid}, got {options[name]!r}")
    if options.get("transform", "fft") != "fft":
        raise ValueError(f'transform must be "fft" with grid={grid}, got {options["transform"]!r}')
    bins = check_bins(options.get("bins", "unit"))
    check_radial(bins, f"degrees of {grid}")
    return bins


def shells_or_modes(shape: tuple[int, ...], options: Options, backend: Backend) -> Plane | Harmonics | Modes:
    """The basis of losses over shells that can be had mode by mode, with ``bins="modes"``, too."""
    if options.bins != "modes":
        return shells(shape, options, backend)
    if options.grid is not None:
        raise ValueError(f'bins="modes" is for the plane, not for grid={options.grid}')
    if options.shell_weights is not None:
        raise ValueError(f'shell_weights are for shells, not for bins="modes", got {options.shell_weights!r}')
    return Modes(shape, options.transform)


def modes(shape: tuple[int, ...], options: Options, backend: Backend) -> Modes:
    """The basis of losses over modes one by one."""
    return Modes(shape, options.transform)


def plan_of(
    x: Array,
    name: str,
    options: Mapping[str, Any],
    backend: Backend,
    *,
    coupled: bool = False,
    over: Callable[..., Any] = shells,
    settings: tuple[Any, ...] = (),
) -> Plan:
    """The plan for a field and options by name, refused where these do not fit it; remembered.

    ``over`` makes the basis of the spatial shape, all options, the backend and the settings.
    """
    given = {option: hashable(value) for option, value in options.items() if option != "mask"}
    if backend.is_tracing():
        return _plan(x, name, given, backend, coupled, over, settings)
    # The text of options, because True and 1 are equal as keys but not as axes.
    key = ("plan", repr(given), tuple(x.shape), coupled, over, settings)
    plan: Plan = backend.cached(key, lambda: _plan(x, name, given, backend, coupled, over, settings))
    return plan


def _plan(
    x: Array,
    name: str,
    given: Mapping[str, Any],
    backend: Backend,
    coupled: bool,
    over: Callable[..., Any],
    settings: tuple[Any, ...],
) -> Plan:
    options = Options(**given)
    layout = lay_out(x, name, options, coupled)
    if "spatial_axes" not in given and not backend.is_tracing():
        _warn_of_a_short_axis(tuple(x.shape), name)
    check_grid(options.grid, layout.shape)
    if over is points:
        return Plan(layout, Points(layout.shape), None, None, "")
    check_choice("fill", options.fill, FILLS)
    shape = layout.shape
    for axis, n in enumerate(shape):
        if n < 2:
            raise ValueError(
                f"{name}: spatial axis {axis} of {len(shape)} has {n} point, too few to hold one "
                f"shell; it takes at least 2 (shape {tuple(x.shape)})"
            )
    check_transform(options)
    basis = over(shape, options, backend, *settings)
    conditioning = conditioning_of(shape, options.window, options.detrend)
    backend.constant(basis, "bin_weight", x)  # refuses shells without modes
    weights = None
    if options.shell_weights is not None or basis.unequal:
        weights = ShellWeights(basis, _shell_weights(options.shell_weights))
        backend.constant(weights, "weights", x)  # refuses another number of them
    periodic = not any(conditioning.windows) and conditioning.detrend is None
    return Plan(layout, basis, None if periodic else conditioning, weights, options.fill)


def mask_of(x: Array, options: Mapping[str, Any], plan: Plan, backend: Backend) -> Array | None:
    """The mask among the options, if there is one, checked, and weighed by area on the sphere."""
    mask = options.get("mask")
    if mask is None:
        return None
    mask, grid = check_mask(mask, x, plan.layout, backend), options.get("grid")
    return mask if grid is None else by_area(mask, AreaWeights(grid.grid, plan.layout.shape), x, backend)


def by_area(mask: Array | None, of: AreaWeights, x: Array, backend: Backend) -> Array:
    """A mask that weighs each point by its area, too."""
    some = x[(slice(0, 1),) * len(x.shape)]
    weights = backend.constant(of, "weights", lift(some, backend.namespace(some)))
    return weights if mask is None else backend.namespace(mask).astype(mask, weights.dtype) * weights


def check_grid(grid: Any, shape: tuple[int, ...]) -> None:
    """Refuse what is no grid, or one of other fields."""
    if grid is None:
        return
    if not isinstance(grid, Sphere):
        raise TypeError(f"grid must be None or a Sphere, got {grid!r}")
    grid.check(shape)


def check_radius(radius: Any, grid: Any, of: str) -> float | None:
    """That of a sphere, as a float; refused where there is none."""
    if radius is None:
        return None
    if grid is None:
        raise ValueError(f"radius is for {of} on a sphere, with grid=Sphere(latitudes), got {radius!r}")
    length = number("radius", radius)
    if not 0 < length < math.inf:
        raise ValueError(f"radius must be finite and positive, got {radius}")
    return length


def check_transform(options: Options) -> None:
    """Refuse another transform than there is, and beside cosines what is for the periodic plane."""
    check_choice("transform", options.transform, TRANSFORMS)
    if options.transform == "fft":
        return
    if options.window is not None:
        raise ValueError(
            f'window must be None with transform="dct", which has no jump at the edges to hide, got {options.window!r}'
        )


def _warn_of_a_short_axis(shape: tuple[int, ...], name: str) -> None:
    """Where nobody said which axes are space, a short axis beside a long one is more likely one of components."""
    sizes, last = shape[-2:], len(shape) - 1
    least, most = min(sizes), max(sizes)
    if most < 16 or (least >= 4 and (least >= 16 or most < 6 * least)):
        return
    short = last if sizes[1] < sizes[0] else last - 1
    if short == last - 1:
        instead = f"spatial_axes={last} for one dimension"
    elif last == 1:
        instead = "spatial_axes=0 for one dimension with channels last"
    else:
        instead = f"spatial_axes={(last - 2, last - 1)} for channels last, or {last - 1} in one dimension"
    warn_caller(
        f"{name} of shape {shape}: axis {short} has {shape[short]} points and is taken for space, as the last two axes "
        f"are; pass spatial_axes={(last - 1, last)} where that is right, {instead}"
    )


def _shell_weights(given: Any) -> Any:
    if given is None:
        return None
    if isinstance(given, bool | str):
        raise TypeError(f"shell_weights must be None, a number or one weight per shell, got {given!r}")
    if isinstance(given, Real):
        exponent = number("shell_weights", given)
        if not abs(exponent) < float("inf"):
            raise ValueError(f"shell_weights must be finite, got {given}")
        return exponent
    return check_weights("shell_weights", given)


def hashable(value: Any) -> Any:
    """A value of an option as plain values and tuples."""
    if isinstance(value, str | int | float | None):
        return value
    if hasattr(value, "tolist"):
        return hashable(value.tolist())
    if hasattr(value, "_fields"):  # a named tuple says what it is
        return type(value)(*(hashable(each) for each in value))
    return tuple([hashable(each) for each in value]) if isinstance(value, list | tuple) else value
