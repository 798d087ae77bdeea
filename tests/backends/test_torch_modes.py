"""Calls that something of PyTorch looks on or steps in: fake tensors, tracers, other default devices, DTensors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_devices import P, T, cases

import spectral_losses as sl
from spectral_losses import losses
from spectral_losses.losses.registry import options_of

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

OPTIONS = {"window": "hann", "detrend": "linear"}

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Nothing is cached when a test starts, nor what it left behind when it ends."""
    from spectral_losses_backends.torch import backend

    backend._constants.clear()
    yield
    backend._constants.clear()


def everything(p: Any, t: Any) -> Any:
    """All losses of a pair, alone and together, a stored target, and a spectrum."""
    total = sl.CompositeLoss({name: name for name in losses.__all__})(p, t)[0]
    for name in losses.__all__:
        loss = getattr(sl, name)
        options = {key: value for key, value in OPTIONS.items() if key in options_of(loss)}
        total = total + loss(p, t, channel_weights=(1.0, 3.0), **options)
    return total + sl.spectrum_error(p, sl.radial_spectrum(t)) + 1e-9 * sl.radial_spectrum(p).power.sum()


def gradients(p: Any, t: Any, both: bool = False) -> Any:
    p, t = (z.detach().requires_grad_(wanted) for z, wanted in ((p, True), (t, both)))
    value = everything(p, t)
    return (value.detach(), *torch.autograd.grad(value, (p, t) if both else (p,)))


def pair(*shape: int, seed: int = 0) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    p, t = torch.randn(2, *shape, generator=generator)
    return p, t


def real() -> None:
    """A real call: its numbers are those of float64 in NumPy."""
    p, t = pair(3, 2, 8, 10)
    value, gradient = gradients(p, t)
    assert torch.isfinite(gradient).all()
    np.testing.assert_allclose(value, everything(p.numpy().astype(float), t.numpy().astype(float)), rtol=1e-4)


def fake(mode: Any = None) -> None:
    """A call on tensors that have no values."""
    with mode or FakeTensorMode():
        for both in (False, True):
            value, *found = gradients(*pair(3, 2, 8, 10), both)
            assert value.shape == ()
            assert all(each.shape == (3, 2, 8, 10) for each in found)


@pytest.mark.parametrize("order", ["fake real", "real fake real", "fake fake real", "same same real"])
def test_fake_tensors_and_real_ones_do_not_meet(order: str) -> None:
    one = FakeTensorMode()
    for call in order.split():
        {"fake": fake, "same": lambda: fake(one), "real": real}[call]()


def test_a_fake_tensor_outside_of_its_mode() -> None:
    with FakeTensorMode() as mode:
        p, t = pair(3, 2, 8, 10)
    for name in losses.__all__:
        assert getattr(sl, name)(p, t, channel_weights=(1.0, 3.0)).fake_mode is mode
    assert sl.radial_spectrum(p, **OPTIONS).power.fake_mode is mode
    real()


