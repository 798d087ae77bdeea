"""PyTorch without automatic differentiation: kernels that work piece by piece in the cache of a CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import array_api_compat.torch as xp
import numpy as np
import torch
from torch import Tensor

from spectral_losses_backends import generic, pieces

if TYPE_CHECKING:
    from spectral_losses._dispatch import Misfit, ShellGrid, Source

PIECE = 1 << 18  # values per piece of work and thread of the CPU: what is made of them stays near its core
LANES = 4  # of `spectral_losses._grid.Grid.slots`


class Kernels(pieces.Backend):
    """Tensors that need no gradient, on any device."""

    name = "torch"

    def namespace(self, x: Tensor) -> Any:
        """array-api-compat's view of PyTorch."""
        return xp

    def device(self, x: Tensor) -> Any:
        """The tensor's device."""
        return x.device

    def constant(self, source: Source, name: str, like: Tensor) -> Any:
        """``getattr(source, name)()`` on like's device, cached."""
        return self.cached(
            (source, name, like.device, like.dtype),
            lambda: generic.each_array(getattr(source, name)(), partial(self.upload, like=like)),
        )

    def upload(self, array: Any, like: Tensor) -> Tensor:
        """A NumPy array on like's device, a float one in like's dtype."""
        with _plainly():
            return torch.as_tensor(array, dtype=like.dtype if array.dtype.kind == "f" else None).to(like.device)

    def piece(self, x: Tensor) -> int:
        """PIECE for each thread; everything at once where there is no cache to care for."""
        return PIECE * torch.get_num_threads() if x.device.type == "cpu" else x.numel()

    def rfftn(self, x: Tensor, ndim: int) -> Tensor:
        """Half-plane transform in x's own precision."""
        modes: Tensor = torch.fft.rfftn(x, dim=tuple(range(-ndim, 0)))
        return modes.contiguous()  # as it is, unless x was permuted

    def power_of(self, modes: Tensor, grid: ShellGrid, keep: bool = False) -> Tensor:
        """Power of each shell, of modes."""
        if modes.device.type != "cpu":  # there, scattering is neither fast nor deterministic
            return super().power_of(modes, grid, keep)
        real, table = torch.view_as_real(modes), self._table(modes, grid)
        # Real and imaginary squares travel as one complex number, so that each mode is scattered once.
        squares = torch.view_as_complex(real.square() if keep else real.square_())
        lanes = modes.new_zeros(table.lanes)
        lanes.scatter_add_(2, table.slots, squares.view(table.slots.shape))
        lanes = (lanes.sum(1) if table.lanes[1] > 1 else lanes).view(table.lanes[0], *table.factors.shape)
        return lanes.mul_(table.factors).sum(1).real[:, :-1].contiguous().view(table.powers)

    def shell_gradient(self, modes: Tensor, slope: Tensor, grid: ShellGrid) -> Tensor:
        """``2 N irfftn(F * (slope * scale)[shell of each mode])``; overwrites the modes."""
        table = self._table(modes, grid)
        # Each weight twice, as a complex number, so that the product below is one of contiguous reals.
        weights = torch.nn.functional.pad(slope, (0, 1)).view(-1, 1, 1, table.factors.shape[-1]) * table.weights
        weights = weights.view(table.lanes[0], 1, table.lanes[2]).expand(table.lanes)
        weights = torch.view_as_real(weights.gather(2, table.slots)).view(*modes.shape, 2)
        torch.view_as_real(modes).mul_(weights)
        del weights
        # irfftn in two steps, so that each lets go of what it no longer needs.
        if len(grid.shape) > 1:
            modes = torch.fft.ifftn(modes, dim=tuple(range(-len(grid.shape), -1)), norm="forward")
        return torch.fft.irfft(modes, n=grid.shape[-1], norm="forward")

    def errors(self, of: Misfit, p: Tensor, t: Tensor) -> Tensor:
        """Errors of the powers; in NumPy where it can see them, because its calls take a fraction of the time."""
        if p.device.type != "cpu" or not is_plain(p, t):
            return super().errors(of, p, t)
        return torch.from_numpy(of.errors(p.detach().numpy(), t.detach().numpy(), np))

    def judge(self, of: Misfit, p: Tensor, t: Tensor, elements: int) -> tuple[Tensor, Tensor]:
        """Errors and slope, likewise."""
        if p.device.type != "cpu" or not is_plain(p, t):
            return super().judge(of, p, t, elements)
        errors, slope = of.errors_and_slope(p.detach().numpy(), t.detach().numpy(), np)
        return torch.from_numpy(errors), torch.from_numpy(slope / elements).to(p.dtype)

    def mean(self, x: Tensor) -> Tensor:
        """Mean over everything, 0-d."""
        return x.mean()

    def relative_error_of(self, x: Tensor, y: Tensor, eps: float, ndim: int, gradient: Tensor | None = None) -> Tensor:
        """`relative_error` of fields of one dtype, without weights; fills ``gradient`` where one is given."""
        n = math.prod(x.shape[-ndim:])
        frames, others = x.reshape(-1, n), y.reshape(-1, n)
        slope = None if gradient is None else gradient.view(-1, n)
        step, errors = max(1, self.piece(x) // n), []
        for first in range(0, len(frames), step):
            these = slice(first, first + step)
            norm = _square_sums(others[these]).add_(n * eps)
            difference = torch.sub(frames[these], others[these], out=None if slope is None else slope[these])
            errors.append(_square_sums(difference).div_(norm))
            if slope is not None:
                difference.mul_(norm.reciprocal_().mul_(2 / len(frames)).unsqueeze(-1))
        return self.mean(torch.cat(errors) if len(errors) > 1 else errors[0])

    def detach(self, x: Tensor) -> Tensor:
        """The same values without a gradient."""
        return x.detach()

    def to_floats(self, values: Sequence[Tensor]) -> list[float]:
        """0-d tensors as floats, in one transfer."""
        floats: list[float] = torch.stack([value.double() for value in values]).tolist()
        return floats

    def _table(self, modes: Tensor, grid: ShellGrid) -> _Table:
        key = (grid, modes.shape, modes.device, modes.dtype)
        found: _Table = self.cached(key, lambda: _table_of(modes, grid))
        return found


kernels = Kernels()


def is_plain(*tensors: Any) -> bool:
    """Eager, and nothing stands between these tensors and their values: no trace, no transform, no subclass."""
    return (
        not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and all(type(x) is Tensor or type(x) is torch.nn.Parameter for x in tensors)
    )


def _square_sums(rows: Tensor) -> Tensor:
    """Sum of squares of each row; a norm is what PyTorch reads once, and writes nothing for."""
    parts = math.gcd(rows.shape[1], 8) if len(rows) < 8 else 1  # a few long rows would leave threads idle
    if parts > 1:
        rows = torch.linalg.vector_norm(rows.unflatten(1, (parts, -1)), dim=-1)
    return torch.linalg.vector_norm(rows, dim=-1).square_()


class _Table(NamedTuple):
    """What modes of one shape are scattered and gathered with."""

    slots: Tensor  # (frames, rows, modes / rows): the slot of each mode
    lanes: tuple[int, int, int]  # frames, rows, slots
    factors: Tensor  # (2 LANES, shells + 1): a sum of re**2 + 1j * im**2 to power, in the real part
    weights: Tensor  # likewise: a slope to what re + 1j * im is multiplied with
    powers: tuple[int, ...]


@contextmanager
def _plainly() -> Iterator[None]:
    """What is cached must be a plain tensor, whatever transformation or mode the first call runs under."""
    with torch._C._DisableFuncTorch(), torch.inference_mode(False):
        yield


@_plainly()
def _table_of(modes: Tensor, grid: ShellGrid) -> _Table:
    ndim, like = len(grid.shape), torch.empty(0, dtype=modes.dtype.to_real(), device=modes.device)
    slots, scale = kernels.constant(grid, "slots", like), kernels.constant(grid, "scale", like)
    frames = modes.shape[:-ndim].numel()
    # A few large frames are cut into rows, so that several threads have something to do.
    rows = math.gcd(modes.shape[-ndim], 8) if frames < 8 and ndim > 1 else 1
    scale = torch.nn.functional.pad(scale, (0, 1)).expand(LANES, -1)
    factors = torch.cat((2 * scale, scale))
    weights = torch.cat((2 * scale, 2 * scale))
    return _Table(
        slots.view(rows, -1).expand(frames, -1, -1),
        (frames, rows, factors.numel()),
        torch.complex(factors, -factors),  # (1 - i)(a + ib) = a + b + i ...
        torch.complex(weights, weights),
        (*modes.shape[:-ndim], scale.shape[-1] - 1),
    )
