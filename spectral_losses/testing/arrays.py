"""Strategies of fields and options, float64 references, and the conformance check of backends."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import spectral_losses as sl
from spectral_losses.transforms.quadrature import area_weights, colatitudes
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

__all__ = [
    "Problem",
    "check_backend",
    "fields",
    "problems",
    "reference_field_error",
    "reference_spectrum",
    "reference_spectrum_error",
    "spatial_shapes",
    "spectrum_options",
]

Floats = NDArray[Any]


class Problem(NamedTuple):
    """Two fields of one shape and options that fit them."""

    prediction: Floats
    target: Floats
    options: dict[str, Any]


def spatial_shapes(ndim: int | None = None, *, largest: int = 13) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw the sizes of one to three spatial axes from 2 up: unequal, odd and prime ones among them."""
    if ndim is None:
        return st.integers(1, 3).flatmap(lambda d: spatial_shapes(d, largest=largest))
    top = largest if ndim < 3 else max(2, largest // 2)
    return st.tuples(*[st.integers(2, top)] * ndim)


@st.composite
def fields(
    draw: st.DrawFn, shape: tuple[int, ...], *, ndim: int = 2, dtype: str | None = None, silent: bool = True
) -> Floats:
    """Draw a field of a shape whose last ndim axes are space.

    White and steep spectra, with and without a large mean, of amplitudes from 1e-3 to 1e3; with ``silent``
    also fields that are constant or zero.
    """
    kinds = ["white", "steep", "offset"] + (["constant", "zero"] if silent else [])
    kind, seed = draw(st.sampled_from(kinds)), draw(st.integers(0, 2**32 - 1))
    amplitude = 10.0 ** draw(st.integers(-3, 3))
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    if kind == "steep":
        axes = tuple(range(-ndim, 0))
        k = np.sqrt(sum(np.square(i) for i in np.meshgrid(*_wavenumbers(shape[-ndim:]), indexing="ij")))
        x = np.fft.ifftn(np.fft.fftn(x, axes=axes) * np.maximum(k, 1.0) ** -2.0, axes=axes).real
    if kind == "constant":
        x = np.ones(shape)
    if kind == "offset":
        x += 100.0
    if kind == "zero":
        x *= 0.0
    return (amplitude * x).astype(dtype or draw(st.sampled_from(["float32", "float64"])))


@st.composite
def spectrum_options(draw: st.DrawFn, shape: tuple[int, ...]) -> dict[str, Any]:
    """Draw options of `radial_spectrum` that a field with these spatial sizes accepts."""
    options: dict[str, Any] = {"channels": draw(st.sampled_from(["separate", "sum", "mean"]))}
    top = min(shape) // 2
    if draw(st.booleans()):  # boxes whose cells are alike, so that the shortest axis is the coarsest
        cell = draw(st.floats(0.1, 10))
        options["lengths"] = tuple(cell * n for n in shape)
        unit = 2 * math.pi / (cell * min(shape))
    else:
        unit = 1.0
    edges = st.lists(st.integers(0, top), min_size=2, max_size=6, unique=True).map(
        lambda marks: [(m + 0.5) * unit for m in sorted(marks)]
    )
    options["bins"] = draw(st.one_of(st.just("unit"), st.just("log"), st.integers(1, top), edges))
    options["window"] = draw(
        st.one_of(
            st.none(),
            st.just("hann"),
            st.tuples(*[st.sampled_from([None, "hamming", "blackman"])] * len(shape)),
        )
    )
    options["detrend"] = draw(st.sampled_from([None, "constant", "linear"]))
    return options


@st.composite
def problems(draw: st.DrawFn, *, dtype: str | None = None, silent: bool = True, plain: bool = False) -> Problem:
    """Draw a `Problem`: 1-D to 3-D, any layout of the axes; ``plain`` keeps space last and the defaults."""
    shape = draw(spatial_shapes())
    lead = draw(st.lists(st.integers(1, 3), min_size=0, max_size=2))
    full = (*lead, *shape)
    dtype = dtype or draw(st.sampled_from(["float32", "float64"]))
    strategy = fields(full, ndim=len(shape), dtype=dtype, silent=silent)
    prediction, target = draw(strategy), draw(strategy)
    axes = tuple(range(-len(shape), 0))
    if plain:
        return Problem(prediction, target, {"spatial_axes": axes})
    # Positions that the axes move to; the options then say where they went.
    order = draw(st.permutations(range(len(full))))
    where = [order.index(a) for a in range(len(full))]
    channel = draw(st.sampled_from([None, *range(len(lead))]))
    options = draw(spectrum_options(shape))
    options["spatial_axes"] = tuple(where[len(lead) :])
    options["channel_axis"] = None if channel is None else where[channel]
    return Problem(prediction.transpose(order), target.transpose(order), options)


def reference_spectrum(
    field: Floats,
    *,
    spatial_axes: tuple[int, ...] = (-2, -1),
    channel_axis: int | str | None = "auto",
    channels: str = "separate",
    bins: Any = "unit",
    lengths: tuple[float, ...] | None = None,
    window: Any = None,
    detrend: str | None = None,
) -> Floats:
    """Power of `radial_spectrum` by brute force: float64, full plane, one shell after the other.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.random.default_rng(0).normal(size=(3, 7, 10))
    >>> bool(np.allclose(reference_spectrum(x), sl.radial_spectrum(x).power, rtol=1e-10))
    True
    """
    x = np.asarray(field, dtype=np.float64)
    spatial, channel, _ = _axes(x.ndim, spatial_axes=spatial_axes, channel_axis=channel_axis)
    others = [a for a in range(x.ndim) if a not in spatial]
    x = x.transpose(*others, *spatial)
    if channel is not None:
        channel = others.index(channel)
        if channels == "mean":
            x = x.mean(axis=channel)
    d, shape = len(spatial), x.shape[-len(spatial) :]
    x = _tapered(x, shape, window, detrend)
    power = np.abs(np.fft.fftn(x, axes=range(-d, 0))) ** 2
    if channel is not None and channels == "sum":
        power = power.sum(axis=channel)
    steps = [1.0] * d if lengths is None else [2 * np.pi / length for length in lengths]
    k = np.sqrt(
        sum(np.square(s * i) for s, i in zip(steps, np.meshgrid(*_wavenumbers(shape), indexing="ij"), strict=True))
    )
    edges = _reference_edges(shape, steps, bins)
    result = np.empty((*power.shape[: power.ndim - d], len(edges) - 1))
    for b, (lo, hi) in enumerate(itertools.pairwise(edges)):
        inside = (k > lo * (1 + 1e-12)) & (k <= hi * (1 + 1e-12))
        measure = {1: 2 * (hi - lo), 2: np.pi * (hi**2 - lo**2), 3: 4 / 3 * np.pi * (hi**3 - lo**3)}[d]
        result[..., b] = power[..., inside].mean(axis=-1) * measure
    return result


def reference_spectrum_error(prediction: Floats, target: Floats, *, eps: float = 1e-10, **options: Any) -> float:
    """`spectrum_error` by brute force in float64, one batch element after the other."""
    log_p = np.log(reference_spectrum(prediction, **options) + eps)
    log_t = np.log(reference_spectrum(target, **options) + eps)
    batch = _batch_axis(prediction.ndim, **options)
    if batch is None:
        log_p, log_t, batch = log_p[None], log_t[None], 0
    errors = [
        np.mean((p - t) ** 2) / (np.mean(t**2) + eps)
        for p, t in zip(np.moveaxis(log_p, batch, 0), np.moveaxis(log_t, batch, 0), strict=True)
    ]
    return float(np.mean(errors))


def reference_field_error(
    prediction: Floats,
    target: Floats,
    *,
    spatial_axes: tuple[int, ...] = (-2, -1),
    channel_axis: int | str | None = "auto",
    mask: NDArray[Any] | None = None,
    eps: float = 1e-8,
) -> float:
    """`field_error` by brute force in float64, one frame after the other.

    A mask is of the spatial shape, or of that of the fields.
    """
    p, t = (np.asarray(x, dtype=np.float64) for x in (prediction, target))
    spatial, channel, _ = _axes(p.ndim, spatial_axes=spatial_axes, channel_axis=channel_axis)
    ends = range(-len(spatial), 0)
    whole = np.ones(p.shape) if mask is None or mask.ndim < p.ndim else np.asarray(mask, dtype=np.float64)
    p, t, whole = (np.moveaxis(x, spatial, ends) for x in (p, t, whole))
    if mask is not None and mask.ndim < p.ndim:
        whole = whole * np.asarray(mask, dtype=np.float64)
    lead = p.shape[: p.ndim - len(spatial)]
    error, power = np.empty(lead), np.empty(lead)
    for i in np.ndindex(*lead):
        inside = whole[i] > 0
        error[i] = np.average((p[i][inside] - t[i][inside]) ** 2, weights=whole[i][inside])
        power[i] = np.average(t[i][inside] ** 2, weights=whole[i][inside])
    others = [axis for axis in range(np.ndim(prediction)) if axis not in spatial]
    frames = tuple(i for i, axis in enumerate(others) if axis != channel)
    level = np.where(np.isfinite(power), power, np.nan)
    delta = eps * (np.nanmean(level, axis=frames, keepdims=True) if frames else level)
    return float(np.mean(error / (power + delta + np.finfo(np.float64).tiny)))


def check_backend(
    asarray: Callable[[Floats], Array],
    *,
    to_numpy: Callable[[Array], Floats] = np.asarray,
    gradient: Callable[[Callable[[Array], Array], Array], Array] | None = None,
    tolerances: Mapping[str, float] | None = None,
    max_examples: int = 30,
) -> None:
    """Check everything that the library asks of a backend, on problems drawn by hypothesis.

    Parameters
    ----------
    asarray : callable
        A NumPy array to an array of the framework, of the same dtype.
    to_numpy : callable
        The way back.
    gradient : callable, optional
        ``gradient(f, x)``: the gradient at x of a function that returns a 0-d array. Checked against finite
        differences of float64 fields, as what `value_and_grad` gives always is.
    tolerances : mapping, optional
        Relative tolerance per dtype name; default ``{"float32": 1e-5, "float64": 1e-10}``. A framework
        without one of these dtypes leaves it out.
    max_examples : int
        Problems per check.

    Raises
    ------
    AssertionError
        With the falsifying problem that hypothesis found.
    """
    tolerances = {"float32": 1e-5, "float64": 1e-10} if tolerances is None else tolerances
    run = settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    dtypes = st.sampled_from(sorted(tolerances))

    @run
    @given(dtypes.flatmap(lambda dtype: problems(dtype=dtype, silent=False)))
    def values(problem: Problem) -> None:
        p, t = asarray(problem.prediction), asarray(problem.target)
        tolerance = tolerances[problem.target.dtype.name]
        spectrum = sl.radial_spectrum(p, **problem.options)
        _same_kind(spectrum.power, p)
        power = reference_spectrum(problem.prediction, **problem.options)
        # Rounding in a transform is relative to the largest mode, in a trend to the field itself.
        x = problem.prediction.astype(np.float64)
        floor = tolerance * float(np.max(power)) + tolerance**2 * x.size * float(np.sum(x**2))
        np.testing.assert_allclose(to_numpy(spectrum.power), power, rtol=tolerance, atol=floor)
        axes = problem.options["spatial_axes"]
        error = sl.field_error(p, t, spatial_axes=axes)
        assert tuple(error.shape) == (), f"field_error returned shape {error.shape}, not a 0-d array"
        _same_kind(error, p)
        expected = reference_field_error(problem.prediction, problem.target, spatial_axes=axes)
        np.testing.assert_allclose(float(to_numpy(error)), expected, rtol=tolerance)
        error = sl.spectrum_error(p, t, **problem.options)
        assert tuple(error.shape) == (), f"spectrum_error returned shape {error.shape}, not a 0-d array"
        _same_kind(error, p)
        floats = sl.evaluate(p, t, **problem.options)
        assert all(type(value) is float for value in floats.values()), f"evaluate returned {floats}"

    @run
    @given(problems(dtype=max(tolerances), silent=False, plain=True), st.integers(0, 2**32 - 1))
    def masked(problem: Problem, seed: int) -> None:
        axes = problem.options["spatial_axes"]
        mask = np.random.default_rng(seed).random(problem.target.shape[-len(axes) :]) < 0.7
        mask.flat[0] = True
        spoiled = np.where(mask, problem.prediction, np.nan).astype(problem.prediction.dtype)
        error = sl.field_error(asarray(spoiled), asarray(problem.target), spatial_axes=axes, mask=asarray(mask))
        expected = reference_field_error(problem.prediction, problem.target, spatial_axes=axes, mask=mask)
        np.testing.assert_allclose(float(to_numpy(error)), expected, rtol=tolerances[max(tolerances)])

    @run
    @given(problems(dtype=max(tolerances), silent=False))
    def not_finite(problem: Problem) -> None:
        bad = problem.prediction.copy()
        bad.flat[-1] = np.nan
        for name, value in sl.evaluate(asarray(bad), asarray(problem.target), **problem.options).items():
            assert not math.isfinite(value), f"{name} made {value} out of a NaN"

    @run
    @given(problems(dtype="float64", silent=False), st.integers(0, 2**32 - 1))
    def gradients(problem: Problem, seed: int) -> None:
        t = asarray(problem.target)
        direction = np.random.default_rng(seed).normal(size=problem.target.shape)
        for loss, options in (
            (sl.spectrum_error, problem.options),
            (sl.field_error, {"spatial_axes": problem.options["spatial_axes"]}),
        ):
            x = problem.target + 0.3 * np.std(problem.target) * direction[::-1]
            found = [sl.value_and_grad(loss, **options)(asarray(x), t)[1]]
            if gradient is not None:
                found.append(gradient(lambda p: loss(p, t, **options), asarray(x)))  # noqa: B023
            h = 1e-5 * float(np.std(problem.target))
            ahead, behind = (float(to_numpy(loss(asarray(x + s * h * direction), t, **options))) for s in (1, -1))
            expected = (ahead - behind) / (2 * h)
            noise = 1e-14 * max(abs(ahead), abs(behind)) / h
            for each in found:
                slope = np.sum(to_numpy(each) * direction)
                np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=10 * noise + 1e-12)

    def sphere(dtype: str, grid: str = "equiangular", shape: tuple[int, int] = (7, 9)) -> None:
        given = sl.Sphere(grid, degrees=3)
        x, t, direction = np.random.default_rng(0).normal(size=(3, 2, 2, *shape))
        field = asarray(x.astype(dtype))
        power = sl.radial_spectrum(field, grid=given).power
        _same_kind(power, field)
        expected = _degree_powers(x.astype(dtype).astype(np.float64), grid, 3)
        np.testing.assert_allclose(to_numpy(power), expected, rtol=10 * tolerances[dtype])
        if dtype != "float64":
            return
        loss, h = sl.log_spectral_distance, 1e-6
        gradient = sl.value_and_grad(loss, grid=given)(field, asarray(t))[1]
        ahead, behind = (float(to_numpy(loss(asarray(x + s * h * direction), asarray(t), grid=given))) for s in (1, -1))
        slope = np.sum(to_numpy(gradient) * direction)
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * h), rtol=1e-4, atol=1e-6)

    def filled(dtype: str) -> None:
        rng = np.random.default_rng(0)
        x, mask = rng.normal(size=(2, 2, 7, 10)), rng.random((7, 10)) < 0.7
        field = asarray(np.where(mask, x, np.nan).astype(dtype))
        for fill in ("mean", "smooth"):
            power = sl.radial_spectrum(field, mask=asarray(mask), fill=fill).power
            _same_kind(power, field)
            exact = sl.radial_spectrum(x, mask=mask, fill=fill).power  # NumPy's, which its tests hold against loops
            np.testing.assert_allclose(to_numpy(power), exact, rtol=10 * tolerances[dtype])

    values()
    if "float64" in tolerances:
        gradients()
    masked()
    for dtype in tolerances:
        sphere(dtype)
        filled(dtype)
    not_finite()


