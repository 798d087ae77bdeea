"""What holds for every loss, on every framework: a loss that is registered is tested here, without a line for it."""

from __future__ import annotations

import inspect
import sys
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from frameworks import FRAMEWORKS, Framework, needs, on
from reference import reference_cases, reference_fields

import spectral_losses as sl
from spectral_losses import losses
from spectral_losses.losses.comparison import over_spectra
from spectral_losses.losses.registry import all_losses
from spectral_losses.testing import reference_spectrum, reference_spectrum_error
from spectral_losses_backends import pointwise
from spectral_losses_backends.registry import backend_of
from spectral_losses_backends.text import plain

# One shape throughout: JAX compiles a loss once for it.
RNG = np.random.default_rng(3)
P, T, ALONG = RNG.normal(size=(3, 3, 2, 2, 8, 10))
CASES = reference_cases("catalogue")
LOSSES = all_losses()
PARAMETERS = {name: inspect.signature(loss).parameters for name, loss in LOSSES.items()}


def refuses(error: type[Exception], name: str, *fields: Any, **options: Any) -> bool:
    """Whether a loss raises an error of this kind."""
    try:
        LOSSES[name](*fields, **options)
    except error:
        return True
    return False


# What a loss is like it says itself.
SPECTRAL = [name for name in LOSSES if "bins" in PARAMETERS[name]]
STORED = [name for name in LOSSES if not refuses(TypeError, name, P, sl.radial_spectrum(T))]
OVER_SHELLS = [name for name in SPECTRAL if not refuses(ValueError, name, P, T, shell_weights=0)]
COUPLED = [name for name in LOSSES if LOSSES[name](P, T, reduction="none").shape == (3,)]
POOLED = [name for name in LOSSES if "pool" in PARAMETERS[name]]
QUADRATIC = [name for name in LOSSES if np.isclose(LOSSES[name](3 * P, 3 * T), 9 * LOSSES[name](P, T))]
# Whose weights are not differentiated where they depend on the prediction: differences see them move.
HELD: dict[str, dict[str, Any]] = {"focal_frequency_error": {"alpha": 0.0}}
OBJECTIVES = {name: loss.compare(P, T).objective for name, loss in LOSSES.items()}  # type: ignore[attr-defined]
# The guards of some denominators are relative to all frames at hand: without them each row is by itself.
EXACT: dict[str, dict[str, Any]] = {name: {} if of.floor is None else {"eps": 0.0} for name, of in OBJECTIVES.items()}
GOLDEN: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in LOSSES},
    "sobolev_error(s=1)": ("sobolev_error", {}),
    "sobolev_error(s=-0.5)": ("sobolev_error", {"s": -0.5}),
    "sobolev_error(s=1, seminorm)": ("sobolev_error", {"seminorm": True}),
    "correlation_error(centred=False)": ("correlation_error", {"centred": False}),
    "amplitude_error(bins='modes')": ("amplitude_error", {"bins": "modes"}),
    "wavelet_error(haar, levels=2)": ("wavelet_error", {"levels": 2}),
}
LOOSE = ("log_spectral_distance", "power_ratio_error", "coherence_error")  # which divide by weak shells

every_loss = pytest.mark.parametrize("name", LOSSES)


class Calls(NamedTuple):
    """A loss with some options, and its gradients."""

    value: Any
    by_adjoint: Any
    by_framework: Any
    of_target: Any
    """The last two are None for a framework that does not differentiate."""

    @property
    def gradients(self) -> list[Any]:
        """Every way to the gradient with respect to the prediction."""
        return [self.by_adjoint] if self.by_framework is None else [self.by_adjoint, self.by_framework]


def calls(framework: Framework, name: str, **options: Any) -> Calls:
    """Functions of prediction and target; compiled where each operation would be."""
    return _calls(framework, name, tuple(options.items()))


@cache
def _calls(framework: Framework, name: str, options: tuple[tuple[str, Any], ...]) -> Calls:
    def loss(p: Any, t: Any) -> Any:
        return LOSSES[name](p, t, **dict(options))

    differentiate = framework.gradient
    by_adjoint = framework.compiled(lambda p, t: sl.value_and_grad(name, **dict(options))(p, t)[1])
    if differentiate is None:
        return Calls(framework.compiled(loss), by_adjoint, None, None)
    return Calls(
        framework.compiled(loss),
        by_adjoint,
        framework.compiled(lambda p, t: differentiate(lambda p: loss(p, t), p)),
        framework.compiled(lambda p, t: differentiate(lambda t: loss(p, t), t)),
    )


def both(framework: Framework, dtype: str = "float64") -> tuple[Any, Any]:
    """Prediction and target."""
    p, t = (framework.cast(framework.asarray(x), dtype) for x in (P, T))
    return p, t


def test_the_list_is_the_registry() -> None:
    assert sorted(all_losses()) == sorted(losses.__all__)


