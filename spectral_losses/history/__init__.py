"""What a run did, epoch by epoch; needs the standard library alone."""

from spectral_losses.history.history import History

__all__ = ["History"]
