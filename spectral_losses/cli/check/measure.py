"""One framework on one device in one dtype, held against NumPy in float64."""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import spectral_losses as sl
from spectral_losses.cli.check.places import Place
from spectral_losses.losses.registry import all_losses

__all__ = ["Difference", "Row", "checked", "steps", "supports"]

Floats = NDArray[np.float64]

SHAPE = (2, 2, 16, 18)
ROOM = 2**11  # how many times the machine epsilon a result may be off
# Each of the losses as it is, and what takes other ways than they do: a mask, pools, a taper, cosines, harmonics.
VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("field_error", {"mask": None}),
    ("field_error", {"pool": "frames", "channels": "sum"}),
    ("log_spectral_distance", {"pool": "frames"}),
    ("spectrum_error", {"window": "hann", "detrend": "linear"}),
    ("log_spectral_distance", {"transform": "dct"}),
    ("amplitude_error", {"bins": "modes"}),
    ("field_error", {"grid": sl.Sphere("equiangular")}),
    ("log_spectral_distance", {"grid": sl.Sphere("equiangular")}),
)
SMALL = {"wavelet_error": {"levels": 1}}  # more of them make large programs of the same operations
FEW = ("field_error", "spectrum_error", "adjusted_error")  # in half precision, and where one program holds them all
# Weights that depend on the prediction are not differentiated, and differences would see them move.
HELD: dict[str, dict[str, Any]] = {"focal_frequency_error": {"alpha": 0.0}}


class Difference(NamedTuple):
    """How far a result is from what it should be."""

    what: str
    """The loss with its options, and which result of it."""
    got: float
    expected: float
    """Both where they are furthest apart."""
    difference: float
    """Over the largest number that was expected."""
    allowed: float
    error: str | None = None
    """What was raised in place of a result."""

    @property
    def passed(self) -> bool:
        """Whether it is near enough; not so where it is NaN."""
        return self.error is None and self.difference <= self.allowed

    @property
    def share(self) -> float:
        """Of what is allowed."""
        share = self.difference / self.allowed
        return share if math.isfinite(share) else math.inf


class Row(NamedTuple):
    """What came of a place in one dtype."""

    place: Place
    dtype: str
    counts: dict[str, int]
    """How many results of each kind were compared."""
    worst: Difference
    """That with the largest share of what is allowed."""
    failures: tuple[Difference, ...]
    note: str | None
    """What could not be asked for, and why."""
    seconds: float


class _Call(NamedTuple):
    """A loss with its options."""

    name: str
    options: dict[str, Any]

    @property
    def label(self) -> str:
        """As it would be written, near enough."""
        words = [f"{key}={'...' if value is None else repr(value)}" for key, value in self.options.items()]
        return f"{self.name}({', '.join(words)})" if words else self.name


def supports(place: Place, dtype: str) -> bool:
    """Whether there are numbers of this dtype, and they can be added."""
    with place.around():
        try:
            x = place.asarray(np.ones(3), dtype)
            return bool(np.all(place.to_numpy(x + x) == 2))
        except Exception:  # which one a device raises is its own
            return False


def steps(dtype: str) -> int:
    """How often `checked` says that it went on."""
    return len(_calls(dtype)) + 2


def checked(place: Place, dtype: str, advance: Callable[[int], object]) -> Row:
    """Hold everything that is asked of a place against float64 of NumPy.

    What it is compared with is computed from the same rounded fields, so that differences are those of the
    computation. Half precision is computed in float32, and held to that, but for gradients, which are rounded at
    the end.
    """
    started = time.perf_counter()
    found: list[tuple[str, Difference]] = []
    note = None
    with place.around():
        asked = _Asked(place, dtype)
        found += asked.tried("spectra", "radial_spectrum", asked.spectra)
        advance(1)
        for call in _calls(dtype):
            found += asked.tried("losses", call.label, partial(asked.loss, call))
            advance(1)
        if dtype == "float32" and place.compiled is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # those of a compiler are none of this library's
                note = asked.cannot_compile()
                found += asked.tried("compiled", "compiled", asked.compiled) if note is None else []
        advance(1)
    counts: dict[str, int] = {}
    for kind, _ in found:
        counts[kind] = counts.get(kind, 0) + 1
    every = [each for _, each in found]
    failures = tuple([each for each in every if not each.passed])
    seconds = time.perf_counter() - started
    return Row(place, dtype, counts, max(every, key=lambda each: each.share), failures, note, seconds)


Found = list[tuple[str, Difference]]


