"""``spectral-losses spectrum``: `command` says what it takes, `measure` reads, `report` prints and `plot` draws."""

from spectral_losses.cli.spectrum.command import add_parser as add_parser
