"""Drives a state machine of `spectral_losses.testing` for as long as is asked for."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from spectral_losses.testing.twins import TwinMachine


def run_counted(machine: type[TwinMachine], variable: str, usual: int) -> None:
    """Make so many observations, or as many as the environment variable says, and print how many there were."""
    counted = type("Counted", (machine,), {"observations": 0})
    steps = int(os.environ.get(variable, usual))
    while counted.observations < steps:
        run_state_machine_as_test(counted, settings=settings(max_examples=100, stateful_step_count=30))
    print(f"{counted.observations} observations")
