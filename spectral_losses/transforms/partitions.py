"""Bins other than shells: what `bins` takes where a spectrum depends on direction."""

from __future__ import annotations

from typing import Any, NamedTuple

from spectral_losses_backends.text import plain

__all__ = ["Cylinders", "Sectors"]


@plain
class Sectors(NamedTuple):
    """Shells of two-dimensional fields, each cut into sectors of direction; an argument for ``bins``.

    Sector j holds the wavevectors whose angle, from the last spatial axis towards the first one, is in
    ``[(j - 1/2) pi / n, (j + 1/2) pi / n)`` modulo pi: a real field has the same power in opposite directions. A low
    shell in which some sector would be empty is merged over angle: each of its sectors gets one n-th of its modes and
    their sums. A mode at the Nyquist wavenumber of the first axis has two directions at once, and counts in one.

    Attributes
    ----------
    n : int
        How many sectors; with a multiple of 4 both axes and diagonals lie in the middle of one.
    shells : "unit", "log", int, ("log", int) or sequence of floats
        As ``bins`` of `radial_spectrum`.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x, y = np.meshgrid(*(np.arange(32) * 2 * np.pi / 32,) * 2)
    >>> (k, angle), power, edges, counts = sl.radial_spectrum(np.cos(5 * x + 5 * y), bins=sl.Sectors(4))
    >>> power.shape, float(k[np.argmax(power.sum(axis=1))]), float(angle[np.argmax(power.sum(axis=0))] / np.pi)
    ((16, 4), 7.0, 0.25)
    """

    n: int
    shells: Any = "unit"


@plain
class Cylinders(NamedTuple):
    """Wavenumbers across an axis and along it apart, ``(k_perp, k_par)``; an argument for ``bins``.

    For fields of three dimensions with a distinguished axis (stratified, rotating, magnetised), or of two, where these
    are ``|k_x|`` and ``|k_y|``. The first bin of both directions reaches from 0 to where shells begin, so that the mean
    and all modes along and across the axis have a place.

    Attributes
    ----------
    axis : int
        The distinguished axis, as a place in ``spatial_axes``.
    perpendicular, parallel : "unit", "log", int, ("log", int) or sequence of floats
        As ``bins`` of `radial_spectrum`, of the other axes and of this one.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.arange(16) * 2 * np.pi / 16
    >>> wave = np.cos(3 * x[:, None, None] + 4 * x[:, None]) * np.cos(2 * x)  # 5 across the last axis, 2 along it
    >>> (across, along), power, *_ = sl.radial_spectrum(wave, spatial_axes=(0, 1, 2), bins=sl.Cylinders())
    >>> place = np.unravel_index(np.argmax(power), power.shape)
    >>> power.shape, float(across[place[0]]), float(along[place[1]])
    ((9, 9), 5.0, 2.0)
    """

    axis: int = -1
    perpendicular: Any = "unit"
    parallel: Any = "unit"
