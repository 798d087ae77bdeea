"""Dask: stays lazy; each block of whole frames goes through the backend of the arrays inside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import array_api_compat.dask.array as xp
from dask.array import apply_gufunc, map_blocks
from dask.base import compute

from spectral_losses_backends import base
from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.problem import Arrays, Problem, Tables

Array = Any


class Backend(base.Backend):
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
        return base.each_array(_inner(like).constant(source, name, like._meta), xp.asarray)

    def power(self, x: Array, basis: Basis) -> Array:
        """Share of the mean square in each bin, block by block; a field that is cut along space is joined first."""
        if basis.sums == "points":
            return super().power(x, basis)
        return _blocks(_block_power, [x], basis, (basis.bins(),))

    def pair_power(self, e: Array, y: Array, basis: Basis, needs: tuple[str, ...]) -> Tables:
        """Statistics of a pair, likewise."""
        if basis.sums == "points":
            return super().pair_power(e, y, basis, needs)
        tables = _blocks(_block_pair_power, [e, y], basis, (len(needs), basis.bins()), needs=needs)
        return {name: tables[..., i, :] for i, name in enumerate(needs)}

    def power_gradient(self, modes: Array, slope: Array, basis: Basis) -> Array:
        """Gradient of a function of `power`; block by block where a basis sums itself, which takes many operations."""
        if basis.sums != "own":
            return super().power_gradient(modes, slope, basis)
        space = ",".join(f"axis{i}" for i in range(len(basis.shape)))
        return apply_gufunc(
            _block_power_gradient,
            f"({space}),(bins)->({space})",
            modes,
            slope,
            basis=basis,
            output_dtypes=modes.dtype,
            allow_rechunk=True,
        )

    def modes_and_statistics(self, problem: Problem, x: Array, y: Array | None) -> tuple[Array, Array, Tables]:
        """Statistics block by block, as everywhere; what gradients are made of is transformed apart from them."""
        tables = self.statistics(problem, Arrays(x, y))
        if problem.kind == "fields":
            return None, None, tables
        if problem.kind == "pair":
            error = self.forward(problem.error(x, y), problem.basis)
            return error, self.target_modes(y, problem.basis, problem.needs), tables
        return self.forward(x, problem.basis), None, tables

    def rfftn(self, x: Array, ndim: int) -> Array:
        """Dask transforms an axis only where it is in one piece."""
        return super().rfftn(x.rechunk(dict.fromkeys(range(x.ndim - ndim, x.ndim), -1)), ndim)

    def irfftn(self, modes: Array, shape: tuple[int, ...]) -> Array:
        """Its inverse times the number of points, likewise; older versions of Dask take no ``norm``."""
        axes = tuple(range(modes.ndim - len(shape), modes.ndim))
        pieces = modes.rechunk(dict.fromkeys(axes, -1))
        return self.namespace(modes).fft.irfftn(pieces, s=shape, axes=axes) * math.prod(shape)

    def map_columns(self, tables: Array, modes: Array, *, transposed: bool = False) -> Array:
        """A real matrix for each column of modes, block by block."""
        return apply_gufunc(
            _block_map_columns,
            "(m,k,n),(k,m)->(n,m)" if transposed else "(m,k,n),(n,m)->(k,m)",
            tables,
            modes,
            transposed=transposed,
            output_dtypes=modes.dtype,
            allow_rechunk=True,
        )

    def to_numpy(self, x: Array) -> Any:
        """Compute it."""
        return _inner(x).to_numpy(x.compute())

    def framewise(self, source: Any, x: Array, *others: Array) -> Array:
        """A function of fields, block by block."""
        space = "(" + ",".join(f"axis{i}" for i in range(len(source.shape))) + ")"
        return apply_gufunc(
            _block_framewise,
            f"{','.join([space] * (1 + len(others)))}->{space}",
            x,
            *others,
            source=source,
            output_dtypes=x.dtype,
            allow_rechunk=True,
        )

    def to_floats(self, values: Sequence[Array]) -> list[float]:
        """Compute all of them in one pass over the data."""
        return [float(value) for value in compute(*values)]


def _blocks(function: Any, fields: list[Array], basis: Basis, behind: tuple[int, ...], **more: Any) -> Array:
    """A function of blocks of whole fields, which puts axes of these sizes in the place of space."""
    ndim, x = len(basis.shape), fields[0]
    if any(len(chunks) > 1 for chunks in x.chunks[-ndim:]):
        # Blocks of whole frames, and no larger than the blocks are now where one frame allows that.
        wanted = {axis: -1 if axis >= x.ndim - ndim else "auto" for axis in range(x.ndim)}
        frame, block = math.prod(basis.shape), math.prod(max(chunks) for chunks in x.chunks)
        x = x.rechunk(wanted, block_size_limit=max(frame, block) * x.dtype.itemsize)
    others = [y.rechunk(x.chunks) for y in fields[1:]]
    return map_blocks(
        function,
        x,
        *others,
        basis=basis,
        dtype=x.dtype,
        chunks=(*x.chunks[:-ndim], *((n,) for n in behind)),
        drop_axis=list(range(x.ndim - ndim, x.ndim)),
        new_axis=list(range(x.ndim - ndim, x.ndim - ndim + len(behind))),
        meta=x._meta,
        **more,
    )


def _block_power(block: Array, basis: Basis) -> Array:
    return _inner(block).power(block, basis)


def _block_pair_power(e: Array, y: Array, basis: Basis, needs: tuple[str, ...]) -> Array:
    inner = _inner(e)
    tables = inner.pair_power(e, y, basis, needs)
    return inner.namespace(e).stack([tables[name] for name in needs], axis=-2)


def _block_power_gradient(x: Array, slope: Array, basis: Basis) -> Array:
    return _inner(x).power_gradient(x, slope, basis)


def _block_map_columns(tables: Array, modes: Array, transposed: bool) -> Array:
    return _inner(modes).map_columns(tables, modes, transposed=transposed)


def _block_framewise(x: Array, *others: Array, source: Any) -> Array:
    return source.apply(_inner(x), x, *others)


def _inner(x: Array) -> Any:
    """The backend of a block, or of the blocks of a Dask array."""
    kind = type(getattr(x, "_meta", x)).__module__.split(".")[0]
    if kind == "numpy":
        from spectral_losses_backends.numpy import backend as numpy_backend

        return numpy_backend
    if kind == "cupy":
        from spectral_losses_backends.cupy import backend as cupy_backend

        return cupy_backend
    return base.backend


backend = Backend()
