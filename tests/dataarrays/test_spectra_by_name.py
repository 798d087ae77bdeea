"""Spectra and diagnostics of DataArrays and Datasets: their numbers, names, units and attributes."""

from __future__ import annotations

import inspect
import pydoc
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.losses.registry import options_of

xr = pytest.importorskip("xarray")
slx = pytest.importorskip("spectral_losses.xarray")

RNG = np.random.default_rng(10)
P, T = RNG.normal(size=(2, 4, 3, 18, 36))
DIMS = ("time", "level", "latitude", "longitude")
COORDS = {
    "time": np.datetime64("2026-01-01", "ns") + np.arange(4) * np.timedelta64(6, "h"),
    "level": ("level", [200, 500, 850], {"units": "hPa"}),
    "latitude": ("latitude", np.arange(85, -86, -10.0), {"units": "degrees_north"}),
    "longitude": ("longitude", np.arange(0, 360, 10.0), {"units": "degrees_east"}),
    "season": ("time", list("aabb")),
    "area": (("latitude", "longitude"), np.ones((18, 36))),
    "number": 7,
}
ATTRS = {"units": "m s-1", "long_name": "zonal wind", "standard_name": "eastward_wind", "institution": "here"}
SPHERE = sl.Sphere("cells")
FUNCTIONS = ("radial_spectrum", "energy_spectrum", "cross_spectrum", "effective_resolution")


def field(values: Any = T, **attrs: Any) -> Any:
    return xr.DataArray(values, dims=DIMS, coords=COORDS, name="u", attrs={**ATTRS, **attrs})


def box(values: Any = T) -> Any:
    """The same on a plane of 4 x 4 km for each point."""
    coords = {name: (name, 4.0 * np.arange(n), {"units": "km"}) for name, n in (("y", 18), ("x", 36))}
    return xr.DataArray(values, dims=("time", "level", "y", "x"), coords=coords, name="u", attrs=ATTRS)


def test_a_spectrum_on_the_sphere() -> None:
    found = slx.radial_spectrum(field())
    expected = sl.radial_spectrum(T, channel_axis=None, grid=SPHERE)
    np.testing.assert_allclose(found, expected.power, rtol=1e-12)
    assert found.dims == ("time", "level", "degree")
    assert found.name == "power"
    assert set(found.coords) == {
        "time", "level", "season", "number", "degree", "wavelength", "lower", "upper", "counts"
    }  # fmt: skip
    assert found.attrs == {"units": "(m s-1)^2", "long_name": "power of zonal wind", "institution": "here"}
    assert found.degree.attrs == {"units": "1", "long_name": "degree of spherical harmonics"}
    assert found.wavelength.attrs == {"units": "km", "long_name": "wavelength"}
    degree = np.arange(1, 9)
    np.testing.assert_allclose(found.wavelength, 2 * np.pi * 6371 / np.sqrt(degree * (degree + 1)))
    np.testing.assert_array_equal(found.counts, 2 * degree + 1)
    np.testing.assert_array_equal([found.lower, found.upper], [degree - 0.5, degree + 0.5])
    mars = slx.radial_spectrum(field(), radius=3389.5)
    np.testing.assert_allclose(mars.wavelength, found.wavelength * 3389.5 / 6371)


def test_pooled_by_name() -> None:
    for pool, axes, dims in (
        ("time", 0, ("level", "degree")),
        (("level", "time"), (0, 1), ("degree",)),
        ("frames", "frames", ("degree",)),
    ):
        found = slx.radial_spectrum(field(), pool=pool)
        np.testing.assert_allclose(
            found, sl.radial_spectrum(T, channel_axis=None, pool=axes, grid=SPHERE).power, rtol=1e-12
        )
        assert found.dims == dims
        assert ("season" in found.coords) == ("time" in dims)
    one = field().isel(time=0, level=0)
    with pytest.raises(ValueError, match=r"pool: field of shape .* has no frame axis"):
        slx.radial_spectrum(one, pool="frames")
    with pytest.raises(ValueError, match="pool: field has no dimension 'tme', did you mean 'time'"):
        slx.radial_spectrum(field(), pool="tme")


