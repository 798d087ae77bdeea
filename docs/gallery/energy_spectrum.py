"""
E(k) of a turbulent velocity
============================

A velocity without divergence is made of random phases and a model spectrum, that of von Karman with a viscous end.
`energy_spectrum` finds the model again, in physical units, and its sum is the kinetic energy.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl

n, box = 64, 2 * np.pi  # points along each axis, metres


def model(k):
    """E(k) in m^3/s^2: a rise as k^4, a fall as k^(-5/3), an end at the smallest eddies."""
    return k**4 / (4 + k**2) ** (17 / 6) * np.exp(-((k / 18) ** 2))


axes = np.meshgrid(n * np.fft.fftfreq(n), n * np.fft.fftfreq(n), n * np.fft.rfftfreq(n), indexing="ij")
wave = 2 * np.pi / box * np.stack(axes)
k = np.sqrt(np.sum(wave**2, axis=0))
k[0, 0, 0] = 1  # the mean has no direction
modes = np.fft.rfftn(np.random.default_rng(0).normal(size=(3, n, n, n)), axes=(1, 2, 3))
modes -= wave * np.sum(wave * modes, axis=0) / k**2  # what is left is across its wavevector
modes *= np.sqrt(model(k) / (4 * np.pi * k**2) * (2 * np.pi / box) ** 3 * n**3)
modes[:, 0, 0, 0] = 0
velocity = np.fft.irfftn(modes, s=(n, n, n), axes=(1, 2, 3))

# %%
# ``smooth=True`` is for the eye: it evens out how many modes happen to lie in a shell. Plain sums are exact.

options = {"spatial_axes": (1, 2, 3), "lengths": box}
smooth, plain = (sl.energy_spectrum(velocity, smooth=smooth, **options) for smooth in (True, False))
energy = np.mean(np.sum(velocity**2, axis=0)) / 2
print(f"kinetic energy {energy:.4f} m^2/s^2, in the shells {np.sum(plain.power * np.diff(plain.edges)):.4f}")

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.loglog(smooth.wavenumber, model(smooth.wavenumber), color="0.7", lw=6, label="model")
ax.loglog(plain.wavenumber, plain.power, color="#E69F00", lw=1, label="found, plain sums")
ax.loglog(smooth.wavenumber, smooth.power, "o", ms=4, color="#0072B2", label="found, smooth=True")
ax.set(title="Energy of a synthetic turbulence", xlabel="wavenumber (radians per m)", ylabel="E(k) in m³/s²")
ax.legend()
plt.show()
