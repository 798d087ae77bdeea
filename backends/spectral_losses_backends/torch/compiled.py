"""PyTorch under ``torch.compile``: the kernels as opaque operators, so that neither loops nor transforms are traced.

A basis, or a whole problem, travels through the graph as text that describes it fully: no tables in the graph, and
nothing in a compiled program that another process could not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from spectral_losses_backends.base import Basis, Source
from spectral_losses_backends.problem import Arrays, Problem, Tables
from spectral_losses_backends.text import from_text, to_text
from spectral_losses_backends.torch.kernels import eager


def constant(source: Source, name: str, like: Tensor) -> Any:
    """``getattr(source, name)()`` on like's device, traced or not."""
    if not torch.compiler.is_compiling():
        return eager.constant(source, name, like)
    found = _constant_op(like.detach(), to_text(source), name)
    return tuple(found) if name in getattr(source, "several", ()) else found[0]


def known(source: Source, name: str) -> Any:
    """``getattr(source, name)()`` of plain values, traced or not."""
    return _known(to_text(source), name) if torch.compiler.is_compiling() else getattr(source, name)()


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _known(text: str, name: str) -> Any:
    return getattr(from_text(text), name)()


def power(x: Tensor, basis: Basis) -> Tensor:
    """Share of the mean square in each bin, differentiable."""
    result: Tensor = _power_op(x, to_text(basis))
    return result


def pair_power(e: Tensor, y: Tensor, basis: Basis, needs: tuple[str, ...]) -> Tables:
    """Statistics of a pair, differentiable."""
    return dict(zip(needs, _pair_power_op(e, y, to_text(basis), ",".join(needs)), strict=True))


def fuses(problem: Problem, arrays: Arrays) -> bool:
    """Whether one operator makes value and gradient: of transforms, and where no more than the prediction wants one."""
    others = (arrays.y, *arrays.target_power)
    asked = any(z is not None and z.requires_grad for z in others)
    return not asked and problem.kind != "fields"


def value(problem: Problem, arrays: Arrays) -> Tensor:
    """The one loss of a problem; its gradient is made by the same operator, of the same modes."""
    y, (target_power,) = arrays.y, arrays.target_power
    other: Any = target_power if y is None else y
    result: Tensor = _value_and_grad_op(arrays.x, other.detach(), y is not None, to_text(problem))[0]
    return result


def framewise(source: Any, x: Tensor, others: Sequence[Tensor]) -> Tensor:
    """A function of fields, without a gradient."""
    result: Tensor = _framewise_op(x.detach(), list(others), to_text(source))
    return result


# Schemas are written out, because older versions of PyTorch do not read all of them from annotations.


@torch.library.custom_op(
    "spectral_losses::framewise", mutates_args=(), schema="(Tensor x, Tensor[] others, str text) -> Tensor"
)
def _framewise_op(x: Tensor, others: Sequence[Tensor], text: str) -> Tensor:
    found: Tensor = from_text(text).apply(eager, x, *others)
    # The caller owns what an operator returns, and expects it in one piece.
    return found.clone(memory_format=torch.contiguous_format)


@_framewise_op.register_fake
def _(x: Tensor, others: Sequence[Tensor], text: str) -> Tensor:
    return x.new_empty(x.shape)


@torch.library.custom_op(
    "spectral_losses::constant", mutates_args=(), schema="(Tensor like, str text, str name) -> Tensor[]"
)
def _constant_op(like: Tensor, text: str, name: str) -> list[Tensor]:
    """A constant as a list of one or more tensors, copied: the caller owns what an operator returns."""
    found = eager.constant(from_text(text), name, like)
    return [tensor.clone() for tensor in (found if isinstance(found, tuple) else (found,))]


@_constant_op.register_fake
def _(like: Tensor, text: str, name: str) -> list[Tensor]:
    found = getattr(from_text(text), name)()
    arrays = found if isinstance(found, tuple) else (found,)
    return [like.new_empty(a.shape, dtype=like.dtype if a.dtype.kind == "f" else torch.int64) for a in arrays]


@torch.library.custom_op("spectral_losses::power", mutates_args=(), schema="(Tensor x, str text) -> Tensor")
def _power_op(x: Tensor, text: str) -> Tensor:
    return eager.power(x, from_text(text))


@_power_op.register_fake
def _(x: Tensor, text: str) -> Tensor:
    basis = from_text(text)
    return x.new_empty(*x.shape[: -len(basis.shape)], basis.bins())


