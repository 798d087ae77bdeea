"""Composite losses as plain data: every option that can be written comes back, and what cannot is refused."""

from __future__ import annotations

import json
import tomllib
from collections import UserDict, UserList
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses, options_of

SHELLS = st.one_of(
    st.sampled_from(["unit", "log"]),
    st.integers(1, 20),
    st.tuples(st.just("log"), st.integers(1, 9)),
    st.lists(st.floats(0.5, 9), min_size=2, max_size=4, unique=True).map(lambda edges: tuple(sorted(edges))),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bins": st.one_of(
        SHELLS,
        st.tuples(st.integers(1, 16), SHELLS).map(lambda drawn: sl.Sectors(*drawn)),
        st.tuples(st.integers(-2, 1), SHELLS).map(lambda drawn: sl.Cylinders(*drawn)),
    ),
    "grid": st.one_of(
        st.none(),
        st.builds(
            sl.Sphere,
            st.sampled_from(["gauss", "cells"]),
            degrees=st.none() | st.integers(1, 30),
            from_south=st.booleans(),
        ),
    ),
    "lengths": st.none() | st.floats(0.1, 9) | st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)),
    "window": st.none() | st.just("hann") | st.tuples(st.none(), st.just("hann")),
    "spatial_axes": st.sampled_from([(-2, -1), (1, 2), -1]),
    "channel_axis": st.sampled_from(["auto", None, -1]),
    "channel_weights": st.none() | st.lists(st.floats(0, 9), min_size=1, max_size=3).map(tuple),
    "channels": st.sampled_from(["separate", "sum", "mean"]),
    "eps": st.floats(0, 1),
    "pool": st.sampled_from([None, 0, (0, 1), "frames"]),
}


@st.composite
def components(draw: st.DrawFn) -> sl.Component:
    name = draw(st.sampled_from(sorted(all_losses())))
    usable = sorted(set(VALUES) & options_of(all_losses()[name]))
    options = {option: draw(VALUES[option]) for option in draw(st.sets(st.sampled_from(usable), max_size=4))}
    ends = st.none() | st.integers(-9, 9)
    frames = draw(
        st.none() | st.integers(-3, 3) | st.builds(slice, ends, ends, st.none() | st.integers(1, 3)),
    )
    loss = draw(st.sampled_from([name, all_losses()[name]]))
    return sl.Component(loss, frames=frames, time_axis=draw(st.sampled_from([1, 0, -3])), **options)


weights = st.floats(-1e9, 1e9)


@given(st.dictionaries(st.text(min_size=1), st.tuples(components(), weights), min_size=1, max_size=3))
def test_round_trip(drawn: dict[str, tuple[sl.Component, float]]) -> None:
    loss = sl.CompositeLoss({n: c for n, (c, _) in drawn.items()}, {n: w for n, (_, w) in drawn.items()})
    written = json.loads(json.dumps(loss.to_dict()))
    for containers in (written, as_config(written)):
        found = sl.CompositeLoss.from_dict(containers)
        assert found.weights == loss.weights
        assert list(found.components) == list(loss.components)
        for name, component in loss.components.items():
            other = found.components[name]
            assert other.function is component.function
            assert (other.frames, other.time_axis) == (component.frames, component.time_axis)
            assert other.options == component.options
            assert [type(o) for o in other.options.values()] == [type(o) for o in component.options.values()]
        assert found.to_dict() == loss.to_dict()


def as_config(value: Any) -> Any:
    """The same in containers that are no dict and no list, as those of OmegaConf are."""
    if isinstance(value, dict):
        return UserDict({key: as_config(each) for key, each in value.items()})
    return UserList(map(as_config, value)) if isinstance(value, list) else value