# Numbers.


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reference(framework: Framework, case: str, dtype: str) -> None:
    p, t = (framework.asarray(x.astype(dtype)) for x in reference_fields("catalogue", case))
    expected = dict(CASES[case])
    axes = tuple(range(3 - len(expected.pop("shape")), 0))
    wanted: list[tuple[str, dict[str, Any], float]] = []
    for pool, numbers in ({"pool": (0, 1)}, expected.pop("pool over batch and time")), ({}, expected):
        for number, value in numbers.items():
            name, options = GOLDEN[number]
            wanted.append((name, {**pool, **options}, value))

    def all_of_them(p: Any, t: Any) -> list[Any]:
        return [LOSSES[name](p, t, spatial_axes=axes, **options) for name, options, _ in wanted]

    for (name, options, value), found in zip(wanted, framework.compiled(all_of_them)(p, t), strict=True):
        tolerance = 1e-10 if dtype == "float64" else 3e-4 if name in LOOSE else 2e-5
        assert float(found) == pytest.approx(value, rel=tolerance), (name, options)


@every_loss
def test_a_result_is_of_the_kind_of_the_fields(framework: Framework, name: str) -> None:
    """A 0-d array of the framework, on the device, at least in float32; a gradient in the dtype of the prediction."""
    digits = {"float64": 1e-12, "float32": 1e-5, "float16": 1e-3, "bfloat16": 1e-2}
    for dtype in ("float64", "float32", *framework.halves):
        p, t = both(framework, dtype)
        value = calls(framework, name).value(p, t)
        assert type(value) is type(p)
        assert tuple(value.shape) == ()
        assert str(value.dtype).endswith("float64" if dtype == "float64" else "float32")
        assert getattr(value, "device", None) == getattr(p, "device", None)
        rounded = [framework.to_numpy(x).astype(float) for x in (p, t)]
        exact, gradient = sl.value_and_grad(name)(*rounded)
        assert float(value) == pytest.approx(float(exact), rel=max(digits[dtype] / 100, 1e-5 * (dtype != "float64")))
        for way in calls(framework, name).gradients:
            found = way(p, t)
            assert type(found) is type(p)
            assert found.dtype == p.dtype
            atol = digits[dtype] * abs(gradient).max()
            np.testing.assert_allclose(framework.to_numpy(found).astype(float), gradient, rtol=0, atol=atol)


@every_loss
@pytest.mark.parametrize("size", [1e-10, 1e10])
def test_units_do_not_matter(framework: Framework, name: str, size: float) -> None:
    """But for losses of powers as such, whose eps is absolute because published numbers are."""
    p, t, loss = P.astype("float32"), T.astype("float32"), calls(framework, name)
    scaled = [framework.asarray((size * x.astype(float)).astype("float32")) for x in (p, t)]
    expected, found = (float(loss.value(*pair)) for pair in (map(framework.asarray, (p, t)), scaled))
    if OBJECTIVES[name].unit == "power":
        assert found != pytest.approx(expected, rel=1e-2)
        return
    if name in QUADRATIC:
        assert found == pytest.approx(size**2 * expected, rel=1e-5)
        return
    assert found == pytest.approx(expected, rel=1e-5)
    exact = sl.value_and_grad(name)(P, T)[1]
    for way in loss.gradients:
        gradient = size * framework.to_numpy(way(*scaled)).astype(float)
        np.testing.assert_allclose(gradient, exact, atol=1e-4 * abs(exact).max())


@every_loss
@pytest.mark.parametrize("size", [1e-6, 1.0])
def test_equal_fields_give_exactly_nothing(framework: Framework, name: str, size: float) -> None:
    loss = calls(framework, name)
    for dtype in ("float32",) if framework.costly else ("float32", "float64"):
        t = framework.asarray((size * T).astype(dtype))
        assert float(loss.value(t, t)) == 0
        if framework.name != "jax":  # one operation after the other
            assert float(sl.value_and_grad(name)(t, t)[0]) == 0
        for way in loss.gradients:
            assert not framework.to_numpy(way(t, t)).any()


@every_loss
def test_empty_shells_zeros_and_constants(framework: Framework, name: str) -> None:
    wave = np.cos(2 * np.pi * np.arange(10) / 10) * np.ones((2, 1, 8, 1))
    noise = P[:2, 0, :1]
    fields = {"zero": np.zeros_like(noise), "one": np.ones_like(noise), "wave": wave, "noise": noise}
    loss = calls(framework, name)
    for dtype in ("float32",) if framework.costly else ("float32", "float64"):
        for p in fields.values():
            for t in fields.values():
                x, y = framework.asarray(p.astype(dtype)), framework.asarray(t.astype(dtype))
                assert np.isfinite(float(loss.value(x, y)))
                for way in loss.gradients:
                    assert np.isfinite(framework.to_numpy(way(x, y))).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@every_loss