@torch.library.custom_op(
    "spectral_losses::power_pullback", mutates_args=(), schema="(Tensor x, Tensor slope, str text) -> Tensor"
)
def _power_pullback_op(x: Tensor, slope: Tensor, text: str) -> Tensor:
    return eager.power_pullback(x, slope, from_text(text))


@_power_pullback_op.register_fake
def _(x: Tensor, slope: Tensor, text: str) -> Tensor:
    return x.new_empty(x.shape)


def _keep_power(ctx: Any, inputs: Any, output: Any) -> None:
    x, ctx.text = inputs
    ctx.save_for_backward(x)


def _power_backward(ctx: Any, slope: Tensor) -> Any:
    return _power_pullback_op(*ctx.saved_tensors, slope, ctx.text), None


_power_op.register_autograd(_power_backward, setup_context=_keep_power)


@torch.library.custom_op(
    "spectral_losses::pair_power", mutates_args=(), schema="(Tensor e, Tensor y, str text, str needs) -> Tensor[]"
)
def _pair_power_op(e: Tensor, y: Tensor, text: str, needs: str) -> list[Tensor]:
    tables = eager.pair_power(e, y, from_text(text), tuple(needs.split(",")))
    return [tables[name] for name in needs.split(",")]


@_pair_power_op.register_fake
def _(e: Tensor, y: Tensor, text: str, needs: str) -> list[Tensor]:
    basis = from_text(text)
    return [e.new_empty(*e.shape[: -len(basis.shape)], basis.bins()) for _ in needs.split(",")]


@torch.library.custom_op(
    "spectral_losses::pair_pullback",
    mutates_args=(),
    schema="(Tensor e, Tensor y, Tensor[] slopes, str text, str needs, bool of_target) -> Tensor",
)
def _pair_pullback_op(e: Tensor, y: Tensor, slopes: list[Tensor], text: str, needs: str, of_target: bool) -> Tensor:
    named = dict(zip(needs.split(","), slopes, strict=True))
    return eager.pair_pullback(e, y, named, from_text(text), of_target)


@_pair_pullback_op.register_fake
def _(e: Tensor, y: Tensor, slopes: list[Tensor], text: str, needs: str, of_target: bool) -> Tensor:
    return e.new_empty(e.shape)


def _keep_pair(ctx: Any, inputs: Any, output: Any) -> None:
    e, y, ctx.text, ctx.needs = inputs
    ctx.save_for_backward(e, y)


def _pair_backward(ctx: Any, slopes: list[Tensor]) -> Any:
    e, y = ctx.saved_tensors
    gradients = [
        _pair_pullback_op(e, y, slopes, ctx.text, ctx.needs, bool(of_target))
        if ctx.needs_input_grad[of_target]
        else None
        for of_target in (0, 1)
    ]
    return *gradients, None, None


_pair_power_op.register_autograd(_pair_backward, setup_context=_keep_pair)


@torch.library.custom_op(
    "spectral_losses::value_and_grad",
    mutates_args=(),
    schema="(Tensor x, Tensor other, bool field, str text) -> (Tensor, Tensor)",
)
def _value_and_grad_op(x: Tensor, other: Tensor, field: bool, text: str) -> tuple[Tensor, Tensor]:
    (value,), gradient = eager.value_and_grad(from_text(text), _arrays(x, other, field))
    return value, gradient.contiguous()


@_value_and_grad_op.register_fake
def _(x: Tensor, other: Tensor, field: bool, text: str) -> tuple[Tensor, Tensor]:
    problem: Problem = from_text(text)
    (term,) = problem.terms
    shape = x.shape[: term.rows.elements] if term.rows.reduction == "none" else ()
    return x.new_empty(shape, dtype=torch.promote_types(x.dtype, other.dtype)), x.new_empty(x.shape)


def _arrays(x: Tensor, other: Tensor, field: bool) -> Arrays:
    return Arrays(x, other, (None,)) if field else Arrays(x, None, (other,))


def _keep_gradient(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(output[1])


def _value_backward(ctx: Any, upstream: Tensor, _: Any) -> Any:
    (gradient,) = ctx.saved_tensors
    upstream = upstream.to(gradient.dtype).reshape(*upstream.shape, *(1,) * (gradient.ndim - upstream.ndim))
    return gradient * upstream, None, None, None


_value_and_grad_op.register_autograd(_value_backward, setup_context=_keep_gradient)
