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
        sums.scatter_add_(2, table.index, squares.view(table.index.shape))
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
        small = problem.kind != "fields" and is_plain(*seen) and not any(x is not None and x.requires_grad for x in seen)
        if not small or seen[0].device.type != "cpu":
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
        return (x / x.numel()).sum()

    def mean_square(self, x: Tensor, basis: Basis) -> Tensor:
        """Mean square over space."""
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
        one = problem.basis.pointwise and problem.needs == ("D", "T") and not problem.differenced
        if one and arrays.x.dtype == torch.float32 and arrays.x.is_contiguous():
            return self._pointwise(problem, arrays, weights)
        return super().value_and_grad(problem, arrays, weights)

    def _pointwise(self, problem: Problem, arrays: Arrays, weights: Sequence[float]) -> tuple[list[Tensor], Tensor]:
        """`value_and_grad` of losses of the mean squares of error and target, in one pass over the fields.

        What a guard is relative to is known only after the last frame. The gradient of each frame, its error times a
        number, is therefore made with the guard as it is known at its block, and the few frames where that makes a
        difference, the weakest ones, are corrected in the end.
        """
        x, basis, points = arrays.x, problem.basis, math.prod(problem.basis.shape)
        frames, others = x.view(-1, points), arrays.y.reshape(-1, points)  # type: ignore[union-attr]
        gradient = torch.empty_like(frames)
        step = max(1, self.chunk_size(x) // points)
        lead = self.lead(problem, x)
        merged = math.prod(lead[problem.elements :])
        step = -(-step // merged) * merged  # whole elements
        errors, powers, given = [], [], []
        weighed = [t.rows.shares(lead, x, self, w) for t, w in zip(problem.terms, weights, strict=True)]
        flat = [self._flat(z, problem) for z in weighed]
        for first in range(0, len(frames), step):
            these = slice(first, first + step)
            powers.append(_square_sums(others[these]).div_(points))
            difference = torch.sub(frames[these], others[these], out=gradient[these])
            errors.append(_square_sums(difference).div_(points))
            block = (-1, *lead[problem.elements :])
            tables = {"D": errors[-1].view(*block, 1), "T": powers[-1].view(*block, 1)}
            floors = [self._provisional(term, tables["T"][..., 0], problem) for term in problem.terms]
            rows = slice(first // merged, (first + step) // merged)
            some = [z if isinstance(z, float) else z[rows] for z in flat]
            slope = self.judge(problem, tables, arrays.known, floors, some, 1)[1]["D"].reshape(-1).to(x.dtype)
            given.append(slope)
            difference.mul_((slope * (2 / points)).unsqueeze(-1))
        tables = {"D": _cat(errors).view(*lead, 1), "T": _cat(powers).view(*lead, 1)}
        rows, slopes = self.judge(problem, tables, arrays.known, self.floors(problem, arrays, tables), weighed)
        wanted, made = slopes["D"].reshape(-1).to(x.dtype), _cat(given)
        ratio = torch.where(made == 0, torch.ones_like(made), wanted / made)
        if x.device.type != "cpu":
            gradient.mul_(ratio.unsqueeze(-1))
        else:
            for frame in torch.nonzero((ratio - 1).abs() > 4 * torch.finfo(x.dtype).eps).flatten().tolist():
                gradient[frame] *= ratio[frame]
        values = [term.rows.reduce(of, lead, self) for term, of in zip(problem.terms, rows, strict=True)]
        return values, gradient.view(x.shape)

    def _provisional(self, term: Any, level: Tensor, problem: Problem) -> Tensor | None:
        eps = term.objective.floor
        if eps is None:
            return None
        # As if all frames of the block were of one channel: right but for the size of a guard.
        flat = term.rows._replace(frames=tuple(range(-level.ndim, 0)))
        floor: Tensor = flat.floor(level, eps, xp)
        return floor

    def _flat(self, z: Any, problem: Problem) -> Any:
        axes = problem.elements
        return z if isinstance(z, float) or axes == 1 else z.reshape(-1, *z.shape[axes:])

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
        real.mul_(torch.view_as_real(weights.gather(2, table.index)).view(real.shape))

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

    index: Tensor  # (frames, rows, modes / rows): the accumulator of each mode
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
