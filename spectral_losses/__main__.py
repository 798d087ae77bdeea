"""``python -m spectral_losses``: the command line, where no script of it is on the path."""

import sys

from spectral_losses.cli import main

if __name__ == "__main__":
    sys.exit(main())
