"""The losses: pure functions of prediction and target. This is the list of them.

A loss is a documented function that says what is compared, and an objective with the mathematics: one file for each
family. Its name here makes it public.
"""

from spectral_losses.losses.adjusted import adjusted_error
from spectral_losses.losses.amplitude import amplitude_error
from spectral_losses.losses.bands import band_error
from spectral_losses.losses.coherence import coherence_error
from spectral_losses.losses.correlation import correlation_error
from spectral_losses.losses.field import field_error
from spectral_losses.losses.focal import focal_frequency_error
from spectral_losses.losses.logarithmic import log_spectral_distance, spectrum_error
from spectral_losses.losses.ratio import power_ratio_error
from spectral_losses.losses.sobolev import sobolev_error
from spectral_losses.losses.wavelet import wavelet_error

__all__ = [
    "adjusted_error",
    "amplitude_error",
    "band_error",
    "coherence_error",
    "correlation_error",
    "field_error",
    "focal_frequency_error",
    "log_spectral_distance",
    "power_ratio_error",
    "sobolev_error",
    "spectrum_error",
    "wavelet_error",
]
