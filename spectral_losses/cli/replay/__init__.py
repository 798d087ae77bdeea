"""``spectral-losses replay``: `command` says what it takes, and `metrics_log`, `configs` and `changes` read that.

`subject` is what is replayed, one of `schedulers` or one of `controllers`; `outcome` takes it through the metrics,
`report` prints and `plot` draws.
"""

from spectral_losses.cli.replay.command import add_parser as add_parser
