"""Whole steps of training (forward, loss, backward, Adam) under several losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import memory
from candidates import torch_finish
from measure import progress
from parts import Setting
from report import Section, Table, digits
from tables import spread
from timing import Failure, Result, Timing, interleaved, reason

import spectral_losses as sl

NAMES = ("mse_loss", "field_error", "spectrum_error", "mix")


def training(setting: Setting) -> Section:
    """A Fourier neural operator of neuraloperator's, and the demo's."""
    others = NAMES[1:]
    header = ["model", "stack", "mse_loss, ms", *(f"{name} / mse_loss" for name in others)]
    header += ["mse_loss, MiB", *(f"{name}, MiB more" for name in others)]
    rows, data, missing = [], [], []
    for name, build, shape in steps(setting):
        stack = " x ".join(map(str, shape))
        with progress(f"training {name}, {stack}, {setting.device}"):
            try:
                model = build()
            except Exception as error:
                missing.append([name, stack, reason(error)])
                continue
            functions = steps_of(model, shape, setting.device)
            found = interleaved(functions, min(setting.effort.rounds, 21), 10 * setting.effort.seconds)
            peaks = {key: memory.peak(function, setting.device) for key, function in functions.items()}
        rows.append([name, stack, spread(found["mse_loss"]), *(over(found, key) for key in others), *mebibytes(peaks)])
        medians = {key: result.median if isinstance(result, Timing) else None for key, result in found.items()}
        data.append({"model": name, "shape": list(shape), "seconds": medians, "bytes": peaks})
    tables = [
        Table(f"A step of training{setting.where}", header, rows),
        Table("Not measured", ["model", "stack", "reason"], missing),
    ]
    return Section(f"training{setting.where}", tables, data)


def steps(setting: Setting) -> Iterator[tuple[str, Callable[[], Any], tuple[int, ...]]]:
    """Name, factory and shape of what is trained."""
    layers = 2 if setting.quick else 4

    def fno() -> Any:
        from neuralop.models import FNO

        return FNO(n_modes=(16, 16), in_channels=1, out_channels=1, hidden_channels=32, n_layers=layers)

    def demo() -> Any:
        from spectral_losses.cli.demo.operator import FourierOperator

        return FourierOperator(2, width=16, modes=12, layers=4, change=True)

    for batch, n in ((2, 32),) if setting.quick else ((8, 64), (8, 128), (4, 256)):
        yield f"FNO of neuraloperator, {layers} layers", fno, (batch, 1, n, n)
    for n in (32,) if setting.quick else (64, 128):
        yield "the demo's", demo, (8, 1, n, n)


def steps_of(model: Any, shape: tuple[int, ...], device: str) -> dict[str, Callable[[], object]]:
    """One step under each loss, all of the same model."""
    import torch

    torch.manual_seed(0)
    model = model.to(device)
    x, y = torch.randn(shape, device=device), torch.randn(shape, device=device)
    optimizer = torch.optim.Adam(model.parameters())
    finish = torch_finish(device)
    mix = sl.CompositeLoss({"field": "field_error", "spectrum": "spectrum_error"}, {"field": 0.3, "spectrum": 0.7})
    losses: list[Callable[..., Any]] = [torch.nn.functional.mse_loss, sl.field_error, sl.spectrum_error]
    losses.append(lambda p, t: mix(p, t)[0])

    def step(loss: Callable[[Any, Any], Any]) -> Callable[[], None]:
        def run() -> None:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
            finish()

        return run

    return {name: step(loss) for name, loss in zip(NAMES, losses, strict=True)}


def over(found: dict[str, Result], name: str) -> str:
    """Ratio to mse_loss, with one digit more than elsewhere: the differences are small."""
    result, base = found[name], found["mse_loss"]
    if isinstance(result, Failure) or isinstance(base, Failure):
        return result.reason if isinstance(result, Failure) else ""
    return f"{result.median / base.median:.3f}"


def mebibytes(peaks: dict[str, float | None]) -> list[str]:
    """Peak under mse_loss, and how much more under the others."""
    base = peaks["mse_loss"]
    if base is None:
        return [digits(None)] * len(peaks)
    more = (peaks[name] for name in NAMES[1:])
    return [f"{base / 2**20:.1f}", *(digits(None) if p is None else f"{(p - base) / 2**20:+.1f}" for p in more)]
