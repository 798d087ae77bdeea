"""What a controller remembers, and the weights that it means."""

from __future__ import annotations

from typing import NamedTuple

from spectral_losses.controller.config import ControllerConfig

FORMAT, VERSION = "spectral_losses.LossController", 1
"""What a saved state calls itself, and the meaning of its fields."""


class ControllerState(NamedTuple):
    """All that a controller remembers; immutable, plain numbers and None. ``ControllerState()`` is the beginning.

    Attributes
    ----------
    epoch : int or None
        The last one seen.
    ratio : float or None
        Lambda; None until the first observation, when it is what the settings start with.
    averages : tuple of float or None
        Of each constraint the moving average of log(metric / limit), None before its first observation; empty before
        the first of all.
    """

    epoch: int | None = None
    ratio: float | None = None
    averages: tuple[float | None, ...] = ()


def weights(config: ControllerConfig, state: ControllerState) -> dict[str, float]:
    """The weight of every component: the source's, then the target's, then the static ones.

    Parameters
    ----------
    config : ControllerConfig
    state : ControllerState

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> from spectral_losses.controller import ConstraintConfig, ControllerConfig, ControllerState, weights
    >>> config = ControllerConfig(ConstraintConfig("log_spectral_distance", 1.0), static_components={"divergence": 0.1})
    >>> weights(config, ControllerState())
    {'field_error': 1.0, 'log_spectral_distance': 0.001, 'divergence': 0.1}
    """
    target = config.weight * ratio(config, state)
    return {
        **dict.fromkeys(config.source_components, config.weight),
        **dict.fromkeys(config.target_components, target),
        **config.static_components,
    }


def ratio(config: ControllerConfig, state: ControllerState) -> float:
    """Lambda: the target's weight over the source's."""
    return config.start if state.ratio is None else state.ratio


def progress(config: ControllerConfig, state: ControllerState) -> float:
    """The share of the constraints that hold, from 0 to 1."""
    return sum(average is not None and average <= 0 for average in state.averages) / len(config.each)
