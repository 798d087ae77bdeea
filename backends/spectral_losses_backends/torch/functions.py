"""PyTorch's automatic differentiation: statistics with their exact adjoints, and losses with their gradients.

Eager losses make their gradient along with their value, while the modes are at hand. Higher derivatives, and what runs
under ``torch.func`` or forward mode, go through plain operations, which PyTorch differentiates itself.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import array_api_compat.torch as xp
import torch
from torch import Tensor
from torch.autograd import Function

from spectral_losses_backends import base
from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.problem import Arrays, Problem, Tables
from spectral_losses_backends.ranks import Ranks
from spectral_losses_backends.torch import compiled
from spectral_losses_backends.torch import ranks as processes
from spectral_losses_backends.torch.kernels import eager, is_plain, refuse_distributed


def value(problem: Problem, arrays: Arrays) -> Tensor:
    """The one loss of a problem; only the prediction may want a gradient."""
    result: Tensor = _Loss.apply(arrays.x, arrays.y, problem, (), *arrays.target_power)
    return result


def weighted(problem: Problem, arrays: Arrays, weights: Sequence[float]) -> tuple[Tensor, list[Tensor]]:
    """The weighted sum of several losses, and these; only the prediction may want a gradient."""
    total, *values = _Loss.apply(arrays.x, arrays.y, problem, tuple(weights), *arrays.target_power)
    return total, values


def power(x: Tensor, basis: Basis) -> Tensor:
    """Share of the mean square in each bin."""
    result: Tensor = _Power.apply(x, basis)
    return result


def pair_power(e: Tensor, y: Tensor, basis: Basis, needs: tuple[str, ...]) -> Tables:
    """Statistics of a pair."""
    return dict(zip(needs, _PairPower.apply(e, y, basis, needs), strict=True))


class Plain(base.Backend):
    """The primitives of the standard on tensors: every operation is one that PyTorch differentiates and maps."""

    name = "torch"

    def namespace(self, x: Tensor) -> Any:
        """array-api-compat's view of PyTorch."""
        return xp

    def constant(self, source: Source, name: str, like: Tensor) -> Any:
        """As everywhere."""
        return compiled.constant(source, name, like)

    def forward(self, x: Tensor, basis: Basis) -> Tensor:
        """Modes of fields, of which a rank has to have the whole."""
        if basis.sums != "points" and not torch.compiler.is_compiling():
            refuse_distributed(x)
        return super().forward(x, basis)

    def detach(self, x: Tensor) -> Tensor:
        """The same values without a gradient."""
        return x.detach()

    def sum_over_ranks(self, x: Tensor, ranks: Ranks) -> Tensor:
        """The sum of what each rank has, differentiable."""
        return processes.differentiable_total(x, ranks)

    def map_columns(self, tables: Tensor, modes: Tensor, *, transposed: bool = False) -> Tensor:
        """A real matrix for each column of modes, as a complex one.

        ``torch.autocast`` takes products of real matrices to half precision, those of the backward pass as well where
        that runs inside of it; complex ones it leaves alone.
        """
        matrices = (tables.mT if transposed else tables).to(modes.dtype)
        lead, frames = modes.shape[:-2], modes.shape[:-2].numel()
        columns = modes.reshape(frames, *modes.shape[-2:]).permute(2, 1, 0)
        return torch.matmul(matrices, columns).permute(2, 1, 0).reshape(*lead, matrices.shape[1], modes.shape[-1])

    def pair_power(self, e: Tensor, y: Tensor, basis: Basis, needs: tuple[str, ...]) -> Tables:
        """Statistics of a pair; of the points themselves by the operations that pass over the fields least."""
        if basis.sums != "points" or needs != ("D", "T") or e.dtype != y.dtype:
            return super().pair_power(e, y, basis, needs)
        dims = tuple(range(-len(basis.shape), 0))
        power = (
            y.square().mean(dims)
            if y.requires_grad
            else torch.linalg.vector_norm(y, dim=dims).square() / math.prod(basis.shape)
        )
        return {"D": e.square().mean(dims).unsqueeze(-1), "T": power.unsqueeze(-1)}


plain = Plain()
"""The one instance."""


