"""The training programs under docs/examples run; the guide for former users lists tests that exist."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import SHARED

import spectral_losses as sl
from spectral_losses.scheduler.legacy import FIELDS

TESTS = Path(__file__).resolve().parents[1]
DOCS = TESTS.parent / "docs"
EXAMPLES = DOCS / "examples"
GUIDE = DOCS / "coming-from.md"
PROGRAMS = ("torch_training", "field_to_spectrum", "perceptual_to_field", "static_mix")
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """One of the programs, by the name that a test is parametrized with."""
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield __import__(request.param)
    for name in (*PROGRAMS, "turbulence"):
        sys.modules.pop(name, None)


def of(name: str) -> Any:
    return pytest.mark.parametrize("program", [name], indirect=True)


def errors(printed: str, name: str) -> list[float]:
    """The values of one metric in what a program prints, epoch by epoch."""
    return [float(value) for value in re.findall(rf"{name} (\d\.\d+)  ", printed)]


@of("field_to_spectrum")
def test_field_to_spectrum(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--epochs", "11"]) == 0
    printed = capsys.readouterr().out
    field, spectrum = errors(printed, "field_error"), errors(printed, "spectrum_error")
    assert len(field) == len(spectrum) == 11
    assert field[-1] < 0.2 * field[0]
    weights = [[float(w) for w in row.split()] for row in re.findall(r"weights ([\d. ]+?)  \w", printed)]
    assert weights[0] == [1.0, 1.0, 0.0]
    assert weights[-1][0] == weights[-1][1] < 1 < weights[-1][0] + weights[-1][2] + 0.01
    # With weight the spectrum error falls faster than it did by itself.
    began = [row[2] > 0 for row in weights].index(True)
    assert spectrum[-1] / spectrum[began] < spectrum[began] / spectrum[began - 4]
    moves = int(re.findall(r"moves: (\d+)", printed)[0])
    assert moves == printed.count("adapted") > 2


@of("perceptual_to_field")
def test_perceptual_to_field(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    history, decisions = program.run(7)
    assert [name for name in decisions[0].weights if decisions[0].weights[name]] == ["recPerceptual", "predPerceptual"]
    assert any(decisions)
    last = decisions[-1].weights
    assert 0 < last["recFieldError"] == last["predFieldError"] < last["recPerceptual"] == last["predPerceptual"] < 1
    assert history[-1]["field_error"] < 0.3 * history[0]["field_error"]
    assert len(capsys.readouterr().out.splitlines()) == 7


@of("perceptual_to_field")
def test_the_perceptual_distance_is_fixed_and_differentiable(program: Any) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    target = torch.randn(2, 3, 2, 16, 16, generator=generator)
    distance = program.RandomFeatures()
    assert not list(distance.parameters())
    assert float(distance(target, target)) == 0
    prediction = (1.1 * target).requires_grad_()
    found = distance(prediction, target)
    found.backward()
    assert found.shape == ()
    assert bool(prediction.grad.isfinite().all())
    assert float(prediction.grad.abs().max()) > 0
    found, prediction = found.detach(), prediction.detach()
    assert float(program.RandomFeatures()(prediction, target)) == float(found) > 0
    assert float(distance(1.2 * target, target)) > float(found)
    # The filters know a periodic box.
    assert float(distance(prediction.roll(2, -1), target.roll(2, -1))) == pytest.approx(float(found), rel=1e-5)


@of("static_mix")
def test_static_mix(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--epochs", "3"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("weights 0.500 0.500 0.500") == 3
    assert "warmup" not in printed
    field, spectrum = errors(printed, "field_error"), errors(printed, "spectrum_error")
    assert field[-1] < 0.5 * field[0]
    assert spectrum[-1] < 0.5 * spectrum[0]
    # The total is the half of the sum of what was computed: all three, from the first epoch on.
    total, *parts = map(float, re.findall(r"(?:total|\w+Error) (\d\.\d+)", printed.splitlines()[0]))
    assert total == pytest.approx(sum(parts) / 2, abs=2e-6)
    assert len(parts) == 3


@of("torch_training")
def test_a_run_resumes_bit_for_bit(program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert program.main(["--epochs", "7", "--out", str(whole)]) == 0
    wanted = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert program.main(["--epochs", "6", "--out", str(halves)]) == 0
    assert program.main(["--epochs", "7", "--out", str(halves), "--resume", str(halves / "last.pt")]) == 0
    printed = capsys.readouterr().out
    assert "going on from epoch 6" in printed
    assert [line for line in printed.splitlines() if line.startswith("epoch")] == wanted
    assert "1.000 1.000 0.010" in wanted[-1]  # at the end of the ramp
    distances = errors("\n".join(wanted), "log_spectral_distance")
    assert distances[-1] < 0.6 * distances[4]  # with its weight it falls
    assert errors("\n".join(wanted), "field_error")[-1] < 0.2
    one, other = (torch.load(folder / "last.pt", weights_only=True) for folder in (whole, halves))
    assert one["epoch"] == other["epoch"] == 6
    assert one["scheduler"] == other["scheduler"]
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])
    assert not list(tmp_path.glob("*/*.part"))


@of("torch_training")
def test_the_best_epoch_is_that_of_the_metric(program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    found = iter([0.5, 0.25, 0.75, 0.3])
    monkeypatch.setattr(program, "flows", lambda number, *, seed: torch.ones(number, 4, 2, 16, 16))
    monkeypatch.setattr(program, "train", lambda *given: {"total": 0.0})
    monkeypatch.setattr(program, "validate", lambda *given: {"field_error": 1.0, "log_spectral_distance": next(found)})
    program.run(4, tmp_path, best_by="log_spectral_distance")
    best, last = (torch.load(tmp_path / name, weights_only=True) for name in ("best.pt", "last.pt"))
    assert (best["epoch"], best["best"]) == (1, 0.25)
    assert (last["epoch"], last["best"]) == (3, 0.25)


@of("torch_training")
def test_validation_weighs_batches_by_their_size(program: Any) -> None:
    import torch

    target = torch.randn(5, 4, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Module()
    model.forward = lambda first: first[:, None].expand(-1, 4, -1, -1, -1)
    metrics = {"losses": ("field_error", "spectrum_error"), "channels": "sum"}
    whole = sl.evaluate(model(target[:, 0]), target, **metrics)
    assert program.validate(model, target.split(3), metrics) == pytest.approx(whole, rel=1e-5)


def test_the_composite_of_the_guide_is_the_former_total() -> None:
    """In NumPy, by sorting the modes of the mean over channels into rings."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=(3, 4, 2, 16, 16))
    prediction = target + 0.3 * rng.normal(size=target.shape)
    relative = np.mean((prediction - target) ** 2, axis=(-2, -1)) / (np.mean(target**2, axis=(-2, -1)) + 1e-8)
    k = np.hypot(*np.meshgrid(*2 * [16 * np.fft.fftfreq(16)]))

    def logarithm(x: Any) -> Any:
        power = abs(np.fft.fft2(x.mean(axis=2))) ** 2
        rings = [power[..., (k > m - 0.5) & (k <= m + 0.5)].mean(axis=-1) * 2 * np.pi * m for m in range(1, 9)]
        return np.log(np.stack(rings) + 1e-10)

    p, t = logarithm(prediction), logarithm(target)
    spectrum = np.mean(np.mean((p - t) ** 2, axis=(0, 2)) / np.mean(t**2, axis=(0, 2)))
    weights = {"recFieldError": 0.7, "predFieldError": 0.4, "spectrumError": 0.3}
    wanted = 0.7 * relative[:, 0].mean() + 0.4 * relative[:, 1:].mean() + 0.3 * spectrum

    page = GUIDE.read_text(encoding="utf-8")
    (given,) = re.findall(r">>> (loss = sl\.CompositeLoss\(\n\.\.\. +\{\n(?:\.\.\. .*\n)*?\.\.\. +\},)", page)
    names: dict[str, Any] = {"sl": sl}
    exec(given.replace("\n... ", "\n") + "\n)", names)
    total, _ = names["loss"](prediction, target, weights=weights)
    assert float(total) == pytest.approx(wanted, rel=1e-9)


