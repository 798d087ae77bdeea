"""Losses, spectra and diagnostics of DataArrays and Datasets, by the names of their dimensions.

>>> import numpy as np, xarray as xr, spectral_losses.xarray as slx
>>> rng = np.random.default_rng(0)
>>> field = xr.DataArray(rng.normal(size=(2, 91, 180)), dims=("time", "latitude", "longitude"), name="t2m")
>>> field = field.assign_coords(latitude=np.linspace(90, -90, 91), longitude=np.arange(0, 360, 2))
>>> slx.radial_spectrum(field).sizes  # on the sphere
Frozen({'time': 2, 'degree': 45})
>>> forecast = 1.1 * field.isel(latitude=slice(None, None, -1))  # from south to north
>>> slx.field_error(forecast, field, reduction="none").round(6).values
array([0.01, 0.01])

Coordinates become lengths, or a `spectral_losses.Sphere`, and pairs are aligned by them.
"""

from typing import TYPE_CHECKING

try:
    import xarray  # noqa: F401
except ModuleNotFoundError as error:
    message = "this module needs xarray, which is not installed: pip install xarray"
    raise ModuleNotFoundError(message, name=error.name) from error

from spectral_losses.xarray import losses as _losses
from spectral_losses.xarray.diagnostics import cross_spectrum, effective_resolution, price_of_sharpness
from spectral_losses.xarray.evaluation import evaluate
from spectral_losses.xarray.losses import *  # noqa: F403
from spectral_losses.xarray.spectra import energy_spectrum, radial_spectrum

if TYPE_CHECKING:
    from spectral_losses.losses import *  # noqa: F403

__all__ = [
    "cross_spectrum",
    "effective_resolution",
    "energy_spectrum",
    "evaluate",
    "price_of_sharpness",
    "radial_spectrum",
    *_losses.__all__,
]
