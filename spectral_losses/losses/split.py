"""The error of a bin, split into its amplitude part and its phase part, with finite slopes everywhere.

With amplitudes ``a = sqrt(P + tau)`` and ``t = sqrt(T + tau)`` and a coherence c the error is
``D = (a - t)^2 + 2 a t (1 - c)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from spectral_losses_backends.base import Array
from spectral_losses_backends.problem import Statistics


class Amplitudes(NamedTuple):
    """Of prediction and target in each bin, guarded against slopes that are not finite."""

    a: Array
    t: Array

    def apart(self, xp: Any) -> tuple[Array, Array]:
        """``|a - t|``, and the sign of the difference."""
        # array-api-compat's own sign indexes tensors with a mask, which torch.vmap cannot batch.
        away = xp.astype(self.a > self.t, self.a.dtype) - xp.astype(self.a < self.t, self.a.dtype)
        return xp.abs(self.a - self.t), away


class Incoherence(NamedTuple):
    """``max(D - (a - t)^2, 0)``: twice ``a t (1 - c)``; and 1 where it counts, 0 where rounding made it negative."""

    value: Array
    counted: Array


def amplitudes(s: Statistics, xp: Any) -> Amplitudes:
    """Amplitudes of all bins that the objective sees."""
    total = xp.sum(s.T, axis=-1, keepdims=True)
    # Rounding leaves a share of P in D - (a - t)^2: t must not be so small beside a that it would count. And the square
    # of the least root has to be a normal number, because XLA takes others for zero.
    guard = s.detach(1e-12 * s.T + 16 * s.precision**2 * (total + s.P)) + 16 * s.tiny
    return Amplitudes(xp.sqrt(s.P + guard), xp.sqrt(s.T + guard))


def incoherence(s: Statistics, of: Amplitudes, xp: Any) -> Incoherence:
    """What is left of the error when that of amplitudes is taken off; of equal amplitudes, all of it."""
    high, low = xp.where(of.a > of.t, of.a, of.t), xp.where(of.a > of.t, of.t, of.a)
    apart, nothing = high - low, xp.zeros_like(high)
    # Of amplitudes that are far apart the difference of squares is one of large numbers: as a product it is not.
    far = low < high / 2
    d = xp.sqrt(xp.where(far, s.D, xp.ones_like(high)))
    rest = xp.where(far, ((d - high) + low) * (d + apart), s.D - apart**2)
    # Times 0, and not 0: what is NaN has to stay so.
    value = xp.where(rest > 0, rest, 0 * rest)
    return Incoherence(value, xp.where(rest > 0, xp.ones_like(rest), nothing))


def one_minus_coherence(s: Statistics, xp: Any) -> tuple[Array, Array, Array]:
    """``1 - c`` of each bin, and its slopes along D and P."""
    of = amplitudes(s, xp)
    value, counted = incoherence(s, of, xp)
    # Where nothing is lost, amplitudes do not matter: compilers make one of several denominators, and where both fields
    # are zero that one would be 0.
    some, one = value != 0, xp.ones_like(value)
    a, t = xp.where(some, of.a, one), xp.where(some, of.t, one)
    lost = value / a / (2 * t)
    along_d = counted / a / (2 * t)
    along_a = counted * (1 / a - 1 / t) - lost / a
    return lost, along_d, along_a / (2 * a)
