"""Plain floats out of arrays: no graph, one transfer, options to those who take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import Framework

import spectral_losses as sl

RNG = np.random.default_rng(4)
P, T = RNG.normal(size=(2, 2, 8, 6)), RNG.normal(size=(2, 2, 8, 6))


def test_floats_in_the_order_asked_for(framework: Framework) -> None:
    p, t = framework.asarray(P), framework.asarray(T)
    found = sl.evaluate(p, t, losses=["spectrum_error", "field_error"], channels="sum")
    assert list(found) == ["spectrum_error", "field_error"]
    assert all(type(value) is float for value in found.values())
    assert found["field_error"] == pytest.approx(float(sl.field_error(p, t, channels="sum")), rel=1e-12)
    assert found["spectrum_error"] == pytest.approx(float(sl.spectrum_error(p, t, channels="sum")), rel=1e-12)
    assert sl.evaluate(p, t, losses="field_error", channels="sum") == {"field_error": found["field_error"]}


def test_options_reach_the_losses_that_take_them() -> None:
    mask = RNG.random((8, 6)) < 0.5
    found = sl.evaluate(P, T, mask=mask, bins=2, fill="smooth", eps=1e-3)
    assert found["field_error"] == float(sl.field_error(P, T, mask=mask, eps=1e-3))
    assert found["spectrum_error"] == float(sl.spectrum_error(P, T, mask=mask, bins=2, fill="smooth", eps=1e-3))


def test_names_and_options_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="'spectral_error' is not known, did you mean 'spectrum_error'"):
        sl.evaluate(P, T, losses=["spectral_error"])
    with pytest.raises(TypeError, match="'chanels' is not known, did you mean 'channels'"):
        sl.evaluate(P, T, chanels="sum")
    with pytest.raises(TypeError, match="'bins' is not known"):
        sl.evaluate(P, T, losses="field_error", bins="log")
    with pytest.raises(ValueError, match=r"reduction must be 'mean'.*'none'"):
        sl.evaluate(P, T, reduction="none")
    with pytest.raises(TypeError, match=r"loss must be a name, got <function field_error.*; its name is 'field_error'"):
        sl.evaluate(P, T, losses=[sl.field_error])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="at least one"):
        sl.evaluate(P, T, losses=[])


def test_a_stored_spectrum() -> None:
    stored = sl.radial_spectrum(T)
    assert sl.evaluate(P, stored, losses="spectrum_error") == sl.evaluate(P, T, losses="spectrum_error")
    with pytest.raises(TypeError, match=r"^field_error: target must be a field, got a Spectrum"):
        sl.evaluate(P, stored)


def test_a_target_for_each_loss(framework: Framework) -> None:
    p, t = framework.asarray(P), framework.asarray(T)
    found = sl.evaluate(p, {"field_error": t, "spectrum_error": sl.radial_spectrum(t)})
    assert found == sl.evaluate(p, t)
    with pytest.raises(ValueError, match="target: loss 'spectrum_error' is missing, got field_error"):
        sl.evaluate(p, {"field_error": t})
    with pytest.raises(ValueError, match="target: loss 'field_eror' is not known, did you mean 'field_error'"):
        sl.evaluate(p, {"field_eror": t, "spectrum_error": t})


def test_no_graph_is_built() -> None:
    torch = pytest.importorskip("torch")
    saved: list[Any] = []
    p, t = torch.tensor(P, requires_grad=True), torch.tensor(T, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
        sl.spectrum_error(p, t)
        assert saved
        saved.clear()
        sl.evaluate(p, t)
    assert not saved


def test_one_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from spectral_losses_backends import pointwise
    from spectral_losses_backends.torch import kernels

    # As on another device.
    monkeypatch.setattr(kernels, "in_sight", lambda *tensors: False)
    monkeypatch.setattr(pointwise, "is_of_squares", lambda problem, arrays: False)
    count = 0

    def counted(method: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            return method(*args, **kwargs)

        return wrapper

    for name in ("tolist", "item", "numpy", "__float__", "__bool__", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, counted(getattr(torch.Tensor, name)))
    sl.evaluate(torch.tensor(P), torch.tensor(T))
    assert count == 1
