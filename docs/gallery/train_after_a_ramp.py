"""
A spectral loss in PyTorch, after a ramp
========================================

Half of a flow cannot be predicted from what is known, and the more so the smaller the scale. A model that is trained
with field error learns to leave it out. A little `log_spectral_distance`, which comes in along a ramp, keeps the
energy.

The model is as small as can be: one gain for each wavenumber.
"""

import matplotlib.pyplot as plt
import torch

import spectral_losses as sl

torch.manual_seed(0)
n = 32
k = torch.hypot(n * torch.fft.fftfreq(n)[:, None], n * torch.fft.rfftfreq(n))
c = torch.exp(-k / 8)  # coherence of what is known with what comes


def flow(frames):
    """What is known, and what comes: ``(frames, 1, n, n)`` each."""
    known, unknown = torch.fft.rfft2(torch.randn(2, frames, 1, n, n)) / (1 + k) ** 2
    return torch.fft.irfft2(known), torch.fft.irfft2(c * known + torch.sqrt(1 - c**2) * unknown)


class Filter(torch.nn.Module):
    """A gain for each wavenumber."""

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.full((n,), 0.5))

    def forward(self, x):
        """Filter fields."""
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.gain[k.round().long()])


# %%
# A training loop of one's own. The scheduler is asked for weights and told when an epoch is over; the ramp goes from
# epoch 4 to 8.


def train(final):
    """Gains, and the weight of the spectral loss in each epoch."""
    config = sl.SchedulerConfig(
        target="log_spectral_distance", trigger="epoch", ramp=(4, 8), final_weight_source=1.0, final_weight_target=final
    )
    scheduler, model, weights = sl.LossScheduler(config), Filter(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.04)
    for epoch in range(20):
        w = scheduler.weights
        for _ in range(10):
            known, target = flow(16)
            prediction = model(known)
            loss = w["field_error"] * sl.field_error(prediction, target)
            if w["log_spectral_distance"]:
                distance = sl.log_spectral_distance(prediction, target, pool="frames")
                loss = loss + w["log_spectral_distance"] * distance
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step({}, epoch)
        weights.append(w["log_spectral_distance"])
    return model, weights


models = {"field error alone": train(0.0), "with a spectral loss": train(0.1)}
known, target = flow(64)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", width_ratios=(1.6, 1))
shells = torch.arange(1, n // 2)
left.plot(shells, torch.exp(-shells / 8), color="0.7", lw=5, label="coherence")
for (name, (model, weights)), color in zip(models.items(), ("#0072B2", "#D55E00"), strict=True):
    with torch.no_grad():
        errors = sl.evaluate(model(known), target, losses=["field_error", "log_spectral_distance"], pool="frames")
    print(f"{name:22}", {loss: round(error, 3) for loss, error in errors.items()})
    left.plot(shells, model.gain.detach()[1 : n // 2], color=color, label=name)
    right.step(range(20), weights, color=color, where="mid")
left.set(title="Gains that were learned", xlabel="wavenumber", ylim=(0, 1.2))
right.set(title="weight of the spectral loss", xlabel="epoch", xticks=(0, 4, 8, 12, 16, 20))
left.legend(loc="lower left")
plt.show()

# %%
# Field error alone wants the coherence for a gain, which is a blur. With the spectral loss the energy is nearly whole,
# and what that costs is printed above.
