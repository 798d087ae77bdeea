"""PyTorch's automatic differentiation: the exact adjoint of "field -> shell powers", and losses with their gradients.

Eager losses make their gradient along with their value, while the modes are at hand (`misfit`, `relative_error`). Under
``torch.func`` and ``torch.compile``, and for what is not a loss, `shell_power` composes with everything.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import array_api_compat.torch as xp
import torch
from torch import Tensor
from torch.autograd import Function

from spectral_losses_backends import torch_compiled
from spectral_losses_backends.torch_kernels import LANES, is_plain, kernels

if TYPE_CHECKING:
    from spectral_losses._dispatch import Misfit, ShellGrid


def shell_power(x: Tensor, grid: ShellGrid | str) -> Tensor:
    """Shell powers, differentiable; a grid that is text stands for the operators of `torch_compiled`."""
    power: Tensor = _ShellPower.apply(x, grid)
    return power


def misfit(x: Tensor, y: Tensor | None, known: Tensor | None, grid: ShellGrid, of: Misfit) -> Tensor:
    """`Backend.misfit`; only x may want a gradient."""
    value: Tensor = _Misfit.apply(x, y, known, grid, of)
    return value


def relative_error(x: Tensor, y: Tensor, eps: float, ndim: int) -> Tensor:
    """`Backend.relative_error`; only x may want a gradient."""
    value: Tensor = _RelativeError.apply(x, y, eps, ndim)
    return value


class _Eager(Function):
    """A scalar whose gradient is made along with it, and waits for the backward pass.

    It takes the memory that the backward pass would take for it anyway. A second backward pass, or one that is to be
    differentiated itself, computes it anew in plain operations.
    """

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None or torch.is_grad_enabled() or not is_plain(upstream):
            gradient = ctx.anew(upstream, *ctx.saved_tensors)
        elif upstream.device.type != "cpu" or upstream.item() != 1:  # looking at it costs nothing on a CPU
            gradient.mul_(upstream)
        return gradient, *(None,) * (len(ctx.needs_input_grad) - 1)


class _Misfit(_Eager):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor | None, known: Tensor | None, grid: ShellGrid, of: Misfit) -> Tensor:
        value, ctx.gradient = kernels.misfit_and_gradient(x, y, known, grid, of)
        ctx.save_for_backward(x, y, known)
        ctx.anew = partial(_misfit_gradient, grid, of)
        return value


def _misfit_gradient(
    grid: ShellGrid, of: Misfit, upstream: Tensor, x: Tensor, y: Tensor | None, known: Tensor | None
) -> Tensor:
    target = known if y is None else kernels.shell_power(y, grid)
    errors, slope = of.errors_and_slope(shell_power(x, grid), target, xp)
    gradient: Tensor = _ShellAdjoint.apply(x, (slope * (upstream / errors.shape[0])).to(x.dtype), grid)
    return gradient


class _RelativeError(_Eager):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, eps: float, ndim: int) -> Tensor:
        ctx.gradient = x.new_empty(x.shape)
        value = kernels.relative_error_of(x, y, eps, ndim, ctx.gradient)
        ctx.save_for_backward(x, y)
        ctx.anew = partial(_relative_error_gradient, eps, ndim)
        return value


def _relative_error_gradient(eps: float, ndim: int, upstream: Tensor, x: Tensor, y: Tensor) -> Tensor:
    norm = y.square().mean(tuple(range(-ndim, 0)), keepdim=True) + eps
    return (x - y) * (upstream * (2 / x.numel()) / norm)


class _ShellPower(Function):
    """Shell powers. Nothing but x is kept for the gradient: a transform costs less than keeping one does."""

    @staticmethod
    def forward(x: Tensor, grid: ShellGrid | str) -> Tensor:
        kernel: Any = torch_compiled.shell_power_op if isinstance(grid, str) else kernels.shell_power
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
        kernel: Any = torch_compiled.shell_adjoint_op if isinstance(grid, str) else kernels.shell_pullback
        result: Tensor = kernel(x, gradient, grid)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, gradient, ctx.grid = inputs
        ctx.save_for_backward(x, gradient)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:
        x, gradient = ctx.saved_tensors
        grid = torch_compiled.source_of(ctx.grid) if isinstance(ctx.grid, str) else ctx.grid
        slots, scale = torch_compiled.constant(grid, "slots", x), torch_compiled.constant(grid, "scale", x)
        # The adjoint is linear in the gradient, and in x, where it is its own transpose. In plain, differentiable
        # operations: second derivatives are rare, and third ones then come for free.
        axes = _last(grid)
        modes, modes_v = torch.fft.rfftn(x, dim=axes), torch.fft.rfftn(v, dim=axes)
        lanes = torch.nn.functional.pad(gradient * scale, (0, 1)).repeat(*(1,) * (gradient.ndim - 1), 2 * LANES)
        weights = lanes[..., slots].view(modes.shape)
        along_x = 2 * torch.fft.irfftn(modes_v * weights, s=grid.shape, dim=axes, norm="forward")
        cross = (modes.real * modes_v.real + modes.imag * modes_v.imag).flatten(-len(axes))
        lanes = torch.zeros_like(lanes).scatter_add(-1, slots.expand(cross.shape), cross)
        sums = _from_lanes(lanes.unflatten(-1, (2, LANES, -1)).sum(-2))
        return along_x, 2 * sums * scale, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, gradient: Tensor, grid: ShellGrid | str) -> Any:
        return _ShellAdjoint.apply(*_batched(info, in_dims, x, gradient), grid), 0


def _last(grid: ShellGrid) -> tuple[int, ...]:
    return tuple(range(-len(grid.shape), 0))


def _from_lanes(lanes: Tensor) -> Tensor:
    """Shell sums from (..., 2, shells + 1): modes of multiplicity 2, then 1; the last slot is outside."""
    twice, once = lanes[..., :-1].unbind(-2)
    return torch.add(once, twice, alpha=2)


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
