"""Losses of DataArrays and Datasets: each is the plain one, whatever the order of dimensions and points."""

from __future__ import annotations

import inspect
import pydoc
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses, options_of

xr = pytest.importorskip("xarray")
slx = pytest.importorskip("spectral_losses.xarray")

RNG = np.random.default_rng(7)
P, T = RNG.normal(size=(2, 3, 2, 16, 24))
DIMS = ("time", "level", "y", "x")
COORDS = {
    "time": np.datetime64("2026-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h"),
    "level": ("level", [500.0, 850.0], {"units": "hPa"}),
    "y": ("y", 10.0 * np.arange(16), {"units": "km"}),
    "x": ("x", 10.0 * np.arange(24), {"units": "km"}),
}
LOSSES = all_losses()
every_loss = pytest.mark.parametrize("name", LOSSES)


def array(values: Any, **attrs: Any) -> Any:
    return xr.DataArray(values, dims=DIMS, coords=COORDS, name="u", attrs=attrs)


def box(name: str) -> dict[str, Any]:
    """The lengths that coordinates stand for, where a loss of shells takes them."""
    return {"lengths": (160.0, 240.0)} if {"bins", "lengths"} <= options_of(LOSSES[name]) else {}


def test_all_losses_are_here() -> None:
    assert set(LOSSES) <= set(slx.__all__)
    for name in LOSSES:
        assert getattr(slx, name).__name__ == name


@every_loss
def test_numbers_are_those_of_the_plain_loss(name: str) -> None:
    plain, named = LOSSES[name], getattr(slx, name)
    for extra in ({}, {"pool": "time"}) if "pool" in options_of(plain) else ({},):
        axes = {option: DIMS.index(dim) for option, dim in extra.items()}
        expected = plain(P, T, spatial_axes=(2, 3), channel_axis=None, reduction="none", **axes, **box(name))
        found = named(array(P), array(T), dims=("y", "x"), reduction="none", **extra)
        np.testing.assert_allclose(found.values, expected, rtol=1e-12)
        mean = named(array(P), array(T), dims=("y", "x"), **extra)
        assert mean.dims == ()
        assert mean.name == name
        assert float(mean) == pytest.approx(float(plain(P, T, channel_axis=None, **axes, **box(name))), rel=1e-12)


@every_loss
def test_the_order_of_dimensions_and_points_does_not_matter(name: str) -> None:
    named = getattr(slx, name)
    shuffled = array(P).transpose("x", "level", "time", "y").isel(time=[2, 0, 1], level=[1, 0], y=slice(None, None, -1))
    shuffled = shuffled.assign_coords(x=shuffled.x.astype(np.float32))
    expected = named(array(P), array(T), dims=("y", "x"), reduction="none")
    xr.testing.assert_allclose(named(shuffled, array(T), dims=("y", "x"), reduction="none"), expected, rtol=1e-12)


@every_loss
def test_what_is_left_has_its_coordinates(name: str) -> None:
    found = getattr(slx, name)(array(P), array(T), dims=("y", "x"), reduction="none")
    assert found.dims in (("time", "level"), ("time",))  # one value for each batch element
    assert not {"y", "x"} & set(found.coords)
    np.testing.assert_array_equal(found.time, COORDS["time"])
    if "level" in found.dims:
        assert found.level.attrs == {"units": "hPa"}


@every_loss
def test_channels_by_name(name: str) -> None:
    plain = LOSSES[name]
    for channels in ("separate", "sum", "mean"):
        options = {"channels": channels, "reduction": "none"}
        expected = plain(P, T, channel_axis=1, **options, **box(name))
        found = getattr(slx, name)(array(P), array(T), dims=("y", "x"), channel_dim="level", **options)
        np.testing.assert_allclose(found.values, expected, rtol=1e-12)
        assert ("level" in found.dims) == (channels == "separate" and found.ndim == 2)


