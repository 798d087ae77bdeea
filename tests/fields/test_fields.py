"""Every error of the specification, on every backend: what is raised, and that it names what it got."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
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


class Masked(np.ma.MaskedArray):
    """Some library's own."""


def test_arrays_that_would_compute_something_else() -> None:
    for masked in (np.ma.masked_invalid(X), Masked(X, mask=X > 0)):
        with pytest.raises(TypeError, match="mask="):
            sl.field_error(masked, X)
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.asmatrix(X[0, 0])
    for loss in (sl.field_error, sl.spectrum_error):
        with pytest.raises(TypeError, match=r"target: the operators of a matrix.*np\.asarray"):
            loss(X[0, 0], matrix)


def test_labelled_arrays_hold_one() -> None:
    xarray, pandas = pytest.importorskip("xarray"), pytest.importorskip("pandas")
    with pytest.raises(
        TypeError, match=r"prediction must be an array.*DataArray; spectral_losses\.xarray.*; or pass prediction\.data$"
    ):
        sl.field_error(xarray.DataArray(X), X)
    with pytest.raises(TypeError, match=r"field must be an array.*DataFrame; pass field\.to_numpy\(\)$"):
        sl.radial_spectrum(pandas.DataFrame(X[0, 0]))
    with pytest.raises(
        TypeError, match=r"Dataset; spectral_losses\.xarray has functions[^;]*$"
    ):  # which holds several arrays
        sl.radial_spectrum(xarray.Dataset({"u": (("y", "x"), X[0, 0])}))


def test_dask_arrays_of_unknown_length() -> None:
    da = pytest.importorskip("dask.array")
    x = da.from_array(X, chunks=(1, 3, 8, 6))
    p, t = x[x[:, 0, 0, 0] > -9], x[x[:, 0, 0, 1] > -9]
    for loss in (sl.field_error, sl.spectrum_error):
        for target in (p, t):
            with pytest.raises(ValueError, match=r"known sizes, got \(nan, 3, 8, 6\).*compute_chunk_sizes"):
                loss(p, target)
    counted = p.compute_chunk_sizes(), t.compute_chunk_sizes()
    assert sl.evaluate(*counted) == {"field_error": 0, "spectrum_error": 0}


def test_arrays_of_two_frameworks() -> None:
    made = {}
    for name in ("numpy", "strict", "torch", "jax", "dask"):
        try:
            made[name] = FRAMEWORKS[name]().asarray(X)
        except ImportError:
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


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"eps": np.float32(0.5)}, {"eps": 0.5}),
        ({"eps": np.int64(1)}, {"eps": 1.0}),
        ({"eps": Fraction(1, 4)}, {"eps": 0.25}),
        ({"lengths": np.float32(2.5)}, {"lengths": 2.5}),
        ({"lengths": Fraction(5, 2)}, {"lengths": 2.5}),
        ({"lengths": np.array(2.5)}, {"lengths": 2.5}),
        ({"lengths": (np.int64(2), Fraction(3))}, {"lengths": (2.0, 3.0)}),
        ({"bins": np.int64(2)}, {"bins": 2}),
        ({"bins": ("log", np.int32(2))}, {"bins": ("log", 2)}),
        ({"bins": (Fraction(1, 2), np.float32(2.5))}, {"bins": (0.5, 2.5)}),
        ({"spatial_axes": np.int64(-1)}, {"spatial_axes": -1}),
        ({"spatial_axes": (np.int64(2), np.int64(3))}, {"spatial_axes": (2, 3)}),
        ({"channel_axis": np.int64(0)}, {"channel_axis": 0}),
        ({"pool": np.int64(0)}, {"pool": 0}),
        ({"shell_weights": np.float32(1)}, {"shell_weights": 1.0}),
        ({"channel_weights": np.array([1, 2, 3])}, {"channel_weights": (1.0, 2.0, 3.0)}),
    ],
)
def test_numbers_of_any_kind(given: dict[str, Any], meant: dict[str, Any]) -> None:
    assert float(sl.spectrum_error(X, X + 1 / (1 + X**2), **given)) == float(
        sl.spectrum_error(X, X + 1 / (1 + X**2), **meant)
    )


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"eps": 10**400}, ValueError, "eps must be finite"),
        ({"eps": True}, TypeError, "eps must be a number, got bool"),
        ({"eps": np.array(1e-3)}, TypeError, "eps must be a number, got ndarray"),
        ({"lengths": True}, TypeError, "lengths must be a number, got bool"),
        ({"lengths": "2"}, TypeError, "lengths must be a number or a sequence"),
        ({"lengths": Decimal(2)}, TypeError, "lengths must be a number or a sequence"),
        ({"lengths": {1.0, 2.0}}, TypeError, "lengths must be a number or a sequence"),
        ({"lengths": (1.0, 10**400)}, ValueError, "lengths must be finite"),
        ({"bins": 3.0}, TypeError, "bins must be 'unit'.*got 3.0"),
        ({"bins": None}, TypeError, "bins must be 'unit'.*got None"),
        ({"bins": {0: 1, 2: 3}}, TypeError, "bins must be 'unit'"),
        ({"bins": (0.5, True)}, TypeError, "bins: an edge must be a number, got bool"),
        ({"bins": (0.5, 1e300)}, ValueError, r"bins must be 'unit'.*up to 1e\+100"),
        ({"bins": (0.5, 10**400)}, ValueError, "bins: an edge must be finite"),
        ({"spatial_axes": {2, 3}}, TypeError, "spatial_axes must be integers, one to three"),
        ({"spatial_axes": -1.0}, TypeError, "spatial_axes must be integers, one to three"),
        ({"spatial_axes": None}, TypeError, "spatial_axes must be integers, one to three"),
        ({"pool": {0}}, TypeError, "pool must be None, an axis"),
        ({"window": {"hann", None}}, TypeError, "window must be a name, None or a sequence"),
        ({"shell_weights": 10**400}, ValueError, "shell_weights must be finite"),
        ({"shell_weights": {0: 1}}, TypeError, "shell_weights must be a sequence"),
        ({"channel_weights": 3}, TypeError, "channel_weights must be a sequence"),
        ({"channel_weights": [1, 1, True]}, TypeError, "channel_weights must be a number, got bool"),
        ({"axes": (2, 3)}, TypeError, "spectrum_error: option 'axes' is not known, did you mean 'spatial_axes'"),
        ({"weights": 1}, TypeError, "spectrum_error: option 'weights' is not known, did you mean 'shell_weights'"),
        ({"dim": 1}, TypeError, "spectrum_error: option 'dim' is not known; there are bins, "),
    ],
)
def test_arguments_of_another_kind(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sl.spectrum_error(X, X, **options)


@pytest.mark.parametrize("name", ["reduction", "shell_weights", "norm", "chanels"])
def test_a_spectrum_takes_no_options_of_losses(name: str) -> None:
    with pytest.raises(TypeError, match=f"radial_spectrum: option '{name}' is not known.*; there are bins, "):
        sl.radial_spectrum(X, **{name: None})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "axis", "instead"),
    [
        ((5, 15, 3), None, ""),
        ((5, 16, 16, 2), "axis 3 has 2 points", r"spatial_axes=\(1, 2\) for channels last"),
        ((16, 16, 3), "axis 2 has 3 points", r"spatial_axes=\(0, 1\) for channels last, or 1 in one dimension"),
        ((16, 2), "axis 1 has 2 points", "spatial_axes=0 for one dimension"),
        ((5, 3, 20), "axis 1 has 3 points", "spatial_axes=2 for one dimension"),
        ((5, 16, 4), None, ""),
        ((5, 16, 16, 96), None, ""),
        ((5, 16, 64, 11), None, ""),
        ((5, 32, 32, 5), "axis 3 has 5 points", r"spatial_axes=\(1, 2\) for channels last"),
        ((5, 15, 90), "axis 1 has 15 points", "spatial_axes=2 for one dimension"),
    ],
)
def test_an_axis_of_components_that_is_taken_for_space(shape: tuple[int, ...], axis: str | None, instead: str) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    for call in (lambda **o: sl.field_error(x, x, **o), lambda **o: sl.radial_spectrum(x, **o)):
        if axis is None:
            call()
            continue
        with pytest.warns(UserWarning, match=f"{axis} and is taken for space.*{instead}") as told:
            call()
        assert told[0].filename == __file__
        call()  # once for each shape and set of options
        call(spatial_axes=(-2, -1))  # which says that it is right


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


