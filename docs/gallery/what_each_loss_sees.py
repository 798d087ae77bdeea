"""
What each loss sees
===================

Five predictions with one field error, 0.01, and an independent sample with the right spectrum, before all losses.
Shades are relative to the worst of the five in the same row: sizes cannot be compared between losses.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl
from spectral_losses import losses

n, rng = 96, np.random.default_rng(0)
kx, ky = n * np.fft.rfftfreq(n), n * np.fft.fftfreq(n)[:, None]
k = np.hypot(kx, ky)


def sample():
    """A field of unit variance whose energy falls as k^-3."""
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(n, n))) / (3 + k) ** 2)
    return field / field.std()


def filtered(field, transfer):
    """A field, scale by scale."""
    return np.fft.irfft2(np.fft.rfft2(field) * transfer)


target = sample()
predictions = {
    "blurred": filtered(target, np.exp(-((0.02487 * k) ** 2))),
    "moved": filtered(target, np.exp(-2j * np.pi * 0.2568 * kx / n)),
    "faded": 0.9 * target,
    "offset": target + 0.1015,
    "noisy": target + 0.1015 * rng.normal(size=(n, n)),
    "another": sample(),
}
seen = np.array([[getattr(sl, name)(p, target) for p in predictions.values()] for name in losses.__all__])

# %%
# "Another" is the independent sample: the losses of powers are content with it, and all others are not.

figure, ax = plt.subplots(figsize=(7.5, 5), layout="constrained")
mistakes = seen[:, :-1]
share = np.sqrt(np.clip(seen / mistakes.max(axis=1, keepdims=True), 0, 1))
ax.imshow(share, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
for (row, column), value in np.ndenumerate(seen):
    ax.text(column, row, f"{value:.2g}" if value > 1e-4 else "0", ha="center", va="center", fontsize=9)
ax.set_title("Six mistakes before all losses")
ax.set_xticks(range(len(predictions)), list(predictions))
ax.set_yticks(range(len(seen)), losses.__all__)
ax.tick_params(length=0)
ax.spines[:].set_visible(False)
plt.show()
