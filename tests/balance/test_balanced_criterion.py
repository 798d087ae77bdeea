"""The balanced criterion in PyTorch: its gradient, mixed precision, saving, and what it leaves alone."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.balance import Balancer

torch = pytest.importorskip("torch")

from spectral_losses.integrations.balance import BalancedCriterion  # noqa: E402

SHARES = {"field": 1.0, "spectrum": 0.1}
LOSSES = {"field": "field_error", "spectrum": "spectrum_error"}


def pair(seed: int = 0, dtype: Any = torch.float64, samples: int = 4) -> tuple[Any, Any]:
    p, t = torch.randn(2, samples, 1, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(
        dtype
    )
    return p.requires_grad_(), t


def scaled(constant: float, loss: Any = sl.spectrum_error) -> Any:
    return lambda prediction, target: constant * loss(prediction, target)


def train(criterion: Any, steps: int = 20, scaler: Any = None, adam: bool = False, parts: int = 1) -> list[Any]:
    """The weights of a linear model after each step."""
    generator = torch.Generator().manual_seed(0)
    model = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False).double()
    torch.nn.init.constant_(model.weight, 0.1)
    x = torch.randn(8, 1, 8, 8, generator=generator, dtype=torch.float64)
    y = 0.5 * x + 0.5 * x.roll(1, -1)
    optimizer = (
        torch.optim.Adam(model.parameters(), lr=0.02, eps=0) if adam else torch.optim.SGD(model.parameters(), lr=0.05)
    )
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        for i in range(parts):
            total = criterion(model(x[i::parts]), y[i::parts]) / parts
            (total if scaler is None else scaler.scale(total)).backward()
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        found.append(model.weight.detach().clone())
    return found


def test_value_and_gradient_are_those_of_numpy() -> None:
    criterion, balancer = BalancedCriterion(LOSSES, SHARES), Balancer(SHARES)
    by_hand = balancer.value_and_grad(sl.CompositeLoss(LOSSES))
    for seed in range(3):
        p, t = pair(seed)
        total = criterion(p, t)
        assert total.shape == ()
        total.backward()
        (wanted, parts), gradient = by_hand(p.detach().numpy(), t.numpy())
        assert total.item() == pytest.approx(float(wanted), rel=1e-12)
        np.testing.assert_allclose(p.grad.numpy(), gradient, rtol=1e-12, atol=1e-15)
        assert {name: part.item() for name, part in criterion.parts.items()} == pytest.approx(
            {name: float(part) for name, part in parts.items()}, rel=1e-12
        )
        assert not any(part.requires_grad for part in criterion.parts.values())
    assert criterion.balancer.weights == pytest.approx(balancer.weights, rel=1e-12)


def test_a_mask_of_the_batch() -> None:
    criterion, balancer = BalancedCriterion(LOSSES, SHARES), Balancer(SHARES)
    by_hand = balancer.value_and_grad(sl.CompositeLoss(LOSSES))
    p, t = pair(0)
    mask = torch.rand(t.shape[0], 1, *t.shape[-2:], generator=torch.Generator().manual_seed(1)) > 0.2
    criterion(p, t, mask=mask).backward()
    (wanted, _), gradient = by_hand(p.detach().numpy(), t.numpy(), mask=mask.numpy())
    np.testing.assert_allclose(p.grad.numpy(), gradient, rtol=1e-12, atol=1e-15)
    assert not p.grad[(~mask).expand_as(p)].any()
    assert criterion.eval()(p, t, mask=mask).item() == pytest.approx(float(wanted), rel=1e-12)


def with_weights(weights: dict[str, float]) -> Any:
    loss = sl.CompositeLoss(LOSSES, weights)
    return lambda p, t: loss(p, t)[0]


def test_constants_change_no_training() -> None:
    plain = train(BalancedCriterion(LOSSES, SHARES))
    assert (plain[-1] - plain[0]).abs().max() > 0.05
    other = train(BalancedCriterion({**LOSSES, "spectrum": scaled(1e6)}, SHARES))
    torch.testing.assert_close(other, plain, rtol=1e-9, atol=1e-12)
    both = {"field": scaled(1e6, sl.field_error), "spectrum": scaled(1e-3)}
    torch.testing.assert_close(
        train(BalancedCriterion(both, SHARES), adam=True),
        train(BalancedCriterion(LOSSES, SHARES), adam=True),
        rtol=1e-9,
        atol=1e-12,
    )
    without = train(with_weights({"field": 1.0, "spectrum": 1e6}), steps=2)
    assert (without[-1] - plain[1]).abs().max() > 1


def test_a_gradient_scaler_changes_nothing() -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=3)
    plain = train(BalancedCriterion(LOSSES, SHARES))
    torch.testing.assert_close(train(BalancedCriterion(LOSSES, SHARES), scaler=scaler), plain, rtol=1e-12, atol=1e-12)
    assert scaler.get_scale() > 2.0**16


def test_accumulated_gradients_are_means_over_the_parts() -> None:
    criterion = BalancedCriterion(LOSSES, {"field": 1.0, "spectrum": 0.1})
    train(criterion, steps=1, parts=2)
    assert criterion.balancer.state.seen["spectrum"] == pytest.approx(1 - 0.5**0.02)  # two batches


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_weighed_in_single(dtype: Any) -> None:
    p, t = pair(dtype=dtype)
    criterion = BalancedCriterion({**LOSSES, "spectrum": scaled(1e-6)}, SHARES)
    total = criterion(p, t)
    assert total.dtype == torch.float32
    (2.0**12 * total).backward()
    assert p.grad.dtype == dtype
    q = p.detach().float().requires_grad_()
    twin = BalancedCriterion({**LOSSES, "spectrum": scaled(1e-6)}, SHARES)
    twin(q, t.float()).backward()
    torch.testing.assert_close(p.grad.float() / 2.0**12, q.grad, rtol=0.01, atol=1e-6)
    assert criterion.balancer.weights == pytest.approx(twin.balancer.weights, rel=0.01)


def test_a_gradient_that_is_not_finite_stays_so_and_teaches_nothing() -> None:
    p, t = pair()
    criterion = BalancedCriterion({**LOSSES, "spectrum": scaled(float("nan"))}, SHARES)
    criterion(p, t).backward()
    assert torch.isnan(p.grad).any()
    assert criterion.balancer.state == Balancer(SHARES).state


def test_nothing_is_learned_in_evaluation() -> None:
    p, t = pair()
    criterion = BalancedCriterion(LOSSES, SHARES)
    criterion(p, t)
    weights, state = criterion.balancer.weights, criterion.balancer.state
    expected = weights["field"] * sl.field_error(p, t) + weights["spectrum"] * sl.spectrum_error(p, t)
    (gradient,) = torch.autograd.grad(expected, p)
    with torch.no_grad():
        torch.testing.assert_close(criterion(p, t), expected.detach())
        torch.testing.assert_close(criterion(p[:1], t[:1]) > 0, torch.tensor(True))
    torch.testing.assert_close(criterion(p.detach(), t), expected.detach())
    criterion.eval()
    total = criterion(p, t)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(torch.autograd.grad(total, p)[0], gradient)
    criterion.train()
    criterion.balancer.freeze()
    torch.testing.assert_close(torch.autograd.grad(criterion(p, t), p)[0], gradient)
    assert criterion(p[:1], t[:1]).requires_grad  # one sample does where nothing is measured
    criterion(p, t)
    assert criterion.balancer.state == state
    assert list(criterion.parts) == list(LOSSES)


def test_the_state_goes_through_a_file_and_on_to_the_bit() -> None:
    straight, first, second = (BalancedCriterion(LOSSES, SHARES) for _ in range(3))

    def go(criterion: Any, seeds: Any) -> list[Any]:
        found = []
        for seed in seeds:
            p, t = pair(seed, torch.float32)
            criterion(p, t).backward()
            found.append(p.grad)
        return found

    expected = go(straight, range(4))
    found = go(first, range(2))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert all(torch.equal(a, b) for a, b in zip(found + go(second, (2, 3)), expected, strict=True))
    for twin in (copy.deepcopy(straight), pickle.loads(pickle.dumps(straight))):
        assert twin.balancer.state_dict() == straight.balancer.state_dict()
    with pytest.raises(ValueError, match="state must be one of 'other' beside the first loss"):
        BalancedCriterion({"field": "field_error", "other": "field_error"}, {"field": 1, "other": 1}).load_state_dict(
            first.state_dict()
        )


def test_a_target_gets_no_gradient_and_a_module_belongs_to_it() -> None:
    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def forward(self, prediction: Any, target: Any) -> Any:
            return self.gain * (prediction - target).square().mean()

    p, t = pair()
    criterion = BalancedCriterion(sl.CompositeLoss({"type": "field_error", "own": Scaled()}), {"type": 1, "own": 1})
    assert list(criterion.state_dict()) == ["_extra_state", "component.own.gain"]
    criterion(p, t.requires_grad_()).backward()
    assert criterion.component.own.gain.grad is None
    criterion.eval()
    criterion(p, t).backward()
    assert t.grad is None
    assert "(type): 1 of Component('field_error')" in repr(criterion)


def test_the_rest_of_the_graph_may_be_used_again() -> None:
    p, t = pair()
    q = 2 * p
    total = BalancedCriterion(LOSSES, SHARES)(q, t)
    (total + q.square().mean()).backward()
    assert torch.isfinite(p.grad).all()
    total = BalancedCriterion(LOSSES, SHARES)(p.square(), t)
    with pytest.raises(RuntimeError, match="has no second derivative, got create_graph=True"):
        torch.autograd.grad(total, p, create_graph=True)


def test_errors() -> None:
    with pytest.raises(ValueError, match="components: 'spectrum' is missing, got 'field'"):
        BalancedCriterion({"field": "field_error"}, SHARES)
    p, t = pair(samples=1)
    with pytest.raises(ValueError, match="two samples or more along axis 0"):
        BalancedCriterion(LOSSES, SHARES)(p, t)
    p, t = pair()
    with pytest.raises(TypeError, match=r"a BalancedCriterion takes no transforms of torch\.func"):
        torch.func.grad(lambda p: BalancedCriterion(LOSSES, SHARES)(p, t))(p.detach())
    criterion = BalancedCriterion(LOSSES, Balancer(SHARES, axis=1))  # here the samples are the channels
    p, t = (x.detach().reshape(1, 4, 8, 8) for x in pair())
    criterion(p.requires_grad_(), t).backward()
    assert criterion.balancer.weights["spectrum"] > 0


@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning")
def test_a_compiled_step_leaves_it_out() -> None:
    from torch._dynamo.testing import CompileCounter

    torch.compiler.reset()
    counter = CompileCounter()
    eager, criterion = BalancedCriterion(LOSSES, SHARES), BalancedCriterion(LOSSES, SHARES)
    step = torch.compile(lambda p, t: criterion(2 * p, t) / 2, backend=counter)
    for seed in range(2):
        p, t = pair(seed)
        (found,) = torch.autograd.grad(step(p, t), p)
        (wanted,) = torch.autograd.grad(eager(2 * p, t) / 2, p)
        torch.testing.assert_close(found, wanted)
    assert counter.frame_count == 2  # what comes before it and what comes behind it


def test_a_component_that_does_not_depend_on_the_prediction_is_refused() -> None:
    losses = {"field": "field_error", "constant": lambda p, t: (t**2).mean()}
    criterion = BalancedCriterion(losses, {"field": 1.0, "constant": 0.1})
    prediction, target = torch.randn(2, 2, 1, 8, 8)
    with pytest.raises(ValueError, match="component 'constant' must depend on the prediction"):
        criterion(prediction.requires_grad_(), target)
