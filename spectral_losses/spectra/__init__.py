"""Power spectra: options, binning, plans, and what is returned."""

from spectral_losses.spectra.radial import radial_spectrum
from spectral_losses.spectra.spectrum import Spectrum

__all__ = ["Spectrum", "radial_spectrum"]
