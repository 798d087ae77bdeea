"""JAX: the generic sums under ``jit``, with the exact adjoint of "field -> shell powers"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from spectral_losses_backends import generic

if TYPE_CHECKING:
    from spectral_losses._dispatch import ShellGrid, Source

Array = Any


class Backend(generic.Backend):
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
                return generic.each_array(getattr(source, name)(), partial(self.upload, like=like))

        return self.cached(key, make)

    def upload(self, array: Any, like: Array) -> Array:
        """A NumPy array, uncommitted, so that it follows like to its device."""
        return jnp.asarray(array, dtype=like.dtype if array.dtype.kind == "f" else int)

    def shell_power(self, x: Array, grid: ShellGrid) -> Array:
        """Power of each shell, with a custom reverse-mode rule."""
        return _shell_power(x, grid)

    def detach(self, x: Array) -> Array:
        """The same values without a gradient."""
        return jax.lax.stop_gradient(x)

    def peek(self, x: Array) -> Any | None:
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


@partial(jax.custom_vjp, nondiff_argnums=(1,))
@partial(jax.jit, static_argnums=1)
def _shell_power(x: Array, grid: ShellGrid) -> Array:
    return _forward(x, grid)[0]


@partial(jax.jit, static_argnums=1)
def _forward(x: Array, grid: ShellGrid) -> tuple[Array, Array]:
    modes = backend.rfftn(x, len(grid.shape))
    power = modes.real**2 + modes.imag**2
    return backend.shell_sum(power, grid) * backend.constant(grid, "scale", x), modes


@partial(jax.jit, static_argnums=0)
def _backward(grid: ShellGrid, modes: Array, gradient: Array) -> tuple[Array]:
    """``2 N irfftn(F * (gradient * scale)[shell of each mode])``: one half-plane transform."""
    scaled = gradient * backend.constant(grid, "scale", gradient)
    outside = jnp.zeros_like(scaled[..., :1])
    slots = backend.constant(grid, "slots", gradient) % (scaled.shape[-1] + 1)
    weights = jnp.take(jnp.concat((scaled, outside), axis=-1), slots, axis=-1, mode="clip")
    weights = jnp.reshape(weights, modes.shape)
    axes = tuple(range(-len(grid.shape), 0))
    return (2 * jnp.fft.irfftn(modes * weights, s=grid.shape, axes=axes, norm="forward"),)


_shell_power.defvjp(_forward, _backward)

backend = Backend()
