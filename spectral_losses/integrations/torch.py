"""PyTorch: a criterion whose weights can be saved, moved and scheduled, and means over the ranks of a run."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from spectral_losses.composite import Component, CompositeLoss, Loss, refuse_options
from spectral_losses.spectra import Spectrum
from spectral_losses_backends.registry import backend_of
from spectral_losses_backends.torch import ranks

__all__ = ["CompositeCriterion", "mean_over_ranks", "over_ranks"]


class CompositeCriterion(nn.Module):
    """`CompositeLoss` as a module: a criterion that returns the total, and whose weights are in its ``state_dict``.

    Parameters
    ----------
    components : mapping of str to Component, str or callable, or CompositeLoss
        As `CompositeLoss` takes them, or one of those, whose weights it starts with. A component that is a module
        becomes a part of this one, and moves and is saved with it.
    weights : mapping of str to float, optional
        By default 1 for each component. Those that are left out are 0.

    Attributes
    ----------
    parts : dict of str to Tensor, 0-d
        Of the last call, detached and without their weights; reading one as a float waits for the device. Those of
        ``torch.func.vmap`` have a number for each call that it maps.

    Raises
    ------
    ValueError, TypeError
        As `CompositeLoss`; a name with a dot, which no ``state_dict`` could hold; weights beside a CompositeLoss.

    Notes
    -----
    A component whose weight is 0 is not computed, and no call waits for the device to know that: the weights are kept
    on both sides. Under ``torch.compile`` they are tensors, so that a new weight compiles nothing; every component
    is then computed, whatever its weight: one that is NaN makes the total NaN with a weight of 0, too, and with
    nothing but zeros the total is 0 and no error.

    What writes to the buffers itself, as averages of models over time do, has to be followed by `set_weights`.

    The buffers stay in float64 (float32 where a device has no other) through ``half()`` and ``to(dtype)``, so that
    a loaded state holds exactly the weights that were in use.

    Examples
    --------
    >>> import torch, spectral_losses as sl
    >>> from spectral_losses.integrations.torch import CompositeCriterion
    >>> criterion = CompositeCriterion(
    ...     {"field_error": "field_error", "spectrum_error": sl.Component("spectrum_error", channels="sum")},
    ...     weights={"field_error": 1})
    >>> generator = torch.Generator().manual_seed(0)
    >>> target = torch.randn(2, 1, 16, 16, generator=generator)
    >>> total = criterion((1.1 * target).requires_grad_(), target)
    >>> total.requires_grad, sorted(criterion.parts)
    (True, ['field_error'])
    >>> criterion.set_weights({"field_error": 0.3, "spectrum_error": 0.7})
    >>> for name, weight in criterion.state_dict().items():
    ...     print(name, weight.item())
    weight.field_error 0.3
    weight.spectrum_error 0.7
    """

    def __init__(
        self,
        components: Mapping[str, Component | str | Loss] | CompositeLoss,
        weights: Mapping[str, float] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        refuse_options(options)
        if isinstance(components, CompositeLoss):
            if weights is not None:
                raise TypeError("weights must not be given beside a CompositeLoss, which has its own")
            weights, components = components.weights, components.components
        # Its own weights stay as they are: what torch.compile sees of it must never change.
        self._loss = CompositeLoss(components)
        for name in self._loss.components:
            if "." in name or not name:
                raise ValueError(f"components must have names without dots, for the state_dict, got {name!r}")
        self.component = nn.Module()
        for name, component in self._loss.components.items():
            if isinstance(component.function, nn.Module):
                self.component._modules[name] = component.function  # add_module refuses names such as "type"
        self.weight = _Weights(CompositeLoss(components, weights).weights)
        self.parts: dict[str, Tensor] = {}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read plain data, as `CompositeLoss.from_dict` does, and raise what that raises."""
        return cls(CompositeLoss.from_dict(settings))

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, with the weights as they are; raises what `CompositeLoss.to_dict` raises."""
        return CompositeLoss(self._loss.components, self.weights).to_dict()

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each component."""
        return dict(self.weight.floats)

    def set_weights(self, weights: Any) -> None:
        """Set weights by name; those that are not named stay.

        Parameters
        ----------
        weights : mapping of str to float, or anything that has such ``weights``
            A `Decision`, a `LossScheduler`, a `LossController` or a `Balancer` can be passed as it is.

        Raises
        ------
        ValueError
            A name that is no component, or a weight that is not finite.
        TypeError
            A weight that is no number.
        """
        checked = CompositeLoss(self._loss.components, self.weight.floats)
        checked.set_weights(weights)
        self.weight.fill(checked.weights)

    def forward(
        self,
        prediction: Tensor,
        target: Tensor | Spectrum | Mapping[str, Tensor | Spectrum],
        mask: Tensor | None = None,
    ) -> Tensor:
        """The total of one batch, 0-d; takes and raises what `CompositeLoss` takes and raises."""
        weights = self.weight.tensors() if torch.compiler.is_compiling() else self.weight.floats
        total, parts = self._loss(prediction, target, weights=weights, mask=mask)
        self.parts = {name: settled(part) for name, part in parts.items()}
        result: Tensor = total
        return result

    def extra_repr(self) -> str:
        """Its components and weights, for ``print``."""
        floats = self.weight.floats
        return "\n".join(f"({name}): {floats[name]:g} * {each!r}" for name, each in self._loss.components.items())