def test_a_spectrum_on_the_plane() -> None:
    found = slx.radial_spectrum(box(), dims=("y", "x"), bins="log", window="hann", detrend="linear")
    expected = sl.radial_spectrum(
        T, channel_axis=None, lengths=(72, 144), bins="log", window="hann", detrend="linear"
    )  # fmt: skip
    np.testing.assert_allclose(found, expected.power, rtol=1e-12)
    for name, values in (
        ("wavenumber", expected.wavenumber),
        ("lower", expected.edges[:-1]),
        ("counts", expected.counts),
    ):
        np.testing.assert_allclose(found[name], values, rtol=1e-12)
    assert found.units == "(m s-1)^2 (rad/km)^2"
    assert slx.radial_spectrum(box(), dims=("y", "x"), lengths=None).units == "(m s-1)^2"
    assert slx.radial_spectrum(box(), dims="x").units == "(m s-1)^2 rad/km"
    assert "units" not in slx.radial_spectrum(box(), dims=("y", "x"), lengths=3.0).attrs
    bare = box()
    bare.attrs = {}
    assert slx.radial_spectrum(bare, dims=("y", "x")).attrs == {"long_name": "power of u"}


@pytest.mark.parametrize(
    ("units", "squared"), [("K", "K^2"), ("1", "1"), ("", "1"), ("kg kg**-1", "(kg kg**-1)^2"), ("m/s", "(m/s)^2")]
)
def test_units_of_squares(units: str, squared: str) -> None:
    assert slx.radial_spectrum(field(units=units)).units == squared


def test_all_variables_at_once() -> None:
    fields = xr.Dataset(
        {
            "u": field(),
            "h": field().isel(level=0, drop=True),
            "bounds": ("time", np.zeros(4)),
            "n": field().astype(int),
        },
        attrs={"title": "analysis"},
    )
    found = slx.radial_spectrum(fields, pool=["time", "level"])
    assert list(found.data_vars) == ["u", "h"]
    assert found.attrs == {"title": "analysis"}
    assert found.degree.attrs["long_name"] == "degree of spherical harmonics"
    xr.testing.assert_allclose(found.u.rename("power"), slx.radial_spectrum(field(), pool=["time", "level"]))
    assert found.u.attrs["long_name"] == "power of zonal wind"
    coarse = xr.DataArray(T[:, :, :10, :20], dims=(*DIMS[:2], "rlat", "rlon")).assign_coords(
        rlat=np.arange(81, -90, -18.0), rlon=np.arange(0, 360, 18.0)
    )
    with pytest.raises(ValueError, match="grids with different wavenumbers: hand over u, v one by one"):
        slx.radial_spectrum(xr.Dataset({"u": field(), "v": coarse}))
    with pytest.raises(ValueError, match=r"no variable of floats has the dimensions of space: field has u$"):
        slx.radial_spectrum(xr.Dataset({"u": box()}))


def test_directions() -> None:
    """A wave from the lower left to the upper right is one, whichever way the coordinate runs."""
    n = 16
    y, x = np.arange(n), np.arange(n)
    wave = xr.DataArray(
        np.cos(2 * np.pi * 3 * (y[:, None] + x) / n), dims=("y", "x"), coords={"y": y, "x": x}
    )  # fmt: skip
    for each in (wave, wave.isel(y=slice(None, None, -1)), wave.isel(x=slice(None, None, -1), y=slice(None, None, -1))):
        found = slx.radial_spectrum(each, dims=("y", "x"), bins=sl.Sectors(4))
        assert found.dims == ("wavenumber", "angle")
        assert float(found.sum("wavenumber").idxmax()) == pytest.approx(np.pi / 4)
    assert found.angle.attrs["units"] == "rad"
    assert found.counts.dims == ("wavenumber", "angle")
    cylinders = slx.radial_spectrum(wave, dims=("y", "x"), bins=sl.Cylinders())
    assert cylinders.dims == ("k_perp", "k_par")
    assert cylinders.k_par.attrs["long_name"] == "wavenumber along x"
    later = wave.copy(data=np.cos(2 * np.pi * 3 * (y[:, None] + x) / n - 0.5))
    phases = [
        float(slx.cross_spectrum(*pair, dims="x", pool="y").phase.isel(wavenumber=2))
        for pair in ((later, wave), (later.isel(x=slice(None, None, -1)), wave.isel(x=slice(None, None, -1))))
    ]
    assert abs(phases[0]) == pytest.approx(0.5)
    assert phases[0] == pytest.approx(phases[1])


