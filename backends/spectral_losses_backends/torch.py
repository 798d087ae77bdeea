"""PyTorch: kernels that work piece by piece in the cache of a CPU, and the exact adjoint of "field -> shell powers".

``_ShellPower`` is an autograd function in the style that ``torch.func`` composes with. Under ``torch.compile`` its
kernels are opaque operators, so that neither loops nor transforms are traced.
"""

from __future__ import annotations

import inspect
from ast import literal_eval
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import array_api_compat.torch as xp
import torch
from torch import Tensor
from torch.autograd import Function
from torch.utils import _pytree

from spectral_losses_backends import generic

if TYPE_CHECKING:
    from spectral_losses._dispatch import ShellGrid, Source

CHUNK = 1 << 18  # values per piece of work on the CPU: 1 MiB of float32, which stays in the cache
_LANES = 4  # of `spectral_losses._grid.Grid.slots`


class Backend(generic.Backend):
    """PyTorch tensors on any device."""

    name = "torch"

    def namespace(self, x: Tensor) -> Any:
        """array-api-compat's view of PyTorch."""
        return xp

    def device(self, x: Tensor) -> Any:
        """The tensor's device."""
        return x.device

    def constant(self, source: Source, name: str, like: Tensor) -> Any:
        """``getattr(source, name)()`` on like's device, cached."""
        if torch.compiler.is_compiling():
            found = _constant_op(like.detach(), _token(source), name)
            return tuple(found) if name in source.several else found[0]
        return self.cached(
            (source, name, like.device, like.dtype),
            lambda: generic.each_array(getattr(source, name)(), partial(self.upload, like=like)),
        )

    def upload(self, array: Any, like: Tensor) -> Tensor:
        """A NumPy array on like's device, a float one in like's dtype."""
        # What is cached must be a plain tensor, whatever transformation or mode the first call runs under.
        with torch._C._DisableFuncTorch(), torch.inference_mode(False):
            return torch.as_tensor(array, dtype=like.dtype if array.dtype.kind == "f" else None).to(like.device)

    def shell_power(self, x: Tensor, grid: ShellGrid) -> Tensor:
        """Power of each shell."""
        if torch.compiler.is_compiling():
            # A view, because of an input that torch.func.grad has wrapped the tracer remembers that it needed no
            # gradient before.
            return _shell_power_of(x.view_as(x), _token(grid))
        return _shell_power_of(x, grid)

    def square_means(self, x: Tensor, y: Tensor, weights: Tensor | None, ndim: int) -> tuple[Tensor, Tensor]:
        """(Weighted) means over the last ndim axes of ``(x - y)**2`` and ``y**2``."""
        if weights is not None or x.dtype != y.dtype:
            return super().square_means(x, y, weights, ndim)
        x, y = x.flatten(-ndim), y.flatten(-ndim)
        n = x.shape[-1]
        # Of PyTorch's operations those that pass over the fields least: one kernel squares the difference, one makes
        # its gradient. A norm writes nothing, but is not smooth where y is 0.
        error = torch.nn.functional.mse_loss(x, y, reduction="none").sum(-1) / n
        power = y.square().sum(-1) if y.requires_grad else torch.linalg.vector_norm(y, dim=-1).square()
        return error, power / n

    def detach(self, x: Tensor) -> Tensor:
        """The same values without a gradient."""
        return x.detach()

    def peek(self, x: Tensor) -> Any | None:
        """The values of a concrete tensor on the CPU."""
        if torch.compiler.is_compiling() or x.device.type != "cpu" or type(x) is not Tensor:
            return None
        if torch._C._functorch.is_functorch_wrapped_tensor(x):  # under vmap or grad
            return None
        x = x.detach()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # NumPy has no bfloat16

    def to_floats(self, values: Sequence[Tensor]) -> list[float]:
        """0-d tensors as floats, in one transfer."""
        floats: list[float] = torch.stack([value.double() for value in values]).tolist()
        return floats

    def register(self, cls: type, arrays: Sequence[str], static: Sequence[str]) -> None:
        """Make a dataclass a pytree."""
        _register(cls, tuple(arrays), tuple(static))


backend = Backend()


# The first thing that a compiled function meets, perhaps.
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _register(cls: type, arrays: tuple[str, ...], static: tuple[str, ...]) -> bool:
    return _register_once(cls, arrays, static)  # a trace may start over