def test_what_is_not_finite_stays_so(framework: Framework, name: str) -> None:
    """A NaN or an infinity leaves its own row without a number, and other rows as they are."""
    mean, each = calls(framework, name), calls(framework, name, reduction="none")
    clean = LOSSES[name](P, T, reduction="none")
    hit = np.zeros(clean.shape, dtype=bool)
    hit[(1, 0, 1)[: clean.ndim]] = True
    for bad in (np.nan, -np.inf) if framework.costly else (np.nan, np.inf, -np.inf):
        for which in range(2):
            fields = [P.copy(), T.copy()]
            fields[which][1, 0, 1, 3, 4] = bad
            p, t = map(framework.asarray, fields)
            rows = framework.to_numpy(each.value(p, t))
            assert not np.isfinite(rows[hit]).any()
            np.testing.assert_allclose(rows[~hit], clean[~hit], rtol=1e-6)
            assert not np.isfinite(float(mean.value(p, t)))
            assert not np.isfinite(framework.to_numpy(mean.by_adjoint(p, t))).all()


# Layouts.


def _strided(framework: Framework, x: Any) -> Any:
    return framework.asarray(np.repeat(x, 2, axis=-1))[..., ::2]


def _cut_out(framework: Framework, x: Any) -> Any:
    return framework.asarray(np.pad(x, 2))[2:-2, 2:-2, 2:-2, 2:-2, 2:-2]


def _transposed(framework: Framework, x: Any) -> Any:
    turned = framework.asarray(np.ascontiguousarray(x.T))
    return backend_of(turned, "turned").namespace(turned).permute_dims(turned, (4, 3, 2, 1, 0))


def _backwards(framework: Framework, x: Any) -> Any:
    turned = framework.asarray(np.ascontiguousarray(x[..., ::-1]))
    return backend_of(turned, "turned").namespace(turned).flip(turned, axis=-1)  # a view where strides may be negative


@every_loss
@pytest.mark.parametrize("view", [_strided, _cut_out, _transposed, _backwards])
def test_memory_layouts_do_not_matter(framework: Framework, name: str, view: Any) -> None:
    """Views give the same numbers as copies, and are left as they were."""
    p, t, loss = view(framework, P), view(framework, T), calls(framework, name)
    assert float(loss.value(p, t)) == pytest.approx(float(LOSSES[name](P, T)), rel=1e-12)
    exact = sl.value_and_grad(name)(P, T)[1]
    for way in loss.gradients:
        np.testing.assert_allclose(framework.to_numpy(way(p, t)), exact, rtol=1e-9, atol=1e-12)
    for x, y in ((p, P), (t, T)):
        np.testing.assert_array_equal(framework.to_numpy(x), y)


AXES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 0, 1, 3, 4), {"channel_axis": 0}),
    ((3, 4, 0, 1, 2), {"spatial_axes": (0, 1), "channel_axis": -1}),
    ((0, 1, 3, 4, 2), {"spatial_axes": (2, 3)}),  # channels last, and found there
    ((4, 0, 1, 3, 2), {"spatial_axes": (-2, 0), "channel_axis": 4}),  # space turned and apart
]


@every_loss
def test_axes_may_lie_anywhere(framework: Framework, name: str) -> None:
    value, exact = sl.value_and_grad(name)(P, T)
    for axes, options in AXES[2:] if framework.costly else AXES:
        p, t = (framework.asarray(np.ascontiguousarray(x.transpose(axes))) for x in (P, T))
        loss = calls(framework, name, **options)
        for target in (t, sl.radial_spectrum(t, **options)) if name in STORED else (t,):
            assert float(loss.value(p, target)) == pytest.approx(float(value), rel=1e-12)
            for way in loss.gradients:
                found = framework.to_numpy(way(p, target))
                np.testing.assert_allclose(found, exact.transpose(axes), rtol=1e-9, atol=1e-12)


# Rows.


@every_loss
def test_rows(framework: Framework, name: str) -> None:
    p, t = both(framework)
    exact = EXACT[name]
    rows = framework.to_numpy(calls(framework, name, reduction="none", **exact).value(p, t))
    loss = calls(framework, name, **exact).value
    assert rows.shape == ((3,) if name in COUPLED else (3, 2, 2))
    assert float(loss(p, t)) == pytest.approx(rows.mean(), rel=1e-12)
    for index in np.ndindex(rows.shape):
        one = tuple(slice(i, i + 1) for i in index)
        assert float(loss(framework.asarray(P[one]), framework.asarray(T[one]))) == pytest.approx(rows[index])
    weighted = float(calls(framework, name, channel_weights=(1, 3), **exact).value(p, t))
    if name in COUPLED:  # inside both means
        assert weighted != pytest.approx(rows.mean())
        even = float(calls(framework, name, channel_weights=(2, 2)).value(p, t))
        assert even == pytest.approx(rows.mean(), rel=1e-12)
    else:
        assert weighted == pytest.approx(np.average(rows, axis=-1, weights=[1, 3]).mean(), rel=1e-12)
    first = [framework.asarray(np.moveaxis(x, 2, 0).copy()) for x in (P, T)]
    moved = framework.to_numpy(calls(framework, name, channel_axis=0, reduction="none", **exact).value(*first))
    np.testing.assert_allclose(moved, rows if name in COUPLED else np.moveaxis(rows, 2, 0), rtol=1e-12)
    weights = calls(framework, name, channel_axis=0, channel_weights=(1, 3), **exact).value
    assert float(weights(*first)) == pytest.approx(weighted, rel=1e-12)


