"""The formula that this library replaces."""

from __future__ import annotations

from typing import Any

import numpy as np


def loop_over_bins(xp: Any, x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """spectrum_error on top of `loop_spectrum`."""
    log_x, log_y = (xp.log(loop_spectrum(xp, field, axes) + 1e-10) for field in (x, y))
    return (((log_x - log_y) ** 2).mean(-1) / ((log_y**2).mean(-1) + 1e-10)).mean()


def loop_spectrum(xp: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The formula that this library replaces: full transform, one mask per bin."""
    shape = x.shape[1:]
    power = xp.abs(xp.fft.fftn(x, **{"dim" if xp.__name__ == "torch" else "axes": axes})) ** 2
    k = np.sqrt(sum(np.square(i) for i in np.meshgrid(*(np.fft.fftfreq(n) * n for n in shape), indexing="ij")))
    sums = []
    for b in range(1, min(shape) // 2 + 1):
        inside = (k > b - 0.5) & (k <= b + 0.5)
        mask = xp.asarray(inside.astype("float32"), device=x.device)
        d = len(shape)
        measure = (np.pi if d == 2 else 4 / 3 * np.pi) * ((b + 0.5) ** d - (b - 0.5) ** d)
        sums.append((power * mask).sum(axes) / float(inside.sum()) * float(measure))
    return xp.stack(sums, -1)
