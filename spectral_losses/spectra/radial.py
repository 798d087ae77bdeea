"""Radial power spectra: an array of fields in, a `Spectrum` out."""

from __future__ import annotations

from typing import Unpack, get_type_hints

from spectral_losses.fields.pairs import check_field
from spectral_losses.messages import check_options
from spectral_losses.spectra.plan import SpectrumOptions, explicit, mask_of, plan_of
from spectral_losses.spectra.spectrum import Spectrum, let_pytorch_collate
from spectral_losses_backends.base import Array

__all__ = ["radial_spectrum"]

_KNOWN = frozenset(get_type_hints(SpectrumOptions))


@explicit
def radial_spectrum(field: Array, **options: Unpack[SpectrumOptions]) -> Spectrum:
    r"""Power spectrum over shells of the wavenumber, in one, two or three dimensions.

    .. math:: P_b = m_b \, \langle |F|^2 \rangle_{k \in (lo_b, hi_b]}, \qquad F = \mathrm{rfftn}(x)

    The mean runs over all modes of the full plane in the shell, ``F`` is not normalised, and the measure
    ``m_b`` is the shell's length ``2 (hi - lo)``, area ``pi (hi^2 - lo^2)`` or volume
    ``4/3 pi (hi^3 - lo^3)``.

    Parameters
    ----------
    field : array, real floating
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes : int or tuple of one to three ints
        The uniformly sampled axes, periodic unless ``transform`` says otherwise; each has at least 2 points.
    channel_axis : int, None or "auto"
        The axis of components. "auto" is the axis right after the spatial axes where they are adjacent, exactly one
        axis follows them, and they are two or more or the array has three axes, as in ``[B, H, W, C]``; else the one
        just before the first spatial axis, or None where there is none. All other axes are frames.
    channels : {"separate", "sum", "mean"}
        "separate": one spectrum per channel. "sum": ``|F|^2`` summed over channels, so that half of it is a
        kinetic-energy spectrum for velocities. "mean": the *field* is averaged over channels before
        the transform. Components can cancel in that mean (the spectrum of ``[u, -u]`` is zero): it is there to
        reproduce published numbers.
    pool : None, int, tuple of ints or "frames"
        Frame axes over which the power is averaged; "frames" are all of them.
    bins : "unit", "log", int, ("log", int), sequence of floats, Sectors or Cylinders
        "unit": one shell around each multiple of the grid's wavenumber step, up to the least Nyquist
        wavenumber. An int: so many shells of equal width over that range. "log": shells of equal ratio over
        that range, about an octave each; ("log", n): n of them. A sequence: increasing edges, at least 0, in
        the units of the wavenumber. Shells are open below and closed above. `Sectors` or `Cylinders`: bins that know
        directions.
    lengths : float or sequence of float, optional
        Box length along each spatial axis. Wavenumbers are then ``2 pi m / L``, in radians per unit length,
        and unit shells are as wide as the coarsest axis resolves, ``max(2 pi / L)``. By default wavenumbers
        are counted in index units: ``m`` waves across the box.
    window : str or sequence of (str or None), optional
        "hann", "hamming" or "blackman", for every spatial axis or one per axis, normalised to keep the mean
        power of white noise. For domains that are not periodic.
    detrend : {"constant", "linear"}, optional
        Subtract the mean, or the plane of least squares, before windowing.
    grid : Sphere, optional
        The two spatial axes are latitude and longitude on the sphere: shells are degrees of spherical harmonics, the
        wavenumber is the degree, and the power of a shell is its share of the mean square over the sphere. ``bins``
        group degrees; ``lengths``, ``window`` and ``detrend`` have to stay None.
    transform : {"fft", "dct"}
        "dct": a discrete cosine transform of type II along each axis, for domains with edges, such as those of regional
        weather models; ``window`` and ``grid`` have to stay None. Mode m of an axis is half as many waves: its
        wavenumber is ``m / 2``, or ``pi m / L``, and that is the grid's wavenumber step. Unit shells are half as wide
        as those of "fft", from half a wave up to the highest mode, and every second one is in the middle of one of
        these; every mode counts once. The measure and the sum over all modes are the same as with "fft".
    mask : array, optional
        Bool or weights, 0 in masked points: of the spatial shape, its axes in the order of ``spatial_axes``, or of any
        shape that broadcasts against the field, so that it may differ from frame to frame. What a field holds in masked
        points is never looked at, NaN included; ``fill`` stands there before detrending, window and transform. Other
        points are valid, whatever their weight.
    fill : {"smooth", "mean"}
        "smooth": nearly the solution of Laplace's equation between the frame's valid points, on the sphere or on a
        plane of equal spacings, which is periodic unless the transform is "dct". "mean": their mean, weighed as in
        `field_error`; it costs less, but its steps at coasts hide a steep spectrum. Of no effect without a mask. The
        gradient is that of a fill that does not move: 0 in masked points, and in the others what it would be of the
        filled field.

    Returns
    -------
    Spectrum
        ``wavenumber``, ``power``, ``edges``, ``counts``: arrays of the field's framework, dtype and device.

    Raises
    ------
    TypeError
        Not an array, or not real floating; an option that is not known.
    ValueError
        An axis out of range, repeated, or both space and channel; a spatial axis too short to hold one shell; a grid of
        another shape, or options beside it that have no meaning on it; a mask that `field_error` would refuse;
        a shell that holds no mode; a value that is not one of those above.

    Warns
    -----
    UserWarning
        Where ``spatial_axes`` are not given and one of the last two axes has fewer than 4 points, the other 16 or more,
        or fewer than 16, the other 6 times as many: it may hold channels.

    Notes
    -----
    Parseval: ``sum(power / measure * counts)``, plus the mean mode and the corner modes outside the last
    shell, is ``N^2 <x^2>`` for N points.

    References
    ----------
    Pope, S. B., Turbulent Flows, Cambridge University Press 2000, section 6.5.

    Denis, B., Cote, J. and Laprise, R., Spectral decomposition of two-dimensional atmospheric fields on limited-area
    domains using the discrete cosine transform (DCT), Mon. Wea. Rev. 130 (2002) 1812, for ``transform="dct"``.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> x = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    >>> wave = np.sin(4 * x) * np.ones((16, 1))
    >>> k, power, edges, counts = sl.radial_spectrum(wave)
    >>> float(k[np.argmax(power)]), power.shape
    (4.0, (8,))
    """
    check_options("radial_spectrum", options, _KNOWN)
    backend = check_field(field, "field")
    plan = plan_of(field, "field", options, backend)
    mask = mask_of(field, options, plan, backend)
    share = backend.power(plan.prepare(field, backend, mask), plan.basis)
    xp = backend.namespace(share)
    power = plan.layout.rows.collect(share, xp)[..., 1:-1] * backend.constant(plan.basis, "scale", share)
    power = plan.reported(power, backend)
    centres, edges, counts = (backend.constant(plan.basis, name, power) for name in ("centres", "edges", "counts"))
    if not backend.is_tracing():
        let_pytorch_collate()
    return Spectrum(centres, power, edges, counts, plan.recorded(mask))
