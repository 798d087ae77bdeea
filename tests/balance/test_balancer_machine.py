"""A balancer against one that is obviously right, driven by whatever a run may bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from machines import run_counted

from spectral_losses.balance import Balancer, BalancerState
from spectral_losses.testing import BalancerMachine


def test_state_machine() -> None:
    run_counted(BalancerMachine, "BALANCER_STEPS", 5000)


def test_a_wrong_balancer_is_caught() -> None:
    class Credulous(Balancer):
        def update(self, state: BalancerState, influences: Mapping[str, Any]) -> tuple[BalancerState, dict[str, Any]]:
            return super().update(state, {name: value or 1e-9 for name, value in influences.items()})  # 0 teaches

    class Machine(BalancerMachine):
        def make(self, config: Mapping[str, Any]) -> Balancer:
            return Credulous(**config)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=settings(phases=[Phase.generate]))
