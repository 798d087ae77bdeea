"""Statistics of a pair against brute force on the full plane, and what objectives of any kind make of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from frameworks import Framework
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_losses.losses.comparison import over_points, over_spectra, prepared, restored
from spectral_losses.testing import spatial_shapes
from spectral_losses.transforms.plane import Plane
from spectral_losses_backends.numpy import backend as numpy_backend
from spectral_losses_backends.text import from_text, plain, to_text

RNG = np.random.default_rng(11)
NAMES = ("P", "T", "C", "Q", "D")


def brute_force(p: Any, t: Any, edges: Any) -> dict[str, list[float]]:
    """Each statistic of each bin of the complete partition, mode by mode."""
    x, y = (np.fft.fftn(z) / z.size for z in (p, t))
    found: dict[str, list[float]] = {name: [0.0] * (len(edges) + 1) for name in NAMES}
    for index in np.ndindex(p.shape):
        k = [i if 2 * i <= n else i - n for i, n in zip(index, p.shape, strict=True)]
        b = int(np.searchsorted(edges, math.sqrt(sum(m * m for m in k)) * (1 - 1e-12)))
        own = [0 if 2 * abs(m) == n else m for m, n in zip(k, p.shape, strict=True)]
        # The sign of the last axis decides, then of the first one that is not 0.
        s = next((np.sign(m) for m in (own[-1], *own[:-1]) if m), 0)
        cross = x[index] * np.conj(y[index])
        values = (abs(x[index]) ** 2, abs(y[index]) ** 2, cross.real, s * cross.imag, abs(x[index] - y[index]) ** 2)
        for name, value in zip(NAMES, values, strict=True):
            found[name][b] += value
    return found


@settings(max_examples=40)
@given(spatial_shapes(largest=9), st.integers(0, 2**32 - 1))
def test_statistics_by_brute_force(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, t = rng.normal(size=(2, *shape))
    plane = Plane(shape)
    expected = brute_force(p, t, plane.edges())
    found = numpy_backend.pair_power(p - t, t, plane, ("P", "T", "Q", "D"))
    for name, table in found.items():
        np.testing.assert_allclose(table, expected[name], rtol=1e-10, atol=1e-14, err_msg=name)
    np.testing.assert_allclose((found["P"] + found["T"] - found["D"]) / 2, expected["C"], rtol=1e-9, atol=1e-13)
    # Complete: nothing is lost.
    np.testing.assert_allclose(found["D"].sum(), np.mean((p - t) ** 2), rtol=1e-12)
    np.testing.assert_allclose(found["P"].sum(), np.mean(p**2), rtol=1e-12)
    np.testing.assert_allclose(found["P"][0], np.mean(p) ** 2, rtol=1e-8, atol=1e-14)


def test_an_error_keeps_its_digits() -> None:
    t = RNG.normal(size=(2, 16, 16)).astype(np.float32)
    p = t * np.float32(1 + 1e-6)
    for table in numpy_backend.pair_power(p - t, t, Plane((16, 16)), ("D",)).values():
        np.testing.assert_allclose(table.sum(-1), np.mean((p.astype(float) - t) ** 2, axis=(-2, -1)), rtol=1e-5)


@plain
class Probe(NamedTuple):
    """A function of all statistics, with products, so that no slope is constant."""

    over: str = "complete"
    unit: str = "share"
    floor: None = None
    needs: tuple[str, ...] = NAMES

    def value_and_grad(self, s: Any, xp: Any) -> tuple[Any, dict[str, Any]]:
        tables = [getattr(s, name) for name in NAMES]
        value, slopes = 0, {}
        for i, (name, table) in enumerate(zip(NAMES, tables, strict=True)):
            other, before = tables[(i + 1) % len(NAMES)], tables[i - 1]
            value = value + xp.sum(table * other, axis=s.axes) + (i + 1) * table[..., 0]
            first = xp.concat((xp.ones_like(table[..., :1]), xp.zeros_like(table[..., 1:])), axis=-1)
            slopes[name] = other + before + (i + 1) * first
        return value, slopes


@plain
class MeanAbsoluteError(NamedTuple):
    """Of the fields themselves: relative, pooled before the quotient."""

    floor: None = None
    over: str = "complete"
    unit: str = "share"
    needs: tuple[str, ...] = ("X", "Y")

    def value_and_grad(self, s: Any, xp: Any) -> tuple[Any, dict[str, Any]]:
        norm = s.row_mean(xp.abs(s.Y))
        value = s.row_mean(xp.abs(s.X - s.Y)) / norm
        return value, {"X": xp.sign(s.X - s.Y) * s.along_fields(1 / norm)}


def test_fields_that_ranks_share_out_are_not_pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_backend, "ranks", lambda: ("all", 2))
    p, t = RNG.normal(size=(2, 3, 2, 6, 5))
    with pytest.raises(TypeError, match="over_ranks: MeanAbsoluteError compares the fields themselves"):
        over_points(p, t, {"pool": "frames"}, MeanAbsoluteError()).value()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"pool": "frames"},
    {"channels": "sum", "pool": 1},
    {"channels": "mean"},
    {"channel_weights": (1.0, 3.0)},
    {"spatial_axes": (4, 1), "channel_axis": 0, "channels": "sum"},
]


def compare(kind: str, p: Any, t: Any, options: dict[str, Any]) -> Any:
    if kind == "fields":
        return over_points(p, t, options, MeanAbsoluteError())
    return over_spectra(
        p, t, {**options, **({} if kind == "complete" else {"window": "hann"})}, lambda plan: Probe(kind)
    )


@pytest.mark.parametrize("kind", ["complete", "shells", "fields"])
@pytest.mark.parametrize("options", OPTIONS)
def test_one_body_serves_every_framework(framework: Framework, kind: str, options: dict[str, Any]) -> None:
    p, t, direction = RNG.normal(size=(3, 2, 3, 2, 6, 5))
    h = 1e-6
    ahead, behind = (float(compare(kind, p + s * h * direction, t, options).value()) for s in (1, -1))
    expected = (ahead - behind) / (2 * h)
    x, y = framework.asarray(p), framework.asarray(t)
    comparison = compare(kind, x, y, options)
    value = float(compare(kind, p, t, options).value())
    assert float(comparison.value()) == pytest.approx(value, rel=1e-10)
    (by_hand,), gradient = comparison.backend.value_and_grad(*prepared([comparison]))
    assert float(by_hand) == pytest.approx(value, rel=1e-10)
    gradient = restored(gradient, comparison)
    assert tuple(gradient.shape) == p.shape
    assert np.sum(framework.to_numpy(gradient) * direction) == pytest.approx(expected, rel=1e-6)
    if framework.gradient is not None:
        found = framework.gradient(lambda x: compare(kind, x, y, options).value(), x)
        assert np.sum(framework.to_numpy(found) * direction) == pytest.approx(expected, rel=1e-6)
        found = framework.gradient(lambda y: compare(kind, x, y, options).value(), y)  # of the target
        ahead, behind = (float(compare(kind, p, t + s * h * direction, options).value()) for s in (1, -1))
        assert np.sum(framework.to_numpy(found) * direction) == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


def test_what_a_compiled_graph_holds_is_text() -> None:
    plane = Plane((4, 6), (1.0, 0.1 + 0.2), (0.5, 1.5))
    for value in (
        plane,
        Probe("shells"),
        (1, None, "a"),
        prepared([compare("complete", *RNG.normal(size=(2, 4, 4)), {})])[0],
    ):
        assert from_text(to_text(value)) == value
        assert type(from_text(to_text(value))) is type(value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
def test_compiled_statistics_of_a_pair() -> None:
    torch = pytest.importorskip("torch")
    torch._dynamo.reset()
    p, t = (torch.tensor(z, requires_grad=True) for z in RNG.normal(size=(2, 2, 3, 6, 5)))

    def loss(p: Any, t: Any) -> Any:
        return over_spectra(p, t, {}, lambda plan: Probe()).value()

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(p, t), loss(p, t))
    for a, b in zip(*(torch.autograd.grad(f(p, t), (p, t)) for f in (compiled, loss)), strict=True):
        torch.testing.assert_close(a, b)
