"""What the command line refuses."""

from __future__ import annotations

from spectral_losses.errors import UserError


class CommandError(UserError):
    """Arguments that cannot be followed: `spectral_losses.cli.main` prints the message and returns 2."""
