"""Sums over the ranks of a process group: which one is set, and the sum in eager and in compiled PyTorch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import forward_ad

from spectral_losses_backends.ranks import Ranks

# Of each thread its own: what another one computes meanwhile, such as for a picture, must not wait for other ranks.
# No subclass with a default, of which torch.compile before PyTorch 2.13 sees the default alone.
_here = threading.local()
_groups: dict[str, Any] = {}


@contextmanager
def over(group: Any) -> Iterator[None]:
    """Let losses take frames of all ranks of a group; None for those of this process alone."""
    before = current()
    if group is not None:
        _groups[group.group_name] = group  # a backward pass may ask for it later
    _set(None if group is None else (group.group_name, dist.get_world_size(group)))
    try:
        yield
    finally:
        _set(before)


def current() -> tuple[str, int] | None:
    """The name of the group that is set in this thread, and how many ranks it has."""
    return getattr(_here, "group", None)


def _set(ranks: tuple[str, int] | None) -> None:
    if ranks is None:  # absent, as before the first time: torch.compile tells that from None, and would compile anew
        vars(_here).pop("group", None)
    else:
        _here.group = ranks


def total(x: Tensor, group: str) -> Tensor:
    """The sum of what each rank has, in new memory."""
    summed = x.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(summed, group=_groups[group])
    return summed


def differentiable_total(x: Tensor, ranks: Ranks) -> Tensor:
    """Likewise; its gradient is that of the sum of what all ranks make of it, and sent as well."""
    if torch._C._are_functorch_transforms_active():
        raise TypeError("over_ranks takes no transforms of torch.func: what is sent between ranks has no rule for them")
    x, along = forward_ad.unpack_dual(x) if forward_ad._current_level >= 0 else (x, None)
    result: Tensor = _total_op(x, ranks.group)
    if along is not None:  # an operator has no rule for it, and would drop it
        result = forward_ad.make_dual(result, _total_op(along, ranks.group))
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
