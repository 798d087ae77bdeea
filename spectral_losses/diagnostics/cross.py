"""Cross spectra: how alike two fields are, scale by scale, and how much of their difference is amplitude or phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack, get_type_hints

from spectral_losses.fields.filling import blank
from spectral_losses.fields.pairs import check_pair
from spectral_losses.messages import check_options
from spectral_losses.spectra.plan import Plan, SpectrumOptions, explicit, mask_of, plan_of
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.problem import Tables, smallest
from spectral_losses_backends.registry import backend_of, record

__all__ = ["CrossSpectrum", "cross_spectrum"]

_KNOWN = frozenset(get_type_hints(SpectrumOptions))
_ARRAYS = ("wavenumber", "power", "target_power", "error_power", "cospectrum", "quadrature", "edges", "counts", "noise")


@record(arrays=_ARRAYS, static=())
@dataclass(frozen=True, eq=False)
class CrossSpectrum:
    """How two fields compare in each shell, see `cross_spectrum`.

    Attributes
    ----------
    wavenumber : array, shape (shells,)
        Shell centres, in index units or, where ``lengths`` were given, in radians per unit length.
    power, target_power, error_power : array, shape (..., shells)
        Of the prediction p, the target t and of p - t, as `radial_spectrum` has them.
    cospectrum, quadrature : array, shape (..., shells)
        Real and imaginary part of the cross spectrum in the same units; the imaginary part with the sign of its half of
        the modes, without which those of k and -k would cancel. That of cosines, which are real, is 0.
    edges : array, shape (shells + 1,)
    counts : array, shape (shells,)
        Modes of the full plane in each shell.
    noise : array, shape (..., shells)
        Power that rounding may leave in a shell.
    """

    wavenumber: Array
    power: Array
    target_power: Array
    error_power: Array
    cospectrum: Array
    quadrature: Array
    edges: Array
    counts: Array
    noise: Array

    @property
    def amplitude_ratio(self) -> Array:
        """``sqrt(P / T)``; NaN where the target has no power."""
        return self._xp.sqrt(self._relative(self.power))

    @property
    def error(self) -> Array:
        """Error over target, ``D / T``: 0 where they agree, 2 where phases are lost at full amplitude."""
        return self._relative(self.error_power)

    @property
    def amplitude_part(self) -> Array:
        """The part of `error` that amplitudes make, ``(sqrt(P) - sqrt(T))^2 / T``."""
        return self._relative(self._amplitude_power)

    @property
    def phase_part(self) -> Array:
        """The part of `error` that phases make, ``2 sqrt(P T) (1 - c) / T``: what `amplitude_part` leaves of it."""
        return self._relative(self._phase_power)

    @property
    def coherence(self) -> Array:
        """The coherence ``c = cospectrum / sqrt(P T)`` between -1 and 1; 1 where both are empty."""
        a, t = self._amplitudes
        return 1 - self._phase_power / a / (2 * t)

    @property
    def phase(self) -> Array:
        """Phase of the prediction against the target on one half of the modes, in radians."""
        return self._xp.atan2(self.quadrature, self.cospectrum)

    @property
    def _xp(self) -> Any:
        return backend_of(self.power, "power").namespace(self.power)

    @property
    def _amplitudes(self) -> tuple[Array, Array]:
        """Guarded as those of the losses are."""
        guard = 1e-12 * self.target_power + 16 * self.noise
        return self._xp.sqrt(self.power + guard), self._xp.sqrt(self.target_power + guard)

    @property
    def _amplitude_power(self) -> Array:
        a, t = self._amplitudes
        xp, apart = self._xp, (a - t) ** 2
        return xp.where(apart > self.error_power, self.error_power, apart)

    @property
    def _phase_power(self) -> Array:
        return self.error_power - self._amplitude_power

    def _relative(self, power: Array) -> Array:
        xp, some = self._xp, self.target_power > 0
        ratio = power / xp.where(some, self.target_power, xp.ones_like(power))
        return xp.where(some, ratio, xp.full_like(power, float("nan")))


@explicit
def cross_spectrum(prediction: Array, target: Array, **options: Unpack[SpectrumOptions]) -> CrossSpectrum:
    r"""Compare two fields in each shell of the wavenumber: powers, coherence, phase, and the error split in two.

    With the sums :math:`P_b = \sum |X|^2`, :math:`T_b = \sum |Y|^2`, :math:`D_b = \sum |X - Y|^2` over the modes X of
    the prediction and Y of the target in shell b,

    .. math:: D_b = \bigl(\sqrt{P_b} - \sqrt{T_b}\bigr)^2 + 2 \sqrt{P_b T_b} \, (1 - c_b)

    exactly: the first part is what wrong amplitudes cost, the second what wrong phases do, with the coherence c.

    Parameters
    ----------
    prediction, target : array, real floating, one shape
        Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
    spatial_axes, channel_axis, channels, pool, bins, lengths, window, detrend, grid, transform, mask, fill
        As in `radial_spectrum`. A coherence of few modes is high by chance: that of unrelated fields has a variance of
        one over the modes of the shell. ``pool="frames"`` gives it more.

    Returns
    -------
    CrossSpectrum
        Arrays of the fields' framework, dtype and device.

    Raises
    ------
    TypeError
        Not arrays, arrays of two frameworks, or not real floating; an option that is not known.
    ValueError
        Shapes that differ; whatever `radial_spectrum` refuses.

    References
    ----------
    Bendat, J. S. and Piersol, A. G., Random Data, Wiley 2010, section 6.1.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> cross = sl.cross_spectrum(0.5 * target, target, pool="frames")
    >>> np.stack([cross.coherence, cross.amplitude_part, abs(cross.phase_part)])[:, 0, 0].round(6)
    array([1.  , 0.25, 0.  ])
    """
    check_options("cross_spectrum", options, _KNOWN)
    backend = check_pair(prediction, target)
    plan = plan_of(prediction, "prediction", options, backend)
    mask = mask_of(prediction, options, plan, backend)
    tables = pair_statistics(prediction, target, plan, backend, mask)
    xp = backend.namespace(tables["P"])
    rows = {name: plan.layout.rows.collect(table, xp) for name, table in tables.items()}
    return cross_spectrum_of(rows, plan, backend, float(xp.finfo(rows["P"].dtype).eps))


def pair_statistics(
    prediction: Array, target: Array, plan: Plan, backend: Backend, mask: Array | None = None
) -> Tables:
    """P, T, D and Q of each frame and channel, over all bins; the error is transformed by itself."""
    x, y = (plan.layout.arrange(z, backend) for z in (prediction, target))
    xp = backend.namespace(x)
    dtype = xp.result_type(x, y)
    x, y = (xp.astype(z, dtype, copy=False) for z in (x, y))
    if mask is not None:
        x, y = (blank(z, mask, xp) for z in (x, y))
    error, y = (plan.condition(plan.filled(z, mask, backend), backend) for z in (x - y, y))
    return backend.pair_power(error, y, plan.basis, ("D", "P", "Q", "T"))


def cross_spectrum_of(rows: Tables, plan: Plan, backend: Backend, precision: float) -> CrossSpectrum:
    """What `pair_statistics` come to, once pooled; ``precision`` is the relative spacing of the fields' floats."""
    xp = backend.namespace(rows["P"])
    total = xp.sum(rows["T"] + rows["P"], axis=-1, keepdims=True)
    scale = backend.constant(plan.basis, "scale", total)
    power, of_target, of_error, quadrature = (
        plan.reported(rows[name][..., 1:-1] * scale, backend) for name in ("P", "T", "D", "Q")
    )
    centres, edges, counts = (backend.constant(plan.basis, name, power) for name in ("centres", "edges", "counts"))
    noise = plan.reported(backend.detach(total) * precision**2 * scale, backend) + smallest(power, xp)
    return CrossSpectrum(
        centres, power, of_target, of_error, (power + of_target - of_error) / 2, quadrature, edges, counts, noise
    )