@every_loss
def test_signatures_and_help(name: str) -> None:
    """Options are spelt out, by names, and nothing of the plain function is lost."""
    parameters = inspect.signature(getattr(slx, name)).parameters
    lost = options_of(LOSSES[name]) - parameters.keys()
    assert lost == {"spatial_axes", "channel_axis"}
    assert parameters.keys() - options_of(LOSSES[name]) - {"grid"} == {"prediction", "target", "dims", "channel_dim"}
    text = pydoc.render_doc(getattr(slx, name))
    assert "dims : str or sequence of str, optional" in text
    for option in parameters:
        assert option in text
    with pytest.raises(TypeError, match=f"{name}: option 'spatial_axes' is not known"):
        getattr(slx, name)(array(P), array(T), spatial_axes=(2, 3))


def test_all_variables_at_once() -> None:
    prediction = xr.Dataset({"u": array(P), "v": array(2 * P), "mine": array(P)}, attrs={"title": "forecast"})
    target = xr.Dataset({"v": array(T), "u": array(T), "count": ("time", [1, 2, 3])}, attrs={"title": "analysis"})
    found = slx.field_error(prediction, target, dims=("y", "x"), reduction="none")
    assert list(found.data_vars) == ["v", "u"]
    assert found.attrs == {}
    for name, factor in (("u", 1), ("v", 2)):
        np.testing.assert_allclose(
            found[name], sl.field_error(factor * P, T, channel_axis=None, reduction="none"), rtol=1e-12
        )


def test_a_variable_without_a_dimension_that_is_pooled() -> None:
    fields = xr.Dataset({"u": array(T), "height": array(T).isel(time=0, level=0, drop=True)})
    found = slx.log_spectral_distance(1.1 * fields, fields, dims=("y", "x"), pool=["time", "level"], reduction="none")
    assert found.u.dims == found.height.dims == ()
    with pytest.raises(ValueError, match="pool: no variable has a dimension 'tme'; there are level, time, x, y"):
        slx.log_spectral_distance(fields, fields, dims=("y", "x"), pool=["tme"])


def test_what_is_no_pair() -> None:
    fields = xr.Dataset({"u": array(T)})
    with pytest.raises(
        TypeError, match="prediction and target must be DataArrays, or Datasets, got DataArray and Datas"
    ):
        slx.field_error(array(P), fields)
    with pytest.raises(TypeError, match="got ndarray and ndarray"):
        slx.field_error(P, T)
    with pytest.raises(ValueError, match=r"no variable .* in both: prediction has w; target has u"):
        slx.field_error(fields.rename(u="w"), fields, dims=("y", "x"))
    with pytest.raises(ValueError, match="u: level"):
        slx.field_error(fields.isel(level=[0]), fields, dims=("y", "x"))
    with pytest.raises(TypeError, match="u: mask must be a DataArray"):
        slx.field_error(fields, fields, dims=("y", "x"), mask=np.ones((16, 24)))
    with pytest.raises(ValueError, match="channels='sum' needs a dimension of components"):
        slx.field_error(array(P), array(T), dims=("y", "x"), channels="sum")
    with pytest.raises(ValueError, match="channel_dim 'y' is one of the dimensions of space"):
        slx.field_error(array(P), array(T), dims=("y", "x"), channel_dim="y")
    with pytest.raises(ValueError, match="pool must name dimensions that are neither space nor channel, got 'y'"):
        slx.field_error(array(P), array(T), dims=("y", "x"), pool="y")