@pytest.mark.parametrize("kind", ["timedelta64[s]", "<U1", object])
def test_masks_that_are_no_numbers(kind: Any) -> None:
    with pytest.raises(TypeError, match="mask must be bool or real weights"):
        sl.field_error(X, X, mask=np.ones((8, 6)).astype(kind))


def test_weights_without_a_mean() -> None:
    single = X.astype("float32")
    for weight, words in (
        (np.inf, "finite sum in float64, got weights up to inf"),
        (1e308, "finite sum in float64, got weights up to 1e"),
        (np.nan, "weights >= 0, got nan"),
        (-1.0, "weights >= 0, got -1"),
    ):
        with pytest.raises(ValueError, match=f"mask must .*{words}"):
            sl.field_error(X, X, mask=np.full((8, 6), weight))
    for weight, words in ((1e300, "finite sum in float32"), (1e-46, "0 everywhere in float32")):
        with pytest.raises(ValueError, match=f"mask .*{words}"):
            sl.field_error(single, single, mask=np.full((8, 6), weight))
        found = float(sl.field_error(2 * X, X, mask=np.full((8, 6), weight)))
        assert found == pytest.approx(1)
    some = np.ones((2, 1, 8, 6))
    some[1] = 0
    for mask in (some, some > 0):
        with pytest.raises(ValueError, match="0 everywhere in some frame"):
            sl.field_error(X, X, mask=mask)


def test_a_mask_of_one_axis_of_space_is_that_of_the_whole(framework: Framework) -> None:
    weights = np.cos(np.linspace(-1.5, 1.5, 8))[:, None]
    p, t = framework.asarray(X), framework.asarray(np.roll(X, 1))
    narrow, whole = (framework.asarray(w) for w in (weights, np.repeat(weights, 6, axis=1)))
    found, expected = float(sl.field_error(p, t, mask=narrow)), float(sl.field_error(p, t, mask=whole))
    assert found == pytest.approx(expected, rel=1e-12)
    assert expected != pytest.approx(float(sl.field_error(p, t)), rel=1e-3)


def test_arrays_on_two_devices() -> None:
    xp = pytest.importorskip("array_api_strict")
    here, there = xp.asarray(X), xp.asarray(X, device=xp.Device("device1"))
    with pytest.raises(ValueError, match=r"one device.*device1"):
        sl.field_error(here, there)
    assert sl.evaluate(there, there) == {"field_error": 0, "spectrum_error": 0}
