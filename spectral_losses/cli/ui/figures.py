"""Files that pictures are written to."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import reason


def check_writable(path: Path, option: str = "--plot") -> None:
    """Refuse a path that cannot be written to, before any work is done; ``option`` is the one that named it."""
    try:
        existed = path.exists()
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise CommandError(f"{option}: {path}: {reason(error)}") from error


def save_figure(path: Path, figure: Any, option: str = "--plot") -> None:
    """Write a matplotlib figure; the format follows the suffix.

    Raises
    ------
    CommandError
        The file cannot be written.
    """
    # Drawn in memory first, so that no half a file is left behind.
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=160)
    try:
        path.write_bytes(drawn.getvalue())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise CommandError(f"{option}: {path}: {reason(error)}") from error
