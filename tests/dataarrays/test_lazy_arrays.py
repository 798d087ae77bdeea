"""Dask: nothing is computed before it is asked for, and then it is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses

xr = pytest.importorskip("xarray")
da = pytest.importorskip("dask.array")
slx = pytest.importorskip("spectral_losses.xarray")

SHAPE = (4, 12, 24)
RNG = np.random.default_rng(11)
P, T = RNG.normal(size=(2, *SHAPE))
COORDS = {
    "time": np.arange(4),
    "lat": np.arange(82.5, -90, -15),
    "lon": np.arange(0, 360, 15.0),
}


class Computed(Exception):
    pass


def refuse(block: Any) -> Any:
    raise Computed


def lazy(chunks: tuple[int, ...] = (2, 6, 24)) -> Any:
    """A field whose blocks raise when they are computed."""
    x = da.zeros(SHAPE, chunks=chunks).map_blocks(refuse, dtype=float, meta=np.empty((0, 0, 0)))
    return xr.DataArray(x, dims=tuple(COORDS), coords=COORDS, name="u")


def field(values: Any) -> Any:
    return xr.DataArray(values, dims=tuple(COORDS), coords=COORDS, name="u")


def untouched(result: Any) -> None:
    """Whether a result is lazy, and would need the blocks."""
    assert isinstance(result.data, da.Array)
    with pytest.raises(Computed):
        result.compute()


@pytest.mark.filterwarnings("ignore:lat and lon cover the globe")
@pytest.mark.parametrize("name", all_losses())
def test_losses_stay_lazy(name: str) -> None:
    p = lazy().isel(time=[3, 1, 0, 2]).transpose("lon", ...)
    untouched(getattr(slx, name)(p, lazy(), reduction="none"))


def test_spectra_and_diagnostics_stay_lazy() -> None:
    p, t = lazy((1, 12, 8)), lazy()
    untouched(slx.radial_spectrum(t))
    untouched(slx.radial_spectrum(t, dims="lon", pool=("time", "lat")))
    untouched(slx.energy_spectrum(xr.Dataset({"u": p, "v": t}), components=("u", "v"), dims="lon"))
    untouched(slx.effective_resolution(p, t, pool=None))
    untouched(slx.effective_resolution(p, t, channel_dim="time", channels="sum"))
    untouched(slx.radial_spectrum(xr.Dataset({"u": t})).u)
    untouched(slx.price_of_sharpness(slx.field_error(p, t)))
    for result in slx.cross_spectrum(p, t, pool="time").data_vars.values():
        untouched(result)
    with pytest.raises(Computed):
        slx.evaluate(p, t)


@pytest.mark.parametrize("chunks", [(1, 12, 24), (4, 5, 7)])
def test_numbers_are_the_same(chunks: tuple[int, ...]) -> None:
    p, t = (field(x) for x in (P, T))
    lazy_p, lazy_t = (field(da.from_array(x, chunks=chunks)) for x in (P, T))
    for pair in ((lazy_p, lazy_t), (lazy_p, t), (p, lazy_t)):
        xr.testing.assert_allclose(slx.field_error(*pair).compute(), slx.field_error(p, t), rtol=1e-12)
    for function in (slx.log_spectral_distance, slx.cross_spectrum, slx.effective_resolution):
        xr.testing.assert_allclose(function(lazy_p, lazy_t).compute(), function(p, t), rtol=1e-9, atol=1e-12)
    mask = field(T > 0)
    expected = sl.field_error(P, T, channel_axis=None, mask=T > 0, grid=sl.Sphere("cells"))
    for a, b, m in ((lazy_p, lazy_t, mask), (lazy_p, lazy_t, mask.chunk(2)), (p, t, mask.chunk(2).compute())):
        assert float(slx.field_error(a, b, mask=m)) == pytest.approx(float(expected), rel=1e-12)
