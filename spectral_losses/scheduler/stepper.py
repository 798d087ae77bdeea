"""What a scheduler and a controller have in common as objects: settings, a state that goes on, and a history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from spectral_losses.scheduler.serialization import refusing_depth
from spectral_losses.scheduler.state import Decision

Config = TypeVar("Config")
State = TypeVar("State")


class Stepper(ABC, Generic[Config, State]):
    """Remembers a state between observations, and the last decisions. Threads must not share one."""

    def __init__(self, config: Config, state: State, history: int) -> None:
        if isinstance(history, bool) or not isinstance(history, int) or history < 0:
            raise ValueError(f"history must be a number of decisions, got {history!r}")
        self._config = config
        self._state = state
        self._history: deque[Decision] = deque(maxlen=history)

    @property
    def config(self) -> Config:
        """The settings."""
        return self._config

    @property
    def state(self) -> State:
        """The state, an immutable value."""
        return self._state

    @property
    def history(self) -> tuple[Decision, ...]:
        """The last decisions, oldest first; as many as were asked for when it was made."""
        return tuple(self._history)

    @property
    @abstractmethod
    def weights(self) -> dict[str, float]:
        """The weight of every component, now."""

    @property
    @abstractmethod
    def progress(self) -> float:
        """From 0 to 1."""

    @property
    @abstractmethod
    def monitored(self) -> tuple[str, ...]:
        """Names of the metrics that it looks at."""

    def step(self, metrics: Mapping[str, Any], epoch: int | None = None) -> Decision:
        """Take one observation, usually after each validation.

        Parameters
        ----------
        metrics : mapping of str to float
            Real numbers, as Python's or as 0-d arrays of any framework; others than the `monitored` ones are ignored.
        epoch : int, optional
            By default the one after the last; may repeat and skip.

        Returns
        -------
        Decision
            True where weights changed.

        Raises
        ------
        KeyError
            A monitored metric is missing, be it that of a later stage, and the config does not say to hold then.
        ValueError
            An epoch before the last one, a negative one, or one above 1e300, which no checkpoint could hold.
        TypeError
            Metrics that are no mapping, a metric that is no number, an epoch that is no integer.
        """
        self._state, decision = self._update(metrics, epoch)
        self._history.append(decision._replace(weights=dict(decision.weights)))  # the caller may change his own
        return decision

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, in plain types: for JSON, and for ``torch.load(..., weights_only=True)``."""

    def load_state_dict(self, state: Mapping[str, Any], *, accept_changes: bool = False) -> None:
        """Go on from a saved state; where it is refused, nothing changes.

        Parameters
        ----------
        state : mapping
            What `state_dict` returned.
        accept_changes : bool, default False
            Load a state that was saved under other settings, and go on under the present ones. What the class says
            stays; what has become another quantity begins anew.

        Raises
        ------
        ValueError
            Other settings (the message says which); a newer version; anything that would not have been saved.
        TypeError
            Not a mapping.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be what state_dict returns, got {type(state).__name__}")
        with refusing_depth("state"):
            loaded, past, changes = self._restored(state)
        if changes and not accept_changes:
            raise ValueError(
                f"state was saved under other settings: {'; '.join(changes)}. "
                "With accept_changes=True it goes on under the present ones"
            )
        self._state = loaded
        self._history.clear()
        self._history.extend(past)

    @abstractmethod
    def _update(self, metrics: Mapping[str, Any], epoch: int | None) -> tuple[State, Decision]:
        """One observation, from the present state."""

    @abstractmethod
    def _restored(self, saved: Mapping[str, Any]) -> tuple[State, Sequence[Decision], Sequence[str]]:
        """What a saved state means under these settings: the state, its history, and what differs, in words."""