WRITTEN: dict[str, Any] = {
    "components": {
        "start": {"loss": "field_error", "frames": 0, "channel_weights": [1, 3]},
        "later": {"loss": "spectrum_error", "frames": {"start": 1}, "bins": ["log", 4], "lengths": [3.0, 4.0]},
        "edges": {"loss": "log_spectral_distance", "bins": [0.5, 2, 4], "window": [None, "hann"]},
        "sectors": {"loss": "spectrum_error", "bins": {"Sectors": [4, "unit"]}},
        "globe": {"loss": "spectrum_error", "grid": {"Sphere": ["gauss", 5]}, "spatial_axes": [-2, -1]},
    },
    "weights": {"start": 1, "later": 0.5, "edges": 0.25, "sectors": 2, "globe": 0.125},
}


def test_what_is_written_is_computed() -> None:
    rng = np.random.default_rng(0)
    p, t = rng.normal(size=(2, 3, 4, 2, 12, 16))
    total, parts = sl.CompositeLoss.from_dict(WRITTEN)(p, t)
    expected = {
        "start": sl.field_error(p[:, :1], t[:, :1], channel_weights=[1, 3]),
        "later": sl.spectrum_error(p[:, 1:], t[:, 1:], bins=("log", 4), lengths=(3.0, 4.0)),
        "edges": sl.log_spectral_distance(p, t, bins=[0.5, 2, 4], window=(None, "hann")),
        "sectors": sl.spectrum_error(p, t, bins=sl.Sectors(4)),
        "globe": sl.spectrum_error(p, t, grid=sl.Sphere("gauss", degrees=5)),
    }
    assert {n: float(part) for n, part in parts.items()} == pytest.approx({n: float(e) for n, e in expected.items()})
    assert float(total) == pytest.approx(sum(WRITTEN["weights"][n] * float(e) for n, e in expected.items()), rel=1e-12)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"Sectors": 8}, sl.Sectors(8)),
        ({"Sectors": {"n": 8, "shells": ["log", 3]}}, sl.Sectors(8, ("log", 3))),
        ({"Cylinders": []}, sl.Cylinders()),
        ({"Cylinders": {}}, sl.Cylinders()),
        ({"Cylinders": {"axis": 0, "parallel": 4}}, sl.Cylinders(0, parallel=4)),
        ({"Sphere": "cells"}, sl.Sphere("cells")),
        ({"Sphere": {"latitudes": "gauss", "degrees": 21}}, sl.Sphere("gauss", degrees=21)),
        ({"Sphere": {"latitudes": [60, 0, -60]}}, sl.Sphere(np.array([60, 0, -60]))),
        ({"Sphere": ["cells", None, True]}, sl.Sphere("cells", from_south=True)),
    ],
)
def test_short_forms_of_objects(written: Any, meant: Any) -> None:
    option = "grid" if "Sphere" in written else "bins"
    component = sl.Component.from_dict({"loss": "spectrum_error", option: written})
    assert component.options == {option: meant}


def test_a_sphere_of_latitudes_is_written_by_name_and_where_they_begin() -> None:
    for degrees in (None, 3):
        for end, said in ((90, [degrees]), (-90, [degrees, True])):
            component = sl.Component("spectrum_error", grid=sl.Sphere(np.linspace(end, -end, 9), degrees=degrees))
            written = component.to_dict()
            assert written["grid"] == {"Sphere": ["equiangular", *said]}
            grid = sl.Component.from_dict(written).options["grid"]
            assert grid == sl.Sphere("equiangular", degrees=degrees, from_south=end < 0)


def test_arrays_are_written_as_lists() -> None:
    options = {"channel_weights": np.array([1.0, 2.0]), "bins": np.array([0.5, 2.5]), "eps": np.float32(0.5)}
    written = sl.Component("spectrum_error", **options).to_dict()
    assert written == {"loss": "spectrum_error", "channel_weights": [1.0, 2.0], "bins": [0.5, 2.5], "eps": 0.5}
    assert type(written["eps"]) is float


