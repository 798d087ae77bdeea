"""Names of the package that are loaded when they are first used."""

from __future__ import annotations

import pytest

import spectral_losses as sl
from spectral_losses import messages


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("radial_spectrm", "radial_spectrum"), ("SpectrumLoss", "Spectrum"), ("spectral_error", "spectrum_error")],
)
def test_a_name_that_is_not_known(name: str, nearest: str) -> None:
    with pytest.raises(AttributeError, match=f"'spectral_losses' has no attribute '{name}', did you mean '{nearest}'"):
        getattr(sl, name)


def test_nothing_near() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'zzz'$"):
        _ = sl.zzz


def test_asking_again_takes_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = messages.get_close_matches
    monkeypatch.setattr(messages, "get_close_matches", lambda *args: calls.append(args) or real(*args))
    for _ in range(3):
        assert not hasattr(sl, "coherence_of_nothing")
        assert not hasattr(sl, "__coherence__")
    assert len(calls) == 1
