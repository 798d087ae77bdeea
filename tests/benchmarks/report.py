"""Tables as text and in the documentation, and what they were measured on."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from math import floor, log10
from pathlib import Path
from typing import Any, NamedTuple

FRAMEWORKS = ["numpy", "scipy", "torch", "jax", "cupy-cuda12x"]
MEASURED = [
    *(*FRAMEWORKS, "the_well", "neuraloperator", "nvidia-physicsnemo", "exponax", "xrft", "numpy_groupies"),
    *("pysteps", "powerbox", "focal-frequency-loss"),
]
NONE = "–"


class Table(NamedTuple):
    """Columns, rows of cells, what it shows, and a note under it."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str = ""


class Section(NamedTuple):
    """What one part measured: tables for people, data for machines, and perhaps a drawing into a file."""

    name: str
    tables: list[Table]
    data: Any = None
    draw: Callable[[Path], None] | None = None


def text_of(section: Section, markdown: bool) -> str:
    """All tables of a section, those without rows left out."""
    as_text = as_markdown if markdown else as_plain
    shown = [table for table in section.tables if table.rows]
    if not shown:
        return "Nothing could be measured.\n"
    return "\n".join(as_text(table) for table in shown)


def as_plain(table: Table) -> str:
    """Columns aligned for a terminal."""
    rows = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numbers = [any(cell[:1].isdigit() for cell in column[1:]) for column in zip(*rows, strict=True)]
    lines = [table.title, ""] if table.title else []
    for row in rows:
        cells = zip(row, widths, numbers, strict=True)
        lines.append("  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in cells).rstrip())
    return "\n".join([*lines, *(["", table.note] if table.note else []), ""])


def as_markdown(table: Table) -> str:
    """A table of Markdown under its title."""
    lines = [f"**{table.title}**", ""] if table.title else []
    rows = (table.header, ["---"] * len(table.header), *table.rows)
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*lines, *(["", table.note] if table.note else []), ""])


def write(page: Path, name: str, text: str) -> None:
    """Put text between the markers of a name in a page; the rest stays as it is."""
    page.write_text(between(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def between(page: str, name: str, text: str) -> str:
    """The page with other text between ``<!-- name: begin -->`` and ``<!-- name: end -->``.

    Raises
    ------
    ValueError
        The page has not exactly one of each, in this order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"a page must have one {begin} and, after it, one {end}")
    head, tail = page.split(begin)[0], page.split(end)[1]
    return f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}"


def machine(packages: Iterable[str] = MEASURED) -> str:
    """Processor, cores, graphics card, Python, and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    torch: Any = sys.modules.get("torch")
    card = [torch.cuda.get_device_name()] if torch is not None and torch.cuda.is_available() else []
    processor = [found[1] if found else platform.processor(), f"{os.cpu_count()} cores", *card]
    return ", ".join([*processor, f"Python {platform.python_version()}", *versions(packages)])


def versions(packages: Iterable[str]) -> list[str]:
    """Name and version of those that are installed."""
    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def digits(x: float | None) -> str:
    """Three significant digits, without an exponent."""
    if x is None:
        return NONE
    if x == 0:
        return "0"
    return f"{x:.{min(6, max(0, 2 - floor(log10(abs(x)))))}f}"


def milliseconds(seconds: float | None) -> str:
    """Three significant digits of milliseconds."""
    return digits(None if seconds is None else 1e3 * seconds)
