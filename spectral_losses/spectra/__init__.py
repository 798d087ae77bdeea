"""Power spectra: options, binning, plans, and what is returned."""

from spectral_losses.spectra.radial import radial_spectrum
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.transforms.sphere import Sphere

__all__ = ["Cylinders", "Sectors", "Spectrum", "Sphere", "radial_spectrum"]
