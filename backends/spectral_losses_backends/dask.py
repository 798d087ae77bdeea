"""Dask: stays lazy; each block of whole frames goes through the backend of the arrays inside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import array_api_compat.dask.array as xp
from dask.base import compute

from spectral_losses_backends import generic

if TYPE_CHECKING:
    from spectral_losses._dispatch import Misfit, ShellGrid, Source

Array = Any


class Backend(generic.Backend):
    """Dask arrays of NumPy or CuPy blocks."""

    name = "dask"

    def namespace(self, x: Array) -> Any:
        """array-api-compat's view of Dask."""
        return xp

    def device(self, x: Array) -> Any:
        """Blocks may live anywhere."""
        return None

    def constant(self, source: Source, name: str, like: Array) -> Any:
        """A constant of the kind of like's blocks, as one block."""
        return generic.each_array(_inner(like).constant(source, name, like._meta), xp.asarray)

    def shell_power(self, x: Array, grid: ShellGrid) -> Array:
        """Power of each shell, block by block; a field that is cut along space is put together first."""
        ndim = len(grid.shape)
        if any(len(chunks) > 1 for chunks in x.chunks[-ndim:]):
            # Blocks of whole frames, and no larger than the blocks are now where one frame allows that.
            wanted = {axis: -1 if axis >= x.ndim - ndim else "auto" for axis in range(x.ndim)}
            frame, block = math.prod(grid.shape), math.prod(max(chunks) for chunks in x.chunks)
            x = x.rechunk(wanted, block_size_limit=max(frame, block) * x.dtype.itemsize)
        shells = grid.scale().size
        return x.map_blocks(
            _block_power,
            grid,
            dtype=x.dtype,
            chunks=(*x.chunks[:-ndim], (shells,)),
            drop_axis=list(range(x.ndim - ndim, x.ndim)),
            new_axis=x.ndim - ndim,
            meta=x._meta,
        )

    def misfit_and_gradient(
        self, x: Array, y: Array | None, known: Array | None, grid: ShellGrid, of: Misfit
    ) -> tuple[Array, Array]:
        """Powers block by block, as everywhere; then the gradient, from a transform of its own."""
        target = known if y is None else self.shell_power(y, grid)
        errors, slope = self.judge(of, self.shell_power(x, grid), target, x.shape[0])
        return self.mean(errors), self.shell_gradient(self.rfftn(x, len(grid.shape)), slope, grid)

    def rfftn(self, x: Array, ndim: int) -> Array:
        """Dask transforms an axis only where it is in one piece."""
        return super().rfftn(x.rechunk(dict.fromkeys(range(x.ndim - ndim, x.ndim), -1)), ndim)

    def to_floats(self, values: Sequence[Array]) -> list[float]:
        """Compute all of them in one pass over the data."""
        return [float(value) for value in compute(*values)]


def _block_power(block: Array, grid: ShellGrid) -> Array:
    return _inner(block).shell_power(block, grid)


def _inner(x: Array) -> Any:
    """The backend of a block, or of the blocks of a Dask array."""
    kind = type(getattr(x, "_meta", x)).__module__.split(".")[0]
    if kind == "numpy":
        from spectral_losses_backends.numpy import backend as numpy_backend

        return numpy_backend
    if kind == "cupy":
        from spectral_losses_backends.cupy import backend as cupy_backend

        return cupy_backend
    return generic.backend


backend = Backend()