class _Asked:
    """What is asked of a place in one dtype; each method returns kinds of results, and their differences."""

    def __init__(self, place: Place, dtype: str) -> None:
        self.place, self.dtype = place, dtype
        self.x, self.y, self.mask = (place.asarray(x, dtype) for x in _fields())
        self.p, self.t = (np.asarray(place.to_numpy(x), dtype=np.float64) for x in (self.x, self.y))
        eps = {"bfloat16": 2.0**-7}.get(dtype) or float(np.finfo(dtype).eps)
        self.value = ROOM * (eps if eps < 1e-4 else float(np.finfo("float32").eps))
        self.slope = max(self.value, 4 * eps)
        # NumPy in float64 would be held against itself: central differences have the cube root of what it has.
        self.by_differences = place.framework == "numpy" and dtype == "float64"

    def tried(self, kind: str, what: str, method: Callable[[], Found]) -> Found:
        """What a method finds; what it raises is a failure, whatever it is."""
        try:
            return method()
        except Exception as error:
            return [(kind, _raised(what, error, self.value))]

    def spectra(self) -> Found:
        """Of two and of three dimensions, by brute force."""
        plane = sl.radial_spectrum(self.x).power
        space = sl.radial_spectrum(self.x, spatial_axes=(-3, -2, -1), channel_axis=None).power
        of_space = "radial_spectrum(spatial_axes=(-3, -2, -1))"
        return [
            *self._held("spectra", "radial_spectrum", plane, _power(self.p, 2), self.value),
            *self._held("spectra", of_space, space, _power(self.p, 3), self.value),
        ]

    def loss(self, call: _Call) -> Found:
        """A value and a gradient, the framework's own where it differentiates."""
        function, options = getattr(sl, call.name), self._options(call)
        both = sl.value_and_grad(call.name, **options)

        def results(x: Any, y: Any) -> Any:
            if self.place.gradient is None:
                return both(x, y)
            return function(x, y, **options), self.place.gradient(lambda p: function(p, y, **options), x)

        expected = self._expected(call)
        held = self._both(call.label, self.place.whole(results)(self.x, self.y), expected)
        if not self.by_differences or any(not each.passed for _, each in held):
            return held
        return [held[0], *self._by_differences(call)]

    def compiled(self) -> Found:
        """Several losses as one compiled program, and its gradient."""

        def total(p: Any, t: Any) -> Any:
            first, *others = [getattr(sl, name)(p, t) for name in FEW]
            return sum(others, start=first)

        program, values = self.place.compiled(total), []  # type: ignore[misc]

        def kept(p: Any) -> Any:
            values.append(program(p, self.y))  # with its gradient: without one it would be another program
            return values[-1]

        gradient = self.place.gradient(kept, self.x)  # type: ignore[misc]
        parts = [sl.value_and_grad(name)(self.p, self.t) for name in FEW]
        expected = sum(float(value) for value, _ in parts), sum(gradient for _, gradient in parts)
        held = self._both(f"compiled {' + '.join(FEW)}", (values[-1], gradient), expected)
        return [("compiled", each) for _, each in held]

    def cannot_compile(self) -> str | None:
        """Why nothing at all can be compiled here, such as without a C++ compiler; None where something can."""
        try:
            self.place.compiled(lambda x: x * x + 1)(self.x)  # type: ignore[misc]
        except Exception as error:
            return f"{self.place.framework} compiles nothing here: {_said(error)}"
        return None

    def _options(self, call: _Call) -> dict[str, Any]:
        return {name: self.mask if value is None else value for name, value in call.options.items()}

    def _expected(self, call: _Call) -> tuple[Any, Any]:
        options = {name: _fields()[2] if value is None else value for name, value in call.options.items()}
        return sl.value_and_grad(call.name, **options)(self.p, self.t)

    def _by_differences(self, call: _Call) -> Found:
        """The gradient along a direction."""
        options, h = {**self._options(call), **HELD.get(call.name, {})}, float(np.finfo(np.float64).eps) ** (1 / 3)
        along = np.random.default_rng(1).normal(size=SHAPE)
        function = getattr(sl, call.name)
        ahead, behind = (float(function(self.p + s * h * along, self.t, **options)) for s in (1, -1))

        slope = np.sum(sl.value_and_grad(call.name, **options)(self.p, self.t)[1] * along)
        return self._held("gradients", f"{call.label}, gradient", slope, (ahead - behind) / (2 * h), h)

    def _both(self, label: str, results: tuple[Any, Any], expected: tuple[Any, Any]) -> Found:
        """A value and a gradient."""
        return [
            *self._held("losses", f"{label}, value", results[0], expected[0], self.value),
            *self._held("gradients", f"{label}, gradient", results[1], expected[1], self.slope),
        ]

    def _held(self, kind: str, what: str, result: Any, expected: Any, allowed: float) -> Found:
        got = np.asarray(self.place.to_numpy(result), dtype=np.float64)
        expected = np.asarray(expected, dtype=np.float64)
        if got.shape != expected.shape:
            shapes = f"shape {got.shape} in place of {expected.shape}"
            return [(kind, Difference(what, math.nan, math.nan, math.nan, allowed, shapes))]
        apart = np.abs(got - expected)
        at = np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
        scale = float(np.max(np.abs(expected)))
        return [(kind, Difference(what, float(got[at]), float(expected[at]), float(apart[at]) / scale, allowed))]


@cache
def _fields() -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """A prediction, a target that it resembles, and a mask."""
    rng = np.random.default_rng(0)
    target, noise = rng.normal(size=(2, *SHAPE))
    return 0.8 * target + 0.5 * noise, target, rng.random(SHAPE[-2:]) < 0.8


def _calls(dtype: str) -> list[_Call]:
    if dtype not in ("float64", "float32"):
        return [_Call(name, {}) for name in FEW]
    return [_Call(name, SMALL.get(name, {})) for name in all_losses()] + [_Call(*each) for each in VARIANTS]


def _power(x: Floats, ndim: int) -> Floats:
    """Power of shells of a width of 1, by the definition: every mode of the full transform, shell by shell."""
    sizes, axes = x.shape[-ndim:], tuple(range(-ndim, 0))
    squares = np.abs(np.fft.fftn(x, axes=axes)) ** 2
    k = np.sqrt(sum(np.square(i) for i in np.meshgrid(*(np.fft.fftfreq(n) * n for n in sizes), indexing="ij")))
    edges = np.arange(min(sizes) // 2 + 1) + 0.5
    unit = {2: np.pi, 3: 4 / 3 * np.pi}[ndim]
    shells = [
        unit * (b**ndim - a**ndim) * squares[..., (k > a) & (k <= b)].mean(axis=-1)
        for a, b in itertools.pairwise(edges)
    ]
    return np.stack(shells, axis=-1)


def _raised(what: str, error: Exception, allowed: float) -> Difference:
    return Difference(what, math.nan, math.nan, math.nan, allowed, _said(error))


def _said(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:300]}"