@pytest.mark.parametrize("name", POOLED)
def test_pooling(framework: Framework, name: str) -> None:
    p, t = both(framework)
    shapes = {None: (3, 2, 2), 0: (2, 2), (0, 1): (2,), "frames": (2,), -4: (3, 2)}
    for pool, shape in shapes.items():
        rows = calls(framework, name, pool=pool, reduction="none").value(p, t)
        coupled = () if pool in (0, (0, 1), "frames") else (3,)
        assert tuple(rows.shape) == (coupled if name in COUPLED else shape), pool
    plain, pooled = calls(framework, name).value, calls(framework, name, pool="frames").value
    frames = float(pooled(p, t))
    assert frames == pytest.approx(float(calls(framework, name, pool=(1, 0)).value(p, t)), rel=1e-12)
    assert frames != pytest.approx(float(plain(p, t)), rel=1e-4)
    # Frames that are all alike have the statistics of one.
    same = [framework.asarray(np.broadcast_to(x[:1, :1], x.shape).copy()) for x in (P, T)]
    assert float(pooled(*same)) == pytest.approx(float(plain(*same)), rel=1e-10)
    # With channels summed there is one row; its pooled statistics are those of all fields.
    one = calls(framework, name, pool="frames", channels="sum", reduction="none").value(p, t)
    assert tuple(one.shape) == ()


@every_loss
def test_errors_of_rows_and_pools(name: str) -> None:
    loss = LOSSES[name]
    if name not in POOLED:
        with pytest.raises(TypeError, match="'pool' is not known"):
            loss(P, T, pool=0)
    else:
        errors_of_pools(loss)
    with pytest.raises(ValueError, match="reduction must be one of mean, none, got 'non', did you mean 'none'"):
        loss(P, T, reduction="non")
    for others in ({"channels": "sum"}, {"channels": "mean"}, {"reduction": "none"}, {"channel_axis": None}):
        with pytest.raises(ValueError, match="channel_weights"):
            loss(P, T, channel_weights=(1, 2), spatial_axes=(2, 3, 4) if "channel_axis" in others else (3, 4), **others)
    with pytest.raises(ValueError, match=r"one weight per channel \(2\), got 3"):
        loss(P, T, channel_weights=(1, 2, 3))
    with pytest.raises(ValueError, match="at least 0 and not all 0"):
        loss(P, T, channel_weights=(0, 0))
    with pytest.raises(TypeError, match="'reductoin' is not known, did you mean 'reduction'"):
        loss(P, T, reductoin="none")
    with pytest.raises(ValueError, match="reduction of a component must be 'mean', got 'none'"):
        sl.Component(name, reduction="none")


def errors_of_pools(loss: Any) -> None:
    with pytest.raises(ValueError, match=r'pool .*axis 2 is the channel axis \(channels="sum".*channel_axis=None'):
        loss(P, T, pool=2)
    with pytest.raises(ValueError, match=r"pool .*axis 4 is a spatial axis"):
        loss(P, T, pool=(0, -1))
    with pytest.raises(ValueError, match=r"pool.*\(2, 8, 10\) has no frame axis.*channel_axis=None"):
        loss(P[0, 0], T[0, 0], pool="frames")
    with pytest.raises(ValueError, match=r"pool must be None, an axis, several or 'frames', got 'batch'"):
        loss(P, T, pool="batch")


# Shells and stored spectra, where a loss knows of them.


@pytest.mark.parametrize("name", OVER_SHELLS)
def test_shell_weights(framework: Framework, name: str) -> None:
    p, t = both(framework)

    def found(shell_weights: Any) -> float:
        return float(calls(framework, name, shell_weights=shell_weights).value(p, t))

    plain = float(calls(framework, name).value(p, t))
    assert found(0) == pytest.approx(plain, rel=1e-12)
    assert found((7.0,) * 4) == pytest.approx(plain, rel=1e-12)
    powers = (1.0, 4.0, 9.0, 16.0)
    squared = found(2)
    assert squared == pytest.approx(found(powers), rel=1e-12)
    assert squared != pytest.approx(plain, rel=1e-4)
    for power, last in ((1000, (0, 0, 0, 1)), (-1000, (1, 0, 0, 0))):  # one shell is left
        assert found(power) == pytest.approx(found(last), rel=1e-12)
    if name not in COUPLED:  # a row is a mean over shells, by itself
        each = [found(tuple(map(float, np.eye(4)[b]))) for b in range(4)]
        assert plain == pytest.approx(np.mean(each), rel=1e-12)
        assert squared == pytest.approx(np.average(each, weights=powers), rel=1e-12)
    for bad, error, message in (
        ([1.0] * 3, ValueError, r"one weight per shell \(4\), got 3"),
        (True, TypeError, "shell_weights must be None, a number"),
        ([-1.0, 1, 1, 1], ValueError, "shell_weights must be finite, at least 0"),
    ):
        with pytest.raises(error, match=message):
            LOSSES[name](p, t, shell_weights=bad)