def _degree_powers(x: Floats, grid: str, highest: int) -> Floats:
    """Power of degrees 1 to the highest on the sphere, by the definition of each harmonic."""
    latitudes, longitudes = x.shape[-2:]
    angle, around = colatitudes(grid, latitudes), np.arange(longitudes) * 2 * np.pi / longitudes
    power = np.zeros((*x.shape[:-2], highest))
    for degree in range(1, highest + 1):
        polynomial = np.polynomial.legendre.Legendre.basis(degree)
        for order in range(degree + 1):
            size = (2 * degree + 1) * math.factorial(degree - order) / math.factorial(degree + order)
            along = (polynomial.deriv(order) if order else polynomial)(np.cos(angle)) * np.sin(angle) ** order
            weights = math.sqrt(size) * along * area_weights(grid, latitudes) / longitudes
            found = np.einsum("j,...jk,k", weights, x, np.exp(-1j * order * around))
            power[..., degree - 1] += (2 if order else 1) * np.abs(found) ** 2
    return power


def _same_kind(result: Array, given: Array) -> None:
    """The result must be of the framework and the dtype that went in."""
    assert backend_of(result, "result") is backend_of(given, "given"), f"{type(given)} became {type(result)}"
    assert result.dtype == given.dtype, f"{given.dtype} became {result.dtype}"