class _Loss(Function):
    """Losses whose gradient is made along with their value, and waits for the backward pass.

    It takes the memory that the backward pass would take for it anyway. A second backward pass, one that is to be
    differentiated itself, or one through a single loss of several, computes it anew in plain operations.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor | None,
        problem: Problem,
        weights: tuple[float, ...],
        *target_power: Tensor | None,
    ) -> Any:
        values, ctx.gradient = eager.value_and_grad(problem, Arrays(x, y, target_power), weights or (1.0,))
        ctx.save_for_backward(x, y, *target_power)
        ctx.set_materialize_grads(False)
        ctx.problem, ctx.weights = problem, weights
        if not weights:  # of a loss by itself no sum is asked for
            return values[0]
        return (base.weighted_sum(values, weights), *values)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None, *of_values: Tensor | None) -> Any:
        gradient, ctx.gradient = ctx.gradient, None
        simple = upstream is not None and all(each is None for each in of_values) and is_plain(upstream)
        if gradient is None or torch.is_grad_enabled() or not simple:
            gradient = _anew(ctx, (upstream, *of_values))
        elif upstream.ndim:  # type: ignore[union-attr]  # a number for each row
            gradient.mul_(upstream.reshape(*upstream.shape, *(1,) * (gradient.ndim - upstream.ndim)))  # type: ignore[union-attr]
        elif upstream.device.type != "cpu" or upstream.item() != 1:  # type: ignore[union-attr]  # free on a CPU
            gradient.mul_(upstream)
        return gradient, *(None,) * (len(ctx.needs_input_grad) - 1)


def _anew(ctx: Any, upstreams: tuple[Tensor | None, ...]) -> Tensor | None:
    """The gradient in plain operations, to be differentiated again where that is asked for."""
    again = torch.is_grad_enabled()
    x, y, *target_power = ctx.saved_tensors
    with torch.enable_grad():
        values = plain.values(ctx.problem, Arrays(x, y, tuple(target_power)))
        if ctx.weights:
            values = [base.weighted_sum(values, ctx.weights), *values]
        wanted = [(v, up) for v, up in zip(values, upstreams, strict=True) if up is not None]
        if not wanted:
            return None
        outputs, grads = zip(*wanted, strict=True)
        gradient: Tensor = torch.autograd.grad(outputs, x, grads, create_graph=again)[0]
        return gradient


class _Power(Function):
    """Shares of bins. Nothing but x is kept for the gradient: a transform costs less than keeping one does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, basis: Basis) -> Tensor:
        ctx.save_for_backward(x)
        ctx.basis = basis
        return eager.power(x, basis)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        again = torch.is_grad_enabled()
        if again or not is_plain(slope):
            with torch.enable_grad():
                gradient = torch.autograd.grad(plain.power(x, ctx.basis), x, slope, create_graph=again)[0]
        else:
            gradient = eager.power_pullback(x, slope, ctx.basis)
        return gradient, None


class _PairPower(Function):
    """Statistics of ``y + e`` and y, likewise."""

    @staticmethod
    def forward(ctx: Any, e: Tensor, y: Tensor, basis: Basis, needs: tuple[str, ...]) -> tuple[Tensor, ...]:
        ctx.save_for_backward(e, y)
        ctx.basis, ctx.needs = basis, needs
        tables = eager.pair_power(e, y, basis, needs)
        return tuple(tables[name] for name in needs)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        e, y = ctx.saved_tensors
        asked, again = ctx.needs_input_grad[:2], torch.is_grad_enabled()
        if again or not is_plain(*slopes):
            with torch.enable_grad():
                # The error is made of y outside of this function: a gradient along y itself would count that again.
                e, y = e.view_as(e), y.view_as(y)
                tables = plain.pair_power(e, y, ctx.basis, ctx.needs)
                inputs = [z for z, wanted in zip((e, y), asked, strict=True) if wanted]
                outputs = [tables[name] for name in ctx.needs]
                # A target of which nothing but the error is asked has no gradient of its own.
                found = iter(torch.autograd.grad(outputs, inputs, slopes, create_graph=again, allow_unused=True))
                gradients = [next(found) if wanted else None for wanted in asked]
        else:
            named = dict(zip(ctx.needs, slopes, strict=True))
            gradients = [
                eager.pair_pullback(e, y, named, ctx.basis, bool(of_target)) if wanted else None
                for of_target, wanted in enumerate(asked)
            ]
        return *gradients, None, None


# Function.apply binds its arguments to forward's signature at each call; to make that anew takes longer than a small
# transform, and inspect takes it from here.
_functions: tuple[Any, ...] = (_Loss, _Power, _PairPower)
for _function in _functions:
    _function.forward.__signature__ = inspect.signature(_function.forward)
