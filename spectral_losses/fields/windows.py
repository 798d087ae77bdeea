"""Windows and detrending, for domains that are not periodic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.messages import items
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

Floats = NDArray[np.floating[Any]]
Window = str | Sequence[str | None] | None
Detrend = str | None

# Cosine sums a_0 - a_1 cos(2 pi x) + a_2 cos(4 pi x), x = j / n (F. J. Harris, Proc. IEEE 66 (1978) 51).
WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08)}
DETRENDS = ("constant", "linear")


@plain
class Conditioning(NamedTuple):
    """Window and detrending of a field before its transform; hashable, so that backends can cache its constants."""

    shape: tuple[int, ...]
    windows: tuple[str | None, ...]
    detrend: Detrend

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("vectors", "ramps")

    def vectors(self) -> tuple[Floats, ...]:
        """The window along each axis that has one, of mean square 1, shaped to broadcast."""
        return _vectors(self)

    def ramps(self) -> tuple[Floats, ...]:
        """A straight line along each axis, of mean 0 and mean square 1, shaped to broadcast."""
        return _ramps(self)


def conditioning_of(shape: tuple[int, ...], window: Window, detrend: Detrend) -> Conditioning:
    """Check the arguments; a single window holds for every axis."""
    takes = "a name, None or a sequence with one per spatial axis"
    windows = (window,) * len(shape) if window is None or isinstance(window, str) else items("window", window, takes)
    if len(windows) != len(shape):
        raise ValueError(f"window must name one window or one per spatial axis ({len(shape)}), got {window!r}")
    for each in windows:
        if each is not None and each not in WINDOWS:
            raise ValueError(f"window must be one of {', '.join(WINDOWS)} or None, got {each!r}")
    if detrend is not None and detrend not in DETRENDS:
        raise ValueError(f"detrend must be one of {', '.join(DETRENDS)} or None, got {detrend!r}")
    return Conditioning(shape, windows, detrend)


def condition(x: Array, conditioning: Conditioning, backend: Backend) -> Array:
    """Subtract the mean or the plane of least squares, then multiply by the windows."""
    xp = backend.namespace(x)
    axes = tuple(range(-len(conditioning.shape), 0))
    if conditioning.detrend is not None:
        x = x - xp.mean(x, axis=axes, keepdims=True)
    if conditioning.detrend == "linear":
        # On a grid the ramps are orthogonal, so that each slope is a mean of its own.
        ramps = backend.constant(conditioning, "ramps", x)
        x = x - sum(xp.mean(x * ramp, axis=axes, keepdims=True) * ramp for ramp in ramps)
    if any(conditioning.windows):
        for vector in backend.constant(conditioning, "vectors", x):
            x = x * vector
    return x


def uncondition(x: Array, conditioning: Conditioning, backend: Backend) -> Array:
    """The transpose of `condition`: both steps are symmetric, so that only their order changes."""
    x = condition(x, conditioning._replace(detrend=None), backend)
    return condition(x, conditioning._replace(windows=(None,) * len(conditioning.windows)), backend)


@lru_cache(maxsize=64)
def _vectors(conditioning: Conditioning) -> tuple[Floats, ...]:
    vectors = []
    for axis, (n, window) in enumerate(zip(conditioning.shape, conditioning.windows, strict=True)):
        if window is not None:
            x = np.arange(n) / n
            weights = sum((-1) ** i * a * np.cos(2 * math.pi * i * x) for i, a in enumerate(WINDOWS[window]))
            vectors.append(_along(axis, weights, conditioning.shape))
    return tuple(vectors)


@lru_cache(maxsize=64)
def _ramps(conditioning: Conditioning) -> tuple[Floats, ...]:
    return tuple(
        _along(axis, np.arange(n) - (n - 1) / 2, conditioning.shape) for axis, n in enumerate(conditioning.shape)
    )


def _along(axis: int, values: Floats, shape: tuple[int, ...]) -> Floats:
    unit = values / np.sqrt(np.mean(values**2))
    return np.reshape(unit, tuple(-1 if i == axis else 1 for i in range(len(shape))))
