"""
The error, split into amplitude and phase
=========================================

At each scale the error has two parts: energy that is wrong, and patterns in the wrong place. The split is exact. It
says what a spectral loss may mend, which is the first part, and what it may not.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl

n, rng = 128, np.random.default_rng(0)
k = np.hypot(n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n))
truth, other = np.fft.rfft2(rng.normal(size=(2, 16, 1, n, n))) / (2 + k) ** 2
c = 1 / (1 + (k / 12) ** 2)
sharp = c * truth + np.sqrt(1 - c**2) * other
target = np.fft.irfft2(truth)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", sharey=True)
for ax, (name, modes) in zip(axes, {"blurred": c * sharp, "sharp": sharp}.items(), strict=True):
    prediction = np.fft.irfft2(modes)
    found = sl.cross_spectrum(prediction, target, pool="frames")
    parts = found.phase_part[0], found.amplitude_part[0]
    ax.stackplot(found.wavenumber, *parts, labels=("phase", "amplitude"), colors=("#56B4E9", "#E69F00"))
    ax.set(title=f"{name}: field error {sl.field_error(prediction, target):.3f}", xlabel="wavenumber", xlim=(1, 64))
axes[0].set_ylabel("error / power of the truth")
axes[1].legend(loc="upper left")
plt.show()

# %%
# Where nothing is known the sharp forecast pays twice the power of the truth, and the blurred one, which has given up,
# pays it once, most of it for lost amplitude.
