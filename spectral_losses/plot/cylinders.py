"""Power across an axis and along it, as a map."""

from __future__ import annotations

from typing import Any, Unpack

from spectral_losses.messages import check_options
from spectral_losses.plot.curves import Floats
from spectral_losses.plot.maps import KNOWN, Map, MapOptions, are_logarithmic, axes_for, binned, draw
from spectral_losses.plot.style import octaves, tidy
from spectral_losses.spectra.plan import explicit
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.partitions import Cylinders
from spectral_losses_backends.base import Array

UNIT = Cylinders()


@explicit
def cylinders(
    field: Array | Spectrum,
    *,
    reference: Array | Spectrum | None = None,
    bins: Cylinders = UNIT,
    unit: str | None = None,
    bar: bool = True,
    axes: Any = None,
    **options: Unpack[MapOptions],
) -> Map:
    r"""Draw the power of a field by its wavenumbers across an axis and along it.

    Both axes of the map have the same scale. Colours are logarithmic: the mean power of a mode in each bin, of all
    frames and channels. It does not depend on how bins are laid: an isotropic field has quarter circles around the
    origin, and white noise one colour.

    Parameters
    ----------
    field : array or Spectrum
        An array of any framework, or what `radial_spectrum` returned with ``bins=Cylinders(...)``, which is averaged
        over all its axes but the last two.
    reference : array or Spectrum, optional
        What the field is compared with, in the same bins: colours are then the ratio of amplitudes, blue below 1 and
        red above. It is grey where the reference has no more than round-off.
    bins : Cylinders
        For arrays. Where bins of both directions are logarithmic, so are the axes of the map; the first bins, which
        reach down to 0, are then drawn as wide as the others.
    unit : str, optional
        The unit of ``lengths``, such as "km", for the labels.
    bar : bool
        Whether a bar beside it says what colours are.
    axes : Axes, optional
        Where to draw. By default a new figure, which pyplot does not know of.
    spatial_axes, channel_axis, channels, lengths, window, detrend, transform
        As in `radial_spectrum`, for the arrays.

    Returns
    -------
    Map
        The axes, the coloured mesh and its bar.

    Raises
    ------
    MissingPackageError
        matplotlib is not installed.
    TypeError
        Neither an array nor a spectrum; an option that is not known; axes that are none of matplotlib.
    ValueError
        Other bins than `Cylinders`; a reference over other bins than the field; a unit without lengths; axes that are
        polar; whatever `radial_spectrum` refuses.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> from spectral_losses import plot
    >>> velocity = np.random.default_rng(0).normal(size=(3, 16, 16, 16))
    >>> drawn = plot.cylinders(velocity, spatial_axes=(1, 2, 3), channels="sum", lengths=0.5, unit="m")
    >>> drawn.axes.get_xlabel()
    'across the axis, $k_\\perp$ (radians per m)'
    """
    check_options("cylinders", options, KNOWN)
    of = binned(field, reference, bins, Cylinders, unit, options)
    ax: Any = axes_for(axes, None)
    if axes is None:
        tidy(ax)
    across, along = of.edges
    logarithmic = are_logarithmic(across) and are_logarithmic(along)
    if logarithmic:
        across, along = _from_above_0(across), _from_above_0(along)
        ax.set(xscale="log", yscale="log")
    map_ = draw(ax, across, along, of, of.values.T, bar)
    if logarithmic:
        octaves(ax.xaxis)
        octaves(ax.yaxis)
    ax.set(xlim=across[[0, -1]], ylim=along[[0, -1]], aspect="equal")
    ax.set_xlabel(f"across the axis, $k_\\perp$ ({of.wavenumbers})")
    ax.set_ylabel(f"along the axis, $k_\\parallel$ ({of.wavenumbers})")
    return map_


def _from_above_0(edges: Floats) -> Floats:
    """Edges whose first bin has the ratio of the others instead of reaching down to 0."""
    if edges[0] > 0:
        return edges
    found = edges.copy()
    found[0] = edges[1] ** 2 / edges[2]
    return found
