"""What was measured, as tables and as data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from candidates import COMPILED, THREADED, Candidate
from checks import Finding
from measure import Measured
from report import NONE, Table, digits, milliseconds
from timing import Failure, Result, Timing

ACROSS = 4
FRAMEWORKS = ("PyTorch", "NumPy", THREADED, "JAX", "CuPy")
EXPECTED = ("2-D only", "not measured")
WORK = {"ours": "this library", "field": "this library", "loop": "what this library replaces", "mse": "PyTorch's own"}


def spectrum_ratios(groups: Sequence[Measured]) -> Table:
    """This library's spectra over the bare transform, and the loop over bins over them."""
    header, rows = ["stack"], []
    for framework in FRAMEWORKS:
        header += [f"{framework}: bare, ms", f"{framework}: radial_spectrum / bare"]
    header += ["PyTorch: loop over bins / radial_spectrum"]
    for group in groups:
        row = [group.case.label]
        for framework in FRAMEWORKS:
            row += [milliseconds(group.time("bare", framework)), over(group, ("ours", framework), ("bare", framework))]
        rows.append([*row, over(group, ("loop", "PyTorch"), ("ours", "PyTorch"))])
    return without_empty(Table("radial_spectrum / bare transform", header, rows))


def loss_ratios(groups: Sequence[Measured], title: str) -> Table:
    """This library's losses over the bare transforms and over mse_loss."""
    torch, jax = "PyTorch", "JAX"
    columns = {
        "spectrum_error / bare": (("ours", torch), ("bare", torch)),
        "with stored target": (("stored", torch), ("bare", torch)),
        "compiled / bare": (("ours", COMPILED), ("bare", torch)),
        "loop over bins / spectrum_error": (("loop", torch), ("ours", torch)),
        "field_error / mse_loss": (("field", torch), ("mse", torch)),
        "both compiled": (("field", COMPILED), ("mse", COMPILED)),
        "JAX: spectrum_error / bare": (("ours", jax), ("bare", jax)),
    }
    rows = [
        [g.case.label, milliseconds(g.time("bare", torch)), *(over(g, *pair) for pair in columns.values())]
        for g in groups
    ]
    return without_empty(Table(title, ["stack", "bare, ms", *columns], rows))


def peer_ratios(groups: Sequence[Measured], title: str, wrong: Collection[str]) -> Table:
    """Each peer over this library's function in the same framework."""
    peers = [c for c in groups[0].candidates if c.role == "peer"] if groups else []
    rows = []
    for peer in peers:
        cells = []
        for group in groups:
            ratio, result = group.relative(peer, peer.against), group.results[peer.label]
            cells.append(digits(ratio) if isinstance(result, Timing) else brief(result))
        if any(isinstance(group.results[peer.label], Timing) for group in groups):
            rows.append([marked(peer, wrong), *cells])
    return Table(title, ["peer", *(group.case.label for group in groups)], rows, note(peers, wrong))


def times(groups: Sequence[Measured], title: str, wrong: Collection[str]) -> list[Table]:
    """Every median with its quartiles, a few stacks to a table."""
    tables = []
    for start in range(0, len(groups), ACROSS):
        block = groups[start : start + ACROSS]
        timed = [c for c in block[0].candidates if any(isinstance(g.results[c.label], Timing) for g in block)]
        rows = [[marked(c, wrong), *(spread(g.results[c.label]) for g in block)] for c in timed]
        header = ["ms: median [quartiles]", *(g.case.label for g in block)]
        tables.append(Table(title if start == 0 else "", header, rows, note(timed, wrong)))
    return tables


def findings(found: Sequence[Finding], title: str) -> Table:
    """What each can take, as far as it was tried."""
    first = "plane wave" if any(f.candidate.read for f in found) else "runs"
    header = ["", "version", "does", f"{first}, 32 x 32", "32 x 48", "bfloat16"]
    rows = [
        [c.label, f.version, c.work or WORK[c.role], f.numbers, f.oblong, f.bfloat16]
        for f in found
        for c in [f.candidate]
    ]
    return Table(title, header, rows)


def failures(groups: Sequence[Measured], title: str) -> Table:
    """What has no time where one was asked for, and why."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        for label, result in group.results.items():
            if isinstance(result, Failure) and result.reason not in EXPECTED:
                reasons.setdefault((label, result.reason), []).append(group.case.label)
    rows = [
        [label, "all" if len(cases) == len(groups) else ", ".join(cases), why]
        for (label, why), cases in reasons.items()
    ]
    return Table(title, ["not timed", "stacks", "reason"], rows)


def data_of(groups: Sequence[Measured]) -> list[dict[str, Any]]:
    """For a JSON file; times in seconds."""
    return [
        {
            "shape": list(group.case.shape),
            "results": {
                label: {"median": r.median, "quartiles": [r.low, r.high], "calls": r.calls}
                if isinstance(r, Timing)
                else {"reason": r.reason}
                for label, r in group.results.items()
            },
        }
        for group in groups
    ]


def over(group: Measured, top: tuple[str, str], bottom: tuple[str, str]) -> str:
    """Ratio of two roles' medians."""
    a, b = group.time(*top), group.time(*bottom)
    return digits(a / b if a is not None and b else None)


def spread(result: Result) -> str:
    """1.23 [1.20-1.31], in milliseconds."""
    if isinstance(result, Failure):
        return brief(result)
    return f"{milliseconds(result.median)} [{milliseconds(result.low)}-{milliseconds(result.high)}]"


def brief(result: Result) -> str:
    """A reason without what follows its first colon; the whole is in the table of failures."""
    return "" if isinstance(result, Timing) else result.reason.split(":")[0]


def marked(candidate: Candidate, wrong: Collection[str]) -> str:
    """Its label, with a sign where its numbers are wrong."""
    return f"{candidate.label} †" if candidate.label in wrong else candidate.label


def note(candidates: Sequence[Candidate], wrong: Collection[str]) -> str:
    """What the sign means, where there is one."""
    return "† Wrong numbers, as found above." if any(c.label in wrong for c in candidates) else ""


def without_empty(table: Table) -> Table:
    """Leave out columns in which nothing was measured."""
    keep = [i for i in range(len(table.header)) if i == 0 or any(row[i] != NONE for row in table.rows)]
    rows = [[row[i] for i in keep] for row in table.rows]
    return table._replace(header=[table.header[i] for i in keep], rows=rows)


def wrong_ones(found: Sequence[Finding]) -> set[str]:
    """Labels of those whose numbers are wrong."""
    return {f.candidate.label for f in found if f.wrong}
