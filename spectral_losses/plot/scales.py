"""What the axes of spectra say: wavenumbers or degrees, wavelengths, and the units of power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.plot.style import octaves, rounded

Floats = NDArray[np.float64]


class Scales(NamedTuple):
    """What the axes say.

    Attributes
    ----------
    wavenumber, quantity, wavelength : str
        Words, with mathematics between dollars.
    units : str
        Of the power, without mathematics.
    unit : str
        Of a wavelength, behind a number.
    around : float or None
        Wavelength times wavenumber, where a wavelength has a unit.
    degrees : float or None
        On the sphere, how many degrees l a unit of the axis is; their wavenumber is sqrt(l (l + 1)).
    energy : bool
        Whether it is the energy of velocities, of which two slopes are known.
    """

    wavenumber: str
    quantity: str
    units: str
    wavelength: str
    unit: str
    around: float | None
    degrees: float | None = None
    energy: bool = False

    @property
    def power(self) -> str:
        """What the axis of powers says."""
        return f"{self.quantity} ({self.units.replace('$', chr(92) + '$')})"

    def wavelengths(self, k: Any) -> Floats:
        """Of places on the axis; infinite at 0."""
        k = np.asarray(k, np.float64)
        if self.degrees is not None:
            k = np.sqrt(k * (k + 1 / self.degrees))
        return self._turned(k)

    def places(self, wavelength: Any) -> Floats:
        """Where on the axis wavelengths lie."""
        k = self._turned(np.asarray(wavelength, np.float64))
        if self.degrees is None:
            return k
        one = 1 / self.degrees
        found: Floats = (np.sqrt(one**2 + 4 * k**2) - one) / 2
        return found

    def words(self, *k: float) -> str:
        """Some places on the axis in words: a wavelength with its unit, else the wavenumber."""
        if self.around is None:
            return f"$k$ = {' to '.join(map(rounded, k))}"
        return f"{' to '.join(rounded(float(self.wavelengths(each))) for each in k)} {self.unit}"

    def _turned(self, x: Floats) -> Floats:
        turned: Floats = np.divide(self.around or 0.0, x, out=np.full_like(x, np.inf), where=x != 0)
        return turned


def scales(
    sizes: Sequence[int], lengths: bool, unit: str | None = None, energy: bool = False, units: str | None = None
) -> Scales:
    """Of spectra in a plane.

    Parameters
    ----------
    sizes : sequence of int
        Points along the axes; none where these are not known, or not the same for all.
    lengths : bool
        Whether wavenumbers are those of boxes with lengths.
    unit : str, optional
        Of the lengths.
    energy : bool
    units : str, optional
        Of the power or energy that is drawn.
    """
    if lengths:
        waves, behind = unit or "units of the lengths", unit or "in units of the lengths"
        words = f"wavenumber $k$ (radians per {unit or 'unit length'})"
    else:
        waves = behind = "grid points"
        words = "wavenumber $k$ (waves across the box)"
    around = 2 * math.pi if lengths else float(sizes[0]) if len(set(sizes)) == 1 else None
    quantity, known = _power(energy, "(k)", (unit or "length") if lengths else None, units)
    return Scales(words, quantity, known, f"wavelength ({waves})", behind, around, energy=energy)


def scales_of_degrees(
    radius: float | None = None,
    unit: str | None = None,
    energy: bool = False,
    units: str | None = None,
    per_length: bool = False,
) -> Scales:
    """Of spectra on a sphere.

    Parameters
    ----------
    radius : float, optional
        By default wavelengths are in radii.
    unit : str, optional
        Of the radius.
    energy : bool
    units : str, optional
        Of the power or energy that is drawn.
    per_length : bool
        Whether wavenumbers are degrees over the radius, instead of degrees.
    """
    behind = "radii of the sphere" if radius is None else unit or "in units of the radius"
    waves = f"wavelength ({behind.removeprefix('in ')})"
    around = 2 * math.pi * (1.0 if radius is None else radius)
    if per_length:
        words = f"wavenumber $l / R$ (radians per {unit or 'unit length'})"
        quantity, known = _power(energy, "(k)", unit or "length", units)
        return Scales(words, quantity, known, waves, behind, 2 * math.pi, radius, energy)
    quantity, known = _power(energy, "_l", None, units)
    return Scales("degree $l$", quantity, known, waves, behind, around, 1.0, energy)


def _power(energy: bool, of: str, length: str | None, units: str | None) -> tuple[str, str]:
    """What is drawn, and its units in words where these are not known."""
    if not energy:
        return f"power $P{of}$", units or "field units squared"
    return f"energy $E{of}$", units or "velocity squared" + ("" if length is None else f" times {length}")


def draw_wavelengths(ax: Any, of: Scales) -> None:
    """A second scale above."""
    above = ax.secondary_xaxis("top", functions=(of.wavelengths, of.places))
    above.tick_params(which="both", direction="in")
    octaves(above.xaxis)
    above.set_xlabel(of.wavelength)
