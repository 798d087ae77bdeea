"""The controller as an object: it remembers the state between calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from spectral_losses.controller.checkpoint import restore, saved_state
from spectral_losses.controller.config import ControllerConfig
from spectral_losses.controller.constraint import ConstraintConfig
from spectral_losses.controller.state import ControllerState, progress, ratio, weights
from spectral_losses.controller.step import update
from spectral_losses.scheduler.serialization import refusing_depth
from spectral_losses.scheduler.state import Decision


class LossController:
    """Moves the weight of a loss so that metrics of the validation stay at or under what they may be at most.

    It has the methods and properties of a `LossScheduler`, and can stand wherever one does. Threads must not share
    one.

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
        if isinstance(history, bool) or not isinstance(history, int) or history < 0:
            raise ValueError(f"history must be a number of decisions, got {history!r}")
        self._config = config if isinstance(config, ControllerConfig) else ControllerConfig(config)
        self._state = ControllerState()
        self._history: deque[Decision] = deque(maxlen=history)

    @property
    def config(self) -> ControllerConfig:
        """The settings."""
        return self._config

    @property
    def state(self) -> ControllerState:
        """The state, an immutable value."""
        return self._state

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

    @property
    def history(self) -> tuple[Decision, ...]:
        """The last decisions, oldest first; as many as were asked for when it was made."""
        return tuple(self._history)

    def step(self, metrics: Mapping[str, Any], epoch: int | None = None) -> Decision:
        """Take one observation, usually after each validation.

        Parameters
        ----------
        metrics : mapping of str to float
            Real numbers, as Python's or as 0-d arrays of any framework; others than those of constraints are ignored.
        epoch : int, optional
            By default the one after the last; may repeat and skip.

        Returns
        -------
        Decision
            True where lambda changed. The reason is ``"raised"``, ``"lowered"``, ``"resting"``, ``"at the bound"``,
            ``"missing"`` or ``"not finite"``; `progress` is the share of the constraints that hold; `metric` and
            `tracked` are those of the constraint that decided.

        Raises
        ------
        KeyError
            A metric is missing, and the config does not say to hold then.
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
            What `state_dict` returned.
        accept_changes : bool, default False
            Load a state that was saved under other settings, and go on under those of this controller. Lambda stays,
            but for a range that it would be out of; a constraint that differs in more than its gains begins anew.

        Raises
        ------
        ValueError
            Other settings (the message says which); a newer version; anything that no controller would save.
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
        constraints = ", ".join(f"{c.metric} <= {c.limit:.4g}" for c in self._config.each)
        return f"LossController({constraints}, epoch={self._state.epoch}, ratio={self.ratio:.3g})"
