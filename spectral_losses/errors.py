"""Errors that a user can put right without reading code, and packages that are asked for only where they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class UserError(Exception):
    """What went wrong, for the user; the command line prints it on one line, without a traceback."""

    def __init__(self, message: str) -> None:
        # Messages of other libraries go in here too, and some of them have several lines.
        super().__init__(" ".join(message.split()))


class MissingPackageError(UserError, ModuleNotFoundError):
    """An optional package is not installed."""


def needed(module: str, purpose: str, extra: str = "cli", distribution: str = "") -> Any:
    """Import an optional module, or say what to install; a distribution may have another name than its package.

    Raises
    ------
    MissingPackageError
        The package that the module belongs to is not installed.
    """
    package = module.split(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != package:
            raise  # it is there, and lacks something itself
        # The package by itself, because this library may have been installed from a clone, which pip knows no name of.
        raise MissingPackageError(
            f"{purpose} needs {distribution or package}, which is not installed: pip install {distribution or package} "
            f"(the extra {extra!r} of spectral-losses has all that is needed)"
        ) from error


def reason(error: Exception) -> str:
    """The message of an exception, without the error number and the path that an OSError repeats."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
