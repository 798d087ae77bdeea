"""PyTorch: a criterion whose gradient is balanced, loss by loss, where the prediction is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from spectral_losses.balance import Balancer, influences
from spectral_losses.balance.influence import combined, number_of_differences
from spectral_losses.composite import Component, CompositeLoss, Loss
from spectral_losses.integrations.torch import settled
from spectral_losses.losses.comparison import detached
from spectral_losses.spectra import Spectrum

__all__ = ["BalancedCriterion"]


class BalancedCriterion(nn.Module):
    """Several losses as one, with shares of influence: a criterion for any PyTorch loop, whose total is 0-d.

    Its total is called, scaled, divided and followed backward as that of any other. Each training batch is one step of
    the balancer. In ``eval()`` mode, without gradients and for a prediction that wants none, nothing is learned: the
    total is that of the weights as they are.

    Parameters
    ----------
    components : mapping of str to Component, str or callable, or CompositeLoss
        As `CompositeLoss` takes them, with the names of the shares. The weights of a `CompositeLoss` are not used. A
        component that is a module becomes a part of this one.
    balancer : Balancer or mapping of str to float
        One, or the shares for one.

    Attributes
    ----------
    balancer : Balancer
        Its ``weights`` are those in use; ``freeze()`` keeps them.
    parts : dict of str to Tensor, 0-d
        Of the last call, detached and without their weights; reading one as a float waits for the device.

    Raises
    ------
    ValueError, TypeError
        As `CompositeLoss` and `Balancer`; a component without a share, or the other way round.

    Notes
    -----
    Gradients of each loss with respect to the prediction are made in the forward call, in float32 for half precision,
    and weighted there: the model is gone through once, and the weights stay on the device. What multiplies the total
    (``GradScaler.scale``, a division by the number of batches that make up a step) multiplies its gradient and nothing
    else. A gradient that is not finite changes no weight and stays not finite, so that a `GradScaler` skips the step.
    Once frozen it costs what a `CompositeLoss` costs. ``torch.compile`` leaves it out of the compiled program.

    With a process group the influences are those of the batches of all ranks together, so that all ranks have the same
    weights; all of them have to call it, each with two samples or more. While it balances, only the prediction gets a
    gradient: neither the target nor what a component might have learnt. There is no second derivative. A call that
    ``torch.utils.checkpoint`` makes again in the backward pass is a step of its own: leave the criterion out of it.

    The state of the balancer is in the ``state_dict``, in plain types.

    Examples
    --------
    >>> import torch, spectral_losses as sl
    >>> from spectral_losses.integrations.balance import BalancedCriterion
    >>> criterion = BalancedCriterion(
    ...     {"field": "field_error", "spectrum": "spectrum_error"}, {"field": 1.0, "spectrum": 0.1})
    >>> generator = torch.Generator().manual_seed(0)
    >>> prediction, target = torch.randn(2, 4, 1, 16, 16, generator=generator)
    >>> criterion(prediction.requires_grad_(), target).backward()
    >>> prediction.grad.shape, criterion.balancer.weights["field"]
    (torch.Size([4, 1, 16, 16]), 1.0)
    """

    def __init__(
        self,
        components: Mapping[str, Component | str | Loss] | CompositeLoss,
        balancer: Balancer | Mapping[str, float],
    ) -> None:
        super().__init__()
        self._loss = CompositeLoss(components.components if isinstance(components, CompositeLoss) else components)
        self.balancer = balancer if isinstance(balancer, Balancer) else Balancer(balancer)
        self.balancer.check_names("components", self._loss.components)
        self.component = nn.Module()
        for name, component in self._loss.components.items():
            if isinstance(component.function, nn.Module):
                self.component._modules[name] = component.function  # add_module refuses names such as "type"
        self.parts: dict[str, Tensor] = {}

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(
        self,
        prediction: Tensor,
        target: Tensor | Spectrum | Mapping[str, Tensor | Spectrum],
        mask: Tensor | None = None,
    ) -> Tensor:
        """The total of one batch, 0-d; takes and raises what `CompositeLoss` takes and raises."""
        target = detached(target)
        learns = self.training and torch.is_grad_enabled() and prediction.requires_grad
        if not learns or self.balancer.frozen:
            total, parts = self._loss(prediction, target, weights=self.balancer.weights, mask=mask)
            self.parts = {name: settled(part) for name, part in parts.items()}
            return total  # type: ignore[no-any-return]
        if torch._C._are_functorch_transforms_active():
            raise TypeError("a BalancedCriterion takes no transforms of torch.func: it makes gradients itself")
        values, gradients = self._apart(prediction, target, mask)
        found = influences(gradients, prediction, self.balancer.axis)
        if dist.is_available() and dist.is_initialized():
            found = _over_ranks(found, number_of_differences(prediction.shape, self.balancer.axis))
        weights = self.balancer.step(found)
        self.parts = values
        value = sum(weights[name] * part for name, part in values.items())
        gradient = combined(gradients, weights, next(iter(gradients.values())))
        result: Tensor = _Balanced.apply(prediction, value, gradient)  # type: ignore[no-untyped-call]
        return result

    def get_extra_state(self) -> dict[str, Any]:
        """The balancer's state, for the ``state_dict``."""
        return self.balancer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the balancer's state from a ``state_dict``."""
        self.balancer.load_state_dict(state)

    def extra_repr(self) -> str:
        """Its components and shares, for ``print``."""
        shares = self.balancer.shares
        return "\n".join(f"({name}): {shares[name]:g} of {each!r}" for name, each in self._loss.components.items())

    def _apart(
        self, prediction: Tensor, target: Any, mask: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The value of each loss, and its gradient with respect to the prediction."""
        values, gradients = {}, {}
        lifted = prediction.detach().to(torch.promote_types(prediction.dtype, torch.float32))
        for name in self.balancer.shares:
            leaf = lifted.detach().requires_grad_()
            total, parts = self._loss(leaf, target, weights=self.balancer.alone(name), mask=mask)
            if not total.requires_grad:
                raise ValueError(f"component {name!r} must depend on the prediction, got a value without a gradient")
            gradients[name] = torch.autograd.grad(total, leaf)[0]
            values[name] = parts[name].detach()
        return values, gradients


class _Balanced(torch.autograd.Function):
    """A value of the prediction whose gradient is known."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        ctx.dtype = prediction.dtype
        return value.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        if torch.is_grad_enabled():  # weights are no function of the prediction
            raise RuntimeError("the total of a BalancedCriterion has no second derivative, got create_graph=True")
        (gradient,) = ctx.saved_tensors
        return (upstream * gradient).to(ctx.dtype), None, None


def _over_ranks(found: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """Influences in the batches of all ranks together, in one sum that no rank waits for on its host."""
    like = next(iter(found.values()))
    squares = torch.stack([count * value.double().square() for value in found.values()])
    packed = torch.cat([squares, squares.new_tensor([count])])
    dist.all_reduce(packed)
    means = (packed[:-1] / packed[-1]).sqrt().to(like.dtype)
    return dict(zip(found, means.unbind(), strict=True))
