"""States that a FlexibleLossScheduler saved: taken where they can be understood, refused with a reason elsewhere."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

import spectral_losses as sl

SETTINGS = {
    "enabled": True,
    "source_loss": "field_error",
    "target_loss": "spectrum_error",
    "patience": 2,
    "warmup_epochs": 0,
    "min_epochs_before_adapt": 3,
    "adaptive_step": False,
    "use_ema": False,
    "monitor_metric": "target_loss",
}
CONFIG = sl.SchedulerConfig.from_dict(SETTINGS)


def former(**changes: Any) -> dict[str, Any]:
    """What was saved after epoch 9 of a metric that stayed at 0.5."""
    return {
        "weight_source": 0.7,
        "weight_target": 0.30000000000000004,
        "best_monitored_metric": 0.5,
        "epochs_since_improvement": 0,
        "monitored_metric_ema": None,
        "total_adaptations": 3,
        "consecutive_adaptations": 1,
        "adaptation_history": [{"epoch": 9, "weight_source": 0.7, "weight_target": 0.3}],
        "monitored_metric_history": [0.5] * 7,
        "warmup_complete": True,
        "current_epoch": 9,
        "config": SimpleNamespace(**SETTINGS),
        **changes,
    }


def test_it_goes_on_as_the_uninterrupted_run() -> None:
    whole = sl.LossScheduler(CONFIG)
    for epoch in range(10):
        whole.step({"spectrum_error": 0.5}, epoch)
    resumed = sl.LossScheduler(CONFIG)
    resumed.load_state_dict(former())
    for _ in range(12):
        a, b = whole.step({"spectrum_error": 0.5}), resumed.step({"spectrum_error": 0.5})
        assert (a.epoch, a.reason) == (b.epoch, b.reason)
        assert a.weights == pytest.approx(b.weights)


@pytest.mark.parametrize("config", [SETTINGS, None])
def test_the_settings_may_be_a_dictionary_or_gone(config: Any) -> None:
    scheduler = sl.LossScheduler(CONFIG)
    scheduler.load_state_dict(former(config=config))
    assert scheduler.progress == pytest.approx(3 / 7)
    assert scheduler.state.moves == 3


def test_what_it_saves_then_is_in_the_present_format() -> None:
    scheduler = sl.LossScheduler(CONFIG)
    scheduler.load_state_dict(former())
    again = sl.LossScheduler(CONFIG)
    again.load_state_dict(scheduler.state_dict())
    assert again.state == scheduler.state


def test_other_settings_are_explained() -> None:
    other = sl.SchedulerConfig.from_dict({**SETTINGS, "patience": 4})
    with pytest.raises(ValueError, match="patience was 2, is 4"):
        sl.LossScheduler(other).load_state_dict(former())
    scheduler = sl.LossScheduler(other)
    scheduler.load_state_dict(former(), accept_changes=True)
    assert scheduler.progress == pytest.approx(3 / 7)


def test_the_average_is_taken_over() -> None:
    config = sl.SchedulerConfig.from_dict({**SETTINGS, "use_ema": True})
    scheduler = sl.LossScheduler(config)
    scheduler.load_state_dict(former(config=None, monitored_metric_ema=0.75, best_monitored_metric=0.5))
    assert (scheduler.state.tracked, scheduler.state.best) == (0.75, 0.5)
    assert scheduler.step({"spectrum_error": 0.25}).tracked == pytest.approx(0.7)


def test_before_its_first_observation() -> None:
    fresh = former(
        weight_source=1.0,
        weight_target=0.0,
        best_monitored_metric=math.inf,
        monitored_metric_history=[],
        current_epoch=2,
    )
    scheduler = sl.LossScheduler(CONFIG)
    scheduler.load_state_dict(fresh)
    assert (scheduler.state.best, scheduler.state.tracked, scheduler.progress) == (None, None, 0.0)
    assert scheduler.step({"spectrum_error": 0.5}).reason == "improved"


def test_a_poisoned_average_is_left_behind() -> None:
    config = sl.SchedulerConfig.from_dict({**SETTINGS, "use_ema": True})
    scheduler = sl.LossScheduler(config)
    with pytest.warns(UserWarning, match="the saved metric is nan and its best 0.5: monitoring begins anew") as caught:
        scheduler.load_state_dict(former(config=None, monitored_metric_ema=math.nan))
    assert caught[0].filename == __file__
    assert scheduler.progress == pytest.approx(3 / 7)
    assert scheduler.step({"spectrum_error": 0.5}).reason == "improved"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_source": 0.9}, "its weights, source 0.9 and target 0.3, do not lie between the initial weights"),
        ({"weight_target": 0.9, "weight_source": 0.1}, "its weights, source 0.1 and target 0.9"),
        ({"weight_source": math.nan}, "its weights, source nan"),
        ({"weight_target": math.nan}, "its weights, source 0.7 and target nan"),
        ({"weight_target": None}, "TypeError"),
        ({"weight_target": 10**400}, "OverflowError"),
        ({"current_epoch": 2.5}, "TypeError"),
        ({"current_epoch": -1}, "must not be negative"),
        ({"config": SimpleNamespace(patience="many")}, "patience must be an integer, got 'many'"),
        ({"config": 3}, "TypeError"),
    ],
)
def test_what_cannot_be_understood_is_refused(changes: dict[str, Any], message: str) -> None:
    scheduler = sl.LossScheduler(CONFIG)
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match=f"the saved state of a FlexibleLossScheduler cannot be loaded: .*{message}"):
        scheduler.load_state_dict(former(**changes))
    assert scheduler.state_dict() == before


def test_a_part_that_is_missing() -> None:
    state = former()
    del state["epochs_since_improvement"]
    with pytest.raises(ValueError, match=r"cannot be loaded: KeyError.'epochs_since_improvement'"):
        sl.LossScheduler(CONFIG).load_state_dict(state)


def test_what_it_did_not_have() -> None:
    curved = sl.SchedulerConfig.from_dict({**SETTINGS, "transition_schedule": "cosine"})
    with pytest.raises(ValueError, match="it moved linearly, got transition_schedule 'cosine'"):
        sl.LossScheduler(curved).load_state_dict(former(config=None))
    second = sl.SchedulerConfig(
        source="spectrum_error",
        target="gradient_error",
        initial_weight_source=0.7,
        final_weight_source=0.4,
        final_weight_target=0.3,
    )
    with pytest.raises(ValueError, match="knew one transition, and this chain has 2"):
        sl.LossScheduler(sl.SchedulerChain([CONFIG, second])).load_state_dict(former())
