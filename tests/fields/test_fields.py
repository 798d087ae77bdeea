"""Every error of the specification, on every backend: what is raised, and that it names what it got."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import FRAMEWORKS, Framework

import spectral_losses as sl

X = np.random.default_rng(3).normal(size=(2, 3, 8, 6))


def both(framework: Framework, p: Any, t: Any, **options: Any) -> list[Exception]:
    """What the two losses raise."""
    raised = []
    for loss in (sl.field_error, sl.spectrum_error):
        with pytest.raises((TypeError, ValueError)) as info:
            loss(framework.asarray(p), framework.asarray(t), **options)
        raised.append(info.value)
    return raised


def test_shapes_that_differ(framework: Framework) -> None:
    for error in both(framework, X, X[:1]):
        assert isinstance(error, ValueError)
        assert "(2, 3, 8, 6)" in str(error)
        assert "(1, 3, 8, 6)" in str(error)


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ((-2, 4), "axis 4 is out of range"),
        ((-5, -1), "axis -5 is out of range"),
        ((-1, 3), "must not repeat"),
        ((2, 2), "must not repeat"),
        ((), "one, two or three axes"),
        ((0, 1, 2, 3), "one, two or three axes"),
    ],
)
def test_axes(framework: Framework, axes: Any, words: str) -> None:
    for error in both(framework, X, X, spatial_axes=axes):
        assert isinstance(error, ValueError)
        assert "spatial_axes" in str(error)
        assert words in str(error)


def test_axes_that_are_not_integers(framework: Framework) -> None:
    for error in both(framework, X, X, spatial_axes=("y", "x")):
        assert isinstance(error, TypeError)
        assert "'y'" in str(error)


@pytest.mark.parametrize(
    ("channel", "words"), [(2, "also one of the spatial axes"), (7, "out of range"), ("first", "'first'")]
)
def test_channel_axis(framework: Framework, channel: Any, words: str) -> None:
    x = framework.asarray(X)
    with pytest.raises(ValueError, match=words) as info:
        sl.spectrum_error(x, x, channel_axis=channel)
    assert "channel_axis" in str(info.value)


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64"])
def test_dtypes_that_are_not_real_floating(framework: Framework, dtype: str) -> None:
    for error in both(framework, X.astype(dtype), X.astype(dtype)):
        assert isinstance(error, TypeError)
        assert f"prediction must be real floating (float16, bfloat16, float32 or float64), got {dtype}" in str(error)
    with pytest.raises(TypeError, match=f"target must be real floating.*got {dtype}"):
        sl.spectrum_error(framework.asarray(X), framework.asarray(X.astype(dtype)))
    with pytest.raises(TypeError, match=f"field must be real floating.*got {dtype}"):
        sl.radial_spectrum(framework.asarray(X.astype(dtype)))


def test_things_that_are_not_arrays() -> None:
    for thing in ([[1.0, 2.0]], 3.0, None, "field"):
        with pytest.raises(TypeError, match="prediction must be an array"):
            sl.field_error(thing, X)
        with pytest.raises(TypeError, match="target must be an array"):
            sl.spectrum_error(X, thing)
    masked = np.ma.masked_invalid(X)
    with pytest.raises(TypeError, match="mask="):
        sl.field_error(masked, X)


def test_arrays_of_two_frameworks() -> None:
    made = {}
    for name in ("numpy", "strict", "torch", "jax", "dask"):
        try:
            made[name] = FRAMEWORKS[name]().asarray(X)
        except pytest.skip.Exception:
            continue
    assert len(made) > 1
    for a, x in made.items():
        for b, y in made.items():
            if a == b:
                continue
            for loss in (sl.field_error, sl.spectrum_error):
                with pytest.raises(TypeError, match="one framework") as info:
                    loss(x, y)
                for z in (x, y):
                    assert type(z).__module__.split(".")[0] in str(info.value)
            with pytest.raises(TypeError, match="one framework"):
                sl.field_error(x, x, mask=y[0, 0, ...] > 0)
            with pytest.raises(TypeError, match="one framework"):
                sl.spectrum_error(x, sl.radial_spectrum(y))


@pytest.mark.parametrize("eps", [-1e-8, float("nan"), float("inf")])
def test_eps_out_of_range(framework: Framework, eps: float) -> None:
    for error in both(framework, X, X, eps=eps):
        assert isinstance(error, ValueError)
        assert str(eps) in str(error)


def test_eps_of_another_type(framework: Framework) -> None:
    for error in both(framework, X, X, eps="small"):
        assert isinstance(error, TypeError)
        assert "eps must be a number, got str" in str(error)


def test_a_spatial_axis_too_short(framework: Framework) -> None:
    x = framework.asarray(X[..., :1])
    with pytest.raises(ValueError, match=r"spatial axis 1 of 2 has 1 point.*at least 2"):
        sl.spectrum_error(x, x)
    long = framework.asarray(np.zeros((4, 10)))
    with pytest.raises(ValueError, match=r"spatial axis 1 of 2 has 10 points.*at least 20"):
        sl.radial_spectrum(long, lengths=(1.0, 10.0))


def test_a_shell_without_modes(framework: Framework) -> None:
    x = framework.asarray(X)
    with pytest.raises(ValueError, match=r"shell 1, wavenumbers \(1\.1, 1\.3\], holds no mode of the 8x6 grid"):
        sl.radial_spectrum(x, bins=(0.5, 1.1, 1.3, 3))
    with pytest.raises(ValueError, match="holds no mode"):
        sl.spectrum_error(x, x, bins=50)
    with pytest.raises(ValueError, match=r"shell 0.*holds no mode"):
        sl.spectrum_error(x, x, bins=("log", 12))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"channels": "total"}, ValueError, "'total'"),
        ({"bins": "linear"}, ValueError, "'linear'"),
        ({"bins": 0}, ValueError, "got 0"),
        ({"bins": True}, TypeError, "got True"),
        ({"bins": ("log", 0)}, ValueError, "'log', 0"),
        ({"bins": ("exp", 3)}, ValueError, "'exp', 3"),
        ({"bins": (1.0,)}, ValueError, "at least two"),
        ({"bins": ()}, ValueError, "at least two"),
        ({"bins": (2.0, 1.0)}, ValueError, "increasing"),
        ({"bins": (-1.0, 1.0)}, ValueError, "from 0 up"),
        ({"bins": (0.5, float("nan"))}, ValueError, "increasing"),
        ({"bins": (0.5, float("inf"))}, ValueError, "finite"),
        ({"lengths": (1.0,)}, ValueError, "one value per spatial axis"),
        ({"lengths": (1.0, 0.0)}, ValueError, "positive"),
        ({"lengths": (1.0, float("inf"))}, ValueError, "finite"),
        ({"lengths": -2.0}, ValueError, "positive"),
        ({"window": "kaiser"}, ValueError, "'kaiser'"),
        ({"window": ("hann",)}, ValueError, "one per spatial axis"),
        ({"detrend": "quadratic"}, ValueError, "'quadratic'"),
    ],
)
def test_options(framework: Framework, options: dict[str, Any], error: type[Exception], words: str) -> None:
    x = framework.asarray(X)
    with pytest.raises(error) as info:
        sl.spectrum_error(x, x, **options)
    assert next(iter(options)) in str(info.value)
    assert words in str(info.value)


def test_empty_arrays(framework: Framework) -> None:
    for error in both(framework, X[:0], X[:0]):
        assert isinstance(error, ValueError)
        assert "prediction is empty: its shape is (0, 3, 8, 6)" in str(error)


def test_masks_that_do_not_fit(framework: Framework) -> None:
    x = framework.asarray(X)
    with pytest.raises(ValueError, match=r"mask must have the spatial shape \(8, 6\), got \(6, 8\)"):
        sl.field_error(x, x, mask=framework.asarray(np.ones((6, 8), dtype=bool)))
    with pytest.raises(TypeError, match="mask must be bool or real weights"):
        sl.field_error(x, x, mask=framework.asarray(np.ones((8, 6), dtype=complex)))


def test_arrays_on_two_devices() -> None:
    xp = pytest.importorskip("array_api_strict")
    here, there = xp.asarray(X), xp.asarray(X, device=xp.Device("device1"))
    with pytest.raises(ValueError, match=r"one device.*device1"):
        sl.field_error(here, there)
    assert sl.evaluate(there, there) == {"field_error": 0, "spectrum_error": 0}
