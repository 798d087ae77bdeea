"""
A stored spectrum for a target
==============================

A loss of powers needs nothing of its target but the spectrum, which may come from a file: a climate, an experiment, a
theory. Here white noise is moved until it has that spectrum, by gradients.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import spectral_losses as sl

n = 64
k = np.hypot(n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n))
data = np.fft.irfft2(np.fft.rfft2(np.random.default_rng(0).normal(size=(64, 1, n, n))) / (2 + k) ** 2)
data /= data.std()

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "climate.npz"
    sl.radial_spectrum(data, pool="frames").save(path)
    climate = sl.Spectrum.load(path, like=torch.from_numpy)

# %%
# Four frames are moved. The spectrum is that of their mean, because the stored one is pooled as well.

torch.manual_seed(0)
frames = torch.randn(4, 1, n, n, dtype=torch.float64)
start, found = frames.clone(), frames.requires_grad_()
optimizer = torch.optim.Adam([found], lr=0.05)
for step in range(151):
    loss = sl.log_spectral_distance(found, climate, pool="frames")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step:3}: {loss.item():.4f}")

# %%
# The frames have the climate's spectrum, and their phases are still those of the noise.

pictures = {"data": data[0, 0], "noise": start[0, 0].numpy(), "the noise, moved": found.detach()[0, 0].numpy()}
figure, axes = plt.subplots(1, 4, figsize=(10, 2.7), layout="constrained", width_ratios=(1, 1, 1, 1.5))
for ax, (name, picture) in zip(axes, pictures.items(), strict=False):
    ax.imshow(picture, cmap="RdBu_r", vmin=-3, vmax=3)
    ax.set(title=name, xticks=[], yticks=[])
axes[3].loglog(climate.wavenumber, climate.power[0], color="0.7", lw=5, label="stored")
for name, x, color in (("noise", start, "#E69F00"), ("moved", found.detach(), "#0072B2")):
    axes[3].loglog(climate.wavenumber, sl.radial_spectrum(x, pool="frames").power[0], color=color, label=name)
axes[3].set(title="power", xlabel="wavenumber")
axes[3].legend()
plt.show()