@lru_cache
def _register_once(cls: type, arrays: tuple[str, ...], static: tuple[str, ...]) -> bool:
    def flatten(record: Any) -> tuple[list[Any], Any]:
        return [getattr(record, name) for name in arrays], tuple(getattr(record, name) for name in static)

    def unflatten(leaves: Any, context: Any) -> Any:
        return cls(**dict(zip(arrays, leaves, strict=True)), **dict(zip(static, context, strict=True)))

    _pytree.register_pytree_node(cls, flatten, unflatten)
    return True


def _shell_power_of(x: Tensor, grid: ShellGrid | str) -> Tensor:
    power: Tensor = _ShellPower.apply(x, grid)
    return power


class _ShellPower(Function):
    """Shell powers. Nothing but x is kept for the gradient: a transform costs less than keeping one does."""

    @staticmethod
    def forward(x: Tensor, grid: ShellGrid | str) -> Tensor:
        kernel: Any = _shell_power_op if isinstance(grid, str) else _shell_power
        power: Tensor = kernel(x, grid)
        return power

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, ctx.grid = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _ShellAdjoint.apply(*ctx.saved_tensors, gradient, ctx.grid), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, grid: ShellGrid | str) -> Any:
        return _ShellPower.apply(x.movedim(in_dims[0], 0), grid), 0


class _ShellAdjoint(Function):
    """Gradient of the shell powers: ``2 N irfftn(F (gradient * scale)[shell of each mode])``."""

    @staticmethod
    def forward(x: Tensor, gradient: Tensor, grid: ShellGrid | str) -> Tensor:
        kernel: Any = _shell_adjoint_op if isinstance(grid, str) else _shell_adjoint
        result: Tensor = kernel(x, gradient, grid)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, gradient, ctx.grid = inputs
        ctx.save_for_backward(x, gradient)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        x, gradient = ctx.saved_tensors
        grid = _source(ctx.grid) if isinstance(ctx.grid, str) else ctx.grid
        slots, scale = backend.constant(grid, "slots", x), backend.constant(grid, "scale", x)
        # The adjoint is linear in the gradient, and in x, where it is its own transpose. In plain, differentiable
        # operations: second derivatives are rare, and third ones then come for free.
        axes = _last(grid)
        modes, modes_v = torch.fft.rfftn(x, dim=axes), torch.fft.rfftn(v, dim=axes)
        lanes = torch.nn.functional.pad(gradient * scale, (0, 1)).repeat(*(1,) * (gradient.ndim - 1), 2 * _LANES)
        weights = lanes[..., slots].view(modes.shape)
        along_x = 2 * torch.fft.irfftn(modes_v * weights, s=grid.shape, dim=axes, norm="forward")
        cross = (modes.real * modes_v.real + modes.imag * modes_v.imag).flatten(-len(axes))
        lanes = torch.zeros_like(lanes).scatter_add(-1, slots.expand(cross.shape), cross)
        sums = _from_lanes(lanes.unflatten(-1, (2, _LANES, -1)).sum(-2))
        return along_x, 2 * sums * scale, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, gradient: Tensor, grid: ShellGrid | str) -> Any:
        return _ShellAdjoint.apply(*_batched(info, in_dims, x, gradient), grid), 0


def _shell_power(x: Tensor, grid: ShellGrid) -> Tensor:
    if x.device.type != "cpu":  # there, scattering is neither fast nor deterministic
        return generic.Backend.shell_power(backend, x, grid)
    axes, scale = _last(grid), backend.constant(grid, "scale", x)
    slots, shells = backend.constant(grid, "slots", x), len(scale)
    frames = x.reshape(-1, *grid.shape)
    lanes = torch.view_as_complex(x.new_zeros(len(frames), 2 * _LANES * (shells + 1), 2))
    for piece, lane in _pieces(frames, lanes):
        modes = torch.fft.rfftn(piece, dim=axes)
        torch.view_as_real(modes).square_()
        # Real and imaginary squares travel as one complex number, so that each mode is scattered once.
        lane.scatter_add_(1, slots.expand(len(lane), -1), modes.flatten(1))
    pairs = lanes.view(-1, 2, _LANES, shells + 1).sum(2)
    return (_from_lanes(pairs.real + pairs.imag) * scale).view(*x.shape[: -len(axes)], shells)


