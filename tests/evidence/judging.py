"""What a trained network is judged by, on flows that it has not seen.

`ahead` is a forecast at one lead time, where fields can be compared; `long_run` a rollout that has long lost the flow.
They are different questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import spectral_losses as sl

from .arms import options_of
from .setting import Setting

__all__ = ["ahead", "judged", "long_run"]

CORRELATED, RANGE = 0.8, 2.0


def judged(network: nn.Module, unseen: Tensor, setting: Setting) -> dict[str, Any]:
    """All that is stored of one network."""
    first = torch.cat(
        [unseen[:, start] for start in range(0, unseen.shape[1] - max(setting.leads), setting.start_every)]
    )
    rolled = roll_out(network, first, setting.rollout)
    leads = {}
    for lead in setting.leads:
        if lead == 1:  # all pairs, not only those that rollouts begin with
            with torch.no_grad():
                found = network(unseen[:, :-1].flatten(0, 1))
            wanted = unseen[:, 1:].flatten(0, 1)
        else:
            found, wanted = rolled[:, lead], true_at(unseen, lead, setting)
        leads[str(lead)] = ahead(found, wanted, setting)
    return {"leads": leads, "long": long_run(rolled, unseen, setting)}


def ahead(prediction: Tensor, target: Tensor, setting: Setting) -> dict[str, Any]:
    """Frames of one lead time against the true ones, both ``(frames, 1, *grid)``.

    Returns
    -------
    dict
        ``field_error``; ``distance``, the pooled log spectral distance; the field error's ``amplitude`` and ``phase``
        part, pooled, as shares of the target's power; ``top_energy``, over that of the target in the high band; and
        for each of the three ``bands`` coherence, amplitude ratio, error and its two parts. None where not finite.
    """
    options = options_of(setting)
    cross = sl.cross_spectrum(prediction.double(), target.double(), pool="frames", **options)
    power, wanted, error, shared = (
        getattr(cross, name).reshape(-1).numpy() for name in ("power", "target_power", "error_power", "cospectrum")
    )
    amplitude = (np.sqrt(power) - np.sqrt(wanted)) ** 2
    bands = [
        _band(slice(band.start - 1, band.stop - 1), power, wanted, error, shared, amplitude) for band in setting.bands
    ]
    whole = wanted.sum()
    return _finite(
        {
            "field_error": float(sl.field_error(prediction, target, **options)),
            "distance": float(sl.log_spectral_distance(prediction, target, pool="frames", **options)),
            "amplitude": float(amplitude.sum() / whole),
            "phase": float((error - amplitude).sum() / whole),
            "top_energy": bands[-1]["energy"],
            "bands": bands,
        }
    )


def _band(
    of: slice,
    power: NDArray[np.float64],
    wanted: NDArray[np.float64],
    error: NDArray[np.float64],
    shared: NDArray[np.float64],
    amplitude: NDArray[np.float64],
) -> dict[str, float]:
    """Sums over the shells of a band."""
    p, t, d, c, a = (float(each[of].sum()) for each in (power, wanted, error, shared, amplitude))
    return {
        "coherence": c / math.sqrt(p * t) if p > 0 else math.nan,
        "amplitude_ratio": math.sqrt(p / t),
        "energy": p / t,
        "error": d / t,
        "amplitude": a / t,
        "phase": (d - a) / t,
    }


def long_run(rolled: Tensor, unseen: Tensor, setting: Setting) -> dict[str, Any]:
    """Rollouts ``(starts, 1 + steps, 1, *grid)`` as runs of their own.

    Returns
    -------
    dict
        ``correlation_time``, up to which the mean correlation with the true flow is above 0.8; for a steady flow
        ``stable_steps``, in which the norm stays within a factor of 2 of the truth's range, the mean over all starts;
        ``energy``, the mean square of the last half over the truth's; and ``climate``, the log spectral distance of
        its mean spectrum. None where not finite, and where a flow is not steady.
    """
    found: dict[str, Any] = {"correlation_time": correlation_time(rolled, unseen, setting)}
    if setting.steady:
        size = _norms(rolled)
        true = _norms(unseen)
        within = (size >= true.min() / RANGE) & (size <= true.max() * RANGE)  # a comparison with NaN is false
        stays = torch.cumprod(within.to(torch.int64), dim=1)[:, 1:].sum(dim=1).double()
        last = rolled[:, rolled.shape[1] // 2 :].flatten(0, 1).double()
        powers = [
            sl.radial_spectrum(x, pool="frames", **options_of(setting)).power.reshape(-1).numpy()
            for x in (last, unseen.flatten(0, 1).double())
        ]
        guarded = [np.log(power + 1e-12 * powers[1].max()) for power in powers]
        found |= {
            "stable_steps": float(stays.mean()),
            "stable_share": float((stays == setting.rollout).double().mean()),
            "energy": float((last**2).mean() / (unseen.double() ** 2).mean()),
            "climate": float(np.mean((guarded[0] - guarded[1]) ** 2)),
        }
    return _finite(found)


def correlation_time(rolled: Tensor, unseen: Tensor, setting: Setting) -> float:
    """Up to which the mean correlation is above 0.8 at each lead, linearly between two; as far as there is truth."""
    longest = min(setting.rollout, unseen.shape[1] - 1)
    before = 1.0
    for lead in range(1, longest + 1):
        true = true_at(unseen, lead, setting)
        now = correlation(rolled[: len(true), lead], true) if len(true) else math.nan
        if not now > CORRELATED:
            if not math.isfinite(now):
                return setting.interval * (lead - 1)
            return setting.interval * (lead - 1 + (before - CORRELATED) / (before - now))
        before = now
    return setting.interval * longest


def true_at(unseen: Tensor, lead: int, setting: Setting) -> Tensor:
    """The true frames so many steps after those that rollouts start from, as far as there are any."""
    starts = range(0, unseen.shape[1] - max(setting.leads), setting.start_every)
    there = [start + lead for start in starts if start + lead < unseen.shape[1]]
    return torch.cat([unseen[:, at] for at in there]) if there else unseen[:0, 0]


def correlation(prediction: Tensor, target: Tensor) -> float:
    """The mean over frames."""
    p, t = (x.flatten(1).double() for x in (prediction, target))
    p, t = (x - x.mean(dim=1, keepdim=True) for x in (p, t))
    return float(((p * t).sum(1) / (p.norm(dim=1) * t.norm(dim=1))).mean())


def roll_out(network: nn.Module, first: Tensor, steps: int) -> Tensor:
    """``(starts, 1 + steps, 1, *grid)``."""
    frames = [first]
    with torch.no_grad():
        for _ in range(steps):
            frames.append(network(frames[-1]))
    return torch.stack(frames, 1)


def _norms(frames: Tensor) -> Tensor:
    """Root mean squares, ``(trajectories, frames)``."""
    return frames.double().flatten(2).square().mean(dim=2).sqrt()


def _finite(found: Mapping[str, Any]) -> dict[str, Any]:
    """None for what is not finite, as JSON has no word for it; six digits of all else."""

    def number(value: Any) -> Any:
        if isinstance(value, list):
            return [_finite(each) for each in value]
        return float(f"{value:.6g}") if math.isfinite(value) else None

    return {name: number(value) for name, value in found.items()}
