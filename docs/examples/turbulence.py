r"""Two-dimensional turbulence: a small pseudo-spectral solver and the data that it makes.

The vorticity :math:`\omega = \partial_x v - \partial_y u` of an incompressible flow on the doubly periodic
box :math:`[0, 2\pi)^2` obeys

.. math:: \partial_t \omega + u\,\partial_x \omega + v\,\partial_y \omega
          = \nu \nabla^2 \omega - \alpha\,\omega + f,

with viscosity :math:`\nu`, linear drag :math:`\alpha` and a steady forcing :math:`f`. Everything is in the units
of the box: a side is :math:`2\pi` long and wavenumbers are integers. A field is an array ``(..., n, n)`` whose
**last axis is x and whose last but one is y**; a velocity is ``(..., 2, n, n)``, u (along x) before v (along y).

Run as a program, it solves one flow on a fine grid and again on a coarse one, and writes both as velocities::

    python docs/examples/turbulence.py
    spectral-losses compare prediction.npy truth.npy --plot spectra.png

References
----------
.. [1] C. Canuto, M. Y. Hussaini, A. Quarteroni, T. A. Zang, *Spectral Methods: Fundamentals in Single Domains*
   and *Evolution to Complex Geometries* (Springer, 2006, 2007): Galerkin truncation, the 2/3 rule.
.. [2] C. Basdevant, J. Comput. Phys. 50, 209 (1983): the advection term from products of velocities.
.. [3] L. N. Trefethen, *Spectral Methods in MATLAB* (SIAM, 2000), ch. 10: Runge-Kutta with an integrating factor.
.. [4] O. San, A. E. Staples, Computers & Fluids 63, 105 (2012): the initial spectrum of decaying turbulence.
.. [5] G. Boffetta, R. E. Ecke, Annu. Rev. Fluid Mech. 44, 427 (2012): energy budget and scales of 2-D turbulence.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from scipy import fft
except ImportError:  # the same names, a little slower
    from numpy import fft

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

COURANT = 1.0
"""Time step times the fastest advection rate, ``max(|u| + |v|) * k_max``; RK4 is stable up to 2 sqrt(2)."""

MAX_STEPS = 1_000_000
"""More steps than this between two frames mean that the flow has run away."""


class Flow(NamedTuple):
    r"""Frames of a flow, and its energy budget at each frame as means over the box.

    Between frames, :math:`dE/dt` = injection - dissipation - drag_loss.
    """

    times: Array
    """Time of each frame, shape ``(frames,)``."""
    vorticity: Array
    """Vorticity, shape ``(frames, n, n)``, units 1 / time."""
    energy: Array
    r""":math:`E = \langle u^2 + v^2 \rangle / 2`."""
    enstrophy: Array
    r""":math:`Z = \langle \omega^2 \rangle / 2`."""
    dissipation: Array
    r""":math:`2 \nu Z`, the energy that viscosity takes per unit time."""
    injection: Array
    r""":math:`\langle \psi f \rangle`, the energy that the forcing gives per unit time."""
    drag_loss: Array
    r""":math:`2 \alpha E`, the energy that the drag takes per unit time."""


def simulate(
    n: int,
    times: ArrayLike,
    *,
    viscosity: float,
    drag: float = 0.0,
    forcing: ArrayLike | None = None,
    initial: ArrayLike | None = None,
    seed: int = 0,
    max_step: float = math.inf,
    on_step: Callable[[float], object] | None = None,
) -> Flow:
    """Solve the vorticity equation from time 0 on an n x n grid.

    Modes with ``max(|kx|, |ky|) <= (n - 1) // 3`` are kept (the 2/3 rule), so that the products alias onto none
    of them: without viscosity, drag and forcing the truncated equation conserves energy and enstrophy, and only
    the time step does not. That is a fourth-order Runge-Kutta step on ``exp(-L t) w`` with ``L = -nu k^2 - alpha``:
    viscosity and drag are exact. Its length follows from `COURANT`, anew at each step, and hits each frame exactly.

    Parameters
    ----------
    n : int
        Grid points along each side, 4 or more.
    times : array_like
        Increasing times of the frames, none below 0. A frame at time 0 is the initial field, truncated.
    viscosity, drag : float
        Coefficients nu (length^2 / time) and alpha (1 / time), 0 or more.
    forcing : array_like, optional
        Steady vorticity forcing (1 / time^2), on any square grid: see `kolmogorov_forcing`.
    initial : array_like, optional
        Vorticity at time 0 on any square grid; without it, ``random_vorticity(n, seed=seed)``. The mean of
        either field, which no periodic velocity can have, is left out.
    seed : int
        Seed of the initial field where `initial` is not given.
    max_step : float
        Longest time step, where `COURANT` would allow a longer one.
    on_step : callable, optional
        Called with the time reached after each step.

    Returns
    -------
    Flow
        Vorticity frames and their energy budget, in double precision.

    Raises
    ------
    ValueError
        If an argument is out of range or not finite.
    FloatingPointError
        If the flow runs away: it is not finite, has more energy than the forcing can have given it, or needs
        more than `MAX_STEPS` steps to the next frame.
    """
    frames_at = _checked_times(times)
    for name, value in (("viscosity", viscosity), ("drag", drag)):
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be finite and not negative, got {value}")
    if not max_step > 0:
        raise ValueError(f"max_step must be positive, got {max_step}")
    if n < 4:
        raise ValueError(f"n must be 4 or more, got {n}")

    kx, ky, k2 = _wavenumbers(n)
    k_max = (n - 1) // 3
    kept = (np.maximum(abs(kx), abs(ky)) <= k_max) & (kx**2 + ky**2 > 0)
    start = random_vorticity(n, seed=seed) if initial is None else _checked_field("initial", initial)
    w: Spectrum = fft.rfft2(resample(start, n)) * kept
    force = resample(np.zeros((n, n)) if forcing is None else _checked_field("forcing", forcing), n)
    f: Spectrum = fft.rfft2(force) * kept

    to_velocity = _to_velocity(n)
    from_difference, from_product = kept * kx * ky, kept * (kx**2 - ky**2)
    weights = _parseval_weights(n)
    linear = -(viscosity * k2 + drag)
    push = _max_speed(fft.irfft2(to_velocity * f, s=(n, n)))
    push_rms = math.sqrt(np.sum(weights * abs(f) ** 2 / k2))

    def tendency(w: Spectrum) -> tuple[Spectrum, float]:
        """Forcing less advection [2]_: - (dxx - dyy) uv - dxy (v^2 - u^2); and the speed for the time step."""
        uv = fft.irfft2(to_velocity * w, s=(n, n))
        u, v = uv
        difference, product = fft.rfft2(np.stack((v * v - u * u, u * v)))
        return from_difference * difference + from_product * product + f, _max_speed(uv)

    def step(w: Spectrum, a: Spectrum, dt: float) -> Spectrum:
        """One Runge-Kutta step with the integrating factor [3]_; `a` is the tendency at `w`."""
        half = np.exp(linear * (dt / 2))
        there = half * w
        b, _ = tendency(there + dt / 2 * (half * a))
        c, _ = tendency(there + dt / 2 * b)
        d, _ = tendency(half * (there + dt * c))
        return half * (there + dt / 6 * (half * a + 2 * (b + c))) + dt / 6 * d

    vorticity = np.empty((len(frames_at), n, n))
    budget = np.empty((5, len(frames_at)))
    t, rms_0 = 0.0, math.nan
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a runaway flow is reported below
        rms_0 = math.sqrt(np.sum(weights * abs(w) ** 2 / k2))
        for i, t_frame in enumerate(frames_at):
            while t < t_frame:
                a, speed = tendency(w)
                # k_max * (speed + push * dt) * dt = COURANT: the forcing may speed the flow up during the step
                room = COURANT / k_max
                dt = np.minimum(max_step, 2 * room / (speed + np.sqrt(np.square(speed) + 4 * push * room)))
                if not (t_frame - t) / dt <= MAX_STEPS:
                    raise FloatingPointError(f"the flow blew up at t = {t:.6g}: its top speed is {speed:.3g}")
                steps = max(1, math.ceil((t_frame - t) / dt))
                w = step(w, a, (t_frame - t) / steps)
                t = t_frame if steps == 1 else t + (t_frame - t) / steps
                if on_step is not None:
                    on_step(t)
            z = weights * abs(w) ** 2
            energy, enstrophy = np.sum(z / k2) / 2, np.sum(z) / 2
            if not math.sqrt(2 * energy) <= 1.01 * (rms_0 + push_rms * t):
                raise FloatingPointError(f"the flow blew up before t = {t:.6g}: its energy is {energy:.3g}")
            injection = np.sum(weights * (f.conj() * w).real / k2)
            budget[:, i] = energy, enstrophy, 2 * viscosity * enstrophy, injection, 2 * drag * energy
            vorticity[i] = fft.irfft2(w, s=(n, n))
    return Flow(frames_at, vorticity, *budget)


def random_vorticity(n: int, *, seed: int = 0, peak: float = 6.0, energy: float = 0.5) -> Array:
    """Draw a random isotropic vorticity with the initial spectrum of decaying turbulence [4]_.

    ``E(k) ~ (k / peak)^7 exp(-3.5 (k / peak)^2)``, random phases, scaled to a mean kinetic energy of `energy`
    (0.5: a root mean square velocity of 1). The modes depend on the seed and not on n: the same flow on any grid
    with ``n > 6 * peak``, and its truncation on a smaller one. Shape ``(n, n)``.
    """
    m = 2 * math.ceil(3 * peak) + 1  # odd, no Nyquist modes; past 3 * peak, E(k) is below 1e-10 of its peak
    kx, ky, k2 = _wavenumbers(m)
    phases = fft.rfft2(np.random.default_rng(seed).standard_normal((m, m)))
    k = np.sqrt(kx**2 + ky**2)
    modes = phases / abs(phases) * np.sqrt(k * (k / peak) ** 7 * np.exp(-3.5 * (k / peak) ** 2))
    modes *= np.sqrt(2 * energy / np.sum(_parseval_weights(m) * abs(modes) ** 2 / k2))
    return resample(fft.irfft2(modes, s=(m, m)), n)


def kolmogorov_forcing(n: int, *, wavenumber: int = 4, amplitude: float = 1.0) -> Array:
    """Curl of the Kolmogorov forcing ``(amplitude * sin(wavenumber * y), 0)`` of the velocity, shape ``(n, n)``.

    With a drag alpha it keeps the mean kinetic energy below ``(amplitude / alpha)^2 / 4``.
    """
    y = 2 * np.pi / n * np.arange(n)
    return np.broadcast_to((-amplitude * wavenumber * np.cos(wavenumber * y))[:, None], (n, n)).copy()


def velocity(vorticity: ArrayLike) -> Array:
    """Velocity ``(..., 2, n, n)``, u before v, of a vorticity ``(..., n, n)``.

    By the stream function: ``lap psi = -w``, ``u = d psi / dy``, ``v = -d psi / dx``, with no mean flow.
    """
    w = _square("vorticity", vorticity)
    n = w.shape[-1]
    uv: Array = fft.irfft2(_to_velocity(n) * fft.rfft2(w)[..., None, :, :], s=(n, n))
    return uv


def energy_spectrum(vorticity: ArrayLike) -> Array:
    """Kinetic energy in each shell of wavenumbers: ``E[k]`` sums the modes with ``k - 1/2 < |k| < k + 1/2``.

    Shape ``(..., shells)``; the shells reach into the corners of the spectrum, so that nothing is left out:
    ``sum(E)`` is the mean of ``(u^2 + v^2) / 2`` of `velocity`. ``E[0]`` is 0. Shells past n / 2 are cut by the
    sides of the grid.
    """
    w = _square("vorticity", vorticity)
    n = w.shape[-1]
    kx, ky, _ = _wavenumbers(n)
    shell = np.rint(np.hypot(kx, ky)).astype(int).ravel()
    uv = abs(_to_velocity(n) * fft.rfft2(w)[..., None, :, :]) ** 2
    energy = (_parseval_weights(n) * uv.sum(axis=-3) / 2).reshape(-1, shell.size)
    sums = np.stack([np.bincount(shell, weights=row) for row in energy])
    return sums.reshape(*w.shape[:-2], -1)


def dissipation_length(vorticity: ArrayLike, viscosity: float) -> float:
    r"""Length at which viscosity ends the enstrophy cascade [5]_, for a vorticity ``(..., n, n)``.

    :math:`(\nu^3 / \chi)^{1/6}` with the enstrophy dissipation :math:`\chi = \nu \langle |\nabla\omega|^2 \rangle`.
    Times the largest wavenumber of the solver, ``(n - 1) // 3``, it is 1 or more where the flow is resolved.
    """
    w = _square("vorticity", vorticity)
    n = w.shape[-1]
    kx, ky, _ = _wavenumbers(n)
    gradients = np.sum(_parseval_weights(n) * (kx**2 + ky**2) * abs(fft.rfft2(w)) ** 2, axis=(-2, -1))
    return float((viscosity**2 / gradients.mean()) ** (1 / 6))


def resample(field: ArrayLike, n: int) -> Array:
    """Periodic fields ``(..., m, m)`` on the n x n grid of the same box, shape ``(..., n, n)``.

    Fourier interpolation where n > m: exact, and undone by a second call. Truncation where n < m: exact for
    fields without modes past n / 2. The mean stays. A Nyquist mode, which is the sum of a wavenumber and its
    opposite, is shared between the two or put together from them.
    """
    out = _square("field", field)
    for axis in (-2, -1):
        out = np.swapaxes(_resample_last(np.swapaxes(out, axis, -1), n), axis, -1)
    return out


def _resample_last(field: Array, n: int) -> Array:
    """Resample along the last axis."""
    m = field.shape[-1]
    shared = min(m, n)
    modes = np.zeros((*field.shape[:-1], n // 2 + 1), dtype=np.complex128)
    modes[..., : shared // 2 + 1] = fft.rfft(field)[..., : shared // 2 + 1]
    if m != n and shared % 2 == 0:
        modes[..., shared // 2] *= 0.5 if m < n else 2.0
    out: Array = fft.irfft(modes, n=n) * (n / m)
    return out


def _wavenumbers(n: int) -> tuple[Array, Array, Array]:
    """Wavenumbers kx ``(1, n // 2 + 1)`` and ky ``(n, 1)`` of `rfft2`, and k^2 with 1 in place of the 0."""
    kx, ky = n * fft.rfftfreq(n)[None, :], n * fft.fftfreq(n)[:, None]
    k2 = kx**2 + ky**2
    k2[0, 0] = 1.0
    return kx, ky, k2


def _to_velocity(n: int) -> Spectrum:
    """Multipliers ``(2, n, n // 2 + 1)`` from vorticity to u and v; a Nyquist mode has no derivative."""
    kx, ky, k2 = _wavenumbers(n)
    u, v = np.where(2 * abs(ky) == n, 0, 1j * ky), np.where(2 * kx == n, 0, -1j * kx)
    return np.stack((u / k2, v / k2))


def _parseval_weights(n: int) -> Array:
    """Weights ``(n // 2 + 1,)`` with ``sum(weights * abs(rfft2(a)) ** 2) = mean(a ** 2)``."""
    kx = np.arange(n // 2 + 1)
    return np.where((kx == 0) | (2 * kx == n), 1.0, 2.0) / float(n) ** 4


def _max_speed(uv: Array) -> float:
    """Largest ``|u| + |v|``, NaN if there is one."""
    return float(np.max(abs(uv[0]) + abs(uv[1])))


def _square(name: str, field: ArrayLike) -> Array:
    """Check that an array is ``(..., n, n)``, in double precision."""
    out = np.asarray(field, dtype=np.float64)
    if out.ndim < 2 or out.shape[-1] != out.shape[-2] or out.shape[-1] == 0:
        raise ValueError(f"{name} must have shape (..., n, n), got {out.shape}")
    return out


def _checked_field(name: str, field: ArrayLike) -> Array:
    """Check that an array is one finite field ``(n, n)``."""
    out = _square(name, field)
    if out.ndim != 2 or not np.isfinite(out).all():
        raise ValueError(f"{name} must be one field (n, n) of finite numbers, got shape {out.shape}")
    return out


def _checked_times(times: ArrayLike) -> Array:
    """Check that the times of the frames are finite, increasing and not below 0."""
    out = np.array(times, dtype=np.float64)
    if out.ndim != 1 or out.size == 0 or not (np.isfinite(out).all() and out[0] >= 0 and (np.diff(out) > 0).all()):
        raise ValueError(f"times must be a list of finite, increasing times, none below 0, got {times}")
    return out


class _Case(NamedTuple):
    """A flow of `main`: frames in ``(first, last]``, after a spin-up on the coarse grid."""

    viscosity: float
    drag: float
    amplitude: float
    spin_up: float
    first: float
    last: float


_CASES = {
    "decaying": _Case(viscosity=8e-4, drag=0.0, amplitude=0.0, spin_up=0.0, first=1.0, last=3.0),
    "forced": _Case(viscosity=8e-4, drag=0.1, amplitude=1.0, spin_up=40.0, first=1.0, last=3.0),
}
