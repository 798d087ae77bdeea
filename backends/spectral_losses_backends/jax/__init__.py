"""JAX: the sums of the standard under ``jit``, with exact adjoints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spectral_losses_backends import base
from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.jax import fourier
from spectral_losses_backends.problem import Problem, Tables

Array = Any


class Backend(base.Backend):
    """JAX arrays and tracers."""

    name = "jax"

    def namespace(self, x: Array) -> Any:
        """jax.numpy follows the standard."""
        return jnp

    def device(self, x: Array) -> Any:
        """Not known while tracing; JAX itself refuses arrays of two devices, by name."""
        return None

    def constant(self, source: Source, name: str, like: Array) -> Any:
        """``getattr(source, name)()`` on the default device, cached; never a tracer."""
        key = (source, name, str(like.dtype), jax.config.read("jax_enable_x64"))

        def make() -> Any:
            with jax.ensure_compile_time_eval():
                return base.each_array(getattr(source, name)(), partial(self.upload, like=like))

        return self.cached(key, make)

    def upload(self, array: Any, like: Array) -> Array:
        """A NumPy array, uncommitted, so that it follows like to its device."""
        return jnp.asarray(array, dtype=like.dtype if array.dtype.kind == "f" else int)

    def power(self, x: Array, basis: Basis) -> Array:
        """Share of the mean square in each bin, with a custom reverse-mode rule."""
        return super().power(x, basis) if basis.sums == "points" else _power(x, basis)

    def pair_power(self, e: Array, y: Array, basis: Basis, needs: tuple[str, ...]) -> Tables:
        """Statistics of a pair, with a custom reverse-mode rule."""
        return super().pair_power(e, y, basis, needs) if basis.sums == "points" else _pair_power(e, y, basis, needs)

    def modes_and_statistics(self, problem: Problem, x: Array, y: Array | None) -> tuple[Array, Array, Tables]:
        """As in `base`, with the power of one compiled program."""
        if problem.kind != "power":
            return super().modes_and_statistics(problem, x, y)
        power, modes = _power_forward(x, problem.basis)
        return modes, None, {"P": power} if y is None else {"P": power, "T": self.power(y, problem.basis)}

    def rfftn(self, x: Array, ndim: int) -> Array:
        """Half-plane transform, on each device of what it has of a sharded batch."""
        return fourier.rfftn(x, ndim)

    def irfftn(self, modes: Array, shape: tuple[int, ...]) -> Array:
        """Its inverse times the number of points, likewise."""
        return fourier.irfftn(modes, shape)

    def map_columns(self, tables: Array, modes: Array, *, transposed: bool = False) -> Array:
        """A real matrix for each column of modes, in its own precision, which accelerators do not take unless told.

        The axes that lead stay apart, so that they may be sharded.
        """
        both = jnp.stack([modes.real, modes.imag])
        path = "mkn,...km->...nm" if transposed else "mkn,...nm->...km"
        found = jnp.einsum(path, tables, both, precision="highest").astype(both.dtype)
        return jax.lax.complex(found[0], found[1])

    def mean(self, x: Array) -> Array:
        """Mean over everything, 0-d; of sharded rows as they lie."""
        return jnp.mean(x)

    def framewise(self, source: Any, x: Array, *others: Array) -> Array:
        """A function of fields, as one compiled program."""
        return _framewise(source, x, *others)

    def repeat(self, step: Any, x: Array, times: int) -> Array:
        """One step after the other, of which one is compiled."""
        return jax.lax.fori_loop(0, times, lambda _, x: step(x), x)

    def detach(self, x: Array) -> Array:
        """The same values without a gradient."""
        return jax.lax.stop_gradient(x)

    def to_numpy_if_free(self, x: Array) -> Any | None:
        """The values of a concrete array on the CPU."""
        if isinstance(x, jax.core.Tracer) or any(d.platform != "cpu" for d in x.devices()):
            return None
        return np.asarray(x)

    def to_floats(self, values: Sequence[Array]) -> list[float]:
        """0-d arrays as floats, in one transfer."""
        return [float(value) for value in jax.device_get(jnp.stack(list(values)))]

    def register(self, cls: type, arrays: Sequence[str], static: Sequence[str]) -> None:
        """Make a dataclass a pytree."""
        jax.tree_util.register_dataclass(cls, data_fields=list(arrays), meta_fields=list(static))


# The statistics of fields with and without a gradient are those of one compiled program: equal fields have equal ones.


@partial(jax.jit, static_argnums=0)
def _framewise(source: Any, x: Array, *others: Array) -> Array:
    return source.apply(backend, x, *others)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _power(x: Array, basis: Basis) -> Array:
    return _power_forward(x, basis)[0]


@partial(jax.jit, static_argnums=1)
def _power_forward(x: Array, basis: Basis) -> tuple[Array, Array]:
    modes = backend.forward(x, basis)
    return backend.bin_power(modes, basis), modes


@partial(jax.jit, static_argnums=0)
def _power_backward(basis: Basis, modes: Array, slope: Array) -> tuple[Array]:
    return (backend.power_gradient(modes, slope, basis),)


_power.defvjp(_power_forward, _power_backward)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _pair_power(e: Array, y: Array, basis: Basis, needs: tuple[str, ...]) -> Tables:
    return _pair_forward(e, y, basis, needs)[0]


@partial(jax.jit, static_argnums=(2, 3))
def _pair_forward(e: Array, y: Array, basis: Basis, needs: tuple[str, ...]) -> tuple[Tables, tuple[Array, Array]]:
    modes = backend.forward(e, basis), backend.target_modes(y, basis, needs)
    return backend.bin_pair_power(*modes, basis, needs), modes


@partial(jax.jit, static_argnums=(0, 1))
def _pair_backward(
    basis: Basis, needs: tuple[str, ...], modes: tuple[Array, Array], slopes: Tables
) -> tuple[Array, Array]:
    # Under jit, a gradient that nobody asks for is never made.
    of_error = backend.pair_gradient(*modes, slopes, basis)
    return of_error, backend.pair_gradient(*modes, slopes, basis, of_target=True)


_pair_power.defvjp(_pair_forward, _pair_backward)

backend = Backend()
