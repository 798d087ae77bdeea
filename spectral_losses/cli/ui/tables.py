"""Rows as files for other programs: CSV, and Parquet where pandas is."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spectral_losses.cli.ui.figures import check_writable, save_bytes
from spectral_losses.errors import needed

if TYPE_CHECKING:  # what the help of a command imports is to be little
    import numpy as np

    Cell = str | int | float | np.datetime64 | None

TAKEN = {"variable", "units", "file", "channel", "wavenumber", "lower", "upper", "count", "prediction", "truth"}


def check_table(path: Path, option: str, inputs: Sequence[str]) -> None:
    """Refuse what `save_table` could not write, before any work is done.

    Raises
    ------
    CommandError
    MissingPackageError
    """
    if path.suffix.lower() == ".parquet":
        for package in ("pandas", "pyarrow"):
            needed(package, f"{option} {path}", "parquet")
    check_writable(path, option, inputs)


def save_table(path: Path, rows: Sequence[Mapping[str, Cell]], option: str) -> None:
    """Write rows, with the columns of all of them; the format follows the suffix.

    Raises
    ------
    CommandError
        The file cannot be written; one that was there before is as it was.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix.lower() == ".parquet":
        content = _parquet(rows, columns)
    else:
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        content = text.getvalue().encode()
    save_bytes(path, content, option)


def column(axis: str) -> str:
    """What to call a column of positions along an axis, whose name may be that of another column."""
    name = axis.replace(" ", "_")
    return f"per_{name}" if name in TAKEN else name


def _parquet(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> bytes:
    pandas = needed("pandas", "a table in Parquet", "parquet")
    cells = {name: [row.get(name) for row in rows] for name in columns}
    for name, values in cells.items():
        kinds = {float if isinstance(each, int | float) else type(each) for each in values if each is not None}
        if len(kinds) > 1:  # a column has one type: variables may lie at numbers and at names
            cells[name] = [None if each is None else str(each) for each in values]
    file = io.BytesIO()
    pandas.DataFrame(cells).to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()
