"""The scheduler against a naive one, driven by whatever a run may bring."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from spectral_losses.testing import SchedulerMachine

STEPS = int(os.environ.get("SCHEDULER_STEPS", "10000"))


def test_state_machine() -> None:
    class Counted(SchedulerMachine):
        observations = 0

    while Counted.observations < STEPS:
        run_state_machine_as_test(Counted, settings=settings(max_examples=100, stateful_step_count=30))
    print(f"{Counted.observations} observations")