def settled(part: Tensor) -> Tensor:
    """A value that outlives the transform of ``torch.func`` which made it, and can be copied and saved."""
    part = part.detach()
    if torch.compiler.is_compiling():
        return part
    while torch._C._functorch.is_functorch_wrapped_tensor(part):
        part = torch._C._functorch.get_unwrapped(part)
    return part


def over_ranks(group: dist.ProcessGroup | None = None) -> AbstractContextManager[None]:
    """Let losses be those of the whole batch where each rank of a distributed run holds a share of it.

    Inside of ``with over_ranks():`` a mean over frames is one over the frames of all ranks: of the statistics that
    ``pool`` averages, of the guards that ``eps`` makes relative to all frames, and of the rows themselves. Every rank
    has the same loss, that of one process with all frames. What is sent are sums over the bins, and no fields.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        The ranks; by default all. Without a process group, and with one rank, nothing changes.

    Returns
    -------
    context manager
        May be entered as often as you like; what is compiled with ``torch.compile`` is called inside of it.

    Raises
    ------
    TypeError
        Something else than a process group of which this rank is a member. Inside: transforms of ``torch.func``; a
        pooled loss that is made of the fields themselves.
    ValueError
        Inside: a prediction whose first axis, along which it is shared out, is of channels or space.

    Notes
    -----
    All ranks call the same losses in the same order, with the same weights and options, or they wait for each other:
    nothing may be computed inside on one rank alone. Other threads are not inside. Shares are parts along the first
    axis, of any size but 0. Arrays of other frameworks than PyTorch are taken as they are. A component that is no loss
    of this library, and `radial_spectrum`, are those of the rank's own frames; of stored targets beside a pooled
    prediction the mean over all ranks is taken.

    Where ``torch.utils.checkpoint`` computes a loss again in the backward pass, that has to run inside, too, or the
    function that is computed again enters by itself.

    The gradient on each rank is that of the whole loss with respect to its own share, times the number of ranks,
    because ``DistributedDataParallel`` and FSDP divide by that when they average gradients: those of parameters are
    then those of one process. It takes for granted that all ranks go on with their losses alike.

    With ``reduction="none"`` each rank has the rows of its own frames; where the first axis is pooled, those of all.

    Examples
    --------
    >>> import torch, spectral_losses as sl
    >>> from spectral_losses.integrations.torch import over_ranks
    >>> generator = torch.manual_seed(0)
    >>> prediction, target = torch.randn(2, 4, 1, 16, 16)  # of this rank
    >>> prediction.requires_grad_()
    tensor(...)
    >>> with over_ranks():
    ...     loss = sl.log_spectral_distance(prediction, target, pool="frames")
    >>> loss.backward()
    """
    if not (dist.is_available() and dist.is_initialized()):
        return ranks.over(None)
    group = dist.group.WORLD if group is None else group
    if not isinstance(group, dist.ProcessGroup) or dist.get_rank(group) < 0:
        raise TypeError(f"group must be a process group of which this rank is a member, got {group!r}")
    return ranks.over(group if dist.get_world_size(group) > 1 else None)


