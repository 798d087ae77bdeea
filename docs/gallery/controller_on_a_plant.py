"""
The controller on a toy plant
=============================

`LossController` is given a goal instead of a weight. Here it steers no network but a formula: a distance that sinks
as the weight grows, late and with noise, and a field error that rises.
"""

import matplotlib.pyplot as plt
import numpy as np

import spectral_losses as sl

rng = np.random.default_rng(0)
controller = sl.LossController(sl.ConstraintConfig("log_spectral_distance", 1.0))  # at most 1

inert, distances, ratios, reasons = 6.0, [], [], []
for epoch in range(60):
    asked = 6 / (1 + 100 * controller.ratio)  # where this weight leads in the end
    inert += 0.3 * (asked - inert)  # a training takes its time
    measured = inert * np.exp(0.05 * rng.normal())
    distances.append(measured)
    ratios.append(controller.ratio)
    reasons.append(controller.step({"log_spectral_distance": measured}, epoch).reason)

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 4.4), layout="constrained", sharex=True)
above.semilogy(distances, ".-", color="#0072B2", label="measured")
above.axhline(1, color="black", ls="--", label="goal")
above.set(title="A goal for the spectrum", ylabel="distance", yticks=(0.5, 1, 2, 5), yticklabels=("0.5", "1", "2", "5"))
above.minorticks_off()
above.legend()
colors = {"raised": "#D55E00", "lowered": "#0072B2"}
below.semilogy(ratios, color="0.7")
for reason in sorted(set(reasons)):
    at = [i for i, each in enumerate(reasons) if each == reason]
    below.plot(at, np.take(ratios, at), "o", ms=4, color=colors.get(reason, "black"), label=reason)
below.set(ylabel="weight", xlabel="epoch")
below.legend()
plt.show()
