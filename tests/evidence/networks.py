"""The networks: Fourier neural operators, in one dimension that of the example, and small periodic U-Nets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .examples import one_mode_per_shell
from .setting import Setting

__all__ = ["NETWORKS", "new_network"]

NETWORKS = ("fno", "unet")


def new_network(name: str, setting: Setting, seed: int) -> nn.Module:
    """A network with weights that follow from the seed; the generator of the process stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "unet":
            return UNet(setting.dimensions, setting.width[name])
        operator = one_mode_per_shell.Operator if setting.dimensions == 1 else FourierOperator
        made: nn.Module = operator(setting.width[name], setting.modes, setting.layers)
        return made


class FourierOperator(nn.Module):
    """Predicts the change of a frame ``(batch, 1, n, n)``.

    It is here, and not imported from the demo, so that what was measured can be measured again.

    References
    ----------
    Li, Z. et al., Fourier Neural Operator, ICLR 2021 (arXiv:2010.08895).
    """

    def __init__(self, width: int, modes: int, layers: int) -> None:
        super().__init__()
        self.modes = modes
        self.lift = nn.Conv2d(1, width, 1)
        self.spectral = nn.ParameterList(torch.randn(width, width, 2 * modes, modes, 2) / width for _ in range(layers))
        self.local = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(layers))
        self.project = nn.Sequential(nn.Conv2d(width, 2 * width, 1), nn.GELU(), nn.Conv2d(2 * width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The next frames."""
        h = self.lift(x)
        for local, weight in zip(self.local, self.spectral, strict=True):
            h = h + nn.functional.gelu(local(h) + self.mixed(h, torch.view_as_complex(weight)))
        change: Tensor = self.project(h)
        return x + change

    def mixed(self, h: Tensor, weight: Tensor) -> Tensor:
        """Channels mixed wavenumber by wavenumber, without the high ones."""
        m, modes = self.modes, torch.fft.rfft2(h)
        low = torch.cat((modes[..., :m, :m], modes[..., -m:, :m]), -2)
        low = torch.einsum("bikl,iokl->bokl", low, weight)
        full = torch.zeros_like(modes)
        full[..., :m, :m], full[..., -m:, :m] = low[..., :m, :], low[..., m:, :]
        back: Tensor = torch.fft.irfft2(full, s=h.shape[-2:])
        return back


class UNet(nn.Module):
    """Predicts the change of a frame ``(batch, 1, *grid)`` with convolutions on three grids, all periodic.

    References
    ----------
    Ronneberger, O. et al., U-Net, MICCAI 2015 (arXiv:1505.04597).
    """

    def __init__(self, dimensions: int, width: int) -> None:
        super().__init__()
        self.dimensions = dimensions
        one, two, four = width, 2 * width, 4 * width
        self.first = self.block(1, one)
        self.down = nn.ModuleList([self.block(one, two), self.block(two, four)])
        self.up = nn.ModuleList([self.block(four + two, two), self.block(two + one, one)])
        self.last = self.convolution(one, 1, 1)

    def convolution(self, channels: int, to: int, size: int) -> nn.Module:
        """Over a periodic grid."""
        kind = nn.Conv1d if self.dimensions == 1 else nn.Conv2d
        return kind(channels, to, size, padding=size // 2, padding_mode="circular")

    def block(self, channels: int, to: int) -> nn.Module:
        """Two convolutions."""
        size = 5 if self.dimensions == 1 else 3
        return nn.Sequential(self.convolution(channels, to, size), nn.GELU(), self.convolution(to, to, size), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        """The next frames."""
        pool = nn.functional.avg_pool1d if self.dimensions == 1 else nn.functional.avg_pool2d
        levels = [self.first(x)]
        for block in self.down:
            levels.append(block(pool(levels[-1], 2)))
        h = levels.pop()
        for block in self.up:
            h = block(torch.cat((nn.functional.interpolate(h, scale_factor=2), levels.pop()), 1))
        change: Tensor = self.last(h)
        return x + change