def _wavenumbers(shape: tuple[int, ...]) -> list[Floats]:
    return [np.fft.fftfreq(n) * n for n in shape]


def _batch_axis(ndim: int, **options: Any) -> int | None:
    """Index of the batch axis in the reference power, None where there is none."""
    spatial, channel, frames = _axes(ndim, **options)
    if not frames:
        return None
    keeps = options.get("channels", "separate") == "separate"
    left = [a for a in range(ndim) if a not in spatial and (keeps or a != channel)]
    return left.index(frames[0])


def _axes(ndim: int, **options: Any) -> tuple[list[int], int | None, list[int]]:
    """Space, channel and frames, as the specification tells them apart."""
    given = options.get("spatial_axes", (-2, -1))
    spatial = [a % ndim for a in ([given] if isinstance(given, int) else given)]
    channel = options.get("channel_axis", "auto")
    if channel == "auto":
        behind = max(spatial) + 1
        adjacent = behind - min(spatial) == len(spatial)
        if adjacent and behind == ndim - 1 and (len(spatial) > 1 or ndim == 3):
            channel = behind
        else:
            channel = min(spatial) - 1 if min(spatial) > 0 else None
    channel = None if channel is None else channel % ndim
    return spatial, channel, [a for a in range(ndim) if a not in spatial and a != channel]


