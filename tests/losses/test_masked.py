"""Spectra and losses of fields with masked points: those of fields that are filled by hand, on every framework."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from frameworks import Framework, needs, on
from hypothesis import given
from hypothesis import strategies as st

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses, options_of
from spectral_losses.transforms.quadrature import area_weights
from spectral_losses.transforms.relaxation import Relaxation
from spectral_losses_backends.numpy import backend

RNG = np.random.default_rng(8)
SHAPE = (8, 9)
P, T, ALONG = RNG.normal(size=(3, 2, 2, 2, *SHAPE)) + 3
MASK = np.hypot(np.arange(8)[:, None] - 3, np.arange(9) - 5) > 2.5  # one blob
MASK[7, 0] = False
LOSSES = {name: loss for name, loss in all_losses().items() if "fill" in options_of(loss)}
TYPICAL = ("spectrum_error", "adjusted_error", "sobolev_error")  # of powers, pairs and weighed modes
POWERS = ("spectrum_error", "log_spectral_distance", "power_ratio_error", "amplitude_error")
FILLS = ("mean", "smooth")
every_loss = pytest.mark.parametrize("name", LOSSES)
every_fill = pytest.mark.parametrize("fill", FILLS)
few = pytest.mark.parametrize("framework", on("numpy", "strict", "torch", "cupy"), indirect=True)
"""Without those to which each operation is a program or a graph: what the others show holds for these as well."""


def by_hand(x: Any, mask: Any, fill: str) -> Any:
    """A field ``(..., *SHAPE)`` with a fill in float64, one frame after the other."""
    weights, filled = np.broadcast_to(mask, x.shape), np.array(x, dtype=np.float64)
    for i in np.ndindex(*x.shape[:-2]):
        frame, valid = filled[i], weights[i] > 0
        if fill == "mean":
            frame[~valid] = np.average(frame[valid], weights=weights[i][valid])
        else:
            frame[~valid] = Relaxation(SHAPE).apply(backend, np.where(valid, frame, 0.0), valid)[~valid]
    return filled


def spoiled(framework: Framework, mask: Any = MASK, dtype: str = "float64") -> tuple[Any, Any]:
    """Prediction and target, with what no one may look at where they are masked."""
    whole = np.broadcast_to(mask, P.shape) > 0
    p, t = np.where(whole, P, np.nan), np.where(whole, T, np.inf)
    return framework.cast(framework.asarray(p), dtype), framework.cast(framework.asarray(t), dtype)


def leave_out(framework: Framework, name: str) -> None:
    """Where a call costs much, one loss of powers and one of pairs stand for all."""
    if framework.name in ("jax", "dask") and name not in TYPICAL[:2]:
        pytest.skip("another loss goes the same way")


def test_every_loss_takes_a_mask() -> None:
    assert all("mask" in options_of(loss) for loss in all_losses().values())
    assert set(all_losses()) - set(LOSSES) == {"field_error", "correlation_error"}


# Values and gradients.


@cache
def expected(name: str, fill: str, mask: Any = None, **options: Any) -> tuple[float, Any]:
    where = MASK if mask is None else MASKS[mask]
    value, gradient = sl.value_and_grad(name, **options)(*(by_hand(x, where, fill) for x in (P, T)))
    return float(value), np.where(np.broadcast_to(where, P.shape) > 0, gradient, 0)


@every_fill
@every_loss
def test_a_masked_loss_is_that_of_filled_fields(framework: Framework, name: str, fill: str) -> None:
    """Its gradient too, but for masked points, where it is 0."""
    leave_out(framework, name)
    (p, t), mask = spoiled(framework), framework.asarray(MASK)
    value, gradient = expected(name, fill)

    def both(p: Any, t: Any, mask: Any) -> Any:
        loss = partial(LOSSES[name], mask=mask, fill=fill)
        found = sl.value_and_grad(name, mask=mask, fill=fill)(p, t)
        return (
            loss(p, t),
            *found,
            found[1] if framework.gradient is None else framework.gradient(lambda p: loss(p, t), p),
        )

    value_alone, value_beside, *gradients = framework.compiled(both)(p, t, mask)
    assert float(value_alone) == pytest.approx(value, rel=1e-10)
    assert float(value_beside) == pytest.approx(value, rel=1e-10)
    for found in gradients:
        found = framework.to_numpy(found)
        np.testing.assert_allclose(found, gradient, rtol=1e-8, atol=1e-11 * abs(gradient).max())
        assert not found[..., ~MASK].any()


@every_fill
@every_loss
def test_gradients_are_those_of_differences_with_the_fill_held(name: str, fill: str) -> None:
    options = {"alpha": 0.0} if name == "focal_frequency_error" else {}  # whose weights are not differentiated
    p, t = (by_hand(x, MASK, fill) for x in (P, T))
    gradient, h, along = sl.value_and_grad(name, mask=MASK, fill=fill, **options)(P, T)[1], 1e-6, ALONG * MASK
    ahead, behind = (float(LOSSES[name](p + s * h * along, t, **options)) for s in (1, -1))
    assert np.sum(gradient * along) == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-9)


# PyTorch compiles its own rules of forward mode, and warns about itself.
@needs("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
@every_fill
@pytest.mark.parametrize("name", TYPICAL)
def test_gradients_of_targets_and_forward_mode_of_pytorch(name: str, fill: str) -> None:
    import torch

    loss, mask = partial(LOSSES[name], fill=fill), torch.tensor(MASK)
    filled = [torch.tensor(by_hand(x, MASK, fill)) for x in (P, T)]
    p, t, along = torch.tensor(P), torch.tensor(T).requires_grad_(), torch.tensor(ALONG)
    (found,) = torch.autograd.grad(loss(p, t, mask=mask), t)
    filled[1].requires_grad_()
    (whole,) = torch.autograd.grad(LOSSES[name](*filled), filled[1])
    torch.testing.assert_close(found, torch.where(mask, whole, 0.0), rtol=1e-9, atol=1e-12)
    _, tangent = torch.func.jvp(lambda p: loss(p, t.detach(), mask=mask), (p,), (along,))
    assert float(tangent) == pytest.approx(float(np.sum(expected(name, fill)[1] * ALONG)), rel=1e-8)
    masks = torch.stack([mask, mask.flip(0)])
    mapped = torch.vmap(lambda p, t, mask: loss(p, t, mask=mask))(p, t.detach(), masks)
    each = [loss(a, b, mask=m) for a, b, m in zip(p, t.detach(), masks, strict=True)]
    torch.testing.assert_close(mapped, torch.stack(each))


@needs("torch")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:torch")
def test_compiled_by_pytorch() -> None:
    import torch

    torch._dynamo.reset()
    mask = torch.tensor(MASK)

    def function(p: Any, t: Any) -> Any:
        return sum(sl.log_spectral_distance(p, t, mask=mask, fill=fill, window="hann") for fill in FILLS)

    compiled = torch.compile(function, fullgraph=True, backend="aot_eager", dynamic=True)
    for batch in (2, 1):
        p, t = torch.tensor(P[:batch], requires_grad=True), torch.tensor(T[:batch])
        found, exact = compiled(p, t), function(p, t)
        torch.testing.assert_close(found, exact)
        torch.testing.assert_close(*(torch.autograd.grad(value, p)[0] for value in (found, exact)))


@every_loss
def test_without_a_masked_point_it_is_the_loss_itself(name: str) -> None:
    for fill in FILLS:
        found = sl.value_and_grad(name, mask=np.ones(SHAPE), fill=fill)(P, T)
        for part, whole in zip(found, sl.value_and_grad(name)(P, T), strict=True):
            np.testing.assert_allclose(part, whole, rtol=1e-13)


@few
@every_fill
@every_loss
def test_fields_that_agree_where_they_count_have_no_error(framework: Framework, name: str, fill: str) -> None:
    p = framework.asarray(np.where(MASK, T, np.nan))
    t = framework.asarray(np.where(MASK, T, 1e300))
    loss = framework.compiled(lambda p, t, mask: LOSSES[name](p, t, mask=mask, fill=fill))
    assert float(loss(p, t, framework.asarray(MASK))) == 0


@few
@every_fill
def test_a_constant_stays_one(framework: Framework, fill: str) -> None:
    x, mask = (framework.asarray(z) for z in (np.where(MASK, 0.1, np.nan).astype("float32"), MASK))
    power = sl.radial_spectrum(x, mask=mask, fill=fill).power
    expected = sl.radial_spectrum(np.full(SHAPE, 0.1, dtype="float32")).power  # rounding in the transform alone
    np.testing.assert_allclose(framework.to_numpy(power), expected, rtol=0, atol=1e-12)


@few
@every_fill
def test_half_precision(framework: Framework, fill: str) -> None:
    for dtype in framework.halves:
        p, t = spoiled(framework, dtype=dtype)
        rounded = [np.where(MASK, framework.to_numpy(x).astype(float), 0) for x in (p, t)]
        exact = float(sl.spectrum_error(*rounded, mask=MASK, fill=fill))
        found = sl.spectrum_error(p, t, mask=framework.asarray(MASK), fill=fill)
        assert str(found.dtype).endswith("float32")
        assert float(found) == pytest.approx(exact, rel=1e-4)


# Masks and options.

MASKS = {
    "frames": RNG.random((2, 2, 2, *SHAPE)) < 0.7,
    "channels": RNG.random((2, *SHAPE)) < 0.7,
    "row": (np.arange(8) > 2)[:, None],
    "column": np.arange(9) > 4,
    "weights": MASK * (RNG.random(SHAPE) + 0.5),
}


@few
@every_fill
@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_any_shape_and_weights(framework: Framework, kind: str, fill: str) -> None:
    mask, options = MASKS[kind], {"window": "hann", "detrend": "linear"}
    p, t = spoiled(framework, mask)
    for name in ("spectrum_error", "adjusted_error"):  # the one takes whole elements of a batch for a row
        value, gradient = expected(name, fill, kind, **options)
        both = sl.value_and_grad(name, mask=framework.asarray(mask), fill=fill, **options)
        found, slope = both(p, t)
        assert float(found) == pytest.approx(value, rel=1e-10)
        np.testing.assert_allclose(framework.to_numpy(slope), gradient, rtol=1e-8, atol=1e-12)


OPTIONS: dict[str, dict[str, Any]] = {
    "pooled": {"pool": "frames"},
    "summed": {"channels": "sum", "pool": 0},
    "averaged": {"channels": "mean"},
    "modes": {"bins": "modes"},
    "first": {"channel_axis": 0},
}


@few
@every_fill
@pytest.mark.parametrize("kind", OPTIONS)
def test_other_options_see_the_filled_fields(framework: Framework, kind: str, fill: str) -> None:
    options = OPTIONS[kind]
    value, gradient = expected("log_spectral_distance", fill, **options)
    both = sl.value_and_grad("log_spectral_distance", mask=framework.asarray(MASK), fill=fill, **options)
    found, slope = both(*spoiled(framework))
    assert float(found) == pytest.approx(value, rel=1e-9)
    np.testing.assert_allclose(framework.to_numpy(slope), gradient, rtol=1e-7, atol=1e-11)


def test_a_mask_of_space_follows_the_order_of_spatial_axes() -> None:
    turned = [np.moveaxis(x, -1, 0) for x in (P, T)]
    options = {"spatial_axes": (-1, 0), "channel_axis": 3}
    for mask in (MASK, np.moveaxis(np.broadcast_to(MASK, P.shape), -1, 0)):
        found = sl.spectrum_error(*turned, mask=mask, **options)
        assert float(found) == pytest.approx(expected("spectrum_error", "smooth")[0], rel=1e-12)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(2, 7), min_size=1, max_size=3), st.sampled_from(FILLS))
def test_what_is_masked_does_not_matter(seed: int, shape: list[int], fill: str) -> None:
    rng = np.random.default_rng(seed)
    p, t, other = rng.normal(size=(3, 2, 1, *shape))
    mask = rng.random(shape) < 0.6
    mask.flat[0] = True
    axes = tuple(range(-len(shape), 0))
    both = sl.value_and_grad("adjusted_error", mask=mask, fill=fill, spatial_axes=axes)
    for found, same in zip(both(p, t), both(np.where(mask, p, other), np.where(mask, t, np.nan)), strict=True):
        np.testing.assert_array_equal(found, same)


# Spectra and diagnostics.


@few
@every_fill
def test_spectra_and_diagnostics(framework: Framework, fill: str) -> None:
    (p, t), options = spoiled(framework), {"mask": framework.asarray(MASK), "fill": fill}
    x, y = (by_hand(z, MASK, fill) for z in (P, T))
    for found, whole in (
        (sl.radial_spectrum(p, **options).power, sl.radial_spectrum(x).power),
        (sl.energy_spectrum(p, **options).power, sl.energy_spectrum(x).power),
        (sl.cross_spectrum(p, t, **options).coherence, sl.cross_spectrum(x, y).coherence),
        (sl.cross_spectrum(p, t, **options).error_power, sl.cross_spectrum(x, y).error_power),
        (sl.effective_resolution(p, t, lengths=1, **options), sl.effective_resolution(x, y, lengths=1)),
    ):
        np.testing.assert_allclose(framework.to_numpy(found), whole, rtol=1e-9)


@few
@every_fill
@pytest.mark.parametrize("name", POWERS)
def test_a_stored_spectrum_of_the_same_mask(framework: Framework, name: str, fill: str) -> None:
    (p, t), options = spoiled(framework), {"mask": framework.asarray(MASK), "fill": fill}
    stored = sl.radial_spectrum(t, **options)
    assert float(LOSSES[name](p, stored, **options)) == pytest.approx(expected(name, fill)[0], rel=1e-9)


def test_a_spectrum_knows_whether_points_were_filled(tmp_path: Any) -> None:
    stored = sl.radial_spectrum(T, mask=MASK)
    for options in ({}, {"mask": MASK, "fill": "mean"}):
        with pytest.raises(ValueError, match=r"on another grid or with other options.*'smooth'"):
            sl.spectrum_error(P, stored, **options)
    with pytest.raises(ValueError, match="on another grid or with other options"):
        sl.spectrum_error(P, sl.radial_spectrum(T), mask=MASK)
    stored.save(tmp_path / "spectrum.npz")
    assert sl.Spectrum.load(tmp_path / "spectrum.npz").layout == stored.layout
    batch = sl.Spectrum.stack([sl.radial_spectrum(t, mask=MASK) for t in T])
    assert float(sl.spectrum_error(T, batch, mask=MASK)) == 0
    assert sl.radial_spectrum(T, fill="mean").layout == sl.radial_spectrum(T).layout  # of no effect without a mask


@every_fill
def test_on_the_sphere(framework: Framework, fill: str) -> None:
    mask = RNG.random((7, 12)) < 0.7
    grid, (p, t) = sl.Sphere("equiangular"), RNG.normal(size=(2, 2, 1, 7, 12)) + 5
    area = np.broadcast_to(area_weights("equiangular", 7)[:, None], mask.shape) * mask
    filled = []
    for x in (p, t):
        if fill == "mean":
            value = np.average(x, weights=np.broadcast_to(area, x.shape), axis=(-2, -1))[..., None, None]
        else:
            value = Relaxation((7, 12), "equiangular", 7).apply(backend, np.where(mask, x, 0.0), mask)
        filled.append(np.where(mask, x, value))
    both = framework.compiled(sl.value_and_grad("adjusted_error", mask=framework.asarray(mask), fill=fill, grid=grid))
    value, gradient = both(*(framework.asarray(np.where(mask, x, np.nan)) for x in (p, t)))
    exact, whole = sl.value_and_grad("adjusted_error", grid=grid)(*filled)
    assert float(value) == pytest.approx(float(exact), rel=1e-10)
    np.testing.assert_allclose(framework.to_numpy(gradient), np.where(mask, whole, 0), rtol=1e-8, atol=1e-12)


# Several losses.


@few
def test_composites_and_evaluate(framework: Framework) -> None:
    (p, t), mask = spoiled(framework), framework.asarray(MASK)
    names = ("field_error", "log_spectral_distance", "adjusted_error", "coherence_error")
    loss = sl.CompositeLoss({name: sl.Component(name, mask=mask) for name in names})
    assert len(loss.groups(loss.seen(p, t, dict.fromkeys(names, 1)))) == 2  # points, and shells
    (total, parts), gradient = sl.value_and_grad(loss)(p, t)
    each = {name: expected(name, "smooth")[0] for name in names[1:]}
    each["field_error"] = float(sl.field_error(P, T, mask=MASK))
    assert {name: float(part) for name, part in parts.items()} == pytest.approx(each, rel=1e-9)
    assert float(total) == pytest.approx(sum(each.values()), rel=1e-9)
    slopes = sl.value_and_grad("field_error", mask=MASK)(P, T)[1] + sum(expected(n, "smooth")[1] for n in names[1:])
    np.testing.assert_allclose(framework.to_numpy(gradient), slopes, rtol=1e-8, atol=1e-12)
    assert sl.evaluate(p, t, losses=names, mask=mask) == pytest.approx(each, rel=1e-9)


def test_components_with_other_fills_or_masks_do_not_share_a_transform() -> None:
    other = MASK & (np.arange(9) > 1)
    given = {
        "smooth": {"mask": MASK},
        "mean": {"mask": MASK, "fill": "mean"},
        "other": {"mask": other},
        "none": {},
    }
    loss = sl.CompositeLoss({key: sl.Component("spectrum_error", **options) for key, options in given.items()})
    _, parts = loss(P, T)
    for key, options in given.items():
        assert float(parts[key]) == pytest.approx(float(sl.spectrum_error(P, T, **options)), rel=1e-12)
    assert len({float(part) for part in parts.values()}) == 4


@needs("dask")
def test_dask_stays_lazy() -> None:
    import dask
    import dask.array as da

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("computed")

    p, t, mask = (da.from_array(x, chunks=chunk) for x, chunk in ((P, (1, 2, 1, 4, 5)), (T, -1), (MASK, (8, 3))))
    with dask.config.set(scheduler=refuse):
        found = [sl.spectrum_error(p, t, mask=mask, fill=fill) for fill in FILLS]
    for value, fill in zip(found, FILLS, strict=True):
        assert float(value.compute()) == pytest.approx(expected("spectrum_error", fill)[0], rel=1e-10)


# What is refused.


def test_what_is_refused(framework: Framework) -> None:
    x, mask = framework.asarray(P), framework.asarray(MASK)
    for call in (sl.radial_spectrum, lambda x, **options: sl.wavelet_error(x, x, **options)):
        with pytest.raises(ValueError, match="fill must be one of mean, smooth, got 'smoth', did you mean 'smooth'"):
            call(x, mask=mask, fill="smoth")
        with pytest.raises(ValueError, match=r"mask must have the spatial shape \(8, 9\), got \(9, 8\)"):
            call(x, mask=framework.asarray(MASK.T.copy()))
        with pytest.raises(ValueError, match='channels="mean" averages the field first'):
            call(x, mask=framework.asarray(MASKS["channels"]), channels="mean")
    with pytest.raises(TypeError, match="option 'fill' is not known"):
        sl.field_error(x, x, mask=mask, fill="mean")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@every_fill
def test_a_mask_of_zeros_is_refused_or_gives_nan(framework: Framework, fill: str) -> None:
    mask = np.broadcast_to(MASK, (2, 1, 1, *SHAPE)).copy()
    mask[1] = False
    call = partial(sl.adjusted_error, *map(framework.asarray, (P, T)), mask=framework.asarray(mask), fill=fill)
    if framework.name in ("numpy", "numpy-read-only", "torch", "jax"):  # which see its values without a transfer
        with pytest.raises(ValueError, match="0 everywhere in some frame"):
            call()
        return
    rows = framework.to_numpy(call(reduction="none"))
    assert np.isnan(rows[1]).all()
    assert np.isfinite(rows[0]).all()


@few
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@every_fill
def test_what_is_not_finite_and_counts_stays_so(framework: Framework, fill: str) -> None:
    for bad in (np.nan, np.inf):
        p = P.copy()
        p[1, 0, 0, 0, 0] = bad
        rows = framework.to_numpy(
            sl.adjusted_error(
                framework.asarray(p), framework.asarray(T), mask=framework.asarray(MASK), fill=fill, reduction="none"
            )
        )
        assert not np.isfinite(rows[1, 0, 0])
        assert np.isfinite(rows[0]).all()


def test_a_fill_beside_cosines_does_not_look_across_the_edges() -> None:
    """A ramp with a hole at its upper end: the values at its lower end have no say."""
    rng = np.random.default_rng(6)
    field = np.linspace(0.0, 1.0, 32) + 0.01 * rng.normal(size=(32, 32))
    mask = np.ones((32, 32), dtype=bool)
    mask[12:20, 26:] = False
    blank = np.where(mask, field, 0.0)
    filled = Relaxation((32, 32), edges=True).apply(backend, blank, mask)
    assert filled[~mask].min() > 0.7  # across the edge are the values around 0
    assert Relaxation((32, 32)).apply(backend, blank, mask)[~mask].min() < 0.4
    found = sl.radial_spectrum(np.where(mask, field, np.nan), transform="dct", mask=mask).power
    np.testing.assert_allclose(found, sl.radial_spectrum(filled, transform="dct").power, rtol=1e-9)
