"""Constants, scratch and weights end up where the field is, shown without a device of that kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses import losses
from spectral_losses.losses.registry import options_of

RNG = np.random.default_rng(8)
P, T = RNG.normal(size=(2, 3, 2, 2, 8, 6))
CASES: list[dict[str, Any]] = [
    {},
    {"pool": "frames"},
    {"channels": "sum"},
    {"channels": "mean"},
    {"channel_weights": (1.0, 2.0)},
    {"reduction": "none"},
    {"grid": sl.Sphere("gauss")},
]
SPECTRAL: list[dict[str, Any]] = [
    {"window": "hann", "detrend": "linear"},
    {"lengths": 2.0},
    {"bins": 3, "lengths": 2.0},
]
SHELLS: list[dict[str, Any]] = [{"shell_weights": 1.0}]


def cases() -> list[tuple[str, dict[str, Any]]]:
    """Options of each kind that the losses take."""
    found = []
    for name in losses.__all__:
        loss = getattr(sl, name)
        for options in CASES + SPECTRAL + SHELLS:
            if options.keys() <= options_of(loss):
                try:
                    loss(P, T, **options)
                except ValueError:  # weights of shells, of a loss that is no mean over them
                    continue
                found.append((name, options))
    return found


@pytest.mark.parametrize(("name", "options"), cases())
def test_on_pytorchs_meta_device(name: str, options: dict[str, Any]) -> None:
    """It holds no values, takes every branch that a GPU takes, and refuses tensors of two devices."""
    torch = pytest.importorskip("torch")
    p, t = (torch.empty(P.shape, device="meta") for _ in range(2))
    p.requires_grad_()
    value = getattr(sl, name)(p, t, **options)
    assert value.device.type == "meta"
    assert value.dtype == torch.float32
    value.sum().backward()
    assert p.grad.device.type == "meta"
    assert p.grad.shape == p.shape
    t.requires_grad_()  # through the statistics, not the fused way
    getattr(sl, name)(p, t, **options).sum().backward()
    assert t.grad.device.type == "meta"
    if "reduction" not in options:
        value, gradient = sl.value_and_grad(name, **options)(p, t)
        assert value.device.type == gradient.device.type == "meta"


def test_masks_spectra_and_composites_on_the_meta_device() -> None:
    torch = pytest.importorskip("torch")
    p, t = (torch.empty(P.shape, device="meta") for _ in range(2))
    p.requires_grad_()
    mask = torch.ones(8, 6, device="meta", dtype=torch.bool)
    sl.field_error(p, t, mask=mask).backward()
    stored = sl.radial_spectrum(t)
    assert all(array.device.type == "meta" for array in stored)
    (sl.spectrum_error(p, stored) + sl.log_spectral_distance(p, stored)).backward()
    total, parts = sl.CompositeLoss({name: name for name in losses.__all__})(p, t)
    total.backward()
    assert {part.device.type for part in parts.values()} == {"meta"}
    with pytest.raises(ValueError, match="must be on one device, got meta and cpu"):
        sl.spectrum_error(p, torch.zeros(P.shape))
    with pytest.raises(RuntimeError, match="meta"):  # the device does what the tests above rely on
        _ = p + torch.zeros(P.shape)


@pytest.mark.parametrize(("name", "options"), cases())
def test_on_the_second_device_of_the_standard(name: str, options: dict[str, Any]) -> None:
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    p, t = (xp.asarray(x, device=device) for x in (P, T))
    value = getattr(sl, name)(p, t, **options)
    assert value.device == device
    expected = getattr(sl, name)(P, T, **options)
    np.testing.assert_allclose(np.asarray(xp.asarray(value, device=xp.Device("CPU_DEVICE"))), expected, rtol=1e-10)
    if "reduction" not in options:
        value, gradient = sl.value_and_grad(name, **options)(p, t)
        assert value.device == gradient.device == device


def test_masks_and_spectra_on_the_second_device() -> None:
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    p, t, mask = (xp.asarray(x, device=device) for x in (P, T, np.ones((8, 6), dtype=bool)))
    assert sl.field_error(p, t, mask=mask).device == device
    stored = sl.radial_spectrum(t, pool=0)
    assert {array.device for array in stored} == {device}
    assert sl.spectrum_error(p, stored, pool=0).device == device
    with pytest.raises(ValueError, match="must be on one device"):
        sl.spectrum_error(p, xp.asarray(T))
    with pytest.raises(ValueError, match="device"):  # the namespace does what the tests above rely on
        _ = p + xp.asarray(T)


def test_diagnostics_on_the_second_device() -> None:
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    p, t = (xp.asarray(x, device=device) for x in (P, T))
    found = [
        sl.cross_spectrum(p, t, lengths=1.0).coherence,
        sl.effective_resolution(p, t, lengths=1.0),
        sl.effective_resolution(p, t, of="power", lengths=1.0),
        sl.energy_spectrum(p).power,
    ]
    expected = [
        sl.cross_spectrum(P, T, lengths=1.0).coherence,
        sl.effective_resolution(P, T, lengths=1.0),
        sl.effective_resolution(P, T, of="power", lengths=1.0),
        sl.energy_spectrum(P).power,
    ]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.device == device
        np.testing.assert_allclose(np.asarray(xp.asarray(ours, device=xp.Device("CPU_DEVICE"))), theirs, rtol=1e-10)


CUPY = """
import sys
sys.path[:0] = {folders!r}
import cupy_stand_in as stand_in
cupy = stand_in.install()
import numpy as np, spectral_losses as sl
from spectral_losses import losses
from spectral_losses.losses.registry import options_of
from spectral_losses.testing import check_backend
from test_devices import P, T, cases

