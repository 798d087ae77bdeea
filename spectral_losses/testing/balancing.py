"""Strategies of shares and influences, a balancer that is obviously right, and a machine that holds another to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from spectral_losses.balance import Balancer
from spectral_losses.testing.twins import TwinMachine

__all__ = ["BalancerMachine", "NaiveBalancer", "balancer_configs", "influence_values"]

_FARTHEST = math.log(1e30)  # influences that are further apart count as this far apart
_UNITS = (2.0**-9, 1e6, 0.3, 1e-8)  # of a balancer whose losses are those of another, each times a constant


@st.composite
def balancer_configs(draw: st.DrawFn, /, **fixed: Any) -> dict[str, Any]:
    """Draw arguments of a `Balancer`: the shares of two to four losses, and a half-life; those given are kept.

    Examples
    --------
    >>> from hypothesis import given
    >>> from spectral_losses import Balancer
    >>> @given(balancer_configs(half_life=1))
    ... def test(config):
    ...     assert Balancer(**config).half_life == 1 and len(config["shares"]) > 1
    >>> test()
    """
    names = st.lists(st.sampled_from("abcd"), min_size=2, max_size=4, unique=True)
    share = st.sampled_from([1.0, 0.1, 0.5]) | st.floats(1e-3, 1e3)
    shares = names.flatmap(lambda chosen: st.fixed_dictionaries(dict.fromkeys(chosen, share)))
    half_lives = st.sampled_from([0.5, 1.0, 7.0, 100.0]) | st.floats(0.01, 1e6)
    strategies: dict[str, st.SearchStrategy[Any]] = {"shares": shares, "half_life": half_lives}
    drawn = {name: draw(strategy, label=name) for name, strategy in strategies.items() if name not in fixed}
    return {**drawn, **fixed}


def influence_values(*, usual: bool = False) -> st.SearchStrategy[float]:
    """Draw how strongly a loss pulls: a positive number of any usual size, any number from 0 up, a NaN or infinity.

    With ``usual``, numbers from 1e-15 to 1e15 alone.
    """
    sizes = st.floats(-15, 15).map(lambda x: 10.0**x)
    odd = st.sampled_from([0.0, math.nan, math.inf])
    return sizes if usual else sizes | sizes | odd | st.floats(0, allow_nan=False, allow_infinity=False)


class NaiveBalancer:
    """The rule of `Balancer`, slow and plain: it keeps all influences and works the weights out from them each time.

    Written without the library's `update`, so that a mistake would have to be made twice.

    Examples
    --------
    >>> model = NaiveBalancer({"field_error": 1.0, "spectrum_error": 0.1})
    >>> model.observe({"field_error": 2.0, "spectrum_error": 8.0})
    >>> {name: round(weight, 6) for name, weight in model.weights().items()}
    {'field_error': 1.0, 'spectrum_error': 0.025}
    """

    def __init__(self, shares: Mapping[str, float], half_life: float = 100) -> None:
        self.shares, self.half_life = dict(shares), half_life
        self.first, *others = shares
        # Of each batch that said something of a loss:
        self.ratios: dict[str, list[float]] = {name: [] for name in others}  # logarithms
        self.scales: dict[str, list[float]] = {name: [] for name in others}

    def observe(self, influences: Mapping[str, float]) -> None:
        """Take one batch."""
        first = influences[self.first]
        for name, ratios in self.ratios.items():
            other = influences[name]
            if 0 < first < math.inf and 0 < other < math.inf:
                ratios.append(_between(-_FARTHEST, math.log(other) - math.log(first), _FARTHEST))
                wanted, scales = math.exp(-self.level(name)), self.scales[name]
                scales.append(_between(scales[-1] / 2, wanted, scales[-1] * 2) if scales else wanted)

    def level(self, name: str) -> float:
        """The average logarithm of a loss's influence over that of the first: half-lives make weights of ages."""
        kept = [0.5 ** (age / self.half_life) for age in range(len(self.ratios[name]))]
        found = [weight * ratio for weight, ratio in zip(kept, reversed(self.ratios[name]), strict=True)]
        return math.fsum(found) / math.fsum(kept) if kept else 0.0

    def seen(self, name: str) -> float:
        """How much of a full average that is."""
        return -math.expm1(-math.log(2) * len(self.ratios[name]) / self.half_life)

    def weights(self) -> dict[str, float]:
        """Of each loss; 0 for one that was never seen."""
        others = {name: self.shares[name] * (scales[-1] if scales else 0.0) for name, scales in self.scales.items()}
        return {self.first: self.shares[self.first], **others}


