"""What the commands print through, and how they count."""

from __future__ import annotations

from typing import Any


def console() -> Any:
    """A rich console on stdout."""
    from rich.console import Console

    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = max(made.width, 120)  # a file or a pipe has no edge to wrap at
    return made


def count(n: int, noun: str) -> str:
    """1 frame, 2 frames."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
