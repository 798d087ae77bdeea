"""The automatic trigger: when the slope of a metric says that there is a plateau."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.scheduler import slope

CURVES: dict[str, Callable[[int], float]] = {
    "flat": lambda n: 0.3,
    "exponential": lambda n: 0.1 + math.exp(-n / 20),
    "linear": lambda n: 1 - n / 130,
    "power": lambda n: (1 + n) ** -0.5,
}


def auto(**settings: Any) -> sl.LossScheduler:
    return sl.LossScheduler(sl.SchedulerConfig(trigger="auto", **settings))


def first_move(values: list[float], **settings: Any) -> int | None:
    scheduler = auto(**settings)
    for number, value in enumerate(values, 1):
        if scheduler.step({"spectrum_error": value}):
            return number
    return None


def curve(name: str, noise: float, seed: int, number: int = 120) -> list[float]:
    draw = random.Random(seed)
    return [CURVES[name](n) * math.exp(noise * draw.gauss(0, 1)) for n in range(number)]


def test_a_metric_that_stays_is_seen_at_the_second_look() -> None:
    assert first_move([0.5] * 20) == 9  # looks at 8 and at 9 observations
    decisions = [auto().step({"spectrum_error": 0.5})]
    assert str(decisions[0]) == "epoch 0: improved: spectrum_error 0.5, a look at the slope in 7"
    scheduler = auto()
    said = [str(scheduler.step({"spectrum_error": 0.5 * 0.9**n})) for n in range(9)]
    assert said[7].startswith(
        "epoch 7: improved: spectrum_error 0.239148 improved by 57 % over 8 observations, no platea"
    )
    said = [str(scheduler.step({"spectrum_error": 0.2152})) for n in range(20)]
    assert "stayed over 8 observations, a plateau 2 of 2; field_error 1 to 0.9" in next(
        s for s in said if "adapted" in s
    )


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05])
def test_plateaus_are_found_and_improvements_are_not_mistaken_for_them(noise: float) -> None:
    for seed in range(8):
        found = first_move(curve("flat", noise, seed)) or 999
        assert found <= 60
        found = first_move(curve("exponential", noise, seed, 200)) or 999
        assert 80 < found <= 200  # of 1.1, at 80 0.118 is left, and 0.1 in the end
    assert first_move(curve("linear", 0.0, 0)) is None


@pytest.mark.parametrize("rate", [0.05 / 8, 0.02, 0.1])
def test_a_steady_decay_is_no_plateau(rate: float) -> None:
    assert first_move([math.exp(-1.001 * rate * n) for n in range(200)]) is None


def test_a_slow_decay_is_one() -> None:
    assert first_move([math.exp(-0.9 * 0.05 / 8 * n) for n in range(50)]) == 9


@pytest.mark.parametrize("wild", [1e-300, 1e-9, 5.0, 1e300])
@pytest.mark.parametrize("at", range(8))
def test_one_wild_value_changes_nothing(wild: float, at: int) -> None:
    values = [0.5] * 8
    values[at] = wild
    assert slope.look(values).flat


def test_metrics_of_any_sign() -> None:
    falling = [0.9**n for n in range(8)]
    assert not slope.look(falling).flat
    assert not slope.look([-z for z in falling], "max").flat
    assert slope.look(falling, "max").flat  # gets worse
    assert slope.look(falling, "max").gain < 0
    across = [2.0 - n for n in range(8)]
    assert not slope.look(across).flat
    assert slope.look([0.0] * 8) == (True, 0, 0)
    half = [0.5 ** (n / 8) for n in range(8)]
    assert slope.look(half).change == pytest.approx(0.5)  # of an error half is left
    assert slope.look(half[::-1]).change == pytest.approx(-1)
    assert slope.look(half[::-1], "max").change == pytest.approx(1)
    assert slope.look([-z for z in half], "max").change == pytest.approx(0.5)
    assert slope.look([-z for z in half[::-1]]).change == pytest.approx(1)
    assert slope.look([0.0, -1e308, 1e308, 0.0, 0.0, 0.0, 0.0, 0.0]).flat


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=8, max_size=32),
    st.sampled_from([2.0**-20, 0.5, 2.0, 2.0**20]),
    st.sampled_from(["min", "max"]),
)
def test_units_do_not_matter(values: list[float], unit: float, mode: str) -> None:
    a, b = (slope.look([scale * value for value in values], mode) for scale in (1.0, unit))
    assert b.gain == pytest.approx(a.gain, rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=32))
def test_backwards_the_gain_changes_its_sign(values: list[float]) -> None:
    assert slope.look(values[::-1]).gain == pytest.approx(-slope.look(values).gain, rel=1e-9, abs=1e-9)


def test_looks_are_at_a_third_and_spaced() -> None:
    assert [slope.window(n) for n in (8, 24, 25, 90, 96, 97, 1000)] == [8, 8, 9, 30, 32, 32, 32]
    assert [slope.spacing(m) for m in (8, 9, 16, 17, 32)] == [1, 2, 2, 3, 4]


def test_there_is_no_warm_up_no_patience_and_no_limit() -> None:
    config = sl.SchedulerConfig(trigger="auto")
    assert (config.warmup_epochs, config.min_epochs_before_adapt) == (0, 0)
    scheduler = sl.LossScheduler(config)
    decisions = [scheduler.step({"spectrum_error": 0.5}) for _ in range(200)]
    assert decisions[-1].reason == "finished"
    assert sum(map(bool, decisions)) == 12  # more than ten in a row
    assert sl.SchedulerConfig.preset("tra", trigger="auto").final_weight_target == 0.8
    for name, value in (
        ("patience", 3),
        ("min_delta", 0.02),
        ("min_delta_mode", "absolute"),
        ("use_ema", False),
        ("ema_beta", 0.5),
        ("max_consecutive_adaptations", 3),
        ("interval", 5),
    ):
        with pytest.raises(ValueError, match=f"{name} .*'auto'"):
            sl.SchedulerConfig(trigger="auto", **{name: value})


def test_its_state_is_small_and_may_be_of_a_release_before_it() -> None:
    scheduler = auto(transition_schedule="geometric")
    for value in curve("exponential", 0.1, 0, 60):
        scheduler.step({"spectrum_error": value})
    saved = scheduler.state_dict()
    saved["history"] = []
    assert len(json.dumps(saved)) < 10_000
    assert len(saved["state"]["latest"]) <= 32
    old = sl.LossScheduler(sl.SchedulerConfig()).state_dict()
    for name in ("observed", "look", "flat", "latest"):
        del old["state"][name]
    fresh = sl.LossScheduler(sl.SchedulerConfig())
    fresh.load_state_dict(old)
    assert fresh.state == sl.LossScheduler(sl.SchedulerConfig()).state
    for wrong in ([0.1] * 33, ["a"], 0.5, [math.inf], []):
        with pytest.raises(ValueError, match="'latest'"):
            fresh.load_state_dict({**saved, "state": {**saved["state"], "latest": wrong}})


def test_nothing_is_looked_at_in_a_cooldown() -> None:
    scheduler = auto(cooldown=30)
    decisions = [scheduler.step({"spectrum_error": 0.5}) for _ in range(50)]
    assert [d.epoch for d in decisions if d] == [8, 8 + 30 + 9]
    assert "a plateau 2 of 2" in decisions[47].detail


@pytest.mark.parametrize(("before", "after"), [("auto", "plateau"), ("plateau", "auto")])
def test_another_trigger_that_averages_otherwise_begins_anew(before: str, after: str) -> None:
    scheduler = sl.LossScheduler(sl.SchedulerConfig(trigger=before, warmup_epochs=0))
    for value in (1.0, 0.5, 0.01, 0.3, 0.29):
        scheduler.step({"spectrum_error": value})
    other = sl.LossScheduler(sl.SchedulerConfig(trigger=after, warmup_epochs=0))
    other.load_state_dict(scheduler.state_dict(), accept_changes=True)
    assert (other.state.tracked, other.state.best, other.state.stale) == (None, None, 0)


def test_another_metric_is_looked_at_anew() -> None:
    scheduler = auto()
    for _ in range(8):
        scheduler.step({"spectrum_error": 0.5})
    other = auto(monitor="field_error")
    other.load_state_dict(scheduler.state_dict(), accept_changes=True)
    assert (other.state.observed, other.state.look, other.state.flat, other.state.latest) == (0, 8, 0, ())
