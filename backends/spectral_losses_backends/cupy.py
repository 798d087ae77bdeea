"""CuPy: the primitives of the standard, with constants kept per device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat.cupy as xp

from spectral_losses_backends import base

Array = Any


class Backend(base.Backend):
    """CuPy arrays; work runs on the current device, as CuPy's own functions do."""

    name = "cupy"

    def namespace(self, x: Array) -> Any:
        """array-api-compat's view of CuPy."""
        return xp

    def upload(self, array: Any, like: Array) -> Array:
        """A NumPy array on like's device, whichever is current."""
        with like.device:
            return xp.asarray(array, dtype=like.dtype if array.dtype.kind == "f" else None)

    def to_numpy(self, x: Array) -> Any:
        """The values, in one transfer."""
        return xp.asnumpy(x)

    def to_floats(self, values: Sequence[Array]) -> list[float]:
        """0-d arrays as floats, in one transfer."""
        return [float(value) for value in xp.asnumpy(xp.stack([xp.astype(v, xp.float64) for v in values]))]


backend = Backend()
