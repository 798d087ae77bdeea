"""Settings of the scheduler: what is refused and how it is said, and that they survive every way of writing them."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses import SchedulerChain, SchedulerConfig, load_config
from spectral_losses.scheduler import PRESETS
from spectral_losses.testing import scheduler_chains, scheduler_configs

SECOND = {
    "source": "spectrum_error",
    "target": "gradient_error",
    "initial_weight_source": 0.7,
    "final_weight_source": 0.4,
    "final_weight_target": 0.3,
}
# What SchedulerParams.asDict() returned.
FORMER = {
    "enabled": True,
    "source_loss": "lsim",
    "target_loss": "field_error",
    "source_components": {"recLSIM": True, "predLSIM": False},
    "target_components": {"recFieldError": True, "predFieldError": True},
    "static_components": {"regDiv": 0.1},
    "initial_weight_source": 1.0,
    "initial_weight_target": 0.0,
    "final_weight_source": 0.3,
    "final_weight_target": 0.7,
    "max_weight_target": 0.8,
    "adaptation_trigger": "increase",
    "patience": 4,
    "min_delta": 0.002,
    "transition_step": 0.2,
    "adaptive_step": False,
    "min_epochs_before_adapt": 3,
    "warmup_epochs": 2,
    "max_consecutive_adaptations": 7,
    "transition_schedule": "cosine",
    "monitor_metric": "target_loss",
    "use_ema": False,
    "ema_beta": 0.5,
}


def test_defaults() -> None:
    c = SchedulerConfig()
    assert (c.source, c.target, c.monitor) == ("field_error", "spectrum_error", "spectrum_error")
    assert (c.source_components, c.target_components) == (("field_error",), ("spectrum_error",))
    assert c.static_components == {}
    assert (c.initial_weight_source, c.initial_weight_target) == (1.0, 0.0)
    assert (c.final_weight_source, c.final_weight_target, c.max_weight_target) == (0.3, 0.7, None)
    assert (c.trigger, c.patience, c.min_delta, c.min_delta_mode, c.cooldown) == ("plateau", 5, 0.01, "relative", 0)
    assert (c.transition_step, c.adaptive_step, c.transition_schedule) == (None, True, "linear")
    assert (c.min_epochs_before_adapt, c.warmup_epochs, c.max_consecutive_adaptations) == (0, 15, None)
    assert (c.enabled, c.mode, c.use_ema, c.ema_beta, c.missing) == (True, "min", True, 0.9, "raise")
    assert (c.guard, c.tolerance) == (None, None)


def test_the_defaults_of_the_original() -> None:
    c = SchedulerConfig.preset("original")
    assert (c.source, c.target, c.monitor) == ("field_error", "spectrum_error", "spectrum_error")
    assert (c.source_components, c.target_components) == (("recFieldError", "predFieldError"), ("spectrumError",))
    assert (c.final_weight_source, c.final_weight_target, c.max_weight_target) == (0.3, 0.7, 0.8)
    assert (c.trigger, c.patience, c.min_delta, c.min_delta_mode, c.cooldown) == ("plateau", 5, 1e-3, "absolute", 0)
    assert (c.transition_step, c.adaptive_step, c.transition_schedule) == (0.1, True, "linear")
    assert (c.min_epochs_before_adapt, c.warmup_epochs, c.max_consecutive_adaptations) == (10, 5, 10)
    assert SchedulerConfig.preset("original", source="mse").source_components == ("mse",)
    assert SchedulerConfig.preset("original", source_components=["a"]).source_components == ("a",)


def test_the_monitor_follows_the_target() -> None:
    assert SchedulerConfig(target="log_spectral_distance").monitor == "log_spectral_distance"
    assert SchedulerConfig(target="log_spectral_distance", monitor="field_error").monitor == "field_error"


# Triggers as classes


@pytest.mark.parametrize(
    ("trigger", "flat"),
    [
        (sl.Plateau(), {}),
        (sl.Plateau(3, min_delta=0.1, use_ema=False), {"patience": 3, "min_delta": 0.1, "use_ema": False}),
        (sl.Increase(ema_beta=0.5), {"trigger": "increase", "ema_beta": 0.5}),
        (sl.AtEpochs([20, 30]), {"trigger": "epoch", "milestones": [20, 30]}),
        (sl.AtEpochs(interval=4), {"trigger": "epoch", "interval": 4}),
        (sl.AtEpochs(ramp=(3, 9)), {"trigger": "epoch", "ramp": [3, 9]}),
        (sl.Auto(), {"trigger": "auto"}),
    ],
)
def test_a_trigger_is_the_settings_that_it_holds(trigger: Any, flat: dict[str, Any]) -> None:
    config = SchedulerConfig(trigger=trigger)
    assert config == SchedulerConfig(**flat)
    assert config.trigger == trigger.name
    assert SchedulerConfig.from_toml(config.to_toml()) == config
    assert dataclasses.replace(SchedulerConfig(), trigger=sl.Auto(), warmup_epochs=0).trigger == "auto"


def test_a_trigger_takes_the_place_of_a_presets() -> None:
    c = SchedulerConfig.preset("tra", trigger=sl.Plateau(9))
    assert (c.patience, c.max_weight_target) == (9, 0.9)
    assert SchedulerConfig.preset("inc", trigger=sl.Plateau(min_delta=0.1)).patience == 8
    c = SchedulerConfig.preset("original", trigger=sl.Auto())
    assert (c.trigger, c.source_components) == ("auto", ("recFieldError", "predFieldError"))
    for trigger, flat in (
        (sl.Plateau(9), {"trigger": "plateau", "patience": 9}),
        (sl.AtEpochs(ramp=(2, 5)), {"trigger": "epoch", "ramp": (2, 5)}),
        (sl.AtEpochs([20]), {"trigger": "epoch", "milestones": [20]}),
        (sl.Increase(), {"trigger": "increase"}),
    ):
        assert SchedulerConfig.preset("original", trigger=trigger) == SchedulerConfig.preset("original", **flat)
    assert hash(sl.AtEpochs([30, 60])) == hash(sl.AtEpochs((30, 60)))
    assert SchedulerConfig(trigger=sl.AtEpochs([20]), milestones=(20,)).milestones == (20,)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"trigger": sl.Plateau(3), "patience": 7},
            ValueError,
            r"patience is given twice, as 7 and in trigger Plateau\(patience=3",
        ),
        ({"trigger": sl.Plateau(-1)}, ValueError, "patience must be at least 0, got -1"),
        ({"trigger": sl.Plateau}, TypeError, r"got the class Plateau: call it, as Plateau\(\)"),
        ({"trigger": sl.AtEpochs()}, ValueError, "takes one of milestones, interval and ramp, got none"),
        ({"trigger": "linear"}, ValueError, r"got 'linear': weights that go evenly .* trigger='epoch', ramp="),
        ({"trigger": "ramp"}, ValueError, r"got 'ramp': weights that go evenly .* trigger='epoch', ramp="),
    ],
)
def test_contradictory_triggers(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SchedulerConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"trigger": "increase", "patience": 7}, "patience"),
        ({"trigger": "epoch", "interval": 5, "patience": 7}, "patience"),
        ({"trigger": "epoch", "ramp": (2, 5), "patience": 7}, "patience"),
        ({"trigger": "epoch", "ramp": (2, 5), "warmup_epochs": 7}, "warmup_epochs"),
        ({"trigger": "epoch", "ramp": (2, 5), "min_epochs_before_adapt": 7}, "min_epochs_before_adapt"),
        ({"trigger": "epoch", "ramp": (2, 5), "min_delta": 0.2}, "min_delta"),
        ({"trigger": "epoch", "ramp": (2, 5), "transition_step": 0.2}, "transition_step"),
        ({"trigger": "epoch", "ramp": (2, 5), "max_consecutive_adaptations": 3}, "max_consecutive_adaptations"),
        ({"trigger": "epoch", "interval": 5, "guard": "field_error"}, "guard"),
        ({"trigger": "auto", "min_delta": 0.2}, "min_delta"),
        ({"trigger": "auto", "max_consecutive_adaptations": 3}, "max_consecutive_adaptations"),
    ],
)
def test_what_a_trigger_makes_nothing_of_is_refused(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no use with "):
        SchedulerConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guard": "field_error", "ramp": (2, 5)}, "guard must not stand beside a ramp, .* got 'field_error'"),
        ({"tolerance": 0.1}, "tolerance is of a guard, and there is none, got 0.1"),
        ({"guard": "field_error", "tolerance": 0}, "tolerance must be above 0, got 0"),
        ({"guard": ""}, "guard must be a name, got an empty string"),
    ],
)
def test_guards_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SchedulerConfig(**settings)


def test_a_guard_is_of_the_last_stage() -> None:
    guarded = SchedulerConfig(guard="field_error")
    with pytest.raises(ValueError, match="stage 1 must have no guard, got 'field_error'"):
        SchedulerChain([guarded, SchedulerConfig(**SECOND)])
    SchedulerChain([SchedulerConfig(), SchedulerConfig(**SECOND, guard="field_error")])


def test_a_loss_of_any_name_is_its_own_component() -> None:
    c = SchedulerConfig(source="mse", target="gradient_error")
    assert (c.source_components, c.target_components) == (("mse",), ("gradient_error",))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"enabled": 1}, TypeError, "enabled must be True or False, got 1"),
        ({"source": 3}, TypeError, "source must be a string, got 3"),
        ({"monitor": ""}, ValueError, "monitor must be a name, got an empty string"),
        ({"source_components": 3}, TypeError, "source_components must be a sequence of names, got 3"),
        ({"source_components": [3]}, TypeError, "source_components must be a string, got 3"),
        ({"source_components": {"a": 1}}, TypeError, r"source_components\['a'\] must be True or False, got 1"),
        ({"source_components": {"a": False}}, ValueError, "source_components must use a component, got {'a': False}"),
        ({"static_components": ["a"]}, TypeError, "static_components must map names to weights"),
        (
            {"static_components": {"a": -1}},
            ValueError,
            r"static_components\['a'\] must be finite and at least 0, got -1",
        ),
        ({"initial_weight_source": float("nan")}, ValueError, "initial_weight_source must be finite .*got nan"),
        ({"final_weight_source": float("inf")}, ValueError, "final_weight_source must be finite .*got inf"),
        ({"final_weight_target": "0.7"}, TypeError, "final_weight_target must be a number, got '0.7'"),
        ({"final_weight_target": True}, TypeError, "final_weight_target must be a number, got True"),
        ({"final_weight_target": 10**400}, ValueError, "final_weight_target must be finite"),
        ({"max_weight_target": 0}, ValueError, "max_weight_target must be above 0, got 0"),
        ({"trigger": "platoe"}, ValueError, "trigger must be one of 'plateau'.*got 'platoe', did you mean 'plateau'"),
        ({"mode": None}, TypeError, "mode must be a string, got None"),
        ({"min_delta_mode": "rel"}, ValueError, "min_delta_mode must be one of 'absolute', 'relative', got 'rel'"),
        ({"transition_schedule": "cosin"}, ValueError, "did you mean 'cosine'"),
        ({"missing": "skip"}, ValueError, "missing must be one of 'raise', 'hold', got 'skip'"),
        ({"patience": -1}, ValueError, "patience must be at least 0, got -1"),
        ({"patience": 2.0}, TypeError, "patience must be an integer, got 2.0"),
        ({"patience": True}, TypeError, "patience must be an integer, got True"),
        ({"cooldown": "1"}, TypeError, "cooldown must be an integer, got '1'"),
        ({"warmup_epochs": -2}, ValueError, "warmup_epochs must be at least 0, got -2"),
        ({"max_consecutive_adaptations": 0}, ValueError, "max_consecutive_adaptations must be at least 1, got 0"),
        ({"min_delta": -0.1}, ValueError, "min_delta must be finite and at least 0, got -0.1"),
        ({"transition_step": 0.0}, ValueError, "transition_step must be above 0, got 0.0"),
        ({"ema_beta": 1.0}, ValueError, r"ema_beta must lie in \[0, 1\), got 1.0"),
        ({"ema_beta": -0.1}, ValueError, "ema_beta must be finite and at least 0, got -0.1"),
        ({"milestones": 5}, TypeError, "milestones must be a sequence of epochs, got 5"),
        ({"trigger": "epoch", "milestones": [30, 20]}, ValueError, r"milestones must increase, got \[30, 20\]"),
        ({"trigger": "epoch", "milestones": [20, 20]}, ValueError, r"milestones must increase, got \[20, 20\]"),
        ({"trigger": "epoch", "milestones": [20.5]}, TypeError, "milestones must be an integer, got 20.5"),
        ({"trigger": "epoch", "interval": 0}, ValueError, "interval must be at least 1, got 0"),
        # Contradictions
        (
            {"initial_weight_target": 0.9, "max_weight_target": 0.8},
            ValueError,
            "initial_weight_target must not exceed max_weight_target, got 0.9",
        ),
        ({"source": "mse", "target": "mse"}, ValueError, "source and target must be two losses, got 'mse'"),
        (
            {"source_components": ["a"], "target_components": ["b", "a"]},
            ValueError,
            "source_components and target_components must not share a name, got 'a'",
        ),
        (
            {"static_components": {"spectrum_error": 0.5}},
            ValueError,
            "static_components and target_components must not share a name, got 'spectrum_error'",
        ),
        (
            {"static_components": {"field_error": 0.5}},
            ValueError,
            "static_components and source_components must not share a name, got 'field_error'",
        ),
        (
            {
                "initial_weight_source": 0.2,
                "final_weight_source": 0.1,
                "final_weight_target": 0.9,
                "max_weight_target": 0.5,
            },
            ValueError,
            "got 0.9 and 0.5: the 0.4 cut off would .*its initial weight 0.2 and its final weight 0.1",
        ),
        (
            {"transition_step": 1e-12},
            ValueError,
            "a step must be at least 1e-9 of the way of 0.7, got transition_step 1e-12",
        ),
        (
            {"final_weight_target": 1e20, "max_weight_target": 1e20, "transition_step": 1e12},
            ValueError,
            "a step must be at least 1e-9 of the way of 1e.20, got transition_step 1000000000000.0",
        ),
        ({"interval": 5}, ValueError, "interval has no use with trigger 'plateau', got 5 .it is for 'epoch'"),
        ({"milestones": [20]}, ValueError, "milestones has no use with trigger 'plateau', .* .it is for 'epoch'"),
        ({"trigger": "epoch"}, ValueError, "trigger 'epoch' takes one of milestones, interval and ramp, got none"),
        (
            {"trigger": "epoch", "milestones": [20], "interval": 3},
            ValueError,
            "one of milestones, interval and ramp, got milestones and interval",
        ),
        (
            {"trigger": "epoch", "interval": 3, "cooldown": 1},
            ValueError,
            "cooldown has no use with trigger 'epoch', got 1",
        ),
        (
            {"trigger": "epoch", "milestones": [14, 20]},
            ValueError,
            "milestones must not lie in the warm-up, got 14 and a warm-up of 15 epochs",
        ),
    ],
)
def test_errors_name_the_field_the_value_and_what_is_allowed(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SchedulerConfig(**settings)
    with pytest.raises(error, match=message):
        SchedulerConfig.from_dict(settings)


def test_limits_are_allowed() -> None:
    SchedulerConfig(initial_weight_target=0.8, final_weight_target=0.0)
    SchedulerConfig(final_weight_target=0.9, final_weight_source=0.1, max_weight_target=0.5)  # the source ends at 0.5
    SchedulerConfig(ema_beta=0.0, patience=0, min_delta=0, cooldown=0, warmup_epochs=0, min_epochs_before_adapt=0)
    SchedulerConfig(trigger="epoch", milestones=[15])
    SchedulerConfig(final_weight_source=1.0, final_weight_target=0.0)  # finished from the start
    SchedulerConfig(final_weight_target=100.0)  # there is no cap but what is given
    SchedulerConfig(final_weight_target=0.0)  # the source moves alone


def test_numbers_of_other_types_become_plain() -> None:
    c = SchedulerConfig(min_delta=Fraction(1, 4), final_weight_source=0, final_weight_target=1, max_weight_target=1)
    assert (type(c.min_delta), c.min_delta, type(c.final_weight_source)) == (float, 0.25, float)
    np = pytest.importorskip("numpy")
    c = SchedulerConfig(patience=np.int64(3), min_delta=np.float32(0.5))
    assert (type(c.patience), type(c.min_delta)) == (int, float)
    json.dumps(c.to_dict())


def test_sets_have_one_order() -> None:
    assert SchedulerConfig(source_components={"c", "a", "b"}).source_components == ("a", "b", "c")
    assert SchedulerConfig(trigger="epoch", milestones={40, 20, 100}).milestones == (20, 40, 100)


def test_it_is_frozen_keyword_only_and_hashable() -> None:
    mutable = {"a": 0.1}
    c = SchedulerConfig(static_components=mutable)
    mutable["a"] = 0.2
    assert c.static_components == {"a": 0.1}
    with pytest.raises(dataclasses.FrozenInstanceError):
        c.patience = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        c.static_components["a"] = 0.3  # type: ignore[index]
    with pytest.raises(TypeError):
        SchedulerConfig(True)  # type: ignore[misc]
    assert hash(c) == hash(SchedulerConfig(static_components={"a": 0.1}))
    assert c == pickle.loads(pickle.dumps(c)) == copy.deepcopy(c)
    assert repr(c).startswith("SchedulerConfig(enabled=True, ")
    assert dataclasses.replace(c, patience=9).patience == 9


@given(scheduler_configs() | scheduler_chains())
def test_it_survives_every_way_of_writing(config: SchedulerConfig | SchedulerChain) -> None:
    kind = type(config)
    assert kind.from_dict(config.to_dict()) == config
    assert kind.from_json(config.to_json()) == config
    assert kind.from_toml(config.to_toml()) == config
    assert hash(kind.from_toml(config.to_toml())) == hash(config)
    assert json.loads(json.dumps(config.to_dict(), allow_nan=False)) == config.to_dict()


@example("a\x7fb")
@given(st.text(min_size=1).filter(lambda s: s.isprintable() or s.isascii()))
def test_any_name_survives(name: str) -> None:
    c = SchedulerConfig(source=f"a {name}", monitor=name, static_components={f"b {name}": 0.1})
    assert SchedulerConfig.from_toml(c.to_toml()) == SchedulerConfig.from_json(c.to_json()) == c


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patiense": 3}, "'patiense' is not known, did you mean 'patience'"),
        ({"monitor_metrics": "x"}, "'monitor_metrics' is not known, did you mean 'monitor_metric'"),
        ({"zzz": 3}, "'zzz' is not known; there are 'enabled', "),
        ({"source_loss": "a", "source": "b"}, "source is given twice, as 'source' too"),
        ({"stages": []}, "'stages' is not known"),
    ],
)
def test_unknown_keys(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SchedulerConfig.from_dict(settings)


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    expected = {
        "tra": (0.2, 0.8, 0.9, 3),
        "iso": (0.3, 0.7, 0.8, 5),
        "inc": (0.5, 0.5, 0.6, 8),
    }
    if name == "original":
        return
    c = SchedulerConfig.preset(name)
    assert (c.final_weight_source, c.final_weight_target, c.max_weight_target, c.patience) == expected[name]
    assert SchedulerConfig.preset(name, patience=1).patience == 1
    assert set(PRESETS) == {*expected, "original"}
    own = dict.fromkeys(PRESETS[name])
    rest = {key: value for key, value in c.to_dict().items() if key not in own}
    assert rest == {key: value for key, value in SchedulerConfig().to_dict().items() if key not in own}


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match="preset must be one of 'tra', 'iso', 'inc', 'original', got 'isotropic'"):
        SchedulerConfig.preset("isotropic")


def test_files(tmp_path: Path) -> None:
    single, chain = SchedulerConfig(patience=3), SchedulerChain([SchedulerConfig(), SchedulerConfig(**SECOND)])
    for config in (single, chain):
        (tmp_path / "a.toml").write_text(config.to_toml())
        (tmp_path / "a.json").write_text(config.to_json())
        assert load_config(tmp_path / "a.toml") == load_config(str(tmp_path / "a.json")) == config
        (tmp_path / "a.toml").write_text("\ufeff" + config.to_toml(), encoding="utf-8")
        assert load_config(tmp_path / "a.toml") == config
    with pytest.raises(ValueError, match=r"path must end in \.toml or \.json, got '.*a\.yaml'"):
        load_config(tmp_path / "a.yaml")
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(TypeError, match="the JSON must be a table of settings by name, got list"):
        load_config(tmp_path / "a.json")
    (tmp_path / "a.toml").write_text("patience = = 3")
    with pytest.raises(ValueError, match="line 1"):
        load_config(tmp_path / "a.toml")


# Chains


def test_a_chain_goes_on_from_where_it_is() -> None:
    chain = SchedulerChain([SchedulerConfig(), SchedulerConfig(**SECOND)])
    assert [stage.target for stage in chain.stages] == ["spectrum_error", "gradient_error"]
    capped = SchedulerConfig(max_weight_target=0.6)  # ends with 0.4 and 0.6
    SchedulerChain([capped, SchedulerConfig(**{**SECOND, "initial_weight_source": 0.6})])
    # Back to the first loss, from the weight at which it was left.
    back = {"source": "spectrum_error", "target": "field_error", "initial_weight_source": 0.7}
    ends = {
        "initial_weight_target": 0.3,
        "final_weight_source": 0.0,
        "final_weight_target": 1.0,
        "max_weight_target": 1.0,
    }
    SchedulerChain([SchedulerConfig(), SchedulerConfig(**back, **ends)])


@pytest.mark.parametrize(
    ("stages", "error", "message"),
    [
        ([], ValueError, "at least one SchedulerConfig, got none"),
        (3, TypeError, "stages must be a sequence of SchedulerConfig, got 3"),
        (SchedulerConfig(), TypeError, "stages must be a sequence of SchedulerConfig"),
        ([SchedulerConfig(), {"patience": 3}], TypeError, "stage 2 must be a SchedulerConfig, got dict"),
        (
            [SchedulerConfig(), SchedulerConfig(**{**SECOND, "initial_weight_source": 1.0})],
            ValueError,
            "stage 2 must go on .*'spectrum_error' is left at 0.7, got initial_weight_source 1.0",
        ),
        (
            [SchedulerConfig(), SchedulerConfig(**SECOND, enabled=False)],
            ValueError,
            "enabled must be the same in all stages",
        ),
        (
            [
                SchedulerConfig(static_components={"a": 0.1}),
                SchedulerConfig(**SECOND, static_components={"a": 0.2}),
            ],
            ValueError,
            "'a' must have one weight in all stages, got 0.1 and in stage 2 0.2",
        ),
        (
            [SchedulerConfig(), SchedulerConfig(**SECOND, static_components={"field_error": 0.3})],
            ValueError,
            "'field_error' is scheduled by a stage",
        ),
        (
            [SchedulerConfig(trigger="epoch", milestones=[20, 30]), SchedulerConfig(**SECOND)],
            ValueError,
            "stage 1 has gone 27% of its way after its 2 milestones, so that stage 2 would never begin",
        ),
    ],
)
def test_chain_errors(stages: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SchedulerChain(stages)


def test_chain_from_dict_errors_name_the_stage() -> None:
    with pytest.raises(ValueError, match="stage 2: patience must be at least 0, got -3"):
        SchedulerChain.from_dict({"stages": [{}, {"patience": -3}]})
    with pytest.raises(ValueError, match="setting 'stage' is not known, did you mean 'stages'"):
        SchedulerChain.from_dict({"stage": []})
    with pytest.raises(TypeError, match="stage 1: settings must be a table of settings by name, got int"):
        SchedulerChain.from_dict({"stages": [3]})
    with pytest.raises(TypeError, match="stages must be a list of tables, got 3"):
        SchedulerChain.from_dict({"stages": 3})


# Settings of earlier code


def test_former_dictionaries_are_read_as_they_are() -> None:
    c = SchedulerConfig.from_dict(FORMER)
    assert (c.source, c.target, c.trigger, c.monitor) == ("lsim", "field_error", "increase", "field_error")
    assert (c.source_components, c.target_components) == (("recLSIM",), ("recFieldError", "predFieldError"))
    assert c.static_components == {"regDiv": 0.1}
    assert c.patience == SchedulerConfig.patience  # of which "increase" makes nothing
    same = set(FORMER) - {"source_loss", "target_loss", "adaptation_trigger", "monitor_metric", "patience"}
    for name in same - {"source_components", "target_components"}:
        assert getattr(c, name) == FORMER[name]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [("target_loss", "field_error"), ("source_loss", "lsim"), ("val_loss", "val_loss"), ("lsim", "lsim")],
)
def test_former_roles_of_the_metric(metric: str, expected: str) -> None:
    assert SchedulerConfig.from_dict({**FORMER, "monitor_metric": metric}).monitor == expected


@pytest.mark.parametrize("mark", [{"source_loss": "field_error"}, {"source_components": {"a": True}}])
def test_what_a_former_dictionary_does_not_say_is_as_it_was(mark: dict[str, Any]) -> None:
    c, original = SchedulerConfig.from_dict({**mark, "patience": 8}), SchedulerConfig.preset("original", patience=8)
    assert dataclasses.replace(c, source_components=original.source_components) == original
    assert SchedulerConfig.from_dict({"patience": 8}) == SchedulerConfig(patience=8)


def test_of_former_dictionaries_only_former_settings_are_dropped() -> None:
    former = {"monitor_metric": "target_loss", "patience": 8}
    assert SchedulerConfig.from_dict({**former, "trigger": "increase"}).patience == SchedulerConfig.patience
    for name, value in (("interval", 5), ("milestones", [20])):
        with pytest.raises(ValueError, match=f"{name} has no use with trigger 'plateau'"):
            SchedulerConfig.from_dict({**former, name: value})
    for name, value in (("guard", "field_error"), ("cooldown", 3)):
        with pytest.raises(ValueError, match=f"{name} has no use with trigger 'epoch'"):
            SchedulerConfig.from_dict({**former, "trigger": "epoch", "interval": 5, name: value})
    ramp = SchedulerConfig.from_dict({**former, "trigger": "epoch", "ramp": [2, 5]})
    assert (ramp.ramp, ramp.warmup_epochs) == ((2, 5), 0)


def test_a_role_is_a_role_under_its_former_name_alone() -> None:
    assert SchedulerConfig.from_dict({"monitor": "target_loss"}).monitor == "target_loss"
    assert SchedulerConfig.from_dict({"monitor_metric": "source_loss"}).monitor == "field_error"


def test_former_components_none() -> None:
    none = {"source_components": None, "target_components": None, "static_components": None}
    assert SchedulerConfig.from_dict(none) == SchedulerConfig()


def test_renamed_components_warn_where_they_were_written() -> None:
    with pytest.warns(DeprecationWarning, match="'recMSE' is now called 'recFieldError'") as caught:
        c = SchedulerConfig(source_components=["recMSE", "recFieldError"], static_components={"x": 1})
    assert c.source_components == ("recFieldError",)
    assert [w.filename for w in caught] == [__file__]
    with pytest.warns(DeprecationWarning, match="'predMSE' is now called 'predFieldError'") as caught:
        c = SchedulerConfig.from_dict({**FORMER, "static_components": {"predMSE": 0.1}, "target_components": ["c"]})
    assert c.static_components == {"predFieldError": 0.1}
    assert [w.filename for w in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="static_components holds 'recFieldError' under two names"):
            SchedulerConfig(static_components={"recMSE": 1, "recFieldError": 2}, source_components=["a"])


@pytest.mark.parametrize("count", ["patience", "cooldown", "interval", "warmup_epochs", "milestones"])
@pytest.mark.parametrize("number", [10**300 + 1, 10**5000, -(10**5000)], ids=["large", "larger", "negative"])
def test_counts_that_no_file_could_hold(count: str, number: int) -> None:
    value = [number] if count == "milestones" else number
    with pytest.raises(ValueError, match=rf"{count} must be at most 1e\+300, got an integer of \d+ bits"):
        SchedulerConfig(**{count: value})  # type: ignore[arg-type]


def test_a_number_beyond_all_floats() -> None:
    with pytest.raises(ValueError, match="min_delta must be finite and at least 0, got a number beyond all floats"):
        SchedulerConfig(min_delta=10**5000)


@pytest.mark.parametrize(
    "settings",
    [
        {"monitor": "a\ud800"},
        {"source": "\udfff"},
        {"target_components": ["a", "\ud800"]},
        {"static_components": {"\ud800": 1}},
    ],
)
def test_names_that_no_file_could_hold(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=rf"{name} must be text that can be written to a file, got '.*\\ud"):
        SchedulerConfig(**settings)


def test_names_of_any_other_text(tmp_path: Path) -> None:
    config = SchedulerConfig(monitor="\ud7ff\ue000\U0001f300\x00\x7f")
    (tmp_path / "a.toml").write_text(config.to_toml(), encoding="utf-8")
    assert load_config(tmp_path / "a.toml") == config


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "name", ["patience", "monitor", "trigger", "milestones", "source_components", "static_components", "min_delta"]
)
def test_values_that_are_nested_too_deeply(name: str) -> None:
    for make in (SchedulerConfig.from_dict, lambda settings: SchedulerConfig(**settings)):
        with pytest.raises(ValueError, match=f"{name}: nested too deeply"):
            make({name: nested(100_000)})


def test_stages_that_are_nested_too_deeply() -> None:
    with pytest.raises(ValueError, match="stage 1: patience: nested too deeply"):
        SchedulerChain.from_dict({"stages": [{"patience": nested(100_000)}]})
    with pytest.raises(ValueError, match="settings: nested too deeply"):
        SchedulerChain.from_dict({"stages": {"a": nested(100_000)}})


def test_files_that_are_nested_too_deeply(tmp_path: Path) -> None:
    deep = f"{'[' * 100_000}{']' * 100_000}"
    (tmp_path / "a.json").write_text(f'{{"patience": {deep}}}')
    (tmp_path / "a.toml").write_text(f"patience = {deep}")
    for name in ("a.json", "a.toml"):
        with pytest.raises(ValueError, match="nested too deeply"):
            load_config(tmp_path / name)
    with pytest.raises(ValueError, match="nested too deeply"):
        SchedulerConfig.from_json((tmp_path / "a.json").read_text())
    with pytest.raises(ValueError, match="nested too deeply"):
        SchedulerConfig.from_toml((tmp_path / "a.toml").read_text())
