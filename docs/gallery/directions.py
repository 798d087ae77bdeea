"""
Power by direction
==================

A flow whose structures are drawn out along one direction, and a forecast of it that was smoothed along one axis. A
radial spectrum averages over directions and sees that energy is missing. ``bins=Sectors(n)`` says where.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl
from spectral_losses import plot

n, tilt = 96, np.pi / 6
kx, ky = n * np.fft.rfftfreq(n), n * np.fft.fftfreq(n)[:, None]
along, across = kx * np.cos(tilt) + ky * np.sin(tilt), ky * np.cos(tilt) - kx * np.sin(tilt)
noise = np.random.default_rng(0).normal(size=(8, 1, n, n))
truth = np.fft.irfft2(np.fft.rfft2(noise) / (3 + np.hypot(along, across / 0.4)) ** 2)
smoothed = np.fft.irfft(np.fft.rfft(truth) / (1 + (8 * np.fft.rfftfreq(n)) ** 2))

figure = plt.figure(figsize=(10, 3.4), layout="constrained")
left = figure.add_subplot(1, 3, 1)
left.imshow(truth[0, 0], cmap="RdBu_r")
left.set(title="the flow", xticks=[], yticks=[])
plot.sectors(truth, axes=figure.add_subplot(1, 3, 2, projection="polar"))
plot.sectors(smoothed, reference=truth, axes=figure.add_subplot(1, 3, 3, projection="polar"))
plt.show()

# %%
# The losses take the same bins.

for bins in ("unit", sl.Sectors(8)):
    print(bins, f"{sl.log_spectral_distance(smoothed, truth, bins=bins, pool='frames'):.2f}")
