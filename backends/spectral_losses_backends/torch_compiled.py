"""PyTorch under ``torch.compile``: the kernels as opaque operators, so that neither loops nor transforms are traced.

A source travels through the graph as text that describes it fully: no tables in the graph, and nothing in a compiled
program that another process could not read.
"""

from __future__ import annotations

from ast import literal_eval
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spectral_losses_backends.torch_kernels import kernels

if TYPE_CHECKING:
    from spectral_losses._dispatch import Source


def constant(source: Source, name: str, like: Tensor) -> Any:
    """``getattr(source, name)()`` on like's device, traced or not."""
    if not torch.compiler.is_compiling():
        return kernels.constant(source, name, like)
    found = _constant_op(like.detach(), token_of(source), name)
    return tuple(found) if name in source.several else found[0]


def token_of(source: Source) -> str:
    """A source as text."""
    kind = type(source)
    return f"{kind.__module__}:{kind.__qualname__}:{tuple(source)!r}"


@lru_cache(maxsize=256)
def source_of(token: str) -> Any:
    """The source of a text."""
    module, kind, fields = token.split(":", 2)
    return getattr(import_module(module), kind)(*literal_eval(fields))


@torch.library.custom_op("spectral_losses::constant", mutates_args=())
def _constant_op(like: Tensor, token: str, name: str) -> list[Tensor]:
    """A constant as a list of one or more tensors, copied: the caller owns what an operator returns."""
    found = kernels.constant(source_of(token), name, like)
    return [tensor.clone() for tensor in (found if isinstance(found, tuple) else (found,))]


@_constant_op.register_fake
def _(like: Tensor, token: str, name: str) -> list[Tensor]:
    found = getattr(source_of(token), name)()
    arrays = found if isinstance(found, tuple) else (found,)
    return [like.new_empty(a.shape, dtype=like.dtype if a.dtype.kind == "f" else torch.int64) for a in arrays]


@torch.library.custom_op("spectral_losses::shell_power", mutates_args=())
def shell_power_op(x: Tensor, token: str) -> Tensor:
    """Power of each shell."""
    return kernels.shell_power(x, source_of(token))


@shell_power_op.register_fake
def _(x: Tensor, token: str) -> Tensor:
    grid = source_of(token)
    return x.new_empty(*x.shape[: -len(grid.shape)], grid.scale().size)


@torch.library.custom_op("spectral_losses::shell_adjoint", mutates_args=())
def shell_adjoint_op(x: Tensor, gradient: Tensor, token: str) -> Tensor:
    """The adjoint of `shell_power_op`."""
    return kernels.shell_pullback(x, gradient, source_of(token))


@shell_adjoint_op.register_fake
def _(x: Tensor, gradient: Tensor, token: str) -> Tensor:
    return x.new_empty(x.shape)
