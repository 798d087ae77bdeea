"""The candidates of this library, beside the bare transforms and the loop over bins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bare
import numpy as np
from candidates import (
    COMPILED,
    THREADED,
    Candidate,
    as_numpy,
    cupy_call,
    jax_call,
    jax_step,
    torch_arrays,
    torch_call,
    torch_step,
)
from cases import Case, Problem
from loop import loop_over_bins, loop_spectrum

import spectral_losses as sl


def spectra() -> list[Candidate]:
    """Spectra of one stack."""
    spectrum = "radial_spectrum"
    return [
        Candidate("bare rfftn", "PyTorch", "bare", bare.torch_spectrum),
        Candidate("bare rfftn", "NumPy", "bare", bare.numpy_spectrum, package="scipy"),
        Candidate("bare rfftn", THREADED, "bare", bare.threaded_spectrum, package="scipy"),
        Candidate("bare rfftn", "JAX", "bare", bare.jax_spectrum),
        Candidate("bare rfftn", "CuPy", "bare", bare.cupy_spectrum),
        Candidate(spectrum, "PyTorch", "ours", lambda p: torch_call(p, our_power(p)), read=read_unit),
        Candidate(spectrum, "NumPy", "ours", numpy_spectrum, read=read_unit),
        Candidate(spectrum, THREADED, "ours", lambda p: bare.threaded(numpy_spectrum(p)), read=read_unit),
        Candidate(spectrum, "JAX", "ours", lambda p: jax_call(p, our_power(p)), read=read_unit),
        Candidate(spectrum, "CuPy", "ours", cupy_spectrum),
        Candidate("loop over bins", "PyTorch", "loop", loop_torch_spectrum, read=read_unit, refuses=too_long),
        Candidate("loop over bins", "NumPy", "loop", loop_numpy_spectrum, refuses=too_long),
    ]


def losses() -> list[Candidate]:
    """Losses of two stacks, forward alone or with the gradient."""
    loss, field = "spectrum_error", "field_error"
    return [
        Candidate("bare transforms", "PyTorch", "bare", bare.torch_loss),
        Candidate("bare transforms", "JAX", "bare", bare.jax_loss),
        Candidate(loss, "PyTorch", "ours", lambda p: torch_step(p, our_spectrum_error(p))),
        Candidate(loss, COMPILED, "ours", lambda p: torch_step(p, our_spectrum_error(p), True), refuses=uncompiled),
        Candidate(loss, "JAX", "ours", lambda p: jax_step(p, our_spectrum_error(p))),
        Candidate("spectrum_error, stored target", "PyTorch", "stored", stored_target),
        Candidate(field, "PyTorch", "field", lambda p: torch_step(p, our_field_error(p))),
        Candidate(field, COMPILED, "field", lambda p: torch_step(p, our_field_error(p), True), refuses=uncompiled),
        Candidate(field, "JAX", "field", lambda p: jax_step(p, our_field_error(p))),
        Candidate("mse_loss", "PyTorch", "mse", mse),
        Candidate("mse_loss", COMPILED, "mse", lambda p: mse(p, True), refuses=uncompiled),
        Candidate("loop over bins", "PyTorch", "loop", loop_torch_loss, refuses=too_long),
    ]


def uncompiled(case: Case) -> str:
    """Refuse cases where torch.compile is not measured."""
    return "" if case.compiled else "not measured"


def too_long(case: Case) -> str:
    """Refuse the loop over bins where it would take most of a run; a smaller stack of such fields says as much."""
    return "not measured" if int(np.prod(case.shape)) * min(case.grid) > 2**31 else ""


def our_power(problem: Problem) -> Callable[[Any], Any]:
    """The power of radial_spectrum, in any framework."""
    axes = problem.case.axes
    return lambda x: sl.radial_spectrum(x, spatial_axes=axes, channel_axis=None).power


def our_spectrum_error(problem: Problem) -> Callable[[Any, Any], Any]:
    """spectrum_error of stacks without channels, in any framework."""
    axes = problem.case.axes
    return lambda x, y: sl.spectrum_error(x, y, spatial_axes=axes, channel_axis=None)


def our_field_error(problem: Problem) -> Callable[[Any, Any], Any]:
    """field_error, in any framework."""
    axes = problem.case.axes
    return lambda x, y: sl.field_error(x, y, spatial_axes=axes)


def stored_target(problem: Problem) -> Callable[[], object]:
    """spectrum_error against the target's spectrum, which was computed before."""
    axes = problem.case.axes
    stored = sl.radial_spectrum(torch_arrays(problem)[1], spatial_axes=axes, channel_axis=None)
    return torch_step(problem, lambda x, _: sl.spectrum_error(x, stored, spatial_axes=axes, channel_axis=None))


def mse(problem: Problem, compiled: bool = False) -> Callable[[], object]:
    """PyTorch's mean-square error."""
    import torch

    return torch_step(problem, torch.nn.functional.mse_loss, compiled)


def numpy_spectrum(problem: Problem) -> Callable[[], object]:
    """radial_spectrum in NumPy."""
    power = our_power(problem)
    if problem.dtype != "float32":
        raise TypeError(f"NumPy has no {problem.dtype}")
    return lambda: power(problem.x)


def cupy_spectrum(problem: Problem) -> Callable[[], object]:
    """radial_spectrum in CuPy."""
    power = our_power(problem)
    return cupy_call(problem, lambda _, x: power(x))


def loop_torch_spectrum(problem: Problem) -> Callable[[], object]:
    """`loop_spectrum` in PyTorch."""
    import torch

    return torch_call(problem, lambda x: loop_spectrum(torch, x, problem.case.axes))


def loop_numpy_spectrum(problem: Problem) -> Callable[[], object]:
    """`loop_spectrum` in NumPy."""
    return lambda: loop_spectrum(np, problem.x, problem.case.axes)


def loop_torch_loss(problem: Problem) -> Callable[[], object]:
    """`loop_over_bins` in PyTorch."""
    import torch

    return torch_step(problem, lambda x, y: loop_over_bins(torch, x, y, problem.case.axes))


def read_unit(power: Any, n: int) -> tuple[Any, Any]:
    """Centres of unit shells from 1 up, with the power."""
    power = as_numpy(power)
    return np.arange(1, power.shape[-1] + 1), power
