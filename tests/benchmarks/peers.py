"""What others have: each by its own public function, with what it takes and how its result is read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from candidates import Candidate, anything, as_numpy, flat, jax_call, jax_step, torch_call, torch_step
from cases import Case, Problem
from memory import available

Read = Callable[[Any, int], tuple[Any, Any]]


def spectra() -> list[Candidate]:
    """Spectra of one stack."""
    one_hot, nemo = "full transform, one-hot bins", "full transform, sort, scatter"
    return [
        spectral("the_well", "the_well", "PyTorch", f"{one_hot}, √n of them", the_well, read_the_well),
        spectral("the_well, n/2 bins", "the_well", "PyTorch", one_hot, the_well_fine, read_the_well, fits),
        spectral(
            "neuraloperator", "neuraloperator", "PyTorch", "full transform, loop of masks", neuralop, read_radii, flat
        ),
        spectral("physicsnemo", "nvidia-physicsnemo", "PyTorch", nemo, physicsnemo, read_pair, flat),
        spectral("exponax", "exponax", "JAX", "half transform, scan of masks", exponax, read_exponax),
        spectral("xrft", "xrft", "NumPy", "full transform, groups, n/4 bins", xrft, read_xrft, flat),
        spectral(
            "pysteps", "pysteps", "NumPy", "per field: full transform, loop of masks", pysteps, read_pysteps, flat
        ),
        spectral("powerbox", "powerbox", "NumPy", "per field: full transform, bincount", powerbox, read_powerbox),
    ]


def losses() -> list[Candidate]:
    """Losses of two stacks."""
    bands, modes = "full transforms, 3 bands of the error", "full transforms, every mode of the error"
    lp = Candidate(
        "neuraloperator LpLoss",
        "PyTorch",
        "peer",
        lambda p: norm(p, "LpLoss"),
        "neuraloperator",
        "no transform: relative norm",
        against="field",
    )
    return [
        Candidate("the_well binned_spectral_mse", "PyTorch", "peer", the_well_loss, "the_well", bands),
        Candidate("exponax, same formula", "JAX", "peer", exponax_loss, "exponax", "its spectra, this formula"),
        Candidate("FocalFrequencyLoss", "PyTorch", "peer", focal, "focal-frequency-loss", modes, refuses=flat),
        Candidate(
            "neuraloperator H1Loss",
            "PyTorch",
            "peer",
            lambda p: norm(p, "H1Loss"),
            "neuraloperator",
            "no transform: finite differences",
        ),
        lp,
    ]


def spectral(
    name: str,
    package: str,
    framework: str,
    work: str,
    make: Callable[[Problem], Callable[[], object]],
    read: Read,
    refuses: Callable[[Case], str] = anything,
) -> Candidate:
    """A peer that computes spectra."""
    return Candidate(name, framework, "peer", make, package, work, read=read, refuses=refuses)


def fits(case: Case) -> str:
    """Refuse what would not fit: one-hot bins take points x bins x 8 bytes, products a few times as much per field."""
    bins, points = min(case.grid) // 2, int(np.prod(case.grid))
    need = points * bins * (8 + 3 * 4 * case.batch)
    return f"would take {need / 2**30:.0f} GiB" if need > 0.7 * available() else ""


def the_well(problem: Problem, edges: Any = None) -> Callable[[], object]:
    """Its metrics' power_spectrum, channels last, in its own bins or in `edges`."""
    from the_well.benchmark.metrics.spectral import power_spectrum

    meta = SimpleNamespace(n_spatial_dims=len(problem.case.grid))
    return torch_call(problem, lambda x: power_spectrum(x[..., None], meta, bins=edges)[:2])


