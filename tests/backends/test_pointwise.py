"""Losses of mean squares, whose gradient is made block by block before the guard of all frames is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses_backends import base, numpy, pointwise
from spectral_losses_backends.blockwise import Backend

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "guard that counts": {"eps": 0.1},
    "no guard": {"eps": 0.0},
    "pooled": {"pool": 0},
    "summed": {"channels": "sum"},
    "weighted channels": {"channel_weights": (1.0, 3.0)},
}


def fields(dtype: str) -> tuple[Any, Any]:
    """Frames of ordinary amplitude, a faint one, an empty one, and one that is not finite."""
    rng = np.random.default_rng(5)
    p, t = (rng.normal(size=(7, 2, 4, 6)).astype(dtype) for _ in range(2))
    t[2] *= 1e-5
    t[4] = 0
    t[5, 0, 1, 1] = np.nan
    return p, t


def in_one_piece(p: Any, t: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    """The composition of the standard, in float64."""
    loss = sl.value_and_grad("field_error", **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backend, "value_and_grad", base.Backend.value_and_grad)
        return loss(p.astype("float64"), t.astype("float64"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("block", [1, 60, 1000], ids=["frame by frame", "two at a time", "at once"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_blocks(framework: str, case: str, block: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many frames there are in a block, faint, empty and broken ones included."""
    p, t = fields(dtype)
    value, gradient = in_one_piece(p, t, CASES[case])
    monkeypatch.setattr(pointwise, "BLOCK", block)
    both = sl.value_and_grad("field_error", **CASES[case])
    if framework == "torch":
        torch = pytest.importorskip("torch")
        monkeypatch.setattr("spectral_losses_backends.torch.kernels.Kernels.chunk_size", lambda self, x: block)
        found = [z.numpy() for z in both(torch.tensor(p), torch.tensor(t))]
        x = torch.tensor(p, requires_grad=True)
        sl.field_error(x, torch.tensor(t), **CASES[case]).backward()
        np.testing.assert_array_equal(x.grad, found[1])
    else:
        monkeypatch.setattr("spectral_losses_backends.numpy.CHUNK", block)
        found = list(both(p, t))
    precision = {"float32": 1e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(found[0], value, rtol=precision)
    scale = np.nanmax(np.abs(gradient[np.isfinite(gradient)]))
    for got, exact in zip(found[1], gradient, strict=True):
        size = np.nanmax(np.abs(exact), initial=1e-30 * scale)
        np.testing.assert_allclose(got, exact, rtol=precision, atol=precision * size)


def test_a_guess_that_is_right_is_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are multiplied while they are near, and nothing else is read twice."""
    p, t = (z[[0, 1, 3, 6]] for z in fields("float32"))
    monkeypatch.setattr(pointwise, "BLOCK", 60)
    monkeypatch.setattr("spectral_losses_backends.numpy.CHUNK", 60)
    multiplied: list[int] = []
    stretch = numpy.Backend.stretch

    def counted(self: Any, rows: Any, factors: Any) -> None:
        multiplied.append(len(rows))
        stretch(self, rows, factors)

    monkeypatch.setattr(numpy.Backend, "stretch", counted)
    sl.value_and_grad("field_error")(p, t)
    assert multiplied == [2, 2, 2, 2]
    multiplied.clear()
    sl.value_and_grad("field_error", eps=0.1)(p, t)
    assert multiplied == [8]
