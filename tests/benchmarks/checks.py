"""Whether a candidate gives right numbers, and what it cannot take, before it is timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
from candidates import Candidate, as_numpy
from cases import Case, Problem
from report import NONE
from timing import reason

WAVE = (2, 3)
SQUARE, OBLONG = Case(2, (32, 32)), Case(2, (32, 48))
FINE = "yes"


class Finding(NamedTuple):
    """What one candidate did: ``missing`` where it could not be imported, else a word for each check."""

    candidate: Candidate
    version: str
    missing: str
    numbers: str
    oblong: str
    bfloat16: str

    @property
    def wrong(self) -> bool:
        """Whether its numbers are wrong."""
        return self.numbers.startswith("wrong")


def check(candidates: Sequence[Candidate], backward: bool = False, device: str = "cpu") -> list[Finding]:
    """Check each candidate on small grids: spectra with a plane wave, losses with noise."""
    return [examine(c, SQUARE.problem(backward, device), OBLONG.problem(backward, device)) for c in candidates]


def examine(candidate: Candidate, square: Problem, oblong: Problem) -> Finding:
    """All checks of one candidate."""
    missing = ""
    try:
        numbers = spectrum_of_wave(candidate, square) if candidate.read else finite(candidate, square)
    except ImportError as error:
        missing = numbers = reason(error)
    except Exception as error:
        numbers = reason(error)
    lower = replace(square, dtype="bfloat16")
    return Finding(
        candidate,
        installed(candidate.package),
        missing,
        numbers,
        NONE if missing else attempt(candidate, oblong),
        NONE if missing else "no such type" if candidate.framework.startswith("NumPy") else attempt(candidate, lower),
    )


def spectrum_of_wave(candidate: Candidate, noise: Problem) -> str:
    """Feed a plane wave and white noise of the same variance; the wave's power has to be in the shell of its radius."""
    n = noise.case.grid[0]
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    wave = np.sqrt(2) * np.cos(2 * np.pi * (WAVE[0] * i + WAVE[1] * j) / n)
    stack = np.broadcast_to(wave, noise.case.shape).astype(np.float32)
    centres, found = spectrum(candidate, replace(noise, x=stack, y=stack), n)
    _, usual = spectrum(candidate, noise, n)
    return verdict(centres, found, usual)


def verdict(centres: Any, wave: Any, noise: Any) -> str:
    """FINE, or in what way the spectrum of a wave is wrong; of noise, only that it is finite and how large."""
    for name, power in (("the wave", wave), ("white noise", noise)):
        if bad := int(np.sum(~np.isfinite(power))):
            return f"wrong: {bad} of {power.size} bins of {name} are not finite"
    largest = wave.max() / noise.max()
    radius = float(np.hypot(*WAVE))
    if largest < 1:
        # A wave gathers in one shell what noise of the same variance spreads over all.
        return f"wrong: loses the wave {WAVE}: its largest bin has {largest:.0e} of white noise's"
    # Coarser shells than unit ones may put it a little further from their centre.
    reach = 0.75 * max(1.0, float(np.median(np.diff(centres))))
    share = float(wave[..., np.abs(centres - radius) <= reach].sum() / wave.sum())
    if share < 0.9:
        peak = float(centres[np.argmax(wave.reshape(-1, len(centres)).sum(0))])
        return f"wrong: {100 * share:.0f} % of the wave of radius {radius:.1f} is there; most is at {peak:.1f}"
    return FINE


def spectrum(candidate: Candidate, problem: Problem, n: int) -> tuple[Any, Any]:
    """Centres and power as NumPy arrays."""
    assert candidate.read is not None
    centres, power = candidate.read(candidate.make(problem)(), n)
    return np.asarray(centres, float), np.asarray(power, float)


def finite(candidate: Candidate, problem: Problem) -> str:
    """Whether every number of the result is finite; for a gradient, the value's alone."""
    result = candidate.make(problem)()
    parts = result if isinstance(result, tuple) else (result,)
    good = all(bool(np.all(np.isfinite(as_numpy(part)))) for part in parts)
    return FINE if good else "wrong: not finite on white noise"


def attempt(candidate: Candidate, problem: Problem) -> str:
    """Whether it runs at all."""
    if refused := candidate.refuses(problem.case):
        return refused
    try:
        candidate.make(problem)()
    except Exception as error:
        return reason(error)
    return FINE


def installed(package: str) -> str:
    """Version of a distribution."""
    try:
        return version(package) if package else ""
    except PackageNotFoundError:
        return "not installed"
