"""The Kuramoto-Sivashinsky equation of the demo: growth of small waves, and the order of its steps."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from spectral_losses.cli.demo import chaos


def test_a_small_wave_grows_as_the_equation_says() -> None:
    k = 2 * np.pi / chaos.LENGTH * np.arange(chaos.FINE // 2 + 1)
    step = chaos.stepper(k**2 - k**4, -0.5j * k)
    x = chaos.LENGTH * np.arange(chaos.FINE) / chaos.FINE
    for m in (3, 7, 20):
        v = np.fft.rfft(1e-6 * np.cos(k[m] * x))
        before = abs(v[m])
        for _ in range(8):
            v = step(v)
        assert abs(v[m]) / before == pytest.approx(math.exp((k[m] ** 2 - k[m] ** 4) * 8 * chaos.TIME_STEP), rel=1e-6)


def test_steps_are_of_fourth_order(monkeypatch: pytest.MonkeyPatch) -> None:
    k = 2 * np.pi / chaos.LENGTH * np.arange(chaos.FINE // 2 + 1)
    x = chaos.LENGTH * np.arange(chaos.FINE) / chaos.FINE
    start = np.fft.rfft(np.cos(2 * np.pi * 3 * x / chaos.LENGTH) + 0.5 * np.sin(2 * np.pi * 5 * x / chaos.LENGTH))
    found = []
    for h in (0.5, 0.25, 0.125):
        monkeypatch.setattr(chaos, "TIME_STEP", h)
        step, v = chaos.stepper(k**2 - k**4, -0.5j * k), start
        for _ in range(round(4 / h)):
            v = step(v)
        found.append(v)
    coarse, fine = (np.linalg.norm(a - b) for a, b in pairwise(found))
    assert 10 < coarse / fine < 24
    assert fine < 1e-4 * np.linalg.norm(start)
