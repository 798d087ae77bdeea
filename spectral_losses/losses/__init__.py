"""The losses: pure functions of prediction and target. This is the list of them.

A loss is a documented function that says what is compared, and an objective with the mathematics: one file for each
family. Its name here makes it public.
"""

from spectral_losses.losses.adjusted import adjusted_error
from spectral_losses.losses.field import field_error
from spectral_losses.losses.logarithmic import log_spectral_distance, spectrum_error

__all__ = ["adjusted_error", "field_error", "log_spectral_distance", "spectrum_error"]
