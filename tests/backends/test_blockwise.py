"""However many frames make a block of work, the last one shorter than the others: the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl

RNG = np.random.default_rng(2)
P, T = RNG.normal(size=(2, 7, 3, 8, 6))
CHUNKS = {"one frame": 1, "two frames": 2 * 48, "five frames": 5 * 48, "two elements": 2 * 3 * 48, "all": 1 << 30}


@pytest.fixture(params=["numpy", "torch"])
def asarray(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "numpy":
        yield np.asarray
        return
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a chunk is so many values for each of them
    yield torch.tensor
    torch.set_num_threads(threads)


@pytest.fixture(params=CHUNKS)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many values are worked on at a time, for either framework."""
    for module in ("numpy", "torch.kernels"):
        try:
            monkeypatch.setattr(f"spectral_losses_backends.{module}.CHUNK", CHUNKS[request.param])
        except ImportError:
            continue
    return CHUNKS[request.param]


@pytest.mark.parametrize("frames", [7, 6, 1])
def test_spectra_of_all_frames(asarray: Any, chunk: int, frames: int) -> None:
    field = P[:frames, 0]
    each = np.stack([np.asarray(sl.radial_spectrum(asarray(x), channel_axis=None).power) for x in field])
    found = np.asarray(sl.radial_spectrum(asarray(field), channel_axis=None).power)
    np.testing.assert_allclose(found, each, rtol=1e-10)


def exact(loss: Any, p: Any, d: Any) -> float:
    """The slope of a loss along a direction."""
    h = 1e-6
    return float(loss(p + h * d) - loss(p - h * d)) / (2 * h)


@pytest.mark.parametrize("options", [{}, {"channels": "sum"}, {"reduction": "mean", "channel_weights": (1, 2, 4)}])
@pytest.mark.parametrize("stored", [False, True], ids=["fields", "stored spectrum"])
@pytest.mark.parametrize("name", ["spectrum_error", "log_spectral_distance"])
def test_gradients(asarray: Any, chunk: int, name: str, stored: bool, options: dict[str, Any]) -> None:
    """Each block has targets of its own, stored ones too; slopes are checked element by element."""
    loss = getattr(sl, name)
    measured = {key: options[key] for key in options if key == "channels"}
    target = asarray(T)
    target = sl.radial_spectrum(target, **measured) if stored else target
    value, gradient = sl.value_and_grad(name, **options)(asarray(P), target)
    assert float(value) == pytest.approx(float(loss(P, T, **options)), rel=1e-10)
    for element in range(7):
        direction = np.zeros_like(P)
        direction[element] = RNG.normal(size=P.shape[1:])
        slope = exact(lambda p: loss(p, T, **options), P, direction)
        assert np.sum(np.asarray(gradient) * direction) == pytest.approx(slope, rel=1e-5, abs=1e-9)
    if asarray is not np.asarray:
        prediction = asarray(P).requires_grad_()
        loss(prediction, target, **options).backward()
        np.testing.assert_allclose(prediction.grad, gradient, rtol=1e-10, atol=1e-14)
