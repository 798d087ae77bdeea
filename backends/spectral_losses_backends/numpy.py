"""NumPy block by block, with SciPy's transforms where SciPy is installed: they are up to 4 times faster."""

from __future__ import annotations

from functools import partial
from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from spectral_losses_backends import base, blockwise
from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.layouts import Folding, halves, kept

try:
    from scipy import fft as _fft
except ImportError:
    _fft = np.fft

Array = Any

CHUNK = 1 << 17
"""Values worked on at a time, for each worker of SciPy: half a MiB of float32.

Their modes and the copies that sorting makes of these stay in the cache of a core; larger chunks go through memory, and
smaller ones spend their time on calls.
"""


class Backend(blockwise.Backend):
    """NumPy arrays, read-only ones included. SciPy's ``scipy.fft.set_workers`` is respected."""

    name = "numpy"

    def namespace(self, x: Array) -> Any:
        """array-api-compat's view of NumPy."""
        return xp

    def device(self, x: Array) -> Any:
        """NumPy knows one device."""
        return "cpu"

    def constant(self, source: Source, name: str, like: Array) -> Any:
        """``getattr(source, name)()`` in like's dtype, cached."""
        key = (source, name, like.dtype)
        return self.cached(key, lambda: base.each_array(getattr(source, name)(), partial(self.upload, like=like)))

    def chunk_size(self, x: Array) -> int:
        """CHUNK; more where SciPy is told to share the work."""
        return CHUNK * (_fft.get_workers() if hasattr(_fft, "get_workers") else 1)

    def rfftn(self, x: Array, ndim: int) -> Array:
        """Half-plane transform in x's own precision."""
        return _fft.rfftn(x, axes=tuple(range(-ndim, 0)))

    def irfftn(self, modes: Array, shape: tuple[int, ...]) -> Array:
        """Its inverse, not normalised."""
        return _fft.irfftn(modes, s=shape, axes=tuple(range(-len(shape), 0)), norm="forward")

    def map_columns(self, tables: Array, modes: Array, *, transposed: bool = False) -> Array:
        """A real matrix for each column of modes; real and imaginary parts are columns of one product."""
        *lead, rows, columns = modes.shape
        sorted_by_column = np.ascontiguousarray(modes.reshape(-1, rows, columns).transpose(2, 1, 0))
        real = sorted_by_column.view(tables.dtype)
        found = self.matmul(tables, real, transposed).view(modes.dtype)
        return np.ascontiguousarray(found.transpose(2, 1, 0)).reshape(*lead, -1, columns)

    def squares(self, x: Array, y: Array, out: Array | None = None) -> Array:
        """Sums of the squares of each row of ``x - y``, which stays in ``out``, and of y."""
        error = np.subtract(x, y, out=out)
        sums = np.empty((2, len(x)), dtype=x.dtype)
        np.vecdot(error, error, out=sums[0])
        np.vecdot(y, y, out=sums[1])
        return sums

    def stretch(self, rows: Array, factors: Array) -> None:
        """Multiply each row with its factor, in place."""
        rows *= factors[:, None]

    def mean(self, x: Array) -> Array:
        """Mean over everything, 0-d; as `numpy.mean`, which takes three times as long for a few numbers."""
        return np.asarray(np.add.reduce(x, axis=None) / x.size)

    def bin_power(self, modes: Array, basis: Basis, keep: bool = True) -> Array:
        """Share of the mean square in each bin, of modes."""
        if basis.sums == "own":
            return super().bin_power(modes, basis, keep)
        squares = np.square(modes.real)
        if modes.dtype.kind == "c":
            squares += np.square(modes.imag)
        return self._weighed_sum(squares, basis)

    def bin_sum(self, values: Array, basis: Basis) -> Array:
        """Values brought into the order of their bins, and each bin's segment summed; overwrites them."""
        multiplicity = basis.multiplicity()
        if basis.sums != "bins" or multiplicity.ndim != 1:
            return super().bin_sum(values, basis)
        layout, ndim = Folding(basis), len(basis.shape)
        single = multiplicity == 1
        alike = bool(single.all())
        if not alike:  # columns that stand for themselves count half as much as those that stand for two
            values[..., single] *= 0.5
        for axis in layout.axes():
            n = values.shape[axis]
            forth, back = halves(axis, n)
            values[forth] += values[back]
            values = values[kept(axis, n)]
        values = values.reshape(*values.shape[: values.ndim - ndim], -1)
        order, starts = (self.constant(layout, name, values) for name in ("order", "starts"))
        sums = np.add.reduceat(values.take(order, axis=-1), starts, axis=-1)
        if not alike:
            sums *= 2
        present = layout.present()
        if len(present) == basis.bins():
            return sums
        all_sums = np.zeros((*sums.shape[:-1], basis.bins()), dtype=sums.dtype)
        all_sums[..., present] = sums
        return all_sums

    def to_numpy_if_free(self, x: Array) -> Any | None:
        """The array itself."""
        return np.asarray(x)


backend = Backend()