def _shell_adjoint(x: Tensor, gradient: Tensor, grid: ShellGrid) -> Tensor:
    axes = _last(grid)
    frames = x.reshape(-1, *grid.shape)
    slots, scale = backend.constant(grid, "slots", x), backend.constant(grid, "scale", x)
    # Each weight twice, as a complex number, so that the product below is one of contiguous reals.
    lanes = gradient.new_zeros(len(frames), 2 * _LANES, len(scale) + 1, 2)
    lanes[:, :, :-1] = (gradient * (2 * scale)).reshape(-1, 1, len(scale), 1)
    lanes = torch.view_as_complex(lanes.flatten(1, 2))
    out = torch.empty_like(frames)
    for piece, lane, part in _pieces(frames, lanes, out):
        modes = torch.fft.rfftn(piece, dim=axes)
        weights = torch.gather(lane, 1, slots.expand(len(lane), -1)).view(modes.shape)
        torch.view_as_real(modes).mul_(torch.view_as_real(weights))
        del weights
        # irfftn in two steps: faster than in one, and each lets go of what it no longer needs.
        if len(axes) > 1:
            modes = torch.fft.ifftn(modes, dim=axes[:-1], norm="forward")
        part.copy_(torch.fft.irfft(modes, n=grid.shape[-1], norm="forward"))
    return out.view(x.shape)


def _last(grid: ShellGrid) -> tuple[int, ...]:
    return tuple(range(-len(grid.shape), 0))


def _from_lanes(lanes: Tensor) -> Tensor:
    """Shell sums from (..., 2, shells + 1): modes of multiplicity 2, then 1; the last slot is outside."""
    twice, once = lanes[..., :-1].unbind(-2)
    return torch.add(once, twice, alpha=2)


def _pieces(*stacks: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Stacks of frames piece by piece, about CHUNK values of the first; whole where there is no cache to care for."""
    frames = stacks[0]
    step = max(1, CHUNK // frames[0].numel()) if frames.device.type == "cpu" else len(frames)
    return zip(*(stack.split(step) for stack in stacks), strict=True)


def _batched(info: Any, in_dims: Any, *tensors: Tensor) -> list[Tensor]:
    """Tensors with their vmapped axis first, one that has none repeated along it."""
    return [
        t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
        for t, dim in zip(tensors, in_dims, strict=False)
    ]


# Function.apply asks inspect for this at each call, which takes longer than a small transform.
_functions: tuple[Any, ...] = (_ShellPower, _ShellAdjoint)
for _function in _functions:
    _function.forward.__signature__ = inspect.signature(_function.forward)


# Under torch.compile the kernels are operators. A source travels through the graph as text that describes it fully:
# no tables in the graph, and nothing in a compiled program that another process could not read.


def _token(source: Source) -> str:
    kind = type(source)
    return f"{kind.__module__}:{kind.__qualname__}:{tuple(source)!r}"


@lru_cache(maxsize=256)
def _source(token: str) -> Any:
    module, kind, fields = token.split(":", 2)
    return getattr(import_module(module), kind)(*literal_eval(fields))


@torch.library.custom_op("spectral_losses::constant", mutates_args=())
def _constant_op(like: Tensor, token: str, name: str) -> list[Tensor]:
    """A constant as a list of one or more tensors, copied: the caller owns what an operator returns."""
    found = backend.constant(_source(token), name, like)
    return [tensor.clone() for tensor in (found if isinstance(found, tuple) else (found,))]


@_constant_op.register_fake
def _(like: Tensor, token: str, name: str) -> list[Tensor]:
    found = getattr(_source(token), name)()
    arrays = found if isinstance(found, tuple) else (found,)
    return [like.new_empty(a.shape, dtype=like.dtype if a.dtype.kind == "f" else torch.int64) for a in arrays]


@torch.library.custom_op("spectral_losses::shell_power", mutates_args=())
def _shell_power_op(x: Tensor, token: str) -> Tensor:
    return _shell_power(x, _source(token))


@_shell_power_op.register_fake
def _(x: Tensor, token: str) -> Tensor:
    grid = _source(token)
    return x.new_empty(*x.shape[: -len(grid.shape)], grid.scale().size)


@torch.library.custom_op("spectral_losses::shell_adjoint", mutates_args=())
def _shell_adjoint_op(x: Tensor, gradient: Tensor, token: str) -> Tensor:
    return _shell_adjoint(x, gradient, _source(token))


@_shell_adjoint_op.register_fake
def _(x: Tensor, gradient: Tensor, token: str) -> Tensor:
    return x.new_empty(x.shape)
