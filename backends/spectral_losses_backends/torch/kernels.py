"""PyTorch without automatic differentiation: kernels that work block by block in the cache of a CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import array_api_compat.torch as xp
import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from spectral_losses_backends import base, blockwise
from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.numpy import backend as numpy_backend
from spectral_losses_backends.problem import Arrays, Problem, Tables
from spectral_losses_backends.tables import ACCUMULATORS, Scattering

CHUNK = 1 << 18  # values per chunk of work and thread of the CPU: what is made of them stays near its core


class Kernels(blockwise.Backend):
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
            lambda: base.each_array(getattr(source, name)(), partial(self.upload, like=like)),
        )

    def upload(self, array: Any, like: Tensor) -> Tensor:
        """A NumPy array on like's device, a float one in like's dtype."""
        with _plainly():
            return torch.as_tensor(array, dtype=like.dtype if array.dtype.kind == "f" else None).to(like.device)

    def chunk_size(self, x: Tensor) -> int:
        """CHUNK for each thread; everything at once where there is no cache to care for."""
        return CHUNK * torch.get_num_threads() if x.device.type == "cpu" else max(1 << 62, x.numel())

    def rfftn(self, x: Tensor, ndim: int) -> Tensor:
        """Half-plane transform in x's own precision."""
        modes: Tensor = torch.fft.rfftn(x, dim=tuple(range(-ndim, 0)))
        return modes.contiguous()  # as it is, unless x was permuted

    def irfftn(self, modes: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Its inverse, not normalised, in two steps, so that each lets go of what it no longer needs."""
        if len(shape) > 1:
            modes = torch.fft.ifftn(modes, dim=tuple(range(-len(shape), -1)), norm="forward")
        return torch.fft.irfft(modes, n=shape[-1], norm="forward")

    def power_of(self, modes: Tensor, basis: Basis, keep: bool = True) -> Tensor:
        """Share of the mean square in each bin, of modes."""
        if basis.pointwise:
            points = math.prod(basis.shape)
            return _square_sums(modes.reshape(-1, points)).div_(points).view(*modes.shape[: -len(basis.shape)], 1)
        if modes.device.type != "cpu":  # there, scattering is neither fast nor deterministic
            return super().power_of(modes, basis, keep)
        real, table = torch.view_as_real(modes), self._table(modes, basis)
        # Real and imaginary squares travel as one complex number, so that each mode is scattered once.
        squares = torch.view_as_complex(real.square() if keep else real.square_())
        sums = modes.new_zeros(table.shape)
        sums.scatter_add_(2, table.places, squares.view(table.places.shape))
        sums = (sums.sum(1) if table.shape[1] > 1 else sums).view(table.shape[0], *table.factors.shape)
        return sums.mul_(table.factors).sum(1).real.contiguous().view(table.powers)

    def power_gradient(self, modes: Tensor, slope: Tensor, basis: Basis) -> Tensor:
        """Gradient of a function of `power`; overwrites the modes."""
        if basis.pointwise:  # they are the caller's field
            return super().power_gradient(modes, slope, basis)
        self._scale(modes, slope, basis)
        return self.adjoint(modes, basis)

    def pair_gradient(self, e: Tensor, y: Tensor, slopes: Tables, basis: Basis, *, of_target: bool = False) -> Tensor:
        """Gradient of a function of `pair_power`; overwrites the modes."""
        if "Q" in slopes or basis.pointwise:
            return super().pair_gradient(e, y, slopes, basis, of_target=of_target)
        first, second, _ = self.pair_weights(slopes, of_target)
        for modes, slope in ((e, first), (y, second)):
            if slope is not None:
                self._scale(modes, slope, basis)
        if first is not None and second is not None:
            torch.view_as_real(e).add_(torch.view_as_real(y))
        return self.adjoint(y if first is None else e, basis)

    def level(self, problem: Problem, arrays: Arrays, tables: Tables) -> tuple[Any, Any]:
        """Mean square of the target's fields in space, in NumPy where `judge` is."""
        level, xp = super().level(problem, arrays, tables)
        return (_numpy(level), np) if level.device.type == "cpu" and is_plain(level) else (level, xp)

    def judge(
        self,
        problem: Problem,
        tables: Tables,
        known: Sequence[Tensor | None],
        floors: Sequence[Tensor | None],
        shares: Sequence[Any] | None = None,
        leading: int | None = None,
    ) -> tuple[list[Tensor], Tables]:
        """Values and slopes of rows; of small tables in NumPy, because its calls take a fraction of the time."""
        seen = (*tables.values(), *known)
        small = (
            problem.kind != "fields" and is_plain(*seen) and not any(x is not None and x.requires_grad for x in seen)
        )
        if not small or seen[0].device.type != "cpu":
            floors = [z if z is None or isinstance(z, Tensor) else _tensor(z) for z in floors]
            return super().judge(problem, tables, known, floors, shares, leading)
        found = numpy_backend.judge(
            problem,
            {name: _numpy(table) for name, table in tables.items()},
            [_numpy(z) for z in known],
            [_numpy(z) for z in floors],
            None if shares is None else [_numpy(z) for z in shares],
            leading,
        )
        return [_tensor(rows) for rows in found[0]], {name: _tensor(slope) for name, slope in found[1].items()}

    def mean(self, x: Tensor) -> Tensor:
        """Mean over everything, 0-d."""
        return x.mean()

    def mean_square(self, x: Tensor, basis: Basis) -> Tensor:
        """Mean square over space."""
        if not is_plain(x):
            return super().mean_square(x, basis)
        points = math.prod(basis.shape)
        lead = x.shape[: x.ndim - len(basis.shape)]
        return _square_sums(x.reshape(-1, points)).div_(points).view(lead)

    def detach(self, x: Tensor) -> Tensor:
        """The same values without a gradient."""
        return x.detach()

    def to_floats(self, values: Sequence[Tensor]) -> list[float]:
        """0-d tensors as floats, in one transfer."""
        floats: list[float] = torch.stack([value.double() for value in values]).tolist()
        return floats

    def value_and_grad(
        self, problem: Problem, arrays: Arrays, weights: Sequence[float] = (1.0,)
    ) -> tuple[list[Tensor], Tensor]:
        """Losses, and the gradient of their weighted sum with respect to the prediction."""
        if _of_squares(problem, arrays) and arrays.x.is_contiguous():
            return self._pointwise(problem, arrays, weights)
        return super().value_and_grad(problem, arrays, weights)

    def tables(self, problem: Problem, arrays: Arrays) -> Tables:
        """Statistics of the fields, each ``(..., bins)``."""
        return self._squares(problem, arrays)[0] if _of_squares(problem, arrays) else super().tables(problem, arrays)

    def _pointwise(self, problem: Problem, arrays: Arrays, weights: Sequence[float]) -> tuple[list[Tensor], Tensor]:
        """`value_and_grad` of losses of the mean squares of error and target, in one pass over the fields.

        The gradient of a frame is its error times a number, which is known only after the last frame: a guard may be
        relative to all of them. While a frame is in the cache its error is multiplied with what the number of a
        relative error without a guard would be; frames of which that was not right are made anew in the end.
        """
        x, points = arrays.x, math.prod(problem.basis.shape)
        gradient = torch.empty_like(x)
        tables, guesses = self._squares(problem, arrays, gradient)
        floors = self.floors(problem, arrays, tables)
        rows, slopes = self.judge(problem, tables, arrays.known, floors, self.shares(problem, arrays, weights))
        factor = slopes["D"].reshape(-1).to(x.dtype) * (2 / points)
        right = (factor - guesses).abs() <= 4 * torch.finfo(x.dtype).eps * factor.abs()
        if x.device.type != "cpu" or not right.all():  # NaN is wrong, too
            anew = torch.nonzero(right.logical_not_()).flatten() if x.device.type == "cpu" else slice(None)
            frames, others = x.view(-1, points), arrays.y.reshape(-1, points)  # type: ignore[union-attr]
            gradient.view(-1, points)[anew] = (frames[anew] - others[anew]).mul_(factor[anew].unsqueeze(-1))
        return self.reduced(problem, arrays, rows), gradient

    def _squares(
        self, problem: Problem, arrays: Arrays, gradient: Tensor | None = None
    ) -> tuple[Tables, Tensor | None]:
        """D and T of fields; fills a gradient with errors times what is returned beside, one number per frame."""
        x, points, lead = arrays.x, math.prod(problem.basis.shape), self.lead(problem, arrays.x)
        frames, others = x.reshape(-1, points), arrays.y.reshape(-1, points)  # type: ignore[union-attr]
        slope = None if gradient is None else gradient.view(-1, points)
        step = max(1, self.chunk_size(x) // points)
        errors, powers, guesses = [], [], []
        for first in range(0, len(frames), step):
            these = slice(first, first + step)
            powers.append(_square_sums(others[these]))
            difference = torch.sub(frames[these], others[these], out=None if slope is None else slope[these])
            errors.append(_square_sums(difference))
            if slope is not None:
                guesses.append(powers[-1].reciprocal().mul_(2 / len(frames)))
                difference.mul_(guesses[-1].unsqueeze(-1))
        tables = {"D": _cat(errors).div_(points).view(*lead, 1), "T": _cat(powers).div_(points).view(*lead, 1)}
        return tables, _cat(guesses) if guesses else None

    def _like_modes(self, slope: Tensor, modes: Tensor) -> Tensor:
        return slope.to(modes.dtype.to_real())

    def _scale(self, modes: Tensor, slope: Tensor, basis: Basis) -> None:
        """Multiply each mode by twice its bin's slope and weight, in place."""
        slope = self._like_modes(slope, modes)
        if modes.device.type != "cpu":
            modes.mul_(self.gather(self._doubled(slope, basis), basis))
            return
        table = self._table(modes, basis)
        # Each weight twice, as a complex number, so that the product below is one of contiguous reals.
        weights = slope.reshape(-1, 1, 1, table.factors.shape[-1]) * table.weights
        weights = weights.view(table.shape[0], 1, table.shape[2]).expand(table.shape)
        real = torch.view_as_real(modes)
        real.mul_(torch.view_as_real(weights.gather(2, table.places)).view(real.shape))

    def _table(self, modes: Tensor, basis: Basis) -> _Table:
        key = (basis, modes.shape, modes.device, modes.dtype)
        found: _Table = self.cached(key, lambda: _table_of(modes, basis))
        return found


eager = Kernels()


def is_plain(*tensors: Any) -> bool:
    """Eager, and nothing stands between these tensors and their values: no trace, no transform, no subclass."""
    return (
        not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
        and all(x is None or type(x) is Tensor or type(x) is torch.nn.Parameter for x in tensors)
    )


def _of_squares(problem: Problem, arrays: Arrays) -> bool:
    """Whether a problem is one of mean squares of error and target, of fields as they are."""
    plainly = problem.basis.pointwise and problem.needs == ("D", "T") and not problem.differenced
    return plainly and arrays.y is not None and arrays.x.dtype == arrays.y.dtype


def _cat(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _numpy(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Tensor) else x


def _tensor(x: Any) -> Tensor:
    x = np.asarray(x)
    return torch.from_numpy(x if x.flags.writeable else x.copy())


def _square_sums(rows: Tensor) -> Tensor:
    """Sum of squares of each row; a norm is what PyTorch reads once, and writes nothing for."""
    parts = math.gcd(rows.shape[1], 8) if len(rows) < 8 else 1  # a few long rows would leave threads idle
    if parts > 1:
        rows = torch.linalg.vector_norm(rows.unflatten(1, (parts, -1)), dim=-1)
    return torch.linalg.vector_norm(rows, dim=-1).square_()


class _Table(NamedTuple):
    """What modes of one shape are scattered and gathered with."""

    places: Tensor  # (frames, rows, modes / rows): the accumulator of each mode
    shape: tuple[int, int, int]  # frames, rows, accumulators
    factors: Tensor  # (2 ACCUMULATORS, bins): a sum of re**2 + 1j * im**2 to a share, in the real part
    weights: Tensor  # likewise: a slope to what re + 1j * im is multiplied with
    powers: tuple[int, ...]


@contextmanager
def _plainly() -> Iterator[None]:
    """What is cached must be a plain tensor, whatever transformation or mode the first call runs under."""
    with torch._C._DisableFuncTorch(), torch.inference_mode(False):
        yield


@_plainly()
def _table_of(modes: Tensor, basis: Basis) -> _Table:
    ndim, like = len(basis.shape), torch.empty(0, dtype=modes.dtype.to_real(), device=modes.device)
    index = eager.constant(Scattering(basis), "scatter_index", like)
    weight = eager.constant(basis, "bin_weight", like)
    frames = modes.shape[:-ndim].numel()
    # A few large frames are cut into rows, so that several threads have something to do.
    rows = math.gcd(modes.shape[-ndim], 8) if frames < 8 and ndim > 1 else 1
    weight = weight.expand(ACCUMULATORS, -1)
    factors = torch.cat((2 * weight, weight))
    weights = torch.cat((2 * weight, 2 * weight))
    return _Table(
        index.view(rows, -1).expand(frames, -1, -1),
        (frames, rows, factors.numel()),
        torch.complex(factors, -factors),  # (1 - i)(a + ib) = a + b + i ...
        torch.complex(weights, weights),
        (*modes.shape[:-ndim], weight.shape[-1]),
    )
