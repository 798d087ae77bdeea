"""Spectra of files that are read piece by piece."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses import radial_spectrum
from spectral_losses.cli.compare.axes import Layout
from spectral_losses.cli.compare.blocks import slabs
from spectral_losses.cli.compare.gaps import Gaps, some_finite
from spectral_losses.cli.compare.globe import Grid
from spectral_losses.cli.compare.spectral import spectral
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.io import StoredArray
from spectral_losses.spectra.bands import lay_bands
from spectral_losses.spectra.plan import Options

Floats = NDArray[np.float64]

FEW = 8
"""So few shells leave too few in a band to fit a slope to."""


class FileSpectrum(NamedTuple):
    """What there is to say about one file.

    Attributes
    ----------
    file : str
    variable : str or None
    units : str or None
        Of its values.
    layout : Layout
    grid : Grid
    wavenumber : array, shape (shells,)
    power : array, shape (rows, shells)
        Power or energy, for each channel that is kept apart.
    inside : array, shape (rows,)
        Mean square or kinetic energy of all shells together.
    slope : tuple of float or None
        For each row; None where it cannot be fitted.
    precision : float
        Relative spacing of the file's floats.
    skipped : int
        Positions along the first axis of frames that were left out, because not all there is finite.
    """

    file: str
    variable: str | None
    units: str | None
    layout: Layout
    grid: Grid
    wavenumber: Floats
    power: Floats
    inside: Floats
    slope: tuple[float | None, ...]
    precision: float
    skipped: int = 0


def read_spectrum(
    stored: StoredArray,
    layout: Layout,
    options: Options,
    grid: Grid,
    gaps: Gaps,
    advance: Callable[[int], object],
    energy: bool,
    fit: tuple[float, float],
) -> FileSpectrum:
    """Read a file and make its spectrum.

    Raises
    ------
    CommandError
        A file that cannot be read or is not finite; values whose squares overflow.
    """
    skipped = 0
    if gaps.policy == "skip":
        whole = some_finite(gaps.finite((stored,), layout), (stored,), layout)
        skipped, axis = int(np.sum(~whole)), layout.batch or 0
        if skipped:
            places = np.flatnonzero(whole)
            stored = stored.taken(axis, places)
            gaps = gaps._replace(mask=None if gaps.mask is None else gaps.mask.taken(axis, places))
            layout = layout._replace(shape=stored.shape, coordinates=stored.coordinates)
    shares = _powers(stored, layout, options, grid, gaps, advance)
    return spectrum_of(stored, layout, grid, shares, energy, fit)._replace(skipped=skipped)


def _powers(
    stored: StoredArray, layout: Layout, options: Options, grid: Grid, gaps: Gaps, advance: Callable[[int], object]
) -> Floats:
    """What each shell holds of the mean square, mean over frames: (rows, shells)."""
    apart = layout.channel is not None and options.channels == "separate"
    sums = np.zeros((layout.channels if apart else 1, len(grid.counts())))
    for slab in slabs(layout, (stored,), options.channels != "separate"):
        for block in slab.blocks:
            (field,), mask = gaps.read_all((stored,), layout, block)
            with np.errstate(over="ignore", invalid="ignore"):  # reported below
                power = np.asarray(radial_spectrum(field, **spectral(options._replace(mask=mask))).power)
            into: slice | tuple[slice, ...] = slice(None)
            if apart:
                place = layout.others.index(layout.channel or 0)
                power, into = np.moveaxis(power, place, 0), block[place]
                power = np.reshape(power, (power.shape[0], -1, power.shape[-1]))
            else:
                power = np.reshape(power, (1, -1, power.shape[-1]))
            sums[into] += np.sum(power, axis=1, dtype=np.float64)
            advance(field.size // int(np.prod(layout.grid)))
    if not np.isfinite(sums).all():
        raise CommandError(f"{stored.name}: values too large, their squares overflow in {stored.dtype.name}")
    return np.asarray(sums / layout.frames / grid.scale(), np.float64)


def spectrum_of(
    stored: StoredArray, layout: Layout, grid: Grid, shares: Floats, energy: bool, fit: tuple[float, float]
) -> FileSpectrum:
    """The spectrum of a file whose shells hold these shares of the mean square."""
    widths = np.diff(np.asarray(grid.edges()))
    power = shares / (2 * widths) if energy else shares * grid.fill()
    k = np.asarray(grid.centres(), np.float64)
    density = power if energy else power / widths
    return FileSpectrum(
        stored.name,
        stored.variable,
        stored.units,
        layout,
        grid,
        k,
        power,
        np.sum(shares, axis=-1) / (1 + energy),
        tuple(_slope(k, row, widths, fit) for row in density),
        stored.precision,
    )


def fit_range(grids: Sequence[Grid], wanted: tuple[float, float] | None) -> tuple[float, float]:
    """From where to where slopes are fitted: by default over the middle band of the first grid, or over few shells.

    Raises
    ------
    CommandError
        A grid with less than two shells in what is wanted.
    """
    if wanted is None:
        k = np.asarray(grids[0].centres())
        with contextlib.suppress(ValueError):  # a band without a shell
            low, high = lay_bands(grids[0], None)[1].centres
            if low < high and len(k) > FEW:
                return low, high
        return float(k[0]), float(k[-1])
    for grid in grids:
        k = np.asarray(grid.centres())
        if np.sum((k >= wanted[0]) & (k <= wanted[1])) < 2:
            raise CommandError(f"--fit takes two shells at least: there are {len(k)}, from {k[0]:.6g} to {k[-1]:.6g}")
    return wanted


def _slope(k: Floats, density: Floats, widths: Floats, fit: tuple[float, float]) -> float | None:
    inside = (k >= fit[0] * (1 - 1e-9)) & (k <= fit[1] * (1 + 1e-9)) & (density > 0)
    if np.sum(inside) < 2:
        return None
    x, y, octave = np.log(k[inside]), np.log(density[inside]), (widths / k)[inside]
    x, y = (z - np.average(z, weights=octave) for z in (x, y))
    return float(np.sum(octave * x * y) / np.sum(octave * x * x))
