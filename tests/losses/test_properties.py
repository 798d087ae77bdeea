"""Properties that hold for every field, drawn by hypothesis, on every backend through one fixture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from frameworks import Framework
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.testing import problems, spatial_shapes

TIGHT = {"float32": 1e-4, "float64": 1e-9}


def _errors(framework: Framework, p: Any, t: Any, options: dict[str, Any]) -> dict[str, float]:
    return sl.evaluate(framework.asarray(p), framework.asarray(t), **options)


def test_non_negative_and_zero_for_equal_fields(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(problems())
    def check(problem: Any) -> None:
        p, t, options = problem
        for value in _errors(framework, p, t, options).values():
            assert value >= 0
            assert math.isfinite(value)
        assert set(_errors(framework, t, t, options).values()) == {0.0}

    check()


def test_nan_in_nan_out(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(problems(), st.sampled_from([np.nan, np.inf, -np.inf]), st.booleans(), st.integers(0, 2**31))
    def check(problem: Any, value: float, in_target: bool, where: int) -> None:
        p, t, options = problem
        bad = (t if in_target else p).copy()
        bad.flat[where % bad.size] = value
        pair = (p, bad) if in_target else (bad, t)
        with np.errstate(invalid="ignore"):
            for name, error in _errors(framework, *pair, options).items():
                assert not math.isfinite(error), name

    check()


def test_rolling_along_space_changes_no_spectrum(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(problems(dtype="float64", silent=False), st.integers(-20, 20), st.integers(-20, 20))
    def check(problem: Any, a: int, b: int) -> None:
        p, t, options = problem
        options |= {"window": None, "detrend": None}
        axes = options["spatial_axes"]
        moved = np.roll(p, [a] * len(axes), axes), np.roll(t, [b] * len(axes), axes)
        still, rolled = (_errors(framework, *pair, options)["spectrum_error"] for pair in ((p, t), moved))
        # Equal up to what rounding does to logarithms of shells that hold next to nothing.
        assert math.isclose(rolled, still, rel_tol=1e-5, abs_tol=1e-7)
        together = np.roll(p, [a] * len(axes), axes), np.roll(t, [a] * len(axes), axes)
        still, rolled = (_errors(framework, *pair, options)["field_error"] for pair in ((p, t), together))
        assert math.isclose(rolled, still, rel_tol=1e-9)

    check()


def test_permuting_the_batch_changes_nothing(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(problems(silent=False, plain=True), st.randoms(use_true_random=False))
    def check(problem: Any, random: Any) -> None:
        p, t, options = problem
        d = len(options["spatial_axes"])
        assume(p.ndim > d)
        order = random.sample(range(p.shape[0]), p.shape[0])
        options["channel_axis"] = None
        before, after = _errors(framework, p, t, options), _errors(framework, p[order], t[order], options)
        for name in before:
            assert math.isclose(before[name], after[name], rel_tol=TIGHT[p.dtype.name])

    check()


def test_frames_of_one_batch_element_may_change_places(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
    def check(seed: int, order: list[int]) -> None:
        rng = np.random.default_rng(seed)
        p, t = rng.normal(size=(2, 4, 2, 6, 7)), rng.normal(size=(2, 4, 2, 6, 7))
        before, after = _errors(framework, p, t, {}), _errors(framework, p[:, order], t[:, order], {})
        for name in before:
            assert math.isclose(before[name], after[name], rel_tol=1e-12)

    check()


def test_transposing_a_grid(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(st.integers(0, 2**32 - 1), spatial_shapes(2))
    def check(seed: int, shape: tuple[int, int]) -> None:
        rng = np.random.default_rng(seed)
        p, t = rng.normal(size=(2, *shape)), rng.normal(size=(2, *shape))
        before = _errors(framework, p, t, {"channel_axis": None})
        for after in (
            _errors(framework, p.swapaxes(1, 2), t.swapaxes(1, 2), {"channel_axis": None}),
            _errors(framework, p, t, {"channel_axis": None, "spatial_axes": (-1, -2)}),
        ):
            for name in before:
                assert math.isclose(before[name], after[name], rel_tol=1e-9)

    check()


def test_scale(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(problems(dtype="float64", silent=False), st.sampled_from([1e-4, 0.5, 3.0, 1e4]))
    def check(problem: Any, a: float) -> None:
        p, t, options = problem
        power = framework.to_numpy(sl.radial_spectrum(framework.asarray(p), **options).power)
        scaled = framework.to_numpy(sl.radial_spectrum(framework.asarray(a * p), **options).power)
        np.testing.assert_allclose(scaled, a**2 * power, rtol=1e-9, atol=1e-28 * a**2 * p.size * np.sum(p**2))
        axes = options["spatial_axes"]
        error, same = (
            float(sl.field_error(framework.asarray(s * p), framework.asarray(s * t), spatial_axes=axes, eps=0))
            for s in (1.0, a)
        )
        assert math.isclose(error, same, rel_tol=1e-9, abs_tol=1e-28)
        double = float(sl.field_error(framework.asarray(2 * t), framework.asarray(t), spatial_axes=axes, eps=0))
        assert math.isclose(double, 1.0, rel_tol=1e-12)

    check()


def test_spectrum_error_of_a_scaled_field_by_its_formula(framework: Framework) -> None:
    @settings(max_examples=framework.examples)
    @given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
    def check(seed: int, a: float) -> None:
        t = np.random.default_rng(seed).normal(size=(1, 8, 9))
        found = float(sl.spectrum_error(framework.asarray(a * t), framework.asarray(t)))
        log_t = np.log(sl.radial_spectrum(t).power)
        # Every log power moves by 2 log a.
        assert math.isclose(found, (2 * math.log(a)) ** 2 / np.mean(log_t**2), rel_tol=1e-6, abs_tol=1e-15)

    check()


def test_inputs_are_never_changed(framework: Framework) -> None:
    @settings(max_examples=max(5, framework.examples // 3))
    @given(problems())
    def check(problem: Any) -> None:
        p, t, options = problem
        x, y = framework.asarray(p), framework.asarray(t)
        sl.evaluate(x, y, **options)
        np.testing.assert_array_equal(framework.to_numpy(x), p)
        np.testing.assert_array_equal(framework.to_numpy(y), t)

    check()
