"""Power by direction and wavenumber, as a disc."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from spectral_losses.errors import needed
from spectral_losses.messages import check_options
from spectral_losses.plot.maps import KNOWN, Binned, Map, MapOptions, are_logarithmic, axes_for, binned, draw
from spectral_losses.plot.style import BLACK, octaves
from spectral_losses.spectra.plan import explicit
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.partitions import Sectors
from spectral_losses_backends.base import Array

TWELVE = Sectors(12)  # 15 degrees each; with both axes and diagonals in the middle of one
ARCS = 120  # straight pieces of a circle, at least


@explicit
def sectors(
    field: Array | Spectrum,
    *,
    reference: Array | Spectrum | None = None,
    bins: Sectors = TWELVE,
    unit: str | None = None,
    bar: bool = True,
    axes: Any = None,
    **options: Unpack[MapOptions],
) -> Map:
    r"""Draw the power of a two-dimensional field by direction and wavenumber.

    The angle is that of the wavevector, from the last spatial axis towards the first one, and the radius is the
    wavenumber. Colours are logarithmic: the mean power of a mode in each sector of a shell, of all frames and channels.
    It does not depend on how bins are laid: an isotropic field has rings, and white noise one colour. A real field has
    the same power in opposite directions, so that each half of the disc is the other one turned.

    Shells in which some sector would be empty are merged over angle, see `Sectors`. They are inside the dotted circle.

    Parameters
    ----------
    field : array or Spectrum
        An array of any framework, or what `radial_spectrum` returned with ``bins=Sectors(...)``, which is averaged over
        all its axes but the last two.
    reference : array or Spectrum, optional
        What the field is compared with, in the same bins: colours are then the ratio of amplitudes, blue below 1 and
        red above. It is grey where the reference has no more than round-off.
    bins : Sectors
        For arrays; with logarithmic shells the radius is logarithmic, too.
    unit : str, optional
        The unit of ``lengths``, such as "km", for the labels.
    bar : bool
        Whether a bar beside it says what colours are.
    axes : Axes, optional
        Where to draw, polar ones: ``figure.subplots(subplot_kw={"projection": "polar"})``. By default a new figure,
        which pyplot does not know of.
    spatial_axes, channel_axis, channels, lengths, window, detrend
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
        Other bins than `Sectors`; a reference over other bins than the field; a unit without lengths; axes that are not
        polar; whatever `radial_spectrum` refuses.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> from spectral_losses import plot
    >>> noise = np.random.default_rng(0).normal(size=(4, 1, 32, 32))
    >>> along = noise + np.roll(noise, 1, axis=-1)  # smooth along the last axis
    >>> drawn = plot.sectors(along, reference=noise)
    >>> drawn.axes.name, drawn.bar.ax.get_ylabel()
    ('polar', 'amplitude ratio')
    """
    check_options("sectors", options, KNOWN)
    of = binned(field, reference, bins, Sectors, unit, options)
    ax: Any = axes_for(axes, "polar")
    shells, angles = of.edges
    parts = -(-ARCS // (2 * len(angles) - 2))  # of a sector, whose edge is then an arc
    half = np.linspace(angles[0], angles[-1], parts * (len(angles) - 1) + 1)
    map_ = draw(
        ax, np.append(half[:-1], half + np.pi), shells, of, np.tile(np.repeat(of.values, parts, axis=1), 2), bar
    )
    if are_logarithmic(shells):
        ax.set_rscale("log")
    _label(ax, of)
    return map_


def _label(ax: Any, of: Binned) -> None:
    shells, logarithmic = of.edges[0], ax.get_yscale() == "log"
    if logarithmic:
        octaves(ax.yaxis)
    ax.set_rlim(shells[0] if logarithmic else 0, shells[-1])
    around = needed("matplotlib.patheffects", "spectral_losses.plot", "plot").withStroke(
        linewidth=2, foreground="white"
    )
    for tick in ax.yaxis.get_major_ticks():  # over whatever colour
        tick.label1.set(path_effects=[around], fontsize="small")
    ax.set_thetagrids(
        np.arange(0, 360, 45), ["last\naxis", "45°", "first axis", "135°", "180°", "225°", "270°", "315°"]
    )
    words = f"radius: wavenumber $k$ ({of.wavenumbers})"
    if of.merged:
        color = BLACK if of.ratio else "white"
        ax.plot(np.linspace(0, 2 * np.pi, 181), np.full(181, shells[max(of.merged) + 1]), color=color, ls=":", lw=1.2)
        words += "\ninside the dotted circle merged over angle"
    ax.set_xlabel(words, fontsize="small")