@pytest.mark.parametrize(("tracing", "before"), [("real", False), ("fake", False), ("fake", True), ("symbolic", True)])
def test_make_fx(tracing: str, before: bool) -> None:
    """What it records are operations on the inputs, not the numbers of the example."""
    if before:
        real()
    for both in (False, True):
        graph = make_fx(lambda p, t: gradients(p, t, both), tracing_mode=tracing)(*pair(3, 2, 8, 10, seed=1))  # noqa: B023
        # The batch of a symbolic trace is any, its spatial sizes are those of the example.
        other = pair(5 if tracing == "symbolic" else 3, 2, 8, 10, seed=2)
        for found, expected in zip(graph(*other), gradients(*other, both), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    real()


@pytest.mark.parametrize("name", losses.__all__)
def test_jit_trace(name: str) -> None:
    loss = getattr(sl, name)
    for wanted in (False, True):
        p, t = pair(3, 2, 8, 10, seed=1)
        traced = torch.jit.trace(lambda p, t: loss(p, t), (p.requires_grad_(wanted), t), check_trace=False)
        q, u = pair(3, 2, 8, 10, seed=2)
        q.requires_grad_(wanted)
        torch.testing.assert_close(traced(q, u), loss(q, u))
    real()


def test_aot_function() -> None:
    from torch._functorch.aot_autograd import aot_function, make_boxed_func

    p, t = pair(3, 2, 8, 10)
    p.requires_grad_()
    found = aot_function(everything, fw_compiler=lambda graph, inputs: make_boxed_func(graph))(p, t)
    torch.testing.assert_close(found, everything(p, t))
    torch.testing.assert_close(*(torch.autograd.grad(z, p)[0] for z in (found, everything(p, t))), rtol=1e-4, atol=1e-6)
    real()


def test_under_a_counter_of_operations() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False):
        found = gradients(*pair(3, 2, 8, 10))
    for a, b in zip(found, gradients(*pair(3, 2, 8, 10)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    real()


def test_what_is_cached_is_made_out_of_sight_of_modes() -> None:
    """A mode that looks on sees the same operations in the first call on a grid as in the second."""

    class Recording(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen[-1].append(str(function))
            return function(*args, **(kwargs or {}))

    seen: list[list[str]] = []
    for _ in range(2):
        seen.append([])
        with Recording():
            gradients(*pair(3, 2, 8, 10))
    assert seen[0] == seen[1]
    assert len(seen[0]) > 50


@pytest.mark.parametrize(("name", "options"), cases())
def test_tensors_stay_off_the_default_device(name: str, options: dict[str, Any]) -> None:
    p, t = torch.tensor(P), torch.tensor(T)
    for wanted in (False, True):
        with torch.device("meta"):
            found = getattr(sl, name)(p.requires_grad_(wanted), t, **options)
        torch.testing.assert_close(found, getattr(sl, name)(p, t, **options))


def test_all_else_off_the_default_device() -> None:
    p, t = pair(3, 2, 8, 10)
    mask = torch.rand(8, 10, generator=torch.Generator().manual_seed(0)) > 0.4
    torch.set_default_device("meta")
    try:
        found = (*gradients(p, t, both=True), sl.field_error(p, t, mask=mask))
        power = sl.radial_spectrum(p, **OPTIONS).power
        evaluated = sl.evaluate(p, t, losses=losses.__all__, mask=mask)
    finally:
        torch.set_default_device(None)
    expected = (*gradients(p, t, both=True), sl.field_error(p, t, mask=mask))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(power, sl.radial_spectrum(p, **OPTIONS).power)
    assert evaluated == pytest.approx(sl.evaluate(p, t, losses=losses.__all__, mask=mask))


DISTRIBUTED = """
import sys, torch, torch.distributed as dist, spectral_losses as sl
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from spectral_losses import losses
from spectral_losses.losses.registry import options_of

dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=0, world_size=1)
mesh = init_device_mesh("cpu", (1,))
p, t = torch.randn(2, 4, 2, 8, 8, generator=torch.Generator().manual_seed(0))
q = p.clone().requires_grad_()
sl.field_error(q, t).backward()
for placement in (Replicate(), Shard(0), Shard(1), Shard(2)):
    x, y = (distribute_tensor(z, mesh, [placement]) for z in (p, t))
    refused = [lambda n=n: getattr(sl, n)(x, y) for n in losses.__all__ if n != "field_error"]
    refused += [
        lambda: sl.spectrum_error(x, t), lambda: sl.spectrum_error(p, y), lambda: sl.radial_spectrum(x),
        lambda: sl.spectrum_error(x, sl.radial_spectrum(t)), lambda: sl.value_and_grad("spectrum_error")(x, y),
        lambda: sl.evaluate(x, y), lambda: sl.field_error(x, y, channel_weights=(1.0, 2.0)),
    ]
    for call in refused:
        try:
            call()
        except TypeError as error:
            assert "DTensor" in str(error) and "to_local()" in str(error) and "full_tensor()" in str(error), error
        else:
            raise AssertionError
    local = sl.spectrum_error(x.to_local(), y.to_local())
    torch.testing.assert_close(local, sl.spectrum_error(p, t))
    x.requires_grad_()
    value = sl.field_error(x, y)
    value.backward()
    torch.testing.assert_close(value.full_tensor(), sl.field_error(p, t))
    torch.testing.assert_close(x.grad.full_tensor(), q.grad)
dist.destroy_process_group()
print("done")
"""


def test_distributed_tensors(tmp_path: Any) -> None:
    """Points have no need of whole fields; where spectra do, the message says how to get them."""
    if not torch.distributed.is_available():
        pytest.skip("this PyTorch has no torch.distributed")
    command = [sys.executable, "-c", DISTRIBUTED, str(tmp_path / "store")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.split() == ["done"]
