"""Sums over the ranks of a process group: which one is set, and the sum in eager and in compiled PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from spectral_losses_backends.ranks import Ranks

_current: tuple[str, int] | None = None
_groups: dict[str, Any] = {}


@contextmanager
def over(group: Any) -> Iterator[None]:
    """Let losses take frames of all ranks of a group; None for those of this process alone."""
    global _current
    before = _current
    if group is None:
        _current = None
    else:
        _groups[group.group_name] = group  # a backward pass may ask for it later
        _current = group.group_name, dist.get_world_size(group)
    try:
        yield
    finally:
        _current = before


def current() -> tuple[str, int] | None:
    """The name of the group that is set, and how many ranks it has."""
    return _current


def total(x: Tensor, group: str) -> Tensor:
    """The sum of what each rank has, in new memory."""
    summed = x.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(summed, group=_groups[group])
    return summed


def differentiable_total(x: Tensor, ranks: Ranks) -> Tensor:
    """Likewise; its gradient is that of the sum of what all ranks make of it, and sent as well."""
    if torch._C._are_functorch_transforms_active():
        raise TypeError("over_ranks takes no transforms of torch.func: what is sent between ranks has no rule for them")
    result: Tensor = _total_op(x, ranks.group)
    return result


@torch.library.custom_op("spectral_losses::sum_over_ranks", mutates_args=(), schema="(Tensor x, str group) -> Tensor")
def _total_op(x: Tensor, group: str) -> Tensor:
    return total(x, group)


@_total_op.register_fake
def _(x: Tensor, group: str) -> Tensor:
    return x.new_empty(x.shape)


def _keep_group(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.group = inputs[1]


def _total_backward(ctx: Any, slope: Tensor) -> Any:
    return _total_op(slope, ctx.group), None


_total_op.register_autograd(_total_backward, setup_context=_keep_group)
