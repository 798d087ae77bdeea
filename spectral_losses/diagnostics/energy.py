"""Energy spectra E(k) of velocities, in physical units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack, get_type_hints

from spectral_losses.fields.layout import ChannelAxis, Pool
from spectral_losses.fields.pairs import check_field
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.messages import check_options
from spectral_losses.spectra.binning import check_radial
from spectral_losses.spectra.plan import MaskOptions, explicit, mask_of, plan_of
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses_backends.base import Array

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


_KNOWN = frozenset(get_type_hints(EnergyOptions)) | {"smooth"}


@explicit
def energy_spectrum(velocity: Array, *, smooth: bool = False, **options: Unpack[EnergyOptions]) -> Spectrum:
    r"""Kinetic energy per unit of wavenumber, E(k), of a velocity.

    .. math:: E_b = \frac{1}{2 \, \Delta k_b} \sum_i \sum_{k \in b} |U_i|^2

    with the modes U of each component divided by the number of points, so that :math:`\sum_b E_b \Delta k_b`, and the
    shares of the mean and of the corner modes beyond the last shell, is the kinetic energy :math:`\langle u \cdot u
    \rangle / 2` exactly.

    Parameters
    ----------
    velocity : array, real floating
        Any layout, such as ``[B, T, C, D, H, W]``; its channels are the components. float16 and bfloat16 are computed
        in float32.
    spatial_axes, bins, lengths, window, detrend, pool, mask, fill
        As in `radial_spectrum`. Without ``lengths`` wavenumbers count waves across the box, and E has the unit of the
        velocity squared; with them it is that times a length.
    channel_axis : int, None or "auto"
        The axis of the components, which are summed.
    smooth : bool
        Whether each shell's sum is replaced by its mean times the shell's length, area or volume: what published curves
        show, because in sparse shells the number of modes jumps. The sum is then the energy only nearly.

    Returns
    -------
    Spectrum
        Whose ``power`` is E, one spectrum for each frame that is not pooled. It does not stand for a target of a loss.

    Raises
    ------
    TypeError
        Not an array, or not real floating; an option that is not known.
    ValueError
        Whatever `radial_spectrum` refuses.

    References
    ----------
    Pope, S. B., Turbulent Flows, Cambridge University Press 2000, section 6.5.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.arange(16) * 2 * np.pi / 16
    >>> u = np.stack(np.broadcast_arrays(np.sin(3 * x), 0 * x[:, None], 0 * x[:, None, None]))  # energy 1/4
    >>> spectrum = sl.energy_spectrum(u, spatial_axes=(1, 2, 3), lengths=2 * np.pi)
    >>> spectrum.power.round(6)
    array([0.  , 0.  , 0.25, 0.  , 0.  , 0.  , 0.  , 0.  ])
    """
    check_options("energy_spectrum", options, _KNOWN)
    if not isinstance(smooth, bool):
        raise TypeError(f"smooth must be True or False, got {smooth!r}")
    backend = check_field(velocity, "velocity")
    plan = plan_of(velocity, "velocity", {**options, "channels": "sum"}, backend)
    check_radial(plan.basis.shells, "energy spectra")
    mask = mask_of(velocity, options, plan, backend)
    share = backend.power(plan.prepare(velocity, backend, mask), plan.basis)
    power = plan.layout.rows.collect(share, backend.namespace(share))[..., 1:-1]
    centres, edges, counts = (backend.constant(plan.basis, name, power) for name in ("centres", "edges", "counts"))
    power = power / (2 * (edges[1:] - edges[:-1]))
    if smooth:
        power = power * backend.constant(plan.basis, "fill", power)
    return Spectrum(centres, power, edges, counts, ("energy", *plan.recorded(mask)))