def _tapered(x: Floats, shape: tuple[int, ...], window: Any, detrend: str | None) -> Floats:
    """Least squares over all points for the trend, scipy-style periodic windows by their cosine sums."""
    points: list[Floats] = [np.ones(shape).ravel()]
    if detrend == "linear":
        points += [axis.ravel() for axis in np.meshgrid(*map(np.arange, shape), indexing="ij")]
    if detrend is not None:
        flat = x.reshape(-1, math.prod(shape))
        basis = np.stack(points, axis=1).astype(np.float64)
        fit = np.linalg.lstsq(basis, flat.T, rcond=None)[0]
        x = (flat.T - basis @ fit).T.reshape(x.shape)
    names = [window] * len(shape) if window is None or isinstance(window, str) else list(window)
    formulas = {
        "hann": lambda c: 0.5 - 0.5 * c,
        "hamming": lambda c: 0.54 - 0.46 * c,
        "blackman": lambda c: 0.42 - 0.5 * c + 0.08 * (2 * c**2 - 1),
    }
    for axis, (n, name) in enumerate(zip(shape, names, strict=True)):
        if name is not None:
            w = formulas[name](np.cos(2 * np.pi * np.arange(n) / n))
            w = w / np.sqrt(np.mean(w**2))
            x = x * w.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return x


def _reference_edges(shape: tuple[int, ...], steps: list[float], bins: Any) -> list[float]:
    if not isinstance(bins, str | int) and not isinstance(bins[0], str):
        return [float(edge) for edge in bins]
    dk = max(steps)
    top = math.floor(min(n / 2 * step for n, step in zip(shape, steps, strict=True)) / dk + 1e-9)
    low, high = dk / 2, (top + 0.5) * dk
    if bins == "unit":
        return [(m + 0.5) * dk for m in range(top + 1)]
    if isinstance(bins, int):
        return [low + (high - low) * i / bins for i in range(bins + 1)]
    number = math.floor(math.log2(high / low)) if bins == "log" else bins[1]
    return [low * (high / low) ** (i / number) for i in range(number + 1)]