@pytest.mark.parametrize("name", sorted(set(SPECTRAL) - set(OVER_SHELLS)))
def test_a_loss_that_is_no_mean_over_shells_takes_no_weights_of_them(name: str) -> None:
    with pytest.raises(ValueError, match="shell_weights are for means over shells, got 1"):
        LOSSES[name](P, T, shell_weights=1)


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("options", [{}, {"pool": 0}, {"channels": "sum", "pool": "frames"}, {"channels": "mean"}])
def test_a_stored_spectrum_stands_for_the_target(framework: Framework, name: str, options: dict[str, Any]) -> None:
    (p, t), loss = both(framework), calls(framework, name, **options)
    stored = sl.radial_spectrum(t, **options)
    assert float(loss.value(p, stored)) == pytest.approx(float(loss.value(p, t)), rel=1e-12)
    # Sums over channels and frames may round in another order than those of the stored spectrum.
    assert float(LOSSES[name](t, stored, **options)) <= (1e-24 if options else 0)
    exact = sl.value_and_grad(name, **options)(P, T)[1]
    for way in loss.gradients:
        np.testing.assert_allclose(framework.to_numpy(way(p, stored)), exact, rtol=1e-9, atol=1e-12)
    if options:
        with pytest.raises(ValueError, match="on another grid or with other options"):
            LOSSES[name](p, stored)


@every_loss
def test_a_signature_says_whether_a_spectrum_may_stand_for_the_target(name: str) -> None:
    assert ("Spectrum" in PARAMETERS[name]["target"].annotation) == (name in STORED)
    if name not in STORED:
        with pytest.raises(TypeError, match="target must be a"):
            LOSSES[name](P, sl.radial_spectrum(T))


@every_loss
def test_signatures_spell_out_the_options(name: str) -> None:
    shared = {"spatial_axes", "channel_axis", "channels", "channel_weights", "reduction"}
    assert shared <= set(PARAMETERS[name])
    assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in PARAMETERS[name].values())
    assert inspect.signature(LOSSES[name]).return_annotation == "Array"


@pytest.mark.parametrize("name", SPECTRAL)
@pytest.mark.parametrize("bins", ["unit", "log", 1, (0.5, 1.5)])
def test_an_axis_of_one_point_is_refused_with_any_shells(name: str, bins: Any) -> None:
    with pytest.raises(ValueError, match="has 1 point, too few to hold one shell; it takes at least 2"):
        LOSSES[name](P[..., :1], T[..., :1], spatial_axes=(-2, -1), bins=bins)


# Gradients.

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weighted": {
        "channel_weights": (1.0, 3.0),
        "pool": 1,
        "window": "hann",
        "detrend": "linear",
        "shell_weights": 2.0,
    },
    "summed": {"channels": "sum", "pool": 0, "bins": 2, "lengths": (1.0, 1.2), "bands": 2},
    "averaged": {
        "channels": "mean",
        "spatial_axes": (4, 1),
        "channel_axis": 0,
        "window": ("blackman", None),
        "bands": 1,
    },
}


def options_for(name: str, kind: str) -> dict[str, Any]:
    """Those that the loss takes."""
    taken = set(PARAMETERS[name]) - ({"shell_weights"} if name not in OVER_SHELLS else set())
    return {option: value for option, value in OPTIONS[kind].items() if option in taken} | HELD.get(name, {})


@cache
def slopes(name: str, kind: str) -> tuple[float, float, float]:
    """The loss in float64, and its central differences as the prediction moves, and as the target does."""
    options, h = options_for(name, kind), 1e-6

    def value(p: Any, t: Any) -> float:
        return float(LOSSES[name](p, t, **options))

    of_prediction, of_target = (
        (value(P + h * a, T + h * b) - value(P - h * a, T - h * b)) / (2 * h) for a, b in ((ALONG, 0), (0, ALONG))
    )
    return value(P, T), of_prediction, of_target


@every_loss
@pytest.mark.parametrize("kind", OPTIONS)
def test_gradients_are_those_of_differences(framework: Framework, name: str, kind: str) -> None:
    value, of_prediction, of_target = slopes(name, kind)
    (p, t), loss = both(framework), calls(framework, name, **options_for(name, kind))
    assert float(loss.value(p, t)) == pytest.approx(value, rel=1e-10)
    for way in loss.gradients:
        assert np.sum(framework.to_numpy(way(p, t)) * ALONG) == pytest.approx(of_prediction, rel=1e-6)
    if loss.of_target is not None:
        assert np.sum(framework.to_numpy(loss.of_target(p, t)) * ALONG) == pytest.approx(of_target, rel=1e-6)


@needs("jax")
@every_loss
def test_second_derivatives_of_jax(name: str) -> None:
    import jax

    FRAMEWORKS["jax"]()  # in double precision
    (p, t, along), h = map(jax.numpy.asarray, (P, T, ALONG)), 1e-6
    loss = partial(LOSSES[name], **HELD.get(name, {}))
    gradient = jax.jit(lambda p: jax.grad(loss)(p, t))
    found = jax.jit(lambda p: jax.jvp(gradient, (p,), (along,))[1])(p)
    expected = (gradient(p + h * along) - gradient(p - h * along)) / (2 * h)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * abs(expected).max() + 1e-12)


