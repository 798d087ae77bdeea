"""Losses as papers print them, in plain PyTorch, where no package to install has them: full planes, one mask per shell.

They are written for this benchmark from the formulas. What they cost is what a user pays who does the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from candidates import torch_step
from cases import Case, Problem

Loss = Callable[[Any, Any], Any]


def few_shells(case: Case) -> str:
    """Refuse where a mask for each shell would take most of a run, or of memory."""
    return "" if math.prod(case.shape) * min(case.grid) <= 2**29 else "not measured"


def power_ratio(problem: Problem) -> Callable[[], object]:
    """Binned spectral power: mean square of one minus the ratio of the energies of each shell."""
    masks, axes = shells(problem), problem.case.axes

    def loss(x: Any, y: Any) -> Any:
        p, t = (in_shells(modes(z, axes).abs().square(), masks, axes) for z in (x, y))
        return ((1 - (p + 1e-12) / (t + 1e-12)) ** 2).mean()

    return torch_step(problem, loss)


def adjusted(problem: Problem) -> Callable[[], object]:
    """Adjusted mean-square error: amplitudes and coherence of each shell, from both powers and the cross-spectrum."""
    import torch

    masks, axes = shells(problem, corners=True), problem.case.axes

    def loss(x: Any, y: Any) -> Any:
        f, g = modes(x, axes), modes(y, axes)
        p, t, c = (in_shells(z, masks, axes) for z in (f.abs().square(), g.abs().square(), (f * g.conj()).real))
        both = torch.sqrt(p * t + 1e-16)
        apart = p + t - 2 * both + 2 * torch.maximum(p, t) * (1 - torch.clamp(c / both, max=1))
        mean = (x.mean(axes) - y.mean(axes)) ** 2
        return (apart.sum(-1) + mean).mean()

    return torch_step(problem, loss)


def log_distance(problem: Problem) -> Callable[[], object]:
    """Mean-square difference of the logarithms of the energies of each shell."""
    masks, axes = shells(problem), problem.case.axes

    def loss(x: Any, y: Any) -> Any:
        p, t = (in_shells(modes(z, axes).abs().square(), masks, axes) for z in (x, y))
        return ((p + 1e-12).log() - (t + 1e-12).log()).square().mean()

    return torch_step(problem, loss)


def amplitude(problem: Problem) -> Callable[[], object]:
    """Fourier amplitude loss: mean-square difference of the moduli of all modes."""
    axes = problem.case.axes
    return torch_step(problem, lambda x, y: (modes(x, axes).abs() - modes(y, axes).abs()).square().mean())


def correlation(problem: Problem) -> Callable[[], object]:
    """Fourier correlation loss: one minus the correlation of all modes of a batch."""
    import torch

    axes = problem.case.axes

    def loss(x: Any, y: Any) -> Any:
        f, g = modes(x, axes), modes(y, axes)
        both = torch.sqrt(f.abs().square().sum() * g.abs().square().sum())
        return 1 - (f * g.conj()).real.sum() / both

    return torch_step(problem, loss)


def sobolev(problem: Problem) -> Callable[[], object]:
    """Relative norm of the error's modes, each times the root of ``1 + k**2``."""
    import torch

    axes, case = problem.case.axes, problem.case
    k = [np.fft.fftfreq(n, 1 / n) for n in case.grid]
    squared = sum(np.square(each) for each in np.meshgrid(*k, indexing="ij"))
    weights = torch.tensor(np.sqrt(1 + squared), dtype=torch.float32, device=problem.device)

    def loss(x: Any, y: Any) -> Any:
        f, g = (torch.fft.fftn(z, dim=axes) for z in (x, y))
        error, power = (torch.linalg.vector_norm(weights * z, dim=axes) for z in (f - g, g))
        return (error / power).mean()

    return torch_step(problem, loss)


def modes(x: Any, axes: tuple[int, ...]) -> Any:
    """All modes of the full plane."""
    import torch

    return torch.fft.fftn(x, dim=axes, norm="forward")


def in_shells(z: Any, masks: Any, axes: tuple[int, ...]) -> Any:
    """The sum over each shell, one after the other."""
    import torch

    return torch.stack([(z * mask).sum(axes) for mask in masks], -1)


def shells(problem: Problem, corners: bool = False) -> Any:
    """A mask for each unit shell, and with ``corners`` one for what is beyond them, made before."""
    import torch

    grid = problem.case.grid
    k = np.sqrt(sum(np.square(each) for each in np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in grid), indexing="ij")))
    shell = np.ceil(k - 0.5)
    most = min(grid) // 2
    masks = [shell == b for b in range(1, most + 1)] + ([shell > most] if corners else [])
    return [torch.tensor(mask, dtype=torch.float32, device=problem.device) for mask in masks]
