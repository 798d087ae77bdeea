"""Filters of discrete wavelets: Haar's are known, all others PyWavelets knows."""

from __future__ import annotations

from functools import lru_cache

from spectral_losses.errors import needed
from spectral_losses.messages import suggest

HAAR = ((0.5, 0.5), (0.5, -0.5))
"""Low-pass and high-pass, scaled so that a constant stays as it is."""


def filters_of(wavelet: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The low-pass and the high-pass filter of an orthogonal or biorthogonal wavelet, scaled as `HAAR` is."""
    if not isinstance(wavelet, str):
        raise TypeError(f"wavelet must be a name, got {wavelet!r}")
    return HAAR if wavelet == "haar" else _others(wavelet)


@lru_cache(maxsize=64)
def _others(wavelet: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pywt = needed("pywt", f"wavelet {wavelet!r}", "wavelets", "PyWavelets")
    known = pywt.wavelist(kind="discrete")
    if wavelet not in known:
        raise ValueError(f"wavelet {suggest(wavelet, known)}")
    found = pywt.Wavelet(wavelet)
    low, high = (tuple(float(h) / 2**0.5 for h in each) for each in (found.dec_lo, found.dec_hi))
    return low, high