def mean_over_ranks(metrics: Mapping[str, Any], count: float = 1) -> dict[str, float]:
    """Means over the ranks of a distributed run, each rank weighted by its count; the same floats on every rank.

    Without a process group they are the rank's own. All ranks have to call it, with the same names.

    Parameters
    ----------
    metrics : mapping of str to float
        Means over this rank's share: plain numbers, or whatever ``float`` takes.
    count : float, default 1
        How much went into them, such as the number of samples. A rank whose count is 0 contributes nothing, whatever
        its values.

    Returns
    -------
    dict of str to float
        In the order of `metrics`.

    Raises
    ------
    ValueError
        A count that is negative or not finite, or 0 on all ranks; on all ranks, names that are not the same on all.
    TypeError
        Metrics that are no mapping.
    RuntimeError
        Something that another rank refuses: none is left waiting.

    Notes
    -----
    Summed in float64, on the CPU where the process group takes that, and else on the current device, which with NCCL
    ``torch.cuda.set_device`` chooses.

    Examples
    --------
    >>> from spectral_losses.integrations.torch import mean_over_ranks
    >>> mean_over_ranks({"field_error": 0.25, "spectrum_error": 0.5}, count=16)
    {'field_error': 0.25, 'spectrum_error': 0.5}
    """
    means: dict[str, float] = {}
    total, failed = 0.0, None
    try:  # a rank that raised alone would leave the others waiting
        total, means = _counted(metrics, count)
    except Exception as error:
        failed = error
    if dist.is_available() and dist.is_initialized():
        names = sorted(means, key=repr)  # two ranks may have filled their mappings in different orders
        _agree(names, failed)
        sums = [total * means[name] if total else 0.0 for name in names]
        packed = torch.tensor([*sums, total], dtype=torch.float64, device=_device_of_group())
        dist.all_reduce(packed)
        *sums, total = packed.tolist()
        reduced = {name: value / total for name, value in zip(names, sums, strict=True)} if total else {}
        means = {name: reduced.get(name, math.nan) for name in means}
    if failed is not None:
        raise failed
    if not total:
        raise ValueError("count must be positive on some rank, got 0 on all")
    return means


def _counted(metrics: Mapping[str, Any], count: float) -> tuple[float, dict[str, float]]:
    """The count and the means of this rank; those of a count of 0 are not looked at."""
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must map names to numbers, got {type(metrics).__name__}")
    total = float(count)
    if not 0 <= total < math.inf:
        raise ValueError(f"count must be finite and at least 0, got {count}")
    return total, {name: float(value) if total else math.nan for name, value in metrics.items()}


def _agree(names: list[str], failed: Exception | None) -> None:
    """Raise on every rank where one of them failed, or has other names."""
    told = [zlib.crc32(repr(names).encode()), int(failed is not None)]
    low, high = (torch.tensor(told, dtype=torch.int64, device=_device_of_group()) for _ in range(2))
    dist.all_reduce(low, dist.ReduceOp.MIN)
    dist.all_reduce(high, dist.ReduceOp.MAX)
    if failed is not None:
        raise failed
    if high[1]:
        raise RuntimeError("metrics or count are refused on another rank")
    if low[0] != high[0]:
        raise ValueError(
            f"metrics must have the same names on every rank, got {', '.join(names) or 'none'} on this one"
        )


class _Weights(nn.Module):
    """Weights on both sides: floats, for the host to decide by, and buffers, to be saved, moved and compiled."""

    def __init__(self, floats: Mapping[str, float]) -> None:
        super().__init__()
        self.floats = dict(floats)
        for name, value in floats.items():
            self._buffers[name] = torch.tensor(value, dtype=torch.float64)  # register_buffer refuses "type", too
        backend_of(next(iter(self._buffers.values())), "weight")  # what is met while compiling is compiled twice

    def tensors(self) -> dict[str, Any]:
        """The weights as 0-d tensors."""
        return {name: self._buffers[name] for name in self.floats}

    def fill(self, floats: Mapping[str, float]) -> None:
        """Change the weights in place, without waiting for the device."""
        self.floats = dict(floats)
        for name, value in floats.items():
            self.tensors()[name].fill_(value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> _Weights:
        # Only the device may change. A tensor that is made in inference mode could not be trained with.
        with torch.inference_mode(False):
            device = fn(torch.zeros(1, device=_device_of(self._buffers.values()))).device
            dtype = torch.float32 if device.type == "mps" else torch.float64
            for name, value in self.floats.items():
                self._buffers[name] = torch.tensor(value, dtype=dtype, device=device)
        return self

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        for name in self.floats:
            weight = state_dict.get(f"{prefix}{name}")
            # Of anything else than a number PyTorch itself says what it is.
            single = isinstance(weight, Tensor) and weight.numel() == 1 and not weight.is_meta
            if single and not torch.isfinite(weight).all():
                args[-1].append(f"weight {name!r} must be finite, got {weight.item()}")  # errors that PyTorch raises
                return
        super()._load_from_state_dict(state_dict, prefix, *args)
        for name, buffer in self.tensors().items():
            if buffer.dtype != torch.float64 and buffer.device.type != "mps":
                self._buffers[name] = buffer.double()
        self.floats = {n: self.floats[n] if b.is_meta else float(b) for n, b in self.tensors().items()}


def _device_of(tensors: Iterable[Tensor | None]) -> torch.device:
    return next(tensor.device for tensor in tensors if tensor is not None)


def _device_of_group() -> str:
    """A device on which the process group works: the CPU if it can, with NCCL the current GPU."""
    devices = [pair.split(":")[0] for pair in dist.get_backend_config().split(",")]
    return "cpu" if "cpu" in devices else devices[0]
