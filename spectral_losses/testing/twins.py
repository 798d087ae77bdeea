"""What the state machines of scheduler, controller and balancer have in common: a twin that is saved and loaded."""

from __future__ import annotations

import json
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, rule


class TwinMachine(RuleBasedStateMachine):
    """A machine that goes through JSON in the middle of a run, and must never differ.

    `begin` of a subclass sets ``config`` and ``twin``.
    """

    observations = 0  # made by all machines of a class, so that a test can say how many
    config: Any
    twin: Any

    def make(self, config: Any) -> Any:
        """A new one with these settings."""
        raise NotImplementedError

    def reread(self, config: Any) -> Any:
        """The settings as they are read from a file, where there is a way to write them."""
        return config

    @rule()
    def save_and_load(self) -> None:
        """The twin goes through JSON into a new one."""
        saved = self.twin.state_dict()
        through = json.loads(json.dumps(saved, allow_nan=False))
        assert through == saved
        self.twin = self.make(self.reread(self.config))
        self.twin.load_state_dict(through)
        assert self.twin.state_dict() == saved
