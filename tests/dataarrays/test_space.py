"""Which dimensions are space, and what their coordinates make of them: lengths, or a sphere."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectral_losses as sl

xr = pytest.importorskip("xarray")
slx = pytest.importorskip("spectral_losses.xarray")

RNG = np.random.default_rng(9)
NORTH, EAST = {"units": "degrees_north"}, {"units": "degrees_east"}
GRIDS = {
    "equiangular": np.linspace(90, -90, 19),
    "cells": np.arange(-85, 86, 10.0),
    "gauss": np.degrees(np.arcsin(np.polynomial.legendre.leggauss(18)[0])),
}


def globe(latitude: Any, longitude: Any, names: tuple[str, str] = ("lat", "lon"), **attrs: dict[str, str]) -> Any:
    coords = {
        name: (name, values, attrs.get(name, {})) for name, values in zip(names, (latitude, longitude), strict=True)
    }
    values = RNG.normal(size=(2, len(latitude), len(longitude)))
    return xr.DataArray(values, dims=("time", *names), coords=coords)


def plane(**coords: Any) -> Any:
    sizes = [len(values[1]) for values in coords.values()]
    return xr.DataArray(RNG.normal(size=(2, *sizes)), dims=("time", *coords), coords=coords)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_grid_of_the_globe_is_a_sphere(grid: str, dtype: str) -> None:
    field = globe(GRIDS[grid].astype(dtype), np.arange(0, 360, 10, dtype))
    found = slx.radial_spectrum(field)
    expected = sl.radial_spectrum(field.data, channel_axis=None, grid=sl.Sphere(grid))
    np.testing.assert_allclose(found, expected.power, rtol=1e-12)
    np.testing.assert_array_equal(found.degree, expected.wavenumber)
    for longitude in (np.arange(-180, 180, 10), np.arange(350, -10, -10), np.arange(5, 365, 10)):
        moved = field.assign_coords(lon=longitude.astype(dtype))
        np.testing.assert_allclose(slx.radial_spectrum(moved), expected.power, rtol=1e-12)
    wrapped = field.assign_coords(lon=(field.lon + 180) % 360 - 180)  # 0, 10, ..., 170, -180, ..., -10
    np.testing.assert_allclose(slx.radial_spectrum(wrapped), expected.power, rtol=1e-12)
    turned = field.transpose("lon", "lat", "time")
    for dims in (None, ("lat", "lon"), ("lon", "lat")):
        np.testing.assert_allclose(slx.radial_spectrum(turned, dims=dims).T, expected.power.T, rtol=1e-12)


@pytest.mark.parametrize(
    ("names", "attrs"),
    [
        (("lat", "lon"), {}),
        (("Latitude", "Longitude"), {}),
        (
            ("rlat", "rlon"),
            {"rlat": {"units": "degrees", "standard_name": "grid_latitude"}, "rlon": {"units": "degrees"}},
        ),
        (("j", "i"), {"j": NORTH, "i": EAST}),
        (("y", "x"), {"y": {"standard_name": "latitude"}, "x": {"standard_name": "longitude", "units": "degree"}}),
        (("lat", "lon"), {"lat": {"units": "degree_north"}, "lon": {"units": "degreeE"}}),
    ],
)
def test_latitude_and_longitude_are_recognised(names: tuple[str, str], attrs: dict[str, dict[str, str]]) -> None:
    assert slx.radial_spectrum(globe(GRIDS["cells"], np.arange(0, 360, 10), names, **attrs)).dims == ("time", "degree")


def test_dimensions_that_are_not_known_have_to_be_named() -> None:
    field = plane(y=("y", np.arange(8)), x=("x", np.arange(12)))
    with pytest.raises(
        ValueError, match="dims must name the dimensions of space: field has time, y, x, of which no two"
    ):
        slx.radial_spectrum(field)
    radians = {"lat": {"units": "radian"}, "lon": {"units": "radian"}}
    with pytest.raises(ValueError, match="dims must name"):
        slx.radial_spectrum(globe(GRIDS["cells"], np.arange(36), **radians))
    with pytest.raises(ValueError, match="'lat' and 'rlat' are both a latitude"):
        slx.radial_spectrum(globe(GRIDS["cells"], np.arange(36), ("lat", "rlat")))
    with pytest.raises(
        ValueError, match=r"dims: field has no dimension 'yy', did you mean 'y'\? \(it has time, y, x\)"
    ):
        slx.radial_spectrum(field, dims=("yy", "x"))
    with pytest.raises(ValueError, match="dims must not repeat"):
        slx.radial_spectrum(field, dims=("x", "x"))
    with pytest.raises(ValueError, match="one, two or three"):
        slx.radial_spectrum(field, dims=())
    with pytest.raises(TypeError, match="dims must be names of dimensions, got 3"):
        slx.radial_spectrum(field, dims=3)


@given(
    st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.integers(4, 12), st.integers(4, 12), st.booleans(),
    st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_coordinates_become_lengths(step: float, origin: float, ny: int, nx: int, down: bool, dtype: str) -> None:
    y, x = (step * (np.arange(n) + origin) for n in (ny, nx))
    field = plane(y=("y", (y[::-1] if down else y).astype(dtype), {"units": "m"}), x=("x", x, {"units": "m"}))
    found = slx.radial_spectrum(field, dims=("y", "x"))
    k, power, edges, _ = sl.radial_spectrum(field.data, channel_axis=None, lengths=(ny * step, nx * step))
    np.testing.assert_allclose(found.wavenumber, k, rtol=2e-3)
    if dtype == "float64":
        np.testing.assert_allclose(found, power, rtol=1e-6)
        np.testing.assert_allclose(found.wavelength, 2 * np.pi / k, rtol=1e-9)
        np.testing.assert_allclose(found.upper, edges[1:], rtol=1e-9)
    assert found.wavenumber.units == "rad/m"
    assert found.wavelength.units == "m"


def test_lengths_that_are_given() -> None:
    field = plane(y=("y", np.arange(8)), x=("x", np.arange(12)))
    expected = sl.radial_spectrum(field.data, channel_axis=None, lengths=(4.0, 6.0))
    for dims, lengths in (
        (("y", "x"), (4, 6)),
        (("x", "y"), (6, 4)),
        (("x", "y"), {"y": 4, "x": 6}),
        ("yx", np.array([4, 6])),
    ):
        found = slx.radial_spectrum(field, dims=tuple(dims), lengths=lengths)
        np.testing.assert_allclose(found, expected.power, rtol=1e-12)
        assert "units" not in found.wavenumber.attrs
    waves = slx.radial_spectrum(field, dims=("y", "x"), lengths=None)
    np.testing.assert_array_equal(waves.wavenumber, np.arange(1, 5))
    assert "wavelength" not in waves.coords
    bare = slx.radial_spectrum(field.drop_vars(["y", "x"]), dims=("y", "x"))
    xr.testing.assert_identical(bare, waves)
    with pytest.raises(ValueError, match="lengths: x has no coordinate, while y has one"):
        slx.radial_spectrum(field.drop_vars("x"), dims=("y", "x"))
    with pytest.raises(ValueError, match="one value for each of y, x, got y, z"):
        slx.radial_spectrum(field, dims=("y", "x"), lengths={"y": 1, "z": 2})
    with pytest.raises(TypeError, match="lengths must be 'auto', None, a number"):
        slx.radial_spectrum(field, dims=("y", "x"), lengths="atuo")


@pytest.mark.parametrize("offset", [0.0, 10.3, 1000.1])
@pytest.mark.parametrize("sizes", [(16, 16), (16, 32), (24, 20)])
def test_a_box_is_square_whatever_float32_makes_of_it(offset: float, sizes: tuple[int, int]) -> None:
    """A side that seems to be longer by rounding would take a shell away."""
    for over in (sizes, (max(sizes),) * 2):  # steps that are equal, lengths that are
        y, x = (
            offset * i + 0.3 * max(sizes) / m * np.arange(n) for i, (n, m) in enumerate(zip(sizes, over, strict=True))
        )
        lengths = tuple(0.3 * max(sizes) / m * n for n, m in zip(sizes, over, strict=True))
        field = plane(y=("y", y.astype("float32")), x=("x", x.astype("float32")))
        expected = sl.radial_spectrum(field.data, channel_axis=None, lengths=lengths)
        found = slx.radial_spectrum(field, dims=("y", "x"))
        np.testing.assert_allclose(found.wavenumber, expected.wavenumber, rtol=1e-3)
        np.testing.assert_array_equal(found.counts, expected.counts)


def test_units_of_lengths() -> None:
    field = plane(y=("y", np.arange(8.0), {"units": "km"}), x=("x", np.arange(8.0) * 1000, {"units": "m"}))
    with pytest.raises(ValueError, match="lengths must be in one unit, got y in 'km', x in 'm': give lengths"):
        slx.radial_spectrum(field, dims=("y", "x"))
    assert "units" not in slx.radial_spectrum(field.assign_coords(x=np.arange(8.0)), dims=("y", "x")).wavenumber.attrs
    assert slx.radial_spectrum(field, dims=("y", "x"), lengths=8).sizes["wavenumber"] == 4


def test_spacing_that_is_not_uniform_is_refused_where_it_breaks() -> None:
    x = np.array([0.0, 1, 2, 3, 5, 6, 7, 8])
    field = plane(y=("y", np.arange(8)), x=("x", x))
    for options in ({}, {"lengths": 8}, {"lengths": None}):
        with pytest.raises(
            ValueError, match=r"x must be uniform.* from 3.0 to 5.0, at index 3, is 2, most are 1\. Inter"
        ):
            slx.radial_spectrum(field, dims=("y", "x"), **options)
    with pytest.raises(ValueError, match="x must be uniform"):
        slx.wavelet_error(field, field, dims=("y", "x"))
    assert float(slx.field_error(field, field, dims=("y", "x"))) == 0  # which transforms nothing
    with pytest.raises(ValueError, match="x must be uniform"):
        slx.radial_spectrum(field.assign_coords(x=np.zeros(8)), dims=("y", "x"))
    with pytest.raises(ValueError, match="x holds no numbers, got a: drop"):
        slx.radial_spectrum(field.assign_coords(x=list("abcdefgh")), dims=("y", "x"))
    rounded = field.assign_coords(x=np.round(np.arange(8) * 0.28125, 3))
    assert slx.radial_spectrum(rounded, dims="x").sizes["wavenumber"] == 4
    with pytest.raises(ValueError, match="x must be uniform"):
        slx.radial_spectrum(field.assign_coords(x=np.where(x == 5, np.nan, x)), dims=("y", "x"))


def test_times_are_in_seconds() -> None:
    hour = np.timedelta64(1, "h")
    start = np.datetime64("2026-01-01", "ns")
    for times in (start + 6 * np.arange(16) * hour, 6 * np.arange(16) * hour.astype("timedelta64[ns]")):
        field = xr.DataArray(RNG.normal(size=(3, 16)), dims=("x", "time"), coords={"time": times})
        found = slx.radial_spectrum(field, dims="time")
        assert found.wavelength.values[0] == pytest.approx(16 * 6 * 3600)
        assert found.wavenumber.attrs == {"units": "rad/s", "long_name": "angular frequency"}
        assert found.wavelength.attrs == {"units": "s", "long_name": "period"}
    cftime = pytest.importorskip("cftime")
    calendar = field.assign_coords(time=[cftime.DatetimeNoLeap(2026, 1, 1 + i) for i in range(16)])
    assert slx.radial_spectrum(calendar, dims="time").wavelength.values[0] == pytest.approx(16 * 86400)
    with pytest.raises(ValueError, match="time must be uniform"):
        slx.radial_spectrum(field.assign_coords(time=start + np.arange(16) ** 2 * hour), dims="time")


def test_zonal_wavenumbers_count_waves_around_the_globe() -> None:
    field = globe(GRIDS["equiangular"], np.arange(0, 360, 10))
    found = slx.radial_spectrum(field, dims="lon")
    np.testing.assert_allclose(found.wavenumber, np.arange(1, 19), rtol=1e-12)
    assert found.wavenumber.attrs == {"units": "1", "long_name": "zonal wavenumber"}
    expected = sl.radial_spectrum(field.data, spatial_axes=-1, channel_axis=None).power
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.dims == ("time", "lat", "wavenumber")
    part = slx.radial_spectrum(field.isel(lon=slice(0, 18)), dims="lon")  # half of it: even waves
    np.testing.assert_allclose(part.wavenumber, np.arange(2, 20, 2), rtol=1e-12)
    assert part.wavelength.units == "rad"


def test_a_part_of_the_globe_is_a_plane_in_km() -> None:
    field = globe(np.arange(60, 39, -1.0), np.arange(0, 20, 1.0))
    with pytest.warns(
        UserWarning, match=r"lat and lon are taken for a plane.*not for a spectral_losses.Sphere: lon from 0 to"
    ):
        found = slx.radial_spectrum(field)
    lengths = np.radians([21, 20 * np.cos(np.radians(50))]) * 6371.0
    expected = sl.radial_spectrum(field.data, channel_axis=None, lengths=tuple(lengths))
    np.testing.assert_allclose(found, expected.power, rtol=1e-12)
    assert found.wavenumber.units == "rad/km"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xr.testing.assert_identical(slx.radial_spectrum(field, grid=None), found)
        moon = slx.radial_spectrum(field, grid=None, radius=1737.4)
        np.testing.assert_allclose(moon.wavelength / found.wavelength, 1737.4 / 6371.0, rtol=1e-12)
        slx.radial_spectrum(field, lengths=(1, 1))
        slx.radial_spectrum(field, dims="lon")
    for radius, error in ((0, ValueError), (np.inf, ValueError), ("a", TypeError)):
        with pytest.raises(error, match="radius must be"):
            slx.radial_spectrum(field, radius=radius)


def test_a_globe_that_no_sphere_takes_is_a_plane_with_a_reason() -> None:
    around = np.arange(0, 360, 10)
    cropped = globe(np.linspace(90, -90, 19)[:-1], around)  # as some models leave out a pole
    with pytest.warns(UserWarning, match="lat, 18 from 90 to -80, is none of the grids on which sums are exact"):
        slx.radial_spectrum(cropped)
    with pytest.warns(UserWarning, match="lat has no coordinate"):
        slx.radial_spectrum(globe(GRIDS["cells"], around).drop_vars(["lat", "lon"]))
    with pytest.warns(UserWarning, match="all points alike.*mask=numpy.cos"):
        slx.field_error(cropped, cropped)
    with pytest.warns(UserWarning, match="taken for a plane, not for"):
        slx.sobolev_error(cropped, cropped)
    weights = np.cos(np.deg2rad(cropped.lat))
    with pytest.warns(UserWarning, match="all points alike"):
        slx.field_error(cropped, cropped, mask=weights > 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slx.field_error(cropped, cropped, mask=weights)


def test_several_losses_on_a_part_of_the_globe_warn_once() -> None:
    field = globe(np.arange(60, 39, -1.0), np.arange(0, 20, 1.0))
    losses = ["field_error", "sobolev_error", "wavelet_error", "spectrum_error", "band_error"]
    both = "taken for a plane, with lengths that are right in its middle and all points alike, not for a spectral"
    with pytest.warns(UserWarning, match=both) as caught:
        slx.evaluate(field, field, losses=losses)
    (warning,) = caught
    assert str(warning.message).endswith("mask=numpy.cos(numpy.deg2rad(lat)) weighs points by area")
    assert warning.filename == __file__
    with pytest.warns(UserWarning, match="plane, with lengths that are right in its middle, not for") as caught:
        slx.evaluate(field, field, losses=losses, mask=np.cos(np.deg2rad(field.lat)))
    (warning,) = caught
    assert "area" not in str(warning.message)


def test_a_plane_of_the_globe_warns_and_names_the_sphere() -> None:
    field = globe(GRIDS["equiangular"], np.arange(0, 360, 10))
    for options in ({"grid": None}, {"lengths": (np.pi, 2 * np.pi)}, {"grid": None, "lengths": None}):
        with pytest.warns(UserWarning, match=r"cover the globe.*plane.*spectral_losses\.Sphere"):
            slx.radial_spectrum(field, **options)
    for name in ("wavelet_error", "focal_frequency_error"):
        with pytest.warns(UserWarning, match=rf"{name} knows no other"):
            getattr(slx, name)(field, field)
    with pytest.raises(ValueError, match="wavelet_error knows no sphere"):
        slx.wavelet_error(field, field, grid=sl.Sphere("equiangular"))
    with pytest.raises(ValueError, match="window must be None with grid"):
        slx.radial_spectrum(field, window="hann")


def test_a_sphere_that_is_given() -> None:
    field = globe(GRIDS["equiangular"], np.arange(0, 360, 10))
    found = slx.radial_spectrum(field, grid=sl.Sphere("equiangular", degrees=5))
    assert found.sizes["degree"] == 5
    with pytest.raises(ValueError, match=r"lat has the 'equiangular' latitudes, got Sphere\('gauss'\)"):
        slx.radial_spectrum(field, grid=sl.Sphere("gauss"))
    bare = field.drop_vars(["lat", "lon"]).rename(lat="j", lon="i")
    np.testing.assert_allclose(
        slx.radial_spectrum(bare, dims=("j", "i"), grid=sl.Sphere("equiangular", degrees=5)), found, rtol=1e-12
    )
    with pytest.raises(TypeError, match="grid must be 'auto', None or a Sphere, got 'sphere'"):
        slx.radial_spectrum(field, grid="sphere")


def test_a_meridian_that_is_there_twice() -> None:
    field = globe(GRIDS["equiangular"], np.linspace(0, 360, 37))
    with pytest.raises(
        ValueError, match=r"lon has its first meridian twice, 0 and 360: .*isel\(lon=slice\(None, -1\)\)"
    ):
        slx.radial_spectrum(field)
    assert slx.radial_spectrum(field.isel(lon=slice(None, -1))).dims == ("time", "degree")


def test_means_over_the_globe_are_weighed_by_area() -> None:
    p, t = (globe(GRIDS["equiangular"], np.arange(0, 360, 10)) for _ in range(2))
    expected = sl.field_error(p.data, t.data, channel_axis=None, grid=sl.Sphere("equiangular"))
    assert float(slx.field_error(p, t)) == pytest.approx(float(expected), rel=1e-12)
    land = RNG.uniform(size=(19, 36)) > 0.5
    mask = xr.DataArray(land, dims=("lat", "lon"), coords={"lat": p.lat, "lon": p.lon})
    expected = sl.field_error(p.data, t.data, channel_axis=None, mask=land, grid=sl.Sphere("equiangular"))
    assert float(slx.field_error(p, t, mask=mask)) == pytest.approx(float(expected), rel=1e-12)


def test_three_dimensions() -> None:
    coords = {name: (name, 0.5 * np.arange(8.0), {"units": "m"}) for name in ("z", "y", "x")}
    field = plane(**coords)
    found = slx.radial_spectrum(field, dims=("z", "y", "x"))
    expected = sl.radial_spectrum(field.data, spatial_axes=(1, 2, 3), channel_axis=None, lengths=4.0)
    np.testing.assert_allclose(found, expected.power, rtol=1e-12)
    zonal = globe(np.arange(60, 50, -1.0), np.arange(10.0)).expand_dims(level=[500, 850, 925, 1000], axis=1)
    with pytest.raises(ValueError, match="level must be uniform"):
        slx.radial_spectrum(zonal, dims=("level", "lat", "lon"))
