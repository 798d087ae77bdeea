"""A small Fourier neural operator in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FourierOperator"]


class FourierOperator(nn.Module):
    """Predicts the change from one frame to the next, on a square periodic grid.

    Parameters
    ----------
    width : int
        Channels of the hidden fields.
    modes : int
        Wavenumbers along each axis that the layers mix in Fourier space; what lies above passes through their
        pointwise parts alone.
    layers : int

    References
    ----------
    Li, Z. et al., Fourier Neural Operator, ICLR 2021 (arXiv:2010.08895).
    """

    def __init__(self, width: int, modes: int, layers: int) -> None:
        super().__init__()
        self.lift = nn.Conv2d(1, width, 1)
        self.spectral = nn.ModuleList(_SpectralConvolution(width, modes) for _ in range(layers))
        self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(layers))
        self.project = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.GELU(), nn.Conv2d(2 * width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The next frames, of the shape (batch, 1, n, n) of the present ones."""
        hidden = self.lift(x)
        for spectral, pointwise in zip(self.spectral, self.pointwise, strict=True):
            hidden = hidden + nn.functional.gelu(spectral(hidden) + pointwise(hidden))
        change: Tensor = self.project(hidden)
        return x + change


class _SpectralConvolution(nn.Module):
    """Mixes channels wavenumber by wavenumber, and leaves out the high ones."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        # Real and imaginary part on the last axis: optimizers and gradients of real tensors have fewer surprises.
        self.weight = nn.Parameter(torch.randn(width, width, 2 * modes, modes, 2) / width)

    def forward(self, x: Tensor) -> Tensor:
        m, n = self.modes, x.shape[-1]
        modes = torch.fft.rfft2(x)
        kept = torch.cat((modes[..., :m, :m], modes[..., -m:, :m]), -2)
        mixed = torch.einsum("bikl,iokl->bokl", kept, torch.view_as_complex(self.weight))
        full = torch.zeros_like(modes)
        full[..., :m, :m] = mixed[..., :m, :]
        full[..., -m:, :m] = mixed[..., m:, :]
        mixed_fields: Tensor = torch.fft.irfft2(full, s=(n, n))
        return mixed_fields
