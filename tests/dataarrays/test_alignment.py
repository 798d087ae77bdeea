"""Pairs are compared place by place, as their coordinates say, or refused by the name of what differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectral_losses as sl

xr = pytest.importorskip("xarray")
slx = pytest.importorskip("spectral_losses.xarray")

RNG = np.random.default_rng(8)
SHAPE = (3, 2, 10, 20)
P, T = RNG.normal(size=(2, *SHAPE))
LATITUDE, LONGITUDE = np.arange(81, -82, -18.0), np.arange(0, 360, 18.0)
TIMES = np.datetime64("2026-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")


def fields() -> tuple[Any, Any]:
    coords = {
        "time": TIMES,
        "level": ("level", [500, 850], {"units": "hPa"}),
        "latitude": ("latitude", LATITUDE, {"units": "degrees_north"}),
        "longitude": ("longitude", LONGITUDE, {"units": "degrees_east"}),
    }
    return tuple(xr.DataArray(x, dims=tuple(coords), coords=coords, attrs={"units": "m s-1"}) for x in (P, T))  # type: ignore[return-value]


def errors(p: Any, t: Any) -> Any:
    return slx.field_error(p, t, reduction="none")


EXPECTED = sl.field_error(P, T, channel_axis=None, grid=sl.Sphere(LATITUDE), reduction="none")


@given(st.permutations(range(4)), st.data())
def test_any_order_of_dimensions_and_points_is_the_same_pair(order: list[int], data: st.DataObject) -> None:
    p, t = fields()
    for dim, size in zip(p.dims, SHAPE, strict=True):
        p = p.isel({dim: data.draw(st.permutations(range(size)))})
    p = p.transpose(*(p.dims[i] for i in order))
    if data.draw(st.booleans()):
        p = p.assign_coords(longitude=(p.longitude + 180) % 360 - 180)
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    p = p.assign_coords(latitude=p.latitude.astype(dtype), longitude=p.longitude.astype(dtype))
    np.testing.assert_allclose(errors(p, t), EXPECTED, rtol=1e-12)


@given(st.sampled_from(["time", "level", "latitude", "longitude"]), st.data())
def test_one_other_value_is_refused(dim: str, data: st.DataObject) -> None:
    p, t = fields()
    values = p[dim].values.copy()
    at = data.draw(st.integers(0, len(values) - 1))
    values[at] += np.timedelta64(1, "h") if dim == "time" else data.draw(st.sampled_from([-1, 1, 3]))
    p = p.assign_coords({dim: (dim, values, p[dim].attrs)})
    with pytest.raises(ValueError, match=rf"{dim}: prediction and target must have the same values; 1 \(.* 1 \("):
        errors(p, t)


def test_reversed_levels_and_times_and_shifted_lead_times() -> None:
    p, t = fields()
    for dim in ("level", "time", "latitude"):
        np.testing.assert_allclose(errors(p.isel({dim: slice(None, None, -1)}), t), EXPECTED, rtol=1e-12)
    with pytest.raises(ValueError, match=r"time: .*; 1 \(2026-01-01T00.* 1 \(2026-01-01T18.* xarray\.align"):
        errors(p.assign_coords(time=p.time + np.timedelta64(6, "h")), t)
    lead = np.arange(3) * np.timedelta64(6, "h").astype("timedelta64[ns]")
    p, t = (x.assign_coords(time=lead).rename(time="lead_time") for x in (p, t))
    with pytest.raises(ValueError, match="lead_time: "):
        errors(p.assign_coords(lead_time=p.lead_time + np.timedelta64(6, "h")), t)


def test_names_of_latitude_that_differ() -> None:
    p, t = fields()
    other = p.rename(latitude="lat", longitude="lon").isel(lat=slice(None, None, -1))
    found = errors(other, t)
    np.testing.assert_allclose(found, EXPECTED, rtol=1e-12)
    with pytest.raises(ValueError, match="same dimensions, got step, level, latitude, longitude and time, level, lat"):
        errors(p.rename(time="step"), t)


def test_square_grids_are_not_compared_transposed() -> None:
    x = xr.DataArray(RNG.normal(size=(8, 8)), dims=("y", "x"))
    assert float(slx.field_error(x.T, x, dims=("y", "x"))) == 0
    assert float(sl.field_error(x.data.T, x.data)) > 0.1


def test_sizes_and_coordinates_of_one_side() -> None:
    p, t = fields()
    with pytest.raises(
        ValueError, match=r"time: .* 1 \(2026-01-01T12.*of the target's 3 .* none of the prediction's 2"
    ):
        errors(p.isel(time=[0, 1]), t)
    bare = p.drop_vars("level")
    with pytest.raises(ValueError, match=r"level has a coordinate in the target alone.*prediction\.assign_coords"):
        errors(bare, t)
    with pytest.raises(ValueError, match=r"level has a coordinate in the prediction alone.*target\.assign_coords"):
        errors(t, bare)
    np.testing.assert_allclose(errors(bare.assign_coords(level=t.level), t), EXPECTED, rtol=1e-12)
    neither = (x.drop_vars("level") for x in (p, t))  # nothing but positions is there
    np.testing.assert_allclose(errors(*neither), EXPECTED, rtol=1e-12)
    with pytest.raises(ValueError, match="level has 1 points in the prediction, 2 in the target"):
        errors(bare.isel(level=[0]), t.drop_vars("level"))
    with pytest.raises(ValueError, match=r"got member, time, .*; expand_dims or broadcast_like"):
        errors(p.expand_dims(member=[1, 2]), t)


def test_values_that_repeat() -> None:
    p, t = fields()
    p, t = (x.assign_coords(level=[500, 500]) for x in (p, t))
    np.testing.assert_allclose(errors(p, t), EXPECTED, rtol=1e-12)
    with pytest.raises(ValueError, match="level repeats values in the prediction"):
        errors(p, t.assign_coords(level=[500, 850]))
    names = (x.assign_coords(level=["a", "a"]) for x in (p, t))
    np.testing.assert_allclose(errors(*names), EXPECTED, rtol=1e-12)
    with pytest.raises(ValueError, match="level repeats values in the prediction"):
        errors(p.assign_coords(level=["a", "a"]), t.assign_coords(level=["a", "b"]))


@pytest.mark.filterwarnings("ignore:Converting non-nanosecond")  # older releases of xarray say so
def test_coordinates_of_other_kinds() -> None:
    p, t = fields()
    words = (x.assign_coords(level=["low", "high"]) for x in (p.isel(level=[1, 0]), t))
    with pytest.raises(ValueError, match=r"level: .*2 \(500, 850\) of the target's 2 .*2 \(low, high\)"):
        errors(p.assign_coords(level=["low", "high"]), t)
    assert errors(*words).shape == (3, 2)
    seconds = p.assign_coords(time=TIMES.astype("datetime64[s]"))
    np.testing.assert_allclose(errors(seconds, t), EXPECTED, rtol=1e-12)
    cftime = pytest.importorskip("cftime")
    calendar = [cftime.DatetimeNoLeap(2026, 1, 1, 6 * i) for i in range(3)]
    a, b = (x.assign_coords(time=calendar) for x in (p, t))
    np.testing.assert_allclose(errors(a.isel(time=[2, 0, 1]), b), EXPECTED, rtol=1e-12)
    with pytest.raises(ValueError, match="time: "):
        errors(a, t)


def test_coordinates_that_are_no_dimension() -> None:
    p, t = (x.isel(level=0, time=0) for x in fields())
    assert errors(p, t).level == 500
    other = fields()[0].isel(level=1, time=0)
    with pytest.raises(ValueError, match=r"level \(850 and 500\).*prediction\.drop_vars\(\['level'\]\)"):
        errors(other, t)
    assert errors(other.drop_vars("level"), t).level == 500
    assert errors(p.assign_coords(number=3), t).number == 3
    assert errors(p.assign_coords(height=np.float32(0.1)), t.assign_coords(height=0.1)).shape == ()
    p, t = fields()
    valid = ("time", TIMES)
    assert errors(p.assign_coords(valid_time=valid), t.assign_coords(valid_time=valid)).valid_time.dims == ("time",)
    with pytest.raises(ValueError, match=r"valid_time \(3 values and 3 values\)"):
        errors(p.assign_coords(valid_time=("time", TIMES + np.timedelta64(6, "h"))), t.assign_coords(valid_time=valid))
    with pytest.raises(ValueError, match="place"):
        errors(p.assign_coords(place=("latitude", np.arange(10))), t.assign_coords(place=1))
    curved = ("latitude", "longitude"), RNG.uniform(size=(10, 20))
    nan = (curved[0], np.where(curved[1] > 0.5, np.nan, curved[1]))
    assert errors(p.assign_coords(area=nan), t.assign_coords(area=nan)).shape == (3, 2)
    with pytest.raises(ValueError, match="area"):
        errors(p.assign_coords(area=curved), t.assign_coords(area=nan))
    around = ("latitude", np.full(10, -90.0), {"units": "degrees_east"})
    east = (around[0], around[1] + 360, around[2])
    assert errors(p.assign_coords(nominal=around), t.assign_coords(nominal=east)).shape == (3, 2)


def test_a_forecast_and_an_analysis_of_the_same_valid_time() -> None:
    """When it was made may differ, as long as both say that they are of the same time."""
    p, t = (x.isel(time=0, drop=True) for x in fields())
    valid, made = {"standard_name": "time"}, {"standard_name": "forecast_reference_time"}
    p = p.assign_coords(valid_time=((), TIMES[1], valid), time=((), TIMES[0], made))
    t = t.assign_coords(valid_time=((), TIMES[1], valid), time=((), TIMES[1], made))
    assert errors(p, t).time == TIMES[1]
    with pytest.raises(ValueError, match=r"differ in coordinates: valid_time .*, time "):
        errors(p.assign_coords(valid_time=((), TIMES[2], valid)), t)
    with pytest.raises(ValueError, match=r"differ in coordinates: time \("):
        errors(p.drop_vars("valid_time"), t.drop_vars("valid_time"))


@pytest.mark.parametrize(
    ("mine", "other", "alike"),
    [
        ("m s-1", "m/s", True),
        ("m s**-1", "m s^-1", True),
        ("kg kg**-1", "1", True),
        ("m.s-2", "m*s-2", True),
        ("W m-2", "W/m2", True),
        ("1/s", "s-1", True),
        ("%", "%", True),
        ("m s-1", "knots", False),
        ("K", "degC", False),
        ("m s-1", "m s-2", False),
        ("mm (6h)-1", "mm", False),
        ("mb", "hPa", True),
        ("kelvin", "K", True),
        ("Pa", "hPa", False),
    ],
)
def test_units(mine: str, other: str, alike: bool) -> None:
    p, t = fields()
    p, t = p.assign_attrs(units=mine), t.assign_attrs(units=other)
    if alike:
        assert errors(p, t).shape == (3, 2)
    else:
        with pytest.raises(ValueError, match="prediction and target have other units"):
            errors(p, t)
    p.attrs = {}
    assert errors(p, t).shape == (3, 2)


def test_units_of_coordinates() -> None:
    p, t = fields()
    with pytest.raises(ValueError, match="level of prediction and target have other units, 'm' and 'hPa'"):
        errors(p.assign_coords(level=("level", [500, 850], {"units": "m"})), t)
    vague = p.assign_coords(latitude=("latitude", LATITUDE, {"units": "degrees"}))
    assert errors(vague, t).shape == (3, 2)
