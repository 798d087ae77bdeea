"""The scheduler against a naive one, driven by whatever a run may bring."""

from __future__ import annotations

from machines import run_counted

from spectral_losses.testing import SchedulerMachine


def test_state_machine() -> None:
    run_counted(SchedulerMachine, "SCHEDULER_STEPS", 10000)