def test_a_name_alone_and_weights_by_default() -> None:
    loss = sl.CompositeLoss.from_dict({"components": {"a": "field_error"}})
    assert loss.weights == {"a": 1.0}
    assert loss.to_dict() == {"components": {"a": {"loss": "field_error"}}, "weights": {"a": 1.0}}
    assert sl.CompositeLoss.from_dict({"components": {"a": "field_error"}, "weights": None}).weights == {"a": 1.0}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"component": {}}, ValueError, "key 'component' is not known, did you mean 'components'"),
        ({}, ValueError, "components must hold at least one loss"),
        ([], TypeError, "settings must be a table by name, got list"),
        ({"components": ["a"]}, TypeError, "components must be a table by name, got list"),
        ({"components": {"a": 3}}, TypeError, "component 'a': settings must be a table by name, got int"),
        ({"components": {"a": {}}}, ValueError, "component 'a': loss must be the name of a loss, got None"),
        ({"components": {"a": "field_eror"}}, ValueError, "component 'a': loss 'field_eror' is not known, did"),
        (
            {"components": {"a": {"loss": "field_error", "frame": 1}}},
            ValueError,
            "component 'a': field_error: key 'frame' is not known, did you mean 'frames'",
        ),
        (
            {"components": {"a": {"loss": "field_error", "frames": "1:"}}},
            TypeError,
            "component 'a': frames must be an int or a table of start, stop, step, got '1:'",
        ),
        (
            {"components": {"a": {"loss": "field_error", "frames": {"begin": 1}}}},
            ValueError,
            "component 'a': frames: 'begin' is not known",
        ),
        (
            {"components": {"a": {"loss": "field_error", "frames": {"start": "1"}}}},
            TypeError,
            "component 'a': frames: start must be an integer, got '1'",
        ),
        (
            {"components": {"a": {"loss": "spectrum_error", "bins": {"Sector": 8}}}},
            ValueError,
            "component 'a': bins: a table must be one of 'Cylinders', 'Sectors', 'Sphere', got .*mean 'Sectors'",
        ),
        (
            {"components": {"a": {"loss": "spectrum_error", "bins": {"Sectors": [8, "unit", 1]}}}},
            ValueError,
            "component 'a': bins: Sectors takes n, shells, got 3 values",
        ),
        (
            {"components": {"a": {"loss": "spectrum_error", "bins": {"Sectors": {"m": 8}}}}},
            ValueError,
            "component 'a': bins: Sectors: 'm' is not known",
        ),
        (
            {"components": {"a": {"loss": "spectrum_error", "grid": {"Sphere": "gaus"}}}},
            ValueError,
            "component 'a': grid: latitudes must be",
        ),
        ({"components": {"a": "field_error"}, "weights": {"b": 1}}, ValueError, "component 'b' is not known"),
        ({"components": {"a": "field_error"}, "weights": {"a": "1"}}, TypeError, "weight 'a' must be a number"),
    ],
)
def test_what_is_refused(settings: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sl.CompositeLoss.from_dict(settings)


def test_what_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="component 'a': a loss must be one of this library to be written, got <funct"):
        sl.CompositeLoss({"a": lambda p, t: p}).to_dict()
    with pytest.raises(TypeError, match="component 'a': option 'mask' cannot be written as plain data, got ndarray"):
        sl.CompositeLoss({"a": sl.Component("field_error", mask=np.ones((4, 4)))}).to_dict()


def test_a_toml_document() -> None:
    text = """
[components]
field = "field_error"
blur = { loss = "spectrum_error", frames = { start = 1 }, bins = { Sectors = [4, "log"] } }
[weights]
field = 1
"""
    loss = sl.CompositeLoss.from_dict(tomllib.loads(text))
    assert loss.components["blur"].options == {"bins": sl.Sectors(4, "log")}
    assert loss.weights == {"field": 1.0, "blur": 0.0}


def test_hydra_instantiates_it() -> None:
    hydra, omegaconf = pytest.importorskip("hydra.utils"), pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"_target_": "spectral_losses.CompositeLoss.from_dict", "settings": WRITTEN})
    assert hydra.instantiate(config).to_dict() == sl.CompositeLoss.from_dict(WRITTEN).to_dict()
    criterion = {"_target_": "spectral_losses.integrations.torch.CompositeCriterion.from_dict", "settings": WRITTEN}
    pytest.importorskip("torch")
    assert hydra.instantiate(omegaconf.OmegaConf.create(criterion)).weights == WRITTEN["weights"]