def test_the_guide_names_every_setting_of_the_scheduler() -> None:
    page = GUIDE.read_text(encoding="utf-8")
    table = page.split("### SchedulerParams and FlexibleLossSchedulerConfig")[1].split("\n### ")[0]
    names = {field.name for field in fields(sl.SchedulerConfig)} | set(FIELDS)
    assert [name for name in sorted(names) if f"`{name}`" not in table] == []


def checklist() -> dict[str, list[tuple[str, list[tuple[str, str]]]]]:
    """The rows of the guide's checklist by section: what is shown, and the tests as file and name."""
    page = GUIDE.read_text(encoding="utf-8").split("\n## Checklist\n")[1]
    found = {}
    for section in page.split("\n### ")[1:]:
        heading, *lines = section.splitlines()
        rows = [line.strip("|").split(" | ") for line in lines if line.startswith("| ") and not line.startswith("| |")]
        found[heading] = [
            (what.strip(), re.findall(r"`([\w/]*test_\w+\.py)::(test_\w+)`", tests)) for what, tests in rows
        ]
    return found


def test_every_test_of_the_checklist_exists() -> None:
    seen = 0
    for section, rows in checklist().items():
        for what, tests in rows:
            assert tests, f"{section}: {what} has no test"
            for file, name in tests:
                tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
                assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (file, name)
                seen += 1
    assert seen > 30


def test_the_checklist_has_every_row_of_the_original() -> None:
    counts = [len(rows) for rows in checklist().values()]
    assert counts == [8, 6, 4, 6, 4]
    original = SHARED / "original-summary.md"
    if original.exists():
        text = original.read_text(encoding="utf-8").split("Verification Checklist")[1].split("\n## ")[0]
        assert counts == [section.count("- [x]") for section in text.split("\n### ")[1:]]
