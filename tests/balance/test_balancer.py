"""The balancer: weights from influences, its state, and the same numbers in every framework."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs, on
from hypothesis import given
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.balance import Balancer, BalancerState, influences
from spectral_losses.balance.influence import combined
from spectral_losses.testing import influence_values

SHARES = {"a": 1.0, "b": 0.1, "c": 0.5}
SIZES = influence_values(usual=True)
BATCHES = st.lists(st.fixed_dictionaries(dict.fromkeys(SHARES, SIZES)), min_size=1, max_size=12)


def after(balancer: Balancer, batches: Any) -> list[dict[str, float]]:
    return [balancer.step(batch) for batch in batches]


def near(weights: Any, rel: float = 1e-9) -> Any:
    return pytest.approx(dict(weights), rel=rel)


# What the weights are.


def test_the_first_batch_counts_fully() -> None:
    assert Balancer(SHARES).weights == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert Balancer(SHARES).step({"a": 2.0, "b": 8.0, "c": 0.5}) == near({"a": 1, "b": 0.1 / 4, "c": 0.5 * 4})


@given(BATCHES)
def test_equal_losses_have_weights_in_the_ratio_of_the_shares(batches: Any) -> None:
    balancer = Balancer(SHARES)
    after(balancer, [dict.fromkeys(SHARES, batch["a"]) for batch in batches])
    assert balancer.weights == SHARES


@given(BATCHES, SIZES)
def test_all_shares_times_a_constant(batches: Any, constant: float) -> None:
    one, other = Balancer(SHARES), Balancer({name: constant * share for name, share in SHARES.items()})
    after(one, batches)
    after(other, batches)
    assert other.weights == near({name: constant * weight for name, weight in one.weights.items()})
    assert other.state == one.state


def test_a_first_batch_that_was_an_exception_is_overcome() -> None:
    weights = after(Balancer(SHARES), [{"a": 1.0, "b": 1e9, "c": 1.0}] + 100 * [{"a": 1.0, "b": 1.0, "c": 1.0}])
    assert weights[0]["b"] == pytest.approx(1e-10)
    assert 0.05 < weights[-1]["b"] < 0.1


# Its state.


def test_the_pure_function_is_the_object() -> None:
    balancer, batch = Balancer(SHARES), {"a": 1.0, "b": 2.0, "c": 3.0}
    state, weights = balancer.update(balancer.state, batch)
    assert balancer.state == Balancer(SHARES).state
    assert balancer.step(batch) == weights
    assert balancer.state == state
    assert all(type(x) is float for field in state for x in field.values())


def test_frozen_weights_stay() -> None:
    balancer = Balancer(SHARES)
    balancer.step({"a": 1.0, "b": 2.0, "c": 3.0})
    weights, state = balancer.weights, balancer.state
    balancer.freeze()
    assert balancer.step({"a": 9.0, "b": 1.0, "c": 1.0}) == balancer.weights == weights
    assert balancer.state == state
    resumed = Balancer(SHARES)
    resumed.load_state_dict(json.loads(json.dumps(balancer.state_dict())))
    assert resumed.frozen
    resumed.freeze(False)
    assert resumed.step({"a": 9.0, "b": 1.0, "c": 1.0}) != weights


def test_weights_for_a_composite_loss() -> None:
    balancer = Balancer({"field_error": 1.0, "spectrum_error": 0.1})
    balancer.step({"field_error": 1.0, "spectrum_error": 4.0})
    loss = sl.CompositeLoss({name: name for name in balancer.shares})
    loss.set_weights(balancer)
    assert loss.weights == balancer.weights == near({"field_error": 1.0, "spectrum_error": 0.025})


def test_shares_may_change_at_a_resumption() -> None:
    balancer, other = Balancer(SHARES), Balancer({"a": 1.0, "b": 0.2, "c": 0.5})
    balancer.step({"a": 1.0, "b": 4.0, "c": 1.0})
    other.load_state_dict(balancer.state_dict())
    assert other.weights == near({"a": 1.0, "b": 0.05, "c": 0.5})


def test_copies_and_pickles() -> None:
    balancer = Balancer(SHARES, half_life=7, axis=1)
    balancer.step({"a": 1.0, "b": 2.0, "c": 3.0})
    for twin in (copy.deepcopy(balancer), pickle.loads(pickle.dumps(balancer))):
        assert twin.state_dict() == balancer.state_dict()
        assert repr(twin) == "Balancer({'a': 1.0, 'b': 0.1, 'c': 0.5}, half_life=7, axis=1)"
    balancer.shares["a"] = 2.0  # a copy
    assert balancer.shares == SHARES
    assert (balancer.half_life, balancer.axis) == (7.0, 1)


def broken(**changes: Any) -> Any:
    saved = Balancer(SHARES).state_dict()
    return {
        **saved,
        **{k: v for k, v in changes.items() if k in saved},
        "state": {**saved["state"], **{k: v for k, v in changes.items() if k not in saved}},
    }


@pytest.mark.parametrize(
    ("saved", "error", "message"),
    [
        ([], TypeError, "state must be what state_dict returns, got list"),
        ({}, ValueError, "its 'format' must be 'spectral_losses.Balancer', got None"),
        (broken(version=2), ValueError, "state must be of version 1, got 2"),
        (broken(frozen=None), ValueError, "state is not one that a Balancer saves"),
        (broken(extra={}), ValueError, "state is not one that a Balancer saves"),
        (broken(levels=[]), ValueError, r"state\['state'\]\['levels'\] is not one"),
        (broken(levels={"b": 0.0, "c": math.nan}), ValueError, r"state\['state'\]\['levels'\] is not one"),
        (broken(seen={"b": 0.0, "c": 1.5}), ValueError, r"state\['state'\]\['seen'\] is not one"),
        (broken(scales={"b": 0.0, "c": -1.0}), ValueError, r"state\['state'\]\['scales'\] is not one"),
        (broken(scales={"b": True, "c": 1.0}), ValueError, r"state\['state'\]\['scales'\] is not one"),
        (broken(levels={"b": 0.0}), ValueError, "state must be one of 'b', 'c' beside the first loss, got 'b'"),
    ],
)
def test_states_that_are_refused_change_nothing(saved: Any, error: type[Exception], message: str) -> None:
    balancer = Balancer(SHARES)
    balancer.step({"a": 1.0, "b": 2.0, "c": 3.0})
    before = balancer.state_dict()
    with pytest.raises(error, match=message):
        balancer.load_state_dict(saved)
    assert balancer.state_dict() == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Balancer(["a", "b"]), TypeError, r"shares must map names to numbers, got \['a', 'b'\]"),
        (lambda: Balancer({1: 1.0, 2: 1.0}), TypeError, "shares must map names to numbers"),
        (lambda: Balancer({"a": 1.0}), ValueError, "shares must name two losses or more, got 'a'"),
        (lambda: Balancer({"a": 1.0, "b": 0.0}), ValueError, "share 'b' must be positive and finite, got 0.0"),
        (lambda: Balancer({"a": 1.0, "b": "1"}), TypeError, "share 'b' must be a number, got str"),
        (lambda: Balancer(SHARES, half_life=math.inf), ValueError, "half_life must be positive and finite, got inf"),
        (lambda: Balancer(SHARES, axis="time"), TypeError, "integer"),
        (lambda: Balancer(SHARES).step([1.0]), TypeError, "influences must map the names of the shares, got list"),
        (lambda: Balancer(SHARES).step({"a": 1.0, "b": 1.0}), ValueError, "influences: 'c' is missing, got 'a', 'b'"),
        (lambda: Balancer(SHARES).step({**SHARES, "d": 1.0}), ValueError, "influences: share 'd' is not known"),
        (
            lambda: Balancer(SHARES).step({**SHARES, "b": -1.0}),
            ValueError,
            "influence 'b' must be at least 0, got -1",
        ),
        (lambda: Balancer(SHARES).value_and_grad("field_error"), TypeError, "loss must be a CompositeLoss, got str"),
        (
            lambda: Balancer(SHARES).value_and_grad(sl.CompositeLoss({"a": "field_error"})),
            ValueError,
            "components: 'b' is missing, got 'a'",
        ),
    ],
)
def test_errors(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# In every framework.


def batch(seed: int, dtype: str = "float64") -> tuple[dict[str, Any], Any]:
    rng = np.random.default_rng(seed)
    p, *gradients = rng.normal(size=(4, 3, 1, 4, 4)).astype(dtype)
    return {
        n: (10.0**i * rng.uniform(1, 2) * g).astype(dtype)
        for i, (n, g) in enumerate(zip(SHARES, gradients, strict=True))
    }, p


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
def test_all_frameworks_agree(framework: Framework, dtype: str, tolerance: float) -> None:
    reference, balancer = Balancer(SHARES), Balancer(SHARES)
    for seed in range(4):
        gradients, p = batch(seed)
        wanted = reference.step({n: float(v) for n, v in influences(gradients, p).items()})
        each, x = (
            {n: framework.asarray(g.astype(dtype)) for n, g in gradients.items()},
            framework.asarray(p.astype(dtype)),
        )
        weights = balancer.step(influences(each, x))
        result = combined(each, weights, x)
        assert result.dtype == x.dtype
        scale = float(np.max(np.abs(combined(gradients, wanted, p))))
        np.testing.assert_allclose(
            framework.to_numpy(result), combined(gradients, wanted, p), rtol=tolerance, atol=tolerance * scale
        )
    assert balancer.weights == near(reference.weights, tolerance)
    assert all(type(weight) is float for weight in balancer.weights.values())


def test_arrays_say_what_floats_say(framework: Framework) -> None:
    """Also where influences are 0, not finite or far apart, and where a batch moves a weight by a factor of 2."""
    plain, balancer = (Balancer({"a": 1.0, "b": 0.1}, half_life=2) for _ in range(2))
    odd = [
        (0.0, 1.0),
        (1.0, math.nan),
        (1.0, 1.0),
        (1.0, 9.0),
        (math.inf, 1.0),
        (1e-40, 1e40),
        (1e40, 1e-40),
        (2.0, 0.0),
    ]
    for values in odd:
        batch = dict(zip("ab", values, strict=True))
        plain.step(batch)
        balancer.step({name: framework.asarray(np.asarray(value)) for name, value in batch.items()})
        for ours, theirs in zip(balancer.state, plain.state, strict=True):
            assert ours == near(theirs, 1e-12)


@pytest.mark.parametrize("framework", on("numpy", "strict", "torch", "jax", "torch-cuda"), indirect=True)
def test_arrays_resume_to_the_bit(framework: Framework) -> None:
    straight, first, second = Balancer(SHARES), Balancer(SHARES), Balancer(SHARES)

    def step(balancer: Balancer, seed: int) -> dict[str, float]:
        gradients, p = batch(seed, "float32")
        balancer.step(influences({n: framework.asarray(g) for n, g in gradients.items()}, framework.asarray(p)))
        return balancer.weights

    expected = [step(straight, seed) for seed in range(4)]
    assert [step(first, seed) for seed in range(2)] == expected[:2]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert [step(second, seed) for seed in (2, 3)] == expected[2:]


@needs("jax")
def test_jit_is_eager_and_compiles_once() -> None:
    import jax
    import jax.numpy as jnp

    balancer, traced = Balancer(SHARES), []

    @jax.jit
    def step(state: Any, gradients: Any, p: Any) -> Any:
        traced.append(True)
        state, weights = balancer.update(state, influences(gradients, p))
        return state, weights, sum(weights[name] * gradients[name] for name in weights)

    state = eager = jax.tree.map(jnp.float32, balancer.state)
    for seed in range(3):
        gradients, p = jax.tree.map(jnp.asarray, batch(seed, "float32"))
        state, weights, total = step(state, gradients, p)
        eager, expected = balancer.update(eager, influences(gradients, p))
        assert {n: float(w) for n, w in weights.items()} == near({n: float(w) for n, w in expected.items()}, 1e-6)
        np.testing.assert_allclose(total, combined(gradients, expected, p), rtol=1e-4, atol=1e-5)
    assert len(traced) == 1
    assert isinstance(state, BalancerState)


@needs("jax")
def test_a_jitted_loop_carries_the_state() -> None:
    import jax
    import jax.numpy as jnp

    rows = jnp.asarray(np.random.default_rng(0).uniform(1, 2, (5, 3)), dtype=jnp.float32)
    balancer = Balancer(SHARES)
    start = jax.tree.map(jnp.float32, balancer.state)

    def one(state: Any, row: Any) -> Any:
        return balancer.update(state, dict(zip(SHARES, row, strict=True)))

    _, weights = jax.jit(lambda state, rows: jax.lax.scan(one, state, rows))(start, rows)
    expected = after(Balancer(SHARES), [dict(zip(SHARES, map(float, row), strict=True)) for row in rows])
    for name in ("b", "c"):
        np.testing.assert_allclose(weights[name], [each[name] for each in expected], rtol=1e-5)


def test_half_precision_is_summed_in_single(framework: Framework) -> None:
    for dtype in framework.halves:
        up, down = (framework.cast(framework.asarray(np.asarray([x], dtype="float32")), dtype) for x in (3e4, -3e4))
        found = combined({"a": up, "b": down, "c": up}, {"a": 4.0, "b": 4.0, "c": 1e-8}, up)
        assert found.dtype == up.dtype
        assert float(framework.to_numpy(framework.cast(found, "float32"))[0]) == pytest.approx(3e-4, rel=0.01)


# Without automatic differentiation.


@pytest.mark.parametrize("framework", on("numpy", "strict", "dask", "cupy"), indirect=True)
def test_value_and_grad_is_the_weighted_sum(framework: Framework) -> None:
    rng = np.random.default_rng(0)
    p, t = (framework.asarray(x) for x in rng.normal(size=(2, 3, 2, 8, 8)))
    loss = sl.CompositeLoss(
        {"field": "field_error", "late": sl.Component("field_error", frames=1), "spectrum": "spectrum_error"},
        weights={"field": 5.0},  # not used
    )
    balancer = Balancer({"spectrum": 1.0, "field": 0.5, "late": 0.1})
    descend = balancer.value_and_grad(loss)
    (total, parts), gradient = descend(p, {"field": t, "late": t, "spectrum": sl.radial_spectrum(t)})
    weights = balancer.weights
    assert list(parts) == list(balancer.shares)
    assert gradient.dtype == p.dtype
    (wanted, _), expected = sl.value_and_grad(loss)(p, t, weights=weights)
    assert float(framework.to_numpy(total)) == pytest.approx(float(framework.to_numpy(wanted)), rel=1e-9)
    np.testing.assert_allclose(framework.to_numpy(gradient), framework.to_numpy(expected), rtol=1e-9, atol=1e-12)
    # The shares are what the influences are in the end.
    pulls = {
        name: float(framework.to_numpy(influences({"a": sl.value_and_grad(loss)(p, t, weights=only)[1]}, p)["a"]))
        for name in weights
        for only in [{each: weights[each] * (each == name) for each in weights}]
    }
    first = pulls["spectrum"]
    assert {name: pull / first for name, pull in pulls.items()} == near(balancer.shares)


def test_a_frozen_balancer_takes_one_sample_and_learns_nothing() -> None:
    p, t = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    balancer = Balancer({"field_error": 1.0, "spectrum_error": 0.1})
    descend = balancer.value_and_grad(sl.CompositeLoss({name: name for name in balancer.shares}))
    descend(p, t)
    state = balancer.state
    with pytest.raises(ValueError, match="two samples or more along axis 0"):
        descend(p[:1], t[:1])
    balancer.freeze()
    (_, parts), gradient = descend(p[:1], t[:1])
    assert balancer.state == state
    assert gradient.shape == (1, 8, 8)
    assert parts["field_error"] > 0


def test_predictions_that_are_all_the_same_leave_the_first_loss_alone() -> None:
    t = np.random.default_rng(0).normal(size=(3, 8, 8))
    p = np.ones_like(t)
    balancer = Balancer({"field_error": 1.0, "spectrum_error": 0.1})
    descend = balancer.value_and_grad(sl.CompositeLoss({name: name for name in balancer.shares}))
    _, gradient = descend(p, t)
    np.testing.assert_array_equal(gradient, sl.value_and_grad("field_error")(p, t)[1])


def test_a_state_that_was_measured_against_another_loss_is_refused() -> None:
    saved = Balancer({"mse": 1.0, "spectrum": 0.1})
    saved.step({"mse": 1.0, "spectrum": 100.0})
    other = Balancer({"gradient": 1.0, "spectrum": 0.1})
    with pytest.raises(ValueError, match="state must be one with 'gradient' as the first loss, got 'mse'"):
        other.load_state_dict(saved.state_dict())
    with pytest.raises(ValueError, match=r"half_life must be at most 1e\+06 batches, got 1e\+40"):
        Balancer({"mse": 1.0, "spectrum": 0.1}, half_life=1e40)
