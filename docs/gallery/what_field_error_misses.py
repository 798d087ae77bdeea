"""
What the field error misses
===========================

Two predictions of one field are equally wrong by their mean-square error. One is blurred, and the other is the whole
field, moved by half a cell. Their spectra tell them apart.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl

n = 192
kx, ky = n * np.fft.rfftfreq(n), n * np.fft.fftfreq(n)[:, None]
k = np.hypot(kx, ky)
modes = np.fft.rfft2(np.random.default_rng(3).normal(size=(n, n))) / (4 + k) ** 2.2
truth = np.fft.irfft2(modes)
moved = np.fft.irfft2(modes * np.exp(-1j * np.pi * kx / n))

# %%
# How much blur costs the same? Half the interval again and again until it is found.

low, high = 0.0, 1.0
for _ in range(40):
    width = (low + high) / 2
    blurred = np.fft.irfft2(modes * np.exp(-((width * k) ** 2)))
    if sl.field_error(blurred, truth) < sl.field_error(moved, truth):
        low = width
    else:
        high = width

losses = ["field_error", "log_spectral_distance"]
for name, prediction in {"blurred": blurred, "moved": moved}.items():
    print(f"{name:8}", sl.evaluate(prediction, truth, losses=losses))

# %%
# The corner of each field, and its power at all scales. The moved one lies on the truth.

fields = {"truth": truth, "blurred": blurred, "moved": moved}
figure, axes = plt.subplots(1, 4, figsize=(10, 2.7), layout="constrained", width_ratios=(1, 1, 1, 1.5))
for ax, (name, field) in zip(axes, fields.items(), strict=False):
    ax.imshow(field[:96, :96], cmap="RdBu_r")
    ax.set(title=name, xticks=[], yticks=[])
for (name, field), color, width in zip(fields.items(), ("0.7", "#D55E00", "#0072B2"), (5, 2, 1.5), strict=True):
    spectrum = sl.radial_spectrum(field)
    axes[3].loglog(spectrum.wavenumber, spectrum.power, color=color, lw=width, label=name)
axes[3].set(title="power", xlabel="wavenumber", ylim=(spectrum.power.min() / 1e3, None))
axes[3].legend()
plt.show()
