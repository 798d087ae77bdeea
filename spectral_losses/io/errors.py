"""What can be wrong with a file of fields."""

from __future__ import annotations

from spectral_losses.errors import UserError


class FieldFileError(UserError):
    """A file of fields that is missing, cannot be read, or does not hold what was asked for."""
