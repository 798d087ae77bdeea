"""NumPy, with SciPy's transforms where SciPy is installed: they are up to 4 times faster."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from spectral_losses_backends import generic

try:
    from scipy.fft import rfftn as _rfftn
except ImportError:
    _rfftn = np.fft.rfftn

Array = Any


class Backend(generic.Backend):
    """NumPy arrays, read-only ones included. SciPy's ``scipy.fft.set_workers`` is respected."""

    name = "numpy"

    def namespace(self, x: Array) -> Any:
        """array-api-compat's view of NumPy."""
        return xp

    def device(self, x: Array) -> Any:
        """NumPy knows one device."""
        return "cpu"

    def rfftn(self, x: Array, ndim: int) -> Array:
        """Half-plane transform in x's own precision."""
        return _rfftn(x, axes=tuple(range(-ndim, 0)))

    def peek(self, x: Array) -> Any | None:
        """The array itself."""
        return np.asarray(x)


backend = Backend()
