"""Influences: what they are, in every framework, and why they are measured along differences of predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import Framework

import spectral_losses as sl
from spectral_losses.balance import influences


def arrays(shape: tuple[int, ...] = (3, 2, 4, 5), dtype: str = "float64") -> tuple[dict[str, Any], Any]:
    rng = np.random.default_rng(0)
    p, g, h = rng.normal(size=(3, *shape)).astype(dtype)
    return {"a": g, "b": (1e3 * h).astype(dtype)}, p


def by_hand(g: Any, p: Any, axis: int = 0) -> float:
    """One inner product after the other."""
    squares = []
    for place in np.ndindex(p.shape[: axis + 1]):
        after = (*place[:-1], (place[-1] + 1) % p.shape[axis])
        squares.append(sum(float(x) for x in (g[place] * (p[after] - p[place])).ravel()) ** 2)
    return float(np.sqrt(np.mean(squares)))


@pytest.mark.parametrize("axis", [0, 1, -3])
def test_influences_in_every_framework(framework: Framework, axis: int) -> None:
    gradients, p = arrays()
    found = influences({k: framework.asarray(g) for k, g in gradients.items()}, framework.asarray(p), axis)
    for name, value in found.items():
        assert tuple(value.shape) == ()
        assert value.dtype == framework.asarray(p).dtype
        assert float(framework.to_numpy(value)) == pytest.approx(by_hand(gradients[name], p, axis % 4), rel=1e-12)


def test_one_number_to_a_sample() -> None:
    g, p = np.asarray([1.0, 2.0, 3.0]), np.asarray([5.0, 7.0, 1.0])
    assert float(influences({"a": g}, p)["a"]) == pytest.approx(np.sqrt((2**2 + 12**2 + 12**2) / 3))


def test_half_precision_is_measured_in_single(framework: Framework) -> None:
    for dtype in framework.halves:
        gradients, p = arrays()
        each = {k: framework.cast(framework.asarray(g / 1e3), dtype) for k, g in gradients.items()}
        found = influences(each, framework.cast(framework.asarray(p), dtype))
        assert found["a"].dtype == framework.asarray(np.ones(1, dtype="float32")).dtype
        assert float(framework.to_numpy(found["a"])) == pytest.approx(by_hand(gradients["a"] / 1e3, p), rel=0.05)


def test_no_square_overflows_or_vanishes() -> None:
    gradients, p = arrays(dtype="float32")
    for scale in (1e-30, 1e30):
        found = influences({"a": gradients["a"] * np.float32(scale)}, p)["a"]
        assert float(found) == pytest.approx(scale * by_hand(gradients["a"], p), rel=1e-5)


def test_nothing_and_what_is_not_finite() -> None:
    gradients, p = arrays()
    same = np.broadcast_to(p[:1], p.shape)
    assert float(influences(gradients, same)["a"]) == 0
    assert float(influences({"a": 0 * p}, p)["a"]) == 0
    gradients["a"][0, 0, 0, 0] = np.nan
    found = influences(gradients, p)
    assert np.isnan(found["a"])
    assert np.isfinite(found["b"])
    gradients["b"][0, 0, 0, 0] = np.inf
    assert np.isinf(influences(gradients, p)["b"])


def test_no_gradient_flows() -> None:
    torch = pytest.importorskip("torch")
    p = torch.randn(3, 4, requires_grad=True)
    assert not influences({"a": torch.ones(3, 4)}, p)["a"].requires_grad


@pytest.mark.parametrize(
    ("given", "axis", "error", "message"),
    [
        ({"a": np.ones((1, 2))}, 0, ValueError, r"two samples or more along axis 0, got shape \(1, 2\)"),
        ({"a": np.ones((3, 2))}, 2, ValueError, r"axis must be one of prediction of shape \(3, 2\), got 2"),
        ({"a": np.ones((3, 2))}, 0.5, TypeError, "integer"),
        (
            {"a": np.ones((3, 1))},
            0,
            ValueError,
            r"gradient 'a' must have the shape of prediction, \(3, 2\), got",
        ),
        ({"a": [[1.0, 2.0]] * 3}, 0, TypeError, "gradient 'a' must be an array"),
        ([np.ones((3, 2))], 0, TypeError, "gradients must map names to arrays, got list"),
    ],
)
def test_errors(given: Any, axis: Any, error: type[Exception], message: str) -> None:
    p = np.ones((1, 2)) if "axis 0" in message else np.ones((3, 2))
    with pytest.raises(error, match=message):
        influences(given, p, axis)
    with pytest.raises(TypeError, match="prediction must be real floating"):
        influences({}, np.ones((3, 2), dtype=int))


def test_blur_does_not_let_a_loss_over_logarithms_explode() -> None:
    """The norm of its gradient grows as one over the weakest mode; its influence stays what it is."""
    n, rng = 32, np.random.default_rng(1)
    k = np.hypot(np.fft.fftfreq(n, 1 / n)[:, None], np.fft.rfftfreq(n, 1 / n)[None])
    noise = rng.normal(size=(8, 1, n, n))
    other = 0.95 * noise + np.sqrt(1 - 0.95**2) * rng.normal(size=noise.shape)
    target = np.fft.irfft2(np.fft.rfft2(noise) / (1 + k) ** 2)
    along, norms = [], []
    for blur in (100, 30, 12, 6):
        p = np.fft.irfft2(np.fft.rfft2(other) * np.exp(-((k / blur) ** 2)) / (1 + k) ** 2)
        gradients = {
            "field": sl.value_and_grad("field_error")(p, target)[1],
            # Against 1.5 times itself, so that the loss is the same whatever the blur.
            "spectrum": sl.value_and_grad("log_spectral_distance", eps=0)(p, 1.5 * p)[1],
        }
        found = influences(gradients, p)
        along.append(float(found["spectrum"] / found["field"]))
        each = {name: np.mean([np.linalg.norm(g) for g in gradient]) for name, gradient in gradients.items()}
        norms.append(each["spectrum"] / each["field"])
    assert max(along) < 2 * min(along)
    assert max(norms) > 100 * min(norms)