def the_well_fine(problem: Problem) -> Callable[[], object]:
    """As many shells as this library's."""
    import torch

    n = min(problem.case.grid)
    steps = [*(np.arange(n // 2 + 1) + 0.5), np.sqrt(len(problem.case.grid)) * n]
    return the_well(problem, torch.tensor([0, *steps], dtype=torch.float32, device=problem.device) * (2 * np.pi / n))


def read_the_well(result: Any, n: int) -> tuple[Any, Any]:
    """Edges in radians per point; channels last."""
    edges, power = (as_numpy(part) for part in result)
    edges = edges * n / (2 * np.pi)
    # The last of its own shells, and of ours in it, holds the corners.
    return (edges[1:] + edges[:-1]) / 2, power[..., 0]


def neuralop(problem: Problem) -> Callable[[], object]:
    """Its utils.spectrum_2d, averaged over the stack."""
    from neuralop.utils import spectrum_2d

    return torch_call(problem, lambda x: spectrum_2d(x, x.shape[-1]))


def read_radii(power: Any, n: int) -> tuple[Any, Any]:
    """Radii from 1 up."""
    power = as_numpy(power)
    return np.arange(1, power.shape[-1] + 1), power


def physicsnemo(problem: Problem) -> Callable[[], object]:
    """Its metrics' power_spectrum."""
    from physicsnemo.metrics.general.power_spectrum import power_spectrum

    return torch_call(problem, power_spectrum)


def read_pair(result: Any, n: int) -> tuple[Any, Any]:
    """Centres and power."""
    centres, power = result
    return as_numpy(centres), as_numpy(power)


def exponax(problem: Problem) -> Callable[[], object]:
    """Its get_spectrum over the stack, jitted."""
    import jax
    from exponax import get_spectrum

    spectrum = jax.vmap(get_spectrum)
    return jax_call(problem, lambda x: spectrum(x[:, None]))


def read_exponax(power: Any, n: int) -> tuple[Any, Any]:
    """Radii from 0 up, one channel."""
    power = np.asarray(power)[:, 0]
    return np.arange(power.shape[-1]), power


def xrft(problem: Problem) -> Callable[[], object]:
    """Its isotropic_power_spectrum of a labelled stack."""
    import numpy_groupies  # noqa: F401  (it fails without, at the first call)
    from xarray import DataArray
    from xrft import isotropic_power_spectrum

    grid = {name: np.arange(float(n)) for name, n in zip("yx", problem.case.grid, strict=True)}
    stack = DataArray(problem.x, dims=("stack", "y", "x"), coords=grid)
    return lambda: isotropic_power_spectrum(stack, dim=["y", "x"], truncate=True)


def read_xrft(spectrum: Any, n: int) -> tuple[Any, Any]:
    """Labelled with waves per point."""
    return np.asarray(spectrum.freq_r) * n, np.asarray(spectrum)


def pysteps(problem: Problem) -> Callable[[], object]:
    """Its rapsd, field by field."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # it reports at import
        from pysteps.utils.spectral import rapsd

    return lambda: [rapsd(field, fft_method=np.fft) for field in problem.x]


def read_pysteps(power: Any, n: int) -> tuple[Any, Any]:
    """Radii from 0 up."""
    power = np.asarray(power)
    return np.arange(power.shape[-1]), power


def powerbox(problem: Problem) -> Callable[[], object]:
    """Its get_power, field by field, up to the Nyquist wavenumber."""
    from powerbox import get_power

    sides = [float(n) for n in problem.case.grid]
    options = {"bins": min(problem.case.grid) // 2, "bins_upto_boxlen": True, "dimensionless": False}
    return lambda: [get_power(field, sides, **options) for field in problem.x]


def read_powerbox(spectra: Any, n: int) -> tuple[Any, Any]:
    """Edges in radians per point."""
    return spectra[0].bin_centres * n / (2 * np.pi), np.stack([spectrum.power for spectrum in spectra])


def the_well_loss(problem: Problem) -> Callable[[], object]:
    """Its binned_spectral_mse, the relative error of all bins added up."""
    from the_well.benchmark.metrics.spectral import binned_spectral_mse

    meta = SimpleNamespace(n_spatial_dims=len(problem.case.grid))

    def loss(x: Any, y: Any) -> Any:
        parts = binned_spectral_mse.eval(x[..., None], y[..., None], meta)
        return sum(value.mean() for name, value in parts.items() if "_nmse_" in name)

    return torch_step(problem, loss)


def exponax_loss(problem: Problem) -> Callable[[], object]:
    """The formula of spectrum_error over its spectra."""
    import jax
    import jax.numpy as jnp
    from exponax import get_spectrum

    spectrum = jax.vmap(get_spectrum)

    def loss(x: Any, y: Any) -> Any:
        log_x, log_y = (jnp.log(spectrum(field[:, None])[:, 0, 1:] + 1e-10) for field in (x, y))
        return (((log_x - log_y) ** 2).mean(-1) / ((log_y**2).mean(-1) + 1e-10)).mean()

    return jax_step(problem, loss)


def focal(problem: Problem) -> Callable[[], object]:
    """FocalFrequencyLoss with its own options; it wants an axis of channels."""
    from focal_frequency_loss import FocalFrequencyLoss

    loss = FocalFrequencyLoss()
    return torch_step(problem, lambda x, y: loss(x[:, None], y[:, None]))


def anemoi(problem: Problem, name: str) -> Callable[[], object]:
    """A loss over all modes of a plane, of anemoi-training, which wants flattened planes of some variables."""
    from anemoi.training.losses import spectral as losses

    height, width = problem.case.grid
    loss = getattr(losses, name)(transform="fft2d", x_dim=width, y_dim=height)
    return torch_step(problem, lambda x, y: loss(*(z.reshape(-1, 1, 1, height * width, 1) for z in (x, y))))


def wavelets(problem: Problem) -> Callable[[], object]:
    """PyWavelets' swtn of both fields, and the relative mean modulus of their difference in each subband."""
    import pywt

    axes, levels = problem.case.axes, int(np.log2(min(problem.case.grid))) - 1

    def run() -> object:
        errors = []
        x, y = (pywt.swtn(z, "haar", levels, axes=axes) for z in (problem.x, problem.y))
        for a, b in zip(x, y, strict=True):
            errors += [np.abs(a[key] - b[key]).mean(axes) / np.abs(b[key]).mean(axes) for key in a if "d" in key]
        last = "a" * len(axes)
        errors.append(np.abs(x[0][last] - y[0][last]).mean(axes) / np.abs(y[0][last]).mean(axes))
        return np.mean(errors)

    return run


def norm(problem: Problem, name: str) -> Callable[[], object]:
    """A relative norm of neuraloperator's, over space."""
    import neuralop.losses

    loss = getattr(neuralop.losses, name)(d=len(problem.case.grid))
    return torch_step(problem, lambda x, y: loss(x[:, None], y[:, None]))
