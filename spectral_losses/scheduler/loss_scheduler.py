"""The scheduler as an object: it remembers the state between calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spectral_losses.scheduler.checkpoint import restore, saved_state
from spectral_losses.scheduler.config import SchedulerChain, SchedulerConfig
from spectral_losses.scheduler.state import Decision, SchedulerState
from spectral_losses.scheduler.step import update
from spectral_losses.scheduler.stepper import Stepper
from spectral_losses.scheduler.transition import next_stage, progress, weights


class LossScheduler(Stepper[SchedulerConfig | SchedulerChain, SchedulerState]):
    """Moves a training from one loss to another when the validation says so.

    Threads must not share one: which observation comes after which decides, and two at once would count as one.

    `load_state_dict` also reads the states of the ``FlexibleLossScheduler`` of earlier code. Under other settings the
    progress stays, so that other initial or final weights show at once; where the monitored metric, its mode or its
    averaging differ, monitoring begins anew.

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
        super().__init__(config, next_stage(config, SchedulerState()), history)

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

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, in plain types: for JSON, and for ``torch.load(..., weights_only=True)``."""
        return saved_state(self._config, self._state, self._history)

    def _update(self, metrics: Mapping[str, Any], epoch: int | None) -> tuple[SchedulerState, Decision]:
        return update(self._config, self._state, metrics, epoch)

    def _restored(self, saved: Mapping[str, Any]) -> tuple[SchedulerState, Sequence[Decision], Sequence[str]]:
        return restore(self._config, saved)

    def __repr__(self) -> str:
        names = [self._config.stages[0].source, *(stage.target for stage in self._config.stages)]
        return f"LossScheduler({' -> '.join(names)}, epoch={self._state.epoch}, progress={self.progress:.3g})"
