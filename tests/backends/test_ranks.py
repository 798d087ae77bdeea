"""Frames that processes share out, as one process can see it: all have the same, so that sums are as many times."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses_backends.base import backend as generic
from spectral_losses_backends.numpy import backend as numpy_backend
from spectral_losses_backends.ranks import Ranks

RANKS = 3
P, T = np.random.default_rng(5).normal(size=(2, 4, 3, 8, 6))
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("field_error", {"eps": 0.1}),
    ("field_error", {"eps": 0.1, "pool": 0}),
    ("spectrum_error", {"channel_weights": (1.0, 2.0, 5.0)}),
    ("adjusted_error", {"eps": 0.1, "pool": "frames"}),
    ("wavelet_error", {"eps": 0.1}),
    ("coherence_error", {"pool": 0, "channels": "sum"}),
]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what is summed over ranks."""
    shapes = []

    def summed(x: Any, ranks: Ranks) -> Any:
        assert ranks == ("all", RANKS, ranks.axis)
        shapes.append(x.shape)
        return RANKS * x

    monkeypatch.setattr(numpy_backend, "ranks", lambda: ("all", RANKS))
    monkeypatch.setattr(numpy_backend, "sum_over_ranks", summed)
    return shapes


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_ranks_with_the_same_frames_have_the_losses_of_one(
    name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sl.value_and_grad(name, **options)(P, T)
    with monkeypatch.context() as within:
        within.setattr(numpy_backend, "ranks", lambda: ("all", RANKS))
        within.setattr(numpy_backend, "sum_over_ranks", lambda x, ranks: RANKS * x)
        found = sl.value_and_grad(name, **options)(P, T)
        value = getattr(sl, name)(P, T, **options)
    for each in (value, found[0]):
        np.testing.assert_allclose(each, expected[0], rtol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("name", "options"), CALLS)
def test_each_rank_sends_as_often_whatever_its_share(
    name: str, options: dict[str, Any], sent: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they would wait for each other: a share may be one block, and another share several."""
    of = sl.value_and_grad(name, **options)
    of(P[:1], T[:1])
    few = list(sent)
    sent.clear()
    monkeypatch.setattr("spectral_losses_backends.numpy.CHUNK", 48)
    of(P, T)
    assert sent == few
    assert few
    assert all(np.prod(shape) < P[0].size for shape in few)  # sums, and no fields


def test_other_frameworks_have_none() -> None:
    assert generic.ranks() is None
    with pytest.raises(NotImplementedError, match="generic knows no ranks"):
        generic.sum_over_ranks(P, Ranks("all", 2, -2))
