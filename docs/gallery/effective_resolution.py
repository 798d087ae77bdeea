"""
Coherence and effective resolution
==================================

A forecast forgets small scales first. Coherence says what is still known at each scale, and
`effective_resolution` is the wavelength down to which half of the variance is.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl

n, rng = 128, np.random.default_rng(0)
k = np.hypot(n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n))
truth, other = np.fft.rfft2(rng.normal(size=(2, 16, 1, n, n))) / (2 + k) ** 2
target = np.fft.irfft2(truth)

figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for day, color in zip((1, 2, 4, 8), plt.cm.viridis((0.0, 0.3, 0.6, 0.85)), strict=True):
    c = np.exp(-k * day / 60)
    forecast = np.fft.irfft2(c * truth + np.sqrt(1 - c**2) * other)
    found = sl.cross_spectrum(forecast, target, pool="frames")
    wavelength = sl.effective_resolution(forecast, target)[0]  # in grid points
    ax.semilogx(found.wavenumber, found.coherence[0], color=color, label=f"day {day}: down to {wavelength:.1f} points")
    ax.plot(n / wavelength, np.sqrt(0.5), "o", color=color)
ax.axhline(np.sqrt(0.5), color="0.6", lw=1, ls=":")
ax.set(title="What is known after some days", xlabel="wavenumber (waves across the box)", ylabel="coherence")
ax.set_ylim(0, 1.02)
ax.legend()
plt.show()