def test_cross_spectra() -> None:
    p = field(P).isel(latitude=slice(None, None, -1), level=[2, 0, 1]).transpose("longitude", ...)
    found = slx.cross_spectrum(p, field(), pool="time")
    expected = sl.cross_spectrum(P, T, channel_axis=None, pool=0, grid=SPHERE)
    for name in (
        "power", "target_power", "error_power", "cospectrum", "quadrature", "coherence", "phase", "amplitude_ratio",
        "error", "amplitude_part", "phase_part",
    ):  # fmt: skip
        np.testing.assert_allclose(found[name], getattr(expected, name), rtol=1e-10, atol=1e-14)
        assert found[name].dims == ("level", "degree")
    assert found.power.units == "(m s-1)^2"
    assert found.coherence.units == "1"
    assert found.phase.attrs == {"units": "rad", "long_name": "phase of zonal wind", "institution": "here"}
    several = slx.cross_spectrum(xr.Dataset({"u": p, "v": p}), xr.Dataset({"v": field(), "w": field()}), pool="time")
    assert list(several) == ["v"]
    xr.testing.assert_identical(several["v"], found)


def test_effective_resolution() -> None:
    blurred = field(P + 3 * T)
    for of in ("coherence", "power"):
        options = {"threshold": 0.9, "of": of}
        whole = slx.effective_resolution(blurred, field(), **options)
        expected = sl.effective_resolution(P + 3 * T, T, channel_axis=None, grid=SPHERE, **options)
        assert float(whole) == pytest.approx(6371 * float(expected), rel=1e-9)
        by_level = slx.effective_resolution(blurred, field(), pool="time", **options)
        expected = sl.effective_resolution(P + 3 * T, T, channel_axis=1, grid=SPHERE, **options)
        np.testing.assert_allclose(by_level, 6371 * expected, rtol=1e-9)
        assert by_level.dims == ("level",)
        each = slx.effective_resolution(blurred, field(), pool=None, **options)
        for i, j in ((0, 0), (3, 2)):
            expected = sl.effective_resolution(
                P[i, j] + 3 * T[i, j], T[i, j], channel_axis=None, grid=SPHERE, **options
            )
            assert float(each[i, j]) == pytest.approx(6371 * float(expected), rel=1e-9)
    assert whole.units == "km"
    assert whole.name == "effective_resolution"
    summed = slx.effective_resolution(blurred, field(), channel_dim="level", channels="sum", pool=None, threshold=0.9)
    expected = sl.effective_resolution(
        P[1] + 3 * T[1], T[1], channel_axis=0, channels="sum", grid=SPHERE, threshold=0.9
    )
    assert float(summed[1]) == pytest.approx(6371 * float(expected), rel=1e-9)
    assert summed.dims == ("time",)
    plane = slx.effective_resolution(box(P + 3 * T), box(), dims=("y", "x"))
    expected = sl.effective_resolution(P + 3 * T, T, channel_axis=None, lengths=(72, 144))
    assert float(plane) == pytest.approx(float(expected), rel=1e-9)
    assert plane.units == "km"
    table = slx.effective_resolution(*(xr.Dataset({"u": x, "v": x}) for x in (blurred, field())), pool="time")
    assert list(table.data_vars) == ["u", "v"]
    square = box().isel(x=slice(0, 18)).drop_vars(["y", "x"])
    assert slx.effective_resolution(square, square, dims=("y", "x")).units == "1"


