"""The balancer as an object: it remembers the state between calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from operator import index
from typing import Any

from spectral_losses.balance import rule
from spectral_losses.balance.checkpoint import restore, saved_state
from spectral_losses.balance.influence import combined, influences
from spectral_losses.balance.rule import BalancerState
from spectral_losses.composite import CompositeLoss, Target
from spectral_losses.gradients import value_and_grad
from spectral_losses.messages import listed, number, suggest
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

__all__ = ["Balancer"]

LONGEST = 1e6
"""Batches of a half-life: what one of them adds to an average is more than the rounding of float32."""


class Balancer:
    r"""Weights of losses from shares of influence.

    The first loss keeps its share as its weight. Each other one gets the weight

    .. math:: w_i = \text{share}_i \, \frac{m_1}{m_i}, \qquad
              \frac{m_1}{m_i} = \exp\bigl(-\operatorname{average} \log (v_i / v_1)\bigr)

    with the `influences` v of each batch. So a share of 0.1 beside one of 1 is a tenth of the pull, whatever the units
    of field and loss.

    Parameters
    ----------
    shares : mapping of str to float
        Of two losses or more, positive. The first is the one that the others are measured by.
    half_life : float, default 100
        The number of batches after which one counts half as much in the average. The first counts fully.
    axis : int, default 0
        Where the samples of a prediction are, see `influences`.

    Raises
    ------
    ValueError
        Fewer than two shares; a share or a half-life that is not positive and finite.
    TypeError
        Shares that are no mapping of names to numbers; an axis that is no integer.

    Notes
    -----
    A constant that multiplies any loss but the first changes no gradient beyond rounding. One that multiplies the
    first multiplies the whole gradient, as it does without a balancer, and so does one that multiplies all shares:
    learning rates keep their meaning.

    One batch changes a weight by a factor of 2 at most, but for the first. A batch in which a loss or the first has an
    influence of 0, or one that is not finite, changes nothing for that loss. Until a loss has been seen its weight
    is 0; the first always has its share. Influences more than 1e30 apart count as 1e30 apart.

    Threads must not share one.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> balancer = sl.Balancer({"field_error": 1.0, "spectrum_error": 0.1})
    >>> weights = balancer.step({"field_error": 3.0, "spectrum_error": 60.0})
    >>> {name: round(weight, 6) for name, weight in weights.items()}
    {'field_error': 1.0, 'spectrum_error': 0.005}
    """

    def __init__(self, shares: Mapping[str, float], *, half_life: float = 100, axis: int = 0) -> None:
        if not isinstance(shares, Mapping) or not all(isinstance(name, str) for name in shares):
            raise TypeError(f"shares must map names to numbers, got {shares!r}")
        if len(shares) < 2:
            raise ValueError(f"shares must name two losses or more, got {listed(shares) or 'none'}")
        self._shares = {name: _positive(f"share {name!r}", share) for name, share in shares.items()}
        self._half_life = _positive("half_life", half_life)
        if self._half_life > LONGEST:
            raise ValueError(f"half_life must be at most {LONGEST:g} batches, got {half_life}")
        self._axis = index(axis)
        self._state = rule.beginning(self._shares)
        self._frozen = False

    @property
    def shares(self) -> dict[str, float]:
        """The share of each loss."""
        return dict(self._shares)

    @property
    def half_life(self) -> float:
        """Batches after which one counts half as much."""
        return self._half_life

    @property
    def axis(self) -> int:
        """Where the samples of a prediction are."""
        return self._axis

    @property
    def state(self) -> BalancerState:
        """The state, in plain floats; reading it waits for the device."""
        return BalancerState(*(_as_floats(fields) for fields in self._state))

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each loss, in plain floats: what to report, or to go on with. Waits for the device."""
        return rule.weights(self._shares, self.state)

    @property
    def frozen(self) -> bool:
        """Whether the weights stay as they are."""
        return self._frozen

    def freeze(self, frozen: bool = True) -> None:
        """Keep the weights as they are from now on: no batch changes them any more. False goes on from there."""
        self._state, self._frozen = self.state, bool(frozen)

    def update(self, state: BalancerState, influences: Mapping[str, Any]) -> tuple[BalancerState, dict[str, Any]]:
        """The state after one batch and the weights that follow: a pure function, also inside ``jax.jit``.

        Parameters
        ----------
        state : BalancerState
            Of numbers or of 0-d arrays; that of a new balancer to begin with.
        influences : mapping of str to float or 0-d array
            Of each loss, as `influences` returns them.

        Returns
        -------
        state : BalancerState
        weights : dict of str to float or 0-d array
            Of each loss. Numbers where the influences are numbers; else arrays like them, but for the first, which is
            its share.

        Raises
        ------
        ValueError
            An influence is missing, belongs to no share, or is a negative number.
        TypeError
            Influences that are no mapping.
        """
        self.check_names("influences", influences)
        for name, value in influences.items():
            if isinstance(value, Real) and value < 0:
                raise ValueError(f"influence {name!r} must be at least 0, got {value}")
        state = rule.updated(self._shares, self._half_life, state, influences)
        return state, rule.weights(self._shares, state)

    def step(self, influences: Mapping[str, Any]) -> dict[str, Any]:
        """Take the influences of one batch, remember what they say, and return the weights; as `update`.

        Of a balancer that is frozen the weights are those that it has.
        """
        if not self._frozen:
            self._state, _ = self.update(self._state, influences)
        return rule.weights(self._shares, self._state)

    def value_and_grad(self, loss: CompositeLoss) -> Callable[..., tuple[tuple[Array, Any], Array]]:
        """As `spectral_losses.value_and_grad` of several losses, with weights that each call balances anew.

        For arrays without automatic differentiation: NumPy, CuPy, Dask and whatever follows the array API standard.

        Parameters
        ----------
        loss : CompositeLoss
            Whose components have the names of the shares. Its own weights are not used.

        Returns
        -------
        callable
            ``(prediction, target) -> ((total, parts), gradient)``: the balanced total, the parts without their weights,
            and the gradient of the total with respect to the prediction. Each call is a `step`. It takes ``mask``, too.

        Raises
        ------
        ValueError
            A component without a share, or the other way round.
        TypeError
            Something else than a `CompositeLoss`.

        Notes
        -----
        Every component is computed by itself: those that could share transforms do not.

        Examples
        --------
        >>> import numpy as np, spectral_losses as sl
        >>> balancer = sl.Balancer({"field_error": 1.0, "spectrum_error": 0.1})
        >>> names = {name: name for name in balancer.shares}
        >>> descend = balancer.value_and_grad(sl.CompositeLoss(names))
        >>> prediction, target = np.random.default_rng(0).normal(size=(2, 4, 1, 16, 16))
        >>> (total, parts), gradient = descend(prediction, target)
        >>> sorted(parts), gradient.shape
        (['field_error', 'spectrum_error'], (4, 1, 16, 16))
        """
        if not isinstance(loss, CompositeLoss):
            raise TypeError(f"loss must be a CompositeLoss, got {type(loss).__name__}")
        self.check_names("components", loss.components)
        both = value_and_grad(loss)

        def balanced(
            prediction: Array, target: Target, *, mask: Array | None = None
        ) -> tuple[tuple[Array, dict[str, Array]], Array]:
            parts, gradients = {}, {}
            for name in self._shares:
                (_, part), gradients[name] = both(prediction, target, weights=self.alone(name), mask=mask)
                parts.update(part)
            if not self._frozen:
                found = influences(gradients, prediction, self._axis)
                self.step(_as_floats(found))
            weights = self.weights
            total, *others = (weights[name] * part for name, part in parts.items())
            xp = backend_of(prediction, "prediction").namespace(prediction)
            return (xp.reshape(sum(others, start=total), ()), parts), combined(gradients, weights, prediction)

        return balanced

    def alone(self, name: str) -> dict[str, float]:
        """Weights with which a `CompositeLoss` computes nothing but this loss."""
        return {each: float(each == name) for each in self._shares}

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, in plain types: for JSON, and for ``torch.load(..., weights_only=True)``."""
        return saved_state(next(iter(self._shares)), self.state, self._frozen)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, under the shares of this balancer; where it is refused, nothing changes.

        Raises
        ------
        ValueError
            A state of other losses, of another version, or that no balancer would save.
        TypeError
            Not a mapping.
        """
        self._state, self._frozen = restore(state, next(iter(self._shares)), tuple(self._state.levels))

    def __repr__(self) -> str:
        return f"Balancer({self._shares!r}, half_life={self._half_life:g}, axis={self._axis})"

    def check_names(self, argument: str, given: Any) -> None:
        """Refuse a mapping that has not exactly the names of the shares."""
        if not isinstance(given, Mapping):
            raise TypeError(f"{argument} must map the names of the shares, got {type(given).__name__}")
        for name in given:
            if name not in self._shares:
                raise ValueError(f"{argument}: share {suggest(str(name), self._shares)}")
        for name in self._shares:
            if name not in given:
                raise ValueError(f"{argument}: {name!r} is missing, got {listed(given) or 'none'}")


def _positive(argument: str, x: Any) -> float:
    value = number(argument, x)
    if not 0 < value < math.inf:
        raise ValueError(f"{argument} must be positive and finite, got {x}")
    return value


def _as_floats(values: Mapping[str, Any]) -> dict[str, float]:
    """Numbers, or 0-d arrays in one transfer, as plain floats."""
    if all(isinstance(value, Real) for value in values.values()):
        return {name: float(value) for name, value in values.items()}
    backend = backend_of(next(iter(values.values())), "influences")
    return dict(zip(values, backend.to_floats(list(values.values())), strict=True))
