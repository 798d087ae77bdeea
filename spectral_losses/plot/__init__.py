"""Figures of spectra: one call each, axes in and axes out, for notebooks and for the command line.

They need matplotlib (the extra ``plot``). Figures are made without pyplot: no state of matplotlib is changed, and
nothing is shown but by whoever asks for it.
"""

from spectral_losses.plot.cylinders import cylinders
from spectral_losses.plot.maps import Map
from spectral_losses.plot.panels import Panels
from spectral_losses.plot.sectors import sectors
from spectral_losses.plot.spectra import spectra

__all__ = ["Map", "Panels", "cylinders", "sectors", "spectra"]
