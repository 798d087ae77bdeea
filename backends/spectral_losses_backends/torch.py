"""PyTorch: chunked kernels that stay in cache on the CPU, and the exact adjoint of "field -> shell sums".

``_ShellSums`` and ``_SquareMeans`` are autograd functions in the style that ``torch.func`` composes
with. Under ``torch.compile`` their kernels are opaque operators, so that neither loops nor transforms are traced.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import array_api_compat.torch as xp
import torch
from spectral_losses_backends import generic
from torch import Tensor
from torch.autograd import Function

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
        """``getattr(source, name)()`` on like's device, cached; a constant of the graph when compiling."""
        return _constant(source, name, like.device, like.dtype)

    def shell_power(self, x: Tensor, grid: ShellGrid) -> Tensor:
        """Power of each shell."""
        scale = self.constant(grid, "scale", x)
        tables = [self.constant(grid, "slots", x)]
        if x.device.type != "cpu":  # scattering is neither fast nor deterministic on a GPU
            tables += [self.constant(grid, "row_weights", x), *self.constant(grid, "rows", x)]
        keep = torch.is_grad_enabled() and x.requires_grad
        sums, _ = _ShellSums.apply(x, tables, len(grid.shape), scale.shape[0], keep)
        return sums * scale

    def square_means(
        self, x: Tensor, y: Tensor, weights: Tensor | None, ndim: int
    ) -> tuple[Tensor, Tensor]:
        """(Weighted) means over the last ndim axes of ``(x - y)**2`` and ``y**2``."""
        if weights is not None or x.dtype != y.dtype or torch.compiler.is_compiling():
            return super().square_means(x, y, weights, ndim)
        means: tuple[Tensor, Tensor] = _SquareMeans.apply(x.flatten(-ndim), y.flatten(-ndim))
        return means

    def detach(self, x: Tensor) -> Tensor:
        """The same values without a gradient."""
        return x.detach()

    def peek(self, x: Tensor) -> Any | None:
        """The values of a concrete tensor on the CPU."""
        if torch.compiler.is_compiling() or x.device.type != "cpu" or type(x) is not Tensor:
            return None
        if torch._C._functorch.is_functorch_wrapped_tensor(x):  # under vmap or grad
            return None
        return x.detach().numpy()

    def to_floats(self, values: Sequence[Tensor]) -> list[float]:
        """0-d tensors as floats, in one transfer."""
        floats: list[float] = torch.stack([value.double() for value in values]).tolist()
        return floats

    def register(self, cls: type, arrays: Sequence[str], static: Sequence[str]) -> None:
        """Make a dataclass a pytree."""
        from torch.utils import _pytree

        def flatten(record: Any) -> tuple[list[Any], Any]:
            return [getattr(record, name) for name in arrays], tuple(getattr(record, name) for name in static)

        def unflatten(leaves: Any, context: Any) -> Any:
            return cls(**dict(zip(arrays, leaves, strict=True)), **dict(zip(static, context, strict=True)))

        _pytree.register_pytree_node(cls, flatten, unflatten)


backend = Backend()


@torch.compiler.assume_constant_result
def _constant(source: Source, name: str, device: torch.device, dtype: torch.dtype) -> Any:
    def upload(array: Any) -> Tensor:
        return torch.as_tensor(array, dtype=dtype if array.dtype.kind == "f" else None).to(device)

    def make() -> Any:
        return generic.each_array(getattr(source, name)(), upload)

    return backend.cached((source, name, device, dtype), make)


class _ShellSums(Function):
    """Sums of ``|F|^2`` over shells, and F itself where a gradient will want it.

    F only saves time: the gradient is a function of x, so that it can be differentiated again.
    """

    @staticmethod
    def forward(x: Tensor, tables: list[Tensor], ndim: int, shells: int, keep: bool) -> tuple[Tensor, Tensor]:
        kernel: Any = _shell_sums_op if torch.compiler.is_compiling() else _shell_sums
        result: tuple[Tensor, Tensor] = kernel(x, tables, ndim, shells, keep)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, tables, ctx.ndim, ctx.shells, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, output[1], tables[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Any) -> Any:  # type: ignore[override]
        x, modes, slots = ctx.saved_tensors
        return _ShellAdjoint.apply(x, gradient, modes, slots, ctx.ndim), None, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, *options: Any) -> Any:
        keep = options[-1]
        return _ShellSums.apply(x.movedim(in_dims[0], 0), *options), (0, 0 if keep else None)


