"""Gradients of PyTorch that are asked for in other ways than once, backwards: forward mode, batched, again, higher."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import spectral_losses as sl
from spectral_losses import losses

torch = pytest.importorskip("torch")
forward_ad = torch.autograd.forward_ad

STORED = ("spectrum_error", "log_spectral_distance")
COMPOSITE = {"a": "field_error", "b": "spectrum_error", "c": "log_spectral_distance", "d": "adjusted_error"}


def fields(*shape: int, number: int = 2, dtype: Any = torch.float64) -> Any:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(number, *shape, dtype=dtype, generator=generator))


def loss_of(name: str) -> Any:
    """A loss on grids of two shells, that its differences are the slope of."""
    # The weights of a focal loss are not differentiated, and seen to move by differences.
    options = {"band_error": {"bands": 1}, "focal_frequency_error": {"alpha": 0.0}, "wavelet_error": {"order": 2}}
    return partial(getattr(sl, name), **options.get(name, {}))


def functions(p: Any, t: Any) -> dict[str, Callable[[Any], Any]]:
    """Each way into a loss, as a function of one field."""
    composite = sl.CompositeLoss(COMPOSITE, weights={"a": 1.0, "b": 20.0, "c": 0.5, "d": 2.0})
    found: dict[str, Callable[[Any], Any]] = {"spectrum": lambda z: sl.radial_spectrum(z).power}
    for name in losses.__all__:
        loss = loss_of(name)
        found[f"{name} of prediction"] = lambda z, loss=loss: loss(z, t)
        found[f"{name} of target"] = lambda z, loss=loss: loss(p, z)
        if name in STORED:
            found[f"{name} of stored spectrum"] = lambda z, loss=loss: loss(p, sl.radial_spectrum(z))
    found["composite of prediction"] = lambda z: composite(z, t)[0]
    found["composite of target"] = lambda z: composite(p, z)[0]
    return found


WAYS = list(functions(None, None))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("way", WAYS)
def test_forward_mode_against_finite_differences(way: str) -> None:
    p, t, at, along = fields(2, 2, 6, 5, number=4)
    function = functions(p, t)[way]
    h = 1e-5
    expected = (function(at + h * along) - function(at - h * along)) / (2 * h)
    assert expected.abs().max() > 1e-6
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(function(forward_ad.make_dual(at, along))).tangent
    torch.testing.assert_close(tangent, expected, rtol=1e-6, atol=1e-9)
    jacobian = torch.autograd.functional.jacobian(function, at, strategy="forward-mode", vectorize=True)
    torch.testing.assert_close((jacobian * along).flatten(expected.ndim).sum(-1), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_of_gradients_at_once(way: str) -> None:
    p, t, at = fields(2, 2, 6, 5, number=3)
    at.requires_grad_()
    value = functions(p, t)[way](at)
    upstream = torch.randn(3, *value.shape, dtype=at.dtype, generator=torch.Generator().manual_seed(4))
    each = torch.stack([torch.autograd.grad(value, at, one, retain_graph=True)[0] for one in upstream])
    (batched,) = torch.autograd.grad(value, at, upstream, is_grads_batched=True, retain_graph=True)
    torch.testing.assert_close(batched, each)
    assert not batched.requires_grad
    mapped = torch.vmap(lambda one: torch.autograd.grad(value, at, one, retain_graph=True)[0])(upstream)
    torch.testing.assert_close(mapped, each)
    # With the gradient still waiting that was made along with the value.
    value = functions(p, t)[way](at)
    torch.testing.assert_close(torch.autograd.grad(value, at, upstream, is_grads_batched=True)[0], each)


@pytest.mark.parametrize("name", losses.__all__)
def test_a_batch_of_gradients_of_rows(name: str) -> None:
    p, t = fields(3, 2, 6, 5)
    p.requires_grad_()
    rows = loss_of(name)(p, t, reduction="none")
    upstream = torch.eye(rows.numel(), dtype=p.dtype).reshape(-1, *rows.shape)
    each = torch.stack([torch.autograd.grad(rows, p, one, retain_graph=True)[0] for one in upstream])
    rows = loss_of(name)(p, t, reduction="none")
    torch.testing.assert_close(torch.autograd.grad(rows, p, upstream, is_grads_batched=True)[0], each)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "spectrum"])
def test_vectorized_hessians(way: str) -> None:
    p, t, at = fields(2, 1, 4, 3, number=3)
    function = functions(p, t)[way]
    hessian = torch.autograd.functional.hessian
    torch.testing.assert_close(hessian(function, at, vectorize=True), hessian(function, at))


@pytest.mark.parametrize("wanted", ["prediction", "both"])
@pytest.mark.parametrize("name", [*losses.__all__, "composite"])
def test_every_pass_through_one_graph_gives_the_same_gradient(name: str, wanted: str) -> None:
    """Later ones, and those that are to be differentiated again, are computed anew."""
    p, t = fields(3, 2, 6, 7)
    p.requires_grad_()
    inputs = (p, t.requires_grad_()) if wanted == "both" else (p,)
    composite = sl.CompositeLoss(COMPOSITE, weights=dict.fromkeys(COMPOSITE, 1.0))
    loss = (lambda p, t: composite(p, t)[0]) if name == "composite" else loss_of(name)
    h, along = 1e-5, fields(3, 2, 6, 7, number=3)[2]
    slope = (loss(p + h * along, t) - loss(p - h * along, t)).item() / (2 * h)

    def passed(value: Any, **options: Any) -> Any:
        return torch.autograd.grad(3 * value, inputs, **options)

    value = loss(p, t)
    first = passed(value, retain_graph=True)
    assert (first[0] * along).sum().item() == pytest.approx(3 * slope, rel=1e-6)
    kept = [each.clone() for each in first]
    for each in first:
        each.zero_()  # the caller's own
    for options in ({"retain_graph": True}, {"create_graph": True}, {}):
        for found, expected in zip(passed(value, **options), kept, strict=True):
            torch.testing.assert_close(found.detach(), expected)
    for found, expected in zip(passed(loss(p, t), create_graph=True), kept, strict=True):
        torch.testing.assert_close(found.detach(), expected)


def test_rows_pass_their_own_upstream_on_twice() -> None:
    p, t = fields(3, 2, 6, 7)
    p.requires_grad_()
    for name in losses.__all__:
        rows = loss_of(name)(p, t, reduction="none")
        weights = torch.linspace(-3, 5, rows.numel(), dtype=p.dtype).reshape(rows.shape)
        first = torch.autograd.grad(rows, p, weights, retain_graph=True)[0].clone()
        torch.testing.assert_close(torch.autograd.grad(rows, p, weights)[0], first)
        each = [loss_of(name)(p[b], t[b], channel_axis=0) for b in range(3)]
        for b in range(3):  # the weights of a sample weigh that sample alone
            rows = loss_of(name)(p, t, reduction="none")
            of_sample = torch.zeros_like(weights)
            of_sample[b] = 3 / weights[b].numel()
            found = torch.autograd.grad(rows, p, of_sample)[0]
            torch.testing.assert_close(found, torch.autograd.grad(3 * each[b], p)[0], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", losses.__all__)
def test_a_target_of_higher_precision_lifts_the_loss(name: str) -> None:
    p, t = fields(3, 2, 6, 7)
    p = p.float().requires_grad_()
    lifted = p.detach().double().requires_grad_()
    value, exact = getattr(sl, name)(p, t), getattr(sl, name)(lifted, t)
    assert value.dtype == torch.float64
    precision = 1e-12 if name in ("field_error", "adjusted_error") else 1e-6  # powers are those of each field's dtype
    torch.testing.assert_close(value, exact, rtol=precision, atol=0)
    value.backward()
    exact.backward()
    assert p.grad.dtype == torch.float32
    torch.testing.assert_close(p.grad.double(), lifted.grad, rtol=1e-4, atol=1e-7)
