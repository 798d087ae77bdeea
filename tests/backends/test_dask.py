"""Dask: lazy until asked, whole fields put together, more data than memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

da = pytest.importorskip("dask.array")

RNG = np.random.default_rng(6)
P, T = RNG.normal(size=(5, 2, 12, 10)), RNG.normal(size=(5, 2, 12, 10))


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def refuse(block: Any) -> Any:
        if block.size:
            raise AssertionError("computed")
        return block

    p = da.from_array(P, chunks=(2, 1, 6, 5)).map_blocks(refuse, dtype=P.dtype, meta=np.empty((0,) * 4))
    t = da.from_array(T, chunks=(2, 1, 12, 10))
    mask = da.from_array(RNG.random((12, 10)) < 0.5)
    lazy = [
        sl.spectrum_error(p, t, channels="sum", window="hann", detrend="linear"),
        sl.field_error(p, t),
        sl.field_error(p, t, mask=mask),
        sl.radial_spectrum(p).power,
    ]
    for array in lazy:
        assert isinstance(array, da.Array)
        with pytest.raises(AssertionError, match="computed"):
            array.compute(scheduler="synchronous")


def test_chunks_along_space_are_put_together_and_frames_stay_apart() -> None:
    whole = sl.radial_spectrum(P)
    for chunks in ((2, 1, 6, 5), (1, 2, 12, 10), (5, 2, 5, 3)):
        spectrum = sl.radial_spectrum(da.from_array(P, chunks=chunks))
        assert spectrum.power.shape == whole.power.shape
        np.testing.assert_allclose(spectrum.power.compute(), whole.power, rtol=1e-12)
    kept = sl.radial_spectrum(da.from_array(P, chunks=(2, 1, 12, 10))).power
    assert kept.chunks == ((2, 2, 1), (1, 1), (5,))


def test_one_pass_for_all_losses() -> None:
    loads = 0

    def count(block: Any) -> Any:
        nonlocal loads
        loads += block.size > 0
        return block

    p = da.from_array(P, chunks=(5, 2, 12, 10)).map_blocks(count, dtype=P.dtype, meta=np.empty((0,) * 4))
    found = sl.evaluate(p, da.from_array(T, chunks=(5, 2, 12, 10)))
    assert loads == 1
    assert found == pytest.approx(sl.evaluate(P, T))


STREAM = """
import dask.array as da, dask, re, spectral_losses as sl
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
rng = da.random.default_rng(0)
x = rng.standard_normal((24, 1, 256, 256), chunks=(2, 1, 256, 256), dtype="float32")
sl.evaluate(x, x)
before = peak()
x = rng.standard_normal((2000, 1, 256, 256), chunks=(4, 1, 256, 256), dtype="float32")
y = x + 0.1 * da.roll(x, 1, -1)
with dask.config.set(scheduler="threads", num_workers=2):
    errors = sl.evaluate(y, x)
assert 0 < errors["field_error"] < 1, errors
print(peak() - before, x.nbytes / 2**20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc")
def test_a_field_larger_than_memory_is_streamed() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", STREAM], capture_output=True, text=True, check=True)
    extra, size = map(float, run.stdout.split())
    assert size == 500
    assert extra < size / 3