@needs("torch")
@every_loss
@pytest.mark.parametrize("kind", ["plain", "summed"])
def test_second_derivatives_of_pytorch(name: str, kind: str) -> None:
    import torch

    options = options_for(name, kind) | ({"bands": 2} if "bands" in PARAMETERS[name] else {})
    p, t = (torch.tensor(x[:2, :1, :, :4, :5].copy(), requires_grad=True) for x in (P, T))
    for pair in ((p, t), (p, t.detach())):  # of a prediction alone the gradient is made along with the value
        for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
            # The first pass and the next ones take different ways, which round differently.
            assert check(lambda p, t: LOSSES[name](p, t, **options), pair, fast_mode=True, nondet_tol=1e-10)


@needs("torch")
@every_loss
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_backward_again_and_with_any_upstream(name: str, reduction: str) -> None:
    """Each pass gives a gradient of its own, as often as asked, of a batch, for upstream gradients other than 1."""
    import torch

    p, t = torch.tensor(P, requires_grad=True), torch.tensor(T)
    targets = [t, *([sl.radial_spectrum(t)] if name in STORED else [])]
    for target in targets:
        value = LOSSES[name](p, target, reduction=reduction)
        upstream = torch.arange(3.0, 3.0 + value.numel(), dtype=value.dtype).reshape(value.shape)
        rows = sl.value_and_grad(name, reduction="mean")  # of one element at a time
        composed = torch.func.grad(lambda p: (LOSSES[name](p, t, reduction=reduction) * upstream).sum())(p.detach())  # noqa: B023
        if reduction == "mean":
            np.testing.assert_allclose(composed, 3 * rows(P, T)[1], rtol=1e-9, atol=1e-12)
        for graph in (False, False, True, False):
            (gradient,) = torch.autograd.grad(value, p, upstream, retain_graph=True, create_graph=graph)
            torch.testing.assert_close(gradient.detach(), composed, rtol=1e-9, atol=1e-12)
            with torch.no_grad():
                gradient.mul_(0)  # what was handed out is the caller's


# Transformations of frameworks, and blocks.


@every_loss
def test_transformations_of_frameworks(autodiff: Framework, name: str) -> None:
    """A mapped loss is that of each element, and a mapped gradient too."""
    loss, (p, t) = LOSSES[name], both(autodiff)
    if autodiff.name == "jax":
        import jax as module

        grad, stack = module.grad, module.numpy.stack
    else:
        import torch as module

        grad, stack = module.func.grad, module.stack
    expected = stack([loss(a, b) for a, b in zip(p, t, strict=True)])
    mapped, gradients, by_hand = (
        autodiff.compiled(module.vmap(f)) for f in (loss, grad(loss), lambda p, t: sl.value_and_grad(name)(p, t)[1])
    )
    np.testing.assert_allclose(autodiff.to_numpy(mapped(p, t)), autodiff.to_numpy(expected), rtol=1e-10)
    for found in (gradients(p, t), by_hand(p, t)):
        for i, gradient in enumerate(autodiff.to_numpy(found)):
            exact = sl.value_and_grad(name)(P[i], T[i])[1]
            np.testing.assert_allclose(gradient, exact, rtol=1e-8, atol=1e-12)


@needs("torch")
# PyTorch compiles its own rules of forward mode, and warns about itself.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
@every_loss
def test_forward_mode_of_pytorch(name: str) -> None:
    import torch
    from torch.autograd import forward_ad

    (p, t, along), expected = map(torch.tensor, (P, T, ALONG)), slopes(name, "plain")[1]
    loss = partial(LOSSES[name], **HELD.get(name, {}))
    _, tangent = torch.func.jvp(lambda p: loss(p, t), (p,), (along,))
    assert float(tangent) == pytest.approx(expected, rel=1e-6)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(loss(forward_ad.make_dual(p, along), t))
        assert float(dual.tangent) == pytest.approx(expected, rel=1e-6)


@needs("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
@every_loss
def test_compiled_by_pytorch(name: str) -> None:
    """Value and gradient, for batches of any size once compiled for them; of several losses together as well."""
    import torch

    torch._dynamo.reset()
    loss, pooled = LOSSES[name], {"pool": 1} if name in POOLED else {}
    for function in (
        loss,
        lambda p, t: loss(p, t, **pooled, channel_weights=(1, 2)) + loss(p, t, reduction="none").sum(),
    ):
        compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=True)
        for batch in (3, 2):
            x, y = (torch.tensor(z[:batch]) for z in (P, T))
            x.requires_grad_()
            found, expected = compiled(x, y), function(x, y)
            torch.testing.assert_close(found, expected)
            torch.testing.assert_close(*(torch.autograd.grad(value, x)[0] for value in (found, expected)))


