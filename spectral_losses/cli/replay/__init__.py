"""``spectral-losses replay``: `command` says what it takes, `metrics_log` and `configs` read its files.

`outcome` takes the metrics through the schedulers, `report` prints and `plot` draws.
"""

from spectral_losses.cli.replay.command import add_parser as add_parser
