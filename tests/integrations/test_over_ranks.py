"""Losses of frames that two ranks share out: each has the numbers of one process with all of them."""

from __future__ import annotations

import warnings
from threading import Thread
from typing import Any

import pytest
from ranks import RANKS, needs_gloo, on_ranks

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses, options_of

needs_gloo()

import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402
from torch.autograd import forward_ad  # noqa: E402

from spectral_losses.integrations.torch import CompositeCriterion, over_ranks  # noqa: E402

SHARES = (slice(0, 3), slice(3, 5))
COMPILES = tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 11)


def fields() -> Any:
    """Prediction and target, ``[B, T, C, H, W]``; one frame is almost empty, so that guards show."""
    both = torch.randn(2, 5, 2, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    both[:, 0] *= 1e-3
    return both


def calls() -> dict[str, tuple[str, dict[str, Any]]]:
    """Every loss: each frame by itself, and frames pooled, all of them or some; as a number and as rows."""
    found = {}
    for name, function in all_losses().items():
        known = options_of(function)
        guarded = {"eps": 1e-2} if "eps" in known else {}
        for key, options in {
            "frames": {"reduction": "mean"},
            "rows": {"reduction": "none", "channels": "sum"},
            "weighed": {"channel_weights": (1.0, 3.0)},
            "all pooled": {"pool": "frames"},
            "pooled": {"pool": 0, "reduction": "none"},
            "time pooled": {"pool": 1, "channels": "sum"},
        }.items():
            if set(options) <= known:
                found[f"{name}, {key}"] = name, {**guarded, **options}
    known = {"eps": 1e-2, "reduction": "none"}
    found["field_error, of one channel"] = "field_error", {**known, "channels": "mean", "pool": 0}
    found["field_error, on the sphere"] = "field_error", {**known, "grid": sl.Sphere("equiangular"), "pool": "frames"}
    found["spectrum_error, on the sphere"] = "spectrum_error", {"grid": sl.Sphere("equiangular"), "pool": "frames"}
    found["adjusted_error, of modes"] = "adjusted_error", {"eps": 1e-2, "bins": "modes"}
    return found


CALLS = calls()


def both(name: str, options: dict[str, Any], p: Any, t: Any) -> tuple[Any, Any]:
    """A loss, and the gradient of its square."""
    return both_of(lambda p: getattr(sl, name)(p, t, **options), p)


def both_of(loss: Any, p: Any) -> tuple[Any, Any]:
    p = p.clone().requires_grad_()
    value = loss(p)
    (gradient,) = torch.autograd.grad(value.square().sum(), p)
    return value.detach(), gradient


def model_of() -> Any:
    torch.manual_seed(0)
    return torch.nn.Conv3d(2, 2, 3, padding=1).double()


def forecast(model: Any, x: Any) -> Any:
    return model(x.transpose(1, 2)).transpose(1, 2)


def criterion_of() -> CompositeCriterion:
    return CompositeCriterion(
        {
            "field": sl.Component("field_error", eps=1e-2),
            "spectrum": sl.Component("spectrum_error", channels="sum"),
            "pooled": sl.Component("log_spectral_distance", pool="frames"),
            "coherence": sl.Component("coherence_error", pool=0),
        },
        weights={"field": 1.0, "spectrum": 0.5, "pooled": 0.25, "coherence": 2.0},
    )


def trained(model: Any, criterion: Any, x: Any, y: Any) -> list[Any]:
    """A total, and the gradients of a model."""
    model.zero_grad()
    total = criterion(forecast(model, x), y)
    total.backward()
    return [total.detach(), *(p.grad.clone() for p in model.parameters())]


def stacked(p: Any, t: Any) -> tuple[Any, Any]:
    """Two losses of fields without channels, of which one is pooled; and their gradient."""
    loss = sl.CompositeLoss(
        {
            "pooled": sl.Component("spectrum_error", pool="frames", channel_axis=None),
            "apart": sl.Component("spectrum_error", channel_axis=None),
        }
    )
    (total, _), gradient = sl.value_and_grad(loss)(p, t)
    return total, gradient


def penalised(p: Any, t: Any) -> Any:
    """The gradient of the square of a gradient."""
    p = p.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(sl.log_spectral_distance(p, t, pool="frames"), p, create_graph=True)
    return torch.autograd.grad(gradient.square().sum(), p)[0]


def of_target(p: Any, t: Any) -> Any:
    """The gradient along the target, too."""
    t = t.clone().requires_grad_()
    return torch.autograd.grad(sl.adjusted_error(p, t, pool="frames"), t)[0]


def stored(p: Any, t: Any) -> Any:
    """Beside a spectrum of the frames that are there."""
    return both_of(lambda p: sl.spectrum_error(p, sl.radial_spectrum(t, pool="frames"), pool="frames"), p)


def along(p: Any, t: Any) -> Any:
    """The derivative along the target, in forward mode."""
    with forward_ad.dual_level():
        value = sl.log_spectral_distance(forward_ad.make_dual(p, t), t, pool="frames")
        return forward_ad.unpack_dual(value).tangent


def in_a_thread(call: Any) -> Any:
    """What a function returns in another thread."""
    found: list[Any] = []
    thread = Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    thread.join(30)
    return found[0]


def refused(call: Any) -> str:
    try:
        call()
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def work(rank: int) -> dict[str, Any]:
    """What one process finds."""
    found: dict[str, Any] = {}
    p, t = fields()[:, SHARES[rank]]
    ddp = torch.nn.parallel.DistributedDataParallel(model_of())
    group = dist.new_group([0, 1])
    with over_ranks(group):
        for key, (name, options) in CALLS.items():
            found[key] = both(name, options, p, t)
        with torch.no_grad():
            found["no grad"] = sl.log_spectral_distance(p, t, pool="frames")
        found["evaluated"] = sl.evaluate(p, t, pool="frames")["spectrum_error"]
        found["trained"] = trained(ddp, criterion_of(), p, t)
        found["stacked"] = stacked(p[:, 0, 0], t[:, 0, 0])
        found["penalised"], found["of target"] = penalised(p, t), of_target(p, t)
        found["stored"], found["along"] = stored(p, t), along(p, t)
        if not rank:  # which waits for nobody
            found["thread"] = in_a_thread(lambda: sl.log_spectral_distance(p, t, pool="frames"))
        found["channels first"] = refused(lambda: sl.field_error(p, t, channel_axis=0))
        found["space first"] = refused(lambda: sl.spectrum_error(p, t, spatial_axes=0, channel_axis=None))
        found["torch.func"] = refused(lambda: torch.func.grad(sl.spectrum_error)(p, t))
        with over_ranks(None):
            found["inside"] = sl.field_error(p, t)
        if COMPILES:
            compiled = torch.compile(criterion_of(), fullgraph=True, backend="aot_eager")
            alone = torch.compile(
                lambda p, t: sl.log_spectral_distance(p, t, pool="frames"), fullgraph=True, backend="aot_eager"
            )
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")  # its own
                found["compiled"] = trained(ddp, compiled, p, t)
                found["compiled alone"] = alone(p, t)
    if COMPILES:
        found["compiled outside"] = alone(p, t)
    found["outside"] = sl.log_spectral_distance(p, t, pool="frames")
    found["no group"] = refused(lambda: over_ranks("gloo"))  # type: ignore[arg-type]
    found["foreign group"] = refused(lambda: over_ranks(dist.new_group([0])) if rank else dist.new_group([0]))
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank found."""
    return on_ranks(work, tmp_path_factory.mktemp("ranks"))


def close(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("key", CALLS)
def test_losses_are_those_of_one_process(found: list[dict[str, Any]], key: str) -> None:
    name, options = CALLS[key]
    value, gradient = both(name, options, *fields())
    apart = options.get("reduction") == "none" and "pool" not in options  # rows of its own frames
    for share, rank in zip(SHARES, found, strict=True):
        close(rank[key][0], value[share] if apart else value)
        close(rank[key][1], gradient[share] * (1 if apart else RANKS))
    if not apart:
        assert torch.equal(found[0][key][0], found[1][key][0])


def test_a_mean_of_ranks_would_be_another_number(found: list[dict[str, Any]]) -> None:
    whole = sl.log_spectral_distance(*fields(), pool="frames")
    assert not torch.isclose((found[0]["outside"] + found[1]["outside"]) / 2, whole, rtol=1e-3)
    for share, rank in zip(SHARES, found, strict=True):
        own = fields()[:, share]
        close(rank["outside"], sl.log_spectral_distance(*own, pool="frames"))
        close(rank["no grad"], whole)
        close(rank["evaluated"], float(sl.spectrum_error(*fields(), pool="frames")))
        close(rank["inside"], sl.field_error(*fields()))


def test_gradients_of_a_model_in_ddp(found: list[dict[str, Any]]) -> None:
    expected = trained(model_of(), criterion_of(), *fields())
    for rank in found:
        close(rank["trained"], expected)


@pytest.mark.skipif(not COMPILES, reason="PyTorch before 2.11 compiles no losses in one graph")
def test_compiled(found: list[dict[str, Any]]) -> None:
    expected = trained(model_of(), criterion_of(), *fields())
    for rank in found:
        close(rank["compiled"], expected)
        close(rank["compiled alone"], rank["no grad"])
        close(rank["compiled outside"], rank["outside"])


def test_what_is_pooled_and_what_is_not_beside_each_other(found: list[dict[str, Any]]) -> None:
    total, gradient = stacked(*fields()[:, :, 0, 0])
    for share, rank in zip(SHARES, found, strict=True):
        close(rank["stacked"], (total, RANKS * gradient[share]))


def test_second_derivatives_and_those_of_the_target(found: list[dict[str, Any]]) -> None:
    p, t = fields()
    for share, rank in zip(SHARES, found, strict=True):
        close(rank["of target"], RANKS * of_target(p, t)[share])
        close(rank["penalised"], RANKS**2 * penalised(p, t)[share])  # of the sum of the squares of all


def test_a_stored_target_of_the_frames_of_each_rank(found: list[dict[str, Any]]) -> None:
    value, gradient = stored(*fields())
    for share, rank in zip(SHARES, found, strict=True):
        close(rank["stored"], (value, RANKS * gradient[share]))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # of PyTorch about itself
def test_forward_mode(found: list[dict[str, Any]]) -> None:
    for rank in found:
        close(rank["along"], along(*fields()))


def test_another_thread_is_not_inside(found: list[dict[str, Any]]) -> None:
    close(found[0]["thread"], found[0]["outside"])


def test_what_is_refused(found: list[dict[str, Any]]) -> None:
    for rank in found:
        for key, what in (("channels first", "channels"), ("space first", "space")):
            assert rank[key].startswith("ValueError: over_ranks: the first axis of prediction must be of frames")
            assert f"{what} there" in rank[key]
        assert "torch.func" in rank["torch.func"]
        assert rank["no group"] == (
            "TypeError: group must be a process group of which this rank is a member, got 'gloo'"
        )
    assert found[1]["foreign group"].startswith("TypeError: group must be a process group of which this rank")


def test_without_a_process_group_nothing_changes() -> None:
    p, t = fields()
    with over_ranks():
        value = sl.log_spectral_distance(p, t, pool="frames")
    close(value, sl.log_spectral_distance(p, t, pool="frames"))
