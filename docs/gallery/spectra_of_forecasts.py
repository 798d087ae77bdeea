"""
Spectra of several forecasts
============================

Three forecasts know equally much of a flow: one is sharp, one is blurred, one is noisy. One call draws power, the ratio
of amplitudes, and coherence.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl
from spectral_losses import plot

n, rng = 128, np.random.default_rng(0)
k = np.hypot(n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n))
known, other = np.fft.rfft2(rng.normal(size=(2, 8, 1, n, n))) / (2 + k) ** 2
c = 1 / (1 + (k / 12) ** 2)  # the smaller a scale, the less is known of it

truth = np.fft.irfft2(known)
sharp = np.fft.irfft2(c * known + np.sqrt(1 - c**2) * other)
blurred = np.fft.irfft2(c * np.fft.rfft2(sharp))
noisy = sharp + 0.08 * truth.std() * rng.normal(size=truth.shape)
forecasts = {"sharp": sharp, "blurred": blurred, "noisy": noisy}

for name, forecast in forecasts.items():
    print(f"{name:8} field error {sl.field_error(forecast, truth):.3f}")

# %%
# The least field error is the blurred one's: to be vague pays. That it lacks energy is seen in the middle, and that it
# knows no less than the sharp one at the bottom.

figure, axes = plt.subplots(3, 1, figsize=(7, 6.5), layout="constrained", sharex=True, height_ratios=(2, 1, 1))
plot.spectra({"truth": truth, **forecasts}, reference="truth", axes=axes)
figure.suptitle("Power, amplitude ratio and coherence of three forecasts")
plt.show()
