"""The training loops under docs/examples in JAX and in NumPy: their losses fall, and their weights move."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs

import spectral_losses as sl
from spectral_losses.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module
    for name in ("jax_optax", "numpy_loop"):
        sys.modules.pop(name, None)


def test_numpy_loop(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop, path = example("numpy_loop"), tmp_path / "run.csv"
    assert loop.main(["--log", str(path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 40
    moves = [line for line in printed if "adapted" in line]
    assert len(moves) > 2
    errors = loop.train(40, 0, np, sl.History())
    capsys.readouterr()
    assert errors[-1]["field_error"] < 0.9 * errors[0]["field_error"]
    # The spectrum error rises under the field error alone, and falls as weight moves to it.
    peak = max(errors, key=lambda each: each["spectrum_error"])
    assert errors[0]["spectrum_error"] < peak["spectrum_error"]
    assert errors[-1]["spectrum_error"] < 0.5 * peak["spectrum_error"]
    config = tmp_path / "config.json"
    config.write_text(loop.CONFIG.to_json())
    assert main(["replay", str(path), "--config", str(config), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["configurations"]
    assert len(found["adaptations"]) == len(moves)


def test_the_chain_rule_of_the_numpy_loop(example: Any) -> None:
    loop, rng = example("numpy_loop"), np.random.default_rng(3)
    x, target = (np.asarray(each, dtype=np.float64) for each in loop.pairs(rng))
    kernel, direction = rng.normal(size=(2, 7, 7))
    both = sl.value_and_grad("spectrum_error")
    gradient = loop.chain(np, both(loop.predict(np, kernel, x), target)[1], x)
    h = 1e-6
    ahead, behind = (both(loop.predict(np, kernel + s * h * direction, x), target)[0] for s in (1, -1))
    np.testing.assert_allclose(np.sum(gradient * direction), (ahead - behind) / (2 * h), rtol=1e-5)


def test_numpy_loop_without_cupy(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SystemExit, match=r"--cupy needs CuPy: pip install"):
        example("numpy_loop").main(["--cupy"])


@pytest.mark.gpu("cupy")
def test_numpy_loop_on_a_gpu(example: Any) -> None:
    import cupy

    loop = example("numpy_loop")
    on_host, on_gpu = (loop.train(10, 0, xp, sl.History()) for xp in (np, cupy))
    assert on_gpu[-1]["field_error"] == pytest.approx(on_host[-1]["field_error"], rel=1e-2)


@needs("jax", "optax")
def test_jax_optax(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = example("jax_optax").train(12)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 12
    assert run.errors[-1]["field_error"] < 0.3 * run.errors[0]["field_error"]
    assert "adapted" in "".join(printed)
    assert run.weights == {"field_error": 1, "log_spectral_distance": pytest.approx(0.01)}
    assert run.errors[-1]["log_spectral_distance"] < 0.25  # 0.31 with field error alone
    assert run.compilations == 1


@needs("jax")
def test_jax_without_optax(example: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(SystemExit, match="needs optax: pip install optax"):
        example("jax_optax")
