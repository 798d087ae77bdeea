"""Errors that the user can put right, and what to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class CommandError(Exception):
    """What went wrong, for the user: `spectral_losses.cli.main` prints it on one line and returns 2."""

    def __init__(self, message: str) -> None:
        # Messages of other libraries go in here too, and some of them have several lines.
        super().__init__(" ".join(message.split()))


def needed(module: str, purpose: str, extra: str = "cli") -> Any:
    """Import an optional module, or say what to install.

    Raises
    ------
    CommandError
        The package that the module belongs to is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise
        raise CommandError(
            f"{purpose} needs {package}, which is not installed: pip install 'spectral-losses[{extra}]'"
        ) from error


def reason(error: Exception) -> str:
    """The message of an exception, without the error number and the path that an OSError repeats."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
