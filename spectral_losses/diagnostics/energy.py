"""Energy spectra E(k) of velocities, in physical units; of winds on the sphere over degrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack, get_type_hints

from spectral_losses.fields.layout import ChannelAxis, Pool, axes_of
from spectral_losses.fields.pairs import check_field
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.messages import check_choice, check_options
from spectral_losses.spectra.binning import check_radial
from spectral_losses.spectra.plan import (
    MaskOptions,
    Options,
    Plan,
    check_grid,
    check_radius,
    degrees,
    explicit,
    mask_of,
    plan_of,
)
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.sphere import Sphere
from spectral_losses.transforms.winds import PARTS, Winds
from spectral_losses_backends.base import Array, Backend

__all__ = ["energy_spectrum"]


class EnergyOptions(MaskOptions, total=False):
    """Those of `radial_spectrum` but for ``channels``: components are summed."""

    spatial_axes: int | Sequence[int]
    channel_axis: ChannelAxis
    bins: str | int | Sequence[float] | tuple[str, int]
    lengths: float | Sequence[float] | None
    window: Window
    detrend: Detrend
    pool: Pool
    grid: Sphere | None
    transform: str


_KNOWN = frozenset(get_type_hints(EnergyOptions)) | {"smooth", "part", "radius"}


@explicit
def energy_spectrum(
    velocity: Array,
    *,
    smooth: bool = False,
    part: str | None = None,
    radius: float | None = None,
    **options: Unpack[EnergyOptions],
) -> Spectrum:
    r"""Kinetic energy per unit of wavenumber, E(k), of a velocity.

    .. math:: E_b = \frac{1}{2 \, \Delta k_b} \sum_i \sum_{k \in b} |U_i|^2

    with the modes U of each component divided by the number of points, so that :math:`\sum_b E_b \Delta k_b`, and the
    shares of the mean and of the corner modes beyond the last shell, is the kinetic energy :math:`\langle u \cdot u
    \rangle / 2` exactly.

    Of winds on the sphere, with ``grid``, it is the energy per degree l, of the coefficients of vorticity and
    divergence on the unit sphere:

    .. math:: E_l = \frac{1}{2 \, l (l + 1)} \left( \sum_m |\zeta_{lm}|^2 + \sum_m |\delta_{lm}|^2 \right)

    whose sum is the energy :math:`\langle u^2 + v^2 \rangle / 2`, a mean over the area of the sphere: exactly so where
    the wind has no more degrees than the grid resolves. No component is transformed by itself: u and v are no scalars,
    and at the poles have no value of their own.

    Parameters
    ----------
    velocity : array, real floating
        Any layout, such as ``[B, T, C, D, H, W]``; its channels are the components. float16 and bfloat16 are computed
        in float32. On the sphere these are two, u eastward and v northward.
    spatial_axes, bins, lengths, window, detrend, pool, transform, mask, fill
        As in `radial_spectrum`. Without ``lengths`` wavenumbers count waves across the box, and E has the unit of the
        velocity squared; with them it is that times a length.
    channel_axis : int, None or "auto"
        The axis of the components, which are summed.
    smooth : bool
        Whether each shell's sum is replaced by its mean times the shell's length, area or volume: what published curves
        show, because in sparse shells the number of modes jumps. The sum is then the energy only nearly. Degrees are
        never sparse.
    part : {"rotational", "divergent"}, optional
        With ``grid``: the energy of the vorticity or of the divergence alone, instead of their sum.
    radius : float, optional
        With ``grid``: that of the sphere, such as 6371 in km. Wavenumbers are then l / radius, in radians per unit
        length, and E is per unit of these. Without it they are degrees, and E has the unit of the velocity squared.
    grid : Sphere, optional
        The two spatial axes are latitude and longitude. A `Sphere` of an array of latitudes knows on which side north
        is; others are from north. ``bins`` group degrees; ``lengths``, ``window`` and ``detrend`` have to stay None.

    Returns
    -------
    Spectrum
        Whose ``power`` is E, one spectrum for each frame that is not pooled. It does not stand for a target of a loss.

    Raises
    ------
    TypeError
        Not an array, or not real floating; an option that is not known.
    ValueError
        Whatever `radial_spectrum` refuses; on the sphere another number of components than two, or a mask; a part
        or a radius without a sphere.

    References
    ----------
    Pope, S. B., Turbulent Flows, Cambridge University Press 2000, section 6.5. Lambert, S. J., A global available
    potential energy-kinetic energy budget in terms of the two-dimensional wavenumber for the FGGE year,
    Atmosphere-Ocean 22 (1984) 265-282.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.arange(16) * 2 * np.pi / 16
    >>> u = np.stack(np.broadcast_arrays(np.sin(3 * x), 0 * x[:, None], 0 * x[:, None, None]))  # energy 1/4
    >>> spectrum = sl.energy_spectrum(u, spatial_axes=(1, 2, 3), lengths=2 * np.pi)
    >>> spectrum.power.round(6)
    array([0.  , 0.  , 0.25, 0.  , 0.  , 0.  , 0.  , 0.  ])
    >>> latitude = np.radians(np.arange(90, -91, -30))[:, None]
    >>> wind = np.stack(np.broadcast_arrays(20 * np.cos(latitude), np.zeros(12)))  # a solid body that turns eastward
    >>> sl.energy_spectrum(wind, grid=sl.Sphere(np.degrees(latitude[:, 0]))).power.round(6)
    array([133.333333,   0.      ,   0.      ])
    """
    check_options("energy_spectrum", options, _KNOWN)
    if not isinstance(smooth, bool):
        raise TypeError(f"smooth must be True or False, got {smooth!r}")
    scale = check_radius(radius, options.get("grid"), "winds")
    _check_part(part, options.get("grid"))
    backend = check_field(velocity, "velocity")
    if options.get("grid") is None:
        plan = plan_of(velocity, "velocity", {**options, "channels": "sum"}, backend)
    elif options.get("mask") is not None:
        raise ValueError("mask must be None for winds on a sphere, whose components are no fields that could be filled")
    else:
        plan = _plan_of_winds(velocity, part, options, backend)
    check_radial(plan.basis.shells, "energy spectra")
    mask = mask_of(velocity, options, plan, backend)
    share = backend.power(plan.prepare(velocity, backend, mask), plan.basis)
    power = plan.layout.rows.collect(share, backend.namespace(share))[..., 1:-1]
    centres, edges, counts = (backend.constant(plan.basis, name, power) for name in ("centres", "edges", "counts"))
    power = power / (2 * (edges[1:] - edges[:-1]))
    if smooth:
        power = power * backend.constant(plan.basis, "fill", power)
    if scale is not None:
        centres, edges, power = centres / scale, edges / scale, power * scale
    return Spectrum(centres, power, edges, counts, ("energy", *plan.recorded(mask)))


def _check_part(part: str | None, grid: Sphere | None) -> None:
    if part is None:
        return
    if grid is None:
        raise ValueError(f"part is for winds on a sphere, with grid=Sphere(latitudes), got {part!r}")
    check_choice("part", part, PARTS)


def _plan_of_winds(wind: Array, part: str | None, options: Any, backend: Backend) -> Plan:
    """Of fields whose space is component, latitude and longitude."""
    given = {name: value for name, value in options.items() if name != "grid"}
    sphere, shape = options["grid"], tuple(wind.shape)
    axes = axes_of(shape, given.pop("spatial_axes", (-2, -1)), given.pop("channel_axis", "auto"), "velocity")
    check_grid(sphere, tuple([shape[axis] for axis in axes.spatial]))
    if axes.channel is None or shape[axes.channel] != 2:
        found = "none" if axes.channel is None else f"axis {axes.channel} of size {shape[axes.channel]}"
        raise ValueError(
            "channel_axis must be an axis of 2 on a sphere, for the wind eastward and the wind northward, got "
            f"{found} of shape {shape}"
        )
    given |= {"spatial_axes": (axes.channel, *axes.spatial), "channel_axis": None}
    return plan_of(wind, "velocity", given, backend, over=_winds, settings=(sphere, part))


def _winds(shape: tuple[int, ...], options: Options, backend: Backend, sphere: Sphere, part: str | None) -> Winds:
    scalars = degrees(shape[1:], options._replace(grid=sphere))
    return Winds(shape, scalars.grid, scalars.shells, scalars.highest, sphere.from_south, part)
