"""PyTorch: which of its ways a call takes, `torch_kernels` alone, `torch_functions` or `torch_compiled`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree

from spectral_losses_backends import generic, torch_compiled, torch_functions
from spectral_losses_backends.torch_kernels import Kernels, is_plain, kernels

if TYPE_CHECKING:
    from spectral_losses._dispatch import Misfit, ShellGrid, Source


class Backend(Kernels):
    """PyTorch tensors on any device."""

    def __init__(self) -> None:
        self._constants = kernels._constants

    def constant(self, source: Source, name: str, like: Tensor) -> Any:
        """``getattr(source, name)()`` on like's device, cached."""
        return torch_compiled.constant(source, name, like)

    def shell_power(self, x: Tensor, grid: ShellGrid) -> Tensor:
        """Power of each shell."""
        if torch.compiler.is_compiling():
            # A view, because of an input that torch.func.grad has wrapped the tracer remembers that it needed no
            # gradient before.
            return torch_functions.shell_power(x.view_as(x), torch_compiled.token_of(grid))
        if is_plain(x) and not _wants_gradient(x):
            return super().shell_power(x, grid)
        return torch_functions.shell_power(x, grid)

    def misfit(self, x: Tensor, y: Tensor | None, known: Tensor | None, grid: ShellGrid, of: Misfit) -> Tensor:
        """Mean of the errors of x's powers against y's; eager, its gradient is made along with it."""
        target = known if y is None else y
        if not is_plain(x, target) or _wants_gradient(target):
            return generic.Backend.misfit(self, x, y, known, grid, of)
        way = torch_functions.misfit if _wants_gradient(x) else super().misfit
        return way(x, y, known, grid, of)

    def relative_error(self, x: Tensor, y: Tensor, weights: Tensor | None, eps: float, ndim: int) -> Tensor:
        """Mean of ``<(x - y)**2> / (<y**2> + eps)``; eager, its gradient is made along with it."""
        if weights is not None or x.dtype != y.dtype or not is_plain(x, y) or _wants_gradient(y):
            return super().relative_error(x, y, weights, eps, ndim)
        way = torch_functions.relative_error if _wants_gradient(x) else self.relative_error_of
        return way(x, y, eps, ndim)

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

    def peek(self, x: Tensor) -> Any | None:
        """The values of a concrete tensor on the CPU."""
        if torch.compiler.is_compiling() or x.device.type != "cpu" or type(x) is not Tensor:
            return None
        if torch._C._functorch.is_functorch_wrapped_tensor(x):  # under vmap or grad
            return None
        x = x.detach()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # NumPy has no bfloat16

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


def _wants_gradient(x: Any) -> bool:
    return x.requires_grad and torch.is_grad_enabled()
