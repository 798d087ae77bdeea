"""What can be wrong with a file of fields."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from spectral_losses.errors import UserError, reason


class FieldFileError(UserError):
    """A file of fields that is missing, cannot be read, or does not hold what was asked for."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Around nothing but a reader at work on the file of this name: what it raises becomes a `FieldFileError`.

    All that it raises, because damaged bytes make readers and codecs raise almost anything: `zlib.error`,
    `RuntimeError`, `KeyError`, `tokenize.TokenError`. The type is named, so that a bug of a reader can be told.
    """
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        problem, kind = reason(error), type(error).__name__
        if not isinstance(error, OSError) and problem != kind:
            problem = f"{problem} ({kind})"
        raise FieldFileError(f"{name}: cannot be read: {problem}") from error
