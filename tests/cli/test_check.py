"""``spectral-losses check``: it passes here, and says by name what lies."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from frameworks import FRAMEWORKS, needs

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.check import command, measure, places
from spectral_losses.losses.registry import all_losses
from spectral_losses.testing import reference_spectrum

QUICK = {"float64": 20, "float32": 20, "float16": 3, "bfloat16": 3}
ERROR = "spectral-losses: error: "


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few losses, where each is compiled or makes a graph of tasks, and no C++ compiler at work."""
    few = {name: loss for name, loss in all_losses().items() if name in measure.FEW}
    monkeypatch.setattr(measure, "all_losses", lambda: few)
    monkeypatch.setattr(measure, "VARIANTS", measure.VARIANTS[:1])
    eager = places.Place._replace

    def of(*args: Any) -> list[places.Place]:
        found = _places_of(*args)
        return [eager(each, compiled=None if each.compiled is None else lambda f: f) for each in found]

    monkeypatch.setattr(places, "places_of", of)


_places_of = places.places_of


def found(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    code = main(["check", *argv, "--json"])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, json.loads(printed.out)


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["check", *argv]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(ERROR)
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix(ERROR).strip()


def on_the_cpu(name: str) -> Any:
    return pytest.param(name, marks=needs(name))


@pytest.mark.parametrize("framework", [on_the_cpu(name) for name in ("numpy", "torch", "array_api_strict")])
def test_every_loss_and_its_gradient(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, framework: str
) -> None:
    monkeypatch.setattr(measure._Asked, "cannot_compile", lambda self: "no compiler")
    code, document = found(capsys, "--framework", framework, "--device", "cpu")
    assert code == 0
    assert document["passed"]
    for row in document["rows"]:
        assert (row["framework"], row["device"]) == (framework, "cpu")
        number = len(measure._calls(row["dtype"]))
        assert row["compared"] == {"spectra": 2, "losses": number, "gradients": number}
        assert 0 < row["furthest"]["difference"] < 0.2 * row["furthest"]["allowed"]
    dtypes = {row["dtype"] for row in document["rows"]}
    halves = {"numpy": {"float16"}, "torch": {"float16", "bfloat16"}}.get(framework, set())
    assert dtypes == {"float64", "float32", *halves}
    notes = [row["note"] for row in document["rows"] if row["dtype"] == "float32"]
    assert notes == ["no compiler" if framework == "torch" else None]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("framework", [on_the_cpu(name) for name in ("torch", "dask", "jax")])
def test_a_few_losses(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, framework: str) -> None:
    if framework == "jax":
        monkeypatch.setattr(places, "ORDINARY", ("float32",))
        monkeypatch.setattr(measure, "VARIANTS", ())
    code, document = found(capsys, "--framework", framework, "--device", "cpu")
    assert code == 0
    compared = {row["dtype"]: row["compared"] for row in document["rows"]}
    assert compared["float32"].get("compiled", 0) == (2 if framework == "torch" else 0)
    assert all(each["losses"] == each["gradients"] >= 3 for each in compared.values())


@pytest.mark.slow
@needs("jax")
def test_all_of_jax(capsys: pytest.CaptureFixture[str]) -> None:
    import jax

    before = jax.config.jax_enable_x64
    assert found(capsys, "--framework", "jax")[0] == 0
    assert jax.config.jax_enable_x64 == before


@pytest.mark.slow
@needs("torch")
def test_compiled_by_pytorch(capsys: pytest.CaptureFixture[str]) -> None:
    code, document = found(capsys, "--framework", "torch", "--device", "cpu")
    assert code == 0
    (row,) = [row for row in document["rows"] if row["dtype"] == "float32"]
    assert row["note"] is not None or row["compared"]["compiled"] == 2


@pytest.mark.usefixtures("short")
@needs("torch")
def test_a_backend_that_lies_is_named_with_both_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = sl.spectrum_error
    monkeypatch.setattr(
        sl, "spectrum_error", lambda p, t, **o: right(p, t, **o) * (1 if type(p) is np.ndarray else 1.001)
    )
    assert main(["check", "--framework", "torch", "--device", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("- ")]
    row = [line for line in failed if "cpu, float64: spectrum_error, value: got " in line]
    assert len(row) == 1
    p, t, _ = measure._fields()
    value = float(right(p, t))
    assert f"got {1.001 * value:.10g}, expected {value:.10g} (difference 1.0e-03, allowed 4.5e-13)" in row[0]
    assert not any("field_error, value" in line for line in failed)
    assert any("spectrum_error, gradient" in line for line in failed)
    assert lines[-1] == "4 of 4 rows failed. Where a row fails, please open an issue, and paste this table."


@pytest.mark.parametrize(
    ("method", "factor", "named"),
    [("bin_power", 1.001, "radial_spectrum"), ("adjoint", 1.001, "spectrum_error, gradient")],
)
def test_numpy_is_held_against_the_definition(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, method: str, factor: float, named: str
) -> None:
    from spectral_losses_backends.numpy import backend

    right = getattr(backend, method)
    monkeypatch.setattr(backend, method, lambda *args, **options: factor * right(*args, **options))
    code, document = found(capsys, "--framework", "numpy")
    assert code == 1
    (row,) = [row for row in document["rows"] if row["dtype"] == "float64"]
    assert named in {each["what"] for each in row["failures"]}
    assert not row["passed"]


@pytest.mark.usefixtures("short")
def test_what_is_raised_and_what_is_not_a_number_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from spectral_losses_backends.numpy import backend

    def broken(x: Any, basis: Any) -> Any:
        raise RuntimeError("the device\nis on fire")

    monkeypatch.setattr(backend, "power", broken)
    assert main(["check", "--framework", "numpy"]) == 1
    printed = capsys.readouterr().out
    assert "float64: radial_spectrum: RuntimeError: the device is on fire" in printed
    nan = measure.Difference("a loss", np.nan, 1.0, np.nan, 1e-3)
    assert not nan.passed
    assert nan.share == np.inf


@pytest.mark.parametrize("ndim", [2, 3])
def test_shells_by_the_definition(ndim: int) -> None:
    x = measure._fields()[0]
    expected = reference_spectrum(x, spatial_axes=tuple(range(-ndim, 0)), channel_axis=None)
    np.testing.assert_allclose(measure._power(x, ndim), expected, rtol=1e-12)


def test_dtypes_that_a_device_lacks_are_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PyTorch's MPS has no float64."""

    def refusing(x: Any, dtype: str) -> Any:
        if dtype == "float64":
            raise TypeError("no float64 here")
        return places._rounded(x, dtype)

    somewhere = places.Place("numpy", "mps", refusing)
    monkeypatch.setattr(places, "places_of", lambda names, device: [somewhere])
    code, document = found(capsys)
    assert code == 0
    assert [row["dtype"] for row in document["rows"]] == ["float32", "float16"]
    assert document["unsupported"] == [f"numpy {np.__version__}, mps: no float64"]
    monkeypatch.setattr(places, "places_of", lambda names, device: [somewhere._replace(dtypes=("float64",))])
    assert refused(capsys) == f"nothing can be checked: numpy {np.__version__}, mps: no float64"


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--framework", "numpy", "--framework", "numpy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"spectral-losses {sl.__version__}, Python ")
    table = [line for line in lines if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    assert [line.split("|")[4].strip() for line in table[2:]] == ["float64", "float32", "float16"]
    assert all(line.rstrip("| ").endswith("passed") for line in table[2:])
    assert lines[-1] == "All 3 rows passed."


def test_what_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "invalid choice: 'tensorflow'" in refused(capsys, "--framework", "tensorflow")
    assert refused(capsys, "--framework", "numpy", "--device", "cuda").startswith("--device cuda: numpy: knows the CPU")
    assert "--framework cupy needs cupy, which is not installed" in refused(capsys, "--framework", "cupy")
    monkeypatch.setattr(places, "FRAMEWORKS", {"numpy": places._numpy, "dask": places._dask})
    assert refused(capsys, "--device", "mps").startswith("--device mps: numpy: knows the CPU alone")


@needs("torch", "jax")
def test_devices_that_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    for framework in ("torch", "jax"):
        assert refused(capsys, "--framework", framework, "--device", "no").startswith(f"--device no: {framework}: ")
    assert refused(capsys, "--framework", "jax", "--device", "cpu:7000").startswith("--device cpu:7000: jax: ")


def test_the_names_are_those_of_the_frameworks() -> None:
    assert tuple(places.FRAMEWORKS) == command.NAMES
    assert set(command.NAMES) <= {*FRAMEWORKS, "array_api_strict"}
