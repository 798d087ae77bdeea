"""``spectral-losses compare``: `command` says what it takes, `axes` what the axes of two stored arrays are.

`blocks` cuts the work into pieces that fit into memory, `measure` goes through them, `tally` adds up, `report` holds
what there is to say, and `table`, `document`, `plot` and `page` say it; `charts` makes the figures of the page, and
`maps` reads a frame for it.
"""

from spectral_losses.cli.compare.command import add_parser as add_parser
