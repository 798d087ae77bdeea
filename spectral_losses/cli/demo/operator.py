"""A small Fourier neural operator in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FourierOperator"]


class FourierOperator(nn.Module):
    """Predicts the next frame from the last, on a periodic line or square.

    Parameters
    ----------
    dimensions : {1, 2}
    width : int
        Channels of the hidden fields.
    modes : int
        Wavenumbers along each axis that the layers mix in Fourier space; what lies above passes through their
        pointwise parts alone.
    layers : int
    change : bool
        Whether the network's output is added to the last frame, for frames that are close to each other.

    References
    ----------
    Li, Z. et al., Fourier Neural Operator, ICLR 2021 (arXiv:2010.08895).
    """

    def __init__(self, dimensions: int, width: int, modes: int, layers: int, *, change: bool) -> None:
        super().__init__()
        point = (nn.Conv1d, nn.Conv2d)[dimensions - 1]
        self.change = change
        self.lift = nn.Sequential(point(1, 2 * width, 1), nn.GELU(), point(2 * width, width, 1))
        self.spectral = nn.ModuleList(_SpectralConvolution(dimensions, width, modes) for _ in range(layers))
        self.pointwise = nn.ModuleList(point(width, width, 1) for _ in range(layers))
        self.project = nn.Sequential(point(width, 4 * width, 1), nn.GELU(), point(4 * width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The next frames, of the shape (batch, 1, n) or (batch, 1, n, n) of the present ones."""
        hidden = self.lift(x)
        for spectral, pointwise in zip(self.spectral, self.pointwise, strict=True):
            hidden = nn.functional.gelu(spectral(hidden) + pointwise(hidden))
        found: Tensor = self.project(hidden)
        return x + found if self.change else found


class _SpectralConvolution(nn.Module):
    """Mixes channels wavenumber by wavenumber, and leaves out the high ones."""

    def __init__(self, dimensions: int, width: int, modes: int) -> None:
        super().__init__()
        self.axes = tuple(range(-dimensions, 0))
        low = slice(modes)
        # Of a square, the half plane's two corners: wavenumbers along the first axis have both signs.
        self.corners = [(..., low)] if dimensions == 1 else [(..., low, low), (..., slice(-modes, None), low)]
        # Real and imaginary part on the last axis: optimizers and gradients of real tensors have fewer surprises.
        kept = (modes,) if dimensions == 1 else (2 * modes, modes)
        self.weight = nn.Parameter(torch.randn(width, width, *kept, 2) / (2**0.5 * width))

    def forward(self, x: Tensor) -> Tensor:
        modes = torch.fft.rfftn(x, dim=self.axes)
        kept = (
            torch.cat([modes[corner] for corner in self.corners], -2)
            if len(self.corners) > 1
            else modes[self.corners[0]]
        )
        mixed = torch.einsum("bi...,io...->bo...", kept, torch.view_as_complex(self.weight))
        full = torch.zeros_like(modes)
        for corner, part in zip(self.corners, torch.chunk(mixed, len(self.corners), -2), strict=True):
            full[corner] = part
        found: Tensor = torch.fft.irfftn(full, s=x.shape[-len(self.axes) :], dim=self.axes)
        return found
