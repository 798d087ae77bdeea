"""PyTorch: which of four ways a call takes.

- ``eager`` of `kernels`, where nothing wants a gradient or it is made by hand: the methods inherited here.
- `functions`, where a tensor wants a gradient: the same kernels inside an autograd function.
- ``plain`` of `functions`, where `is_plain` says no (``torch.func``, forward mode, tracers, subclasses): operations
  that PyTorch follows itself.
- `compiled`, under ``torch.compile``: the kernels as opaque operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree

from spectral_losses_backends import base
from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.problem import Arrays, Problem, Tables
from spectral_losses_backends.ranks import Ranks
from spectral_losses_backends.torch import compiled, functions
from spectral_losses_backends.torch import ranks as processes
from spectral_losses_backends.torch.functions import plain
from spectral_losses_backends.torch.kernels import Kernels, eager, is_plain


class Backend(Kernels):
    """PyTorch tensors on any device."""

    def __init__(self) -> None:
        self._constants = eager._constants

    def constant(self, source: Source, name: str, like: Tensor) -> Any:
        """``getattr(source, name)()`` on like's device, cached."""
        return compiled.constant(source, name, like)

    def known(self, source: Source, name: str) -> Any:
        """``getattr(source, name)()`` of plain values."""
        return compiled.known(source, name)

    def is_tracing(self) -> bool:
        """Whether ``torch.compile`` or ``torch.jit.trace`` is looking on, to which sizes are no numbers."""
        return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None

    def sum_over_ranks(self, x: Tensor, ranks: Ranks) -> Tensor:
        """The sum of what each rank has, differentiable."""
        return processes.differentiable_total(x, ranks)

    def power(self, x: Tensor, basis: Basis) -> Tensor:
        """Share of the mean square in each bin, differentiable."""
        if _opaque(basis):
            return compiled.power(x, basis)
        if not is_plain(x):
            return plain.power(x, basis)
        return functions.power(x, basis) if _wants_gradient(x) else super().power(x, basis)

    def pair_power(self, e: Tensor, y: Tensor, basis: Basis, needs: tuple[str, ...]) -> Tables:
        """Statistics of a pair, differentiable."""
        if _opaque(basis):
            return compiled.pair_power(e, y, basis, needs)
        if not is_plain(e, y):
            return plain.pair_power(e, y, basis, needs)
        way = functions.pair_power if _wants_gradient(e) or _wants_gradient(y) else super().pair_power
        return way(e, y, basis, needs)

    def framewise(self, source: Any, x: Tensor, *others: Tensor) -> Tensor:
        """A function of fields, which no graph holds."""
        if torch.compiler.is_compiling() and not torch._C._are_functorch_transforms_active():
            return compiled.framewise(source, x, others)
        return super().framewise(source, x, *others)

    def statistics(self, problem: Problem, arrays: Arrays) -> Tables:
        """The statistics that a problem needs, each ``(..., bins)``, differentiable."""
        if _of_prediction_alone(arrays) and not _wants_gradient(arrays.x):
            return super().statistics(problem, arrays)
        return base.Backend.statistics(self, problem, arrays)  # composed of `power` and `pair_power`, differentiable

    def values(self, problem: Problem, arrays: Arrays) -> list[Tensor]:
        """What the losses of a problem are; for one loss of a prediction, the gradient is made along with it."""
        alone, wanted = _of_prediction_alone(arrays), _wants_gradient(arrays.x)
        if alone and not wanted:
            return super().values(problem, arrays)
        if len(problem.terms) == 1 and wanted:
            if torch.compiler.is_compiling():
                if _opaque(problem.basis) and compiled.fuses(problem, arrays):
                    return [compiled.value(problem, arrays)]
            elif alone:
                return [functions.value(problem, arrays)]
        return base.Backend.values(self, problem, arrays)

    def weighted(self, problem: Problem, arrays: Arrays, weights: Sequence[float]) -> tuple[Tensor, list[Tensor]]:
        """The weighted sum of several losses, and these, likewise."""
        if _wants_gradient(arrays.x) and _of_prediction_alone(arrays):
            return functions.weighted(problem, arrays, weights)
        return super().weighted(problem, arrays, weights)

    def value_and_grad(
        self, problem: Problem, arrays: Arrays, weights: Sequence[float] = (1.0,)
    ) -> tuple[list[Tensor], Tensor]:
        """Losses, and the gradient of their weighted sum with respect to the prediction."""
        way = super().value_and_grad if is_plain(arrays.x, arrays.y, *arrays.target_power) else plain.value_and_grad
        return way(problem, arrays, weights)

    def to_numpy_if_free(self, x: Tensor) -> Any | None:
        """The values of a concrete tensor on the CPU."""
        if not is_plain(x) or x.device.type != "cpu":
            return None
        x = x.detach().resolve_neg()  # NumPy has no negative bit
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()  # NumPy has no bfloat16

    def to_numpy(self, x: Tensor) -> Any:
        """The values of a tensor, from whichever device."""
        return self.to_numpy_if_free(x.cpu())

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


def _opaque(basis: Basis) -> bool:
    """Whether to use the operators of `compiled`: for transforms, where PyTorch's own ones do not map over them."""
    mapped = torch._C._are_functorch_transforms_active()
    return torch.compiler.is_compiling() and not mapped and basis.sums != "points"


def _wants_gradient(x: Any) -> bool:
    return x is not None and x.requires_grad and torch.is_grad_enabled()


def _of_prediction_alone(arrays: Arrays) -> bool:
    others = (arrays.y, *arrays.target_power)
    if not is_plain(arrays.x, *others):
        return False
    for x in others:  # noqa: SIM110 - a generator would take longer
        if _wants_gradient(x):
            return False
    return True
