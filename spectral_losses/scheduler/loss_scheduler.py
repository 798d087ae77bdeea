"""The scheduler as an object: it remembers the state between calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from spectral_losses.scheduler.checkpoint import restore, saved_state
from spectral_losses.scheduler.config import SchedulerChain, SchedulerConfig
from spectral_losses.scheduler.serialization import refusing_depth
from spectral_losses.scheduler.state import Decision, SchedulerState
from spectral_losses.scheduler.step import update
from spectral_losses.scheduler.transition import next_stage, progress, weights


class LossScheduler:
    """Moves a training from one loss to another when the validation says so.

    Threads must not share one: which observation comes after which decides, and two at once would count as one.

    Parameters
    ----------
    config : SchedulerConfig or SchedulerChain, optional
        One transition, or several that follow one another; by default ``SchedulerConfig()``.
    history : int, default 1000
        How many decisions to remember for `history`.

    Raises
    ------
    TypeError, ValueError
        A config that is neither; a history that is not a number of decisions.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> config = sl.SchedulerConfig(patience=2, warmup_epochs=1)
    >>> scheduler = sl.LossScheduler(config)
    >>> for error in (0.9, 0.5, 0.5, 0.5):
    ...     print(scheduler.step({"spectrum_error": error}))
    epoch 0: warmup: until epoch 1
    epoch 1: improved: average spectrum_error 0.5 is the first
    epoch 2: waiting: average spectrum_error 0.5 is not more than 1 % better than 0.5, 1 of 2
    epoch 3: adapted: average spectrum_error 0.5 is not more than 1 % better than 0.5, 2 of 2; ...
    >>> scheduler.weights
    {'field_error': 0.9, 'spectrum_error': 0.1}
    """

    def __init__(self, config: SchedulerConfig | SchedulerChain | None = None, *, history: int = 1000) -> None:
        config = SchedulerConfig() if config is None else config
        if not isinstance(config, SchedulerConfig | SchedulerChain):
            raise TypeError(f"config must be a SchedulerConfig or a SchedulerChain, got {type(config).__name__}")
        if isinstance(history, bool) or not isinstance(history, int) or history < 0:
            raise ValueError(f"history must be a number of decisions, got {history!r}")
        self._config = config
        self._state = next_stage(config, SchedulerState())
        self._history: deque[Decision] = deque(maxlen=history)

    @property
    def config(self) -> SchedulerConfig | SchedulerChain:
        """The settings."""
        return self._config

    @property
    def state(self) -> SchedulerState:
        """The state, an immutable value."""
        return self._state

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every component, now."""
        return weights(self._config, self._state)

    @property
    def progress(self) -> float:
        """From 0 to 1, over all stages."""
        return progress(self._config, self._state)

    @property
    def monitored(self) -> tuple[str, ...]:
        """Names of the metrics that it looks at, in any of its stages; none where it is disabled."""
        if not self._config.enabled:
            return ()
        return tuple(dict.fromkeys(name for stage in self._config.stages for name in stage.metrics))

    @property
    def history(self) -> tuple[Decision, ...]:
        """The last decisions, oldest first; as many as were asked for when it was made."""
        return tuple(self._history)

    def step(self, metrics: Mapping[str, Any], epoch: int | None = None) -> Decision:
        """Take one observation, usually after each validation.

        Parameters
        ----------
        metrics : mapping of str to float
            Real numbers, as Python's or as 0-d arrays of any framework; others than the monitored one are ignored.
        epoch : int, optional
            By default the one after the last; may repeat and skip.

        Returns
        -------
        Decision

        Raises
        ------
        KeyError
            The monitored metric is missing, be it that of a later stage, and the config does not say to hold then.
        ValueError
            An epoch before the last one, a negative one, or one above 1e300, which no checkpoint could hold.
        TypeError
            Metrics that are no mapping, a metric that is no number, an epoch that is no integer.
        """
        self._state, decision = update(self._config, self._state, metrics, epoch)
        self._history.append(decision._replace(weights=dict(decision.weights)))  # the caller may change his own
        return decision

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, in plain types: for JSON, and for ``torch.load(..., weights_only=True)``."""
        return saved_state(self._config, self._state, self._history)

    def load_state_dict(self, state: Mapping[str, Any], *, accept_changes: bool = False) -> None:
        """Go on from a saved state; where it is refused, nothing changes.

        Parameters
        ----------
        state : mapping
            What `state_dict` returned, or the saved state of the ``FlexibleLossScheduler`` of earlier code.
        accept_changes : bool, default False
            Load a state that was saved under other settings, and go on under those of this scheduler. The progress
            stays, so that other initial or final weights show at once; where the monitored metric, its mode or its
            averaging differ, monitoring begins anew.

        Raises
        ------
        ValueError
            Other settings (the message says which); a newer version; anything that no scheduler would save.
        TypeError
            Not a mapping.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be what state_dict returns, got {type(state).__name__}")
        with refusing_depth("state"):
            loaded, past, changes = restore(self._config, state)
        if changes and not accept_changes:
            raise ValueError(
                f"state was saved under other settings: {'; '.join(changes)}. "
                "With accept_changes=True it goes on under the present ones"
            )
        self._state = loaded
        self._history.clear()
        self._history.extend(past)

    def __repr__(self) -> str:
        names = [self._config.stages[0].source, *(stage.target for stage in self._config.stages)]
        return f"LossScheduler({' -> '.join(names)}, epoch={self._state.epoch}, progress={self.progress:.3g})"