def test_energy_of_components() -> None:
    wind = xr.Dataset({"u": box(P), "v": box(T).transpose("x", ...), "w": box().assign_attrs(units="K")})
    found = slx.energy_spectrum(wind, components=("u", "v"), dims=("y", "x"), pool="time")
    expected = sl.energy_spectrum(np.stack([P, T]), channel_axis=0, lengths=(72, 144), pool=1)
    np.testing.assert_allclose(found, expected.power, rtol=1e-12)
    assert found.dims == ("level", "wavenumber")
    assert found.units == "(m s-1)^2 km"
    assert found.name == "energy"
    assert found.wavenumber.units == "rad/km"
    stacked = wind[["u", "v"]].to_dataarray("component")
    same = slx.energy_spectrum(stacked, channel_dim="component", dims=("y", "x"), pool="time", smooth=False)
    np.testing.assert_allclose(same, found, rtol=1e-12)
    for given, error, message in (
        ({"components": ("u", "w")}, ValueError, "components must have the same units"),
        ({"components": ("u", "q")}, ValueError, "components: there is no variable 'q', but u, v, w"),
        ({}, ValueError, "components must name the variables"),
        ({"components": ("u", "v"), "channel_dim": "time"}, ValueError, "without a channel_dim"),
        ({"components": "u"}, TypeError, "components must be names of variables"),
    ):
        with pytest.raises(error, match=message):
            slx.energy_spectrum(wind, dims=("y", "x"), **given)
    short = wind.assign(q=wind.u.isel(level=0))
    with pytest.raises(ValueError, match="components must have the same dimensions, q has"):
        slx.energy_spectrum(short, components=("u", "q"), dims=("y", "x"))
    with pytest.raises(ValueError, match="a DataArray has them along channel_dim"):
        slx.energy_spectrum(stacked, components=("u", "v"), dims=("y", "x"))
    with pytest.raises(TypeError, match="velocity must be a DataArray or a Dataset, got ndarray"):
        slx.energy_spectrum(T, dims=("y", "x"))


def test_the_price_of_sharpness() -> None:
    errors = slx.field_error(field(P), field(), reduction="none") / 4
    found = slx.price_of_sharpness(errors)
    np.testing.assert_allclose(found, sl.price_of_sharpness(errors.values))
    assert found.level.identical(errors.level)
    assert list(slx.price_of_sharpness(errors.to_dataset(name="u")).data_vars) == ["u"]
    with pytest.raises(TypeError, match="field_error must be a DataArray or a Dataset, got float"):
        slx.price_of_sharpness(0.1)


def test_float32_stays_float32() -> None:
    assert slx.radial_spectrum(field().astype("float32")).dtype == np.float32
    assert slx.field_error(field(P).astype("float32"), field().astype("float32")).dtype == np.float32


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_and_help(name: str) -> None:
    parameters = inspect.signature(getattr(slx, name)).parameters
    assert options_of(getattr(sl, name)) - parameters.keys() == {"spatial_axes", "channel_axis"}
    assert {"dims", "channel_dim", "grid", "radius"} <= parameters.keys()
    text = pydoc.render_doc(getattr(slx, name))
    for option in parameters:
        assert option in text
    with pytest.raises(TypeError, match=f"{name}: option 'bin' is not known, did you mean 'bins'"):
        getattr(slx, name)(*[field()] * (1 if name.endswith("l_spectrum") or name[0] == "e" else 2), bin=3)


def test_arrays_of_jax_stay_those_of_jax() -> None:
    jnp = pytest.importorskip("jax.numpy")
    p, t = (box().copy(data=jnp.asarray(x, dtype=jnp.float32)) for x in (P, T))
    errors = slx.field_error(p.isel(y=slice(None, None, -1)), t, dims=("y", "x"), reduction="none")
    assert isinstance(errors.data, type(p.data))
    expected = sl.field_error(P, T, channel_axis=None, reduction="none")
    np.testing.assert_allclose(errors, expected, rtol=1e-5)
    power = slx.radial_spectrum(t, dims="x")
    assert isinstance(power.data, type(p.data))
    assert power.wavenumber.dtype == np.float64
