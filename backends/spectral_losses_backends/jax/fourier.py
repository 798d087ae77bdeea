"""Fourier transforms that leave an array sharded along its leading axes where it is.

XLA puts an array together on every device before it transforms it in several dimensions, also where each device has
whole fields.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import NamedSharding, PartitionSpec

Array = Any
Transform = Callable[[Array], Array]


def rfftn(x: Array, ndim: int) -> Array:
    """Unnormalised half-plane transform over the last ndim axes.

    Raises
    ------
    ValueError
        One of these axes is sharded, where the type of the array says so (``AxisType.Explicit``).
    """
    _refuse_cut(x, ndim)
    return _sharded(ndim, None)(x)


def irfftn(modes: Array, shape: tuple[int, ...]) -> Array:
    """Its inverse times the number of points; columns of modes that are left out are zero."""
    missing = shape[-1] // 2 + 1 - modes.shape[-1]
    if missing:
        modes = jnp.pad(modes, [(0, 0)] * (modes.ndim - 1) + [(0, missing)])
    return _sharded(len(shape), shape)(modes)


def _refuse_cut(x: Array, ndim: int) -> None:
    sharding = getattr(jax.typeof(x), "sharding", None) if hasattr(jax, "typeof") else None
    spec = getattr(sharding, "spec", ())
    if any(each is not None for each in spec[max(0, x.ndim - ndim) :]):
        raise ValueError(
            f"a spectrum needs whole fields, got an array of shape {x.shape} that is sharded along space, {spec}: "
            "reshard it, such as with jax.device_put or jax.sharding.reshard, so that only leading axes are cut"
        )


@lru_cache(256)
def _sharded(ndim: int, shape: tuple[int, ...] | None) -> Transform:
    """A transform of the last axes, forward without a shape, that JAX may map, differentiate and partition."""
    plain = _plain(ndim, shape)
    parted = _parted(plain, ndim)

    @jax.custom_batching.custom_vmap
    def mapped(x: Array) -> Array:
        return parted(x)

    @mapped.def_vmap
    def mapped_once_more(size: int, batched: list[bool], x: Array) -> tuple[Array, bool]:
        return mapped(x), batched[0]  # the new axis leads, and all that lead are alike

    @jax.custom_jvp
    def transform(x: Array) -> Array:
        return mapped(x)

    @transform.defjvp
    def along(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        return transform(*primals), plain(*tangents)  # which JAX can transpose

    found: Transform = jax.jit(transform)
    return found


def _plain(ndim: int, shape: tuple[int, ...] | None) -> Transform:
    if shape is None:
        return lambda x: jax.lax.fft(x, jax.lax.FftType.RFFT, x.shape[-ndim:])
    # As it is, and not of jax.numpy: a program that is partitioned may hold no constants.
    return lambda modes: jax.lax.fft(modes, jax.lax.FftType.IRFFT, shape) * math.prod(shape)


def _parted(plain: Transform, ndim: int) -> Transform:
    """A transform of whole fields on each device: what leads may be cut, the last axes are put together."""
    parted = custom_partitioning(plain)

    def leading(mesh: Any, of: Any) -> Any:
        lead = len(of.shape) - ndim
        if hasattr(of.sharding, "spec"):
            return NamedSharding(mesh, PartitionSpec(*of.sharding.spec[:lead]))
        # Where shard_map leaves an axis of the mesh to XLA: a sharding over the devices of that, without names.
        if tuple(of.sharding.shard_shape(of.shape))[lead:] != tuple(of.shape)[lead:]:
            raise ValueError(f"a spectrum needs whole fields, got shape {of.shape} cut as {of.sharding}")
        return of.sharding

    def partition(mesh: Any, given: Any, result: Any) -> Any:
        kept = leading(mesh, given[0])
        return mesh, plain, kept, (kept,)

    def infer(mesh: Any, given: Any, result: Any) -> Any:
        return leading(mesh, given[0])

    axes = [f"axis{i}" for i in range(ndim - 1)]
    rule = f"... {' '.join([*axes, 'before'])} -> ... {' '.join([*axes, 'after'])}"
    whole = (*axes, "before", "after")
    try:
        parted.def_partition(partition, infer, sharding_rule=rule, need_replication_factors=whole)
    except (TypeError, ValueError):  # JAX before 0.7, which knows no such factors
        parted.def_partition(partition, infer)
    return parted
