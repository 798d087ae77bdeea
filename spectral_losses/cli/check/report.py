"""What came of a check as a table that can be pasted, and as JSON for programs."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from typing import Any

from spectral_losses import __version__
from spectral_losses.cli.check.measure import Difference, Row
from spectral_losses.cli.ui.console import count, printable, write

__all__ = ["document", "print_json", "print_table"]

HEADINGS = ("framework", "version", "device", "dtype", "compared", "furthest", "difference", "allowed", "seconds", "")
HINT = "Where a row fails, please open an issue, and paste this table."


def print_table(rows: Sequence[Row], unsupported: Sequence[str]) -> None:
    """Print a row for each framework, device and dtype, and all that failed, as Markdown."""
    machine = _machine()
    about = [f"spectral-losses {machine['spectral_losses']}, Python {machine['python']}, {machine['platform']}"]
    lines = [*about, "", *_table([HEADINGS, *map(_cells, rows)]), ""]
    failures = [f"- {_named(row)}: {_told(each)}" for row in rows for each in row.failures]
    lines += [*failures, ""] if failures else []
    notes = [f"- {_named(row)}: {row.note}" for row in rows if row.note]
    notes += [f"- {each}" for each in unsupported]
    lines += [*notes, ""] if notes else []
    failed = sum(1 for row in rows if row.failures)
    lines.append(f"{failed} of {count(len(rows), 'row')} failed. {HINT}" if failed else f"All {len(rows)} rows passed.")
    write(printable("\n".join(lines)) + "\n")


def print_json(rows: Sequence[Row], unsupported: Sequence[str]) -> None:
    """Print `document` on one line."""
    write(json.dumps(document(rows, unsupported), allow_nan=False) + "\n")


def document(rows: Sequence[Row], unsupported: Sequence[str]) -> dict[str, Any]:
    """Everything in plain types; ``spectral-losses check --help`` documents the keys."""
    return {
        "machine": _machine(),
        "passed": not any(row.failures for row in rows),
        "rows": [
            {
                "framework": row.place.framework,
                "version": row.place.version,
                "device": row.place.device,
                "dtype": row.dtype,
                "compared": row.counts,
                "furthest": _plain(row.worst),
                "failures": [_plain(each) for each in row.failures],
                "note": row.note,
                "seconds": row.seconds,
                "passed": not row.failures,
            }
            for row in rows
        ],
        "unsupported": list(unsupported),
    }


def _machine() -> dict[str, str]:
    return {
        "spectral_losses": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _cells(row: Row) -> tuple[str, ...]:
    compared = ", ".join(f"{number} {kind}" for kind, number in row.counts.items())
    of = row.worst
    apart = "-" if of.error or not math.isfinite(of.difference) else f"{of.difference:.1e}"
    return (
        row.place.framework,
        row.place.version,
        row.place.device,
        row.dtype,
        compared,
        of.what,
        apart,
        f"{of.allowed:.1e}",
        f"{row.seconds:.1f}",
        f"{len(row.failures)} failed" if row.failures else "passed",
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown whose columns are aligned, so that it can be read as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    head, *body = rows
    return [line(head), line(["-" * width for width in widths]), *map(line, body)]


def _named(row: Row) -> str:
    return f"{row.place.framework} {row.place.version}, {row.place.device}, {row.dtype}"


def _told(failure: Difference) -> str:
    if failure.error:
        return f"{failure.what}: {failure.error}"
    return (
        f"{failure.what}: got {failure.got:.10g}, expected {failure.expected:.10g} "
        f"(difference {failure.difference:.1e}, allowed {failure.allowed:.1e})"
    )


def _plain(of: Difference) -> dict[str, Any]:
    numbers = {
        name: value if isinstance(value, str) or value is None else _finite(value)
        for name, value in of._asdict().items()
    }
    return {**numbers, "passed": of.passed}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
