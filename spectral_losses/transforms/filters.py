"""Filters of discrete wavelets: Haar's are known, all others PyWavelets knows."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from spectral_losses.errors import needed
from spectral_losses.messages import suggest
from spectral_losses_backends.text import plain

HAAR = ((1.0, 1.0), (1.0, -1.0))
"""Low-pass and high-pass, scaled so that nothing has to be multiplied."""


@plain
class Filters(NamedTuple):
    """Those of a wavelet."""

    wavelet: str

    def length(self) -> int:
        """How many taps the longer one has."""
        return max(map(len, filters_of(self.wavelet)))


def filters_of(wavelet: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The low-pass and the high-pass filter of an orthogonal or biorthogonal wavelet; how they are scaled is open."""
    return HAAR if wavelet == "haar" else _others(wavelet)


@lru_cache(maxsize=64)
def _others(wavelet: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pywt = needed("pywt", f"wavelet {wavelet!r}", "wavelets", "PyWavelets")
    known = pywt.wavelist(kind="discrete")
    if wavelet not in known:
        raise ValueError(f"wavelet {suggest(wavelet, known)}")
    found = pywt.Wavelet(wavelet)
    return tuple(map(float, found.dec_lo)), tuple(map(float, found.dec_hi))
