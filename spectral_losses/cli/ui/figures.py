"""Files that pictures, rows and sums are written to."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spectral_losses.cli.ui.console import printable
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.errors import reason


def check_writable(path: Path, option: str = "--plot", inputs: Sequence[str | os.PathLike[str]] = ()) -> None:
    """Refuse a path that `save_figure` could not write to, before any work is done.

    Parameters
    ----------
    path : Path
    option : str
        Which one named it.
    inputs : sequence of path
        Files that are to be read, so that no picture may take their place, be it through a link.

    Raises
    ------
    CommandError
    """
    with _naming(path, option), _beside(path) as (target, _):
        mode = _mode(target)
        if mode is not None:
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise CommandError(f"{option}: {path}: not a regular file")  # opening a pipe would wait for a reader
            with target.open("ab"):
                pass
    for each in inputs:
        # Where the input is not there, its reader says so.
        with contextlib.suppress(OSError):
            if os.path.samefile(path, each):
                raise CommandError(f"{option}: {path}: is the same file as {os.fspath(each)}, which is to be read")


def refuse_one_place(places: Mapping[str, Path | None]) -> None:
    """Refuse two outputs that are one file.

    Raises
    ------
    CommandError
    """
    seen: dict[str, str] = {}
    for option, path in places.items():
        if path is not None:
            other = seen.setdefault(os.path.realpath(path), option)
            if other != option:
                raise CommandError(f"{option}: {path}: is the file of {other}")


def save_figure(path: Path, figure: Any, option: str = "--plot") -> None:
    """Write a matplotlib figure; the format follows the suffix.

    Raises
    ------
    CommandError
        The file cannot be written; one that was there before is as it was.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(printable(text.get_text()))
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=160)
    save_bytes(path, drawn.getvalue(), option)


def save_text(path: Path, text: str, option: str) -> None:
    """Write text as UTF-8; raises as `save_figure` does."""
    save_bytes(path, text.encode(), option)


def save_bytes(path: Path, content: bytes, option: str) -> None:
    """Write what is there already; raises as `save_figure` does."""
    with _naming(path, option), _beside(path) as (target, new):
        new.write_bytes(content)
        if _mode(target) is not None:
            shutil.copymode(target, new)
        new.replace(target)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the file that a path leads to, links followed, and an empty new one in the same folder."""
    target = Path(os.path.realpath(path))
    new = target.with_name(f".spectral-losses-{secrets.token_hex(4)}")
    try:
        new.touch(exist_ok=False)
        yield target, new
    finally:
        with contextlib.suppress(OSError):  # the folder may not be there
            new.unlink(missing_ok=True)


def _mode(file: Path) -> int | None:
    """Type and permissions of a file, None where there is none."""
    try:
        return file.stat().st_mode
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _naming(path: Path, option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{option}: {path}: {reason(error)}") from error
