"""On what grid a spectrum lies, as its layout says it, and what that makes of the axes of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from spectral_losses.plot.scales import Scales, scales, scales_of_degrees
from spectral_losses.plot.style import on_host
from spectral_losses.spectra.plan import check_radius
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.sphere import Harmonics


class Ground(NamedTuple):
    """Where the fields of a spectrum over shells lie.

    Attributes
    ----------
    energy : bool
        Whether it is an energy spectrum.
    sizes : tuple of int
        Points along the axes; none where the spectrum does not know its grid.
    lengths : tuple of float or None
        Of the box.
    sphere : bool
    radius : float or None
        Of a sphere over whose radius the degrees are.
    """

    energy: bool = False
    sizes: tuple[int, ...] = ()
    lengths: tuple[float, ...] | None = None
    sphere: bool = False
    radius: float | None = None


def ground_of(spectrum: Spectrum) -> Ground:
    """What the layout of a spectrum says, see `Plan.recorded`."""
    layout: tuple[Any, ...] = spectrum.layout
    energy = layout[:1] == ("energy",)
    layout = layout[energy:]
    if not layout:
        return Ground(energy)
    sizes, second = tuple(layout[0]), layout[1]
    if not isinstance(second, str):
        return Ground(energy, sizes, second)
    # `Harmonics`, or `Winds`, whose first axis is that of the components.
    degrees = Harmonics(sizes[-2:], *layout[1:4]).centres()
    radius = float(degrees[-1]) / float(on_host(spectrum.wavenumber)[-1])
    return Ground(energy, sizes[-2:], None, True, None if np.isclose(radius, 1, rtol=1e-5, atol=0) else radius)


def check_alike(given: Sequence[tuple[str, Ground]]) -> None:
    """Refuse what has no axis together, by name."""
    name, first = given[0]
    for other, each in given[1:]:
        if each.energy != first.energy:
            raise ValueError(f"fields: {name!r} and {other!r} are power and energy, which have no axis together")
        of = f"fields: of {name!r} and {other!r} one"
        if each.sphere != first.sphere:
            raise ValueError(f"{of} lies on the sphere and the other in a plane, which have no axis together")
        if (each.lengths is None) != (first.lengths is None):
            raise ValueError(f"{of} has lengths and the other has none, so that their wavenumbers have different units")
        if each.sphere and not np.isclose(each.radius or 0.0, first.radius or 0.0, rtol=1e-5):
            raise ValueError(f"{of} has another radius than the other, so that their wavenumbers have different units")


def scales_of(given: Sequence[Ground], unit: str | None, radius: float | None) -> Scales:
    """What the axes say of spectra that are alike.

    Raises
    ------
    TypeError, ValueError
        A radius that is none, or without a sphere, or another one than the spectra were made with; a unit of nothing.
    """
    first, sizes = given[0], {each.sizes for each in given}
    wanted = check_radius(radius, first.sphere or None, "fields")
    known = first.radius
    if wanted is not None and known is not None and not np.isclose(wanted, known, rtol=1e-5):
        raise ValueError(f"radius must be that of the spectra, {known:.6g}, got {radius}")
    if unit is not None and first.sphere and wanted is None and known is None:
        raise ValueError(f"unit is that of a radius, and there is none, got {unit!r}")
    if unit is not None and not first.sphere and first.lengths is None:
        raise ValueError(f"unit is that of lengths, and there are none, got {unit!r}")
    if first.sphere:
        return scales_of_degrees(known or wanted, unit, first.energy, per_length=known is not None)
    return scales(sizes.pop() if len(sizes) == 1 else (), first.lengths is not None, unit, first.energy)