class _ShellAdjoint(Function):
    """Gradient of the shell sums: ``2 N irfftn(F gradient[shell of each mode])``."""

    @staticmethod
    def forward(x: Tensor, gradient: Tensor, modes: Tensor, slots: Tensor, ndim: int) -> Tensor:
        kernel: Any = _shell_adjoint_op if torch.compiler.is_compiling() else _shell_adjoint
        result: Tensor = kernel(x, gradient, modes, slots, ndim)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, gradient, _, slots, ctx.ndim = inputs
        ctx.save_for_backward(x, gradient, slots)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:  # type: ignore[override]
        x, gradient, slots = ctx.saved_tensors
        # The adjoint is linear in x, where it is its own transpose, and in the gradient. In plain, differentiable
        # operations: second derivatives are rare, and third ones then come for free.
        axes, shape = tuple(range(-ctx.ndim, 0)), x.shape[-ctx.ndim :]
        weights = _spread(gradient)[..., slots].unflatten(-1, (*shape[:-1], shape[-1] // 2 + 1))
        along_x = 2 * torch.fft.irfftn(
            torch.fft.rfftn(v, dim=axes) * weights, s=shape, dim=axes, norm="forward"
        )
        cross = torch.fft.rfftn(x, dim=axes).conj() * torch.fft.rfftn(v, dim=axes)
        lanes = _spread(torch.zeros_like(gradient))
        cross = cross.real.flatten(-ctx.ndim)
        lanes = lanes.scatter_add(-1, slots.expand(cross.shape), cross)
        return along_x, 2 * _gathered(lanes, gradient.shape[-1]), None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, gradient: Tensor, modes: Tensor, *options: Any) -> Any:
        x, gradient = (
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((x, gradient), in_dims, strict=False)
        )
        if modes.numel() > 0:
            modes = modes.movedim(in_dims[2], 0) if in_dims[2] is not None else modes.expand(len(x), *modes.shape)
        return _ShellAdjoint.apply(x, gradient, modes, *options), 0


class _SquareMeans(Function):
    """Means over the last axis of ``(x - y)**2`` and ``y**2``."""

    @staticmethod
    def forward(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        error, power = a.new_empty(len(a)), a.new_empty(len(a))
        for part in _parts(a):
            torch.linalg.vector_norm(a[part] - b[part], dim=-1, out=error[part])
            torch.linalg.vector_norm(b[part], dim=-1, out=power[part])
        n = x.shape[-1]
        return error.square_().div_(n).view(x.shape[:-1]), power.square_().div_(n).view(x.shape[:-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, for_error: Tensor, for_power: Tensor) -> Any:  # type: ignore[override]
        x, y = ctx.saved_tensors
        for_error, for_power = (g.unsqueeze(-1) * (2 / x.shape[-1]) for g in (for_error, for_power))
        need_x, need_y = ctx.needs_input_grad
        along_x = (x - y) * for_error if torch.is_grad_enabled() or need_y else _scaled(x, y, for_error)
        return along_x if need_x else None, y * for_power - along_x if need_y else None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, y: Tensor) -> Any:
        x, y = (
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((x, y), in_dims, strict=True)
        )
        return _SquareMeans.apply(x, y), (0, 0)


def _scaled(x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
    """``(x - y) * factor``, each piece while it is in the cache."""
    a, b, f = x.reshape(-1, x.shape[-1]), y.reshape(-1, x.shape[-1]), factor.reshape(-1, 1)
    out = torch.empty_like(a)
    for part in _parts(a):
        torch.sub(a[part], b[part], out=out[part]).mul_(f[part])
    return out.view(x.shape)


def _shell_sums(x: Tensor, tables: list[Tensor], ndim: int, shells: int, keep: bool) -> tuple[Tensor, Tensor]:
    axes = tuple(range(-ndim, 0))
    if len(tables) > 1:
        modes = torch.fft.rfftn(x, dim=axes)
        power = modes.real**2 + modes.imag**2
        sums = generic.gather_sum(xp, power, tables[2:], tables[1], ndim)
        return sums, modes if keep else modes.new_empty(0)
    slots = tables[0]
    frames = x.reshape(-1, *x.shape[-ndim:])
    modes = torch.fft.rfftn(frames, dim=axes) if keep else None
    lanes = _spread(x.new_zeros(len(frames), shells))
    lanes = torch.complex(lanes, lanes)
    for part in _parts(frames):
        if modes is None:
            squares = torch.view_as_real(torch.fft.rfftn(frames[part], dim=axes)).square_()
        else:
            squares = torch.view_as_real(modes[part]).square()
        # Real and imaginary squares travel as one complex number, so that each mode is scattered once.
        pairs = torch.view_as_complex(squares).flatten(1)
        lanes[part].scatter_add_(1, slots.expand(len(pairs), -1), pairs)
    sums = _gathered(torch.view_as_real(lanes).sum(-1), shells).view(*x.shape[:-ndim], shells)
    if modes is None:
        return sums, torch.view_as_complex(x.new_empty(0, 2))
    return sums, modes.view(*x.shape[:-1], modes.shape[-1])


def _shell_adjoint(x: Tensor, gradient: Tensor, modes: Tensor, slots: Tensor, ndim: int) -> Tensor:
    axes, shape = tuple(range(-ndim, 0)), x.shape[-ndim:]
    if modes.numel() == 0:
        modes = torch.fft.rfftn(x, dim=axes)
    modes = modes.reshape(-1, *modes.shape[-ndim:])
    lanes = _spread(2 * gradient.reshape(-1, gradient.shape[-1]))
    lanes = torch.complex(lanes, lanes)  # so that the product below is one of contiguous reals
    out = x.new_empty(len(modes), *shape)
    for part in _parts(out) if x.device.type == "cpu" else [slice(None)]:
        weights = torch.gather(lanes[part], 1, slots.expand(len(lanes[part]), -1)).view(modes[part].shape)
        torch.view_as_real(weights).mul_(torch.view_as_real(modes[part]))
        out[part] = torch.fft.irfftn(weights, s=shape, dim=axes, norm="forward")
    return out.view(x.shape)


def _spread(shells: Tensor) -> Tensor:
    """Values of the shells on the slots of `Grid.slots`: a zero after them, then once per lane."""
    return torch.nn.functional.pad(shells, (0, 1)).repeat(*(1,) * (shells.ndim - 1), 2 * _LANES)


def _gathered(lanes: Tensor, shells: int) -> Tensor:
    """Shell sums out of the slots of `Grid.slots`: modes of multiplicity 2 in the first half, then 1."""
    twice, once = lanes.unflatten(-1, (2, _LANES, shells + 1))[..., :shells].sum(-2).unbind(-2)
    return 2 * twice + once


def _parts(frames: Tensor) -> list[slice]:
    """Slices of whole frames of about CHUNK values each; one slice where there is no cache to care for."""
    size = max(1, frames[0].numel())
    step = max(1, CHUNK // size) if frames.device.type == "cpu" else len(frames)
    return [slice(start, start + step) for start in range(0, len(frames), step)]


_shell_sums_op = torch.library.custom_op("spectral_losses::shell_sums", _shell_sums, mutates_args=())
_shell_adjoint_op = torch.library.custom_op("spectral_losses::shell_adjoint", _shell_adjoint, mutates_args=())


@_shell_sums_op.register_fake
def _(x: Tensor, tables: list[Tensor], ndim: int, shells: int, keep: bool) -> tuple[Tensor, Tensor]:
    half = (*x.shape[:-1], x.shape[-1] // 2 + 1) if keep else (0,)
    return x.new_empty(*x.shape[:-ndim], shells), x.new_empty(half, dtype=x.dtype.to_complex())


@_shell_adjoint_op.register_fake
def _(x: Tensor, gradient: Tensor, modes: Tensor, slots: Tensor, ndim: int) -> Tensor:
    return x.new_empty(x.shape)
