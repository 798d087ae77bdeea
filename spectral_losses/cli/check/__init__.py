"""``spectral-losses check``: `places` are frameworks on devices, `measure` holds one against NumPy, `report` prints."""

from spectral_losses.cli.check.command import add_parser as add_parser
