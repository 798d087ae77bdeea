"""
Waves near a pole
=================

The same ripples, around a pole and around a point of the equator. On the grid they look different, and a spectrum of
the plane takes them for different. On the sphere they are of one degree, and their spectra agree.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl

latitude, longitude = np.arange(90, -91, -3.0), np.arange(0, 360, 3.0)


def ripples(north, east):
    """Waves of degree 12 around a point."""
    a, b, c = np.radians(latitude)[:, None], np.radians(longitude - east), np.radians(north)
    near = np.sin(a) * np.sin(c) + np.cos(a) * np.cos(c) * np.cos(b)
    return np.polynomial.legendre.Legendre.basis(12)(near)


fields = {"around the pole": ripples(90, 0), "around the equator": ripples(0, 180)}
colors = ("#0072B2", "#D55E00")

figure, axes = plt.subplots(2, 2, figsize=(9, 4.6), layout="constrained")
for ax, (name, field) in zip(axes[0], fields.items(), strict=True):
    ax.imshow(field, cmap="RdBu_r", vmin=-0.5, vmax=0.5, extent=(0, 360, -90, 90), aspect="auto")
    ax.set(title=f"Ripples {name}", yticks=(-90, 0, 90), xticks=(0, 90, 180, 270, 360))
for ax, options, title in (
    (axes[1, 0], {}, "taken for a plane"),
    (axes[1, 1], {"grid": sl.Sphere(latitude)}, "on the sphere"),
):
    for (name, field), color, style in zip(fields.items(), colors, ("-", "--"), strict=True):
        k, power, *_ = sl.radial_spectrum(field, **options)
        ax.plot(k, power / power.sum(), color=color, ls=style, label=name)
    ax.set(title=title, xlabel="degree" if options else "wavenumber", ylabel="share of power", xlim=(0, 30))
axes[1, 0].legend()
plt.show()

# %%
# A loss follows its spectra: with ``grid=`` these fields have the same energy in all groups of degrees.

north, equator = fields.values()
for title, options in {"plane": {}, "sphere": {"grid": sl.Sphere(latitude)}}.items():
    print(f"{title:7} {sl.log_spectral_distance(north, equator, bins=(0.5, 8.5, 16.5), **options):.2f}")
