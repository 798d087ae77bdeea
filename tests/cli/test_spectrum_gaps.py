"""``spectrum`` of files with gaps: left out, filled or masked, as the library has it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks

SHAPE = (5, 2, 16, 20)


@pytest.fixture
def field(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).standard_normal(SHAPE) + 1
    x[1, 0, 3:7, 4:9] = np.nan
    x[4, :, 0] = np.inf
    np.save("x.npy", x)
    return x


def spectrum(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main(["spectrum", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["files"]


def powers(x: Any, **options: Any) -> Any:
    return sl.radial_spectrum(x, **options).power.mean(0) / np.prod(SHAPE[-2:]) ** 2


@pytest.mark.parametrize("budget", [1, blocks.BUDGET])
def test_filled_masked_and_left_out(field, capsys, monkeypatch, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    (filled,) = spectrum(capsys, "x.npy", "--nan", "fill")
    np.testing.assert_allclose(filled["power"], powers(field, mask=np.isfinite(field)), rtol=1e-9)
    mask = np.isfinite(field).all((0, 1))
    np.save("m.npy", mask)
    np.save("whole.npy", field[[0, 2, 3]])
    first, second = spectrum(capsys, "x.npy", "whole.npy", "--mask", "m.npy")
    np.testing.assert_allclose(first["power"], powers(field, mask=mask), rtol=1e-9)
    np.testing.assert_allclose(second["power"], powers(field[[0, 2, 3]], mask=mask), rtol=1e-9)
    (left,) = spectrum(capsys, "x.npy", "--nan", "skip")
    np.testing.assert_allclose(left["power"], powers(field[[0, 2, 3]]), rtol=1e-9)
    assert (left["skipped"], left["frames"], filled["skipped"]) == (2, 3, 0)
    assert main(["spectrum", "x.npy", "--nan", "skip"]) == 0
    assert "left out, because not all there is finite: 2 positions along axis 0\n" in capsys.readouterr().out


def test_energy_with_gaps(field, capsys):
    assert main(["spectrum", "x.npy", "--nan", "fill", "--energy", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["files"]
    expected = sl.energy_spectrum(field, mask=np.isfinite(field), channel_axis=1)
    np.testing.assert_allclose(found["energy"][0], expected.power.mean(0), rtol=1e-9)


def test_gaps_that_are_refused(field, capsys):
    for words, told in (
        (["x.npy"], "x.npy is not finite at [1, 0, 3, 4]: nan; "),
        (["x.npy", "--mask", "none.npy"], "none.npy: no such file"),
        (["x.npy", "--nan", "fill", "--channels", "mean"], "--nan fill: --channels mean"),
        (["x.npy", "--mask", "m.npy", "--nan", "fill"], "x.npy: a field has no point that counts"),
    ):
        np.save("m.npy", np.zeros(SHAPE[-2:]))
        assert main(["spectrum", *words]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert told in printed.err
        assert printed.err.count("\n") == 1
