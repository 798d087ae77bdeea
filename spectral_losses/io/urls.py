"""Files behind URLs, through fsspec."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from spectral_losses.errors import needed


def is_url(name: str) -> bool:
    """Whether this names a protocol, and no drive."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+(::|://)", name) is not None


def open_url(url: str, stack: contextlib.ExitStack) -> Any:
    """A file that reads what it is asked for; raises what fsspec raises."""
    return stack.enter_context(needed("fsspec", "reading URLs").open(url, "rb"))
