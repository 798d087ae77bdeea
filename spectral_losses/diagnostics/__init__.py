"""What is looked at and not trained with: spectra compared, means over data sets, resolution, price of sharpness."""

from spectral_losses.diagnostics.cross import CrossSpectrum, cross_spectrum
from spectral_losses.diagnostics.energy import energy_spectrum
from spectral_losses.diagnostics.mean import MeanStatistics
from spectral_losses.diagnostics.resolution import effective_resolution
from spectral_losses.diagnostics.sharpness import price_of_sharpness

__all__ = [
    "CrossSpectrum",
    "MeanStatistics",
    "cross_spectrum",
    "effective_resolution",
    "energy_spectrum",
    "price_of_sharpness",
]
