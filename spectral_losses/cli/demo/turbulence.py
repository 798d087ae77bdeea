r"""Two-dimensional turbulence: a small pseudo-spectral solver.

The vorticity :math:`\omega = \partial_x v - \partial_y u` of an incompressible flow on the doubly
periodic box :math:`[0, 2\pi)^2` obeys

.. math:: \partial_t \omega + u\,\partial_x \omega + v\,\partial_y \omega
          = \nu \nabla^2 \omega - \alpha\,\omega + f,

with viscosity :math:`\nu`, linear drag :math:`\alpha` and a steady forcing :math:`f`. The unit of length is
that of the box, so that wavenumbers are integers; the unit of time is free. A field is an array
``(..., n, n)`` whose **last axis is x and whose last but one is y**; a velocity is ``(..., 2, n, n)``, u
(along x) before v (along y).

References
----------
.. [1] C. Canuto, M. Y. Hussaini, A. Quarteroni, T. A. Zang, *Spectral Methods: Fundamentals in Single
   Domains* (Springer, 2006), ch. 3: Galerkin truncation and the 2/3 rule.
.. [2] C. Basdevant, J. Comput. Phys. 50, 209 (1983): advection from the products of velocities.
.. [3] L. N. Trefethen, *Spectral Methods in MATLAB* (SIAM, 2000), ch. 10: integrating factors.
.. [4] O. San, A. E. Staples, Computers & Fluids 63, 105 (2012): initial spectrum of decaying turbulence.
.. [5] G. Boffetta, R. E. Ecke, Annu. Rev. Fluid Mech. 44, 427 (2012): budgets and scales in 2-D.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from scipy import fft
except ImportError:  # the same names
    from numpy import fft

__all__ = [
    "Flow",
    "dissipation_length",
    "energy_spectrum",
    "kolmogorov_forcing",
    "random_vorticity",
    "resample",
    "simulate",
    "velocity",
]

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

COURANT = 1.0  # max(|u| + |v|) * k_max * time step; Runge-Kutta steps are stable up to 2 sqrt(2)
MAX_STEPS = 1_000_000  # a flow that needs more to reach the next frame has run away


class Flow(NamedTuple):
    """Frames of a flow and, as means over the box, its energy budget at each frame.

    ``d energy / dt = injection - dissipation - drag_loss``.
    """

    times: Array  # (frames,)
    vorticity: Array  # (frames, n, n), 1 / time
    energy: Array  # E = <u^2 + v^2> / 2, (frames,) like all that follow
    enstrophy: Array  # Z = <vorticity^2> / 2
    dissipation: Array  # 2 viscosity Z: what viscosity takes from E per unit time
    injection: Array  # <stream function * forcing>: what the forcing gives
    drag_loss: Array  # 2 drag E: what the drag takes


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
    """Solve the vorticity equation on an n x n grid from time 0.

    The modes with ``max(|kx|, |ky|) <= k_max = (n - 1) // 3`` are kept, so that no product aliases onto them
    [1]_: without viscosity, drag and forcing they conserve energy and enstrophy, but for the error of the
    time step. This is of fourth order (Runge-Kutta) and exact for viscosity and drag (integrating factor
    [3]_); `COURANT` sets its length anew at each step, and a step ends at each frame.

    Parameters
    ----------
    n : int
        Grid points along each side, 4 or more.
    times : array_like
        Increasing times of the frames, none below 0; a frame at 0 is the initial field, truncated.
    viscosity, drag : float
        Coefficients nu (length^2 / time) and alpha (1 / time), 0 or more.
    forcing : array_like, optional
        Steady forcing of the vorticity (1 / time^2) on any square grid, such as `kolmogorov_forcing`.
    initial : array_like, optional
        Vorticity at time 0 on any square grid; by default ``random_vorticity(n, seed=seed)``. The modes that
        are not kept, and the mean, are left out of it and of the forcing.
    seed : int
        Seed of the default initial field.
    max_step : float
        Longest time step, where `COURANT` would allow a longer one.
    on_step : callable, optional
        Called with the time reached after each step.

    Returns
    -------
    Flow
        Vorticity and energy budget at the given times.

    Raises
    ------
    ValueError
        If an argument is out of range or not finite.
    FloatingPointError
        If the flow runs away: it is not finite, has more energy than the forcing can have given it, or
        needs more than `MAX_STEPS` steps to the next frame.
    """
    if n < 4 or not max_step > 0:
        raise ValueError(f"n must be 4 or more and max_step positive, got {n} and {max_step}")
    if not (0 <= viscosity < math.inf and 0 <= drag < math.inf):
        raise ValueError(f"viscosity and drag must be finite and not negative, got {viscosity} and {drag}")
    ends = np.array(times, dtype=np.float64)
    in_order = ends.ndim == 1 and ends.size > 0 and np.all(np.diff(ends) > 0)
    if not (in_order and ends[0] >= 0 and ends[-1] < math.inf):
        raise ValueError(f"times must be a list of finite, increasing numbers, 0 or more, got {times!r}")

    kx, ky, k2 = _wavenumbers(n)
    k_max = (n - 1) // 3
    kept = (np.maximum(abs(kx), abs(ky)) <= k_max) & (kx**2 + ky**2 > 0)
    to_velocity, weights = _to_velocity(n), _parseval_weights(n)
    by_difference, by_product = kept * kx * ky, kept * (kx**2 - ky**2)
    decay = -(viscosity * k2 + drag)

    def modes(field: ArrayLike) -> Spectrum:
        on_grid = resample(field, n)
        if on_grid.ndim != 2:
            raise ValueError(f"initial and forcing must be one field (n, n) each, got {np.shape(field)}")
        return np.where(kept, fft.rfft2(on_grid), 0)

    def tendency(w: Spectrum) -> tuple[Spectrum, float]:
        """Return (dyy - dxx) uv + dxy (u^2 - v^2) + forcing [2]_, and the largest |u| + |v|."""
        u, v = fft.irfft2(to_velocity * w, s=(n, n))
        difference, product = fft.rfft2(np.stack((v * v - u * u, u * v)))
        return by_difference * difference + by_product * product + f, np.max(abs(u) + abs(v))

    def step(w: Spectrum, a: Spectrum, dt: float) -> Spectrum:
        half = np.exp(decay * (dt / 2))
        w, a = half * w, half * a
        b, _ = tendency(w + dt / 2 * a)
        c, _ = tendency(w + dt / 2 * b)
        d, _ = tendency(half * (w + dt * c))
        return half * (w + dt / 6 * (a + 2 * (b + c))) + dt / 6 * d

    w = modes(random_vorticity(n, seed=seed) if initial is None else initial)
    f = modes(np.zeros((n, n)) if forcing is None else forcing)
    vorticity, budget = np.empty((len(ends), n, n)), np.empty((5, len(ends)))
    t, room = 0.0, COURANT / k_max
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a runaway flow is reported below
        rms, push_rms = (np.sqrt(np.sum(weights * abs(field) ** 2 / k2)) for field in (w, f))
        push = np.max(np.sum(abs(fft.irfft2(to_velocity * f, s=(n, n))), axis=0))
        for i, end in enumerate(ends):
            while t < end:
                a, speed = tendency(w)
                # solves (speed + push dt) dt = room: the forcing may speed the flow up during the step
                dt = np.minimum(max_step, 2 * room / (speed + np.sqrt(speed**2 + 4 * push * room)))
                if not (end - t) / dt <= MAX_STEPS:
                    raise FloatingPointError(f"the flow blew up at t = {t:.6g}: its top speed is {speed:.3g}")
                steps = max(1, math.ceil((end - t) / dt))
                w = step(w, a, (end - t) / steps)
                t = float(end if steps == 1 else t + (end - t) / steps)
                if on_step is not None:
                    on_step(t)
            z = weights * abs(w) ** 2
            energy, enstrophy = np.sum(z / k2) / 2, np.sum(z) / 2
            if not np.sqrt(2 * energy) <= 1.01 * (rms + push_rms * t):
                raise FloatingPointError(f"the flow blew up before t = {t:.6g}: its energy is {energy:.3g}")
            injection = np.sum(weights * (f.conj() * w).real / k2)
            budget[:, i] = energy, enstrophy, 2 * viscosity * enstrophy, injection, 2 * drag * energy
            vorticity[i] = fft.irfft2(w, s=(n, n))
    return Flow(ends, vorticity, *budget)


def random_vorticity(n: int, *, seed: int = 0, peak: float = 4.0, energy: float = 0.5) -> Array:
    """Draw an isotropic random vorticity ``(n, n)``, the start of decaying turbulence.

    ``E(k) ~ (k / peak)^7 exp(-3.5 (k / peak)^2)`` [4]_ with random phases, scaled to a mean kinetic energy
    (0.5: a root mean square velocity of 1). The modes follow from the seed, whatever n: it is the same flow
    on every grid with ``n > 6 * peak + 2``, and its truncation on a smaller one.
    """
    m = 2 * math.ceil(3 * peak) + 1  # odd: no Nyquist modes; beyond 3 * peak, E is 1e-10 of its maximum
    kx, ky, k2 = _wavenumbers(m)
    k = np.sqrt(kx**2 + ky**2) / peak
    noise = fft.rfft2(np.random.default_rng(seed).standard_normal((m, m)))
    modes = noise / abs(noise) * np.sqrt(k**8 * np.exp(-3.5 * k**2))  # |w|^2 ~ k^2 E / k
    modes *= np.sqrt(2 * energy / np.sum(_parseval_weights(m) * abs(modes) ** 2 / k2))
    return resample(fft.irfft2(modes, s=(m, m)), n)


def kolmogorov_forcing(n: int, *, wavenumber: int = 4, amplitude: float = 1.0) -> Array:
    """Curl ``(n, n)`` of the force ``(amplitude * sin(wavenumber * y), 0)``.

    With a drag alpha, it can sustain a mean kinetic energy of ``(amplitude / alpha)^2 / 4`` at most.
    """
    y = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.tile(-amplitude * wavenumber * np.cos(wavenumber * y)[:, None], (1, n))


def velocity(vorticity: ArrayLike) -> Array:
    """Velocity ``(..., 2, n, n)``, u before v, of a vorticity ``(..., n, n)``.

    ``u = d psi / dy``, ``v = -d psi / dx`` with the stream function ``laplacian(psi) = -vorticity``: without
    divergence and without a mean flow.
    """
    w = _checked("vorticity", vorticity)
    n = w.shape[-1]
    return np.asarray(fft.irfft2(_to_velocity(n) * fft.rfft2(w)[..., None, :, :], s=(n, n)))


def energy_spectrum(vorticity: ArrayLike) -> Array:
    """Kinetic energy in shells of wavenumbers, ``(..., shells)``, of a vorticity ``(..., n, n)``.

    ``E[k]`` sums the modes with ``k - 1/2 < |k| < k + 1/2``. The shells reach into the corners of the
    spectrum, so that no mode is left out: ``sum(E)`` is the mean of ``(u^2 + v^2) / 2``. The grid holds the
    shells up to ``n / 2`` in full, the solver those up to ``(n - 1) // 3``.
    """
    w = _checked("vorticity", vorticity)
    n = w.shape[-1]
    kx, ky, _ = _wavenumbers(n)
    shell = np.rint(np.hypot(kx, ky)).astype(np.intp)
    uv = _to_velocity(n) * fft.rfft2(w)[..., None, :, :]
    energy = _parseval_weights(n) * np.sum(abs(uv) ** 2, axis=-3) / 2
    out = np.zeros((shell.max() + 1, *w.shape[:-2]))
    np.add.at(out, shell, np.moveaxis(energy, (-2, -1), (0, 1)))
    return np.moveaxis(out, 0, -1)


def dissipation_length(vorticity: ArrayLike, viscosity: float) -> float:
    """Length at which viscosity ends the enstrophy cascade [5]_, for a vorticity ``(..., n, n)``.

    ``(viscosity^3 / chi)^(1/6)`` with the enstrophy dissipation ``chi = viscosity <|grad vorticity|^2>``.
    Times the largest wavenumber of the solver, ``(n - 1) // 3``, it is above 1 where the flow is resolved.
    """
    w = _checked("vorticity", vorticity)
    kx, ky, _ = _wavenumbers(w.shape[-1])
    gradient = np.sqrt(kx**2 + ky**2) * fft.rfft2(w)
    squares = np.sum(_parseval_weights(w.shape[-1]) * abs(gradient) ** 2, axis=(-2, -1))
    return float((viscosity**2 / np.mean(squares)) ** (1 / 6))


def resample(field: ArrayLike, n: int) -> Array:
    """Periodic fields ``(..., m, m)`` on the n x n grid of the same box, shape ``(..., n, n)``.

    Fourier interpolation where n > m, which a second call undoes; truncation where n < m, exact for fields
    without modes beyond n / 2. The mean stays. A Nyquist mode stands for a wavenumber and its opposite: it is
    shared between the two, or put together from them.
    """
    out = _checked("field", field)
    for _ in range(2):  # along x, then along y
        m, shared = out.shape[-1], min(n, out.shape[-1])
        modes = np.zeros((*out.shape[:-1], n // 2 + 1), dtype=np.complex128)
        modes[..., : shared // 2 + 1] = fft.rfft(out)[..., : shared // 2 + 1]
        if m != n and shared % 2 == 0:
            modes[..., shared // 2] *= 0.5 if m < n else 2.0
        out = np.swapaxes(fft.irfft(modes, n=n) * (n / m), -2, -1)
    return out


def _checked(name: str, field: ArrayLike) -> Array:
    """Check that an array is ``(..., n, n)`` and finite, and return it in double precision."""
    out = np.asarray(field, dtype=np.float64)
    if out.ndim < 2 or out.shape[-1] != out.shape[-2] or not (out.size and np.isfinite(out).all()):
        raise ValueError(f"{name} must be finite and of shape (..., n, n), got shape {out.shape}")
    return out


def _wavenumbers(n: int) -> tuple[Array, Array, Array]:
    """Wavenumbers kx ``(1, n // 2 + 1)`` and ky ``(n, 1)`` of `rfft2`, and k^2 with a 1 in place of the 0."""
    kx, ky = n * fft.rfftfreq(n)[None, :], n * fft.fftfreq(n)[:, None]
    k2 = kx**2 + ky**2
    k2[0, 0] = 1.0
    return kx, ky, k2


def _to_velocity(n: int) -> Spectrum:
    """Multipliers ``(2, n, n // 2 + 1)`` from vorticity to u and v; a Nyquist mode has no derivative."""
    kx, ky, k2 = _wavenumbers(n)
    return np.stack((np.where(2 * abs(ky) == n, 0, 1j * ky) / k2, np.where(2 * kx == n, 0, -1j * kx) / k2))


def _parseval_weights(n: int) -> Array:
    """Weights ``(n // 2 + 1,)`` such that ``sum(weights * abs(rfft2(a)) ** 2)`` is ``mean(a ** 2)``."""
    kx = np.arange(n // 2 + 1)
    return np.where((kx == 0) | (2 * kx == n), 1.0, 2.0) / float(n) ** 4