class BalancerMachine(TwinMachine):
    """Feeds a balancer whatever a run may bring, and holds it against `NaiveBalancer` and against its promises.

    Influences that stay, drift and jump, that are 0, not finite or out of all proportion; saving and loading in the
    middle; freezing. Subclass it and override `make` to test a balancer of your own, or `configs` to test your
    settings; its ``TestCase`` is what pytest and unittest collect.
    """

    def make(self, config: Mapping[str, Any]) -> Balancer:
        """A new balancer with these arguments."""
        return Balancer(**config)

    def configs(self) -> st.SearchStrategy[dict[str, Any]]:
        """Arguments to draw from."""
        return balancer_configs()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Draw shares and begin."""
        self.config = data.draw(self.configs(), label="config")
        self.balancer = self.make(self.config)
        self.twin = self.make(self.config)  # is saved and loaded, and must never differ
        self.scaled = self.make(self.config)  # each loss times a constant
        self.model = NaiveBalancer(self.balancer.shares, self.balancer.half_life)
        self.influences = dict.fromkeys(self.balancer.shares, 1.0)
        self.units = dict(zip(self.influences, _UNITS, strict=False))
        self.within = True  # no two influences have been so far apart that they count as less

    @rule(values=st.lists(influence_values(), min_size=4, max_size=4))
    def observe(self, values: list[float]) -> None:
        """Any influences."""
        self._feed(dict(zip(self.influences, values, strict=False)))

    @rule(values=st.lists(influence_values(usual=True), min_size=4, max_size=4))
    def jump(self, values: list[float]) -> None:
        """From now on, influences of other sizes."""
        self.influences = dict(zip(self.influences, values, strict=False))
        self._feed(self.influences)

    @rule(factor=st.sampled_from([0.5, 0.9, 1.0, 1.1, 3.0]), number=st.integers(1, 8), which=st.integers(0, 3))
    def stretch(self, factor: float, number: int, which: int) -> None:
        """A stretch in which the influence of one loss falls, stays or rises."""
        name = self._name(which)
        for _ in range(number):
            self.influences[name] = min(max(self.influences[name] * factor, 1e-15), 1e15)
            self._feed(self.influences)

    @rule(noise=st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4))
    def noisy(self, noise: list[float]) -> None:
        """All influences, with noise."""
        both = zip(self.influences.items(), noise, strict=False)
        self._feed({name: value * (1 + each) for (name, value), each in both})

    @rule(value=st.sampled_from([0.0, math.nan, math.inf]), which=st.integers(0, 3))
    def silent(self, value: float, which: int) -> None:
        """A loss, or the first one, that says nothing: what it would have said of others changes nothing for them."""
        name, before = self._name(which), self.balancer.state
        self._feed({**self.influences, name: value})
        for field, old in zip(self.balancer.state, before, strict=True):
            assert field == old if name == self.model.first else field[name] == old[name]

    @rule(value=st.sampled_from([1e-300, 1e300]), which=st.integers(0, 3))
    def far_apart(self, value: float, which: int) -> None:
        """Influences so far apart that they count as less."""
        self._feed({**self.influences, self._name(which): value})

    @rule(which=st.integers(0, 3), kind=st.sampled_from(["negative", "missing", "unknown"]))
    def refused(self, which: int, kind: str) -> None:
        """Influences that are refused, and then nothing has happened."""
        name, before = self._name(which), self.balancer.state_dict()
        given = {each: value for each, value in self.influences.items() if each != name or kind == "unknown"}
        given |= {"negative": {name: -1.0}, "missing": {}, "unknown": {"another": 1.0}}[kind]
        message = None
        try:
            self.balancer.step(given)
        except ValueError as refusal:
            message = str(refusal)
        if not self.balancer.frozen:  # which looks at no influences
            assert message is not None, f"no ValueError for {given}"
            assert repr("another" if kind == "unknown" else name) in message
        assert self.balancer.state_dict() == before

    @rule(frozen=st.booleans())
    def freeze(self, frozen: bool) -> None:
        """Weights that stay, or go on."""
        for each in (self.balancer, self.twin, self.scaled):
            each.freeze(frozen)

    @invariant()
    def keeps_its_promises(self) -> None:
        """What holds for all shares after every batch."""
        if not hasattr(self, "config"):
            return
        weights, state, first = self.balancer.weights, self.balancer.state, self.model.first
        assert weights[first] == self.config["shares"][first]
        assert list(weights) == list(self.config["shares"])
        for name, expected in self.model.weights().items():
            assert type(weights[name]) is float
            assert math.isclose(weights[name], expected, rel_tol=1e-9), (name, weights[name], expected)
        for name in state.levels:
            assert math.isclose(state.levels[name], self.model.level(name), rel_tol=1e-9, abs_tol=1e-9)
            assert math.isclose(state.seen[name], self.model.seen(name), rel_tol=1e-9)
        if self.within:  # the balanced gradient of each loss, in units of the first
            for name, weight in self.scaled.weights.items():
                assert math.isclose(weight * self.units[name] / self.units[first], weights[name], rel_tol=1e-9), name

    def _name(self, which: int) -> str:
        names = list(self.influences)
        return names[which % len(names)]

    def _feed(self, influences: Mapping[str, float]) -> None:
        type(self).observations += 1
        balancer, before, state = self.balancer, self.balancer.weights, self.balancer.state
        scaled = {name: self.units[name] * value for name, value in influences.items()}
        pure = balancer.update(state, influences)
        weights = balancer.step(influences)
        assert self.twin.step(influences) == weights == balancer.weights
        self.scaled.step(scaled)
        if balancer.frozen:
            assert (weights, balancer.state) == (before, state)
            return
        assert (balancer.state, weights) == pure
        self.model.observe(influences)
        # Constants cancel where no influence is one of the least or largest floats, and no two are too far apart.
        said = [value for value in (*influences.values(), *scaled.values()) if 0 < value < math.inf]
        ends = (min(said, default=1.0), max(said, default=1.0))
        self.within = self.within and ends[0] > 1e-290 and ends[1] < 1e290 and ends[1] <= 1e30 * ends[0]
        for name, weight in weights.items():
            # The first batch that says something of a loss sets its weight; until then it is 0.
            assert before[name] == 0 or 0.5 - 1e-12 <= weight / before[name] <= 2 + 1e-12, (name, before, weights)


def _between(least: float, value: float, most: float) -> float:
    return sorted([least, value, most])[1]
