"""PyTorch without automatic differentiation: kernels that work block by block in the cache of a CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import array_api_compat.torch as xp
import numpy as np
import torch
from torch import Tensor
from torch._guards import detect_fake_mode
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _disable_current_modes

from spectral_losses_backends import base, blockwise, pointwise
from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.layouts import ACCUMULATORS, Scattering
from spectral_losses_backends.numpy import backend as numpy_backend
from spectral_losses_backends.problem import Arrays, Problem, Tables
from spectral_losses_backends.ranks import Ranks
from spectral_losses_backends.torch import ranks as processes

CHUNK = 1 << 18
"""Values worked on at a time, for each thread of the CPU: 1 MiB of float32.

Modes of a chunk take as much again and are still in the cache of the core when they are squared, scaled and transformed
back; with many more they come from memory, and with few of them calls take longer than arithmetic.
"""

FEW = 1 << 17
"""Values up to which `field_error` is made by NumPy in one thread, in memory that the tensors share.

PyTorch takes some microseconds for each call, and again to wake its threads; up to about this size NumPy has finished
by then, and beyond it the threads win.
"""

NARROW = 16
"""Columns up to which the product of a table with them is made the other way round, of rows.

Of matrices with few columns the library behind PyTorch makes one product for each; of few rows it makes one of all,
some 5 times as fast, and 15 times for the transpose of a table.
"""


_CLASSES = (Tensor, torch.nn.Parameter)  # any other is a subclass, which may have no values
_is_mapped = torch._C._functorch.is_legacy_batchedtensor


class Kernels(blockwise.Backend):
    """Tensors that need no gradient, on any device."""

    name = "torch"

    def namespace(self, x: Any) -> Any:
        """array-api-compat's view of PyTorch, or of NumPy for the small tables that are worked on there."""
        return xp if isinstance(x, Tensor) else numpy_backend.namespace(x)

    def device(self, x: Tensor) -> Any:
        """The tensor's device."""
        return x.device

    def constant(self, source: Source, name: str, like: Tensor) -> Any:
        """``getattr(source, name)()`` on like's device, cached; made anew where it could serve no other call."""

        def build() -> Any:
            return base.each_array(getattr(source, name)(), partial(self.upload, like=like))

        if type(like) not in _CLASSES:
            refuse_distributed(like)
        mode = _fake_mode(like)
        if mode is not None:
            with mode:
                return build()
        if torch._C._get_tracing_state() is not None:  # sizes are tensors then, and no key
            return build()

        def make() -> Any:
            with _plainly():
                return build()

        return self.cached((source, name, like.device, like.dtype), make)

    def upload(self, array: Any, like: Tensor) -> Tensor:
        """A NumPy array on like's device, a float one in like's dtype."""
        if not array.flags.writeable:  # of which PyTorch warns, also where it copies
            array = array.copy()
        # Without a name the device would be that of `torch.set_default_device`.
        return torch.as_tensor(array, dtype=like.dtype if array.dtype.kind == "f" else None, device=like.device)

    def ranks(self) -> tuple[str, int] | None:
        """Those that are set, see `ranks`."""
        return processes.current()

    def sum_over_ranks(self, x: Tensor, ranks: Ranks) -> Tensor:
        """The sum of what each rank has."""
        return processes.total(x, ranks.group)

    def chunk_size(self, x: Tensor) -> int:
        """CHUNK for each thread; everything at once where there is no cache to care for."""
        return CHUNK * torch.get_num_threads() if x.device.type == "cpu" else max(1 << 62, x.numel())

    def rfftn(self, x: Tensor, ndim: int) -> Tensor:
        """Half-plane transform in x's own precision."""
        modes: Tensor = torch.fft.rfftn(x, dim=tuple(range(-ndim, 0)))
        return modes.contiguous()  # those of a permuted field are laid out as that is, and cannot be viewed flat

    def irfftn(self, modes: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Its inverse, not normalised, in two steps, so that each lets go of what it no longer needs."""
        if len(shape) > 1:
            modes = torch.fft.ifftn(modes, dim=tuple(range(-len(shape), -1)), norm="forward")
        return torch.fft.irfft(modes, n=shape[-1], norm="forward")

    def map_columns(self, tables: Tensor, modes: Tensor, *, transposed: bool = False) -> Tensor:
        """A real matrix for each column of modes; real and imaginary parts are columns of one product."""
        *lead, rows, columns = modes.shape
        real = torch.view_as_real(modes.reshape(-1, rows, columns))
        if modes.device.type == "cpu" and 2 * len(real) <= NARROW:
            wide = real.permute(2, 0, 3, 1).reshape(columns, -1, rows)
            found = self.matmul(wide, tables if transposed else tables.mT)
            parts = found.view(columns, len(real), 2, -1).permute(1, 3, 0, 2).contiguous()
            return torch.view_as_complex(parts).view(*lead, found.shape[2], columns)
        real = real.permute(2, 1, 0, 3)
        found = self.matmul(tables, real.reshape(columns, rows, -1), transposed)
        parts = found.view(columns, found.shape[1], -1, 2).permute(2, 1, 0, 3).contiguous()
        return torch.view_as_complex(parts).view(*lead, found.shape[1], columns)

    def matmul(self, a: Tensor, b: Tensor, transposed: bool = False) -> Tensor:
        """``a b``, or ``a^T b``, whatever ``torch.autocast`` and settings of TF32 say of products.

        Weak modes are sums in which strong ones cancel: with the ten bits of TF32 nothing would be left of them.
        """
        kind = b.device.type  # of which some, such as "meta", have no autocast to be turned off
        plainly = torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()
        with plainly, exactly(b.device):
            return torch.bmm(a.mT if transposed else a, b)

    def bin_power(self, modes: Tensor, basis: Basis, keep: bool = True) -> Tensor:
        """Share of the mean square in each bin, of modes: the shell sum of a tensor on a CPU, by scattering.

        `bin_sum` is not called: squares are scattered as they are made.
        """
        if basis.sums == "points":
            points = math.prod(basis.shape)
            return _square_sums(modes.reshape(-1, points)).div_(points).view(*modes.shape[: -len(basis.shape)], 1)
        if basis.sums == "weighed":
            squares = _as_real(modes).square() if keep else _as_real(modes).square_()
            lead, weights = modes.shape[: -len(basis.shape)], self.constant(basis, "real_weights", squares)
            sums = squares.view(-1, len(weights)).mul_(weights).sum(-1)
            return sums.mul_(float(math.prod(basis.shape)) ** -2).view(*lead, 1)
        if basis.sums == "each":
            squares = modes.real.square()
            if modes.is_complex():
                squares.addcmul_(modes.imag, modes.imag)
            squares.mul_(self.constant(basis, "multiplicity", squares).to(squares.dtype))
            return squares.mul_(float(math.prod(basis.shape)) ** -2).flatten(-len(basis.shape))
        # Elsewhere threads add to one address at once: slow, and in another order in each run.
        if modes.device.type != "cpu" or basis.sums != "bins":
            return super().bin_power(modes, basis, keep)
        real, scatter = _as_real(modes), self._scatter(modes, basis)
        squares = real.square() if keep else real.square_()
        if modes.is_complex():  # both squares travel as one number, so that each mode is scattered once
            squares = torch.view_as_complex(squares)
        sums = modes.new_zeros(scatter.shape)
        sums.scatter_add_(2, scatter.places, squares.view(scatter.places.shape))
        sums = (sums.sum(1) if scatter.shape[1] > 1 else sums).view(scatter.shape[0], *scatter.factors.shape)
        return sums.mul_(scatter.factors).sum(1).real.contiguous().view(scatter.powers)

    def power_gradient(self, modes: Tensor, slope: Tensor, basis: Basis) -> Tensor:
        """Gradient of a function of `power`; overwrites the modes."""
        if basis.sums in ("points", "own"):  # they are the caller's field
            return super().power_gradient(modes, slope, basis)
        self._scale(modes, slope, basis)
        return self.adjoint(modes, basis)

    def pair_gradient(
        self, e: Tensor, y: Tensor | None, slopes: Tables, basis: Basis, *, of_target: bool = False
    ) -> Tensor:
        """Gradient of a function of `pair_power`; overwrites the modes."""
        if "Q" in slopes or (y is None and of_target) or basis.sums == "own":
            return super().pair_gradient(e, y, slopes, basis, of_target=of_target)
        first, second, _ = self.pair_weights(slopes, of_target)
        return self.adjoint(self.weighed(((e, first), (y, second)), basis), basis)

    def weighed(self, parts: Sequence[tuple[Tensor | None, Tensor | None]], basis: Basis) -> Tensor | None:
        """The sum of modes, each times twice its bin's slope and weight, if there are any; overwrites them."""
        total: Tensor | None = None
        for modes, slope in parts:
            if modes is None or slope is None:
                continue
            weights = self._weights(modes, slope, basis)
            if basis.sums == "points":  # they are the caller's field
                total = modes * weights if total is None else total.addcmul_(modes, weights)
            elif total is None:
                _as_real(modes).mul_(weights)
                total = modes
            else:
                _as_real(total).addcmul_(_as_real(modes), weights)
        return total

    def of_squares(
        self, problem: Problem, arrays: Arrays, weights: Sequence[float] | None = None
    ) -> tuple[list[Tensor], Tensor | None]:
        """Losses of mean squares; on a CPU NumPy makes them of the sums, and the whole of small ones."""
        x = arrays.x
        if x.device.type != "cpu":
            return super().of_squares(problem, arrays, weights)
        if x.numel() > FEW:
            values, gradient = pointwise.evaluate(self, numpy_backend, problem, arrays, weights)
        else:
            arrays = Arrays(_numpy(x), _numpy(arrays.y), arrays.target_power)
            values, gradient = numpy_backend.of_squares(problem, arrays, weights)
        return [_tensor(value) for value in values], _tensor(gradient)

    def level(self, problem: Problem, arrays: Arrays, tables: Tables) -> Any:
        """Mean square of the target's fields in space, in NumPy where `rows_and_slopes` is."""
        level = super().level(problem, arrays, tables)
        return _numpy(level) if problem.rows.ranks is None and in_sight(level) else level

    def rows_and_slopes(
        self,
        problem: Problem,
        tables: Tables,
        target_power: Sequence[Any],
        floors: Sequence[Any],
        shares: Sequence[Any] | None = None,
        leading: int | None = None,
    ) -> tuple[list[Any], Tables]:
        """Values, and slopes of rows; where it is free in NumPy, whose calls take a fraction of the time.

        Values are NumPy's then, and slopes where the tables are.
        """
        seen = (*tables.values(), *target_power)
        wanted = any(x is not None and x.requires_grad for x in seen)
        if problem.kind == "fields" or wanted or not in_sight(*seen):
            floors = [_tensor(z) for z in floors]
            return super().rows_and_slopes(problem, tables, target_power, floors, shares, leading)
        tables = {name: _numpy(table) for name, table in tables.items()}
        target_power, floors = [_numpy(z) for z in target_power], [_numpy(z) for z in floors]
        shares = None if shares is None else [_numpy(z) for z in shares]
        rows, slopes = numpy_backend.rows_and_slopes(problem, tables, target_power, floors, shares, leading)
        return rows, {name: _tensor(slope) for name, slope in slopes.items()}

    def reduced(self, problem: Problem, arrays: Arrays, rows: Sequence[Any]) -> list[Tensor]:
        """The losses, of the values of their rows."""
        if isinstance(rows[0], Tensor) or problem.rows.ranks is not None:
            return super().reduced(problem, arrays, [_tensor(row) for row in rows])
        return [_tensor(value) for value in numpy_backend.reduced(problem, arrays, rows)]

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

    def empty_like(self, x: Tensor) -> Tensor:
        """Memory for a contiguous tensor."""
        return x.new_empty(x.shape)

    def squares(self, x: Tensor, y: Tensor, out: Tensor | None = None) -> Any:
        """Sums of the squares of each row of ``x - y``, which stays in ``out``, and of y; on a CPU in NumPy."""
        norms = _norms(torch.sub(x, y, out=out)), _norms(y)
        sums = np.array([norm.numpy() for norm in norms]) if x.device.type == "cpu" else torch.stack(norms)
        sums *= sums
        return sums

    def stretch(self, rows: Tensor, factors: Any) -> None:
        """Multiply each row with its factor, in place."""
        rows.mul_((factors if isinstance(factors, Tensor) else torch.from_numpy(factors)).unsqueeze(-1))

    def detach(self, x: Any) -> Any:
        """The same values without a gradient."""
        return x.detach() if isinstance(x, Tensor) else x

    def to_floats(self, values: Sequence[Tensor]) -> list[float]:
        """0-d tensors as floats, in one transfer."""
        floats: list[float] = torch.stack([value.double() for value in values]).tolist()
        return floats

    def _like_modes(self, slope: Tensor, modes: Tensor) -> Tensor:
        return slope.to(modes.dtype.to_real())

    def _scale(self, modes: Tensor, slope: Tensor, basis: Basis) -> None:
        """Multiply each mode by twice its bin's slope and weight, in place."""
        _as_real(modes).mul_(self._weights(modes, slope, basis))

    def _weights(self, modes: Tensor, slope: Tensor, basis: Basis) -> Tensor:
        """Twice each mode's slope and weight, as it multiplies `_as_real` of modes."""
        if basis.sums != "points":
            slope = self._like_modes(slope, modes)
        if basis.sums == "each":
            shape = (*slope.shape[:-1], *modes.shape[-len(basis.shape) :])
            weights = slope.mul(2 * float(math.prod(basis.shape)) ** -2).reshape(shape)
            # Each weight twice, as a complex number, so that the product below is one of contiguous reals.
            return torch.view_as_real(torch.complex(weights, weights)) if modes.is_complex() else weights
        if modes.device.type != "cpu" or basis.sums != "bins":
            weights = self.gather(self._doubled(slope, basis), basis)
            return weights.unsqueeze(-1) if modes.is_complex() else weights
        scatter = self._scatter(modes, basis)
        # Each weight twice, as a complex number, so that the product below is one of contiguous reals.
        weights = slope.reshape(-1, 1, 1, scatter.factors.shape[-1]) * scatter.weights
        weights = weights.view(scatter.shape[0], 1, scatter.shape[2]).expand(scatter.shape)
        weights = weights.gather(2, scatter.places)
        return torch.view_as_real(weights).view(*modes.shape, 2) if modes.is_complex() else weights.view(modes.shape)

    def _scatter(self, modes: Tensor, basis: Basis) -> _Scatter:
        key = (basis, modes.shape, modes.device, modes.dtype)
        found: _Scatter = self.cached(key, lambda: _scatter_of(modes, basis))
        return found


eager = Kernels()
"""The one instance: kernels as they are, whoever asks. `torch.Backend` shares its cache of constants."""


def is_plain(*tensors: Any) -> bool:
    """Whether the values of these tensors are all there is to them, so that kernels and NumPy may take those alone.

    Not so for a subclass, nor while something follows operations that it would not see in a kernel: a compiler, a
    transform of ``torch.func``, forward mode, a dispatch mode such as that of ``make_fx``, ``torch.jit.trace``, or the
    older vmap that ``torch.autograd.grad(is_grads_batched=True)`` and ``torch.autograd.functional`` use.
    """
    for x in tensors:
        if type(x) not in _CLASSES and x is not None:
            return False
    if (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
        or torch._C._len_torch_dispatch_stack()
        or torch._C._get_tracing_state() is not None
    ):
        return False
    for x in tensors:  # noqa: SIM110 - a generator would take longer
        if x is not None and _is_mapped(x):
            return False
    return True


@contextmanager
def exactly(device: torch.device) -> Iterator[None]:
    """Products of matrices in their own precision: without TF32 on a CUDA device, which is as it was afterwards."""
    if device.type != "cuda":
        yield
        return
    settings = torch.backends.cuda.matmul
    name, exact = "allow_tf32", False
    try:
        before = settings.allow_tf32
    except RuntimeError:  # of PyTorch 2.9 on, where its newer name was used
        name, exact = "fp32_precision", "ieee"  # type: ignore[assignment]
        before = settings.fp32_precision
    if before == exact:
        yield
        return
    setattr(settings, name, exact)
    try:
        yield
    finally:
        setattr(settings, name, before)


def in_sight(*tensors: Any) -> bool:
    """Whether NumPy can look at tensors of one device, without a transfer or a wait."""
    return isinstance(tensors[0], Tensor) and tensors[0].device.type == "cpu" and is_plain(*tensors)


def _as_real(modes: Tensor) -> Tensor:
    """Modes as real numbers, which share their memory."""
    return torch.view_as_real(modes) if modes.is_complex() else modes


def _numpy(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, Tensor) else x


def _tensor(x: Any) -> Any:
    if x is None or isinstance(x, Tensor):
        return x
    x = np.asarray(x)
    return torch.from_numpy(x if x.flags.writeable else x.copy())


def _square_sums(rows: Tensor) -> Tensor:
    """Sum of squares of each row."""
    return _norms(rows).square_()


def _norms(rows: Tensor) -> Tensor:
    """Root of the sum of squares of each row, for which PyTorch reads once, and writes nothing."""
    parts = math.gcd(rows.shape[1], 8) if rows.shape[0] < 8 else 1  # a few long rows would leave threads idle
    if parts > 1:
        rows = torch.linalg.vector_norm(rows.unflatten(1, (parts, -1)), dim=-1)
    norms: Tensor = torch.linalg.vector_norm(rows, dim=-1)
    return norms


class _Scatter(NamedTuple):
    """What modes of one shape are scattered and gathered with."""

    places: Tensor  # (frames, rows, modes / rows): the accumulator of each mode
    shape: tuple[int, int, int]  # frames, rows, accumulators
    factors: Tensor  # (2 ACCUMULATORS, bins): a sum of re**2 + 1j * im**2 to a share, in the real part
    weights: Tensor  # likewise: a slope to what re + 1j * im is multiplied with; both real for real modes
    powers: tuple[int, ...]


@contextmanager
def _plainly() -> Iterator[None]:
    """What is cached must be a plain tensor, whatever transformation or mode the first call runs under."""
    with torch._C._DisableFuncTorch(), torch.inference_mode(False), _disable_current_modes():
        yield


def _fake_mode(like: Tensor) -> Any | None:
    """The mode in which a tensor without values lives, to make others in; None for one that has values."""
    if type(like) in _CLASSES and not torch._C._len_torch_dispatch_stack():
        return None  # which is found out in a tenth of the time
    return detect_fake_mode(like)


def refuse_distributed(x: Tensor) -> None:
    """Refuse a DTensor, of which a rank has a part."""
    if any(cls.__name__ == "DTensor" for cls in type(x).__mro__):
        raise TypeError(
            "spectral losses and weights take no DTensor, got one as prediction, target or field: pass to_local() of "
            "it where each rank has whole fields (Replicate, or Shard along the batch), inside of over_ranks() for "
            "losses of the whole batch, see docs/sharded.md; pass full_tensor() of it where fields are cut along space "
            "or channels"
        )


@_plainly()
def _scatter_of(modes: Tensor, basis: Basis) -> _Scatter:
    ndim, like = len(basis.shape), torch.empty(0, dtype=modes.dtype.to_real(), device=modes.device)
    index = eager.constant(Scattering(basis), "scatter_index", like)
    weight = eager.constant(basis, "bin_weight", like)
    frames = modes.shape[:-ndim].numel()
    # A few large frames are cut into rows, so that several threads have something to do.
    rows = math.gcd(modes.shape[-ndim], 8) if frames < 8 and ndim > 1 else 1
    weight = weight.expand(ACCUMULATORS, -1)
    factors = torch.cat((2 * weight, weight))
    weights = torch.cat((2 * weight, 2 * weight))
    if modes.is_complex():
        # (1 - i)(a + ib) = a + b + i ...
        factors, weights = torch.complex(factors, -factors), torch.complex(weights, weights)
    return _Scatter(
        index.view(rows, -1).expand(frames, -1, -1),
        (frames, rows, factors.numel()),
        factors,
        weights,
        (*modes.shape[:-ndim], weight.shape[-1]),
    )