second = cupy.cuda.Device(1)
with second:
    p, t = cupy.asarray(P), cupy.asarray(T)
    mask = cupy.asarray(np.random.default_rng(0).random((8, 6)) < 0.5)
# The current device is the first one again.
for name, options in cases():
    value = getattr(sl, name)(p, t, **options)
    assert type(value) is cupy.ndarray and value.device == second, (name, options, type(value))
    np.testing.assert_allclose(cupy.asnumpy(value), getattr(sl, name)(P, T, **options), rtol=1e-10)
    if "reduction" not in options:
        value, gradient = sl.value_and_grad(name, **options)(p, t)
        assert gradient.device == second
        expected = sl.value_and_grad(name, **options)(P, T)[1]
        np.testing.assert_allclose(cupy.asnumpy(gradient), expected, rtol=1e-8, atol=1e-12)
stored = sl.radial_spectrum(t)
assert stored.power.device == second
assert abs(float(cupy.asnumpy(sl.spectrum_error(p, stored))) - float(sl.spectrum_error(P, T))) < 1e-12
found = sl.evaluate(p, t, mask=mask, losses=losses.__all__)
expected = sl.evaluate(P, T, mask=cupy.asnumpy(mask), losses=losses.__all__)
assert all(abs(found[name] / expected[name] - 1) < 1e-10 for name in expected), (found, expected)
before = stand_in.uploads[0]
for name, options in cases():
    getattr(sl, name)(p, t, **options)
assert stand_in.uploads[0] == before, "constants are uploaded again"
try:
    sl.spectrum_error(p, cupy.asarray(T))
except ValueError as error:
    assert "must be on one device" in str(error)
else:
    raise AssertionError
from spectral_losses_backends.registry import backend_of
assert backend_of(p, "p").name == "cupy"
check_backend(cupy.asarray, to_numpy=cupy.asnumpy, max_examples=8)
print("done")
"""


def test_cupys_module_on_a_stand_in() -> None:
    """Every line of it runs in every test run; the numbers are NumPy's."""
    here = Path(__file__).parent
    code = CUPY.format(folders=[str(here), str(here.parent / "support")])
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.split() == ["done"]
