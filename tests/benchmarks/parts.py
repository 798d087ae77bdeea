"""The parts of the benchmark that compare candidates: spectra, losses, and the memory that losses take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import figures
import memory as measured_memory
import ours
import peers
import tables
from candidates import COMPILED, Candidate
from cases import FULL, QUICK, Case
from checks import Finding, check
from measure import Effort, group, progress
from report import NONE, Section, Table, digits
from timing import reason

STACKS = [Case(24, (256, 256)), Case(8, (512, 512)), Case(1, (128, 128, 128)), Case(4, (128, 128, 128))]
QUICK_STACKS = [Case(8, (128, 128))]


class Setting(NamedTuple):
    """How much is measured, and on which device."""

    quick: bool
    effort: Effort
    device: str

    @property
    def cases(self) -> list[Case]:
        """The stacks of fields."""
        return QUICK if self.quick else FULL

    @property
    def where(self) -> str:
        """What is added to the names of sections and titles."""
        return "" if self.device == "cpu" else f" on {self.device}"


def spectra(setting: Setting) -> Section:
    """Spectra alone: bare transforms, this library, peers."""
    candidates = ours.spectra() + peers.spectra()
    found = checked(candidates, False, setting.device)
    wrong = tables.wrong_ones(found)
    groups = [group(candidates, case.problem(device=setting.device), setting.effort) for case in setting.cases]
    title = f"Spectra{setting.where}"
    return Section(
        f"spectra{setting.where}",
        [
            tables.findings(found, f"{title}: what each does, and what it can take"),
            tables.spectrum_ratios(groups),
            tables.peer_ratios(groups, "Peer / radial_spectrum in the same framework", wrong),
            *tables.times(groups, f"{title}: times", wrong),
            tables.failures(groups, f"{title}: not timed"),
        ],
        tables.data_of(groups),
        lambda path: figures.relative_times(path, {title: groups}, wrong),
    )


def forward(setting: Setting) -> Section:
    """Losses without their gradient."""
    return losses(setting, "forward", "Forward", backward=False)


def gradient(setting: Setting) -> Section:
    """Losses with their gradient."""
    return losses(setting, "gradient", "Forward and backward", backward=True)


def losses(setting: Setting, name: str, title: str, backward: bool) -> Section:
    """Losses of two stacks: bare transforms, this library, peers."""
    candidates = ours.losses() + peers.losses()
    found = checked(candidates, True, setting.device)
    wrong = tables.wrong_ones(found)
    groups = [group(candidates, case.problem(backward, setting.device), setting.effort) for case in setting.cases]
    title += setting.where
    return Section(
        name + setting.where,
        [
            # What they take is the same with and without a gradient, and is shown once.
            *([tables.findings(found, f"{title}: what each does, and what it can take")] if backward else []),
            tables.loss_ratios(groups, title),
            tables.peer_ratios(groups, f"{title}: peer / its counterpart here, same framework", wrong),
            *tables.times(groups, f"{title}: times", wrong),
            tables.failures(groups, f"{title}: not timed"),
        ],
        tables.data_of(groups),
        lambda path: figures.relative_times(path, {title: groups}, wrong),
    )


def memory(setting: Setting) -> Section:
    """Extra peak memory of forward and backward."""
    cases = QUICK_STACKS if setting.quick else STACKS
    candidates = [c for c in ours.losses() + peers.losses() if c.framework == "PyTorch"]
    rows = [[c.label, *(extra(c, case, setting.device) for case in cases)] for c in candidates]
    title = f"Extra peak memory of forward and backward{setting.where}, in sizes of the prediction"
    table = Table(title, ["", *(case.label for case in cases)], rows)
    return Section(
        f"memory{setting.where}", [table], {row[0]: dict(zip(table.header[1:], row[1:], strict=True)) for row in rows}
    )


def extra(candidate: Candidate, case: Case, device: str) -> str:
    """One cell of memory."""
    if refused := candidate.refuses(case):
        return refused
    with progress(f"memory of {candidate.name}, {case.label}, {device}"):
        problem = case.problem(backward=True, device=device)
        try:
            # What is slow, and takes many times its fields, need not be known to a percent.
            repeats = 1 if candidate.role in ("loop", "peer") else 3
            found = measured_memory.peak(candidate.make(problem), device, repeats)
        except Exception as error:
            return reason(error)
        return NONE if found is None else digits(found / problem.x.nbytes)


def checked(candidates: Sequence[Candidate], backward: bool, device: str) -> list[Finding]:
    """Check all that compute more than the bare transforms; what is compiled does as it does uncompiled."""
    apart = [
        c
        for c in candidates
        if c.role not in ("bare", "stored") and c.framework != COMPILED and c.runs_on(device) and (backward or c.read)
    ]
    with progress(f"checks, {device}"):
        return check(apart, backward, device)
