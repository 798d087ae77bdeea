"""The controller as an object: it remembers the state between calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spectral_losses.controller.checkpoint import restore, saved_state
from spectral_losses.controller.config import ControllerConfig
from spectral_losses.controller.constraint import ConstraintConfig
from spectral_losses.controller.state import ControllerState, progress, ratio, weights
from spectral_losses.controller.step import update
from spectral_losses.scheduler.state import Decision
from spectral_losses.scheduler.stepper import Stepper


class LossController(Stepper[ControllerConfig, ControllerState]):
    """Moves the weight of a loss so that metrics of the validation stay at or under what they may be at most.

    It has the methods and properties of a `LossScheduler`, and can stand wherever one does. Threads must not share
    one.

    A `Decision` is true where lambda changed. Its reason is ``"raised"``, ``"lowered"``, ``"resting"``, ``"at the
    bound"``, ``"missing"`` or ``"not finite"``; `progress` is the share of the constraints that hold; `metric` and
    `tracked` are those of the constraint that decided. Under other settings a saved lambda stays, but for a range that
    it would be out of; a constraint that differs in more than its gains begins anew.

    Parameters
    ----------
    config : ControllerConfig, ConstraintConfig or sequence of ConstraintConfig
        Constraints by themselves are a `ControllerConfig` with its defaults.
    history : int, default 1000
        How many decisions to remember for `history`.

    Raises
    ------
    TypeError, ValueError
        A config that is none of these; a history that is not a number of decisions.

    Examples
    --------
    >>> from spectral_losses.controller import ConstraintConfig, LossController
    >>> controller = LossController(ConstraintConfig("log_spectral_distance", 1.0, smoothing=0))
    >>> for distance in (5.0, 4.0, 1.0, 1.0):
    ...     print(controller.step({"log_spectral_distance": distance}))
    epoch 0: raised: log_spectral_distance 5 is above its goal 1; lambda 0.001 to 0.001492
    epoch 1: raised: log_spectral_distance 4 is above its goal 1 and falls; lambda 0.001492 to 0.002226
    epoch 2: lowered: log_spectral_distance 1 is at its goal 1 and falls; lambda 0.002226 to 0.0008187
    epoch 3: resting: log_spectral_distance 1 is at its goal 1; lambda stays at 0.0008187
    >>> controller.weights
    {'field_error': 1.0, 'log_spectral_distance': 0.00081...}
    """

    def __init__(
        self, config: ControllerConfig | ConstraintConfig | Sequence[ConstraintConfig], *, history: int = 1000
    ) -> None:
        whole = config if isinstance(config, ControllerConfig) else ControllerConfig(config)
        super().__init__(whole, ControllerState(), history)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of every component, now."""
        return weights(self._config, self._state)

    @property
    def ratio(self) -> float:
        """Lambda, now: the target's weight over the source's."""
        return ratio(self._config, self._state)

    @property
    def progress(self) -> float:
        """The share of the constraints that hold, from 0 to 1."""
        return progress(self._config, self._state)

    @property
    def monitored(self) -> tuple[str, ...]:
        """Names of the metrics that it looks at."""
        return tuple(dict.fromkeys(c.metric for c in self._config.each))

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, in plain types: for JSON, and for ``torch.load(..., weights_only=True)``."""
        return saved_state(self._config, self._state, self._history)

    def _update(self, metrics: Mapping[str, Any], epoch: int | None) -> tuple[ControllerState, Decision]:
        return update(self._config, self._state, metrics, epoch)

    def _restored(self, saved: Mapping[str, Any]) -> tuple[ControllerState, Sequence[Decision], Sequence[str]]:
        return restore(self._config, saved)

    def __repr__(self) -> str:
        constraints = ", ".join(f"{c.metric} <= {c.limit:.4g}" for c in self._config.each)
        return f"LossController({constraints}, epoch={self._state.epoch}, ratio={self.ratio:.3g})"