def test_masks_by_name() -> None:
    weights = RNG.uniform(size=(16, 24))
    mask = xr.DataArray(weights.T[:, ::-1], dims=("x", "y"), coords={"x": COORDS["x"], "y": COORDS["y"][1][::-1]})
    found = slx.field_error(array(P), array(T), dims=("y", "x"), mask=mask)
    assert float(found) == pytest.approx(float(sl.field_error(P, T, channel_axis=None, mask=weights)), rel=1e-12)
    rows = xr.DataArray(weights[:, 0], dims="y", coords={"y": COORDS["y"]})
    whole = np.broadcast_to(weights[:, :1], (16, 24))
    for option in ("separate", "mean"):
        found = slx.field_error(array(P), array(T), dims=("y", "x"), mask=rows * xr.ones_like(mask), channels=option,
                                channel_dim="level")  # fmt: skip
        assert float(found) == pytest.approx(
            float(sl.field_error(P, T, mask=whole, channels=option, channel_axis=1)), rel=1e-12
        )
    assert float(slx.field_error(array(P), array(T), dims=("y", "x"), mask=rows)) == pytest.approx(
        float(sl.field_error(P, T, channel_axis=None, mask=whole)), rel=1e-12
    )
    by_time = xr.DataArray(T > 0, dims=DIMS, coords=COORDS).transpose("y", "x", "level", "time")
    found = slx.correlation_error(array(P), array(T), dims=("y", "x"), mask=by_time)
    assert float(found) == pytest.approx(float(sl.correlation_error(P, T, channel_axis=None, mask=T > 0)), rel=1e-12)
    with pytest.raises(ValueError, match="mask has dimensions that the fields lack: z; they have time, level, y, x"):
        slx.field_error(array(P), array(T), dims=("y", "x"), mask=rows.rename(y="z"))
    with pytest.raises(ValueError, match="y: mask and target must have the same values; 16 "):
        slx.field_error(array(P), array(T), dims=("y", "x"), mask=rows.assign_coords(y=rows.y + 5))


def test_a_table_of_errors() -> None:
    names = ["sobolev_error", "field_error", "log_spectral_distance", "wavelet_error"]
    prediction, target = (xr.Dataset({"u": array(x), "v": array(x**2)}) for x in (P, T))
    table = slx.evaluate(prediction.isel(time=[1, 2, 0]), target, losses=names, dims=("y", "x"))
    assert list(table.loss.values) == names
    for name in names:
        for variable in ("u", "v"):
            single = getattr(slx, name)(prediction, target, dims=("y", "x"))
            assert float(table[variable].sel(loss=name)) == pytest.approx(float(single[variable]), rel=1e-12)
    one = slx.evaluate(array(P), array(T), losses="field_error", dims=("y", "x"))
    assert one.dims == ("loss",)
    assert one.name == "u"
    with pytest.raises(ValueError, match="'field_eror' is not known, did you mean 'field_error'"):
        slx.evaluate(target, target, losses="field_eror", dims=("y", "x"))
    with pytest.raises(TypeError, match="evaluate: option 'bands' is not known"):
        slx.evaluate(target, target, dims=("y", "x"), bands=3)
    with pytest.raises(ValueError, match="at least one loss"):
        slx.evaluate(target, target, losses=[], dims=("y", "x"))


def test_lengths_do_not_change_what_depends_on_their_unit() -> None:
    """A Sobolev norm compares 1 with k**2: its lengths come from who asks for them."""
    plain = sl.sobolev_error(P, T, channel_axis=None)
    assert float(slx.sobolev_error(array(P), array(T), dims=("y", "x"))) == pytest.approx(float(plain), rel=1e-12)
    asked = sl.sobolev_error(P, T, channel_axis=None, lengths=(160.0, 240.0))
    for lengths in ("auto", {"x": 240.0, "y": 160.0}, (160.0, 240.0)):
        found = slx.sobolev_error(array(P), array(T), dims=("y", "x"), lengths=lengths)
        assert float(found) == pytest.approx(float(asked), rel=1e-12)


def test_plain_functions_point_here() -> None:
    with pytest.raises(TypeError, match=r"spectral_losses\.xarray has functions of DataArrays and Datasets"):
        sl.field_error(array(P), array(T))
    with pytest.raises(TypeError, match=r"Dataset; spectral_losses\.xarray"):
        sl.radial_spectrum(xr.Dataset({"u": array(T)}))