@pytest.mark.parametrize("framework", on("numpy", "torch"), indirect=True)
@every_loss
def test_blocks_fit_together(framework: Framework, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks larger than a block are worked through in parts, the last of them a smaller one."""
    (p, t), loss = both(framework), calls(framework, name)

    def found() -> list[Any]:
        spectrum = sl.radial_spectrum(t)
        arrays = [spectrum.power]
        for target in (t, spectrum) if name in STORED else (t,):
            arrays += [loss.value(p, target), *(way(p, target) for way in loss.gradients)]
        if loss.of_target is not None:
            arrays.append(loss.of_target(p, t))
        return [framework.to_numpy(x) for x in arrays]

    whole = found()
    (owner,) = [cls for cls in type(backend_of(p, "p")).__mro__ if "chunk_size" in vars(cls)][:1]
    monkeypatch.setattr(pointwise, "BLOCK", 1)
    monkeypatch.setattr(sys.modules[owner.__module__], "FEW", 0, raising=False)  # PyTorch leaves a few to NumPy
    for size in (1, 5 * 80, 2 * 320 + 1):  # a frame, several frames, several elements of the batch
        monkeypatch.setattr(owner, "chunk_size", lambda self, x, size=size: size)
        for part, expected in zip(found(), whole, strict=True):
            np.testing.assert_allclose(part, expected, rtol=1e-10, atol=1e-14)


@plain
class ShellError(NamedTuple):
    """Of error and target alone, over spectra: a kind of which no loss is yet."""

    needs: tuple[str, ...] = ("D", "T")
    over: str = "shells"
    unit: str = "share"
    floor: None = None
    relative_to: None = None

    def value_and_grad(self, s: Any, xp: Any) -> tuple[Any, dict[str, Any]]:
        error, power = (xp.sum(z, axis=-1) for z in (s.D, s.T))
        return error / power, {"D": xp.ones_like(s.D) / power[..., None]}


def test_a_loss_of_another_kind_would_differentiate(autodiff: Framework) -> None:
    def value(p: Any, t: Any) -> Any:
        return over_spectra(p, t, {}, lambda plan: ShellError()).value()

    (p, t), h = both(autodiff), 1e-6
    assert autodiff.gradient is not None
    found = autodiff.gradient(lambda p: value(p, t), p), autodiff.gradient(lambda t: value(p, t), t)
    for gradient, (a, b) in zip(found, ((ALONG, 0), (0, ALONG)), strict=True):
        ahead, behind = (float(value(P + s * h * a, T + s * h * b)) for s in (1, -1))
        assert np.sum(autodiff.to_numpy(gradient) * ALONG) == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


# Several losses together.


def test_components_share_transforms_and_sum_up(framework: Framework) -> None:
    # JAX compiles all of it again for each gradient, and the subbands of wavelets make a large program.
    names = [name for name in LOSSES if framework.name != "jax" or name != "wavelet_error"]
    loss = sl.CompositeLoss({name: name for name in names}, {name: 0.1 + i for i, name in enumerate(names)})
    p, t = both(framework)
    total, parts = loss(p, t)
    expected = {name: float(LOSSES[name](P, T)) for name in names}
    assert {name: float(part) for name, part in parts.items()} == pytest.approx(expected, rel=1e-10)
    assert float(total) == pytest.approx(sum(loss.weights[name] * expected[name] for name in names), rel=1e-10)
    gradients = {name: sl.value_and_grad(name)(P, T)[1] for name in names}
    (_, _), gradient = sl.value_and_grad(loss)(p, t)
    each = sum(loss.weights[name] * gradients[name] for name in names)
    np.testing.assert_allclose(framework.to_numpy(gradient), each, rtol=1e-9, atol=1e-12)
    if framework.gradient is not None:
        found = framework.gradient(lambda p: loss(p, t)[0], p)
        np.testing.assert_allclose(framework.to_numpy(found), each, rtol=1e-9, atol=1e-12)
        for name in names[:: 4 if framework.name == "jax" else 1]:
            found = framework.gradient(lambda p: loss(p, t)[1][name], p)  # noqa: B023 - of one part
            np.testing.assert_allclose(framework.to_numpy(found), gradients[name], rtol=1e-9, atol=1e-12)

        def with_a_part(p: Any) -> Any:
            total, parts = loss(p, t)
            return total + 3 * parts["field_error"]

        found = framework.to_numpy(framework.gradient(with_a_part, p))
        np.testing.assert_allclose(found, each + 3 * gradients["field_error"], rtol=1e-9, atol=1e-12)


# What a single loss promises.


@pytest.mark.parametrize("eps", [0.0, 1e-3, 1.0])
def test_eps_counts_inside_the_logarithm_and_the_quotient(framework: Framework, eps: float) -> None:
    p, t = both(framework)
    expected = reference_spectrum_error(P, T, eps=eps)
    assert float(sl.spectrum_error(p, t, eps=eps)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("channel_weights", [None, (1.0, 3.0)])
@pytest.mark.parametrize("shell_weights", [None, 2.0])
def test_weights_are_inside_both_means_of_the_spectrum_error(
    framework: Framework, channel_weights: Any, shell_weights: Any
) -> None:
    options = {"channel_weights": channel_weights, "shell_weights": shell_weights, "eps": 1e-2}
    log_p, log_t = (np.log(reference_spectrum(x) + 1e-2) for x in (P, T))
    each = np.ones((2, 1)) if channel_weights is None else np.reshape(channel_weights, (2, 1))
    weights = each * (1.0 if shell_weights is None else np.arange(1, 5) ** shell_weights)

    def mean(z: Any) -> Any:
        return np.average(z, weights=np.broadcast_to(weights, z.shape), axis=(1, 2, 3))

    expected = np.mean(mean((log_p - log_t) ** 2) / (mean(log_t**2) + 1e-2))
    assert float(sl.spectrum_error(*both(framework), **options)) == pytest.approx(expected, rel=1e-10)


def test_adjusted_error_is_field_error_where_nothing_was_lost(framework: Framework) -> None:
    t = framework.asarray(T)
    turned = framework.asarray(np.roll(T, 1, axis=-1))  # the same spectrum
    grown = framework.asarray(1.3 * T)  # coherent
    for p in (turned, grown):
        assert float(sl.adjusted_error(p, t)) == pytest.approx(float(sl.field_error(p, t)), rel=1e-9)
    half = framework.asarray(0.5 * P)
    assert float(sl.adjusted_error(half, t)) > float(sl.field_error(half, t))
    for size in (1e-4, 1e-2, 30.0, 1e3):  # rounding of what is coherent takes nothing off
        p, t = framework.asarray((size * T).astype("float32")), framework.asarray(T.astype("float32"))
        rows = [framework.to_numpy(loss(p, t, reduction="none")) for loss in (sl.adjusted_error, sl.field_error)]
        assert (rows[0] >= rows[1] * (1 - 1e-6)).all()


def test_sides_of_the_log_spectral_distance(framework: Framework) -> None:
    p, t = both(framework)
    sides = ("both", "excess", "deficit")
    found = [float(sl.log_spectral_distance(p, t, side=side)) for side in sides]
    assert found[0] == pytest.approx(found[1] + found[2], rel=1e-12)
    assert min(found) > 0
    assert float(sl.log_spectral_distance(framework.asarray(2 * T), t, side="deficit")) == 0
    assert float(sl.log_spectral_distance(framework.asarray(2 * T), t)) == pytest.approx(np.log(4) ** 2)
    with pytest.raises(
        ValueError, match="side must be one of both, excess, deficit, got 'exces', did you mean 'excess'"
    ):
        sl.log_spectral_distance(p, t, side="exces")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("side", ["both", "excess", "deficit"])
def test_a_nan_lies_on_no_side_and_counts_on_each(framework: Framework, side: str) -> None:
    for bad in (np.nan, np.inf):
        spoiled = P.copy()
        spoiled[0, 0, 0, 0, 0] = bad
        for p, t in ((spoiled, T), (T, spoiled)):
            found = sl.log_spectral_distance(framework.asarray(p), framework.asarray(t), side=side)
            assert not np.isfinite(float(found))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_error_beyond_the_dtype_is_infinite(framework: Framework) -> None:
    p, t = (framework.asarray(x.astype("float32")) for x in (1e30 * P, T))
    assert float(sl.field_error(p, t)) == np.inf
    rows = framework.to_numpy(sl.field_error(p, t, reduction="none"))
    assert (rows == np.inf).all()


def test_masks_may_differ_from_frame_to_frame(framework: Framework) -> None:
    rng = np.random.default_rng(17)
    for shape in ((3, 2, 2, 8, 10), (3, 1, 1, 8, 10), (2, 1, 1, 1), (8, 1), (10,)):
        mask = rng.random(shape) + 0.1
        if len(shape) == 5:
            mask *= rng.random(shape) < 0.7
        whole = np.broadcast_to(mask, P.shape)
        error, power = (np.average(x**2, weights=whole, axis=(-2, -1)) for x in (P - T, T))
        found = float(sl.field_error(framework.asarray(P), framework.asarray(T), mask=framework.asarray(mask), eps=0))
        assert found == pytest.approx(np.mean(error / power), rel=1e-12)
    # Weights have no unit, not even against the guard, which is relative to all frames.
    mask = rng.random(P.shape) + 0.1
    errors = [
        float(sl.field_error(*both(framework), mask=framework.asarray(mask * size), eps=0.1))
        for size in (np.ones((3, 1, 1, 1, 1)), rng.random((3, 2, 2, 1, 1)) + 0.1)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=1e-12)
    mask = np.ones((3, 1, 1, 8, 10))
    mask[1] = 0
    with pytest.raises(ValueError, match="0 everywhere in some frame"):
        sl.field_error(P, T, mask=mask)


def test_the_guard_is_relative_to_frames_that_are_finite(framework: Framework) -> None:
    p, t = P.copy(), T.copy()
    t[0, 0, 0, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        rows = framework.to_numpy(sl.field_error(framework.asarray(p), framework.asarray(t), reduction="none", eps=0.1))
    power = np.mean(T**2, axis=(-2, -1))
    mean = [np.mean(np.delete(power[..., 0].ravel(), 0)), np.mean(power[..., 1])]
    expected = np.mean((P - T) ** 2, axis=(-2, -1)) / (power + 0.1 * np.array(mean))
    assert not np.isfinite(rows[0, 0, 0])
    np.testing.assert_allclose(rows.ravel()[1:], expected.ravel()[1:], rtol=1e-12)
