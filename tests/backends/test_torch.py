"""What PyTorch users do: gradcheck, double backward, func transforms, compile, autocast, channels last."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from frameworks import no_waiting

import spectral_losses as sl
from spectral_losses_backends.registry import backend_of

torch = pytest.importorskip("torch")

OPTIONS: list[dict[str, Any]] = [
    {},
    {"channels": "sum", "window": "hann", "detrend": "linear", "lengths": (1.0, 1.2), "bins": 2},
    {"channels": "mean", "bins": "log"},
]

# PyTorch warns about itself while it compiles.
quiet = [
    pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
]


def compiles(function: Any) -> Any:
    for mark in quiet:
        function = mark(function)
    return function


def pair(*shape: int, dtype: Any = None, seed: int = 0) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    p, t = (torch.randn(shape, generator=generator, dtype=dtype or torch.float32) for _ in range(2))
    return p, t


@pytest.mark.parametrize("options", OPTIONS)
def test_gradcheck(options: dict[str, Any]) -> None:
    p, t = pair(2, 2, 4, 5, dtype=torch.float64)
    p.requires_grad_()
    t.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, t: sl.spectrum_error(p, t, **options), (p, t))
    assert torch.autograd.gradgradcheck(lambda p, t: sl.spectrum_error(p, t, **options), (p, t))


@pytest.mark.parametrize(("shape", "axes"), [((3, 7), (-1,)), ((1, 4, 3, 5), (-3, -2, -1)), ((2, 5, 4, 2), (1, 2))])
def test_gradcheck_of_other_layouts(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    p, t = pair(*shape, dtype=torch.float64)
    p.requires_grad_()
    t.requires_grad_()
    for loss in (sl.field_error, sl.spectrum_error):
        assert torch.autograd.gradcheck(lambda p, t: loss(p, t, spatial_axes=axes), (p, t))  # noqa: B023
        assert torch.autograd.gradgradcheck(lambda p, t: loss(p, t, spatial_axes=axes), (p, t))  # noqa: B023


def test_gradcheck_with_a_mask() -> None:
    p, t = pair(2, 5, 4, dtype=torch.float64)
    mask = torch.rand(5, 4, dtype=torch.float64)
    p.requires_grad_()
    t.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, t: sl.field_error(p, t, mask=mask), (p, t))


def test_third_derivatives() -> None:
    p, t = pair(1, 4, 5, dtype=torch.float64)
    directions = torch.randn(2, *p.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def second(p: Any) -> Any:
        (first,) = torch.autograd.grad(sl.spectrum_error(p, t), p, create_graph=True)
        return torch.autograd.grad((first * directions[0]).sum(), p, create_graph=True)[0]

    p.requires_grad_()
    (third,) = torch.autograd.grad((second(p) * directions[1]).sum(), p)
    h = 1e-5
    ahead, behind = (second((p + s * h * directions[1]).detach().requires_grad_()) for s in (1, -1))
    # The third derivative is symmetric: along both directions it is the change of the second along one.
    torch.testing.assert_close(third, ((ahead - behind) / (2 * h)).detach(), rtol=1e-5, atol=1e-7)


def test_the_pieces_of_a_large_stack_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses_backends.torch import kernels as module

    p, t = pair(7, 3, 8, 6)
    p.requires_grad_()
    results = []
    for piece in (1, 5 * 48, 1 << 30):
        monkeypatch.setattr(module, "CHUNK", piece)
        for loss in (sl.field_error, sl.spectrum_error):
            value = loss(p, t)
            results.append((value.detach(), torch.autograd.grad(value, p)[0]))
    for a, b in zip(results[2:], results[:2] * 2, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("shape", [(5, 2, 8, 6), (3, 9, 7), (2, 4, 6, 5)])
def test_the_way_of_other_devices(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    """What a GPU computes, computed here: gathered sums, one piece, everything in PyTorch."""
    from spectral_losses_backends import base
    from spectral_losses_backends.torch import kernels
    from spectral_losses_backends.torch.kernels import Kernels

    p, t = pair(*shape)
    p.requires_grad_()

    def found() -> list[Any]:
        results = []
        for loss in (sl.field_error, sl.spectrum_error, lambda p, t: sl.spectrum_error(p, sl.radial_spectrum(t))):
            value = loss(p, t)
            results += [value.detach(), torch.autograd.grad(3 * value, p)[0]]
        return [*results, sl.radial_spectrum(p).power.detach()]

    expected = found()
    monkeypatch.setattr(kernels, "in_sight", lambda *tensors: False)
    for name in ("bin_power", "pair_gradient", "power_gradient"):
        monkeypatch.setattr(Kernels, name, getattr(base.Backend, name))
    monkeypatch.setattr(Kernels, "chunk_size", lambda self, x: 1 << 62)
    for a, b in zip(found(), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_other_spatial_layouts_go_through_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses_backends.torch import kernels as torch_kernels

    p, t = pair(6, 3, 5, 4, dtype=torch.float64)
    p.requires_grad_()
    cases: list[dict[str, Any]] = [
        {"spatial_axes": (0, 3), "channel_axis": 1},
        {"spatial_axes": (0, 3), "channel_axis": 1, "channels": "sum"},
        {"spatial_axes": (3, 0), "channel_axis": 2, "channels": "mean"},
        {"spatial_axes": (1, 2, 3), "channel_axis": None},
        {"spatial_axes": (2, 3), "channel_axis": 0, "channels": "sum", "window": "hann"},
        {"spatial_axes": (0,), "channel_axis": 3, "channels": "sum"},
    ]
    for options in cases:
        monkeypatch.setattr(torch_kernels, "CHUNK", 1 << 17)
        value = sl.spectrum_error(p, t, **options)
        whole = torch.autograd.grad(value, p)[0]
        monkeypatch.setattr(torch_kernels, "CHUNK", 1)
        pieces = sl.spectrum_error(p, t, **options)
        torch.testing.assert_close(pieces, value)
        torch.testing.assert_close(torch.autograd.grad(pieces, p)[0], whole)
        composed = torch.func.grad(lambda p: sl.spectrum_error(p, t, **options))(p.detach())  # noqa: B023
        torch.testing.assert_close(composed, whole)


def test_backward_twice_through_one_graph() -> None:
    p, t = pair(2, 8, 8)
    p.requires_grad_()
    value = sl.spectrum_error(p, t) + sl.field_error(p, t)
    first = torch.autograd.grad(value, p, retain_graph=True)[0]
    for graph in (True, False):  # what the first pass left is used up; later ones compute it anew
        again = torch.autograd.grad(value, p, retain_graph=graph)[0]
        torch.testing.assert_close(again, first, rtol=1e-5, atol=1e-7)


def test_a_target_that_wants_no_gradient_costs_none() -> None:
    p, t = pair(2, 8, 8)
    saved: list[Any] = []
    p.requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        sl.spectrum_error(p, t)
    # The fields themselves, which the caller holds: no modes.
    assert [x.data_ptr() for x in saved] == [p.data_ptr(), t.data_ptr()]


def test_func_transforms_agree_with_a_loop() -> None:
    p, t = pair(3, 2, 8, 12)
    for loss in (sl.field_error, sl.spectrum_error):
        batched = torch.vmap(loss)(p, t)
        torch.testing.assert_close(batched, torch.stack([loss(a, b) for a, b in zip(p, t, strict=True)]))
        gradients = torch.vmap(torch.func.grad(loss), in_dims=(0, None))(p, t[0])
        each = torch.stack([torch.func.grad(loss)(a, t[0]) for a in p])
        torch.testing.assert_close(gradients, each)
        moved = torch.vmap(torch.func.grad(loss), in_dims=(1, 1))(p.movedim(0, 1), t.movedim(0, 1))
        torch.testing.assert_close(moved, torch.stack([torch.func.grad(loss)(a, b) for a, b in zip(p, t, strict=True)]))
    spectrum = torch.vmap(sl.radial_spectrum)(p)
    assert isinstance(spectrum, sl.Spectrum)
    torch.testing.assert_close(spectrum.power, sl.radial_spectrum(p).power)
    masks = torch.rand(3, 8, 12) > 0.4
    batched = torch.vmap(lambda p, t, m: sl.field_error(p, t, mask=m))(p, t, masks)
    each = torch.stack([sl.field_error(a, b, mask=m) for a, b, m in zip(p, t, masks, strict=True)])
    torch.testing.assert_close(batched, each)


@compiles
def test_the_first_call_on_a_grid_leaves_plain_constants_behind() -> None:
    """Whatever it runs under: what is cached serves every later call."""
    torch._dynamo.reset()
    options: dict[str, Any] = {"window": "hann", "detrend": "linear"}
    p, t = pair(2, 1, 9, 14)
    torch.func.grad(lambda p: sl.spectrum_error(p, t, **options))(p)
    compiled = torch.compile(lambda p: sl.spectrum_error(p, t, **options), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(p), sl.spectrum_error(p, t, **options))
    p, t = pair(2, 1, 9, 15)
    with torch.inference_mode():
        sl.evaluate(p, t, **options)
    p.requires_grad_()
    sl.spectrum_error(p, t, **options).backward()
    assert torch.all(torch.isfinite(p.grad))


@compiles
def test_forward_mode() -> None:
    p, t = pair(2, 8, 8, dtype=torch.float64)
    for loss in (sl.field_error, sl.spectrum_error, sl.log_spectral_distance, sl.adjusted_error):
        expected = (torch.func.grad(lambda p: loss(p, t))(p) * t).sum()  # noqa: B023
        _, along = torch.func.jvp(lambda p: loss(p, t), (p,), (t,))  # noqa: B023
        torch.testing.assert_close(along, expected)
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(p, t)
            torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(loss(dual, t)).tangent, expected)


def test_autocast() -> None:
    p, t = pair(2, 1, 12, 12)
    weights = torch.eye(12, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = p @ weights
        assert prediction.dtype == torch.bfloat16
        value = sl.spectrum_error(prediction, t) + sl.field_error(prediction, t)
    assert value.dtype == torch.float32
    value.backward()
    assert weights.grad is not None
    assert torch.all(torch.isfinite(weights.grad))
    lifted = prediction.detach().float()
    expected = sl.spectrum_error(lifted, t) + sl.field_error(lifted, t)
    torch.testing.assert_close(value.detach(), expected, rtol=0, atol=0)


def test_channels_last_and_views() -> None:
    p, t = pair(2, 3, 8, 10)
    last = p.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(sl.spectrum_error(last, t), sl.spectrum_error(p, t))
    wide, _ = pair(2, 3, 8, 20)
    torch.testing.assert_close(sl.field_error(wide[..., ::2], t), sl.field_error(wide[..., ::2].clone(), t))
    parameter = torch.nn.Parameter(p)
    torch.testing.assert_close(sl.spectrum_error(parameter, t), sl.spectrum_error(p, t))


def test_deterministic_algorithms() -> None:
    p, t = pair(2, 8, 8)
    p.requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        sl.spectrum_error(p, t).backward()
    finally:
        torch.use_deterministic_algorithms(False)


@compiles
@pytest.mark.parametrize("dynamic", [None, True])
@pytest.mark.parametrize("options", OPTIONS)
def test_compiles_whole(options: dict[str, Any], dynamic: bool | None) -> None:
    torch._dynamo.reset()

    def loss(p: Any, t: Any) -> Any:
        return sl.spectrum_error(p, t, **options) + sl.field_error(p, t)

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager", dynamic=dynamic)
    for shape in ((2, 2, 8, 8), (2, 2, 8, 12), (3, 2, 8, 12)):
        p, t = pair(*shape)
        p.requires_grad_()
        found, expected = compiled(p, t), loss(p, t)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(*(torch.autograd.grad(v, p)[0] for v in (found, expected)), rtol=1e-4, atol=1e-8)


@compiles
def test_compiles_spectra_masks_transforms_and_half_precision() -> None:
    torch._dynamo.reset()
    p, t = pair(2, 2, 8, 10)
    mask = torch.rand(8, 10) > 0.3

    def check(function: Any, *args: Any) -> None:
        found = torch.compile(function, fullgraph=True, backend="aot_eager")(*args)
        torch.testing.assert_close(found, function(*args))

    stored = sl.radial_spectrum(t)
    check(lambda p: tuple(sl.radial_spectrum(p)), p)
    check(lambda p, t: sl.field_error(p, t, mask=mask), p, t)
    check(lambda p: sl.spectrum_error(p, stored), p)
    check(sl.spectrum_error, p.bfloat16(), t)
    check(torch.func.grad(sl.spectrum_error), p, t)
    whole = torch.compile(sl.radial_spectrum, fullgraph=True, backend="aot_eager")(p)
    assert isinstance(whole, sl.Spectrum)
    assert whole.layout == stored.layout


FIRST_CALL = """
import torch, spectral_losses as sl
p, t = torch.randn(2, 2, 8, 8, requires_grad=True), torch.randn(2, 2, 8, 8)
loss = lambda p, t: sl.spectrum_error(p, t) + sl.field_error(p, t)
value = torch.compile(loss, fullgraph=True, backend={backend!r})(p, t)
value.backward()
torch.testing.assert_close(value, loss(p, t))
torch.testing.assert_close(p.grad, torch.autograd.grad(loss(p, t), p)[0], rtol=1e-4, atol=1e-7)
"""


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_the_first_call_of_a_process_may_be_compiled(backend: str) -> None:
    """Nothing of ours is loaded yet when the tracing starts."""
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("inductor needs a C++ compiler")
    subprocess.run([sys.executable, "-c", FIRST_CALL.format(backend=backend)], check=True)


@pytest.mark.gpu
def test_no_synchronisation_on_cuda() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    p, t = (x.cuda() for x in pair(2, 2, 32, 32))
    p.requires_grad_()
    sl.spectrum_error(p, t).backward()  # constants are uploaded once
    with no_waiting():
        (sl.spectrum_error(p, t) + sl.field_error(p, t)).backward()
    assert np.isfinite(float(p.grad.sum()))


def test_a_read_only_table_goes_over_without_a_warning() -> None:
    table = np.broadcast_to(np.float64(2), (3,))
    like = torch.zeros(1)
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # and not once in a process
    try:
        with pytest.warns(UserWarning, match="not writable"):
            torch.as_tensor(table)
        found = backend_of(like, "like").upload(table, like)  # warnings are errors
    finally:
        torch.set_warn_always(always)
    torch.testing.assert_close(found, torch.full((3,), 2.0))


class _Settings:
    """Those of products of matrices on CUDA devices, by their older name or, where that raises, by the newer one."""

    def __init__(self, newer: bool) -> None:
        self.newer, self.fp32_precision, self._tf32 = newer, "tf32", True

    @property
    def allow_tf32(self) -> bool:
        if self.newer:
            raise RuntimeError("mix of the legacy and new APIs")
        return self._tf32

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        self._tf32 = value


@pytest.mark.parametrize("newer", [False, True])
def test_products_do_without_tf32_and_leave_the_setting(newer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from spectral_losses_backends.torch.kernels import exactly

    settings = _Settings(newer)

    def allowed() -> bool:
        return settings.fp32_precision != "ieee" if newer else settings.allow_tf32

    monkeypatch.setattr(torch.backends.cuda, "matmul", settings)
    with exactly(torch.device("cpu")):
        assert allowed()

    def fails() -> None:
        with exactly(torch.device("cuda")):
            assert not allowed()
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fails()
        assert allowed()
    settings.fp32_precision, settings.allow_tf32 = "ieee", False
    with exactly(torch.device("cuda")):
        assert not allowed()
    assert not allowed()


@pytest.mark.parametrize("frames", [1, 4, 5, 9])
def test_products_of_few_and_of_many_columns(frames: int) -> None:
    """Those of two fields each: 16 columns are narrow, 20 are not."""
    from spectral_losses_backends.numpy import backend as numpy_backend
    from spectral_losses_backends.torch.kernels import NARROW, eager

    assert NARROW == 16
    rng = np.random.default_rng(frames)
    tables, modes = rng.normal(size=(5, 4, 7)), rng.normal(size=(2, 2, frames, 7, 5))
    modes = modes[0] + 1j * modes[1]
    for transposed, x in ((False, modes), (True, modes[..., :4, :])):
        found = eager.map_columns(torch.tensor(tables), torch.tensor(x), transposed=transposed)
        assert found.is_contiguous()
        expected = np.einsum("mkn,...km->...nm" if transposed else "mkn,...nm->...km", tables, x)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_allclose(numpy_backend.map_columns(tables, x, transposed=transposed), expected, rtol=1e-12)
