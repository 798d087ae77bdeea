"""
A domain with edges
===================

Most fields are cut out of something larger. A transform takes them for periodic, and the jump from one edge to the
other is a step, whose spectrum hides a steep one. Subtracting a plane that is fitted takes a part of the step away,
and a window takes all of it.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl

n, cut = 512, 128
k = np.hypot(n * np.fft.fftfreq(n)[:, None], n * np.fft.rfftfreq(n))
noise = np.random.default_rng(0).normal(size=(8, 1, n, n))
whole = np.fft.irfft2(np.fft.rfft2(noise) / (4 + k) ** 3.5)
part = whole[..., :cut, :cut]

# %%
# `energy_spectrum` is per unit of wavenumber, so that a part can be compared with the whole, whose shells are four
# times as narrow. A cell has the length 1 here.

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, field, options, style in (
    ("the whole, periodic", whole, {}, {"color": "0.7", "lw": 5}),
    ("the part as it is", part, {}, {"color": "#D55E00"}),
    ("minus a plane", part, {"detrend": "linear"}, {"color": "#E69F00"}),
    ("with a Hann window", part, {"window": "hann"}, {"color": "#0072B2"}),
):
    spectrum = sl.energy_spectrum(field, lengths=field.shape[-1], pool="frames", **options)
    ax.loglog(spectrum.wavenumber, spectrum.power, label=name, **style)
ax.set(title="Spectra of a part of a field", xlabel="wavenumber (radians per cell)", ylabel="E(k)")
ax.legend()
plt.show()
